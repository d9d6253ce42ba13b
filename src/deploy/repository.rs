//! A repository of an OCI registry as a place for releases.
//!
//! | tag | what |
//! | --- | --- |
//! | `TAG` | the release that is live: the manifest of its bundle, as any tool pulls it |
//! | `MODEL-VERSION` | the release of that version which was deployed last |
//! | `TAG.releases` | an index of the releases that can be gone back to, so that the registry keeps them |
//! | `TAG.images` | of a target in a cluster: an index of the images that its releases are served from |
//! | `TAG.history`, `TAG.history.N` | what was done: the newest entries, and earlier ones by the hundred |
//! | `TAG.lock.json`, … | small documents |
//!
//! A document is an artifact without layers, whose text is an annotation: one request writes it, whole. Registries replace a
//! tag whatever it named before, so that nothing compares and swaps here in one step: a document is looked at right before it
//! is replaced and right after, and the last one to write has it. Nobody can be asked to delete anything, either; what is taken
//! away becomes an empty document, and the registry's own garbage collection does the rest.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::history::Entry;
use super::pages;
use super::place::Place;
use super::stored::in_parallel;
use crate::bundle::oci::{self, Descriptor};
use crate::bundle::{Blob, Description};
use crate::event::EventSink;
use crate::remote::backend::{Registry, blob_name};
use crate::remote::retry::Retry;
use crate::remote::{Access, Body, Remote, State};
use crate::{Digest, Error, Result};

const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY: &[u8] = b"{}";
const DOCUMENT_TYPE: &str = "application/vnd.mlx.document.v1+json";
/// The annotation with the text of a document.
const TEXT: &str = "dev.mlx.document";
const MODEL: &str = "dev.mlx.model";
const RELEASES: &str = "releases";
/// An index of the images that releases are served from.
const IMAGES: &str = "images";
/// The annotation with the release that an image is for.
const RELEASE: &str = "dev.mlx.release";
/// The annotation with what an image is made of besides the release.
const MADE: &str = "dev.mlx.made";

/// A place that is a repository.
pub struct Repository {
    registry: Arc<Registry>,
    /// The same, for whole blobs.
    blobs: Retry,
    tag: String,
}

/// What an image is made of besides the release: in words that differ where the image may, and what it is built on.
pub struct Made {
    pub what: String,
    pub base: Option<String>,
}

/// The manifest of a document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    schema_version: u64,
    media_type: String,
    #[serde(default)]
    artifact_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Repository {
    pub(super) fn new(registry: Registry, tag: String, access: &Access) -> Self {
        let registry = Arc::new(registry);
        let (events, interrupt) = (access.events.clone(), access.interrupt.clone());
        let blobs = Retry::new(Box::new(registry.clone()), access.patience, events, interrupt);
        Self { registry, blobs, tag }
    }

    /// The tag of a document.
    fn tag_of(&self, name: &str) -> String {
        format!("{}.{name}", self.tag)
    }

    fn index(&self, name: &str) -> Result<oci::Index> {
        let tag = self.tag_of(name);
        match self.registry.manifest(&tag)? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Error::failed(format!("`{tag}` of {} is damaged: {error}", self.registry.url()))
                    .with_hint("delete that tag, then deploy again")
            }),
            None => Ok(oci::Index { schema_version: 2, media_type: Some(oci::INDEX.into()), manifests: Vec::new() }),
        }
    }

    fn set_index(&self, name: &str, index: &oci::Index) -> Result<()> {
        let bytes = serde_json::to_vec(index).expect("an index has text as keys");
        self.registry.put_manifest(&self.tag_of(name), oci::INDEX, &bytes)
    }

    /// What speaks with the registry.
    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The image that was made of this for a release, where the registry has it.
    pub(super) fn image_of(&self, release: &Digest, made: &Made) -> Result<Option<Digest>> {
        let index = self.index(IMAGES)?;
        let is_it = |image: &&Descriptor| is_for(image, release) && image.annotations.get(MADE) == Some(&made.what);
        let Some(image) = index.manifests.iter().find(is_it) else { return Ok(None) };
        self.registry.resolve(&image.digest.to_string())
    }

    /// Keeps an image that lies there already, as the one of a release.
    pub(super) fn keep_image(&self, release: &Digest, made: &Made, manifest: &[u8]) -> Result<()> {
        let mut index = self.index(IMAGES)?;
        let mut descriptor = Descriptor::of(oci::MANIFEST, manifest);
        descriptor.annotations.insert(RELEASE.into(), release.to_string());
        descriptor.annotations.insert(MADE.into(), made.what.clone());
        index.manifests.retain(|image| image.annotations != descriptor.annotations);
        index.manifests.push(descriptor);
        self.set_index(IMAGES, &index)
    }

    /// Lets the image of a release go.
    pub(super) fn forget_image(&self, release: &Digest) -> Result<()> {
        let mut index = self.index(IMAGES)?;
        let before = index.manifests.len();
        index.manifests.retain(|image| !is_for(image, release));
        if index.manifests.len() == before { Ok(()) } else { self.set_index(IMAGES, &index) }
    }

    fn put_document(&self, name: &str, text: &str) -> Result<Digest> {
        let empty = Descriptor::of(EMPTY_TYPE, EMPTY);
        let artifact = Artifact {
            schema_version: 2,
            media_type: oci::MANIFEST.into(),
            artifact_type: DOCUMENT_TYPE.into(),
            config: empty.clone(),
            layers: vec![empty],
            annotations: BTreeMap::from([(TEXT.to_owned(), text.to_owned()), (oci::TITLE.to_owned(), name.to_owned())]),
        };
        let bytes = serde_json::to_vec(&artifact).expect("an artifact has text as keys");
        self.registry.put_small(EMPTY)?;
        self.registry.put_manifest(&self.tag_of(name), oci::MANIFEST, &bytes)?;
        Ok(Digest::of(&bytes))
    }
}

fn is_for(image: &Descriptor, release: &Digest) -> bool {
    image.annotations.get(RELEASE).is_some_and(|of| *of == release.to_string())
}

impl Place for Repository {
    fn shown(&self) -> String {
        format!("{}:{}", self.registry.url(), self.tag)
    }

    fn live(&self) -> Result<Option<Digest>> {
        self.registry.resolve(&self.tag)
    }

    fn activate(&self, release: &Digest) -> Result<()> {
        let manifest = self.manifest(release)?.ok_or_else(|| super::gone(release, &self.shown()))?;
        self.registry.put_manifest(&self.tag, oci::MANIFEST, &manifest)
    }

    fn releases(&self) -> Result<Vec<Digest>> {
        Ok(self.index(RELEASES)?.manifests.iter().map(|descriptor| descriptor.digest).collect())
    }

    fn manifest(&self, release: &Digest) -> Result<Option<Vec<u8>>> {
        self.registry.manifest(&release.to_string())
    }

    fn whole(&self, blobs: &[Blob]) -> Result<Vec<bool>> {
        in_parallel(blobs, |blob| {
            let found = self.blobs.find(&blob_name(&blob.digest))?;
            Ok(found.is_some_and(|found| found.size == blob.size))
        })
    }

    fn arrived(&self, blobs: &[Blob]) -> Result<Vec<bool>> {
        self.whole(blobs)
    }

    fn read(&self, blob: &Blob, sink: &mut dyn Write) -> Result<()> {
        self.blobs.read(&blob_name(&blob.digest), Some(0..blob.size), sink).map(drop)
    }

    fn write(&self, blob: &Blob, body: &Body<'_>) -> Result<()> {
        self.blobs.write(&blob_name(&blob.digest), body)
    }

    fn enlist(&self, release: &Digest, manifest: &[u8], description: &Description) -> Result<()> {
        let model = &description.model;
        let version = format!("{}-{}", model.name, model.version);
        self.registry.put_manifest(&version, oci::MANIFEST, manifest)?;
        let mut index = self.index(RELEASES)?;
        if index.manifests.iter().any(|descriptor| descriptor.digest == *release) {
            return Ok(());
        }
        let mut descriptor = Descriptor::of(oci::MANIFEST, manifest);
        descriptor.artifact_type = Some(oci::ARTIFACT.into());
        descriptor.annotations.insert(MODEL.into(), model.name.clone());
        descriptor.annotations.insert(oci::VERSION.into(), model.version.to_string());
        index.manifests.push(descriptor);
        self.set_index(RELEASES, &index)
    }

    fn delist(&self, release: &Digest) -> Result<()> {
        let mut index = self.index(RELEASES)?;
        let before = index.manifests.len();
        index.manifests.retain(|descriptor| descriptor.digest != *release);
        if index.manifests.len() == before {
            return Ok(());
        }
        self.set_index(RELEASES, &index)
    }

    /// The registry's own garbage collection takes what no manifest names.
    fn sweep(&self, _: &HashSet<Digest>) -> Result<()> {
        Ok(())
    }

    fn history(&self, events: &dyn EventSink) -> Result<Vec<Entry>> {
        pages::history(self, events)
    }

    fn append(&self, entry: &Entry) -> Result<()> {
        pages::append(self, entry)
    }

    fn document(&self, name: &str) -> Result<Option<State>> {
        let Some(bytes) = self.registry.manifest(&self.tag_of(name))? else { return Ok(None) };
        let tag = Digest::of(&bytes).to_string();
        let artifact: Artifact = serde_json::from_slice(&bytes).map_err(|error| {
            Error::failed(format!("`{}` of {} is no document: {error}", self.tag_of(name), self.registry.url()))
                .with_hint("give the target a tag of its own")
        })?;
        let text = artifact.annotations.get(TEXT).filter(|text| !text.is_empty());
        Ok(text.map(|text| State { bytes: text.clone().into_bytes(), tag }))
    }

    fn swap(&self, name: &str, seen: Option<&State>, bytes: &[u8]) -> Result<bool> {
        let now = self.document(name)?;
        if now.as_ref().map(|state| &state.tag) != seen.map(|state| &state.tag) {
            return Ok(false);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Error::failed(format!("`{name}` is no text")))?;
        let written = self.put_document(name, text)?;
        Ok(self.registry.resolve(&self.tag_of(name))? == Some(written))
    }

    fn delete(&self, name: &str) -> Result<()> {
        match self.document(name)? {
            Some(_) => self.put_document(name, "").map(drop),
            None => Ok(()),
        }
    }
}
