//! `mlx train` interrupted, killed, and meeting another one: nobody lives on, and nothing is lost.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Project, make_pipe};
use crate::killed::kill;
use crate::live::on_terminal;
use crate::train::{pairs, train};

/// Starts the program with what it writes in pipes.
fn start(project: &Project, arguments: &[&str]) -> Child {
    project.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads what comes out of the child until a line holds this text.
#[track_caller]
fn read_until(child: &mut Child, text: &str) -> String {
    let mut reader = BufReader::new(child.stderr.as_mut().unwrap());
    let mut all = String::new();
    while !all.contains(text) {
        assert!(reader.read_line(&mut all).unwrap() > 0, "it ended before it said `{text}`:\n{all}");
    }
    all
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Whether the process does something, rather than wait to be reaped.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// A pipeline whose second step starts a grandchild that ignores Ctrl-C, writes the ids and waits for ever.
fn endless(trap: &str) -> Project {
    let project = Project::with_manifest(&format!(
        "[step.first]\ncmd = 'echo 1 > one'\nouts = ['one']\n[step.second]\n\
         cmd = '''{trap}\nsh -c \"trap : INT; while :; do sleep 1000; done\" & echo $! > child; echo $$ > self; echo begun > begun\nwait; wait; wait'''\n\
         deps = ['one']\nouts = ['two']\n"
    ));
    make_pipe(&project, "begun");
    project
}

fn wait_for_begin(project: &Project) {
    File::open(project.path("begun")).unwrap().read_to_string(&mut String::new()).unwrap();
}

#[track_caller]
fn assert_all_ended(project: &Project) {
    for file in ["child", "self"] {
        assert!(!is_alive(&project.read(file)), "`{file}` lives on");
    }
}

#[test]
fn an_interrupt_ends_grandchildren_and_keeps_what_succeeded() {
    let project = endless("");
    let child = start(&project, &["train", "--events", "events"]);
    wait_for_begin(&project);

    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("step `second` was stopped"));
    assert_all_ended(&project);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("2 steps: 1 run, 1 interrupted, 0 up to date\n"), "{shown}");
    let events = project.read("events");
    assert!(events.lines().any(|line| line.contains("step_finished") && line.contains("\"interrupted\"")), "{events}");
    let run = project.mlx(&["runs", "show", "latest", "--json"]).json();
    assert_eq!((&run["status"], &run["steps"][1]["outcome"]), (&"interrupted".into(), &"interrupted".into()));
    project.mlx(&["runs"]).success().prints("1 run, 1 interrupted\n");
    let listed = project.mlx(&["runs", "--json"]).success().json()["runs"][0].clone();
    assert_eq!((&listed["failed"], &listed["steps"]["interrupted"]), (&0.into(), &1.into()));
    project.mlx(&["explain", "second"]).success().prints("UTC: it was interrupted.");
    project.set(
        "mlx.toml",
        project
            .read("mlx.toml")
            .replace("wait; wait; wait", "kill -9 $!; echo 2 > two")
            .replace("echo begun > begun", ""),
    );
    assert_eq!(train(&project, &[]), pairs([("first", "up_to_date"), ("second", "ran")]));
}

#[test]
fn a_second_interrupt_ends_a_program_that_ignores_the_first() {
    let project = endless("trap 'echo heard > heard' INT");
    make_pipe(&project, "heard");
    let child = start(&project, &["train"]);
    wait_for_begin(&project);

    send(&child, Signal::INT);
    File::open(project.path("heard")).unwrap().read_to_string(&mut String::new()).unwrap();
    send(&child, Signal::INT);

    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert_all_ended(&project);
}

#[test]
fn a_killed_run_leaves_nothing_behind_for_the_next() {
    let project = endless("");
    let mut child = start(&project, &["train"]);
    wait_for_begin(&project);

    kill(&project, &mut child, true);
    project.set(
        "mlx.toml",
        project
            .read("mlx.toml")
            .replace("wait; wait; wait", "kill -9 $!; echo 2 > two")
            .replace("echo begun > begun", ""),
    );
    let child = project.read("child");
    project.mlx(&["train"]).success().says("that a killed `mlx train` had left running");

    assert!(!is_alive(&child));
    let runs = project.mlx(&["runs", "--json"]).json();
    assert_eq!(runs["runs"][1]["status"], "interrupted");
}

#[test]
fn programs_left_in_the_background_are_ended() {
    let project = Project::with_manifest("[step.a]\ncmd = 'sleep 1000 & echo $! > pid'\nouts = ['pid']");

    project.mlx(&["train"]).success().says("step `a` left programs running when it ended; they were ended too");

    assert!(!is_alive(&project.read("pid")));
}

#[test]
fn programs_that_left_their_group_are_ended_with_the_run() {
    // Where it holds the step's output, it is told once all the same.
    for output in ["> log 2>&1", ""] {
        let project = Project::with_manifest(&format!("[step.a]\ncmd = 'setsid ./daemon {output} & cat begun'"));
        project.program(&project.path("daemon"), "echo $$ > pid; echo begun > begun; exec sleep 1000");
        make_pipe(&project, "begun");

        let trained = project.mlx(&["train"]).success();

        assert!(!trained.stderr.contains("left programs running"), "{}", trained.stderr);
        trained.says("programs that left the process group of their step were still running");
        assert!(!is_alive(&project.read("pid")));
    }
}

#[test]
fn an_interrupt_ends_programs_that_left_their_group() {
    let project = Project::with_manifest("[step.a]\ncmd = 'setsid ./daemon > log 2>&1 & wait'");
    project.program(&project.path("daemon"), "echo $$ > pid; echo begun > begun; exec sleep 1000");
    make_pipe(&project, "begun");
    let child = start(&project, &["train"]);
    wait_for_begin(&project);

    send(&child, Signal::INT);

    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert!(!is_alive(&project.read("pid")));
}

/// A step that saves what it has when it is to end, and else waits for a word.
fn saving() -> Project {
    let project = Project::with_manifest(
        "[step.a]\ncmd = '''trap \"echo saved > saved; exit 1\" INT\necho begun > begun; read word < word & wait'''\n",
    );
    make_pipe(&project, "begun");
    make_pipe(&project, "word");
    project
}

#[test]
fn the_end_of_a_terminal_is_the_wish_to_stop_in_order() {
    let project = saving();
    let mut terminal = on_terminal(&project, 80, "train");
    wait_for_begin(&project);

    // Nobody reads what is written there from now on.
    send(&terminal, Signal::KILL);
    terminal.wait().unwrap();

    let ended = || project.mlx(&["runs", "show", "latest", "--json"]).success().json();
    let mut run = ended();
    while run["status"] == "running" {
        std::thread::yield_now();
        run = ended();
    }
    assert_eq!((&run["status"], &run["steps"][0]["exit_code"]), (&"interrupted".into(), &serde_json::Value::Null));
    assert!(run["error"].as_str().unwrap().starts_with("step `a` was stopped"), "{run}");
    assert_eq!(project.read("saved"), "saved\n");
}

#[test]
fn hanging_up_twice_is_no_hurry_and_who_was_told_to_stay_stays() {
    let project = saving();
    let child = start(&project, &["train"]);
    wait_for_begin(&project);
    send(&child, Signal::HUP);
    send(&child, Signal::HUP);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert_eq!(project.read("saved"), "saved\n");

    let project = saving();
    let mut command = project.other("nohup", &[env!("CARGO_BIN_EXE_mlx"), "train"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_begin(&project);
    send(&child, Signal::HUP);
    fs::write(project.path("word"), "go on\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn who_waits_for_a_program_to_end_is_told_what_for() {
    let project = Project::with_manifest(
        "[step.a]\ncmd = '''trap : INT\necho begun > begun; while :; do sleep 1000 & wait; done'''\n",
    );
    make_pipe(&project, "begun");
    let mut child = start(&project, &["train"]);
    wait_for_begin(&project);

    send(&child, Signal::INT);
    read_until(&mut child, "step `a` has 10s to end by itself; Ctrl-C again ends it at once");
    send(&child, Signal::INT);

    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
}

#[test]
fn a_program_that_asks_a_terminal_is_told_that_nobody_is_there() {
    let project =
        Project::with_manifest("[step.a]\ncmd = 'read word < /dev/tty || echo nobody > out'\nouts = ['out']\n");

    let terminal = on_terminal(&project, 80, "train");

    assert!(terminal.wait_with_output().unwrap().status.success());
    assert_eq!(project.read("out"), "nobody\n");
}

#[test]
fn a_second_train_waits_for_the_first() {
    let project = endless("");
    let first = start(&project, &["train"]);
    wait_for_begin(&project);
    let mut second = start(&project, &["train"]);
    let mut third = start(&project, &["train"]);
    let message = format!("waiting for mlx train (process {})", first.id());
    read_until(&mut second, &message);
    read_until(&mut third, &message);

    send(&third, Signal::INT);
    assert_eq!(third.wait().unwrap().code(), Some(130));
    send(&first, Signal::INT);
    assert_eq!(first.wait_with_output().unwrap().status.code(), Some(130));

    // Now the second one's turn has come, and its program begins.
    wait_for_begin(&project);
    send(&second, Signal::INT);
    assert_eq!(second.wait().unwrap().code(), Some(130));
    assert_all_ended(&project);
}

#[test]
fn a_kill_at_any_step_leaves_a_sound_project() {
    const STEPS: usize = 12;
    let step = |index: usize| {
        let dep = if index == 0 { "raw".to_owned() } else { format!("out{}", index - 1) };
        format!(
            "[step.s{index}]\ncmd = 'cat {dep} > out{index}; echo {index} >> out{index}'\ndeps = ['{dep}']\nouts = ['out{index}']\n"
        )
    };
    let manifest: String = (0..STEPS).map(step).collect();
    let undisturbed = Project::with_manifest(&manifest).write("raw", "raw\n");
    undisturbed.mlx(&["train"]).success();
    let project = Project::with_manifest(&manifest).write("raw", "raw\n");

    for index in 0..STEPS {
        let mut child = start(&project, &["train"]);
        read_until(&mut child, &format!("s{index}: "));
        send(&child, Signal::KILL);
        child.wait().unwrap();
        project.mlx(&["verify"]).success();
    }
    project.mlx(&["train"]).success();

    assert_eq!(project.read("mlx.lock"), undisturbed.read("mlx.lock"));
    project.mlx(&["verify"]).success();
    project.mlx(&["train", "--locked"]).success();
}
