//! `store.link = "hard"`: files of the working tree and objects are one.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::harness::{Project, files_below};

const HARD: &str = "[store]\nlink = 'hard'\n";

/// Two hundred small files, a large one, a program.
fn project() -> Project {
    let mut project = Project::with_manifest("").write(".mlx/config.toml", HARD);
    for number in 0..200 {
        project = project.write(format!("data/{}/{number}.txt", number % 7), format!("number {number}\n"));
    }
    project = project.write("data/large", "large ".repeat(400_000)).write("data/tool", "#!/bin/sh\n");
    fs::set_permissions(project.path("data/tool"), PermissionsExt::from_mode(0o755)).unwrap();
    project
}

fn links(path: &Path) -> (u64, u32) {
    let metadata = path.metadata().unwrap();
    (metadata.nlink(), metadata.mode() & 0o777)
}

fn objects(project: &Project) -> Vec<PathBuf> {
    files_below(&project.path(".mlx/store/objects"))
}

#[test]
fn adding_makes_files_objects_and_checkout_makes_objects_files() {
    let project = project();

    project.mlx(&["add", "data"]).success();

    assert_eq!(objects(&project).len(), 201);
    assert_eq!(links(&project.path("data/3/3.txt")), (2, 0o444));
    assert_eq!(links(&project.path("data/large")), (2, 0o444));
    assert_eq!(links(&project.path("data/tool")), (1, 0o755));
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    project.mlx(&["verify"]).success();

    let inode = project.path("data/3/3.txt").metadata().unwrap().ino();
    fs::remove_dir_all(project.path("data")).unwrap();
    project.mlx(&["checkout"]).success();

    assert_eq!(project.path("data/3/3.txt").metadata().unwrap().ino(), inode);
    assert_eq!(project.read("data/large").len(), 2_400_000);
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    project.mlx(&["gc", "--grace", "0s", "--yes"]).success();
    assert_eq!((links(&project.path("data/3/3.txt")), objects(&project).len()), ((2, 0o444), 201));
    project.mlx(&["verify"]).success();
}

#[test]
fn a_new_version_leaves_the_old_object_alone() {
    let project = project();
    project.mlx(&["add", "data"]).success();
    fs::remove_file(project.path("data/3/3.txt")).unwrap();
    project.set("data/3/3.txt", "another\n");

    project.mlx(&["status"]).success().prints("modified");
    project.mlx(&["add", "data"]).success();

    assert_eq!(links(&project.path("data/3/3.txt")), (2, 0o444));
    project.mlx(&["verify"]).success();
}

#[test]
fn files_that_somebody_can_still_change_are_copied() {
    let project = project();
    let open = fs::OpenOptions::new().append(true).open(project.path("data/0/0.txt")).unwrap();
    fs::hard_link(project.path("data/1/1.txt"), project.path("elsewhere")).unwrap();

    project.mlx(&["add", "data"]).success();

    assert_eq!(links(&project.path("data/0/0.txt")).0, 1);
    assert_ne!(links(&project.path("data/0/0.txt")).1 & 0o200, 0);
    assert_ne!(links(&project.path("data/1/1.txt")).1 & 0o200, 0);
    assert_eq!(objects(&project).len(), 199);
    std::io::Write::write_all(&mut &open, b"more\n").unwrap();
    project.set("elsewhere", "changed\n");
    project.mlx(&["verify"]).success();
    project.mlx(&["status"]).success().prints("modified");
}

#[test]
fn what_comes_in_packs_is_linked_from_the_first_checkout_on() {
    let project = project();
    project.outcome(project.command(&["add", "data"]).env("MLX_STORE_LINK", "copy")).success();
    assert_eq!(links(&project.path("data/3/3.txt")).0, 1);

    for _ in 0..2 {
        fs::remove_dir_all(project.path("data")).unwrap();
        project.mlx(&["checkout"]).success();
        assert_eq!(links(&project.path("data/3/3.txt")), (2, 0o444));
        project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    }
    assert_eq!(links(&project.path("data/tool")), (1, 0o755));
    project.mlx(&["verify"]).success();
}

#[test]
fn an_object_that_was_changed_after_it_was_read_is_noticed() {
    let project = project();
    let old = SystemTime::now() - Duration::from_secs(100);
    for file in files_below(&project.path("data")) {
        fs::File::open(file).unwrap().set_modified(old).unwrap();
    }
    project.mlx(&["add", "data"]).success();
    let sound = project.path(".mlx/store/sound");
    assert_eq!(sound.metadata().unwrap().len(), 12 + 201 * 56 + 32, "what was read is remembered");
    let inode = |name: &str| project.path(name).metadata().unwrap().ino();
    let object =
        |inode: u64| objects(&project).into_iter().find(|path| path.metadata().unwrap().ino() == inode).unwrap();
    let (changed, one, other) =
        (object(inode("data/3/3.txt")), object(inode("data/4/4.txt")), object(inode("data/5/5.txt")));
    fs::remove_dir_all(project.path("data")).unwrap();

    // Written to in place, and as long as before.
    fs::set_permissions(&changed, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&changed, "number 4\n").unwrap();
    fs::set_permissions(&changed, PermissionsExt::from_mode(0o444)).unwrap();
    project.mlx(&["checkout"]).exits_with(1).says("data/3/3.txt").says("is damaged");
    assert!(!project.exists("data"));
    fs::write(project.path("right"), "number 3\n").unwrap();
    fs::remove_file(&changed).unwrap();
    fs::copy(project.path("right"), &changed).unwrap();
    fs::set_permissions(&changed, PermissionsExt::from_mode(0o444)).unwrap();

    // Two that have another's name, with all their times.
    let aside = project.path("aside");
    for (from, to) in [(&one, &aside), (&other, &one), (&aside, &other)] {
        fs::rename(from, to).unwrap();
    }
    project.mlx(&["checkout"]).exits_with(1).says("is damaged");
    for (from, to) in [(&one, &aside), (&other, &one), (&aside, &other)] {
        fs::rename(from, to).unwrap();
    }
    project.mlx(&["checkout"]).success();
    project.mlx(&["verify"]).success();
    assert_eq!(project.read("data/3/3.txt"), "number 3\n");

    // What is remembered may go, or be rubbish.
    for rubbish in ["", "mlx sound 1\nrubbish"] {
        fs::remove_dir_all(project.path("data")).unwrap();
        fs::write(&sound, rubbish).unwrap();
        project.mlx(&["checkout"]).success();
        project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    }
}

#[test]
fn an_old_file_that_became_an_object_a_moment_ago_is_young() {
    let project = project();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::open(project.path("data/large")).unwrap().set_modified(old).unwrap();
    project.mlx(&["add", "data"]).success();
    project.mlx(&["untrack", "data"]).success();

    fs::remove_dir_all(project.path("data")).unwrap();
    project.mlx(&["gc", "--yes"]).success().prints("Kept for the grace period");

    let sizes = objects(&project).into_iter().map(|object| object.metadata().unwrap().len());
    assert_eq!(sizes.filter(|size| *size == 2_400_000).count(), 1);
}

#[test]
fn files_that_changed_places_get_them_back() {
    let project = project();
    project.set("data/other", "other ".repeat(400_000));
    project.mlx(&["add", "data"]).success();
    let [large, other, small] = ["data/large", "data/other", "data/3/3.txt"].map(|path| project.path(path));
    fs::rename(&large, project.path("aside")).unwrap();
    fs::rename(&other, &large).unwrap();
    fs::rename(project.path("aside"), &other).unwrap();
    fs::rename(&small, project.path("data/4/4.txt")).unwrap();

    project.mlx(&["checkout"]).success();

    assert_eq!(project.read("data/large"), "large ".repeat(400_000));
    assert_eq!(project.read("data/3/3.txt") + &project.read("data/4/4.txt"), "number 3\nnumber 4\n");
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
}
