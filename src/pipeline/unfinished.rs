//! Marks of steps that were begun: what lies where their outputs belong is mlx's own until they are committed, and what
//! a killed `mlx train` left running can be found.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::checkpoint;
use crate::event::EventSink;
use crate::fs::{create_dir_all, quote, read_optional};
use crate::project::{Lock, Project, STATE};
use crate::run::RunId;
use crate::{Digest, Result, executor};

/// The variable that every program of a run has in its environment.
pub const RUN_VARIABLE: &str = "MLX_RUN_ID";

/// The directory of the marks.
const MARKS: &str = "running";

/// Marks that a step is begun: its outputs may be half made from now on.
pub fn mark(project: &Project, step: &str, run: &RunId, key: &Digest) -> Result<()> {
    let path = path(project, step);
    // Not made durable on purpose: after a power cut without it, the outputs are only asked about once more.
    std::fs::write(&path, format!("{run} {key}\n")).with_context(|| format!("cannot write `{}`", quote(&path)))?;
    Ok(())
}

/// Takes the mark away: the step's outputs are in the store and in the lock.
pub fn unmark(project: &Project, step: &str) -> Result<()> {
    let path = path(project, step);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete `{}`", quote(&path))).map_err(Into::into)
        }
        _ => Ok(()),
    }
}

/// Whether this step was begun in the project with this root, and did not come to a good end since.
pub fn is_begun(root: &Path, step: &str) -> bool {
    root.join(STATE).join(MARKS).join(step).exists()
}

/// Whether steps of this run are begun here and not committed.
pub fn is_running(project: &Project, run: &RunId) -> Result<bool> {
    let Ok(entries) = std::fs::read_dir(project.state(MARKS)) else { return Ok(false) };
    for entry in entries.flatten() {
        let mark = read_optional(&entry.path())?.unwrap_or_default();
        if String::from_utf8_lossy(&mark).split_whitespace().next() == Some(run.as_str()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The steps that were begun and not committed. Ends what is still running of them. Called once a run has begun, alone.
pub fn take_up(project: &Project, lock: &Lock, events: &dyn EventSink) -> Result<HashSet<String>> {
    let directory = project.state(MARKS);
    create_dir_all(&directory)?;
    let mut unfinished = HashSet::new();
    let mut runs = HashSet::new();
    let entries = std::fs::read_dir(&directory).with_context(|| format!("cannot list `{}`", quote(&directory)))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list `{}`", quote(&directory)))?;
        let Ok(step) = entry.file_name().into_string() else { continue };
        let mark = read_optional(&entry.path())?.unwrap_or_default();
        let mark = String::from_utf8_lossy(&mark).into_owned();
        let mut words = mark.split_whitespace();
        runs.extend(words.next().and_then(|word| word.parse::<RunId>().ok()));
        let key = words.next().and_then(|word| word.parse::<Digest>().ok());
        let is_committed = key.is_some() && lock.steps.get(&step).map(|locked| locked.key) == key;
        let is_known = project.manifest.steps.iter().any(|known| known.name == step);
        if is_committed {
            checkpoint::finish(project, &step)?;
        }
        match is_committed || !is_known {
            true => unmark(project, &step)?,
            false => drop(unfinished.insert(step)),
        }
    }
    let mut ended = 0;
    for run in runs {
        ended += executor::end_leftovers(RUN_VARIABLE, run.as_str())?;
    }
    if ended > 0 {
        events.warn(format!("ended {ended} programs that a killed `mlx train` had left running"));
    }
    Ok(unfinished)
}

fn path(project: &Project, step: &str) -> PathBuf {
    project.state(MARKS).join(step)
}
