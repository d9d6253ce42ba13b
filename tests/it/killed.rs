//! `mlx train` killed a hundred times: each time it is taken up again, and in the end nothing shows that it ever was.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::wait_until;
use crate::harness::Project;

const STEPS: usize = 30;
const KILLS: usize = 100;
/// A kill comes at most so long after the start.
const LATEST: u64 = 260;

/// A step that says so if it finds itself running already, makes its output in two parts, and takes a moment for it. It
/// goes on from its checkpoint where it has one.
const SCRIPT: &str = r#"
exec 9>> "$HOME/locks/$1"
flock --nonblock 9 || echo "$1" >> "$HOME/overlaps"
number=$1
shift
test -z "$MLX_CHECKPOINT" || cat "$MLX_CHECKPOINT"/* 2> /dev/null | grep -v "^$(cat "$@" | cksum)$" >> "$HOME/foreign"
cat "$@" > "o$number"
test -z "$MLX_CHECKPOINT" || cat "$@" | cksum > "$MLX_CHECKPOINT/first"
sleep 0.02
echo "$number" >> "o$number"
"#;

/// The steps that a step needs: three chains, tied together now and then.
fn needs(step: usize) -> Vec<usize> {
    match step {
        0..=2 => Vec::new(),
        _ if step.is_multiple_of(7) => vec![step - 3, step - 2, step - 1],
        _ => vec![step - 3],
    }
}

fn manifest() -> String {
    let step = |step: usize| {
        let needed: Vec<String> = needs(step).iter().map(|needed| format!("o{needed}")).collect();
        let inputs = if needed.is_empty() { vec!["raw".to_owned()] } else { needed };
        let checkpoint = if step.is_multiple_of(5) { format!("checkpoint = 'ckpt/{step}'\n") } else { String::new() };
        format!(
            "[step.s{step}]\ncmd = 'sh step.sh {step} {}'\ndeps = ['step.sh', '{}']\nouts = ['o{step}']\n{checkpoint}",
            inputs.join(" "),
            inputs.join("', '")
        )
    };
    (0..STEPS).map(step).collect()
}

/// What each step makes of this.
fn expected(raw: &str) -> Vec<String> {
    let mut made: Vec<String> = Vec::new();
    for step in 0..STEPS {
        let needed = needs(step);
        let input =
            if needed.is_empty() { raw.to_owned() } else { needed.iter().map(|step| made[*step].clone()).collect() };
        made.push(format!("{input}{step}\n"));
    }
    made
}

fn project() -> Project {
    let project = Project::with_manifest(&manifest()).write("step.sh", SCRIPT);
    fs::create_dir(project.home().join("locks")).unwrap();
    project
}

fn start(project: &Project) -> Child {
    project.command(&["train", "--jobs", "3"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The processes that work in this directory, with their command lines.
fn processes_in(directory: &Path) -> Vec<(i32, String)> {
    let directory = directory.canonicalize().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that ended works nowhere.
        if fs::read_link(entry.path().join("cwd")).is_ok_and(|place| place.starts_with(&directory)) {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    found
}

/// Kills `mlx train`, and before it the one who would end its steps, where that is not to happen.
pub fn kill(project: &Project, child: &mut Child, without_guard: bool) {
    if without_guard {
        for (pid, line) in processes_in(&project.root()) {
            if line.contains(" guard ") {
                let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
            }
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_hundred_kills_leave_what_an_undisturbed_run_leaves() {
    let project = project();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut kills = 0;
    let mut raw = String::new();

    while kills < KILLS {
        raw = format!("after {kills} kills\n");
        project.set("raw", &raw);
        loop {
            let mut child = start(&project);
            if kills == KILLS {
                assert!(child.wait().unwrap().success());
                break;
            }
            std::thread::sleep(Duration::from_millis(next(LATEST)));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break;
            }
            kill(&project, &mut child, kills.is_multiple_of(2));
            kills += 1;
        }
        for (step, made) in expected(&raw).iter().enumerate() {
            assert_eq!(project.read(format!("o{step}")), *made, "after {kills} kills");
        }
        let leftover = fs::read_dir(project.path("ckpt")).map_or(0, |entries| entries.count());
        assert_eq!(leftover, 0, "a checkpoint of a step that ended well is still there");
    }

    let undisturbed = self::project().write("raw", &raw);
    undisturbed.mlx(&["train"]).success();
    assert_eq!(project.read("mlx.lock"), undisturbed.read("mlx.lock"));
    assert!(!project.home().join("overlaps").exists(), "steps ran twice at once: {}", {
        fs::read_to_string(project.home().join("overlaps")).unwrap_or_default()
    });
    let foreign = fs::read_to_string(project.home().join("foreign")).unwrap_or_default();
    assert_eq!(foreign, "", "a step found the checkpoint of another key");
    assert_eq!(processes_in(&project.root()), []);
    project.mlx(&["verify"]).success();
    project.mlx(&["train", "--locked"]).success();
}

#[test]
fn a_kill_ends_the_steps_even_if_nobody_trains_again() {
    let project = Project::with_manifest(
        "[step.a]\ncmd = 'setsid sleep 1000 & sleep 1000 & echo begun > $HOME/begun; trap \"\" HUP INT TERM; sleep 1000'\n",
    );
    let mut child = start(&project);
    wait_until("the step", || project.home().join("begun").exists());

    child.kill().unwrap();
    child.wait().unwrap();

    wait_until("the end of all programs", || processes_in(&project.root()).is_empty());
}
