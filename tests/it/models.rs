//! `mlx model`: versions, lineage, promotions and gates.

use std::collections::BTreeMap;
use std::fs;

use insta::assert_snapshot;
use jiff::Timestamp;
use mlx::Digest;
use mlx::digest::{Object, ObjectKind};
use mlx::env::Environment;
use mlx::event::Silent;
use mlx::project::lock::{LockedPath, LockedStep};
use mlx::project::{Lock, ProjectPath};
use mlx::run::{Io, Outcome, Run, RunStep, Runs, Status};
use mlx::store::Store;

use crate::harness::Project;

const MANIFEST: &str = r#"
[step.train]
cmd = "train"
deps = ["train.py", "data.csv"]
outs = ["model.onnx"]

[model.churn]
path = "model.onnx"
gates = { accuracy = ">= 0.8", auc = "not worse than @production" }
"#;

fn locked(store: &Store, path: &str, content: &str) -> LockedPath {
    let digest = store.put_bytes(content.as_bytes()).unwrap();
    let object = Object { kind: ObjectKind::File, digest, size: content.len() as u64, files: 1 };
    LockedPath { path: ProjectPath::new(path).unwrap(), object }
}

/// Leaves what `mlx train` leaves when it made a model with this content and these metrics: file, object, lock, run.
fn train(project: &Project, id: &str, model: &str, metrics: &[(&str, f64)]) {
    let store = Store::open(&project.path(".mlx/store")).unwrap();
    let step = RunStep {
        name: "train".into(),
        env: None,
        cmd: "train".into(),
        dir: None,
        outcome: Outcome::Ran,
        key: Some(Digest::of(model)),
        reason: "it is new".into(),
        started: None,
        seconds: 1.0,
        cpu_seconds: 1.0,
        peak_memory_bytes: 1,
        io: Io::default(),
        gpu: None,
        attempts: 1,
        failure: None,
        exit_code: Some(0),
        params: BTreeMap::new(),
        deps: vec![locked(&store, "data.csv", "1,2"), locked(&store, "train.py", "fit()")],
        parts: Vec::new(),
        outs: vec![locked(&store, "model.onnx", model)],
        metrics: BTreeMap::new(),
        logged: BTreeMap::new(),
        log: None,
        made_by: None,
    };
    let locked_step = LockedStep {
        key: Digest::of(model),
        cmd: "train".into(),
        dir: None,
        environment: None,
        params: BTreeMap::new(),
        deps: step.deps.clone(),
        parts: Vec::new(),
        outs: step.outs.clone(),
        unstored: Vec::new(),
    };
    let lock = Lock { steps: [("train".to_owned(), locked_step)].into(), ..Lock::default() };
    let run = Run {
        version: 1,
        id: id.parse().unwrap(),
        status: Status::Finished,
        started: Timestamp::from_second(1_000_000_000).unwrap(),
        finished: Timestamp::from_second(1_000_000_001).ok(),
        error: None,
        command: vec!["train".into()],
        user: "tester".into(),
        host: Runs::host(),
        mlx: "0.1.0".into(),
        commit: Some("c0ffee".repeat(7)[..40].to_owned()),
        patch: None,
        sweep: None,
        environment: Environment {
            digest: None,
            python: Some("/usr/bin/python3".into()),
            python_version: Some("3.13.1".into()),
            packages: None,
            ..Environment::default()
        },
        environments: Default::default(),
        environment_seconds: 0.0,
        params: [("train.trees".to_owned(), serde_json::json!(200))].into(),
        metrics: metrics.iter().map(|(name, value)| (name.to_string(), *value)).collect(),
        history: Vec::new(),
        steps: vec![step],
    };
    project.set("model.onnx", model);
    project.set("mlx.lock", lock.to_text());
    let project = mlx::project::Project::open(&project.root()).unwrap();
    Runs::open(&project, &store, &Silent).unwrap().finish(&run).unwrap();
}

/// A project whose model was trained once, with accuracy and AUC.
fn trained(accuracy: f64, auc: f64) -> Project {
    let project = Project::with_manifest(MANIFEST);
    train(&project, "aaaaaaaaaaaa", "first", &[("accuracy", accuracy), ("auc", auc)]);
    project
}

#[test]
fn a_trained_model_becomes_a_version_once() {
    let project = trained(0.9, 0.95);

    assert_snapshot!(project.mlx(&["model", "register", "churn"]).success().text(), @"
    Registered `churn` 1 (model.onnx, [id], 5 B, from run [id])
    Next: `mlx model promote churn 1 production`, or `mlx package churn:1`
    ");
    assert_snapshot!(project.mlx(&["model", "register", "churn"]).success().text(), @"
    `churn` is already version 1 (model.onnx, [id], 5 B, from run [id]); nothing changed
    ");
}

#[test]
fn the_lineage_of_a_version_is_shown() {
    let project = trained(0.9, 0.95);
    project.mlx(&["model", "register", "churn", "--description", "the first"]).success();
    project.mlx(&["model", "promote", "churn", "1", "production", "--why", "launch"]).success();

    let shown = project.mlx(&["model", "show", "churn@production"]).success().stdout;
    let json = project.mlx(&["model", "show", "churn:1", "--json"]).success().json();

    for text in ["the first", "of run aaaaaaaaaaaa", "train.trees", "0.9500", "data.csv", "train.py", "c0ffeec0ffee"] {
        assert!(shown.contains(text), "`{text}` is not in:\n{shown}");
    }
    assert!(shown.contains(&Digest::of("1,2").short()) && shown.contains(&Digest::of("first").to_string()), "{shown}");
    assert!(shown.contains("launch"), "{shown}");
    assert_eq!(json["run"], "aaaaaaaaaaaa");
    assert_eq!(json["aliases"], serde_json::json!(["production"]));
    assert_eq!(json["data"][0]["digest"], Digest::of("1,2").to_string());
    assert_eq!(json["promotions"][0]["who"], "tester");
}

#[test]
fn versions_are_listed_with_aliases_and_metrics() {
    let project = trained(0.9, 0.95);
    project.mlx(&["model", "register", "churn"]).success();
    project.mlx(&["model", "promote", "churn", "1", "production"]).success();
    train(&project, "bbbbbbbbbbbb", "second", &[("accuracy", 0.91), ("auc", 0.96)]);
    project.mlx(&["model", "register", "churn"]).success();

    let listed = project.mlx(&["model", "list"]).success();
    let lines: Vec<Vec<&str>> = listed.stdout.lines().map(|line| line.split_whitespace().collect()).collect();

    assert_eq!(lines[0], ["model", "version", "aliases", "accuracy", "auc", "run", "created", "(UTC)"]);
    assert_eq!(lines[1][..6], ["churn", "2", "-", "0.9100", "0.9600", "bbbbbbbbbbbb"]);
    assert_eq!(lines[2][..6], ["churn", "1", "production", "0.9000", "0.9500", "aaaaaaaaaaaa"]);
}

#[test]
fn a_gate_that_says_no_leaves_the_alias() {
    let project = trained(0.9, 0.95);
    project.mlx(&["model", "register", "churn"]).success();
    let first = project.mlx(&["model", "promote", "churn", "1", "production"]).success();
    train(&project, "bbbbbbbbbbbb", "second", &[("accuracy", 0.91), ("auc", 0.94)]);
    project.mlx(&["model", "register", "churn"]).success();

    let refused = project.mlx(&["model", "promote", "churn", "2", "production"]).exits_with(4);

    assert_snapshot!(first.text(), @"
    gate       value  condition                   verdict
    accuracy  0.9000  >= 0.8                      yes
    auc       0.9500  not worse than @production  yes: no version holds @production yet
    `churn` 1 holds @production now
    ");
    assert_snapshot!(refused.text(), @"
    gate       value  condition                            verdict
    accuracy  0.9100  >= 0.8                               yes
    auc       0.9400  not worse than @production (0.9500)  no: version 1 holds @production
    `churn` 2 does not get @production
    error: `churn` 2 does not pass 1 of 2 gates; `production` stays at version 1
    hint: promote it all the same with `--force --why REASON`
    ");
    let shown = project.mlx(&["model", "show", "churn@production", "--json"]).success().json();
    assert_eq!(shown["version"], 1);
    assert_eq!(shown["promotions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_gate_is_passed_over_by_force_and_the_history_says_so() {
    let project = trained(0.5, 0.6);
    project.mlx(&["model", "register", "churn"]).success();

    project.mlx(&["model", "promote", "churn", "1", "production", "--force", "--why", "no other"]).success();

    project.mlx(&["model", "show", "churn"]).success().prints("no other; in spite of: accuracy 0.5: >= 0.8");
}

#[test]
fn a_metric_that_is_missing_is_named() {
    let project = Project::with_manifest(MANIFEST);
    train(&project, "aaaaaaaaaaaa", "first", &[("accuracy", 0.9)]);
    project.mlx(&["model", "register", "churn"]).success();

    project
        .mlx(&["model", "promote", "churn", "1", "production"])
        .exits_with(4)
        .prints("version 1 has no metric `auc`")
        .says("`churn` 1 does not pass 1 of 2 gates; no version holds `production`");
}

#[test]
fn what_cannot_be_registered_is_refused_with_a_remedy() {
    let project = Project::with_manifest(MANIFEST);

    project.mlx(&["model", "register", "chrun"]).exits_with(2).says("did you mean `churn`?");
    project
        .mlx(&["model", "register", "churn"])
        .exits_with(2)
        .says("model `churn` (model.onnx) is not in mlx.lock")
        .says("hint: step `train` makes it: run `mlx train train`");
    train(&project, "aaaaaaaaaaaa", "first", &[]);
    project.set("model.onnx", "edited");
    project
        .mlx(&["model", "register", "churn"])
        .exits_with(1)
        .says("model `churn` (model.onnx) in the working tree differs from mlx.lock")
        .says("mlx checkout --force model.onnx");
    project.mlx(&["model", "register", "churn", "--run", "aaaa"]).success();
    project.mlx(&["model", "register", "churn", "--run", "bbbb"]).exits_with(2).says("there is no run `bbbb`");
}

#[test]
fn unknown_versions_and_aliases_are_usage_errors() {
    let project = trained(0.9, 0.9);
    project.mlx(&["model", "show", "churn"]).exits_with(2).says("register it with `mlx model register churn`");
    project.mlx(&["model", "register", "churn"]).success();

    project.mlx(&["model", "show", "churn:7"]).exits_with(2).says("its newest is 1");
    project.mlx(&["model", "show", "churn@prod"]).exits_with(2).says("no version of `churn` holds the alias `prod`");
    project.mlx(&["model", "show", "churn:x"]).exits_with(2).says("a version is a number from 1 up");
    project.mlx(&["model", "promote", "churn", "7", "a"]).exits_with(2).says("has no version 7");
    project.mlx(&["model", "promote", "churn", "1", "a/b"]).exits_with(2).says("the alias: the name `a/b`");
    project.mlx(&["model", "list", "chrun"]).exits_with(2).says("did you mean `churn`?");
}

#[test]
fn eight_processes_make_versions_without_duplicate_or_gap() {
    let project = Project::with_manifest(MANIFEST);
    let ids: Vec<String> = (0..8).map(|n| format!("{n}aaaaaaaaaaa")).collect();
    ids.iter().for_each(|id| train(&project, id, id, &[]));

    let children: Vec<_> = ids
        .iter()
        .map(|id| project.command(&["model", "register", "churn", "--run", id, "--quiet"]).spawn().unwrap())
        .collect();
    let ended: Vec<_> = children.into_iter().map(|mut child| child.wait().unwrap().success()).collect();

    assert_eq!(ended, [true; 8]);
    let listed = project.mlx(&["model", "list", "--json"]).success().json();
    let mut versions: Vec<(u64, String)> = listed["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| (version["version"].as_u64().unwrap(), version["run"].as_str().unwrap().to_owned()))
        .collect();
    versions.sort();
    assert_eq!(versions.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    let mut runs: Vec<String> = versions.into_iter().map(|(_, run)| run).collect();
    runs.sort();
    assert_eq!(runs, ids);
}

#[test]
fn a_damaged_record_is_named() {
    let project = trained(0.9, 0.9);
    project.mlx(&["model", "register", "churn"]).success();
    let record = project.path(".mlx/store/records/models/churn/versions/1.json");
    fs::remove_file(&record).unwrap();
    fs::write(&record, "{").unwrap();

    project
        .mlx(&["model", "show", "churn"])
        .exits_with(1)
        .says("the record `models/churn/versions/1` of the registry is damaged");
}

#[test]
fn a_version_is_traced_back_through_the_steps_to_what_none_of_them_made() {
    let project = Project::with_manifest(
        r#"
        [params]
        train = { trees = 3 }
        [step.prepare]
        cmd = "cp raw.csv train.csv"
        deps = ["raw.csv"]
        outs = ["train.csv"]
        [step.train]
        cmd = "mkdir -p model && echo $MLX_PARAM_TRAIN_TREES > model/m && echo '{\"accuracy\": 0.9}' > metrics.json"
        deps = ["train.csv", "train.py"]
        params = ["train"]
        outs = ["model"]
        metrics = ["metrics.json"]
        [step.evaluate]
        cmd = "echo '{\"auc\": 0.8}' > evaluation.json"
        deps = ["model"]
        metrics = ["evaluation.json"]
        [model.churn]
        path = "model"
        "#,
    )
    .write("raw.csv", "1,2\n")
    .write("train.py", "fit()\n");
    let register = |project: &Project| project.mlx(&["model", "register", "churn", "--json"]).success().json();
    project.mlx(&["train"]).success();
    let first = register(&project);
    project.mlx(&["train"]).success();
    let up_to_date = register(&project);
    project.mlx(&["train", "--set", "train.trees=5"]).success();
    let second = register(&project);
    project.mlx(&["train"]).success();
    let restored = register(&project);

    let data: Vec<_> = first["data"].as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap()).collect();
    assert_eq!(data, ["raw.csv", "train.py"]);
    assert_eq!(first["metrics"], serde_json::json!({ "accuracy": 0.9, "auc": 0.8 }));
    assert_eq!((&second["version"], &second["params"]["train.trees"]), (&2.into(), &5.into()));
    for again in [up_to_date, restored] {
        assert_eq!((&again["version"], &again["is_new"], &again["run"]), (&1.into(), &false.into(), &first["run"]));
    }
    project.mlx(&["runs", "show", first["run"].as_str().unwrap()]).success().prints("raw.csv");
}
