//! Putting files back: a path of the working tree becomes exactly what an object says.
//!
//! What lies there and is in no store is never overwritten unless that is forced. Every file appears whole, by a rename;
//! nothing is written through an existing file.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rayon::prelude::*;
use serde::Serialize;

use super::Workspace;
use super::index::{Stat, now_ns};
use crate::digest::{Object, ObjectKind};
use crate::event::{Event, Unit, Watch};
use crate::fs::{self, quote};
use crate::project::ProjectPath;
use crate::store::StoreError;
use crate::store::tree::{Entry, Tree};
use crate::{Digest, Error, Kind, Result};

/// What a restore did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    pub files_written: u64,
    pub bytes_written: u64,
    pub files_removed: u64,
}

impl std::ops::AddAssign for Restored {
    fn add_assign(&mut self, other: Self) {
        self.files_written += other.files_written;
        self.bytes_written += other.bytes_written;
        self.files_removed += other.files_removed;
    }
}

/// What has to change, found before anything is touched. Removals come first, the deepest paths ahead.
#[derive(Default)]
struct Plan {
    removed: Vec<(PathBuf, bool)>,
    directories: Vec<PathBuf>,
    files: Vec<(Vec<u8>, Object)>,
    /// Files that would be lost: their content is in no store.
    unsaved: Vec<PathBuf>,
    bytes: u64,
}

impl Workspace {
    /// Makes `path` exactly this object. Files that are right already are not touched.
    ///
    /// # Errors
    /// A `Usage` error, before anything is changed, when content would be lost that is in no store and `force` is not set;
    /// the errors of the store when an object is missing or damaged.
    pub fn restore(&self, path: &ProjectPath, object: &Object, force: bool, watch: Watch<'_>) -> Result<Restored> {
        self.restore_all(&[(path.clone(), object.clone())], force, watch)
    }

    /// As [`Workspace::restore`] for several paths: all of them, or none where one would lose content.
    pub fn restore_all(&self, wanted: &[(ProjectPath, Object)], force: bool, watch: Watch<'_>) -> Result<Restored> {
        let mut plans = Vec::new();
        for (path, object) in wanted {
            if self.object_unless(force, path, watch)?.as_ref() == Some(object) {
                continue;
            }
            let mut plan = Plan::default();
            self.plan(path.as_bytes(), Some(object), &mut plan, force)?;
            self.check(path, &plan)?;
            plans.push((path, plan));
        }
        let mut restored = Restored::default();
        for (path, plan) in plans {
            restored += self.carry_out(path, plan, watch)?;
        }
        Ok(restored)
    }

    /// Removes what lies at `path`; nothing there is fine.
    ///
    /// # Errors
    /// As [`Workspace::restore`]: content that is in no store stays unless `force` is set.
    pub fn remove(&self, path: &ProjectPath, force: bool, watch: Watch<'_>) -> Result<Restored> {
        if self.object_unless(force, path, watch)?.is_none() && path.below(&self.root).symlink_metadata().is_err() {
            return Ok(Restored::default());
        }
        let mut plan = Plan::default();
        self.plan(path.as_bytes(), None, &mut plan, force)?;
        self.check(path, &plan)?;
        self.carry_out(path, plan, watch)
    }

    /// The content of a path, read so that the index knows every file of it; what can't have a version (a pipe, a
    /// repository) stops only who may not give it up.
    fn object_unless(&self, force: bool, path: &ProjectPath, watch: Watch<'_>) -> Result<Option<Object>> {
        match self.object(path, watch) {
            Err(error) if force && error.kind() == Kind::Usage => Ok(None),
            result => result,
        }
    }

    /// Compares what lies at `path` with what should; the index knows every file from the scan just before.
    fn plan(&self, path: &[u8], wanted: Option<&Object>, plan: &mut Plan, force: bool) -> Result<()> {
        let full = self.full(path);
        let metadata = full.symlink_metadata().ok();
        let is_directory = metadata.as_ref().is_some_and(std::fs::Metadata::is_dir);
        match wanted {
            Some(object) if object.is_directory() => {
                let tree = self.store.tree(&object.digest)?;
                if !is_directory {
                    if metadata.is_some() {
                        self.plan_removal(path, plan, force)?;
                    }
                    plan.directories.push(full.clone());
                    return self.plan_new(path, &tree, plan);
                }
                let mut present = names(&full)?;
                for Entry { name, object } in tree.entries() {
                    present.remove(name);
                    self.plan(&join(path, name), Some(object), plan, force)?;
                }
                let mut others: Vec<Vec<u8>> = present.into_iter().collect();
                others.sort_unstable();
                others.iter().try_for_each(|name| self.plan_removal(&join(path, name), plan, force))
            }
            Some(object) => {
                if let Some(metadata) = metadata {
                    if self.is_right(path, &full, &metadata, object)? {
                        return Ok(());
                    }
                    match is_directory {
                        true => self.plan_removal(path, plan, force)?,
                        false => self.check_saved(path, &full, &metadata, plan, force)?,
                    }
                }
                self.plan_file(path, object, plan);
                Ok(())
            }
            None => self.plan_removal(path, plan, force),
        }
    }

    fn plan_new(&self, path: &[u8], tree: &Tree, plan: &mut Plan) -> Result<()> {
        for Entry { name, object } in tree.entries() {
            let path = join(path, name);
            match object.is_directory() {
                true => {
                    plan.directories.push(self.full(&path));
                    self.plan_new(&path, &self.store.tree(&object.digest)?, plan)?;
                }
                false => self.plan_file(&path, object, plan),
            }
        }
        Ok(())
    }

    fn plan_file(&self, path: &[u8], object: &Object, plan: &mut Plan) {
        plan.bytes += object.size;
        plan.files.push((path.to_vec(), object.clone()));
    }

    fn plan_removal(&self, path: &[u8], plan: &mut Plan, force: bool) -> Result<()> {
        let full = self.full(path);
        let Ok(metadata) = full.symlink_metadata() else { return Ok(()) };
        if metadata.is_dir() {
            let mut names: Vec<Vec<u8>> = names(&full)?.into_iter().collect();
            names.sort_unstable();
            names.iter().try_for_each(|name| self.plan_removal(&join(path, name), plan, force))?;
        } else {
            self.check_saved(path, &full, &metadata, plan, force)?;
        }
        plan.removed.push((full, metadata.is_dir()));
        Ok(())
    }

    /// Whether the file at `path` is what it should be, so that it need not be touched.
    fn is_right(&self, path: &[u8], full: &Path, metadata: &std::fs::Metadata, object: &Object) -> Result<bool> {
        if metadata.is_symlink() || metadata.is_dir() {
            let is_link = metadata.is_symlink() && object.kind == ObjectKind::Link;
            return Ok(is_link && link_digest(full)? == object.digest);
        }
        let is_executable = std::os::unix::fs::MetadataExt::mode(metadata) & 0o100 != 0;
        let is_kind = object.kind == if is_executable { ObjectKind::Executable } else { ObjectKind::File };
        Ok(is_kind && self.known_digest(path, full, metadata)? == Some(object.digest))
    }

    /// Notes a file whose content would be lost.
    fn check_saved(
        &self,
        path: &[u8],
        full: &Path,
        metadata: &std::fs::Metadata,
        plan: &mut Plan,
        force: bool,
    ) -> Result<()> {
        // A link's target is named by the link, which any tree restores.
        if force || metadata.is_symlink() {
            return Ok(());
        }
        let digest = self.known_digest(path, full, metadata)?;
        if digest.is_none_or(|digest| self.store.size(&digest) != Some(metadata.len())) {
            plan.unsaved.push(full.to_path_buf());
        }
        Ok(())
    }

    /// The digest of a regular file; `None` for what has no content to keep.
    fn known_digest(&self, path: &[u8], full: &Path, metadata: &std::fs::Metadata) -> Result<Option<Digest>> {
        if !metadata.is_file() {
            return Ok(None);
        }
        let stat = Stat::of(metadata);
        if let Some(digest) = self.index.lookup(path, &stat) {
            return Ok(Some(digest));
        }
        let cannot = || format!("cannot read `{}`", quote(full));
        let read_at = now_ns();
        let file = std::fs::File::open(full).with_context(cannot)?;
        let (digest, _) = crate::digest::of_reader(file).with_context(cannot)?;
        self.index.remember(path, stat, digest, read_at);
        Ok(Some(digest))
    }

    /// Refuses a plan that would lose content or that the store can't fill.
    fn check(&self, path: &ProjectPath, plan: &Plan) -> Result<()> {
        let more = |count: usize| if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        if let Some(first) = plan.unsaved.first() {
            let more = more(plan.unsaved.len());
            return Err(Error::usage(format!(
                "`{}`{more} holds changes that are in no store",
                quote(self.relative(first))
            ))
            .with_hint(format!("keep them with `mlx add {path}`, or give them up with `--force`")));
        }
        let missing: Vec<_> = plan.files.iter().filter(|(_, object)| !self.store.contains(&object.digest)).collect();
        if let Some((first, object)) = missing.first() {
            let (first, more) = (fs::escape(first), more(missing.len()));
            return Err(Error::from(StoreError::Missing { digest: object.digest })
                .context(format!("cannot bring back `{first}`{more}")));
        }
        Ok(())
    }

    fn carry_out(&self, path: &ProjectPath, plan: Plan, watch: Watch<'_>) -> Result<Restored> {
        // A directory that goes must let go of what it holds.
        for (full, _) in plan.removed.iter().filter(|(_, is_directory)| *is_directory) {
            let cannot = || format!("cannot remove `{}`", quote(full));
            let mut permissions = full.symlink_metadata().with_context(cannot)?.permissions();
            if permissions.mode() & 0o200 == 0 {
                permissions.set_mode(permissions.mode() | 0o700);
                std::fs::set_permissions(full, permissions).with_context(cannot)?;
            }
        }
        for (full, is_directory) in &plan.removed {
            let removed = if *is_directory { std::fs::remove_dir(full) } else { std::fs::remove_file(full) };
            removed.with_context(|| format!("cannot remove `{}`", quote(full)))?;
        }
        self.full(path.as_bytes()).parent().map_or(Ok(()), fs::create_dir_all)?;
        plan.directories.iter().try_for_each(|directory| fs::create_dir_all(directory))?;
        let id = format!("restore {path}");
        let (what, total) = (format!("Restoring `{path}`"), Some(plan.files.len() as u64));
        watch.events.emit(Event::Started { id: id.clone(), what, total, unit: Unit::Files });
        let done = std::sync::atomic::AtomicU64::new(0);
        let result = plan.files.par_iter().try_for_each(|(path, object)| {
            watch.interrupt.check()?;
            self.write(path, object)?;
            let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            watch.events.emit(Event::Progress { id: id.clone(), done });
            Ok::<(), Error>(())
        });
        watch.events.emit(Event::Finished { id: id.clone() });
        result?;
        let files_removed = plan.removed.iter().filter(|(_, is_directory)| !is_directory).count() as u64;
        Ok(Restored { files_written: plan.files.len() as u64, bytes_written: plan.bytes, files_removed })
    }

    fn write(&self, path: &[u8], object: &Object) -> Result<()> {
        let full = self.full(path);
        if object.kind == ObjectKind::Link {
            let target = self.store.read(&object.digest)?;
            let scratch = fs::temporary_dir(&self.scratch)?;
            let temporary = scratch.path().join("link");
            std::os::unix::fs::symlink(OsStr::from_bytes(&target), &temporary)
                .and_then(|()| std::fs::rename(&temporary, &full))
                .with_context(|| format!("cannot make the link `{}`", quote(&full)))?;
            return Ok(());
        }
        let is_executable = object.kind == ObjectKind::Executable;
        self.store.export(&object.digest, &full, is_executable, &self.scratch, self.store.link())?;
        let metadata = full.symlink_metadata().with_context(|| format!("cannot read `{}`", quote(&full)))?;
        self.index.remember(path, Stat::of(&metadata), object.digest, now_ns());
        Ok(())
    }

    fn full(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    fn relative<'p>(&self, full: &'p Path) -> &'p Path {
        full.strip_prefix(&self.root).unwrap_or(full)
    }
}

fn names(directory: &Path) -> Result<HashSet<Vec<u8>>> {
    use std::os::unix::ffi::OsStringExt;
    let cannot = || format!("cannot list `{}`", quote(directory));
    let mut names = HashSet::new();
    for entry in std::fs::read_dir(directory).with_context(cannot)? {
        names.insert(entry.with_context(cannot)?.file_name().into_vec());
    }
    Ok(names)
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    [path, b"/", name].concat()
}

fn link_digest(full: &Path) -> Result<Digest> {
    let target = std::fs::read_link(full).with_context(|| format!("cannot read the link `{}`", quote(full)))?;
    Ok(Digest::of(target.as_os_str().as_bytes()))
}
