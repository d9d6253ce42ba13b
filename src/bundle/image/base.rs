//! What an image is built on: an archive or a directory with an image, an image in a registry, or a root file system.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::layer::{Layer, Made, copy, of_tar};
use super::registry::{self, Reference};
use super::{LAYER, architecture};
use crate::bundle::archive::Span;
use crate::bundle::oci::{self, Descriptor};
use crate::bundle::open::MOST_ENTRIES;
use crate::error::ErrorContext;
use crate::event::Watch;
use crate::fs::quote;
use crate::remote::Access;
use crate::{Digest, Error, Result};

const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const DOCKER_PLAIN_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const PLAIN_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const ZSTD_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Documents of images have at most this many bytes.
pub const LARGEST_DOCUMENT: u64 = 16 << 20;

/// An image to build on.
#[derive(Debug)]
pub struct Base {
    /// As the user named it.
    pub name: String,
    /// Its name and digest in a registry.
    pub source: Option<BaseName>,
    /// As images name it: `amd64`.
    pub architecture: String,
    /// How its programs are started.
    pub config: Map<String, Value>,
    pub history: Vec<Value>,
    pub layers: Vec<Layer>,
}

/// An image in a registry.
#[derive(Debug, Clone)]
pub struct BaseName {
    pub name: String,
    pub digest: Digest,
}

/// Where the blobs of an image are.
pub trait Blobs {
    /// A document, checked.
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>>;

    /// The file with a layer's bytes, and where they begin in it. They are checked when they are copied.
    fn layer(&self, descriptor: &Descriptor) -> Result<(Arc<File>, u64)>;
}

impl Base {
    /// Opens what `name` names: a file or directory relative to `directory`, else an image in a registry. `scratch` is for
    /// what is made on the way, `cache` for what comes from registries.
    pub fn open(
        name: &str,
        directory: &Path,
        scratch: &Path,
        cache: &Path,
        access: &Access,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let shown = crate::fs::escape(name.as_bytes());
        let plain =
            ["oci-archive:", "docker-archive:", "oci:", "dir:"].iter().find_map(|prefix| name.strip_prefix(prefix));
        let path = directory.join(plain.unwrap_or(name));
        let base = if path.is_dir() {
            of_directory(&path, scratch, watch)
        } else if path.is_file() {
            of_file(&path, scratch)
        } else if plain.is_some() || name.starts_with(['.', '/']) {
            Err(Error::usage("there is no such file"))
        } else {
            let reference: Reference = name.strip_prefix("docker://").unwrap_or(name).parse()?;
            registry::pull(&reference, cache, scratch, access, watch)
        };
        let base = base.with_context(|| format!("cannot use `{shown}` as the base of an image"))?;
        Ok(Self { name: name.to_owned(), ..base })
    }

    /// The image that `top` leads to: a manifest, or an index of several.
    pub fn of_image(blobs: &dyn Blobs, top: &[u8], scratch: &Path) -> Result<Self> {
        let mut bytes = top.to_vec();
        // An index may name another one, but not without end.
        for _ in 0..4 {
            let document: Value = serde_json::from_slice(&bytes).context("its manifest is no JSON")?;
            if document.get("manifests").is_none() {
                return Self::of_manifest(blobs, document, scratch);
            }
            bytes = blobs.document(&chosen(&document)?)?;
        }
        Err(Error::failed("its indexes name each other"))
    }

    fn of_manifest(blobs: &dyn Blobs, manifest: Value, scratch: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Manifest {
            config: Descriptor,
            layers: Vec<Descriptor>,
        }
        #[derive(Deserialize)]
        struct Config {
            architecture: String,
            os: String,
            #[serde(default)]
            config: Option<Map<String, Value>>,
            rootfs: RootFs,
            #[serde(default)]
            history: Option<Vec<Value>>,
        }
        #[derive(Deserialize)]
        struct RootFs {
            diff_ids: Vec<Digest>,
        }
        let Manifest { config, layers } =
            serde_json::from_value(manifest).context("its manifest is not that of an image")?;
        let config = blobs.document(&config)?;
        let Config { architecture, os, config, rootfs: RootFs { diff_ids }, history } =
            serde_json::from_slice(&config).context("it is no image that can be run: its config can't be read")?;
        if os != "linux" {
            return Err(Error::usage(format!(
                "it is an image for {}, not for linux",
                crate::fs::escape(os.as_bytes())
            )));
        }
        if diff_ids.len() != layers.len() {
            return Err(Error::failed(format!(
                "it has {} layers, and its config names {}",
                layers.len(),
                diff_ids.len()
            )));
        }
        let layer = |(descriptor, diff_id): (&Descriptor, Digest)| -> Result<Layer> {
            let (file, offset) = blobs.layer(descriptor)?;
            let Descriptor { digest, size, .. } = *descriptor;
            let media_type = match descriptor.media_type.as_str() {
                LAYER | DOCKER_LAYER => LAYER,
                ZSTD_LAYER => ZSTD_LAYER,
                PLAIN_LAYER | DOCKER_PLAIN_LAYER => return packed(&file, Span { offset, size }, diff_id, scratch),
                other => {
                    let other = crate::fs::escape(other.as_bytes());
                    return Err(Error::usage(format!("one of its layers is a `{other}`, which can't be taken over")));
                }
            };
            Ok(Layer { media_type: media_type.into(), digest, size, diff_id, file, offset })
        };
        let layers: Vec<Layer> = layers.iter().zip(diff_ids).map(layer).collect::<Result<_>>()?;
        let history = history.unwrap_or_default();
        Ok(Self {
            name: String::new(),
            source: None,
            architecture,
            config: config.unwrap_or_default(),
            history,
            layers,
        })
    }

    /// A root file system as the only layer.
    fn of_root(layer: Layer) -> Self {
        Self {
            name: String::new(),
            source: None,
            architecture: architecture().into(),
            config: Map::new(),
            history: vec![serde_json::json!({ "created_by": "a root file system" })],
            layers: vec![layer],
        }
    }
}

/// The manifest of an index for this kind of machine.
fn chosen(index: &Value) -> Result<Descriptor> {
    let manifests = index["manifests"].as_array().cloned().unwrap_or_default();
    let is_ours = |manifest: &&Value| match manifest.get("platform") {
        Some(platform) => platform["os"] == "linux" && platform["architecture"] == architecture(),
        None => true,
    };
    let ours: Vec<&Value> = manifests.iter().filter(is_ours).collect();
    let named = ours.iter().filter(|manifest| manifest.get("platform").is_some());
    match (ours.as_slice(), named.count()) {
        ([], _) => Err(Error::usage(format!("it has no image for linux/{}", architecture()))),
        ([manifest], _) | ([manifest, ..], 1..) => {
            Ok(serde_json::from_value((*manifest).clone()).context("its index can't be read")?)
        }
        (many, _) => {
            Err(Error::usage(format!("it holds {} images", many.len())).with_hint("name an archive of one image"))
        }
    }
}

/// A plain layer, packed: other programs would pack it on their own.
fn packed(file: &File, span: Span, diff_id: Digest, scratch: &Path) -> Result<Layer> {
    let layer = of_tar(scratch, |out| {
        copy(file, span, out).context("cannot copy a layer")?;
        Ok(())
    })?;
    match layer.diff_id {
        found if found == diff_id => Ok(layer),
        found => {
            Err(Error::failed(format!("one of its layers is damaged: it should be {diff_id} and hashes to {found}")))
        }
    }
}

/// Files of an archive.
struct InArchive {
    file: Arc<File>,
    entries: HashMap<String, Span>,
}

impl InArchive {
    fn span(&self, name: &str) -> Result<Span> {
        let missing = || Error::failed(format!("it holds no `{}`", crate::fs::escape(name.as_bytes())));
        self.entries.get(name).copied().ok_or_else(missing)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let Span { offset, size } = self.span(name)?;
        if size > LARGEST_DOCUMENT {
            return Err(Error::failed(format!("its `{}` has {size} bytes", crate::fs::escape(name.as_bytes()))));
        }
        let mut bytes = vec![0; size as usize];
        self.file.read_exact_at(&mut bytes, offset).context("cannot read it")?;
        Ok(bytes)
    }
}

impl Blobs for InArchive {
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        checked(self.read(&oci::blob_path(&descriptor.digest))?, descriptor)
    }

    fn layer(&self, descriptor: &Descriptor) -> Result<(Arc<File>, u64)> {
        let Span { offset, size } = self.span(&oci::blob_path(&descriptor.digest))?;
        match size == descriptor.size {
            true => Ok((self.file.clone(), offset)),
            false => {
                Err(Error::failed(format!("its layer {} has {size} bytes, not {}", descriptor.digest, descriptor.size)))
            }
        }
    }
}

/// A document that is what its descriptor says.
pub fn checked(bytes: Vec<u8>, descriptor: &Descriptor) -> Result<Vec<u8>> {
    match Digest::of(&bytes) {
        found if found == descriptor.digest => Ok(bytes),
        found => Err(Error::failed(format!(
            "a document of it is damaged: it should be {} and hashes to {found}",
            descriptor.digest
        ))),
    }
}

/// Files of a directory with an image layout.
struct InDirectory(PathBuf);

impl Blobs for InDirectory {
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        if descriptor.size > LARGEST_DOCUMENT {
            return Err(Error::failed(format!("a document of it has {} bytes", descriptor.size)));
        }
        checked(crate::fs::read(&self.0.join(oci::blob_path(&descriptor.digest)))?, descriptor)
    }

    fn layer(&self, descriptor: &Descriptor) -> Result<(Arc<File>, u64)> {
        let path = self.0.join(oci::blob_path(&descriptor.digest));
        Ok((Arc::new(File::open(&path).with_context(|| format!("cannot read `{}`", quote(&path)))?), 0))
    }
}

/// An archive with an image (of skopeo, podman or docker), or the tar of a root file system.
fn of_file(path: &Path, scratch: &Path) -> Result<Base> {
    let cannot = || format!("cannot read `{}`", quote(path));
    let file = File::open(path).with_context(cannot)?;
    let mut head = [0; 2];
    let is_packed = file.read_exact_at(&mut head, 0).is_ok() && head == [0x1f, 0x8b];
    if !is_packed && let Some((kind, entries)) = kind_of(&file)? {
        let archive = InArchive { file: Arc::new(file), entries };
        return match kind {
            ArchiveKind::Layout => Base::of_image(&archive, &archive.read(oci::INDEX_FILE)?, scratch),
            ArchiveKind::Docker => of_docker(&archive, scratch),
        };
    }
    let mut reader: Box<dyn Read> = if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let layer = of_tar(scratch, |out| {
        io::copy(&mut reader, out).with_context(cannot)?;
        Ok(())
    })?;
    Ok(Base::of_root(layer))
}

enum ArchiveKind {
    Layout,
    Docker,
}

const DOCKER_LIST: &str = "manifest.json";

/// What an archive is by the names in it, and where its files lie; `None` for a root file system. Links are passed over:
/// archives of docker's have them for programs of old.
fn kind_of(file: &File) -> Result<Option<(ArchiveKind, HashMap<String, Span>)>> {
    let unreadable = "it is no tar archive, or it is damaged";
    let size = file.metadata().context(unreadable)?.len();
    let mut archive = tar::Archive::new(file);
    let mut entries = HashMap::new();
    for entry in archive.entries_with_seek().context(unreadable)?.take(MOST_ENTRIES) {
        let entry = entry.context(unreadable)?;
        let span = Span { offset: entry.raw_file_position(), size: entry.size() };
        let is_inside = span.offset.checked_add(span.size).is_some_and(|end| end <= size);
        let name = String::from_utf8(entry.path_bytes().into_owned());
        if let (true, true, Ok(name)) = (entry.header().entry_type().is_file(), is_inside, name) {
            entries.insert(name.strip_prefix("./").unwrap_or(&name).to_owned(), span);
        }
    }
    Ok(if entries.contains_key(oci::LAYOUT_FILE) {
        Some((ArchiveKind::Layout, entries))
    } else if entries.contains_key(DOCKER_LIST) {
        Some((ArchiveKind::Docker, entries))
    } else {
        None
    })
}

/// What `docker save` and `podman save` write.
fn of_docker(archive: &InArchive, scratch: &Path) -> Result<Base> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listed {
        config: String,
        layers: Vec<String>,
    }
    let listed: Vec<Listed> = serde_json::from_slice(&archive.read(DOCKER_LIST)?).context("its list can't be read")?;
    let [Listed { config, layers }] = <[Listed; 1]>::try_from(listed)
        .map_err(|many| Error::usage(format!("it holds {} images", many.len())).with_hint("save one image alone"))?;
    let config = archive.read(&config)?;
    let mut descriptors = Vec::new();
    let mut spans = HashMap::new();
    for name in layers {
        let span = archive.span(&name)?;
        let mut head = [0; 2];
        archive.file.read_exact_at(&mut head, span.offset).context("cannot read it")?;
        let digest = copy(&archive.file, span, &mut io::sink()).context("cannot read it")?;
        let media_type = if head == [0x1f, 0x8b] { LAYER } else { PLAIN_LAYER };
        descriptors.push(Descriptor::new(media_type, digest, span.size));
        spans.insert(oci::blob_path(&digest), span);
    }
    // From here on it is an image like any other.
    let config = Descriptor::of("application/vnd.oci.image.config.v1+json", &config);
    let config_span =
        archive.entries.values().find(|span| span.size == config.size && is_at(archive, span, &config.digest));
    spans.extend(config_span.map(|span| (oci::blob_path(&config.digest), *span)));
    let blobs = InArchive { file: archive.file.clone(), entries: spans };
    Base::of_manifest(&blobs, serde_json::json!({ "config": config, "layers": descriptors }), scratch)
}

fn is_at(archive: &InArchive, span: &Span, digest: &Digest) -> bool {
    span.size <= LARGEST_DOCUMENT && copy(&archive.file, *span, &mut io::sink()).is_ok_and(|found| found == *digest)
}

/// A directory with an image layout, or one that is a root file system.
fn of_directory(path: &Path, scratch: &Path, watch: Watch<'_>) -> Result<Base> {
    if path.join(oci::LAYOUT_FILE).is_file() {
        let index = crate::fs::read(&path.join(oci::INDEX_FILE))?;
        return Base::of_image(&InDirectory(path.to_path_buf()), &index, scratch);
    }
    let mut made = Made::new(scratch)?;
    for entry in walkdir::WalkDir::new(path).min_depth(1).sort_by_file_name() {
        watch.interrupt.check()?;
        let entry = entry.with_context(|| format!("cannot look into `{}`", quote(path)))?;
        let cannot = || format!("cannot read `{}`", quote(entry.path()));
        let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
        let name = below.to_str().ok_or_else(|| Error::usage(format!("the name `{}` is not UTF-8", quote(below))))?;
        let metadata = entry.metadata().with_context(cannot)?;
        let mode = metadata.permissions().mode() & 0o7777;
        let kind = metadata.file_type();
        if kind.is_dir() {
            made.tar.append_directory(name, mode)?;
        } else if kind.is_symlink() {
            let target = std::fs::read_link(entry.path()).with_context(cannot)?;
            let target =
                target.to_str().ok_or_else(|| Error::usage(format!("the link `{}` is not UTF-8", quote(below))))?;
            made.tar.append_link(name, target)?;
        } else if kind.is_file() {
            let mut file = File::open(entry.path()).with_context(cannot)?;
            made.tar.append_with_mode(name, mode, metadata.len(), |out| {
                io::copy(&mut file, out).with_context(cannot)?;
                Ok(())
            })?;
        } else {
            return Err(Error::usage(format!("`{}` is neither a file nor a directory nor a link", quote(below))));
        }
    }
    Ok(Base::of_root(made.finish()?))
}
