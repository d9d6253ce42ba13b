//! The local store: objects by digest, written once, checked whenever they are read.
//!
//! A blob's digest is the SHA-256 of its bytes. A directory is a **tree**: the canonical listing of its entries, itself
//! an object; directories nest, so that an unchanged one costs nothing to compare. Large objects lie loose, a file each;
//! small ones that come together lie in packs.

mod adopt;
mod batch;
mod export;
mod gc;
mod large;
mod linked;
pub mod pack;
mod packer;
mod packs;
mod reach;
mod record;
mod repack;
mod shared;
mod sound;
#[cfg(test)]
mod tests;
pub mod transfer;
pub mod tree;
pub mod verify;

pub use batch::Batch;
pub use gc::{Fold, Garbage, Place, Stored};
pub use linked::Linker;
pub use reach::{Named, named_in};
pub use repack::BrokenPack;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use self::large::{Broken, Reader};
use self::packs::Packs;
use self::tree::{NotATree, Tree};
use crate::digest::{Hasher, Object};
use crate::fs::{FileLock, quote};
use crate::project::Link;
use crate::{Digest, Error, Kind, Result};

/// From this size on, reading, hashing and writing go on at once.
const LARGE_BYTES: u64 = 8 << 20;

/// A store in a directory. Cheap to open; all methods may be called from many threads and processes at once.
#[derive(Debug, Clone)]
pub struct Store {
    /// Holds objects and packs, and what belongs to them; other projects may use it as well.
    root: PathBuf,
    /// Holds the records of this project.
    own: PathBuf,
    /// The root of this project, where `root` is not its own.
    member: Option<Arc<Path>>,
    link: Link,
    packs: Arc<Packs>,
    /// Keeps `mlx gc` away from the first write until the last clone goes, so that what was stored is named by a lock or a
    /// record before somebody looks for garbage.
    no_gc: Arc<Mutex<Option<FileLock>>>,
}

/// What is wrong with one object.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("object {digest} is missing from the local store")]
    Missing { digest: Digest },
    #[error("object {digest} is damaged: {found}")]
    Damaged { digest: Digest, found: String },
    /// It is sound, but who takes it for a directory would do harm, or nothing.
    #[error("object {digest} is named as a directory, which it is not: {wrong}")]
    NotADirectory { digest: Digest, wrong: NotATree },
    /// It is sound, but has other sizes than who names it says.
    #[error("object {digest} is not what it is named as: {found}")]
    Misnamed { digest: Digest, found: String },
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::Missing { .. } => "fetch it with `mlx pull`; `mlx verify` names everything that is missing",
            StoreError::Damaged { .. } => "fetch a good copy with `mlx pull --repair`; `mlx verify` puts it aside",
            StoreError::NotADirectory { .. } | StoreError::Misnamed { .. } => {
                "`mlx verify` says which path it is; take its lines in mlx.lock from a commit where they were right, or \
                 `mlx add` it again"
            }
        };
        Error::new(Kind::Failed, error).with_hint(hint)
    }
}

impl Store {
    /// The store in this directory, which is created with the first that is stored; see [`Store::of`] for a project's.
    pub fn open(root: &Path) -> Result<Self> {
        Ok(Self {
            root: root.to_path_buf(),
            own: root.to_path_buf(),
            member: None,
            link: Link::default(),
            packs: Arc::new(Packs::new(root.join("packs"))),
            no_gc: Arc::default(),
        })
    }

    /// How files should come out of it.
    pub fn link(&self) -> Link {
        self.link
    }

    /// A batch of new objects.
    pub fn batch(&self) -> Result<Batch> {
        Batch::new(self)
    }

    /// Stores these bytes durably; returns their digest.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Digest> {
        self.put_one(|batch| batch.put_bytes(bytes))
    }

    /// Stores the content of a file durably, reading it once; returns its digest and size.
    pub fn put_file(&self, path: &Path) -> Result<(Digest, u64)> {
        self.put_one(|batch| batch.put_file(path))
    }

    /// Stores what the reader gives durably; returns its digest and size.
    pub fn put_reader(&self, reader: impl Read) -> Result<(Digest, u64)> {
        self.put_one(|batch| batch.put_reader(reader, u64::MAX))
    }

    fn put_one<T>(&self, put: impl FnOnce(&Batch) -> Result<T>) -> Result<T> {
        let batch = self.batch()?;
        let result = put(&batch)?;
        batch.commit()?;
        Ok(result)
    }

    /// Whether the object is here. Its content is not read.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.size(digest).is_some()
    }

    /// The size of the object in bytes as it lies there; `None` where it is not here.
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        match self.path_of(digest).symlink_metadata() {
            Ok(metadata) => metadata.is_file().then_some(metadata.len()),
            Err(_) => self.packs.find(digest).ok()?.map(|packed| packed.entry.size),
        }
    }

    /// The whole content of an object, checked against its digest.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.copy_to(digest, &mut bytes)?;
        Ok(bytes)
    }

    /// The tree of a directory, checked against its digest.
    ///
    /// # Errors
    /// [`StoreError::NotADirectory`] for an object that is something else.
    pub fn tree(&self, digest: &Digest) -> Result<Tree> {
        let is_long = self.size(digest).is_some_and(|size| size > tree::LARGEST);
        let decoded = match is_long {
            true => Err(NotATree::Malformed("it is longer than any that is read".into())),
            false => Tree::decode(&self.read(digest)?),
        };
        decoded.map_err(|wrong| match wrong {
            NotATree::Version(_) => Error::new(Kind::Failed, wrong)
                .context(format!("cannot read the directory {digest}"))
                .with_hint("install the mlx that wrote it"),
            wrong => StoreError::NotADirectory { digest: *digest, wrong }.into(),
        })
    }

    /// As [`Store::tree`], of a directory as something names it: what that says of its size must be so.
    pub fn tree_of(&self, object: &Object) -> Result<Tree> {
        let tree = self.tree(&object.digest)?;
        match tree.misnamed(object) {
            None => Ok(tree),
            Some(found) => Err(StoreError::Misnamed { digest: object.digest, found }.into()),
        }
    }

    /// An error where an object that is here has another size than who names it says.
    pub fn check_size(&self, object: &Object) -> Result<()> {
        match self.size(&object.digest) {
            None => Err(StoreError::Missing { digest: object.digest }.into()),
            Some(size) if size == object.size => Ok(()),
            Some(size) => match self.check(&object.digest)? {
                verify::State::Damaged(found) => Err(damaged(&object.digest, found)),
                _ => Err(StoreError::Misnamed {
                    digest: object.digest,
                    found: format!("it has {size} bytes, and should have {}", object.size),
                }
                .into()),
            },
        }
    }

    /// Writes the content of an object to `writer`, checking it on the way: an error means that what was written must be
    /// thrown away. Memory stays bounded whatever the size. Returns the number of bytes.
    pub fn copy_to(&self, digest: &Digest, writer: &mut dyn Write) -> Result<u64> {
        let mut content = self.open_object(digest)?;
        let cannot_read = || format!("cannot read object {digest}");
        let cannot_copy = || format!("cannot copy object {digest}");
        if let Content::Loose(file) = &content
            && content.length() > LARGE_BYTES
        {
            return match large::give(Reader(file), writer) {
                Ok(found) => is_right(digest, found),
                Err(Broken::Source(error)) => Err(error).with_context(cannot_read).map_err(Into::into),
                Err(Broken::Out(error)) => Err(error).with_context(cannot_copy).map_err(Into::into),
            };
        }
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; content.length().clamp(1, 256 * 1024) as usize];
        loop {
            match content.read(&mut buffer).with_context(cannot_read)? {
                0 => break,
                count => {
                    hasher.update(&buffer[..count]);
                    writer.write_all(&buffer[..count]).with_context(cannot_copy)?;
                }
            }
        }
        is_right(digest, hasher.finish())
    }

    /// Opens an object, without waiting where something else lies in the place of its file.
    fn open_object(&self, digest: &Digest) -> Result<Content> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.path_of(digest);
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(damaged(digest, "it is no regular file".into())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return self.open_packed(digest);
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read `{}`", quote(&path))).map_err(Into::into);
            }
        }
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        match File::options().read(true).custom_flags(flags).open(&path) {
            Ok(file) => Ok(Content::Loose(file)),
            // `mlx gc` put it into a pack meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.open_packed(digest),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", quote(&path))).map_err(Into::into),
        }
    }

    fn open_packed(&self, digest: &Digest) -> Result<Content> {
        let packed = self.packs.find(digest)?.ok_or(StoreError::Missing { digest: *digest })?;
        let content = packed.pack.content(&packed.entry);
        content.map(Content::Packed).map_err(|error| damaged(digest, error.to_string()))
    }

    /// Keeps `mlx gc` away until the last clone of this goes.
    fn keep_from_gc(&self) -> Result<()> {
        let mut no_gc = self.no_gc.lock().unwrap_or_else(PoisonError::into_inner);
        if no_gc.is_none() {
            self.prepare()?;
            *no_gc = Some(FileLock::shared(&self.gc_lock())?);
        }
        Ok(())
    }

    /// Keeps `mlx gc` away while who only reads looks at objects; `None` in a store that is not ours to write, where it
    /// can't be kept away.
    pub fn hold_off_gc(&self) -> Option<FileLock> {
        if self.root.is_dir() {
            self.make_lock(&self.gc_lock()).ok()?;
        }
        FileLock::shared(&self.gc_lock()).ok()
    }

    /// The file that keeps `mlx gc` and writers apart.
    fn gc_lock(&self) -> PathBuf {
        self.root.join("locks/gc")
    }

    /// Where temporary files lie until they are renamed.
    fn scratch(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn path_of(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("objects").join(&hex[..2]).join(&hex[2..])
    }
}

/// The size of a content that was read, where its digest is the right one.
fn is_right(digest: &Digest, content: (Digest, u64)) -> Result<u64> {
    match content {
        (found, size) if found == *digest => Ok(size),
        (found, _) => Err(damaged(digest, format!("its content hashes to {found}"))),
    }
}

/// An opened object, unchecked; reads like a file.
#[derive(Debug)]
enum Content {
    Loose(File),
    Packed(pack::Content),
}

impl Content {
    /// How many bytes it seems to have.
    fn length(&self) -> u64 {
        match self {
            Self::Loose(file) => file.metadata().map_or(u64::MAX, |metadata| metadata.len()),
            Self::Packed(content) => content.length(),
        }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Loose(file) => file.read(buffer),
            Self::Packed(content) => content.read(buffer),
        }
    }
}

/// A failed write to the store, and what to do where the disk is full.
fn cannot_write(error: io::Error) -> Error {
    anyhow::Error::new(error).context("cannot write to the store").into()
}

fn damaged(digest: &Digest, found: String) -> Error {
    StoreError::Damaged { digest: *digest, found }.into()
}
