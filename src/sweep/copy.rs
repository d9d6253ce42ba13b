//! The working copy of a trial: a directory with the files of the snapshot, in which the pipeline runs as it would in the
//! project itself.
//!
//! It shares the project's store, so that what is known there is restored, and what it makes is kept. Files come out of the
//! store as everywhere: as reflinks where the file system has them, else as copies, or as hard links by setting
//! (`store.link`). A copy whose trial came to a good end becomes the next trial's: only what differs is written again, so
//! that large data is copied once for each trial that runs at a time.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;

use super::snapshot::{Snapshot, makes};
use crate::data::Workspace;
use crate::event::Watch;
use crate::fs::{create_dir_all, quote};
use crate::project::manifest::{Manifest, Step};
use crate::project::{Project, ProjectPath, STATE};
use crate::store::tree::Tree;
use crate::{Result, pipeline};

/// Makes working copies of one snapshot.
pub struct Copies {
    /// Holds a directory for each trial, by its number.
    directory: PathBuf,
    manifest: Manifest,
    tree: Tree,
    /// Say what outputs of steps are.
    steps: Vec<Step>,
    /// Copies of trials that came to a good end.
    free: Mutex<Vec<PathBuf>>,
}

impl Copies {
    /// Working copies in this directory. Those of an earlier process go, unless jobs on executors work in them for trials
    /// that are `open`.
    pub fn new(
        project: &Project,
        directory: PathBuf,
        snapshot: &Snapshot,
        keeps: bool,
        open: &HashSet<u64>,
    ) -> Result<Self> {
        let workspace = Workspace::open(project)?;
        let store = workspace.store();
        let (manifest, tree) = (snapshot.manifest(store)?, snapshot.tree(store)?);
        let steps = manifest.steps.clone();
        create_dir_all(&directory)?;
        let entries = fs::read_dir(&directory).with_context(|| format!("cannot list `{}`", quote(&directory)))?;
        for entry in entries.filter(|_| !keeps).flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let copy = project.working_copy(&entry.path(), manifest.clone());
            if !number.is_some_and(|number| open.contains(&number)) || !pipeline::has_jobs(&copy)? {
                remove(&entry.path())?;
            }
        }
        let directory = directory.canonicalize().with_context(|| format!("cannot enter `{}`", quote(&directory)))?;
        Ok(Self { directory, manifest, tree, steps, free: Mutex::default() })
    }

    /// The working copy of the trial with this number, before it is filled.
    pub fn project(&self, project: &Project, number: u64) -> Project {
        project.working_copy(&self.directory.join(number.to_string()), self.manifest.clone())
    }

    /// Makes a working copy hold exactly the files of the snapshot, and perhaps outputs of steps.
    pub fn fill(&self, copy: &Project, watch: Watch<'_>) -> Result<()> {
        let root = copy.root();
        // Where jobs work for this trial, they go on: nothing is taken away below them.
        let is_at_work = pipeline::has_jobs(copy)?;
        if !is_at_work {
            remove(root)?;
        }
        let free = if is_at_work { None } else { self.free().pop() };
        match free {
            Some(used) => {
                fs::rename(&used, root).with_context(|| format!("cannot rename `{}`", quote(&used)))?;
                self.clean(root, Path::new(""))?;
            }
            None => create_dir_all(root)?,
        }
        let workspace = Workspace::open(copy)?;
        let mut wanted = Vec::new();
        for entry in self.tree.entries() {
            // What can't be named was not taken.
            if let Ok(path) = ProjectPath::new(&entry.name) {
                wanted.push((path, entry.object.clone()));
            }
        }
        workspace.restore_all(&wanted, true, watch)?;
        workspace.save();
        Ok(())
    }

    /// Gives back the copy of a trial that came to a good end.
    pub fn reuse(&self, copy: &Project) {
        self.free().push(copy.root().to_path_buf());
    }

    /// Removes a copy.
    pub fn discard(&self, copy: &Project) -> Result<()> {
        remove(copy.root())
    }

    /// Removes the copies that no trial needs any more.
    pub fn close(self) -> Result<()> {
        let free: Vec<PathBuf> = std::mem::take(&mut *self.free());
        free.iter().try_for_each(|copy| remove(copy))?;
        // Stays where a copy does.
        let _ = fs::remove_dir(&self.directory);
        Ok(())
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<PathBuf>> {
        self.free.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Removes what is neither of the snapshot nor an output; the pipeline judges outputs by their content.
    fn clean(&self, root: &Path, below: &Path) -> Result<()> {
        let directory = root.join(below);
        let cannot = || format!("cannot list `{}`", quote(&directory));
        for entry in fs::read_dir(&directory).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let path = below.join(entry.file_name());
            let is_top = below.as_os_str().is_empty();
            let is_known =
                is_top && (entry.file_name() == STATE || self.tree.get(entry.file_name().as_bytes()).is_some());
            let output = ProjectPath::new(path.as_os_str().as_bytes()).ok();
            if is_known || output.as_ref().is_some_and(|path| self.steps.iter().any(|step| makes(step, path))) {
                continue;
            }
            let leads_on = output.is_some_and(|path| self.steps.iter().any(|step| step.touches(&path)));
            match leads_on && entry.path().is_dir() && !entry.path().is_symlink() {
                true => self.clean(root, &path)?,
                false => remove(&entry.path())?,
            }
        }
        Ok(())
    }
}

/// Removes a file, or a directory and all in it, if it is there.
pub fn remove(path: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => remove_directory(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", quote(path))).map_err(Into::into)
        }
        _ => Ok(()),
    }
}

/// A program may have left directories that even their owner can't write to.
fn remove_directory(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            for entry in walkdir::WalkDir::new(path).into_iter().filter_map(Result::ok) {
                if entry.file_type().is_dir() {
                    fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o700))?;
                }
            }
            fs::remove_dir_all(path)
        }
        result => result,
    }
}
