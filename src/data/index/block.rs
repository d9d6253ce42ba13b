//! A block of the index: one directory as it was last seen, entry by entry, and the tree that it made.
//!
//! A block is a checksum, counts, sizes and the digest of the tree; then a record for each entry, sorted by name; then the
//! key of the directory and the names. Numbers are little-endian.

use crate::Digest;
use crate::digest::{Object, ObjectKind};

const HEAD_BYTES: usize = 72;
const RECORD_BYTES: usize = 80;

/// What `stat` tells of a file, as far as a change of content shows in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stat {
    pub size: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
    pub inode: u64,
}

impl Stat {
    pub fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            size: stat.st_size.cast_unsigned(),
            mtime_ns: ns(stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
            ctime_ns: ns(stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
            inode: stat.st_ino,
        }
    }

    pub fn of_statx(stat: &rustix::fs::Statx) -> Self {
        Self {
            size: stat.stx_size,
            mtime_ns: ns(stat.stx_mtime.tv_sec, i64::from(stat.stx_mtime.tv_nsec)),
            ctime_ns: ns(stat.stx_ctime.tv_sec, i64::from(stat.stx_ctime.tv_nsec)),
            inode: stat.stx_ino,
        }
    }
}

/// Seconds and nanoseconds as one number.
pub fn ns(seconds: i64, ns: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(ns)
}

/// What lies under one name of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known<'a> {
    pub name: &'a [u8],
    pub kind: Kind,
    pub digest: Digest,
    /// Bytes, as in the object.
    pub size: u64,
    pub files: u64,
    /// Of files and links; nothing for directories.
    pub stat: Stat,
    /// When the file came to be, which tells it from another that got its inode; 0 where the file system does not say.
    pub born_ns: i64,
    /// Whether a change after the moment of reading would show in the stat.
    pub is_settled: bool,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Object(ObjectKind),
    /// Something that has no version, such as a named pipe.
    Other,
}

impl Known<'_> {
    /// The object of the entry; `None` for what has no version.
    pub fn object(&self) -> Option<Object> {
        let Kind::Object(kind) = self.kind else { return None };
        Some(Object { kind, digest: self.digest, size: self.size, files: self.files })
    }

    pub fn is_directory(&self) -> bool {
        self.kind == Kind::Object(ObjectKind::Directory)
    }
}

/// One block, read where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    bytes: &'a [u8],
    count: usize,
    key: &'a [u8],
    names: &'a [u8],
}

impl<'a> Block<'a> {
    /// Reads a block whose bytes may be anything; `None` where they are not what was written.
    pub fn check(bytes: &'a [u8]) -> Option<Self> {
        let sum = bytes.get(..8)?;
        if number(sum, 0) != checksum(&bytes[8..]) {
            return None;
        }
        let block = Self::view(bytes)?;
        let ends = (0..block.count).map(|position| block.name_end(position));
        let is_ordered = ends.clone().zip(ends.skip(1)).all(|(end, next)| end <= next);
        (is_ordered && block.count.checked_sub(1).is_none_or(|last| block.name_end(last) <= block.names.len()))
            .then_some(block)
    }

    /// As [`Block::check`] for bytes that were checked, or made here.
    pub fn view(bytes: &'a [u8]) -> Option<Self> {
        let head = bytes.get(..HEAD_BYTES)?;
        let (key_length, count) = ((number(head, 8) & 0xffff_ffff) as usize, (number(head, 8) >> 32) as usize);
        let key_start = count.checked_mul(RECORD_BYTES)?.checked_add(HEAD_BYTES)?;
        let key_end = key_start.checked_add(key_length)?;
        Some(Self { bytes, count, key: bytes.get(key_start..key_end)?, names: bytes.get(key_end..)? })
    }

    /// The key of a block at the start of these bytes, unchecked.
    pub fn peek_key(bytes: &'a [u8]) -> Option<&'a [u8]> {
        Self::view(bytes).map(|block| block.key)
    }

    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// The directory object that these entries make; `None` where something among them has no version.
    pub fn tree(&self) -> Option<Object> {
        (number(self.bytes, 64) == 1).then(|| Object {
            kind: ObjectKind::Directory,
            digest: digest(&self.bytes[32..]),
            size: number(self.bytes, 16),
            files: number(self.bytes, 24),
        })
    }

    pub fn get(&self, position: usize) -> Known<'a> {
        let record = self.record(position);
        let start = if position == 0 { 0 } else { self.name_end(position - 1) };
        let (kind, flags) = (record[4], record[5]);
        let is_directory = kind == 3;
        let stat = Stat {
            size: number(record, 8),
            mtime_ns: number(record, 16).cast_signed(),
            ctime_ns: number(record, 24).cast_signed(),
            inode: number(record, 32),
        };
        Known {
            name: &self.names[start..self.name_end(position)],
            kind: match kind {
                0 => Kind::Object(ObjectKind::File),
                1 => Kind::Object(ObjectKind::Executable),
                2 => Kind::Object(ObjectKind::Link),
                3 => Kind::Object(ObjectKind::Directory),
                _ => Kind::Other,
            },
            digest: digest(&record[48..]),
            size: stat.size,
            files: if is_directory { number(record, 16) } else { 1 },
            stat: if is_directory { Stat::default() } else { stat },
            born_ns: number(record, 40).cast_signed(),
            is_settled: flags == 1,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Known<'a>> + use<'a> {
        let block = *self;
        (0..block.count).map(move |position| block.get(position))
    }

    /// The position of a name, or where it would stand.
    pub fn position(&self, name: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).name.cmp(name) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    pub fn find(&self, name: &[u8]) -> Option<Known<'a>> {
        self.position(name).ok().map(|position| self.get(position))
    }

    fn record(&self, position: usize) -> &'a [u8] {
        &self.bytes[HEAD_BYTES + position * RECORD_BYTES..][..RECORD_BYTES]
    }

    fn name_end(&self, position: usize) -> usize {
        (number(self.record(position), 0) & 0xffff_ffff) as usize
    }
}

/// Makes a block of entries that come sorted by name.
#[derive(Debug, Default)]
pub struct Builder {
    records: Vec<u8>,
    names: Vec<u8>,
    count: u32,
}

impl Builder {
    pub fn with_capacity(entries: usize) -> Self {
        Self { records: Vec::with_capacity(entries * RECORD_BYTES), names: Vec::with_capacity(entries * 16), count: 0 }
    }

    pub fn push(&mut self, known: &Known<'_>) {
        let Known { name, kind, digest, size, files, stat, born_ns, is_settled } = known;
        self.names.extend_from_slice(name);
        self.count += 1;
        let kind = match kind {
            Kind::Object(ObjectKind::File) => 0,
            Kind::Object(ObjectKind::Executable) => 1,
            Kind::Object(ObjectKind::Link) => 2,
            Kind::Object(ObjectKind::Directory) => 3,
            Kind::Other => 4,
        };
        let times = if kind == 3 { *files } else { stat.mtime_ns.cast_unsigned() };
        self.records.extend_from_slice(&(self.names.len() as u32).to_le_bytes());
        self.records.extend_from_slice(&[kind, u8::from(*is_settled), 0, 0]);
        for number in [*size, times, stat.ctime_ns.cast_unsigned(), stat.inode, born_ns.cast_unsigned()] {
            self.records.extend_from_slice(&number.to_le_bytes());
        }
        self.records.extend_from_slice(digest.as_bytes());
    }

    /// The block of the directory with this key.
    pub fn finish(self, key: &[u8], tree: Option<&Object>) -> Vec<u8> {
        let Self { records, names, count } = self;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + records.len() + key.len() + names.len());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&tree.map_or(0, |tree| tree.size).to_le_bytes());
        bytes.extend_from_slice(&tree.map_or(0, |tree| tree.files).to_le_bytes());
        bytes.extend_from_slice(tree.map_or(&[0; 32], |tree| tree.digest.as_bytes()));
        bytes.extend_from_slice(&u64::from(tree.is_some()).to_le_bytes());
        for part in [&records, key, &names] {
            bytes.extend_from_slice(part);
        }
        let sum = checksum(&bytes[8..]);
        bytes[..8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }
}

/// A hash that every flipped bit changes, eight bytes at a time: against torn and flipped bits, not against malice.
pub fn checksum(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^ hash >> 32
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(bytes.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(hash, u64::from_le_bytes(last))
}

/// The eight bytes at `at`, which the caller knows to be there.
pub fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(bytes[..32].try_into().expect("32 bytes"))
}
