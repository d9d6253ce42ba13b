//! The examples, whole: from `mlx init --example` to an answer, and from the answer back to the data.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::harness::Project;

/// An example in a repository of its own, as one starts with it.
fn example(name: &str) -> Project {
    let project = Project::empty();
    project.mlx(&["init", "--example", name]).success();
    project.commit("start");
    project
}

fn train(project: &Project, arguments: &[&str]) -> Value {
    project.mlx(&[&["train", "--json"], arguments].concat()).success().json()
}

/// Each step and what became of it, in the order of the pipeline.
fn outcomes(run: &Value) -> Vec<(&str, &str)> {
    let steps = run["steps"].as_array().unwrap().iter();
    steps.map(|step| (step["name"].as_str().unwrap(), step["outcome"].as_str().unwrap())).collect()
}

/// The digest of a file or directory that a run used or made, from the record of the run.
fn digest_in(run: &Value, path: &str) -> String {
    let steps = run["steps"].as_array().unwrap();
    let files =
        steps.iter().flat_map(|step| [&step["deps"], &step["outs"]]).flat_map(|files| files.as_array().unwrap());
    let file = files.into_iter().find(|file| file["path"] == path).unwrap_or_else(|| panic!("{path} is not in {run}"));
    file["digest"].as_str().unwrap().to_owned()
}

/// Everything below these paths, by name.
fn contents(project: &Project, paths: &[&str]) -> BTreeMap<String, Vec<u8>> {
    fn collect(path: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        match path.is_dir() {
            true => fs::read_dir(path).unwrap().for_each(|entry| collect(&entry.unwrap().path(), files)),
            false => drop(files.insert(path.to_string_lossy().into(), fs::read(path).unwrap())),
        }
    }
    let mut files = BTreeMap::new();
    paths.iter().for_each(|path| collect(&project.path(path), &mut files));
    files
}

fn remove(project: &Project, paths: &[&str]) {
    for path in paths.iter().map(|path| project.path(path)) {
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

/// `mlx serve`, ready; ended when dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(project: &Project, target: &str) -> Self {
        let mut command = project.command(&["serve", target, "--port", "0"]);
        let mut process = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let url = loop {
            let start = said.len();
            assert!(lines.read_line(&mut said).unwrap() > 0, "the server did not start:\n{said}");
            let line = &said[start..];
            if let Some(at) = line.find("http://127.0.0.1:") {
                break line[at..].split_whitespace().next().unwrap().to_owned();
            }
        };
        // Whatever it says later goes where nobody waits for it.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { process, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Registers, promotes, packages, deploys and serves the model; returns the answer to these rows.
fn deliver_and_ask(project: &Project, model: &str, rows: &str) -> Value {
    project.mlx(&["model", "register", model]).success();
    project.mlx(&["model", "promote", model, "1", "production"]).success();
    project.mlx(&["package", &format!("{model}@production")]).success();
    project.mlx(&["deploy", "production"]).success();
    let server = Server::start(project, "production");
    project.mlx(&["predict", &server.url, "--input", rows, "--json"]).success().json()
}

fn output<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let outputs = answer["outputs"].as_array().unwrap();
    outputs.iter().find(|output| output["name"] == name).unwrap_or_else(|| panic!("no output `{name}` in {answer}"))
}

#[test]
fn breast_cancer_goes_from_data_to_an_answer_that_leads_back_to_the_data() {
    let project = example("breast-cancer");
    let trained = train(&project, &[]);
    project.commit("trained");

    let answer = deliver_and_ask(&project, "breast-cancer", "data/sample.csv");

    // Five rows, and two probabilities for each.
    assert_eq!(output(&answer, "label")["shape"], serde_json::json!([5]));
    assert_eq!(output(&answer, "probabilities")["shape"], serde_json::json!([5, 2]));
    let run_id = answer["parameters"]["run"].as_str().unwrap();
    let run = project.mlx(&["runs", "show", run_id, "--json"]).success().json();
    assert_eq!(run["id"], trained["id"]);
    let hashed = project.other("sha256sum", &["data/train.csv"]).output().unwrap();
    let (sha256, _) = std::str::from_utf8(&hashed.stdout).unwrap().split_once(' ').unwrap();
    assert_eq!(digest_in(&run, "data/train.csv"), format!("sha256:{sha256}"));
    assert_eq!(project.git(&["status", "--porcelain"]).stdout, "", "delivering leaves nothing for Git");
    project.mlx(&["verify"]).success();
}

#[test]
fn breast_cancer_runs_nothing_twice_and_only_what_depends_on_a_parameter() {
    let project = example("breast-cancer");
    let first = train(&project, &[]);
    let lock = project.read("mlx.lock");

    let second = train(&project, &[]);
    assert_eq!(outcomes(&second), [("prepare", "up_to_date"), ("train", "up_to_date")]);
    assert_eq!(project.read("mlx.lock"), lock);

    let third = train(&project, &["--set", "train.trees=20"]);
    assert_eq!(outcomes(&third), [("prepare", "up_to_date"), ("train", "ran")]);
    assert_ne!(digest_in(&third, "model"), digest_in(&first, "model"));

    let fourth = train(&project, &["--set", "prepare.seed=8"]);
    assert_eq!(outcomes(&fourth), [("prepare", "ran"), ("train", "ran")]);

    let back = train(&project, &[]);
    assert_eq!(outcomes(&back), [("prepare", "restored"), ("train", "restored")]);
    assert_eq!(project.read("mlx.lock"), lock);
}

#[test]
fn breast_cancer_gives_the_same_bytes_when_it_is_trained_again() {
    let project = example("breast-cancer");
    let first = train(&project, &[]);

    let second = train(&project, &["--force"]);

    assert_eq!(outcomes(&second), [("prepare", "ran"), ("train", "ran")]);
    for path in ["data/train.csv", "data/test.csv", "data/sample.csv", "model", "metrics.json"] {
        assert_eq!(digest_in(&second, path), digest_in(&first, path), "{path}");
    }
}

#[test]
fn breast_cancer_comes_back_bit_for_bit_and_commit_by_commit() {
    let project = example("breast-cancer");
    let products = ["data", "model", "metrics.json"];
    train(&project, &[]);
    project.commit("first");
    let first = contents(&project, &products);
    assert_eq!(first.len(), 5);

    remove(&project, &products);
    project.mlx(&["checkout"]).success();
    assert_eq!(contents(&project, &products), first);

    let manifest = project.read("mlx.toml").replace("test_share = 0.25, seed = 7", "test_share = 0.3, seed = 7");
    project.set("mlx.toml", manifest);
    train(&project, &[]);
    project.commit("second");
    let second = contents(&project, &products);
    assert!(first.iter().all(|(path, content)| path.ends_with("metrics.json") || second[path] != *content));

    project.git(&["checkout", "--quiet", "HEAD~1"]);
    project.mlx(&["checkout"]).success();
    assert_eq!(contents(&project, &products), first);
    let run = train(&project, &["--locked"]);
    assert_eq!(outcomes(&run), [("prepare", "up_to_date"), ("train", "up_to_date")]);
    assert_eq!(project.git(&["status", "--porcelain"]).stdout, "");
}

#[test]
fn digits_are_one_directory_of_pictures_and_a_network_that_reads_them() {
    let project = example("digits");
    let python = |script: &str| {
        let output = project.other("python3", &[script]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    train(&project, &["source"]);
    python("make_images.py");
    project.mlx(&["add", "data/digits"]).success();
    let first = train(&project, &[]);
    project.commit("all pictures");
    let pictures = contents(&project, &["data/digits"]);
    assert_eq!(pictures.len(), 1797);
    assert!(first["metrics"]["accuracy"].as_f64().unwrap() >= 0.95);
    let epochs = first["history"].as_array().unwrap().iter().filter(|point| point["metric"] == "validation_loss");
    assert_eq!(epochs.count(), 40);
    assert_eq!(outcomes(&train(&project, &[])), [("source", "up_to_date"), ("train", "up_to_date")]);

    // Other parameters touch the training alone, and so do fewer pictures.
    let quick = ["--set", "train.epochs=3"];
    assert_eq!(outcomes(&train(&project, &quick)), [("source", "up_to_date"), ("train", "ran")]);
    let sevens: Vec<String> = (0..1797).map(|number| format!("data/digits/7/{number:04}.png")).collect();
    let gone: Vec<&str> = sevens.iter().map(String::as_str).filter(|path| project.exists(path)).take(100).collect();
    remove(&project, &gone);
    project.mlx(&["add", "data/digits"]).success();
    let fewer = train(&project, &quick);
    assert_eq!(outcomes(&fewer), [("source", "up_to_date"), ("train", "ran")]);
    project.commit("fewer sevens");

    // The commit before brings all pictures and its model back, from nothing at all.
    project.git(&["checkout", "--quiet", "HEAD~1"]);
    remove(&project, &["data", "model", "sample.csv", "metrics.json", "history.csv"]);
    project.mlx(&["checkout"]).success();
    assert_eq!(contents(&project, &["data/digits"]), pictures);
    assert_eq!(outcomes(&train(&project, &[])), [("source", "up_to_date"), ("train", "up_to_date")]);

    let answer = deliver_and_ask(&project, "digits", "sample.csv");
    assert_eq!(output(&answer, "label")["shape"], serde_json::json!([5]));
    let run_id = answer["parameters"]["run"].as_str().unwrap();
    let run = project.mlx(&["runs", "show", run_id, "--json"]).success().json();
    assert_eq!(digest_in(&run, "data/digits"), digest_in(&first, "data/digits"));
    project.mlx(&["verify"]).success();
}

#[test]
fn sweep_finds_better_parameters_and_writes_them_down() {
    let project = example("sweep");
    let by_hand = train(&project, &[]);
    project.commit("by hand");
    let sweep = |arguments: &[&str]| project.mlx(&[&["sweep", "--json"], arguments].concat()).success().json();
    let value = |results: &Value| {
        let best = usize::try_from(results["best"].as_u64().unwrap()).unwrap();
        results["trials"][best]["value"].as_f64().unwrap()
    };

    let grid = sweep(&["size"]);
    assert_eq!(grid["trials"].as_array().unwrap().len(), 8);
    assert!(value(&grid) > by_hand["metrics"]["accuracy"].as_f64().unwrap());
    let loss = by_hand["metrics"]["loss"].as_f64().unwrap();
    let tuned = sweep(&["tuned", "--trials", "4"]);
    assert!(value(&tuned) < loss, "{tuned}");
    let early = sweep(&["early", "--trials", "6"]);
    let stopped = early["trials"].as_array().unwrap().iter().filter(|trial| trial["state"] == "stopped").count();
    assert!((1..6).contains(&stopped), "{early}");
    assert_eq!(project.git(&["status", "--porcelain"]).stdout, "", "sweeps leave nothing for Git");

    project.mlx(&["sweep", "apply", "tuned"]).success();
    let applied = train(&project, &[]);
    assert_eq!(outcomes(&applied), [("split", "up_to_date"), ("train", "restored")]);
    assert_eq!(applied["metrics"]["loss"].as_f64().unwrap(), value(&tuned));
    project.mlx(&["verify"]).success();
}

#[test]
fn a_class_in_python_goes_from_data_to_an_answer() {
    let project = example("python-predictor");
    train(&project, &[]);

    let answer = deliver_and_ask(&project, "outliers", "data/sample.csv");

    // The last of the five was made to be one.
    let expected = serde_json::json!([false, false, false, false, true]);
    assert_eq!(output(&answer, "is_outlier")["data"], expected, "{answer}");
    project.mlx(&["bundle", "unpack", "dist/outliers-1.tar", "release"]).success();
    assert!(project.read("release/environment/packages.txt").contains("numpy=="));
}
