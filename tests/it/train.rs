//! Training: what runs, what is restored, what is left alone, and what is told when a step fails.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::harness::Project;

/// Two steps in a row and one beside them; `TRAIN` takes parameters and measures.
const PIPELINE: &str = r#"
[params]
train = { trees = 200, depth = 6 }
report = { title = "of data" }

[step.prepare]
cmd = "mkdir -p data; tr a-z A-Z < raw.txt > data/train.txt"
deps = ["raw.txt"]
outs = ["data/train.txt"]

[step.train]
cmd = '''mkdir -p model; cat data/train.txt > model/m; echo ${train.trees} >> model/m
echo "{\"accuracy\": 0.${train.trees}}" > metrics.json
echo "{\"name\": \"loss\", \"value\": 0.5, \"step\": 1}" >> $MLX_METRICS
echo "{\"name\": \"loss\", \"value\": 0.25, \"step\": 2}" >> $MLX_METRICS'''
deps = ["data/train.txt"]
params = ["train.depth"]
outs = ["model/"]
metrics = ["metrics.json"]

[step.report]
cmd = "echo $MLX_PARAM_REPORT_TITLE > report.txt"
deps = ["raw.txt"]
params = ["report"]
outs = ["report.txt"]
"#;

fn pipeline() -> Project {
    Project::with_manifest(PIPELINE).write("raw.txt", "some data\n")
}

/// The outcome of each step of the newest run.
#[track_caller]
fn outcomes(project: &Project) -> Vec<(String, String)> {
    let run = project.mlx(&["runs", "show", "latest", "--json"]).success().json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    run["steps"].as_array().unwrap().iter().map(|step| (text(&step["name"]), text(&step["outcome"]))).collect()
}

/// Trains and says what became of each step.
#[track_caller]
fn train(project: &Project, arguments: &[&str]) -> Vec<(String, String)> {
    project.mlx(&[&["train"], arguments].concat()).success();
    outcomes(project)
}

fn pairs<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())).into()
}

#[test]
fn second_train_runs_nothing() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    let lock = project.read("mlx.lock");

    let second = project.mlx(&["train"]).success();

    assert_snapshot!(second.stdout, @"
    step     outcome     time  why
    prepare  up to date
    train    up to date
    report   up to date

    metric     value
    accuracy  0.2000
    loss      0.2500

    3 steps: 0 run, 3 up to date
    ");
    assert_eq!(project.read("mlx.lock"), lock);
}

#[test]
fn one_parameter_reruns_only_what_depends_on_it() {
    let project = pipeline();
    project.mlx(&["train"]).success();

    let outcomes = train(&project, &["--set", "train.trees=300"]);

    assert_eq!(outcomes, pairs([("prepare", "up_to_date"), ("train", "ran"), ("report", "up_to_date")]));
    let run = project.mlx(&["runs", "show", "latest", "--json"]).json();
    assert_eq!(run["steps"][1]["reason"], "`train.trees` went from 200 to 300");
    assert_eq!(run["params"]["train.trees"], 300);
    assert!(project.read("model/m").ends_with("300\n"));
}

#[test]
fn what_was_computed_before_is_restored() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    let model = project.read("model/m");
    project.mlx(&["train", "--set", "train.trees=300"]).success();

    let outcomes = train(&project, &[]);

    assert_eq!(outcomes, pairs([("prepare", "up_to_date"), ("train", "restored"), ("report", "up_to_date")]));
    assert_eq!(project.read("model/m"), model);
}

#[test]
fn deleted_outputs_are_restored() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    fs::remove_dir_all(project.path("model")).unwrap();
    fs::remove_file(project.path("report.txt")).unwrap();

    let outcomes = train(&project, &[]);

    assert_eq!(outcomes, pairs([("prepare", "up_to_date"), ("train", "restored"), ("report", "restored")]));
    assert!(project.read("model/m").ends_with("200\n"));
}

#[test]
fn an_output_that_comes_out_the_same_stops_the_wave() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    project.set("raw.txt", "SOME data\n");

    let outcomes = train(&project, &[]);

    assert_eq!(outcomes, pairs([("prepare", "ran"), ("train", "up_to_date"), ("report", "ran")]));
}

#[test]
fn a_named_step_brings_what_it_needs() {
    assert_eq!(train(&pipeline(), &["train"]), pairs([("prepare", "ran"), ("train", "ran")]));
}

#[test]
fn force_runs_the_named_step_again() {
    let project = pipeline();
    project.mlx(&["train"]).success();

    let outcomes = train(&project, &["--force", "train"]);

    assert_eq!(outcomes, pairs([("prepare", "up_to_date"), ("train", "ran")]));
}

#[test]
fn parameters_reach_the_program_in_three_ways() {
    let project = Project::with_manifest(
        r#"
        params = ["params.yaml", "more.toml"]
        [step.a]
        cmd = '''echo "${fit.name}" ${fit.rate} $${HOME} > out; echo ${HOME} "$MLX_PARAM_FIT_NAME" >> out
        cat $MLX_PARAMS >> out; echo $MLX_STEP $EXTRA >> out'''
        params = ["fit"]
        outs = ["out"]
        variables = { EXTRA = "more" }
        "#,
    )
    .write("params.yaml", "fit:\n  name: a  b; $x\n  rate: 1\n")
    .write("more.toml", "[other]\nx = 1\n");

    project.mlx(&["train", "--set", "fit.rate=0.5"]).success();

    let out = project.read("out");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("a  b; $x 0.5 ") && lines[0].ends_with("{HOME}"), "{out}");
    assert_eq!(lines[1], format!("{} a  b; $x", project.home().display()));
    let (params, step) = lines[2].rsplit_once('}').unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&format!("{params}}}")).unwrap(),
        json!({ "fit": { "name": "a  b; $x", "rate": 0.5 } })
    );
    assert_eq!(step, "a more");
}

#[test]
fn an_unknown_setting_gets_a_suggestion() {
    pipeline().mlx(&["train", "--set", "train.tree=1"]).exits_with(2).says("did you mean `train.trees`?");
}

#[test]
fn metrics_come_from_files_and_from_appended_lines() {
    let project = pipeline();

    let run = project.mlx(&["train", "--json"]).success().json();

    assert_eq!(run["metrics"], json!({ "accuracy": 0.2, "loss": 0.25 }));
    assert_eq!(run["history"][0], json!({ "metric": "loss", "step": 1, "value": 0.5 }));
    assert_eq!(run["status"], "finished");
}

#[test]
fn a_dry_run_says_what_and_why_and_does_nothing() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    project.set("raw.txt", "other\n");
    let lock = project.read("mlx.lock");

    let plan = project.mlx(&["train", "--dry-run"]).success();

    assert_snapshot!(plan.stdout, @"
    step     action       why
    prepare  run          `raw.txt` changed
    train    perhaps run  depends on what `prepare` makes
    report   run          `raw.txt` changed

    3 steps: 2 to run, 1 depending on others, 0 up to date
    ");
    let plan = project.mlx(&["train", "--dry-run", "--json"]).success().json();
    assert_eq!(plan["steps"][0]["action"], "run");
    assert_eq!(project.read("mlx.lock"), lock);
    assert_eq!(project.read("data/train.txt"), "SOME DATA\n");
}

#[test]
fn locked_fails_when_anything_is_out_of_date() {
    let project = pipeline();
    project
        .mlx(&["train", "--locked"])
        .exits_with(4)
        .says("3 steps are out of date")
        .says("prepare: it never ran here");
    project.mlx(&["train"]).success();
    project.mlx(&["train", "--locked"]).success();
    project.set("raw.txt", "other\n");

    project.mlx(&["train", "--locked"]).exits_with(4).says("prepare: `raw.txt` changed");

    assert_eq!(project.read("data/train.txt"), "SOME DATA\n");
}

#[test]
fn outputs_are_kept_out_of_git_and_the_run_knows_the_code() {
    let project = pipeline();
    project.commit("first");
    project.set("raw.txt", "changed\n");
    project.set("new.py", "print()\n");
    project.set("image.bin", [0, 1, 2, 255]);
    project.set("a \"dir\"/empty ü", "");
    project.set("a \"dir\"/no end ü", "one\ntwo");
    project.program(&project.path("tool.sh"), "echo tool");
    project.set("large.csv", "1,2\n".repeat(300_000));

    let run = project.mlx(&["train", "--json"]).success().json();

    let head = project.git(&["rev-parse", "HEAD"]).stdout;
    assert_eq!(run["commit"], head.trim());
    assert!(project.read(".gitignore").contains("/model\n"));
    let patch = run["patch"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let patch = fs::read(project.path(format!(".mlx/store/objects/{}/{}", &patch[..2], &patch[2..]))).unwrap();
    assert!(patch.starts_with(b"mlx: left out large.csv (1200000 bytes)\n"));
    assert!(!String::from_utf8_lossy(&patch).contains(".mlx/"), "mlx's own files are no code");
    project.set("patch", patch);
    project.git(&["stash", "--quiet", "--include-untracked", "--", "raw.txt", "*.py", "*.bin", "*.sh", "a*"]);
    assert!(!project.exists("tool.sh") && !project.exists("a \"dir\""));
    project.git(&["apply", "patch"]);
    assert_eq!(project.read("a \"dir\"/empty ü"), "");
    assert_eq!(project.read("a \"dir\"/no end ü"), "one\ntwo");
    assert_eq!(project.path("tool.sh").metadata().unwrap().permissions().mode() & 0o111, 0o111);
    assert_eq!(project.read("raw.txt"), "changed\n");
    assert_eq!(fs::read(project.path("image.bin")).unwrap(), [0, 1, 2, 255]);
}

#[test]
fn an_output_that_git_keeps_is_told() {
    let project = pipeline().write("report.txt", "by hand");
    project.commit("with a report");

    let outcome = project.mlx(&["train", "--force"]).success();

    outcome.says("Git keeps `report.txt`").says("hint: `git rm -r --cached report.txt`");
}

/// A step that fails in some way.
#[track_caller]
fn fails(cmd: &str, rest: &str, messages: &[&str]) -> Project {
    let project = Project::with_manifest(&format!("[step.fit]\ncmd = '''{cmd}'''\n{rest}\n")).write("data", "1");
    let mut outcome = project.mlx(&["train"]).exits_with(3);
    for message in messages {
        outcome = outcome.says(message);
    }
    assert_eq!(outcomes(&project), pairs([("fit", "failed")]));
    project
}

#[test]
fn a_program_that_fails_is_told_with_its_last_lines() {
    let project = pipeline();
    project.set("mlx.toml", PIPELINE.replace("cat data/train.txt >", "echo KeyError >&2; exit 7;"));

    let outcome = project.mlx(&["train", "train"]).exits_with(3);

    let run = project.mlx(&["runs", "show", "latest", "--json"]).json();
    let id = run["id"].as_str().unwrap();
    assert_eq!(run["status"], "failed");
    assert_eq!(run["steps"][1]["exit_code"], 7);
    outcome
        .says("error: step `train` stopped with exit code 7\n")
        .says(
            &format!("  last lines of its output (all of it: `mlx logs {id} train`):\n    KeyError\n")
                .replace(id, "[id]"),
        )
        .says("hint: the steps before it are cached; `mlx train` goes on from here")
        .prints("2 steps: 1 run, 1 failed, 0 up to date");
    project.mlx(&["logs", id, "train"]).success().prints("KeyError\n");
}

#[test]
fn a_missing_program_is_told() {
    fails("no-such-program --x", "", &["step `fit` could not find its program (exit code 127)", "no-such-program"]);
}

#[test]
fn a_program_without_permission_is_told() {
    fails("./data", "deps = ['data']", &["step `fit` could not execute its program (exit code 126)", "chmod +x"]);
}

#[test]
fn death_by_signal_is_told() {
    fails("kill -SEGV $$", "", &["step `fit` was ended by the signal SIGSEGV"]);
    fails("sh -c 'kill -9 $$'; exit $?", "", &["stopped with exit code 137", "as after the signal SIGKILL"]);
}

#[test]
fn a_timeout_is_told() {
    fails("echo begun; exec sleep 1000", "timeout = '100ms'", &["took longer than its timeout of 0.1 s", "    begun"]);
}

#[test]
fn a_missing_output_is_told() {
    let rest = "outs = ['a', 'b', 'c/d']";
    fails("touch a; echo done", rest, &["step `fit` ended well and did not make `b`, `c/d`", "correct its `outs`"]);
}

#[test]
fn an_output_that_is_no_file_is_told() {
    fails("ln -s data out", "outs = ['out']", &["the output `out` of step `fit` is a symbolic link"]);
    let project = fails("mkfifo out", "outs = ['out']", &["the output `out` of step `fit` is a pipe"]);
    fails("mkdir out; mkfifo out/x", "outs = ['out']", &["out/x"]);

    // What a failed step left does not stand in the way of the next try.
    project.set("mlx.toml", "[step.fit]\ncmd = 'echo 1 > out'\nouts = ['out']");
    project.mlx(&["train"]).success();
}

#[test]
fn an_input_that_the_step_changes_is_told() {
    let rest = "deps = ['data']\nouts = ['out']";
    fails("echo 2 >> data; touch out", rest, &["step `fit` changed `data`, which is its input"]);
}

#[test]
fn a_metric_line_that_is_none_is_told() {
    fails("echo loss=1 >> $MLX_METRICS", "", &["that is no metric (line 1: `loss=1`)", "{\"name\": \"loss\""]);
}

#[test]
fn failure_keeps_what_succeeded() {
    let project = pipeline();
    project.set("mlx.toml", PIPELINE.replace("mkdir -p model;", "exit 1;"));
    project.mlx(&["train", "--jobs", "1"]).exits_with(3);
    project.set("mlx.toml", PIPELINE);

    let outcomes = train(&project, &[]);

    assert_eq!(outcomes, pairs([("prepare", "up_to_date"), ("train", "ran"), ("report", "ran")]));
}

#[test]
fn keep_going_does_what_does_not_depend_on_the_failure() {
    let project = pipeline();
    project.set("mlx.toml", PIPELINE.replace("mkdir -p data;", "exit 1;"));

    project.mlx(&["train", "--keep-going", "--jobs", "1"]).exits_with(3);

    assert_eq!(outcomes(&project), pairs([("prepare", "failed"), ("train", "skipped"), ("report", "ran")]));
}

#[test]
fn huge_binary_and_endless_output_is_logged_byte_for_byte() {
    let project = Project::with_manifest(
        "[step.fit]\ncmd = '''head -c 3000000 /dev/zero; head -c 100000 /dev/urandom | tee copy; yes | head -n 100000'''\nouts = ['copy']\n",
    );

    project.mlx(&["train", "--quiet"]).success();

    let log = project.command(&["logs", "latest", "fit"]).output().unwrap().stdout;
    let copy = fs::read(project.path("copy")).unwrap();
    assert_eq!(log.len(), 3_000_000 + 100_000 + 200_000);
    assert!(log[3_000_000..].starts_with(&copy));
}

#[test]
fn old_outputs_are_gone_when_a_step_runs() {
    let project =
        Project::with_manifest("[step.a]\ncmd = 'mkdir m; cp raw m/$(cat raw)'\ndeps = ['raw']\nouts = ['m']")
            .write("raw", "one");
    project.mlx(&["train"]).success();
    project.set("raw", "two");

    project.mlx(&["train"]).success();

    assert!(project.exists("m/two") && !project.exists("m/one"));
}

#[test]
fn outputs_changed_by_hand_are_not_lost() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    project.set("model/m", "by hand");

    project
        .mlx(&["train"])
        .exits_with(2)
        .says("output `model` of step `train`: `model/m` holds changes")
        .says("`mlx train --force` gives it up");
    project.mlx(&["train", "--set", "train.trees=1"]).exits_with(2).says("`model`");

    assert_eq!(project.read("model/m"), "by hand");
    project.mlx(&["train", "--force", "train"]).success();
    assert!(project.read("model/m").ends_with("200\n"));
}

#[test]
fn what_the_store_can_not_give_back_is_made_again() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    let lock = project.read("mlx.lock");
    let report = project.mlx(&["runs", "show", "latest", "--json"]).json()["steps"][2]["outs"][0]["digest"].clone();
    let hex = report.as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let object = project.path(format!(".mlx/store/objects/{}/{}", &hex[..2], &hex[2..]));
    fs::remove_file(&object).unwrap();
    fs::write(&object, "cut").unwrap();
    fs::remove_file(project.path("report.txt")).unwrap();

    let outcomes = train(&project, &[]);

    assert_eq!(outcomes, pairs([("prepare", "up_to_date"), ("train", "up_to_date"), ("report", "ran")]));
    assert_eq!(project.read("report.txt"), "of data\n");
    assert_eq!(project.read("mlx.lock"), lock);
    project.mlx(&["verify"]).success();
}

#[test]
fn a_step_that_is_gone_leaves_the_lock() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    project.set("mlx.toml", PIPELINE.replace("[step.report]", "[step.summary]"));

    assert_eq!(train(&project, &[])[2], ("summary".to_owned(), "restored".to_owned()));

    let lock = project.read("mlx.lock");
    assert!(lock.contains("\"summary\"") && !lock.contains("\"report\""), "{lock}");
}

#[test]
fn steps_run_in_parallel() {
    // Each waits for the other at a pipe.
    let project = Project::with_manifest(
        "[step.a]\ncmd = 'echo from a > pipe; cat back'\n[step.b]\ncmd = 'cat pipe; echo from b > back'\n",
    );
    make_pipe(&project, "pipe");
    make_pipe(&project, "back");

    project.mlx(&["train", "--jobs", "2"]).success().says("a | from b");
}

fn make_pipe(project: &Project, name: &str) {
    assert!(project.other("mkfifo", &[name]).status().unwrap().success());
}

/// Starts the program with its standard error in a pipe.
fn start(project: &Project, arguments: &[&str]) -> Child {
    project.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
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
    let child = start(&project, &["train"]);
    wait_for_begin(&project);

    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("step `second` was stopped"));
    assert_all_ended(&project);
    let run = project.mlx(&["runs", "show", "latest", "--json"]).json();
    assert_eq!(run["status"], "interrupted");
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

    send(&child, Signal::KILL);
    child.wait().unwrap();
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
fn what_can_not_have_a_version_is_shown_and_replaced() {
    let project = Project::with_manifest("[step.a]\ncmd = 'mkdir o; mkfifo o/pipe'\nouts = ['o']");
    project.mlx(&["train"]).exits_with(3).says("is a named pipe");

    project.mlx(&["status"]).success().prints("not made  o");
    project.set("mlx.toml", "[step.a]\ncmd = 'mkdir o; echo 1 > o/file'\nouts = ['o']");
    project.mlx(&["train"]).success();

    fs::remove_file(project.path("o/file")).unwrap();
    assert!(project.other("mkfifo", &["o/file"]).status().unwrap().success());
    project.mlx(&["status"]).success().prints("modified  o");
    project.mlx(&["checkout"]).exits_with(2).says("is a named pipe");
    project.mlx(&["checkout", "--force"]).success();
    assert_eq!(project.read("o/file"), "1\n");
}

#[test]
fn outputs_that_nobody_may_write_are_replaced() {
    let cmd = "mkdir -p o/in; cp raw o/in/file; chmod 400 o/in/file; chmod 555 o/in o";
    let project = Project::with_manifest(&format!("[step.a]\ncmd = '{cmd}'\ndeps = ['raw']\nouts = ['o']"));
    project.set("raw", "1");
    project.mlx(&["train"]).success();

    project.set("raw", "2");

    assert_eq!(train(&project, &[]), pairs([("a", "ran")]));
    assert_eq!(project.read("o/in/file"), "2");
}

/// What the program says when a step of the project calls it with these arguments, and its exit code.
fn called_by_a_step(arguments: &str) -> String {
    let program = env!("CARGO_BIN_EXE_mlx");
    let cmd = format!("{program} {arguments} 2> said; echo $? >> said");
    let project = Project::with_manifest(&format!("[step.a]\ncmd = '{cmd}'\nouts = ['said']"));
    project.mlx(&["train"]).success();
    project.read("said")
}

#[test]
fn a_checkout_does_not_meddle_with_a_step_at_work() {
    let said = called_by_a_step("checkout");

    assert!(said.contains("is at work in this project") && said.ends_with("\n1\n"), "{said}");
}

#[test]
fn a_step_that_trains_its_own_project_does_not_wait_for_itself() {
    let said = called_by_a_step("train");

    assert!(said.contains("which would wait for itself") && said.ends_with("\n2\n"), "{said}");
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

#[test]
fn who_has_no_home_trains_all_the_same() {
    let project = pipeline();
    let mut command = project.command(&["train"]);

    project.outcome(command.env_remove("HOME").env_remove("MLX_CACHE_DIR")).success();

    assert!(project.exists(".mlx/cache"));
    let mut command = project.command(&["doctor"]);
    project.outcome(command.env_remove("HOME").env_remove("MLX_CACHE_DIR")).prints("ok       project");
}

#[test]
fn numbers_that_json_does_not_have_are_refused() {
    let project = pipeline();
    for value in ["nan", "-inf", "[1, inf]"] {
        let set = format!("train.trees={value}");
        project.mlx(&["train", "--set", &set]).exits_with(2).says(&format!("`--set {set}`: numbers must be finite"));
    }

    project.set("params.toml", "rate = inf");
    project.set("mlx.toml", "params = ['params.toml']\n[step.a]\ncmd = 'true'");

    project.mlx(&["train"]).exits_with(2).says("`params.toml`: numbers must be finite");
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

#[test]
fn thousands_of_steps_are_planned() {
    let fan: String =
        (0..2000).map(|index| format!("[step.s{index}]\ncmd = 'x'\ndeps = ['raw']\nouts = ['o/{index}']\n")).collect();
    let project = Project::with_manifest(&format!("{fan}[step.all]\ncmd = 'x'\ndeps = ['o']\nouts = ['all']\n"))
        .write("raw", "1");

    let plan = project.mlx(&["train", "--dry-run", "--json"]).success().json();

    assert_eq!(plan["steps"].as_array().unwrap().len(), 2001);
    assert_eq!(plan["steps"][2000]["action"], "depends");
}

#[test]
fn help_shows_examples() {
    let help = Command::new(env!("CARGO_BIN_EXE_mlx")).args(["train", "--help"]).output().unwrap();

    assert!(String::from_utf8(help.stdout).unwrap().contains("mlx train evaluate --set train.trees=300"));
}
