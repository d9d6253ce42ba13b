//! The pre-push hook, called by Git itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Outcome, Project};

/// A project with data in its first commit, a Git remote and a remote for data; the hook is set up.
fn project(choice: &str) -> Project {
    let project = Project::empty();
    let (data, git) = (project.home().join("data"), project.home().join("git"));
    let project =
        project.write("mlx.toml", format!("[remote.team]\nurl = \"{}\"\n", data.display())).write("raw.csv", "1\n");
    project.git(&["init", "--quiet"]);
    project.git(&["init", "--quiet", "--bare", &git.to_string_lossy()]);
    project.git(&["remote", "add", "origin", &git.to_string_lossy()]);
    project.mlx(&["init", choice]).success().prints("Git asks mlx before it pushes");
    project.mlx(&["add", "raw.csv"]).success();
    project.commit("data");
    project
}

fn push(project: &Project) -> Outcome {
    project.outcome(&mut project.other("git", &["push", "--quiet", "origin", "HEAD"]))
}

#[test]
fn a_push_without_its_data_is_warned_of() {
    let project = project("--git-hooks");

    push(&project)
        .success()
        .says("warning: 1 version of data that these commits name is on no remote: `raw.csv`")
        .says("`mlx push`");

    project.set("raw.csv", "2\n");
    project.mlx(&["add", "raw.csv"]).success();
    project.mlx(&["push"]).success();
    project.commit("more");
    let silent = push(&project).success();
    assert_eq!(silent.stderr, "", "the first commit is pushed already");
}

#[test]
fn older_commits_count_as_well() {
    let project = project("--git-hooks");
    project.set("raw.csv", "2\n");
    project.mlx(&["add", "raw.csv"]).success();
    project.mlx(&["push"]).success();
    project.commit("more");

    push(&project).success().says("1 version of data").says("mlx push --all-revs");
}

#[test]
fn a_push_without_its_data_is_stopped_on_demand() {
    let project = project("--git-hooks=block");

    push(&project).exits_with(1).says("error: 1 version of data").says("`git push --no-verify`");
    assert_eq!(project.git(&["ls-remote", "origin"]).stdout, "");

    project.mlx(&["push"]).success();
    push(&project).success();
    assert!(project.git(&["ls-remote", "origin"]).stdout.contains("refs/heads/main"));
    project.git(&["push", "--quiet", "origin", "HEAD:other"]);
    project.git(&["push", "--quiet", "origin", "--delete", "other"]);
}

#[test]
fn a_remote_that_does_not_answer_is_named() {
    let project = project("--git-hooks");
    project.set("mlx.toml", "[remote.team]\nurl = \"s4://nowhere\"\n");

    push(&project).success().says("cannot tell whether the data of these commits is on a remote");
}

#[test]
fn a_hook_of_the_user_stays() {
    let project = Project::with_manifest("");
    project.git(&["init", "--quiet"]);
    project.program(&project.path(".git/hooks/pre-push"), "echo mine");
    let before = project.read(".git/hooks/pre-push");

    project.mlx(&["init", "--git-hooks"]).exits_with(2).says("which mlx leaves alone").says("hook pre-push");
    assert_eq!(project.read(".git/hooks/pre-push"), before);

    project.git(&["config", "core.hooksPath", "my hooks"]);
    project.mlx(&["init", "--git-hooks"]).success();
    assert_eq!(project.path("my hooks/pre-push").metadata().unwrap().permissions().mode() & 0o111, 0o111);
}

#[test]
fn setting_up_again_changes_what_was_asked_for_and_nothing_else() {
    let project = Project::with_manifest("").write("sub/mlx.toml", "");
    project.git(&["init", "--quiet"]);
    project.mlx(&["init", "--git-hooks"]).success();
    let first = project.read(".git/hooks/pre-push");
    project.mlx(&["init", "--git-hooks"]).success().prints("Git asks mlx before it pushes already; nothing changed");
    assert_eq!(project.read(".git/hooks/pre-push"), first);

    fs::write(project.path(".git/hooks/pre-push"), format!("{first}echo mine\n")).unwrap();
    project.mlx(&["-C", "sub", "init", "--git-hooks"]).success();
    project.mlx(&["init", "--git-hooks=block"]).success();

    let hook = project.read(".git/hooks/pre-push");
    assert!(hook.contains("echo mine") && hook.contains("-C 'sub' hook pre-push \"$@\""), "{hook}");
    assert!(hook.contains("-C '.' hook pre-push --block \"$@\"") && hook.matches("-C '.'").count() == 1, "{hook}");
}

#[test]
fn a_warning_that_can_not_be_given_stops_no_push() {
    let project = project("--git-hooks");
    let hook = project.path(".git/hooks/pre-push");
    let script = fs::read_to_string(&hook).unwrap();
    fs::write(&hook, script.replace(env!("CARGO_BIN_EXE_mlx"), "/nowhere/mlx")).unwrap();

    push(&project).success().says("mlx did not look whether data of these commits is on a remote");

    fs::write(&hook, script).unwrap();
    project.set("mlx.toml", "broken");
    project.git(&["commit", "--quiet", "--all", "--message", "broken"]);
    push(&project).success().says("mlx did not look whether");
}
