//! Runs and the step cache from one clone to another: through a directory, a bucket and a web server that can't list; with
//! damage, with hostile records, and with two who push at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mlx::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Outcome, Project, files_below};
use crate::services::{self, Server};

const MANIFEST: &str = "
[params]
train = { depth = 6 }

[step.prepare]
cmd = 'mkdir -p clean && cp raw clean/a && cp raw clean/b'
deps = ['raw']
outs = ['clean']

[step.train]
cmd = 'echo training at ${train.depth}; cat clean/a > model; echo ${train.depth} >> model'
deps = ['clean/a']
outs = ['model']
";

/// A place that clones share, and what the environment holds to get there.
struct Place {
    _kept: (Option<Server>, Option<TempDir>),
    url: String,
    variables: Vec<(&'static str, String)>,
}

impl Place {
    fn directory() -> Self {
        let dir = tempfile::Builder::new().prefix("mlx-remote-").tempdir().unwrap();
        let url = dir.path().join("remote").to_string_lossy().into_owned();
        Self { _kept: (None, Some(dir)), url, variables: Vec::new() }
    }

    fn s3() -> Option<Self> {
        let server = services::s3()?;
        let variables = vec![
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", server.port)),
            ("AWS_ACCESS_KEY_ID", services::KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", services::SECRET.into()),
        ];
        let url = format!("s3://{}/team/demo", services::BUCKET);
        Some(Self { _kept: (Some(server), None), url, variables })
    }

    fn command(&self, project: &Project, arguments: &[&str]) -> Command {
        let mut command = project.command(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn mlx(&self, project: &Project, arguments: &[&str]) -> Outcome {
        project.outcome(&mut self.command(project, arguments))
    }

    /// A project with this place as its remote, trained at these depths and committed.
    fn project(&self, depths: &[u32]) -> Project {
        let project = Project::with_manifest(MANIFEST).write("raw", "1\n");
        self.mlx(&project, &["remote", "add", "origin", &self.url]).success();
        self.mlx(&project, &["add", "raw"]).success();
        depths.iter().for_each(|depth| drop(self.train(&project, *depth)));
        project.commit("trained");
        project
    }

    fn clone_of(&self, project: &Project) -> Project {
        let clone = Project::empty();
        clone.git(&["clone", "--quiet", &project.root().to_string_lossy(), &clone.root().to_string_lossy()]);
        clone
    }

    /// Trains at this depth; returns the run and what became of its steps.
    fn train(&self, project: &Project, depth: u32) -> (Value, Outcome) {
        let setting = format!("train.depth={depth}");
        let outcome = self.mlx(project, &["train", "--json", "--set", &setting]).success();
        (outcome.json(), outcome)
    }
}

fn outcomes(run: &Value) -> Vec<&str> {
    run["steps"].as_array().unwrap().iter().map(|step| step["outcome"].as_str().unwrap()).collect()
}

fn runs(project: &Project) -> Vec<String> {
    let listed = project.mlx(&["runs", "--json"]).success().json();
    let mut ids: Vec<String> =
        listed["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn record_files(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(&place.url).join("records")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// What one trained, another restores; whose outputs were not pushed, the other makes.
fn travels(place: &Place) {
    let a = place.project(&[3, 4]);
    place.mlx(&a, &["runs", "name", "latest", "best"]).success();
    place.mlx(&a, &["push"]).success().prints("Sent the records of 2 runs");
    place.mlx(&a, &["push"]).success().prints("Up to date");
    let b = place.clone_of(&a);
    place.mlx(&b, &["pull"]).success().prints("Received the records of 2 runs, what is said of 1 run");

    assert_eq!(runs(&b), runs(&a));
    assert_eq!(outcomes(&place.train(&b, 4).0), ["up_to_date", "up_to_date"]);
    assert_eq!(outcomes(&place.train(&b, 3).0), ["up_to_date", "ran"], "these outputs are on no remote");
    fs::remove_dir_all(b.path(".mlx/store")).unwrap();
    place.mlx(&a, &["push", "--all-runs"]).success();
    let c = place.clone_of(&a);
    place.mlx(&c, &["pull"]).success();
    place.mlx(&c, &["dag", "--set", "train.depth=3"]).success().prints("a remote has it");
    let explained = place.mlx(&c, &["explain", "train", "--set", "train.depth=3", "--json"]).success().json();
    assert_eq!(
        (&explained["outputs"][0]["in_store"], &explained["outputs"][0]["on_remote"]),
        (&false.into(), &true.into())
    );
    assert_eq!(outcomes(&place.train(&c, 3).0), ["up_to_date", "restored"]);
    assert_eq!(c.read("model"), "1\n3\n");
    place.mlx(&c, &["verify"]).success();
    // Logs and the outputs of a run come when they are asked for.
    let best = place.mlx(&c, &["runs", "show", "best", "--json"]).success().json()["id"].as_str().unwrap().to_owned();
    place.mlx(&c, &["logs", "best", "train"]).exits_with(1).says("mlx fetch --runs");
    place.mlx(&c, &["fetch", "--runs", "best"]).success();
    place.mlx(&c, &["logs", &best, "train"]).success().prints("training at 4");
    place.mlx(&c, &["runs", "restore", "best"]).success();
    assert_eq!(c.read("model"), "1\n4\n");
}

#[test]
fn through_a_directory() {
    travels(&Place::directory());
}

#[test]
fn through_a_bucket() {
    let Some(place) = Place::s3() else { return };
    travels(&place);
}

#[test]
fn through_a_web_server_that_cannot_list() {
    let Some(server) = services::webdav("http://127.0.0.1:9/") else { return };
    let [url, read] = ["open", "read"].map(|path| format!("http://127.0.0.1:{}/{path}/demo", server.port));
    let place = Place { _kept: (Some(server), None), url, variables: Vec::new() };
    let a = place.project(&[3]);
    place.mlx(&a, &["push"]).success();
    let b = place.clone_of(&a);

    b.outcome(place.command(&b, &["pull"]).env("MLX_REMOTE_ORIGIN_URL", &read)).success();

    assert_eq!(runs(&b), runs(&a));
}

#[test]
fn training_asks_others_first_where_that_is_wanted() {
    let place = Place::directory();
    let a = place.project(&[3]);
    place.mlx(&a, &["push"]).success();
    let b = place.clone_of(&a);
    place.mlx(&b, &["pull"]).success();
    place.train(&a, 5);
    place.mlx(&a, &["push"]).success();

    let run = place.mlx(&b, &["train", "--pull", "--set", "train.depth=5", "--json"]).success().json();

    assert_eq!(outcomes(&run), ["up_to_date", "restored"]);
    // What a remote can give again stays known.
    let c = place.clone_of(&a);
    place.mlx(&c, &["pull"]).success();
    place.mlx(&c, &["gc", "--yes", "--grace", "0s"]).success();
    assert_eq!(outcomes(&place.train(&c, 5).0), ["up_to_date", "restored"]);
}

#[test]
fn without_the_remote_a_step_runs_and_a_warning_says_why() {
    let place = Place::directory();
    let a = place.project(&[3, 4]);
    place.mlx(&a, &["push", "--all-runs"]).success();
    let b = place.clone_of(&a);
    place.mlx(&b, &["pull"]).success();
    let away = |arguments: &[&str]| {
        let mut command = place.command(&b, arguments);
        // Nobody listens there.
        b.outcome(command.env("MLX_REMOTE_ORIGIN_URL", "http://127.0.0.1:9/away")).success()
    };

    let outcome = away(&["train", "--json", "--set", "train.depth=3"]);

    assert_eq!(outcomes(&outcome.json()), ["up_to_date", "ran"]);
    assert!(outcome.stderr.contains("nothing can be had from the remote `origin`"), "{}", outcome.stderr);
    let run = away(&["train", "--json", "--set", "train.depth=7"]);
    assert_eq!(outcomes(&run.json()), ["up_to_date", "ran"]);
    assert!(!run.stderr.contains("remote"), "what is on no remote is not asked for: {}", run.stderr);
    away(&["train", "--pull", "--set", "train.depth=8"]).says("cannot ask the remote");
}

#[test]
fn two_who_push_at_once_both_arrive() {
    let place = Place::directory();
    let base = place.project(&[3]);
    place.mlx(&base, &["push"]).success();
    let clones: Vec<Project> = (0..2).map(|_| place.clone_of(&base)).collect();
    clones.iter().for_each(|clone| drop(place.mlx(clone, &["pull"]).success()));
    for round in 0..4 {
        for (number, clone) in clones.iter().enumerate() {
            place.train(clone, 100 + 10 * round + number as u32);
        }
        let start = |clone: &Project| -> Child {
            place.command(clone, &["push", "--all-runs"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let children: Vec<Child> = clones.iter().map(start).collect();
        children.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
    }

    let reader = place.clone_of(&base);
    place.mlx(&reader, &["pull"]).success();

    let mut all: Vec<String> = clones.iter().flat_map(runs).collect();
    all.sort();
    all.dedup();
    assert_eq!((runs(&reader), all.len()), (all, 9));
    assert_eq!(outcomes(&place.train(&reader, 130).0), ["up_to_date", "restored"]);
    assert_eq!(outcomes(&place.train(&reader, 131).0), ["up_to_date", "restored"]);
    let catalog: Value = serde_json::from_slice(&fs::read(Path::new(&place.url).join("catalog")).unwrap()).unwrap();
    assert_eq!(catalog["records"].as_array().unwrap().len(), record_files(&place).len());
}

#[test]
fn a_damaged_file_of_records_is_passed_over_and_mended_by_the_next_push() {
    let place = Place::directory();
    let a = place.project(&[3]);
    place.mlx(&a, &["push"]).success();
    let file = record_files(&place).pop().unwrap();
    let good = fs::read(&file).unwrap();
    for bit in (0..good.len() * 8).step_by(good.len() * 8 / 12) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, &bad).unwrap();
        let b = place.clone_of(&a);

        place.mlx(&b, &["pull"]).success().says("it is damaged: its content is not what its name says");

        assert_eq!((runs(&b).len(), b.read("model")), (0, "1\n3\n".to_owned()));
    }
    fs::write(&file, &good[..good.len() / 2]).unwrap();

    place.mlx(&a, &["push"]).success().prints("Sent the records of 1 run");

    let b = place.clone_of(&a);
    place.mlx(&b, &["pull"]).success();
    assert_eq!(runs(&b), runs(&a));
    place.mlx(&a, &["push"]).success().prints("Up to date");
}

#[test]
fn silent_damage_of_records_is_found_by_verify_and_mended_by_a_push_that_is_told_to() {
    let place = Place::directory();
    let a = place.project(&[3]);
    place.mlx(&a, &["push"]).success();
    let file = record_files(&place).pop().unwrap();
    let (mut bytes, modified) = (fs::read(&file).unwrap(), fs::metadata(&file).unwrap().modified().unwrap());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();

    let name = format!("`records/{}` is damaged", file.file_name().unwrap().to_str().unwrap());
    place.mlx(&a, &["verify", "--remote"]).exits_with(4).prints(&name).says("mlx push --repair");
    place.mlx(&a, &["push", "--repair"]).success().prints("Sent the records of 1 run");
    place.mlx(&a, &["verify", "--remote"]).success();
    let b = place.clone_of(&a);
    place.mlx(&b, &["pull"]).success();
    assert_eq!(runs(&b), runs(&a));
}

#[test]
fn a_damaged_record_here_is_mended_by_a_pull_that_is_told_to() {
    let place = Place::directory();
    let a = place.project(&[3]);
    place.mlx(&a, &["push"]).success();
    let before = runs(&a);
    let record = files_below(&a.path(".mlx/store/records/runs")).remove(0);
    let good: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    for bad in ["", "{\"run\": ", "\0\0\0"] {
        fs::write(&record, bad).unwrap();
        place.mlx(&a, &["verify"]).exits_with(4).says("mlx pull --repair");

        place.mlx(&a, &["pull", "--repair"]).success().prints("Received the records of 1 run");

        place.mlx(&a, &["verify"]).success();
        assert_eq!(serde_json::from_slice::<Value>(&fs::read(&record).unwrap()).unwrap(), good);
    }
    assert_eq!(runs(&a), before);
}

/// Many who push little leave few files, in which everybody finds everything; `read` is where new clones read.
fn many_pushes_leave_few_files(place: &Place, files: &Path, read: &str) {
    let a = place.project(&[0]);
    let mut b = None;
    let count = |directory: &str| fs::read_dir(files.join(directory)).unwrap().count();
    let (mut most_records, mut most_packs) = (0, 0);
    for round in 1..=36 {
        place.train(&a, round);
        place.mlx(&a, &["push", "--all-runs"]).success();
        (most_records, most_packs) = (most_records.max(count("records")), most_packs.max(count("packs")));
        if round == 5 {
            let clone = place.clone_of(&a);
            place.mlx(&clone, &["pull"]).success();
            b = Some(clone);
        }
    }
    assert!((15..20).contains(&most_records) && (15..24).contains(&most_packs), "{most_records} {most_packs}");

    let b = b.unwrap();
    place.mlx(&b, &["pull"]).success();
    assert_eq!(runs(&b), runs(&a));
    place.mlx(&b, &["push"]).success().prints("Up to date");
    place.mlx(&b, &["verify", "--remote"]).success();
    a.commit("trained");
    let c = place.clone_of(&a);
    c.outcome(place.command(&c, &["pull"]).env("MLX_REMOTE_ORIGIN_URL", read)).success();
    assert_eq!(runs(&c), runs(&a));
    assert_eq!(outcomes(&place.train(&c, 7).0), ["up_to_date", "restored"]);
    place.mlx(&c, &["verify"]).success();
    let catalog: Value = serde_json::from_slice(&fs::read(files.join("catalog")).unwrap()).unwrap();
    for part in ["records", "packs"] {
        assert_eq!(catalog[part].as_array().unwrap().len(), count(part), "{part}");
    }
}

#[test]
fn many_pushes_to_a_directory_leave_few_files() {
    let place = Place::directory();
    many_pushes_leave_few_files(&place, &PathBuf::from(&place.url), &place.url);
}

#[test]
fn many_pushes_to_a_web_server_leave_few_files_that_can_be_read_without_listing() {
    let Some(server) = services::webdav("http://127.0.0.1:9/") else { return };
    let [url, read] = ["open", "read"].map(|path| format!("http://127.0.0.1:{}/{path}/demo", server.port));
    let files = server.dir.path().join("root/open/demo");
    let place = Place { _kept: (Some(server), None), url, variables: Vec::new() };
    many_pushes_leave_few_files(&place, &files, &read);
}

/// A file of records as anybody could write one.
fn plant(place: &Place, head: Value, records: &[Value]) {
    let lines = std::iter::once(&head).chain(records).map(|line| format!("{line}\n")).collect::<String>();
    let bytes = zstd::bulk::compress(lines.as_bytes(), 3).unwrap();
    let name = format!("{}.jsonl.zst", Digest::of(&bytes).hex());
    fs::write(Path::new(&place.url).join("records").join(name), bytes).unwrap();
}

#[test]
fn hostile_records_are_passed_over() {
    let place = Place::directory();
    let a = place.project(&[3]);
    place.mlx(&a, &["push"]).success();
    let b = place.clone_of(&a);
    let good = a.mlx(&["runs", "show", "latest", "--json"]).success().json();
    let id = good["id"].as_str().unwrap();
    let forged = |change: &dyn Fn(&mut Value)| {
        let mut run = good.clone();
        change(&mut run);
        run
    };
    let key = "0".repeat(64);
    let records = [
        json!({ "name": "../../../escaped", "record": {} }),
        json!({ "name": "runs/../../../escaped", "record": good }),
        json!({ "name": "models/m/versions/1", "record": {} }),
        json!({ "name": "runs/aaaaaaaaaaaa", "record": good }),
        json!({ "name": "runs/bbbbbbbbbbbb", "record": forged(&|run| run["id"] = "bbbbbbbbbbbb\u{1b}".into()) }),
        json!({ "name": "runs/cccccccccccc", "record": forged(&|run| { run["id"] = "cccccccccccc".into(); run["version"] = 99.into(); }) }),
        json!({ "name": format!("steps/{key}"), "record": { "version": 1 } }),
        json!({ "name": "labels/dddddddddddd", "record": { "version": 1, "run": "dddddddddddd", "name": "latest", "changed": "2026-01-01T00:00:00Z" } }),
        // What is there is not changed by who comes later.
        json!({ "name": format!("runs/{id}"), "record": forged(&|run| run["user"] = "mallory".into()) }),
    ];
    plant(&place, json!({ "mlx_records": 1, "records": records.len() }), &records);
    plant(&place, json!({ "mlx_records": 2, "records": 0 }), &[]);
    plant(&place, json!({ "mlx_records": 1, "records": 7 }), &[]);

    let pulled = place.mlx(&b, &["pull"]).success();

    assert!(pulled.stderr.contains("passed over 8 records"), "{}", pulled.stderr);
    assert!(
        pulled.stderr.contains("has version 2") && pulled.stderr.contains("it has 0 records of 7"),
        "{}",
        pulled.stderr
    );
    assert_eq!(runs(&b), [id]);
    let outside = [b.root().join("../escaped.json"), b.path("escaped.json"), b.path(".mlx/escaped.json")];
    assert!(outside.iter().all(|path| !path.exists()));
    place.mlx(&b, &["verify"]).success();
    assert_eq!(a.mlx(&["runs", "show", id, "--json"]).success().json()["user"], "tester");
}

#[test]
fn what_was_taken_away_stays_away_and_what_is_said_last_holds() {
    let place = Place::directory();
    let a = place.project(&[3, 4]);
    place.mlx(&a, &["runs", "tag", "latest", "first"]).success();
    place.mlx(&a, &["push"]).success();
    let b = place.clone_of(&a);
    place.mlx(&b, &["pull"]).success();
    let latest = runs(&a);
    place.mlx(&b, &["runs", "name", "latest", "winner"]).success();
    place.mlx(&b, &["push"]).success().prints("what is said of 1 run");
    place.mlx(&a, &["runs", "rm", &latest[0]]).success();

    place.mlx(&a, &["pull"]).success();

    assert_eq!(runs(&a).len(), 1);
    fs::remove_dir_all(a.path(".mlx/remotes")).unwrap();
    place.mlx(&a, &["pull"]).success();
    assert_eq!(runs(&a).len(), 1);
    let labels = place.mlx(&b, &["runs", "show", "winner", "--json"]).success().json();
    assert_eq!((&labels["name"], &labels["tags"][0]), (&"winner".into(), &"first".into()));
    place.mlx(&b, &["gc", "--yes", "--grace", "0s"]).success();
    place.mlx(&b, &["verify"]).success();
}
