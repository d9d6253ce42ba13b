//! Files that are objects themselves: with [`Link::Hard`] a file of the working tree and the object are one file with two
//! names, read-only, so that a version of data takes no room and no copying, in either direction.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Statx, StatxFlags};

use super::batch::Batch;
use super::sound::Sound;
use super::{Store, cannot_write};
use crate::fs::{self, Directory, Stamp};
use crate::project::Link;
use crate::{Digest, Result};

/// Makes files of the working tree out of loose objects, many at once.
#[derive(Debug)]
pub struct Linker {
    store: Store,
    /// `None` where no object lies loose.
    objects: Option<Directory>,
    sound: Sound,
}

impl Linker {
    pub fn of(store: &Store) -> Self {
        let objects = Directory::open(&store.root.join("objects")).ok();
        Self { store: store.clone(), objects, sound: Sound::of(store) }
    }

    /// Gives an object a name in an open directory, and returns what its file looks like; `None`, and nothing made, where
    /// that can't be: the object lies in a pack, belongs to another user, or could be written to. It is read where
    /// [`Sound`] does not know it.
    ///
    /// # Errors
    /// Where the object is damaged: then what was made must be thrown away.
    pub fn link(&self, digest: &Digest, directory: impl AsFd + Copy, name: &CStr) -> Result<Option<Statx>> {
        let hex = digest.hex();
        let place = format!("{}/{}", &hex[..2], &hex[2..]);
        let link = |objects| rustix::fs::linkat(objects, place, directory, name, AtFlags::empty()).ok();
        if self.objects.as_ref().and_then(link).is_none() {
            return Ok(None);
        }
        let stat = || {
            let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
            rustix::fs::statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, wanted).map_err(io::Error::from)
        };
        let found = stat().context("cannot look at it")?;
        let is_file = FileType::from_raw_mode(found.stx_mode.into()) == FileType::RegularFile;
        if !is_file || found.stx_mode & 0o333 != 0 {
            rustix::fs::unlinkat(directory, name, AtFlags::empty())
                .map_err(io::Error::from)
                .context("cannot remove it")?;
            return Ok(None);
        }
        let stamp = Stamp::of_statx(&found);
        if !self.sound.holds(digest, &stamp) {
            let begun = SystemTime::now();
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(directory, name, flags, Mode::empty()).map_err(io::Error::from);
            self.store.check_content(digest, opened.context("cannot read it")?.into())?;
            let after = stat().context("cannot look at it")?;
            if Stamp::of_statx(&after).has_same_content(&stamp) {
                self.sound.note(*digest, stamp, begun);
            }
        }
        Ok(Some(found))
    }

    /// As [`Linker::link`], at a path where nothing lies; `false`, and nothing made, where that can't be.
    pub fn link_at(&self, digest: &Digest, path: &Path) -> Result<bool> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(false) };
        let cannot = || format!("cannot create `{}`", fs::quote(path));
        let directory = Directory::open(parent).with_context(cannot)?;
        let name = fs::c_name(name.as_bytes()).with_context(cannot)?;
        Ok(self.link(digest, &directory, &name)?.is_some())
    }

    /// Keeps what was found sound for the next time, where that can be.
    pub fn finish(self) {
        let _ = self.sound.save();
    }
}

impl Store {
    /// Whether the objects lie on the file system of this directory.
    pub fn is_on(&self, directory: impl AsFd) -> bool {
        let device = rustix::fs::fstat(directory).map(|stat| stat.st_dev);
        device.is_ok_and(|device| self.root.metadata().is_ok_and(|metadata| metadata.dev() == device))
    }

    /// Makes files that were just written from objects in packs the loose objects, for the next who wants a link. Each is a
    /// name in an open directory on the store's file system.
    ///
    /// # Errors
    /// Where the files can't be made durable, which they must be before they stand for objects.
    pub fn take_links<'a>(
        &self,
        files: impl Iterator<Item = (&'a Digest, &'a Path)>,
        directory: impl AsFd,
    ) -> Result<()> {
        let mut files = files.peekable();
        if files.peek().is_none() {
            return Ok(());
        }
        self.keep_from_gc()?;
        let mut touched = std::collections::BTreeSet::new();
        rustix::fs::syncfs(&directory).map_err(|error| cannot_write(error.into()))?;
        for (digest, name) in files {
            let path = self.path_of(digest);
            let parent = path.parent().expect("an object lies in a directory of the store");
            if !touched.contains(parent) {
                self.make_dir(parent)?;
                touched.insert(parent.to_path_buf());
            }
            // Where it can't be, the pack goes on being the only place.
            let _ = rustix::fs::linkat(&directory, name, CWD, &path, AtFlags::empty());
        }
        touched.iter().try_for_each(|directory| fs::sync_dir(directory))
    }
}

impl Batch {
    /// Whether files of the working tree may become objects.
    pub fn takes_links(&self) -> bool {
        self.store().link() == Link::Hard
    }

    /// Makes a file, open and read to its end, the object that its content is, and read-only; nothing where that object is
    /// known. `false`, and nothing changed, where that can't be: somebody could still write to it, it has other names, it is
    /// another's, a program, or on another file system. `begun` is when reading it began.
    pub fn link_file(
        &self,
        file: &File,
        directory: impl AsFd,
        name: &CStr,
        (digest, size): (Digest, u64),
        begun: SystemTime,
    ) -> Result<bool> {
        if self.has(&digest, size) {
            return Ok(true);
        }
        let Ok(before) = file.metadata() else { return Ok(false) };
        let is_ours = before.uid() == rustix::process::geteuid().as_raw();
        if !is_ours || before.nlink() != 1 || before.mode() & 0o111 != 0 || before.len() != size {
            return Ok(false);
        }
        let scratch = self.store().scratch();
        fs::create_dir_all(&scratch)?;
        let link =
            |to: &Path| -> io::Result<()> { Ok(rustix::fs::linkat(&directory, name, CWD, to, AtFlags::empty())?) };
        let Ok(link) = tempfile::Builder::new().prefix("tmp-").make_in(&scratch, link) else { return Ok(false) };
        if has_writers(file) {
            return Ok(false);
        }
        file.set_permissions(PermissionsExt::from_mode(0o444)).map_err(cannot_write)?;
        let after = link.path().symlink_metadata().map_err(cannot_write)?;
        let key = |metadata: &std::fs::Metadata| {
            (metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
        };
        if key(&after) != key(&before) || after.nlink() != 2 {
            return Ok(false);
        }
        self.keep_link((digest, size), link.into_temp_path(), Stamp::of(&after), begun);
        Ok(true)
    }
}

/// Whether a program has the file open for writing: a lease for reading is given only where none has.
fn has_writers(file: &File) -> bool {
    let lease = |kind: libc::c_int| {
        // SAFETY: a plain system call on an open descriptor.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) }
    };
    let is_given = lease(libc::F_RDLCK) == 0;
    if is_given {
        lease(libc::F_UNLCK);
        return false;
    }
    // Only this answer means writers: elsewhere leases are not to be had.
    io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)
}
