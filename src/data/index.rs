//! The stat index: what is remembered of files, so that an unchanged one is not read again.
//!
//! `.mlx/index` holds a block for each directory ([`block`]), sorted by path, then a table of where the blocks lie, then a
//! footer; little-endian, memory-mapped, replaced atomically. Since a block also has the digest of the tree that its
//! entries made, nothing of an unchanged directory is encoded or hashed again; and a directory that was just scanned can
//! be compared and planned over without looking at the disk once more.
//!
//! Whatever is wrong with the file, it only costs reading files again: each block has a checksum, and a file whose time of
//! change is not clearly before the moment it was read is not trusted (Git's rule for racily clean entries).

pub mod block;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use memmap2::Mmap;

use self::block::{Block, Known, checksum, number};
pub use self::block::{Builder, Kind, Stat};
use crate::Result;
use crate::fs;

const MAGIC: [u8; 8] = *b"mlxidx02";
const FOOTER_BYTES: usize = 32;
const TABLE_ENTRY_BYTES: usize = 16;
/// File systems stamp changes with a clock that ticks this coarsely, at most.
pub const TICK_NS: i64 = 20_000_000;
/// But for those whose time stamps are whole seconds, or two.
const COARSE_TICK_NS: i64 = 2_000_000_000;

/// Whether a change to a file after the moment `at_ns` would show in its stat. The time of change is what counts: each
/// write sets it, and nobody can set it back.
pub fn is_settled(stat: &Stat, at_ns: i64) -> bool {
    let is_whole = |ns: i64| ns % 1_000_000_000 == 0;
    let tick_ns = if is_whole(stat.ctime_ns) && is_whole(stat.mtime_ns) { COARSE_TICK_NS } else { TICK_NS };
    stat.ctime_ns < at_ns.saturating_sub(tick_ns)
}

/// Nanoseconds since 1970, for [`is_settled`]: taken before the file is read.
pub fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// What was known of paths; used from many threads.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    map: Option<Mmap>,
    /// How many blocks the map has, and where its table begins.
    count: usize,
    table: usize,
    fresh: Mutex<Fresh>,
    inodes: OnceLock<Vec<Place>>,
}

/// What this process learned: a block, or that nothing lies there any more.
#[derive(Debug, Default)]
struct Fresh {
    blocks: BTreeMap<Vec<u8>, Option<Arc<[u8]>>>,
    is_saved: bool,
}

/// Where the entry of an inode stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    inode: u64,
    block: u32,
    entry: u32,
}

/// A block that stays readable while it is looked at.
#[derive(Debug)]
pub enum Lent<'a> {
    Mapped(Block<'a>),
    Fresh(Arc<[u8]>),
}

impl Lent<'_> {
    pub fn block(&self) -> Block<'_> {
        match self {
            Self::Mapped(block) => *block,
            Self::Fresh(bytes) => Block::view(bytes).expect("a builder made it"),
        }
    }
}

/// A path as the index sorts it: what lies below a directory stands right behind it.
fn key(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect()
}

fn path_of(key: &[u8]) -> Vec<u8> {
    key.iter().map(|byte| if *byte == 0 { b'/' } else { *byte }).collect()
}

impl Index {
    /// Opens the index in this file; one that is missing, damaged or of another version is an empty one.
    pub fn open(path: &Path) -> Self {
        let map = fs::open_regular(path).ok().and_then(|file| {
            // SAFETY: the file is replaced as a whole and never written in place.
            unsafe { Mmap::map(&file) }.ok()
        });
        let found = map.as_deref().and_then(table);
        let (table, count) = found.unwrap_or_default();
        let map = found.and(map);
        Self { path: path.to_path_buf(), map, count, table, fresh: Mutex::default(), inodes: OnceLock::new() }
    }

    /// What is known of the directory at `path`, or of a file that is remembered by itself, as an entry without a name.
    pub fn block(&self, path: &[u8]) -> Option<Lent<'_>> {
        let key = key(path);
        match self.fresh().blocks.get(&key) {
            Some(block) => block.clone().map(Lent::Fresh),
            None => Block::check(self.mapped(self.position(&key).ok()?)?).map(Lent::Mapped),
        }
    }

    /// Remembers what lies in a directory, and the tree that it makes.
    pub fn remember(&self, path: &[u8], entries: Builder, tree: Option<&crate::digest::Object>) {
        let key = key(path);
        let block = entries.finish(&key, tree);
        let mut fresh = self.fresh();
        fresh.is_saved = false;
        fresh.blocks.insert(key, Some(block.into()));
    }

    /// Forgets a path and all below it.
    pub fn forget(&self, path: &[u8]) {
        let key = key(path);
        let below = [key.as_slice(), &[0]].concat();
        let is_meant = |other: &[u8]| other == key || other.starts_with(&below);
        let mut fresh = self.fresh();
        let first = self.position(&key).unwrap_or_else(|position| position);
        let mapped = (first..self.count).map_while(|position| Block::peek_key(self.mapped(position)?));
        let mapped = mapped.take_while(|other| is_meant(other)).map(<[u8]>::to_vec);
        let known =
            fresh.blocks.range(key.clone()..).map(|(other, _)| other).take_while(|other| is_meant(other)).cloned();
        let keys: Vec<Vec<u8>> = mapped.chain(known).collect();
        fresh.is_saved &= keys.is_empty();
        fresh.blocks.extend(keys.into_iter().map(|key| (key, None)));
    }

    /// Where a file with this inode was when the index was written, for who finds one under a name that is not known.
    /// Calls `found` with its path until it returns something.
    pub fn with_inode<T>(&self, inode: u64, mut found: impl FnMut(&[u8], &Known<'_>) -> Option<T>) -> Option<T> {
        let places = self.inodes.get_or_init(|| self.places());
        let first = places.partition_point(|place| place.inode < inode);
        places[first..].iter().take_while(|place| place.inode == inode).find_map(|place| {
            let block = Block::view(self.mapped(place.block as usize)?)?;
            let known = block.get(place.entry as usize);
            let directory = path_of(block.key());
            let path = if known.name.is_empty() { directory } else { [&directory, known.name].join(&b'/') };
            found(&path, &known)
        })
    }

    /// The entries of all files, by inode.
    fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for position in 0..self.count {
            let Some(block) = self.mapped(position).and_then(Block::check) else { continue };
            let files = block.iter().enumerate().filter(|(_, known)| known.stat.inode != 0 && known.is_settled);
            places.extend(files.map(|(entry, known)| Place {
                inode: known.stat.inode,
                block: position as u32,
                entry: entry as u32,
            }));
        }
        places.sort_unstable();
        places
    }

    /// Writes what was learned, if anything was.
    pub fn save(&self, scratch: &Path) -> Result<()> {
        let mut fresh = self.fresh();
        if fresh.is_saved || fresh.blocks.is_empty() {
            return Ok(());
        }
        fs::replace(&self.path, scratch, |out| self.write(&fresh.blocks, out))?;
        fresh.is_saved = true;
        Ok(())
    }

    /// Old and new blocks in one order, each written as it comes.
    fn write(&self, fresh: &BTreeMap<Vec<u8>, Option<Arc<[u8]>>>, out: &mut dyn Write) -> std::io::Result<()> {
        let mut table: Vec<u8> = Vec::new();
        let mut at = MAGIC.len() as u64;
        let mut write = |out: &mut dyn Write, block: &[u8]| {
            table.extend_from_slice(&at.to_le_bytes());
            table.extend_from_slice(&(block.len() as u64).to_le_bytes());
            at += block.len() as u64;
            out.write_all(block)
        };
        out.write_all(&MAGIC)?;
        let old = (0..self.count).filter_map(|position| {
            let bytes = self.mapped(position)?;
            Some((Block::peek_key(bytes)?, bytes))
        });
        let mut old = old.peekable();
        for (key, block) in fresh {
            while let Some((_, bytes)) = old.next_if(|(other, _)| *other < key.as_slice()) {
                write(out, bytes)?;
            }
            old.next_if(|(other, _)| other == key);
            block.as_ref().map_or(Ok(()), |block| write(out, block))?;
        }
        old.try_for_each(|(_, bytes)| write(out, bytes))?;
        out.write_all(&table)?;
        for number in [at, (table.len() / TABLE_ENTRY_BYTES) as u64, checksum(&table), u64::from_le_bytes(MAGIC)] {
            out.write_all(&number.to_le_bytes())?;
        }
        Ok(())
    }

    fn fresh(&self) -> MutexGuard<'_, Fresh> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the key stands, or would stand, in the map.
    fn position(&self, key: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self
                .mapped(middle)
                .and_then(Block::peek_key)
                .map_or(std::cmp::Ordering::Greater, |other| other.cmp(key))
            {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// The bytes of a block in the map, unchecked.
    fn mapped(&self, position: usize) -> Option<&[u8]> {
        let bytes = self.map.as_deref()?;
        let entry = bytes.get(self.table + position * TABLE_ENTRY_BYTES..)?.get(..TABLE_ENTRY_BYTES)?;
        let (start, length) = (usize::try_from(number(entry, 0)).ok()?, usize::try_from(number(entry, 8)).ok()?);
        bytes.get(start..start.checked_add(length)?)
    }
}

/// Where the table begins and how many blocks it names, if the footer and the table are what was written.
fn table(bytes: &[u8]) -> Option<(usize, usize)> {
    let footer = bytes.strip_prefix(&MAGIC)?.last_chunk::<FOOTER_BYTES>()?;
    let (start, count) = (usize::try_from(number(footer, 0)).ok()?, usize::try_from(number(footer, 8)).ok()?);
    let end = bytes.len() - FOOTER_BYTES;
    let is_whole = footer[24..] == MAGIC && start.checked_add(count.checked_mul(TABLE_ENTRY_BYTES)?)? == end;
    (is_whole && checksum(bytes.get(start..end)?) == number(footer, 16)).then_some((start, count))
}
