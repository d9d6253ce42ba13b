//! Packaging: from a version of a model to a bundle in a file.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;

use super::card::{CARD, Facts};
use super::content::{Content, PlannedLayer};
use super::description::{Description, FORMAT, Lineage, ModelName, Runtime, Serve};
use super::oci::Descriptor;
use super::provenance::{PROVENANCE, provenance};
use super::record::{self, Record};
use super::repack;
use super::sbom::sbom;
use super::smoke::{self, Answers};
use super::{Assembly, Layer, archive, gather, oci, scan};
use crate::env::{Environment, Library};
use crate::error::ErrorContext;
use crate::event::{EventSink, Interrupt, Watch};
use crate::fs;
use crate::project::Project;
use crate::project::manifest::Model;
use crate::registry::Version;
use crate::store::Store;
use crate::{Error, Result};

/// The directory of the project that bundles are written to, if nothing else is said.
pub const DEFAULT_DIRECTORY: &str = "dist";

/// Layers up to this size become objects of the store, where later commands find them by digest.
const LARGEST_KEPT: u64 = 1 << 20;

/// What a bundle is made of.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    pub project: &'a Project,
    pub store: &'a Store,
    pub version: &'a Version,
    /// What the manifest says of the model now: how it is served, and its examples.
    pub model: &'a Model,
    /// The ONNX Runtime library that the model is to answer on.
    pub onnxruntime: Option<&'a Library>,
    /// The interpreter that a model in Python is to answer on.
    pub python: Option<&'a Path>,
    /// Hears what a model in Python prints.
    pub events: &'a Arc<dyn EventSink>,
    pub interrupt: &'a Interrupt,
}

/// What packaging did, or would do.
#[derive(Debug, Serialize)]
pub struct Packaged {
    pub model: String,
    pub version: u64,
    /// The manifest's digest: the bundle's name everywhere.
    pub manifest: crate::Digest,
    pub file: PathBuf,
    /// Bytes of the file; `None` where it was not written.
    pub size: Option<u64>,
    /// Bytes of the weights among its layers.
    pub weights_bytes: u64,
    pub layers: Vec<Layer>,
    /// Whether the model's recorded answer is part of it.
    pub has_smoke: bool,
}

/// Gathers everything and asks the model for its answers; writes nothing yet but what was never in the store.
pub fn assemble(inputs: Inputs<'_>, watch: Watch<'_>) -> Result<Assembly> {
    let Inputs { project, store, version, model, onnxruntime, .. } = inputs;
    let weights = gather::weights(version, store)?;
    let mut layers = weights.clone();
    let serve = gather::served(model, version, &layers)?;
    // Before anything loads them.
    scan::check(inputs, &weights, watch)?;
    let mut runtimes = Vec::new();
    let mut answers = Answers::default();
    let code = gather::code(version, model, project, store)?;
    if let Some(Serve::Onnx(onnx)) = &serve {
        let library = onnxruntime.ok_or_else(no_library)?;
        let content = runtime(library)?;
        runtimes.push(Runtime {
            name: "onnxruntime".into(),
            version: library.version.clone(),
            platform: platform(),
            path: content.file.path.clone(),
            digest: content.file.digest,
        });
        let how = smoke::Ask::Onnx { library: &library.path, onnx };
        answers = smoke::ask(inputs, &layers, how, watch)?;
        let path = content.file.path.clone();
        layers.push(PlannedLayer::tar(oci::CODE, &path, vec![content], store)?);
    }
    if let Some(Serve::Python(class)) = &serve {
        let interpreter = inputs.python.ok_or_else(no_python)?;
        let files: Vec<PlannedLayer> = layers.iter().chain(&code).cloned().collect();
        answers = smoke::ask(inputs, &files, smoke::Ask::Python { interpreter, class }, watch)?;
    }
    layers.extend(code);
    let name = ModelName {
        name: version.model.clone(),
        version: version.version,
        description: version.description.clone().or_else(|| model.description.clone()),
    };
    let gather::Packages { lines, installed } = gather::packages(version, store)?;
    let bill = sbom(&name.name, version.environment.as_ref(), &installed, &runtimes);
    layers.push(gather::environment(lines, bill, store)?);
    let facts = Facts {
        version,
        description: name.description.as_deref(),
        serve: serve.as_ref(),
        signature: answers.signature.as_ref(),
        packages: installed.len(),
    };
    let documents = [(CARD, gather::card(model, facts, project)?), (PROVENANCE, provenance(version, &weights))];
    for (path, bytes) in documents {
        layers.push(PlannedLayer::tar(oci::DOCUMENT, path, vec![Content::from_bytes(path, bytes)], store)?);
    }
    let description = Description {
        format: FORMAT,
        model: name,
        serve,
        signature: answers.signature,
        runtimes,
        lineage: lineage(version),
        smoke: answers.smoke,
        files: Vec::new(),
    };
    Assembly::new(description, layers, store)
}

/// Writes the bundle to `file`, atomically, and records that it was made.
pub fn write(assembly: &Assembly, inputs: Inputs<'_>, file: &Path, by: &str, watch: Watch<'_>) -> Result<Packaged> {
    let Inputs { project, store, version, .. } = inputs;
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = || format!("cannot package version {} of `{}`", version.version, version.model);
    archive::refuse_other(file).with_context(cannot)?;
    fs::create_dir_all(parent)?;
    rustix::fs::access(parent, rustix::fs::Access::WRITE_OK)
        .with_context(|| format!("cannot write in `{}`", fs::quote(parent)))
        .map_err(|error| Error::from(error).with_hint("name another file with `--output`"))?;
    let scratch = scratch(parent, project);
    let name = file.strip_prefix(project.root()).unwrap_or(file);
    let known = record::made(store, &version.model, version.version)?;
    let stamp = known.iter().find(|record| record.file == name).and_then(|record| record.stamp);
    let size = match repack::in_place(assembly, store, file, stamp, &scratch, watch).with_context(cannot)? {
        Some(size) => size,
        None => {
            let mut size = 0;
            fs::write_atomic_checked(file, &scratch, |out| {
                size = assembly.write(store, out, watch)?;
                Ok(())
            })
            .with_context(cannot)?;
            size
        }
    };
    let record = Record {
        format: 1,
        model: version.model.clone(),
        version: version.version,
        manifest: assembly.digest(),
        file: name.to_path_buf(),
        size,
        created: Timestamp::now(),
        created_by: by.to_owned(),
        objects: keep(assembly, store)?,
        stamp: file.metadata().ok().as_ref().and_then(fs::Stamp::of),
    };
    record::write(store, &record)?;
    Ok(packaged(assembly, file, Some(size)))
}

/// What [`write()`] would do.
pub fn packaged(assembly: &Assembly, file: &Path, size: Option<u64>) -> Packaged {
    let description = assembly.description();
    let layers: Vec<Layer> = assembly.layers().iter().map(PlannedLayer::layer).collect();
    Packaged {
        model: description.model.name.clone(),
        version: description.model.version,
        manifest: assembly.digest(),
        file: file.to_path_buf(),
        size,
        weights_bytes: Layer::weights(&layers),
        layers,
        has_smoke: description.smoke.is_some(),
    }
}

/// Where a bundle of this version goes if nothing else is said.
pub fn default_file(project: &Project, version: &Version) -> PathBuf {
    project.root().join(DEFAULT_DIRECTORY).join(format!("{}-{}.tar", version.model, version.version))
}

/// From the model back to its data, without what belongs to one machine.
fn lineage(version: &Version) -> Lineage {
    let environment = version.environment.clone().map(|environment| Environment { python: None, ..environment });
    Lineage {
        run: version.run.clone(),
        step: version.step.clone(),
        commit: version.commit.clone(),
        params: version.params.clone(),
        metrics: version.metrics.clone(),
        data: version.data.clone(),
        environment,
    }
}

/// The library under its usual name, whatever the file is called.
fn runtime(library: &Library) -> Result<Content> {
    let path = format!("runtime/{}/libonnxruntime.so.{}", platform().replace('/', "-"), library.version);
    Content::from_path(path, library.path.clone(), false)
}

/// Such as `linux/x86_64`; the library was loaded here, so that it is for this platform.
fn platform() -> String {
    format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)
}

fn no_library() -> Error {
    Error::usage("the model is served as ONNX, and the project's environment has no ONNX Runtime library")
        .with_hint("add `onnxruntime` to the requirements of [env], or name a library with `--onnxruntime FILE`")
}

fn no_python() -> Error {
    Error::usage("the model is served by a Python class, and there is no Python in the project's environment")
        .with_hint("declare one: `[env] python = { requirements = \"requirements.txt\" }`")
}

/// Temporary files lie in the project where that is the file system of the bundle, else beside it.
fn scratch(parent: &Path, project: &Project) -> PathBuf {
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    let scratch = project.scratch();
    let is_same = fs::create_dir_all(&scratch).is_ok() && device(&scratch) == device(parent);
    if is_same { scratch } else { parent.to_path_buf() }
}

/// Puts the documents and the small layers into the store; returns those and the weights, which are there already.
fn keep(assembly: &Assembly, store: &Store) -> Result<Vec<crate::Digest>> {
    let batch = store.batch()?;
    let mut kept = assembly.documents().map(|bytes| batch.put_bytes(bytes)).into_iter().collect::<Result<Vec<_>>>()?;
    for layer in assembly.layers() {
        let Descriptor { media_type, digest, size, .. } = &layer.descriptor;
        if media_type == oci::WEIGHT {
            kept.push(*digest);
        } else if *size <= LARGEST_KEPT {
            let mut bytes = Vec::with_capacity(*size as usize);
            layer.write(store, &mut bytes)?;
            kept.push(batch.put_bytes(&bytes)?);
        }
    }
    batch.commit()?;
    kept.sort();
    kept.dedup();
    Ok(kept)
}
