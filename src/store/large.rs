//! Large contents: read once, hashed and written at the same time, holes kept as holes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::Context;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::cannot_write;
use crate::digest::Hasher;
use crate::fs::{Buffer, Way};
use crate::{Digest, Result};

/// So much is read, hashed and written at a time.
const BUFFER_BYTES: usize = 1 << 20;
/// So many buffers are on their way.
const BUFFERS: usize = 6;

/// Copies all that the source gives to an empty file; returns its digest and size.
///
/// One thread reads, one hashes and one writes: the time is that of the slowest, which is hashing on a fast disk.
pub fn copy(mut source: impl Source, to: &File, way: Way, cannot_read: &'static str) -> Result<(Digest, u64)> {
    std::thread::scope(|scope| {
        let (reading, hashing, writing) = stations();
        let hasher = scope.spawn(move || hashing.run());
        let writer = scope.spawn(move || write(writing, to, way));
        let read = reading.run(&mut source);
        let hashed = joined(hasher.join());
        joined(writer.join()).map_err(cannot_write)?;
        read.context(cannot_read)?;
        Ok(hashed)
    })
}

/// As [`copy`], to anything that can be written to, from here. Returns the digest and size of what the source gave.
///
/// # Errors
/// Then what `out` got must be thrown away.
pub fn give(mut source: impl Source + Send, out: &mut dyn Write) -> Result<(Digest, u64), Broken> {
    std::thread::scope(|scope| {
        let (reading, hashing, writing) = stations();
        let reader = scope.spawn(move || reading.run(&mut source));
        let hasher = scope.spawn(move || hashing.run());
        let written = writing.run(|piece| match piece {
            Written::Bytes(bytes) => out.write_all(bytes),
            Written::Zeros(count) => io::copy(&mut io::repeat(0).take(count), out).map(drop),
        });
        let (read, hashed) = (joined(reader.join()), joined(hasher.join()));
        written.map_err(Broken::Out).and_then(|()| read.map_err(Broken::Source)).map(|()| hashed)
    })
}

fn joined<T>(ended: std::thread::Result<T>) -> T {
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Which side failed.
#[derive(Debug)]
pub enum Broken {
    Source(io::Error),
    Out(io::Error),
}

/// What goes from thread to thread.
enum Part {
    Bytes(Buffer, usize),
    Zeros(u64),
}

/// What each of the three threads has of the ring in which the buffers go round. Who ends lets go of its part, and so the
/// others end.
struct Reading(SyncSender<Part>, Receiver<Buffer>);
struct Hashing(Receiver<Part>, SyncSender<Part>);
struct Writing(Receiver<Part>, SyncSender<Buffer>);

fn stations() -> (Reading, Hashing, Writing) {
    let (read, to_hash) = sync_channel(BUFFERS);
    let (hashed, to_write) = sync_channel(BUFFERS);
    let (give_back, free) = sync_channel(BUFFERS);
    (0..BUFFERS).for_each(|_| give_back.send(Buffer::new(BUFFER_BYTES)).expect("all of them have room"));
    (Reading(read, free), Hashing(to_hash, hashed), Writing(to_write, give_back))
}

impl Reading {
    /// Reads until the source is at its end, or until who comes after it has failed.
    fn run(self, source: &mut impl Source) -> io::Result<()> {
        let Self(read, free) = self;
        while let Ok(mut buffer) = free.recv() {
            loop {
                let part = match source.next(&mut buffer)? {
                    Piece::Bytes(0) => return Ok(()),
                    Piece::Bytes(count) => {
                        let _ = read.send(Part::Bytes(buffer, count));
                        break;
                    }
                    Piece::Hole(count) => Part::Zeros(count),
                };
                if read.send(part).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl Hashing {
    fn run(self) -> (Digest, u64) {
        let Self(parts, hashed) = self;
        let mut hasher = Hasher::new();
        let zeros = [0; 1 << 16];
        for part in parts {
            match &part {
                Part::Bytes(bytes, count) => hasher.update(&bytes[..*count]),
                Part::Zeros(count) => {
                    let mut count = *count;
                    while count > 0 {
                        let now = count.min(zeros.len() as u64);
                        hasher.update(&zeros[..now as usize]);
                        count -= now;
                    }
                }
            }
            // Who writes ends early on an error, and returns it.
            if hashed.send(part).is_err() {
                break;
            }
        }
        hasher.finish()
    }
}

/// What is to be written next.
enum Written<'b> {
    Bytes(&'b [u8]),
    Zeros(u64),
}

impl Writing {
    fn run(self, mut write: impl FnMut(Written<'_>) -> io::Result<()>) -> io::Result<()> {
        let Self(parts, give_back) = self;
        for part in parts {
            match part {
                Part::Bytes(bytes, count) => {
                    write(Written::Bytes(&bytes[..count]))?;
                    // Nobody takes it back after the end.
                    let _ = give_back.send(bytes);
                }
                Part::Zeros(count) => write(Written::Zeros(count))?,
            }
        }
        Ok(())
    }
}

/// Holes stay holes.
fn write(parts: Writing, to: &File, mut way: Way) -> io::Result<()> {
    let mut position = 0;
    parts.run(|part| {
        position += match part {
            Written::Bytes(bytes) => {
                way.write(to, bytes, position)?;
                bytes.len() as u64
            }
            Written::Zeros(count) => count,
        };
        Ok(())
    })?;
    way.end(to)?;
    if to.metadata()?.len() < position {
        to.set_len(position)?;
    }
    Ok(())
}

/// Gives a content piece by piece.
pub trait Source {
    /// Fills the buffer from its beginning, or tells of a hole; no bytes at the end.
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Piece>;
}

/// The next piece of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    Bytes(usize),
    Hole(u64),
}

/// Anything that can be read, without holes.
pub struct Reader<R>(pub R);

impl<R: Read> Source for Reader<R> {
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Piece> {
        fill(&mut self.0, buffer).map(Piece::Bytes)
    }
}

/// A file with holes in it, from its beginning.
pub struct Sparse<'f> {
    file: &'f File,
    position: u64,
    /// The next hole.
    data_end: u64,
}

impl<'f> Sparse<'f> {
    /// `None` where the file has no holes, as far as its size tells.
    pub fn of(file: &'f File) -> Option<Self> {
        let metadata = file.metadata().ok()?;
        let is_sparse = metadata.is_file() && metadata.blocks().saturating_mul(512) < metadata.len();
        is_sparse.then_some(Self { file, position: 0, data_end: 0 })
    }
}

impl Source for Sparse<'_> {
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Piece> {
        if self.position >= self.data_end {
            let data = match rustix::fs::seek(self.file, SeekFrom::Data(self.position)) {
                Ok(data) => data,
                // No data up to the end.
                Err(Errno::NXIO) => self.file.metadata()?.len().max(self.position),
                Err(error) => return Err(error.into()),
            };
            if data > self.position {
                let hole = data - self.position;
                self.position = data;
                return Ok(Piece::Hole(hole));
            }
            match rustix::fs::seek(self.file, SeekFrom::Hole(self.position)) {
                Ok(hole) => self.data_end = hole,
                Err(Errno::NXIO) => return Ok(Piece::Bytes(0)),
                Err(error) => return Err(error.into()),
            }
        }
        let wanted = usize::try_from(self.data_end - self.position).unwrap_or(usize::MAX).min(buffer.len());
        let count = loop {
            match self.file.read_at(&mut buffer[..wanted], self.position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.position += count as u64;
        Ok(Piece::Bytes(count))
    }
}

/// Reads until the buffer is full or the reader is at its end; returns how much that was.
pub fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn copied(source: impl Source) -> (File, Digest, u64) {
        let to = tempfile::tempfile().unwrap();
        let (digest, size) = copy(source, &to, Way::direct(&to), "cannot read").unwrap();
        (to, digest, size)
    }

    fn content(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn an_error_of_the_source_ends_the_copy() {
        struct Bad;
        impl Read for Bad {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("bad sector"))
            }
        }
        let source = Reader(io::repeat(7).take(9 << 20).chain(Bad));

        let error = copy(source, &tempfile::tempfile().unwrap(), Way::cached(), "cannot read").unwrap_err();

        assert_eq!(error.to_string(), "cannot read: bad sector");
    }

    #[test]
    fn who_is_given_a_content_may_refuse_it() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let broken = give(Reader(io::repeat(7).take(90 << 20)), &mut Full(9 << 20)).unwrap_err();

        assert!(matches!(broken, Broken::Out(error) if error.kind() == io::ErrorKind::StorageFull));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_copy_is_the_same_with_holes_and_without(parts in prop::collection::vec((0..5_u64, any::<bool>(), any::<u8>()), 0..7)) {
            let file = tempfile::tempfile().unwrap();
            let mut length = 0;
            for (megabytes, is_hole, byte) in parts {
                let size = megabytes * 700_000;
                if !is_hole {
                    file.write_all_at(&vec![byte; size as usize], length).unwrap();
                }
                length += size;
            }
            file.set_len(length).unwrap();
            let bytes = content(&file);

            let mut given = Vec::new();
            let all = give(Reader(bytes.as_slice()), &mut given).unwrap();
            prop_assert_eq!(all, (Digest::of(&bytes), length));
            prop_assert!(given == bytes);
            let (plain, digest, size) = copied(Reader(bytes.as_slice()));
            prop_assert_eq!((digest, size), (Digest::of(&bytes), length));
            prop_assert!(content(&plain) == bytes);
            if let Some(source) = Sparse::of(&file) {
                let (sparse, digest, size) = copied(source);
                prop_assert_eq!((digest, size), (Digest::of(&bytes), length));
                prop_assert!(content(&sparse) == bytes);
            }
        }
    }
}
