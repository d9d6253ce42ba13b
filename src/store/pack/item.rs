//! An object on the way into a pack: compressed where that pays.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Kind;
use crate::Digest;

/// Little is gained below this size.
const SMALLEST: usize = 128;
/// Zstandard's level: 1 and above, the higher the slower.
const LEVEL: i32 = 1;
/// After so many objects in a row that did not shrink, only each of these is tried.
const PATIENCE: u32 = 24;
const SAMPLE: u32 = 16;

/// An object as it will be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub digest: Digest,
    /// The size of the object, in bytes.
    pub size: u64,
    pub kind: Kind,
    pub stored: Vec<u8>,
}

impl Item {
    /// The object with this content, as it is.
    pub fn raw(digest: Digest, content: Vec<u8>) -> Self {
        Self { digest, size: content.len() as u64, kind: Kind::Raw, stored: content }
    }

    /// The object itself; an error where the stored bytes are damaged, but no check of the digest.
    pub fn content(self) -> std::io::Result<Vec<u8>> {
        super::read::decode(self.kind, self.size, self.stored)
    }
}

/// Decides what to compress: data that does not shrink is soon left alone. Used from many threads.
#[derive(Debug, Default)]
pub struct Compression {
    /// How many objects in a row did not shrink.
    in_vain: AtomicU32,
}

thread_local! {
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> =
        RefCell::new(zstd::bulk::Compressor::new(LEVEL).ok());
}

impl Compression {
    /// The object with this content, compressed if that saves a tenth or more.
    pub fn item(&self, digest: Digest, content: Vec<u8>) -> Item {
        match self.compress(&content) {
            Some(stored) => Item { digest, size: content.len() as u64, kind: Kind::Zstd, stored },
            None => Item::raw(digest, content),
        }
    }

    fn compress(&self, content: &[u8]) -> Option<Vec<u8>> {
        if content.len() < SMALLEST || content.len() as u64 > super::LARGEST_COMPRESSED {
            return None;
        }
        let in_vain = self.in_vain.load(Ordering::Relaxed);
        if in_vain >= PATIENCE && !in_vain.is_multiple_of(SAMPLE) {
            self.in_vain.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let compressed =
            COMPRESSOR.with(|compressor| compressor.borrow_mut().as_mut().and_then(|c| c.compress(content).ok()));
        let pays = compressed.filter(|compressed| compressed.len() + content.len() / 10 < content.len());
        match &pays {
            Some(_) => self.in_vain.store(0, Ordering::Relaxed),
            None => drop(self.in_vain.fetch_add(1, Ordering::Relaxed)),
        }
        pays
    }
}
