//! Diff: which files differ between two versions of the data, or between one and the working tree.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::Workspace;
use super::checkout::select;
use super::index::Lent;
use super::index::block::Block;
use super::remedy::{is_missing, name_remote};
use super::scan::{check_depth, join};
use super::tabular::TableDiff;
use crate::digest::{Object, ObjectKind};
use crate::event::Watch;
use crate::project::git::Git;
use crate::project::{LOCK, Lock, Project, ProjectPath};
use crate::store::tree::Entry;
use crate::{Digest, Error, Kind, Result};

/// How two versions differ, file by file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// What is compared with what: `mlx.lock`, a commit, or `working tree`.
    pub from: String,
    pub to: String,
    pub changes: Vec<Change>,
    pub added: Count,
    pub changed: Count,
    pub moved: Count,
    pub removed: Count,
}

/// A number of files, and their bytes (of the newer version, where there is one).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    pub files: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub kind: ChangeKind,
    /// Where the file is, or was if it was removed. A path as text, escaped.
    pub path: String,
    /// Where it was before it moved.
    pub moved_from: Option<String>,
    pub before: Option<Object>,
    pub after: Option<Object>,
    /// What differs inside, where it is a table and somebody looked; see [`super::tabular`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<Box<TableDiff>>,
    /// Why nobody could look inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Change {
    /// Whether the file became executable or ceased to be, where nothing but that changed.
    pub fn executable_bit(&self) -> Option<bool> {
        executable_bit(self.before.as_ref()?, self.after.as_ref()?)
    }

    fn new(kind: ChangeKind, path: String, before: Option<Object>, after: Option<Object>) -> Self {
        Self { kind, path, moved_from: None, before, after, table: None, note: None }
    }
}

/// What [`Diff::to`] says where it is no commit.
pub(super) const WORKING_TREE: &str = "working tree";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Changed,
    Moved,
    Removed,
}

/// Compares two Git revisions, or one with the working tree, or (with none) the lock with the working tree; all of it, or
/// what lies at and below the paths given.
///
/// # Errors
/// A `Usage` error for what is no revision, and for a path that none of the versions names.
pub fn diff(
    project: &Project,
    workspace: &Workspace,
    revisions: &[String],
    paths: &[ProjectPath],
    watch: Watch<'_>,
) -> Result<Diff> {
    let (from, before) = match revisions.first() {
        Some(revision) => lock_at(project, revision)?,
        None => (LOCK.to_owned(), project.read_lock()?),
    };
    let named = |error: Error| name_missing(project, workspace, revisions, error);
    let mut files = Files { workspace, before: BTreeMap::new(), after: BTreeMap::new() };
    let to = match revisions.get(1) {
        Some(revision) => {
            let (to, after) = lock_at(project, revision)?;
            let entries = narrow(workspace, [&before, &after], paths);
            entries.and_then(|[before, after]| files.compare_locks(&before, &after)).map_err(named)?;
            to
        }
        None => {
            let entries = narrow(workspace, [&before, &project.read_lock()?], paths);
            entries.and_then(|[before, now]| files.compare_working_tree(&before, &now, watch)).map_err(named)?;
            WORKING_TREE.to_owned()
        }
    };
    workspace.save();
    Ok(summary(from, to, files))
}

/// Where a listing is missing, says how it comes: of which revision, and of which path.
fn name_missing(project: &Project, workspace: &Workspace, revisions: &[String], error: Error) -> Error {
    if !is_missing(&error) {
        return error;
    }
    let versions =
        revisions.iter().map(|revision| (Some(revision.as_str()), lock_at(project, revision).map(|(_, l)| l)));
    let now = (revisions.len() < 2).then(|| (None, project.read_lock()));
    for (revision, lock) in versions.chain(now) {
        let entries = lock.iter().flat_map(Lock::entries).map(|(path, object)| (path.clone(), object.clone()));
        if let Some((path, _)) = entries.into_iter().find(|(_, object)| !has_listings(workspace, object)) {
            return name_remote(project, error, &path, revision);
        }
    }
    error
}

/// Whether the store has all listings of a directory.
fn has_listings(workspace: &Workspace, object: &Object) -> bool {
    let mut waiting = vec![object.clone()];
    let mut met = HashSet::new();
    while let Some(object) = waiting.pop().filter(Object::is_directory) {
        if !met.insert(object.digest) {
            continue;
        }
        let Ok(tree) = workspace.store.tree(&object.digest) else { return false };
        waiting.extend(tree.entries().iter().map(|entry| entry.object.clone()).filter(Object::is_directory));
    }
    true
}

fn lock_at(project: &Project, revision: &str) -> Result<(String, Lock)> {
    let git = Git::of(project)?.ok_or_else(|| {
        Error::usage("this project lies in no Git repository, so that there are no revisions")
            .with_hint("start one with `git init`")
    })?;
    let at = git.lock_at(revision)?;
    Ok((at.commit, at.lock))
}

/// What a lock names, by path; `None` where a path inside a tracked directory was asked for, and it holds no such.
type Entries = BTreeMap<ProjectPath, Option<Object>>;

/// What two locks name at and below the paths, or everything where there are none.
fn narrow(workspace: &Workspace, locks: [&Lock; 2], paths: &[ProjectPath]) -> Result<[Entries; 2]> {
    let all = |lock: &Lock| lock.entries().map(|(path, object)| (path.clone(), Some(object.clone()))).collect();
    if paths.is_empty() {
        return Ok(locks.map(all));
    }
    let mut entries = [Entries::new(), Entries::new()];
    for path in paths {
        let [before, after] = locks.map(|lock| select(workspace, lock, path));
        // One of the two may have come to know the path, or lost it.
        let found = match (before, after) {
            (Err(error), Err(_)) => return Err(error),
            (Err(error), _) | (_, Err(error)) if error.kind() != Kind::Usage => return Err(error),
            (before, after) => [before.unwrap_or_default(), after.unwrap_or_default()],
        };
        entries.iter_mut().zip(found).for_each(|(entries, found)| entries.extend(found));
    }
    Ok(entries)
}

/// Whether what lies in the working tree, as the scan just before remembers it, differs in executable bits alone.
pub(super) fn only_executable_bits(workspace: &Workspace, path: &ProjectPath, before: &Object, after: &Object) -> bool {
    if (before.size, before.files) != (after.size, after.files) {
        return false;
    }
    let mut files = Files { workspace, before: BTreeMap::new(), after: BTreeMap::new() };
    // Where a listing is missing nothing can be told.
    files.compare_present(path.as_bytes(), Some(before), Some(after)).is_ok()
        && !files.before.is_empty()
        && files.before.keys().eq(files.after.keys())
        && files
            .before
            .values()
            .zip(files.after.values())
            .all(|(before, after)| executable_bit(before, after).is_some())
}

/// Whether a file became executable, where nothing but that changed.
fn executable_bit(before: &Object, after: &Object) -> Option<bool> {
    match (before.kind, after.kind) {
        _ if before.digest != after.digest => None,
        (ObjectKind::File, ObjectKind::Executable) => Some(true),
        (ObjectKind::Executable, ObjectKind::File) => Some(false),
        _ => None,
    }
}

/// The files in which the two sides differ, by the bytes of their paths.
struct Files<'a> {
    workspace: &'a Workspace,
    before: BTreeMap<Vec<u8>, Object>,
    after: BTreeMap<Vec<u8>, Object>,
}

impl Files<'_> {
    fn compare_locks(&mut self, before: &Entries, after: &Entries) -> Result<()> {
        for (path, object) in before {
            self.compare(path.as_bytes(), object.as_ref(), after.get(path).and_then(Option::as_ref))?;
        }
        let added = after.iter().filter(|(path, _)| !before.contains_key(*path));
        for (path, object) in added {
            self.compare(path.as_bytes(), None, object.as_ref())?;
        }
        Ok(())
    }

    fn compare_working_tree(&mut self, before: &Entries, now: &Entries, watch: Watch<'_>) -> Result<()> {
        let now = now.keys().filter(|path| !before.contains_key(*path));
        for path in before.keys().chain(now) {
            let object = before.get(path).and_then(Option::as_ref);
            let present = self.workspace.object(path, watch)?;
            if object == present.as_ref() {
                continue;
            }
            self.compare_present(path.as_bytes(), object, present.as_ref())?;
        }
        Ok(())
    }

    /// As [`Files::compare`] with what lies in the working tree, as the scan just before remembers it.
    fn compare_present(&mut self, path: &[u8], before: Option<&Object>, after: Option<&Object>) -> Result<()> {
        if before == after {
            return Ok(());
        }
        check_depth(path)?;
        let (old, new) = (before.filter(|object| object.is_directory()), after.filter(|object| object.is_directory()));
        old.map_or(Ok(()), |object| self.workspace.store.check_files(object))?;
        let tree = old.map(|object| self.workspace.store.tree_of(object)).transpose()?.unwrap_or_default();
        let lent = new.and_then(|_| self.workspace.index.block(path));
        let block = lent.as_ref().map(Lent::block);
        let [is_old_file, is_new_file] = [old.is_none(), new.is_none()];
        self.before.extend(before.filter(|_| is_old_file).map(|object| (path.to_vec(), object.clone())));
        self.after.extend(after.filter(|_| is_new_file).map(|object| (path.to_vec(), object.clone())));
        for Entry { name, object } in tree.entries() {
            let present = block.and_then(|block| block.find(name)?.object());
            self.compare_present(&join(path, name), Some(object), present.as_ref())?;
        }
        for known in block.iter().flat_map(Block::iter).filter(|known| tree.get(known.name).is_none()) {
            self.compare_present(&join(path, known.name), None, known.object().as_ref())?;
        }
        Ok(())
    }

    /// Goes down only where the digests differ.
    fn compare(&mut self, path: &[u8], before: Option<&Object>, after: Option<&Object>) -> Result<()> {
        if before == after {
            return Ok(());
        }
        if let (Some(old), Some(new)) = (before, after)
            && old.is_directory()
            && new.is_directory()
        {
            check_depth(path)?;
            let store = &self.workspace.store;
            [old, new].into_iter().try_for_each(|object| store.check_files(object))?;
            let (old, new) = (store.tree_of(old)?, store.tree_of(new)?);
            for Entry { name, object } in old.entries() {
                self.compare(&[path, b"/", name].concat(), Some(object), new.get(name))?;
            }
            for Entry { name, object } in new.entries().iter().filter(|entry| old.get(&entry.name).is_none()) {
                self.compare(&[path, b"/", name].concat(), None, Some(object))?;
            }
            return Ok(());
        }
        for object in before.into_iter().chain(after).filter(|object| object.is_directory()) {
            self.workspace.store.count_paths(object)?;
        }
        before.map_or(Ok(()), |object| flatten(self.workspace, path, object, &mut self.before))?;
        after.map_or(Ok(()), |object| flatten(self.workspace, path, object, &mut self.after))
    }
}

/// All files below an object of the store.
fn flatten(workspace: &Workspace, path: &[u8], object: &Object, files: &mut BTreeMap<Vec<u8>, Object>) -> Result<()> {
    if !object.is_directory() {
        files.insert(path.to_vec(), object.clone());
        return Ok(());
    }
    check_depth(path)?;
    for Entry { name, object } in workspace.store.tree(&object.digest)?.entries() {
        flatten(workspace, &[path, b"/", name].concat(), object, files)?;
    }
    Ok(())
}

fn summary(from: String, to: String, files: Files<'_>) -> Diff {
    let Files { before, mut after, .. } = files;
    let shown = |path: &[u8]| crate::fs::escape(path);
    let mut changes = Vec::new();
    let mut removed: Vec<(Vec<u8>, Object)> = Vec::new();
    for (path, object) in before {
        match after.remove(&path) {
            Some(new) => changes.push(Change::new(ChangeKind::Changed, shown(&path), Some(object), Some(new))),
            None => removed.push((path, object)),
        }
    }
    // What went from one name and came under another is a move; of several with the same content, the first in order.
    let mut came: HashMap<Digest, Vec<Vec<u8>>> = HashMap::new();
    for (path, object) in after.iter().rev().filter(|(_, object)| object.size > 0) {
        came.entry(object.digest).or_default().push(path.clone());
    }
    for (path, object) in removed {
        let new = came.get_mut(&object.digest).and_then(Vec::pop);
        let (kind, to) = match &new {
            Some(new) => (ChangeKind::Moved, after.remove(new)),
            None => (ChangeKind::Removed, None),
        };
        let (path, moved_from) = match new {
            Some(new) => (shown(&new), Some(shown(&path))),
            None => (shown(&path), None),
        };
        changes.push(Change { moved_from, ..Change::new(kind, path, Some(object), to) });
    }
    let added = after.into_iter();
    changes.extend(added.map(|(path, object)| Change::new(ChangeKind::Added, shown(&path), None, Some(object))));
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    let count = |kind| {
        let of_kind = changes.iter().filter(|change| change.kind == kind);
        of_kind.fold(Count::default(), |count, change| {
            let object = change.after.as_ref().or(change.before.as_ref());
            Count { files: count.files + 1, bytes: count.bytes + object.map_or(0, |object| object.size) }
        })
    };
    let [added, changed, moved, removed] =
        [ChangeKind::Added, ChangeKind::Changed, ChangeKind::Moved, ChangeKind::Removed].map(count);
    Diff { from, to, changes, added, changed, moved, removed }
}
