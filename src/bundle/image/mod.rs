//! Runnable images: a bundle's files and mlx itself on a base, as an ordinary OCI image that any engine runs.
//!
//! No daemon and no root are needed: layers are tars that are written like everything else, packed with gzip, because
//! other programs would pack plain ones on their own and change their digest. What changes seldom comes first (the base,
//! mlx, ONNX Runtime, the weights), and each large weight is a layer of its own, so that a new version of a model sends little.
//! The image is a file of its own beside the bundle: most programs take an archive of one image only. A target that serves in
//! a cluster has it in its registry instead.

mod base;
mod gzip;
mod layer;
mod push;
mod registry;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde_json::{Map, Value, json};

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
const MODEL: &str = "model";
/// Where the model lies in an image that holds nothing else, as KServe looks for it.
const MODELS: &str = "models";
const PROGRAM: &str = "usr/local/bin/mlx";
/// Who runs where the base says nothing: nobody in particular.
const USER: &str = "65532:65532";
const BUNDLE_LABEL: &str = "mlx.bundle";
/// Weights of this size and more are layers of their own, as long as there are not more of them than engines take.
const LARGE: u64 = 1 << 20;
const MOST_LARGE: usize = 32;

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

/// An image whose layers lie in files, and which is not anywhere yet.
pub struct Built {
    manifest: Vec<u8>,
    config: Vec<u8>,
    layers: Vec<(&'static str, Layer)>,
}

impl Built {
    fn of(bundle: &Bundle, base: Option<&Base>, own: Vec<(&'static str, Layer)>, config: Map<String, Value>) -> Self {
        let of_base = base.iter().flat_map(|base| &base.layers).map(|layer| ("base", layer.clone()));
        let layers: Vec<(&'static str, Layer)> = of_base.chain(own).collect();
        let config = json::canonical(&document(base, &layers, config));
        let manifest = json::canonical(&manifest(bundle.description(), base, &config, &layers));
        Self { manifest, config, layers }
    }

    /// Its manifest, as it is kept.
    pub fn manifest(&self) -> &[u8] {
        &self.manifest
    }

    /// The digest of its manifest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }
}

/// Makes the image that runs: the bundle and mlx on a base.
pub fn build(ingredients: Ingredients<'_>, watch: Watch<'_>) -> Result<Built> {
    let Ingredients { bundle, base, program, scratch } = ingredients;
    check_platform(bundle.description(), Some(base))?;
    let mut own = vec![("mlx", program_layer(program, scratch, watch)?)];
    own.extend(model_layers(bundle, ROOT, MODEL, scratch, watch)?);
    Ok(Built::of(bundle, Some(base), own, config(bundle, base)))
}

/// Makes an image of the bundle alone, for who mounts it: its files below `models`, where `DIGEST` leads as well. A base is
/// needed only by those who want a shell in it.
pub fn build_model(bundle: &Bundle, base: Option<&Base>, scratch: &Path, watch: Watch<'_>) -> Result<Built> {
    check_platform(bundle.description(), base)?;
    let own = model_layers(bundle, "", MODELS, scratch, watch)?;
    let mut config = base.map(|base| base.config.clone()).unwrap_or_default();
    label(&mut config, bundle);
    Ok(Built::of(bundle, base, own, config))
}

/// Where `mlx serve` finds the model in an image of [`build_model`] that is mounted at `place`.
pub fn mounted(place: &str, release: &Digest) -> String {
    format!("{place}/{}", release.hex())
}

/// Writes the image to `file`, an archive as skopeo calls `oci-archive`.
pub fn write(ingredients: Ingredients<'_>, file: &Path, watch: Watch<'_>) -> Result<Image> {
    let Ingredients { bundle, base, scratch, .. } = ingredients;
    let built = build(ingredients, watch)?;
    let mut descriptor = Descriptor::of(oci::MANIFEST, &built.manifest);
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
        size = archive(&index, &built, out, watch)?;
        Ok(())
    })
    .with_context(|| format!("cannot write the image `{}`", quote(file)))?;
    let layer = |(what, layer): &(&'static str, Layer)| ImageLayer {
        what: (*what).into(),
        digest: layer.digest,
        size: layer.size,
    };
    Ok(Image {
        file: file.to_path_buf(),
        manifest: digest,
        size,
        base: base.name.clone(),
        layers: built.layers.iter().map(layer).collect(),
    })
}

/// The layers of the bundle, with its files below `root` and `model`: the runtime, the weights, and all else.
fn model_layers(
    bundle: &Bundle,
    root: &str,
    model: &str,
    scratch: &Path,
    watch: Watch<'_>,
) -> Result<Vec<(&'static str, Layer)>> {
    let below = |name: &str| if root.is_empty() { name.to_owned() } else { format!("{root}/{name}") };
    let append = |made: &mut Made, index: usize| {
        watch.interrupt.check()?;
        let file = &bundle.description().files[index];
        let path = below(&format!("{model}/{}", file.path));
        made.tar.append(&path, file.executable, file.size, |out| bundle.copy_file(index, out))
    };
    let mut layers = Vec::new();
    for (what, files) in groups(bundle) {
        let mut made = Made::new(scratch)?;
        files.into_iter().try_for_each(|index| append(&mut made, index))?;
        if what == "documents" {
            let own = [(DESCRIPTION_FILE, Some(bundle.description_bytes())), (SIGNATURE_FILE, bundle.signature())];
            for (name, bytes) in own.into_iter().filter_map(|(name, bytes)| Some((name, bytes?))) {
                made.tar.append(&below(&format!("{model}/{name}")), false, bytes.len() as u64, |out| {
                    Ok(out.write_all(bytes).context("cannot write a layer")?)
                })?;
            }
            // The bundle's name, which answers are to carry: the weights must not lie below it, because their layer
            // would be another one in each version.
            made.tar.append_link(&below(&bundle.digest().hex()), model)?;
        }
        layers.push((what, made.finish()?));
    }
    Ok(layers)
}

/// The files of each layer: what changes seldom comes first.
fn groups(bundle: &Bundle) -> Vec<(&'static str, Vec<usize>)> {
    let description = bundle.description();
    let files = &description.files;
    let is_runtime = |index: &usize| description.runtimes.iter().any(|runtime| runtime.path == files[*index].path);
    let is_weight = |index: &usize| bundle.is_layer(&files[*index].path, &files[*index].digest);
    let (runtime, others): (Vec<usize>, Vec<usize>) = (0..files.len()).partition(is_runtime);
    let (mut weights, documents): (Vec<usize>, Vec<usize>) = others.into_iter().partition(is_weight);
    weights.sort_by_key(|index| std::cmp::Reverse(files[*index].size));
    let large = weights.iter().take(MOST_LARGE).take_while(|index| files[**index].size >= LARGE).count();
    let mut small = weights.split_off(large);
    small.sort_unstable();
    let of_weights = weights.into_iter().map(|index| vec![index]).chain([small]);
    let groups = std::iter::once(("runtime", runtime)).chain(of_weights.map(|files| ("weights", files)));
    groups.filter(|(_, files)| !files.is_empty()).chain([("documents", documents)]).collect()
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
fn check_platform(description: &Description, base: Option<&Base>) -> Result<()> {
    let ours = architecture();
    if let Some(base) = base
        && base.architecture != ours
    {
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

/// How the image is started.
fn config(bundle: &Bundle, base: &Base) -> Map<String, Value> {
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
    label(&mut config, bundle);
    config
}

/// Says which bundle is in it.
fn label(config: &mut Map<String, Value>, bundle: &Bundle) {
    let mut labels = config.get("Labels").and_then(Value::as_object).cloned().unwrap_or_default();
    labels.extend(annotations(bundle.description()).into_iter().map(|(key, value)| (key, value.into())));
    labels.insert(BUNDLE_LABEL.into(), bundle.digest().to_string().into());
    config.insert("Labels".into(), labels.into());
}

/// The document that says what the image is made of.
fn document(base: Option<&Base>, layers: &[(&'static str, Layer)], config: Map<String, Value>) -> Value {
    let mut history = base.map(|base| base.history.clone()).unwrap_or_default();
    let own = layers.iter().filter(|(what, _)| *what != "base");
    history.extend(own.map(|(what, _)| json!({ "created_by": format!("mlx package: {what}") })));
    json!({
        "architecture": base.map_or(architecture(), |base| base.architecture.as_str()),
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

fn manifest(description: &Description, base: Option<&Base>, config: &[u8], layers: &[(&'static str, Layer)]) -> Value {
    let mut annotations = annotations(description);
    if let Some(BaseName { name, digest }) = base.and_then(|base| base.source.as_ref()) {
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

fn archive(index: &[u8], built: &Built, out: &mut dyn Write, watch: Watch<'_>) -> Result<u64> {
    let Built { manifest, config, layers } = built;
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
