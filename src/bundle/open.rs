//! Opening a bundle: everything that its documents say is checked against what the archive holds.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::archive::{self, Entry, Span};
use super::description::{DESCRIPTION_FILE, Description, File};
use super::oci::{self, Descriptor, Index, Layout, Manifest};
use super::pickle::InFile;
use super::refusal::refuse;
use super::signature::{self, PublicKey, SIGNATURE_FILE, signed_files};
use super::{BadBundle, json, path};
use crate::digest::Hasher;
use crate::error::ErrorContext;
use crate::fs::quote;
use crate::{Digest, Error, Result};

/// An archive, and each of its layers, has at most this many entries.
pub const MOST_ENTRIES: usize = 10_000;

/// A bundle whose documents are sound and agree with the archive around them.
///
/// Nothing in it points outside, and every file lies in the archive with the size that the description names. Contents
/// are checked against their digests when they are read ([`Bundle::copy_file`]) or all together ([`super::verify`]).
#[derive(Debug)]
pub struct Bundle {
    path: PathBuf,
    archive: fs::File,
    manifest: Descriptor,
    config: Descriptor,
    layers: Vec<Layer>,
    description: Description,
    description_bytes: Vec<u8>,
    signature: Option<Vec<u8>>,
    blobs: HashMap<Digest, Span>,
    /// Where the files of the description lie, in its order.
    files: Vec<Span>,
}

/// A layer as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Layer {
    /// The file or the directory that it brings.
    pub path: String,
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
}

impl Layer {
    /// The bytes of the weights among these layers.
    pub fn weights(layers: &[Self]) -> u64 {
        layers.iter().filter(|layer| layer.media_type == oci::WEIGHT).map(|layer| layer.size).sum()
    }
}

impl Bundle {
    /// Opens the bundle in this file. Time and memory are bounded whatever the file holds; refusals are [`BadBundle`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::read(path).with_context(|| format!("cannot use `{}` as a bundle", quote(path)))
    }

    fn read(path: &Path) -> Result<Self> {
        let archive = open_regular(path)?;
        share(&archive)?;
        let size = archive.metadata().with_context(|| format!("cannot read `{}`", quote(path)))?.len();
        let mut files = HashMap::new();
        for entry in archive::list(&archive, Span { offset: 0, size }, MOST_ENTRIES)? {
            files.insert(entry.path, entry.span);
        }
        let layout = document(&archive, files.remove(oci::LAYOUT_FILE), oci::LAYOUT_FILE)?;
        let layout: Layout = json::strict(&layout, oci::LAYOUT_FILE)?;
        if !layout.image_layout_version.starts_with("1.") {
            refuse!("its image layout has version `{}`; this mlx knows 1", layout.image_layout_version);
        }
        let index = document(&archive, files.remove(oci::INDEX_FILE), oci::INDEX_FILE)?;
        let index: Index = json::strict(&index, oci::INDEX_FILE)?;
        let blobs = blobs(files)?;
        let manifest_descriptor = only_manifest(index)?;
        let manifest = blob(&archive, &blobs, &manifest_descriptor, "manifest")?;
        let manifest: Manifest = json::strict(&manifest, "manifest")?;
        check_manifest(&manifest, &manifest_descriptor, &blobs)?;
        let config = blob(&archive, &blobs, &manifest.config, "config")?;
        json::strict::<oci::Config>(&config, "config")?;

        let layers: Vec<Layer> = manifest.layers.iter().map(layer).collect::<Result<_, _>>()?;
        let mut found = layer_files(&archive, &blobs, &layers)?;
        let mut own = |name: &str| -> Result<Option<Vec<u8>>> {
            let Some(entry) = found.remove(name) else { return Ok(None) };
            let layer = manifest.layers.iter().zip(&layers).find(|(_, layer)| layer.path == name);
            let Some((descriptor, _)) = layer else { refuse!("no layer of it is `{name}`") };
            blob(&archive, &blobs, descriptor, name)?;
            document(&archive, Some(entry.span), name).map(Some)
        };
        let Some(description_bytes) = own(DESCRIPTION_FILE)? else {
            let missing = format!(
                "it holds no `{DESCRIPTION_FILE}`, in which `mlx package` says what it is and how it is served"
            );
            return Err(BadBundle::foreign(missing).into());
        };
        let signature = own(SIGNATURE_FILE)?;
        let description = Description::parse(&description_bytes)?;
        let files = place(&description.files, found)?;
        Ok(Self {
            path: path.to_path_buf(),
            archive,
            manifest: manifest_descriptor,
            config: manifest.config,
            layers,
            description,
            description_bytes,
            signature,
            blobs,
            files,
        })
    }

    /// The file it was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    pub fn file_bytes(&self) -> Result<u64> {
        let metadata = self.archive.metadata().with_context(|| format!("cannot read `{}`", quote(&self.path)))?;
        Ok(metadata.len())
    }

    /// The manifest's digest: the bundle's name everywhere.
    pub fn digest(&self) -> Digest {
        self.manifest.digest
    }

    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The bytes of `mlx.bundle.json`.
    pub fn description_bytes(&self) -> &[u8] {
        &self.description_bytes
    }

    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The bytes of `model.sig`, unchecked; `None` where the bundle is not signed.
    pub fn signature(&self) -> Option<&[u8]> {
        self.signature.as_deref()
    }

    /// What it says about itself beside the files of its description, as it lies in an unpacked bundle.
    pub fn own_files(&self) -> Vec<(&'static str, Digest)> {
        let own = [(DESCRIPTION_FILE, Some(self.description_bytes())), (SIGNATURE_FILE, self.signature())];
        own.into_iter().filter_map(|(name, bytes)| Some((name, Digest::of(bytes?)))).collect()
    }

    /// Whether the holder of this key signed the bundle; what its files hold is for [`super::verify()`] to check.
    pub fn check_signature(&self, key: &PublicKey) -> Result<()> {
        let signature = self.signature().ok_or_else(signature::unsigned)?;
        let checked = key.check(signature, &signed_files(&self.description, &self.description_bytes));
        checked.map_err(Error::from).with_context(|| format!("the signature of `{}` is refused", quote(&self.path)))
    }

    /// Copies a file of the description, by its place there, checking it on the way: an error means that what was
    /// written must be thrown away.
    pub fn copy_file(&self, index: usize, out: &mut dyn Write) -> Result<()> {
        let file = &self.description.files[index];
        let what = || format!("file `{}`", crate::fs::escape(file.path.as_bytes()));
        self.copy(self.files[index], &file.digest, &what, out)
    }

    /// Where a file of the description begins in the file of the bundle; it is not compressed.
    pub fn offset(&self, index: usize) -> u64 {
        self.files[index].offset
    }

    /// Every blob once, with its name in messages: manifest, config, layers.
    pub(super) fn blobs(&self) -> impl Iterator<Item = (String, Digest)> + '_ {
        let layers = self.layers.iter().map(|layer| (format!("layer `{}`", quote(&layer.path)), layer.digest));
        let documents = [("manifest".to_owned(), self.manifest.digest), ("config".to_owned(), self.config.digest)];
        let mut seen = HashSet::new();
        documents.into_iter().chain(layers).filter(move |(_, digest)| seen.insert(*digest))
    }

    /// Where a blob begins in the file of the bundle; it is not compressed.
    pub fn blob_offset(&self, digest: &Digest) -> Option<u64> {
        self.blobs.get(digest).map(|span| span.offset)
    }

    /// A document among the blobs, checked.
    pub(super) fn small_blob(&self, digest: &Digest) -> Result<Vec<u8>> {
        let bytes = document(&self.archive, self.blobs.get(digest).copied(), "document")?;
        match Digest::of(&bytes) {
            found if found == *digest => Ok(bytes),
            found => refuse!("a document of it is damaged: it should be {digest} and hashes to {found}"),
        }
    }

    /// Where a file of the description lies, by its place there, for who looks into it; it is not checked.
    pub(super) fn file_content(&self, index: usize) -> InFile<'_> {
        let Span { offset, size } = self.files[index];
        InFile { file: &self.archive, offset, size }
    }

    /// Whether a file is a layer as it is.
    pub(super) fn is_layer(&self, path: &str, digest: &Digest) -> bool {
        self.layers.iter().any(|layer| layer.path == path && layer.digest == *digest && layer.media_type == oci::WEIGHT)
    }

    /// Copies a layer, by its place, checking it on the way: an error means that what was written must be thrown away.
    pub(super) fn copy_layer(&self, index: usize, out: &mut dyn Write) -> Result<()> {
        let Layer { path, digest, .. } = &self.layers[index];
        self.copy(self.blobs[digest], digest, &|| format!("layer `{}`", quote(path)), out)
    }

    /// Where a blob lies in the file.
    pub(super) fn blob_span(&self, digest: &Digest) -> Option<Span> {
        self.blobs.get(digest).copied()
    }

    /// Checks the content of a blob; returns its size.
    pub fn check_blob(&self, digest: &Digest, name: &str) -> Result<u64> {
        let span = self.blobs[digest];
        self.copy(span, digest, &|| name.to_owned(), &mut std::io::sink()).map(|()| span.size)
    }

    fn copy(&self, span: Span, expected: &Digest, what: &dyn Fn() -> String, out: &mut dyn Write) -> Result<()> {
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 256 * 1024];
        let mut done = 0;
        while done < span.size {
            let count = buffer.len().min((span.size - done).try_into().unwrap_or(usize::MAX));
            self.archive
                .read_exact_at(&mut buffer[..count], span.offset + done)
                .with_context(|| format!("cannot read `{}`", quote(&self.path)))?;
            hasher.update(&buffer[..count]);
            out.write_all(&buffer[..count]).with_context(|| format!("cannot copy the {}", what()))?;
            done += count as u64;
        }
        match hasher.finish() {
            (found, _) if found == *expected => Ok(()),
            (found, _) => refuse!("its {} is damaged: it should be {expected} and hashes to {found}", what()),
        }
    }
}

/// Keeps `mlx package` from changing the file where it is (see [`super::repack`]) as long as it is open.
fn share(archive: &fs::File) -> Result<()> {
    match rustix::fs::flock(archive, rustix::fs::FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::failed("it is being packaged again at this moment")
            .with_hint("try again when `mlx package` is done")),
        // A file system without locks has no `mlx package` that changes files either.
        _ => Ok(()),
    }
}

/// Opens a regular file and nothing else: a FIFO would make the reader wait for ever.
fn open_regular(path: &Path) -> Result<fs::File> {
    let cannot = || format!("cannot read `{}`", quote(path));
    let kind = fs::metadata(path).with_context(cannot)?.file_type();
    if kind.is_dir() {
        return Err(Error::usage("it is a directory").with_hint("name the `.tar` file that `mlx package` wrote"));
    }
    if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device() {
        return Err(Error::usage("it is no regular file"));
    }
    Ok(fs::File::open(path).with_context(cannot)?)
}

/// A whole small file of the archive.
fn document(archive: &fs::File, span: Option<Span>, name: &str) -> Result<Vec<u8>> {
    let Some(span) = span else { refuse!("it holds no `{name}`") };
    if span.size > json::LARGEST {
        refuse!("its {name} has {} bytes; {} are allowed", span.size, json::LARGEST);
    }
    let mut bytes = vec![0; span.size as usize];
    archive.read_exact_at(&mut bytes, span.offset).with_context(|| format!("cannot read its {name}"))?;
    Ok(bytes)
}

/// What is left of the archive must be blobs.
fn blobs(files: HashMap<String, Span>) -> Result<HashMap<Digest, Span>, BadBundle> {
    let blob = |(path, span): (String, Span)| {
        let digest = path.strip_prefix("blobs/sha256/").and_then(|hex| Digest::from_hex(hex).ok());
        digest.map(|digest| (digest, span)).ok_or_else(|| {
            let problem = path::check(&path).err().map(|problem| format!(": {problem}")).unwrap_or_default();
            BadBundle::new(format_args!("`{path}` has no place in a bundle{problem}"))
        })
    };
    files.into_iter().map(blob).collect()
}

fn only_manifest(index: Index) -> Result<Descriptor, BadBundle> {
    let count = index.manifests.len();
    let [manifest] = <[Descriptor; 1]>::try_from(index.manifests)
        .map_err(|_| BadBundle::new(format_args!("its index names {count} manifests instead of one")))?;
    match manifest.media_type.as_str() {
        oci::MANIFEST => Ok(manifest),
        oci::INDEX => Err(BadBundle::new("its index names another index instead of the manifest")),
        other => Err(BadBundle::new(format_args!("its index names a `{other}` instead of the manifest"))),
    }
}

fn check_manifest(manifest: &Manifest, own: &Descriptor, blobs: &HashMap<Digest, Span>) -> Result<(), BadBundle> {
    let Manifest { schema_version, media_type, artifact_type: _, config, layers, annotations: _ } = manifest;
    let bad = |reason: String| Err(BadBundle::new(reason));
    if let Some(other) = manifest.is_other() {
        return Err(BadBundle::foreign(other));
    }
    if *schema_version != 2 || media_type != oci::MANIFEST {
        return bad(format!("its manifest is a `{media_type}` with schema version {schema_version}"));
    }
    let mut named = HashSet::from([own.digest, config.digest]);
    for descriptor in layers.iter().chain([own, config]) {
        let Descriptor { digest, size, urls, .. } = descriptor;
        if !urls.is_empty() {
            return bad(format!("its blob {digest} is to be fetched from somewhere else"));
        }
        match blobs.get(digest) {
            None => return bad(format!("its blob {digest} is missing")),
            Some(span) if span.size != *size => {
                return bad(format!("its blob {digest} has {} bytes; the manifest says {size}", span.size));
            }
            Some(_) => named.insert(*digest),
        };
    }
    match blobs.keys().find(|digest| !named.contains(digest)) {
        Some(digest) => bad(format!("nothing in it names its blob {digest}")),
        None => Ok(()),
    }
}

/// The content of a small blob, checked.
fn blob(archive: &fs::File, blobs: &HashMap<Digest, Span>, descriptor: &Descriptor, name: &str) -> Result<Vec<u8>> {
    let bytes = document(archive, blobs.get(&descriptor.digest).copied(), name)?;
    match Digest::of(&bytes) {
        found if found == descriptor.digest && bytes.len() as u64 == descriptor.size => Ok(bytes),
        found => refuse!("its {name} is damaged: it should be {} and hashes to {found}", descriptor.digest),
    }
}

fn layer(descriptor: &Descriptor) -> Result<Layer, BadBundle> {
    let Descriptor { media_type, digest, size, annotations, .. } = descriptor;
    let path = annotations.get(oci::FILE_PATH).cloned();
    let path = path.ok_or_else(|| BadBundle::new(format_args!("its layer {digest} does not say what it is")))?;
    if let Err(problem) = path::check(&path) {
        return Err(BadBundle::new(format_args!("its layer `{path}` is refused: {problem}")));
    }
    Ok(Layer { path, media_type: media_type.clone(), digest: *digest, size: *size })
}

/// A file of a layer.
struct Found {
    span: Span,
    executable: Option<bool>,
}

fn found_in(entry: Entry) -> (String, Found) {
    (entry.path, Found { span: entry.span, executable: Some(entry.executable) })
}

/// Every file of every layer.
fn layer_files(archive: &fs::File, blobs: &HashMap<Digest, Span>, layers: &[Layer]) -> Result<HashMap<String, Found>> {
    let mut found = HashMap::new();
    let mut listed = HashSet::new();
    for Layer { path, media_type, digest, .. } in layers {
        let span = blobs[digest];
        let entries = match media_type.as_str() {
            // Whether it may be executed is the description's to say.
            oci::WEIGHT => vec![(path.clone(), Found { span, executable: None })],
            // To list one again and again takes long, and would only show that it brings its files twice.
            oci::CODE | oci::DOCUMENT if !listed.insert(*digest) => {
                refuse!("its layer `{path}` has the content of another one")
            }
            oci::CODE | oci::DOCUMENT => {
                archive::list(archive, span, MOST_ENTRIES)?.into_iter().map(found_in).collect()
            }
            other => refuse!("its layer `{path}` is a `{other}`, which this mlx does not read"),
        };
        for (path, entry) in entries {
            if found.len() == MOST_ENTRIES {
                refuse!("it has more than {MOST_ENTRIES} files");
            }
            if found.insert(path.clone(), entry).is_some() {
                refuse!("two of its layers bring `{path}`");
            }
        }
    }
    Ok(found)
}

/// Finds each file of the description among the files of the layers; none may be left over.
fn place(files: &[File], mut found: HashMap<String, Found>) -> Result<Vec<Span>, BadBundle> {
    let mut spans = Vec::with_capacity(files.len());
    for File { path, size, executable, .. } in files {
        let entry = found.remove(path);
        let entry = entry.ok_or_else(|| BadBundle::new(format_args!("its file `{path}` is in none of its layers")))?;
        if entry.span.size != *size {
            return Err(BadBundle::new(format_args!(
                "its file `{path}` has {} bytes; {DESCRIPTION_FILE} says {size}",
                entry.span.size
            )));
        }
        if entry.executable.is_some_and(|found| found != *executable) {
            return Err(BadBundle::new(format_args!(
                "its layers and {DESCRIPTION_FILE} disagree in whether `{path}` may be executed"
            )));
        }
        spans.push(entry.span);
    }
    match found.into_keys().min() {
        Some(path) => Err(BadBundle::new(format_args!("its file `{path}` is not in {DESCRIPTION_FILE}"))),
        None => Ok(spans),
    }
}
