//! Locks between processes: `flock` on a file, with the holder written inside for the message.
//!
//! The kernel releases the lock when the process ends, however it ends; what is written inside is never trusted.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::regular::{WITHOUT_WAITING, open_regular, refuse_irregular};
use super::{create_dir_all, quote};
use crate::{Error, Result};

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

/// Who holds a lock, as its file says: `mlx train (process 4711)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(pub String);

impl FileLock {
    /// Takes the lock for `owner`, or says who holds it.
    pub fn try_exclusive(path: &Path, owner: &str) -> Result<Result<Self, Holder>> {
        let mut file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive, path)? {
            true => {
                write_owner(&mut file, owner);
                Ok(Ok(Self { file }))
            }
            false => Ok(Err(holder(&mut file))),
        }
    }

    /// Takes the lock for `owner`; calls `waiting` once, with the holder, when it has to wait.
    pub fn exclusive(path: &Path, owner: &str, waiting: impl FnOnce(&Holder)) -> Result<Self> {
        match Self::try_exclusive(path, owner)? {
            Ok(lock) => Ok(lock),
            Err(holder) => {
                waiting(&holder);
                let mut file = open(path)?;
                flock(&file, FlockOperation::LockExclusive, path)?;
                write_owner(&mut file, owner);
                Ok(Self { file })
            }
        }
    }

    /// As [`FileLock::exclusive`], but asks `go_on` several times a second while it waits, and stops with its error.
    pub fn exclusive_while(
        path: &Path,
        owner: &str,
        waiting: impl FnOnce(&Holder),
        go_on: impl Fn() -> Result<()>,
    ) -> Result<Self> {
        let mut waiting = Some(waiting);
        loop {
            match Self::try_exclusive(path, owner)? {
                Ok(lock) => return Ok(lock),
                Err(holder) => waiting.take().into_iter().for_each(|waiting| waiting(&holder)),
            }
            go_on()?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether somebody holds the lock alone. Where the file is missing, nobody does.
    pub fn is_held(path: &Path) -> Result<bool> {
        match open_regular(path) {
            Ok(file) => flock(&file, FlockOperation::NonBlockingLockShared, path).map(|free| !free),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => {
                Err(error).with_context(|| format!("cannot open the lock `{}`", quote(path))).map_err(Into::into)
            }
        }
    }

    /// Takes the lock together with others that share it; waits while somebody holds it alone. Who may only read its file
    /// can share it, too.
    pub fn shared(path: &Path) -> Result<Self> {
        let file = open_regular(path).map_or_else(|_| open(path), Ok)?;
        flock(&file, FlockOperation::LockShared, path)?;
        Ok(Self { file })
    }

    /// Takes the lock together with others that share it, or says that somebody holds it alone.
    pub fn try_shared(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        Ok(flock(&file, FlockOperation::NonBlockingLockShared, path)?.then_some(Self { file }))
    }

    /// Takes the lock alone where nobody has it at all, and writes nothing inside, so that its time stays.
    pub fn try_alone(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        Ok(flock(&file, FlockOperation::NonBlockingLockExclusive, path)?.then_some(Self { file }))
    }

    /// Sets the time of the lock's file to now, for who asks when it was held last.
    pub fn touch(&self) {
        let _ = self.file.set_modified(std::time::SystemTime::now());
    }

    /// Lets the program that takes the place of this one (`exec`) hold the lock until it ends.
    pub fn survive_exec(&self) -> Result<()> {
        rustix::io::fcntl_setfd(&self.file, rustix::io::FdFlags::empty()).context("cannot pass a lock on")?;
        Ok(())
    }
}

/// Says it to the kernel: closing alone would leave the lock with a child that another thread is just starting, which has
/// every open file until it runs its program.
impl Drop for FileLock {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

fn open(path: &Path) -> Result<File> {
    path.parent().map_or(Ok(()), create_dir_all)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(WITHOUT_WAITING)
        .open(path)
        .and_then(|file| refuse_irregular(&file).map(|()| file))
        .with_context(|| format!("cannot open the lock `{}`", quote(path)))?;
    Ok(file)
}

/// Whether the lock was taken; `false` only without waiting.
fn flock(file: &File, operation: FlockOperation, path: &Path) -> Result<bool> {
    loop {
        match rustix::fs::flock(file, operation) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(error) => return Err(Error::failed(format!("cannot lock `{}`: {error}", quote(path)))),
        }
    }
}

/// For the message only, so that a failure to write it is none.
fn write_owner(file: &mut File, owner: &str) {
    let text = format!("{owner} (process {})\n", std::process::id());
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
}

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let mut read = || file.rewind().and_then(|()| file.take(1000).read_to_string(&mut text));
    if let Ok(0) = read() {
        // Who took it in this moment has yet to write the name; nothing tells when that is done.
        std::thread::sleep(Duration::from_millis(20));
        let _ = read();
    }
    Holder(if text.trim().is_empty() { "another process".into() } else { text.trim().into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_learns_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks/train");
        let lock = FileLock::try_exclusive(&path, "mlx train").unwrap().unwrap();

        let holder = FileLock::try_exclusive(&path, "mlx gc").unwrap().unwrap_err();
        let was_held = FileLock::is_held(&path).unwrap();
        drop(lock);

        assert!(was_held && !FileLock::is_held(&path).unwrap());
        assert_eq!(holder, Holder(format!("mlx train (process {})", std::process::id())));
        FileLock::try_exclusive(&path, "mlx gc").unwrap().unwrap();
    }

    #[test]
    fn who_waits_may_give_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let _lock = FileLock::try_exclusive(&path, "mlx train").unwrap().unwrap();
        let mut heard = 0;

        let error = FileLock::exclusive_while(&path, "mlx", |_| heard += 1, || Err(Error::interrupted())).unwrap_err();

        assert_eq!((error.kind(), heard), (crate::Kind::Interrupted, 1));
    }
}
