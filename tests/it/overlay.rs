//! Programs that read the files of parameters themselves: they find what the run was asked for, and the files stay the user's.

use super::harness::Project;
use super::steps::assert_outcomes;

const PARAMS: &str = "# mine\ntrain:\n  n: 3 # trees\n  sizes:\n    - 1\n";

/// A step that reads the file, as programs of DVC's pipelines do.
fn project() -> Project {
    let manifest = "params = ['params.yaml']\n[step.a]\ncmd = 'cp params.yaml seen; sh measure.sh'\n\
                    params = ['train']\nouts = ['seen']\nmetrics = ['metrics.json']";
    let measure = r#"sed -n 's/.*n"*: \([0-9][0-9]*\).*/{"score": \1}/p' params.yaml > metrics.json"#;
    Project::with_manifest(manifest).write("params.yaml", PARAMS).write("measure.sh", measure)
}

#[test]
fn a_program_that_reads_the_file_finds_the_value_of_the_run() {
    let project = project();
    project.commit("start");

    let run = project.mlx(&["train", "--set", "train.n=7", "--json"]).success().json();

    assert_eq!(project.read("seen"), PARAMS.replace("n: 3", "n: 7"));
    assert_eq!((&run["metrics"]["score"], &run["patch"]), (&7.0.into(), &serde_json::Value::Null));
    assert_eq!(project.read("params.yaml"), PARAMS);
    assert_eq!(project.git(&["status", "--porcelain", "params.yaml"]).stdout, "");
    // What stands there in a way that can't be replaced in its place is written anew.
    project.mlx(&["train", "--set", "train.sizes=[1e-7]"]).success();
    assert_eq!(project.read("seen"), "{\"train\": {\"n\": 3, \"sizes\": [1.0e-7]}}\n");
    project.mlx(&["train"]).success();
    assert_eq!(project.read("seen"), PARAMS);
}

#[test]
fn trials_of_a_sweep_find_their_values() {
    let project = project();

    let results = project.mlx(&["sweep", "--set", "train.n=1,5", "--metric", "score", "--json"]).success().json();

    let values: Vec<_> = results["trials"].as_array().unwrap().iter().map(|trial| trial["value"].clone()).collect();
    assert_eq!(values, [1.0, 5.0]);
    assert_eq!(project.read("params.yaml"), PARAMS);
}

#[test]
fn a_plan_knows_what_the_file_would_hold() {
    let project = project();
    project.set("mlx.toml", project.read("mlx.toml").replace("params = ['train']\n", "deps = ['params.yaml']\n"));
    assert_outcomes(&project, &[], &[("a", "ran")]);

    project.mlx(&["train", "-n", "--set", "train.n=7"]).success().prints("`params.yaml` changed");
    assert_outcomes(&project, &["--set", "train.n=7"], &[("a", "ran")]);
    assert_outcomes(&project, &["--set", "train.n=7"], &[("a", "up_to_date")]);
    assert_outcomes(&project, &[], &[("a", "restored")]);
    assert_eq!(project.read("seen"), PARAMS);
}

#[test]
fn what_a_killed_run_left_in_the_file_is_put_back() {
    let project = project();
    let before = project.read("mlx.toml");
    project.set("mlx.toml", before.replace("cmd = 'cp", "cmd = 'test -e go || kill -9 $PPID; cp"));
    let kill = || {
        let output = project.command(&["train", "--set", "train.n=7"]).output().unwrap();
        assert_eq!(output.status.code(), None);
    };

    kill();
    assert_eq!(project.read("params.yaml"), PARAMS.replace("n: 3", "n: 7"));
    project.set("go", "");
    let run = project.mlx(&["train", "--json"]).success().json();
    assert_eq!((&run["params"]["train.n"], &run["metrics"]["score"]), (&3.into(), &3.0.into()));
    assert_eq!((project.read("params.yaml"), project.read("seen")), (PARAMS.to_owned(), PARAMS.to_owned()));

    // What somebody changed meanwhile stays.
    std::fs::remove_file(project.path("go")).unwrap();
    kill();
    project.set("params.yaml", "train: { n: 9, sizes: [] }");
    project.set("go", "");
    project.mlx(&["train"]).success().says("`params.yaml` was changed while a run had other values in it");
    assert_eq!(project.read("seen"), "train: { n: 9, sizes: [] }");
}
