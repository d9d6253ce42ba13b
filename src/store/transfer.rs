//! Objects on their way to and from other stores: as they are stored, and checked.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use super::batch::SMALL_BYTES;
use super::pack::{Compression, Item, Pack};
use super::{Store, damaged};
use crate::fs::quote;
use crate::{Digest, Result};

/// Objects up to this size lie in packs here; larger ones are files of their own, so that they can be linked.
pub const LARGEST_PACKED: u64 = SMALL_BYTES as u64;

impl Store {
    /// All packs that are here now.
    pub fn pack_files(&self) -> Result<Vec<Arc<Pack>>> {
        self.packs.all()
    }

    /// An object as it is stored in a pack, or as it would be, checked. It is held in memory.
    pub fn item(&self, digest: &Digest, compression: &Compression) -> Result<Item> {
        if !self.path_of(digest).exists()
            && let Some(packed) = self.packs.find(digest)?
        {
            let item = packed.pack.item(&packed.entry);
            let item = item.with_context(|| format!("cannot read `{}`", quote(packed.pack.path())))?;
            let content = item.clone().content().map_err(|error| damaged(digest, error.to_string()))?;
            return match Digest::of(content) {
                found if found == *digest => Ok(item),
                found => Err(damaged(digest, format!("its content hashes to {found}"))),
            };
        }
        Ok(compression.item(*digest, self.read(digest)?))
    }

    /// The content of an object, unchecked, piece by piece.
    pub fn content(&self, digest: &Digest) -> Result<impl Read + Send + use<>> {
        self.open_object(digest)
    }

    /// Bytes of an object that lies in a file of its own, unchecked; `None` where it does not, or is shorter.
    pub fn read_at(&self, digest: &Digest, offset: u64, length: usize) -> Option<Vec<u8>> {
        use std::os::unix::fs::FileExt;
        let super::Content::Loose(file) = self.open_object(digest).ok()? else { return None };
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset).ok().map(|()| bytes)
    }

    /// Where what is being received lies until it is whole.
    pub fn receiving(&self) -> PathBuf {
        self.scratch()
    }
}
