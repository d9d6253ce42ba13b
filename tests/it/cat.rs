//! `mlx cat`.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use crate::harness::Project;

/// Longer than what is checked before it is printed.
fn large() -> Vec<u8> {
    (0_u32..3 << 20).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn project() -> Project {
    let project = Project::with_manifest("").write("data/sub/bytes", b"\0\xff\nold").write("data/large", large());
    std::os::unix::fs::symlink("sub", project.path("data/link")).unwrap();
    project.mlx(&["add", "data"]).success();
    project.commit("old");
    project.set("data/sub/bytes", "new");
    project.mlx(&["add", "data"]).success();
    fs::remove_dir_all(project.path("data")).unwrap();
    project
}

fn bytes(project: &Project, arguments: &[&str]) -> Vec<u8> {
    let output = project.command(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn object(project: &Project, content: &[u8]) -> PathBuf {
    let hex = mlx::Digest::of(content).hex();
    project.path(".mlx/store/objects").join(&hex[..2]).join(&hex[2..])
}

#[test]
fn any_version_of_any_file_is_printed_byte_for_byte() {
    let project = project();

    assert_eq!(bytes(&project, &["cat", "data/sub/bytes"]), b"new");
    assert_eq!(bytes(&project, &["cat", "--rev", "HEAD", "data/sub/bytes"]), b"\0\xff\nold");
    assert_eq!(bytes(&project, &["-C", ".", "cat", "data/large"]), large());
    assert!(!project.exists("data"));
    let found = project.mlx(&["cat", "--json", "--rev", "HEAD", "data/sub/bytes"]).success().json();
    assert_eq!((&found["size"], &found["kind"]), (&6.into(), &"file".into()));
}

#[test]
fn what_is_no_file_of_the_version_is_named() {
    let project = project();

    project.mlx(&["cat", "data/sub"]).exits_with(2).says("`data/sub` is a directory").says("mlx ls data/sub");
    project.mlx(&["cat", "data/link"]).exits_with(2).says("is a symbolic link to `sub`");
    project.mlx(&["cat", "data/none"]).exits_with(2).says("`data` holds no `data/none`");
    project.mlx(&["cat", "date"]).exits_with(2).says("did you mean `data`?");
    project.mlx(&["cat", "--rev", "HEAD", "mlx.toml"]).exits_with(2).says("Git keeps it: `git show");
}

#[test]
fn a_missing_object_names_the_remote() {
    let project = project();
    project.set("mlx.toml", "[remote.team]\nurl = \"/nowhere\"\n");
    fs::remove_file(object(&project, &large())).unwrap();

    let missing = project.mlx(&["cat", "data/large"]).exits_with(1);

    assert!(missing.stdout.is_empty());
    missing.says("is missing from the local store").says("bring it from remote `team`: `mlx fetch data/large`");
}

#[test]
fn a_damaged_object_never_looks_like_success() {
    let project = project();
    for content in [&b"new"[..], &large()] {
        let path = object(&project, content);
        let mut damaged = fs::read(&path).unwrap();
        damaged[1] ^= 1;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        fs::write(&path, damaged).unwrap();
    }

    let small = project.mlx(&["cat", "data/sub/bytes"]).exits_with(1);
    assert!(small.stdout.is_empty());
    small.says("is damaged");
    project.mlx(&["cat", "data/large"]).exits_with(1).says("is damaged");
}

#[test]
fn a_reader_that_has_enough_is_a_success() {
    let project = project();
    let mut cat =
        project.command(&["cat", "data/large"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

    let mut start = [0; 100];
    cat.stdout.take().unwrap().read_exact(&mut start).unwrap();
    let output = cat.wait_with_output().unwrap();

    assert_eq!(start, large()[..100]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
