//! A batch: many new objects made durable together.
//!
//! The order is what a power cut asks for: large objects are written under temporary names and synced, then renamed, then
//! each touched directory is synced once; then the same for the pack of small objects, or for a few loose ones, and for
//! the trees that name them. Only then may a lock or a record name what is in the batch.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use anyhow::Context;
use tempfile::{NamedTempFile, TempPath};

use super::large::{self, Reader, Source, Sparse};
use super::pack::{self, Compression, Item, Written};
use super::packer::Packer;
use super::sound::Sound;
use super::tree::Tree;
use super::{Store, cannot_write};
use crate::digest::Object;
use crate::fs::{self, Stamp, Way, quote};
use crate::{Digest, Error, Result};

const CANNOT_READ: &str = "cannot read what is to be stored";
/// Objects up to this size are small: they wait in memory, and go into packs.
pub(super) const SMALL_BYTES: usize = 1 << 20;
/// So much small content makes a pack of its own.
pub(super) const PACK_BYTES: usize = 32 << 20;
/// Up to so many small objects in a batch stay loose.
const FEW: usize = 8;
/// From so many on, files that are objects themselves are made durable with all of their file system.
const MANY_LINKED: usize = 64;
/// Syncing waits for the disk, not for a processor: this many at once.
const SYNC_THREADS: usize = 8;

/// New objects on their way into the store. Readers see none of them before [`Batch::commit`]; dropped, they are gone.
///
/// May be filled from many threads.
#[derive(Debug)]
pub struct Batch {
    store: Store,
    compression: Compression,
    pending: Mutex<Pending>,
    /// Those at work: none before the first full pack; more than one where batches came together.
    packers: Mutex<Vec<Packer>>,
}

#[derive(Debug, Default)]
struct Pending {
    known: HashSet<Digest>,
    small: Vec<Item>,
    small_bytes: usize,
    trees: Vec<Item>,
    large: Vec<(Digest, TempPath)>,
    /// Files of the working tree under a second name.
    linked: Vec<(Digest, TempPath)>,
    /// What these files look like, and when reading them began.
    stamps: Vec<(Digest, Stamp, SystemTime)>,
    /// Sound copies of objects that lie damaged in a pack.
    mended: Vec<(Digest, TempPath)>,
    packs: Vec<Written>,
}

impl Batch {
    pub(super) fn new(store: &Store) -> Result<Self> {
        store.keep_from_gc().map_err(|error| {
            error.with_hint(
                "who adds must be able to write to the store: mend its rights, or name another with `store.path` in \
                 .mlx/config.toml",
            )
        })?;
        Ok(Self {
            store: store.clone(),
            compression: Compression::default(),
            pending: Mutex::default(),
            packers: Mutex::default(),
        })
    }

    /// Adds these bytes; returns their digest.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Digest> {
        self.put_reader(bytes, bytes.len() as u64).map(|(digest, _)| digest)
    }

    /// As [`Batch::put_bytes`], for who gives them away.
    pub fn put_content(&self, content: Vec<u8>) -> Result<Digest> {
        if content.len() > SMALL_BYTES {
            return self.put_bytes(&content);
        }
        let digest = Digest::of(&content);
        self.put_small(digest, content)?;
        Ok(digest)
    }

    /// Adds the content of a file, reading it once; returns its digest and size.
    pub fn put_file(&self, path: &Path) -> Result<(Digest, u64)> {
        let cannot = || format!("cannot store `{}`", quote(path));
        let file = File::open(path).with_context(cannot)?;
        let expected = file.metadata().with_context(cannot)?.len();
        self.put_open_file(&file, expected).map_err(|error| error.context(cannot()))
    }

    /// As [`Batch::put_file`] for a file of mlx's own whose content is known and that is not written any more: a large one
    /// becomes the object itself, where that can be.
    pub fn put_known_file(&self, path: &Path, digest: Digest, size: u64) -> Result<Digest> {
        let cannot = || format!("cannot store `{}`", quote(path));
        if size > SMALL_BYTES as u64
            && let (Some(directory), Some(name)) = (path.parent(), path.file_name())
        {
            let file = File::open(path).with_context(cannot)?;
            let directory = File::open(directory).with_context(cannot)?;
            let name = fs::c_name(name.as_bytes()).with_context(cannot)?;
            if self.link_file(&file, &directory, &name, (digest, size), SystemTime::now())? {
                return Ok(digest);
            }
        }
        self.put_file(path).map(|(digest, _)| digest)
    }

    /// As [`Batch::put_file`] for a file that is open at its beginning and has about `expected` bytes; holes stay holes.
    pub fn put_open_file(&self, file: &File, expected: u64) -> Result<(Digest, u64)> {
        match Sparse::of(file).filter(|_| expected > SMALL_BYTES as u64) {
            Some(source) => self.put_large(source),
            None => self.put_reader(file, expected),
        }
    }

    /// Adds a tree; returns the directory object it makes.
    pub fn put_tree(&self, tree: &Tree) -> Result<Object> {
        let bytes = tree.encode();
        let digest = Digest::of(&bytes);
        if self.is_new(&digest, bytes.len() as u64) {
            let item = self.compression.item(digest, bytes);
            self.pending().trees.push(item);
        }
        if tree.totals().is_none() {
            return Err(Error::failed("the sizes of the files in a directory add up to more than can be counted")
                .with_hint("files with holes seem as long as they say; make them shorter"));
        }
        Ok(tree.object(digest))
    }

    /// Adds what the reader gives, about `expected` bytes; returns digest and size. Memory is bounded.
    pub fn put_reader(&self, mut reader: impl Read, expected: u64) -> Result<(Digest, u64)> {
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        if expected <= SMALL_BYTES {
            let mut content = vec![0; expected + 1];
            let filled = large::fill(&mut reader, &mut content).context(CANNOT_READ)?;
            if filled <= expected {
                content.truncate(filled);
                let digest = Digest::of(&content);
                self.put_small(digest, content)?;
                return Ok((digest, filled as u64));
            }
            // It is longer than was said.
            return self.put_large(Reader(content.as_slice().chain(reader)));
        }
        self.put_large(Reader(reader))
    }

    /// Takes over what another batch of the same store holds, so that both are made durable together.
    pub fn absorb(&self, other: Self) {
        let packers = other.packers.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.packers.lock().unwrap_or_else(PoisonError::into_inner).extend(packers);
        let other = other.pending.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut pending = self.pending();
        let Pending { known, small, small_bytes, trees, large, linked, stamps, mended, packs } = &mut *pending;
        let small_before = small.len();
        small.extend(other.small.into_iter().filter(|item| !known.contains(&item.digest)));
        *small_bytes += small[small_before..].iter().map(|item| item.stored.len()).sum::<usize>();
        trees.extend(other.trees.into_iter().filter(|item| !known.contains(&item.digest)));
        large.extend(other.large.into_iter().filter(|(digest, _)| !known.contains(digest)));
        linked.extend(other.linked.into_iter().filter(|(digest, _)| !known.contains(digest)));
        mended.extend(other.mended.into_iter().filter(|(digest, _)| !known.contains(digest)));
        stamps.extend(other.stamps);
        packs.extend(other.packs);
        known.extend(other.known);
    }

    /// Adds an object whose content was checked.
    pub fn put_item(&self, item: Item) -> Result<()> {
        if item.size > SMALL_BYTES as u64 {
            let content = item.content().context("cannot decompress a checked object")?;
            return self.put_reader(content.as_slice(), content.len() as u64).map(|_| ());
        }
        if self.is_new(&item.digest, item.size) { self.keep_small(item) } else { Ok(()) }
    }

    /// Adds a file that was received, if its content is what this digest says; it is read once and becomes the object.
    ///
    /// # Errors
    /// The digest that was found, where it is another.
    pub fn put_received(&self, file: NamedTempFile, expected: Digest) -> Result<Result<u64, Digest>> {
        let mut reader = file.reopen().context("cannot reopen what was received")?;
        let (found, size) = crate::digest::of_reader(&mut reader).context("cannot read what was received")?;
        if found != expected {
            return Ok(Err(found));
        }
        if self.is_new(&expected, size) {
            file.as_file().set_permissions(PermissionsExt::from_mode(0o444)).map_err(cannot_write)?;
            self.pending().large.push((expected, file.into_temp_path()));
        }
        Ok(Ok(size))
    }

    /// Adds a whole pack that was received and checked, of which only this batch knows.
    pub fn put_pack(&self, pack: Written) {
        self.pending().packs.push(pack);
    }

    /// Makes everything durable and visible.
    pub fn commit(self) -> Result<()> {
        let Self { store, pending, packers, .. } = self;
        let Pending { mut small, mut trees, large, linked, stamps, mended, mut packs, .. } =
            pending.into_inner().unwrap_or_else(PoisonError::into_inner);
        for packer in packers.into_inner().unwrap_or_else(PoisonError::into_inner) {
            packs.extend(packer.finish()?);
        }
        let damaged: Vec<Digest> = mended.iter().map(|(digest, _)| *digest).collect();
        sync(&large)?;
        sync(&mended)?;
        sync_linked(&store, &linked)?;
        publish(&store, large.into_iter().chain(linked).chain(mended), packs)?;
        if !stamps.is_empty() {
            let sound = Sound::of(&store);
            stamps.into_iter().for_each(|(digest, stamp, begun)| sound.note(digest, stamp, begun));
            // Without these records the objects are read again.
            let _ = sound.save();
        }
        damaged.iter().try_for_each(|digest| store.set_packed_aside(digest))?;
        if small.len() + trees.len() <= FEW {
            for items in [small, trees] {
                let write = |item: Item| {
                    let digest = item.digest;
                    Ok((digest, write(&store, &item.content().map_err(cannot_write)?)?))
                };
                let written = items.into_iter().map(write).collect::<Result<Vec<_>>>()?;
                sync(&written)?;
                publish(&store, written, Vec::new())?;
            }
            return Ok(());
        }
        // A pack is there as a whole or not at all, and no tree in it without what it names.
        small.append(&mut trees);
        publish(&store, [], vec![pack::write(small, &store.scratch())?])?;
        store.fold_packs_if_many()
    }

    fn put_small(&self, digest: Digest, content: Vec<u8>) -> Result<()> {
        let stored = self.store.size(&digest);
        if stored.is_some() && self.store.packed_differs(&digest, &content) {
            if self.pending().known.insert(digest) {
                let mended = write(&self.store, &content)?;
                self.pending().mended.push((digest, mended));
            }
            return Ok(());
        }
        let is_new = stored != Some(content.len() as u64) && self.pending().known.insert(digest);
        if !is_new && !self.replaces(&digest, content.as_slice()) {
            return Ok(());
        }
        let item = self.compression.item(digest, content);
        self.keep_small(item)
    }

    fn keep_small(&self, item: Item) -> Result<()> {
        let full = {
            let mut pending = self.pending();
            pending.small_bytes += item.stored.len();
            pending.small.push(item);
            if pending.small_bytes < PACK_BYTES {
                return Ok(());
            }
            pending.small_bytes = 0;
            std::mem::take(&mut pending.small)
        };
        let mut packers = self.packers.lock().unwrap_or_else(PoisonError::into_inner);
        if packers.is_empty() {
            packers.push(Packer::start(self.store.scratch())?);
        }
        if !packers[0].write(full) {
            packers.swap_remove(0).finish()?;
        }
        Ok(())
    }

    fn put_large(&self, source: impl Source) -> Result<(Digest, u64)> {
        let temporary = fs::temporary_file(&self.store.scratch())?;
        let file = temporary.as_file();
        let (digest, size) = large::copy(source, file, Way::direct(file), CANNOT_READ)?;
        let written = || File::open(temporary.path()).ok();
        if self.is_new(&digest, size) || written().is_some_and(|written| self.replaces(&digest, written)) {
            file.set_permissions(PermissionsExt::from_mode(0o444)).map_err(cannot_write)?;
            self.pending().large.push((digest, temporary.into_temp_path()));
        }
        Ok((digest, size))
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Whether the object is in the store or in this batch.
    pub(super) fn has(&self, digest: &Digest, size: u64) -> bool {
        self.store.size(digest) == Some(size) || self.pending().known.contains(digest)
    }

    /// Keeps a second name of a file whose content is this object.
    pub(super) fn keep_link(
        &self,
        (digest, size): (Digest, u64),
        link: TempPath,
        stamp: Option<Stamp>,
        begun: SystemTime,
    ) {
        if self.is_new(&digest, size) {
            let mut pending = self.pending();
            pending.linked.push((digest, link));
            pending.stamps.extend(stamp.map(|stamp| (digest, stamp, begun)));
        }
    }

    /// Whether the object is neither in the store nor in this batch. One that lies there with another size is damaged,
    /// and is replaced.
    fn is_new(&self, digest: &Digest, size: u64) -> bool {
        self.store.size(digest) != Some(size) && self.pending().known.insert(*digest)
    }

    /// Whether a known object lies loose with other content than was just read, so that it is damaged and is replaced.
    fn replaces(&self, digest: &Digest, content: impl Read) -> bool {
        self.store.loose_differs(digest, content) && self.pending().known.insert(*digest)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(store: &Store, content: &[u8]) -> Result<TempPath> {
    let mut temporary = fs::temporary_file(&store.scratch())?;
    temporary.write_all(content).map_err(cannot_write)?;
    temporary.as_file().set_permissions(PermissionsExt::from_mode(0o444)).map_err(cannot_write)?;
    Ok(temporary.into_temp_path())
}

/// Makes the content of loose objects durable. After a failed sync the kernel may have dropped the pages, so that the
/// temporary files go with the error.
fn sync(objects: &[(Digest, TempPath)]) -> Result<()> {
    in_parallel(objects, |(_, temporary)| {
        let file = File::open(temporary).context("cannot reopen a temporary file of the store")?;
        file.sync_data().map_err(cannot_write)
    })
}

/// As [`sync`], for files that may be many and small: then one sync of their file system takes less time.
fn sync_linked(store: &Store, objects: &[(Digest, TempPath)]) -> Result<()> {
    if objects.len() < MANY_LINKED {
        return sync(objects);
    }
    let scratch = File::open(store.scratch()).context("cannot open the scratch directory of the store")?;
    rustix::fs::syncfs(scratch).map_err(|error| cannot_write(error.into()))
}

/// Gives durable loose objects and packs their names.
fn publish(store: &Store, objects: impl IntoIterator<Item = (Digest, TempPath)>, packs: Vec<Written>) -> Result<()> {
    let mut touched = BTreeSet::new();
    let mut touch = |directory: &Path| -> Result<()> {
        if !touched.contains(directory) {
            // A directory that a killed process made may not be durable itself: all on the way are synced.
            store.make_dir(directory)?;
            touched.extend(directory.ancestors().take_while(|place| place.starts_with(&store.root)).map(PathBuf::from));
        }
        Ok(())
    };
    for (digest, temporary) in objects {
        let path = store.path_of(&digest);
        touch(path.parent().expect("an object lies in a directory of the store"))?;
        if let Err(error) = temporary.persist(&path) {
            if error.error.kind() != io::ErrorKind::IsADirectory {
                return Err(cannot_write(error.error));
            }
            // Whatever that is, no object of ours.
            store.quarantine(&digest)?;
            error.path.persist(&path).map_err(|error| cannot_write(error.error))?;
        }
    }
    for pack in packs {
        touch(store.packs.directory())?;
        pack.place(store.packs.directory())?;
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
