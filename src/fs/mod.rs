//! Files as mlx writes them: atomically, durably, under locks; and file names as text.

mod direct;
mod directory;
mod lock;
mod name;
mod regular;
mod stamp;

pub use direct::{BlockWriter, Buffer, Way};
pub use directory::{Directory, Names, c_name};
pub use lock::{FileLock, Holder};
pub use name::{escape, quote, unescape};
pub use regular::{open_regular, refuse_irregular};
pub use stamp::Stamp;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::{NamedTempFile, TempDir};

use crate::{Error, Result};

/// Replaces or creates `path` with these bytes: all of them or, after a kill or a power cut, none.
///
/// The temporary file lies in `scratch`, which must be on the file system of `path`. An existing file keeps its
/// permissions.
pub fn write_atomic(path: &Path, bytes: &[u8], scratch: &Path) -> Result<()> {
    write_atomic_with(path, scratch, |file| file.write_all(bytes))
}

/// As [`write_atomic`], with a function that writes the content.
pub fn write_atomic_with(
    path: &Path,
    scratch: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let cannot = || format!("cannot write `{}`", quote(path));
    write_atomic_checked(path, scratch, |file| Ok(write(file).with_context(cannot)?))
}

/// As [`write_atomic_with`], for content that may turn out to be wrong while it is written.
pub fn write_atomic_checked(
    path: &Path,
    scratch: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    write_atomic_as(path, scratch, new_file_mode(), write)
}

/// As [`write_atomic_checked`]; a file that is new gets this mode.
pub fn write_atomic_as(
    path: &Path,
    scratch: &Path,
    mode: u32,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let cannot = || format!("cannot write `{}`", quote(path));
    // A rename would put a file in the place of `/dev/null` as well.
    if fs::metadata(path).is_ok_and(|existing| !existing.is_file()) {
        return Err(Error::failed(format!("`{}` is there and is no regular file", quote(path)))
            .context(cannot())
            .with_hint("name another place, or move away what lies there"));
    }
    // Through the cache: much of it, as a bundle, is read again at once.
    let mut blocks = BlockWriter::new(temporary_file(scratch)?, 1 << 16, Way::cached());
    write(&mut blocks)?;
    let temporary = blocks.finish().with_context(cannot)?;
    let permissions = match fs::metadata(path) {
        Ok(existing) => existing.permissions(),
        Err(_) => std::os::unix::fs::PermissionsExt::from_mode(mode),
    };
    temporary.as_file().set_permissions(permissions).with_context(cannot)?;
    temporary.as_file().sync_data().with_context(cannot)?;
    temporary.persist(path).map_err(|error| error.error).with_context(cannot)?;
    sync_parent(path)
}

/// Replaces or creates a file that can be made again: whole or not at all after a kill, but not synced.
pub fn replace(path: &Path, scratch: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let cannot = || format!("cannot write `{}`", quote(path));
    let mut temporary = temporary_file(scratch)?;
    let mut buffered = io::BufWriter::with_capacity(1 << 16, temporary.as_file_mut());
    write(&mut buffered).and_then(|()| buffered.flush()).with_context(cannot)?;
    drop(buffered);
    temporary.persist(path).map_err(|error| error.error).with_context(cannot)?;
    Ok(())
}

/// Creates `path` with these bytes unless something lies there already. Returns whether it did.
///
/// Of several processes that call this at once, exactly one gets `true`.
pub fn create_only(path: &Path, bytes: &[u8], scratch: &Path) -> Result<bool> {
    create_only_as(path, bytes, scratch, new_file_mode())
}

/// As [`create_only`], with this mode.
pub fn create_only_as(path: &Path, bytes: &[u8], scratch: &Path, mode: u32) -> Result<bool> {
    let cannot = || format!("cannot create `{}`", quote(path));
    let mut temporary = temporary_file(scratch)?;
    temporary.write_all(bytes).with_context(cannot)?;
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    temporary.as_file().set_permissions(permissions).with_context(cannot)?;
    temporary.as_file().sync_data().with_context(cannot)?;
    match fs::hard_link(temporary.path(), path) {
        Ok(()) => sync_parent(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(cannot).map_err(Into::into),
    }
}

/// Tells the disk to begin with what was written; that it is done is for the sync to wait for.
pub fn begin_writing(file: &File, from: u64, to: u64) {
    let (offset, length) = (from.cast_signed(), (to - from).cast_signed());
    // SAFETY: a plain system call on an open descriptor; a failure only makes the sync take longer.
    unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, libc::SYNC_FILE_RANGE_WRITE) };
}

/// Lets this process have up to so many files open, as far as the system allows; its usual first limit is a thousand.
pub fn allow_open_files(most: u64) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(most, |maximum| maximum.min(most));
    if limit.current.is_some_and(|current| current < wanted) {
        // With fewer, most of the work is done all the same.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
    }
}

/// A new empty file in `scratch`, which is created where it is missing; it goes when dropped.
pub fn temporary_file(scratch: &Path) -> Result<NamedTempFile> {
    create_dir_all(scratch)?;
    let file = tempfile::Builder::new()
        .prefix("tmp-")
        .tempfile_in(scratch)
        .with_context(|| format!("cannot create a temporary file in `{}`", quote(scratch)))?;
    Ok(file)
}

/// A new empty directory in `scratch`, which is created where it is missing; it goes when dropped.
pub fn temporary_dir(scratch: &Path) -> Result<TempDir> {
    create_dir_all(scratch)?;
    let dir = tempfile::Builder::new()
        .prefix("tmp-")
        .tempdir_in(scratch)
        .with_context(|| format!("cannot create a temporary directory in `{}`", quote(scratch)))?;
    Ok(dir)
}

/// Creates a directory and those above it.
pub fn create_dir_all(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create the directory `{}`", quote(path)))?;
    Ok(())
}

/// Reads a whole regular file; anything else in its place is an error.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = regular::read(path).with_context(|| format!("cannot read `{}`", quote(path)))?;
    Ok(bytes)
}

/// Reads a whole regular file, or `None` where there is none, as below what is no directory.
pub fn read_optional(path: &Path) -> Result<Option<Vec<u8>>> {
    optional(path, regular::read(path))
}

/// As [`read_optional`], for a file that people name themselves: it may be a pipe, and is waited for.
pub fn read_stream(path: &Path) -> Result<Option<Vec<u8>>> {
    optional(path, fs::read(path))
}

fn optional(path: &Path, read: io::Result<Vec<u8>>) -> Result<Option<Vec<u8>>> {
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", quote(path))).map_err(Into::into),
    }
}

/// Makes the entries of a directory durable.
pub fn sync_dir(path: &Path) -> Result<()> {
    let directory = File::open(path).with_context(|| format!("cannot open `{}`", quote(path)))?;
    directory.sync_all().with_context(|| format!("cannot sync `{}`", quote(path)))?;
    Ok(())
}

fn sync_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), |parent| sync_dir(if parent.as_os_str().is_empty() { Path::new(".") } else { parent }))
}

/// Removes what [`temporary_file`] and [`temporary_dir`] of killed processes left in `scratch` more than `age` ago.
/// Returns how many.
pub fn sweep(scratch: &Path, age: std::time::Duration) -> Result<u64> {
    let Ok(entries) = fs::read_dir(scratch) else { return Ok(0) };
    let mut removed = 0;
    for entry in entries.filter_map(io::Result::ok) {
        let is_ours = entry.file_name().to_string_lossy().starts_with("tmp-");
        let metadata = entry.metadata().ok().filter(|_| is_ours);
        let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
        if modified.and_then(|time| time.elapsed().ok()).is_none_or(|elapsed| elapsed < age) {
            continue;
        }
        let is_directory = metadata.is_some_and(|metadata| metadata.is_dir());
        let gone = if is_directory { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        removed += u64::from(gone.is_ok());
    }
    Ok(removed)
}

/// The mode of a new file, as the umask leaves it.
pub fn new_file_mode() -> u32 {
    0o666 & !umask()
}

/// The process's file mode creation mask, read without changing it.
pub fn umask() -> u32 {
    static MASK: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *MASK.get_or_init(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_file_and_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let (path, scratch) = (dir.path().join("file"), dir.path().join("scratch"));
        write_atomic(&path, b"before", &scratch).unwrap();

        write_atomic_with(&path, &scratch, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        })
        .unwrap_err();

        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
    }

    #[test]
    fn only_the_first_creates() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");

        assert!(create_only(&path, b"first", dir.path()).unwrap());
        assert!(!create_only(&path, b"second", dir.path()).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"first");
    }
}
