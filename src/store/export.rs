//! Objects as files of the working tree or of a release.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;

use super::{Content, Store, damaged};
use crate::digest;
use crate::fs::{self, quote};
use crate::{Digest, Result};

impl Store {
    /// Puts the content of an object at `path`, checked, as a new file: what lies there is replaced at once or, on an
    /// error, stays. The temporary file lies in `scratch`, or beside `path` where that is on another file system. Returns
    /// the number of bytes.
    pub fn export(&self, digest: &Digest, path: &Path, is_executable: bool, scratch: &Path) -> Result<u64> {
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

    /// Shares the blocks where the file system can, else copies; the content is checked either way.
    fn clone_or_copy(&self, digest: &Digest, to: &mut File) -> Result<u64> {
        let Content::Loose(object) = self.open_object(digest)? else { return self.copy_to(digest, to) };
        if rustix::fs::ioctl_ficlone(&*to, &object).is_err() {
            return self.copy_to(digest, to);
        }
        match digest::of_reader(object).with_context(|| format!("cannot read object {digest}"))? {
            (found, size) if found == *digest => Ok(size),
            (found, _) => Err(damaged(digest, format!("its content hashes to {found}"))),
        }
    }
}
