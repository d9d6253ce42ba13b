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
