//! Whether the files of an unpacked bundle are what it brought: before its model is loaded, and again before another copy of it
//! is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::description::{Description, File};
use super::stranger::{self, code_directories};
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
    files: Vec<(File, Mutex<Option<Stamp>>)>,
    /// The directories from which Python imports, relative to that of the release.
    code: Vec<PathBuf>,
}

impl Files {
    /// Those that a description names, none of them read yet.
    pub fn new(directory: &Path, description: &Description) -> Self {
        let files = description.files.iter().map(|file| (file.clone(), Mutex::default())).collect();
        Self { directory: directory.to_path_buf(), files, code: code_directories(description) }
    }

    /// Reads those files that were not read before, or look otherwise than they did then; [`Damaged`] where one is not as
    /// it should be.
    pub fn check(&self) -> Result<()> {
        self.files.par_iter().try_for_each(|(file, seen)| self.check_one(file, seen))?;
        self.refuse_strangers()
    }

    /// [`Damaged`] where something lies among the code that the bundle did not bring.
    fn refuse_strangers(&self) -> Result<()> {
        let known = self.files.iter().map(|(file, _)| file.path.as_str());
        let damaged = |path: &Path, problem: String| Damaged { path: quote(path), problem };
        let found = stranger::among(&self.directory, &self.code, known)
            .map_err(|error| damaged(Path::new(stranger::CODE), error.to_string()))?;
        found.map_or(Ok(()), |path| Err(damaged(&path, "the bundle did not bring it".into()).into()))
    }

    /// As [`Files::check`], of one of them.
    pub fn check_file(&self, path: &Path) -> Result<()> {
        let found = self.files.iter().find(|(file, _)| self.directory.join(&file.path) == path);
        found.map_or(Ok(()), |(file, seen)| self.check_one(file, seen))
    }

    fn check_one(&self, file: &File, seen: &Mutex<Option<Stamp>>) -> Result<()> {
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
        let content = fs::File::open(&path).and_then(digest::of_reader).map_err(|error| damaged(error.to_string()))?;
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
        std::fs::write(place("serve.py"), "pass").unwrap();
        let file = |path: &str| serde_json::json!({ "path": path, "digest": Digest::of("pass"), "size": 4, "executable": false });
        let served_by = |path: &str| {
            let serve = serde_json::json!({ "python": { "file": path, "class": "Model", "path": path } });
            let description = serde_json::json!({
                "format": 1, "model": { "name": "m", "version": 1, "description": null }, "serve": serve,
                "signature": null, "runtimes": [], "lineage": { "params": {}, "metrics": {}, "data": [] }, "smoke": null,
                "files": [file("code/serve.py"), file("serve.py")],
            });
            Files::new(dir.path(), &serde_json::from_value(description).unwrap())
        };
        let refuses = |files: &Files, stranger: &str| {
            files.check().unwrap();
            std::fs::write(place(stranger), "evil").unwrap();
            let error = files.check().unwrap_err().to_string();
            assert!(error.contains(stranger) && error.contains("the bundle did not bring it"), "{error}");
            std::fs::remove_file(place(stranger)).unwrap();
        };

        let usual = served_by("code/serve.py");
        refuses(&usual, "code/numpy.py");
        refuses(&usual, "code/__pycache__/serve.cpython-311.pyc");
        // Beside it, whatever lies there is not imported.
        std::fs::write(place("notes.txt"), "mine").unwrap();
        usual.check().unwrap();
        std::fs::remove_file(place("notes.txt")).unwrap();
        refuses(&served_by("serve.py"), "numpy.py");
    }
}
