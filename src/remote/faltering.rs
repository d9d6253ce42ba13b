//! A remote for tests: a directory that fails when it is told to, and whose files go while they are read.

use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::backend::Directory;
use super::{Body, Entry, Remote, RemoteError};
use crate::{Error, Result};

#[derive(Debug)]
pub struct Faltering {
    pub inner: Directory,
    /// So many more writes and deletions happen; those behind them fail.
    pub left: AtomicUsize,
    /// Whether nobody may delete.
    pub is_lasting: bool,
    /// Files that are all taken away when one of them is to be read.
    pub going: Mutex<Vec<String>>,
}

impl Faltering {
    pub fn new(root: &Path) -> Self {
        let inner = Directory::new(root.to_path_buf());
        Self { inner, left: AtomicUsize::new(usize::MAX), is_lasting: false, going: Mutex::default() }
    }

    fn step(&self) -> Result<()> {
        let take = |left: usize| if left == usize::MAX { Some(left) } else { left.checked_sub(1) };
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::failed("the power is out")),
        }
    }
}

impl Remote for Faltering {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn list(&self, directory: &str) -> Result<Vec<Entry>> {
        self.inner.list(directory)
    }

    fn find(&self, name: &str) -> Result<Option<Entry>> {
        self.inner.find(name)
    }

    fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64> {
        let mut going = self.going.lock().unwrap_or_else(PoisonError::into_inner);
        if going.iter().any(|other| other == name) {
            going.drain(..).try_for_each(|name| self.inner.delete(&name))?;
        }
        drop(going);
        self.inner.read(name, range, sink)
    }

    fn write(&self, name: &str, body: &Body<'_>) -> Result<()> {
        self.step()?;
        self.inner.write(name, body)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        self.inner.create(name, bytes)
    }

    fn delete(&self, name: &str) -> Result<()> {
        if self.is_lasting {
            return Err(RemoteError::Denied("`DeleteObject`".into()).into());
        }
        self.step()?;
        self.inner.delete(name)
    }
}
