//! A bundle that is thought through to its last digest, but not written yet.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use anyhow::Context;

use super::archive::{self, Span, Writer};
use super::content::{Content, PlannedLayer};
use super::description::{DESCRIPTION_FILE, Description, Serve};
use super::oci::{self, Descriptor};
use super::open::MOST_ENTRIES;
use super::signature::{PrivateKey, SIGNATURE_FILE, signed_files};
use super::{Bundle, json, path};
use crate::event::{Event, Unit, Watch};
use crate::store::Store;
use crate::{Digest, Error, Result};

/// The documents and layers of a bundle. Equal assemblies write equal bytes.
#[derive(Debug)]
pub struct Assembly {
    description: Description,
    description_bytes: Vec<u8>,
    layers: Vec<PlannedLayer>,
    documents: Documents,
}

impl Assembly {
    /// Puts together what the layers hold and what `description` says, whose `files` are filled in here.
    pub fn new(mut description: Description, mut layers: Vec<PlannedLayer>, store: &Store) -> Result<Self> {
        let contents = || layers.iter().flat_map(|layer| &layer.contents);
        description.files = contents().map(|content| content.file.clone()).collect();
        description.files.sort_by(|a, b| a.path.cmp(&b.path));
        check(&description, layers.len())?;
        let bytes = json::canonical(&description);
        check_size(&bytes, DESCRIPTION_FILE)?;
        let document = vec![Content::from_bytes(DESCRIPTION_FILE, bytes.clone())];
        layers.push(PlannedLayer::tar(oci::DOCUMENT, DESCRIPTION_FILE, document, store)?);
        let documents = Documents::new(&description, &descriptors(&layers))?;
        Ok(Self { description, description_bytes: bytes, layers, documents })
    }

    /// The same with a signature by this key, as a layer of its own: another bundle of the same files.
    pub fn sign(mut self, key: &PrivateKey, store: &Store) -> Result<Self> {
        let files = signed_files(&self.description, &self.description_bytes);
        let signature = key.sign(&self.description.model.name, &files);
        self.layers.push(PlannedLayer::signature(signature, store)?);
        self.documents = Documents::new(&self.description, &descriptors(&self.layers))?;
        Ok(self)
    }

    /// The manifest's digest: the bundle's name everywhere.
    pub fn digest(&self) -> Digest {
        self.documents.digest
    }

    pub fn description(&self) -> &Description {
        &self.description
    }

    pub fn layers(&self) -> &[PlannedLayer] {
        &self.layers
    }

    /// What it says about itself beside the files of its description, as it lies in an unpacked bundle.
    pub fn own_files(&self) -> Vec<(&'static str, Digest)> {
        let contents = self.layers.iter().flat_map(|layer| &layer.contents);
        let own = |content: &Content| {
            let name = [DESCRIPTION_FILE, SIGNATURE_FILE].into_iter().find(|name| *name == content.file.path)?;
            Some((name, content.file.digest))
        };
        contents.filter_map(own).collect()
    }

    /// The documents that are blobs: manifest and config.
    pub fn documents(&self) -> [&[u8]; 2] {
        [&self.documents.manifest, &self.documents.config]
    }

    /// Writes the archive; an error means that what was written must be thrown away. Returns the number of bytes.
    pub fn write(&self, store: &Store, out: &mut dyn Write, watch: Watch<'_>) -> Result<u64> {
        let copy = |layer: usize, out: &mut dyn Write| self.layers[layer].write(store, out);
        self.documents.write(&descriptors(&self.layers), Part::Whole, copy, out, watch)
    }

    /// As [`Assembly::write`], only what stands behind the weights.
    pub fn write_tail(&self, store: &Store, out: &mut dyn Write, watch: Watch<'_>) -> Result<u64> {
        let copy = |layer: usize, out: &mut dyn Write| self.layers[layer].write(store, out);
        self.documents.write(&descriptors(&self.layers), Part::Tail, copy, out, watch)
    }

    /// Where the weights end in the archive, if that of this bundle begins with the very same.
    pub fn end_of_shared_weights(&self, other: &Bundle) -> Option<u64> {
        let layers = descriptors(&self.layers);
        let (weights, _) = in_order(&layers);
        weights.iter().try_fold(0, |start, index| {
            let Descriptor { digest, size, .. } = &layers[*index];
            let content = start + archive::header_bytes(*size);
            (other.blob_span(digest) == Some(Span { offset: content, size: *size }))
                .then(|| content + size.next_multiple_of(archive::BLOCK))
        })
    }
}

/// What is written of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// What stands behind the weights.
    Tail,
}

/// The documents around the layers of a bundle.
#[derive(Debug)]
pub struct Documents {
    config: Vec<u8>,
    manifest: Vec<u8>,
    index: Vec<u8>,
    pub digest: Digest,
}

impl Documents {
    /// Those of a bundle with this description and these layers.
    pub fn new(description: &Description, layers: &[Descriptor]) -> Result<Self> {
        let config = json::canonical(&config(description, layers));
        let manifest = json::canonical(&manifest(description, layers, &config));
        check_size(&manifest, "manifest")?;
        let mut descriptor = Descriptor::of(oci::MANIFEST, &manifest);
        let digest = descriptor.digest;
        let reference = format!("{}:{}", description.model.name, description.model.version);
        descriptor.annotations.insert(oci::REFERENCE.into(), reference);
        descriptor.artifact_type = Some(oci::ARTIFACT.into());
        let index = json::canonical(&oci::Index {
            schema_version: 2,
            media_type: Some(oci::INDEX.into()),
            manifests: vec![descriptor],
        });
        Ok(Self { config, manifest, index, digest })
    }

    /// Writes the archive around the layers, whose bytes `copy` gives; returns the number of bytes. The weights come first,
    /// so that they stay where they are in the file when only something else changes.
    pub fn write(
        &self,
        layers: &[Descriptor],
        part: Part,
        copy: impl Fn(usize, &mut dyn Write) -> Result<()>,
        out: &mut dyn Write,
        watch: Watch<'_>,
    ) -> Result<u64> {
        let id = format!("package {}", self.digest);
        let (mut weights, rest) = in_order(layers);
        if part == Part::Tail {
            weights.clear();
        }
        let total = Some(weights.iter().chain(&rest).map(|index| layers[*index].size).sum());
        watch.events.emit(Event::Started { id: id.clone(), what: "packing".into(), total, unit: Unit::Bytes });
        let mut writer = Writer::new(out);
        let mut done = 0;
        let mut append = |writer: &mut Writer<&mut dyn Write>, index: usize| -> Result<()> {
            watch.interrupt.check()?;
            let Descriptor { digest, size, .. } = &layers[index];
            writer.append(&oci::blob_path(digest), false, *size, |out| copy(index, out))?;
            done += size;
            watch.events.emit(Event::Progress { id: id.clone(), done });
            Ok(())
        };
        weights.iter().try_for_each(|index| append(&mut writer, *index))?;
        let layout = json::canonical(&oci::Layout::default());
        let [manifest, config] = [&self.manifest, &self.config].map(|bytes| oci::blob_path(&Digest::of(bytes)));
        let documents: [(&str, &[u8]); 4] = [
            (oci::LAYOUT_FILE, &layout),
            (oci::INDEX_FILE, &self.index),
            (&manifest, &self.manifest),
            (&config, &self.config),
        ];
        for (path, bytes) in documents {
            writer.append(path, false, bytes.len() as u64, |out| {
                Ok(out.write_all(bytes).context("cannot write the bundle")?)
            })?;
        }
        rest.iter().try_for_each(|index| append(&mut writer, *index))?;
        watch.events.emit(Event::Finished { id: id.clone() });
        writer.finish()
    }
}

/// The layers in the order of the archive: weights, then all else. Two with one content are one blob.
fn in_order(layers: &[Descriptor]) -> (Vec<usize>, Vec<usize>) {
    let mut seen = HashSet::new();
    let is_weight = |index: &usize| layers[*index].media_type == oci::WEIGHT;
    let (weights, rest): (Vec<usize>, Vec<usize>) = (0..layers.len()).partition(is_weight);
    let [weights, rest] =
        [weights, rest].map(|part| part.into_iter().filter(|at| seen.insert(layers[*at].digest)).collect());
    (weights, rest)
}

fn descriptors(layers: &[PlannedLayer]) -> Vec<Descriptor> {
    layers.iter().map(|layer| layer.descriptor.clone()).collect()
}

/// What a reader would refuse is not written.
fn check(description: &Description, layers: usize) -> Result<()> {
    let files = description.files.len();
    // Each layer is an entry of the archive, beside four documents, the description and a signature.
    if files >= MOST_ENTRIES || layers + 6 > MOST_ENTRIES {
        return Err(Error::usage(format!("the bundle would have {files} files; it holds less than {MOST_ENTRIES}"))
            .with_hint("let the step that makes the model put its files into one"));
    }
    path::check_all(&description.files).and_then(|()| description.check()).map_err(|problem| {
        Error::usage(problem.to_string().replacen("its file", "the file", 1))
            .context(format!("`{}` can't be packed", description.model.name))
            .with_hint("rename the file in the step that makes the model")
    })
}

fn check_size(document: &[u8], name: &str) -> Result<()> {
    let size = document.len() as u64;
    if size <= json::LARGEST {
        return Ok(());
    }
    Err(Error::usage(format!("the bundle's {name} would have {size} bytes; {} are allowed", json::LARGEST))
        .with_hint("give the model fewer files, or fewer and smaller examples"))
}

fn config(description: &Description, layers: &[Descriptor]) -> oci::Config {
    let format = match &description.serve {
        Some(Serve::Onnx(_)) => Some("onnx".to_owned()),
        Some(Serve::Python(_)) => Some("python".to_owned()),
        None => None,
    };
    oci::Config {
        descriptor: oci::ModelDescriptor {
            name: Some(description.model.name.clone()),
            version: Some(description.model.version.to_string()),
            description: description.model.description.clone(),
            revision: description.lineage.commit.clone(),
        },
        config: oci::ModelConfig { format },
        modelfs: oci::ModelFiles {
            r#type: "layers".into(),
            diff_ids: layers.iter().map(|layer| layer.digest).collect(),
        },
    }
}

fn manifest(description: &Description, layers: &[Descriptor], config: &[u8]) -> oci::Manifest {
    let annotations = [
        (oci::TITLE, Some(description.model.name.clone())),
        (oci::VERSION, Some(description.model.version.to_string())),
        (oci::DESCRIPTION, description.model.description.clone()),
        (oci::REVISION, description.lineage.commit.clone()),
    ];
    let annotations = annotations.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    oci::Manifest {
        schema_version: 2,
        media_type: oci::MANIFEST.into(),
        artifact_type: oci::ARTIFACT.into(),
        config: Descriptor::of(oci::CONFIG, config),
        layers: layers.to_vec(),
        annotations: annotations.collect::<BTreeMap<_, _>>(),
    }
}
