//! Garbage collection of a project's store: what nothing reaches, in this project and in those that share the store.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::Workspace;
use super::cache::{Amount, files_below};
use super::roots::{self, History, Neighbours};
use crate::Result;
use crate::event::Watch;
use crate::fs::{FileLock, quote};
use crate::project::Project;
use crate::remote::Remembered;
use crate::store::{Fold, Place};

/// What a garbage collection removed, or would remove.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Collected {
    /// Whether it was carried out.
    pub removed: bool,
    pub objects: u64,
    pub bytes: u64,
    /// Objects that something names.
    pub kept: u64,
    /// Objects that nothing names, but that are younger than the grace period.
    pub young: u64,
    /// Damaged files that were put aside.
    pub quarantined: Amount,
    /// Whether they go too.
    pub clears_quarantine: bool,
    /// Step-cache records that went with their objects.
    pub step_records: u64,
    /// What lay alone and was put together.
    pub folded: Fold,
    /// Other projects that use the store, whose objects were kept.
    pub neighbours: Vec<String>,
    /// Projects that used the store and are forgotten.
    pub forgotten: Vec<String>,
}

/// How a collection is carried out.
#[derive(Debug, Clone, Copy)]
pub struct Collection {
    /// Younger objects stay.
    pub grace: Duration,
    pub history: History,
    /// Take no more notice of projects that used the store and are gone.
    pub forget_missing: bool,
    /// Remove damaged files that were put aside, too.
    pub quarantine: bool,
    /// Do it, instead of saying what would be done.
    pub remove: bool,
}

/// Finds objects that nothing names and, if `remove` is set, removes them.
///
/// # Errors
/// Refuses when a lock, a record or a directory's listing cannot be read, in this project or in another that uses the
/// store, since it may name what would go.
pub fn collect_garbage(
    project: &Project,
    workspace: &Workspace,
    how: Collection,
    watch: Watch<'_>,
) -> Result<Collected> {
    let store = &workspace.store;
    let _alone: Option<FileLock> = how.remove.then(|| store.lock_for_gc("mlx gc", watch)).transpose()?;
    let mut neighbours = Neighbours::of(project, store)?;
    neighbours.refuse_hidden()?;
    if !how.forget_missing {
        neighbours.refuse_missing()?;
    }
    let mut named = roots::named_by(project, store, how.history, &|_| true)?;
    named.extend(neighbours.named(how.history)?);
    let garbage = store.garbage(&store.reach(named)?, how.grace)?;
    let forgotten = if how.forget_missing { neighbours.missing } else { Vec::new() };
    let mut collected = Collected {
        removed: how.remove,
        objects: garbage.objects.len() as u64,
        bytes: garbage.bytes,
        kept: garbage.kept,
        young: garbage.young,
        quarantined: files_below(&store.place(Place::Quarantine)),
        clears_quarantine: how.quarantine,
        step_records: 0,
        folded: garbage.fold,
        neighbours: neighbours.present.iter().map(|(project, _)| quote(project.root())).collect(),
        forgotten: forgotten.iter().map(quote).collect(),
    };
    if how.remove {
        forgotten.iter().try_for_each(|root| store.forget(root))?;
        store.remove(&garbage, watch)?;
        // What a remote has can be fetched when a step needs it.
        let remembered = Remembered::open(&project.state("remotes"));
        collected.step_records = store.prune_step_records(&|digest| remembered.contains(digest))?;
        if how.quarantine {
            // No listing among them is needed any more, or else what it names could not be told above.
            clear(&store.place(Place::Quarantine))?;
        }
        store.sweep_temporaries()?;
        workspace.sweep_temporaries()?;
    }
    Ok(collected)
}

/// Removes all files of a directory.
fn clear(directory: &Path) -> Result<()> {
    let files = walkdir::WalkDir::new(directory).into_iter().filter_map(std::result::Result::ok);
    for entry in files.filter(|entry| entry.file_type().is_file()) {
        match std::fs::remove_file(entry.path()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let cannot = format!("cannot remove `{}`", quote(entry.path()));
                return Err(anyhow::Error::new(error).context(cannot).into());
            }
            _ => {}
        }
    }
    Ok(())
}
