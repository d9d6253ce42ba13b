//! Data of another project of mlx: from its store where that is on this machine, else from its remote.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::Reach;
use crate::digest::{Object, ObjectKind};
use crate::error::ErrorContext;
use crate::project::{Manifest, Project, ProjectPath, manifest};
use crate::remote::{self, Access, Remote, Transfer};
use crate::store::tree::Entry;
use crate::store::{Batch, Store, StoreError};
use crate::{Error, Result};

/// Directories may nest this deeply.
const MAXIMUM_DEPTH: usize = 500;

/// A project that is not this one.
pub struct Foreign {
    /// Its root, where it is on this machine.
    directory: Option<PathBuf>,
    remotes: BTreeMap<String, manifest::Remote>,
    /// For messages.
    shown: String,
}

/// A path that another project tracks or makes.
pub struct Tracked {
    project: Foreign,
    /// The commit whose lock names it; `None` where there is no Git.
    pub commit: Option<String>,
    pub object: Object,
    path: ProjectPath,
}

impl Foreign {
    /// A manifest that this mlx can't read names no remote.
    pub fn new(directory: Option<PathBuf>, manifest: &[u8], shown: &str) -> Self {
        let remotes = Manifest::parse(manifest).map(|manifest| manifest.remotes).unwrap_or_default();
        Self { directory, remotes, shown: shown.to_owned() }
    }

    /// Its store, where it is on this machine and has something.
    fn store(&self) -> Option<Store> {
        let project = Project::open(self.directory.as_ref()?).ok()?;
        Store::of(&project).ok().filter(|store| store.root().is_dir())
    }

    /// The only remote that its manifest names, or `origin`.
    fn remote(&self, reach: &Reach<'_>) -> Result<Arc<dyn Remote>> {
        let shown = &self.shown;
        let named =
            self.remotes.get("origin").or_else(|| self.remotes.values().next().filter(|_| self.remotes.len() == 1));
        let remote = named.ok_or_else(|| match self.remotes.is_empty() {
            true => Error::failed(format!("the project {shown} names no remote to bring it from"))
                .with_hint("name one in its mlx.toml, and push its data there"),
            false => {
                Error::failed(format!("the project {shown} names several remotes, none of which is called `origin`"))
            }
        })?;
        let is_relative = !remote.url.contains("://") && !remote.url.starts_with(['/', '~']);
        let base = match &self.directory {
            Some(directory) => directory.as_path(),
            None if is_relative => {
                let url = crate::fs::escape(remote.url.as_bytes());
                return Err(Error::failed(format!("the remote of {shown} is a directory beside it, `{url}`"))
                    .with_hint("name its working copy on this machine instead"));
            }
            None => reach.base,
        };
        // Names are the other project's: what is set here for a remote of the same name is not for it.
        let access = Access { name: None, ..reach.access.clone() };
        remote::open(&remote.url, base, &access)
    }
}

impl Tracked {
    /// Follows names down from what the lock names. Directories on the way may be in
    /// the project's store, in `store`, or on the project's remote.
    pub fn find(
        project: Foreign,
        commit: Option<String>,
        from: &Object,
        names: &[&[u8]],
        path: &ProjectPath,
        store: &Store,
        reach: &Reach<'_>,
    ) -> Result<Self> {
        let stores: Vec<Store> = project.store().into_iter().chain([store.clone()]).collect();
        let mut object = Some(from.clone());
        for (place, name) in names.iter().enumerate() {
            let Some(directory) = object.filter(Object::is_directory) else {
                object = None;
                break;
            };
            let Some(tree) = stores.iter().find_map(|store| store.tree(&directory.digest).ok()) else {
                object = on_remote(&project, &directory, &names[place..], store, reach)?;
                break;
            };
            object = tree.get(name).cloned();
        }
        let object = object.ok_or_else(|| Error::usage(format!("{} has no `{path}`", project.shown)))?;
        if object.kind == ObjectKind::Link {
            return Err(Error::usage(format!("`{path}` of {} is a symbolic link", project.shown))
                .with_hint("name what it leads to"));
        }
        Ok(Self { project, commit, object, path: path.clone() })
    }

    /// Copies what the project's store has, and fetches the rest from its remote.
    pub fn bring(&self, store: &Store, reach: &Reach<'_>) -> Result<Object> {
        let cannot = || format!("cannot bring `{}` of {}", self.path, self.project.shown);
        if let Some(from) = self.project.store() {
            let _no_gc = from.hold_off_gc();
            let batch = store.batch()?;
            let copied = Copy { from: &from, to: store, batch: &batch, reach }.object(&self.object, 0);
            match copied {
                Ok(()) => {
                    batch.commit()?;
                    return Ok(self.object.clone());
                }
                Err(error) if is_absence(&error) => batch.commit()?,
                Err(error) => return Err(error).with_context(cannot),
            }
        }
        let remote = self.project.remote(reach).with_context(cannot)?;
        let memory = reach.cache.join("remotes");
        let transfer = Transfer { remote: &*remote, store, memory: &memory, jobs: reach.jobs, watch: reach.watch };
        let fetched = transfer
            .catalog()
            .and_then(|catalog| transfer.fetch(&catalog, std::slice::from_ref(&self.object), false, false));
        fetched.and_then(|fetched| fetched.verdict()).with_context(cannot)?;
        Ok(self.object.clone())
    }
}

/// What lies below a directory that is not here, as the remote knows it.
fn on_remote(
    project: &Foreign,
    directory: &Object,
    names: &[&[u8]],
    store: &Store,
    reach: &Reach<'_>,
) -> Result<Option<Object>> {
    let remote = project.remote(reach)?;
    let memory = reach.cache.join("remotes");
    let transfer = Transfer { remote: &*remote, store, memory: &memory, jobs: reach.jobs, watch: reach.watch };
    let way = transfer.descend(&transfer.catalog()?, directory, names.iter().copied())?;
    Ok(way.and_then(|mut way| way.pop()))
}

fn is_absence(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Missing { .. } | StoreError::Damaged { .. }))
}

/// Copying from one store to another, checked.
struct Copy<'a> {
    from: &'a Store,
    to: &'a Store,
    batch: &'a Batch,
    reach: &'a Reach<'a>,
}

impl Copy<'_> {
    fn object(&self, object: &Object, depth: usize) -> Result<()> {
        self.reach.watch.interrupt.check()?;
        if !object.is_directory() {
            return self.blob(object);
        }
        if depth > MAXIMUM_DEPTH {
            return Err(Error::failed(format!("directories nest more than {MAXIMUM_DEPTH} deep")));
        }
        let tree = self.from.tree(&object.digest)?;
        let below = |entry: &Entry| self.object(&entry.object, depth + 1);
        match tree.entries().len() {
            0..4 => tree.entries().iter().try_for_each(below)?,
            _ => tree.entries().par_iter().try_for_each(below)?,
        }
        self.batch.put_tree(&tree).map(drop)
    }

    fn blob(&self, object: &Object) -> Result<()> {
        if self.to.size(&object.digest) == Some(object.size) {
            return Ok(());
        }
        let content = self.from.content(&object.digest)?;
        match self.batch.put_reader(content, object.size)? {
            (found, _) if found == object.digest => Ok(()),
            (found, _) => {
                let found = format!("its content hashes to {found}");
                Err(StoreError::Damaged { digest: object.digest, found }.into())
            }
        }
    }
}
