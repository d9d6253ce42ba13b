//! A registry that a team shares: in a directory, in a bucket and on a host with SSH.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use mlx::Digest;
use mlx::digest::{Object, ObjectKind};
use mlx::project::ProjectPath;
use mlx::registry::{Registry, Version};
use mlx::remote::{Access, Remote};
use mlx::store::Store;
use serde_json::json;
use tempfile::TempDir;

use crate::bundles::register;
use crate::harness::{Outcome, Project};
use crate::proxy;
use crate::services::{self, Server};

/// How the environment of [`worker`] names what it does.
const URL: &str = "MLX_TEST_REGISTRY";
const NUMBER: &str = "MLX_TEST_WORKER";
const COUNT: &str = "MLX_TEST_VERSIONS";

/// A place for a registry, and what the environment holds to get there.
struct Place {
    _kept: (Option<Server>, Option<TempDir>),
    url: String,
    variables: Vec<(String, String)>,
}

impl Place {
    fn directory() -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("mlx-registry-").tempdir().unwrap();
        let url = dir.path().join("registry").to_string_lossy().into_owned();
        Some(Self { _kept: (None, Some(dir)), url, variables: Vec::new() })
    }

    fn s3() -> Option<Self> {
        let server = services::s3()?;
        let variables = [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", proxy::one_at_a_time(server.port))),
            ("AWS_ACCESS_KEY_ID", services::KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", services::SECRET.into()),
            ("AWS_REGION", "us-east-1".into()),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let url = format!("s3://{}/team", services::BUCKET);
        Some(Self { _kept: (Some(server), None), url, variables })
    }

    fn ssh() -> Option<Self> {
        let server = services::ssh()?;
        let url = format!("ssh://{}{}/registry", services::HOST, server.dir.path().display());
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", server.dir.path().join("bin").display());
        Some(Self { _kept: (Some(server), None), url, variables: vec![("PATH".into(), path)] })
    }

    fn access(&self) -> Access {
        let variables: BTreeMap<String, String> = self.variables.iter().cloned().collect();
        let path = variables.get("PATH").cloned().unwrap_or_default().into();
        Access { variables: Arc::new(variables), path, ..Access::default() }
    }

    fn remote(&self) -> Arc<dyn Remote> {
        mlx::remote::open(&self.url, Path::new("/"), &self.access()).unwrap()
    }

    /// The registry as another machine sees it.
    fn registry(&self, home: &TempDir) -> Registry {
        let store = Store::open(&home.path().join("store")).unwrap();
        Registry::shared(self.remote(), &store, &home.path().join("remotes"))
    }

    fn command(&self, project: &Project, arguments: &[&str]) -> Command {
        let mut command = project.command(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn mlx(&self, project: &Project, arguments: &[&str]) -> Outcome {
        project.outcome(&mut self.command(project, arguments))
    }

    /// A project of a model `m` without versions that has its registry here.
    fn project(&self) -> Project {
        Project::with_manifest(&format!("registry = \"{}\"\n[model.m]\npath = \"model\"\n", self.url))
    }
}

/// A version of `churn` with this content.
fn version(content: &str) -> Version {
    Version {
        format: 1,
        model: "churn".into(),
        version: 0,
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
        created_by: "tester".into(),
        description: None,
        path: ProjectPath::new("model").unwrap(),
        object: Object { kind: ObjectKind::File, digest: Digest::of(content), size: content.len() as u64, files: 1 },
        step: None,
        run: None,
        commit: None,
        params: BTreeMap::new(),
        metrics: BTreeMap::new(),
        data: Vec::new(),
        environment: None,
    }
}

/// One of the processes of [`in_processes`].
#[test]
#[ignore = "other tests start it, as a process of its own"]
fn worker() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let Ok(count) = variable(COUNT).parse::<u64>() else { return };
    let home = tempfile::tempdir().unwrap();
    let place = Place { _kept: (None, None), url: variable(URL), variables: std::env::vars().collect() };
    let registry = place.registry(&home);
    for number in 0..count {
        registry.register(version(&format!("{} {number}", variable(NUMBER)))).unwrap();
    }
}

/// Some processes make so many versions each, all at once.
fn in_processes(place: &Place, processes: u64, each: u64) {
    let start = |number: u64| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["registries::worker", "--exact", "--ignored", "--quiet"]).stdout(Stdio::null());
        command.envs(place.variables.iter().map(|(name, value)| (name, value)));
        command.env(URL, &place.url).env(NUMBER, number.to_string()).env(COUNT, each.to_string());
        command.spawn().unwrap()
    };
    let workers: Vec<_> = (0..processes).map(start).collect();
    let ended: Vec<bool> = workers.into_iter().map(|mut worker| worker.wait().unwrap().success()).collect();
    assert!(ended.iter().all(|is_good| *is_good), "{ended:?}");

    let home = tempfile::tempdir().unwrap();
    let versions = place.registry(&home).versions("churn").unwrap();

    let numbers: Vec<u64> = versions.iter().map(|version| version.version).collect();
    assert_eq!(numbers, (1..=processes * each).collect::<Vec<_>>(), "no duplicate and no gap");
    let contents: BTreeSet<Digest> = versions.iter().map(|version| version.object.digest).collect();
    assert_eq!(contents.len() as u64, processes * each, "nothing was lost");
}

#[test]
fn eight_processes_make_a_thousand_versions_in_a_directory() {
    in_processes(&Place::directory().unwrap(), 8, 125);
}

#[test]
fn eight_processes_make_a_thousand_versions_in_a_bucket() {
    let Some(place) = Place::s3() else { return };
    in_processes(&place, 8, 125);
}

#[test]
fn three_processes_make_versions_over_ssh() {
    let Some(place) = Place::ssh() else { return };
    in_processes(&place, 3, 2);
}

/// Makes a version of `m` with these weights known to the project's own registry, and then to the one it shares.
fn share(place: &Place, project: &Project, weights: &[u8]) -> Version {
    register(project, &[("a.bin", weights)]);
    let own = Registry::open(&Store::open(&project.path(".mlx/store")).unwrap());
    let version = own.versions("m").unwrap().pop().unwrap();
    let store = Store::open(&project.path(".mlx/store")).unwrap();
    let shared = Registry::shared(place.remote(), &store, &project.path(".mlx/remotes"));
    let (events, interrupt) = (mlx::event::Silent, mlx::event::Interrupt::default());
    shared.send(&version, mlx::event::Watch { events: &events, interrupt: &interrupt }).unwrap();
    shared.register(version).unwrap().version
}

fn what_one_registers_another_packages(place: &Place) {
    let (mine, theirs) = (place.project(), place.project());
    share(place, &mine, b"weights");
    theirs.set("train.py", "print('trained')\n");

    place.mlx(&mine, &["model", "promote", "m", "1", "production", "--why", "launch"]).success();
    place.mlx(&theirs, &["model", "tag", "m:1", "good"]).success().prints("`m` 1; tags: good");
    let listed = place.mlx(&mine, &["model", "list", "--json"]).success().json();
    let packaged = place.mlx(&theirs, &["package", "m@production", "--json"]).success().json();

    let row = &listed["versions"][0];
    assert_eq!((&row["aliases"], &row["tags"]), (&json!(["production"]), &json!(["good"])));
    assert_eq!(packaged["version"], 1);
    theirs.mlx(&["bundle", "unpack", "dist/m-1.tar", "out"]).success();
    assert_eq!(theirs.read("out/model/a.bin"), "weights");
    let history = place.mlx(&theirs, &["model", "history", "m"]).success().stdout;
    let lines: Vec<&str> = history.lines().collect();
    assert!(lines[1].contains("registered") && lines[2].contains("promoted to @production"), "{history}");
    assert!(lines[2].contains("launch") && lines[3].contains("tagged good"), "{history}");
}

#[test]
fn what_one_registers_another_packages_from_a_directory() {
    what_one_registers_another_packages(&Place::directory().unwrap());
}

#[test]
fn what_one_registers_another_packages_from_a_bucket() {
    let Some(place) = Place::s3() else { return };
    what_one_registers_another_packages(&place);
}

#[test]
fn eight_who_promote_at_once_leave_one_chain() {
    let place = Place::directory().unwrap();
    let project = place.project();
    let numbers: Vec<u64> =
        (0..8).map(|number| share(&place, &project, format!("weights {number}").as_bytes()).version).collect();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());

    let promote = |number: &u64| {
        let clone = place.project();
        let arguments = ["model", "promote", "m", &number.to_string(), "production", "--quiet"];
        let child = place.command(&clone, &arguments).stdout(Stdio::null()).spawn().unwrap();
        (clone, child)
    };
    let promoted: Vec<_> = numbers.iter().map(promote).collect();
    for (_clone, mut child) in promoted {
        assert!(child.wait().unwrap().success());
    }

    let history = place.mlx(&project, &["model", "history", "m", "--json"]).success().json();
    let moves: Vec<(Option<u64>, u64)> = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["from"].as_u64(), event["to"].as_u64().unwrap()))
        .collect();
    assert_eq!((moves.len(), moves[0].0), (8, None));
    assert!(moves.windows(2).all(|pair| Some(pair[0].1) == pair[1].0), "{moves:?}");
}

#[test]
fn records_that_were_edited_by_hand_are_named() {
    let place = Place::directory().unwrap();
    let project = place.project();
    share(&place, &project, b"weights");
    place.mlx(&project, &["model", "promote", "m", "1", "production"]).success();
    place.mlx(&project, &["model", "list"]).success();
    let directory = Path::new(&place.url).join("registry/models/m");
    let edit = |file: &str, from: &str, to: &str| {
        let path = directory.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        fs::remove_file(&path).unwrap();
        fs::write(&path, text.replace(from, to)).unwrap();
        text
    };

    let before = edit("versions/1.json", "0.95", "0.99");
    let edited = place.mlx(&project, &["model", "list"]).exits_with(1);
    fs::write(directory.join("versions/1.json"), before).unwrap();
    let restored = place.mlx(&project, &["model", "list"]);
    edit("events/1.json", "\"to\": 1", "\"to\": one");
    let broken = place.mlx(&place.project(), &["model", "list"]).exits_with(1);

    edited
        .says("registry/models/m/versions/1.json` was changed since this machine read it")
        .says("put back what it was");
    restored.success().prints("production");
    broken
        .says("the record `models/m/events/1` of the registry is damaged")
        .says("registry/models/m/events/1.json` back");
}

#[test]
fn what_cannot_hold_a_registry_is_refused() {
    let project = Project::with_manifest("registry = \"team\"\n[remote.origin]\nurl = \"../remote\"\n");
    project
        .mlx(&["model", "list"])
        .exits_with(2)
        .says("`registry` names the remote `team`, which is not there")
        .says("mlx remote add team URL");
    project.set("mlx.toml", "registry = \"\"\n");
    project.mlx(&["model", "list"]).exits_with(2).says("`registry` is empty (mlx.toml, line 1)");
    project.set("mlx.toml", "registry = \"origin\"\n[remote.origin]\nurl = \"../remote\"\n");
    project.mlx(&["model", "list"]).success().prints("no models");
    let mut command = project.command(&["model", "list"]);
    command.env("MLX_REGISTRY", "nowhere");
    project.outcome(&mut command).exits_with(2).says("`registry` names the remote `nowhere`");

    let Some(server) = services::webdav("http://127.0.0.1:9/") else { return };
    project.set("mlx.toml", format!("registry = \"http://127.0.0.1:{}/read\"\n", server.port));
    project
        .mlx(&["model", "list"])
        .exits_with(1)
        .says("can't hold a registry: its files can't be listed")
        .says("hint: name a bucket, a directory or a host with SSH");
    // It can be read, and two who write at once might both think that they have a number.
    project.set(
        "mlx.toml",
        format!("registry = \"http://127.0.0.1:{}/open/team\"\n[model.m]\npath = \"model\"\n", server.port),
    );
    project.mlx(&["model", "list"]).success().prints("no models");
    let remote =
        mlx::remote::open(&format!("http://127.0.0.1:{}/open/team", server.port), Path::new("/"), &Access::default());
    let store = Store::open(&project.path(".mlx/store")).unwrap();
    let registry = Registry::shared(remote.unwrap(), &store, &project.path(".mlx/remotes"));
    let error = registry.register(version("a")).unwrap_err();
    assert!(error.to_string().contains("both may succeed"), "{error}");
}

#[test]
fn versions_in_use_are_neither_archived_nor_removed() {
    let project = Project::with_manifest(
        "[model.m]\npath = \"model\"\n[target.production]\nurl = \"deploy/production\"\nmodel = \"m:1\"\n",
    );
    register(&project, &[("a.bin", b"one")]);
    register(&project, &[("a.bin", b"two")]);
    project.mlx(&["deploy", "production"]).success();

    for verb in ["archive", "rm"] {
        project.mlx(&["model", verb, "m:1"]).exits_with(2).says("`m` 1 is live on `production` and can't be");
        project.mlx(&["model", verb, "m"]).exits_with(2).says("`m` names no version");
    }
    project.mlx(&["model", "promote", "m", "2", "next"]).success();
    project.mlx(&["model", "rm", "m:2"]).exits_with(2).says("holds @next").says("mlx model demote m next");
    project.mlx(&["model", "demote", "m", "next"]).success().prints("`m` 2 does not hold @next any more");
    project.mlx(&["model", "archive", "m:2", "--why", "worse"]).success().prints("`m` 2 is archived now");

    project.mlx(&["model", "list"]).success().says("1 version archived");
    project.mlx(&["deploy", "production", "m:2"]).exits_with(2).says("is archived").says("mlx model restore m:2");
    project.mlx(&["model", "restore", "m:2"]).success();
    let removed = project.mlx(&["model", "rm", "m:2", "--why", "personal data"]).success();
    assert!(removed.prints("named by nothing else").stderr.contains("mlx gc --yes"));
    project.mlx(&["model", "show", "m:2"]).exits_with(2).says("was removed (").says("by tester: personal data");
    register(&project, &[("a.bin", b"three")]);
    let listed = project.mlx(&["model", "list", "--json"]).success().json();
    let numbers: Vec<_> = listed["versions"].as_array().unwrap().iter().map(|row| row["version"].clone()).collect();
    assert_eq!(numbers, [json!(3), json!(1)]);
}

#[test]
fn a_description_is_shown_and_the_bundle_stays_the_same() {
    let project = Project::with_manifest("[model.m]\npath = \"model\"\n");
    register(&project, &[("a.bin", b"one")]);
    let digest = |project: &Project| project.mlx(&["package", "m", "--json"]).success().json()["manifest"].clone();
    let before = digest(&project);

    project.mlx(&["model", "describe", "m:1", "without the outage"]).success().prints("`m` 1: without the outage");

    project.mlx(&["model", "show", "m"]).success().prints("without the outage");
    assert_eq!(digest(&project), before);
    project.mlx(&["model", "describe", "m:1", "--remove"]).success();
    assert_eq!(project.mlx(&["model", "show", "m", "--json"]).success().json()["description"], json!(null));
}
