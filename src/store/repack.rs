//! Writing packs anew: without garbage, without what is damaged, and small ones together.
//!
//! A new pack is durable and has its name before an old one goes, so that a kill at any moment loses nothing; readers
//! that have the old one open go on reading it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;

use super::batch::PACK_BYTES;
use super::gc::stored_at;
use super::pack::{self, Compression, Entry, Item, Pack};
use super::{Store, StoreError, cannot_write};
use crate::event::Watch;
use crate::fs::{self, quote};
use crate::{Digest, Result};

/// A pack below this size is small.
const SMALL_PACK_BYTES: u64 = 4 << 20;
/// So many small packs are folded into one, because each makes looking for an object a little slower.
const MANY: usize = 32;

/// A pack that could not be read as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenPack {
    pub name: String,
    /// What is wrong, in words.
    pub what: String,
    /// How many of its objects were whole, and are in a new pack.
    pub saved: u64,
    /// Where the file was put aside; `None` where it could not be.
    pub quarantined: Option<PathBuf>,
}

impl Store {
    /// Folds the small packs together if there are many.
    pub(super) fn fold_packs_if_many(&self) -> Result<()> {
        let small = self.packs_below(SMALL_PACK_BYTES)?;
        if small.len() < MANY { Ok(()) } else { self.replace_packs(&small, &HashSet::new()) }
    }

    /// Writes the packs anew that hold some of this garbage, and folds small ones together.
    pub(super) fn rewrite_packs(&self, garbage: &HashSet<Digest>, watch: Watch<'_>) -> Result<()> {
        for pack in self.packs.all()? {
            watch.interrupt.check()?;
            if pack.digests().any(|digest| garbage.contains(&digest)) {
                self.replace_packs(&[pack], garbage)?;
            }
        }
        let small = self.small_packs()?;
        if small.len() > 1 { self.replace_packs(&small, &HashSet::new()) } else { Ok(()) }
    }

    /// The packs that `mlx gc` puts together, if there are several.
    pub(super) fn small_packs(&self) -> Result<Vec<Arc<Pack>>> {
        self.packs_below(PACK_BYTES as u64 / 2)
    }

    fn packs_below(&self, bytes: u64) -> Result<Vec<Arc<Pack>>> {
        let mut packs = self.packs.all()?;
        packs.retain(|pack| pack.length() < bytes);
        Ok(packs)
    }

    /// Puts small loose objects into packs. What is damaged stays where it is, for `mlx verify` to find.
    pub(super) fn pack_loose(&self, digests: &[Digest], watch: Watch<'_>) -> Result<()> {
        let compression = Compression::default();
        let (mut items, mut bytes, mut age) = (Vec::new(), 0, None);
        for digest in digests {
            watch.interrupt.check()?;
            let Ok(metadata) = self.path_of(digest).symlink_metadata() else { continue };
            let content = match self.read(digest) {
                Ok(content) => content,
                Err(error) if error.downcast_ref::<StoreError>().is_some() => continue,
                Err(error) => return Err(error),
            };
            age = age.max(Some(stored_at(&metadata)));
            let item = compression.item(*digest, content);
            bytes += item.stored.len();
            items.push(item);
            if bytes >= PACK_BYTES {
                self.replace_loose(std::mem::take(&mut items), age.take())?;
                bytes = 0;
            }
        }
        if items.is_empty() { Ok(()) } else { self.replace_loose(items, age) }
    }

    fn replace_loose(&self, items: Vec<Item>, age: Option<SystemTime>) -> Result<()> {
        let old: Vec<PathBuf> = items.iter().map(|item| self.path_of(&item.digest)).collect();
        self.write_pack(items, age)?;
        old.iter().try_for_each(|path| remove(path))
    }

    /// Replaces packs by as few as hold the same objects, as they are there, without these.
    fn replace_packs(&self, packs: &[Arc<Pack>], without: &HashSet<Digest>) -> Result<()> {
        let age = packs.iter().map(|pack| pack.modified()).max();
        let mut seen = without.clone();
        let mut items: Vec<Item> = Vec::new();
        let (mut bytes, mut placed) = (0, Vec::new());
        for pack in packs {
            // In the order of the file, so that what belongs together stays together.
            let mut entries: Vec<Entry> = pack.index().entries().collect();
            entries.sort_unstable_by_key(|entry| entry.offset);
            for entry in entries {
                if !seen.insert(entry.digest) {
                    continue;
                }
                let item = pack.item(&entry).with_context(|| format!("cannot read `{}`", quote(pack.path())))?;
                bytes += item.stored.len();
                items.push(item);
                if bytes >= PACK_BYTES {
                    placed.push(self.write_pack(std::mem::take(&mut items), age)?);
                    bytes = 0;
                }
            }
        }
        if !items.is_empty() {
            placed.push(self.write_pack(items, age)?);
        }
        let old = packs.iter().map(|pack| pack.path()).filter(|path| !placed.iter().any(|new| new == path));
        old.into_iter().try_for_each(remove)?;
        // This process still has the old ones open, and would find there what the new ones are without.
        self.packs.forget();
        Ok(())
    }

    /// Writes a pack and makes it and its name durable; returns where it lies.
    fn write_pack(&self, items: Vec<Item>, age: Option<SystemTime>) -> Result<PathBuf> {
        self.make_dir(self.packs.directory())?;
        let written = pack::write(items, &self.scratch())?;
        age.map_or(Ok(()), |age| written.set_modified(age))?;
        let path = written.place(self.packs.directory())?;
        fs::sync_dir(self.packs.directory())?;
        fs::sync_dir(&self.root)?;
        Ok(path)
    }

    /// Puts the damaged content of a packed object aside, and writes its pack anew without it.
    pub(super) fn quarantine_packed(&self, digest: &Digest, aside: &Path) -> Result<()> {
        self.keep_from_gc()?;
        for pack in self.packs.all()? {
            let Some(entry) = pack.index().find(digest) else { continue };
            let item = pack.item(&entry).with_context(|| format!("cannot read `{}`", quote(pack.path())))?;
            if !is_sound(item.clone()) {
                fs::write_atomic(aside, &item.stored, &self.scratch())?;
                self.replace_packs(&[pack], &HashSet::from([*digest]))?;
            }
        }
        Ok(())
    }

    /// Puts packs aside that can't be read as packs, and saves what is whole in them. The objects that were lost are missing
    /// from then on.
    pub fn mend_packs(&self) -> Result<Vec<BrokenPack>> {
        let mut broken = self.packs.damaged()?;
        for pack in self.packs.all()? {
            broken.extend(pack.frame_damage().map(|what| (pack.path().to_path_buf(), what)));
        }
        if broken.is_empty() {
            return Ok(Vec::new());
        }
        let mend = |(path, what): (PathBuf, String)| {
            let name = path.file_name().map_or_else(String::new, |name| quote(Path::new(name)));
            match self.keep_from_gc().and_then(|()| self.mend_pack(&path, &name)) {
                Ok((saved, quarantined)) => BrokenPack { name, what, saved, quarantined: Some(quarantined) },
                Err(error) => {
                    let what = format!("{what} (and it could not be put aside: {error})");
                    BrokenPack { name, what, saved: 0, quarantined: None }
                }
            }
        };
        let mended = broken.into_iter().map(mend).collect();
        self.packs.forget();
        Ok(mended)
    }

    /// Returns how many objects were saved, and where the file went.
    fn mend_pack(&self, path: &Path, name: &str) -> Result<(u64, PathBuf)> {
        let quarantined = self.place_in_quarantine(name)?;
        let cannot = || format!("cannot move the damaged pack `{}` to `{}`", quote(path), quote(&quarantined));
        let (mut items, mut kept) = (Vec::new(), HashSet::new());
        if path.is_file() {
            Pack::salvage(path, |item| {
                if !kept.contains(&item.digest) && is_sound(item.clone()) {
                    kept.insert(item.digest);
                    items.push(item);
                }
                Ok(())
            })?;
        }
        let saved = items.len() as u64;
        if items.is_empty() {
            std::fs::rename(path, &quarantined).with_context(cannot)?;
        } else {
            // The new pack may have the name of the old one.
            let keep = std::fs::hard_link(path, &quarantined);
            // A file of another user may not be linked.
            keep.or_else(|_| std::fs::copy(path, &quarantined).map(drop)).with_context(cannot)?;
            if self.write_pack(items, None)? != path {
                remove(path)?;
            }
        }
        Ok((saved, quarantined))
    }
}

/// Whether the object is what its digest says.
fn is_sound(item: Item) -> bool {
    let digest = item.digest;
    item.content().is_ok_and(|content| Digest::of(content) == digest)
}

/// Another process may have been quicker.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(cannot_write(error)),
        _ => Ok(()),
    }
}
