//! Checking objects: each is what its name says, or it is set aside.

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;

use super::large::fill;
use super::{Store, StoreError};
use crate::fs::{self, quote};
use crate::{Digest, Result, digest};

/// So much of two files is compared at once.
const COMPARED_BYTES: usize = 64 << 10;

/// What an object is found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Sound,
    Missing,
    /// With what is wrong, in words.
    Damaged(String),
    /// It lies there, but whoever asks may not read it.
    Unreadable(String),
    /// It is sound, and has another size than who names it says; with its size in bytes.
    OfOtherSize(u64),
}

impl Store {
    /// Reads an object and says what it is.
    pub fn check(&self, digest: &Digest) -> Result<State> {
        self.check_as(digest, None)
    }

    /// As [`Store::check`], of an object that should have this many bytes.
    pub fn check_as(&self, digest: &Digest, named_size: Option<u64>) -> Result<State> {
        let mut content = match self.open_object(digest) {
            Ok(content) => content,
            Err(error) => {
                return match error.downcast_ref::<StoreError>() {
                    Some(StoreError::Missing { .. }) => Ok(State::Missing),
                    Some(StoreError::Damaged { found, .. }) => Ok(State::Damaged(found.clone())),
                    None if error.downcast_ref::<std::io::Error>().is_some() => {
                        Ok(State::Unreadable(error.to_string()))
                    }
                    _ => Err(error),
                };
            }
        };
        Ok(match digest::of_reader(&mut content) {
            Ok((found, size)) if found == *digest => match named_size {
                Some(named) if named != size => State::OfOtherSize(size),
                _ => State::Sound,
            },
            Ok((found, size)) => State::Damaged(format!("its {size} bytes hash to {found}")),
            Err(error) => State::Damaged(format!("it cannot be read: {error}")),
        })
    }

    /// Whether an object lies loose and is not this, which has its digest. What can't be read is not told apart.
    pub(super) fn loose_differs(&self, digest: &Digest, content: impl Read) -> bool {
        fs::open_regular(&self.path_of(digest)).is_ok_and(|object| differ(object, content).unwrap_or(false))
    }

    /// As [`Store::loose_differs`], of an object that lies in a pack alone; one that can't be unpacked is damaged.
    pub(super) fn packed_differs(&self, digest: &Digest, content: &[u8]) -> bool {
        let Ok(Some(packed)) = self.packs.find(digest) else { return false };
        self.path_of(digest).symlink_metadata().is_err()
            && packed.pack.content(&packed.entry).map_or(true, |object| differ(object, content).unwrap_or(true))
    }

    /// Moves a damaged object out of the way, so that it is missing from then on; nothing is deleted. Returns where it
    /// went.
    pub fn quarantine(&self, digest: &Digest) -> Result<PathBuf> {
        let object = self.path_of(digest);
        let aside = self.place_in_quarantine(&digest.hex())?;
        match std::fs::rename(&object, &aside) {
            Ok(()) => Ok(aside),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.quarantine_packed(digest, &aside)?;
                Ok(aside)
            }
            Err(error) => Err(error)
                .with_context(|| format!("cannot move the damaged object {digest} to `{}`", quote(&aside)))
                .map_err(Into::into),
        }
    }

    /// A free place for something damaged.
    pub(super) fn place_in_quarantine(&self, name: &str) -> Result<PathBuf> {
        let directory = self.root.join("quarantine");
        self.make_dir(&directory)?;
        let free = |path: &PathBuf| path.symlink_metadata().is_err();
        let path = (0..).map(|number| directory.join(format!("{name}.{number}"))).find(free);
        Ok(path.expect("numbers do not run out"))
    }

    /// Where the damaged content of an object was put aside; `None` where it never was.
    pub(super) fn set_aside(&self, digest: &Digest) -> Option<PathBuf> {
        let name = digest.hex();
        let mut entries = std::fs::read_dir(self.root.join("quarantine")).ok()?.filter_map(std::result::Result::ok);
        entries.find(|entry| entry.file_name().to_string_lossy().starts_with(&name)).map(|entry| entry.path())
    }

    /// The digests of all objects that lie in the store, sorted; what does not bear a digest's name is passed over.
    pub fn objects(&self) -> Result<Vec<Digest>> {
        let mut objects: Vec<Digest> = self.loose()?.into_iter().map(|(digest, _)| digest).collect();
        self.packs.refuse_foreign()?;
        for pack in self.packs.all()? {
            objects.extend(pack.digests());
        }
        objects.sort_unstable();
        objects.dedup();
        Ok(objects)
    }

    /// The loose objects and their files.
    pub(super) fn loose(&self) -> Result<Vec<(Digest, PathBuf)>> {
        let root = self.root.join("objects");
        let mut objects = Vec::new();
        for entry in walkdir::WalkDir::new(&root).min_depth(2).max_depth(2) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) => continue,
                Err(error) => return Err(anyhow::Error::new(error).context("cannot list the store").into()),
            };
            let mut parts = entry.path().components().rev().filter_map(|part| part.as_os_str().to_str());
            let (name, directory) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let digest = Digest::from_hex(&format!("{directory}{name}"));
            objects.extend(digest.map(|digest| (digest, entry.path().to_path_buf())));
        }
        Ok(objects)
    }

    /// Takes the damaged copy of an object out of the packs; a sound one lies loose.
    pub(super) fn set_packed_aside(&self, digest: &Digest) -> Result<()> {
        let aside = self.place_in_quarantine(&digest.hex())?;
        self.quarantine_packed(digest, &aside)
    }

    /// Removes temporary files that a killed process left, once they are older than a day. Returns how many.
    pub fn sweep_temporaries(&self) -> Result<u64> {
        let day = std::time::Duration::from_secs(24 * 3600);
        let swept = fs::sweep(&self.scratch(), day)?;
        Ok(if self.own == self.root { swept } else { swept + fs::sweep(&self.own_scratch(), day)? })
    }
}

/// Whether two contents differ; both are read side by side.
fn differ(mut one: impl Read, mut other: impl Read) -> std::io::Result<bool> {
    let (mut ours, mut theirs) = (vec![0; COMPARED_BYTES], vec![0; COMPARED_BYTES]);
    loop {
        let (found, expected) = (fill(&mut one, &mut ours)?, fill(&mut other, &mut theirs)?);
        if ours[..found] != theirs[..expected] {
            return Ok(true);
        }
        if found == 0 {
            return Ok(false);
        }
    }
}
