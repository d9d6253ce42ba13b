//! A remote in a directory: on a disk, a mounted share, another file system of this machine.

use std::fs::{self, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::fs::{create_only_as, new_file_mode, open_regular, quote, sync_dir, write_atomic_as};
use crate::remote::{Body, Entry, Remote, RemoteError};
use crate::{Error, Result};

/// A directory with files and, in its own `tmp`, what is still being written.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    shown: String,
}

/// Read and written at a time.
const PIECE: usize = 1 << 20;

impl Directory {
    /// It need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        Self { shown: quote(&root), root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// On the file system of the remote, so that a rename is enough.
    fn scratch(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Makes the directories that a file at this path needs; returns the mode that it gets there.
    fn make_ready(&self, path: &Path) -> Result<u32> {
        let shared = self.shared();
        create_durably(&self.scratch(), shared)?;
        path.parent().map_or(Ok(()), |parent| create_durably(parent, shared))?;
        Ok(shared.map_or_else(new_file_mode, |mode| mode & 0o666))
    }

    /// The mode of the directory, where it was made for a group: writable for that, and handing the group down. What comes
    /// there has to be for all of them, whatever the umask of one is.
    fn shared(&self) -> Option<u32> {
        let mode = self.root.metadata().ok()?.mode() & 0o7777;
        (mode & 0o2020 == 0o2020).then_some(mode)
    }
}

impl Remote for Directory {
    fn url(&self) -> &str {
        &self.shown
    }

    fn is_there(&self) -> Result<bool> {
        Ok(self.root.is_dir())
    }

    fn list(&self, directory: &str) -> Result<Vec<Entry>> {
        let path = if directory.is_empty() { self.root.clone() } else { self.path(directory) };
        let cannot = || format!("cannot list `{}`", quote(&path));
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_absence(&error) => return Ok(Vec::new()),
            Err(error) => return Err(failed(error, &cannot())),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed(error, &cannot()))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let name = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            found.extend(self.find(&name)?);
        }
        Ok(found)
    }

    fn find(&self, name: &str) -> Result<Option<Entry>> {
        let path = self.path(name);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(entry(name, &metadata))),
            Ok(_) => Ok(None),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(failed(error, &format!("cannot look at `{}`", quote(&path)))),
        }
    }

    fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64> {
        let path = self.path(name);
        let cannot = || format!("cannot read `{}`", quote(&path));
        let mut file = match open_regular(&path) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Err(RemoteError::Missing { name: name.to_owned() }.into()),
            Err(error) => return Err(failed(error, &cannot())),
        };
        let size = file.metadata().map_err(|error| failed(error, &cannot()))?.len();
        let range = range.unwrap_or(0..size);
        if range.end > size {
            return Err(Error::failed(format!("`{}` ends after {size} of {} bytes", quote(&path), range.end)));
        }
        file.seek(SeekFrom::Start(range.start)).map_err(|error| failed(error, &cannot()))?;
        let wanted = range.end.saturating_sub(range.start);
        let mut piece = vec![0; PIECE.min(usize::try_from(wanted).unwrap_or(PIECE))];
        let mut done = 0;
        while done < wanted {
            let most = usize::try_from(wanted - done).map_or(piece.len(), |left| left.min(piece.len()));
            match file.read(&mut piece[..most]) {
                Ok(0) => return Err(Error::failed(format!("`{}` became shorter while it was read", quote(&path)))),
                Ok(read) => {
                    sink.write_all(&piece[..read]).with_context(|| format!("cannot take `{name}`"))?;
                    done += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error, &cannot())),
            }
        }
        Ok(done)
    }

    fn write(&self, name: &str, body: &Body<'_>) -> Result<()> {
        let path = self.path(name);
        let mode = self.make_ready(&path)?;
        let cannot = || format!("cannot read what is to be written as `{name}`");
        let mut source = body.content.open().with_context(cannot)?;
        write_atomic_as(&path, &self.scratch(), mode, |file| {
            let mut piece = vec![0; PIECE];
            loop {
                match source.read(&mut piece) {
                    Ok(0) => return Ok(()),
                    Ok(read) => {
                        file.write_all(&piece[..read]).map_err(|error| failed(error, "cannot write"))?;
                        (body.sent)(read as u64).context("stopped")?;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error).with_context(cannot).map_err(Into::into),
                }
            }
        })
        .map_err(denied)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let path = self.path(name);
        let mode = self.make_ready(&path)?;
        create_only_as(&path, bytes, &self.scratch(), mode).map_err(denied)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Ok(()) => path.parent().map_or(Ok(()), sync_dir),
            Err(error) if is_absence(&error) => Ok(()),
            Err(error) => Err(failed(error, &format!("cannot delete `{}`", quote(&path)))),
        }
    }
}

fn entry(name: &str, metadata: &Metadata) -> Entry {
    let (modified, changed) = ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
    let version = format!("{}.{:09}-{}.{:09}-{}", modified.0, modified.1, changed.0, changed.1, metadata.ino());
    Entry { name: name.to_owned(), size: metadata.len(), version }
}

/// A file in the place of a directory on the way holds nothing below it.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn failed(error: io::Error, what: &str) -> Error {
    denied(anyhow::Error::new(error).context(what.to_owned()).into())
}

/// The error, as a refusal where the file system refused.
fn denied(error: Error) -> Error {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            Error::from(RemoteError::Denied(error.to_string()))
                .with_hint("its owner must let you in; docs/REMOTES.md says how a directory is made for a group")
        }
        _ => error,
    }
}

/// Creates a directory and those above it, with this mode if one is given; each new name is made durable.
fn create_durably(path: &Path, mode: Option<u32>) -> Result<()> {
    let cannot = || format!("cannot create `{}`", quote(path));
    let created = match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), |parent| create_durably(parent, mode))?;
            fs::create_dir(path)
        }
        created => created,
    };
    match created {
        Ok(()) => {
            let permissions = mode.map(fs::Permissions::from_mode);
            let given = permissions.map_or(Ok(()), |permissions| fs::set_permissions(path, permissions));
            given.map_err(|error| failed(error, &cannot()))?;
            path.parent().map_or(Ok(()), sync_dir)
        }
        // It is there, or somebody else was faster.
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(failed(error, &cannot())),
    }
}
