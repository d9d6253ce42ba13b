//! Jobs that are there from before: of a `mlx train` that was detached or killed.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::job::{self, JobFile, Task};
use crate::fs::{quote, read_optional};
use crate::{Digest, Result};

const ID: &str = "id";
/// The job's file once it is void.
const VOID: &str = "void.jsonl";
/// Beside the jobs: the programs they start.
pub const PROGRAMS: &str = "bin";
const TOLD: &str = "told";

/// The jobs in `.mlx/jobs`.
#[derive(Debug, Default)]
pub struct Left {
    pub jobs: Vec<LeftJob>,
}

/// One of them.
#[derive(Debug)]
pub struct LeftJob {
    pub directory: PathBuf,
    pub job: JobFile,
    pub tasks: Vec<Task>,
    /// The engine's name for it; `None` where it is not known whether the engine ever got it.
    pub id: Option<String>,
    /// Its file is out of reach for elements that start late: the engine did not know it when it was asked.
    pub is_void: bool,
    /// Steps whose end was told already and was not good; who asks for them again wants them run again.
    pub told: HashSet<usize>,
}

impl Left {
    /// Reads what is there.
    pub fn read(jobs: &Path) -> Result<Self> {
        let mut left = Self::default();
        let Ok(entries) = std::fs::read_dir(jobs) else { return Ok(left) };
        for entry in entries {
            let directory = entry.with_context(|| format!("cannot list `{}`", quote(jobs)))?.path();
            if directory.file_name().is_some_and(|name| name == PROGRAMS) {
                continue;
            }
            let valid = job::read(&job::file(&directory), |_| 0..usize::MAX)?;
            let is_void = valid.is_none();
            let found =
                valid.map_or_else(|| job::read(&directory.join(VOID), |_| 0..usize::MAX), |job| Ok(Some(job)))?;
            let Some((job, tasks)) = found else {
                remove(&directory)?;
                continue;
            };
            let id = read_optional(&directory.join(ID))?;
            let id = id.map(|id| String::from_utf8_lossy(&id).trim().to_owned()).filter(|id| !id.is_empty());
            let told = read_optional(&directory.join(TOLD))?.unwrap_or_default();
            let told = String::from_utf8_lossy(&told).split_whitespace().filter_map(|word| word.parse().ok()).collect();
            let tasks = tasks.into_iter().map(|(_, task)| task).collect();
            left.jobs.push(LeftJob { directory, job, tasks, id, is_void, told });
        }
        left.jobs.sort_by(|one, other| one.job.name.cmp(&other.job.name));
        Ok(left)
    }

    /// The executor and the step key of each step that a job is there for.
    pub fn steps(&self) -> HashMap<String, (String, Digest)> {
        let mut steps = HashMap::new();
        for job in &self.jobs {
            for (place, task) in job.tasks.iter().enumerate() {
                if !job.told.contains(&place) {
                    steps.insert(task.step.clone(), (job.job.executor.clone(), task.key));
                }
            }
        }
        steps
    }

    /// Takes out the jobs of an executor.
    pub fn take(&mut self, executor: &str) -> Vec<LeftJob> {
        let (its, others) = std::mem::take(&mut self.jobs).into_iter().partition(|left| left.job.executor == executor);
        self.jobs = others;
        its
    }

    /// Deletes the jobs none of whose steps anybody waits for: each is committed, or its end was told.
    pub fn forget_committed(&mut self, is_committed: impl Fn(&str, &Digest) -> bool) -> Result<()> {
        for job in std::mem::take(&mut self.jobs) {
            let is_over =
                |(place, task): (usize, &Task)| job.told.contains(&place) || is_committed(&task.step, &task.key);
            match job.tasks.iter().enumerate().all(is_over) {
                true => remove(&job.directory)?,
                false => self.jobs.push(job),
            }
        }
        Ok(())
    }
}

/// Notes the engine's name for the job. A name that gets lost is found again through the job's own name.
pub fn write_id(directory: &Path, id: &str, scratch: &Path) -> Result<()> {
    crate::fs::replace(&directory.join(ID), scratch, |file| writeln!(file, "{id}"))
}

/// Notes that the end of this step was told.
pub fn write_told(directory: &Path, task: usize) -> Result<()> {
    let path = directory.join(TOLD);
    let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
    file.and_then(|mut file| writeln!(file, "{task}")).with_context(|| format!("cannot write `{}`", quote(&path)))?;
    Ok(())
}

/// Makes a job void: an element that starts late finds nothing to do.
pub fn void(directory: &Path) -> Result<()> {
    let file = job::file(directory);
    match std::fs::rename(&file, directory.join(VOID)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot rename `{}`", quote(&file))).map_err(Into::into)
        }
        _ => Ok(()),
    }
}

/// Deletes a job. From now on it is void: an element that starts late finds nothing to do.
pub fn remove(directory: &Path) -> Result<()> {
    // The job's file goes first, so that a job is never there in part.
    void(directory)?;
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete `{}`", quote(directory))).map_err(Into::into)
        }
        _ => Ok(()),
    }
}
