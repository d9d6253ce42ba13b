//! Data from one clone to another through real servers, with the program itself and what its user would set.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::harness::{Project, noise};
use crate::services::{self, Server};

/// A server, where a remote is on it, and what the environment holds to get there.
struct Place {
    server: Server,
    url: String,
    /// Another URL of the same, for those who only pull.
    url_to_read: String,
    variables: Vec<(&'static str, String)>,
}

fn s3() -> Option<Place> {
    let server = services::s3()?;
    let variables = vec![
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", server.port)),
        ("AWS_ACCESS_KEY_ID", services::KEY.into()),
        ("AWS_SECRET_ACCESS_KEY", services::SECRET.into()),
    ];
    let url = format!("s3://{}/team/demo", services::BUCKET);
    Some(Place { url_to_read: url.clone(), url, variables, server })
}

fn azure() -> Option<Place> {
    let server = services::azure()?;
    let variables = vec![
        ("AZURE_STORAGE_ENDPOINT", format!("http://127.0.0.1:{}/{}", server.port, services::ACCOUNT)),
        ("AZURE_STORAGE_ACCOUNT_NAME", services::ACCOUNT.into()),
        ("AZURE_STORAGE_ACCOUNT_KEY", services::ACCOUNT_KEY.into()),
    ];
    let url = format!("az://{}/team/demo", services::CONTAINER);
    Some(Place { url_to_read: url.clone(), url, variables, server })
}

fn ssh() -> Option<Place> {
    let server = services::ssh()?;
    let bin = server.dir.path().join("bin");
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())));
    let variables = vec![("PATH", path.unwrap().into_string().unwrap())];
    let url = format!("ssh://{}{}/remote", services::HOST, server.dir.path().display());
    Some(Place { url_to_read: url.clone(), url, variables, server })
}

/// Written through WebDAV, and read from a location that can't even be listed.
fn web() -> Option<Place> {
    let server = services::webdav("http://127.0.0.1:9/")?;
    let [url, url_to_read] = ["open", "read"].map(|path| format!("http://127.0.0.1:{}/{path}/demo", server.port));
    Some(Place { url, url_to_read, variables: Vec::new(), server })
}

impl Place {
    fn command(&self, project: &Project, arguments: &[&str]) -> Command {
        let mut command = project.command(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

fn travels(place: fn() -> Option<Place>) {
    let Some(place) = place() else { return };
    let (a, b) = (Project::with_manifest(""), Project::empty());
    for number in 0..30 {
        a.set(format!("data/{}/{number}", number % 3), noise(100 * number, 1));
    }
    a.set("data/large", noise(20 << 20, 1));
    let run = |project: &Project, arguments: &[&str]| project.outcome(&mut place.command(project, arguments)).success();

    run(&a, &["remote", "add", "origin", &place.url]);
    run(&a, &["remote", "test"]).prints("can be read and written");
    run(&a, &["add", "data"]);
    run(&a, &["push"]);
    run(&a, &["push", "--events", "events.jsonl"]).prints("Up to date");
    assert!(!a.read("events.jsonl").contains("Checking"), "what was just sent is not looked into again");
    run(&a, &["verify", "--remote"]);
    a.commit("data");
    b.git(&["clone", "--quiet", &a.root().to_string_lossy(), &b.root().to_string_lossy()]);
    let mut pull = place.command(&b, &["pull"]);
    b.outcome(pull.env("MLX_REMOTE_ORIGIN_URL", &place.url_to_read)).success();

    for name in ["data/0/27", "data/2/29", "data/large"] {
        assert!(std::fs::read(a.path(name)).unwrap() == std::fs::read(b.path(name)).unwrap(), "{name}");
    }
    run(&b, &["status"]);
}

/// Everything below a directory that was made for a group can be read and written by that.
#[track_caller]
fn assert_for_the_group(directory: &Path) {
    let entries = walkdir::WalkDir::new(directory).into_iter().map(Result::unwrap);
    let modes: Vec<_> = entries.map(|entry| (entry.path().to_path_buf(), entry.metadata().unwrap().mode())).collect();
    assert!(modes.len() > 4, "{modes:?}");
    for (path, mode) in modes {
        let wanted = if path.is_dir() { 0o2070 } else { 0o060 };
        assert_eq!(mode & wanted, wanted, "{}: {mode:o}", path.display());
    }
}

#[test]
fn what_comes_into_a_directory_of_a_group_is_for_all_of_it() {
    let project = Project::with_manifest("").write("data/a", "1").write("data/large", noise(2 << 20, 1));
    project.mlx(&["add", "data"]).success();
    let make = |directory: &Path| {
        fs::create_dir(directory).unwrap();
        fs::set_permissions(directory, PermissionsExt::from_mode(0o2775)).unwrap();
    };
    let directory = project.home().join("remote");
    make(&directory);

    project.mlx(&["remote", "add", "origin", directory.to_str().unwrap()]).success();
    let script = format!("umask 077; exec '{}' push", env!("CARGO_BIN_EXE_mlx"));
    project.outcome(&mut project.other("sh", &["-c", &script])).success();
    assert_for_the_group(&directory);

    let Some(place) = ssh() else { return };
    let directory = place.server.dir.path().join("remote");
    make(&directory);
    project.mlx(&["remote", "add", "far", &place.url]).success();
    project.outcome(&mut place.command(&project, &["push", "--remote", "far"])).success();
    assert_for_the_group(&directory);
}

#[test]
fn through_a_bucket() {
    travels(s3);
}

#[test]
fn through_a_container_of_azure() {
    travels(azure);
}

#[test]
fn through_another_machine() {
    travels(ssh);
}

#[test]
fn through_a_web_server() {
    travels(web);
}
