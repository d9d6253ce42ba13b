//! What an element of a job tells about its steps: lines in a file that both sides see.
//!
//! The file is opened, written to and closed for each line, so that a network file system shows the line to who opens the
//! file afterwards. A line that a crash cut short is ended by who comes next and counts for nothing.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::Report;
use super::job::Task;
use crate::fs::{open_regular, quote};
use crate::project::lock::LockedPath;
use crate::{Digest, Result};

/// What happened to a step of the job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The job, so that a line tells by itself what it is about.
    pub job: String,
    /// The place of the step in the job.
    pub task: usize,
    /// How often the engine had started the element before.
    pub restart: u64,
    /// The machine.
    pub host: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Began,
    /// The program came to its end, good or not. `outputs` is the [`fingerprint`] of what it left; `made` is what it made,
    /// where that has to be fetched from a remote.
    Ended {
        report: Report,
        outputs: Digest,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        made: Vec<LockedPath>,
    },
    /// It could not be run.
    Failed(String),
}

/// A digest of names, sizes and times of what lies where a step's outputs belong. As long as it is the same, nobody wrote
/// there.
pub fn fingerprint(root: &Path, task: &Task) -> Result<Digest> {
    let mut text = String::new();
    for output in task.outputs(root)? {
        for entry in walkdir::WalkDir::new(output.below(root)).sort_by_file_name() {
            let Ok(entry) = entry else { continue };
            let Ok(metadata) = entry.path().symlink_metadata() else { continue };
            let (size, time) = match metadata.is_dir() {
                true => (0, (0, 0)),
                false => (metadata.len(), (metadata.mtime(), metadata.mtime_nsec())),
            };
            text.push_str(&format!("{} {size} {}.{}\n", quote(entry.path()), time.0, time.1));
        }
    }
    Ok(Digest::of(text))
}

/// Adds a line to the file.
pub fn append(path: &Path, line: &Line) -> Result<()> {
    let mut bytes = serde_json::to_vec(line).context("cannot write a result as JSON")?;
    bytes.push(b'\n');
    append_bytes(path, &bytes)
}

/// Ends a line that was cut short.
pub fn end_line(path: &Path) -> Result<()> {
    append_bytes(path, b"\n")
}

fn append_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(bytes)).with_context(|| format!("cannot write `{}`", quote(path)))?;
    Ok(())
}

/// Reads a growing file from where it stopped before.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    offset: u64,
    /// The beginning of a line that is not whole yet.
    rest: Vec<u8>,
}

impl Tail {
    /// The lines that came since, as bytes to be looked at by `take`. A file that is not there has none. One that became
    /// shorter was begun anew.
    pub fn read(&mut self, path: &Path, mut take: impl FnMut(&[u8])) -> Result<()> {
        let cannot = || format!("cannot read `{}`", quote(path));
        let mut file = match open_regular(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(cannot).map_err(Into::into),
        };
        let length = file.metadata().with_context(cannot)?.len();
        if length < self.offset {
            *self = Self::default();
        }
        if length == self.offset {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.offset)).with_context(cannot)?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = file.read(&mut buffer).with_context(cannot)?;
            if count == 0 {
                return Ok(());
            }
            self.offset += count as u64;
            take(&buffer[..count]);
        }
    }

    /// The results that came since.
    pub fn lines(&mut self, path: &Path) -> Result<Vec<Line>> {
        let mut rest = std::mem::take(&mut self.rest);
        self.read(path, |bytes| rest.extend_from_slice(bytes))?;
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = rest[..whole].split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        let lines = lines.collect();
        rest.drain(..whole);
        self.rest = rest;
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(task: usize) -> Line {
        Line { job: "j".into(), task, restart: 0, host: "n1".into(), what: What::Began }
    }

    #[test]
    fn lines_come_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.results");
        let mut tail = Tail::default();
        assert_eq!(tail.lines(&path).unwrap(), []);

        append(&path, &line(0)).unwrap();
        append_bytes(&path, b"{\"job\":").unwrap();
        let first = tail.lines(&path).unwrap();
        end_line(&path).unwrap();
        append(&path, &line(1)).unwrap();

        assert_eq!((first, tail.lines(&path).unwrap()), (vec![line(0)], vec![line(1)]));
        assert_eq!(tail.lines(&path).unwrap(), []);
    }
}
