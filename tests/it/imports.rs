//! `mlx import`, `update` and `get`: data from other projects, repositories and places.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Outcome, Project};

/// A project with two tracked paths, pushed to its remote, and files of Git's own; one commit, tagged `v1`.
fn source() -> Project {
    let project = Project::empty();
    let remote = project.home().join("remote");
    let project = project
        .write("mlx.toml", format!("[remote.origin]\nurl = \"{}\"\n", remote.display()))
        .write("data/images/cat.png", "cat")
        .write("data/images/more/owl.png", "owl")
        .write("labels.csv", "id,label\n1,cat\n")
        .write("code/run.sh", "#!/bin/sh\n")
        .write("code/lib/help.txt", "help");
    fs::set_permissions(project.path("code/run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    project.mlx(&["add", "data/images", "labels.csv"]).success();
    project.mlx(&["push"]).success();
    project.commit("first");
    project.git(&["tag", "v1"]);
    project
}

fn change(source: &Project, label: &str) {
    source.set("labels.csv", format!("id,label\n1,{label}\n"));
    source.mlx(&["add", "labels.csv"]).success();
    source.mlx(&["push"]).success();
    source.commit("another label");
}

/// `FROM#PATH` for a source by its path.
fn at(source: &Project, path: &str) -> String {
    format!("{}#{path}", source.root().display())
}

/// The same through a URL, as if the repository were on a server.
fn on_server(source: &Project, path: &str) -> String {
    format!("file://{}#{path}", source.root().display())
}

fn head(project: &Project) -> String {
    project.git(&["rev-parse", "HEAD"]).stdout.trim().to_owned()
}

/// The program with a cache of its own.
fn mlx(project: &Project, arguments: &[&str]) -> Outcome {
    project.outcome(project.command(arguments).env("MLX_CACHE_DIR", project.home().join("cache")))
}

#[test]
fn data_of_another_project_comes_with_its_origin() {
    let (source, project) = (source(), Project::with_manifest("# mine\n[project] # keep\nname = \"here\"\n"));

    mlx(&project, &["import", &at(&source, "data/images"), "-o", "pictures"])
        .success()
        .prints("Imported `pictures` (2 files");

    assert_eq!(project.read("pictures/more/owl.png"), "owl");
    let manifest = project.read("mlx.toml");
    assert!(
        manifest.starts_with("# mine\n[project] # keep\nname = \"here\"\n\n[data]\npictures = { path = "),
        "{manifest}"
    );
    let lock = project.read("mlx.lock");
    assert!(lock.contains("version = 2") && lock.contains(&format!("commit = \"{}\"", head(&source))), "{lock}");
    assert_eq!(project.read(".gitignore"), "/pictures\n");
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    project.mlx(&["verify"]).success();
    mlx(&project, &["update"]).success().prints("current  pictures");
}

#[test]
fn a_file_inside_a_tracked_directory_comes_alone() {
    let (source, project) = (source(), Project::with_manifest(""));

    mlx(&project, &["import", &at(&source, "data/images/more/owl.png")]).success();

    assert_eq!(project.read("owl.png"), "owl");
    mlx(&project, &["import", &at(&source, "data/images/none.png")])
        .exits_with(2)
        .says("has no `data/images/none.png`");
    mlx(&project, &["import", &at(&source, "data")]).exits_with(2).says("holds 1 tracked paths").says("`data/images`");
    mlx(&project, &["import", &at(&source, "nothing")]).exits_with(2).says("has no `nothing`");
}

#[test]
fn data_comes_from_the_remote_where_the_store_is_not_here() {
    let (source, project) = (source(), Project::with_manifest(""));
    fs::rename(source.path(".mlx"), source.home().join("elsewhere")).unwrap();

    mlx(&project, &["import", &on_server(&source, "data/images/more")]).success();
    mlx(&project, &["import", &on_server(&source, "labels.csv"), "--rev", "main", "-o", "data/"]).success();

    assert_eq!(
        (project.read("more/owl.png"), project.read("data/labels.csv")),
        ("owl".into(), "id,label\n1,cat\n".into())
    );
    assert!(!source.exists(".mlx/store"), "nothing is made in the other project");
    fs::remove_dir_all(source.home().join("remote")).unwrap();
    let fresh = Project::with_manifest("");
    let refused = mlx(&fresh, &["import", &on_server(&source, "labels.csv")]).exits_with(1);
    refused.says("cannot bring `labels.csv`");
    assert!(!fresh.exists("mlx.lock") && !fresh.exists("labels.csv"));
    assert_eq!(fresh.read("mlx.toml"), "");
}

#[test]
fn files_of_git_come_from_git() {
    let (source, project) = (source(), Project::with_manifest(""));

    mlx(&project, &["import", &on_server(&source, "code")]).success().prints("(2 files");
    mlx(&project, &["import", &at(&source, "code/run.sh"), "-o", "bin/run"]).success();

    assert_eq!(project.read("code/lib/help.txt"), "help");
    assert_eq!(project.path("code/run.sh").metadata().unwrap().permissions().mode() & 0o100, 0o100);
    assert_eq!(project.read("bin/run"), "#!/bin/sh\n");
    source.set("other.txt", "other");
    source.commit("elsewhere");
    mlx(&project, &["update", "--check"]).success();
    source.set("code/lib/help.txt", "more help");
    source.commit("here");
    mlx(&project, &["update", "--check"]).exits_with(4).prints("newer    code");
    mlx(&project, &["update"]).success().prints("Updated 1 path; 1 as before");
    assert_eq!(project.read("code/lib/help.txt"), "more help");
}

#[test]
fn update_takes_what_is_newer_and_nothing_else() {
    let (source, project) = (source(), Project::with_manifest(""));
    mlx(&project, &["import", &on_server(&source, "labels.csv")]).success();
    let first = head(&source);
    change(&source, "dog");

    let plan = mlx(&project, &["update", "-n", "--json"]).success().json();
    assert_eq!((&plan["paths"][0]["state"], &plan["dry_run"]), (&"newer".into(), &true.into()));
    assert_eq!(plan["paths"][0]["commit_before"], first);
    assert_eq!(project.read("labels.csv"), "id,label\n1,cat\n");

    mlx(&project, &["update"]).success().prints("updated  labels.csv");
    assert_eq!(project.read("labels.csv"), "id,label\n1,dog\n");
    assert!(project.read("mlx.lock").contains(&head(&source)));
    source.set("notes.md", "no data");
    source.commit("nothing about the data");
    mlx(&project, &["update"]).success().prints("current  labels.csv");
    assert!(
        project.read("mlx.lock").contains(&head(&source)),
        "the newer commit with the same content is written down"
    );
}

#[test]
fn a_revision_holds_until_the_manifest_says_another() {
    let (source, project) = (source(), Project::with_manifest(""));
    change(&source, "dog");
    mlx(&project, &["import", &on_server(&source, "labels.csv"), "--rev", "v1"]).success();
    assert_eq!(project.read("labels.csv"), "id,label\n1,cat\n");
    mlx(&project, &["update"]).success().prints("current");

    project.set("mlx.toml", project.read("mlx.toml").replace("rev = \"v1\"", "rev = \"main\""));
    mlx(&project, &["update"]).success().prints("updated");

    assert_eq!(project.read("labels.csv"), "id,label\n1,dog\n");
    mlx(&project, &["import", &on_server(&source, "labels.csv"), "--rev", "v9"]).exits_with(2).says("no revision `v9`");
    mlx(&project, &["import", &at(&source, "labels.csv"), "--rev=--all"]).exits_with(2).says("has no revision `--all`");
}

#[test]
fn a_source_that_the_manifest_names_by_hand_is_brought_by_update() {
    let (source, project) = (source(), Project::empty());
    let text = format!("[data]\nlabels = {{ path = \"data/labels.csv\", url = \"{}\" }}\n", at(&source, "labels.csv"));
    let project = project.write("mlx.toml", text);

    mlx(&project, &["update", "-n"]).success().prints("new      data/labels.csv");
    mlx(&project, &["update", "data"]).success().prints("updated  data/labels.csv");

    assert_eq!(project.read("data/labels.csv"), "id,label\n1,cat\n");
    mlx(&project, &["update", "date"]).exits_with(2).says("did you mean `data/labels.csv`?");
}

#[test]
fn changes_made_here_are_not_lost() {
    let (source, project) = (source(), Project::with_manifest(""));
    mlx(&project, &["import", &at(&source, "labels.csv")]).success();
    project.set("labels.csv", "mine");
    change(&source, "dog");

    mlx(&project, &["update"]).exits_with(2).says("holds changes that are in no store");
    project.mlx(&["add", "labels.csv"]).success();
    mlx(&project, &["update"]).exits_with(2).says("was changed here");
    assert_eq!(project.read("labels.csv"), "mine");
    mlx(&project, &["update", "--force"]).success();
    assert_eq!(project.read("labels.csv"), "id,label\n1,dog\n");

    let other = Project::with_manifest("").write("labels.csv", "untracked");
    mlx(&other, &["import", &at(&source, "labels.csv")]).exits_with(2).says("mlx does not track it");
    assert_eq!(other.read("labels.csv"), "untracked");
    let kept = Project::with_manifest("").write("labels.csv", "in Git");
    kept.commit("kept");
    mlx(&kept, &["import", "--force", &at(&source, "labels.csv")]).exits_with(2).says("Git keeps `labels.csv` already");
}

#[test]
fn files_and_directories_of_this_machine_are_sources_too() {
    let (outside, project) =
        (Project::empty().write("x/a.csv", "1").write("x/sub/b.csv", "2"), Project::with_manifest(""));
    let path = |below: &str| outside.path(below).to_string_lossy().into_owned();

    mlx(&project, &["import", &path("x")]).success().prints("(2 files, 2 B)");
    mlx(&project, &["import", &format!("file://{}", path("x/a.csv"))]).success();
    assert_eq!((project.read("x/sub/b.csv"), project.read("a.csv")), ("2".into(), "1".into()));
    mlx(&project, &["update"]).success().prints("Updated 0 paths; 2 as before");

    outside.set("x/a.csv", "changed");
    let plan = mlx(&project, &["update", "-n"]).success();
    assert!(plan.stdout.contains("newer    a.csv") && plan.stdout.contains("unknown  x"), "{}", plan.stdout);
    mlx(&project, &["update"]).success().prints("Updated 2 paths");
    assert_eq!(project.read("x/a.csv"), "changed");
    mlx(&project, &["import", &path("none.csv")]).exits_with(2).says("there is no `");
}

#[test]
fn relative_sources_start_at_the_project() {
    let (source, project) = (source(), Project::with_manifest("").write("sub/keep", ""));
    let relative =
        format!("../../../{}/project#labels.csv", source.root().parent().unwrap().file_name().unwrap().display());

    mlx(&project, &["-C", "sub", "import", &relative]).success();

    let manifest = project.read("mlx.toml");
    assert!(manifest.contains(&format!("url = \"{}\"", &relative[3..])), "{manifest}");
    assert_eq!(project.read("sub/labels.csv"), "id,label\n1,cat\n");
    mlx(&project, &["update"]).success().prints("current");
}

#[test]
fn get_copies_without_a_project() {
    let (source, place) = (source(), Project::empty());
    let v1 = head(&source);
    change(&source, "dog");

    let got = mlx(&place, &["get", &on_server(&source, "labels.csv"), "--rev", "v1", "--json"]).success().json();
    mlx(&place, &["get", &at(&source, "data/images"), "-o", "pictures"]).success().prints("(2 files");
    mlx(&place, &["get", &at(&source, "code")]).success();

    assert_eq!(got["commit"], v1);
    assert_eq!((place.read("labels.csv"), place.read("pictures/cat.png")), ("id,label\n1,cat\n".into(), "cat".into()));
    assert_eq!(place.read("code/run.sh"), "#!/bin/sh\n");
    let names: Vec<_> = fs::read_dir(place.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "nothing else is left: {names:?}");
    mlx(&place, &["get", &at(&source, "labels.csv")]).exits_with(2).says("is there already");
    mlx(&place, &["get", &at(&source, "labels.csv"), "--force"]).success();
    assert_eq!(place.read("labels.csv"), "id,label\n1,dog\n");
    mlx(&place, &["get", &at(&source, "data/images"), "-o", "pictures", "-f"]).success();
    assert!(place.exists("pictures/images/cat.png"), "into a directory that is there");
}

#[test]
fn no_source_runs_programs_or_shows_secrets() {
    let place = Project::empty();
    for source in [
        "ext::sh -c 'touch ran'#x",
        "--upload-pack=touch ran#x",
        "ssh://-oProxyCommand=touch%20ran/x#y",
        "https://me:hunter2@127.0.0.1:1/x.git#y",
        "https://me:hunter2@127.0.0.1:1/x.csv",
    ] {
        let refused = mlx(&place, &["get", "--", source]);
        assert!(!refused.stderr.contains("hunter2") && !refused.stdout.contains("Copied"), "{}", refused.stderr);
        assert!(!place.exists("ran"), "{source}");
    }
    mlx(&place, &["get", "https://127.0.0.1:1/x.git#y"]).exits_with(1).says("cannot fetch from the repository");
}

#[test]
fn a_damaged_object_of_another_project_never_comes() {
    let (source, project) = (source(), Project::with_manifest(""));
    let hex = mlx::Digest::of("id,label\n1,cat\n").hex();
    let object = source.path(".mlx/store/objects").join(&hex[..2]).join(&hex[2..]);
    fs::set_permissions(&object, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&object, "id,label\n1,dog\n").unwrap();

    mlx(&project, &["import", &at(&source, "labels.csv")]).success();
    assert_eq!(project.read("labels.csv"), "id,label\n1,cat\n", "the remote has a good one");

    fs::remove_dir_all(source.home().join("remote")).unwrap();
    let other = Project::with_manifest("");
    mlx(&other, &["import", &at(&source, "labels.csv")]).exits_with(1).says("cannot bring `labels.csv`");
    assert!(!other.exists("labels.csv") && !other.exists("mlx.lock"));
}

#[test]
fn a_pointer_of_git_lfs_is_not_taken_for_data() {
    let source = Project::with_manifest("");
    source.set("big.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    source.commit("pointer");

    mlx(&Project::with_manifest(""), &["import", &at(&source, "big.bin")]).exits_with(1).says("a pointer of Git LFS");
}

#[test]
fn a_clone_without_a_remote_gets_imported_data_as_it_was() {
    let (source, project) = (source(), Project::with_manifest(""));
    mlx(&project, &["import", &on_server(&source, "labels.csv")]).success();
    mlx(&project, &["import", &at(&source, "code/lib"), "-o", "lib"]).success();
    project.commit("imported");
    let clone = Project::empty();
    fs::remove_dir(clone.root()).unwrap();
    project.git(&["clone", "--quiet", ".", &clone.root().to_string_lossy()]);
    change(&source, "dog");

    clone.mlx(&["status"]).success().says("`mlx update`");
    clone.mlx(&["pull"]).exits_with(2).says("`mlx update` brings what was imported");
    mlx(&clone, &["update", "--dry-run"]).success().prints("absent   labels.csv").prints("absent   lib");
    mlx(&clone, &["update"]).success().prints("Brought 2 paths as mlx.lock has them");

    assert_eq!(clone.read("labels.csv"), "id,label\n1,cat\n");
    assert_eq!(clone.read("lib/help.txt"), "help");
    assert_eq!(clone.git(&["status", "--porcelain"]).stdout, "");
    mlx(&clone, &["update"]).success().prints("updated  labels.csv");
    assert_eq!(clone.read("labels.csv"), "id,label\n1,dog\n");
}

#[test]
fn imported_data_that_nobody_pushed_is_had_from_its_source() {
    let (source, project) = (source(), Project::empty());
    let shared = project.home().join("shared");
    project.set("mlx.toml", format!("[remote.origin]\nurl = '{}'\n", shared.display()));
    project.set("own", "own");
    project.mlx(&["add", "own"]).success();
    project.mlx(&["push"]).success();
    mlx(&project, &["import", &on_server(&source, "labels.csv")]).success();
    project.commit("imported");
    let clone = Project::empty();
    fs::remove_dir(clone.root()).unwrap();
    project.git(&["clone", "--quiet", ".", &clone.root().to_string_lossy()]);

    clone.mlx(&["pull"]).exits_with(1).says("`labels.csv` is not on the remote").says("`mlx update labels.csv`");
    assert!(clone.exists("own"));
    mlx(&clone, &["update"]).success();
    clone.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
}

#[test]
fn a_tracked_directory_is_not_replaced_by_a_file_unasked() {
    let (source, project) = (source(), Project::with_manifest("").write("pictures/a", "a"));
    project.mlx(&["add", "pictures"]).success();
    let before = (project.read("mlx.lock"), project.read("mlx.toml"));

    mlx(&project, &["import", &at(&source, "labels.csv"), "-o", "pictures/"])
        .exits_with(2)
        .says("is tracked as a whole");
    mlx(&project, &["import", &at(&source, "labels.csv"), "-o", "pictures"])
        .exits_with(2)
        .says("is a tracked directory");

    assert_eq!((project.read("mlx.lock"), project.read("mlx.toml")), before);
    assert_eq!(project.read("pictures/a"), "a");
    fs::create_dir(project.path("plain")).unwrap();
    mlx(&project, &["import", &at(&source, "labels.csv"), "-o", "plain/"]).success();
    assert!(project.exists("plain/labels.csv"));
}
