//! Trees: the canonical listing of one directory, as an object.
//!
//! The format is text with NUL after each entry, so that any name fits: the line `mlx tree 1`, then the entries sorted by
//! the bytes of their names. A file is `f SIZE DIGEST NAME`, an executable file `x …`, a symbolic link `l …` (its object
//! is the text of its target), a directory `d SIZE FILES DIGEST NAME`; sizes in decimal bytes, digests as 64 hex digits.

use std::cmp::Ordering;

use crate::Digest;
use crate::digest::{Object, ObjectKind};

const HEADER: &[u8] = b"mlx tree 1\n";
/// A longer listing is not read: it would have to be held in memory. A directory of ten million entries fits.
pub const LARGEST: u64 = 1 << 30;

/// The listing of one directory, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    entries: Vec<Entry>,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Not empty, not `.` or `..`, without `/` and NUL.
    pub name: Vec<u8>,
    pub object: Object,
}

/// Bytes that are no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotATree {
    #[error("this is no directory listing: {0}")]
    Malformed(String),
    /// A program that took it for one would make a file of this name, or two.
    #[error("it lists `{}`, which {wrong}", crate::fs::escape(.name))]
    Name { name: Vec<u8>, wrong: &'static str },
    /// Another program than this wrote it; it may be sound.
    #[error("this directory listing has version {0}, which this mlx does not know")]
    Version(String),
}

impl Tree {
    /// The tree with these entries, whatever their order.
    pub fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Self { entries }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry with this name.
    pub fn get(&self, name: &[u8]) -> Option<&Object> {
        let index = self.entries.binary_search_by(|entry| entry.name.as_slice().cmp(name)).ok()?;
        Some(&self.entries[index].object)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        for Entry { name, object: Object { kind, digest, size, files } } in &self.entries {
            let head = match kind {
                ObjectKind::File => format!("f {size} "),
                ObjectKind::Executable => format!("x {size} "),
                ObjectKind::Link => format!("l {size} "),
                ObjectKind::Directory => format!("d {size} {files} "),
            };
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(digest.hex().as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(name);
            bytes.push(0);
        }
        bytes
    }

    /// Reads canonical bytes; refuses everything that [`Tree::encode`] would not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotATree> {
        let bad = |why: &str| NotATree::Malformed(why.to_owned());
        let mut rest = bytes.strip_prefix(HEADER).ok_or_else(|| match other_version(bytes) {
            Some(version) => NotATree::Version(version),
            None => bad("it does not begin as one"),
        })?;
        let mut entries: Vec<Entry> = Vec::new();
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == 0).ok_or_else(|| bad("its last entry is cut off"))?;
            let entry = decode_entry(&rest[..end]).ok_or_else(|| bad("it has a malformed entry"))?;
            let wrong = match entries.last().map(|last| last.name.cmp(&entry.name)) {
                _ if !is_name(&entry.name) => Some("no file can be called"),
                Some(Ordering::Equal) => Some("stands there twice"),
                Some(Ordering::Greater) => Some("is not in order"),
                Some(Ordering::Less) | None => None,
            };
            if let Some(wrong) = wrong {
                return Err(NotATree::Name { name: entry.name, wrong });
            }
            entries.push(entry);
            rest = &rest[end + 1..];
        }
        let tree = Self { entries };
        tree.totals().map(|_| ()).ok_or_else(|| bad("the sizes in it add up to more than there can be"))?;
        Ok(tree)
    }

    /// The bytes and the number of all files below; `None` where these are more than there can be.
    pub fn totals(&self) -> Option<(u64, u64)> {
        self.entries.iter().try_fold((0_u64, 0_u64), |(size, files), Entry { object, .. }| {
            Some((size.checked_add(object.size)?, files.checked_add(object.files)?))
        })
    }

    /// What is wrong where something names this tree with other totals than it has; `None` where it is right.
    pub fn misnamed(&self, object: &Object) -> Option<String> {
        let Object { size, files, .. } = self.object(object.digest);
        ((size, files) != (object.size, object.files)).then(|| {
            format!(
                "the directory holds {files} files of {size} bytes together, and should hold {} of {}",
                object.files, object.size
            )
        })
    }

    /// The directory object that this tree makes; its digest is that of the encoded bytes.
    pub fn object(&self, digest: Digest) -> Object {
        let (size, files) = self.totals().unwrap_or((u64::MAX, u64::MAX));
        Object { kind: ObjectKind::Directory, digest, size, files }
    }
}

/// The version of a tree that another program wrote.
fn other_version(bytes: &[u8]) -> Option<String> {
    let rest = bytes.strip_prefix(b"mlx tree ")?;
    let version = &rest[..rest.iter().take(20).position(|byte| *byte == b'\n')?];
    let is_number = !version.is_empty() && version.iter().all(u8::is_ascii_digit);
    is_number.then(|| String::from_utf8_lossy(version).into_owned())
}

fn decode_entry(line: &[u8]) -> Option<Entry> {
    let (kind, rest) = match line {
        [b'f', b' ', rest @ ..] => (ObjectKind::File, rest),
        [b'x', b' ', rest @ ..] => (ObjectKind::Executable, rest),
        [b'l', b' ', rest @ ..] => (ObjectKind::Link, rest),
        [b'd', b' ', rest @ ..] => (ObjectKind::Directory, rest),
        _ => return None,
    };
    let (size, rest) = number(rest)?;
    let (files, rest) = if kind == ObjectKind::Directory { number(rest)? } else { (1, rest) };
    let (digest, rest) = rest.split_at_checked(64)?;
    let digest = Digest::from_hex(std::str::from_utf8(digest).ok()?).ok()?;
    let name = rest.strip_prefix(b" ")?;
    Some(Entry { name: name.to_vec(), object: Object { kind, digest, size, files } })
}

/// A decimal number without leading zeros, and the space after it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().take(21).position(|byte| *byte == b' ')?;
    let digits = std::str::from_utf8(&bytes[..end]).ok()?;
    let is_canonical = digits == "0" || (!digits.starts_with(['0', '+']) && !digits.is_empty());
    is_canonical.then(|| digits.parse().ok().map(|number| (number, &bytes[end + 1..])))?
}

/// Whether this can be the name of a directory entry that is safe to create.
fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_and_orders_are_refused() {
        let hex = Digest::of(b"").hex();
        let entry = |name: &str| format!("f 0 {hex} {name}\0");
        for body in [entry("../x"), entry(".."), entry(""), entry("b") + &entry("a"), entry("a") + &entry("a")] {
            let bytes = [HEADER, body.as_bytes()].concat();
            assert!(Tree::decode(&bytes).is_err(), "{body}");
        }
        assert!(Tree::decode(b"mlx tree 2\n").unwrap_err().to_string().contains("version"));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_the_same(bytes: Vec<u8>) {
            let bytes = [HEADER, &bytes].concat();
            if let Ok(tree) = Tree::decode(&bytes) {
                prop_assert_eq!(tree.encode(), bytes);
            }
        }

        #[test]
        fn every_tree_reads_back(names in prop::collection::btree_set("[^/\0]{1,9}", 0..9), sizes: Vec<u32>) {
            let entry = |(name, size): (String, u32)| {
                let size = u64::from(size);
                let object = Object { kind: ObjectKind::Executable, digest: Digest::of(&name), size, files: 1 };
                is_name(name.as_bytes()).then(|| Entry { name: name.into_bytes(), object })
            };
            let tree = Tree::new(names.into_iter().zip(sizes.into_iter().cycle()).filter_map(entry).collect());

            prop_assert_eq!(Tree::decode(&tree.encode()).unwrap(), tree);
        }
    }
}
