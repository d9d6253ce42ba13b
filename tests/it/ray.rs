//! Steps on a real Ray.

use std::fs;
use std::process::{Child, Stdio};

use super::cluster::wait_until;
use super::harness::Project;
use super::ray_head::Head;

/// A manifest whose executor `ray` starts this very program.
fn manifest(head: &Head, settings: &str, steps: &str) -> String {
    let (program, url) = (env!("CARGO_BIN_EXE_mlx"), head.url());
    format!("[executor.ray]\nkind = 'ray'\naddress = '{url}'\nprogram = '{program}'\n{settings}\n{steps}")
}

/// `mlx train --executor ray` in the background, with what it says in `said`.
fn start(project: &Project, arguments: &[&str]) -> Child {
    let said = fs::File::create(project.home().join("said")).unwrap();
    let mut command = project.command(&[&["train", "--executor", "ray"], arguments].concat());
    command.stdout(Stdio::null()).stderr(said).spawn().unwrap()
}

fn said(project: &Project) -> String {
    fs::read_to_string(project.home().join("said")).unwrap()
}

const SLOW: &str =
    "[step.slow]\ncmd = 'echo be\"\"gun; until test -e go; do sleep 0.05; done; echo done > o'\nouts = ['o']\n";

#[test]
fn steps_run_on_ray_and_leave_what_they_would_leave_here() {
    let Some(head) = Head::start() else { return };
    let fan: String = (0..12)
        .map(|step| format!("[step.f{step}]\ncmd = 'echo {step} > f{step}'\nouts = ['f{step}']\nexecutor = 'ray'\n"))
        .collect();
    let steps = format!(
        "[params]\ntrain = {{ seed = 7 }}\n[step.fit]\nparams = ['train']\nouts = ['model']\nexecutor = 'ray'\n\
         resources = {{ cpus = 2, gpus = 1, memory = '100MB', time = '5m' }}\n\
         cmd = '''echo fitting; echo \"$MLX_PARAM_TRAIN_SEED $MLX_JOB\" > model
         echo \"gpus: $CUDA_VISIBLE_DEVICES\"; echo '{{\"name\":\"loss\",\"value\":0.5}}' >> $MLX_METRICS'''\n{fan}\
         [step.after]\ncmd = 'cat model f* > all'\ndeps = ['model', 'f0']\nouts = ['all']\n"
    );
    let project = Project::with_manifest(&manifest(&head, "pack = 4", &steps));

    let run = project.mlx(&["train", "--json"]).success().json();

    assert_eq!(run["metrics"]["loss"], 0.5);
    assert!(project.read("model").starts_with("7 mlx-"), "{}", project.read("model"));
    assert!((0..12).all(|step| project.read(format!("f{step}")) == format!("{step}\n")));
    // Twelve equal steps, four of which share a job, and one with needs of its own.
    assert_eq!(head.states(), ["SUCCEEDED"; 4]);
    let log = project.mlx(&["logs", "latest", "fit"]).success().stdout;
    assert!(log.contains("fitting\n") && log.contains("gpus: ") && !log.contains("gpus: \n"), "{log}");
    project.mlx(&["train"]).success().prints("14 steps: 0 run, 14 up to date");
    assert_eq!(fs::read_dir(project.path(".mlx/jobs")).map_or(0, Iterator::count), 0);

    // A step that fails, one that takes too long, and what Ray refuses.
    project.set("mlx.toml", manifest(&head, "", "[step.bad]\ncmd = 'echo no luck; exit 7'\nouts = ['p']\n"));
    project
        .mlx(&["train", "--executor", "ray"])
        .exits_with(3)
        .says("step `bad` stopped with exit code 7")
        .says("    no luck");
    let slow = "[step.slow]\ncmd = 'sleep 1000'\nresources = { time = '2s' }\n";
    project.set("mlx.toml", manifest(&head, "", slow));
    project
        .mlx(&["train", "--executor", "ray"])
        .exits_with(3)
        .says("step `slow` ran out of the time of its job (timeout; job mlx-")
        .says("hint: give it more with `resources = { time = … }`");
    project.set("mlx.toml", manifest(&head, "", SLOW).replace(&head.url(), &format!("{}/nowhere", head.url())));
    project
        .mlx(&["train", "--executor", "ray"])
        .exits_with(2)
        .says("step `slow` can't be submitted to `ray`")
        .says("hint: correct `address`: it is that of Ray's dashboard");
}

#[test]
fn a_job_on_ray_is_cancelled_left_and_come_back_to() {
    let Some(head) = Head::start() else { return };
    let project = Project::with_manifest(&manifest(&head, "", SLOW));
    let mut child = start(&project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));

    head.stop_job(&head.jobs()[0].0);

    assert_eq!(child.wait().unwrap().code(), Some(1));
    let text = said(&project);
    assert!(text.contains("step `slow` was cancelled from outside (cancelled; job mlx-"), "{text}");

    // Killed, and back: the job went on.
    let mut child = start(&project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));
    child.kill().unwrap();
    child.wait().unwrap();
    project.set("go", "");
    project.mlx(&["train", "--executor", "ray"]).success();
    assert_eq!((project.read("o"), head.jobs().len()), ("done\n".into(), 2));
    assert_eq!(fs::read_dir(project.path(".mlx/jobs")).unwrap().count(), 0);

    // Nothing is left of a job that goes with its `mlx train`.
    fs::remove_file(project.path("go")).unwrap();
    let mut child = start(&project, &["--force", "--cancel-on-exit"]);
    wait_until("the step's output", || said(&project).contains("begun"));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut states = head.states();
    states.sort();
    assert_eq!(states, ["STOPPED", "STOPPED", "SUCCEEDED"]);
}

#[test]
fn a_head_node_that_is_lost_takes_its_jobs_along_and_they_are_submitted_again() {
    let Some(mut head) = Head::start() else { return };
    // A lock, because it goes with who is killed.
    let step = "[step.slow]\ncmd = '''exec 9>>../busy; flock -n 9 || echo twice >> ../overlaps
        echo $$ >> ../began; until test -e go; do sleep 0.05; done; echo done > o'''\nouts = ['o']\n";
    let project = Project::with_manifest(&manifest(&head, "patience = '100s'", step));
    let began = || fs::read_to_string(project.root().join("../began")).unwrap_or_default();
    let mut child = start(&project, &[]);
    wait_until("the step", || began().lines().count() == 1);

    head.kill();
    let first = format!("/proc/{}", began().trim());
    wait_until("the end of what the node ran", || !fs::exists(&first).unwrap());
    wait_until("the warning", || said(&project).contains("`ray` does not answer"));
    head.start_again();
    wait_until("the step once more", || began().lines().count() == 2);
    project.set("go", "");

    assert!(child.wait().unwrap().success(), "{}", said(&project));
    assert!(said(&project).contains("is not known to the engine any more"), "{}", said(&project));
    assert_eq!(project.read("o"), "done\n");
    assert!(!project.exists("../overlaps"), "the step ran twice at the same time");
}
