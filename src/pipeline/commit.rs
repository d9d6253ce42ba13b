//! Commits finished steps in groups: outputs into the store, then the lock, then the step cache.
//!
//! A thread does this while the steps after them run already, on the outputs in the working tree. Whatever waits when
//! the thread is free again is made durable together, so that many short steps share the cost. A kill at any moment
//! loses only steps that were not committed yet; no lock or record names an object that is not there.

use std::collections::HashSet;
use std::sync::mpsc::Receiver;

use super::cached::CachedStep;
use super::{checkpoint, unfinished};
use crate::Result;
use crate::fs::FileLock;
use crate::project::lock::LockedStep;
use crate::project::{Lock, Project};
use crate::store::{Batch, Store};

/// A step to be committed.
pub struct Commit {
    pub step: String,
    pub locked: LockedStep,
    /// What the step made just now; `None` for a restored one.
    pub made: Option<Made>,
}

/// What a program made, or what was found in its place.
pub struct Made {
    /// Holds the content of the outputs and the log.
    pub batch: Batch,
    /// What its key stands for from now on; `None` where nothing was run.
    pub cached: Option<CachedStep>,
    /// Keeps other trials from making the same meanwhile.
    pub turn: Option<FileLock>,
}

/// Commits all that comes until the last sender is gone. After an error nothing more is committed.
pub fn commit_all(project: &Project, store: &Store, commits: &Receiver<Commit>) -> Result<()> {
    while let Ok(first) = commits.recv() {
        let group = std::iter::once(first).chain(commits.try_iter()).collect();
        commit(project, store, group)?;
    }
    Ok(())
}

fn commit(project: &Project, store: &Store, group: Vec<Commit>) -> Result<()> {
    let batch = store.batch()?;
    let mut records = Vec::new();
    let mut turns = Vec::new();
    let mut locked = Vec::with_capacity(group.len());
    let mut names = Vec::with_capacity(group.len());
    for Commit { step, locked: entry, made } in group {
        if let Some(Made { batch: its, cached, turn }) = made {
            turns.extend(turn);
            batch.absorb(its);
            records.extend(cached.map(|cached| cached.to_record()).transpose()?);
        }
        names.push(step.clone());
        locked.push((step, entry));
    }
    batch.commit()?;
    project.change_lock(|lock| {
        lock.steps.extend(locked);
        Ok(())
    })?;
    store.put_records(&records)?;
    drop(turns);
    names.iter().try_for_each(|step| {
        checkpoint::finish(project, step)?;
        unfinished::unmark(project, step)
    })
}

/// Takes the steps out of the lock that the manifest has no more: their outputs may be another step's by now. `declared` is
/// the project without the parameters of this run alone, `before` is the lock as it was when the run began.
pub fn forget_gone_steps(project: &Project, declared: &Project, before: &Lock) -> Result<()> {
    let steps = project.manifest.steps.iter().chain(&declared.manifest.steps);
    let names: HashSet<&str> = steps.map(|step| step.name.as_str()).collect();
    if before.steps.keys().all(|name| names.contains(name.as_str())) {
        return Ok(());
    }
    project.change_lock(|lock| {
        lock.steps.retain(|name, _| names.contains(name.as_str()));
        Ok(())
    })
}
