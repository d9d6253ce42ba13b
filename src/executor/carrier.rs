//! How the files of a step come to where its program runs, and what it makes goes back: not at all where both sides see the
//! same file system, else by a remote.
//!
//! On a remote a job has the directory `jobs/<name>/`, with the same files that it has here; what the steps read and make
//! goes as objects, like all data.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::job::{self, Task};
use super::worker::Element;
use crate::data::Workspace;
use crate::digest::Object;
use crate::env::{Declared, Interpreters, Prepared, Recipe, Workshop};
use crate::event::Watch;
use crate::fs::quote;
use crate::project::lock::LockedPath;
use crate::project::{Project, STATE};
use crate::remote::{Body, Content, Remote, RemoteError, Transfer};
use crate::run::{RunId, log_file};
use crate::{Error, Kind, Result};

/// What a running step printed and measured is sent this often.
const FOLLOW: Duration = Duration::from_secs(10);
/// A longer log is sent when the step is over, and not each time that it grew.
const LONGEST_FOLLOWED: u64 = 8 << 20;
/// So many files are sent or received at once.
const JOBS: usize = 4;

/// Between the worker of an element and those who wait for its steps.
pub trait Carrier: Sync {
    /// Whether nobody waits for the element any more.
    fn is_given_up(&self) -> bool;

    /// Brings what a step reads.
    fn bring(&self, task: &Task, watch: Watch<'_>) -> Result<()>;

    /// Makes what the step's program runs in, where the step brings a recipe for that. It stays as long as this is held.
    fn environment(&self, task: &Task, watch: Watch<'_>) -> Result<Option<Prepared>>;

    /// How often [`Carrier::follow`] is to be called while a step runs; never where nothing is said.
    fn pause(&self) -> Option<Duration>;

    /// Passes on what the step printed and measured so far.
    fn follow(&self, task: &Task, place: usize);

    /// Takes what the step left when its program ended, its outputs where that was a good end. Returns these, as far as they
    /// are not where they belong.
    fn take(&self, task: &Task, place: usize, is_good: bool, watch: Watch<'_>) -> Result<Vec<LockedPath>>;

    /// There is a new line among the results.
    fn tell(&self) -> Result<()>;
}

/// Nobody carries anything: both sides see the same files.
pub struct Nobody {
    /// There as soon as the element is given up.
    pub given_up: PathBuf,
}

impl Carrier for Nobody {
    fn is_given_up(&self) -> bool {
        self.given_up.exists()
    }

    fn bring(&self, _: &Task, _: Watch<'_>) -> Result<()> {
        Ok(())
    }

    fn environment(&self, _: &Task, _: Watch<'_>) -> Result<Option<Prepared>> {
        Ok(None)
    }

    fn pause(&self) -> Option<Duration> {
        None
    }

    fn follow(&self, _: &Task, _: usize) {}

    fn take(&self, _: &Task, _: usize, _: bool, _: Watch<'_>) -> Result<Vec<LockedPath>> {
        Ok(Vec::new())
    }

    fn tell(&self) -> Result<()> {
        Ok(())
    }
}

/// The way by a remote, on the side of the worker.
pub struct ByRemote<'a> {
    remote: Arc<dyn Remote>,
    job: &'a str,
    element: usize,
    /// The job's files here.
    directory: PathBuf,
    /// Where the steps work, and their logs lie.
    root: PathBuf,
    /// The project's directory on the other side.
    user: PathBuf,
    run: RunId,
    workspace: Workspace,
    memory: PathBuf,
    /// Where environments are made, unless that is no place to write to.
    cache: Option<&'a Path>,
    host: &'a Interpreters,
    scratch: PathBuf,
}

impl<'a> ByRemote<'a> {
    /// Brings the job's file and what an earlier start of the element told; `None` where the job was given up. `scratch` is
    /// a directory of this machine that is its own.
    pub fn new(remote: Arc<dyn Remote>, job: &'a str, of: &Element<'a>, scratch: &Path) -> Result<Option<Self>> {
        let element = of.number;
        // Below the project, where containers see it.
        let root = scratch.join("project");
        let directory = root.join(STATE).join("job");
        let file = directory.join(job::FILE);
        if !fetch(&*remote, &file_of(job, job::FILE), &file, scratch)? {
            return Ok(None);
        }
        let results = job::results_file(&directory, element);
        fetch(&*remote, &file_of(job, &job::results_name(element)), &results, scratch)?;
        let Some((whole, tasks)) = job::read(&file, |job| job.tasks_of(element, usize::MAX))? else { return Ok(None) };
        let (run, user) = (whole.run.clone(), whole.root.clone());
        // Here the project is another directory.
        let whole = job::JobFile { root: root.clone(), home: root.clone(), ..whole };
        whole.write_some(&directory, &tasks, scratch)?;
        let project = Project::neighbour(&root);
        let (workspace, memory) = (Workspace::open(&project)?, project.state("remotes"));
        let (cache, host, scratch) = (of.cache, of.host, scratch.to_path_buf());
        Ok(Some(Self { remote, job, element, directory, root, user, run, workspace, memory, cache, host, scratch }))
    }

    /// The job's file here.
    pub fn file(&self) -> PathBuf {
        self.directory.join(job::FILE)
    }

    /// Who gave the job up has cleared its files away; what came to them since goes, too.
    pub fn leave(&self) {
        let is_void = self.remote.find(&file_of(self.job, job::FILE)).is_ok_and(|found| found.is_none());
        if is_void {
            for entry in self.remote.list(&directory_of(self.job)).unwrap_or_default() {
                let _ = self.remote.delete(&entry.name);
            }
        }
    }

    fn transfer<'t>(&'t self, watch: Watch<'t>) -> Transfer<'t> {
        Transfer { remote: &*self.remote, store: self.workspace.store(), memory: &self.memory, jobs: JOBS, watch }
    }

    fn send(&self, name: &str, file: &Path) -> Result<()> {
        if file.exists() { write_to(&*self.remote, &file_of(self.job, name), Content::File(file)) } else { Ok(()) }
    }

    fn log(&self, task: &Task) -> PathBuf {
        log_file(&self.root, &self.run, &task.step)
    }
}

impl Carrier for ByRemote<'_> {
    fn is_given_up(&self) -> bool {
        let void = file_of(self.job, &job::void_name(self.element));
        let has = |name: &str| self.remote.find(name).map(|found| found.is_some());
        // Where nobody answers, somebody may wait.
        has(&void).unwrap_or(false) || !has(&file_of(self.job, job::FILE)).unwrap_or(true)
    }

    fn bring(&self, task: &Task, watch: Watch<'_>) -> Result<()> {
        // What the step before read or made is nothing of this one's.
        let entries = std::fs::read_dir(&self.root).with_context(|| format!("cannot list `{}`", quote(&self.root)))?;
        for entry in entries.flatten().filter(|entry| entry.file_name() != STATE) {
            super::worker::remove(&entry.path())?;
        }
        let inputs = task.inputs.iter().map(|input| &input.object);
        let objects: Vec<Object> = inputs.chain(&task.recipe).cloned().collect();
        if !objects.is_empty() {
            let transfer = self.transfer(watch);
            transfer.fetch(&transfer.catalog()?, &objects, false, false)?.verdict()?;
        }
        let wanted: Vec<_> = task.inputs.iter().map(|input| (input.path.clone(), input.object.clone())).collect();
        self.workspace.restore_all(&wanted, true, watch)?;
        task.dir.as_ref().map_or(Ok(()), |dir| crate::fs::create_dir_all(&dir.below(&self.root)))
    }

    fn environment(&self, task: &Task, watch: Watch<'_>) -> Result<Option<Prepared>> {
        let Some(recipe) = &task.recipe else { return Ok(None) };
        let store = self.workspace.store();
        let recipe: Recipe =
            serde_json::from_slice(&store.read(&recipe.digest)?).context("cannot understand a recipe")?;
        let own = self.scratch.join("cache");
        // In a container, or as a user without a home, there may be no place that lasts longer than the job.
        let cache = self.cache.filter(|cache| crate::fs::create_dir_all(&cache.join("envs")).is_ok()).unwrap_or(&own);
        let workshop = Workshop { cache, host: self.host, place: &self.root };
        let made =
            Declared::of_recipe(&recipe, &self.user, &workshop).and_then(|declared| declared.prepare(store, watch));
        made.map(Some).map_err(|error| {
            // Of an error that travels, the hint would stay behind.
            let hint = error.hint().map_or(String::new(), |hint| format!("; {hint}"));
            match error.kind() {
                Kind::Interrupted => error,
                _ => Error::failed(format!("cannot make the environment of {}: {error}{hint}", recipe.lock)),
            }
        })
    }

    fn pause(&self) -> Option<Duration> {
        Some(FOLLOW)
    }

    fn follow(&self, task: &Task, place: usize) {
        let log = self.log(task);
        if log.metadata().is_ok_and(|metadata| metadata.len() <= LONGEST_FOLLOWED) {
            // It comes whole in the end.
            let _ = self.send(&job::log_name(place), &log);
        }
        let _ = self.send(&job::metrics_name(place), &job::metrics_file(&self.directory, place));
    }

    fn take(&self, task: &Task, place: usize, is_good: bool, watch: Watch<'_>) -> Result<Vec<LockedPath>> {
        self.send(&job::log_name(place), &self.log(task))?;
        self.send(&job::metrics_name(place), &job::metrics_file(&self.directory, place))?;
        if !is_good {
            return Ok(Vec::new());
        }
        let batch = self.workspace.store().batch()?;
        let mut made: Vec<LockedPath> = Vec::new();
        for path in task.outputs(&self.root)? {
            match self.workspace.add(&path, &batch, watch) {
                Ok(Some(object)) => made.push(LockedPath { path, object }),
                Ok(None) => {}
                // What can't have a version counts as not made, which is told where it is missed.
                Err(error) if error.kind() == Kind::Usage => watch.events.warn(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        batch.commit()?;
        let objects: Vec<Object> = made.iter().map(|made| made.object.clone()).collect();
        if !objects.is_empty() {
            self.transfer(watch).push(&objects, false, false)?;
        }
        Ok(made)
    }

    fn tell(&self) -> Result<()> {
        self.send(&job::results_name(self.element), &job::results_file(&self.directory, self.element))
    }
}

/// The directory of a job on a remote.
pub fn directory_of(job: &str) -> String {
    format!("jobs/{job}")
}

/// The name of a job's file on a remote.
pub fn file_of(job: &str, file: &str) -> String {
    format!("jobs/{job}/{file}")
}

/// Brings a file of a remote, whatever its size, to take the place of `target`. Returns whether there is one.
pub fn fetch(remote: &dyn Remote, name: &str, target: &Path, scratch: &Path) -> Result<bool> {
    let mut temporary = crate::fs::temporary_file(scratch)?;
    match remote.read(name, None, temporary.as_file_mut()) {
        Ok(_) => {}
        Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Missing { .. })) => return Ok(false),
        Err(error) => return Err(error),
    }
    target.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
    let cannot = || format!("cannot write `{}`", quote(target));
    temporary.persist(target).map_err(|error| error.error).with_context(cannot)?;
    Ok(true)
}

/// Writes a file of a remote.
pub fn write_to(remote: &dyn Remote, name: &str, content: Content<'_>) -> Result<()> {
    remote.write(name, &Body { content, sent: &|_| Ok(()) })
}
