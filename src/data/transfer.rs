//! Push, fetch and pull: which versions of which paths travel between this store and a remote.

use std::path::Path;

use serde::Serialize;

use super::naming::paths_of;
use super::remedy::is_absence;
use super::{CheckedOut, Workspace, checkout, refused};
use crate::digest::Object;
use crate::error::did_you_mean;
use crate::event::Watch;
use crate::project::git::Git;
use crate::project::{LOCK, Lock, Project, ProjectPath};
use crate::remote::{Catalog, Fetched, Pushed, Remote, RemoteVerified, Transfer};
use crate::store::StoreError;
use crate::{Digest, Error, Result};

/// Which versions travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// What the lock of the working tree names.
    Lock,
    /// What the lock of a Git revision names.
    Revision(String),
    /// What the locks of all commits of all branches and tags name, and that of the working tree.
    All,
}

/// What travels, and how.
#[derive(Debug, Clone)]
pub struct Selection {
    pub versions: Versions,
    /// All that the lock names where this is empty. A path may lie inside a tracked directory, or hold tracked paths.
    pub paths: Vec<ProjectPath>,
    /// Objects that travel whatever the lock names.
    pub others: Vec<Object>,
    /// How many files are sent or received at once.
    pub jobs: usize,
    /// Read what is on the other side, or here, and mend what is damaged.
    pub repair: bool,
    pub dry_run: bool,
}

/// A fetch and the checkout after it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pulled {
    #[serde(flatten)]
    pub fetched: Fetched,
    /// `None` in a plan.
    pub checked_out: Option<CheckedOut>,
}

impl Pulled {
    /// Says no where something did not come, or could not be put back.
    pub fn verdict(&self) -> Result<()> {
        self.fetched.verdict()?;
        self.checked_out.as_ref().map_or(Ok(()), CheckedOut::verdict)
    }
}

/// Sends what the selection names.
///
/// # Errors
/// A `Usage` error for a path that no lock names; else as [`Transfer::push`].
pub fn push(
    project: &Project,
    workspace: &Workspace,
    remote: &dyn Remote,
    selection: &Selection,
    watch: Watch<'_>,
) -> Result<Pushed> {
    let memory = project.state("remotes");
    let transfer = transfer(workspace, remote, &memory, selection, watch);
    let mut roots = match selection.paths.is_empty() {
        true => whole(&locks(project, &selection.versions)?),
        // What a path inside a directory is may stand in a tree that only the remote has.
        false => roots(project, &transfer, &transfer.catalog()?, selection)?,
    };
    roots.extend(selection.others.iter().cloned());
    let refused = |error: Error| name_refused(project, &transfer, selection, error);
    let mut pushed = transfer.push(&roots, selection.repair, selection.dry_run).map_err(refused)?;
    if pushed.packs > 0
        && let Err(error) = transfer.repack()
    {
        // All is there; only not as close together as it could be.
        watch.interrupt.check()?;
        watch.events.warn(format!("cannot put small packs on {} together: {error}", pushed.url));
    }
    if !pushed.lost.is_empty() {
        // The paths are for people; what any commit names is looked at, as far as it can be read.
        let locks = locks(project, &Versions::All).or_else(|_| locks(project, &Versions::Lock))?;
        pushed.lost_paths = name(&transfer, &locks, &pushed.lost)?;
    }
    Ok(pushed)
}

/// The paths of these objects in some locks.
fn name(transfer: &Transfer<'_>, locks: &[Lock], digests: &[Digest]) -> Result<Vec<String>> {
    let catalog = transfer.catalog()?;
    paths_of(locks, &digests.iter().copied().collect(), |digests| transfer.trees(&catalog, digests))
}

/// Brings what the selection names into the store; the working tree stays as it is.
///
/// # Errors
/// A `Usage` error for a path that no lock names; else as [`Transfer::fetch`]. What the remote does not have is none.
pub fn fetch(
    project: &Project,
    workspace: &Workspace,
    remote: &dyn Remote,
    selection: &Selection,
    watch: Watch<'_>,
) -> Result<Fetched> {
    let memory = project.state("remotes");
    let transfer = transfer(workspace, remote, &memory, selection, watch);
    let catalog = transfer.catalog()?;
    let refused = |error: Error| name_refused(project, &transfer, selection, error);
    let mut roots = roots(project, &transfer, &catalog, selection).map_err(refused)?;
    roots.extend(selection.others.iter().cloned());
    let mut fetched = transfer.fetch(&catalog, &roots, selection.repair, selection.dry_run).map_err(refused)?;
    if !fetched.lacking.is_empty() {
        let lacking = fetched.lacking.iter().map(|lack| lack.digest).collect();
        let locks = locks(project, &selection.versions)?;
        fetched.paths = paths_of(&locks, &lacking, |digests| transfer.trees(&catalog, digests))?;
        let is_asked_for = |name: &String| {
            let path = ProjectPath::from_text(name);
            path.is_ok_and(|path| selection.paths.iter().any(|asked| path.is_within(asked) || asked.is_within(&path)))
        };
        if !selection.paths.is_empty() {
            fetched.paths.retain(is_asked_for);
        }
        let mut paths = fetched.paths.iter().filter_map(|name| ProjectPath::from_text(name).ok());
        let imported = paths.find_map(|path| {
            project.manifest.data.values().find(|data| data.url.is_some() && path.is_within(&data.path))
        });
        fetched.imported = imported.map(|data| data.path.to_string());
    }
    Ok(fetched)
}

/// Fetches, then puts the paths into the working tree: those of which everything is here by then.
///
/// # Errors
/// As [`fetch`] and [`checkout`]. What is not on the remote is none: [`Pulled::verdict`] tells of it.
pub fn pull(
    project: &Project,
    workspace: &Workspace,
    remote: &dyn Remote,
    selection: &Selection,
    force: bool,
    watch: Watch<'_>,
) -> Result<Pulled> {
    let fetched = fetch(project, workspace, remote, selection, watch)?;
    if selection.dry_run {
        return Ok(Pulled { fetched, checked_out: None });
    }
    let revision = match &selection.versions {
        Versions::Revision(revision) => Some(revision.as_str()),
        Versions::Lock | Versions::All => None,
    };
    match checkout(project, workspace, &selection.paths, revision, force, watch) {
        Ok(checked_out) => Ok(Pulled { fetched, checked_out: Some(checked_out) }),
        // What stands on the way to a path did not come.
        Err(error) if is_absence(&error) => Err(fetched.verdict().err().unwrap_or(error)),
        Err(error) => Err(error),
    }
}

/// Reads everything on the remote, and looks whether all that these versions name is there and sound.
pub fn verify_remote(
    project: &Project,
    workspace: &Workspace,
    remote: &dyn Remote,
    versions: Versions,
    watch: Watch<'_>,
) -> Result<RemoteVerified> {
    let memory = project.state("remotes");
    let locks = locks(project, &versions)?;
    let selection =
        Selection { versions, paths: Vec::new(), others: Vec::new(), jobs: 4, repair: false, dry_run: false };
    let transfer = transfer(workspace, remote, &memory, &selection, watch);
    let mut verified = transfer.verify(&whole(&locks))?;
    if !verified.missing.is_empty() {
        verified.paths = name(&transfer, &locks, &verified.missing)?;
    }
    Ok(verified)
}

fn transfer<'a>(
    workspace: &'a Workspace,
    remote: &'a dyn Remote,
    memory: &'a Path,
    selection: &Selection,
    watch: Watch<'a>,
) -> Transfer<'a> {
    Transfer { remote, store: workspace.store(), memory, jobs: selection.jobs, watch }
}

fn locks(project: &Project, versions: &Versions) -> Result<Vec<Lock>> {
    let git = || {
        Git::of(project)?.ok_or_else(|| {
            Error::usage("this project lies in no Git repository, so that there are no revisions")
                .with_hint("start one with `git init`")
        })
    };
    Ok(match versions {
        Versions::Lock => vec![project.read_lock()?],
        Versions::Revision(revision) => vec![git()?.lock_at(revision)?.lock],
        Versions::All => {
            let history = git()?.locks_of_history()?.into_iter().map(|at| at.lock);
            std::iter::once(project.read_lock()?).chain(history).collect()
        }
    })
}

/// Where a version was refused because of what one of its directories is, says which.
fn name_refused(project: &Project, transfer: &Transfer<'_>, selection: &Selection, error: Error) -> Error {
    if !matches!(error.downcast_ref(), Some(StoreError::NotADirectory { .. } | StoreError::Misnamed { .. })) {
        return error;
    }
    let (Ok(locks), Ok(catalog)) = (locks(project, &selection.versions), transfer.catalog()) else { return error };
    refused::with_path(error, &locks, |digests| transfer.trees(&catalog, digests))
}

fn whole(locks: &[Lock]) -> Vec<Object> {
    locks.iter().flat_map(Lock::entries).map(|(_, object)| object.clone()).collect()
}

/// The objects that the selection names, with the directories on the way to a path inside one.
fn roots(project: &Project, transfer: &Transfer<'_>, catalog: &Catalog, selection: &Selection) -> Result<Vec<Object>> {
    let locks = locks(project, &selection.versions)?;
    if selection.paths.is_empty() {
        return Ok(whole(&locks));
    }
    let mut roots = Vec::new();
    for path in &selection.paths {
        let before = roots.len();
        for (entry, object) in locks.iter().flat_map(Lock::entries) {
            if entry.is_within(path) {
                roots.push(object.clone());
            } else if path.is_within(entry) {
                let names = path.parts().skip(entry.parts().count());
                roots.extend(transfer.descend(catalog, object, names)?.into_iter().flatten());
            }
        }
        if roots.len() == before {
            let known: Vec<String> = locks.iter().flat_map(Lock::entries).map(|(entry, _)| entry.to_string()).collect();
            return Err(Error::usage(format!("{LOCK} does not name `{path}`"))
                .with_hint(did_you_mean(&path.to_string(), known.iter().map(String::as_str))));
        }
    }
    Ok(roots)
}
