//! Packs: many objects in one file, so that writing, syncing and sending them is one operation.
//!
//! A pack is the line `mlx pack 2`; then each object as its head and its stored bytes, in the order of arrival; then the
//! index, the heads with the place of each object, sorted by digest; then the footer: offset of the index, number of
//! entries, SHA-256 of the index, and the mark `mlx pack index 2`. Numbers are little-endian, 8 bytes each.
//!
//! ```text
//! head    digest (32), stored length, size of the object, kind
//! entry   digest (32), offset of the stored bytes, stored length, size of the object, kind
//! footer  offset of the index, number of entries, digest of the index (32), mark (16)
//! ```
//!
//! Kind 0 is stored as it is, kind 1 as one Zstandard frame, kind 2 is a recipe: not the object, but the list of chunks that
//! it is made of (remotes only). The file's name is the digest of the index, so that the end of a file is enough to know
//! what is in it; the heads let a pack be read whose index is damaged.

mod check;
mod index;
mod item;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use check::Damage;
pub use index::{Entry, Footer, Index};
pub use item::{Compression, Item};
pub use read::{Content, Pack, Unreadable};
pub use write::{Writer, Written, write};

const HEADER: &[u8] = b"mlx pack 2\n";
const MARK: &[u8; 16] = b"mlx pack index 2";
/// What every version's header and mark begin with.
const ANY_HEADER: &[u8] = b"mlx pack ";
const ANY_MARK: &[u8] = b"mlx pack index ";
const HEAD: usize = 56;
const ENTRY: usize = 64;
/// How long the footer is, in bytes.
pub const FOOTER: usize = 8 + 8 + 32 + 16;
/// The ending of a pack's file name.
pub const ENDING: &str = "pack";
/// A compressed object is no larger than this, so that one that claims more is damaged.
const LARGEST_COMPRESSED: u64 = 64 << 20;
/// No object in a pack is stored in more bytes: one that claims more is damaged.
pub const LARGEST_STORED: u64 = 64 << 20;

/// How an object is stored in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Raw,
    Zstd,
    /// The chunks that the object is made of, instead of the object.
    Recipe,
}

impl Kind {
    fn number(self) -> u64 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
            Self::Recipe => 2,
        }
    }

    fn of(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Raw),
            1 => Some(Self::Zstd),
            2 => Some(Self::Recipe),
            _ => None,
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("callers give eight bytes"))
}

fn digest(bytes: &[u8]) -> crate::Digest {
    crate::Digest::from_bytes(bytes[..32].try_into().expect("callers give 32 bytes or more"))
}
