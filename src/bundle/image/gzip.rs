//! gzip in pieces: all processors work on it, and the same content gives the same bytes however many there are.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use rayon::prelude::*;

/// Each piece becomes a member of its own; readers take members one after the other for one stream (RFC 1952, 2.2).
const PIECE: usize = 1 << 20;
/// What a look at the beginning of a piece may tell.
const SAMPLE: usize = 64 << 10;

/// Packs what is written to it.
pub struct Gzip<W: Write> {
    inner: W,
    pieces: Vec<Vec<u8>>,
    at_once: usize,
    is_empty: bool,
}

impl<W: Write> Gzip<W> {
    pub fn new(inner: W) -> Self {
        Self { inner, pieces: Vec::new(), at_once: 4 * rayon::current_num_threads(), is_empty: true }
    }

    /// Writes what is left; gives back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        // Nothing is a member too.
        if self.is_empty {
            self.pieces.push(Vec::new());
        }
        self.pack()?;
        Ok(self.inner)
    }

    fn pack(&mut self) -> io::Result<()> {
        let packed: Vec<io::Result<Vec<u8>>> = self.pieces.par_iter().map(|piece| member(piece)).collect();
        self.pieces.clear();
        packed.into_iter().try_for_each(|member| self.inner.write_all(&member?))
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.pieces.last().is_none_or(|piece| piece.len() == PIECE) {
            if self.pieces.len() == self.at_once {
                self.pack()?;
            }
            self.pieces.push(Vec::with_capacity(PIECE));
            self.is_empty = false;
        }
        let piece = self.pieces.last_mut().expect("the lines above add one");
        let count = bytes.len().min(PIECE - piece.len());
        piece.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// One piece, packed; as it is where packing would save next to nothing, as with most weights.
fn member(piece: &[u8]) -> io::Result<Vec<u8>> {
    let sample = packed(&piece[..piece.len().min(SAMPLE)], Compression::fast())?;
    let pays = sample.len() * 20 < piece.len().min(SAMPLE) * 19;
    packed(piece, if pays { Compression::new(5) } else { Compression::none() })
}

fn packed(bytes: &[u8], level: Compression) -> io::Result<Vec<u8>> {
    // Without a time, a name and a system, which would differ.
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), level);
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_is_packed_reads_back_and_is_always_the_same() {
        let noise: Vec<u8> = (0..PIECE + 7).map(|index| crate::Digest::of(index.to_le_bytes()).as_bytes()[0]).collect();
        for content in [Vec::new(), b"text".repeat(PIECE), noise] {
            let pack = |step: usize| {
                let mut gzip = Gzip::new(Vec::new());
                content.chunks(step).try_for_each(|chunk| gzip.write_all(chunk)).unwrap();
                gzip.finish().unwrap()
            };

            let (one, other) = (pack(777_777), pack(1 << 22));

            assert_eq!(one, other);
            let mut read = Vec::new();
            flate2::read::MultiGzDecoder::new(one.as_slice()).read_to_end(&mut read).unwrap();
            assert!(read == content);
        }
    }
}
