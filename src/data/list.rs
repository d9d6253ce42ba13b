//! Ls: what a version holds, from the listings in the store, without checking it out.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use serde::Serialize;

use super::Workspace;
use super::checkout::{lock_at, select};
use super::remedy::{is_missing, name_remote};
use super::scan::{check_depth, join};
use crate::digest::{Object, ObjectKind};
use crate::event::Watch;
use crate::fs::escape;
use crate::project::{Project, ProjectPath};
use crate::store::tree::{Entry, Tree};
use crate::{Error, Result};

/// What a version holds at a path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listing {
    /// The commit whose lock it is; `None` for the lock of the working tree.
    pub commit: Option<String>,
    pub entries: Vec<Listed>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// From the project's root, as text, escaped.
    pub path: String,
    #[serde(flatten)]
    pub object: Object,
    pub here: Presence,
}

/// Whether the store has an object with all that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    Local,
    /// The listing is here, and not all that it names.
    Partial,
    Missing,
}

/// Lists what the lock, or that of a Git revision, tracks; or what lies in a directory of it, `recursive` down to its files.
///
/// # Errors
/// A `Usage` error for a path that the version does not have; a failure where the listing of it is not here.
pub fn list(
    project: &Project,
    workspace: &Workspace,
    path: Option<&ProjectPath>,
    revision: Option<&str>,
    recursive: bool,
    watch: Watch<'_>,
) -> Result<Listing> {
    let (commit, lock) = lock_at(project, revision)?;
    let found = match path {
        None => lock.entries().map(|(path, object)| (path.clone(), object.clone())).collect(),
        Some(path) => {
            let mut found = Vec::new();
            for (place, object) in
                select(workspace, &lock, path).map_err(|error| name_remote(project, error, path, revision))?
            {
                let object = object.ok_or_else(|| Error::usage(format!("this version holds no `{path}`")))?;
                found.push((place, object));
            }
            found
        }
    };
    let lister = Lister { workspace, recursive, watch, known: Mutex::default() };
    let mut entries = Vec::new();
    for (place, object) in found {
        let is_asked_for = path.is_some_and(|path| *path == place || recursive);
        if object.is_directory() && recursive {
            workspace.store.count_paths(&object).map_err(|error| error.context(format!("cannot list `{place}`")))?;
        }
        let listed = match object.is_directory() && (is_asked_for || recursive) {
            true => lister.below(place.as_bytes(), &object, path.is_some()),
            false => lister.one(place.as_bytes(), object).map(|one| vec![one]),
        };
        entries.extend(listed.map_err(|error| name_remote(project, error, &place, revision))?);
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries.dedup();
    Ok(Listing { commit, entries })
}

/// Whether the store has an object with all that it names.
pub fn is_whole(workspace: &Workspace, object: &Object, watch: Watch<'_>) -> Result<bool> {
    let lister = Lister { workspace, recursive: false, watch, known: Mutex::default() };
    Ok(lister.presence(object)? == Presence::Local)
}

/// A path, and what lies there.
type Place = (Vec<u8>, Object);

struct Lister<'a> {
    workspace: &'a Workspace,
    recursive: bool,
    watch: Watch<'a>,
    /// Of directories: one may be listed in many places.
    known: Mutex<HashMap<Object, Presence>>,
}

impl Lister<'_> {
    fn one(&self, path: &[u8], object: Object) -> Result<Listed> {
        let here = self.presence(&object)?;
        Ok(Listed { path: escape(path), object, here })
    }

    /// What lies in a directory, or with `recursive` below it, level by level. One that is not here is an error where it `must`
    /// be, else listed itself.
    fn below(&self, path: &[u8], object: &Object, mut must: bool) -> Result<Vec<Listed>> {
        let (mut listed, mut level) = (Vec::new(), vec![(path.to_vec(), object.clone())]);
        while !level.is_empty() {
            self.watch.interrupt.check()?;
            let read = level.par_iter().map(|(path, object)| self.directory(path, object, must));
            let mut next = Vec::new();
            for (found, below) in read.collect::<Result<Vec<_>>>()? {
                listed.extend(found);
                next.extend(below);
            }
            (level, must) = (next, false);
        }
        Ok(listed)
    }

    /// What is listed of one directory, and the directories in it that are to be looked into.
    fn directory(&self, path: &[u8], object: &Object, must: bool) -> Result<(Vec<Listed>, Vec<Place>)> {
        check_depth(path)?;
        let tree = match self.workspace.store.tree(&object.digest) {
            Err(error) if !must && is_missing(&error) => {
                return Ok((vec![self.one(path, object.clone())?], Vec::new()));
            }
            tree => tree?,
        };
        let (into, shown): (Vec<&Entry>, Vec<&Entry>) =
            tree.entries().iter().partition(|entry| entry.object.is_directory() && self.recursive);
        let one = |entry: &&Entry| self.one(&join(path, &entry.name), entry.object.clone());
        let place = |entry: &Entry| (join(path, &entry.name), entry.object.clone());
        Ok((shown.par_iter().map(one).collect::<Result<_>>()?, into.into_iter().map(place).collect()))
    }

    fn presence(&self, object: &Object) -> Result<Presence> {
        if object.kind != ObjectKind::Directory {
            let is_here = self.workspace.store.contains(&object.digest);
            return Ok(if is_here { Presence::Local } else { Presence::Missing });
        }
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(presence) = known().get(object) {
            return Ok(*presence);
        }
        let presence = self.presence_of_directory(object)?;
        known().insert(object.clone(), presence);
        Ok(presence)
    }

    /// Looks level by level, at each listing once: how deep it goes is for others to say.
    fn presence_of_directory(&self, object: &Object) -> Result<Presence> {
        let (mut met, mut level) = (HashSet::from([object.digest]), vec![object.digest]);
        let mut is_root = true;
        while !level.is_empty() {
            self.watch.interrupt.check()?;
            let read = level.par_iter().map(|digest| match self.workspace.store.tree(digest) {
                Err(error) if is_missing(&error) => Ok(None),
                tree => tree.map(Some),
            });
            let Some(trees) = read.collect::<Result<Option<Vec<Tree>>>>()? else {
                return Ok(if is_root { Presence::Missing } else { Presence::Partial });
            };
            let objects: Vec<&Object> =
                trees.iter().flat_map(|tree| tree.entries()).map(|entry| &entry.object).collect();
            let (directories, files): (Vec<&Object>, Vec<&Object>) =
                objects.into_iter().partition(|object| object.is_directory());
            if !files.par_iter().all(|object| self.workspace.store.contains(&object.digest)) {
                return Ok(Presence::Partial);
            }
            level = directories.into_iter().map(|object| object.digest).filter(|digest| met.insert(*digest)).collect();
            is_root = false;
        }
        Ok(Presence::Local)
    }
}
