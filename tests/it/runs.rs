//! `mlx runs`, `mlx compare` and `mlx logs`, on runs that are written through the library.

use insta::assert_snapshot;
use jiff::Timestamp;
use mlx::Digest;
use mlx::digest::{Object, ObjectKind};
use mlx::env::Environment;
use mlx::event::Silent;
use mlx::project::lock::LockedPath;
use mlx::project::{self, ProjectPath};
use mlx::run::{self, Host, Io, Outcome, Run, RunStep, Runs, Status};
use mlx::store::Store;

use crate::harness::Project;

const FIRST: &str = "aaaaaaaaaaaa";
const SECOND: &str = "aab111111111";

struct Place {
    project: Project,
    opened: project::Project,
    store: Store,
    runs: Runs,
}

impl Place {
    fn new() -> Self {
        let project = Project::with_manifest("");
        let opened = project::Project::open(&project.root()).unwrap();
        let store = Store::open(&opened.state("store")).unwrap();
        let runs = Runs::open(&opened, &store, &Silent).unwrap();
        Self { project, opened, store, runs }
    }

    /// With two runs, of which the second is better and the newest.
    fn with_two_runs() -> Self {
        let place = Self::new();
        let first = place.run(FIRST, 0);
        let mut second = place.run(SECOND, 3600);
        second.metrics.insert("auc".into(), 0.95);
        second.params.insert("train.trees".into(), 300.into());
        second.steps[0] = RunStep {
            outcome: Outcome::UpToDate,
            log: None,
            made_by: Some(FIRST.parse().unwrap()),
            ..second.steps[0].clone()
        };
        second.steps[1].deps = vec![locked("train.py", "new code")];
        place.runs.finish(&first).unwrap();
        place.runs.finish(&second).unwrap();
        place
    }

    fn run(&self, id: &str, second: i64) -> Run {
        let log = |text: &str| Some(self.store.put_bytes(text.as_bytes()).unwrap());
        Run {
            version: 1,
            id: id.parse().unwrap(),
            status: Status::Finished,
            started: Timestamp::from_second(1_700_000_000 + second).unwrap(),
            finished: Timestamp::from_second(1_700_000_038 + second).ok(),
            error: None,
            command: vec!["train".into(), "--set".into(), "name=a b".into()],
            user: "tester".into(),
            host: Host {
                name: "host".into(),
                os: "linux".into(),
                arch: "x86_64".into(),
                cpus: 2,
                memory_bytes: 8 << 30,
            },
            mlx: "0.1.0".into(),
            commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
            patch: None,
            sweep: None,
            environment: Environment {
                digest: Some(Digest::of("env")),
                python: Some("/usr/bin/python3".into()),
                python_version: Some("3.11.7".into()),
                packages: Some(self.store.put_bytes(b"numpy==1.26.4\nsix==1.16.0\n").unwrap()),
                ..Environment::default()
            },
            environments: Default::default(),
            environment_seconds: 0.0,
            params: [("train.depth".to_owned(), 6.into()), ("train.trees".to_owned(), 100.into())].into(),
            metrics: [("accuracy".to_owned(), 0.9), ("auc".to_owned(), 0.9312)].into(),
            history: Vec::new(),
            steps: vec![
                step("prepare", log("one\ntwo"), vec![locked("raw.csv", "raw")], vec![locked("data", "data")]),
                step("train", log("fit \x1b[2J\x1b[31mred\x1b[0m\n"), vec![locked("train.py", "code")], Vec::new()),
            ],
        }
    }
}

fn step(name: &str, log: Option<Digest>, deps: Vec<LockedPath>, outs: Vec<LockedPath>) -> RunStep {
    RunStep {
        name: name.into(),
        env: None,
        cmd: format!("python {name}.py"),
        dir: None,
        outcome: Outcome::Ran,
        key: Some(Digest::of(name)),
        reason: "its dependency changed".into(),
        started: None,
        seconds: 12.3,
        cpu_seconds: 20.0,
        peak_memory_bytes: 300 << 20,
        io: Io { read_bytes: 5 << 20, written_bytes: 3 << 10, ..Io::default() },
        gpu: None,
        attempts: 1,
        failure: None,
        exit_code: Some(0),
        params: Default::default(),
        deps,
        parts: Vec::new(),
        outs,
        metrics: Default::default(),
        logged: Default::default(),
        log,
        made_by: None,
    }
}

fn locked(path: &str, content: &str) -> LockedPath {
    let object = Object { kind: ObjectKind::File, digest: Digest::of(content), size: content.len() as u64, files: 1 };
    LockedPath { path: ProjectPath::new(path).unwrap(), object }
}

#[test]
fn runs_are_listed_with_what_differs() {
    let place = Place::with_two_runs();

    assert_snapshot!(place.project.mlx(&["runs"]).success().stdout, @"
    id            started (UTC)     status    duration  steps                   auc  accuracy  train.trees
    aab111111111  2023-11-14 23:13  finished      38 s  1 run, 1 up to date  0.9500    0.9000          300
    aaaaaaaaaaaa  2023-11-14 22:13  finished      38 s  2 run                0.9312    0.9000          100
    ");
}

#[test]
fn the_list_is_limited_and_filtered() {
    let place = Place::with_two_runs();
    let mut failed = place.run("bbbbbbbbbbbb", 7200);
    failed.status = Status::Failed;
    place.runs.finish(&failed).unwrap();
    let ids = |arguments: &[&str]| {
        let listed = place.project.mlx(&[&["runs", "--json"], arguments].concat()).success().json();
        let id = |run: &serde_json::Value| run["id"].as_str().unwrap().to_owned();
        listed["runs"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };

    assert_eq!(ids(&["--limit", "1"]), ["bbbbbbbbbbbb"]);
    assert_eq!(ids(&["--status", "finished"]), [SECOND, FIRST]);
    assert_eq!(ids(&["--status", "running"]), [""; 0]);
    place.project.mlx(&["runs", "--limit", "1"]).success().says("There are older ones");
}

#[test]
fn a_project_without_runs_says_so() {
    let project = Project::with_manifest("");

    project.mlx(&["runs"]).success().prints("no runs").says("`mlx train` makes the first one");
    project.mlx(&["runs", "show", "latest"]).exits_with(2).says("there are no runs yet");
}

#[test]
fn a_run_is_shown_whole() {
    let place = Place::with_two_runs();

    assert_snapshot!(place.project.mlx(&["runs", "show", "latest"]).success().stdout, @"
    run aab111111111 finished after 38 s

      started      2023-11-14 23:13:20 UTC
      command      mlx train --set 'name=a b'
      by           tester on host (linux x86_64, 2 processors, 8.0 GiB)
      commit       0123456789ab
      environment  b77349bf1fa9, Python 3.11.7 (/usr/bin/python3), 2 packages
      mlx          0.1.0

    steps
      step     outcome     duration   cpu     memory     read  written  why
      prepare  up to date         -     -          -        -        -  made by run aaaaaaaaaaaa
      train    ran             12 s  20 s  300.0 MiB  5.0 MiB  3.0 KiB  its dependency changed

    parameters
      name         value
      train.depth  6
      train.trees  300

    metrics
      name      value
      accuracy  0.9000
      auc       0.9500

    files
      step           path      digest        size
      prepare  used  raw.csv   d7439bee2477   3 B
      prepare  made  data      3a6eb0790f39   4 B
      train    used  train.py  d7bc32e5f676   8 B
    ");
}

#[test]
fn json_of_a_run_reads_back_as_the_run() {
    let place = Place::with_two_runs();

    let shown = place.project.mlx(&["runs", "show", "aaa", "--json"]).success();

    assert_eq!(serde_json::from_str::<Run>(&shown.stdout).unwrap(), place.run(FIRST, 0));
}

#[test]
fn unknown_and_ambiguous_ids_are_refused_with_candidates() {
    let place = Place::with_two_runs();

    place.project.mlx(&["runs", "show", "aa"]).exits_with(2).says("`aa` begins the ids of 2 runs").says("say more");
    place.project.mlx(&["compare", "latest", "zz"]).exits_with(2).says("there is no run `zz`").says("`mlx runs` lists");
    place.project.mlx(&["logs", "\u{1b}[2J"]).exits_with(2).says(r"there is no run `\x1b[2J`");
}

#[test]
fn comparing_shows_what_differs_and_where_it_comes_from() {
    let place = Place::with_two_runs();

    assert_snapshot!(place.project.mlx(&["compare", "aaa", "latest"]).success().stdout, @"
    metric  aaaaaaaaaaaa  aab111111111   change
    auc           0.9312        0.9500  +0.0188

    parameter    aaaaaaaaaaaa  aab111111111
    train.trees  100           300

    origin           aaaaaaaaaaaa  aab111111111
    train: train.py  5694d08a2e53  d7bc32e5f676

    1 metric is the same
    ");
    assert_snapshot!(place.project.mlx(&["compare", "aaa", "aaa"]).success().stdout, @"
    aaaaaaaaaaaa and aaaaaaaaaaaa do not differ

    2 metrics are the same
    ");
}

#[test]
fn the_log_of_a_step_comes_byte_for_byte() {
    let place = Place::with_two_runs();

    let log = place.project.mlx(&["logs", "aaa", "train"]).success().stdout;

    assert_eq!(log, "fit \x1b[2J\x1b[31mred\x1b[0m\n");
}

#[test]
fn the_logs_of_all_steps_name_them_and_the_run_they_are_from() {
    let place = Place::with_two_runs();

    let logs = place.project.mlx(&["logs", "latest"]).success();

    assert_eq!(logs.stdout, "prepare | one\nprepare | two\ntrain | fit \x1b[2J\x1b[31mred\x1b[0m\n");
    logs.says("`prepare` is from run [id]; it did not run in [id]");
    let json = place.project.mlx(&["logs", "latest", "--json"]).success().json();
    assert_eq!(json["run"], SECOND);
    assert_eq!((&json["logs"][0]["run"], &json["logs"][0]["text"]), (&FIRST.into(), &"one\ntwo".into()));
}

#[test]
fn the_log_of_a_running_step_is_the_file_that_grows() {
    let place = Place::new();
    let running = Run { status: Status::Running, finished: None, steps: Vec::new(), ..place.run(FIRST, 0) };
    place.runs.start(&running).unwrap();
    let path = run::log_path(&place.opened, &running.id, "train");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "epoch 1").unwrap();

    assert_eq!(place.project.mlx(&["logs", "latest", "train"]).success().stdout, "epoch 1");
    assert_eq!(place.project.mlx(&["logs", "latest"]).success().stdout, "train | epoch 1\n");
    place
        .project
        .mlx(&["logs", "latest", "other"])
        .exits_with(2)
        .says("goes on, and step `other` printed nothing so far")
        .says("hint: there are logs of `train`");
    place.project.mlx(&["runs"]).success().prints("running");
    let Place { project, runs, .. } = place;
    drop(runs);
    project.mlx(&["runs"]).success().prints("interrupted");
}

#[test]
fn a_step_without_a_log_is_an_error_that_says_why() {
    let place = Place::new();
    let mut run = place.run(FIRST, 0);
    run.steps[1] = RunStep { outcome: Outcome::Skipped, log: None, ..run.steps[1].clone() };
    place.runs.finish(&run).unwrap();

    place.project.mlx(&["logs", "latest", "train"]).exits_with(1).says("step `train` has no log");
    place.project.mlx(&["logs", "latest", "trian"]).exits_with(2).says("did you mean `train`?");
}

#[test]
fn a_step_that_printed_nothing_ran_all_the_same_and_a_bad_manifest_hides_no_past() {
    let manifest = "[step.fit]\ncmd = 'exit 3'\nouts = ['model']\n[step.use]\ncmd = 'true'\ndeps = ['model']\n\
                    [step.quiet]\ncmd = 'echo 1 > one'\nouts = ['one']\n";
    let project = Project::with_manifest(manifest);
    project.mlx(&["train", "--keep-going"]).exits_with(3);
    let first = project.mlx(&["runs", "--json"]).success().json()["runs"][0]["id"].as_str().unwrap().to_owned();
    project.mlx(&["train", "--keep-going"]).exits_with(3).prints("3 steps: 0 run, 1 failed, 1 skipped, 1 up to date");
    project.set("mlx.toml", format!("{manifest}retires = 3\n"));
    project.mlx(&["train"]).exits_with(2).says("unknown key `retires` in step `quiet`");

    let runs = project.mlx(&["runs"]).success().says("unknown key `retires` in step `quiet` (mlx.toml, line 10)");
    let runs = runs.says("the past is told all the same").says("hint: did you mean `retry`?");
    assert!(runs.stdout.contains("1 run, 1 failed, 1 skipped\n"), "{}", runs.stdout);
    let log = |arguments: &[&str]| project.mlx(&[&["logs"], arguments].concat());
    assert_eq!(log(&["latest", "fit"]).success().says("Step `fit` printed nothing in run").stdout, "");
    log(&["latest", "quiet"]).success().says("it did not run in").says("Step `quiet` printed nothing in run");
    log(&["latest", "use"]).exits_with(1).says("step `use` has no log: it did not run in").says("it needs `fit`");
    assert_eq!(log(&["latest"]).success().says("None of these steps printed anything: `fit`, `quiet`").stdout, "");
    let json = log(&["latest", "--json"]).success().json();
    assert_eq!((&json["logs"][1]["source"], &json["logs"][1]["run"]), (&"nothing".into(), &first.as_str().into()));
    project.mlx(&["runs", "show", "latest"]).success().prints("it needs `fit`");
    project.mlx(&["compare", &first, "latest"]).success();
    project.mlx(&["runs", "tag", "latest", "seen"]).success().prints("tags: seen");
}

#[test]
fn the_index_comes_back_when_it_is_deleted_or_damaged() {
    let place = Place::with_two_runs();
    let Place { project, runs, .. } = place;
    drop(runs);
    let before = project.mlx(&["runs"]).success().stdout;

    std::fs::remove_file(project.path(".mlx/runs.db")).unwrap();
    assert_eq!(project.mlx(&["runs"]).success().stdout, before);
    let _ = std::fs::remove_file(project.path(".mlx/runs.db-wal"));
    project.set(".mlx/runs.db", "no database, but long enough to be taken for one");
    let healed = project.mlx(&["runs"]).success().says("was damaged; it is made again");

    assert_eq!(healed.stdout, before);
}

#[test]
fn an_index_of_a_newer_mlx_is_left_alone() {
    let Place { project, runs, .. } = Place::with_two_runs();
    drop(runs);
    let database = rusqlite(&project);
    database.pragma_update(None, "user_version", 99).unwrap();

    project.mlx(&["runs"]).exits_with(1).says("has schema 99; this mlx knows up to 1").says("a newer mlx works here");
}

fn rusqlite(project: &Project) -> rusqlite::Connection {
    rusqlite::Connection::open(project.path(".mlx/runs.db")).unwrap()
}
