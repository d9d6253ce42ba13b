//! Reading the working tree: every file's digest, from the index where it did not change.
//!
//! A directory is opened once, listed, and its entries are looked at from there; of a file that did not change this is
//! all. A directory none of whose entries changed makes the tree that the index remembers.

use std::ffi::CStr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use rayon::prelude::*;
use rustix::fs::FileType;

use super::Workspace;
use super::index::block::{Block, Known};
use super::index::{Builder, Index, Kind, Stat, is_settled, now_ns};
use super::read::{self, Content};
use super::rules::{self, Rules};
use crate::digest::{Object, ObjectKind};
use crate::event::{Event, Unit, Watch};
use crate::fs::{Directory, Names, quote};
use crate::project::ProjectPath;
use crate::store::Batch;
use crate::store::tree::{Entry, Tree};
use crate::{Digest, Error, Result};

/// Directories may nest this deeply.
const MAXIMUM_DEPTH: usize = 500;
/// A file that goes on changing while it is read is read this often.
const ATTEMPTS: usize = 3;
/// Handing fewer names than this to other threads costs more than it brings.
const FEW_NAMES: usize = 256;

/// One pass over a path, with or without storing what is read.
pub struct Scan<'a> {
    workspace: &'a Workspace,
    batch: Option<&'a Batch>,
    watch: Watch<'a>,
    /// Whether what has no version is passed over, instead of being an error.
    is_lenient: bool,
    /// Whether what `.mlxignore` names is read as well.
    is_unruled: bool,
    /// Names the work in progress events.
    id: String,
    files_done: AtomicU64,
    /// What `.mlxignore` kept out.
    ignored: AtomicU64,
}

/// What lies under a name.
#[derive(Debug)]
enum Found {
    /// What the index has at this position of the directory's block.
    Same(usize),
    /// Something that has to be looked at more closely.
    Changed(rustix::fs::Stat),
    /// A file or link that was read, or was known under another name.
    New(Known<'static>),
    Directory(Option<Object>),
    Other,
    /// It went after it was listed, as a step at work may do: it was never there.
    Gone,
}

impl<'a> Scan<'a> {
    pub fn new(workspace: &'a Workspace, batch: Option<&'a Batch>, watch: Watch<'a>) -> Self {
        let (files_done, ignored) = Default::default();
        Self { workspace, batch, watch, is_lenient: false, is_unruled: false, id: String::new(), files_done, ignored }
    }

    /// Passes over what has no version; a directory that holds such a thing is like no tree.
    pub fn lenient(mut self) -> Self {
        self.is_lenient = true;
        self
    }

    /// Reads what is ignored, too.
    pub fn unruled(mut self) -> Self {
        self.is_unruled = true;
        self
    }

    /// How many names `.mlxignore` kept out.
    pub fn ignored(&self) -> u64 {
        self.ignored.load(Ordering::Relaxed)
    }

    pub fn object(&mut self, path: &ProjectPath) -> Result<Option<Object>> {
        let full = path.below(&self.workspace.root);
        let status = match rustix::fs::lstat(&full) {
            Ok(status) if FileType::from_raw_mode(status.st_mode) == FileType::Symlink => {
                self.check_link(path, &full)?;
                rustix::fs::stat(&full)
            }
            status => status,
        };
        let status = match status {
            Ok(status) => status,
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {
                self.index().forget(path.as_bytes());
                return Ok(None);
            }
            Err(error) => {
                return Err(std::io::Error::from(error))
                    .with_context(|| format!("cannot read `{path}`"))
                    .map_err(Into::into);
            }
        };
        if FileType::from_raw_mode(status.st_mode) != FileType::Directory {
            return self.single(path, &full, status);
        }
        self.id = format!("{} {path}", if self.batch.is_some() { "add" } else { "read" });
        let what = format!("{} `{path}`", if self.batch.is_some() { "Adding" } else { "Reading" });
        self.watch.events.emit(Event::Started { id: self.id.clone(), what, total: None, unit: Unit::Files });
        let rules = if self.is_unruled { Ok(None) } else { Rules::above(&self.workspace.root, path.as_bytes()) };
        let result = rules.and_then(|rules| self.directory(path.as_bytes(), Directory::open(&full), rules, 0));
        self.watch.events.emit(Event::Finished { id: self.id.clone() });
        let object = result?;
        if object.is_none() {
            self.index().forget(path.as_bytes());
        }
        Ok(object)
    }

    /// Refuses a link that leads out of the project.
    fn check_link(&self, path: &ProjectPath, full: &Path) -> Result<()> {
        match full.canonicalize() {
            Ok(real) if !real.starts_with(&self.workspace.root) => Err(Error::usage(format!(
                "`{path}` is a symbolic link that leads out of the project, to `{}`",
                quote(&real)
            ))
            .with_hint("copy what it leads to into the project")),
            // One that leads nowhere is as good as nothing.
            _ => Ok(()),
        }
    }

    /// A path that is a file: remembered by itself, or with the directory that it lies in.
    fn single(&self, path: &ProjectPath, full: &Path, status: rustix::fs::Stat) -> Result<Option<Object>> {
        let index = self.index();
        let own = index.block(path.as_bytes());
        let known = own.as_ref().and_then(|lent| lent.block().find(b""));
        let (parent, name) = path.parent().map_or((None, path.as_bytes()), |parent| {
            let name = &path.as_bytes()[parent.as_bytes().len() + 1..];
            (index.block(parent.as_bytes()), name)
        });
        let known = known.or_else(|| parent.as_ref().and_then(|lent| lent.block().find(name)));
        if let Some(known) = known.filter(|known| self.is_same(known, &status)) {
            return Ok(known.object());
        }
        let place = crate::fs::c_name(path.as_bytes()).with_context(|| format!("cannot read `{path}`"))?;
        let known = match self.read(&self.workspace.directory, &place, path.as_bytes(), full, status, true)? {
            Found::New(known) => known,
            Found::Other => return Ok(Some(self.unlike_any(path.as_bytes()))),
            _ => return Ok(None),
        };
        let mut builder = Builder::default();
        builder.push(&known);
        index.forget(path.as_bytes());
        index.remember(path.as_bytes(), builder, None);
        Ok(known.object())
    }

    /// The tree of a directory; `None` where it went while it was read.
    fn directory(
        &self,
        path: &[u8],
        opened: std::io::Result<Directory>,
        rules: Option<Arc<Rules>>,
        depth: usize,
    ) -> Result<Option<Object>> {
        self.watch.interrupt.check()?;
        let full = || self.workspace.full(path);
        if depth > MAXIMUM_DEPTH {
            return Err(Error::failed(format!("directories nest more than {MAXIMUM_DEPTH} deep: `{}`", quote(full()))));
        }
        let directory = match opened {
            Ok(directory) => directory,
            Err(error) if read::is_gone(&error) => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot list `{}`", quote(full()))).map_err(Into::into);
            }
        };
        let mut names = directory.names().with_context(|| format!("cannot list `{}`", quote(full())))?;
        let rules = self.rules(&directory, &names, path, rules)?;
        let lent = self.index().block(path);
        let old = lent.as_ref().map(|lent| lent.block());
        let found = self.entries(&directory, &mut names, path, old, rules.as_deref())?;
        // Not held while others are open below it: directories nest deeper than files may be open.
        drop(directory);
        let found = self.directories(found, &names, path, rules.as_ref(), depth)?;
        let Seen { object, block } = self.seen(path, &names, &found, old)?;
        for gone in old.iter().flat_map(Block::iter).filter(Known::is_directory) {
            let is_there = names.position(gone.name).is_some_and(|at| matches!(found[at], Found::Directory(Some(_))));
            if !is_there {
                self.index().forget(&join(path, gone.name));
            }
        }
        if let Some(block) = block {
            let is_tree = !found.iter().any(|found| matches!(found, Found::Other));
            self.index().remember(path, block, Some(&object).filter(|_| is_tree));
        }
        Ok(Some(object))
    }

    /// The rules that hold in a directory.
    fn rules(
        &self,
        directory: &Directory,
        names: &Names,
        path: &[u8],
        above: Option<Arc<Rules>>,
    ) -> Result<Option<Arc<Rules>>> {
        let Some(at) = names.position(rules::FILE).filter(|_| !self.is_unruled) else { return Ok(above) };
        let text = directory.file(names.get(at)).and_then(|mut file| {
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut file, &mut text).map(|_| text)
        });
        match text {
            Ok(text) => Ok(Some(Rules::parse(above, path, &text))),
            // It went, or it is a directory or a link: that says nothing.
            Err(error) if read::is_gone(&error) || error.kind() == std::io::ErrorKind::IsADirectory => Ok(above),
            Err(error) => Err(error)
                .with_context(|| format!("cannot read `{}`", quote(self.workspace.full(&join(path, rules::FILE)))))
                .map_err(Into::into),
        }
    }

    /// Looks at every name, and reads what changed; directories are left for later, ignored names are dropped.
    fn entries(
        &self,
        directory: &Directory,
        names: &mut Names,
        path: &[u8],
        old: Option<Block<'_>>,
        rules: Option<&Rules>,
    ) -> Result<Vec<Found>> {
        let look = |at: usize| self.look(directory, names.get(at), at, path, old);
        let mut found: Vec<Found> = match names.len() {
            0..FEW_NAMES => (0..names.len()).map(look).collect::<Result<_>>()?,
            count => (0..count).into_par_iter().with_min_len(FEW_NAMES).map(look).collect::<Result<_>>()?,
        };
        let is_directory = |found: &Found| matches!(found, Found::Directory(_));
        let has_leavings = || {
            let mut directories = found.iter().enumerate().filter(|(_, found)| is_directory(found));
            directories.any(|(at, _)| rules::is_left_by_programs(names.get(at).to_bytes()))
        };
        if rules.is_some() || (!self.is_unruled && has_leavings()) {
            let mut is_kept = found
                .iter()
                .enumerate()
                .map(|(at, found)| !rules::ignore(rules, &join(path, names.get(at).to_bytes()), is_directory(found)));
            let is_kept: Vec<bool> = is_kept.by_ref().collect();
            let mut kept = is_kept.iter();
            found.retain(|_| *kept.next().expect("one for each"));
            let mut kept = is_kept.iter();
            names.retain(|_| *kept.next().expect("one for each"));
            self.ignored.fetch_add(is_kept.iter().filter(|is_kept| !**is_kept).count() as u64, Ordering::Relaxed);
        }
        self.check_names(names, &mut found, path)?;
        let same = found.iter().filter(|found| matches!(found, Found::Same(_))).count() as u64;
        let read = |(at, found): (usize, &mut Found)| {
            let Found::Changed(status) = *found else { return Ok::<(), Error>(()) };
            let name = names.get(at);
            let file = join(path, name.to_bytes());
            let is_known_name =
                old.and_then(|old| old.find(name.to_bytes())).is_some_and(|k| k.stat.inode == status.st_ino);
            let moved = if is_known_name { None } else { self.moved(directory, name, &file, &status) };
            *found = match moved {
                Some(known) => Found::New(known),
                None => self.read(directory, name, &file, &self.workspace.full(&file), status, false)?,
            };
            self.count(1);
            Ok(())
        };
        match found.len() as u64 - same {
            0..2 => found.iter_mut().enumerate().try_for_each(read)?,
            _ => found.par_iter_mut().enumerate().try_for_each(read)?,
        }
        self.count(same);
        Ok(found)
    }

    /// Refuses what belongs to Git and to mlx.
    fn check_names(&self, names: &Names, found: &mut [Found], path: &[u8]) -> Result<()> {
        for name in [&b".git"[..], b".mlx"] {
            let Some(at) = names.position(name) else { continue };
            if !self.is_lenient {
                let full = self.workspace.full(&join(path, name));
                return Err(Error::usage(format!("`{}` can't be part of tracked data", quote(full)))
                    .with_hint("move it elsewhere: Git and mlx keep their own files there"));
            }
            found[at] = Found::Other;
        }
        Ok(())
    }

    /// What lies under a name, as far as its stat tells.
    fn look(
        &self,
        directory: &Directory,
        name: &CStr,
        at: usize,
        path: &[u8],
        old: Option<Block<'_>>,
    ) -> Result<Found> {
        let status = match directory.stat(name) {
            Ok(status) => status,
            Err(error) if read::is_gone(&error) => return Ok(Found::Gone),
            Err(error) => {
                let full = self.workspace.full(&join(path, name.to_bytes()));
                return Err(error).with_context(|| format!("cannot read `{}`", quote(full))).map_err(Into::into);
            }
        };
        if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
            return Ok(Found::Directory(None));
        }
        let Some(old) = old else { return Ok(Found::Changed(status)) };
        // In a directory with the names that it had, each stands where it stood.
        let position = match at < old.len() && old.get(at).name == name.to_bytes() {
            true => Some(at),
            false => old.position(name.to_bytes()).ok(),
        };
        let position = position.filter(|position| self.is_same(&old.get(*position), &status));
        Ok(position.map_or(Found::Changed(status), Found::Same))
    }

    /// Whether what is known still holds, and is in the store where it should get there.
    fn is_same(&self, known: &Known<'_>, status: &rustix::fs::Stat) -> bool {
        known.is_settled
            && (known.stat == Stat::of(status) || self.is_linked(known, status))
            && known.kind == kind(status)
            && self.batch.is_none_or(|_| self.workspace.store.size(&known.digest) == Some(known.size))
    }

    /// Whether only the time of change differs, and the file is the very object of the store: each link to that which comes
    /// or goes, in whichever project, sets that time. Nobody can write to it without setting the time of modification.
    fn is_linked(&self, known: &Known<'_>, status: &rustix::fs::Stat) -> bool {
        let stat = Stat::of(status);
        status.st_nlink > 1
            && status.st_mode & 0o222 == 0
            && (Stat { ctime_ns: known.stat.ctime_ns, ..stat }) == known.stat
            && self.workspace.store.is_file_of(&known.digest, status.st_dev, status.st_ino)
    }

    /// A file that the index knows under another name. One in a directory that was renamed has the stat that it had. One
    /// that was renamed itself has another time of change, which is then explained by the old name leading to it no more;
    /// that it is the same file, and no new one with the old one's inode, is told by the time of its birth.
    fn moved(
        &self,
        directory: &Directory,
        name: &CStr,
        path: &[u8],
        status: &rustix::fs::Stat,
    ) -> Option<Known<'static>> {
        let stat = Stat::of(status);
        let read_at = now_ns();
        let content = self.index().with_inode(stat.inode, |other, known| {
            let is_alike = known.stat.size == stat.size && known.stat.mtime_ns == stat.mtime_ns;
            let is_file = matches!(known.kind, Kind::Object(ObjectKind::File | ObjectKind::Executable));
            if !is_alike || !is_file || other == path {
                return None;
            }
            let is_here = || known.stat.ctime_ns == stat.ctime_ns || self.is_renamed(directory, name, other, known);
            let is_stored = || self.batch.is_none_or(|_| self.workspace.store.size(&known.digest) == Some(known.size));
            (is_here() && is_stored()).then_some((known.digest, known.born_ns))
        });
        let (digest, born_ns) = content?;
        let kind = kind(status);
        let is_settled = is_settled(&stat, read_at);
        Some(Known { name: b"", kind, digest, size: stat.size, files: 1, stat, born_ns, is_settled })
    }

    fn is_renamed(&self, directory: &Directory, name: &CStr, old: &[u8], known: &Known<'_>) -> bool {
        let born_ns = read::born_ns(directory, name);
        let is_born_then = known.born_ns != 0 && born_ns == known.born_ns;
        let leads_elsewhere = || {
            let old = crate::fs::c_name(old).and_then(|old| self.workspace.directory.stat(&old));
            old.is_err_and(|error| read::is_gone(&error))
        };
        is_born_then && leads_elsewhere()
    }

    /// Reads a file or a link, again where it changes meanwhile.
    fn read(
        &self,
        directory: &Directory,
        name: &CStr,
        path: &[u8],
        full: &Path,
        mut status: rustix::fs::Stat,
        is_followed: bool,
    ) -> Result<Found> {
        for _ in 0..ATTEMPTS {
            self.watch.interrupt.check()?;
            let read_at = now_ns();
            let stat = Stat::of(&status);
            let content = match FileType::from_raw_mode(status.st_mode) {
                FileType::RegularFile => read::file(directory, name, full, is_followed, &stat, self.batch)?,
                FileType::Symlink => read::link(directory, name, full, &stat, self.batch)?,
                FileType::Directory => return Ok(Found::Gone),
                _ if self.is_lenient => return Ok(Found::Other),
                other => return Err(no_version(other, full)),
            };
            if let Content::Read { digest, size, born_ns } = content {
                let is_settled = is_settled(&stat, read_at);
                let kind = kind(&status);
                return Ok(Found::New(Known { name: b"", kind, digest, size, files: 1, stat, born_ns, is_settled }));
            }
            status = match if is_followed { rustix::fs::stat(full).map_err(Into::into) } else { directory.stat(name) } {
                Ok(status) => status,
                Err(error) if read::is_gone(&error) => return Ok(Found::Gone),
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("cannot read `{}`", crate::fs::escape(path)))
                        .map_err(Into::into);
                }
            };
        }
        Err(Error::failed(format!("`{}` keeps changing while it is read", quote(full)))
            .with_hint("wait until the program that writes it is done, then run this again"))
    }

    /// Goes down into the directories that were found.
    fn directories(
        &self,
        mut found: Vec<Found>,
        names: &Names,
        path: &[u8],
        rules: Option<&Arc<Rules>>,
        depth: usize,
    ) -> Result<Vec<Found>> {
        let below: Vec<usize> = (0..found.len()).filter(|at| matches!(found[*at], Found::Directory(None))).collect();
        let scan = |at: &usize| {
            let path = join(path, names.get(*at).to_bytes());
            let object =
                self.directory(&path, self.workspace.directory.open_below(&path), rules.cloned(), depth + 1)?;
            Ok((*at, object))
        };
        let objects: Vec<(usize, Option<Object>)> = match below.len() {
            0..2 => below.iter().map(scan).collect::<Result<_>>()?,
            _ => below.par_iter().map(scan).collect::<Result<_>>()?,
        };
        for (at, object) in objects {
            found[at] = object.map_or(Found::Gone, |object| Found::Directory(Some(object)));
        }
        Ok(found)
    }

    /// The tree that was found, and what to remember where it is not what the index had.
    fn seen(&self, path: &[u8], names: &Names, found: &[Found], old: Option<Block<'_>>) -> Result<Seen> {
        if let Some(tree) = old.and_then(|old| self.unchanged(names, found, &old)) {
            return Ok(Seen { object: tree, block: None });
        }
        let mut builder = Builder::with_capacity(found.len());
        let mut entries = Vec::with_capacity(found.len());
        let mut others = Vec::new();
        for (at, found) in found.iter().enumerate() {
            let name = names.get(at).to_bytes();
            let known = match found {
                Found::Same(position) => old.expect("it is where this was found").get(*position),
                Found::New(known) => Known { name, ..*known },
                Found::Directory(Some(object)) => directory_entry(name, object),
                Found::Other => {
                    others.push(name);
                    Known { name, kind: Kind::Other, ..directory_entry(name, &self.unlike_any(b"")) }
                }
                Found::Gone | Found::Changed(_) | Found::Directory(None) => continue,
            };
            builder.push(&known);
            entries.extend(known.object().map(|object| Entry { name: name.to_vec(), object }));
        }
        let tree = Tree::new(entries);
        let object = match self.batch {
            _ if !others.is_empty() => self.unlike_any(&[path, &others.concat()].concat()),
            Some(batch) => batch.put_tree(&tree)?,
            None => tree.object(Digest::of(tree.encode())),
        };
        Ok(Seen { object, block: Some(builder) })
    }

    /// The tree of the block, if all that was found is what the block has.
    fn unchanged(&self, names: &Names, found: &[Found], old: &Block<'_>) -> Option<Object> {
        let is_same = |(at, found): (usize, &Found)| match found {
            Found::Same(position) => *position == at,
            // One that was renamed may stand where it stood.
            Found::Directory(Some(object)) => {
                let known = old.get(at);
                known.name == names.get(at).to_bytes() && known.object().as_ref() == Some(object)
            }
            _ => false,
        };
        let tree = old.tree().filter(|_| found.len() == old.len() && found.iter().enumerate().all(is_same))?;
        self.batch.is_none_or(|_| self.workspace.store.contains(&tree.digest)).then_some(tree)
    }

    /// An object that nothing else is, for what has no version.
    fn unlike_any(&self, path: &[u8]) -> Object {
        let digest = Digest::of([b"mlx: no version\0", path].concat());
        Object { kind: ObjectKind::Directory, digest, size: 0, files: 0 }
    }

    fn count(&self, files: u64) {
        if files > 0 {
            let done = self.files_done.fetch_add(files, Ordering::Relaxed) + files;
            self.watch.events.emit(Event::Progress { id: self.id.clone(), done });
        }
    }

    fn index(&self) -> &'a Index {
        &self.workspace.index
    }
}

/// What a directory was found to be.
struct Seen {
    object: Object,
    block: Option<Builder>,
}

pub fn directory_entry<'n>(name: &'n [u8], object: &Object) -> Known<'n> {
    let Object { kind, digest, size, files } = *object;
    let (stat, born_ns) = Default::default();
    Known { name, kind: Kind::Object(kind), digest, size, files, stat, born_ns, is_settled: true }
}

/// What a stat says the entry is.
fn kind(status: &rustix::fs::Stat) -> Kind {
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile if status.st_mode & 0o100 == 0 => Kind::Object(ObjectKind::File),
        FileType::RegularFile => Kind::Object(ObjectKind::Executable),
        FileType::Symlink => Kind::Object(ObjectKind::Link),
        FileType::Directory => Kind::Object(ObjectKind::Directory),
        _ => Kind::Other,
    }
}

fn no_version(kind: FileType, full: &Path) -> Error {
    let kind = match kind {
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        _ => "a device",
    };
    Error::usage(format!("`{}` is {kind}; only files, directories and links have versions", quote(full)))
        .with_hint("move it elsewhere, or name it in .mlxignore")
}

/// Refuses a listing that goes deeper than a working tree may, before it is followed further.
pub fn check_depth(path: &[u8]) -> Result<()> {
    match path.iter().filter(|byte| **byte == b'/').count() > 2 * MAXIMUM_DEPTH {
        true => Err(Error::failed(format!("directories nest too deep: `{}…`", crate::fs::escape(&path[..80])))
            .with_hint(format!("mlx keeps up to {MAXIMUM_DEPTH} levels; pack what lies deeper into an archive"))),
        false => Ok(()),
    }
}

/// A path below a directory.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    [directory, name].join(&b'/')
}
