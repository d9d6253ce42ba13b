//! Files that are objects themselves: with [`Link::Hard`] a file of the working tree and the object are one file with two
//! names, read-only, so that a version of data takes no room and no copying, in either direction.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD};

use super::batch::Batch;
use super::{Store, cannot_write};
use crate::fs;
use crate::project::Link;
use crate::{Digest, Result};

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
            // Where it can't be, the pack goes on being the only place; most are there already.
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
    /// another's, a program, or on another file system.
    pub fn link_file(&self, file: &File, directory: impl AsFd, name: &CStr, digest: Digest, size: u64) -> Result<bool> {
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
        self.keep_link(digest, size, link.into_temp_path());
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
