//! Push, fetch and pull: a tree that was pushed from one clone is pulled in another with only Git and the remote.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::harness::{Project, noise};

/// Two clones of a project whose remote is a directory beside them.
struct Clones {
    a: Project,
    b: Project,
}

impl Clones {
    /// The first has data and a commit; nothing is pushed yet.
    fn new() -> Self {
        let a = Project::empty();
        let remote = a.home().join("remote");
        a.set("mlx.toml", format!("[remote.origin]\nurl = \"{}\"\n", remote.display()));
        for number in 0..40_u8 {
            a.set(format!("data/text/{number}.txt"), format!("line {number}\n").repeat(99));
            a.set(format!("data/noise/{number}.bin"), noise(3000, u64::from(number) + 1));
        }
        a.set("data/medium.bin", noise(2_000_000, 99));
        a.set("big.bin", noise(20 << 20, 77));
        a.mlx(&["add", "data", "big.bin"]).success();
        a.commit("data");
        Self { a, b: Project::empty() }
    }

    /// Clones the repository, or takes over its newest commit.
    fn share(&self) {
        let (from, to) = (self.a.root(), self.b.root());
        if self.b.exists(".git") {
            self.b.git(&["pull", "--quiet"]);
        } else {
            self.b.git(&["clone", "--quiet", &from.to_string_lossy(), &to.to_string_lossy()]);
        }
    }

    fn remote(&self) -> PathBuf {
        self.a.home().join("remote")
    }

    fn packs(&self) -> Vec<PathBuf> {
        files(&self.remote().join("packs"))
    }

    fn pushed() -> Self {
        let clones = Self::new();
        clones.a.mlx(&["push"]).success();
        clones.share();
        clones
    }

    #[track_caller]
    fn assert_same(&self) {
        for path in ["data/text/7.txt", "data/noise/7.bin", "data/medium.bin", "big.bin"] {
            assert!(fs::read(self.a.path(path)).unwrap() == fs::read(self.b.path(path)).unwrap(), "{path}");
        }
        let status = self.b.mlx(&["status", "--json"]).success().json();
        let states: Vec<_> = status["paths"].as_array().unwrap().iter().map(|path| path["state"].clone()).collect();
        assert_eq!(states, ["unchanged", "unchanged"]);
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Flips one bit at this part of the file, and leaves the time of change as it was.
fn flip(path: &Path, at: f64) {
    let metadata = fs::metadata(path).unwrap();
    let mut bytes = fs::read(path).unwrap();
    let at = (bytes.len() as f64 * at) as usize;
    bytes[at] ^= 1;
    fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(metadata.modified().unwrap()).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o444)).unwrap();
}

#[test]
fn what_is_pushed_in_one_clone_is_pulled_in_another() {
    let clones = Clones::new();

    let plan = clones.a.mlx(&["push", "--dry-run", "--json"]).success().json();
    assert_eq!((&plan["objects"], &plan["packs"]), (&85.into(), &0.into()));
    assert!(!clones.remote().exists(), "a plan writes nothing");
    let pushed = clones.a.mlx(&["push", "--json"]).success().json();
    assert_eq!(pushed["objects"], 85);
    clones.a.mlx(&["push"]).success().prints("Up to date: 85 objects");
    clones.share();
    clones.b.mlx(&["pull"]).success().prints("Fetched 85 objects");

    clones.assert_same();
    clones.b.mlx(&["verify"]).success();
    clones.b.mlx(&["verify", "--remote"]).success().prints("Sound");
    assert!(clones.packs().len() <= 4, "{:?}", clones.packs());
}

#[test]
fn a_part_of_a_directory_is_pulled_without_the_rest() {
    let clones = Clones::pushed();

    let fetched = clones.b.mlx(&["pull", "data/text", "--json"]).success().json();

    assert_eq!(fetched["objects"], 42);
    assert_eq!(fetched["checked_out"]["files_written"], 40);
    assert!(clones.b.exists("data/text/39.txt") && !clones.b.exists("data/noise"));
    clones.b.mlx(&["pull", "data/texts"]).exits_with(2).says("does not name `data/texts`");
}

#[test]
fn the_next_version_of_a_large_file_sends_only_what_changed() {
    let clones = Clones::pushed();
    clones.b.mlx(&["pull"]).success();
    let mut content = fs::read(clones.a.path("big.bin")).unwrap();
    content.splice(9_000_000..9_000_100, *b"a few other bytes");
    clones.a.set("big.bin", content);
    clones.a.mlx(&["add", "big.bin"]).success();
    clones.a.commit("next");

    let pushed = clones.a.mlx(&["push", "--json"]).success().json();
    clones.share();
    let pulled = clones.b.mlx(&["pull", "--json"]).success().json();

    assert_eq!((&pushed["objects"], &pulled["objects"]), (&1.into(), &1.into()));
    assert!(pushed["sent_bytes"].as_u64().unwrap() < 1 << 20, "{pushed}");
    assert!(pulled["received_bytes"].as_u64().unwrap() < 1 << 20, "{pulled}");
    clones.assert_same();
}

#[test]
fn other_revisions_travel_too() {
    let clones = Clones::pushed();
    clones.a.set("data/new.txt", "new");
    clones.a.mlx(&["add", "data"]).success();
    clones.a.commit("next");
    clones.share();

    clones.b.mlx(&["pull", "--rev", "HEAD~1"]).success();
    assert!(clones.b.exists("data/medium.bin") && !clones.b.exists("data/new.txt"));
    clones.b.mlx(&["fetch"]).exits_with(1).says("is not on the remote");
    clones.a.mlx(&["push", "--all-revs"]).success().prints("Pushed 2 objects");
    clones.b.mlx(&["fetch", "--all-revs"]).success().prints("Fetched 2 objects");
}

#[test]
fn a_damaged_object_is_never_sent() {
    let clones = Clones::new();
    let packs = clones.a.path(".mlx/store/packs");
    flip(&files(&packs)[0], 0.6);

    clones.a.mlx(&["push"]).exits_with(1).says("is damaged");

    clones.a.mlx(&["verify"]).exits_with(4);
    clones.a.mlx(&["add", "data", "big.bin"]).success();
    clones.a.mlx(&["push"]).success();
    clones.share();
    clones.b.mlx(&["pull"]).success();
    clones.assert_same();
}

#[test]
fn a_damaged_remote_is_noticed_by_whoever_pulls_and_mended_by_whoever_pushes() {
    let count = Clones::pushed().packs().len();
    assert!((3..6).contains(&count), "{count}");
    for number in 0..count {
        let clones = Clones::pushed();
        flip(&clones.packs()[number], 0.6);

        clones.b.mlx(&["pull"]).exits_with(1).says("on the remote");
        clones.b.mlx(&["verify", "--remote"]).exits_with(4).prints("is damaged");
        // The file is not what it was when it was sent: it is looked into before it is trusted.
        let pushed = clones.a.mlx(&["push", "--json"]).success().json();
        assert!(pushed["repaired"].as_u64().unwrap() > 0, "{pushed}");

        clones.b.mlx(&["pull"]).success();
        clones.assert_same();
        clones.a.mlx(&["verify", "--remote"]).success();
    }
}

#[test]
fn damage_between_objects_is_noticed_on_both_sides() {
    let clones = Clones::pushed();
    // The header of one pack, the first head of another.
    flip(&clones.packs()[0], 0.0);
    let pack = &files(&clones.a.path(".mlx/store/packs"))[0];
    flip(pack, 30.0 / fs::metadata(pack).unwrap().len() as f64);

    clones.b.mlx(&["pull"]).success();
    clones.assert_same();
    clones.b.mlx(&["verify", "--remote"]).exits_with(4).prints("is damaged");
    clones.b.mlx(&["push", "--repair"]).success();
    clones.b.mlx(&["verify", "--remote"]).success();
    clones.a.mlx(&["verify"]).exits_with(4).prints("objects of it were saved");
    clones.a.mlx(&["verify"]).success();
}

#[test]
fn a_clone_that_never_looked_mends_when_it_is_told_to() {
    let clones = Clones::pushed();
    clones.b.mlx(&["pull"]).success();
    fs::remove_dir_all(clones.b.path(".mlx/remotes")).unwrap();
    flip(&clones.packs()[1], 0.6);

    clones.b.mlx(&["push", "--repair"]).success().prints("Damaged on");

    clones.a.mlx(&["verify", "--remote"]).success();
}

#[test]
fn what_is_damaged_here_is_fetched_again() {
    let clones = Clones::pushed();
    clones.b.mlx(&["pull"]).success();
    flip(&files(&clones.b.path(".mlx/store/packs"))[0], 0.6);

    let repaired = clones.b.mlx(&["pull", "--repair", "--json"]).success().json();

    assert_eq!((&repaired["repaired"], &repaired["objects"]), (&1.into(), &1.into()));
    clones.b.mlx(&["verify"]).success().prints("Sound");
}

#[test]
fn remotes_of_other_versions_are_refused_politely() {
    let clones = Clones::pushed();
    fs::write(clones.remote().join("mlx-remote"), r#"{"mlx_remote": 2}"#).unwrap();

    for command in [["push"], ["pull"]] {
        clones.b.mlx(&command).exits_with(1).says("has version 2 of the layout; this mlx knows version 1");
    }
}

#[test]
fn a_pack_of_another_version_is_refused_politely() {
    let clones = Clones::pushed();
    let path = clones.packs().remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let mark = bytes.len() - 1;
    bytes[mark] = b'9';
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&path, bytes).unwrap();

    clones.b.mlx(&["pull"]).exits_with(1).says("has version 9 of the pack format");
    assert!(path.exists(), "what another program wrote stays");
}

#[test]
fn pushes_at_the_same_time_do_not_disturb_each_other() {
    let clones = Clones::pushed();
    clones.b.mlx(&["pull"]).success();
    for (project, name) in [(&clones.a, "a"), (&clones.b, "b")] {
        for number in 0..20 {
            project.set(format!("{name}/{number}"), format!("{name} {number}"));
        }
        project.mlx(&["add", name]).success();
    }

    let pushes: Vec<_> = [&clones.a, &clones.b, &clones.a, &clones.b]
        .iter()
        .map(|project| project.command(&["push"]).stdout(std::process::Stdio::null()).spawn().unwrap())
        .collect();
    for mut push in pushes {
        assert!(push.wait().unwrap().success());
    }

    clones.a.mlx(&["verify", "--remote"]).success();
    clones.b.mlx(&["verify", "--remote"]).success();
    let catalog: serde_json::Value =
        serde_json::from_slice(&fs::read(clones.remote().join("catalog")).unwrap()).unwrap();
    assert_eq!(catalog["packs"].as_array().unwrap().len(), clones.packs().len());
}

#[test]
fn a_damaged_head_of_any_object_is_mended_in_one_push() {
    let clones = Clones::pushed();
    for pack in clones.packs() {
        let (mut bytes, modified) = (fs::read(&pack).unwrap(), pack.metadata().unwrap().modified().unwrap());
        // In the digest of the first object.
        bytes[14] ^= 4;
        fs::write(&pack, bytes).unwrap();
        fs::File::options().write(true).open(&pack).unwrap().set_modified(modified).unwrap();
    }

    clones.a.mlx(&["verify", "--remote"]).exits_with(4);
    clones.a.mlx(&["push", "--repair"]).success();
    clones.a.mlx(&["verify", "--remote"]).success();
    clones.b.mlx(&["pull"]).success();
    clones.assert_same();
}
