//! Remotes that lack something or have it damaged: the rest comes, and what is missing is named.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::Project;

/// A project with three tracked paths and two runs of files on a remote beside it, each pushed by itself.
fn pushed() -> Project {
    let project = Project::empty();
    project.set("mlx.toml", format!("[remote.origin]\nurl = \"{}\"\n", remote(&project).display()));
    project.commit("begin");
    for name in ["one", "two", "three"] {
        project.set(format!("data/{name}/a.txt"), text(&format!("{name} a")));
        project.set(format!("data/{name}/b.txt"), text(&format!("{name} b")));
        project.mlx(&["add", &format!("data/{name}")]).success();
        project.mlx(&["push"]).success();
    }
    project.commit("data");
    project
}

fn remote(project: &Project) -> PathBuf {
    project.home().join("remote")
}

/// A clone without any data.
fn clone(project: &Project) -> Project {
    let other = Project::empty();
    fs::remove_dir(other.root()).unwrap();
    let status = Command::new("git").args(["clone", "--quiet"]).arg(project.root()).arg(other.root()).status();
    assert!(status.unwrap().success());
    other
}

/// The pack of the remote that holds an object with this content.
fn pack_with(project: &Project, content: &str) -> PathBuf {
    let wanted = mlx::Digest::of(content);
    let packs = fs::read_dir(remote(project).join("packs")).unwrap().map(|entry| entry.unwrap().path());
    let mut packs = packs.filter(|pack| {
        let bytes = fs::read(pack).unwrap();
        bytes.windows(32).any(|window| window == wanted.as_bytes())
    });
    packs.next().expect("some pack holds it")
}

fn spoil(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Changes what lies in the content of a file.
fn flip(bytes: &mut [u8]) {
    let inside = bytes.len() * 2 / 3;
    bytes[inside] ^= 1;
}

/// Lines that can't be compressed much.
fn text(name: &str) -> String {
    (0..500_u32).map(|number| format!("{name} {}\n", mlx::Digest::of(number.to_le_bytes()).short())).collect()
}

fn two_b() -> String {
    text("two b")
}

#[test]
fn what_is_whole_comes_and_what_is_not_is_named() {
    let project = pushed();
    let clone = clone(&project);
    fs::remove_file(pack_with(&project, &two_b())).unwrap();

    let pulled = clone.mlx(&["pull"]).exits_with(1);

    pulled.says("`data/two`").says("on the remote").says("everything else is here");
    assert!(clone.exists("data/one/a.txt") && clone.exists("data/three/b.txt"));
    clone.mlx(&["fetch"]).exits_with(1).says("`data/two`");
    let json = clone.mlx(&["fetch", "--json"]).exits_with(1).json();
    assert_eq!(json["paths"][0], "data/two");
    project.mlx(&["push"]).success();
    clone.mlx(&["pull"]).success();
    assert_eq!(clone.read("data/two/b.txt"), two_b());
}

#[test]
fn one_damaged_object_takes_only_its_path_along() {
    let project = pushed();
    let clone = clone(&project);
    spoil(&pack_with(&project, &two_b()), |bytes| flip(bytes));

    clone.mlx(&["pull"]).exits_with(1).says("`data/two/").says("is damaged on the remote").says("mlx push --repair");

    assert!(clone.exists("data/one/a.txt") && clone.exists("data/three/b.txt") && !clone.exists("data/two"));
}

#[test]
fn a_pack_that_was_cut_off_is_told_from_an_object_that_never_came() {
    let project = pushed();
    let clone = clone(&project);
    let pack = pack_with(&project, &two_b());
    spoil(&pack, |bytes| bytes.truncate(bytes.len() / 2));

    let name = format!("packs/{}", pack.file_name().unwrap().to_str().unwrap());
    clone.mlx(&["pull"]).exits_with(1).says("there can't be read").says("`data/two`").says("mlx push --repair");
    clone.mlx(&["verify", "--remote"]).exits_with(4).prints(&name).prints("data/two");

    assert!(clone.exists("data/one/a.txt"));
}

#[test]
fn a_remote_that_is_none_is_told_from_an_object_that_never_came() {
    let project = pushed();
    let clone = clone(&project);

    fs::remove_file(remote(&project).join("mlx-remote")).unwrap();
    clone.mlx(&["pull"]).exits_with(1).says("it has packs and no `mlx-remote`");
    fs::remove_dir_all(remote(&project).join("packs")).unwrap();
    clone.mlx(&["pull"]).exits_with(1).says("it has no `mlx-remote`: nothing was ever pushed there");
    fs::remove_dir_all(remote(&project)).unwrap();
    clone.mlx(&["pull"]).exits_with(1).says("there is no such directory");
    clone.mlx(&["pull", "data/one/a.txt"]).exits_with(1).says("there is no such directory");
    clone.mlx(&["verify", "--remote"]).exits_with(4).prints("there is no such directory");
}

#[test]
fn checkout_puts_back_what_is_whole() {
    let project = pushed();
    let clone = clone(&project);
    clone.mlx(&["fetch", "data/one"]).success();
    clone.mlx(&["fetch", "data/three/a.txt"]).success();

    let done = clone.mlx(&["checkout"]).exits_with(1);

    done.says("2 paths are not put back: `data/three`, `data/two`").says("`mlx pull data/three`");
    assert!(clone.exists("data/one/b.txt") && !clone.exists("data/two") && !clone.exists("data/three"));
}

#[test]
fn status_of_a_fresh_clone_leads_to_the_remote() {
    let project = pushed();
    let clone = clone(&project);

    clone.mlx(&["status"]).success().says("Bring what is missing: `mlx pull`");
    clone.mlx(&["pull"]).success();
    fs::remove_dir_all(clone.path("data/two")).unwrap();
    clone.mlx(&["status"]).success().says("Bring it back with `mlx checkout data/two`");
}

#[test]
fn what_a_push_takes_away_it_sends_again_whatever_was_asked_for() {
    let project = pushed();
    for name in ["one", "two", "three"] {
        let content = text(&format!("{name} b"));
        spoil(&pack_with(&project, &content), |bytes| flip(bytes));
    }
    project.set("mlx.lock", project.read("mlx.lock").split("[path").next().unwrap());

    let pushed = project.mlx(&["push"]).success();

    assert!(!pushed.stderr.contains("not here"), "{}", pushed.stderr);
    let clone = clone(&project);
    clone.mlx(&["pull"]).success();
    assert_eq!(clone.read("data/two/b.txt"), two_b());
    clone.mlx(&["verify", "--remote"]).success();
}

#[test]
fn what_a_push_takes_away_and_has_not_it_says() {
    let project = pushed();
    let clone = clone(&project);
    clone.mlx(&["pull", "data/one"]).success();
    let content = text("two a");
    spoil(&pack_with(&project, &content), |bytes| flip(bytes));

    let pushed = clone.mlx(&["push", "--repair", "data/one"]).success();

    pushed.says("not here to be sent again: 1 object: `data/two/").says("mlx push --all-revs");
    project.mlx(&["push", "data/two"]).success();
    clone.mlx(&["pull"]).success();
}

#[test]
fn a_pack_that_was_cut_off_is_sent_again_from_what_its_index_said() {
    let project = pushed();
    spoil(&pack_with(&project, &two_b()), |bytes| bytes.truncate(60));
    project.mlx(&["verify", "--remote"]).exits_with(4);

    project.mlx(&["push", "data/one"]).success().prints("taken away");

    let clone = clone(&project);
    clone.mlx(&["pull"]).success();
    assert_eq!(clone.read("data/two/b.txt"), two_b());
}

#[test]
fn verify_names_paths_and_not_too_many() {
    let project = pushed();
    for number in 0..60 {
        project.set(format!("many/{number:02}"), format!("{number}"));
    }
    project.mlx(&["add", "many"]).success();

    let verified = project.mlx(&["verify", "--remote"]).exits_with(4);

    let lines = verified.stdout.lines().count();
    assert!((20..=23).contains(&lines), "{}", verified.stdout);
    verified.prints("many/07 is missing there").prints("and 41 more; `--json` has all of them");
    spoil(&fs::read_dir(project.path(".mlx/store/packs")).unwrap().next().unwrap().unwrap().path(), |bytes| {
        flip(bytes)
    });
    project.mlx(&["verify"]).exits_with(4).says("mlx pull --repair");
}

#[test]
fn a_revision_stands_in_what_is_to_be_done() {
    let project = pushed();
    project.git(&["tag", "v1"]);
    project.set("data/one/a.txt", "new");
    project.mlx(&["add", "data/one"]).success();
    project.mlx(&["push"]).success();
    project.commit("next");
    let clone = clone(&project);
    clone.mlx(&["pull"]).success();

    clone.mlx(&["cat", "--rev", "v1", "data/one/a.txt"]).exits_with(1).says("`mlx fetch --rev v1 data/one/a.txt`");
    clone.mlx(&["diff", "v1"]).exits_with(1).says("`mlx fetch --rev v1 data/one`");
    clone.mlx(&["checkout", "--rev", "v1"]).exits_with(1).says("`mlx pull --rev v1 data/one`");
    clone.mlx(&["fetch", "--rev", "v1", "data/one"]).success();
    clone.mlx(&["diff", "v1"]).success().prints("changed  data/one/a.txt");
}

#[test]
fn a_fresh_clone_lists_what_the_remote_has_without_the_files() {
    let project = pushed();
    let clone = clone(&project);

    clone.mlx(&["ls", "data/one"]).success().prints("missing  data/one/b.txt");
    clone.mlx(&["ls", "--recursive"]).success().prints("missing  data/three/a.txt");
    clone.mlx(&["ls"]).success().prints("in part  data/one");

    fs::remove_dir_all(remote(&project)).unwrap();
    clone.mlx(&["ls", "data/one"]).success();
}

#[test]
fn what_was_put_aside_goes_when_asked() {
    let project = pushed();
    let hex = mlx::Digest::of(two_b()).hex();
    spoil(&project.path(".mlx/store/objects").join(&hex[..2]).join(&hex[2..]), |bytes| flip(bytes));
    project.mlx(&["verify"]).exits_with(4);
    project.mlx(&["pull", "--repair"]).success();

    project.mlx(&["gc"]).success().prints("Put aside: ").says("`mlx gc --yes --quarantine`");
    project.mlx(&["gc", "--yes", "--quarantine"]).success().prints("that were put aside");

    let again = project.mlx(&["gc"]).success();
    assert!(!again.stdout.contains("Put aside"), "{}", again.stdout);
    project.mlx(&["verify"]).success();
}
