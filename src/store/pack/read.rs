//! Reading packs.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use memmap2::MmapOptions;

use super::index::{Entry, Footer, Index};
use super::{ANY_HEADER, FOOTER, HEAD, HEADER, Item, Kind, LARGEST_COMPRESSED, LARGEST_STORED, digest, number};
use crate::fs::{self, quote};
use crate::{Digest, Result};

/// Why a file can't be read as a pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("{0}")]
    Damaged(String),
    /// Another program than this wrote it; it may be sound.
    #[error("it has version {0} of the format, which this mlx does not know")]
    Version(String),
}

/// A pack that is open for reading. Its file may be deleted meanwhile.
#[derive(Debug)]
pub struct Pack {
    path: PathBuf,
    file: File,
    footer: Footer,
    index: Index,
}

impl Pack {
    /// Opens a pack and checks that it is whole as far as its length and its footer say.
    pub fn open(path: &Path) -> Result<Result<Self, Unreadable>> {
        let cannot = || format!("cannot read `{}`", quote(path));
        let damaged = |what: &str| Ok(Err(Unreadable::Damaged(what.into())));
        let metadata = path.symlink_metadata().with_context(cannot)?;
        if !metadata.is_file() {
            return damaged("it is no regular file");
        }
        let file = File::open(path).with_context(cannot)?;
        let length = metadata.len();
        if length < (HEADER.len() + FOOTER) as u64 {
            return damaged("it is cut off");
        }
        let mut bytes = [0; FOOTER];
        file.read_exact_at(&mut bytes, length - FOOTER as u64).with_context(cannot)?;
        let footer = match Footer::decode(&bytes, length) {
            Ok(footer) => footer,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let count = usize::try_from(footer.index().end - footer.start).unwrap_or(usize::MAX);
        // SAFETY: packs are read-only and replaced, never changed in place; a process that truncates one under our feet
        // ends this one with SIGBUS, and damages nothing.
        let map = (count > 0).then(|| unsafe { MmapOptions::new().offset(footer.start).len(count).map(&file) });
        let map = map.transpose().with_context(cannot)?;
        Ok(Ok(Self { path: path.to_path_buf(), file, footer, index: Index::mapped(map, footer.start) }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn footer(&self) -> &Footer {
        &self.footer
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    /// When it was written; now where that can't be told.
    pub fn modified(&self) -> SystemTime {
        self.file.metadata().and_then(|metadata| metadata.modified()).unwrap_or_else(|_| SystemTime::now())
    }

    /// The digest that its name is; `None` where it is none.
    pub fn named(&self) -> Option<Digest> {
        self.path.file_stem().and_then(|name| name.to_str()).and_then(|name| Digest::from_hex(name).ok())
    }

    /// The objects in the order of their digests.
    pub fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        self.index.entries().map(|entry| entry.digest)
    }

    /// How long the contents are together, with what stands between them, in bytes.
    pub fn length(&self) -> u64 {
        self.index.contents_end()
    }

    /// The content of an entry of its index.
    pub fn content(self: &Arc<Self>, entry: &Entry) -> io::Result<Content> {
        match entry.kind {
            Kind::Raw => Ok(Content::Stored { pack: self.clone(), offset: entry.offset, left: entry.stored }),
            kind => Ok(Content::Decoded(Cursor::new(decode(kind, entry.size, self.stored(entry)?)?))),
        }
    }

    /// The object of an entry as it is stored.
    pub fn item(&self, entry: &Entry) -> io::Result<Item> {
        Ok(Item { digest: entry.digest, size: entry.size, kind: entry.kind, stored: self.stored(entry)? })
    }

    fn stored(&self, entry: &Entry) -> io::Result<Vec<u8>> {
        // The index checked that the entry lies within the file.
        let mut stored = vec![0; usize::try_from(entry.stored).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut stored, entry.offset)?;
        Ok(stored)
    }

    /// Gives `take` the objects that can be found by the index, and again those that are found without it by the heads in
    /// front of them, unchecked: what is no head any more is taken for one, too. One is held in memory at a time, and those
    /// that overlap are together no longer than the file.
    pub fn salvage(path: &Path, mut take: impl FnMut(Item) -> Result<()>) -> Result<()> {
        let cannot = || format!("cannot read `{}`", quote(path));
        let file = fs::open_regular(path).with_context(cannot)?;
        let length = file.metadata().with_context(cannot)?.len();
        let opened = Self::open(path).ok().and_then(Result::ok);
        if let Some(pack) = &opened {
            let mut left = length;
            for entry in pack.index.entries().filter(|entry| entry.stored <= LARGEST_STORED) {
                left = left.saturating_sub(entry.stored.max(1));
                if left == 0 {
                    break;
                }
                pack.item(&entry).map_or(Ok(()), &mut take)?;
            }
        }
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut head = [0; HEAD];
        let mut position = HEADER.len() as u64;
        if !filled(&mut reader, &mut head[..HEADER.len()], path)? || head[..HEADER.len()] != *HEADER {
            return Ok(());
        }
        while position + HEAD as u64 <= length && filled(&mut reader, &mut head, path)? {
            position += HEAD as u64;
            let stored = number(&head[32..]);
            if stored > length - position {
                break;
            }
            position += stored;
            match Kind::of(number(&head[48..])).filter(|_| stored <= LARGEST_STORED) {
                None => reader.seek_relative(stored as i64).with_context(cannot)?,
                Some(kind) => {
                    let mut bytes = vec![0; stored as usize];
                    if !filled(&mut reader, &mut bytes, path)? {
                        break;
                    }
                    let item = Item { digest: digest(&head), size: number(&head[40..]), kind, stored: bytes };
                    // Of a recipe nothing tells whether the digest in its head is right, but the index.
                    let is_known = |pack: &Self| kind.is_whole() || pack.index.find(&item.digest).is_some();
                    if opened.as_ref().is_none_or(is_known) {
                        take(item)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The version in the header of a file that seems to be a pack of another version.
    pub fn other_version(start: &[u8]) -> Option<String> {
        let version = start.strip_prefix(ANY_HEADER)?.split(|byte| *byte == b'\n').next()?;
        let is_other = !start.starts_with(HEADER) && !version.is_empty() && version.iter().all(u8::is_ascii_digit);
        is_other.then(|| String::from_utf8_lossy(version).into_owned())
    }
}

/// Fills the buffer; `false` at the end of the file.
fn filled(reader: &mut impl Read, buffer: &mut [u8], path: &Path) -> Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", quote(path))).map_err(Into::into),
    }
}

/// The object with these stored bytes.
pub fn decode(kind: Kind, size: u64, stored: Vec<u8>) -> io::Result<Vec<u8>> {
    let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    match kind {
        Kind::Raw => Ok(stored),
        Kind::Recipe => Err(damaged("a recipe stands in place of the object")),
        Kind::Zstd if size > LARGEST_COMPRESSED => Err(damaged("it claims a size that no compressed object has")),
        Kind::Zstd => zstd::bulk::decompress(&stored, size as usize),
    }
}

/// The content of one object in a pack, unchecked; reads like a file.
#[derive(Debug)]
pub enum Content {
    Stored { pack: Arc<Pack>, offset: u64, left: u64 },
    Decoded(Cursor<Vec<u8>>),
}

impl Content {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        match self {
            Self::Stored { left, .. } => *left,
            Self::Decoded(content) => content.get_ref().len() as u64,
        }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Decoded(content) => content.read(buffer),
            Self::Stored { pack, offset, left } => {
                let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                let count = pack.file.read_at(&mut buffer[..wanted], *offset)?;
                *offset += count as u64;
                *left -= count as u64;
                Ok(count)
            }
        }
    }
}
