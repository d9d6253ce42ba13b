//! What a damaged disk, a full disk and busy neighbours leave behind: a sound project, in which the
//! same command completes.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::harness::Project;

/// A project with a directory of so many small files that they are packed.
fn with_pack() -> Project {
    let project = Project::with_manifest("");
    write_files(&project, "first");
    project.mlx(&["add", "data"]).success();
    project
}

const FILES: usize = 30;

/// `mlx verify` finds nothing wrong.
#[track_caller]
fn assert_sound(project: &Project) {
    project.mlx(&["verify"]).success();
}

fn content(round: &str, number: usize) -> String {
    format!("the content of file {number} in {round}")
}

fn write_files(project: &Project, round: &str) {
    (0..FILES).for_each(|number| project.set(format!("data/d{}/{number}", number % 3), content(round, number)));
}

fn assert_files(project: &Project, round: &str) {
    for number in 0..FILES {
        assert_eq!(project.read(format!("data/d{}/{number}", number % 3)), content(round, number));
    }
}

fn packs(project: &Project) -> Vec<PathBuf> {
    let mut packs: Vec<PathBuf> = match fs::read_dir(project.path(".mlx/store/packs")) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    };
    packs.sort();
    packs
}

#[test]
fn many_small_files_are_one_pack() {
    let project = with_pack();

    assert_eq!(packs(&project).len(), 1);
    assert_eq!(packs(&project)[0].metadata().unwrap().permissions().mode() & 0o777, 0o444);
    fs::remove_dir_all(project.path("data")).unwrap();
    project.mlx(&["checkout"]).success();
    assert_files(&project, "first");
}

#[test]
fn damaged_packs_are_named_and_never_checked_out() {
    type Damage = fn(&Path, &mut Vec<u8>);
    let cases: [(&str, Damage); 7] = [
        ("a byte of content", |_, bytes| {
            let wanted = content("first", 7).into_bytes();
            let position = bytes.windows(wanted.len()).position(|window| window == wanted).unwrap();
            bytes[position] ^= 1;
        }),
        ("cut by a byte", |_, bytes| bytes.truncate(bytes.len() - 1)),
        ("cut in half", |_, bytes| bytes.truncate(bytes.len() / 2)),
        ("empty", |_, bytes| bytes.clear()),
        ("a byte of the index", |_, bytes| {
            let end = bytes.len();
            bytes[end - 200] ^= 1;
        }),
        ("zeros", |_, bytes| bytes.fill(0)),
        ("another pack", |path, bytes| {
            let other = packs_beside(path).into_iter().find(|other| other != path).unwrap();
            *bytes = fs::read(other).unwrap();
        }),
    ];
    for (what, change) in cases {
        let project = with_pack();
        let pack = packs(&project).remove(0);
        (0..FILES).for_each(|number| project.set(format!("other/{number}"), format!("other {number}")));
        project.mlx(&["add", "other"]).success();
        damage(&pack, change);
        fs::remove_dir_all(project.path("data")).unwrap();

        project.mlx(&["checkout"]).exits_with(1);
        for number in 0..FILES {
            let file = project.path(format!("data/d{}/{number}", number % 3));
            assert!(!file.exists() || fs::read_to_string(file).unwrap() == content("first", number), "{what}");
        }
        let verified = project.mlx(&["verify", "--json"]).exits_with(4).json();

        let problems = verified["problems"].as_array().unwrap();
        assert!(!problems.is_empty(), "{what}: {verified}");
        assert!(problems.iter().any(|problem| !problem["quarantined"].is_null()), "{what}: {verified}");
        // What was not lost comes back, and what was lost is named.
        let names = |path: &str| {
            let breaks = problems.iter().flat_map(|problem| problem["breaks"].as_array().unwrap());
            breaks.into_iter().any(|broken| path.starts_with(broken.as_str().unwrap()))
        };
        for number in 0..FILES {
            let path = format!("data/d{}/{number}", number % 3);
            project.mlx(&["checkout", &path]);
            let is_back = project.exists(&path);
            assert!(is_back || names(&path) || names("data"), "{what}: {path} is neither back nor named: {verified}");
        }
        write_files(&project, "first");
        project.mlx(&["add", "data", "other"]).success();
        assert_sound(&project);
        fs::remove_dir_all(project.path("data")).unwrap();
        project.mlx(&["checkout"]).success();
        assert_files(&project, "first");
    }
}

fn packs_beside(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Changes a read-only file, as a disk does.
fn damage(path: &Path, change: impl FnOnce(&Path, &mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(path, &mut bytes);
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn damage_that_nothing_names_yet_is_found() {
    let project = with_pack();
    write_files(&project, "second");
    project.mlx(&["add", "data"]).success();
    let first = packs(&project).into_iter().find(|pack| {
        let bytes = fs::read(pack).unwrap();
        bytes.windows(8).any(|window| window == b"in first")
    });
    damage(&first.unwrap(), |_, bytes| {
        let position = bytes.windows(8).position(|window| window == b"in first").unwrap();
        bytes[position] ^= 1;
    });

    project.mlx(&["verify"]).exits_with(4).prints("nothing names it now");

    // Storing the same content again does not rely on the damaged object.
    write_files(&project, "first");
    project.mlx(&["add", "data"]).success();
    assert_sound(&project);
}

#[test]
fn adds_and_collections_at_once_do_not_disturb_each_other() {
    let project = Project::with_manifest("");
    let names: Vec<String> = (0..6).map(|number| format!("part{number}")).collect();
    for round in 0..4 {
        for name in &names {
            (0..12).for_each(|number| project.set(format!("{name}/{number}"), format!("{name} {number} {round}")));
        }
        let add = |name: &String| project.command(&["add", name]);
        let gc = || project.command(&["gc", "--grace", "0s", "--yes"]);
        let commands = names.iter().map(add).chain((0..3).map(|_| gc()));

        let children: Vec<_> =
            commands.map(|mut command| command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }

        assert_sound(&project);
        project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    }
    names.iter().for_each(|name| fs::remove_dir_all(project.path(name)).unwrap());
    project.mlx(&["checkout"]).success();
    assert_eq!(project.read("part5/11"), "part5 11 3");
}

/// A file system of a certain size, mounted in the place of a directory until this is dropped.
pub struct Disk(PathBuf);

impl Disk {
    /// `None`, loudly, where this user may not mount; an error in CI, which runs as root.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub fn mount(place: PathBuf, bytes: u64) -> Option<Self> {
        let size = format!("size={bytes}");
        let arguments = ["-t", "tmpfs", "-o", &size, "tmpfs"];
        let output = std::process::Command::new("mount").args(arguments).arg(&place).output();
        if output.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self(place));
        }
        eprintln!("SKIPPED: nothing can be mounted here: {output:?}");
        assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "CI must be able to mount");
        None
    }
}

impl Disk {
    /// Lets nobody write to it any more.
    pub fn seal(&self) {
        let status = std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Fills the disk of this file until so much is left.
pub fn fill_up(file: &Path, left: u64) {
    let mut ballast = fs::File::create(file).unwrap();
    while ballast.write(&[1; 4096]).is_ok_and(|count| count > 0) {}
    let length = ballast.seek(SeekFrom::End(0)).unwrap();
    ballast.set_len(length.saturating_sub(left)).unwrap();
}

#[test]
fn a_full_disk_changes_nothing_and_the_same_command_completes() {
    let project = Project::empty();
    let Some(_disk) = Disk::mount(project.root(), 24 << 20) else { return };
    project.set("mlx.toml", "");
    project.set("before", "before");
    project.mlx(&["add", "before"]).success();
    let mut failures = 0;
    for (round, left) in [0_u64, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 3 << 20].into_iter().enumerate() {
        write_files(&project, &format!("round {round}"));
        project.set("data/large", format!("round {round} ").repeat(160_000));
        let lock = project.read("mlx.lock");
        fill_up(&project.path("ballast"), left);

        let outcome = project.mlx(&["add", "data"]);

        if outcome.stderr.contains("error:") {
            failures += 1;
            outcome.exits_with(1).says("No space left on device").says("free some space");
            assert_eq!(project.read("mlx.lock"), lock);
            let left_over = fs::read_dir(project.path(".mlx/store/tmp")).unwrap().count();
            assert_eq!(left_over, 0, "temporary files are left");
        }
        fs::remove_file(project.path("ballast")).unwrap();
        assert_sound(&project);
        project.mlx(&["add", "data"]).success();
        assert_sound(&project);
        project.mlx(&["gc", "--grace", "0s", "--yes"]).success();
    }
    assert!((3..7).contains(&failures), "{failures} of 7 disks were too full");

    // Not even what is to be checked out fits: nothing is half-written, and the rest follows later.
    fs::remove_dir_all(project.path("data")).unwrap();
    fill_up(&project.path("ballast"), 64 << 10);
    project.mlx(&["checkout"]).exits_with(1).says("No space left on device");
    if let Ok(mut large) = fs::File::open(project.path("data/large")) {
        let mut text = String::new();
        large.read_to_string(&mut text).unwrap();
        assert_eq!(text, "round 6 ".repeat(160_000));
    }
    fs::remove_file(project.path("ballast")).unwrap();
    project.mlx(&["checkout"]).success();
    assert_files(&project, "round 6");
    assert_sound(&project);
}
