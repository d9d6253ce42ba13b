//! A bundle that is thought through to its last digest, but not written yet.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use anyhow::Context;

use super::archive::Writer;
use super::content::{Content, PlannedLayer};
use super::description::{DESCRIPTION_FILE, Description, Serve};
use super::oci::{self, Descriptor};
use super::open::MOST_ENTRIES;
use super::{json, path};
use crate::event::{Event, Unit, Watch};
use crate::store::Store;
use crate::{Digest, Error, Result};

/// The documents and layers of a bundle. Equal assemblies write equal bytes.
#[derive(Debug)]
pub struct Assembly {
    description: Description,
    layers: Vec<PlannedLayer>,
    config: Vec<u8>,
    manifest: Vec<u8>,
    index: Vec<u8>,
    digest: Digest,
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
        let document = vec![Content::from_bytes(DESCRIPTION_FILE, bytes)];
        layers.push(PlannedLayer::tar(oci::DOCUMENT, DESCRIPTION_FILE, document, store)?);

        let config = json::canonical(&config(&description, &layers));
        let manifest = json::canonical(&manifest(&description, &layers, &config));
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
        Ok(Self { description, layers, config, manifest, index, digest })
    }

    /// The manifest's digest: the bundle's name everywhere.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn description(&self) -> &Description {
        &self.description
    }

    pub fn layers(&self) -> &[PlannedLayer] {
        &self.layers
    }

    /// The documents that are blobs: manifest and config.
    pub fn documents(&self) -> [&[u8]; 2] {
        [&self.manifest, &self.config]
    }

    /// Writes the archive; an error means that what was written must be thrown away. Returns the number of bytes.
    pub fn write(&self, store: &Store, out: &mut dyn Write, watch: Watch<'_>) -> Result<u64> {
        let id = format!("package {}", self.digest);
        let total = Some(self.layers.iter().map(|layer| layer.descriptor.size).sum());
        watch.events.emit(Event::Started { id: id.clone(), what: "packing".into(), total, unit: Unit::Bytes });
        let mut writer = Writer::new(out);
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
        // The description comes first of all layers, so that who reads a stream knows early what it is. Two files with
        // one content are one blob.
        let mut written = HashSet::new();
        let mut done = 0;
        for layer in self.layers.iter().rev() {
            watch.interrupt.check()?;
            let Descriptor { digest, size, .. } = &layer.descriptor;
            if written.insert(*digest) {
                writer.append(&oci::blob_path(digest), false, *size, |out| layer.write(store, out))?;
            }
            done += size;
            watch.events.emit(Event::Progress { id: id.clone(), done });
        }
        watch.events.emit(Event::Finished { id });
        writer.finish()
    }
}

/// What a reader would refuse is not written.
fn check(description: &Description, layers: usize) -> Result<()> {
    let files = description.files.len();
    // Each layer is an entry of the archive, beside four documents and the description.
    if files >= MOST_ENTRIES || layers + 5 > MOST_ENTRIES {
        return Err(Error::usage(format!("the model has {files} files; a bundle holds less than {MOST_ENTRIES}"))
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

fn config(description: &Description, layers: &[PlannedLayer]) -> oci::Config {
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
            diff_ids: layers.iter().map(|layer| layer.descriptor.digest).collect(),
        },
    }
}

fn manifest(description: &Description, layers: &[PlannedLayer], config: &[u8]) -> oci::Manifest {
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
        layers: layers.iter().map(|layer| layer.descriptor.clone()).collect(),
        annotations: annotations.collect::<BTreeMap<_, _>>(),
    }
}
