use proptest::prelude::*;

use super::*;
use crate::Digest;
use crate::digest::ObjectKind;

fn entry(name: &str) -> Known<'_> {
    Known {
        name: name.as_bytes(),
        kind: Kind::Object(ObjectKind::File),
        digest: Digest::of(name),
        size: 7,
        files: 1,
        stat: Stat { size: 7, mtime_ns: 1, ctime_ns: 2, inode: name.len() as u64 },
        born_ns: 1,
        is_settled: true,
    }
}

fn remember(index: &Index, directory: &str, names: &[&str]) {
    let mut builder = Builder::default();
    names.iter().for_each(|name| builder.push(&entry(name)));
    index.remember(directory.as_bytes(), builder, None);
}

fn names(index: &Index, directory: &str) -> Option<Vec<String>> {
    let lent = index.block(directory.as_bytes())?;
    Some(lent.block().iter().map(|known| String::from_utf8_lossy(known.name).into_owned()).collect())
}

#[test]
fn a_file_changed_in_the_moment_it_was_read_is_not_trusted() {
    let stat = |ctime_ns| Stat { ctime_ns, mtime_ns: 1, ..Stat::default() };

    assert!(is_settled(&stat(1), 10 * TICK_NS));
    assert!(!is_settled(&stat(10 * TICK_NS), 10 * TICK_NS));
    // Time stamps of whole seconds may be those of a clock that ticks no finer.
    let whole = Stat { ctime_ns: 1_000_000_000, mtime_ns: 0, ..Stat::default() };
    assert!(!is_settled(&whole, 2_000_000_000) && is_settled(&whole, 4_000_000_000));
}

#[test]
fn what_is_forgotten_is_gone_and_its_neighbours_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let index = Index::open(&path);
    ["a", "a-b", "a/x", "a/x/y", "ab"].iter().for_each(|directory| remember(&index, directory, &["f"]));
    index.save(dir.path()).unwrap();

    let index = Index::open(&path);
    remember(&index, "a/new", &["g"]);
    index.forget(b"a");
    remember(&index, "a", &["h"]);
    index.save(dir.path()).unwrap();

    let index = Index::open(&path);
    let known = ["a", "a-b", "a/x", "a/x/y", "a/new", "ab"].map(|directory| names(&index, directory));
    let [new, kept] = [Some(vec!["h".to_owned()]), Some(vec!["f".to_owned()])];
    assert_eq!(known, [new, kept.clone(), None, None, None, kept]);
}

#[test]
fn a_file_is_found_by_its_inode() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let index = Index::open(&path);
    remember(&index, "a/x", &["one", "three"]);
    remember(&index, "b", &["two"]);
    index.save(dir.path()).unwrap();

    let index = Index::open(&path);
    let mut paths = Vec::new();
    let _ = index.with_inode(3, |path, _| {
        paths.push(String::from_utf8_lossy(path).into_owned());
        None::<()>
    });

    assert_eq!(paths, ["a/x/one", "b/two"]);
}

proptest! {
    #[test]
    fn a_damaged_index_forgets_but_never_lies(at: prop::sample::Index, bit in 0..8_u8, cut: prop::sample::Index) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let index = Index::open(&path);
        let directories = ["data/a", "data/b", "model"];
        directories.iter().for_each(|directory| remember(&index, directory, &["x", "y"]));
        index.save(dir.path()).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        bytes.truncate(bytes.len() - cut.index(bytes.len()) / 2);
        std::fs::write(&path, bytes).unwrap();

        let index = Index::open(&path);

        for directory in directories {
            if let Some(lent) = index.block(directory.as_bytes()) {
                prop_assert_eq!(lent.block().iter().collect::<Vec<_>>(), [entry("x"), entry("y")]);
            }
        }
        let _ = index.with_inode(1, |_, known| {
            assert_eq!(known.digest, Digest::of(known.name));
            None::<()>
        });
        index.forget(b"data");
        let _ = index.save(dir.path());
    }
}
