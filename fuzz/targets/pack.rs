//! Pack files: nothing in one makes a reader panic or read beyond it, `damage` finds whatever is not as it was written, and
//! what is packed reads back, by the index and without it.
#![no_main]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mlx::Digest;
use mlx::remote::Recipe;
use mlx::store::pack::{Compression, Entry, FOOTER, Footer, Index, Item, Kind, Pack, Writer};
use tempfile::TempDir;

const ENTRY: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    SCRATCH.with_borrow(|scratch| {
        look(bytes, scratch.path());
        if let Some(mended) = mend(bytes) {
            look(&mended, scratch.path());
        }
        round_trip(bytes, scratch.path());
    });
    expand(bytes);
});

thread_local! {
    /// In memory where that is to be had: nothing here needs to last.
    static SCRATCH: RefCell<TempDir> = RefCell::new({
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        TempDir::with_prefix_in("mlx-fuzz-", place).expect("a directory can be made")
    });
}

/// The same with a footer that fits and is right about the index, which no mutation finds by chance.
fn mend(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = bytes.len().checked_sub(FOOTER)?;
    let claimed = u64::from_le_bytes(bytes[end..end + 8].try_into().ok()?);
    let start = usize::try_from(claimed).ok().filter(|start| *start <= end)?;
    let start = end - (end - start) / ENTRY * ENTRY;
    let index = &bytes[start..end];
    let mut mended = bytes[..end].to_vec();
    mended.extend_from_slice(&(start as u64).to_le_bytes());
    mended.extend_from_slice(&((index.len() / ENTRY) as u64).to_le_bytes());
    mended.extend_from_slice(Digest::of(index).as_bytes());
    mended.extend_from_slice(b"mlx pack index 2");
    Some(mended)
}

fn look(bytes: &[u8], scratch: &Path) {
    let _ = Pack::other_version(bytes);
    let path = scratch.join("input.pack");
    std::fs::write(&path, bytes).expect("the input can be written");

    let salvaged = salvage(&path);
    let saved: usize = salvaged.iter().map(|item| item.stored.len()).sum();
    assert!(saved <= 2 * bytes.len());
    if let Ok(pack) = Pack::open(&path).expect("the input can be read") {
        let pack = Arc::new(pack);
        look_at_index(&pack, bytes);
        let entries: Vec<Entry> = pack.index().entries().collect();
        // Of objects that overlap no more is saved than the file is long.
        let together: u64 = entries.iter().map(|entry| entry.stored.max(1)).sum();
        for entry in &entries {
            assert!(entry.range().end <= pack.length() && pack.length() <= bytes.len() as u64);
            let item = pack.item(entry).expect("it lies within the file");
            assert!(together >= bytes.len() as u64 || salvaged.contains(&item));
            if let Ok(content) = pack.content(entry) {
                let read = read_all(content);
                assert!(entry.kind != Kind::Raw || read.len() as u64 == entry.size);
            }
        }
        if pack.damage(Recipe::is_in).is_none() {
            look_at_sound(&pack, entries, bytes, scratch);
        }
    }
    for item in salvaged {
        let (size, kind) = (item.size, item.kind);
        if let Ok(content) = item.content() {
            assert!(kind == Kind::Raw || content.len() as u64 <= size);
        }
    }
}

/// An index that was read on its own says what the one in the file says.
fn look_at_index(pack: &Pack, bytes: &[u8]) {
    let footer = Footer::decode(bytes, bytes.len() as u64).expect("the pack was opened");
    assert!(footer.length() == Some(bytes.len() as u64));
    assert!(Footer::decode(bytes, bytes.len() as u64 + 1).is_err());
    let range = footer.index();
    let index = Index::held(bytes[range.start as usize..range.end as usize].to_vec(), &footer);
    assert!(index.count() as u64 == footer.count && index.contents_end() == pack.length());
    assert!(index.entries().eq(pack.index().entries()));
    assert!(index.digest() == pack.index().digest());
}

/// A pack without damage is what the writer writes, to the last byte.
fn look_at_sound(pack: &Arc<Pack>, mut entries: Vec<Entry>, bytes: &[u8], scratch: &Path) {
    for entry in &entries {
        assert!(pack.index().find(&entry.digest) == Some(*entry));
        if entry.kind.is_whole() {
            let content = read_all(pack.content(entry).expect("it is sound"));
            assert!(Digest::of(&content) == entry.digest && content.len() as u64 == entry.size);
        }
    }
    entries.sort_by_key(|entry| entry.offset);
    let items = entries.iter().map(|entry| pack.item(entry).expect("it is sound"));
    let again = write(items, scratch);
    assert!(std::fs::read(&again).expect("it was written") == bytes);
}

/// What is cut out of the input is packed and read back.
fn round_trip(bytes: &[u8], scratch: &Path) {
    let compression = Compression::default();
    let contents: BTreeMap<Digest, &[u8]> =
        bytes.split(|byte| *byte == 0).map(|content| (Digest::of(content), content)).collect();
    let items = contents.iter().map(|(digest, content)| compression.item(*digest, content.to_vec()));

    let path = write(items, scratch);

    let pack = Arc::new(Pack::open(&path).expect("it was written").expect("it is whole"));
    assert!(pack.damage(|_| false).is_none());
    assert!(pack.index().count() == contents.len());
    for (digest, content) in &contents {
        let entry = pack.index().find(digest).expect("it was packed");
        assert!(read_all(pack.content(&entry).expect("it is sound")) == *content);
    }
    let salvaged = salvage(&path);
    let saved: HashSet<Vec<u8>> = salvaged.into_iter().filter_map(|item| item.content().ok()).collect();
    assert!(contents.values().all(|content| saved.contains(*content)));
}

/// The input as a compressed object that claims some size.
fn expand(bytes: &[u8]) {
    let Some((size, stored)) = bytes.split_first_chunk::<4>() else { return };
    let size = u64::from(u32::from_le_bytes(*size));
    let item = Item { digest: Digest::of(stored), size, kind: Kind::Zstd, stored: stored.to_vec() };
    if let Ok(content) = item.content() {
        assert!(content.len() as u64 <= size);
    }
}

fn write(items: impl Iterator<Item = Item>, scratch: &Path) -> PathBuf {
    let mut writer = Writer::create(scratch).expect("a file can be made");
    for item in items {
        writer.append(&item).expect("the file can be written");
    }
    let path = scratch.join("written.pack");
    let written = writer.seal().expect("the file can be written").place(scratch).expect("it can be named");
    std::fs::rename(written, &path).expect("it can be renamed");
    path
}

fn salvage(path: &Path) -> Vec<Item> {
    let mut items = Vec::new();
    let take = |item| {
        items.push(item);
        Ok(())
    };
    Pack::salvage(path, take).expect("the file can be read");
    items
}

fn read_all(mut content: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes).expect("it lies within the file");
    bytes
}
