//! The stat index: what is remembered of files, so that an unchanged one is not read again.
//!
//! `.mlx/index` is a header, then records sorted by path, then the paths; little-endian, memory-mapped, replaced
//! atomically. Whatever is wrong with it, it only costs reading files again: each record has a checksum, and a file whose
//! time of change is not clearly before the moment it was read is not trusted (Git's rule for racily clean entries).

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use memmap2::Mmap;

use crate::fs;
use crate::{Digest, Result};

const MAGIC: [u8; 8] = *b"mlxidx01";
const HEADER_BYTES: usize = 16;
const RECORD_BYTES: usize = 88;
/// File systems stamp changes with a clock that ticks this coarsely, at most.
const TICK_NS: i64 = 20_000_000;
/// But for those whose time stamps are whole seconds, or two.
const COARSE_TICK_NS: i64 = 2_000_000_000;

/// What `stat` tells of a file, as far as a change of content shows in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub size: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    inode: u64,
}

impl Stat {
    pub fn of(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Self {
            size: metadata.len(),
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    /// How far apart two changes must be for the second one to show. The time of change is what counts: each write sets
    /// it, and nobody can set it back.
    fn tick_ns(&self) -> i64 {
        let is_whole = |ns: i64| ns % 1_000_000_000 == 0;
        if is_whole(self.ctime_ns) && is_whole(self.mtime_ns) { COARSE_TICK_NS } else { TICK_NS }
    }
}

/// Nanoseconds since 1970, for [`Index::remember`]: taken before the file is read.
pub fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    stat: Stat,
    read_at_ns: i64,
    digest: Digest,
}

/// Path to what was known of it; used from many threads.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    map: Option<Mmap>,
    count: usize,
    /// What this process learned: an entry, or that nothing is known any more.
    fresh: Mutex<HashMap<Vec<u8>, Option<Entry>>>,
}

impl Index {
    /// Opens the index in this file; one that is missing, damaged or of another version is an empty one.
    pub fn open(path: &Path) -> Self {
        let map = File::open(path).ok().and_then(|file| {
            // SAFETY: the file is replaced as a whole and never written in place.
            unsafe { Mmap::map(&file) }.ok()
        });
        let count = map.as_deref().and_then(record_count);
        Self { path: path.to_path_buf(), count: count.unwrap_or(0), map: count.and(map), fresh: Mutex::default() }
    }

    /// The digest of the file at `path`, if its stat is what it was when it was read.
    pub fn lookup(&self, path: &[u8], stat: &Stat) -> Option<Digest> {
        let entry = match self.fresh().get(path) {
            Some(entry) => *entry,
            None => self.find(path),
        }?;
        let is_settled = entry.stat.ctime_ns < entry.read_at_ns.saturating_sub(entry.stat.tick_ns());
        (entry.stat == *stat && is_settled).then_some(entry.digest)
    }

    /// Remembers what a file held when it was read, and its stat just before.
    pub fn remember(&self, path: &[u8], stat: Stat, digest: Digest, read_at_ns: i64) {
        self.fresh().insert(path.to_vec(), Some(Entry { stat, read_at_ns, digest }));
    }

    /// Forgets a path and all below it that was not remembered by this process.
    pub fn forget_below(&self, path: &[u8]) {
        let mut below = path.to_vec();
        below.push(b'/');
        let mut fresh = self.fresh();
        let first = self.position(path).unwrap_or_else(|position| position);
        for position in first..self.count {
            let Some((name, _)) = self.record(position) else { break };
            if name != path && !name.starts_with(&below) {
                // Names such as `a-b` sort between `a` and `a/`.
                if name > below.as_slice() {
                    break;
                }
                continue;
            }
            fresh.entry(name.to_vec()).or_insert(None);
        }
    }

    /// Writes what was learned, if anything was.
    pub fn save(&self, scratch: &Path) -> Result<()> {
        let mut fresh = self.fresh();
        if fresh.iter().all(|(path, entry)| *entry == self.find(path)) {
            return Ok(());
        }
        let mut learned: Vec<(Vec<u8>, Option<Entry>)> = fresh.drain().collect();
        learned.sort_by(|a, b| a.0.cmp(&b.0));
        let mut entries: Vec<(&[u8], Entry)> = Vec::with_capacity(self.count + learned.len());
        let mut old = (0..self.count).map_while(|position| self.record(position)).peekable();
        for (path, entry) in &learned {
            while let Some(record) = old.next_if(|(name, _)| *name < path.as_slice()) {
                entries.extend(record.1.map(|entry| (record.0, entry)));
            }
            old.next_if(|(name, _)| name == path);
            entries.extend(entry.map(|entry| (path.as_slice(), entry)));
        }
        entries.extend(old.filter_map(|(name, entry)| Some((name, entry?))));
        fs::replace(&self.path, scratch, |out| write(out, &entries))
    }

    fn fresh(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Option<Entry>>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, path: &[u8]) -> Option<Entry> {
        self.record(self.position(path).ok()?)?.1
    }

    /// Where the path stands, or would stand.
    fn position(&self, path: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.record(middle).map_or(std::cmp::Ordering::Greater, |(name, _)| name.cmp(path)) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// A record's path and, if its checksum is right, its entry.
    fn record(&self, position: usize) -> Option<(&[u8], Option<Entry>)> {
        let bytes = self.map.as_deref()?;
        let start = HEADER_BYTES + position * RECORD_BYTES;
        let record: &[u8; RECORD_BYTES] = bytes.get(start..start + RECORD_BYTES)?.try_into().ok()?;
        let number = |at: usize| u64::from_le_bytes(record[at..at + 8].try_into().expect("eight bytes"));
        let name_start = usize::try_from(number(0)).ok()?;
        let name_end = name_start.checked_add(usize::try_from(number(8) & 0xffff_ffff).ok()?)?;
        let name = bytes.get(name_start..name_end)?;
        let digest = Digest::from_bytes(record[56..88].try_into().expect("32 bytes"));
        let stat = Stat {
            size: number(16),
            mtime_ns: number(24).cast_signed(),
            ctime_ns: number(32).cast_signed(),
            inode: number(40),
        };
        let entry = Entry { stat, read_at_ns: number(48).cast_signed(), digest };
        let is_right = (number(8) >> 32) as u32 == checksum(name, &entry);
        Some((name, is_right.then_some(entry)))
    }
}

/// The number of records, if the header is one of ours and all of them lie within the file.
fn record_count(bytes: &[u8]) -> Option<usize> {
    let count = bytes.strip_prefix(&MAGIC)?.get(..8)?;
    let count = usize::try_from(u64::from_le_bytes(count.try_into().expect("eight bytes"))).ok()?;
    let end = count.checked_mul(RECORD_BYTES)?.checked_add(HEADER_BYTES)?;
    (end <= bytes.len()).then_some(count)
}

fn write(out: &mut dyn Write, entries: &[(&[u8], Entry)]) -> std::io::Result<()> {
    out.write_all(&MAGIC)?;
    out.write_all(&(entries.len() as u64).to_le_bytes())?;
    let mut name_start = HEADER_BYTES + entries.len() * RECORD_BYTES;
    for (name, entry) in entries {
        let length = name.len() as u64 | u64::from(checksum(name, entry)) << 32;
        let Entry { stat, read_at_ns, digest } = entry;
        let numbers = [
            name_start as u64,
            length,
            stat.size,
            stat.mtime_ns.cast_unsigned(),
            stat.ctime_ns.cast_unsigned(),
            stat.inode,
            read_at_ns.cast_unsigned(),
        ];
        numbers.iter().try_for_each(|number| out.write_all(&number.to_le_bytes()))?;
        out.write_all(digest.as_bytes())?;
        name_start += name.len();
    }
    entries.iter().try_for_each(|(name, _)| out.write_all(name))
}

/// FNV-1a over path and entry, folded to 32 bits: against torn and flipped bits, not against malice.
fn checksum(name: &[u8], entry: &Entry) -> u32 {
    let Entry { stat, read_at_ns, digest } = entry;
    let numbers = [
        stat.size,
        stat.mtime_ns.cast_unsigned(),
        stat.ctime_ns.cast_unsigned(),
        stat.inode,
        read_at_ns.cast_unsigned(),
    ];
    let bytes = name.iter().copied().chain(numbers.iter().flat_map(|number| number.to_le_bytes()));
    let hash = bytes
        .chain(*digest.as_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stat(number: i64) -> Stat {
        Stat { size: 7, mtime_ns: number + 1, ctime_ns: number, inode: 3 }
    }

    #[test]
    fn a_file_changed_in_the_moment_it_was_read_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(&dir.path().join("index"));
        let later = 10 * TICK_NS;

        index.remember(b"settled", stat(0), Digest::of(b"a"), later);
        index.remember(b"racy", stat(later), Digest::of(b"a"), later);

        assert_eq!(index.lookup(b"settled", &stat(0)), Some(Digest::of(b"a")));
        assert_eq!(index.lookup(b"settled", &stat(1)), None);
        assert_eq!(index.lookup(b"racy", &stat(later)), None);
    }

    #[test]
    fn what_is_forgotten_is_gone_and_its_neighbours_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let index = Index::open(&path);
        for name in ["a", "a-b", "a/x", "a/y", "ab"] {
            index.remember(name.as_bytes(), stat(0), Digest::of(name), 10 * TICK_NS);
        }
        index.save(dir.path()).unwrap();

        let index = Index::open(&path);
        index.remember(b"a/y", stat(0), Digest::of(b"new"), 10 * TICK_NS);
        index.forget_below(b"a");
        index.save(dir.path()).unwrap();

        let index = Index::open(&path);
        let known = ["a", "a-b", "a/x", "a/y", "ab"].map(|name| index.lookup(name.as_bytes(), &stat(0)));
        let [neighbours, new] = [Some(Digest::of(b"a-b")), Some(Digest::of(b"new"))];
        assert_eq!(known, [None, neighbours, None, new, Some(Digest::of(b"ab"))]);
    }

    proptest! {
        #[test]
        fn a_damaged_index_forgets_but_never_lies(at: prop::sample::Index, bit in 0..8_u8, cut: prop::sample::Index) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("index");
            let names = ["data/a", "data/b", "model"];
            let index = Index::open(&path);
            for name in names {
                index.remember(name.as_bytes(), stat(0), Digest::of(name), 10 * TICK_NS);
            }
            index.save(dir.path()).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            bytes.truncate(bytes.len() - cut.index(bytes.len()) / 2);
            std::fs::write(&path, bytes).unwrap();

            let index = Index::open(&path);

            for name in names {
                let found = index.lookup(name.as_bytes(), &stat(0));
                prop_assert!(found.is_none_or(|digest| digest == Digest::of(name)));
            }
        }
    }
}
