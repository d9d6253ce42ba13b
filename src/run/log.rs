//! The log of a step: a file while it runs, an object of the store afterwards.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::{Outcome, Run, RunId, RunStep, Runs};
use crate::fs::quote;
use crate::project::{Project, STATE};
use crate::store::Store;
use crate::{Digest, Result};

/// Where the log of a step grows while it runs.
pub fn log_path(project: &Project, run: &RunId, step: &str) -> PathBuf {
    log_file(project.home(), run, step)
}

/// The same below a project's directory.
pub fn log_file(root: &Path, run: &RunId, step: &str) -> PathBuf {
    root.join(STATE).join("logs").join(run.as_str()).join(format!("{step}.log"))
}

/// What a step of a run printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Log {
    pub step: String,
    /// The run in which the step's program ran; an earlier one where the step was up to date or restored.
    pub run: RunId,
    pub source: LogSource,
}

/// Where a log lies.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    Object(Digest),
    File(PathBuf),
    /// The program ran and printed nothing.
    Nothing,
}

impl Runs {
    /// The log of one step; `None` where its program never ran, or the run it ran in is not known here.
    pub fn log(&self, run: &Run, step: &RunStep) -> Result<Option<Log>> {
        if let Some(log) = self.log_of_program(&run.id, step) {
            return Ok(Some(log));
        }
        let is_reused = matches!(step.outcome, Outcome::UpToDate | Outcome::Restored);
        let Some(earlier) = step.made_by.as_ref().filter(|earlier| is_reused && **earlier != run.id) else {
            return Ok(None);
        };
        let Some(earlier) = super::read_record(&self.store, earlier)? else { return Ok(None) };
        Ok(earlier.step(&step.name).and_then(|step| self.log_of_program(&earlier.id, step)))
    }

    /// The log of a step whose program ran in this very run.
    fn log_of_program(&self, run: &RunId, step: &RunStep) -> Option<Log> {
        self.own_log(run, &step.name, step.log).or_else(|| {
            // Of a step that goes on elsewhere nothing came yet, though it began.
            let has_run = match step.outcome {
                Outcome::Ran => true,
                Outcome::Failed | Outcome::Interrupted => step.attempts > 0,
                Outcome::UpToDate | Outcome::Restored | Outcome::Skipped => false,
            };
            has_run.then(|| Log { step: step.name.clone(), run: run.clone(), source: LogSource::Nothing })
        })
    }

    /// The logs that lie there for a run that has no list of its steps yet, because it goes on or was killed.
    pub fn live_logs(&self, run: &RunId) -> Vec<Log> {
        let directory = self.root.join(STATE).join("logs").join(run.as_str());
        let names = std::fs::read_dir(directory).into_iter().flatten();
        let steps = names.filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".log")?.to_owned()));
        let mut steps: Vec<String> = steps.collect();
        steps.sort();
        steps.iter().filter_map(|step| self.own_log(run, step, None)).collect()
    }

    fn own_log(&self, run: &RunId, step: &str, object: Option<Digest>) -> Option<Log> {
        let file = || Some(log_file(&self.root, run, step)).filter(|file| file.exists()).map(LogSource::File);
        let source = object.map(LogSource::Object).or_else(file)?;
        Some(Log { step: step.to_owned(), run: run.clone(), source })
    }
}

impl Log {
    /// Writes the bytes of the log as the program printed them.
    pub fn copy_to(&self, store: &Store, writer: &mut dyn Write) -> Result<()> {
        match &self.source {
            LogSource::Object(digest) => store.copy_to(digest, writer).map(drop),
            LogSource::Nothing => Ok(()),
            LogSource::File(path) => {
                let mut file = File::open(path).with_context(|| format!("cannot read `{}`", quote(path)))?;
                io::copy(&mut file, writer).with_context(|| format!("cannot copy `{}`", quote(path)))?;
                Ok(())
            }
        }
    }
}
