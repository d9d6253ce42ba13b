//! Garbage collection: objects that no root reaches go to the trash, and from there away.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::{Store, StoreError};
use crate::event::Watch;
use crate::fs::{self, FileLock, Holder, quote};
use crate::{Digest, Error, Result};

/// Objects that nothing names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Garbage {
    pub objects: Vec<Digest>,
    pub bytes: u64,
    /// Unreachable too, but younger than the grace period.
    pub young: u64,
    /// Objects that stay because something names them.
    pub kept: u64,
}

impl Store {
    /// Every digest that a record names, whatever the record; those below `steps` are a cache and name nothing.
    pub fn digests_in_records(&self) -> Result<HashSet<Digest>> {
        let mut digests = HashSet::new();
        for name in self.records("")?.iter().filter(|name| !name.starts_with("steps/")) {
            let bytes = self.record(name)?.unwrap_or_default();
            let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| {
                Error::failed(format!("the record `{name}` cannot be read: {error}"))
                    .with_hint("it may name objects that are needed; move it out of the store to go on without it")
            })?;
            digests_of(&value, &mut digests);
        }
        Ok(digests)
    }

    /// All that the roots reach, themselves included: a digest of a tree reaches what the tree lists. What is missing is
    /// passed over; what can't be read is an error.
    pub fn reach(&self, roots: impl IntoIterator<Item = Digest>) -> Result<HashSet<Digest>> {
        let mut reached = HashSet::new();
        let mut waiting: Vec<Digest> = roots.into_iter().collect();
        while let Some(digest) = waiting.pop() {
            if !reached.insert(digest) || !self.may_be_tree(&digest)? {
                continue;
            }
            match self.tree(&digest) {
                Ok(tree) => waiting.extend(tree.entries().iter().map(|entry| entry.object.digest)),
                // A file may begin like a tree; a damaged tree is the business of `mlx verify`.
                Err(error) if error.downcast_ref::<StoreError>().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(reached)
    }

    /// What could go: objects that `reached` does not hold and that are older than `grace`.
    pub fn garbage(&self, reached: &HashSet<Digest>, grace: Duration) -> Result<Garbage> {
        let now = SystemTime::now();
        let mut garbage = Garbage::default();
        for digest in self.objects()? {
            if reached.contains(&digest) {
                garbage.kept += 1;
                continue;
            }
            let Some((changed, size)) = self.age_and_size(&digest)? else { continue };
            if now.duration_since(changed).unwrap_or_default() < grace {
                garbage.young += 1;
                continue;
            }
            garbage.bytes += size;
            garbage.objects.push(digest);
        }
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

    /// When an object was written, and its size; `None` where it went meanwhile.
    fn age_and_size(&self, digest: &Digest) -> Result<Option<(SystemTime, u64)>> {
        let path = self.path_of(digest);
        match path.symlink_metadata() {
            Ok(metadata) => Ok(Some((metadata.modified().unwrap_or_else(|_| SystemTime::now()), metadata.len()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let packed = self.packs.find(digest)?;
                Ok(packed.map(|packed| (packed.pack.modified(), packed.entry.stored)))
            }
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", quote(&path))).map_err(Into::into),
        }
    }

    /// Removes the garbage: first all of it into the trash, then the trash. Packs that held some of it are written anew
    /// before, and small ones folded together. Returns how many objects went.
    pub fn remove(&self, garbage: &Garbage, watch: Watch<'_>) -> Result<u64> {
        // What an earlier collection was killed over.
        fs::sweep(&self.root.join("trash"), Duration::ZERO)?;
        self.make_dir(&self.root.join("trash"))?;
        let trash = fs::temporary_dir(&self.root.join("trash"))?;
        // So that whoever comes next can empty it.
        std::fs::set_permissions(trash.path(), self.rights()?).context("cannot prepare the trash")?;
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
        self.rewrite_packs(&gone, watch)?;
        trash.close().context("cannot empty the trash")?;
        Ok(gone.len() as u64)
    }

    /// Drops the step-cache records whose objects are no longer all here. Returns how many.
    pub fn prune_step_records(&self) -> Result<u64> {
        let mut pruned = 0;
        for name in self.records("steps")? {
            let bytes = self.record(&name)?.unwrap_or_default();
            let mut digests = HashSet::new();
            if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&bytes) {
                digests_of(value.get("outs").unwrap_or(&value), &mut digests);
            }
            if digests.iter().any(|digest| !self.contains(digest)) {
                self.delete_record(&name)?;
                pruned += 1;
            }
        }
        Ok(pruned)
    }

    /// Whether the object begins as a tree does.
    pub fn may_be_tree(&self, digest: &Digest) -> Result<bool> {
        use std::io::Read;
        let file = match self.open_object(digest) {
            Ok(file) => file,
            Err(error) if error.downcast_ref::<StoreError>().is_some() => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut start = Vec::new();
        file.take(9).read_to_end(&mut start).with_context(|| format!("cannot read object {digest}"))?;
        Ok(start == b"mlx tree ")
    }
}

fn digests_of(value: &serde_json::Value, digests: &mut HashSet<Digest>) {
    match value {
        serde_json::Value::String(text) => digests.extend(text.parse::<Digest>()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| digests_of(item, digests)),
        serde_json::Value::Object(entries) => entries.values().for_each(|item| digests_of(item, digests)),
        _ => {}
    }
}
