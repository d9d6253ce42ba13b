//! `mlx remote`: naming, listing and testing remotes.

use insta::assert_snapshot;

use crate::harness::Project;

#[test]
fn a_remote_is_added_listed_and_tested() {
    let project = Project::with_manifest("# mine\n[project]\nname = \"demo\" # its name\n");

    let added = project.mlx(&["remote", "add", "disk", "../remote"]).success();
    assert_snapshot!(added.text(), @r"
    Added remote `disk` to mlx.toml: ../remote
    Try it: `mlx remote test disk`; send data there: `mlx push --remote disk`
    ");
    assert_eq!(
        project.read("mlx.toml"),
        "# mine\n[project]\nname = \"demo\" # its name\n\n[remote.disk]\nurl = \"../remote\"\n"
    );

    project.mlx(&["remote", "list"]).success().prints("disk    ../remote  default");
    let tested = project.mlx(&["remote", "test", "--json"]).success().json();
    let tried = tested["tried"].as_array().unwrap();
    assert!(tried.len() == 6 && tried.iter().all(|tried| tried["outcome"] == "works"), "{tested:#}");
    project.mlx(&["remote", "test"]).success().prints("can be read and written");
}

#[test]
fn what_would_not_work_is_refused_before_anything_is_written() {
    let project = Project::with_manifest("remote.disk.url = '../remote'\n");
    let refuse = |arguments: &[&str], says: &str| {
        let outcome = project.mlx(&[&["remote", "add"], arguments].concat()).exits_with(2).says(says);
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    };

    refuse(&["disk", "s3://bucket"], "there is a remote `disk` already: ../remote");
    refuse(&["cloud", "s4://bucket"], "names no place that mlx knows");
    refuse(&["web", "https://me:hunter2@host/x"], "~/.netrc");
    refuse(&["-x", "../y"], "unexpected argument");
    refuse(&["a/b", "../y"], "may hold letters");

    assert_eq!(project.read("mlx.toml"), "remote.disk.url = '../remote'\n");
}

#[test]
fn a_remote_that_does_not_work_fails_the_test_with_the_reason() {
    let project = Project::with_manifest("remote.disk.url = 'mlx.toml'\n");

    let outcome = project.mlx(&["remote", "test", "disk"]).exits_with(1);

    outcome.prints("write 1 MiB").says("remote `disk` does not do what it should");
}

#[test]
fn this_machine_may_have_a_remote_elsewhere() {
    let project = Project::with_manifest("remote.origin.url = 's3://bucket'\nremote.other.url = 'x'\n");
    project.set(".mlx/config.toml", "[remote.other]\nurl = \"../there\"\n");

    let listed = project.outcome(project.command(&["remote", "list"]).env("MLX_REMOTE_ORIGIN_URL", "/mnt/copy"));

    let listed = listed.success().prints("origin  /mnt/copy  default").prints("other   ../there");
    assert!(!listed.stdout.contains("s3://"));
}

#[test]
fn the_remote_must_be_clear() {
    Project::with_manifest("").mlx(&["remote", "test"]).exits_with(2).says("mlx remote add origin s3://bucket/prefix");
    let two = Project::with_manifest("remote.a.url = 'x'\nremote.b.url = 'y'\n");

    two.mlx(&["remote", "test"]).exits_with(2).says("say which: a, b");
    two.mlx(&["remote", "test", "c"]).exits_with(2).says("there is no remote `c`");
}
