//! Putting files back: a path of the working tree becomes exactly what an object says.
//!
//! A scan first tells what lies there; the plan compares that with the object, without looking at the disk again. What is
//! in no store is never overwritten unless that is forced. New files are written beside the working tree and appear by a
//! rename, whole directories at once where they are new ([`super::stage`]).

use anyhow::Context;
use rayon::prelude::*;
use serde::Serialize;

use super::index::block::{Block, Known};
use super::index::{Kind, Lent, Stat};
use super::remedy::is_absence;
use super::scan::{Scan, check_depth, join};
use super::{Workspace, read, twins};
use crate::digest::{Object, ObjectKind};
use crate::event::Watch;
use crate::fs::{self, Directory, Names, quote};
use crate::project::ProjectPath;
use crate::store::StoreError;
use crate::store::tree::{Entry, Tree};
use crate::{Error, Result};

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

/// What has to change, found before anything is touched.
#[derive(Default)]
pub(super) struct Plan {
    /// Removals come first, the deepest paths ahead.
    pub removed: Vec<Removal>,
    /// The directories that get other content, each before those below it.
    pub places: Vec<Place>,
    /// Files that would be lost: their content is in no store.
    unsaved: Vec<Vec<u8>>,
    pub is_forced: bool,
}

pub(super) struct Removal {
    pub path: Vec<u8>,
    /// What it was when the plan was made; `None` for a directory and for what has no content.
    pub stat: Option<Stat>,
    pub is_directory: bool,
}

/// A directory that becomes what a tree says, or a file that is tracked by itself.
#[derive(Default)]
pub(super) struct Place {
    pub path: Vec<u8>,
    /// The tree and its object; for a file by itself, a tree of one entry with the file's name.
    pub tree: Tree,
    pub object: Option<Object>,
    pub is_new: bool,
    pub writes: Vec<Write>,
}

/// An entry of the tree that is written.
pub(super) struct Write {
    pub entry: usize,
    /// What it replaces.
    pub replaced: Option<Replaced>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Replaced(pub Stat);

impl Workspace {
    /// Makes `path` exactly this object. Files that are right already are not touched.
    ///
    /// # Errors
    /// A `Usage` error, before anything is changed, when content would be lost that is in no store and `force` is not set,
    /// or when two names are one to the file system; the errors of the store when an object is missing or damaged.
    pub fn restore(&self, path: &ProjectPath, object: &Object, force: bool, watch: Watch<'_>) -> Result<Restored> {
        self.restore_all(&[(path.clone(), object.clone())], force, watch)
    }

    /// As [`Workspace::restore`] for several paths: all of them, or none where one would lose content.
    pub fn restore_all(&self, wanted: &[(ProjectPath, Object)], force: bool, watch: Watch<'_>) -> Result<Restored> {
        let (restored, failed) = self.restore_with(wanted, force, Err, watch)?;
        debug_assert!(failed.is_empty(), "every failure ended the restore");
        Ok(restored)
    }

    /// As [`Workspace::restore_all`], but a path of which the store does not have everything stays as it is, and the others
    /// are put back. Returns those paths, each with why.
    pub fn restore_each(
        &self,
        wanted: &[(ProjectPath, Object)],
        force: bool,
        watch: Watch<'_>,
    ) -> Result<(Restored, Vec<(ProjectPath, Error)>)> {
        let pass_over = |error: Error| if is_absence(&error) { Ok(error) } else { Err(error) };
        self.restore_with(wanted, force, pass_over, watch)
    }

    /// Refuses, and changes nothing, where [`Workspace::restore`] would.
    pub fn check_restore(&self, path: &ProjectPath, object: &Object, force: bool, watch: Watch<'_>) -> Result<()> {
        let present = self.present(force, path, watch)?;
        if present.as_ref() == Some(object) {
            return Ok(());
        }
        let mut plan = Plan { is_forced: force, ..Plan::default() };
        Planner { workspace: self, plan: &mut plan, watch }.path(path, Some(object), present.as_ref())?;
        self.check(path, &plan)
    }

    /// Plans for all paths, then carries it out. `pass_over` says of an error whether the other paths go on.
    fn restore_with(
        &self,
        wanted: &[(ProjectPath, Object)],
        force: bool,
        pass_over: impl Fn(Error) -> Result<Error>,
        watch: Watch<'_>,
    ) -> Result<(Restored, Vec<(ProjectPath, Error)>)> {
        let (mut plans, mut failed) = (Vec::new(), Vec::new());
        for (path, object) in wanted {
            let present = self.present(force, path, watch)?;
            if present.as_ref() == Some(object) {
                continue;
            }
            let mut plan = Plan { is_forced: force, ..Plan::default() };
            let mut planner = Planner { workspace: self, plan: &mut plan, watch };
            let planned = planner.path(path, Some(object), present.as_ref()).and_then(|()| self.check(path, &plan));
            match planned {
                Ok(()) => plans.push((path, plan)),
                Err(error) => failed.push((path.clone(), pass_over(error)?)),
            }
        }
        let mut restored = Restored::default();
        for (path, plan) in plans {
            match self.carry_out(path, &plan, watch) {
                Ok(done) => restored += done,
                Err(error) => failed.push((path.clone(), pass_over(error)?)),
            }
        }
        Ok((restored, failed))
    }

    /// Removes what lies at `path`; nothing there is fine.
    ///
    /// # Errors
    /// As [`Workspace::restore`]: content that is in no store stays unless `force` is set.
    pub fn remove(&self, path: &ProjectPath, force: bool, watch: Watch<'_>) -> Result<Restored> {
        let present = self.present(force, path, watch)?;
        let mut plan = Plan { is_forced: force, ..Plan::default() };
        Planner { workspace: self, plan: &mut plan, watch }.path(path, None, present.as_ref())?;
        self.check(path, &plan)?;
        self.carry_out(path, &plan, watch)
    }

    /// The content of a path, read so that the index knows every file of it; what can't have a version (a pipe, a
    /// repository) stops only who may not give it up.
    fn present(&self, force: bool, path: &ProjectPath, watch: Watch<'_>) -> Result<Option<Object>> {
        let mut scan = Scan::new(self, None, watch);
        if force {
            scan = scan.lenient();
        }
        scan.object(path)
    }

    /// Refuses a plan that would lose content, that the store can't fill or that the file system can't hold.
    fn check(&self, path: &ProjectPath, plan: &Plan) -> Result<()> {
        let more = |count: usize| if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        if let Some(first) = plan.unsaved.first() {
            let (first, more) = (fs::escape(first), more(plan.unsaved.len()));
            return Err(Error::usage(format!("`{first}`{more} holds changes that are in no store"))
                .with_hint(format!("keep them with `mlx add {}`, or give them up with `--force`", path.argument())));
        }
        let missing = plan.places.par_iter().flat_map_iter(|place| {
            let writes = place.writes.iter().map(|write| &place.tree.entries()[write.entry]);
            let is_here = |object: &Object| self.store.size(&object.digest) == Some(object.size);
            writes.filter(move |entry| !is_here(&entry.object)).map(move |entry| (place, entry))
        });
        let missing: Vec<(&Place, &Entry)> = missing.collect();
        if let Some((place, Entry { name, object })) = missing.first() {
            let (first, more) = (fs::escape(&place.below(name)), more(missing.len()));
            let error = self.store.check_size(object).err();
            let error = error.unwrap_or_else(|| StoreError::Missing { digest: object.digest }.into());
            return Err(error.context(format!("cannot bring back `{first}`{more}")));
        }
        plan.places.iter().try_for_each(|place| twins::check(self, &place.path, &place.tree))
    }
}

impl Place {
    /// The path of one of its entries.
    pub fn below(&self, name: &[u8]) -> Vec<u8> {
        if self.path.is_empty() { name.to_vec() } else { join(&self.path, name) }
    }
}

struct Planner<'a> {
    workspace: &'a Workspace,
    plan: &'a mut Plan,
    watch: Watch<'a>,
}

impl<'a> Planner<'a> {
    /// Plans for a path as the lock names it.
    fn path(&mut self, path: &ProjectPath, wanted: Option<&Object>, present: Option<&Object>) -> Result<()> {
        let bytes = path.as_bytes();
        let status = path.below(&self.workspace.root).symlink_metadata();
        // A link in the place of a tracked path was read through; it goes, what it leads to stays.
        let is_link = status.as_ref().is_ok_and(std::fs::Metadata::is_symlink);
        let present = match present {
            _ if is_link => {
                self.plan.removed.push(Removal { path: bytes.to_vec(), stat: None, is_directory: false });
                None
            }
            None => None,
            Some(object) if status.as_ref().is_ok_and(std::fs::Metadata::is_dir) => {
                Some(Item::Directory(object.clone()))
            }
            Some(_) => Some(self.file(bytes)),
        };
        match wanted {
            Some(object) if object.is_directory() => {
                self.workspace.store.count_paths(object)?;
                self.directory(bytes, object, present)
            }
            Some(object) => {
                let parent = path.parent();
                let name = parent.as_ref().map_or(bytes, |parent| &bytes[parent.as_bytes().len() + 1..]);
                let tree = Tree::new(vec![Entry { name: name.to_vec(), object: object.clone() }]);
                let path = parent.map_or(Vec::new(), |parent| parent.as_bytes().to_vec());
                let mut place = Place { path, tree, ..Place::default() };
                self.entry(&mut place, 0, bytes, object, present)?;
                self.plan.places.extend(Some(place).filter(|place| !place.writes.is_empty()));
                Ok(())
            }
            None => present.map_or(Ok(()), |present| self.remove(bytes, &present, false)),
        }
    }

    /// What the index knows of a file that was just scanned by itself.
    fn file(&self, path: &[u8]) -> Item {
        let known = |lent: &Lent<'_>, name: &[u8]| lent.block().find(name).map(Item::of);
        let own = self.workspace.index.block(path).and_then(|lent| known(&lent, b""));
        own.unwrap_or_else(|| {
            let slash = path.iter().rposition(|byte| *byte == b'/');
            let parent = slash.and_then(|slash| self.workspace.index.block(&path[..slash]));
            parent.and_then(|lent| known(&lent, &path[slash.map_or(0, |slash| slash + 1)..])).unwrap_or(Item::Other)
        })
    }

    /// Plans for a directory that should be there.
    fn directory(&mut self, path: &[u8], wanted: &Object, present: Option<Item>) -> Result<()> {
        check_depth(path)?;
        let tree = self.workspace.store.tree_of(wanted)?;
        let is_new = match &present {
            Some(Item::Directory(object)) if object == wanted => return Ok(()),
            Some(Item::Directory(_)) => false,
            Some(item) => {
                self.remove(path, item, true)?;
                true
            }
            None => true,
        };
        let at = self.plan.places.len();
        let mut place = Place { path: path.to_vec(), object: Some(wanted.clone()), is_new, ..Place::default() };
        // Its place in the order is before those below it.
        self.plan.places.push(Place::default());
        let there = if is_new { There::default() } else { self.there(path)? };
        for (entry, Entry { name, object }) in tree.entries().iter().enumerate() {
            let below = join(path, name);
            if [&b".git"[..], b".mlx"].iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
                return Err(Error::failed(format!("a version of tracked data can't hold `{}`", fs::escape(&below)))
                    .with_hint("whoever made that version used another program than this"));
            }
            let present = self.present(&there, &below, name)?;
            match object.is_directory() {
                true => self.directory(&below, object, present)?,
                false => self.entry(&mut place, entry, &below, object, present)?,
            }
        }
        place.tree = tree;
        for known in there.block().iter().flat_map(Block::iter) {
            if place.tree.get(known.name).is_none() {
                self.remove(&join(path, known.name), &Item::of(known), false)?;
            }
        }
        self.plan.places[at] = place;
        Ok(())
    }

    /// Plans for a file or a link that should be there.
    fn entry(
        &mut self,
        place: &mut Place,
        entry: usize,
        path: &[u8],
        wanted: &Object,
        present: Option<Item>,
    ) -> Result<()> {
        let replaced = match &present {
            Some(Item::File { object, .. }) if object == wanted => return Ok(()),
            Some(Item::File { object, stat }) => {
                self.check_saved(path, object);
                Some(Replaced(*stat))
            }
            Some(other) => {
                self.remove(path, other, true)?;
                None
            }
            None => None,
        };
        place.writes.push(Write { entry, replaced });
        Ok(())
    }

    /// Plans that what lies at a path goes; what is ignored stays, unless something else `must` lie there.
    fn remove(&mut self, path: &[u8], present: &Item, must: bool) -> Result<()> {
        let (stat, is_directory) = match present {
            Item::File { object, stat } => {
                self.check_saved(path, object);
                (Some(*stat), false)
            }
            Item::Other => (None, false),
            Item::Directory(_) => {
                let there = self.there(path)?;
                for known in there.block().iter().flat_map(Block::iter) {
                    self.remove(&join(path, known.name), &Item::of(known), must)?;
                }
                for name in there.names.iter().filter(|_| must) {
                    let below = join(path, name.to_bytes());
                    if there.find(name.to_bytes()).is_none()
                        && let Some(item) = self.hidden(&below)?
                    {
                        self.remove(&below, &item, must)?;
                    }
                }
                (None, true)
            }
        };
        self.plan.removed.push(Removal { path: path.to_vec(), stat, is_directory });
        Ok(())
    }

    /// Notes a file whose content would be lost. A link's target is named by the link, which any tree restores.
    fn check_saved(&mut self, path: &[u8], object: &Object) {
        if !self.plan.is_forced
            && object.kind != ObjectKind::Link
            && self.workspace.store.size(&object.digest) != Some(object.size)
        {
            self.plan.unsaved.push(path.to_vec());
        }
    }

    /// What lies in a directory that was just scanned.
    fn there(&self, path: &[u8]) -> Result<There<'a>> {
        let names = self.workspace.directory.open_below(path).and_then(|directory: Directory| directory.names());
        let names = match names {
            Ok(names) => names,
            Err(error) if read::is_gone(&error) => Names::default(),
            Err(error) => {
                let full = self.workspace.full(path);
                return Err(error).with_context(|| format!("cannot list `{}`", quote(full))).map_err(Into::into);
            }
        };
        Ok(There { names, block: self.workspace.index.block(path) })
    }

    /// What lies under a name in a directory, ignored or not.
    fn present(&self, there: &There<'_>, path: &[u8], name: &[u8]) -> Result<Option<Item>> {
        match there.find(name) {
            Some(item) => Ok(Some(item)),
            None if there.names.position(name).is_some() => self.hidden(path),
            None => Ok(None),
        }
    }

    /// What lies at a path that the scan passed over, because it is ignored.
    fn hidden(&self, path: &[u8]) -> Result<Option<Item>> {
        let Ok(path) = ProjectPath::new(path) else { return Ok(Some(Item::Other)) };
        let mut scan = Scan::new(self.workspace, None, self.watch).unruled();
        if self.plan.is_forced {
            scan = scan.lenient();
        }
        let full = path.below(&self.workspace.root);
        // A link is taken for what it is, which the scan of a path by itself does not.
        if full.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            return Ok(Some(Item::Other));
        }
        Ok(scan.object(&path)?.map(|object| match full.is_dir() {
            true => Item::Directory(object),
            false => self.file(path.as_bytes()),
        }))
    }
}

/// What lies under one name, owned.
#[derive(Debug)]
enum Item {
    File { object: Object, stat: Stat },
    Directory(Object),
    Other,
}

impl Item {
    fn of(known: Known<'_>) -> Self {
        match (known.object(), known.kind) {
            (Some(object), Kind::Object(ObjectKind::Directory)) => Self::Directory(object),
            (Some(object), _) => Self::File { object, stat: known.stat },
            (None, _) => Self::Other,
        }
    }
}

/// A directory of the working tree: its names now, and what the scan knows of those that are not ignored.
#[derive(Default)]
struct There<'a> {
    names: Names,
    block: Option<Lent<'a>>,
}

impl There<'_> {
    fn block(&self) -> Option<Block<'_>> {
        self.block.as_ref().map(Lent::block)
    }

    fn find(&self, name: &[u8]) -> Option<Item> {
        self.block()?.find(name).map(Item::of)
    }
}
