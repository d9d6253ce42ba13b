//! Checkout: the working tree becomes what a lock names.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::placed::{self, LeftOver, Placed};
use super::{Restored, Workspace, remedy, twins};
use crate::digest::Object;
use crate::error::did_you_mean;
use crate::event::Watch;
use crate::fs::{FileLock, Holder};
use crate::project::git::Git;
use crate::project::{LOCK, Lock, Project, ProjectPath};
use crate::{Digest, Error, Result};

/// What was put back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckedOut {
    /// The commit whose lock it was; `None` for the lock of the working tree.
    pub commit: Option<String>,
    pub paths: Vec<ProjectPath>,
    #[serde(flatten)]
    pub restored: Restored,
    /// What could not be put back because the store does not have all of it; it is as it was.
    pub lacking: Vec<Lacking>,
    /// What another version of the lock had put there and this one does not name, where everything was put back.
    pub left_over: Vec<LeftOver>,
}

/// A path of which something is missing from the store, or damaged there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lacking {
    pub path: ProjectPath,
    pub why: String,
    /// How it can be had.
    pub remedy: String,
}

impl CheckedOut {
    /// Says no where something could not be put back.
    pub fn verdict(&self) -> Result<()> {
        let Some(Lacking { path, why, remedy }) = self.lacking.first() else { return Ok(()) };
        let error = match self.lacking.as_slice() {
            [_] => Error::failed(why),
            lacking => {
                let paths = remedy::some(lacking.iter().map(|lacking| &lacking.path));
                Error::failed(format!("{} paths are not put back: {paths}; of `{path}`: {why}", lacking.len()))
            }
        };
        let rest = match self.paths.is_empty() {
            true => "",
            false => "; everything else was put back",
        };
        Err(error.with_hint(format!("{remedy}{rest}")))
    }
}

/// Puts these paths back, or all that the lock names where none is given. A path may lie inside a tracked directory, or be
/// a directory that holds tracked paths.
///
/// # Errors
/// As [`Workspace::restore_each`], before anything is changed; a `Usage` error for a path that the lock does not name; a
/// failure while `mlx train` is at work, since a step would take what is put there for its own output. What the store does
/// not have is none: [`CheckedOut::verdict`] tells of it.
pub fn checkout(
    project: &Project,
    workspace: &Workspace,
    paths: &[ProjectPath],
    revision: Option<&str>,
    force: bool,
    watch: Watch<'_>,
) -> Result<CheckedOut> {
    let _alone = FileLock::try_exclusive(&project.outputs_lock(), "mlx checkout")?.map_err(|Holder(holder)| {
        Error::failed(format!("{holder} is at work in this project")).with_hint("run this again when that is done")
    })?;
    let (commit, lock) = lock_at(project, revision)?;
    let mut wanted: Vec<(ProjectPath, Object)> = Vec::new();
    match paths {
        [] => wanted.extend(lock.entries().map(|(path, object)| (path.clone(), object.clone()))),
        paths => paths.iter().try_for_each(|path| find(workspace, &lock, path, &mut wanted))?,
    }
    for (path, _) in &wanted {
        project.resolve(path)?;
    }
    refuse_twins(workspace, &lock, &wanted)?;
    let (mut restored, failed) = workspace.restore_each(&wanted, force, watch)?;
    let names: HashSet<&ProjectPath> = failed.iter().map(|(path, _)| path).collect();
    wanted.retain(|(path, _)| !names.contains(path));
    let lacking = failed.iter().map(|(path, error)| {
        let remedy = remedy::of(project, error, "pull", path, revision);
        Lacking { path: path.clone(), why: error.to_string(), remedy }
    });
    let lacking = lacking.collect();
    let named: HashMap<&ProjectPath, Digest> = lock.entries().map(|(path, object)| (path, object.digest)).collect();
    let placed = wanted.iter().map(|(path, object)| {
        let locked = placed::ancestors(path).find_map(|above| named.get(&above).copied());
        (path.clone(), Placed { object: object.clone(), locked: locked.unwrap_or(object.digest) })
    });
    placed::remember(project, placed);
    let mut left_over = Vec::new();
    if paths.is_empty() {
        let (cleared, removed) = placed::clear(project, workspace, &[&lock, &project.read_lock()?], watch)?;
        restored += removed;
        left_over = cleared;
    }
    workspace.save();
    let paths = wanted.into_iter().map(|(path, _)| path).collect();
    Ok(CheckedOut { commit, paths, restored, lacking, left_over })
}

/// Refuses what can't lie side by side here: paths of the lock, and names on the way to a path inside one.
fn refuse_twins(workspace: &Workspace, lock: &Lock, wanted: &[(ProjectPath, Object)]) -> Result<()> {
    let ways = OnceCell::new();
    let ways_to_wanted = || wanted.iter().flat_map(|(path, _)| placed::ancestors(path)).collect::<HashSet<_>>();
    let is_wanted = |path: &ProjectPath| ways.get_or_init(ways_to_wanted).contains(path);
    twins::check_paths(workspace, lock.entries().map(|(path, _)| path), is_wanted)?;
    let named: HashMap<&ProjectPath, &Object> = lock.entries().collect();
    for (path, _) in wanted.iter().filter(|(path, _)| !named.contains_key(path)) {
        if let Some(entry) = placed::ancestors(path).find(|above| named.contains_key(above)) {
            twins::check_way(workspace, &entry, named[&entry], path)?;
        }
    }
    Ok(())
}

/// The lock of the working tree, or of a Git revision, with its commit.
pub(super) fn lock_at(project: &Project, revision: Option<&str>) -> Result<(Option<String>, Lock)> {
    let Some(revision) = revision else { return Ok((None, project.read_lock()?)) };
    let git = Git::of(project)?.ok_or_else(|| {
        Error::usage("this project lies in no Git repository, so that there are no revisions")
            .with_hint("start one with `git init`")
    })?;
    let at = git.lock_at(revision)?;
    Ok((Some(at.commit), at.lock))
}

fn find(workspace: &Workspace, lock: &Lock, path: &ProjectPath, found: &mut Vec<(ProjectPath, Object)>) -> Result<()> {
    for (path, object) in select(workspace, lock, path)? {
        let object = object.ok_or_else(|| {
            let entry = lock.entries().map(|(entry, _)| entry).find(|entry| path.is_within(entry)).unwrap_or(&path);
            Error::usage(format!("`{entry}` holds no `{path}` in this version"))
                .with_hint("`mlx diff` shows what was added and removed")
        })?;
        found.push((path, object));
    }
    Ok(())
}

/// What a lock names at or below a path; for one inside a tracked directory, what the directory holds there, if anything.
///
/// # Errors
/// A `Usage` error for a path that has nothing to do with what the lock names.
pub(super) fn select(
    workspace: &Workspace,
    lock: &Lock,
    path: &ProjectPath,
) -> Result<Vec<(ProjectPath, Option<Object>)>> {
    let mut found = Vec::new();
    for (entry, object) in lock.entries() {
        if entry.is_within(path) {
            found.push((entry.clone(), Some(object.clone())));
        } else if path.is_within(entry) {
            found.push((path.clone(), inside(workspace, entry, object, path)?));
        }
    }
    match found.is_empty() {
        true => Err(unnamed(path, lock.entries().map(|(path, _)| path))),
        false => Ok(found),
    }
}

/// The error for a path that is none of those known.
pub(super) fn unnamed<'a>(path: &ProjectPath, known: impl Iterator<Item = &'a ProjectPath>) -> Error {
    let known: Vec<String> = known.map(ToString::to_string).collect();
    Error::usage(format!("{LOCK} does not name `{path}`"))
        .with_hint(did_you_mean(&path.to_string(), known.iter().map(String::as_str)))
}

/// The object of a path inside a tracked directory.
pub(super) fn inside(
    workspace: &Workspace,
    entry: &ProjectPath,
    object: &Object,
    path: &ProjectPath,
) -> Result<Option<Object>> {
    let mut object = object.clone();
    for part in path.parts().skip(entry.parts().count()) {
        if !object.is_directory() {
            return Ok(None);
        }
        match workspace.store().tree(&object.digest)?.get(part) {
            Some(below) => object = below.clone(),
            None => return Ok(None),
        }
    }
    Ok(Some(object))
}
