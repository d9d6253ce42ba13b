//! Whether the files of a release are what its bundle brought: before its model is loaded, and again before another copy of
//! it is.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::bundle;
use crate::digest;
use crate::fs::{Stamp, quote};
use crate::{Error, Kind, Result};

/// A file of a release is not what the bundle brought.
#[derive(Debug, thiserror::Error)]
#[error("file `{path}` of the release is damaged: {problem}")]
pub struct Damaged {
    path: String,
    problem: String,
}

impl From<Damaged> for Error {
    fn from(error: Damaged) -> Self {
        Error::new(Kind::Failed, error).with_hint("unpack or deploy the bundle again")
    }
}

/// The files of a release, and how they looked when they were read and found right.
pub struct Files {
    directory: PathBuf,
    files: Vec<(bundle::File, Mutex<Option<Stamp>>)>,
}

impl Files {
    /// Those that a description names, none of them read yet.
    pub fn new(directory: &Path, files: &[bundle::File]) -> Self {
        let files = files.iter().map(|file| (file.clone(), Mutex::default())).collect();
        Self { directory: directory.to_path_buf(), files }
    }

    /// Reads those files that were not read before, or look otherwise than they did then; [`Damaged`] where one is not as
    /// it should be.
    pub fn check(&self) -> Result<()> {
        self.files.par_iter().try_for_each(|(file, seen)| self.check_one(file, seen))
    }

    /// As [`Files::check`], of one of them.
    pub fn check_file(&self, path: &Path) -> Result<()> {
        let found = self.files.iter().find(|(file, _)| self.directory.join(&file.path) == path);
        found.map_or(Ok(()), |(file, seen)| self.check_one(file, seen))
    }

    fn check_one(&self, file: &bundle::File, seen: &Mutex<Option<Stamp>>) -> Result<()> {
        let path = self.directory.join(&file.path);
        let damaged = |problem: String| Damaged { path: quote(&file.path), problem };
        let metadata = path.symlink_metadata().map_err(|error| damaged(error.to_string()))?;
        if !metadata.is_file() {
            return Err(damaged("it is no regular file".into()).into());
        }
        // From before it is read: what is written meanwhile makes another one.
        let stamp = Stamp::of(&metadata);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp.is_some() && *seen == stamp {
            return Ok(());
        }
        let content = File::open(&path).and_then(digest::of_reader).map_err(|error| damaged(error.to_string()))?;
        match content {
            (digest, size) if digest == file.digest && size == file.size => {
                *seen = stamp;
                Ok(())
            }
            (digest, _) => Err(damaged(format!("it should be {} and hashes to {digest}", file.digest)).into()),
        }
    }
}
