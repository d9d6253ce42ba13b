//! What lies where the outputs of a step belong: taken away before its program starts, or replaced by what the store has.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::judge::{Known, has_whole};
use super::products;
use super::results::other_kind;
use super::work::Work;
use crate::fs::quote;
use crate::project::ProjectPath;
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
            self.workspace
                .restore(path, object, self.may_replace(step), self.watch)
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

    pub(super) fn may_replace(&self, step: &Step) -> bool {
        self.force || self.unfinished.contains(&step.name)
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
                self.workspace.remove(path, may_replace, self.watch).map(drop)
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
