//! Garbage collection: objects that no root reaches go to the trash, and from there away; small ones that lie alone are
//! put together.

use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use serde::Serialize;

use super::batch::SMALL_BYTES;
use super::reach::named_in;
use super::sound::Sound;
use super::{Store, cannot_write};
use crate::event::Watch;
use crate::fs::{self, FileLock, Holder, quote};
use crate::{Digest, Result};

/// So many small loose objects are put into packs.
const MANY_LOOSE: usize = 64;

/// Objects that nothing names, and how those that stay could lie better.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Garbage {
    pub objects: Vec<Digest>,
    /// What they take of the disk.
    pub bytes: u64,
    /// Unreachable too, but younger than the grace period.
    pub young: u64,
    /// Objects that stay because something names them.
    pub kept: u64,
    /// Small loose objects that would be put into packs.
    loose: Vec<Digest>,
    pub fold: Fold,
}

/// What is put together so that a store of many small objects stays quick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Fold {
    /// Small loose objects that go into packs.
    pub objects: u64,
    /// Small packs that become one.
    pub packs: u64,
    /// What has to be written anew, about.
    pub bytes: u64,
}

impl Fold {
    pub fn is_empty(&self) -> bool {
        self.objects == 0 && self.packs == 0
    }
}

impl Garbage {
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.fold.is_empty()
    }
}

/// An object as it lies in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    pub digest: Digest,
    /// What it takes of the disk.
    pub bytes: u64,
    pub is_packed: bool,
    /// Whether it is a file outside the store, too.
    pub is_linked: bool,
    /// When it came here, or later.
    pub modified: SystemTime,
}

/// When a loose object came here, or later: a file of the working tree that became one keeps its time of modification, but
/// not that of change.
pub(super) fn stored_at(metadata: &Metadata) -> SystemTime {
    let changed =
        Duration::new(u64::try_from(metadata.ctime()).unwrap_or(0), metadata.ctime_nsec().unsigned_abs() as u32);
    metadata.modified().map_or_else(|_| SystemTime::now(), |modified| modified.max(SystemTime::UNIX_EPOCH + changed))
}

/// A part of a store beside its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Trash,
    Quarantine,
    Temporary,
}

impl Store {
    /// The directory of a part of the store, which may not exist.
    pub fn place(&self, place: Place) -> PathBuf {
        self.root.join(match place {
            Place::Trash => "trash",
            Place::Quarantine => "quarantine",
            Place::Temporary => "tmp",
        })
    }

    /// How many packs there are.
    pub fn pack_count(&self) -> Result<u64> {
        Ok(self.packs.all()?.len() as u64)
    }

    /// Every object that lies in the store: the loose ones, then those in packs. One may lie in several places.
    pub fn inventory(&self) -> Result<Vec<Stored>> {
        let mut inventory = Vec::new();
        for (digest, path) in self.loose()? {
            let metadata = match path.symlink_metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", quote(&path)))?,
            };
            let modified = stored_at(&metadata);
            let is_linked = metadata.nlink() > 1;
            inventory.push(Stored { digest, bytes: metadata.len(), is_packed: false, is_linked, modified });
        }
        self.packs.refuse_foreign()?;
        for pack in self.packs.all()? {
            let modified = pack.modified();
            let stored = |entry: super::pack::Entry| Stored {
                digest: entry.digest,
                bytes: entry.stored,
                is_packed: true,
                is_linked: false,
                modified,
            };
            inventory.extend(pack.index().entries().map(stored));
        }
        Ok(inventory)
    }

    /// What could go: objects that `reached` does not hold and that are older than `grace`; and what could be put together.
    pub fn garbage(&self, reached: &HashSet<Digest>, grace: Duration) -> Result<Garbage> {
        let now = SystemTime::now();
        let mut garbage = Garbage::default();
        let (mut kept, mut young, mut gone) = (HashSet::new(), HashSet::new(), HashSet::new());
        let mut small_bytes = 0;
        for Stored { digest, bytes, is_packed, is_linked, modified } in self.inventory()? {
            if reached.contains(&digest) {
                kept.insert(digest);
            } else if now.duration_since(modified).unwrap_or_default() < grace {
                young.insert(digest);
            } else {
                gone.insert(digest);
                garbage.bytes += bytes;
                continue;
            }
            // In a pack it would be there twice.
            if !is_packed && !is_linked && bytes <= SMALL_BYTES as u64 {
                garbage.loose.push(digest);
                small_bytes += bytes;
            }
        }
        // One that lies in two places is as young as the younger of them.
        gone.retain(|digest| !young.contains(digest));
        garbage.objects.extend(gone);
        garbage.objects.sort_unstable();
        (garbage.kept, garbage.young) = (kept.len() as u64, young.len() as u64);
        if garbage.loose.len() < MANY_LOOSE {
            garbage.loose.clear();
            small_bytes = 0;
        }
        let packs = self.small_packs()?;
        let count = if packs.len() > 1 { packs.len() } else { 0 };
        let pack_bytes: u64 = packs.iter().take(count).map(|pack| pack.length()).sum();
        garbage.fold =
            Fold { objects: garbage.loose.len() as u64, packs: count as u64, bytes: small_bytes + pack_bytes };
        Ok(garbage)
    }

    /// Keeps writers out while garbage is found and removed; waits for those at work.
    pub fn lock_for_gc(&self, owner: &str, watch: Watch<'_>) -> Result<FileLock> {
        let waiting = |holder: &Holder| {
            watch.events.note(format!("waiting for {} to finish writing to the store", holder.0));
        };
        self.prepare()?;
        FileLock::exclusive_while(&self.gc_lock(), owner, waiting, || watch.interrupt.check())
    }

    /// Removes the garbage: first all of it into the trash, then the trash. Packs that held some of it are written anew
    /// before, and what is small is put together. Returns how many objects went.
    pub fn remove(&self, garbage: &Garbage, watch: Watch<'_>) -> Result<u64> {
        // What an earlier collection was killed over.
        let trash = self.place(Place::Trash);
        fs::sweep(&trash, Duration::ZERO)?;
        if garbage.is_empty() {
            return Ok(0);
        }
        self.make_dir(&trash)?;
        let trash = fs::temporary_dir(&trash)?;
        // So that whoever comes next can empty it.
        std::fs::set_permissions(trash.path(), self.rights()?).map_err(cannot_write)?;
        let gone: HashSet<Digest> = garbage.objects.iter().copied().collect();
        for digest in &garbage.objects {
            watch.interrupt.check()?;
            let path = self.path_of(digest);
            match std::fs::rename(&path, trash.path().join(digest.hex())) {
                // It lies in a pack.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                result => result.with_context(|| format!("cannot move `{}` to the trash", quote(&path)))?,
            }
        }
        self.pack_loose(&garbage.loose, watch)?;
        self.rewrite_packs(&gone, watch)?;
        trash.close().context("cannot empty the trash")?;
        Sound::of(self).forget(&gone)?;
        Ok(gone.len() as u64)
    }

    /// Drops the step-cache records whose objects are no longer all here, nor where `is_elsewhere` says. Returns how many.
    pub fn prune_step_records(&self, is_elsewhere: &dyn Fn(&Digest) -> bool) -> Result<u64> {
        let mut pruned = 0;
        for name in self.records("steps")? {
            let bytes = self.record(&name)?.unwrap_or_default();
            let mut named = HashSet::new();
            if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&bytes) {
                named_in(value.get("outs").unwrap_or(&value), &mut named);
            }
            if named.iter().any(|named| !self.contains(&named.digest) && !is_elsewhere(&named.digest)) {
                self.delete_record(&name)?;
                pruned += 1;
            }
        }
        Ok(pruned)
    }
}
