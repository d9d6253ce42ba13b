//! Files on their way into a bundle, and the layers they make.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::Context;

use super::archive::Writer;
use super::description::File;
use super::oci::{self, Descriptor};
use super::open::Layer;
use super::signature::SIGNATURE_FILE;
use crate::digest::{self, Hasher};
use crate::error::ErrorContext;
use crate::fs::quote;
use crate::store::Store;
use crate::{Digest, Error, Result};

/// A file that goes into a bundle.
#[derive(Debug, Clone)]
pub struct Content {
    pub file: File,
    pub source: Source,
}

/// Where a file's content comes from when the bundle is written.
#[derive(Debug, Clone)]
pub enum Source {
    /// The object of the store with the file's digest.
    Store,
    /// A file outside the store, checked while it is copied.
    Path(PathBuf),
    /// A small file that was made for the bundle.
    Bytes(Vec<u8>),
}

impl Content {
    /// A file that was made for the bundle.
    pub fn from_bytes(path: impl Into<String>, bytes: Vec<u8>) -> Self {
        let file = File { path: path.into(), digest: Digest::of(&bytes), size: bytes.len() as u64, executable: false };
        Self { file, source: Source::Bytes(bytes) }
    }

    /// A file outside the store, read once for its digest.
    pub fn from_path(path: impl Into<String>, source: PathBuf, executable: bool) -> Result<Self> {
        let cannot = || format!("cannot read `{}`", quote(&source));
        let open = std::fs::File::open(&source).with_context(cannot)?;
        let (digest, size) = digest::of_reader(open).with_context(cannot)?;
        Ok(Self { file: File { path: path.into(), digest, size, executable }, source: Source::Path(source) })
    }

    /// Copies the content, checking it on the way: an error means that what was written must be thrown away.
    pub fn copy_to(&self, store: &Store, out: &mut dyn Write) -> Result<()> {
        let digest = &self.file.digest;
        match &self.source {
            Source::Store => store
                .copy_to(digest, out)
                .map(drop)
                .with_context(|| format!("cannot pack `{}`", crate::fs::escape(self.file.path.as_bytes()))),
            Source::Bytes(bytes) => Ok(out.write_all(bytes).context("cannot write the bundle")?),
            Source::Path(path) => {
                let mut file = std::fs::File::open(path).with_context(|| format!("cannot read `{}`", quote(path)))?;
                let mut hasher = Hasher::new();
                let mut buffer = vec![0; 256 * 1024];
                loop {
                    match file.read(&mut buffer).with_context(|| format!("cannot read `{}`", quote(path)))? {
                        0 => break,
                        count => {
                            hasher.update(&buffer[..count]);
                            out.write_all(&buffer[..count]).context("cannot write the bundle")?;
                        }
                    }
                }
                match hasher.finish().0 == *digest {
                    true => Ok(()),
                    false => Err(Error::failed(format!("`{}` changed while it was packed", quote(path)))),
                }
            }
        }
    }
}

/// A layer on its way into a bundle. Its bytes are made when they are written, so that memory does not grow with them.
#[derive(Debug, Clone)]
pub struct PlannedLayer {
    pub descriptor: Descriptor,
    pub contents: Vec<Content>,
    is_tar: bool,
}

impl PlannedLayer {
    /// A weight file as it is.
    pub fn weight(content: Content) -> Self {
        let File { path, digest, size, .. } = &content.file;
        let descriptor = described(oci::WEIGHT, path, *digest, *size);
        Self { descriptor, contents: vec![content], is_tar: false }
    }

    /// Files together as a tar; `path` says what they are.
    pub fn tar(media_type: &str, path: &str, mut contents: Vec<Content>, store: &Store) -> Result<Self> {
        contents.sort_by(|a, b| a.file.path.cmp(&b.file.path));
        let mut hasher = Hasher::new();
        write_tar(&contents, store, &mut hasher)?;
        let (digest, size) = hasher.finish();
        Ok(Self { descriptor: described(media_type, path, digest, size), contents, is_tar: true })
    }

    /// The layer as the manifest will name it.
    pub fn layer(&self) -> Layer {
        let Descriptor { media_type, digest, size, annotations, .. } = &self.descriptor;
        let path = annotations.get(oci::FILE_PATH).cloned().unwrap_or_default();
        Layer { path, media_type: media_type.clone(), digest: *digest, size: *size }
    }

    /// The signature of a bundle.
    pub fn signature(signature: Vec<u8>, store: &Store) -> Result<Self> {
        Self::tar(oci::DOCUMENT, SIGNATURE_FILE, vec![Content::from_bytes(SIGNATURE_FILE, signature)], store)
    }

    /// Writes the layer's bytes.
    pub fn write(&self, store: &Store, out: &mut dyn Write) -> Result<()> {
        match (self.is_tar, self.contents.as_slice()) {
            (false, [content]) => content.copy_to(store, out),
            _ => write_tar(&self.contents, store, out),
        }
    }
}

fn write_tar(contents: &[Content], store: &Store, out: &mut dyn Write) -> Result<()> {
    let mut writer = Writer::new(out);
    for content in contents {
        let File { path, size, executable, .. } = &content.file;
        writer.append(path, *executable, *size, |out| content.copy_to(store, out))?;
    }
    writer.finish().map(drop)
}

/// A small file as a tar that holds nothing else.
pub(super) fn tar_of(path: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut tar = Vec::new();
    let mut writer = Writer::new(&mut tar);
    let size = bytes.len() as u64;
    writer.append(path, false, size, |out| Ok(out.write_all(bytes).context("cannot write the archive")?))?;
    writer.finish()?;
    Ok(tar)
}

/// The descriptor of a layer that brings this file or directory.
pub(super) fn described(media_type: &str, path: &str, digest: Digest, size: u64) -> Descriptor {
    let annotations = BTreeMap::from([(oci::FILE_PATH.to_owned(), path.to_owned())]);
    Descriptor { annotations, ..Descriptor::new(media_type, digest, size) }
}
