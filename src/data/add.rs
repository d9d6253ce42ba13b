//! Adding: the working tree's content of a path becomes the version that the lock names.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::checkout::inside;
use super::graft::graft;
use super::scan::Scan;
use super::{Workspace, placed, rules};
use crate::digest::Object;
use crate::event::Watch;
use crate::project::git::Git;
use crate::project::{Lock, Project, ProjectPath, gitignore};
use crate::{Digest, Error, Result};

/// A path as it is tracked now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Added {
    pub path: ProjectPath,
    #[serde(flatten)]
    pub object: Object,
    /// What the lock named before; `None` where the path was not tracked.
    pub previous: Option<Digest>,
    /// Whether the lock changed.
    pub changed: bool,
}

/// Versions these paths: content to the store, digests to the lock, a line each to `.gitignore`. A path inside a tracked
/// directory gives that a version in which only this part is new; nothing else of it is looked at.
///
/// # Errors
/// A `Usage` error, before anything is changed, for a path that is missing, is a link, leaves the project, is kept by Git,
/// is made by a step, or overlaps with another tracked path.
pub fn add(project: &Project, workspace: &Workspace, paths: &[ProjectPath], watch: Watch<'_>) -> Result<Vec<Added>> {
    let paths: BTreeSet<&ProjectPath> = paths.iter().collect();
    let lock = project.read_lock()?;
    let git = Git::of(project)?;
    paths.iter().try_for_each(|path| check(project, workspace, &lock, git.as_ref(), &paths, path))?;
    let batch = workspace.store().batch()?;
    // What the lock should name, and what it names now; parts of one directory come together.
    let mut objects: BTreeMap<ProjectPath, Object> = BTreeMap::new();
    for path in paths {
        let mut scan = Scan::new(workspace, Some(&batch), watch);
        let object = scan.object(path)?;
        if object.as_ref().is_some_and(|object| object.files == 0) && scan.ignored() > 0 {
            return Err(Error::usage(format!("all that `{path}` holds is ignored by .mlxignore"))
                .with_hint("change the lines that name it; `!NAME` takes a name out again"));
        }
        match lock.paths.iter().find(|(entry, _)| path != *entry && path.is_within(entry)) {
            Some((entry, whole)) => {
                let whole = objects.get(entry).unwrap_or(whole);
                objects.insert(entry.clone(), graft(workspace, &batch, entry, whole, path, object)?);
            }
            None => drop(objects.insert(path.clone(), object.ok_or_else(|| missing(path))?)),
        }
    }
    batch.commit()?;
    gitignore::ignore(project, objects.keys())?;
    let added: Vec<Added> = project.change_lock(|now| {
        // A part was put into what the lock named a moment ago.
        if let Some(path) = objects.keys().find(|path| now.paths.get(*path) != lock.paths.get(*path)) {
            return Err(Error::failed(format!("another command gave `{path}` a new version meanwhile"))
                .with_hint("run this again"));
        }
        let add = |(path, object): (ProjectPath, Object)| {
            let previous = now.paths.insert(path.clone(), object.clone());
            let changed = previous.as_ref() != Some(&object);
            Added { path, object, previous: previous.map(|object| object.digest), changed }
        };
        Ok(objects.into_iter().map(add).collect())
    })?;
    placed::remember_whole(project, added.iter().map(|added| (&added.path, &added.object)));
    workspace.save();
    Ok(added)
}

fn missing(path: &ProjectPath) -> Error {
    Error::usage(format!("there is nothing at `{path}`")).with_hint("`mlx status` lists what is tracked")
}

fn check(
    project: &Project,
    workspace: &Workspace,
    lock: &Lock,
    git: Option<&Git>,
    paths: &BTreeSet<&ProjectPath>,
    path: &ProjectPath,
) -> Result<()> {
    if path.is_of_mlx() {
        return Err(Error::usage(format!("`{path}` is kept by Git, not by mlx")).with_hint(format!("`git add {path}`")));
    }
    let full = project.resolve(path)?;
    let metadata = full.symlink_metadata().ok();
    // What went from a tracked directory is a change of that.
    let whole = lock.paths.keys().find(|entry| path != *entry && path.is_within(entry));
    if metadata.is_none() {
        let is_known = |(entry, object)| Ok::<_, Error>(inside(workspace, entry, object, path)?.is_some());
        let entry = whole.and_then(|entry| lock.paths.get_key_value(entry));
        if !entry.map(is_known).transpose()?.unwrap_or(false) {
            return Err(missing(path));
        }
    }
    check_beside(project, lock, git, paths, path, whole)
}

/// Whether a path can be tracked, be there something or not.
pub(super) fn check_place(project: &Project, lock: &Lock, path: &ProjectPath) -> Result<()> {
    if path.is_of_mlx() {
        return Err(Error::usage(format!("`{path}` is kept by Git, not by mlx")).with_hint("name another place"));
    }
    check_beside(project, lock, Git::of(project)?.as_ref(), &BTreeSet::new(), path, None)
}

/// Whether a path can be tracked beside these and what is tracked already, but for a directory that it is a part of.
fn check_beside(
    project: &Project,
    lock: &Lock,
    git: Option<&Git>,
    paths: &BTreeSet<&ProjectPath>,
    path: &ProjectPath,
    whole: Option<&ProjectPath>,
) -> Result<()> {
    rules::check(project, path)?;
    check_way(project, path)?;
    if project.resolve(path)?.is_symlink() {
        return Err(
            Error::usage(format!("`{path}` is a symbolic link")).with_hint("add the file or directory it points at")
        );
    }
    for step in &project.manifest.steps {
        if let Some(product) = step.products().find(|product| overlap(path, product)) {
            return Err(Error::usage(format!("`{path}` overlaps with `{product}`, which step `{}` makes", step.name))
                .with_hint("outputs are versioned by `mlx train`; add other paths only"));
        }
        if step.touches(path) {
            return Err(Error::usage(format!("`{path}` overlaps with what step `{}` makes by a pattern", step.name))
                .with_hint("outputs are versioned by `mlx train`; add other paths only"));
        }
    }
    let others = lock.paths.keys().filter(|other| Some(*other) != whole).chain(paths.iter().copied());
    if let Some(other) = others.into_iter().find(|other| *other != path && overlap(path, other)) {
        return Err(match path.is_within(other) {
            true => Error::usage(format!("`{path}` is a part of `{other}`, which is tracked as a whole"))
                .with_hint(format!("add the whole again: `mlx add {}`", other.argument())),
            false => Error::usage(format!("`{path}` contains `{other}`, which is tracked by itself")).with_hint(
                format!("untrack that first with `mlx untrack {}`, or add other paths only", other.argument()),
            ),
        });
    }
    if git.is_some_and(|git| git.is_tracked(path)) {
        return Err(Error::usage(format!("Git keeps `{path}` already"))
            .with_hint(format!("take it out of Git with `git rm -r --cached {}`, then add it here", path.argument())));
    }
    Ok(())
}

/// Refuses a path that a symbolic link leads to: it would be there for as long as the link is, and under two names.
fn check_way(project: &Project, path: &ProjectPath) -> Result<()> {
    let links = placed::ancestors(path).skip(1).filter(|above| above.below(project.root()).is_symlink());
    let Some(link) = links.last() else { return Ok(()) };
    let real = path.below(project.root()).canonicalize().ok();
    let real = real.and_then(|real| project.relative(project.root(), &real).ok());
    Err(Error::usage(format!("`{path}` lies behind the symbolic link `{link}`")).with_hint(match real {
        Some(real) => format!("name the place itself: `{real}`"),
        None => "name a path that lies in the project itself".into(),
    }))
}

fn overlap(a: &ProjectPath, b: &ProjectPath) -> bool {
    a.is_within(b) || b.is_within(a)
}
