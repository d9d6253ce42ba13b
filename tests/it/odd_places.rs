//! Places that are unlike a developer's own: a read-only file system, a store on another one, few open files, names at their
//! limits, and directories that change while they are looked at.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::faults::Disk;
use crate::harness::{Project, files_below, noise};

fn write_many(project: &Project, directories: usize, files: usize) {
    for number in 0..files {
        project.set(format!("data/d{:03}/{number}", number % directories), format!("content {number}"));
    }
}

#[test]
fn few_open_files_are_enough() {
    let project = Project::empty();
    let remote = project.home().join("remote");
    project.set("mlx.toml", format!("remote.origin.url = '{}'\n", remote.display()));
    write_many(&project, 150, 1500);
    project.set("data/large", noise(20 << 20, 1));
    let few = |project: &Project, arguments: &str| {
        let script = format!("ulimit -n 48; exec '{}' {arguments}", env!("CARGO_BIN_EXE_mlx"));
        project.outcome(&mut project.other("sh", &["-c", &script])).success()
    };

    few(&project, "add data");
    few(&project, "status").prints("Everything is as mlx.lock says");
    few(&project, "push --jobs 16");
    project.commit("data");
    let clone = Project::empty();
    project.git(&["clone", "--quiet", ".", &clone.root().to_string_lossy()]);
    few(&clone, "pull --jobs 16");
    assert_eq!(clone.read("data/d007/7"), "content 7");
    few(&clone, "verify");
    few(&clone, "verify --remote");
    few(&clone, "diff HEAD");
    few(&clone, "gc --grace 0s --yes");
    fs::remove_dir_all(clone.path("data")).unwrap();
    few(&clone, "checkout");
    few(&clone, "status").prints("Everything is as mlx.lock says");
}

#[test]
fn more_packs_than_open_files_are_no_damage() {
    let project = Project::with_manifest("");
    for pack in 0..30 {
        (0..20).for_each(|number| project.set(format!("data/d{pack}/{number}"), format!("{pack} {number}")));
        project.mlx(&["add", "data"]).success();
    }
    let packs = || files_below(&project.path(".mlx/store/packs")).len();
    let before = packs();
    assert!(before > 28, "{before}");
    let limited = |which: &str, arguments: &str| {
        let script = format!("ulimit -{which} 26; exec '{}' {arguments}", env!("CARGO_BIN_EXE_mlx"));
        project.outcome(&mut project.other("sh", &["-c", &script]))
    };

    fs::remove_dir_all(project.path("data")).unwrap();
    for arguments in ["verify", "gc --yes --grace 0s", "checkout"] {
        limited("n", arguments).exits_with(1).says("Too many open files").says("`ulimit -n`");
    }
    assert!(packs() == before && !project.exists(".mlx/store/quarantine"));
    // Where it may, it asks for more.
    limited("Sn", "verify").success().prints("Sound");
    limited("Sn", "gc --yes --grace 0s").success().prints("small packs together");
    limited("n", "verify").success().prints("Sound");
}

#[test]
fn a_store_on_another_file_system_serves_copies_and_links() {
    for link in ["copy", "hard"] {
        let project = Project::with_manifest("");
        let place = project.home().join("disk");
        fs::create_dir(&place).unwrap();
        let Some(_disk) = Disk::mount(place.clone(), 64 << 20) else { return };
        let setting = format!("[store]\npath = '{}'\nlink = '{link}'\n", place.join("store").display());
        project.set(".mlx/config.toml", setting);
        write_many(&project, 3, 40);
        project.set("data/large", "large ".repeat(400_000));

        project.mlx(&["add", "data"]).success();
        fs::remove_dir_all(project.path("data")).unwrap();
        project.mlx(&["checkout"]).success();

        assert_eq!((project.read("data/d001/7"), project.read("data/large").len()), ("content 7".into(), 2_400_000));
        assert_eq!(project.path("data/large").metadata().unwrap().nlink(), 1, "links don't lead to another disk");
        project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
        project.mlx(&["gc", "--grace", "0s", "--yes"]).success();
        project.mlx(&["verify"]).success();
        assert!(files_below(&project.path(".mlx/tmp")).is_empty());
    }
}

#[test]
fn on_a_read_only_file_system_all_can_be_looked_at() {
    let project = Project::empty();
    let Some(disk) = Disk::mount(project.root(), 64 << 20) else { return };
    let remote = project.home().join("remote");
    project.set("mlx.toml", format!("remote.origin.url = '{}'\n", remote.display()));
    write_many(&project, 3, 40);
    project.mlx(&["add", "data"]).success();
    project.mlx(&["push"]).success();
    project.commit("data");
    project.set("data/d001/1", "changed");
    let before = files_below(&project.root());
    disk.seal();

    project.mlx(&["status"]).success().prints("modified");
    project.mlx(&["diff"]).success().prints("1 file changed");
    project.mlx(&["ls", "data"]).success();
    project.mlx(&["cat", "data/d002/2"]).success().prints("content 2");
    project.mlx(&["verify"]).success();
    project.mlx(&["cache"]).success();
    project.mlx(&["gc"]).success();
    project.mlx(&["push", "--dry-run"]).success();
    // What comes from a remote has to lie somewhere while it is looked at.
    project.mlx(&["verify", "--remote"]).exits_with(1).says("Read-only file system");
    for arguments in [&["add", "data"][..], &["checkout", "--force"], &["gc", "--yes"], &["untrack", "data"]] {
        project.mlx(arguments).exits_with(1).says("Read-only file system");
    }
    assert_eq!((files_below(&project.root()), project.read("data/d001/1")), (before, "changed".into()));
}

#[test]
fn a_clone_that_was_never_written_to_can_be_looked_at() {
    let project = Project::empty();
    let Some(disk) = Disk::mount(project.root(), 64 << 20) else { return };
    project.set("mlx.toml", "");
    write_many(&project, 3, 40);
    project.mlx(&["add", "data"]).success();
    fs::remove_dir_all(project.path(".mlx")).unwrap();
    disk.seal();

    project.mlx(&["status"]).success().prints("unchanged, not in store");
    project.mlx(&["ls"]).success().prints("missing");
    project.mlx(&["verify"]).exits_with(4);
    project.mlx(&["cache"]).success();
    project.mlx(&["add", "data"]).exits_with(1).says("Read-only file system");
}

#[test]
fn a_remote_on_a_read_only_file_system_is_read_and_says_why_it_is_not_written() {
    let project = Project::empty();
    let remote = project.home().join("remote");
    fs::create_dir(&remote).unwrap();
    let Some(disk) = Disk::mount(remote.clone(), 64 << 20) else { return };
    project.set("mlx.toml", format!("remote.origin.url = '{}'\n", remote.display()));
    write_many(&project, 3, 40);
    project.mlx(&["add", "data"]).success();
    project.mlx(&["push"]).success();
    disk.seal();
    fs::remove_dir_all(project.path(".mlx/store/packs")).unwrap();
    fs::remove_dir_all(project.path("data")).unwrap();

    project.mlx(&["pull"]).success();
    assert_eq!(project.read("data/d001/1"), "content 1");
    project.mlx(&["push"]).success().prints("Up to date");
    project.set("data/new", "new");
    project.mlx(&["add", "data"]).success();
    project.mlx(&["push"]).exits_with(1).says("Read-only file system");
    project.mlx(&["verify"]).success();
}

#[test]
fn a_remote_whose_disk_is_full_says_so_and_the_same_push_completes() {
    let project = Project::empty();
    let remote = project.home().join("remote");
    fs::create_dir(&remote).unwrap();
    let Some(_disk) = Disk::mount(remote.clone(), 8 << 20) else { return };
    project.set("mlx.toml", format!("remote.origin.url = '{}'\n", remote.display()));
    project.set("data/a", noise(5 << 20, 1));
    project.mlx(&["add", "data"]).success();
    project.mlx(&["push"]).success();
    project.set("data/b", noise(6 << 20, 2));
    project.mlx(&["add", "data"]).success();

    project.mlx(&["push"]).exits_with(1).says("No space left on device").says("free some space");

    // Nothing of it shows, and what was there is sound.
    project.mlx(&["verify", "--remote"]).exits_with(4).prints("data/b is missing there");
    assert!(files_below(&remote.join("tmp")).is_empty());
    let grown = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&remote).status();
    assert!(grown.unwrap().success());
    project.mlx(&["push"]).success();
    project.mlx(&["verify", "--remote"]).success();
}

#[test]
fn names_at_their_limits_and_links_that_go_in_circles_come_back() {
    let project = Project::with_manifest("");
    let (long, wide) = ("x".repeat(255), "ö".repeat(127));
    for name in [&long, &wide] {
        project.set(format!("data/{name}/{name}"), name);
        project.set(name, name);
    }
    symlink("loop", project.path("data/loop")).unwrap();
    symlink("../data", project.path("data/back")).unwrap();
    symlink("/nowhere/at/all", project.path("data/dangling")).unwrap();
    project.mlx(&["add", "data", &long, &wide]).success();
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");

    fs::remove_dir_all(project.path("data")).unwrap();
    [&long, &wide].iter().for_each(|name| fs::remove_file(project.path(name)).unwrap());
    project.mlx(&["checkout"]).success();

    for name in [&long, &wide] {
        assert_eq!((&project.read(format!("data/{name}/{name}")), &project.read(name)), (name, name));
    }
    for (link, target) in [("loop", "loop"), ("back", "../data"), ("dangling", "/nowhere/at/all")] {
        assert_eq!(fs::read_link(project.path("data").join(link)).unwrap(), Path::new(target));
    }
    project.mlx(&["diff"]).success().prints("No file differs");
}

/// Tells a thread to end, when a test fails too.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn directories_that_come_and_go_while_they_are_added_leave_a_sound_project() {
    let project = Project::with_manifest("");
    write_many(&project, 40, 400);
    project.mlx(&["add", "data"]).success();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ends = Ends(&is_over);
        scope.spawn(|| {
            let mut round = 0_usize;
            while !is_over.load(Ordering::Relaxed) {
                let (one, aside) = (project.path(format!("data/d{:03}", round % 40)), project.path("aside"));
                if fs::rename(&one, &aside).is_ok() {
                    fs::write(&one, "a file now").unwrap();
                    fs::remove_file(&one).unwrap();
                    fs::rename(&aside, &one).unwrap();
                }
                round += 1;
            }
        });
        for _ in 0..8 {
            for arguments in [&["add", "data"][..], &["status"], &["diff"]] {
                let outcome = project.mlx(arguments);
                // What is not what it was a moment ago is said, and nothing worse happens.
                if outcome.stderr.contains("error:") {
                    outcome.exits_with(1).says("data");
                } else {
                    outcome.success();
                }
            }
            project.mlx(&["verify"]).success();
        }
    });

    project.mlx(&["add", "data"]).success();
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    fs::remove_dir_all(project.path("data")).unwrap();
    project.mlx(&["checkout"]).success();
    assert_eq!(files_below(&project.path("data")).len(), 400);
}

#[test]
fn a_home_that_is_no_directory_holds_no_settings() {
    let project = Project::with_manifest("").write("data/a", "1");
    for (name, value) in [("HOME", "/dev/null"), ("XDG_CONFIG_HOME", "/dev/null")] {
        let mut command = project.command(&["add", "data"]);
        project.outcome(command.env(name, value)).success().prints("`data`");
    }
}

#[test]
fn what_lies_behind_a_link_is_added_where_it_lies() {
    let project = Project::with_manifest("").write("data/sub/a", "1");
    symlink("data", project.path("alias")).unwrap();

    let refused = project.mlx(&["add", "alias/sub/a"]).exits_with(2);
    refused.says("`alias/sub/a` lies behind the symbolic link `alias`").says("name the place itself: `data/sub/a`");
    project.mlx(&["add", "data"]).success();

    // A lock from elsewhere may name such a path; whoever has the link alone is told so.
    project.set("mlx.lock", project.read("mlx.lock").replace("\"data\"", "\"alias/data\""));
    fs::remove_dir_all(project.path("data")).unwrap();
    project.mlx(&["checkout"]).exits_with(1).says("alias`: No such file").says("mend the symbolic link");
}
