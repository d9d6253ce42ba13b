//! Runnable images: a bundle's files and mlx itself on a base, as an ordinary OCI image that any engine runs.
//!
//! No daemon and no root are needed: layers are tars that are written like everything else, packed with gzip, because
//! other programs would pack plain ones on their own and change their digest. What changes seldom comes first (the base,
//! mlx, ONNX Runtime, the weights), so that a new version of a model sends little. The image is a file of its own beside the
//! bundle: most programs take an archive of one image only.

mod base;
mod gzip;
mod layer;
mod registry;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};

use super::archive::Writer;
use super::description::{DESCRIPTION_FILE, Description};
use super::oci::{self, Descriptor};
use super::signature::SIGNATURE_FILE;
use super::{Bundle, json};
use crate::error::ErrorContext;
use crate::event::Watch;
use crate::fs::{self, quote};
use crate::{Digest, Error, Result};
pub use base::{Base, BaseName};
use layer::{Layer, Made};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Where the model lies in the image, and mlx.
const ROOT: &str = "opt/mlx";
const MODEL: &str = "opt/mlx/model";
const PROGRAM: &str = "usr/local/bin/mlx";
/// Who runs where the base says nothing: nobody in particular.
const USER: &str = "65532:65532";
const BUNDLE_LABEL: &str = "mlx.bundle";

/// An image that was written.
#[derive(Debug, Serialize)]
pub struct Image {
    pub file: PathBuf,
    /// The digest of its manifest.
    pub manifest: Digest,
    pub size: u64,
    /// What it is built on, as it was named.
    pub base: String,
    pub layers: Vec<ImageLayer>,
}

/// A layer of an image.
#[derive(Debug, Serialize)]
pub struct ImageLayer {
    /// What it brings: `base`, `mlx`, `runtime`, `weights` or `documents`.
    pub what: String,
    pub digest: Digest,
    pub size: u64,
}

/// What an image is made of.
#[derive(Clone, Copy)]
pub struct Ingredients<'a> {
    pub bundle: &'a Bundle,
    pub base: &'a Base,
    /// This very program.
    pub program: &'a Path,
    /// A directory for what is made on the way.
    pub scratch: &'a Path,
}

/// Writes the image to `file`, an archive as skopeo calls `oci-archive`.
pub fn write(ingredients: Ingredients<'_>, file: &Path, watch: Watch<'_>) -> Result<Image> {
    let Ingredients { bundle, base, scratch, .. } = ingredients;
    check_platform(bundle.description(), base)?;
    let own = own_layers(ingredients, watch)?;
    let layers: Vec<(&str, &Layer)> =
        base.layers.iter().map(|layer| ("base", layer)).chain(own.iter().map(|(what, layer)| (*what, layer))).collect();
    let config = json::canonical(&config(bundle, base, &layers));
    let manifest = json::canonical(&manifest(bundle.description(), base, &config, &layers));
    let mut descriptor = Descriptor::of(oci::MANIFEST, &manifest);
    let description = bundle.description();
    let reference = format!("{}:{}", description.model.name, description.model.version);
    descriptor.annotations.insert(oci::REFERENCE.into(), reference);
    let digest = descriptor.digest;
    let index = json::canonical(&oci::Index {
        schema_version: 2,
        media_type: Some(oci::INDEX.into()),
        manifests: vec![descriptor],
    });
    let mut size = 0;
    fs::write_atomic_checked(file, scratch, |out| {
        size = archive(&index, &manifest, &config, &layers, out, watch)?;
        Ok(())
    })
    .with_context(|| format!("cannot write the image `{}`", quote(file)))?;
    let layer =
        |(what, layer): &(&str, &Layer)| ImageLayer { what: (*what).into(), digest: layer.digest, size: layer.size };
    Ok(Image {
        file: file.to_path_buf(),
        manifest: digest,
        size,
        base: base.name.clone(),
        layers: layers.iter().map(layer).collect(),
    })
}

/// What we bring: mlx, the runtime, the weights, and all else.
fn own_layers(ingredients: Ingredients<'_>, watch: Watch<'_>) -> Result<Vec<(&'static str, Layer)>> {
    let Ingredients { bundle, program, scratch, .. } = ingredients;
    let description = bundle.description();
    let mut layers = vec![("mlx", program_layer(program, scratch, watch)?)];
    let is_weight: Vec<bool> = description.files.iter().map(|file| bundle.is_layer(&file.path, &file.digest)).collect();
    let is_runtime = |path: &str| description.runtimes.iter().any(|runtime| runtime.path == path);
    let group = |index: usize| match is_weight[index] {
        _ if is_runtime(&description.files[index].path) => "runtime",
        true => "weights",
        false => "documents",
    };
    for what in ["runtime", "weights", "documents"] {
        let files: Vec<usize> = (0..description.files.len()).filter(|index| group(*index) == what).collect();
        if files.is_empty() && what != "documents" {
            continue;
        }
        let mut made = Made::new(scratch)?;
        for index in files {
            watch.interrupt.check()?;
            let file = &description.files[index];
            let path = format!("{MODEL}/{}", file.path);
            made.tar.append(&path, file.executable, file.size, |out| bundle.copy_file(index, out))?;
        }
        if what == "documents" {
            let own = [(DESCRIPTION_FILE, Some(bundle.description_bytes())), (SIGNATURE_FILE, bundle.signature())];
            for (name, bytes) in own.into_iter().filter_map(|(name, bytes)| Some((name, bytes?))) {
                made.tar.append(&format!("{MODEL}/{name}"), false, bytes.len() as u64, |out| {
                    Ok(out.write_all(bytes).context("cannot write a layer")?)
                })?;
            }
            // The bundle's name, which answers are to carry: the weights must not lie below it, because their layer
            // would be another one in each version.
            made.tar.append_link(&format!("{ROOT}/{}", bundle.digest().hex()), "model")?;
        }
        layers.push((what, made.finish()?));
    }
    Ok(layers)
}

fn program_layer(program: &Path, scratch: &Path, watch: Watch<'_>) -> Result<Layer> {
    let cannot = || format!("cannot read `{}`", quote(program));
    watch.interrupt.check()?;
    let mut file = File::open(program).with_context(cannot)?;
    let size = file.metadata().with_context(cannot)?.len();
    let mut made = Made::new(scratch)?;
    made.tar.append_directory("tmp", 0o1777)?;
    made.tar.append(PROGRAM, true, size, |out| {
        std::io::copy(&mut file, out).with_context(cannot)?;
        Ok(())
    })?;
    made.finish()
}

/// The libraries of the bundle and mlx itself are for one kind of processor.
fn check_platform(description: &Description, base: &Base) -> Result<()> {
    let ours = architecture();
    if base.architecture != ours {
        return Err(Error::usage(format!(
            "`{}` is for {}, and mlx and the model's libraries here are for {ours}",
            crate::fs::escape(base.name.as_bytes()),
            crate::fs::escape(base.architecture.as_bytes())
        ))
        .with_hint("build the image on a machine of that kind, or name a base for this one"));
    }
    let platform = format!("linux/{}", std::env::consts::ARCH);
    match description.runtimes.iter().find(|runtime| runtime.platform != platform) {
        Some(runtime) => {
            Err(Error::usage(format!("the bundle brings a library for {}, not for {platform}", runtime.platform))
                .with_hint("package the model on a machine of this kind"))
        }
        None => Ok(()),
    }
}

/// The processor's name in images.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn config(bundle: &Bundle, base: &Base, layers: &[(&str, &Layer)]) -> Value {
    let description = bundle.description();
    let mut config = base.config.clone();
    let directory = format!("/{ROOT}/{}", bundle.digest().hex());
    config.insert("Entrypoint".into(), json!([format!("/{PROGRAM}"), "serve", directory, "--host", "0.0.0.0"]));
    config.remove("Cmd");
    config.insert("WorkingDir".into(), "/".into());
    let user = config.get("User").and_then(Value::as_str).filter(|user| !user.is_empty()).unwrap_or(USER).to_owned();
    config.insert("User".into(), user.into());
    let mut variables: Vec<Value> = config.get("Env").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_set =
        |variables: &[Value], name: &str| variables.iter().any(|v| v.as_str().is_some_and(|v| v.starts_with(name)));
    for (name, value) in [
        ("PATH=", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        // For models in Python: who runs in the image may have no home.
        ("MLX_CACHE_DIR=", "/tmp/mlx-cache"),
    ] {
        if !is_set(&variables, name) {
            variables.push(format!("{name}{value}").into());
        }
    }
    config.insert("Env".into(), variables.into());
    config.insert("ExposedPorts".into(), json!({ "8080/tcp": {} }));
    let mut labels = config.get("Labels").and_then(Value::as_object).cloned().unwrap_or_default();
    labels.extend(annotations(description).into_iter().map(|(key, value)| (key, value.into())));
    labels.insert(BUNDLE_LABEL.into(), bundle.digest().to_string().into());
    config.insert("Labels".into(), labels.into());
    let mut history = base.history.clone();
    let own = layers.iter().skip(base.layers.len());
    history.extend(own.map(|(what, _)| json!({ "created_by": format!("mlx package: {what}") })));
    json!({
        "architecture": base.architecture,
        "os": "linux",
        // A time would make each image another one.
        "created": "1970-01-01T00:00:00Z",
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|(_, layer)| layer.diff_id).collect::<Vec<_>>() },
        "history": history,
    })
}

fn annotations(description: &Description) -> BTreeMap<String, String> {
    let annotations = [
        (oci::TITLE, Some(description.model.name.clone())),
        (oci::VERSION, Some(description.model.version.to_string())),
        (oci::DESCRIPTION, description.model.description.clone()),
        (oci::REVISION, description.lineage.commit.clone()),
    ];
    annotations.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn manifest(description: &Description, base: &Base, config: &[u8], layers: &[(&str, &Layer)]) -> Value {
    let mut annotations = annotations(description);
    if let Some(BaseName { name, digest }) = &base.source {
        annotations.insert("org.opencontainers.image.base.name".into(), name.clone());
        annotations.insert("org.opencontainers.image.base.digest".into(), digest.to_string());
    }
    let layers: Vec<Descriptor> =
        layers.iter().map(|(_, layer)| Descriptor::new(&layer.media_type, layer.digest, layer.size)).collect();
    json!({
        "schemaVersion": 2,
        "mediaType": oci::MANIFEST,
        "config": Descriptor::of(CONFIG, config),
        "layers": layers,
        "annotations": annotations,
    })
}

fn archive(
    index: &[u8],
    manifest: &[u8],
    config: &[u8],
    layers: &[(&str, &Layer)],
    out: &mut dyn Write,
    watch: Watch<'_>,
) -> Result<u64> {
    let mut writer = Writer::new(out);
    let layout = json::canonical(&oci::Layout::default());
    let [manifest_path, config_path] = [manifest, config].map(|bytes| oci::blob_path(&Digest::of(bytes)));
    let documents: [(&str, &[u8]); 4] =
        [(oci::LAYOUT_FILE, &layout), (oci::INDEX_FILE, index), (&manifest_path, manifest), (&config_path, config)];
    for (path, bytes) in documents {
        writer.append(path, false, bytes.len() as u64, |out| {
            Ok(out.write_all(bytes).context("cannot write the image")?)
        })?;
    }
    let mut written = std::collections::HashSet::new();
    for (_, layer) in layers {
        watch.interrupt.check()?;
        if written.insert(layer.digest) {
            writer.append(&oci::blob_path(&layer.digest), false, layer.size, |out| layer.copy_to(out))?;
        }
    }
    writer.finish()
}
