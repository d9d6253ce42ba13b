//! Objects as files of the working tree or of a release.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;

use super::batch::SMALL_BYTES;
use super::large::{self, Reader, Sparse};
use super::{Content, Store, is_right};
use crate::digest;
use crate::fs::{self, Way, quote};
use crate::project::Link;
use crate::{Digest, Result};

impl Store {
    /// Puts the content of an object at `path`, checked, as a new file: what lies there is replaced at once or, on an
    /// error, stays. The temporary file lies in `scratch`, or beside `path` where that is on another file system. Returns
    /// the number of bytes.
    ///
    /// With [`Link::Hard`] the file is the loose object itself, read-only, where that is possible: it is not when the
    /// object lies in a pack, belongs to another user, or is a program, whose mode is its own.
    pub fn export(&self, digest: &Digest, path: &Path, is_executable: bool, scratch: &Path, link: Link) -> Result<u64> {
        if link == Link::Hard
            && !is_executable
            && let Some(size) = self.hard_link(digest, path, scratch)?
        {
            return Ok(size);
        }
        let cannot = || format!("cannot write `{}`", quote(path));
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mode = if is_executable { 0o777 } else { 0o666 } & !fs::umask();
        let mut scratch = scratch;
        loop {
            let mut temporary = fs::temporary_file(scratch)?;
            let size = self.clone_or_copy(digest, temporary.as_file_mut()).map_err(|error| error.context(cannot()))?;
            temporary.as_file().set_permissions(PermissionsExt::from_mode(mode)).with_context(cannot)?;
            match temporary.persist(path) {
                Ok(_) => return Ok(size),
                Err(error) if error.error.kind() == io::ErrorKind::CrossesDevices && scratch != parent => {
                    scratch = parent
                }
                Err(error) => return Err(error.error).with_context(cannot).map_err(Into::into),
            }
        }
    }

    /// Makes `path` another name of a loose object; `None`, and nothing changed, where that can't be.
    fn hard_link(&self, digest: &Digest, path: &Path, scratch: &Path) -> Result<Option<u64>> {
        let Content::Loose(object) = self.open_object(digest)? else { return Ok(None) };
        if is_writable(&object) {
            return Ok(None);
        }
        fs::create_dir_all(scratch)?;
        let source = self.path_of(digest);
        let link = tempfile::Builder::new().prefix("tmp-").make_in(scratch, |name| std::fs::hard_link(&source, name));
        let Ok(link) = link else { return Ok(None) };
        let size = self.check_content(digest, object)?;
        // Not `persist`: where `path` is this very file already, the rename does nothing and the temporary name stays,
        // until it is dropped.
        match std::fs::rename(link.path(), path) {
            Ok(()) => Ok(Some(size)),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot write `{}`", quote(path))).map_err(Into::into),
        }
    }

    /// Whether the loose object is this very file.
    pub fn is_file_of(&self, digest: &Digest, device: u64, inode: u64) -> bool {
        use std::os::unix::fs::MetadataExt;
        let metadata = self.path_of(digest).symlink_metadata();
        metadata.is_ok_and(|metadata| metadata.is_file() && (metadata.dev(), metadata.ino()) == (device, inode))
    }

    /// Writes the content of an object, checked, to an empty file: an error means that the file must be thrown away.
    pub fn copy_into(&self, digest: &Digest, to: &mut File) -> Result<()> {
        self.clone_or_copy(digest, to).map(drop)
    }

    /// Shares the blocks where the file system can, else copies; the content is checked either way.
    fn clone_or_copy(&self, digest: &Digest, to: &mut File) -> Result<u64> {
        let Content::Loose(object) = self.open_object(digest)? else { return self.copy_to(digest, to) };
        if rustix::fs::ioctl_ficlone(&*to, &object).is_ok() {
            return self.check_content(digest, object);
        }
        if object.metadata().is_ok_and(|metadata| metadata.len() <= SMALL_BYTES as u64) {
            return self.copy_to(digest, to);
        }
        let copied = match Sparse::of(&object) {
            Some(source) => large::copy(source, to, Way::cached(), "cannot read an object of the store"),
            None => large::copy(Reader(&object), to, Way::cached(), "cannot read an object of the store"),
        };
        is_right(digest, copied?)
    }

    pub(super) fn check_content(&self, digest: &Digest, object: File) -> Result<u64> {
        is_right(digest, digest::of_reader(object).with_context(|| format!("cannot read object {digest}"))?)
    }
}

/// Whether somebody could write through a link, and so change the object.
fn is_writable(object: &File) -> bool {
    object.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o333 != 0)
}
