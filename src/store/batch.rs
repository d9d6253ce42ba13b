//! A batch: many new objects made durable together.
//!
//! The order is what a power cut asks for: every object is written under a temporary name and synced, then renamed, then
//! each touched directory is synced once; blobs first, then the trees that name them. Only then may a lock or a record
//! name what is in the batch.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use tempfile::{NamedTempFile, TempPath};

use super::Store;
use super::tree::Tree;
use crate::digest::{Hasher, Object};
use crate::fs::{self, FileLock, quote};
use crate::{Digest, Result};

/// How much of a file is held in memory at once.
const BUFFER_BYTES: usize = 256 * 1024;
/// Syncing waits for the disk, not for a processor: this many at once.
const SYNC_THREADS: usize = 8;

/// New objects on their way into the store. Readers see none of them before [`Batch::commit`]; dropped, they are gone.
///
/// May be filled from many threads.
pub struct Batch {
    store: Store,
    pending: Mutex<Pending>,
    /// Keeps `mlx gc` away until the batch is over.
    _no_gc: FileLock,
}

#[derive(Default)]
struct Pending {
    blobs: Vec<(Digest, TempPath)>,
    trees: Vec<(Digest, TempPath)>,
    known: HashSet<Digest>,
}

impl Batch {
    pub(super) fn new(store: &Store) -> Result<Self> {
        let no_gc = FileLock::shared(&store.gc_lock())?;
        Ok(Self { store: store.clone(), pending: Mutex::default(), _no_gc: no_gc })
    }

    /// Adds these bytes; returns their digest.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Digest> {
        self.put_reader(bytes, bytes.len() as u64).map(|(digest, _)| digest)
    }

    /// Adds the content of a file, reading it once; returns its digest and size.
    pub fn put_file(&self, path: &Path) -> Result<(Digest, u64)> {
        let cannot = || format!("cannot read `{}`", quote(path));
        let file = File::open(path).with_context(cannot)?;
        let expected = file.metadata().with_context(cannot)?.len();
        self.put_reader(file, expected).map_err(|error| error.context(cannot()))
    }

    /// Adds a tree; returns the directory object it makes.
    pub fn put_tree(&self, tree: &Tree) -> Result<Object> {
        let bytes = tree.encode();
        let digest = Digest::of(&bytes);
        if self.is_new(&digest, bytes.len() as u64) {
            let temporary = self.write(&bytes)?;
            self.pending().trees.push((digest, temporary.into_temp_path()));
        }
        Ok(tree.object(digest))
    }

    /// Adds what the reader gives, about `expected` bytes; returns digest and size. Memory is one buffer.
    pub fn put_reader(&self, mut reader: impl Read, expected: u64) -> Result<(Digest, u64)> {
        let capacity = usize::try_from(expected).unwrap_or(BUFFER_BYTES).saturating_add(1).clamp(1, BUFFER_BYTES);
        let mut buffer = vec![0; capacity];
        let mut filled = fill(&mut reader, &mut buffer)?;
        if filled < buffer.len() {
            // All of it is here: nothing need be written when the store has it.
            let digest = Digest::of(&buffer[..filled]);
            if self.is_new(&digest, filled as u64) {
                let temporary = self.write(&buffer[..filled])?;
                self.pending().blobs.push((digest, temporary.into_temp_path()));
            }
            return Ok((digest, filled as u64));
        }
        let mut temporary = fs::temporary_file(&self.store.scratch())?;
        let mut hasher = Hasher::new();
        buffer.resize(BUFFER_BYTES, 0);
        while filled > 0 {
            hasher.update(&buffer[..filled]);
            temporary.write_all(&buffer[..filled]).context("cannot write to the store")?;
            filled = fill(&mut reader, &mut buffer)?;
        }
        let (digest, size) = hasher.finish();
        if self.is_new(&digest, size) {
            seal(&temporary)?;
            self.pending().blobs.push((digest, temporary.into_temp_path()));
        }
        Ok((digest, size))
    }

    /// Takes over what another batch of the same store holds, so that both are made durable together.
    pub fn absorb(&self, other: Self) {
        let Pending { blobs, trees, .. } = other.pending.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut pending = self.pending();
        for (digest, temporary) in blobs {
            if pending.known.insert(digest) {
                pending.blobs.push((digest, temporary));
            }
        }
        for (digest, temporary) in trees {
            if pending.known.insert(digest) {
                pending.trees.push((digest, temporary));
            }
        }
    }

    /// Makes everything durable and visible.
    pub fn commit(self) -> Result<()> {
        let Pending { blobs, trees, .. } = self.pending.into_inner().unwrap_or_else(PoisonError::into_inner);
        publish(&self.store, blobs)?;
        publish(&self.store, trees)
    }

    fn write(&self, bytes: &[u8]) -> Result<NamedTempFile> {
        let mut temporary = fs::temporary_file(&self.store.scratch())?;
        temporary.write_all(bytes).context("cannot write to the store")?;
        seal(&temporary)?;
        Ok(temporary)
    }

    /// Whether the object is neither in the store nor in this batch. One that lies there with another size is damaged,
    /// and is replaced.
    fn is_new(&self, digest: &Digest, size: u64) -> bool {
        self.store.size(digest) != Some(size) && self.pending().known.insert(*digest)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seal(temporary: &NamedTempFile) -> Result<()> {
    temporary.as_file().set_permissions(PermissionsExt::from_mode(0o444)).context("cannot write to the store")?;
    Ok(())
}

/// Reads until the buffer is full or the reader is at its end; returns how much that was.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot read what is to be stored").map_err(Into::into),
        }
    }
    Ok(filled)
}

fn publish(store: &Store, objects: Vec<(Digest, TempPath)>) -> Result<()> {
    // After a failed sync the kernel may have dropped the pages, so that the temporary files go with the error.
    in_parallel(&objects, |(_, temporary)| {
        let file = File::open(temporary).context("cannot reopen a temporary file of the store")?;
        file.sync_data().context("cannot sync to the store")?;
        Ok(())
    })?;
    let mut touched = BTreeSet::new();
    for (digest, temporary) in objects {
        let path = store.path_of(&digest);
        let directory = path.parent().expect("an object lies in a directory of the store").to_path_buf();
        if !touched.contains(&directory) {
            if !directory.is_dir() {
                fs::create_dir_all(&directory)?;
                touched.extend(directory.parent().map(PathBuf::from));
            }
            touched.insert(directory);
        }
        temporary.persist(&path).map_err(|error| error.error).context("cannot write to the store")?;
    }
    let touched: Vec<PathBuf> = touched.into_iter().collect();
    in_parallel(&touched, |directory| fs::sync_dir(directory))
}

fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    if let [item] = items {
        return work(item);
    }
    let size = items.len().div_ceil(SYNC_THREADS).max(1);
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> =
            items.chunks(size).map(|chunk| scope.spawn(move || chunk.iter().try_for_each(work))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("syncing does not panic"))
    })
}
