//! Where a version of a file is read from, as a stream.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;

use crate::data::pipe;
use crate::fs::quote;
use crate::store::Store;
use crate::{Digest, Result};

/// One version of a file.
pub enum Source {
    /// In the store; checked while it is read.
    Object { store: Store, digest: Digest },
    /// In the working tree.
    File(PathBuf),
}

/// How many bytes were read of all sources together.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream of a source's bytes.
pub type Stream = Box<dyn Read + Send>;

impl Source {
    /// A damaged object is an error at the end of the stream.
    pub fn open(self, counter: &Counter) -> Result<Stream> {
        let stream: Stream = match self {
            Self::File(path) => Box::new(File::open(&path).with_context(|| format!("cannot read `{}`", quote(&path)))?),
            Self::Object { store, digest } => Box::new(pull(store, digest)?),
        };
        Ok(Box::new(Counted { stream, counter: counter.clone() }))
    }
}

struct Counted {
    stream: Stream,
    counter: Counter,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.counter.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The store writes objects; a thread turns that into a reader. It ends when the reader is dropped.
fn pull(store: Store, digest: Digest) -> Result<pipe::Stream> {
    let (mut sink, stream) = pipe::pipe();
    let copy = move || {
        if let Err(error) = store.copy_to(&digest, &mut sink) {
            sink.fail(io::Error::other(error.to_string()));
        }
    };
    std::thread::Builder::new().name("read object".into()).spawn(copy).context("cannot start a thread")?;
    Ok(stream)
}
