//! The blobs of a bundle one by one, as registries and object stores keep them: named by a manifest, and put together again
//! on the other side.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::archive::{self, Span, Writer};
use super::description::{DESCRIPTION_FILE, Description};
use super::oci::{self, Descriptor, Manifest};
use super::open::{Bundle, MOST_ENTRIES};
use super::refusal::refuse;
use super::{BadBundle, json};
use crate::fs::quote;
use crate::{Digest, Result};

/// A blob that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    pub digest: Digest,
    pub size: u64,
    pub media_type: String,
    /// The file or the directory that a layer brings, `config` for the config and `manifest` for the manifest.
    pub name: String,
}

/// What a manifest says, as far as that can be told without the blobs.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Config and layers, each blob once.
    pub blobs: Vec<Blob>,
    /// The layer with the description.
    pub description: Blob,
}

impl Bundle {
    /// The bytes of the manifest, whose digest is the bundle's name.
    pub fn manifest(&self) -> Result<Vec<u8>> {
        self.small_blob(&self.digest())
    }
}

/// Reads a manifest, which anybody may have written; whether the blobs are what it says shows when the bundle is opened.
pub fn parts(manifest: &[u8]) -> Result<Parts> {
    if manifest.len() as u64 > json::LARGEST {
        refuse!("its manifest has {} bytes; {} are allowed", manifest.len(), json::LARGEST);
    }
    let manifest: Manifest = json::strict(manifest, "manifest")?;
    if let Some(other) = manifest.is_other() {
        return Err(BadBundle::foreign(other).into());
    }
    if manifest.layers.len() > MOST_ENTRIES {
        refuse!("it has more than {MOST_ENTRIES} layers");
    }
    let mut seen = HashSet::new();
    let config = blob(&manifest.config, "config".into());
    let layers = manifest.layers.iter().map(|layer| {
        let name = layer.annotations.get(oci::FILE_PATH).cloned().unwrap_or_default();
        blob(layer, name)
    });
    let blobs: Vec<Blob> = std::iter::once(config).chain(layers).filter(|blob| seen.insert(blob.digest)).collect();
    let Some(description) = blobs.iter().find(|blob| blob.name == DESCRIPTION_FILE).cloned() else {
        refuse!("no layer of it is `{DESCRIPTION_FILE}`");
    };
    if description.size > json::LARGEST + (64 << 10) {
        refuse!("its {DESCRIPTION_FILE} has {} bytes", description.size);
    }
    Ok(Parts { blobs, description })
}

/// The description in the layer that brings it.
pub fn described(layer: &[u8]) -> Result<Description> {
    let mut file = tempfile::tempfile().context("cannot create a temporary file")?;
    file.write_all(layer).context("cannot write a temporary file")?;
    let entries = archive::list(&file, Span { offset: 0, size: layer.len() as u64 }, 2)?;
    let Some(entry) = entries.iter().find(|entry| entry.path == DESCRIPTION_FILE) else {
        refuse!("it holds no `{DESCRIPTION_FILE}`");
    };
    let start = usize::try_from(entry.span.offset).context("a layer is too large")?;
    let size = usize::try_from(entry.span.size).context("a layer is too large")?;
    Description::parse(&layer[start..start + size])
}

/// Writes the file of the bundle anew, of a manifest and the files that hold its blobs. Weights, of which who unpacks it takes
/// the files themselves, are holes in it.
pub fn rebuild(manifest: &[u8], description: &Description, blob: &dyn Fn(&Digest) -> PathBuf, out: File) -> Result<()> {
    let parts = parts(manifest)?;
    let descriptor = Descriptor::of(oci::MANIFEST, manifest);
    let name = oci::blob_path(&descriptor.digest);
    let index = oci::Index { schema_version: 2, media_type: Some(oci::INDEX.into()), manifests: vec![descriptor] };
    let (layout, index) = (json::canonical(&oci::Layout::default()), json::canonical(&index));
    // What may be executed needs a mode that the file of a blob does not have, so that it is copied.
    let copied: HashSet<Digest> =
        description.files.iter().filter(|file| file.executable).map(|file| file.digest).collect();
    let mut writer = Writer::new(Sparse { file: out, end: 0 });
    let documents: [(&str, &[u8]); 3] = [(oci::LAYOUT_FILE, &layout), (oci::INDEX_FILE, &index), (&name, manifest)];
    for (path, bytes) in documents {
        writer.append(path, false, bytes.len() as u64, |out| {
            Ok(out.write_all(bytes).context("cannot write the bundle")?)
        })?;
    }
    for Blob { digest, size, media_type, .. } in &parts.blobs {
        let is_hole = media_type == oci::WEIGHT && !copied.contains(digest);
        writer.append(&oci::blob_path(digest), false, *size, |out| match is_hole {
            true => Ok(write_zeros(*size, out).context("cannot write the bundle")?),
            false => copy(&blob(digest), out),
        })?;
    }
    writer.finish().map(drop)
}

fn write_zeros(size: u64, out: &mut dyn Write) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut left = size;
    while left > 0 {
        let count = zeros.len().min(usize::try_from(left).unwrap_or(zeros.len()));
        out.write_all(&zeros[..count])?;
        left -= count as u64;
    }
    Ok(())
}

fn copy(path: &Path, out: &mut dyn Write) -> Result<()> {
    let cannot = || format!("cannot copy `{}`", quote(path));
    let mut file = File::open(path).with_context(cannot)?;
    io::copy(&mut file, out).with_context(cannot)?;
    Ok(())
}

fn blob(descriptor: &Descriptor, name: String) -> Blob {
    Blob { digest: descriptor.digest, size: descriptor.size, media_type: descriptor.media_type.clone(), name }
}

/// A file in which zeros take no room.
struct Sparse {
    file: File,
    end: u64,
}

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.end += bytes.len() as u64;
        match bytes.iter().all(|byte| *byte == 0) {
            true => {
                self.file.seek(SeekFrom::Start(self.end))?;
                self.file.set_len(self.end)?;
            }
            false => self.file.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
