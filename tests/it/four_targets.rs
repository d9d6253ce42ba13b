//! The example `targets`, whole: one manifest, and on each of its four targets a gate that says no, a server that takes new
//! releases over while it is asked, and the way back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::follow::{await_status, is_live, release_of, while_asked};
use crate::harness::{Outcome, Project};
use crate::server::{Answer, Server};
use crate::services;
use crate::targets::{self, Place};

/// What makes the network of the example better.
const BETTER: [&str; 4] = ["--set", "train.neurons=16", "--set", "train.epochs=60"];
/// What a deploy may send beyond what changed: documents, and what it asks.
const BESIDE: u64 = 100_000;

/// The example with five versions of its model, trained once for each build:
/// 1 is in production, 2 knows nothing, 3 was exported in training mode, 4 is better, 5 is 4 made by other code.
fn trained() -> &'static Path {
    static TRAINED: OnceLock<PathBuf> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("targets-example");
        let ready = directory.join("project");
        let _alone = mlx::fs::FileLock::exclusive(&directory.join("lock"), "a test", |_| {}).unwrap();
        let made = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        if made(&ready) <= made(Path::new(env!("CARGO_BIN_EXE_mlx"))) {
            let project = Project::empty();
            project.mlx(&["init", "--example", "targets"]).success();
            project.commit("start");
            let register = |settings: &[&str]| {
                project.mlx(&[&["train"], settings].concat()).success();
                project.mlx(&["model", "register", "wine"]).success();
            };
            register(&[]);
            project.mlx(&["model", "promote", "wine", "1", "production"]).success();
            register(&["--set", "train.epochs=1"]);
            register(&["--set", "export.mode=training"]);
            register(&BETTER);
            project.set("train.py", project.read("train.py") + "# The same, in other words.\n");
            register(&BETTER);
            let (old, new) = (directory.join("old"), directory.join("new"));
            copy(&project.root(), &new);
            let _ = fs::rename(&ready, &old);
            fs::rename(&new, &ready).unwrap();
            [old, new].iter().for_each(|left| drop(fs::remove_dir_all(left)));
        }
        ready
    })
}

/// Copies a directory as it is.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status();
    assert!(status.unwrap().success());
}

/// The example on its way to one of its targets.
struct Walk {
    place: Place,
    project: Project,
    target: &'static str,
}

impl Walk {
    fn new(place: Place, target: &'static str) -> Self {
        let project = Project::empty();
        copy(trained(), &project.root());
        Self { place, project, target }
    }

    /// The servers of the tests stand where the manifest has others, and the manifest says where the password is.
    fn at_home(&self, mut command: Command) -> Command {
        command.env_remove("DOCKER_CONFIG").env("MODELS_PASSWORD", services::PASSWORD);
        command.env("MLX_TARGET_OCI_USER", services::USER);
        command
    }

    fn mlx(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.at_home(self.place.command_of(&self.project, arguments));
        if self.place.server.is_some() {
            command.env(format!("MLX_TARGET_{}_URL", self.target.to_uppercase()), &self.place.url);
        }
        self.project.outcome(&mut command)
    }

    /// What a deploy of this version brought, its digest, and the bytes that went there.
    fn deploy(&self, version: &[&str]) -> (Value, String, u64) {
        let before = self.place.sent();
        let deployed = self.mlx(&[&["deploy", self.target, "--json"], version].concat()).success().json();
        let release = deployed["release"].as_str().unwrap().to_owned();
        (deployed, release, self.place.sent() - before)
    }

    /// `mlx serve TARGET --follow` on another machine.
    fn follow(&self) -> Server {
        let arguments = ["serve", self.target, "--follow", "--every", "0.2", "--port", "0"];
        Server::of(self.at_home(self.place.command_elsewhere(&self.project, self.target, &arguments)))
    }

    /// Asks for the wines of the example.
    fn ask(&self, server: &Server) -> Answer {
        let text = self.project.read("data/sample.csv");
        let wine = |line: &str| line.split(',').map(|value| value.parse().unwrap()).collect::<Vec<f64>>();
        let wines: Vec<Vec<f64>> = text.lines().skip(1).map(wine).collect();
        let shape = [wines.len(), wines[0].len()];
        let request =
            json!({"inputs": [{"name": "input", "shape": shape, "datatype": "FP32", "data": wines.concat()}]});
        let answer = server.post("/v2/models/wine/infer", &request.to_string());
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    }

    /// The versions that lie there, and which of them is live; and what was done, the oldest first.
    fn releases(&self) -> (Vec<(u64, bool)>, Vec<String>) {
        let listed = self.mlx(&["releases", self.target, "--json"]).success().json();
        let version = |release: &Value| (release["version"].as_u64().unwrap(), release["live"].as_bool().unwrap());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let done =
            |entry: &Value| format!("{} {} {}", text(&entry["action"]), entry["version"], text(&entry["outcome"]));
        let all = |key: &str| listed[key].as_array().unwrap().clone();
        (all("releases").iter().map(version).collect(), all("history").iter().map(done).collect())
    }

    /// The release that answers, as one of a steady stream of requests.
    fn answering(&self, server: &Server) -> String {
        let answer = self.ask(server);
        // The deploy beside it wants to get on, too.
        std::thread::sleep(Duration::from_millis(5));
        release_of(&answer)
    }
}

/// The paths of what was brought.
fn uploads(deployed: &Value) -> Vec<&str> {
    deployed["upload"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect()
}

#[track_caller]
fn assert_sent_what_changed(deployed: &Value, sent: u64) {
    let most = deployed["upload_bytes"].as_u64().unwrap() + BESIDE;
    assert!(sent <= most, "{sent} bytes were sent, and {most} may be");
    let heavy = |path: &&&str| path.starts_with("runtime/");
    assert_eq!(uploads(deployed).iter().find(heavy), None, "{deployed:#}");
}

fn goes_from_gate_to_swap_and_back(place: Option<Place>, target: &'static str) {
    let Some(place) = place else { return };
    let walk = Walk::new(place, target);
    let (_, first, _) = walk.deploy(&[]);
    let server = walk.follow();
    assert_eq!(release_of(&walk.ask(&server)), first);

    // Metrics that are too bad: the alias stays where it is, and so does the target.
    let promoted = walk.mlx(&["model", "promote", "wine", "2", "production"]).exits_with(4);
    assert!(promoted.text().contains("accuracy"), "{}", promoted.text());
    walk.mlx(&["deploy", target]).success().prints("`wine` 1 (").prints("nothing changed");

    // Metrics that look well, and other answers each time.
    let refused = walk.mlx(&["deploy", target, "wine:3"]).exits_with(4);
    let refused = refused.says("`wine` 3 (").says("does not answer and is not live").says("last lines of its server:");
    refused.says("does not answer as it did when it was packaged").says(&format!("`{target}` serves `wine` 1 ("));
    assert_eq!(walk.releases().0, [(1, true)]);
    assert_eq!(release_of(&walk.ask(&server)), first);

    // A better one takes over while the server is asked.
    walk.mlx(&["model", "promote", "wine", "4", "production"]).success();
    let (second, answered) = while_asked(
        2,
        || walk.answering(&server),
        || {
            let (deployed, release, sent) = walk.deploy(&[]);
            assert_sent_what_changed(&deployed, sent);
            await_status(&server, is_live(&release));
            release
        },
    );
    for answered in answered {
        let by_second = answered.iter().position(|release| *release == second).expect("some were asked after it");
        assert!(by_second > 0 && answered[..by_second].iter().all(|release| *release == first), "{answered:?}");
        assert!(answered[by_second..].iter().all(|release| *release == second), "{answered:?}");
    }

    // And back, with nothing to send.
    let before = walk.place.sent();
    let (_, answered) = while_asked(
        2,
        || walk.answering(&server),
        || {
            walk.mlx(&["rollback", target]).success().prints("`wine` 1 (");
            await_status(&server, is_live(&first))
        },
    );
    assert!(walk.place.sent() - before < 50_000, "{} bytes were sent", walk.place.sent() - before);
    assert!(answered.iter().all(|answered| answered.last() == Some(&first)), "{answered:?}");
    assert_eq!(walk.releases().0, [(1, true), (4, false)]);

    // Other code and the same weights.
    let (deployed, release, sent) = walk.deploy(&["wine:5"]);
    assert_sent_what_changed(&deployed, sent);
    assert!(!uploads(&deployed).iter().any(|path| path.starts_with("model/")), "{deployed:#}");
    await_status(&server, is_live(&release));
    let (releases, history) = walk.releases();
    assert_eq!(releases, [(5, true), (1, false), (4, false)]);
    assert_eq!(history, ["deploy 1 live", "deploy 3 refused", "deploy 4 live", "rollback 1 live", "deploy 5 live"]);
    walk.mlx(&["releases", target, "--history"]).success().prints("does not answer as it did when it was packaged");
}

#[test]
fn the_example_goes_to_a_directory_and_back() {
    goes_from_gate_to_swap_and_back(targets::directory(), "directory");
}

#[test]
fn the_example_goes_over_ssh_and_back() {
    goes_from_gate_to_swap_and_back(targets::ssh(), "ssh");
}

#[test]
fn the_example_goes_to_a_bucket_and_back() {
    goes_from_gate_to_swap_and_back(targets::s3(), "s3");
}

#[test]
fn the_example_goes_to_a_registry_and_back() {
    goes_from_gate_to_swap_and_back(targets::registry(), "oci");
}

/// Ends what `servers.sh` started.
struct Servers<'p> {
    project: &'p Project,
    path: String,
}

impl Servers<'_> {
    fn sh(&self, script: &str) -> Command {
        let mut command = self.project.other("sh", &["-c", script]);
        command.env("PATH", &self.path);
        command
    }
}

impl Drop for Servers<'_> {
    fn drop(&mut self) {
        let _ = self.sh("sh servers.sh stop").status();
    }
}

#[test]
fn the_servers_of_the_example_start_and_take_releases() {
    let programs = ["sshd", "s3s-fs", "docker-registry"].map(services::program);
    let [Some(_), Some(_), Some(_)] = &programs else { return };
    let directories = programs.iter().flatten().map(|program| program.parent().unwrap().display().to_string());
    let path = directories.chain([std::env::var("PATH").unwrap()]).collect::<Vec<_>>().join(":");
    let project = Project::empty();
    project.mlx(&["init", "--example", "targets"]).success();
    let servers = Servers { project: &project, path };

    project.outcome(&mut servers.sh("sh servers.sh start")).success().prints("next: . servers/env");

    for target in ["ssh", "s3", "oci"] {
        let mlx = env!("CARGO_BIN_EXE_mlx");
        let script = format!(". servers/env; exec {mlx} target test {target}");
        project.outcome(&mut servers.sh(&script)).success().prints("can be deployed to");
    }
    // A second time, in the same shell, they are others.
    let again = ". servers/env; sh servers.sh start && . servers/env && ssh web1 true";
    project.outcome(&mut servers.sh(again)).success();
    project.outcome(&mut servers.sh("sh servers.sh stop; ls servers")).success();
    assert!(!fs::read_dir(project.path("servers")).unwrap().flatten().any(|entry| entry.path().ends_with("ssh.pid")));
}
