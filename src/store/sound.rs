//! Loose objects whose content was read and found sound, and what their files looked like then.
//!
//! A file of the working tree and an object may be one ([`super::linked`]), and who links a terabyte does not want to read
//! it each time. As with the index of the working tree, a file that still is the same, is as long and was not written to
//! since, is taken for what it was. The time of change can't be compared: it is new whenever a link comes or goes. What
//! changes below the file system is for `mlx verify`, which reads everything.
//!
//! The records are disposable: without them objects are read again.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Store;
use crate::fs::{self, Stamp};
use crate::{Digest, Result};

/// Name and version of the format; the records follow, sorted by digest, and then the SHA-256 of all of it.
const HEAD: &[u8] = b"mlx sound 1\n";
const RECORD_BYTES: usize = 32 + 3 * 8;
/// Time stamps are not finer than this; those of some file systems are whole seconds, or two.
const TICK_NS: i128 = 2_000_000_000;

/// The records of a store, and those that are new.
#[derive(Debug)]
pub struct Sound {
    place: PathBuf,
    scratch: PathBuf,
    /// Sorted.
    known: Vec<(Digest, Stamp)>,
    found: Mutex<Vec<(Digest, Stamp)>>,
}

impl Sound {
    /// What is known of this store; nothing where the records can't be read.
    pub fn of(store: &Store) -> Self {
        let place = store.root.join("sound");
        let known = std::fs::read(&place).ok().and_then(|bytes| decode(&bytes)).unwrap_or_default();
        Self { place, scratch: store.scratch(), known, found: Mutex::default() }
    }

    /// Whether the object was read when its file looked like this.
    pub fn holds(&self, digest: &Digest, stamp: &Stamp) -> bool {
        let found = self.known.binary_search_by(|(known, _)| known.cmp(digest));
        found.is_ok_and(|at| self.known[at].1.has_same_content(stamp))
    }

    /// The object was read after `begun`, and its file looked like this before and after.
    pub fn note(&self, digest: Digest, stamp: Stamp, begun: SystemTime) {
        let begun = begun.duration_since(UNIX_EPOCH).unwrap_or_default();
        // A time stamp close to that may be the one of a write that is still to come.
        if i128::from(stamp.modified) + TICK_NS < begun.as_nanos().cast_signed() {
            self.found.lock().unwrap_or_else(PoisonError::into_inner).push((digest, stamp));
        }
    }

    /// Keeps what is new; of two who do it at once one wins, and the other's objects are read once more.
    pub fn save(self) -> Result<()> {
        let mut found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if found.is_empty() {
            return Ok(());
        }
        // What is new comes first, and so is what stays of several.
        found.extend(self.known);
        write(&self.place, &self.scratch, found)
    }

    /// Forgets objects that are gone.
    pub fn forget(self, gone: &HashSet<Digest>) -> Result<()> {
        let before = self.known.len();
        let known: Vec<_> = self.known.into_iter().filter(|(digest, _)| !gone.contains(digest)).collect();
        if known.len() == before { Ok(()) } else { write(&self.place, &self.scratch, known) }
    }
}

fn write(place: &Path, scratch: &Path, mut records: Vec<(Digest, Stamp)>) -> Result<()> {
    records.sort_by_key(|(digest, _)| *digest);
    records.dedup_by_key(|(digest, _)| *digest);
    let bytes = encode(&records);
    fs::replace(place, scratch, |file| file.write_all(&bytes))?;
    // Others may use the store as well; without the right to read it they read the objects.
    let _ = std::fs::set_permissions(place, PermissionsExt::from_mode(0o666 & !fs::umask()));
    Ok(())
}

fn encode(records: &[(Digest, Stamp)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD.len() + records.len() * RECORD_BYTES + 32);
    bytes.extend_from_slice(HEAD);
    for (digest, stamp) in records {
        bytes.extend_from_slice(digest.as_bytes());
        bytes.extend_from_slice(&stamp.inode.to_le_bytes());
        bytes.extend_from_slice(&stamp.size.to_le_bytes());
        bytes.extend_from_slice(&stamp.modified.to_le_bytes());
    }
    let check = Digest::of(&bytes);
    bytes.extend_from_slice(check.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Vec<(Digest, Stamp)>> {
    let (content, check) = bytes.split_last_chunk::<32>()?;
    let records = content.strip_prefix(HEAD)?;
    let is_whole = records.len().is_multiple_of(RECORD_BYTES) && Digest::of(content).as_bytes() == check;
    let record = |record: &[u8]| {
        let (digest, rest) = record.split_first_chunk::<32>()?;
        let number = |at: usize| rest.get(at * 8..at * 8 + 8)?.try_into().ok().map(u64::from_le_bytes);
        // The time of change is not kept, because it is not compared.
        let stamp = Stamp { inode: number(0)?, size: number(1)?, modified: number(2)?.cast_signed(), changed: 0 };
        Some((Digest::from_bytes(*digest), stamp))
    };
    is_whole.then(|| records.chunks_exact(RECORD_BYTES).map(record).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(inode: u64) -> Stamp {
        Stamp { inode, size: 7, modified: -1, changed: 3 }
    }

    #[test]
    fn what_was_noted_is_known_later_and_the_newest_counts() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let sound = Sound::of(&store);
        sound.note(one, stamp(1), SystemTime::now());
        sound.note(two, stamp(2), SystemTime::now());
        sound.save().unwrap();

        let sound = Sound::of(&store);
        assert!(sound.holds(&one, &stamp(1)) && sound.holds(&two, &stamp(2)));
        assert!(!sound.holds(&one, &stamp(2)) && !sound.holds(&Digest::of(b"three"), &stamp(1)));
        sound.note(one, stamp(3), SystemTime::now());
        sound.note(two, stamp(4), UNIX_EPOCH);
        sound.save().unwrap();
        let sound = Sound::of(&store);
        assert!(sound.holds(&one, &stamp(3)) && sound.holds(&two, &stamp(2)), "what may still change is not noted");
        sound.forget(&HashSet::from([one])).unwrap();
        let sound = Sound::of(&store);
        assert!(!sound.holds(&one, &stamp(3)) && sound.holds(&two, &stamp(2)));
    }

    #[test]
    fn damaged_records_are_no_records() {
        let bytes = encode(&[(Digest::of(b"one"), stamp(1))]);
        assert_eq!(decode(&bytes).unwrap().len(), 1);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None, "byte {at}");
            assert_eq!(decode(&bytes[..at]), None, "{at} bytes");
        }
    }
}
