use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::Digest;

fn pack(contents: &[Vec<u8>], dir: &Path) -> PathBuf {
    let compression = Compression::default();
    let unique: BTreeMap<Digest, Vec<u8>> =
        contents.iter().map(|content| (Digest::of(content), content.clone())).collect();
    let items = unique.into_iter().map(|(digest, content)| compression.item(digest, content)).collect();
    write(items, dir).unwrap().place(dir).unwrap()
}

fn read(pack: &Arc<Pack>, content: &[u8]) -> Vec<u8> {
    let entry = pack.index().find(&Digest::of(content)).unwrap();
    assert_eq!(entry.size, content.len() as u64);
    let mut read = Vec::new();
    pack.content(&entry).unwrap().read_to_end(&mut read).unwrap();
    read
}

fn salvage(path: &Path) -> Vec<Item> {
    let mut items = Vec::new();
    let take = |item| {
        items.push(item);
        Ok(())
    };
    Pack::salvage(path, take).unwrap();
    items
}

#[test]
fn objects_that_overlap_are_saved_no_longer_than_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let content = vec![7; 100_000];
    let entry = |number: u64| Entry {
        digest: Digest::of(number.to_le_bytes()),
        offset: HEADER.len() as u64,
        stored: 100_000,
        size: 100_000,
        kind: Kind::Raw,
    };
    let mut entries: Vec<Entry> = (0..1000).map(entry).collect();
    entries.sort_by_key(|entry| entry.digest);
    let index: Vec<u8> = entries.iter().flat_map(Entry::encode).collect();
    let start = (HEADER.len() + content.len()) as u64;
    let footer = Footer { start, count: 1000, digest: Digest::of(&index) }.encode();
    let bytes = [HEADER, content.as_slice(), &index, &footer].concat();
    let path = dir.path().join("overlapping.pack");
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(Pack::open(&path).unwrap().unwrap().index().entries().count(), 1000);

    let saved: usize = salvage(&path).iter().map(|item| item.stored.len()).sum();

    assert!(saved <= 2 * bytes.len(), "{saved}");
}

#[test]
fn what_shrinks_is_compressed_and_the_rest_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (text, noise) = (b"a line of text\n".repeat(99), Digest::of("x").as_bytes().repeat(4)[..100].to_vec());

    let pack = Arc::new(Pack::open(&pack(&[text.clone(), noise.clone()], dir.path())).unwrap().unwrap());

    let stored = |content: &[u8]| pack.index().find(&Digest::of(content)).unwrap().stored;
    assert!(stored(&text) < text.len() as u64 / 9);
    assert_eq!(stored(&noise), noise.len() as u64);
    assert_eq!((read(&pack, &text), read(&pack, &noise)), (text, noise));
}

#[test]
fn other_versions_are_told_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = pack(&[b"one".to_vec()], dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let length = bytes.len();
    bytes[length - 1] = b'3';
    let next = dir.path().join("next.pack");
    std::fs::write(&next, &bytes).unwrap();

    assert_eq!(Pack::open(&next).unwrap().unwrap_err(), Unreadable::Version("3".into()));
    assert_eq!(Pack::other_version(b"mlx pack 3\n"), Some("3".into()));
    assert_eq!(Pack::other_version(b"mlx pack 2\n"), None);
    bytes[length - 1] = b'x';
    assert!(matches!(Footer::decode(&bytes, length as u64), Err(Unreadable::Damaged(_))));
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = pack(&[b"one".to_vec(), b"two".repeat(99)], dir.path());
    let bytes = std::fs::read(&path).unwrap();

    for position in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[position] ^= 1 << (position % 8);
        let copy = dir.path().join(path.file_name().unwrap());
        std::fs::remove_file(&copy).unwrap();
        std::fs::write(&copy, flipped).unwrap();

        let damage = Pack::open(&copy).unwrap().map(|pack| Arc::new(pack).damage(|_| false));
        assert!(damage.is_err() || damage.is_ok_and(|damage| !damage.is_none()), "byte {position}");
    }
}

#[test]
fn an_object_that_stands_twice_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let item = Item::raw(Digest::of("one"), b"one".to_vec());
    let path = write(vec![item.clone(), item], dir.path()).unwrap().place(dir.path()).unwrap();

    let damage = Arc::new(Pack::open(&path).unwrap().unwrap()).damage(|_| false);

    assert_eq!(damage.frame.as_deref(), Some("its index is not in order, or names an object twice"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_is_packed_reads_back(contents in prop::collection::vec(any::<Vec<u8>>(), 1..20), repeat in 1..99_usize) {
        let dir = tempfile::tempdir().unwrap();
        let contents: Vec<Vec<u8>> = contents.into_iter().map(|content| content.repeat(repeat)).collect();
        let path = pack(&contents, dir.path());
        let pack = Arc::new(Pack::open(&path).unwrap().unwrap());

        for content in &contents {
            prop_assert_eq!(&read(&pack, content), content);
        }
        prop_assert!(pack.damage(|_| false).is_none());
        let salvaged: Vec<Vec<u8>> = salvage(&path).into_iter().map(|item| item.content().unwrap()).collect();
        prop_assert!(contents.iter().all(|content| salvaged.contains(content)));
    }

    #[test]
    fn damaged_packs_never_panic(position: prop::sample::Index, value: u8, cut: prop::sample::Index) {
        let dir = tempfile::tempdir().unwrap();
        let path = pack(&[b"one".to_vec(), b"two".repeat(99)], dir.path());
        let mut bytes = std::fs::read(&path).unwrap();
        let position = position.index(bytes.len());
        bytes[position] = value;
        bytes.truncate(cut.index(bytes.len()) + 1);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();

        if let Ok(pack) = Pack::open(&path).unwrap().map(Arc::new) {
            for entry in pack.index().entries() {
                let _ = pack.content(&entry).map(|mut content| content.read_to_end(&mut Vec::new()));
            }
        }
        let salvaged = salvage(&path);
        let saved: u64 = salvaged.iter().map(|item| item.stored.len() as u64).sum();
        prop_assert!(saved <= 2 * path.metadata().unwrap().len());
        for item in salvaged {
            let _ = item.content();
        }
    }
}
