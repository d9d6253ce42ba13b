//! Whether the files of a release are what its bundle brought: before its model is loaded, and again before another copy of
//! it is.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use walkdir::WalkDir;

use crate::bundle;
use crate::digest;
use crate::fs::{Stamp, quote};
use crate::{Error, Kind, Result};

/// Where the code of a release lies, from which Python imports.
const CODE: &str = "code";

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
        self.files.par_iter().try_for_each(|(file, seen)| self.check_one(file, seen))?;
        self.refuse_strangers()
    }

    /// [`Damaged`] where something lies beside the code that the bundle did not bring: Python would run it, and take what is
    /// called as a compiled file for the code itself.
    fn refuse_strangers(&self) -> Result<()> {
        let code = self.directory.join(CODE);
        if code.symlink_metadata().is_err() {
            return Ok(());
        }
        let known: HashSet<PathBuf> = self.files.iter().map(|(file, _)| self.directory.join(&file.path)).collect();
        for entry in WalkDir::new(&code).min_depth(1) {
            let damaged = |path: &Path, problem: String| {
                let path = path.strip_prefix(&self.directory).unwrap_or(path);
                Damaged { path: quote(path).to_string(), problem }
            };
            let entry = entry.map_err(|error| damaged(&code, error.to_string()))?;
            if !entry.file_type().is_dir() && !known.contains(entry.path()) {
                return Err(damaged(entry.path(), "the bundle did not bring it".into()).into());
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    #[test]
    fn what_the_bundle_did_not_bring_is_not_run() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(place("code/__pycache__")).unwrap();
        std::fs::write(place("code/serve.py"), "pass").unwrap();
        std::fs::write(place("mlx.bundle.json"), "{}").unwrap();
        let file = serde_json::from_value(serde_json::json!({
            "path": "code/serve.py", "digest": Digest::of("pass"), "size": 4, "executable": false
        }));
        let files = Files::new(dir.path(), &[file.unwrap()]);
        files.check().unwrap();

        for stranger in ["code/numpy.py", "code/__pycache__/serve.cpython-311.pyc"] {
            std::fs::write(place(stranger), "evil").unwrap();
            let error = files.check().unwrap_err().to_string();
            assert!(error.contains(stranger) && error.contains("the bundle did not bring it"), "{error}");
            std::fs::remove_file(place(stranger)).unwrap();
        }
        files.check().unwrap();
    }
}
