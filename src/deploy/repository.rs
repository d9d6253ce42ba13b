//! A repository of an OCI registry as a place for releases.
//!
//! | tag | what |
//! | --- | --- |
//! | `TAG` | the release that is live: the manifest of its bundle, as any tool pulls it |
//! | `MODEL-VERSION` | the release of that version which was deployed last |
//! | `TAG.releases` | an index of the releases that can be gone back to, so that the registry keeps them |
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

use super::history::{self, Entry};
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
const HISTORY: &str = "history";
const RELEASES: &str = "releases";
/// So many entries of the history are written together.
const ENTRIES: usize = 100;

/// A place that is a repository.
pub(super) struct Repository {
    registry: Arc<Registry>,
    /// The same, for whole blobs.
    blobs: Retry,
    tag: String,
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

/// Entries of the history, and how many pages there are before this one.
#[derive(Default, Serialize, Deserialize)]
struct Page {
    format: u64,
    before: u64,
    entries: Vec<Entry>,
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

    fn index(&self) -> Result<oci::Index> {
        let tag = self.tag_of(RELEASES);
        match self.registry.manifest(&tag)? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Error::failed(format!("`{tag}` of {} is damaged: {error}", self.registry.url()))
                    .with_hint("delete that tag, then deploy again")
            }),
            None => Ok(oci::Index { schema_version: 2, media_type: Some(oci::INDEX.into()), manifests: Vec::new() }),
        }
    }

    fn set_index(&self, index: &oci::Index) -> Result<()> {
        let bytes = serde_json::to_vec(index).expect("an index has text as keys");
        self.registry.put_manifest(&self.tag_of(RELEASES), oci::INDEX, &bytes)
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

    fn page(&self, name: &str) -> Result<Page> {
        let Some(state) = self.document(name)? else { return Ok(Page::default()) };
        serde_json::from_slice(&state.bytes).map_err(|error| {
            Error::failed(format!("`{}` of {} is damaged: {error}", self.tag_of(name), self.registry.url()))
        })
    }

    fn put_page(&self, name: &str, page: &Page) -> Result<()> {
        let text = serde_json::to_string(page).expect("a page has text as keys");
        self.put_document(name, &text).map(drop)
    }
}

/// The tag of a page of the history that is full.
fn page_name(number: u64) -> String {
    format!("{HISTORY}.{number}")
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
        Ok(self.index()?.manifests.iter().map(|descriptor| descriptor.digest).collect())
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
        let mut index = self.index()?;
        if index.manifests.iter().any(|descriptor| descriptor.digest == *release) {
            return Ok(());
        }
        let mut descriptor = Descriptor::of(oci::MANIFEST, manifest);
        descriptor.artifact_type = Some(oci::ARTIFACT.into());
        descriptor.annotations.insert(MODEL.into(), model.name.clone());
        descriptor.annotations.insert(oci::VERSION.into(), model.version.to_string());
        index.manifests.push(descriptor);
        self.set_index(&index)
    }

    fn delist(&self, release: &Digest) -> Result<()> {
        let mut index = self.index()?;
        let before = index.manifests.len();
        index.manifests.retain(|descriptor| descriptor.digest != *release);
        if index.manifests.len() == before {
            return Ok(());
        }
        self.set_index(&index)
    }

    /// The registry's own garbage collection takes what no manifest names.
    fn sweep(&self, _: &HashSet<Digest>) -> Result<()> {
        Ok(())
    }

    fn history(&self, events: &dyn EventSink) -> Result<Vec<Entry>> {
        let newest = self.page(HISTORY)?;
        let mut entries = Vec::new();
        for number in 0..newest.before {
            let page = self.page(&page_name(number))?;
            if page.entries.is_empty() {
                events.warn(format!("page {number} of the history of {} is missing", self.shown()));
            }
            entries.extend(page.entries);
        }
        entries.extend(newest.entries);
        Ok(history::without_repetitions(entries))
    }

    fn append(&self, entry: &Entry) -> Result<()> {
        let mut page = self.page(HISTORY)?;
        page.format = 1;
        if page.entries.len() >= ENTRIES {
            // Written before the newest page forgets them; a kill in between writes the same again.
            self.put_page(&page_name(page.before), &page)?;
            page = Page { format: 1, before: page.before + 1, entries: Vec::new() };
        }
        page.entries.push(entry.clone());
        self.put_page(HISTORY, &page)
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
