//! The way by a remote, on the side of those who wait for the steps.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::carrier::{directory_of, fetch, file_of, write_to};
use super::job::{self, JobFile, Task};
use super::sent::Sent;
use crate::data::Workspace;
use crate::digest::Object;
use crate::event::{Interrupt, Watch};
use crate::project::lock::LockedPath;
use crate::project::{Project, ProjectPath};
use crate::remote::{self, Access, Content, Remote, Transfer};
use crate::run::log_file;
use crate::{Error, Result};

/// So many files are sent or received at once.
const JOBS: usize = 4;

/// Brings inputs to a remote, and from there what jobs tell and make.
#[derive(Debug)]
pub struct Courier {
    pub name: String,
    /// Where the other side finds the remote.
    pub url: String,
    remote: Arc<dyn Remote>,
    /// The same, for what is looked at and cleared away when the user wants to stop, too.
    undisturbed: Arc<dyn Remote>,
    workspace: Workspace,
    memory: PathBuf,
    scratch: PathBuf,
    sent: Sent,
    /// What was seen of each file of a job: its size and version. A version may be no more than the second of the last change.
    seen: Mutex<HashMap<String, (u64, String)>>,
}

impl Courier {
    /// By the remote of the project that has this name.
    pub fn new(project: &Project, name: &str, access: &Access) -> Result<Self> {
        let (name, remote) = remote::of_project(project, Some(name), access)?;
        let undisturbed = Access { interrupt: Interrupt::default(), ..access.clone() };
        let (_, undisturbed) = remote::of_project(project, Some(&name), &undisturbed)?;
        let url = remote::address_of(project, &name, access).unwrap_or_else(|| remote.url().to_owned());
        Ok(Self {
            name,
            url,
            remote,
            undisturbed,
            workspace: Workspace::open(project)?,
            memory: project.state("remotes"),
            scratch: project.scratch(),
            sent: Sent::new(project.home_state("sent"), project.scratch()),
            seen: Mutex::default(),
        })
    }

    fn transfer<'t>(&'t self, watch: Watch<'t>) -> Transfer<'t> {
        Transfer { remote: &*self.remote, store: self.workspace.store(), memory: &self.memory, jobs: JOBS, watch }
    }

    /// Sends what the steps read, and then the job in this directory.
    pub fn send(&self, directory: &Path, job: &JobFile, tasks: &[Task], watch: Watch<'_>) -> Result<()> {
        let inputs: HashMap<&ProjectPath, &Object> =
            tasks.iter().flat_map(|task| &task.inputs).map(|input| (&input.path, &input.object)).collect();
        // What a step before made is perhaps not in the store yet, and what the user wrote need not be.
        let batch = self.workspace.store().batch()?;
        for (path, object) in &inputs {
            if self.workspace.add(path, &batch, watch)?.as_ref() != Some(*object) {
                return Err(Error::failed(format!("`{path}` changed before it could be sent"))
                    .with_hint("`mlx train` goes on from here with what it is now"));
            }
        }
        batch.commit()?;
        let recipes = tasks.iter().filter_map(|task| task.recipe.as_ref());
        let mut objects: Vec<Object> = inputs.into_values().chain(recipes).cloned().collect();
        objects.sort_by_key(|object| object.digest);
        objects.dedup();
        if !objects.is_empty() {
            self.transfer(watch).push(&objects, false, false)?;
        }
        self.sent.note(&job.name, self.remote.url(), directory)?;
        write_to(&*self.remote, &file_of(&job.name, job::FILE), Content::File(&job::file(directory)))
    }

    /// Brings what came since of what the steps print, measure and tell; `steps` are the job's, in order.
    pub fn look<'s>(&self, directory: &Path, job: &JobFile, step: impl Fn(usize) -> Option<&'s str>) -> Result<()> {
        let mut entries = self.undisturbed.list(&directory_of(&job.name))?;
        // Results last: what they tell of has to be there then.
        entries.sort_by_key(|entry| entry.name.ends_with(".results"));
        for entry in entries {
            let file = entry.name.rsplit('/').next().unwrap_or_default();
            let target = match file.rsplit_once('.').map(|(number, ending)| (number.parse(), ending)) {
                Some((Ok(place), "log")) => match step(place) {
                    Some(step) => log_file(&job.home, &job.run, step),
                    None => continue,
                },
                Some((Ok(place), "metrics")) => job::metrics_file(directory, place),
                Some((Ok(element), "results")) => job::results_file(directory, element),
                _ => continue,
            };
            let version = (entry.size, entry.version);
            if self.seen().get(&entry.name) == Some(&version) {
                continue;
            }
            if fetch(&*self.undisturbed, &entry.name, &target, &self.scratch)? {
                self.seen().insert(entry.name, version);
            }
        }
        Ok(())
    }

    /// Elements of the job that start, or come to their next step, from now on have nothing to do.
    pub fn give_up(&self, job: &str, elements: &[usize]) {
        for element in elements {
            // Where it can't be written, the engine's own word has to do.
            let _ = write_to(&*self.undisturbed, &file_of(job, &job::void_name(*element)), Content::Bytes(b""));
        }
    }

    /// The job is void: what starts of it has nothing to do.
    pub fn void(&self, job: &str) {
        let _ = self.undisturbed.delete(&file_of(job, job::FILE));
    }

    /// Deletes the job's files there. What it made stays, as all data does, until somebody collects garbage.
    pub fn remove(&self, job: &str) {
        if self.try_remove(job).is_ok() {
            self.sent.forget(job);
        }
    }

    fn try_remove(&self, job: &str) -> Result<()> {
        // The job's file first: from then on nobody adds to it.
        self.undisturbed.delete(&file_of(job, job::FILE))?;
        for entry in self.undisturbed.list(&directory_of(job))? {
            self.undisturbed.delete(&entry.name)?;
            self.seen().remove(&entry.name);
        }
        Ok(())
    }

    /// Deletes the files of jobs that a `mlx train` left there which was killed, and that nobody comes back to.
    pub fn tidy(&self) {
        self.sent.abandoned(self.remote.url()).iter().for_each(|job| self.remove(job));
    }

    /// Brings what a step made to where it belongs.
    pub fn bring(&self, made: &[LockedPath], workspace: &Workspace, watch: Watch<'_>) -> Result<()> {
        let objects: Vec<Object> = made.iter().map(|made| made.object.clone()).collect();
        if objects.is_empty() {
            return Ok(());
        }
        let transfer = Transfer { store: workspace.store(), ..self.transfer(watch) };
        transfer.fetch(&transfer.catalog()?, &objects, false, false)?.verdict()?;
        for LockedPath { path, .. } in made {
            path.below(workspace.root()).parent().map_or(Ok(()), crate::fs::create_dir_all)?;
        }
        let wanted: Vec<_> = made.iter().map(|made| (made.path.clone(), made.object.clone())).collect();
        workspace.restore_all(&wanted, true, watch).map(drop)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<String, (u64, String)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
