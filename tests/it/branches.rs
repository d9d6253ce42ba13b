//! Branches that track different data: what another branch brought neither stays unsaid nor gets into Git.

use crate::harness::Project;

/// `main` tracks `data/base`; the branch `y` tracks `data/n1` too, and is checked out.
fn two_branches() -> Project {
    let project = Project::with_manifest("").write("data/base", "base");
    project.mlx(&["add", "data/base"]).success();
    project.commit("base");
    project.git(&["checkout", "--quiet", "-b", "y"]);
    project.set("data/n1", "only on y");
    project.mlx(&["add", "data/n1"]).success();
    project.commit("n1");
    project
}

#[test]
fn data_of_another_branch_is_named_and_taken_away() {
    let project = two_branches();
    project.git(&["checkout", "--quiet", "main"]);

    project
        .mlx(&["status"])
        .success()
        .prints("left over  data/n1")
        .says("`data/n1` is left over from another version of mlx.lock");
    project.mlx(&["checkout"]).success().prints("Removed `data/n1`, which this version of mlx.lock does not name");

    assert!(!project.exists("data/n1") && project.exists("data/base"));
    assert_eq!(project.git(&["status", "--porcelain"]).stdout, "");
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    project.git(&["checkout", "--quiet", "y"]);
    project.mlx(&["checkout"]).success();
    assert_eq!(project.read("data/n1"), "only on y");
}

#[test]
fn what_would_be_lost_stays_and_is_warned_of() {
    let project = two_branches();
    project.set("data/n2", "in no commit");
    project.mlx(&["add", "data/n2"]).success();
    project.git(&["checkout", "--quiet", "--force", "main"]);
    project.set("data/n1", "work since");

    let done = project.mlx(&["checkout"]).success();

    let done = done
        .says("`data/n1` is left over from another version of mlx.lock and stays: it was changed since")
        .says("`data/n2` is left over from another version of mlx.lock and stays: no commit and no run names");
    assert!(!done.stdout.contains("Removed"), "{}", done.stdout);
    assert_eq!((project.read("data/n1"), project.read("data/n2")), ("work since".into(), "in no commit".into()));
    project.mlx(&["add", "data/n2"]).success();
    project.mlx(&["status", "--json"]).success().prints("\"left_over\"");
    project.mlx(&["status", "data/n2"]).success().prints("unchanged");
}

#[test]
fn a_named_path_touches_nothing_else() {
    let project = two_branches();
    project.git(&["checkout", "--quiet", "main"]);

    project.mlx(&["checkout", "data/base"]).success();

    assert!(project.exists("data/n1"));
}

#[test]
fn outputs_of_a_step_that_is_gone_are_taken_away() {
    let project = Project::with_manifest("").write("input", "1");
    project.mlx(&["status"]).success();
    project.commit("none");
    project.git(&["checkout", "--quiet", "-b", "y"]);
    project.set("mlx.toml", "step.fit = { cmd = 'cp input model', deps = ['input'], outs = ['model'] }");
    project.mlx(&["train"]).success();
    project.commit("fit");

    project.git(&["checkout", "--quiet", "main"]);
    project.mlx(&["status"]).success().prints("left over  model");
    project.mlx(&["checkout"]).success().prints("Removed `model`");

    assert!(!project.exists("model"));
    assert_eq!(project.git(&["status", "--porcelain"]).stdout, "");
}

#[test]
fn a_part_that_was_pulled_alone_goes_with_its_branch() {
    let project = two_branches();
    for name in ["a", "b"] {
        project.set(format!("data/tree/{name}/x"), name);
    }
    project.mlx(&["add", "data/tree"]).success();
    project.commit("tree");
    std::fs::remove_dir_all(project.path("data/tree")).unwrap();
    std::fs::remove_file(project.path(".mlx/placed")).unwrap();
    project.mlx(&["checkout", "data/tree/a"]).success();

    project.git(&["checkout", "--quiet", "main"]);
    project.mlx(&["checkout"]).success().prints("Removed `data/tree/a`");

    assert!(!project.exists("data/tree/a"));
}

#[test]
fn untracked_paths_stay_and_are_nobody_s() {
    let project = Project::with_manifest("# mine\n[data]\nraw = 'data/raw'\nother = 'data/other'\n")
        .write("data/raw/a", "a")
        .write("data/other", "b");
    project.mlx(&["add", "data/raw", "data/other"]).success();
    project.commit("data");

    project.mlx(&["untrack", "data/raw/a"]).exits_with(2).says("`mlx untrack data/raw`");
    project.mlx(&["untrack", "data/row"]).exits_with(2).says("did you mean `data/raw`?");
    project.mlx(&["untrack", "data/raw"]).success().prints("Untracked `data/raw`, and `raw` left [data]");

    assert_eq!(project.read("mlx.toml"), "# mine\n[data]\nother = 'data/other'\n");
    assert_eq!(project.read(".gitignore"), "/data/other\n");
    assert!(!project.read("mlx.lock").contains("data/raw"));
    project.mlx(&["checkout"]).success();
    assert_eq!(project.read("data/raw/a"), "a", "it is the user's own now");
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    project.mlx(&["add", "data"]).exits_with(2).says("`mlx untrack data/other`");
    project.mlx(&["untrack", "data"]).success().prints("Untracked `data/other`");
    project.mlx(&["add", "data"]).success();
}

#[test]
fn a_remote_is_taken_out_of_the_manifest() {
    let project = Project::with_manifest("[remote.a]\nurl = '/x'\n# of b\n[remote.b]\nurl = '/y'\n");

    project.mlx(&["remote", "remove", "c"]).exits_with(2).says("there is no remote `c`");
    project.mlx(&["remote", "remove", "a"]).success().prints("Removed remote `a`");

    assert_eq!(project.read("mlx.toml"), "# of b\n[remote.b]\nurl = '/y'\n");
    project.mlx(&["remote", "add", "a", "/z"]).success();
}

#[test]
fn a_change_of_the_executable_bit_alone_is_called_so() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::with_manifest("").write("data/run.sh", "#!/bin/sh").write("tool", "x");
    project.mlx(&["add", "data", "tool"]).success();
    for path in ["data/run.sh", "tool"] {
        std::fs::set_permissions(project.path(path), PermissionsExt::from_mode(0o755)).unwrap();
    }

    let status = project.mlx(&["status"]).success();

    assert_eq!(status.stdout.matches("modified, executable bit only").count(), 2, "{}", status.stdout);
    project.mlx(&["diff"]).success().prints("changed  data/run.sh  (executable now)");
    project.set("data/more", "");
    let status = project.mlx(&["status"]).success();
    assert_eq!(status.stdout.matches("executable bit only").count(), 1, "{}", status.stdout);
}

#[test]
fn a_range_of_revisions_gets_the_two_words_it_should_be() {
    let project = two_branches();

    project.mlx(&["diff", "main..y"]).exits_with(2).says("name both of them: `main y`");
    project.mlx(&["diff", "main.."]).exits_with(2).says("name both of them: `main HEAD`");
    project.mlx(&["diff", "main", "y"]).success().prints("added    data/n1");
}
