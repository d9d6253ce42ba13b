//! The index of a pack: what is in it and where, without its contents.

use std::ops::Range;

use memmap2::Mmap;

use super::{ANY_MARK, ENTRY, FOOTER, HEAD, HEADER, Kind, MARK, Unreadable, digest, number};
use crate::Digest;

/// Where an object lies in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub digest: Digest,
    /// Where its stored bytes begin in the file.
    pub offset: u64,
    /// How many bytes are stored.
    pub stored: u64,
    /// The size of the object, in bytes.
    pub size: u64,
    pub kind: Kind,
}

impl Entry {
    /// The bytes of the file that hold it.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.stored)
    }

    /// What stands before its stored bytes.
    pub(super) fn head(&self) -> [u8; HEAD] {
        let entry = self.encode();
        let mut head = [0; HEAD];
        head[..32].copy_from_slice(&entry[..32]);
        head[32..].copy_from_slice(&entry[40..]);
        head
    }

    pub(super) fn encode(&self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..32].copy_from_slice(self.digest.as_bytes());
        for (place, number) in [self.offset, self.stored, self.size, self.kind.number()].into_iter().enumerate() {
            bytes[32 + 8 * place..][..8].copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8; ENTRY]) -> Option<Self> {
        Some(Self {
            digest: digest(bytes),
            offset: number(&bytes[32..]),
            stored: number(&bytes[40..]),
            size: number(&bytes[48..]),
            kind: Kind::of(number(&bytes[56..]))?,
        })
    }
}

/// The end of a pack's file, which tells where its index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    /// Where the index begins; the contents end there.
    pub start: u64,
    /// The number of entries.
    pub count: u64,
    /// The digest of the index.
    pub digest: Digest,
}

impl Footer {
    /// Reads the footer of a file of this length from its last bytes.
    pub fn decode(bytes: &[u8], length: u64) -> Result<Self, Unreadable> {
        let cut = || Unreadable::Damaged("its footer is damaged or cut off".into());
        let bytes = bytes.len().checked_sub(FOOTER).map(|start| &bytes[start..]).ok_or_else(cut)?;
        let mark = &bytes[48..];
        if mark != MARK {
            return Err(match mark.strip_prefix(ANY_MARK) {
                Some(version) if version.iter().all(u8::is_ascii_digit) => {
                    Unreadable::Version(String::from_utf8_lossy(version).into_owned())
                }
                _ => cut(),
            });
        }
        let footer = Self { start: number(bytes), count: number(&bytes[8..]), digest: digest(&bytes[16..]) };
        // Each object has its head, so that the contents bound the entries.
        let heads = footer.count.saturating_mul(HEAD as u64).saturating_add(HEADER.len() as u64);
        let is_whole = footer.length() == Some(length) && footer.start >= heads;
        is_whole.then_some(footer).ok_or_else(cut)
    }

    pub(super) fn encode(&self) -> [u8; FOOTER] {
        let mut bytes = [0; FOOTER];
        bytes[..8].copy_from_slice(&self.start.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.count.to_le_bytes());
        bytes[16..48].copy_from_slice(self.digest.as_bytes());
        bytes[48..].copy_from_slice(MARK);
        bytes
    }

    /// The bytes of the file that hold the index.
    pub fn index(&self) -> Range<u64> {
        self.start..self.start.saturating_add(self.count.saturating_mul(ENTRY as u64))
    }

    /// How long the whole file is; `None` where no file can be so long.
    pub fn length(&self) -> Option<u64> {
        self.count.checked_mul(ENTRY as u64)?.checked_add(self.start)?.checked_add(FOOTER as u64)
    }
}

/// The sorted entries of a pack.
#[derive(Debug)]
pub struct Index {
    bytes: Bytes,
    /// Where the contents end: no entry may reach beyond it.
    contents_end: u64,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    Held(Vec<u8>),
}

impl Index {
    /// The index in this mapped part of a file.
    pub fn mapped(map: Option<Mmap>, contents_end: u64) -> Self {
        Self { bytes: map.map_or(Bytes::Held(Vec::new()), Bytes::Mapped), contents_end }
    }

    /// The index with these bytes, of the pack whose footer says where its contents end.
    pub fn held(bytes: Vec<u8>, footer: &Footer) -> Self {
        Self { bytes: Bytes::Held(bytes), contents_end: footer.start }
    }

    /// Its bytes, as they stand in the file.
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map) => map,
            Bytes::Held(bytes) => bytes,
        }
    }

    /// The digest of its bytes: what the pack is named by.
    pub fn digest(&self) -> Digest {
        Digest::of(self.bytes())
    }

    fn slots(&self) -> &[[u8; ENTRY]] {
        self.bytes().as_chunks().0
    }

    /// How many objects the pack holds.
    pub fn count(&self) -> usize {
        self.slots().len()
    }

    /// Where the contents end.
    pub fn contents_end(&self) -> u64 {
        self.contents_end
    }

    /// Where an object lies; `None` where it is not in the pack, or its entry makes no sense.
    pub fn find(&self, wanted: &Digest) -> Option<Entry> {
        self.entry(self.position(wanted)?)
    }

    /// The position of an object's entry, whether or not that makes sense.
    pub fn position(&self, wanted: &Digest) -> Option<usize> {
        self.slots().binary_search_by(|slot| slot[..32].cmp(wanted.as_bytes())).ok()
    }

    /// The entry at a position below [`Index::count`]; `None` where it makes no sense.
    pub fn entry(&self, position: usize) -> Option<Entry> {
        self.sensible(self.slots().get(position)?)
    }

    /// The entries in the order of their digests, without those that make no sense.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.slots().iter().filter_map(|slot| self.sensible(slot))
    }

    fn sensible(&self, slot: &[u8; ENTRY]) -> Option<Entry> {
        let entry = Entry::decode(slot)?;
        let is_inside = entry.offset.checked_add(entry.stored).is_some_and(|end| end <= self.contents_end);
        let is_size = match entry.kind {
            Kind::Raw => entry.stored == entry.size,
            // Nobody compresses what does not shrink.
            Kind::Zstd => entry.stored <= entry.size,
            Kind::Recipe => true,
        };
        (is_inside && is_size).then_some(entry)
    }
}
