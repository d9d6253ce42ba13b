//! What is remembered of a remote: the indexes of its packs, and what a listing said of each when it was looked at.
//!
//! A directory below `.mlx/remotes/` for each remote: `<digest>.index` is the end of a pack's file, index and footer;
//! `seen` is JSON. It may be deleted at any time, and is read again from the remote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use memmap2::MmapOptions;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::Entry;
use crate::fs;
use crate::store::pack::{FOOTER, Footer, Index};
use crate::{Digest, Result};

const VERSION: u64 = 1;

/// The memory of one remote.
#[derive(Debug)]
pub struct Memory {
    directory: PathBuf,
    seen: BTreeMap<Digest, Seen>,
    /// Whether nothing may be deleted there, as far as was tried.
    is_lasting: bool,
    /// Whether something of this is not in the file yet.
    is_changed: bool,
}

/// What remotes had when this machine looked last, asked without a network.
#[derive(Debug, Default)]
pub struct Remembered {
    indexes: Vec<Index>,
    /// When the oldest of these memories was written; `None` without any.
    pub since: Option<SystemTime>,
}

impl Remembered {
    /// What is remembered below `root` (`.mlx/remotes`) of all remotes together.
    pub fn open(root: &Path) -> Self {
        let directories = std::fs::read_dir(root).into_iter().flatten().filter_map(std::result::Result::ok);
        Self::of(directories.map(|entry| entry.path()))
    }

    /// What is remembered below `root` of the remote at this URL alone.
    pub fn of_remote(root: &Path, url: &str) -> Self {
        Self::of([Memory::directory(root, url)])
    }

    fn of(directories: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut remembered = Self::default();
        for directory in directories {
            let written = directory.join("seen").metadata().and_then(|metadata| metadata.modified()).ok();
            let memory = Memory::of(directory);
            remembered.indexes.extend(memory.packs().filter_map(|(pack, seen)| memory.index(&pack, seen.size)));
            remembered.since = remembered.since.into_iter().chain(written).min();
        }
        remembered
    }

    /// Whether some remote had this object.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.indexes.iter().any(|index| index.find(digest).is_some())
    }
}

/// What a listing said of a pack when it was looked at last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub size: u64,
    pub version: String,
}

impl Seen {
    /// What this entry of a listing says.
    pub fn of(entry: &Entry) -> Self {
        Self { size: entry.size, version: entry.version.clone() }
    }
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u64,
    packs: BTreeMap<String, Seen>,
    #[serde(default)]
    is_lasting: bool,
}

impl Memory {
    /// What is remembered below `root` (`.mlx/remotes`) of the remote at this URL.
    pub fn open(root: &Path, url: &str) -> Self {
        Self::of(Self::directory(root, url))
    }

    /// Where all that is remembered of a remote lies.
    pub fn directory(root: &Path, url: &str) -> PathBuf {
        root.join(Digest::of(url).short())
    }

    fn of(directory: PathBuf) -> Self {
        let document = fs::read(&directory.join("seen")).ok();
        let document = document.and_then(|bytes| serde_json::from_slice::<Document>(&bytes).ok());
        let document = document.filter(|document| document.version == VERSION);
        let is_lasting = document.as_ref().is_some_and(|document| document.is_lasting);
        let seen = document.map(|document| document.packs).unwrap_or_default().into_iter();
        let seen = seen.filter_map(|(hex, seen)| Some((Digest::from_hex(&hex).ok()?, seen))).collect();
        Self { directory, seen, is_lasting, is_changed: false }
    }

    /// What was seen of a pack.
    pub fn seen(&self, pack: &Digest) -> Option<&Seen> {
        self.seen.get(pack)
    }

    /// Every pack that was seen.
    pub fn packs(&self) -> impl Iterator<Item = (Digest, Seen)> + '_ {
        self.seen.iter().map(|(pack, seen)| (*pack, seen.clone()))
    }

    /// The remembered index of a pack whose file has this size; `None` where it is not remembered, or damaged.
    pub fn index(&self, pack: &Digest, size: u64) -> Option<Index> {
        let file = fs::open_regular(&self.index_path(pack)).ok()?;
        let length = usize::try_from(file.metadata().ok()?.len()).ok()?.checked_sub(FOOTER)?;
        let mut bytes = [0; FOOTER];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, length as u64).ok()?;
        let footer = Footer::decode(&bytes, size).ok()?;
        if footer.digest != *pack || footer.index().end - footer.start != length as u64 {
            return None;
        }
        // SAFETY: the file is replaced as a whole and never written in place.
        let map = (length > 0).then(|| unsafe { MmapOptions::new().len(length).map(&file) }).transpose().ok()?;
        let index = Index::mapped(map, footer.start);
        (index.digest() == *pack).then_some(index)
    }

    /// Remembers the end of a pack's file, index and footer.
    pub fn keep_index(&self, pack: &Digest, end: &[u8]) -> Result<()> {
        fs::replace(&self.index_path(pack), &self.directory, |out| out.write_all(end))
    }

    /// A file for an index that is long and comes piece by piece; [`Memory::keep_file`] remembers it.
    pub fn file(&self) -> Result<NamedTempFile> {
        fs::temporary_file(&self.directory)
    }

    /// As [`Memory::keep_index`], of what was written to such a file.
    pub fn keep_file(&self, pack: &Digest, file: NamedTempFile) -> Result<()> {
        let path = self.index_path(pack);
        let cannot = || format!("cannot write `{}`", fs::quote(&path));
        file.persist(&path).map_err(|error| error.error).with_context(cannot)?;
        Ok(())
    }

    /// Remembers what a listing says of a pack whose content is known to be right, or was not looked at before.
    pub fn see(&mut self, pack: Digest, seen: Seen) {
        self.is_changed |= self.seen.insert(pack, seen.clone()) != Some(seen);
    }

    /// Takes a pack for changed from now on, until somebody has looked into it and found it sound.
    pub fn doubt(&mut self, pack: Digest) {
        // The size is that of the pack as it was, by which its index is still read.
        let size = self.seen(&pack).map_or(0, |seen| seen.size);
        self.see(pack, Seen { size, version: "damaged".into() });
    }

    /// Whether nothing may be deleted on the remote, as far as was tried.
    pub fn is_lasting(&self) -> bool {
        self.is_lasting
    }

    pub fn set_lasting(&mut self) {
        (self.is_lasting, self.is_changed) = (true, true);
    }

    /// Forgets the packs that are no longer there.
    pub fn keep_only(&mut self, is_there: impl Fn(&Digest) -> bool) {
        let gone: Vec<Digest> = self.seen.keys().filter(|pack| !is_there(pack)).copied().collect();
        for pack in gone {
            let _ = std::fs::remove_file(self.index_path(&pack));
            self.seen.remove(&pack);
            self.is_changed = true;
        }
    }

    /// Writes it down. It can be learned again, so that a directory that is not ours to write is no failure.
    pub fn save(&mut self) {
        if !self.is_changed {
            return;
        }
        let packs = self.seen.iter().map(|(pack, seen)| (pack.hex(), seen.clone())).collect();
        let bytes =
            serde_json::to_vec(&Document { version: VERSION, packs, is_lasting: self.is_lasting }).unwrap_or_default();
        let written = fs::replace(&self.directory.join("seen"), &self.directory, |out| out.write_all(&bytes));
        self.is_changed = written.is_err();
    }

    fn index_path(&self, pack: &Digest) -> PathBuf {
        self.directory.join(format!("{}.index", pack.hex()))
    }
}
