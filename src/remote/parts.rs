//! Reading single objects out of the packs of a remote: ranges that lie close together are read at once.

use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;

use super::catalog::{Catalog, KnownPack};
use super::{Remote, Transfer, is_of_one_file};
use crate::store::pack::{Entry, Item, LARGEST_STORED};
use crate::store::tree::{NotATree, Tree};
use crate::{Digest, Error, Result};

/// What lies between two objects is read too, if it is no more than this.
const GAP_BYTES: u64 = 128 << 10;
/// So much is read at once, unless one object is larger.
const SEGMENT_BYTES: u64 = 8 << 20;

/// A tree, or why a sound object is none.
pub type Listing = Result<Tree, NotATree>;

/// Objects that lie close together in a pack, in the order of the file.
#[derive(Debug)]
pub struct Segment {
    pub range: Range<u64>,
    pub entries: Vec<Entry>,
}

/// Puts these entries of one pack together.
pub fn segments(mut entries: Vec<Entry>) -> Vec<Segment> {
    entries.sort_unstable_by_key(|entry| entry.offset);
    let mut segments: Vec<Segment> = Vec::new();
    for entry in entries {
        let range = entry.range();
        match segments.last_mut() {
            Some(last)
                if range.start <= last.range.end.saturating_add(GAP_BYTES)
                    && range.end - last.range.start <= SEGMENT_BYTES =>
            {
                last.range.end = last.range.end.max(range.end);
                last.entries.push(entry);
            }
            _ => segments.push(Segment { range, entries: vec![entry] }),
        }
    }
    segments
}

/// Reads a segment, and gives each of its objects as it is stored, unchecked.
pub fn read(remote: &dyn Remote, pack: &KnownPack, segment: &Segment) -> Result<Vec<Item>> {
    let length = segment.range.end - segment.range.start;
    if length > LARGEST_STORED {
        return Err(Error::failed(format!(
            "`{}` on the remote `{}` claims an object of {length} bytes, which no pack holds",
            pack.name(),
            remote.url()
        )));
    }
    let mut bytes = Exactly { bytes: Vec::with_capacity(length as usize), length: length as usize };
    remote.read(&pack.name(), Some(segment.range.clone()), &mut bytes)?;
    if bytes.bytes.len() != bytes.length {
        return Err(Error::failed(format!(
            "the remote `{}` sent {} bytes of {length}",
            remote.url(),
            bytes.bytes.len()
        )));
    }
    let item = |entry: &Entry| {
        let start = (entry.offset - segment.range.start) as usize;
        let stored = bytes.bytes[start..start + entry.stored as usize].to_vec();
        Item { digest: entry.digest, size: entry.size, kind: entry.kind, stored }
    };
    Ok(segment.entries.iter().map(item).collect())
}

/// The content of an item, if it is what its digest says.
pub fn checked(item: Item) -> Option<Vec<u8>> {
    let digest = item.digest;
    item.content().ok().filter(|content| Digest::of(content) == digest)
}

impl Transfer<'_> {
    /// Those of these trees that the remote has and that are sound, or what is there instead of a tree.
    pub(super) fn fetch_trees(&self, catalog: &Catalog, digests: &[Digest]) -> Result<HashMap<Digest, Listing>> {
        let mut by_pack: HashMap<usize, Vec<Entry>> = HashMap::new();
        let mut trees = HashMap::new();
        for digest in digests {
            match catalog.find(digest) {
                Some((pack, entry)) if entry.kind.is_whole() => by_pack.entry(pack).or_default().push(entry),
                // The listing of hundreds of thousands of files is itself a large object.
                Some((pack, entry)) => {
                    let content = self.made(catalog, pack, &entry)?;
                    trees.extend(content.map(|content| (*digest, Tree::decode(&content))));
                }
                None => {}
            }
        }
        for (pack, entries) in by_pack {
            for segment in segments(entries) {
                self.watch.interrupt.check()?;
                let items = match read(self.remote, &catalog.packs[pack], &segment) {
                    // What can't be read is not there; other packs are.
                    Err(error) if is_of_one_file(&error) => continue,
                    items => items?,
                };
                for item in items {
                    let digest = item.digest;
                    trees.extend(checked(item).map(|content| (digest, Tree::decode(&content))));
                }
            }
        }
        Ok(trees)
    }
}

/// Takes as many bytes as were asked for, and no more.
struct Exactly {
    bytes: Vec<u8>,
    length: usize,
}

impl Write for Exactly {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.length {
            return Err(io::Error::other("the remote sends more than was asked for"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::pack::Kind;

    #[test]
    fn what_lies_close_together_is_read_at_once() {
        let entry = |offset, stored| Entry { digest: Digest::of("x"), offset, stored, size: stored, kind: Kind::Raw };
        let far = GAP_BYTES * 9;

        let segments = segments(vec![entry(far, 7), entry(100, 20), entry(0, 10), entry(far + 7, SEGMENT_BYTES)]);

        let ranges: Vec<_> = segments.iter().map(|segment| segment.range.clone()).collect();
        assert_eq!(ranges, [0..120, far..far + 7, far + 7..far + 7 + SEGMENT_BYTES]);
    }
}
