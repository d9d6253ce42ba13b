//! `mlx init` and what holds for every command.

use std::fs;

use insta::assert_snapshot;

use crate::harness::Project;

#[test]
fn a_new_project_is_a_manifest_and_a_line_for_git() {
    let project = Project::empty();

    assert_snapshot!(project.mlx(&["init"]).success().text(), @"
    Created .gitignore, mlx.toml in `[root]/project`
    Describe your steps in mlx.toml, then run `mlx train`
    ");

    assert_eq!(fs::read_dir(project.root()).unwrap().count(), 2);
    assert_eq!(project.read(".gitignore"), "/.mlx/\n");
    assert!(project.read("mlx.toml").contains("name = \"project\""));
}

#[test]
fn a_project_that_exists_stays_as_it_is() {
    let project = Project::with_manifest("[project]\nname = \"mine\"\n").write(".gitignore", "x");

    let outcome = project.mlx(&["init", "--json"]).success();

    assert_eq!(outcome.json()["existed"], true);
    assert_eq!(project.read("mlx.toml"), "[project]\nname = \"mine\"\n");
    assert_eq!(project.read(".gitignore"), "x");
    project.mlx(&["init"]).success().prints("is a project already; nothing changed");
}

#[test]
fn git_ignores_what_is_mlx_s_own() {
    let project = Project::empty();

    project.mlx(&["init", "-C", "."]).success();
    project.set(".mlx/runs.db", "x");
    project.commit("start");

    assert_eq!(project.git(&["ls-files"]).stdout, ".gitignore\nmlx.toml\n");
}

#[test]
fn an_unknown_example_is_named_with_those_that_exist() {
    let project = Project::empty();

    project
        .mlx(&["init", "--example", "breast-cancre"])
        .exits_with(2)
        .says("error: there is no example `breast-cancre`");

    assert!(!project.exists("mlx.toml"));
}

#[test]
fn a_missing_directory_is_a_usage_error() {
    let project = Project::empty();

    project.mlx(&["-C", "nowhere", "init"]).exits_with(2).says("cannot enter `nowhere`");
    assert_eq!(fs::read_dir(project.home()).unwrap().count(), 0);
}

#[test]
fn events_are_written_as_they_happen() {
    let step = "[step.look]\ncmd = 'cat events.jsonl > seen; true'\nouts = ['seen']\n";
    let project = Project::with_manifest(step);

    project.mlx(&["train", "--events", "events.jsonl"]).success();

    assert!(project.read("seen").contains(r#"{"event":"step_started","step":"look""#), "{}", project.read("seen"));
    assert!(project.read("events.jsonl").lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}
