//! Listings of directories that are not here: they come from a remote alone, without the files that they name.

use std::collections::HashSet;
use std::sync::Arc;

use super::Workspace;
use super::checkout::lock_at;
use crate::digest::{Object, ObjectKind};
use crate::error::ErrorContext;
use crate::event::Watch;
use crate::project::{Project, ProjectPath};
use crate::remote::{Catalog, Remote, Transfer};
use crate::store::StoreError;
use crate::store::tree::Tree;
use crate::{Digest, Error, Result};

/// What is asked of a remote at once.
const JOBS: usize = 4;

/// Brings the listings that [`super::list`] needs for a path, down to the deepest directory where it is `recursive`. Where
/// all of them are here, no remote is opened.
///
/// # Errors
/// Failures of the network; a listing that the remote does not have either.
pub fn bring_listings(
    project: &Project,
    workspace: &Workspace,
    path: Option<&ProjectPath>,
    revision: Option<&str>,
    recursive: bool,
    open: impl FnOnce() -> Result<Arc<dyn Remote>>,
    watch: Watch<'_>,
) -> Result<()> {
    let (_, lock) = lock_at(project, revision)?;
    let mut wanted: Vec<(&Object, Vec<&[u8]>)> = Vec::new();
    for (entry, object) in lock.entries() {
        match path {
            Some(path) if path.is_within(entry) => {
                wanted.push((object, path.parts().skip(entry.parts().count()).collect()));
            }
            Some(path) if recursive && entry.is_within(path) => wanted.push((object, Vec::new())),
            None if recursive => wanted.push((object, Vec::new())),
            _ => {}
        }
    }
    let mut absent = Vec::new();
    for (object, names) in wanted {
        if !is_here(workspace, object, &names, recursive, watch)? {
            absent.push((object, names));
        }
    }
    if absent.is_empty() {
        return Ok(());
    }
    let (remote, memory) = (open()?, project.state("remotes"));
    let transfer = Transfer { remote: &*remote, store: workspace.store(), memory: &memory, jobs: JOBS, watch };
    let catalog = transfer.catalog()?;
    let mut listings = Vec::new();
    for (object, names) in absent {
        let Some(mut way) = transfer.descend(&catalog, object, names)? else { continue };
        let Some(last) = way.pop() else { continue };
        listings.append(&mut way);
        if last.is_directory() {
            below(&transfer, &catalog, &last, recursive, &mut listings)?;
        }
    }
    let fetched = transfer.fetch(&catalog, &listings, false, false).and_then(|fetched| fetched.verdict());
    fetched.context("cannot bring the listing of a directory")
}

/// Whether the listings on the way to what these names lead to are here, and those below it where it is `recursive`.
fn is_here(workspace: &Workspace, object: &Object, names: &[&[u8]], recursive: bool, watch: Watch<'_>) -> Result<bool> {
    let (mut object, mut names) = (object.clone(), names.iter());
    // Level by level, so that no depth is too much; one directory may stand in many places.
    let mut level = loop {
        if !object.is_directory() {
            return Ok(true);
        }
        let Some(tree) = listing(workspace, &object.digest)? else { return Ok(false) };
        match names.next() {
            None => break vec![tree],
            Some(name) => match tree.get(name) {
                None => return Ok(true),
                Some(below) => object = below.clone(),
            },
        }
    };
    let mut met = HashSet::new();
    while recursive && !level.is_empty() {
        watch.interrupt.check()?;
        let entries = level.iter().flat_map(|tree: &Tree| tree.entries());
        let directories = entries.filter(|entry| entry.object.is_directory()).map(|entry| entry.object.digest);
        let directories: Vec<Digest> = directories.filter(|digest| met.insert(*digest)).collect();
        let read = directories.iter().map(|digest| listing(workspace, digest));
        let Some(next) = read.collect::<Result<Option<Vec<Tree>>>>()? else { return Ok(false) };
        level = next;
    }
    Ok(true)
}

/// What the store has of the listing of a directory.
fn listing(workspace: &Workspace, digest: &Digest) -> Result<Option<Tree>> {
    match workspace.store().tree(digest) {
        Err(error) if error.downcast_ref::<StoreError>().is_some() => Ok(None),
        tree => tree.map(Some),
    }
}

/// The listing of a directory as an object of its own, and those below it where it is `recursive`.
fn below(
    transfer: &Transfer<'_>,
    catalog: &Catalog,
    directory: &Object,
    recursive: bool,
    listings: &mut Vec<Object>,
) -> Result<()> {
    let alone = |digest| Object { kind: ObjectKind::File, digest, size: u64::MAX, files: 0 };
    let mut level = vec![directory.digest];
    let mut met: HashSet<_> = level.iter().copied().collect();
    while !level.is_empty() {
        listings.extend(level.iter().map(|digest| alone(*digest)));
        if !recursive {
            return Ok(());
        }
        let trees = transfer.trees(catalog, &level)?;
        if let Some((digest, _)) = level.iter().zip(&trees).find(|(_, tree)| tree.is_none()) {
            let url = transfer.remote.url();
            return Err(Error::failed(format!("the listing {digest} is neither here nor on the remote `{url}`"))
                .with_hint("`mlx push` from a clone that has it brings it there"));
        }
        let entries = trees.iter().flatten().flat_map(|tree| tree.entries());
        let directories = entries.filter(|entry| entry.object.is_directory()).map(|entry| entry.object.digest);
        level = directories.filter(|digest| met.insert(*digest)).collect();
    }
    Ok(())
}
