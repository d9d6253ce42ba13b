//! Writing packs.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use super::index::{Entry, Footer};
use super::{ENDING, HEAD, HEADER, Item, Kind};
use crate::fs::{self, BlockWriter, Way};
use crate::store::cannot_write;
use crate::{Digest, Result};

/// A pack that is being written, object by object, to a temporary file.
#[derive(Debug)]
pub struct Writer {
    file: BlockWriter,
    entries: Vec<Entry>,
    length: u64,
}

/// A written pack that has no name yet.
#[derive(Debug)]
pub struct Written {
    file: NamedTempFile,
    digest: Digest,
}

/// Writes these objects, each of them once, to a temporary file in `scratch` and makes it durable.
pub fn write(items: Vec<Item>, scratch: &Path) -> Result<Written> {
    let mut writer = Writer::create(scratch)?;
    items.iter().try_for_each(|item| writer.append(item))?;
    writer.finish()
}

impl Writer {
    /// A pack without objects, in a temporary file in `scratch`.
    pub fn create(scratch: &Path) -> Result<Self> {
        let file = fs::temporary_file(scratch)?;
        let way = Way::direct(&file);
        let mut file = BlockWriter::new(file, 1 << 20, way);
        file.write_all(HEADER).map_err(cannot_write)?;
        Ok(Self { file, entries: Vec::new(), length: HEADER.len() as u64 })
    }

    /// Appends an object that is not in the pack yet.
    pub fn append(&mut self, item: &Item) -> Result<()> {
        let stored = item.stored.len() as u64;
        let entry =
            Entry { digest: item.digest, offset: self.length + HEAD as u64, stored, size: item.size, kind: item.kind };
        self.write(&entry, &item.stored).map_err(cannot_write)?;
        self.entries.push(entry);
        self.length += HEAD as u64 + stored;
        Ok(())
    }

    fn write(&mut self, entry: &Entry, stored: &[u8]) -> io::Result<()> {
        self.file.write_all(&entry.head())?;
        self.file.write_all(stored)
    }

    /// How many bytes it has so far, without its index.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Writes index and footer, and makes the file durable.
    pub fn finish(self) -> Result<Written> {
        let written = self.seal()?;
        written.sync()?;
        Ok(written)
    }

    /// Writes index and footer: a whole pack, but not a durable one.
    pub fn seal(mut self) -> Result<Written> {
        self.entries.sort_unstable_by_key(|entry| entry.digest);
        let index: Vec<u8> = self.entries.iter().flat_map(Entry::encode).collect();
        let digest = Digest::of(&index);
        let footer = Footer { start: self.length, count: self.entries.len() as u64, digest };
        let end = self.file.write_all(&index).and_then(|()| self.file.write_all(&footer.encode()));
        end.map_err(cannot_write)?;
        let file = self.file.finish().map_err(cannot_write)?;
        Ok(Written { file, digest })
    }
}

impl Written {
    /// A pack file that was received whole and checked; makes it durable.
    pub fn received(file: NamedTempFile, digest: Digest) -> Result<Self> {
        let written = Self { file, digest };
        written.sync()?;
        Ok(written)
    }

    fn sync(&self) -> Result<()> {
        let file = self.file.as_file();
        let permissions = PermissionsExt::from_mode(0o444);
        file.set_permissions(permissions).and_then(|()| file.sync_data()).map_err(cannot_write)
    }

    /// The digest of its index.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The name it will have.
    pub fn name(&self) -> String {
        format!("{}.{ENDING}", self.digest.hex())
    }

    /// Where it lies for now.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Sets its age, for `mlx gc`: that of the packs it was made from.
    pub fn set_modified(&self, time: SystemTime) -> Result<()> {
        self.file.as_file().set_modified(time).map_err(cannot_write)
    }

    /// Gives the pack its name in `directory`, whose entries the caller syncs. Returns where it lies.
    pub fn place(self, directory: &Path) -> Result<PathBuf> {
        let path = directory.join(self.name());
        self.file.persist(&path).map_err(|error| cannot_write(error.error))?;
        Ok(path)
    }
}

impl Kind {
    /// Whether a local store may hold objects of this kind.
    pub fn is_whole(self) -> bool {
        self != Self::Recipe
    }
}
