//! Untracking: a path stops being data of the project; what lies there stays.

use std::collections::BTreeSet;

use serde::Serialize;

use super::checkout::unnamed;
use super::placed;
use crate::digest::Object;
use crate::project::{Lock, Project, ProjectPath, gitignore};
use crate::{Error, Result};

/// A path that is tracked no more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Untracked {
    pub path: ProjectPath,
    /// What the lock named; `None` where only the manifest knew the path.
    #[serde(flatten)]
    pub object: Option<Object>,
    /// The entry of `[data]` that went with it.
    pub manifest_entry: Option<String>,
}

/// Takes these paths, or the tracked paths that they hold, out of the lock, `.gitignore` and the manifest. Files and the store
/// stay as they are.
///
/// # Errors
/// A `Usage` error, before anything is changed, for a path that is not tracked by itself, and where the manifest is written
/// in a way that can't be followed.
pub fn untrack(project: &Project, paths: &[ProjectPath]) -> Result<Vec<Untracked>> {
    let lock = project.read_lock()?;
    let mut gone: BTreeSet<ProjectPath> = BTreeSet::new();
    for path in paths {
        let known = lock.paths.keys().chain(project.manifest.data.values().map(|data| &data.path));
        let found: Vec<ProjectPath> = known.filter(|known| known.is_within(path)).cloned().collect();
        if found.is_empty() {
            return Err(refusal(project, &lock, path));
        }
        gone.extend(found);
    }
    let is_gone = |(_, data): &(&String, &crate::project::manifest::DataSource)| gone.contains(&data.path);
    let entries: Vec<(ProjectPath, String)> =
        project.manifest.data.iter().filter(is_gone).map(|(name, data)| (data.path.clone(), name.clone())).collect();
    // First, because it alone may be refused.
    project.remove_data(&gone)?;
    let objects = project.change_lock(|lock| {
        gone.iter().for_each(|path| drop(lock.origins.remove(path)));
        Ok(gone.iter().map(|path| (path.clone(), lock.paths.remove(path))).collect::<Vec<_>>())
    })?;
    gitignore::unignore(project, &gone)?;
    placed::forget(project, &gone);
    let untracked = |(path, object): (ProjectPath, Option<Object>)| {
        let manifest_entry = entries.iter().find(|(of, _)| *of == path).map(|(_, name)| name.clone());
        Untracked { path, object, manifest_entry }
    };
    Ok(objects.into_iter().map(untracked).collect())
}

/// Why a path can't be untracked.
fn refusal(project: &Project, lock: &Lock, path: &ProjectPath) -> Error {
    if let Some(entry) = lock.paths.keys().find(|entry| path.is_within(entry)) {
        return Error::usage(format!("`{path}` is a part of `{entry}`, which is tracked as a whole")).with_hint(
            format!("`mlx untrack {}` takes the whole; to leave a part out, name it in .mlxignore", entry.argument()),
        );
    }
    let made = project.manifest.steps.iter().find(|step| step.products().any(|product| path.is_within(product)));
    match made {
        Some(step) => Error::usage(format!("`{path}` is made by step `{}`", step.name))
            .with_hint("take it out of the step's outputs in mlx.toml"),
        None => unnamed(path, lock.paths.keys()),
    }
}
