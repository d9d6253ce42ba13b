//! Sweeps whose trials run on a real Slurm.

use std::fs;
use std::process::{Child, Stdio};

use serde_json::Value;

use super::cluster::{Cluster, wait_until};
use super::harness::Project;

const MANIFEST: &str = "
[params]
train = { lr = 0.5 }
[step.prepare]
cmd = 'echo \"prepared $MLX_JOB\" >> COUNT; cat raw > data'
deps = ['raw']
outs = ['data']
[step.train]
cmd = 'sh train.sh'
deps = ['train.sh', 'data']
params = ['train']
outs = ['model']
metrics = ['metrics.json']
";

/// A project that notes in its home what began, and whose programs are the job's.
fn project(train: &str) -> Project {
    let project = Project::with_manifest("").write("raw", "raw\n");
    let count = project.home().join("count");
    let count = count.to_str().unwrap();
    let executor = format!("[executor.cluster]\nkind = 'slurm'\nprogram = '{}'\n", env!("CARGO_BIN_EXE_mlx"));
    project.set("mlx.toml", format!("{executor}{}", MANIFEST.replace("COUNT", count)));
    let measure = "cat data > model
        echo \"$MLX_PARAM_TRAIN_LR\" | awk '{ print \"{\\\"loss\\\": \" ($1-0.3)^2 \"}\" }' > metrics.json\n";
    project
        .set("train.sh", format!("echo \"began $MLX_JOB\" >> {count}\n{}\n{measure}", train.replace("COUNT", count)));
    project
}

fn began(project: &Project) -> Vec<String> {
    let count = fs::read_to_string(project.home().join("count")).unwrap_or_default();
    count.lines().map(str::to_owned).collect()
}

fn start(cluster: &Cluster, project: &Project, arguments: &[&str]) -> Child {
    let said = fs::File::create(project.home().join("said")).unwrap();
    let mut command = cluster.command(project, &[&["sweep", "--executor", "cluster"], arguments].concat());
    command.stdout(Stdio::null()).stderr(said).spawn().unwrap()
}

fn shown(project: &Project) -> Value {
    project.mlx(&["sweep", "show", "--json"]).success().json()
}

const GRID: [&str; 8] = ["--set", "train.lr=0.1,0.2,0.3,0.4", "--parallel", "4", "--metric", "loss", "--goal", "min"];

#[test]
fn trials_run_on_slurm_side_by_side_and_share_what_no_parameter_touches() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = project("");

    let command = [&["sweep", "--executor", "cluster", "--json"], &GRID[..]].concat();
    let results = project.outcome(&mut cluster.command(&project, &command)).success().json();

    assert_eq!((&results["best"], results["trials"].as_array().unwrap().len()), (&2.into(), 4));
    let began = began(&project);
    assert!(began.iter().all(|line| line.contains(" mlx-")), "{began:?}");
    assert_eq!(began.iter().filter(|line| line.starts_with("prepared")).count(), 1);
    assert_eq!((began.len(), cluster.ended_jobs().len()), (5, 5));
}

#[test]
fn a_sweep_that_was_killed_takes_up_the_jobs_of_its_trials() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = project("until test -e \"$(dirname COUNT)/go\"; do sleep 0.05; done");
    let mut child = start(&cluster, &project, &GRID);
    wait_until("four trials", || began(&project).len() == 5);
    child.kill().unwrap();
    child.wait().unwrap();
    project.mlx(&["sweep", "rm", "sweep"]).exits_with(2).says("jobs of trial");

    let mut child = start(&cluster, &project, &["sweep", "--resume", "--parallel", "4"]);
    fs::write(project.home().join("go"), "").unwrap();

    assert!(child.wait().unwrap().success(), "{}", fs::read_to_string(project.home().join("said")).unwrap());
    assert_eq!((began(&project).len(), cluster.ended_jobs().len()), (5, 5), "nothing began twice");
    let results = shown(&project);
    assert_eq!((&results["best"], &results["is_complete"]), (&2.into(), &true.into()));
    project.mlx(&["sweep", "rm", "sweep"]).success();
}

#[test]
fn a_sweep_that_begins_anew_ends_the_jobs_of_the_one_before() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = project("until test -e \"$(dirname COUNT)/go\"; do sleep 0.05; done");
    let mut child = start(&cluster, &project, &GRID);
    wait_until("four trials", || began(&project).len() == 5);
    child.kill().unwrap();
    child.wait().unwrap();

    let mut child = start(&cluster, &project, &[&["--force"], &GRID[..]].concat());
    wait_until("four other trials", || began(&project).len() == 9);
    fs::write(project.home().join("go"), "").unwrap();

    assert!(child.wait().unwrap().success());
    let ended = cluster.ended_jobs();
    assert_eq!(ended.iter().filter(|job| job.ends_with("CANCELLED")).count(), 4, "{ended:?}");
    assert_eq!(ended.len(), 9);
}

#[test]
fn a_trial_that_falls_behind_is_ended_on_slurm_too() {
    let Some(cluster) = Cluster::start("") else { return };
    // The bad one would go on for ever.
    let train = "for step in 1 2 4; do
        echo \"{\\\"name\\\": \\\"loss\\\", \\\"step\\\": $step, \\\"value\\\": $MLX_PARAM_TRAIN_LR}\" >> $MLX_METRICS
        if test $MLX_PARAM_TRAIN_LR != 0.3; then while :; do sleep 0.05; done; fi
        done";
    let project = project(train);
    let arguments = [
        "sweep",
        "--executor",
        "cluster",
        "--json",
        "--set",
        "train.lr=0.3,0.9",
        "--strategy",
        "asha",
        "--sampler",
        "grid",
        "--trials",
        "2",
        "--reduction",
        "2",
        "--min-resource",
        "1",
        "--max-resource",
        "4",
        "--metric",
        "loss",
        "--goal",
        "min",
    ];

    let results = project.outcome(&mut cluster.command(&project, &arguments)).success().json();

    let states: Vec<&str> =
        results["trials"].as_array().unwrap().iter().map(|trial| trial["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["finished", "stopped"]);
    assert!(cluster.ended_jobs().iter().any(|job| job.ends_with("CANCELLED")), "{:?}", cluster.ended_jobs());
}

#[test]
fn the_example_sweeps_on_slurm_too() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::empty();
    project.mlx(&["init", "--example", "sweep"]).success();
    // What the cluster of the tests gives a job is too little for scikit-learn.
    let settings = format!("kind = 'slurm'\noptions = ['--mem=900']\nprogram = '{}'", env!("CARGO_BIN_EXE_mlx"));
    project.set("mlx.toml", format!("{}\n[executor.cluster]\n{settings}\n", project.read("mlx.toml")));

    let arguments = ["sweep", "size", "--executor", "cluster", "--parallel", "4", "--json"];
    let there = project.outcome(&mut cluster.command(&project, &arguments)).success().json();

    assert_eq!(there["trials"].as_array().unwrap().len(), 8);
    assert!(cluster.ended_jobs().len() >= 9, "{:?}", cluster.all_jobs());
    // What was made there is known here.
    project.mlx(&["sweep", "apply", "size"]).success();
    let run = project.mlx(&["train", "--json"]).success().json();
    let outcomes: Vec<&str> =
        run["steps"].as_array().unwrap().iter().map(|step| step["outcome"].as_str().unwrap()).collect();
    assert!(outcomes.iter().all(|outcome| ["restored", "up_to_date"].contains(outcome)), "{outcomes:?}");
}
