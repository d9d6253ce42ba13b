//! The journal of a sweep: everything that decides how it goes on, one JSON object a line, each durable before anything
//! relies on it.
//!
//! Lines are only appended. A kill can leave the last one cut off; it was never relied on, and goes when the journal is
//! opened to go on.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::snapshot::Snapshot;
use super::state::TrialState;
use super::strategy::Values;
use crate::fs::{self, quote};
use crate::project::manifest::Goal;
use crate::run::RunId;
use crate::{Error, Kind, Result};

/// What to do about a journal that somebody else wrote to.
pub const REMEDY: &str = "delete that line and all after it, and `mlx sweep NAME --resume` goes on from there (what the trials \
                          made is restored); or begin anew with `--force`; runs stay in either case";

/// The version of the format that this program writes.
pub const VERSION: u64 = 1;

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Entry {
    /// The first line.
    Begin { version: u64, at: Timestamp, plan: Plan, snapshot: Snapshot },
    /// The sweep was taken up again, with what is to be different from here on.
    Resume {
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trials: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metric: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        goal: Option<Goal>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snapshot: Option<Snapshot>,
    },
    /// A trial begins, or begins again after a kill, as this run.
    Start { at: Timestamp, trial: u64, run: RunId, values: Values },
    /// A trial reported a value at which it was judged.
    Report { trial: u64, step: u64, value: f64, stop: bool },
    /// A trial is over.
    End {
        at: Timestamp,
        trial: u64,
        state: TrialState,
        /// The last value of each metric.
        metrics: BTreeMap<String, f64>,
        seconds: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

/// A journal that is written. Only who holds the sweep's lock may have one.
pub struct Journal {
    path: PathBuf,
    file: File,
    /// How long the whole lines in it are.
    length: u64,
}

impl Journal {
    /// Begins a new journal with this entry, in the place of an older one.
    pub fn begin(path: &Path, scratch: &Path, first: &Entry) -> Result<Self> {
        fs::write_atomic(path, &line(first)?, scratch)?;
        Self::open(path)
    }

    /// Opens a journal to go on behind its last whole line.
    pub fn open(path: &Path) -> Result<Self> {
        let cannot = || format!("cannot write `{}`", quote(path));
        let whole = whole_lines(&fs::read(path)?).len() as u64;
        let mut file = OpenOptions::new().write(true).open(path).with_context(cannot)?;
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole))).with_context(cannot)?;
        Ok(Self { path: path.to_path_buf(), file, length: whole })
    }

    /// Appends an entry durably, or not at all: where the disk is full, what was begun goes again, so that nothing stands
    /// before the next line.
    pub fn append(&mut self, entry: &Entry) -> Result<()> {
        let line = line(entry)?;
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.length += line.len() as u64,
            Err(_) => drop(self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)))),
        }
        written.with_context(|| format!("cannot write `{}`", quote(&self.path))).map_err(Into::into)
    }
}

/// The entries of a journal; `None` where there is none.
pub fn read(path: &Path) -> Result<Option<Vec<Entry>>> {
    let Some(bytes) = fs::read_optional(path)? else { return Ok(None) };
    let mut entries = Vec::new();
    for (number, text) in
        whole_lines(&bytes).split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty())
    {
        entries.push(entry(text).map_err(|error| error.context(format!("`{}`, line {}", quote(path), number + 1)))?);
    }
    Ok(Some(entries))
}

fn entry(text: &[u8]) -> Result<Entry> {
    #[derive(Deserialize)]
    struct Versioned {
        version: Option<u64>,
    }
    match serde_json::from_slice::<Versioned>(text) {
        Ok(Versioned { version: Some(version) }) if version > VERSION => {
            Err(Error::failed(format!("it has version {version}; this mlx knows up to {VERSION}"))
                .with_hint("install a newer mlx"))
        }
        _ => serde_json::from_slice(text).map_err(|error| {
            Error::new(Kind::Failed, anyhow::Error::new(error).context("the line is damaged")).with_hint(REMEDY)
        }),
    }
}

fn line(entry: &Entry) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry).context("cannot write an entry of the journal as JSON")?;
    line.push(b'\n');
    Ok(line)
}

fn whole_lines(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(trial: u64) -> Entry {
        Entry::Report { trial, step: 3, value: 0.1, stop: false }
    }

    #[test]
    fn a_line_that_was_cut_off_goes_and_the_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::begin(&path, dir.path(), &report(0)).unwrap();
        journal.append(&report(1)).unwrap();
        let whole = std::fs::read(&path).unwrap();

        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let before = read(&path).unwrap().unwrap();
            Journal::open(&path).unwrap().append(&report(9)).unwrap();
            let after = read(&path).unwrap().unwrap();
            assert_eq!(after[..before.len()], before);
            assert_eq!(after[before.len()..], [report(9)]);
        }
    }

    #[test]
    fn damage_in_the_middle_and_newer_versions_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let error = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).unwrap_err().to_string()
        };

        assert!(error("{}\n").contains("line 1: the line is damaged"));
        assert!(error("{\"event\":\"begin\",\"version\":9}\n").contains("version 9; this mlx knows up to 1"));
    }
}
