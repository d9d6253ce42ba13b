//! Status: how the working tree differs from the lock, path by path.

use std::collections::BTreeSet;

use serde::Serialize;

use super::checkout::{inside, unnamed};
use super::diff::only_executable_bits;
use super::{Workspace, placed};
use crate::digest::Object;
use crate::event::Watch;
use crate::project::{Project, ProjectPath};
use crate::{Kind, Result};

/// The status of every path that the lock or the manifest names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    pub paths: Vec<PathStatus>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathStatus {
    pub path: ProjectPath,
    pub state: PathState,
    /// The step that makes it; `None` for data.
    pub step: Option<String>,
    /// What the lock names.
    pub locked: Option<Object>,
    /// What lies in the working tree.
    pub present: Option<Object>,
    /// Whether the store has what the lock names.
    pub stored: bool,
    /// Whether nothing but executable bits differs.
    pub only_executable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PathState {
    Unchanged,
    Modified,
    /// The lock names it, and nothing lies there.
    Missing,
    /// The manifest names it as data, and the lock does not.
    NotAdded,
    /// The manifest names it as an output, and no step has made it yet.
    NotMade,
    /// mlx put it there for another version of the lock, and this one does not name it.
    LeftOver,
}

impl Status {
    /// Whether the working tree is what the lock says.
    pub fn is_clean(&self) -> bool {
        self.paths.iter().all(|path| path.state == PathState::Unchanged)
    }
}

/// A path with the step that makes it and with what the lock names.
type Known = (ProjectPath, Option<String>, Option<Object>);

/// Compares every tracked path and every output with the working tree, or those at, below and above the paths given: of a
/// tracked directory that holds such a path, nothing else is looked at.
///
/// # Errors
/// A `Usage` error for a path that neither the lock nor the manifest names.
pub fn status(project: &Project, workspace: &Workspace, paths: &[ProjectPath], watch: Watch<'_>) -> Result<Status> {
    let lock = project.read_lock()?;
    let manifest = &project.manifest;
    let mut known: Vec<Known> = Vec::new();
    known.extend(lock.paths.iter().map(|(path, object)| (path.clone(), None, Some(object.clone()))));
    let not_added = manifest.data.values().map(|data| &data.path).filter(|path| !lock.paths.contains_key(path));
    known.extend(not_added.map(|path| (path.clone(), None, None)));
    for (name, step) in &lock.steps {
        known.extend(step.outs.iter().map(|out| (out.path.clone(), Some(name.clone()), Some(out.object.clone()))));
    }
    for step in &manifest.steps {
        let is_locked =
            |path: &ProjectPath| lock.steps.get(&step.name).is_some_and(|s| s.outs.iter().any(|out| out.path == *path));
        // What need not be made, and what the store does not keep, is no concern of versions.
        let is_kept = |path: &&ProjectPath| !step.optional.contains(*path) && !step.unstored.contains(*path);
        let not_made = step.products().filter(is_kept).filter(|path| !is_locked(path));
        known.extend(not_made.map(|path| (path.clone(), Some(step.name.clone()), None)));
    }
    // The manifest may name a step's output as data too.
    let made: BTreeSet<ProjectPath> =
        known.iter().filter(|(_, step, _)| step.is_some()).map(|(path, ..)| path.clone()).collect();
    known.retain(|(path, step, locked)| step.is_some() || locked.is_some() || !made.contains(path));
    let left_over: BTreeSet<ProjectPath> =
        placed::left_over(project, &[&lock]).into_iter().map(|(path, _)| path).collect();
    known.retain(|(path, _, locked)| locked.is_some() || !left_over.contains(path));
    known.extend(left_over.iter().map(|path| (path.clone(), None, None)));
    if !paths.is_empty() {
        known = narrow(workspace, &known, paths)?;
    }
    known.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    known.dedup();
    let status = |(path, step, locked): Known| {
        let (present, is_odd) = match workspace.object(&path, watch) {
            Ok(present) => (present, false),
            // A pipe, say, where a step should have made a file: nothing that has a version, and no reason to stop.
            Err(error) if error.kind() == Kind::Usage => (None, true),
            Err(error) => return Err(error),
        };
        let state = match (&locked, &present) {
            (Some(locked), Some(present)) if locked == present => PathState::Unchanged,
            (Some(_), Some(_)) => PathState::Modified,
            (Some(_), None) if is_odd => PathState::Modified,
            (Some(_), None) => PathState::Missing,
            (None, Some(_)) if left_over.contains(&path) => PathState::LeftOver,
            (None, Some(_)) if paths.contains(&path) => PathState::NotAdded,
            (None, _) if step.is_some() => PathState::NotMade,
            (None, _) => PathState::NotAdded,
        };
        let stored = locked.as_ref().is_some_and(|object| workspace.store().contains(&object.digest));
        let only_executable = match (&locked, &present) {
            (Some(locked), Some(present)) if state == PathState::Modified => {
                only_executable_bits(workspace, &path, locked, present)
            }
            _ => false,
        };
        Ok(PathStatus { path, state, step, locked, present, stored, only_executable })
    };
    let paths = known.into_iter().map(status).collect::<Result<_>>()?;
    workspace.save();
    Ok(Status { paths })
}

/// Of what is known, the paths at and below those given; and those given that lie inside.
fn narrow(workspace: &Workspace, known: &[Known], paths: &[ProjectPath]) -> Result<Vec<Known>> {
    let mut narrowed = Vec::new();
    for path in paths {
        let before = narrowed.len();
        for (entry, step, locked) in known {
            if entry.is_within(path) {
                narrowed.push((entry.clone(), step.clone(), locked.clone()));
            } else if path.is_within(entry) {
                let inside = |object| inside(workspace, entry, object, path);
                narrowed.push((path.clone(), step.clone(), locked.as_ref().map(inside).transpose()?.flatten()));
            }
        }
        if narrowed.len() == before {
            return Err(unnamed(path, known.iter().map(|(path, ..)| path)));
        }
    }
    Ok(narrowed)
}
