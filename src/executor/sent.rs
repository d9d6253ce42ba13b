//! Which jobs have files on a remote, written down here before the first of them is there: what a killed `mlx train` leaves on
//! the remote is found again by it, and nothing else there is touched.
//!
//! One file for each job, `.mlx/sent/<name>`: where the remote is, and where the job's own directory is. As long as that one is
//! there, somebody may come back to the job.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::fs::{quote, unescape};

/// The notes of all working copies of a project.
#[derive(Debug)]
pub struct Sent {
    directory: PathBuf,
    scratch: PathBuf,
}

impl Sent {
    pub fn new(directory: PathBuf, scratch: PathBuf) -> Self {
        Self { directory, scratch }
    }

    /// Files of the job, whose directory here is this one, go to the remote from now on.
    pub fn note(&self, job: &str, remote: &str, directory: &Path) -> Result<()> {
        crate::fs::create_dir_all(&self.directory)?;
        let text = format!("{remote}\n{}\n", quote(directory));
        crate::fs::write_atomic(&self.directory.join(job), text.as_bytes(), &self.scratch)
    }

    /// Nothing of the job is on the remote any more.
    pub fn forget(&self, job: &str) {
        // One that stays is looked at once more.
        let _ = std::fs::remove_file(self.directory.join(job));
    }

    /// The jobs that this remote has files of, and that nobody comes back to.
    pub fn abandoned(&self, remote: &str) -> Vec<String> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let is_abandoned = |name: &String| {
            let text = std::fs::read_to_string(self.directory.join(name)).unwrap_or_default();
            let mut lines = text.lines();
            let is_there = lines.next() == Some(remote);
            let directory = lines.next().and_then(unescape);
            is_there && directory.is_some_and(|directory| !Path::new(OsStr::from_bytes(&directory)).exists())
        };
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_abandoned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_abandoned_once_its_directory_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let sent = Sent::new(dir.path().join("sent"), dir.path().to_path_buf());
        let jobs = dir.path().join("jobs\n");
        std::fs::create_dir_all(jobs.join("a")).unwrap();
        for job in ["a", "b"] {
            sent.note(job, "s3://bucket/x", &jobs.join(job)).unwrap();
        }

        assert_eq!(sent.abandoned("s3://bucket/x"), ["b"]);
        assert_eq!(sent.abandoned("s3://bucket/y"), [""; 0]);
        sent.forget("b");
        assert_eq!(sent.abandoned("s3://bucket/x"), [""; 0]);
    }
}
