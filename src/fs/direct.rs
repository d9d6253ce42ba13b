//! Writing much, past the page cache.
//!
//! What is written to be kept is seldom read soon, and copying it into memory of the kernel costs more than the disk does:
//! those pages have to be found, filled and given up again, and what they push out was being used. Where the file system
//! takes it (`O_DIRECT`), whole blocks go from our memory to the disk; elsewhere, and for the rest, it is a plain write.

use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

use super::begin_writing;

/// Addresses, places and lengths are multiples of this, which is enough for every disk.
const BLOCK_BYTES: usize = 4096;
/// Where writes are plain, the disk is told to begin after so much, so that the sync in the end does not wait for all.
const BEGIN_BYTES: u64 = 16 << 20;
/// The file systems that are known to write past the cache well: ext4 and XFS (`statfs(2)`). A network's would send each
/// write and wait.
const DIRECT: [rustix::fs::FsWord; 2] = [0xef53, 0x5846_5342];

/// Memory from which a disk can take what it holds.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// Of so many bytes, all of them zero.
    pub fn new(length: usize) -> Self {
        let bytes = vec![0; length + BLOCK_BYTES];
        let start = bytes.as_ptr().align_offset(BLOCK_BYTES);
        Self { bytes, start, length }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..][..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..][..self.length]
    }
}

/// How a file that is written from its beginning to its end is written.
#[derive(Debug)]
pub struct Way {
    /// Whether the file system takes writes past the cache.
    can: bool,
    /// Whether the file is set to that now.
    is_set: bool,
    /// Up to here the disk was told to begin.
    begun: u64,
}

impl Way {
    /// Past the cache where that can be.
    pub fn direct(file: impl AsFd) -> Self {
        let can = rustix::fs::fstatfs(file).is_ok_and(|system| DIRECT.contains(&system.f_type));
        Self { can, ..Self::cached() }
    }

    /// Through the cache: it is read again soon.
    pub fn cached() -> Self {
        Self { can: false, is_set: false, begun: 0 }
    }

    /// Writes all of this at a place in the file.
    pub fn write(&mut self, file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
        let is_whole = |number: usize| number.is_multiple_of(BLOCK_BYTES);
        let is_aligned =
            is_whole(bytes.as_ptr().addr()) && is_whole(bytes.len()) && position.is_multiple_of(BLOCK_BYTES as u64);
        self.set(file, self.can && is_aligned && !bytes.is_empty())?;
        if !self.is_set {
            return self.write_cached(file, bytes, position);
        }
        let mut written = 0;
        while written < bytes.len() {
            match file.write_at(&bytes[written..], position + written as u64) {
                Ok(count) if count > 0 && is_whole(count) => written += count,
                // A disk with larger blocks, or a write that was cut short: the plain way tells what is wrong, if anything.
                Ok(_) | Err(_) => {
                    self.can = false;
                    self.set(file, false)?;
                    return self.write_cached(file, &bytes[written..], position + written as u64);
                }
            }
        }
        Ok(())
    }

    fn write_cached(&mut self, file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
        file.write_all_at(bytes, position)?;
        let end = position + bytes.len() as u64;
        if end >= self.begun + BEGIN_BYTES {
            begin_writing(file, self.begun, end);
            self.begun = end;
        }
        Ok(())
    }

    fn set(&mut self, file: &File, is_direct: bool) -> io::Result<()> {
        if self.is_set != is_direct {
            let mut flags = rustix::fs::fcntl_getfl(file)?;
            flags.set(OFlags::DIRECT, is_direct);
            match rustix::fs::fcntl_setfl(file, flags) {
                Ok(()) => self.is_set = is_direct,
                Err(_) if is_direct => self.can = false,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sets the file back to plain writes.
    pub fn end(mut self, file: &File) -> io::Result<()> {
        self.set(file, false)
    }
}

/// Collects what is written into whole blocks, and writes them this way or that.
#[derive(Debug)]
pub struct BlockWriter {
    file: NamedTempFile,
    way: Way,
    buffer: Buffer,
    filled: usize,
    position: u64,
}

impl BlockWriter {
    /// Writes to this empty file, `capacity` bytes at a time.
    pub fn new(file: NamedTempFile, capacity: usize, way: Way) -> Self {
        Self { file, way, buffer: Buffer::new(capacity), filled: 0, position: 0 }
    }

    fn pass_on(&mut self) -> io::Result<()> {
        self.way.write(self.file.as_file(), &self.buffer[..self.filled], self.position)?;
        self.position += self.filled as u64;
        self.filled = 0;
        Ok(())
    }

    /// The file, with all in it that was written.
    pub fn finish(mut self) -> io::Result<NamedTempFile> {
        self.pass_on()?;
        self.way.end(self.file.as_file())?;
        Ok(self.file)
    }
}

impl io::Write for BlockWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filled == self.buffer.len() {
            self.pass_on()?;
        }
        let count = bytes.len().min(self.buffer.len() - self.filled);
        self.buffer[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        Ok(count)
    }

    /// Does nothing: what is held back is no whole block.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn content(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn all_that_is_written_is_in_the_file(
            parts in prop::collection::vec((0..40_000_usize, any::<u8>()), 0..12),
            is_direct: bool,
        ) {
            // A disk, and memory, which knows no way past the cache before Linux 6.6.
            for place in [Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), "/dev/shm".into()] {
                let file = NamedTempFile::new_in(&place).or_else(|_| NamedTempFile::new()).unwrap();
                let way = if is_direct { Way::direct(&file) } else { Way::cached() };
                let mut writer = BlockWriter::new(file, 4 * BLOCK_BYTES, way);
                let mut all = Vec::new();
                for (length, byte) in &parts {
                    writer.write_all(&vec![*byte; *length]).unwrap();
                    all.extend(std::iter::repeat_n(*byte, *length));
                }
                let file = writer.finish().unwrap();
                prop_assert!(content(file.as_file()) == all);
            }
        }
    }

    #[test]
    fn holes_and_parts_of_blocks_may_lie_between_whole_ones() {
        let file = tempfile::tempfile().unwrap();
        let mut buffer = Buffer::new(2 * BLOCK_BYTES);
        buffer.fill(7);
        let mut way = Way::direct(&file);

        way.write(&file, &buffer, 0).unwrap();
        way.write(&file, &buffer[..100], 3 * BLOCK_BYTES as u64).unwrap();
        way.write(&file, &buffer, 5 * BLOCK_BYTES as u64).unwrap();
        way.end(&file).unwrap();

        let mut expected = vec![0; 7 * BLOCK_BYTES];
        expected[..2 * BLOCK_BYTES].fill(7);
        expected[3 * BLOCK_BYTES..][..100].fill(7);
        expected[5 * BLOCK_BYTES..].fill(7);
        assert!(content(&file) == expected);
        file.write_all_at(b"plain", 1).unwrap();
    }
}
