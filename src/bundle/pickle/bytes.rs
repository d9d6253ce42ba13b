//! Content that can be looked at anywhere, and a cursor that walks through it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Content of a known size, of which any part can be read.
pub trait Bytes {
    fn size(&self) -> u64;

    /// Fills the buffer from this place on.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl Bytes for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let part = start.checked_add(buffer.len()).and_then(|end| self.get(start..end));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A part of a file.
#[derive(Debug)]
pub struct InFile<'a> {
    pub file: &'a File,
    pub offset: u64,
    pub size: u64,
}

impl Bytes for InFile<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, self.offset + offset)
    }
}

/// A part of other content.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    pub content: &'a dyn Bytes,
    pub offset: u64,
    pub size: u64,
}

impl<'a> Part<'a> {
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match offset.checked_add(buffer.len() as u64) {
            Some(end) if end <= self.size => self.content.read_at(self.offset + offset, buffer),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Reads it from the beginning on.
    pub fn reader(&self) -> Reader<'a> {
        Reader { part: *self, position: 0 }
    }
}

impl Bytes for Part<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        Part::read_at(self, offset, buffer)
    }
}

/// Reads a part from its beginning on.
pub struct Reader<'a> {
    part: Part<'a>,
    position: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (self.part.size - self.position).min(buffer.len() as u64) as usize;
        self.part.read_at(self.position, &mut buffer[..count])?;
        self.position += count as u64;
        Ok(count)
    }
}

/// Walks through a part. What is skipped is not read.
#[derive(Clone)]
pub struct Cursor<'a> {
    pub part: &'a Part<'a>,
    pub position: u64,
    /// A piece of the content, and where it begins.
    window: Vec<u8>,
    window_start: u64,
}

/// So much is read at once.
const WINDOW: u64 = 64 << 10;

impl<'a> Cursor<'a> {
    pub fn new(part: &'a Part<'a>) -> Self {
        Self { part, position: 0, window: Vec::new(), window_start: 0 }
    }

    pub fn is_at_end(&self) -> bool {
        self.position >= self.part.size
    }

    /// The next byte; `None` at the end.
    pub fn byte(&mut self) -> io::Result<Option<u8>> {
        if self.is_at_end() {
            return Ok(None);
        }
        let inside = self.position.checked_sub(self.window_start).filter(|at| *at < self.window.len() as u64);
        let at = match inside {
            Some(at) => at as usize,
            None => {
                self.window.resize((self.part.size - self.position).min(WINDOW) as usize, 0);
                self.window_start = self.position;
                self.part.read_at(self.position, &mut self.window)?;
                0
            }
        };
        self.position += 1;
        Ok(Some(self.window[at]))
    }

    /// The next bytes, so many; `None` where there are less.
    pub fn array<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            match self.byte()? {
                Some(next) => *byte = next,
                None => return Ok(None),
            }
        }
        Ok(Some(bytes))
    }

    /// The next `size` bytes where they are at most `most`, else nothing of them; `None` where there are less.
    pub fn take(&mut self, size: u64, most: usize) -> io::Result<Option<Option<Vec<u8>>>> {
        if size > self.part.size - self.position {
            return Ok(None);
        }
        if size > most as u64 {
            self.position += size;
            return Ok(Some(None));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        for _ in 0..size {
            bytes.extend(self.byte()?);
        }
        Ok(Some(Some(bytes)))
    }

    /// The text up to the next line end, which is skipped; `None` where there is none within `most` bytes.
    pub fn line(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        while let Some(byte) = self.byte()? {
            match byte {
                b'\n' => return Ok(Some(line)),
                _ if line.len() == most => return Ok(None),
                byte => line.push(byte),
            }
        }
        Ok(None)
    }

    /// Whether so many bytes could be skipped.
    pub fn skip(&mut self, size: u64) -> bool {
        let fits = size <= self.part.size - self.position;
        if fits {
            self.position += size;
        }
        fits
    }
}
