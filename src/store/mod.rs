//! The local store: objects by digest, written once, checked whenever they are read.
//!
//! A blob's digest is the SHA-256 of its bytes. A directory is a **tree**: the canonical listing of its entries, itself
//! an object; directories nest, so that an unchanged one costs nothing to compare.

mod record;
pub mod tree;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::digest::Hasher;
use crate::fs::{self, quote};
use crate::{Digest, Error, Kind, Result};

/// A store in a directory. Cheap to open; all methods may be called from many threads and processes at once.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// What is wrong with one object.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("object {digest} is missing from the local store")]
    Missing { digest: Digest },
    #[error("object {digest} is damaged: {found}")]
    Damaged { digest: Digest, found: String },
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::new(Kind::Failed, error).with_hint("`mlx verify` names everything that is missing or damaged")
    }
}

impl Store {
    /// The store in this directory, which is created where it is missing.
    pub fn open(root: &Path) -> Result<Self> {
        fs::create_dir_all(&root.join("tmp"))?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// Stores these bytes durably; returns their digest.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Digest> {
        self.put_reader(bytes).map(|(digest, _)| digest)
    }

    /// Stores the content of a file durably, reading it once; returns its digest and size.
    pub fn put_file(&self, path: &Path) -> Result<(Digest, u64)> {
        let file = File::open(path).with_context(|| format!("cannot read `{}`", quote(path)))?;
        self.put_reader(file)
    }

    /// Stores what the reader gives durably; returns its digest and size.
    pub fn put_reader(&self, mut reader: impl Read) -> Result<(Digest, u64)> {
        let mut temporary = fs::temporary_file(&self.scratch())?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("cannot read what is to be stored").map_err(Into::into),
            };
            hasher.update(&buffer[..count]);
            temporary.write_all(&buffer[..count]).context("cannot write to the store")?;
        }
        let (digest, size) = hasher.finish();
        let path = self.path_of(&digest);
        if !path.exists() {
            let parent = path.parent().expect("an object lies in a directory of the store");
            fs::create_dir_all(parent)?;
            let file = temporary.as_file();
            file.set_permissions(PermissionsExt::from_mode(0o444)).context("cannot write to the store")?;
            file.sync_data().context("cannot write to the store")?;
            temporary.persist(&path).map_err(|error| error.error).context("cannot write to the store")?;
            fs::sync_dir(parent)?;
        }
        Ok((digest, size))
    }

    /// Whether the object is here. Its content is not read.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.path_of(digest).exists()
    }

    /// The whole content of an object, checked against its digest.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        let bytes = fs::read_optional(&self.path_of(digest))?.ok_or(StoreError::Missing { digest: *digest })?;
        match Digest::of(&bytes) {
            found if found == *digest => Ok(bytes),
            found => Err(StoreError::Damaged { digest: *digest, found: format!("it hashes to {found}") }.into()),
        }
    }

    /// Writes the content of an object to `writer`, checking it on the way: an error means that what was written must be
    /// thrown away. Memory stays bounded whatever the size. Returns the number of bytes.
    pub fn copy_to(&self, digest: &Digest, writer: &mut dyn Write) -> Result<u64> {
        let path = self.path_of(digest);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { digest: *digest }.into());
            }
            other => other.with_context(|| format!("cannot read `{}`", quote(&path)))?,
        };
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer).with_context(|| format!("cannot read `{}`", quote(&path)))? {
                0 => break,
                count => {
                    hasher.update(&buffer[..count]);
                    writer.write_all(&buffer[..count]).with_context(|| format!("cannot copy object {digest}"))?;
                }
            }
        }
        match hasher.finish() {
            (found, size) if found == *digest => Ok(size),
            (found, _) => Err(StoreError::Damaged { digest: *digest, found: format!("it hashes to {found}") }.into()),
        }
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
