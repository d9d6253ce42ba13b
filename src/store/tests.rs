//! What readers may rely on, whatever lies on the disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let files = walkdir::WalkDir::new(directory).into_iter().map(Result::unwrap);
    files.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

#[test]
fn a_batch_is_there_after_its_commit_and_not_before() {
    let (_dir, store) = store();
    let batch = store.batch().unwrap();
    let contents: Vec<Vec<u8>> = (0..100).map(|number| format!("content {number}").into_bytes()).collect();
    let digests: Vec<Digest> = contents.iter().map(|content| batch.put_bytes(content).unwrap()).collect();
    let (large, size) = batch.put_reader(&vec![7; 3 << 20][..], 3 << 20).unwrap();
    let tree = batch.put_tree(&Tree::default()).unwrap().digest;

    let before = digests.iter().chain([&large, &tree]).any(|digest| store.contains(digest));
    batch.commit().unwrap();

    assert!(!before);
    let reader = Store::open(&store.root).unwrap();
    for (digest, content) in digests.iter().zip(&contents) {
        assert_eq!(&reader.read(digest).unwrap(), content);
    }
    assert_eq!(reader.copy_to(&large, &mut io::sink()).unwrap(), size);
    assert!(reader.tree(&tree).unwrap().entries().is_empty());
    assert_eq!(files(&store.root.join("packs")).len(), 1);
    assert_eq!(files(&store.scratch()).len(), 0);
}

/// Stores so many small objects that they are packed; returns their digests.
fn packed(store: &Store, name: &str, count: usize) -> Vec<Digest> {
    let batch = store.batch().unwrap();
    let digests = (0..count).map(|number| batch.put_bytes(format!("{name} {number}").as_bytes()).unwrap()).collect();
    batch.commit().unwrap();
    digests
}

fn packs(store: &Store) -> Vec<PathBuf> {
    let packs = std::fs::read_dir(store.packs.directory()).unwrap();
    packs.map(|entry| entry.unwrap().path()).collect()
}

/// Changes bytes of a read-only file.
fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

fn watch<T>(work: impl FnOnce(crate::event::Watch<'_>) -> T) -> T {
    let interrupt = crate::event::Interrupt::default();
    work(crate::event::Watch { events: &crate::event::Silent, interrupt: &interrupt })
}

#[test]
fn batches_are_absorbed_into_one_pack() {
    let (_dir, store) = store();
    let (one, two) = (store.batch().unwrap(), store.batch().unwrap());
    let put = |batch: &Batch, name: &str| {
        (0..9).map(|n| batch.put_bytes(format!("{name} {n}").as_bytes()).unwrap()).collect::<Vec<_>>()
    };
    let digests = [put(&one, "a"), put(&one, "b"), put(&two, "b"), put(&two, "c")].concat();

    one.absorb(two);
    one.commit().unwrap();

    assert!(digests.iter().all(|digest| store.read(digest).is_ok()));
    assert_eq!((packs(&store).len(), store.objects().unwrap().len()), (1, 27));
}

#[test]
fn many_small_packs_are_folded() {
    let (_dir, store) = store();
    let reader = Store::open(&store.root).unwrap();
    let mut digests = Vec::new();
    for round in 0..70 {
        digests.extend(packed(&store, &format!("round {round}"), 9));
        assert!(digests.iter().all(|digest| reader.contains(digest)), "after {round}");
    }

    assert!(packs(&store).len() < 32, "{}", packs(&store).len());
    assert!(digests.iter().all(|digest| Store::open(&store.root).unwrap().read(digest).is_ok()));
}

#[test]
fn garbage_leaves_packs_and_the_rest_stays() {
    let (_dir, store) = store();
    let digests = packed(&store, "x", 20);
    let kept: std::collections::HashSet<Digest> = digests[..15].iter().copied().collect();
    drop(store.no_gc.lock().unwrap().take());

    let young = store.garbage(&kept, std::time::Duration::from_secs(60)).unwrap();
    let garbage = store.garbage(&kept, std::time::Duration::ZERO).unwrap();
    let removed = watch(|watch| store.remove(&garbage, watch)).unwrap();

    assert_eq!((young.young, young.objects.len()), (5, 0));
    assert_eq!((removed, garbage.kept), (5, 15));
    let reader = Store::open(&store.root).unwrap();
    assert_eq!(
        digests.iter().map(|digest| reader.read(digest).is_ok()).collect::<Vec<_>>(),
        [[true; 15].as_slice(), &[false; 5]].concat()
    );
    assert_eq!(packs(&store).len(), 1);
}

#[test]
fn a_damaged_object_leaves_its_pack_alone() {
    let (_dir, store) = store();
    let digests = packed(&store, "content", 20);
    let path = packs(&store).remove(0);
    damage(&path, |bytes| {
        let position = bytes.windows(9).position(|window| window == b"content 7").unwrap();
        bytes[position] = b'C';
    });
    let store = Store::open(&store.root).unwrap();

    assert!(matches!(store.check(&digests[7]).unwrap(), verify::State::Damaged(_)));
    assert!(store.read(&digests[7]).is_err());
    let aside = store.quarantine(&digests[7]).unwrap();

    assert_eq!(fs::read(aside).unwrap(), b"Content 7");
    let reader = Store::open(&store.root).unwrap();
    assert_eq!(reader.check(&digests[7]).unwrap(), verify::State::Missing);
    assert_eq!(digests.iter().filter(|digest| reader.read(digest).is_ok()).count(), 19);
    packed(&reader, "content", 20);
    assert!(digests.iter().all(|digest| reader.read(digest).is_ok()));
}

#[test]
fn what_lies_damaged_in_a_pack_is_stored_again() {
    let (_dir, store) = store();
    let digests = packed(&store, "content", 20);
    damage(&packs(&store).remove(0), |bytes| {
        let position = bytes.windows(9).position(|window| window == b"content 7").unwrap();
        bytes[position] = b'C';
    });
    let store = Store::open(&store.root).unwrap();

    packed(&store, "content", 20);

    let reader = Store::open(&store.root).unwrap();
    assert!(digests.iter().all(|digest| reader.check(digest).unwrap() == verify::State::Sound));
    assert_eq!(packs(&reader).len(), 1);
    assert!(packs(&reader).iter().all(|pack| !fs::read(pack).unwrap().windows(9).any(|window| window == b"Content 7")));
    let aside = reader.set_aside(&digests[7]).unwrap();
    assert_eq!(fs::read(aside).unwrap(), b"Content 7");
}

#[test]
fn what_is_whole_in_a_damaged_pack_is_saved() {
    type Damage = fn(&mut Vec<u8>);
    let cases: [(Damage, usize); 5] = [
        (|bytes| bytes.truncate(bytes.len() - 1), 20),
        (|bytes| bytes.truncate(bytes.len() / 5), 1),
        (|bytes| bytes.clear(), 0),
        (
            |bytes| {
                let end = bytes.len();
                bytes[end - 1] = 0
            },
            20,
        ),
        (
            |bytes| {
                let end = bytes.len();
                bytes[end - 100] ^= 1
            },
            20,
        ),
    ];
    for (number, (change, least)) in cases.into_iter().enumerate() {
        let (_dir, store) = store();
        let digests = packed(&store, "content", 20);
        damage(&packs(&store).remove(0), change);
        let store = Store::open(&store.root).unwrap();

        let broken = store.mend_packs().unwrap();

        assert_eq!(broken.len(), 1, "case {number}");
        assert!(
            broken[0].saved >= least as u64 && broken[0].quarantined.as_ref().is_some_and(|path| path.exists()),
            "case {number}: {broken:?}"
        );
        let states: Vec<verify::State> = digests.iter().map(|digest| store.check(digest).unwrap()).collect();
        assert_eq!(
            states.iter().filter(|state| **state == verify::State::Sound).count() as u64,
            broken[0].saved,
            "case {number}"
        );
        assert!(!states.iter().any(|state| matches!(state, verify::State::Damaged(_))), "case {number}");
        assert!(store.mend_packs().unwrap().is_empty(), "case {number}");
    }
}

#[test]
fn a_dropped_batch_leaves_nothing() {
    let (_dir, store) = store();
    let batch = store.batch().unwrap();
    batch.put_bytes(b"small").unwrap();
    batch.put_reader(&vec![1; 2 << 20][..], 9).unwrap();

    drop(batch);

    assert_eq!(files(&store.scratch()).len() + files(&store.root.join("tmp")).len(), 0);
}

#[test]
fn a_store_that_others_write_to_is_seen_at_once() {
    let (_dir, store) = store();
    let other = Store::open(&store.root).unwrap();
    for round in 0..20 {
        let batch = other.batch().unwrap();
        let digests =
            [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|number| batch.put_bytes(format!("{round} {number}").as_bytes()).unwrap());
        assert!(digests.iter().all(|digest| !store.contains(digest)));
        batch.commit().unwrap();
        assert!(digests.iter().all(|digest| store.contains(digest)));
    }
}

#[test]
fn whatever_took_the_place_of_an_object_is_never_served() {
    let (_dir, store) = store();
    type Make = fn(&Path);
    let make: [(&str, Make); 5] = [
        ("its content hashes to", |path| fs::write(path, "other").unwrap()),
        ("its content hashes to", |path| fs::write(path, "").unwrap()),
        ("it is no regular file", |path| fs::create_dir(path).unwrap()),
        ("it is no regular file", |path| std::os::unix::fs::symlink("/etc/hostname", path).unwrap()),
        ("it is no regular file", |path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap()
        }),
    ];
    for (expected, make) in make {
        let digest = store.put_bytes(expected.as_bytes()).unwrap();
        let path = store.path_of(&digest);
        fs::remove_file(&path).unwrap();
        make(&path);

        let error = store.read(&digest).unwrap_err();

        assert!(error.to_string().contains(expected), "{error}");
        assert!(store.export(&digest, &store.root.join("out"), false, &store.scratch(), Link::Copy).is_err());
        assert!(!store.root.join("out").exists());
        if path.is_dir() { fs::remove_dir(&path).unwrap() } else { fs::remove_file(&path).unwrap() }
    }
}

#[test]
fn a_truncated_object_is_stored_again() {
    let (_dir, store) = store();
    let digest = store.put_bytes(b"content").unwrap();
    let path = store.path_of(&digest);
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&path, "con").unwrap();

    store.put_bytes(b"content").unwrap();

    assert_eq!(store.read(&digest).unwrap(), b"content");
}

#[test]
fn an_exported_file_is_its_own() {
    let (dir, store) = store();
    let digest = store.put_bytes(b"content").unwrap();
    let to = dir.path().join("out");

    store.export(&digest, &to, true, dir.path(), Link::Copy).unwrap();

    assert_ne!(to.metadata().unwrap().permissions().mode() & 0o100, 0);
    fs::write(&to, "changed").unwrap();
    assert_eq!(store.read(&digest).unwrap(), b"content");
}

#[test]
fn a_hard_link_is_the_object_itself_where_that_may_be() {
    let (dir, store) = store();
    let (large, _) = store.put_reader(&vec![7; 2 << 20][..]).unwrap();
    let small = packed(&store, "small", 20)[0];
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
    let export = |digest: &Digest, is_executable: bool| {
        let to = dir.path().join("out");
        store.export(digest, &to, is_executable, dir.path(), Link::Hard).unwrap();
        to
    };

    let first = inode(&export(&large, false));
    // A rename over another link of the same file does nothing.
    let again = export(&large, false);

    assert_eq!((first, inode(&again)), (inode(&store.path_of(&large)), first));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "a temporary file is left");
    // A program's mode is its own, and a packed object has no file to share.
    assert_ne!(inode(&export(&large, true)), first);
    assert_eq!(store.path_of(&large).metadata().unwrap().permissions().mode() & 0o777, 0o444);
    fs::write(export(&small, false), "changed").unwrap();
    assert_eq!(store.read(&small).unwrap(), b"small 0");
}

#[test]
fn a_damaged_object_is_not_linked() {
    let (dir, store) = store();
    let (large, _) = store.put_reader(&vec![7; 2 << 20][..]).unwrap();
    damage(&store.path_of(&large), |bytes| bytes[9] ^= 1);

    let to = dir.path().join("out");
    store.export(&large, &to, false, dir.path(), Link::Hard).unwrap_err();

    assert!(!to.exists());
}

#[test]
fn objects_are_read_only() {
    let (_dir, store) = store();
    let digest = store.put_bytes(b"content").unwrap();

    assert_eq!(store.path_of(&digest).metadata().unwrap().permissions().mode() & 0o777, 0o444);
}
