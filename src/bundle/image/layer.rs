//! Layers of an image: those that a base brings, as they are, and those that are made.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::LAYER;
use super::gzip::Gzip;
use crate::bundle::archive::{Span, Writer};
use crate::digest::Hasher;
use crate::{Digest, Error, Result};

/// A layer whose bytes lie in a file, maybe among others.
#[derive(Debug, Clone)]
pub struct Layer {
    pub media_type: String,
    /// Of the bytes as they are sent, and how many they are.
    pub digest: Digest,
    pub size: u64,
    /// The digest of the tar, unpacked.
    pub diff_id: Digest,
    pub file: Arc<File>,
    pub offset: u64,
}

impl Layer {
    /// Copies its bytes, checking them: an error means that what was written must be thrown away.
    pub fn copy_to(&self, out: &mut dyn Write) -> Result<()> {
        let span = Span { offset: self.offset, size: self.size };
        match copy(&self.file, span, out).context("cannot copy a layer")? {
            found if found == self.digest => Ok(()),
            found => Err(Error::failed(format!(
                "a layer of the base is damaged: it should be {} and hashes to {found}",
                self.digest
            ))),
        }
    }
}

/// Copies a part of a file; the digest of what was copied.
pub fn copy(file: &File, span: Span, out: &mut dyn Write) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 256 << 10];
    let mut done = 0;
    while done < span.size {
        let count = buffer.len().min(usize::try_from(span.size - done).unwrap_or(usize::MAX));
        file.read_exact_at(&mut buffer[..count], span.offset + done)?;
        hasher.update(&buffer[..count]);
        out.write_all(&buffer[..count])?;
        done += count as u64;
    }
    Ok(hasher.finish().0)
}

/// What a tar goes through: its digest is taken, it is packed, and the digest of that is taken.
type Packing = Hashed<Gzip<Hashed<BufWriter<File>>>>;

/// A layer that is being made in a temporary file, which goes with it.
pub struct Made {
    pub tar: Writer<Packing>,
}

impl Made {
    pub fn new(scratch: &Path) -> Result<Self> {
        Ok(Self { tar: Writer::new(packing(scratch)?) })
    }

    pub fn finish(self) -> Result<Layer> {
        finished(self.tar.into_inner()?)
    }
}

/// A layer whose tar is there already.
pub fn of_tar(scratch: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Layer> {
    let mut packing = packing(scratch)?;
    write(&mut packing)?;
    finished(packing)
}

fn packing(scratch: &Path) -> Result<Packing> {
    let cannot = || format!("cannot create a temporary file in `{}`", crate::fs::quote(scratch));
    crate::fs::create_dir_all(scratch)?;
    let file = tempfile::tempfile_in(scratch).with_context(cannot)?;
    Ok(Hashed::new(Gzip::new(Hashed::new(BufWriter::with_capacity(256 << 10, file)))))
}

fn finished(packing: Packing) -> Result<Layer> {
    let cannot = "cannot write a layer";
    let (gzip, diff_id, _) = packing.finish();
    let (file, digest, size) = gzip.finish().context(cannot)?.finish();
    let file = file.into_inner().map_err(io::IntoInnerError::into_error).context(cannot)?;
    Ok(Layer { media_type: LAYER.into(), digest, size, diff_id, file: Arc::new(file), offset: 0 })
}

/// Hashes what goes through.
pub struct Hashed<W: Write> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> Hashed<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::new() }
    }

    fn finish(self) -> (W, Digest, u64) {
        let (digest, size) = self.hasher.finish();
        (self.inner, digest, size)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
