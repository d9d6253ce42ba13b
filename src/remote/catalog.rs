//! The catalog: which objects a remote has, learned from the indexes of its packs.
//!
//! One listing a command tells which packs are there; indexes are fetched once and remembered. A pack whose size or
//! version in the listing is not what it was when this machine last looked is marked as changed: who sends looks into it
//! before trusting it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::layout::{self, MARK, PACKS, pack_digest, pack_name};
use super::memory::{Memory, Seen};
use super::workers::share;
use super::{Remote, RemoteError, is_missing, is_of_one_file};
use crate::event::Watch;
use crate::store::pack::{self, Footer, Index, Unreadable};
use crate::{Digest, Error, Result};

/// So much of a pack's end is read at first: most indexes are shorter.
const END_BYTES: u64 = 512 << 10;
/// So often packs are listed where one of them went between the listing and the reading.
const LISTINGS: usize = 3;
/// A longer index is refused. It has four million objects; who writes packs begins another long before.
const LARGEST_INDEX: u64 = 256 << 20;

/// The packs of a remote and what is in them.
#[derive(Debug)]
pub struct Catalog {
    pub packs: Vec<KnownPack>,
    /// Packs that can't be read as such, and why.
    pub damaged: Vec<(Digest, String)>,
    /// Whether anything was ever written to the remote.
    pub is_begun: bool,
    pub memory: Memory,
}

/// A pack of the remote.
#[derive(Debug)]
pub struct KnownPack {
    /// The digest of its index, which is its name.
    pub digest: Digest,
    /// What the listing said of it.
    pub seen: Seen,
    pub index: Index,
    /// Whether it is not what it was when this machine last looked.
    pub is_changed: bool,
}

impl KnownPack {
    pub fn name(&self) -> String {
        pack_name(&self.digest)
    }
}

impl Catalog {
    /// Asks the remote what is there. `memory` is the directory of what is remembered of remotes.
    ///
    /// # Errors
    /// Refuses a remote whose layout or packs have a version that this program does not know.
    pub fn read(remote: &dyn Remote, memory: &Path, jobs: usize, watch: Watch<'_>) -> Result<Self> {
        for _ in 1..LISTINGS {
            let (catalog, is_stale) = Self::read_once(remote, memory, jobs, watch)?;
            if !is_stale {
                return Ok(catalog);
            }
        }
        Ok(Self::read_once(remote, memory, jobs, watch)?.0)
    }

    /// Also returns whether a pack was listed and not there: small packs may have been put together just then.
    fn read_once(remote: &dyn Remote, memory: &Path, jobs: usize, watch: Watch<'_>) -> Result<(Self, bool)> {
        let mut memory = Memory::open(memory, remote.url());
        let is_begun = layout::is_begun(remote)?;
        let listed = if is_begun { listed(remote)? } else { Vec::new() };
        let there: HashSet<Digest> = listed.iter().map(|(digest, _)| *digest).collect();
        memory.keep_only(|pack| there.contains(pack));
        let (packs, damaged) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let is_stale = AtomicBool::new(false);
        share(jobs, listed, |(digest, seen): (Digest, Seen)| {
            watch.interrupt.check()?;
            let before = memory.seen(&digest);
            let is_changed = before.is_some_and(|before| *before != seen);
            let known = if is_changed { None } else { memory.index(&digest, seen.size) };
            let index = match known {
                Some(index) => Ok(index),
                None => match fetch_index(remote, &digest, &seen, &memory) {
                    // One file that is gone or cut off takes nothing from the others.
                    Err(error) if is_of_one_file(&error) => {
                        is_stale.fetch_or(is_missing(&error), Ordering::Relaxed);
                        Err(Unreadable::Damaged(error.to_string()))
                    }
                    read => read?,
                },
            };
            match index {
                Ok(index) => {
                    let pack = KnownPack { digest, seen, index, is_changed };
                    packs.lock().unwrap_or_else(PoisonError::into_inner).push(pack);
                }
                Err(Unreadable::Damaged(wrong)) => {
                    damaged.lock().unwrap_or_else(PoisonError::into_inner).push((digest, wrong));
                }
                Err(Unreadable::Version(version)) => {
                    let (name, url) = (pack_name(&digest), remote.url());
                    return Err(Error::failed(format!(
                        "`{name}` on the remote `{url}` has version {version} of the pack format, which this mlx does \
                         not know"
                    ))
                    .with_hint("install the mlx that wrote it"));
                }
            }
            Ok(())
        })?;
        let mut packs: Vec<KnownPack> = packs.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut damaged: Vec<(Digest, String)> = damaged.into_inner().unwrap_or_else(PoisonError::into_inner);
        packs.sort_by_key(|pack| pack.digest);
        damaged.sort();
        // What has changed is not remembered as seen before somebody looked into it.
        for pack in packs.iter().filter(|pack| !pack.is_changed) {
            memory.see(pack.digest, pack.seen.clone());
        }
        memory.save();
        Ok((Self { packs, damaged, is_begun, memory }, is_stale.into_inner()))
    }

    /// Whether all the packs of this catalog are in another one that was read later.
    pub fn is_within(&self, later: &Self) -> bool {
        let is_there = |pack: &KnownPack| later.packs.binary_search_by_key(&pack.digest, |pack| pack.digest).is_ok();
        self.packs.iter().all(is_there)
    }

    /// What is wrong with the remote itself, where objects are missing from it; `None` where it is whole as far as it goes.
    pub fn trouble(&self, remote: &dyn Remote) -> Result<Option<String>> {
        if !self.is_begun {
            return Ok(Some(match remote.is_there()? {
                false => "there is no such directory".into(),
                true if !listed(remote)?.is_empty() => {
                    format!("it has packs and no `{MARK}`, the file that says that they are of mlx")
                }
                true => format!("it has no `{MARK}`: nothing was ever pushed there"),
            }));
        }
        let Some((digest, why)) = self.damaged.first() else { return Ok(None) };
        let more = match self.damaged.len() {
            1 => String::new(),
            count => format!(" (nor can {} others)", count - 1),
        };
        Ok(Some(format!("`{}` there can't be read{more}: {why}", pack_name(digest))))
    }

    /// Where an object lies: the position of its pack, and its entry there.
    pub fn find(&self, digest: &Digest) -> Option<(usize, pack::Entry)> {
        let find = |(position, pack): (usize, &KnownPack)| Some((position, pack.index.find(digest)?));
        self.packs.iter().enumerate().find_map(find)
    }

    /// As [`Catalog::find`], for an object that lies there as it is and has this many bytes.
    pub fn find_whole(&self, digest: &Digest, size: u64) -> Option<(usize, pack::Entry)> {
        let find = |(position, pack): (usize, &KnownPack)| {
            let entry = pack.index.find(digest).filter(|entry| entry.kind.is_whole() && entry.size == size)?;
            Some((position, entry))
        };
        self.packs.iter().enumerate().find_map(find)
    }

    /// Where an object lies with this many bytes, whatever else is said of it elsewhere.
    pub fn place_of_size(&self, digest: &Digest, size: u64) -> Option<Place> {
        let find = |(number, pack): (usize, &KnownPack)| {
            let slot =
                pack.index.position(digest).filter(|slot| pack.index.entry(*slot).is_some_and(|e| e.size == size))?;
            Some(Place { pack: number as u32, slot: slot as u32 })
        };
        self.packs.iter().enumerate().find_map(find)
    }

    /// For each of these digests, which are sorted and unique, where it lies; `None` for what is not on the remote.
    pub fn locate(&self, wanted: &[Digest]) -> Vec<Option<Place>> {
        locate(self.packs.iter().map(|pack| &pack.index), wanted)
    }

    /// The entry at a place that [`Catalog::locate`] gave.
    pub fn entry(&self, place: Place) -> pack::Entry {
        let index = &self.packs[place.pack as usize].index;
        index.entry(place.slot as usize).expect("the place was made from a sensible entry")
    }
}

/// Where an object lies: the number of its pack, and the position in the index of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub pack: u32,
    pub slot: u32,
}

/// Looks for these digests, which are sorted and unique, in all indexes at once: each entry is looked at once, however many
/// packs there are.
pub fn locate<'i>(indexes: impl Iterator<Item = &'i Index>, wanted: &[Digest]) -> Vec<Option<Place>> {
    let mut places = vec![None; wanted.len()];
    for (pack, index) in indexes.enumerate() {
        for slot in 0..index.count() {
            let Some(entry) = index.entry(slot) else { continue };
            if let Ok(position) = wanted.binary_search(&entry.digest) {
                places[position].get_or_insert(Place { pack: pack as u32, slot: slot as u32 });
            }
        }
    }
    places
}

/// The packs that are there.
pub fn listed(remote: &dyn Remote) -> Result<Vec<(Digest, Seen)>> {
    match remote.list(PACKS) {
        Ok(entries) => {
            Ok(entries.iter().filter_map(|entry| Some((pack_digest(&entry.name)?, Seen::of(entry)))).collect())
        }
        Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Unsupported(_))) => {
            // A first push that was cut off has written none.
            let list = layout::pack_list(remote)?.map_or_else(Vec::new, |list| list.packs);
            let seen = |size| Seen { size, version: String::new() };
            Ok(list.into_iter().map(|pack| (pack.digest, seen(pack.size))).collect())
        }
        Err(error) => Err(error),
    }
}

/// Reads the end of a pack, checks it, and remembers it.
fn fetch_index(
    remote: &dyn Remote,
    digest: &Digest,
    seen: &Seen,
    memory: &Memory,
) -> Result<Result<Index, Unreadable>> {
    let damaged = |what: &str| Ok(Err(Unreadable::Damaged(what.to_owned())));
    let name = pack_name(digest);
    let start = seen.size.saturating_sub(END_BYTES);
    let mut end = Vec::new();
    remote.read(&name, Some(start..seen.size), &mut end)?;
    let footer = match Footer::decode(&end, seen.size) {
        Ok(footer) => footer,
        Err(wrong) => return Ok(Err(wrong)),
    };
    if footer.digest != *digest {
        return damaged("its name is not the digest of its index");
    }
    if footer.start < start {
        return fetch_long_index(remote, digest, seen, &footer, memory);
    }
    end.drain(..(footer.start - start) as usize);
    if Digest::of(&end[..end.len() - pack::FOOTER]) != *digest {
        return damaged("its index is not what was written");
    }
    // Without the memory it is fetched again the next time.
    let _ = memory.keep_index(digest, &end);
    end.truncate(end.len() - pack::FOOTER);
    Ok(Ok(Index::held(end, &footer)))
}

/// As [`fetch_index`], for one that is not read at once: it goes to a file while it comes, and is held nowhere else.
fn fetch_long_index(
    remote: &dyn Remote,
    digest: &Digest,
    seen: &Seen,
    footer: &Footer,
    memory: &Memory,
) -> Result<Result<Index, Unreadable>> {
    let (name, length) = (pack_name(digest), seen.size - footer.start);
    if length > LARGEST_INDEX {
        let (count, url) = (footer.count, remote.url());
        return Ok(Err(Unreadable::Damaged(format!(
            "it claims to hold {count} objects, and its index of {length} bytes is longer than the {LARGEST_INDEX} that \
             are read of a pack on `{url}`"
        ))));
    }
    let damaged = || Unreadable::Damaged("its index is not what was written".into());
    let range = footer.start..seen.size;
    if let Ok(file) = memory.file() {
        let mut sink = Kept { file: file.as_file(), has_failed: false };
        let read = remote.read(&name, Some(range.clone()), &mut sink);
        let is_kept = !sink.has_failed && read.map(|_| memory.keep_file(digest, file).is_ok())?;
        if is_kept {
            // It is mapped, and its digest is looked at there.
            return Ok(memory.index(digest, seen.size).ok_or_else(damaged));
        }
    }
    // Where this machine can't keep it, it is held.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    remote.read(&name, Some(range), &mut bytes)?;
    bytes.truncate(bytes.len().saturating_sub(pack::FOOTER));
    let index = Index::held(bytes, footer);
    Ok(if index.digest() == *digest { Ok(index) } else { Err(damaged()) })
}

/// Writes to a file here, and knows whether that was what failed.
struct Kept<'f> {
    file: &'f File,
    has_failed: bool,
}

impl Write for Kept<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).inspect_err(|_| self.has_failed = true)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
