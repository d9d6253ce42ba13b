//! Versions, aliases and references, on a store in a temporary directory.

use std::collections::BTreeSet;

use tempfile::TempDir;

use super::*;
use crate::Digest;
use crate::digest::{Object, ObjectKind};
use crate::project::ProjectPath;

fn registry() -> (TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(&Store::open(dir.path()).unwrap());
    (dir, registry)
}

/// A version of `churn` whose content is this text.
fn version(content: &str) -> Version {
    Version {
        format: FORMAT,
        model: "churn".into(),
        version: 0,
        created: jiff::Timestamp::UNIX_EPOCH,
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

fn find(registry: &Registry, reference: &str) -> Result<u64> {
    registry.find(&reference.parse().unwrap()).map(|version| version.version)
}

#[test]
fn the_same_model_is_one_version() {
    let (_dir, registry) = registry();

    let numbers = ["a", "b", "a", "c"].map(|content| {
        let Registered { version, is_new } = registry.register(version(content)).unwrap();
        (version.version, is_new)
    });

    assert_eq!(numbers, [(1, true), (2, true), (1, false), (3, true)]);
}

#[test]
fn registering_at_once_leaves_no_duplicate_and_no_gap() {
    let (_dir, registry) = registry();

    std::thread::scope(|scope| {
        for thread in 0..8 {
            let registry = &registry;
            scope.spawn(move || {
                (0..25).for_each(|n| drop(registry.register(version(&format!("{thread} {n}"))).unwrap()))
            });
        }
    });

    let versions = registry.versions("churn").unwrap();
    let numbers: Vec<u64> = versions.iter().map(|version| version.version).collect();
    let contents: BTreeSet<Digest> = versions.iter().map(|version| version.object.digest).collect();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
    assert_eq!(contents.len(), 200);
}

#[test]
fn references_find_their_version() {
    let (_dir, registry) = registry();
    (0..12).for_each(|n| drop(registry.register(version(&n.to_string())).unwrap()));

    assert_eq!(find(&registry, "churn").unwrap(), 12);
    assert_eq!(find(&registry, "churn:9").unwrap(), 9);
    assert_eq!(registry.models().unwrap(), ["churn"]);
}

#[test]
fn unknown_references_get_a_hint() {
    let (_dir, registry) = registry();
    let error = |reference| find(&registry, reference).unwrap_err();
    assert_eq!(error("churn").hint(), Some("register it with `mlx model register churn`"));
    registry.register(version("a")).unwrap();

    assert_eq!(error("chrun").hint(), Some("did you mean `churn`?"));
    assert_eq!(error("churn:2").hint(), Some("its newest is 1; `mlx model list churn` shows all"));
    assert_eq!(error("churn@prod").hint(), Some("give it one with `mlx model promote churn VERSION prod`"));
}

#[test]
fn damaged_and_foreign_records_are_named() {
    let (_dir, registry) = registry();
    registry.register(version("a")).unwrap();
    let record = "models/churn/versions/2";
    let newer = Version { format: FORMAT + 1, version: 2, ..version("b") };
    let swapped = Version { version: 1, ..version("b") };
    let cases =
        [(b"{".to_vec(), "is damaged"), (encode(&newer), "has format 2"), (encode(&swapped), "it says that it is")];

    for (bytes, expected) in cases {
        assert!(registry.store.create_record(record, &bytes).unwrap());
        let error = find(&registry, "churn:2").unwrap_err().to_string();
        assert!(error.contains(record) && error.contains(expected), "{error}");
        registry.store.delete_record(record).unwrap();
    }
}

#[test]
fn a_damaged_alias_and_a_damaged_event_have_a_way_out() {
    let (_dir, registry) = registry();
    let version = scored(&registry, 0.9);
    registry.promote(&request(&version, &BTreeMap::new())).unwrap();

    for record in ["models/churn/aliases/production", "models/churn/events/1"] {
        registry.store.delete_record(record).unwrap();
        assert!(registry.store.create_record(record, b"{").unwrap());
        let error = registry.history("churn").unwrap_err();
        assert!(error.to_string().contains(record), "{error}");
        assert!(error.hint().unwrap().starts_with("remove its file"), "{error:?}");
        registry.store.delete_record(record).unwrap();
    }

    let promoted = registry.promote(&request(&version, &BTreeMap::new())).unwrap();
    assert_eq!((promoted.outcome, registry.history("churn").unwrap().len()), (Outcome::Promoted, 1));
}

/// A version of `churn` with this number and accuracy.
fn scored(registry: &Registry, accuracy: f64) -> Version {
    let metrics = BTreeMap::from([("accuracy".to_owned(), accuracy)]);
    registry.register(Version { metrics, ..version(&accuracy.to_string()) }).unwrap().version
}

fn gates(gates: &[(&str, &str)]) -> BTreeMap<String, crate::project::condition::Condition> {
    gates.iter().map(|(metric, condition)| (metric.to_string(), condition.parse().unwrap())).collect()
}

fn request<'a>(version: &'a Version, gates: &'a BTreeMap<String, crate::project::condition::Condition>) -> Request<'a> {
    let when = jiff::Timestamp::UNIX_EPOCH;
    Request { version, alias: "production", who: "tester", when, why: None, gates, force: false }
}

#[test]
fn an_alias_moves_only_through_its_gates() {
    let (_dir, registry) = registry();
    let gates = gates(&[("accuracy", "not worse than @production")]);
    let [good, worse, equal] = [0.9, 0.8, 0.9001].map(|accuracy| scored(&registry, accuracy));

    let outcomes = [&good, &worse, &good, &equal].map(|version| {
        let promoted = registry.promote(&request(version, &gates)).unwrap();
        (promoted.outcome, promoted.from)
    });

    assert_eq!(
        outcomes,
        [
            (Outcome::Promoted, None),
            (Outcome::Refused, Some(1)),
            (Outcome::Unchanged, Some(1)),
            (Outcome::Promoted, Some(1)),
        ]
    );
    assert_eq!(find(&registry, "churn@production").unwrap(), 3);
}

#[test]
fn an_alias_whose_version_is_lost_moves_by_force() {
    let (_dir, registry) = registry();
    let gates = gates(&[("accuracy", "not worse than @production")]);
    let [lost, next] = [0.9, 0.95].map(|accuracy| scored(&registry, accuracy));
    registry.promote(&request(&lost, &gates)).unwrap();
    registry.store.delete_record("models/churn/versions/1").unwrap();

    let refused = registry.promote(&request(&next, &gates)).unwrap();
    let forced = registry.promote(&Request { force: true, ..request(&next, &gates) }).unwrap();

    assert_eq!(refused.outcome, Outcome::Refused);
    let note = "version 1, which holds @production, has no record any more";
    assert_eq!(refused.gates[0].note.as_deref(), Some(note));
    assert_eq!((forced.outcome, find(&registry, "churn@production").unwrap()), (Outcome::Promoted, 2));
}

#[test]
fn gates_say_what_they_compared() {
    let (_dir, registry) = registry();
    let [first, second] = [0.9, 0.8].map(|accuracy| scored(&registry, accuracy));
    registry.promote(&request(&first, &BTreeMap::new())).unwrap();
    let gates = gates(&[
        ("accuracy", "not worse than @production"),
        ("accuracy.low", ">= 0.5"),
        ("loss", "not worse than @production (lower is better)"),
    ]);

    let promoted = registry.promote(&request(&second, &gates)).unwrap();

    let said: Vec<_> = promoted.gates.iter().map(|gate| (gate.passed, gate.reference, gate.note.as_deref())).collect();
    assert_eq!(
        said,
        [
            (false, Some(0.9), Some("version 1 holds @production")),
            (false, None, Some("version 2 has no metric `accuracy.low`")),
            (false, None, Some("version 2 has no metric `loss`")),
        ]
    );
}

#[test]
fn forced_promotions_keep_what_they_passed_over() {
    let (_dir, registry) = registry();
    let version = scored(&registry, 0.5);
    let gates = gates(&[("accuracy", ">= 0.8")]);

    registry.promote(&Request { force: true, why: Some("urgent"), ..request(&version, &gates) }).unwrap();

    let history = registry.history("churn").unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].why.as_deref(), Some("urgent"));
    assert_eq!(history[0].overridden, ["accuracy 0.5: >= 0.8"]);
}

#[test]
fn a_promotion_killed_before_its_event_is_in_the_history() {
    let (_dir, registry) = registry();
    let [first, second] = [0.1, 0.2].map(|accuracy| scored(&registry, accuracy));
    registry.promote(&request(&first, &BTreeMap::new())).unwrap();
    registry.store.delete_record("models/churn/events/1").unwrap();

    let before = registry.history("churn").unwrap();
    registry.promote(&request(&second, &BTreeMap::new())).unwrap();

    let moves = |history: &[Promotion]| history.iter().map(|event| (event.from, event.to)).collect::<Vec<_>>();
    assert_eq!(moves(&before), [(None, 1)]);
    assert_eq!(moves(&registry.history("churn").unwrap()), [(None, 1), (Some(1), 2)]);
}

#[test]
fn promoting_at_once_leaves_one_chain_of_events() {
    let (_dir, registry) = registry();
    let versions: Vec<Version> = (1..=8).map(|n| scored(&registry, f64::from(n))).collect();

    std::thread::scope(|scope| {
        for version in &versions {
            let registry = &registry;
            scope.spawn(move || registry.promote(&request(version, &BTreeMap::new())).unwrap());
        }
    });

    let history = registry.history("churn").unwrap();
    let mut followers: BTreeMap<Option<u64>, u64> = history.iter().map(|event| (event.from, event.to)).collect();
    assert_eq!(followers.len(), 8);
    let mut last = None;
    while let Some(next) = followers.remove(&last) {
        last = Some(next);
    }
    assert!(followers.is_empty(), "{history:?}");
    assert_eq!(registry.alias("churn", "production").unwrap().map(|promotion| promotion.to), last);
}
