//! `mlx add`, `status`, `diff`, `checkout`, `verify` and `gc`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::harness::Project;

fn with_images() -> Project {
    Project::with_manifest("")
        .write("data/images/cat.png", "cat")
        .write("data/images/dog.png", "dogs")
        .write("data/images/more/owl.png", "owl")
}

/// The file in the store that holds this content.
fn object(project: &Project, content: &str) -> PathBuf {
    let hex = mlx::Digest::of(content).hex();
    project.path(".mlx/store/objects").join(&hex[..2]).join(&hex[2..])
}

/// A project whose cat is another one since its first commit, and the object of the first.
fn with_a_cat_in_history() -> (Project, PathBuf) {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();
    project.commit("first");
    project.set("data/images/cat.png", "second cat");
    project.mlx(&["add", "data/images"]).success();
    let first = object(&project, "cat");
    (project, first)
}

#[test]
fn a_directory_is_added_and_kept_out_of_git() {
    let project = with_images();

    assert_snapshot!(project.mlx(&["add", "data/images"]).success().text(), @"
    Added `data/images` (3 files, 10 B) [id]
    Keep the versions in Git: `git add mlx.lock .gitignore && git commit`
    ");

    assert!(project.read(".gitignore").contains("/data/images\n"));
    project.commit("data");
    assert_eq!(project.git(&["ls-files"]).stdout, ".gitignore\nmlx.lock\nmlx.toml\n");
    let lock = project.read("mlx.lock");
    project.mlx(&["add", "data/images"]).success().prints("Unchanged `data/images`");
    assert_eq!(project.read("mlx.lock"), lock);
    project.mlx(&["verify"]).success().prints("Sound");
}

#[test]
fn status_and_diff_tell_what_changed() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");

    project.set("data/images/cat.png", "kitten");
    fs::rename(project.path("data/images/dog.png"), project.path("data/images/hound.png")).unwrap();
    fs::remove_dir_all(project.path("data/images/more")).unwrap();
    project.set("data/images/new.png", "new");

    assert_snapshot!(project.mlx(&["status"]).success().text(), @"
    state     path         files  size  made by
    modified  data/images      3  13 B
    Keep the change with `mlx add data/images`, or undo it with `mlx checkout --force data/images`
    ");
    assert_snapshot!(project.mlx(&["diff"]).success().text(), @"
    changed  data/images/cat.png  (3 B -> 6 B)
    moved    data/images/hound.png  (from data/images/dog.png)
    removed  data/images/more/owl.png  (3 B)
    added    data/images/new.png  (3 B)
    1 file added (3 B), 1 file changed (6 B), 1 file moved (4 B), 1 file removed (3 B)
    ");
}

#[test]
fn revisions_are_compared_and_brought_back() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();
    project.commit("first");
    project.set("data/images/cat.png", "kitten");
    project.mlx(&["add", "data/images"]).success();
    project.commit("second");

    let diff = project.mlx(&["diff", "HEAD~1", "HEAD", "--json"]).success().json();
    assert_eq!(diff["changes"].as_array().unwrap().len(), 1);
    assert_eq!(diff["changes"][0]["path"], "data/images/cat.png");
    project.mlx(&["diff", "HEAD"]).success().prints("No file differs");
    project.mlx(&["diff", "nowhere"]).exits_with(2).says("`nowhere` is no revision");

    project.git(&["checkout", "--quiet", "HEAD~1"]);
    project.mlx(&["checkout"]).success().prints("Wrote 1 file");
    assert_eq!(project.read("data/images/cat.png"), "cat");
    project.mlx(&["checkout", "data/images/cat.png", "--rev", "main"]).success();
    assert_eq!(project.read("data/images/cat.png"), "kitten");
}

#[test]
fn deleted_data_comes_back_bit_for_bit() {
    let project = with_images();
    fs::set_permissions(project.path("data/images/dog.png"), PermissionsExt::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("cat.png", project.path("data/images/link")).unwrap();
    fs::create_dir(project.path("data/images/empty")).unwrap();
    project.mlx(&["add", "data/images"]).success();

    fs::remove_dir_all(project.path("data")).unwrap();
    project.mlx(&["status"]).success().prints("missing");
    project.mlx(&["checkout"]).success();

    project.mlx(&["diff"]).success().prints("No file differs");
    assert_eq!(project.read("data/images/more/owl.png"), "owl");
    assert_eq!(project.path("data/images/dog.png").metadata().unwrap().permissions().mode() & 0o100, 0o100);
    assert_eq!(fs::read_link(project.path("data/images/link")).unwrap(), PathBuf::from("cat.png"));
    assert!(project.path("data/images/empty").is_dir());
}

#[test]
fn a_part_of_a_directory_is_checked_out_alone() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();
    fs::remove_dir_all(project.path("data")).unwrap();

    project.mlx(&["checkout", "data/images/more"]).success();

    assert!(project.exists("data/images/more/owl.png") && !project.exists("data/images/cat.png"));
    project.mlx(&["checkout", "data/images/wolf.png"]).exits_with(2).says("holds no `data/images/wolf.png`");
    project.mlx(&["checkout", "data/imagse"]).exits_with(2).says("did you mean `data/images`?");
}

#[test]
fn local_changes_are_never_overwritten_unasked() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();
    project.set("data/images/cat.png", "hours of work");
    project.set("data/images/extra.png", "more work");

    project.mlx(&["checkout"]).exits_with(2).says("holds changes that are in no store").says("--force");
    assert_eq!(project.read("data/images/cat.png"), "hours of work");

    project.mlx(&["checkout", "--force"]).success();
    assert_eq!(project.read("data/images/cat.png"), "cat");
    assert!(!project.exists("data/images/extra.png"));
}

#[test]
fn any_name_is_versioned_and_escaped_when_printed() {
    let project = Project::with_manifest("");
    let names: [&[u8]; 5] = [b"two words", "größe-数据".as_bytes(), b"line\nfeed", b"not\xffutf8", b"esc\x1b[31m"];
    for (number, name) in names.iter().enumerate() {
        project.set(PathBuf::from("data").join(OsStr::from_bytes(name)), format!("{number}"));
        project.set(OsStr::from_bytes(name), format!("top {number}"));
    }
    let arguments: Vec<&OsStr> = names.iter().map(|name| OsStr::from_bytes(name)).collect();
    let output = project.command(&["add", "data"]).args(&arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains(r"`line\x0afeed`") && printed.contains(r"`esc\x1b[31m`"), "{printed}");

    fs::remove_dir_all(project.path("data")).unwrap();
    names.iter().for_each(|name| fs::remove_file(project.path(OsStr::from_bytes(name))).unwrap());
    project.mlx(&["checkout"]).success();

    for (number, name) in names.iter().enumerate() {
        let below = project.path("data").join(OsStr::from_bytes(name));
        assert_eq!(fs::read(below).unwrap(), format!("{number}").as_bytes());
        assert_eq!(fs::read(project.path(OsStr::from_bytes(name))).unwrap(), format!("top {number}").as_bytes());
    }
    project.commit("names");
    assert_eq!(project.git(&["ls-files"]).stdout, ".gitignore\nmlx.lock\nmlx.toml\n");
    project.mlx(&["diff"]).success().prints("No file differs");
}

#[test]
fn what_cannot_be_added_says_why_and_changes_nothing() {
    let manifest = "[step.fit]\ncmd = 'true'\nouts = ['model']\n";
    let project = Project::with_manifest(manifest)
        .write("other", "x")
        .write("data/x", "x")
        .write("model/weights", "w")
        .write("code.py", "pass")
        .write("data/.git/config", "x");
    project.git(&["init", "--quiet"]);
    project.git(&["add", "code.py"]);
    std::os::unix::fs::symlink("/etc", project.path("etc")).unwrap();
    std::os::unix::fs::symlink("code.py", project.path("alias")).unwrap();
    project.other("mkfifo", &["pipe"]).status().unwrap();
    let cases = [
        ("nothing", "there is nothing at `nothing`"),
        ("model", "overlaps with `model`, which step `fit` makes"),
        ("model/weights", "overlaps with `model`"),
        ("code.py", "Git keeps `code.py` already"),
        ("mlx.toml", "`mlx.toml` is kept by Git, not by mlx"),
        ("..", "lies outside the project"),
        (".", "the whole project can't be tracked as one path"),
        (".mlx/store", "lies in `.mlx`"),
        ("etc/passwd", "leads out of the project through a symbolic link"),
        ("alias", "`alias` is a symbolic link"),
        ("pipe", "is a named pipe"),
        ("pipe", "or name it in .mlxignore"),
        ("data", "can't be part of tracked data"),
    ];

    for (path, message) in cases {
        project.mlx(&["add", "other", path]).exits_with(2).says(message);
    }

    assert!(!project.exists("mlx.lock") && !project.exists(".gitignore"));
}

#[test]
fn tracked_paths_do_not_overlap() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();

    project.mlx(&["add", "data"]).exits_with(2).says("`data` contains `data/images`");
    project.mlx(&["add", "data/images/more", "data/images/more/owl.png"]).exits_with(2);
}

#[test]
fn data_of_the_manifest_is_named_until_it_is_added() {
    let project = Project::with_manifest("data.raw = 'raw.csv'\n").write("raw.csv", "1");

    project.mlx(&["status"]).success().prints("not added").says("mlx add raw.csv");
    project.mlx(&["add", "raw.csv"]).success();

    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
}

#[test]
fn a_bad_lock_is_refused_and_left_alone() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();
    let good = project.read("mlx.lock");
    let cases = [
        (format!("{good}<<<<<<< ours\n"), "Git left a merge conflict here"),
        (good[..good.len() - 40].to_owned(), "mlx.lock, line "),
        (good.replace("version = 1", "version = 99"), "this mlx knows up to "),
        (String::new(), "has no `version`"),
        (good.replace("data/images", "../outside"), "leaves the project"),
    ];

    for (text, message) in cases {
        project.set("mlx.lock", &text);
        for command in [&["status"][..], &["add", "data/images"], &["checkout"], &["diff"], &["verify"], &["gc"]] {
            project.mlx(command).exits_with(2).says(message);
        }
        assert_eq!(project.read("mlx.lock"), text);
    }
}

#[test]
fn damaged_objects_are_named_put_aside_and_never_checked_out() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();
    let swap = object(&project, "owl");
    type Damage<'a> = (&'a str, &'a dyn Fn(&PathBuf));
    let elsewhere = project.home().join("cat");
    fs::write(&elsewhere, "cat").unwrap();
    let modified = fs::metadata(object(&project, "cat")).unwrap().modified().unwrap();
    let damage: [Damage<'_>; 9] = [
        ("flipped", &|path| fs::write(path, "caT").unwrap()),
        ("truncated", &|path| fs::write(path, "ca").unwrap()),
        ("emptied", &|path| fs::write(path, "").unwrap()),
        ("flipped, with its time kept", &|path| {
            fs::write(path, "Cat").unwrap();
            fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
        }),
        ("a pipe", &|path| assert!(project.other("mkfifo", &[path.to_str().unwrap()]).status().unwrap().success())),
        ("a link to itself", &|path| std::os::unix::fs::symlink(path, path).unwrap()),
        ("a link to a good copy", &|path| std::os::unix::fs::symlink(&elsewhere, path).unwrap()),
        ("swapped", &|path| assert!(fs::copy(&swap, path).unwrap() > 0)),
        ("a directory", &|path| fs::create_dir(path).unwrap()),
    ];

    for (what, damage) in damage {
        let path = object(&project, "cat");
        fs::remove_file(&path).unwrap();
        damage(&path);
        fs::remove_file(project.path("data/images/cat.png")).unwrap();

        let refused = project.mlx(&["checkout"]).exits_with(1);
        assert!(!project.exists("data/images/cat.png"), "{what}: {}", refused.stderr);
        let verified = project.mlx(&["verify", "--json"]).exits_with(4).json();
        assert_eq!(verified["problems"].as_array().unwrap().len(), 1, "{what}: {verified}");
        assert_eq!(verified["problems"][0]["breaks"][0], "data/images/cat.png");
        let aside = PathBuf::from(verified["problems"][0]["quarantined"].as_str().unwrap());
        assert!(aside.symlink_metadata().is_ok(), "{what}");
        project.mlx(&["verify"]).exits_with(4).prints("is missing");

        project.set("data/images/cat.png", "cat");
        project.mlx(&["add", "data/images"]).success();
        project.mlx(&["verify"]).success();
    }
}

#[test]
fn garbage_goes_only_when_asked_and_only_what_nothing_names() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();
    project.commit("first");
    project.set("data/images/cat.png", "second cat");
    project.mlx(&["add", "data/images"]).success();
    project.commit("second");
    project.set("data/images/cat.png", "never committed");
    project.mlx(&["add", "data/images"]).success();
    project.set("data/images/cat.png", "third cat");
    project.mlx(&["add", "data/images"]).success();

    project.mlx(&["gc"]).success().prints("Would remove 0 objects").prints("though nothing names them: 2 objects");
    let plan = project.mlx(&["gc", "--grace", "0s", "--json"]).success().json();
    assert_eq!((&plan["objects"], &plan["removed"]), (&2.into(), &false.into()));
    assert!(object(&project, "never committed").exists());

    project.mlx(&["gc", "--grace", "0s", "--yes"]).success().prints("Removed 2 objects");
    assert!(!object(&project, "never committed").exists());
    project.mlx(&["verify"]).success();
    project.mlx(&["checkout", "--rev", "HEAD~1"]).success();
    assert_eq!(project.read("data/images/cat.png"), "cat");

    project.mlx(&["checkout"]).success();
    project.mlx(&["gc", "--grace", "0s", "--yes", "--drop-history"]).success().prints("Removed 2 objects");
    assert!(!object(&project, "cat").exists() && object(&project, "second cat").exists());
}

#[test]
fn gc_refuses_when_a_root_cannot_be_read() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();
    project.set(".mlx/store/records/runs/0123456789ab.json", "{ cut off");

    project.mlx(&["gc", "--yes"]).exits_with(1).says("the record `runs/[id]` cannot be read");
    project.mlx(&["verify"]).exits_with(4).prints("is damaged: it is not JSON");
}

#[test]
fn adds_at_once_all_reach_gitignore_and_the_lock() {
    let project = Project::with_manifest("");
    let names: Vec<String> = (0..8).map(|number| format!("file{number}")).collect();
    names.iter().for_each(|name| project.set(name, name));

    let adds: Vec<_> = names
        .iter()
        .map(|name| project.command(&["add", "--quiet", name]).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    adds.into_iter().for_each(|mut add| assert!(add.wait().unwrap().success()));

    for name in names {
        assert!(project.read(".gitignore").contains(&format!("/{name}\n")), "{name}");
        assert!(project.read("mlx.lock").contains(&format!("[path.\"{name}\"]")), "{name}");
    }
}

#[test]
fn gc_refuses_where_git_can_not_be_read() {
    let (project, first) = with_a_cat_in_history();

    fs::rename(project.path(".git"), project.path("moved")).unwrap();
    project.set(".git", "gitdir: /nowhere\n");

    let refused = project.mlx(&["gc", "--grace", "0s", "--yes"]).exits_with(1);
    refused.says("`[root]/project/.git` can't be read as a Git repository").says("hint: mend it");
    assert!(first.exists());
    project.mlx(&["status"]).success();
}

#[test]
fn gc_refuses_where_a_reference_of_git_is_broken() {
    let (project, first) = with_a_cat_in_history();
    let missing = "1".repeat(40) + "\n";
    let cases = [
        // As a power cut leaves it.
        ("refs/heads/main", "", "`[root]/project/.git/refs/heads/main` names no commit"),
        ("refs/heads/main", "\0\0\0\0", "names no commit"),
        ("refs/heads/other", &missing, "cannot walk the Git history"),
        ("HEAD", &missing, "cannot read the commit of HEAD"),
        ("HEAD", "garbage\n", "HEAD"),
    ];

    for (name, content, message) in cases {
        let place = project.path(".git").join(name);
        let before = fs::read(&place).ok();
        fs::write(&place, content).unwrap();
        project.mlx(&["gc", "--grace", "0s", "--yes"]).exits_with(1).says(message);
        assert!(first.exists(), "{name}");
        match before {
            Some(before) => fs::write(&place, before).unwrap(),
            None => fs::remove_file(&place).unwrap(),
        }
    }

    // A name that leads to nothing is no branch.
    project.set(".git/refs/remotes/origin/HEAD", "ref: refs/remotes/origin/gone\n");
    project.mlx(&["gc", "--grace", "0s", "--yes"]).success();
    assert!(first.exists());
}

#[test]
fn the_lock_s_path_comes_first_among_what_a_damaged_object_breaks() {
    let step = |name: usize| format!("[step.s{name}]\ncmd = 'cat data'\ndeps = ['data']\n");
    let project = Project::with_manifest(&(0..5).map(step).collect::<String>()).write("data", "cat");
    project.mlx(&["add", "data"]).success();
    (0..5).for_each(|_| drop(project.mlx(&["train", "--force"]).success()));

    fs::remove_file(object(&project, "cat")).unwrap();

    let verified = project.mlx(&["verify", "--json"]).exits_with(4).json();
    assert_eq!(verified["problems"][0]["breaks"][0], "data");
}

#[test]
fn an_index_that_can_not_be_written_stops_nothing() {
    let project = with_images().write(".mlx/index/in the way", "");

    project.mlx(&["add", "data/images"]).success();

    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    project.mlx(&["diff"]).success();
    project.mlx(&["checkout"]).success();
}

#[test]
fn the_index_is_disposable() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();

    for content in [&b""[..], b"mlxidx01", b"garbage", &[0xff; 4096]] {
        fs::write(project.path(".mlx/index"), content).unwrap();
        project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    }
    fs::remove_file(project.path(".mlx/index")).unwrap();
    project.set("data/images/cat.png", "CAT");
    project.mlx(&["status"]).success().prints("modified");
}

#[test]
fn a_part_of_a_directory_is_added_and_shown_alone() {
    let project = with_images().write("data/images/more/elk.png", "elk");
    project.mlx(&["add", "data/images"]).success();
    project.set("data/images/cat.png", "kitten");
    fs::remove_file(project.path("data/images/more/owl.png")).unwrap();
    project.set("data/images/more/new/emu.png", "emu");

    project.mlx(&["status", "data/images/dog.png"]).success().prints("Everything is as mlx.lock says");
    project.mlx(&["status", "data/images/more"]).success().prints("modified  data/images/more");
    project.mlx(&["status", "elsewhere"]).exits_with(2).says("does not name `elsewhere`");
    assert_snapshot!(project.mlx(&["diff", "data/images/more"]).success().stdout, @"
    added    data/images/more/new/emu.png  (3 B)
    removed  data/images/more/owl.png  (3 B)
    1 file added (3 B), 1 file removed (3 B)
    ");

    project.mlx(&["add", "data/images/more"]).success().prints("Updated `data/images`");
    assert_snapshot!(project.mlx(&["diff"]).success().stdout, @"
    changed  data/images/cat.png  (3 B -> 6 B)
    1 file changed (6 B)
    ");
    fs::remove_file(project.path("data/images/dog.png")).unwrap();
    project.mlx(&["add", "data/images/dog.png"]).success();
    project.mlx(&["diff", "data/images/dog.png"]).success().prints("No file differs");
    project.mlx(&["add", "data/images/never.png"]).exits_with(2).says("there is nothing at `data/images/never.png`");
    project.mlx(&["add", "data/images"]).success();
    project.mlx(&["verify"]).success();
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
}

#[test]
fn revisions_and_paths_are_told_apart() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();
    project.commit("first");
    project.git(&["branch", "data"]);
    project.git(&["tag", "v1"]);
    project.set("data/images/cat.png", "kitten");
    project.set("data/images/more/owl.png", "owlet");

    project.mlx(&["diff", "v1", "data/images/more"]).success().prints("1 file changed");
    project.mlx(&["diff", "data/images/cat.png"]).success().prints("1 file changed");
    project.mlx(&["diff", "data"]).exits_with(2).says("`data` is a revision and a path");
    project.mlx(&["diff", "--", "data"]).success().prints("2 files changed");
    project.mlx(&["diff", "v1", "HEAD", "data/images"]).success().prints("No file differs");
}

#[test]
fn what_mlxignore_names_has_no_version() {
    let project = with_images()
        .write(".mlxignore", "*.tmp\n")
        .write("data/images/.mlxignore", "cache/\n")
        .write("data/images/a.tmp", "x")
        .write("data/images/cache/x", "x")
        .write("data/images/more/b.tmp", "x")
        .write("logs.tmp", "x");
    project.other("mkfifo", &["data/images/pipe.tmp"]).status().unwrap();

    project.mlx(&["add", "data/images"]).success().prints("(4 files, 17 B)");
    project.mlx(&["add", "logs.tmp"]).exits_with(2).says("`logs.tmp` is ignored by .mlxignore");
    project.mlx(&["add", "data/images/cache"]).exits_with(2).says("`data/images/cache` is ignored by .mlxignore");
    project.set("only/a.tmp", "x");
    project.mlx(&["add", "only"]).exits_with(2).says("all that `only` holds is ignored by .mlxignore");
    project.set("data/images/c.tmp", "x");
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    project.set("data/images/dog.png", "other");
    fs::remove_dir_all(project.path("data/images/more")).unwrap();
    project.set("data/images/more/b.tmp", "kept");
    project.mlx(&["checkout", "--force"]).success();
    assert_eq!(project.read("data/images/more/b.tmp"), "kept");
    assert!(project.exists("data/images/cache/x") && project.exists("data/images/pipe.tmp"));
    assert_eq!(project.read("data/images/dog.png") + &project.read("data/images/more/owl.png"), "dogsowl");

    project.set("data/images/.mlxignore", "cache/\n*.png\n");
    project.mlx(&["diff"]).success().prints("removed  data/images/cat.png").prints("changed  data/images/.mlxignore");
}

#[test]
fn ignored_files_that_a_version_has_are_not_lost_to_it() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();
    project.commit("first");
    project.set(".mlxignore", "dog.png\nmore/\n");
    project.mlx(&["add", "data/images"]).success();
    project.set("data/images/dog.png", "my own");

    project.mlx(&["checkout", "--rev", "HEAD"]).exits_with(2).says("`data/images/dog.png` holds changes");

    assert_eq!(project.read("data/images/dog.png"), "my own");
}

#[test]
fn a_version_is_listed_from_the_store() {
    let project = with_images().write("raw.csv", "1");
    project.mlx(&["add", "data/images", "raw.csv"]).success();
    project.commit("first");
    fs::remove_dir_all(project.path("data")).unwrap();
    let listed = |arguments: &[&str]| {
        let lines = project.mlx(&[&["ls"], arguments].concat()).success().stdout;
        lines.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let short = |content: &str| mlx::Digest::of(content).short();
    let cat = format!("file 1 3 B {} local data/images/cat.png", short("cat"));

    assert_eq!(listed(&["data/images/cat.png"]), std::slice::from_ref(&cat));
    let below = listed(&["data/images"]);
    assert_eq!((below.len(), &below[0]), (3, &cat));
    assert!(below[2].starts_with("directory 1 3 B ") && below[2].ends_with(" local data/images/more"), "{below:?}");
    assert_eq!(listed(&["-R"]).len(), 4);
    assert_eq!(listed(&["--rev", "HEAD", "data"]).len(), 1);
    project.mlx(&["ls", "data/imagse"]).exits_with(2).says("did you mean `data/images`?");
    project.mlx(&["ls", "data/images/none"]).exits_with(2).says("this version holds no `data/images/none`");

    fs::remove_file(object(&project, "owl")).unwrap();
    let json = project.mlx(&["ls", "--json"]).success().json();
    assert_eq!((&json["entries"][0]["path"], &json["entries"][0]["here"]), (&"data/images".into(), &"partial".into()));
    assert!(listed(&["-R", "data"])[2].contains(" missing data/images/more/owl.png"));
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn has_strace() -> bool {
    let has = std::process::Command::new("strace").arg("-V").output().is_ok();
    assert!(has || std::env::var_os("CI").is_none(), "strace is missing");
    if !has {
        eprintln!("skipped: strace is missing");
    }
    has
}

/// How many pictures the program opens.
fn reads_of_images(project: &Project, arguments: &[&str]) -> usize {
    let traced =
        project.other("strace", &["-f", "-e", "trace=openat", env!("CARGO_BIN_EXE_mlx")]).args(arguments).output();
    let traced = traced.unwrap();
    assert!(traced.status.success(), "{traced:?}");
    String::from_utf8_lossy(&traced.stderr).lines().filter(|line| line.contains(".png\"")).count()
}

#[test]
fn hard_links_to_objects_stay_known_while_others_come_and_go() {
    use std::os::unix::fs::MetadataExt;
    let project = with_images().write(".mlx/config.toml", "[store]\nlink = 'hard'\n");
    project.mlx(&["add", "data/images"]).success();
    fs::remove_dir_all(project.path("data")).unwrap();
    project.mlx(&["checkout"]).success();
    let (file, object) = (project.path("data/images/cat.png"), object(&project, "cat"));
    assert_eq!(fs::metadata(&file).unwrap().ino(), fs::metadata(&object).unwrap().ino());

    fs::hard_link(&object, project.path("another")).unwrap();

    if has_strace() {
        assert_eq!(reads_of_images(&project, &["status"]), 0);
    }
    fs::remove_file(&file).unwrap();
    project.set("data/images/cat.png", "CAT");
    project.mlx(&["status"]).success().prints("modified");
}

#[test]
fn moved_data_is_not_read_again() {
    let project = with_images();
    // The index trusts what is older than the clock's tick.
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    for name in ["cat.png", "dog.png", "more/owl.png"] {
        fs::File::open(project.path("data/images").join(name)).unwrap().set_modified(old).unwrap();
    }
    project.mlx(&["add", "data/images"]).success();
    if !has_strace() {
        return;
    }
    let reads = |arguments: &[&str]| reads_of_images(&project, arguments);
    // The first look after the tick reads what was too young, the next one nothing.
    reads(&["status"]);
    assert_eq!(reads(&["status"]), 0);

    fs::rename(project.path("data/images/more"), project.path("data/images/less")).unwrap();
    fs::rename(project.path("data/images/cat.png"), project.path("data/images/kitten.png")).unwrap();

    assert_eq!(reads(&["status"]), 0);
    project.mlx(&["diff"]).success().prints("2 files moved");
    fs::copy(project.path("data/images/dog.png"), project.path("data/images/copy.png")).unwrap();
    assert_eq!(reads(&["add", "data/images"]), 1);
}

#[test]
fn a_directory_that_was_renamed_and_stands_where_it_stood_is_noticed() {
    let project = with_images().write("data/images/a/x", "x");
    project.mlx(&["add", "data/images"]).success();
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");

    fs::rename(project.path("data/images/a"), project.path("data/images/b")).unwrap();

    project.mlx(&["status"]).success().prints("modified");
    project.mlx(&["diff"]).success().prints("moved").prints("data/images/b/x");
    project.mlx(&["add", "data/images"]).success();
    project.mlx(&["ls", "-R", "data/images/b"]).success().prints("data/images/b/x");
    fs::rename(project.path("data/images/b"), project.path("data/images/a")).unwrap();
    project.mlx(&["checkout"]).success();
    assert!(project.exists("data/images/b/x") && !project.exists("data/images/a"));
}

#[test]
fn what_was_checked_out_is_known_without_reading_it() {
    let project = with_images();
    project.mlx(&["add", "data/images"]).success();
    fs::remove_dir_all(project.path("data")).unwrap();
    project.mlx(&["checkout"]).success();
    // Content that only its stat could tell from what the lock names: who reads it would see that.
    let path = project.path("data/images/cat.png");
    let before = fs::metadata(&path).unwrap();

    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before.modified().unwrap());
    project.set("data/images/cat.png", "CAT");
    project.mlx(&["status"]).success().prints("modified");
    project.mlx(&["checkout", "--force"]).success();
    project.set("data/images/cat.png", "Cat");
    project.mlx(&["status"]).success().prints("modified");
}

#[test]
fn deep_directories_are_versioned() {
    let project = Project::with_manifest("");
    let deep: PathBuf = std::iter::repeat_n("d", 480).collect();
    project.set(PathBuf::from("data").join(&deep).join("file"), "deep");
    project.mlx(&["add", "data"]).success().prints("(1 file, 4 B)");
    fs::remove_dir_all(project.path("data")).unwrap();

    project.mlx(&["checkout"]).success();

    assert_eq!(project.read(PathBuf::from("data").join(&deep).join("file")), "deep");
    project.mlx(&["diff"]).success().prints("No file differs");
}
