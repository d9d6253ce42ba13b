//! Packs: many small objects in one file, so that writing, syncing and sending them is one operation.
//!
//! A pack is the line `mlx pack 1`, then each object as its digest (32 bytes), its length (8 bytes) and its content, in
//! the order of the digests; then the index, one entry of digest, offset of the content and length for each object,
//! sorted; then the footer: offset of the index, number of entries, SHA-256 of the index, and a mark. Numbers are
//! little-endian. The file's name is the digest of the index. The heads before the contents let a pack be read
//! whose index is damaged.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use memmap2::{Mmap, MmapOptions};
use tempfile::NamedTempFile;

use crate::fs::{self, quote};
use crate::{Digest, Result};

const HEADER: &[u8] = b"mlx pack 1\n";
const MARK: &[u8; 16] = b"mlx pack index 1";
const HEAD: usize = 40;
const ENTRY: usize = 48;
const FOOTER: usize = 8 + 8 + 32 + 16;
/// The ending of a pack's file name.
pub const ENDING: &str = "pack";

/// An object and its content, on the way into a pack.
pub type Item = (Digest, Vec<u8>);

/// A written, durable pack that has no name yet.
#[derive(Debug)]
pub struct Written {
    file: NamedTempFile,
    name: String,
}

/// Writes these objects, each of them once, to a temporary file in `scratch` and makes it durable.
pub fn write(mut items: Vec<Item>, scratch: &Path) -> Result<Written> {
    items.sort_unstable_by_key(|(digest, _)| *digest);
    let mut file = fs::temporary_file(scratch)?;
    let index = write_items(&items, file.as_file_mut()).map_err(super::cannot_write)?;
    let permissions = PermissionsExt::from_mode(0o444);
    file.as_file()
        .set_permissions(permissions)
        .and_then(|()| file.as_file().sync_data())
        .map_err(super::cannot_write)?;
    Ok(Written { file, name: format!("{}.{ENDING}", Digest::of(&index).hex()) })
}

fn write_items(items: &[Item], file: &mut File) -> io::Result<Vec<u8>> {
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    let mut index = Vec::with_capacity(items.len() * ENTRY);
    let mut offset = HEADER.len();
    writer.write_all(HEADER)?;
    for (digest, content) in items {
        writer.write_all(digest.as_bytes())?;
        writer.write_all(&(content.len() as u64).to_le_bytes())?;
        writer.write_all(content)?;
        offset += HEAD;
        index.extend_from_slice(digest.as_bytes());
        index.extend_from_slice(&(offset as u64).to_le_bytes());
        index.extend_from_slice(&(content.len() as u64).to_le_bytes());
        offset += content.len();
    }
    writer.write_all(&index)?;
    writer.write_all(&(offset as u64).to_le_bytes())?;
    writer.write_all(&(items.len() as u64).to_le_bytes())?;
    writer.write_all(Digest::of(&index).as_bytes())?;
    writer.write_all(MARK)?;
    writer.flush()?;
    Ok(index)
}

impl Written {
    /// Sets its age, for `mlx gc`: that of the packs it was made from.
    pub fn set_modified(&self, time: SystemTime) -> Result<()> {
        self.file.as_file().set_modified(time).map_err(super::cannot_write)
    }

    /// Gives the pack its name in `directory`, whose entries the caller syncs. Returns where it lies.
    pub fn place(self, directory: &Path) -> Result<PathBuf> {
        let path = directory.join(self.name);
        self.file.persist(&path).map_err(|error| super::cannot_write(error.error))?;
        Ok(path)
    }
}

/// A pack that is open for reading. Its file may be deleted meanwhile.
#[derive(Debug)]
pub struct Pack {
    path: PathBuf,
    file: File,
    index: Option<Mmap>,
    contents_end: u64,
}

impl Pack {
    /// Opens a pack and checks that it is whole as far as its length and its footer say; `Err` holds what is wrong.
    pub fn open(path: &Path) -> Result<Result<Self, String>> {
        let cannot = || format!("cannot read `{}`", quote(path));
        let metadata = path.symlink_metadata().with_context(cannot)?;
        if !metadata.is_file() {
            return Ok(Err("it is no regular file".into()));
        }
        let file = File::open(path).with_context(cannot)?;
        let length = metadata.len();
        let mut footer = [0; FOOTER];
        if length < (HEADER.len() + FOOTER) as u64 {
            return Ok(Err("it is cut off".into()));
        }
        file.read_exact_at(&mut footer, length - FOOTER as u64).with_context(cannot)?;
        let start = number(&footer[..8]);
        let count = number(&footer[8..16]);
        let expected =
            count.checked_mul(ENTRY as u64).and_then(|bytes| bytes.checked_add(start)?.checked_add(FOOTER as u64));
        if &footer[48..] != MARK || expected != Some(length) || start < HEADER.len() as u64 {
            return Ok(Err("its footer is damaged or cut off".into()));
        }
        let bytes = (count as usize).saturating_mul(ENTRY);
        // SAFETY: packs are read-only and replaced, never changed in place; a process that truncates one under our feet
        // ends this one with SIGBUS, and damages nothing.
        let index = (bytes > 0).then(|| unsafe { MmapOptions::new().offset(start).len(bytes).map(&file) });
        let index = index.transpose().with_context(cannot)?;
        Ok(Ok(Self { path: path.to_path_buf(), file, index, contents_end: start }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When it was written; now where that can't be told.
    pub fn modified(&self) -> SystemTime {
        self.file.metadata().and_then(|metadata| metadata.modified()).unwrap_or_else(|_| SystemTime::now())
    }

    /// Whether the index is what was written. Its content is read.
    pub fn is_index_sound(&self) -> bool {
        let name = self.path.file_stem().and_then(|name| name.to_str()).and_then(|name| Digest::from_hex(name).ok());
        name == Some(Digest::of(self.index()))
    }

    fn index(&self) -> &[u8] {
        self.index.as_deref().unwrap_or_default()
    }

    /// The objects in the order of their digests.
    pub fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        self.index().chunks_exact(ENTRY).map(digest)
    }

    /// How long the contents are together, with what stands between them.
    pub fn length(&self) -> u64 {
        self.contents_end
    }

    /// Where an object lies.
    pub fn find(self: &Arc<Self>, wanted: &Digest) -> Option<Slice> {
        let (entries, _) = self.index().as_chunks::<ENTRY>();
        let position = entries.binary_search_by(|entry| entry[..32].cmp(wanted.as_bytes())).ok()?;
        let entry = &entries[position];
        let (offset, length) = (number(&entry[32..40]), number(&entry[40..]));
        let is_inside = offset.checked_add(length).is_some_and(|end| end <= self.contents_end);
        is_inside.then(|| Slice { pack: self.clone(), offset, left: length })
    }

    /// The objects that can be found without the index, by the heads in front of them, unchecked: what is no head any more
    /// is taken for one, too.
    pub fn salvage(path: &Path) -> Result<Vec<Item>> {
        let bytes = fs::read(path)?;
        let mut items = Vec::new();
        let mut rest = bytes.strip_prefix(HEADER).unwrap_or_default();
        while let Some((head, tail)) = rest.split_at_checked(HEAD) {
            let Some((content, tail)) =
                usize::try_from(number(&head[32..])).ok().and_then(|len| tail.split_at_checked(len))
            else {
                break;
            };
            items.push((digest(head), content.to_vec()));
            rest = tail;
        }
        Ok(items)
    }
}

/// The content of one object in a pack; reads like a file.
#[derive(Debug)]
pub struct Slice {
    pack: Arc<Pack>,
    offset: u64,
    left: u64,
}

impl Slice {
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    pub fn length(&self) -> u64 {
        self.left
    }
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.pack.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("callers give eight bytes"))
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(bytes[..32].try_into().expect("callers give 32 bytes or more"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item(content: Vec<u8>) -> Item {
        (Digest::of(&content), content)
    }

    fn pack(contents: &[Vec<u8>], dir: &Path) -> PathBuf {
        let unique: std::collections::BTreeMap<_, _> = contents.iter().cloned().map(item).collect();
        write(unique.into_iter().collect(), dir).unwrap().place(dir).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_is_packed_reads_back(contents in prop::collection::vec(any::<Vec<u8>>(), 1..20)) {
            let dir = tempfile::tempdir().unwrap();
            let path = pack(&contents, dir.path());
            let pack = Arc::new(Pack::open(&path).unwrap().unwrap());

            for content in &contents {
                let mut read = Vec::new();
                pack.find(&Digest::of(content)).unwrap().read_to_end(&mut read).unwrap();
                prop_assert_eq!(&read, content);
            }
            prop_assert!(pack.is_index_sound());
            let salvaged = Pack::salvage(&path).unwrap();
            prop_assert!(contents.iter().all(|content| salvaged.contains(&item(content.clone()))));
        }

        #[test]
        fn damaged_packs_never_panic(position: prop::sample::Index, value: u8, cut: prop::sample::Index) {
            let dir = tempfile::tempdir().unwrap();
            let path = pack(&[b"one".to_vec(), b"two".to_vec()], dir.path());
            let mut bytes = std::fs::read(&path).unwrap();
            let position = position.index(bytes.len());
            bytes[position] = value;
            bytes.truncate(cut.index(bytes.len()) + 1);
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, bytes).unwrap();

            if let Ok(pack) = Pack::open(&path).unwrap().map(Arc::new) {
                let _ = pack.find(&Digest::of(b"one")).map(|mut slice| slice.read_to_end(&mut Vec::new()));
            }
            let _ = Pack::salvage(&path).unwrap();
        }
    }
}
