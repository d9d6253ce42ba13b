//! Ls: what a version holds, from the listings in the store, without checking it out.

use std::collections::HashMap;
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
pub fn is_whole(workspace: &Workspace, path: &ProjectPath, object: &Object, watch: Watch<'_>) -> Result<bool> {
    let lister = Lister { workspace, recursive: false, watch, known: Mutex::default() };
    Ok(lister.presence(path.as_bytes(), object)? == Presence::Local)
}

struct Lister<'a> {
    workspace: &'a Workspace,
    recursive: bool,
    watch: Watch<'a>,
    /// Of directories: one may be listed in many places.
    known: Mutex<HashMap<Object, Presence>>,
}

impl Lister<'_> {
    fn one(&self, path: &[u8], object: Object) -> Result<Listed> {
        let here = self.presence(path, &object)?;
        Ok(Listed { path: escape(path), object, here })
    }

    /// What lies in a directory. One that is not here is an error where it `must` be, else listed itself.
    fn below(&self, path: &[u8], object: &Object, must: bool) -> Result<Vec<Listed>> {
        self.watch.interrupt.check()?;
        check_depth(path)?;
        let tree = match self.workspace.store.tree(&object.digest) {
            Err(error) if !must && is_missing(&error) => return Ok(vec![self.one(path, object.clone())?]),
            tree => tree?,
        };
        let listed = tree.entries().par_iter().map(|entry| {
            let path = join(path, &entry.name);
            match entry.object.is_directory() && self.recursive {
                true => self.below(&path, &entry.object, false),
                false => self.one(&path, entry.object.clone()).map(|one| vec![one]),
            }
        });
        Ok(listed.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn presence(&self, path: &[u8], object: &Object) -> Result<Presence> {
        if object.kind != ObjectKind::Directory {
            let is_here = self.workspace.store.contains(&object.digest);
            return Ok(if is_here { Presence::Local } else { Presence::Missing });
        }
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(presence) = known().get(object) {
            return Ok(*presence);
        }
        let presence = self.presence_of_directory(path, object)?;
        known().insert(object.clone(), presence);
        Ok(presence)
    }

    fn presence_of_directory(&self, path: &[u8], object: &Object) -> Result<Presence> {
        self.watch.interrupt.check()?;
        check_depth(path)?;
        let tree = match self.workspace.store.tree(&object.digest) {
            Err(error) if is_missing(&error) => return Ok(Presence::Missing),
            tree => tree?,
        };
        let lacking = tree.entries().par_iter().find_map_any(|entry| {
            let presence = self.presence(&join(path, &entry.name), &entry.object);
            (!matches!(presence, Ok(Presence::Local))).then_some(presence)
        });
        lacking.map_or(Ok(Presence::Local), |presence| presence.map(|_| Presence::Partial))
    }
}
