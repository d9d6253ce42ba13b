//! What the file system says of a file, by which one that was changed is told from one that was not.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use rustix::fs::Statx;
use serde::{Deserialize, Serialize};

/// What the file system says of a file; another one has another stamp, and so has one that was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub inode: u64,
    pub size: u64,
    /// In nanoseconds since 1970.
    pub modified: i64,
    /// Changes with everything that is done to the file, names that it gets and loses among them; nobody can set it.
    pub changed: i64,
}

impl Stamp {
    /// The stamp of a file; `None` where it has none that could be relied on.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        let nanoseconds = |seconds: i64, rest: i64| seconds.checked_mul(1_000_000_000)?.checked_add(rest);
        Some(Self {
            inode: metadata.ino(),
            size: metadata.len(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec())?,
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec())?,
        })
    }

    /// As [`Stamp::of`], of what statx(2) gives.
    pub fn of_statx(stat: &Statx) -> Self {
        let nanoseconds = |seconds: i64, rest: u32| seconds.saturating_mul(1_000_000_000).saturating_add(rest.into());
        Self {
            inode: stat.stx_ino,
            size: stat.stx_size,
            modified: nanoseconds(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
            changed: nanoseconds(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
        }
    }

    /// Whether nothing was written to the file between the two, though names of it may have come and gone.
    pub fn has_same_content(&self, other: &Self) -> bool {
        (self.inode, self.size, self.modified) == (other.inode, other.size, other.modified)
    }
}
