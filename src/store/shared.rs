//! A store that several projects or users share: who uses it, and with what rights its files are made.
//!
//! Each project registers in `projects/` before it relies on the store, so that `mlx gc` of one keeps what others need.
//! A directory in the store gets the mode of the store itself, whatever the umask: one that a group may write to stays
//! so.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::Store;
use super::packs::Packs;
use crate::fs::{self, quote};
use crate::project::{Project, STATE};
use crate::{Digest, Error, Result};

/// The project's own directory for records and, where no other store is named, for objects.
const OWN: &str = "store";

impl Store {
    /// The store of a project: its own, or the one that its settings name. Nothing is created before something is
    /// stored, but that a project registers in a store which it shares.
    ///
    /// # Errors
    /// Where the settings name another store while the project's own still holds objects.
    pub fn of(project: &Project) -> Result<Self> {
        let own = project.home_state(OWN);
        let mut store = Self::open(&own)?;
        store.link = project.settings.store_link();
        let Some(path) = project.settings.store_path().filter(|path| **path != *own) else { return Ok(store) };
        if store.holds_objects() {
            return Err(Error::usage(format!(
                "`{}` still holds objects, but the settings name the store `{}`",
                quote(&own),
                quote(path)
            ))
            .with_hint("bring them over with `mlx cache --adopt`"));
        }
        store.move_to(path, project);
        // A store that is not ours to write to can be read all the same.
        let _ = store.register();
        Ok(store)
    }

    /// The store that the settings of a project name, and the project's own, which holds objects from before.
    pub fn of_both(project: &Project) -> Result<(Self, Self)> {
        let own = Self::open(&project.home_state(OWN))?;
        let mut store = own.clone();
        store.link = project.settings.store_link();
        if let Some(path) = project.settings.store_path() {
            store.move_to(path, project);
        }
        Ok((store, own))
    }

    fn move_to(&mut self, root: &Path, project: &Project) {
        self.root = root.to_path_buf();
        self.packs = Arc::new(Packs::new(root.join("packs")));
        self.member = Some(project.home().into());
    }

    /// Whether objects lie here, not only records.
    fn holds_objects(&self) -> bool {
        let is_filled =
            |name: &str| std::fs::read_dir(self.root.join(name)).is_ok_and(|mut entries| entries.next().is_some());
        is_filled("objects") || is_filled("packs")
    }

    /// The directory that holds the objects.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes what writing needs: the store itself, and this project's place among those that use it.
    pub(super) fn prepare(&self) -> Result<()> {
        if !self.gc_lock().exists() {
            make_durably(&self.root)?;
        }
        self.register()?;
        self.make_dir(&self.scratch())?;
        // It comes last, so that who is killed on the way leaves this to the next.
        self.make_lock(&self.gc_lock())
    }

    /// Creates a directory of the store and those above it, with the rights of the store.
    pub(super) fn make_dir(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent().filter(|parent| parent.starts_with(&self.root)) {
            self.make_dir(parent)?;
        }
        let cannot = || format!("cannot create the directory `{}`", quote(path));
        match std::fs::create_dir(path) {
            Ok(()) => std::fs::set_permissions(path, self.rights()?).with_context(cannot)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(cannot).map_err(Into::into),
        }
        Ok(())
    }

    /// Creates the file of a lock, so that whoever may write to the store can take it.
    pub(super) fn make_lock(&self, path: &Path) -> Result<()> {
        path.parent().map_or(Ok(()), |parent| self.make_dir(parent))?;
        let cannot = || format!("cannot create the lock `{}`", quote(path));
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(file) => file.set_permissions(self.rights_of_a_file()?).with_context(cannot)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(cannot).map_err(Into::into),
        }
        Ok(())
    }

    /// The mode of the store's directory, which all in it follow.
    pub(super) fn rights(&self) -> Result<Permissions> {
        let cannot = || format!("cannot read `{}`", quote(&self.root));
        Ok(Permissions::from_mode(self.root.metadata().with_context(cannot)?.permissions().mode() & 0o7777))
    }

    fn rights_of_a_file(&self) -> Result<Permissions> {
        Ok(Permissions::from_mode(self.rights()?.mode() & 0o666))
    }

    /// Writes down that this project uses the store, if it is not known.
    fn register(&self) -> Result<()> {
        let Some(member) = &self.member else { return Ok(()) };
        let path = self.registration(member);
        if path.exists() || !self.root.is_dir() {
            return Ok(());
        }
        self.make_dir(&self.scratch())?;
        self.make_dir(&self.root.join("projects"))?;
        let cannot = || format!("cannot register in the store `{}`", quote(&self.root));
        let mut temporary = fs::temporary_file(&self.scratch())?;
        let text = format!("{}\n", fs::escape(member.as_os_str().as_bytes()));
        temporary.write_all(text.as_bytes()).with_context(cannot)?;
        temporary.as_file().set_permissions(self.rights_of_a_file()?).with_context(cannot)?;
        temporary.as_file().sync_data().with_context(cannot)?;
        temporary.persist(&path).map_err(|error| error.error).with_context(cannot)?;
        fs::sync_dir(&self.root.join("projects"))?;
        fs::sync_dir(&self.root)
    }

    fn registration(&self, member: &Path) -> PathBuf {
        self.root.join("projects").join(Digest::of(member.as_os_str().as_bytes()).hex())
    }

    /// The roots of the other projects that use this store, sorted.
    pub fn neighbours(&self, project: &Project) -> Result<Vec<PathBuf>> {
        let directory = self.root.join("projects");
        let cannot = || format!("cannot list `{}`", quote(&directory));
        let mut roots = Vec::new();
        match std::fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(cannot).map_err(Into::into),
            Ok(entries) => {
                for entry in entries {
                    let path = entry.with_context(cannot)?.path();
                    roots.push(read_registration(&path)?);
                }
            }
        }
        // The store of a project may serve others, too.
        let is_own = self.root.ends_with(Path::new(STATE).join(OWN));
        roots.extend(self.root.ancestors().nth(2).filter(|_| is_own).map(Path::to_path_buf));
        roots.sort();
        roots.dedup();
        roots.retain(|root| root != project.root());
        Ok(roots)
    }

    /// The same objects, with the records of another project.
    pub fn beside(&self, project: &Project) -> Self {
        Self { own: project.state(OWN), ..self.clone() }
    }

    /// Forgets that a project uses the store.
    pub fn forget(&self, root: &Path) -> Result<()> {
        match std::fs::remove_file(self.registration(root)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot forget the project `{}`", quote(root))).map_err(Into::into)
            }
            _ => fs::sync_dir(&self.root.join("projects")),
        }
    }
}

/// Creates a directory and those above it, and makes the way to it durable as far as it may be new.
pub(super) fn make_durably(path: &Path) -> Result<()> {
    fs::create_dir_all(path)?;
    // The project, `.mlx`, its store, `records`, and a level below it; of what lies above, others may be the owners.
    path.ancestors().skip(1).take(4).filter(|above| std::fs::File::open(above).is_ok()).try_for_each(fs::sync_dir)
}

/// The root that a registration names.
fn read_registration(path: &Path) -> Result<PathBuf> {
    let bytes = fs::read(path)?;
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n'));
    let root = text.and_then(fs::unescape).map(|root| PathBuf::from(std::ffi::OsString::from_vec(root)));
    root.filter(|root| root.is_absolute()).ok_or_else(|| {
        Error::failed(format!("`{}` does not name a project", quote(path)))
            .with_hint("write the root of the project that uses the store into it, or remove it")
    })
}
