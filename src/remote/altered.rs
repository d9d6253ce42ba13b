//! A remote for tests that does as another one does, but for what a test wants to be otherwise.

use std::fmt;
use std::io::Write;
use std::ops::Range;

use super::{Body, Entry, Remote};
use crate::Result;

type Writing<R> = dyn Fn(&R, &str, &Body<'_>) -> Result<()> + Send + Sync;
type Create<R> = dyn Fn(&R, &str, &[u8]) -> Result<bool> + Send + Sync;
type Delete<R> = dyn Fn(&R, &str) -> Result<()> + Send + Sync;

pub struct Altered<R> {
    inner: R,
    write: Box<Writing<R>>,
    create: Box<Create<R>>,
    delete: Box<Delete<R>>,
}

impl<R: Remote> Altered<R> {
    /// As that one in everything.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            write: Box::new(|inner, name, body| inner.write(name, body)),
            create: Box::new(|inner, name, bytes| inner.create(name, bytes)),
            delete: Box::new(|inner, name| inner.delete(name)),
        }
    }

    pub fn writing(self, write: impl Fn(&R, &str, &Body<'_>) -> Result<()> + Send + Sync + 'static) -> Self {
        Self { write: Box::new(write), ..self }
    }

    pub fn creating(self, create: impl Fn(&R, &str, &[u8]) -> Result<bool> + Send + Sync + 'static) -> Self {
        Self { create: Box::new(create), ..self }
    }

    pub fn deleting(self, delete: impl Fn(&R, &str) -> Result<()> + Send + Sync + 'static) -> Self {
        Self { delete: Box::new(delete), ..self }
    }
}

impl<R: Remote> fmt::Debug for Altered<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Altered").field(&self.inner).finish()
    }
}

impl<R: Remote> Remote for Altered<R> {
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
        self.inner.read(name, range, sink)
    }

    fn write(&self, name: &str, body: &Body<'_>) -> Result<()> {
        (self.write)(&self.inner, name, body)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        (self.create)(&self.inner, name, bytes)
    }

    fn delete(&self, name: &str) -> Result<()> {
        (self.delete)(&self.inner, name)
    }
}
