//! Large contents: read once, hashed and written at the same time, holes kept as holes.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::Context;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::cannot_write;
use crate::digest::Hasher;
use crate::fs::begin_writing;
use crate::{Digest, Result};

/// So much is read, hashed and written at a time.
const BUFFER_BYTES: usize = 1 << 20;
/// So many buffers are on their way.
const BUFFERS: usize = 4;
/// After so much the disk is told to begin, so that the sync in the end does not wait for all of it.
const BEGIN_BYTES: u64 = 16 << 20;

/// Copies all that the source gives to an empty file; returns its digest and size.
pub fn copy(mut source: impl Source, to: &File, cannot_read: &'static str) -> Result<(Digest, u64)> {
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(BUFFERS);
        let (give_back, returned) = sync_channel(BUFFERS);
        let hasher = scope.spawn(move || hash(&receive, &give_back));
        let copied = transfer(&mut source, to, cannot_read, &send, &returned);
        // The hasher ends when nobody can send any more.
        drop(send);
        let (digest, hashed) = hasher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        copied.map(|()| (digest, hashed))
    })
}

/// What is hashed next.
enum Part {
    Bytes(Arc<Vec<u8>>),
    Zeros(u64),
}

fn hash(parts: &Receiver<Part>, give_back: &SyncSender<Arc<Vec<u8>>>) -> (Digest, u64) {
    let mut hasher = Hasher::new();
    let zeros = [0; 1 << 16];
    for part in parts {
        match part {
            Part::Bytes(bytes) => {
                hasher.update(&bytes);
                // Nobody takes it back after an error.
                let _ = give_back.send(bytes);
            }
            Part::Zeros(mut count) => {
                while count > 0 {
                    let now = count.min(zeros.len() as u64);
                    hasher.update(&zeros[..now as usize]);
                    count -= now;
                }
            }
        }
    }
    hasher.finish()
}

fn transfer(
    source: &mut impl Source,
    to: &File,
    cannot_read: &'static str,
    send: &SyncSender<Part>,
    returned: &Receiver<Arc<Vec<u8>>>,
) -> Result<()> {
    let (mut position, mut begun, mut made) = (0, 0, 0);
    loop {
        let mut buffer = if made < BUFFERS {
            made += 1;
            Arc::default()
        } else {
            returned.recv().expect("the hasher gives back as many as it gets")
        };
        // It was written before the hasher could give it back a second time.
        let bytes = Arc::make_mut(&mut buffer);
        bytes.resize(BUFFER_BYTES, 0);
        let piece = source.next(bytes).context(cannot_read)?;
        match piece {
            Piece::Bytes(0) => break,
            Piece::Bytes(count) => {
                bytes.truncate(count);
                let part = Part::Bytes(buffer.clone());
                send.send(part).expect("the hasher takes all that it gets");
                to.write_all_at(&buffer, position).map_err(cannot_write)?;
                position += count as u64;
            }
            Piece::Hole(count) => {
                send.send(Part::Zeros(count)).expect("the hasher takes all that it gets");
                position += count;
                // This buffer is not on its way to anybody.
                made -= 1;
            }
        }
        if position - begun >= BEGIN_BYTES {
            begin_writing(to, begun, position);
            begun = position;
        }
    }
    if to.metadata().map_err(cannot_write)?.len() < position {
        to.set_len(position).map_err(cannot_write)?;
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
        let (digest, size) = copy(source, &to, "cannot read").unwrap();
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

        let error = copy(source, &tempfile::tempfile().unwrap(), "cannot read").unwrap_err();

        assert_eq!(error.to_string(), "cannot read: bad sector");
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
