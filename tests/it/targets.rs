//! Targets of every kind: one suite of rules over a directory, another machine, object stores, web servers, registries and a
//! cluster.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::bundles::register;
use crate::deploy::{answering, full_pipe};
use crate::deployed::{LINEAR, linear_with_bias, tampered};
use crate::harness::{Outcome, Project, files_below, noise};
use crate::kubectl::Kubectl;
use crate::services::{self, Server};
use crate::target_faults::{HANGING, await_end, in_python};

/// Somewhere to deploy to, and a project that does.
pub struct Place {
    /// Where releases are served, of those targets that do that. What runs there ends before its files go.
    cluster: Option<Kubectl>,
    pub project: Project,
    pub url: String,
    variables: Vec<(String, String)>,
    /// Where the contents lie, for those who damage them.
    files: PathBuf,
    sent: Arc<AtomicU64>,
    /// The port that counts; none where nothing is sent.
    counted: Option<u16>,
    pub server: Option<Server>,
}

const ENV: &str = "[env]\npython = { requirements = [\"onnxruntime==1.32.0\"] }\n";
const SERVE: &str = "serve = { onnx = \"model/linear.onnx\" }\nexamples = \"rows.csv\"\n";

/// Passes everything on to a port, and counts what goes there.
fn counting(port: u16) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let count = count.clone();
            std::thread::spawn(move || pump(from, to, Some(&count)));
            std::thread::spawn(move || pump(server, client, None));
        }
    });
    (own, sent)
}

fn pump(mut from: TcpStream, mut to: TcpStream, count: Option<&AtomicU64>) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        if let Some(count) = count {
            count.fetch_add(length as u64, Ordering::SeqCst);
        }
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

impl Place {
    fn new(
        url: String,
        variables: &[(&str, String)],
        files: PathBuf,
        (port, sent): (u16, Arc<AtomicU64>),
        server: Server,
    ) -> Self {
        let counted = Some(port);
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let project = Project::empty();
        let server = Some(server);
        let place = Self { project, url, variables, files, sent, counted, cluster: None, server };
        place.manifest("");
        place
    }

    /// Writes a manifest with a model that is served only where it has to be; `more` belongs to the target.
    pub fn manifest(&self, more: &str) {
        match self.cluster {
            Some(_) => self.manifest_with_server(more),
            None => self.project.set("mlx.toml", format!("[model.m]\npath = \"model\"\n{}", self.target(more))),
        }
    }

    /// Writes a manifest with a model that is served, and its rows.
    fn manifest_with_server(&self, more: &str) {
        let target = self.target(more);
        self.project.set("mlx.toml", format!("{ENV}[model.m]\npath = \"model\"\n{SERVE}{target}"));
        self.project.set("rows.csv", "a,b,c\n1,2,3\n0.5,0,0\n");
    }

    fn target(&self, more: &str) -> String {
        format!("[target.production]\nurl = \"{}\"\nmodel = \"m\"\n{more}\n", self.url)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(&self.project, arguments)
    }

    pub fn command_of(&self, project: &Project, arguments: &[&str]) -> Command {
        let mut command = project.command(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// As [`Place::command_of`], for a program that reaches the target past the counter, from a machine of its own.
    pub fn command_elsewhere(&self, project: &Project, target: &str, arguments: &[&str]) -> Command {
        let mut command = self.command_of(project, arguments);
        command.env("MLX_CACHE_DIR", project.home().join("another machine"));
        if self.server.is_some() {
            // Behind it the manifest may say more.
            let url = self.url.split('"').next().unwrap_or_default();
            command.env(format!("MLX_TARGET_{}_URL", target.to_uppercase()), self.uncounted(url));
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, self.uncounted(value))));
        command
    }

    /// An address with the server's own port in it.
    fn uncounted(&self, address: &str) -> String {
        match (self.counted, &self.server) {
            (Some(counted), Some(server)) => address.replace(&format!(":{counted}"), &format!(":{}", server.port)),
            _ => address.to_owned(),
        }
    }

    pub fn mlx(&self, arguments: &[&str]) -> Outcome {
        self.project.outcome(&mut self.command(arguments))
    }

    /// Registers the next version: a file of its own, and one that all versions have.
    pub fn version(&self, seed: u64) {
        let (own, shared) = (noise(200_000, seed), noise(3_000_000, 99));
        let mut files = vec![("a.bin", &own[..]), ("shared.bin", &shared)];
        files.extend(self.cluster.iter().map(|_| ("linear.onnx", LINEAR)));
        register(&self.project, &files);
    }

    /// The versions that lie there, and which of them is live.
    pub fn releases(&self) -> Vec<(u64, bool)> {
        let listed = self.mlx(&["releases", "production", "--json"]).success().json();
        let version = |release: &Value| (release["version"].as_u64().unwrap(), release["live"].as_bool().unwrap());
        listed["releases"].as_array().unwrap().iter().map(version).collect()
    }

    pub fn live(&self) -> Option<u64> {
        self.releases().into_iter().find(|(_, live)| *live).map(|(version, _)| version)
    }

    /// The files over there with this content.
    fn copies(&self, content: &[u8]) -> Vec<PathBuf> {
        let is_copy = |path: &PathBuf| fs::read(path).is_ok_and(|found| found == content);
        files_below(&self.files).into_iter().filter(is_copy).collect()
    }

    /// Bytes that went there so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

pub fn directory() -> Option<Place> {
    let place = Place {
        project: Project::empty(),
        url: "deploy/production".into(),
        variables: Vec::new(),
        files: PathBuf::new(),
        sent: Arc::default(),
        counted: None,
        cluster: None,
        server: None,
    };
    place.manifest("");
    Some(Place { files: place.project.path("deploy"), ..place })
}

pub fn ssh() -> Option<Place> {
    let server = services::ssh()?;
    let (port, sent) = counting(server.port);
    let files = server.dir.path().join("a target's");
    let url = format!("ssh://{}:{port}{}", services::HOST, files.display());
    let path = format!("{}:{}", server.dir.path().join("bin").display(), std::env::var("PATH").unwrap());
    Some(Place::new(url, &[("PATH", path)], files, (port, sent), server))
}

pub fn s3() -> Option<Place> {
    let server = services::s3()?;
    let (port, sent) = counting(server.port);
    let variables = [
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AWS_ACCESS_KEY_ID", services::KEY.into()),
        ("AWS_SECRET_ACCESS_KEY", services::SECRET.into()),
        ("AWS_REGION", "us-east-1".into()),
    ];
    let files = server.dir.path().join("data");
    Some(Place::new(format!("s3://{}/a/target", services::BUCKET), &variables, files, (port, sent), server))
}

pub fn webdav() -> Option<Place> {
    let server = services::webdav("http://127.0.0.1:9/")?;
    let (port, sent) = counting(server.port);
    let variables = [("MLX_TARGET_PRODUCTION_USER", services::USER.into()), ("SECRET", services::PASSWORD.to_owned())];
    let files = server.dir.path().join("root");
    let place = Place::new(format!("http://127.0.0.1:{port}/auth/target"), &variables, files, (port, sent), server);
    Some(place.with_password())
}

pub fn registry() -> Option<Place> {
    let server = services::registry(false)?;
    let (port, sent) = counting(server.port);
    let home = server.dir.path().join("docker");
    fs::create_dir_all(&home).unwrap();
    // `mlx:throwaway` in Base64.
    let auth = json!({ "auth": "bWx4OnRocm93YXdheQ==" });
    let login = json!({ "auths": { format!("127.0.0.1:{port}"): auth, format!("127.0.0.1:{}", server.port): auth } });
    fs::write(home.join("config.json"), login.to_string()).unwrap();
    let variables = [("DOCKER_CONFIG", home.to_str().unwrap().to_owned())];
    let files = server.dir.path().join("data");
    Some(Place::new(format!("oci://127.0.0.1:{port}/models/m"), &variables, files, (port, sent), server))
}

pub fn kubernetes() -> Option<Place> {
    let server = services::registry(true)?;
    let (port, sent) = counting(server.port);
    let project = Project::empty();
    let cluster = Kubectl::serving(&project);
    // The closing quote comes from the manifest.
    let url = format!(
        "oci://127.0.0.1:{port}/models/m\"\nkind = \"kubernetes\"\nimage = {{ server = \"mlx:test\" }}\nnamespace = \"ml"
    );
    let place = Place {
        project,
        url,
        variables: cluster.environment().into(),
        files: server.dir.path().join("data"),
        sent,
        counted: Some(port),
        cluster: Some(cluster),
        server: Some(server),
    };
    place.manifest("");
    Some(place)
}

impl Place {
    /// The password comes from where the manifest says.
    fn with_password(mut self) -> Self {
        self.url += "\"\nauth.password.env = \"SECRET";
        self.manifest("");
        self
    }
}

/// Each rule for each kind, so that a failure names both.
macro_rules! suite {
    ($($place:ident),*; $rules:tt) => {
        $(suite! { @place $place $rules })*
    };
    (@place $place:ident ($($rule:ident),* $(,)?)) => {
        mod $place {
            $(
                #[test]
                fn $rule() {
                    if let Some(place) = super::super::targets::$place() {
                        super::rules::$rule(&place);
                    }
                }
            )*
        }
    };
}

suite! {
    directory, ssh, s3, webdav, registry, kubernetes;
    (
        only_what_changed_is_sent_and_the_way_back_needs_nothing,
        a_target_that_works_passes_its_test,
        a_server_that_does_not_answer_brings_the_old_release_back,
        two_deploys_at_once_leave_one_whole_release_live,
        a_deploy_that_is_killed_before_the_switch_is_done_again,
        what_is_damaged_there_is_noticed,
        there_is_no_way_back_to_a_release_that_lost_a_content,
        releases_that_are_too_many_go,
        a_release_is_tried_before_it_is_live_and_answers_anywhere,
    )
}

mod rules {
    use super::*;

    pub fn only_what_changed_is_sent_and_the_way_back_needs_nothing(place: &Place) {
        place.version(1);
        place.mlx(&["deploy", "production"]).success().prints("`m` 1");
        place.mlx(&["deploy", "production"]).success().prints("nothing changed");
        assert!(!place.copies(&noise(3_000_000, 99)).is_empty());
        place.version(2);
        let before = place.sent();

        let plan = place.mlx(&["deploy", "production", "--plan", "--json"]).success().json();
        place.mlx(&["deploy", "production"]).success().prints("before: `m` 1");

        let after = place.sent();
        let uploads: Vec<&str> =
            plan["upload"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
        assert!(uploads.contains(&"model/a.bin") && !uploads.contains(&"model/shared.bin"), "{uploads:?}");
        // A cluster gets an image besides.
        let most = if place.cluster.is_some() { 600_000 } else { 300_000 };
        assert!(after - before < most, "{} bytes were sent", after - before);
        assert_eq!(place.releases(), [(2, true), (1, false)]);

        place.mlx(&["rollback", "production"]).success().prints("`m` 1");

        assert!(place.sent() - after < 50_000, "{} bytes were sent", place.sent() - after);
        assert_eq!(place.releases(), [(1, true), (2, false)]);
        place.mlx(&["rollback", "production"]).exits_with(1).says("`production` has no release to go back to");
        let history = place.mlx(&["releases", "production", "--json"]).success().json();
        let done = |entry: &Value| format!("{} {}", entry["action"].as_str().unwrap(), entry["version"]);
        let done: Vec<String> = history["history"].as_array().unwrap().iter().map(done).collect();
        assert_eq!(done, ["deploy 1", "deploy 2", "rollback 1"]);
    }

    pub fn a_target_that_works_passes_its_test(place: &Place) {
        place.mlx(&["target", "test", "production"]).success().prints("can be deployed to");
        place.version(1);
        place.mlx(&["deploy", "production"]).success();

        place.mlx(&["target", "test", "production"]).success().prints("can be deployed to");

        assert_eq!(place.releases(), [(1, true)]);
    }

    pub fn a_server_that_does_not_answer_brings_the_old_release_back(place: &Place) {
        place.version(1);
        place.mlx(&["deploy", "production"]).success();
        place.version(2);
        // In a cluster pods have to come up within the same time.
        let timeout = if place.cluster.is_some() { "20s" } else { "1s" };
        let url = answering("503 Unavailable");
        place.manifest(&format!("health = {{ url = \"{url}\", timeout = \"{timeout}\" }}"));

        place.mlx(&["deploy", "production"]).exits_with(4).says("is live again");

        assert_eq!(place.live(), Some(1));
        place.mlx(&["releases", "production", "--history"]).success().prints("taken back");
    }

    pub fn two_deploys_at_once_leave_one_whole_release_live(place: &Place) {
        place.version(1);
        place.version(2);

        let children = ["m:1", "m:2"].map(|version| {
            let mut command = place.command(&["deploy", "production", version, "--quiet"]);
            command.stderr(Stdio::piped()).spawn().unwrap()
        });
        let ended = children.map(|child| child.wait_with_output().unwrap());

        assert!(ended.iter().any(|output| output.status.success()), "{ended:?}");
        for output in ended.iter().filter(|output| !output.status.success()) {
            let said = String::from_utf8_lossy(&output.stderr);
            // Where nothing compares and swaps in one step, the first one may learn it later.
            let is_known = ["is being changed by mlx deploy", "was lost: somebody took it over"];
            assert!(is_known.iter().any(|text| said.contains(text)), "{said}");
        }
        let releases = place.releases();
        assert_eq!(releases.iter().filter(|(_, live)| *live).count(), 1, "{releases:?}");
    }

    pub fn a_deploy_that_is_killed_before_the_switch_is_done_again(place: &Place) {
        place.version(1);
        place.mlx(&["deploy", "production"]).success();
        place.version(2);

        // It can't say its warning, which comes between the upload and the switch.
        let (reader, writer) = full_pipe();
        let mut child = place.command(&["deploy", "production"]).stderr(writer).spawn().unwrap();
        while place.releases().len() < 2 {
            assert_eq!(child.try_wait().unwrap(), None, "it waits");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        drop(reader);

        assert_eq!(place.live(), Some(1));
        place.mlx(&["deploy", "production"]).success().prints("before: `m` 1");
        assert_eq!(place.releases(), [(2, true), (1, false)]);
    }

    pub fn what_is_damaged_there_is_noticed(place: &Place) {
        let content = noise(200_000, 1);
        place.version(1);
        place.mlx(&["deploy", "production"]).success();
        for copy in place.copies(&content) {
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(copy, &content[..1000]).unwrap();
        }
        let plan = place.mlx(&["deploy", "production", "--plan"]).success();

        let mended = place.mlx(&["deploy", "production"]);

        plan.prints("Would repair `m` 1");
        if place.url.starts_with("oci:") {
            // A registry takes no content that it has.
            mended.exits_with(1).says("is still damaged").says("let its operator delete that blob");
            return;
        }
        mended.success().prints("whole again");
        assert!(!place.copies(&content).is_empty());
        // Where files lie, one among the code that the bundle did not bring is damage, too: Python would run it.
        let described = files_below(&place.files).into_iter().find(|file| file.ends_with("mlx.bundle.json"));
        if let Some(described) = described {
            let release = described.parent().unwrap();
            fs::set_permissions(release, fs::Permissions::from_mode(0o755)).unwrap();
            fs::create_dir_all(release.join("code/deep")).unwrap();
            fs::write(release.join("code/deep/json.py"), "raise SystemExit").unwrap();

            place.mlx(&["deploy", "production", "--plan"]).success().prints("Would repair `m` 1");
            place.mlx(&["deploy", "production"]).success().prints("whole again");

            assert!(!release.join("code/deep").exists());
        }
        place.mlx(&["deploy", "production"]).success().prints("nothing changed");
    }

    pub fn there_is_no_way_back_to_a_release_that_lost_a_content(place: &Place) {
        place.version(1);
        place.mlx(&["deploy", "production"]).success();
        place.version(2);
        place.mlx(&["deploy", "production"]).success();
        place.copies(&noise(200_000, 1)).into_iter().for_each(|copy| fs::remove_file(copy).unwrap());

        place.mlx(&["rollback", "production"]).exits_with(4).says("is missing or damaged");

        assert_eq!(place.live(), Some(2));
        place.mlx(&["deploy", "production", "m:1"]).success().prints("`m` 1");
        assert_eq!(place.live(), Some(1));
    }

    pub fn releases_that_are_too_many_go(place: &Place) {
        place.manifest("keep = 2");
        for version in 1..=3 {
            place.version(version);
            place.mlx(&["deploy", "production"]).success();
        }

        assert_eq!(place.releases(), [(3, true), (2, false)]);
        // A registry cleans up by itself.
        let is_there = |seed| !place.copies(&noise(200_000, seed)).is_empty();
        assert_eq!((is_there(1), is_there(2)), (place.url.starts_with("oci:"), true));
        place.mlx(&["rollback", "production"]).success().prints("`m` 2");
    }

    pub fn a_release_is_tried_before_it_is_live_and_answers_anywhere(place: &Place) {
        place.manifest_with_server("health = { timeout = \"60s\" }");
        register(&place.project, &[("linear.onnx", LINEAR)]);
        place.mlx(&["deploy", "production"]).success();
        register(&place.project, &[("linear.onnx", &linear_with_bias(1.5))]);
        let bad = tampered(&place.project);

        let refused = place.mlx(&["deploy", "production", "--bundle", bad.to_str().unwrap()]).exits_with(4);

        refused.says("does not answer and is not live").says("last lines of its server:");
        assert_eq!(place.releases(), [(1, true)]);
        // Somebody else, who has nothing but the target.
        let elsewhere = Project::empty();
        elsewhere.set(
            "mlx.toml",
            place.target("").replace("\"deploy/", &format!("\"{}/deploy/", place.project.root().display())),
        );
        elsewhere.set("rows.csv", "a,b,c\n1,2,3\n");
        let mut ask = place.command_of(&elsewhere, &["predict", "production", "--input", "rows.csv", "--json"]);
        let answer = elsewhere.outcome(ask.env("MLX_CACHE_DIR", elsewhere.path("cache"))).success().json();
        assert_eq!(answer["outputs"][0]["data"], json!([2.5]));
        assert_eq!(answer["parameters"]["run"], "0123456789ab");
    }
}

#[test]
fn a_machine_that_shows_another_key_gets_nothing() {
    let Some(place) = ssh() else { return };
    place.version(1);
    let server = place.server.as_ref().unwrap().dir.path();
    let key = fs::read_to_string(server.join("wrong_key.pub")).unwrap();
    fs::write(server.join("known_hosts"), format!("{} {key}", services::HOST)).unwrap();

    let refused = place.mlx(&["deploy", "production"]).exits_with(1);
    place.mlx(&["target", "test", "production"]).exits_with(1).says("another host key");

    refused.says("shows another host key").says("somebody may be in between");
    assert!(!place.files.exists());
}

#[test]
fn places_that_may_not_be_written_are_said_to_be() {
    let check = |place: Option<Place>, from: &str, to: &str, says: &[&str]| {
        let Some(mut place) = place else { return };
        place.url = place.url.replace(from, to);
        place.manifest("");
        place.version(1);
        for arguments in [["deploy", "production"].as_slice(), &["target", "test", "production"]] {
            let outcome = place.mlx(arguments).exits_with(1);
            says.iter().fold(outcome, |outcome, text| outcome.says(text));
        }
    };
    let ssh = ssh();
    let files = ssh.as_ref().map_or(String::new(), |place| place.files.display().to_string());
    check(ssh, &files, "/proc/locked", &["cannot lock ssh://", "/proc/locked"]);
    check(webdav(), "/auth/", "/read/", &["this remote can't"]);
    let without_login = registry().map(|place| Place { variables: Vec::new(), ..place });
    check(without_login, "", "", &["401 Unauthorized", "docker login"]);
    let with_wrong_secret = s3().map(|place| {
        let variables = place.variables.iter().map(|(name, value)| {
            let value = if name == "AWS_SECRET_ACCESS_KEY" { "hunter2" } else { value };
            (name.clone(), value.to_owned())
        });
        Place { variables: variables.collect(), ..place }
    });
    check(with_wrong_secret, "", "", &["403", "AWS_ACCESS_KEY_ID"]);
}

#[test]
fn a_release_is_tried_on_the_machine_that_serves_it() {
    let Some(place) = ssh() else { return };
    place.manifest("serve = true\nhealth = { timeout = \"60s\" }");
    let serve = "serve = { onnx = \"model/linear.onnx\" }\nexamples = \"rows.csv\"\n";
    let env = "[env]\npython = { requirements = [\"onnxruntime==1.32.0\"] }\n";
    let manifest =
        place.project.read("mlx.toml").replacen("path = \"model\"\n", &format!("path = \"model\"\n{serve}"), 1);
    place.project.set("mlx.toml", format!("{env}{manifest}"));
    place.project.set("rows.csv", "a,b,c\n1,2,3\n");
    register(&place.project, &[("linear.onnx", LINEAR)]);
    place.mlx(&["deploy", "production"]).success();
    let put = place.sent();
    register(&place.project, &[("linear.onnx", &linear_with_bias(1.5))]);

    place.mlx(&["deploy", "production"]).success();

    assert!(place.sent() - put < 1 << 20, "mlx is put there once");
    let program = place.files.join("mlx");
    assert_eq!(fs::read(&program).unwrap().len(), fs::read(env!("CARGO_BIN_EXE_mlx")).unwrap().len());
    // One that was damaged is put there anew.
    let bin = files_below(&place.files.join("bin")).pop().unwrap();
    fs::write(&bin, "#!/bin/sh\nexit 7\n").unwrap();
    place.mlx(&["rollback", "production"]).success();
    assert_eq!(fs::read(&program).unwrap().len(), fs::read(env!("CARGO_BIN_EXE_mlx")).unwrap().len());

    // One that hangs over there, and not here, is ended, and what is live stays.
    let mark = place.project.path("process");
    let class = HANGING.replace("os.environ.get(\"HANG\")", "os.environ.get(\"SSH_CONNECTION\")");
    let class = class.replace("os.environ[\"HANG\"]", &format!("{mark:?}"));
    in_python(&place, &class, "serve = true\nhealth = { timeout = \"10s\" }");
    register(&place.project, &[("a.bin", b"hangs")]);
    let refused = place.mlx(&["deploy", "production"]).exits_with(4).says("it was not ready within 10 s on ssh://");
    refused.says("waiting for the licence server").says("serves `m` 1 (");
    await_end(&mark);
    assert_eq!(place.live(), Some(1));
}

#[test]
fn what_another_target_of_the_registry_has_is_not_sent() {
    let Some(place) = registry() else { return };
    place.version(1);
    place.mlx(&["deploy", "production"]).success();
    let manifest = place.project.read("mlx.toml");
    let staging = format!("[target.staging]\nurl = \"{}-staging:live\"\nmodel = \"m\"\n", place.url);
    place.project.set("mlx.toml", format!("{manifest}{staging}"));
    let before = place.sent();

    place.mlx(&["deploy", "staging"]).success();

    assert!(place.sent() - before < 100_000, "{} bytes were sent", place.sent() - before);
}

/// Stands before a registry and lets in only who has a token, which it gives for a password.
fn wanting_tokens(registry: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && matches!(client.read(&mut byte), Ok(1)) {
                    head.push(byte[0]);
                }
                let text = String::from_utf8_lossy(&head).to_lowercase();
                let say = |client: &mut TcpStream, status: &str, headers: &str, body: &str| {
                    let length = body.len();
                    let _ = write!(
                        client,
                        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                    );
                };
                if text.starts_with("get /token?") {
                    let is_known = text.contains("authorization: basic bwx4onrocm93yxdheq==");
                    match is_known
                        && text.contains("service=test")
                        && text.contains("repository%3amodels%2fm%3apull%2cpush")
                    {
                        true => say(&mut client, "200 OK", "", r#"{"token": "let-me-in", "expires_in": 300}"#),
                        false => say(&mut client, "401 Unauthorized", "", "{}"),
                    }
                    return;
                }
                if !text.contains("authorization: bearer let-me-in") {
                    let challenge = format!(
                        "www-authenticate: Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"test\"\r\n"
                    );
                    say(&mut client, "401 Unauthorized", &challenge, "");
                    return;
                }
                let mut server = TcpStream::connect(("127.0.0.1", registry)).unwrap();
                let end = head.len() - 2;
                server.write_all(&[&head[..end], b"connection: close\r\n\r\n"].concat()).unwrap();
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || pump(from, to, None));
                pump(server, client, None);
            });
        }
    });
    port
}

#[test]
fn a_registry_that_wants_tokens_gets_them() {
    let Some(server) = services::registry(true) else { return };
    let port = wanting_tokens(server.port);
    let files = server.dir.path().join("data");
    let variables = [
        ("MLX_TARGET_PRODUCTION_USER", services::USER.to_owned()),
        ("MLX_TARGET_PRODUCTION_PASSWORD", services::PASSWORD.to_owned()),
    ];
    let place =
        Place::new(format!("oci://127.0.0.1:{port}/models/m"), &variables, files, (port, Arc::default()), server);
    place.version(1);

    place.mlx(&["deploy", "production"]).success();

    assert_eq!(place.releases(), [(1, true)]);
    let wrong = Place {
        variables: vec![place.variables[0].clone(), (place.variables[1].0.clone(), "hunter2".into())],
        ..place
    };
    let refused = wrong.mlx(&["releases", "production"]).exits_with(1).says("MLX_TARGET_PRODUCTION_PASSWORD");
    assert!(!refused.stderr.contains("hunter2"));
}

#[test]
fn other_tools_pull_what_was_deployed() {
    let (Some(place), Some(skopeo)) = (registry(), services::program("skopeo")) else { return };
    place.version(1);
    let deployed = place.mlx(&["deploy", "production", "--json"]).success().json();
    let reference = place.url.replace("oci://", "docker://") + ":production";
    let auth = Path::new(&place.variables[0].1).join("config.json");
    let mut inspect = place.project.other(skopeo.to_str().unwrap(), &["inspect", "--raw", "--tls-verify=false"]);

    let raw = place.project.outcome(inspect.arg("--authfile").arg(auth).arg(&reference)).success();

    assert_eq!(mlx::Digest::of(raw.stdout.as_bytes()).to_string(), deployed["release"].as_str().unwrap());
}

#[test]
fn targets_stand_over_a_base() {
    let Some(place) = directory() else { return };
    place.version(1);
    let base = "[target.base]\nmodel = \"m\"\nbefore = \"echo $MLX_TARGET >>hooked\"\n";
    let over = "[target.staging]\nbase = \"base\"\nurl = \"deploy/staging\"\n\
        [target.production]\nbase = \"staging\"\nurl = \"deploy/production\"\nkeep = 2\n";
    place.project.set("mlx.toml", format!("[model.m]\npath = \"model\"\n{base}{over}"));

    place.mlx(&["deploy", "staging"]).success();
    place.mlx(&["deploy", "production"]).success();

    assert_eq!(place.project.read("hooked"), "staging\nproduction\n");
    place.mlx(&["deploy", "base"]).exits_with(2).says("there is no target `base`");
    place.mlx(&["target", "list"]).success().prints("deploy/staging");
    let mut moved = place.command(&["target", "list"]);
    place.project.outcome(moved.env("MLX_TARGET_STAGING_URL", "elsewhere")).success().prints("elsewhere");
    place.project.set("mlx.toml", "[target]\na.base = \"b\"\nb.base = \"a\"\n");
    place.mlx(&["target", "list"]).exits_with(2).says("go in a circle");
    place.project.set("mlx.toml", "[target.a]\nurl = \"x\"\nauth = { password = \"hunter2\" }\n");
    let refused = place.mlx(&["target", "list"]).exits_with(2).says("a secret does not belong into the manifest");
    assert!(!refused.stderr.contains("hunter2"));
}
