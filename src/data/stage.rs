//! Carrying out a restore: files are written beside the working tree, checked, and then moved to where they belong.
//!
//! A directory that is new comes as a whole, by one rename: its files are created in a directory that nobody else knows,
//! relative to it, so that each costs four calls. Because they were private until a tick of the clock after they were
//! written, whatever somebody does to them later shows in their stat, and the index may remember them without reading
//! them again.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rayon::prelude::*;
use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use tempfile::TempDir;

use super::index::block::Known;
use super::index::{Builder, Kind, Stat, TICK_NS, is_settled, now_ns};
use super::restore::{Place, Plan, Removal, Replaced, Restored, Write};
use super::{Workspace, read};
use crate::digest::{Object, ObjectKind};
use crate::event::{Event, Unit, Watch};
use crate::fs::{Directory, c_name, quote};
use crate::project::{Link, ProjectPath};
use crate::store::Linker;
use crate::store::tree::Entry;
use crate::{Digest, Error, Result};

/// So many files, or bytes, are written before they are moved to their places.
const BATCH_FILES: usize = 20_000;
const BATCH_BYTES: u64 = 1 << 30;
/// The kernel takes no longer target of a link.
const LONGEST_TARGET: usize = 4095;
/// Objects up to this size are read whole.
const WHOLE_BYTES: u64 = 1 << 20;

/// A part of the plan that is written and moved together: places by position, and which of their writes.
type Batch = Vec<(usize, std::ops::Range<usize>)>;
/// What is known of a file that was written.
type Written = Known<'static>;

impl Workspace {
    pub(super) fn carry_out(&self, path: &ProjectPath, plan: &Plan, watch: Watch<'_>) -> Result<Restored> {
        if plan.places.is_empty() && plan.removed.is_empty() {
            return Ok(Restored::default());
        }
        let all = || plan.places.iter().flat_map(|place| place.writes.iter().map(|write| place.object_of(write)));
        let (files, bytes) =
            all().fold((0, 0), |(files, bytes), object| (files + 1, object.size.saturating_add(bytes)));
        let files_removed = plan.removed.iter().filter(|removal| !removal.is_directory).count() as u64;
        let id = format!("restore {path}");
        let (what, total) = (format!("Restoring `{path}`"), Some(files));
        watch.events.emit(Event::Started { id: id.clone(), what, total, unit: Unit::Files });
        let result = Stage::new(self, path).and_then(|stage| {
            let links = self.store.link() == Link::Hard && self.store.is_on(&stage.directory);
            let links = links.then(|| Links { linker: Linker::of(&self.store), copied: Mutex::default() });
            let work = Work { workspace: self, stage, plan, watch, links, id: &id, done: AtomicU64::new(0) };
            work.run()?;
            work.links.into_iter().for_each(|links| links.linker.finish());
            Ok(())
        });
        watch.events.emit(Event::Finished { id });
        result?;
        Ok(Restored { files_written: files, bytes_written: bytes, files_removed })
    }
}

/// A directory of our own on the file system of the target.
struct Stage {
    directory: Directory,
    _place: TempDir,
}

impl Stage {
    /// In the project's scratch directory, or beside the target where that is on another file system.
    fn new(workspace: &Workspace, target: &ProjectPath) -> Result<Self> {
        let full = target.below(&workspace.root);
        let parent = full.parent().expect("a project path lies below the root");
        crate::fs::create_dir_all(parent)?;
        let stage = Self::in_directory(&workspace.scratch)?;
        let beside = Directory::open(parent).with_context(|| format!("cannot enter `{}`", quote(parent)))?;
        // The kernel compares the places before it looks for the file.
        let probe = rustix::fs::renameat(&stage.directory, "nothing", &beside, "nothing");
        let device = |directory: &Directory| rustix::fs::fstat(directory).map(|stat| stat.st_dev);
        match probe == Err(Errno::XDEV) || device(&stage.directory) != device(&beside) {
            true => Self::in_directory(parent),
            false => Ok(stage),
        }
    }

    fn in_directory(parent: &Path) -> Result<Self> {
        let place = crate::fs::temporary_dir(parent)?;
        let cannot = || format!("cannot use `{}`", quote(place.path()));
        let directory = Directory::open(place.path()).with_context(cannot)?;
        rustix::fs::mkdirat(&directory, "files", Mode::RWXU).map_err(io::Error::from).with_context(cannot)?;
        Ok(Self { directory, _place: place })
    }
}

impl Place {
    fn object_of(&self, write: &Write) -> &Object {
        &self.tree.entries()[write.entry].object
    }

    fn name_of(&self, write: &Write) -> &[u8] {
        &self.tree.entries()[write.entry].name
    }
}

struct Work<'a> {
    workspace: &'a Workspace,
    stage: Stage,
    plan: &'a Plan,
    watch: Watch<'a>,
    /// Where files and objects are to be one.
    links: Option<Links>,
    id: &'a str,
    done: AtomicU64,
}

struct Links {
    linker: Linker,
    /// The writes, by place and position, that came from packs.
    copied: Mutex<Vec<(usize, usize)>>,
}

impl Work<'_> {
    fn run(&self) -> Result<()> {
        let batches = self.batches();
        // What can be wrong with the first batch is found before anything is touched.
        let mut written = batches.first().map(|batch| self.write(batch)).transpose()?;
        self.remove()?;
        // A large directory may be spread over several batches.
        let mut parts = Vec::new();
        for batch in &batches {
            let files = match written.take() {
                Some(files) => files,
                None => self.write(batch)?,
            };
            self.publish(batch, files, &mut parts)?;
        }
        Ok(())
    }

    /// Cuts the plan into parts; a new directory stays in one part.
    fn batches(&self) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        let (mut files, mut bytes) = (usize::MAX, u64::MAX);
        for (at, place) in self.plan.places.iter().enumerate() {
            let mut start = 0;
            loop {
                if files >= BATCH_FILES || bytes >= BATCH_BYTES {
                    batches.push(Vec::new());
                    (files, bytes) = (0, 0);
                }
                let mut end = start;
                while end < place.writes.len() && (place.is_new || (files < BATCH_FILES && bytes < BATCH_BYTES)) {
                    files += 1;
                    bytes += place.object_of(&place.writes[end]).size;
                    end += 1;
                }
                // A directory costs something, too.
                files += 1;
                batches.last_mut().expect("the first turn pushes one").push((at, start..end));
                start = end;
                if end == place.writes.len() {
                    break;
                }
            }
        }
        batches
    }

    /// Writes the files of a batch into the stage: those of new directories into one with the position of the place for a
    /// name, the others side by side.
    fn write(&self, batch: &Batch) -> Result<Vec<Vec<Written>>> {
        let write = |(at, range): &(usize, std::ops::Range<usize>)| {
            let place = &self.plan.places[*at];
            let cannot = || format!("cannot write `{}`", quote(self.workspace.full(&place.path)));
            let name = if place.is_new { at.to_string() } else { "files".to_owned() };
            if place.is_new {
                let mode = Mode::from_raw_mode(0o777);
                rustix::fs::mkdirat(&self.stage.directory, name.as_str(), mode)
                    .map_err(io::Error::from)
                    .with_context(cannot)?;
            }
            let directory = self.stage.directory.open_below(name.as_bytes()).with_context(cannot)?;
            let write = |position: usize| {
                self.watch.interrupt.check()?;
                let write = &place.writes[position];
                let Entry { name, object } = &place.tree.entries()[write.entry];
                let staged = if place.is_new { name.clone() } else { format!("{at}-{position}").into_bytes() };
                let written = self.file(&directory, &staged, object, (*at, position)).map_err(|error| {
                    error.context(format!("cannot write `{}`", quote(self.workspace.full(&place.below(name)))))
                })?;
                let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
                self.watch.events.emit(Event::Progress { id: self.id.to_owned(), done });
                Ok(written)
            };
            match range.len() {
                0..64 => range.clone().map(write).collect::<Result<Vec<_>>>(),
                _ => range.clone().into_par_iter().with_min_len(64).map(write).collect(),
            }
        };
        batch.par_iter().map(write).collect()
    }

    /// Writes one file or link that is not there yet, for this write of this place.
    fn file(
        &self,
        directory: &Directory,
        name: &[u8],
        object: &Object,
        (at, position): (usize, usize),
    ) -> Result<Written> {
        let store = &self.workspace.store;
        let place = c_name(name).context("cannot create it")?;
        if object.kind == ObjectKind::Link {
            let target = store.read(&object.digest)?;
            if target.is_empty() || target.contains(&0) || target.len() > LONGEST_TARGET {
                return Err(Error::failed("it is a link to what no file system can name").with_hint(
                    "whoever made that version used another program than this; ask for the other paths by name",
                ));
            }
            rustix::fs::symlinkat(OsStr::from_bytes(&target), directory, &place)
                .map_err(io::Error::from)
                .context("cannot create it")?;
            let stat = Stat::of(&directory.stat(&place).context("cannot look at it")?);
            return Ok(known(object, stat, 0));
        }
        // A program has a mode of its own.
        let links = self.links.as_ref().filter(|_| object.kind == ObjectKind::File);
        if let Some(links) = links {
            if let Some(stat) = links.linker.link(&object.digest, directory, &place)? {
                return Ok(known(object, Stat::of_statx(&stat), read::born(&stat)));
            }
            links.copied.lock().unwrap_or_else(PoisonError::into_inner).push((at, position));
        }
        let mode = Mode::from_raw_mode(match object.kind {
            ObjectKind::Executable => 0o777,
            _ if links.is_some() => 0o444,
            _ => 0o666,
        });
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let whole = (object.size <= WHOLE_BYTES).then(|| store.read(&object.digest)).transpose()?;
        let file =
            rustix::fs::openat(directory, &place, flags, mode).map_err(io::Error::from).context("cannot create it")?;
        let mut file = File::from(file);
        match whole {
            Some(content) => file.write_all(&content).context("cannot write its content")?,
            None => store.copy_into(&object.digest, &mut file)?,
        }
        let (stat, born_ns) = read::stat_of(&file).context("cannot look at it")?;
        Ok(known(object, stat, born_ns))
    }

    /// Gives the files of a batch their places, and remembers them.
    fn publish(&self, batch: &Batch, written: Vec<Vec<Written>>, parts: &mut Vec<Written>) -> Result<()> {
        let newest = written.iter().flatten().map(|known| known.stat.ctime_ns).max();
        newest.into_iter().for_each(wait_for_next_tick);
        if let Some(links) = &self.links {
            self.take_links(links)?;
        }
        for ((at, range), mut files) in batch.iter().zip(written) {
            let place = &self.plan.places[*at];
            let now = now_ns();
            files.iter_mut().for_each(|known| known.is_settled = is_settled(&known.stat, now));
            if place.is_new {
                self.move_directory(&place.path, &at.to_string())?;
            } else {
                let directory = self.open(&place.path)?;
                let moved = range.clone().into_par_iter().zip(&mut files).with_min_len(64);
                moved.try_for_each(|(position, known)| self.move_file(&directory, place, *at, position, known))?;
            }
            parts.append(&mut files);
            if range.end == place.writes.len() {
                self.remember(place, parts);
                parts.clear();
            }
        }
        Ok(())
    }

    /// Makes the files that could not be links to objects such from now on.
    fn take_links(&self, links: &Links) -> Result<()> {
        let copied = std::mem::take(&mut *links.copied.lock().unwrap_or_else(PoisonError::into_inner));
        let file = |(at, position): (usize, usize)| {
            let place = &self.plan.places[at];
            let write = &place.writes[position];
            let staged = match place.is_new {
                true => Path::new(&at.to_string()).join(OsStr::from_bytes(place.name_of(write))),
                false => Path::new("files").join(format!("{at}-{position}")),
            };
            (&place.object_of(write).digest, staged)
        };
        let files: Vec<(&Digest, PathBuf)> = copied.into_iter().map(file).collect();
        let files = files.iter().map(|(digest, staged)| (*digest, staged.as_path()));
        self.workspace.store.take_links(files, &self.stage.directory)
    }

    fn open(&self, path: &[u8]) -> Result<Directory> {
        let root = &self.workspace.directory;
        let opened = if path.is_empty() { root.open_below(b".") } else { root.open_below(path) };
        Ok(opened.with_context(|| format!("cannot enter `{}`", quote(self.workspace.full(path))))?)
    }

    fn move_directory(&self, path: &[u8], staged: &str) -> Result<()> {
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let parent = self.open(&path[..slash.unwrap_or(0)])?;
        let name = &path[slash.map_or(0, |slash| slash + 1)..];
        rename_new(&self.stage.directory, staged.as_bytes(), &parent, name)
            .with_context(|| format!("cannot create `{}`", quote(self.workspace.full(path))))?;
        Ok(())
    }

    /// Moves a file into a directory that was there. What changed there since the plan was made is not overwritten.
    fn move_file(
        &self,
        directory: &Directory,
        place: &Place,
        at: usize,
        position: usize,
        known: &mut Written,
    ) -> Result<()> {
        let write = &place.writes[position];
        let name = place.name_of(write);
        let full = || quote(self.workspace.full(&place.below(name)));
        let cannot = || format!("cannot write `{}`", full());
        let target = c_name(name).with_context(cannot)?;
        let staged = format!("files/{at}-{position}");
        match write.replaced {
            _ if self.plan.is_forced => rename(&self.stage.directory, &staged, directory, name),
            None => rename_new(&self.stage.directory, staged.as_bytes(), directory, name),
            Some(Replaced(stat)) => {
                if directory.stat(&target).is_ok_and(|now| !is_as_it_was(&stat, &now)) {
                    return Err(changed_meanwhile(&full()));
                }
                rename(&self.stage.directory, &staged, directory, name)
            }
        }
        .with_context(cannot)?;
        // A rename is a change, but none of the content: a write from now on shows in the time of modification.
        let now = Stat::of(&directory.stat(&target).with_context(cannot)?);
        known.is_settled &= now.mtime_ns == known.stat.mtime_ns && now.inode == known.stat.inode;
        known.stat = now;
        Ok(())
    }

    /// Remembers that a place is what its tree says.
    fn remember(&self, place: &Place, files: &[Written]) {
        let index = &self.workspace.index;
        let Some(object) = &place.object else {
            for (write, known) in place.writes.iter().zip(files) {
                let path = place.below(place.name_of(write));
                let mut builder = Builder::default();
                builder.push(known);
                index.forget(&path);
                index.remember(&path, builder, None);
            }
            return;
        };
        let old = index.block(&place.path);
        let old = old.as_ref().map(|lent| lent.block());
        let mut builder = Builder::with_capacity(place.tree.entries().len());
        let mut writes = place.writes.iter().zip(files).peekable();
        let mut is_whole = true;
        for (position, Entry { name, object }) in place.tree.entries().iter().enumerate() {
            let written = writes.next_if(|(write, _)| write.entry == position).map(|(_, known)| *known);
            let there = || old.and_then(|old| old.find(name)).filter(|known| known.object().as_ref() == Some(object));
            match written {
                Some(known) => builder.push(&Known { name, ..known }),
                None if object.is_directory() => {
                    builder.push(&Known { name, ..super::scan::directory_entry(name, object) })
                }
                None => match there() {
                    Some(known) => builder.push(&known),
                    None => is_whole = false,
                },
            }
        }
        index.remember(&place.path, builder, Some(object).filter(|_| is_whole));
    }

    /// Takes away what must go, the deepest first.
    fn remove(&self) -> Result<()> {
        let full = |removal: &Removal| self.workspace.full(&removal.path);
        // A directory that goes must let go of what it holds.
        for removal in self.plan.removed.iter().filter(|removal| removal.is_directory) {
            let full = full(removal);
            let cannot = || format!("cannot remove `{}`", quote(&full));
            let mut permissions = full.symlink_metadata().with_context(cannot)?.permissions();
            if permissions.mode() & 0o200 == 0 {
                permissions.set_mode(permissions.mode() | 0o700);
                std::fs::set_permissions(&full, permissions).with_context(cannot)?;
            }
        }
        self.plan.removed.iter().try_for_each(|removal| {
            self.remove_one(removal, &full(removal))?;
            self.workspace.index.forget(&removal.path);
            Ok(())
        })
    }

    fn remove_one(&self, removal: &Removal, full: &Path) -> Result<()> {
        let cannot = || format!("cannot remove `{}`", quote(full));
        if removal.is_directory {
            return match std::fs::remove_dir(full) {
                // What is ignored stays, and so does what came since the plan was made.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
                result => Ok(result.with_context(cannot)?),
            };
        }
        let status = rustix::fs::lstat(full).map_err(io::Error::from).with_context(cannot)?;
        if !self.plan.is_forced && removal.stat.is_some_and(|stat| !is_as_it_was(&stat, &status)) {
            return Err(changed_meanwhile(&quote(full)));
        }
        let is_directory = rustix::fs::FileType::from_raw_mode(status.st_mode) == rustix::fs::FileType::Directory;
        let removed = if is_directory { std::fs::remove_dir_all(full) } else { std::fs::remove_file(full) };
        Ok(removed.with_context(cannot)?)
    }
}

fn known(object: &Object, stat: Stat, born_ns: i64) -> Written {
    let Object { kind, digest, size, files } = *object;
    Known { name: b"", kind: Kind::Object(kind), digest, size, files, stat, born_ns, is_settled: false }
}

/// Whether a file is as it was when the plan was made. Of one that is an object, too, the time of change tells nothing: each
/// name that it gets or loses sets that, also in this very restore.
fn is_as_it_was(planned: &Stat, now: &rustix::fs::Stat) -> bool {
    let stat = Stat::of(now);
    let is_object = now.st_nlink > 1 && now.st_mode & 0o222 == 0;
    stat == *planned || (is_object && Stat { ctime_ns: planned.ctime_ns, ..stat } == *planned)
}

fn changed_meanwhile(path: &str) -> Error {
    Error::failed(format!("`{path}` was changed while this was at work"))
        .with_hint("it was left as it is; run this again when nobody writes there")
}

fn rename(from: &Directory, staged: &str, to: &Directory, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::renameat(from, staged, to, OsStr::from_bytes(name))?)
}

/// Renames to a name that nothing has.
fn rename_new(from: &Directory, staged: &[u8], to: &Directory, name: &[u8]) -> io::Result<()> {
    let (staged, name) = (OsStr::from_bytes(staged), OsStr::from_bytes(name));
    match rustix::fs::renameat_with(from, staged, to, name, RenameFlags::NOREPLACE) {
        // A file system that can't promise it.
        Err(Errno::INVAL | Errno::NOSYS) => match to.stat(&c_name(name.as_bytes())?) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => Ok(rustix::fs::renameat(from, staged, to, name)?),
        },
        result => Ok(result?),
    }
}

/// Waits until a change made now would show: a clock that ticks in seconds is not waited for.
fn wait_for_next_tick(ctime_ns: i64) {
    let left = ctime_ns.saturating_add(TICK_NS + 1_000_000).saturating_sub(now_ns());
    if (1..=2 * TICK_NS).contains(&left) {
        std::thread::sleep(Duration::from_nanos(left.unsigned_abs()));
    }
}
