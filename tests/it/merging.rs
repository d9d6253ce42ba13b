//! The merge driver for `mlx.lock`, called by Git itself.

use std::fs;

use crate::harness::{Outcome, Project};

/// A project whose Git merges the lock with this mlx, and one tracked file in its first commit.
fn project() -> Project {
    let project = Project::with_manifest("").write("base.txt", "base");
    project.git(&["init", "--quiet"]);
    project.mlx(&["init", "--git-merge-driver"]).success().prints("Git merges mlx.lock block by block from now on");
    add(&project, "base.txt", "base");
    project
}

fn add(project: &Project, path: &str, content: &str) {
    project.set(path, content);
    project.mlx(&["add", path]).success();
    project.commit(&format!("add {path}"));
}

/// Runs Git where it may fail.
fn try_git(project: &Project, arguments: &[&str]) -> Outcome {
    let identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"];
    project.outcome(&mut project.other("git", &[&identity, arguments].concat()))
}

#[test]
fn what_two_branches_added_is_merged() {
    let project = project();
    project.git(&["checkout", "--quiet", "-b", "side"]);
    add(&project, "a.txt", "side");
    project.git(&["checkout", "--quiet", "main"]);
    // Beside each other: Git's own merge would see one conflict.
    add(&project, "b.txt", "main");
    fs::write(project.path(".gitignore"), "*.txt\n").unwrap();
    project.commit("ignore");
    project.git(&["checkout", "--quiet", "side"]);
    fs::write(project.path(".gitignore"), "*.txt\n").unwrap();
    project.commit("ignore");

    project.git(&["merge", "--quiet", "--no-edit", "main"]);

    project.mlx(&["checkout"]).success();
    assert_eq!((project.read("a.txt"), project.read("b.txt")), ("side".into(), "main".into()));
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
}

#[test]
fn a_real_conflict_stops_the_merge_at_its_block() {
    let project = project();
    project.git(&["checkout", "--quiet", "-b", "side"]);
    add(&project, "base.txt", "side");
    project.git(&["checkout", "--quiet", "main"]);
    add(&project, "base.txt", "main");

    try_git(&project, &["merge", "--no-edit", "side"]).exits_with(1).says("1 conflict in `mlx.lock`: path `base.txt`");

    let lock = project.read("mlx.lock");
    assert_eq!(lock.matches("<<<<<<< ours\n[path.\"base.txt\"]\n").count(), 1, "{lock}");
    project.mlx(&["status"]).exits_with(2).says("Git left a merge conflict here");
    project.git(&["checkout", "--quiet", "--theirs", "mlx.lock"]);
    project.git(&["commit", "--quiet", "--all", "--message", "merged"]);
    project.mlx(&["checkout"]).success();
    assert_eq!(project.read("base.txt"), "side");
}

#[test]
fn setting_up_again_changes_nothing() {
    let project = project();
    let config = project.read(".git/config");
    assert!(config.contains("[merge \"mlx-lock\"]"), "{config}");

    project.mlx(&["init", "--git-merge-driver"]).success().prints("already; nothing changed");

    assert_eq!(project.read(".gitattributes"), "/mlx.lock merge=mlx-lock\n/.gitignore merge=union\n");
    assert_eq!(project.read(".git/config"), config);
    project.set(".gitattributes", "/mlx.lock merge=mlx-lock\nmlx.* merge=ours\n");
    project.mlx(&["init", "--git-merge-driver"]).exits_with(1).says("takes `/mlx.lock merge=mlx-lock` away");
}

#[test]
fn a_project_without_git_has_nothing_to_set_up() {
    let project = Project::with_manifest("");

    project.mlx(&["init", "--git-merge-driver"]).exits_with(2).says("lies in no Git repository").says("git init");
}

#[test]
fn a_side_that_cannot_be_read_conflicts_as_a_whole() {
    let project = Project::empty().write("base", "").write("ours", "version = 1\n").write("theirs", "version = 99\n");

    project.mlx(&["merge-lock", "base", "ours", "theirs", "sub/mlx.lock"]).exits_with(1).says("`sub/mlx.lock`");

    assert_eq!(project.read("ours"), "<<<<<<< ours\nversion = 1\n=======\nversion = 99\n>>>>>>> theirs\n");
}

#[test]
fn lines_of_gitignore_that_both_branches_added_do_not_conflict() {
    let project = project();
    assert!(project.read(".gitattributes").contains("/.gitignore merge=union\n"));
    project.git(&["checkout", "--quiet", "-b", "side"]);
    add(&project, "a.txt", "side");
    project.git(&["checkout", "--quiet", "main"]);
    add(&project, "b.txt", "main");

    project.git(&["merge", "--quiet", "--no-edit", "side"]);

    project.mlx(&["checkout"]).success();
    assert_eq!((project.read("a.txt"), project.read("b.txt")), ("side".into(), "main".into()));
    assert_eq!(project.git(&["status", "--porcelain"]).stdout, "");
}
