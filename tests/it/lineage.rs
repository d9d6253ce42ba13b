//! `mlx lineage`: from anything back to the data, and from the data to what answers.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Outcome, Project};

const MANIFEST: &str = r#"
[params]
train = { trees = 3 }
[step.prepare]
cmd = "mkdir -p data && cp raw.csv data/train.csv && cp raw.csv data/test.csv && cp raw.csv data/unused.csv"
deps = ["raw.csv"]
outs = ["data"]
[step.train]
cmd = "mkdir -p model && echo $MLX_PARAM_TRAIN_TREES > model/m && echo 2 > model/n"
deps = ["data/train.csv", "train.py"]
params = ["train"]
outs = ["model"]
[step.evaluate]
cmd = "echo 1 > report"
deps = ["model", "data/test.csv"]
outs = ["report"]
[model.churn]
path = "model"
[target.production]
url = "deploy/production"
model = "churn"
"#;

/// A project whose model was trained with two numbers of trees and registered and deployed each time.
fn deployed() -> Project {
    let project = Project::with_manifest(MANIFEST).write("raw.csv", "1,2\n").write("train.py", "fit()\n");
    for trees in ["3", "4"] {
        project.mlx(&["train", "--set", &format!("train.trees={trees}")]).success();
        project.mlx(&["model", "register", "churn"]).success();
        project.mlx(&["deploy", "production"]).success();
    }
    project.mlx(&["model", "promote", "churn", "2", "best"]).success();
    project
}

fn lineage(project: &Project, what: &str) -> Value {
    project.mlx(&["lineage", what, "--json"]).success().json()
}

/// The things of a kind and how they are related to what was asked for, in words.
fn things(lineage: &Value, kind: &str) -> BTreeSet<String> {
    let name = |node: &Value| match kind {
        "data" => node["path"].as_str().unwrap().to_owned(),
        "step" => node["step"].as_str().unwrap().to_owned(),
        "version" => node["version"].to_string(),
        "release" => format!("{}{}", node["target"].as_str().unwrap(), if node["live"] == true { " live" } else { "" }),
        _ => String::new(),
    };
    let nodes = lineage["nodes"].as_array().unwrap().iter().filter(|node| node["kind"] == kind);
    nodes.map(|node| format!("{} {}", node["relation"].as_str().unwrap(), name(node))).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn from_a_version_back_to_the_data_and_on_to_the_target() {
    let project = deployed();

    let lineage = lineage(&project, "churn@best");

    let data = ["origin raw.csv", "origin train.py", "origin data", "origin data/train.csv", "origin model"];
    assert_eq!(things(&lineage, "data"), set(&data));
    assert_eq!(things(&lineage, "step"), set(&["origin prepare", "origin train"]));
    assert_eq!(things(&lineage, "version"), set(&["subject 2"]));
    assert_eq!(things(&lineage, "release"), set(&["result production live"]));
    let edges = lineage["edges"].as_array().unwrap();
    assert!(edges.iter().all(|edge| edge["from"].as_u64() < edge["to"].as_u64()), "{lineage:#}");
    let text = project.mlx(&["lineage", "churn:2"]).success().stdout;
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert!(lines[0].starts_with("churn:2  @best"), "{text}");
    for line in ["made from", "led to"] {
        assert!(lines.contains(&line), "{text}");
    }
    let place = |start: &str| lines.iter().position(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{text}"));
    assert!(place("model/") < place("step train") && place("step train") < place("step prepare"), "{text}");
    assert!(place("led to") < place("bundle ") && place("bundle ") < place("release on production"), "{text}");
}

#[test]
fn from_a_file_to_all_that_came_of_it() {
    let project = deployed();

    let lineage = lineage(&project, "raw.csv");

    assert_eq!(things(&lineage, "version"), set(&["result 1", "result 2"]));
    assert_eq!(things(&lineage, "release"), set(&["result production", "result production live"]));
    assert_eq!(things(&lineage, "step"), set(&["result prepare", "result train", "result evaluate"]));
    assert!(!things(&lineage, "data").contains("origin train.py"), "it is no origin of the data");
}

#[test]
fn a_digest_a_run_and_a_part_of_a_directory_are_subjects() {
    let project = deployed();
    let version = project.mlx(&["model", "show", "churn:1", "--json"]).success().json();
    let (digest, run) = (version["object"]["digest"].as_str().unwrap(), version["run"].as_str().unwrap());
    let release = project.mlx(&["releases", "production", "--json"]).success().json()["releases"][0]["release"].clone();

    let by_digest = lineage(&project, &digest[..20]);
    let by_run = lineage(&project, run);
    let part = lineage(&project, "data/unused.csv");
    let bundle = lineage(&project, release.as_str().unwrap());

    assert_eq!(things(&by_digest, "version"), set(&["result 1"]));
    assert!(things(&by_digest, "data").contains("subject model"), "{by_digest:#}");
    assert!(things(&by_run, "step").contains("subject train"), "{by_run:#}");
    assert_eq!(things(&part, "version"), set(&[]), "nothing was made of that file");
    assert_eq!(things(&part, "step"), set(&["origin prepare"]));
    assert_eq!(things(&bundle, "version"), set(&["origin 2"]));
}

/// Steps that name a file of a tracked directory, and directories as a whole.
const OF_DIRECTORIES: &str = r#"
[step.prepare]
cmd = "mkdir -p data/sub && cp raw/a.csv data/a.csv && cp raw/a.csv data/sub/b.csv"
deps = ["raw/a.csv"]
outs = ["data"]
[step.train]
cmd = "mkdir -p model && cat data/a.csv notes/n.txt > model/w.bin && echo 2 > model/v.bin"
deps = ["data", "notes"]
outs = ["model"]
[model.m]
path = "model"
"#;

#[test]
fn what_came_of_a_directory_came_of_each_file_in_it() {
    let project = Project::with_manifest(OF_DIRECTORIES)
        .write("raw/a.csv", "1,2\n")
        .write("raw/unused.csv", "3,4\n")
        .write("notes/n.txt", "n\n");
    project.mlx(&["add", "raw", "notes"]).success();
    project.mlx(&["train"]).success();
    project.mlx(&["model", "register", "m"]).success();
    // What the lock has now is no longer what the model was made from.
    project.set("notes/more.txt", "more\n");
    project.mlx(&["add", "notes"]).success();

    let versions = |what: &str| things(&lineage(&project, what), "version");
    for used in ["raw", "raw/a.csv", "data", "data/a.csv", "data/sub", "data/sub/b.csv", "notes/n.txt", "model/w.bin"] {
        assert_eq!(versions(used), set(&["result 1"]), "{used}");
    }
    for unused in ["raw/unused.csv", "notes", "notes/more.txt"] {
        assert_eq!(versions(unused), set(&[]), "{unused}");
    }
    let (part, model) = (lineage(&project, "data/a.csv"), lineage(&project, "m:1"));
    assert_eq!(things(&part, "step"), set(&["origin prepare", "result train"]));
    assert!(things(&part, "data").is_superset(&set(&[
        "origin raw",
        "origin raw/a.csv",
        "origin data",
        "result model"
    ])));
    assert!(!things(&model, "data").contains("origin data/sub/b.csv"), "only what is named is listed: {model:#}");
    project.mlx(&["lineage", "raw/a.csv"]).success().prints("raw/").prints("led to");
}

#[test]
fn the_first_digits_of_a_digest_are_enough_with_the_algorithm_and_without() {
    let project = deployed();
    let digest = |content: &str| mlx::Digest::of(content).to_string();
    let (raw, inside) = (digest("1,2\n"), digest("4\n"));

    for digest in [&raw, &inside] {
        let hex = digest.strip_prefix("sha256:").unwrap();
        for text in [digest.clone(), digest[..15].into(), hex[..8].into(), hex[..8].to_uppercase()] {
            let found = lineage(&project, &text);
            assert!(things(&found, "version").contains("result 2"), "{text}: {found:#}");
        }
    }
    assert!(things(&lineage(&project, &inside[..15]), "data").contains("subject model/m"));
    let bundle = lineage(&project, "dist/churn-1.tar");
    assert_eq!((things(&bundle, "bundle").len(), things(&bundle, "version")), (1, set(&["origin 1"])));
    project.mlx(&["lineage", "sha256:12"]).exits_with(2).says("`sha256:12` begins no digest: 4 hex digits do");
    project.mlx(&["lineage", "sha256:nothex"]).exits_with(2).says("begins no digest");
    let release = project.mlx(&["releases", "production", "--json"]).success().json()["releases"][1]["release"].clone();
    let short = release.as_str().unwrap()[..15].to_uppercase().replacen("SHA", "sha", 1);
    project.mlx(&["rollback", "production", "--to", &short]).success();
}

#[test]
fn a_clone_without_the_runs_knows_what_the_lock_and_the_registry_say() {
    let project = deployed();
    std::fs::remove_dir_all(project.path(".mlx/store/records/runs")).unwrap();
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(project.path(format!(".mlx/runs.db{ending}")));
    }

    let lineage = lineage(&project, "churn:2");

    assert!(things(&lineage, "data").is_superset(&set(&["origin raw.csv", "origin train.py", "origin model"])));
    assert!(things(&lineage, "step").contains("origin train"), "{lineage:#}");
}

#[test]
fn it_is_drawn_and_what_is_unknown_gets_a_hint() {
    let project = deployed();

    project.mlx(&["lineage", "churn", "--output", "churn.svg"]).success();
    let svg: Outcome = project.mlx(&["lineage", "churn", "--format", "svg"]).success();

    assert!(project.read("churn.svg").starts_with("<svg ") && svg.stdout == project.read("churn.svg"));
    for text in ["release on production", "step train", "raw.csv", ">answers<"] {
        assert!(svg.stdout.contains(text), "{text}: {}", svg.stdout);
    }
    project.mlx(&["lineage", "chrun"]).exits_with(2).says("did you mean `churn`?");
    project
        .mlx(&["lineage", "sha256:00000000"])
        .exits_with(2)
        .says("no file, model or bundle whose digest begins with");
    project.mlx(&["lineage", "churn:9"]).exits_with(2).says("has no version 9");
    assert_eq!(things(&lineage(&project, "churn"), "release").len(), 1);
    let without = project.mlx(&["lineage", "churn", "--no-targets", "--json"]).success().json();
    assert_eq!(things(&without, "release"), set(&[]));
}

#[test]
fn targets_that_do_not_answer_are_told_of_once_and_are_asked_only_where_it_could_lie_there() {
    let project = deployed();
    let away =
        "[target.away]\nurl = \"oci://127.0.0.1:1/models/m\"\n[target.gone]\nurl = \"oci://127.0.0.1:1/models/n\"\n";
    project.set("mlx.toml", MANIFEST.to_owned() + away);

    let asked = project.mlx(&["lineage", "churn:2"]).success();
    let json = project.mlx(&["lineage", "churn:2", "--json"]).success().json();
    let of_no_version = project.mlx(&["lineage", "report"]).success();
    let releases = project.mlx(&["releases", "away"]).exits_with(1);

    assert_eq!(asked.stderr.matches("warning").count(), 1, "{}", asked.stderr);
    let asked = asked.says("what lies on 2 targets is left out:").says("`away`: cannot").says("`gone`: cannot");
    asked.prints("release on production");
    let left_out = json["left_out"].as_array().unwrap();
    assert_eq!(left_out.iter().map(|left| left["target"].as_str().unwrap()).collect::<Vec<_>>(), ["away", "gone"]);
    assert_eq!(of_no_version.stderr, "");
    assert!(!releases.stderr.contains("warning"), "the error says all: {}", releases.stderr);
    project.mlx(&["lineage", "0123abcd"]).exits_with(2).says("no file, model or bundle whose digest begins with");
}
