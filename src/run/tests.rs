//! Tests of keeping, finding and comparing runs.

use jiff::Timestamp;

use super::*;
use crate::Digest;
use crate::env::Environment;
use crate::event::{Event, Recorder, Silent};
use crate::project::{MANIFEST, STATE};

struct Place {
    _dir: tempfile::TempDir,
    project: Project,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST), "").unwrap();
        let project = Project::open(dir.path()).unwrap();
        let store = Store::of(&project).unwrap();
        Self { _dir: dir, project, store }
    }

    fn runs(&self) -> Runs {
        Runs::open(&self.project, &self.store, &Silent).unwrap()
    }

    fn database(&self) -> PathBuf {
        self.project.root().join(STATE).join("runs.db")
    }

    fn ids(&self) -> Vec<String> {
        let listed = self.runs().list(&Filter::default()).unwrap();
        listed.into_iter().map(|summary| summary.id.into()).collect()
    }
}

fn run(id: &str, second: i64) -> Run {
    Run {
        version: VERSION,
        id: id.parse().unwrap(),
        status: Status::Finished,
        started: Timestamp::from_second(second).unwrap(),
        finished: Timestamp::from_second(second + 60).ok(),
        error: None,
        command: vec!["train".into()],
        user: "tester".into(),
        host: Runs::host(),
        mlx: "0.1.0".into(),
        commit: None,
        patch: None,
        sweep: None,
        environment: Environment::default(),
        environments: Default::default(),
        environment_seconds: 0.0,
        params: [("train.trees".to_owned(), serde_json::json!(100))].into(),
        metrics: [("auc".to_owned(), 0.1 + 0.2)].into(),
        history: Vec::new(),
        steps: Vec::new(),
    }
}

const A: &str = "aaaaaaaaaaaa";
const B: &str = "aab000000000";

#[test]
fn runs_are_found_by_id_beginning_and_age() {
    let place = Place::new();
    let runs = place.runs();
    for (id, second) in [(A, 1), (B, 2)] {
        runs.finish(&run(id, second)).unwrap();
    }

    assert_eq!(runs.find(A).unwrap(), run(A, 1));
    assert_eq!(runs.find("aab").unwrap().id.as_str(), B);
    assert_eq!(runs.find("latest").unwrap().id.as_str(), B);
    assert_eq!(place.ids(), [B, A]);
    let ambiguous = runs.find("aa").unwrap_err();
    assert!(ambiguous.hint().unwrap().contains(&format!("there are {B}, {A}")), "{ambiguous:?}");
    for unknown in ["", "x", "%", "_", "a\0"] {
        assert_eq!(runs.find(unknown).unwrap_err().kind(), Kind::Usage, "{unknown}");
    }
}

#[test]
fn a_run_goes_on_until_its_process_is_gone() {
    let place = Place::new();
    let started = Run { status: Status::Running, finished: None, ..run(A, 1) };
    let runs = place.runs();
    runs.start(&started).unwrap();
    let status = || place.runs().find(A).unwrap().status;

    assert_eq!(status(), Status::Running);
    // A killed process lets go of its locks.
    drop(runs);
    assert_eq!(status(), Status::Interrupted);
    assert_eq!(place.runs().list(&Filter::default()).unwrap()[0].status, Status::Interrupted);
    assert_eq!(place.runs().settle().unwrap().len(), 1);
    std::fs::remove_file(place.database()).unwrap();
    assert_eq!(status(), Status::Interrupted);
}

#[test]
fn a_deleted_index_comes_back() {
    let place = Place::new();
    place.runs().finish(&run(A, 1)).unwrap();

    std::fs::remove_file(place.database()).unwrap();

    assert_eq!(place.ids(), [A]);
}

#[test]
fn records_that_came_or_went_by_other_ways_are_noticed() {
    let place = Place::new();
    place.runs().finish(&run(A, 1)).unwrap();
    let other = Place::new();
    other.runs().finish(&run(B, 2)).unwrap();

    let record = other.store.record(&record_name(&B.parse().unwrap())).unwrap().unwrap();
    place.store.create_record(&record_name(&B.parse().unwrap()), &record).unwrap();
    place.store.delete_record(&record_name(&A.parse().unwrap())).unwrap();

    assert_eq!(place.ids(), [B]);
}

/// Writes over the database from this offset on.
fn damage(place: &Place, offset: usize, with: &[u8]) {
    let connection = rusqlite::Connection::open(place.database()).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    let mut bytes = std::fs::read(place.database()).unwrap();
    let end = bytes.len();
    bytes.splice(offset.min(end).., with.iter().copied().cycle().take(end - offset.min(end)));
    std::fs::write(place.database(), bytes).unwrap();
}

fn damaged_files(place: &Place) -> usize {
    let names = std::fs::read_dir(place.project.root().join(STATE)).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("runs.db.damaged-")).count()
}

#[test]
fn an_index_with_a_damaged_beginning_is_set_aside_and_made_again() {
    for with in [&b"no database at all"[..], &[0x53]] {
        let place = Place::new();
        place.runs().finish(&run(A, 1)).unwrap();
        damage(&place, 0, with);
        let events = Recorder::default();

        let runs = Runs::open(&place.project, &place.store, &events).unwrap();

        assert_eq!(runs.find("latest").unwrap().id.as_str(), A);
        assert!(matches!(events.events().as_slice(), [Event::Warning { .. }]), "{:?}", events.events());
        assert_eq!(damaged_files(&place), 1);
    }
}

#[test]
fn damage_that_shows_later_is_mended_when_it_shows() {
    let place = Place::new();
    let runs = place.runs();
    for number in 0..200 {
        runs.finish(&run(&format!("{number:012}"), number)).unwrap();
    }
    drop(runs);
    damage(&place, 3 * 4096, &[0x53]);

    assert_eq!(place.ids().len(), 200);

    assert_eq!(damaged_files(&place), 1);
}

#[test]
fn an_index_of_a_newer_version_is_left_alone() {
    let place = Place::new();
    place.runs().finish(&run(A, 1)).unwrap();
    rusqlite::Connection::open(place.database()).unwrap().pragma_update(None, "user_version", 7).unwrap();

    let error = Runs::open(&place.project, &place.store, &Silent).err().unwrap();

    assert!(error.to_string().contains("has schema 7; this mlx knows up to 1"), "{error}");
}

#[test]
fn many_runs_at_once_are_all_kept() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let place = &place;
            scope.spawn(move || {
                for number in 0..5 {
                    let id = format!("{thread:06}{number:06}");
                    let runs = place.runs();
                    runs.start(&Run { status: Status::Running, ..run(&id, number) }).unwrap();
                    runs.finish(&run(&id, number)).unwrap();
                }
            });
        }
    });

    assert_eq!(place.ids().len(), 20);
}

#[test]
fn a_damaged_record_is_named() {
    let place = Place::new();
    place.store.create_record(&record_name(&A.parse().unwrap()), b"{ \"version\": 1, ").unwrap();
    place.store.create_record(&record_name(&B.parse().unwrap()), b"{ \"version\": 9 }").unwrap();

    let error = |id: &str| read_record(&place.store, &id.parse().unwrap()).unwrap_err().to_string();

    assert!(error(A).starts_with(&format!("cannot read the record of run {A}: it is damaged")), "{}", error(A));
    assert!(error(B).contains("it has version 9; this mlx knows up to 1"));
}

#[test]
fn an_interrupted_step_is_kept_as_older_programs_know_it_and_their_rows_are_counted_anew() {
    let place = Place::new();
    let step: RunStep = serde_json::from_value(serde_json::json!({
        "name": "fit", "cmd": "x", "outcome": "interrupted", "key": null, "reason": "", "started": "2024-01-01T00:00:00Z",
        "seconds": 1.0, "cpu_seconds": 1.0, "peak_memory_bytes": 1, "failure": "cancelled", "exit_code": null,
        "params": {}, "deps": [], "outs": [], "metrics": {}, "log": null, "made_by": null
    }))
    .unwrap();
    let stopped = Run { status: Status::Interrupted, steps: vec![step], ..run(A, 1) };
    let runs = place.runs();

    runs.finish(&stopped).unwrap();

    let record = place.store.record(&record_name(&stopped.id)).unwrap().unwrap();
    let stored: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_eq!((&stored["steps"][0]["outcome"], &stored["version"]), (&"failed".into(), &1.into()));
    assert_eq!(runs.get(&stopped.id).unwrap(), stopped);
    let database = rusqlite::Connection::open(place.database()).unwrap();
    let older = "UPDATE run SET summary = json_set(json_remove(summary, '$.steps'), '$.failed', 1)";
    assert_eq!(database.execute(older, []).unwrap(), 1);
    for _ in 0..2 {
        let listed = runs.list(&Filter::default()).unwrap().remove(0);
        assert_eq!(listed.steps, Some(Tally { interrupted: 1, ..Tally::default() }));
        assert_eq!(listed.failed, 0);
    }
    let healed: String = database.query_row("SELECT summary FROM run", [], |row| row.get(0)).unwrap();
    assert!(healed.contains("\"interrupted\":1"), "{healed}");
}

#[test]
fn only_what_differs_is_compared() {
    let (baseline, mut candidate) = (run(A, 1), run(B, 2));
    assert!(compare(&baseline, &candidate).is_equal());
    candidate.metrics.insert("auc".into(), 0.5);
    candidate.metrics.insert("loss".into(), 1.0);
    candidate.params.clear();
    candidate.environment.digest = Some(Digest::of("x"));

    let comparison = compare(&baseline, &candidate);

    let metrics: Vec<_> = comparison.metrics.iter().map(|delta| (delta.name.as_str(), delta.change)).collect();
    assert_eq!(metrics, [("auc", Some(0.5 - (0.1 + 0.2))), ("loss", None)]);
    assert_eq!(comparison.params[0].candidate, None);
    assert_eq!(comparison.environment[0].name, "environment");
}

#[test]
fn ids_are_random() {
    assert_ne!(RunId::random().unwrap(), RunId::random().unwrap());
}
