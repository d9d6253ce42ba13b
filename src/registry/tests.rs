//! Versions, aliases and references, in a store and on a remote: one suite for both.

use std::collections::{BTreeMap, BTreeSet};

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

/// A registry that many share, on a remote.
fn shared() -> (TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let remote = crate::remote::open("remote", dir.path(), &crate::remote::Access::default()).unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let registry = Registry::shared(remote, &store, &dir.path().join("remotes"));
    (dir, registry)
}

/// Runs a test on each kind of registry.
fn on_each(test: impl Fn(&Registry)) {
    for (_dir, registry) in [registry(), shared()] {
        test(&registry);
    }
}

fn author() -> Author {
    Author { who: "tester".into(), when: jiff::Timestamp::UNIX_EPOCH, why: Some("tidy".into()) }
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
    on_each(|registry| {
        let numbers = ["a", "b", "a", "c"].map(|content| {
            let Registered { version, is_new } = registry.register(version(content)).unwrap();
            (version.version, is_new)
        });

        assert_eq!(numbers, [(1, true), (2, true), (1, false), (3, true)]);
    });
}

#[test]
fn registering_at_once_leaves_no_duplicate_and_no_gap() {
    on_each(|registry| {
        std::thread::scope(|scope| {
            for thread in 0..8 {
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
    });
}

#[test]
fn references_find_their_version() {
    on_each(|registry| {
        (0..12).for_each(|n| drop(registry.register(version(&n.to_string())).unwrap()));

        assert_eq!(find(registry, "churn").unwrap(), 12);
        assert_eq!(find(registry, "churn:9").unwrap(), 9);
        assert_eq!(registry.models().unwrap(), ["churn"]);
    });
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
        assert!(registry.records.create(record, &bytes).unwrap());
        let error = find(&registry, "churn:2").unwrap_err().to_string();
        assert!(error.contains(record) && error.contains(expected), "{error}");
        registry.records.delete(record).unwrap();
    }
}

#[test]
fn a_damaged_event_is_named_with_its_file() {
    let (_dir, registry) = registry();
    let version = scored(&registry, 0.9);
    let record = "models/churn/events/1";

    for text in ["{", "{}", r#"{"when": "2026-01-01T00:00:00Z", "who": "x", "action": "blessed", "version": 1}"#] {
        assert!(registry.records.create(record, text.as_bytes()).unwrap());
        let error = registry.promote(&request(&version, &BTreeMap::new())).unwrap_err();
        assert!(error.to_string().contains(record), "{error}");
        assert!(error.hint().unwrap().contains(&registry.records.file(record)), "{error:?}");
        registry.records.delete(record).unwrap();
    }
}

/// A version of `churn` with this number and accuracy.
fn scored(registry: &Registry, accuracy: f64) -> Version {
    let metrics = BTreeMap::from([("accuracy".to_owned(), accuracy)]);
    registry.register(Version { metrics, ..version(&accuracy.to_string()) }).unwrap().version
}

fn gates(gates: &[(&str, &str)]) -> BTreeMap<String, crate::project::condition::Gate> {
    gates.iter().map(|(metric, condition)| (metric.to_string(), condition.parse().unwrap())).collect()
}

fn request<'a>(version: &'a Version, gates: &'a BTreeMap<String, crate::project::condition::Gate>) -> Request<'a> {
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
    registry.records.delete("models/churn/versions/1").unwrap();

    let missing = find(&registry, "churn@production").unwrap_err();
    let refused = registry.promote(&request(&next, &gates)).unwrap();
    let forced = registry.promote(&Request { force: true, ..request(&next, &gates) }).unwrap();

    assert!(missing.to_string().contains("is held by version 1, which has no record any more"), "{missing}");
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

    let history = registry.state("churn").unwrap().promotions();
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].why.as_deref(), Some("urgent"));
    assert_eq!(history[0].overridden, ["accuracy 0.5: >= 0.8"]);
}

#[test]
fn a_gate_wants_its_rows() {
    let (_dir, registry) = registry();
    let metrics = [("test.accuracy", 0.9), ("test.rows", 120.0), ("rows", 5000.0), ("loss", 0.1)];
    let metrics = metrics.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let version = registry.register(Version { metrics, ..version("a") }).unwrap().version;
    let said = |gate: (&str, &str)| {
        let promoted = registry.promote(&request(&version, &gates(&[gate]))).unwrap();
        (promoted.gates[0].passed, promoted.gates[0].note.clone())
    };

    let few = said(("test.accuracy", ">= 0.8 over at least 500 rows"));
    let unknown = said(("loss", "< 1 over at least 5 people"));
    let enough = said(("loss", "< 1 over at least 500 rows"));

    assert_eq!(few, (false, Some("measured over 120 rows".into())));
    assert_eq!(unknown, (false, Some("version 1 has no metric `people`".into())));
    assert_eq!(enough, (true, None));
}

#[test]
fn promoting_at_once_leaves_one_chain_of_events() {
    on_each(|registry| {
        let versions: Vec<Version> = (1..=8).map(|n| scored(registry, f64::from(n))).collect();

        std::thread::scope(|scope| {
            for version in &versions {
                scope.spawn(move || registry.promote(&request(version, &BTreeMap::new())).unwrap());
            }
        });

        let state = registry.state("churn").unwrap();
        let moves: Vec<_> = state.promotions().iter().map(|event| (event.from, event.to)).collect();
        assert_eq!(moves.len(), 8);
        assert_eq!(moves[0].0, None);
        assert!(moves.windows(2).all(|pair| Some(pair[0].1) == pair[1].0), "{moves:?}");
        assert_eq!(state.aliases["production"].to, moves[7].1);
    });
}

#[test]
fn the_order_of_events_does_not_depend_on_clocks() {
    on_each(|registry| {
        let [first, second] = [0.1, 0.2].map(|accuracy| scored(registry, accuracy));
        let late = jiff::Timestamp::from_second(4_000_000_000).unwrap();
        registry.promote(&Request { when: late, ..request(&first, &BTreeMap::new()) }).unwrap();

        registry.promote(&request(&second, &BTreeMap::new())).unwrap();

        assert_eq!(find(registry, "churn@production").unwrap(), 2);
        let moves: Vec<u64> = registry.state("churn").unwrap().promotions().iter().map(|event| event.to).collect();
        assert_eq!(moves, [1, 2]);
    });
}

#[test]
fn events_of_the_first_kind_are_promotions() {
    let (_dir, registry) = registry();
    registry.register(version("a")).unwrap();
    let event = r#"{"when": "2026-01-01T00:00:00Z", "who": "x", "alias": "prod", "from": null, "to": 1, "why": null,
        "overridden": []}"#;

    registry.records.create("models/churn/events/1", event.as_bytes()).unwrap();

    assert_eq!(find(&registry, "churn@prod").unwrap(), 1);
}

#[test]
fn what_is_said_of_a_version_can_be_changed_and_taken_back() {
    on_each(|registry| {
        registry.register(version("a")).unwrap();
        let tags = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();

        registry.tag("churn", 1, &tags(&["good", "paper"]), &author()).unwrap();
        registry.tag("churn", 1, &tags(&["good"]), &author()).unwrap();
        registry.describe("churn", 1, Some("the first"), &author()).unwrap();
        let state = registry.untag("churn", 1, &tags(&["paper"]), &author()).unwrap();

        assert_eq!((state.said(1).tags, state.events.len()), (tags(&["good"]), 3));
        assert_eq!(state.said(1).description, Some(Some("the first".into())));
        assert_eq!(registry.state("churn").unwrap(), state);
        let error = registry.untag("churn", 1, &tags(&["paper"]), &author()).unwrap_err();
        assert_eq!(error.to_string(), "version 1 of `churn` has no tag `paper`");
        registry.tag("churn", 1, &tags(&["a b"]), &author()).unwrap_err();
    });
}

#[test]
fn an_archived_version_is_out_of_use_until_it_is_restored() {
    on_each(|registry| {
        let [_, second] = [0.1, 0.2].map(|accuracy| scored(registry, accuracy));
        let in_use = |reference: &str| registry.find_in_use(&reference.parse().unwrap()).map(|found| found.version);
        registry.promote(&request(&second, &BTreeMap::new())).unwrap();

        let held = registry.archive("churn", 2, &author()).unwrap_err();
        registry.demote("churn", "production", &author()).unwrap();
        let archived = [registry.archive("churn", 2, &author()), registry.archive("churn", 2, &author())];

        assert!(held.to_string().contains("holds @production and can't be archived"), "{held}");
        assert_eq!(archived.map(Result::unwrap), [true, false]);
        assert_eq!((in_use("churn").unwrap(), find(registry, "churn:2").unwrap()), (1, 2));
        let error = in_use("churn:2").unwrap_err();
        assert!(error.to_string().contains("is archived (1970-01-01 by tester: tidy)"), "{error}");
        assert!(registry.restore("churn", 2, &author()).unwrap());
        assert_eq!(in_use("churn").unwrap(), 2);
    });
}

#[test]
fn the_number_of_a_removed_version_is_never_given_again() {
    on_each(|registry| {
        let [first, second] = [0.1, 0.2].map(|accuracy| scored(registry, accuracy));
        registry.promote(&request(&first, &BTreeMap::new())).unwrap();

        registry.remove("churn", 1, &author()).unwrap_err();
        registry.remove("churn", 2, &author()).unwrap();
        let removed = find(registry, "churn:2").unwrap_err();
        let promoted = registry.promote(&request(&second, &BTreeMap::new())).unwrap_err();
        let again = registry.register(version("b")).unwrap().version.version;

        assert!(removed.to_string().contains("was removed (1970-01-01 by tester: tidy)"), "{removed}");
        assert!(promoted.to_string().contains("was removed"), "{promoted}");
        assert_eq!((again, find(registry, "churn").unwrap()), (3, 3));
        let numbers: Vec<u64> = registry.versions("churn").unwrap().iter().map(|version| version.version).collect();
        assert_eq!(numbers, [1, 3]);
    });
}
