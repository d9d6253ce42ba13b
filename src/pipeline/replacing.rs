//! What lies where the outputs of a step belong: taken away before its program starts, or replaced by what the store has.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Context;

use super::judge::{Known, has_whole};
use super::products;
use super::results::other_kind;
use super::work::Work;
use crate::fs::quote;
use crate::project::ProjectPath;
use crate::project::git::Git;
use crate::project::lock::LockedPath;
use crate::project::manifest::Step;
use crate::store::StoreError;
use crate::{Error, Kind, Result};

impl Work<'_> {
    /// Brings known outputs back from the store.
    pub(super) fn restore(&self, step: &Step, known: &Known) -> Result<()> {
        let mut absent = Vec::new();
        for LockedPath { object, .. } in &known.outs {
            if !has_whole(self.workspace.store(), object)? {
                absent.push(object.clone());
            }
        }
        if let Some(first) = absent.first()
            && !self.judge.elsewhere.fetch(&absent, self.watch)?
        {
            return Err(StoreError::Missing { digest: first.digest }.into());
        }
        if step.is_open() {
            let is_known = |path: &ProjectPath| known.outs.iter().chain(&known.unstored).any(|out| out.path == *path);
            for (path, _) in products::lying(step, self.project.root())?.iter().filter(|(path, _)| !is_known(path)) {
                let target = self.project.resolve(path)?;
                self.clear_output(step, path, &target, self.may_replace(step))
                    .map_err(|error| not_replaced(error, step, path))?;
            }
        }
        for LockedPath { path, object } in &known.outs {
            let target = self.project.resolve(path)?;
            target.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
            let restore = |may_replace| self.workspace.restore(path, object, may_replace, self.watch).map(drop);
            self.unless_lost(path, &target, self.may_replace(step), restore)
                .map_err(|error| not_replaced(error, step, path))?;
        }
        Ok(())
    }

    /// Whether this is what the step made when it ran last, and the store was not to keep it.
    fn is_as_recorded(&self, step: &Step, path: &ProjectPath) -> Result<bool> {
        let locked = self.judge.lock.steps.get(&step.name);
        let recorded = locked.and_then(|locked| locked.unstored.iter().find(|out| out.path == *path));
        let Some(recorded) = recorded else { return Ok(false) };
        Ok(self.workspace.object(path, self.watch)?.as_ref() == Some(&recorded.object))
    }

    /// In the working copy of a trial, nothing is the user's.
    pub(super) fn may_replace(&self, step: &Step) -> bool {
        self.force || self.trial.is_some() || self.unfinished.contains(&step.name)
    }

    /// Puts something in the place of what lies there, or nothing, unless that would be lost: what the commit has that is
    /// checked out is not.
    fn unless_lost(
        &self,
        path: &ProjectPath,
        target: &Path,
        may_replace: bool,
        replace: impl Fn(bool) -> Result<()>,
    ) -> Result<()> {
        match replace(may_replace) {
            Err(error) if error.kind() == Kind::Usage && self.is_committed(path, target)? => replace(true),
            result => result,
        }
    }

    /// Whether the commit that is checked out has each file that lies here.
    fn is_committed(&self, path: &ProjectPath, target: &Path) -> Result<bool> {
        let Some(git) = Git::of(self.project)? else { return Ok(false) };
        let Some(head) = git.head() else { return Ok(false) };
        for entry in walkdir::WalkDir::new(target) {
            let Ok(entry) = entry else { return Ok(false) };
            if entry.file_type().is_dir() {
                continue;
            }
            let below = entry.path().strip_prefix(target).unwrap_or(Path::new(""));
            let file =
                if below.as_os_str().is_empty() { Ok(path.clone()) } else { path.join(below.as_os_str().as_bytes()) };
            let committed =
                file.ok().filter(|_| entry.file_type().is_file()).and_then(|file| git.file_at(&head, &file));
            if committed.is_none() || committed != crate::fs::read_optional(entry.path())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes old outputs away, so that nothing of them gets into the new ones, and makes the directories around them.
    pub(super) fn clear_outputs(&self, step: &Step, may_replace: bool) -> Result<()> {
        for path in step.products() {
            let target = self.project.resolve(path)?;
            self.clear_output(step, path, &target, may_replace).map_err(|error| not_replaced(error, step, path))?;
            target.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
        }
        for pattern in step.out_patterns.iter().map(|out| &out.pattern) {
            for path in pattern.expand(self.project.root())? {
                let target = self.project.resolve(&path)?;
                self.clear_output(step, &path, &target, may_replace)
                    .map_err(|error| not_replaced(error, step, &path))?;
            }
            pattern.base().map_or(Ok(()), |base| crate::fs::create_dir_all(&base.below(self.project.root())))?;
        }
        Ok(())
    }

    fn clear_output(&self, step: &Step, path: &ProjectPath, target: &Path, may_replace: bool) -> Result<()> {
        let Ok(metadata) = target.symlink_metadata() else { return Ok(()) };
        match other_kind(metadata.file_type()) {
            None => {
                let may_replace = may_replace || self.is_as_recorded(step, path)?;
                let remove = |may_replace| self.workspace.remove(path, may_replace, self.watch).map(drop);
                self.unless_lost(path, target, may_replace, remove)
            }
            Some(_) if may_replace => {
                fs::remove_file(target).with_context(|| format!("cannot delete `{}`", quote(target)))?;
                Ok(())
            }
            Some(kind) => Err(Error::usage(format!("there lies {kind}"))),
        }
    }
}

/// The error of an output that can't be replaced; one that would be lost gets the remedy that helps here.
fn not_replaced(error: Error, step: &Step, path: &ProjectPath) -> Error {
    let message = format!("cannot replace the output `{path}` of step `{}`", step.name);
    match error.kind() {
        Kind::Usage => Error::usage(error)
            .context(message)
            .with_hint("move it away if you need it; `mlx train --force` gives it up"),
        _ => error.context(message),
    }
}
