//! Remotes: other places that hold objects and records, spoken to as they are. Nothing of ours runs there.
//!
//! A back-end is what a place can do with files: list, find, read, write, create, delete. What the files mean stands
//! above: packs of objects and records, laid out as in the local store.

pub mod access;
pub mod backend;
pub mod location;
mod open;
pub mod probe;
pub mod retry;

#[cfg(test)]
mod altered;
mod assemble;
mod audit;
mod catalog;
mod chunks;
mod closure;
#[cfg(test)]
mod faltering;
mod fetch;
mod fold;
mod layout;
pub mod ledger;
mod memory;
mod parts;
mod push;
mod receive;
pub mod records;
mod repack;
mod send;
mod workers;

use std::io::{self, Read, Seek, Write};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

pub use self::access::Access;
pub use self::audit::{DamagedPack, RemoteVerified};
pub use self::catalog::Catalog;
pub use self::chunks::{NotARecipe, Recipe};
pub use self::fetch::{Fetched, Lack};
pub use self::memory::Remembered;
pub use self::open::{address_of, default_name, of_project, open, open_with, url_of};
pub use self::push::Pushed;

use crate::event::Watch;
use crate::store::Store;
use crate::{Error, Kind, Result};

/// Moves objects between a local store and a remote.
#[derive(Clone, Copy)]
pub struct Transfer<'a> {
    pub remote: &'a dyn Remote,
    pub store: &'a Store,
    /// The directory of what is remembered of remotes: `.mlx/remotes`.
    pub memory: &'a Path,
    /// How many files are sent or received at once.
    pub jobs: usize,
    pub watch: Watch<'a>,
}

/// A place that holds files by name; names are relative, their parts joined by `/`.
///
/// A method is one attempt; trying again stands above all back-ends, in one place. May be used from many threads.
pub trait Remote: std::fmt::Debug + Send + Sync {
    /// Where it is, for people: without credentials.
    fn url(&self) -> &str;

    /// Whether the place itself is there; `true` where that can't be told from one in which nothing lies yet.
    fn is_there(&self) -> Result<bool> {
        Ok(true)
    }

    /// The files directly in a directory, in any order; none where there is no such directory. Files that are still being
    /// written are not among them.
    ///
    /// # Errors
    /// [`RemoteError::Unsupported`] where the place can't tell, such as a plain HTTP server.
    fn list(&self, directory: &str) -> Result<Vec<Entry>>;

    /// What can be told of one file without reading it; `None` where there is none.
    fn find(&self, name: &str) -> Result<Option<Entry>>;

    /// Writes the content of a file, or this range of its bytes, to `sink` as it comes; memory is bounded. Returns how many
    /// bytes were written.
    ///
    /// # Errors
    /// [`RemoteError::Missing`] where there is no such file. A body that is shorter or longer than what was asked for or
    /// announced is an error. A failing sink gives its own error, untouched and not worth another attempt.
    fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64>;

    /// Writes a file whole or not at all, in place of what was there; directories on the way come by themselves.
    fn write(&self, name: &str, body: &Body<'_>) -> Result<()>;

    /// Writes a file unless the name is taken; returns whether it did. Of several writers at once, exactly one gets `true`.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool>;

    /// Whether that holds of those, too, who do it at the same moment; not where the place looks first and then writes.
    fn creates_atomically(&self) -> bool {
        true
    }

    /// Deletes a file; one that is not there is fine.
    fn delete(&self, name: &str) -> Result<()>;

    /// A small file whole, and what [`Remote::swap`] knows this state of it by; `None` where there is none.
    ///
    /// # Errors
    /// [`RemoteError::Unsupported`] where the place can't tell one state from another.
    fn read_state(&self, _name: &str) -> Result<Option<State>> {
        Err(RemoteError::Unsupported("tell one state of a file from another").into())
    }

    /// Replaces a small file that is still in this state, or creates one that is still missing. Returns whether it did. In
    /// one step where the place can do that; a WebDAV server that takes no conditions, such as nginx, is asked right before.
    fn swap(&self, name: &str, seen: Option<&State>, bytes: &[u8]) -> Result<bool> {
        match seen {
            None => self.create(name, bytes),
            Some(_) => Err(RemoteError::Unsupported("replace a file in one step").into()),
        }
    }
}

/// A small file as it was at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub bytes: Vec<u8>,
    /// The place's own word for it.
    pub tag: String,
}

/// A small file has at most so many bytes.
const LARGEST_STATE: usize = 16 << 20;

/// A whole small file; `None` where there is none.
pub fn read_small(remote: &dyn Remote, name: &str) -> Result<Option<Vec<u8>>> {
    let mut bytes = Small(Vec::new());
    match remote.read(name, None, &mut bytes) {
        Ok(_) => Ok(Some(bytes.0)),
        Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Missing { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes a file that is small, and no other.
struct Small(Vec<u8>);

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LARGEST_STATE {
            return Err(io::Error::other("it is too large to be what it should be"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file of a remote, as a listing tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The full name, from the root of the remote.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// What is another whenever the file was written again, as well as the place can tell: an ETag, or times and inode.
    /// A listing and [`Remote::find`] may tell it differently.
    pub version: String,
}

/// One place may be held by several.
impl<R: Remote + ?Sized> Remote for std::sync::Arc<R> {
    fn url(&self) -> &str {
        (**self).url()
    }

    fn is_there(&self) -> Result<bool> {
        (**self).is_there()
    }

    fn creates_atomically(&self) -> bool {
        (**self).creates_atomically()
    }

    fn list(&self, directory: &str) -> Result<Vec<Entry>> {
        (**self).list(directory)
    }

    fn find(&self, name: &str) -> Result<Option<Entry>> {
        (**self).find(name)
    }

    fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64> {
        (**self).read(name, range, sink)
    }

    fn write(&self, name: &str, body: &Body<'_>) -> Result<()> {
        (**self).write(name, body)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        (**self).create(name, bytes)
    }

    fn delete(&self, name: &str) -> Result<()> {
        (**self).delete(name)
    }

    fn read_state(&self, name: &str) -> Result<Option<State>> {
        (**self).read_state(name)
    }

    fn swap(&self, name: &str, seen: Option<&State>, bytes: &[u8]) -> Result<bool> {
        (**self).swap(name, seen, bytes)
    }
}

/// What is written: bytes, or a file or a part of one from its beginning to its end.
pub struct Body<'a> {
    pub content: Content<'a>,
    /// Told how many bytes were sent since it was called last; an error of its ends the attempt.
    pub sent: &'a (dyn Fn(u64) -> io::Result<()> + Sync),
}

/// Can be opened as often as attempts are made.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    Bytes(&'a [u8]),
    File(&'a Path),
    /// So many bytes of a file, from this place on.
    Part {
        file: &'a Path,
        start: u64,
        size: u64,
    },
}

impl Content<'_> {
    /// Its size in bytes.
    pub fn size(&self) -> io::Result<u64> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
            Self::File(path) => Ok(path.metadata()?.len()),
            Self::Part { size, .. } => Ok(*size),
        }
    }

    /// A new reader of it, from the beginning.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        match self {
            Self::Bytes(bytes) => Ok(Box::new(*bytes)),
            Self::File(path) => Ok(Box::new(crate::fs::open_regular(path)?)),
            Self::Part { file, start, size } => {
                let mut file = crate::fs::open_regular(file)?;
                file.seek(io::SeekFrom::Start(*start))?;
                Ok(Box::new(file.take(*size)))
            }
        }
    }
}

/// What callers and the retry choose by; everything else that goes wrong is for people only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    #[error("`{name}` is not on the remote")]
    Missing { name: String },
    #[error("access denied: {0}")]
    Denied(String),
    /// Worth another attempt: a cut connection, an overloaded server, a body that was cut off.
    #[error("{0}")]
    Transient(String),
    /// As before, but the other side said when to come again.
    #[error("{message}")]
    Busy { message: String, after: Duration },
    #[error("this remote can't {0}")]
    Unsupported(&'static str),
}

/// Whether an error is about one file, so that others may be read all the same: not about a network, permissions or a wish
/// to stop.
fn is_of_one_file(error: &Error) -> bool {
    let place = |error: &RemoteError| !matches!(error, RemoteError::Missing { .. });
    error.kind() == Kind::Failed && !error.downcast_ref().is_some_and(place) && !retry::is_transient(error)
}

/// Whether an error says that a file is not there.
fn is_missing(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(RemoteError::Missing { .. }))
}

/// Whether an error says that the place lets nobody do this.
fn is_forbidden(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(RemoteError::Denied(_) | RemoteError::Unsupported(_)))
}

impl From<RemoteError> for Error {
    fn from(error: RemoteError) -> Self {
        Error::new(Kind::Failed, error)
    }
}
