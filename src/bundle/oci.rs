//! The documents of an OCI image layout with a CNCF ModelPack manifest, as far as bundles use them.
//!
//! See <https://github.com/opencontainers/image-spec> and <https://github.com/modelpack/model-spec>. The schema of the
//! ModelPack config is closed, so that what is ours goes into the layer `mlx.bundle.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Digest;

/// The file that says that a directory or an archive is an image layout.
pub const LAYOUT_FILE: &str = "oci-layout";
/// The file that names the manifest.
pub const INDEX_FILE: &str = "index.json";

pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const ARTIFACT: &str = "application/vnd.cncf.model.manifest.v1+json";
pub const CONFIG: &str = "application/vnd.cncf.model.config.v1+json";
/// One weight file as it is, so that its blob's digest is the digest of the object.
pub const WEIGHT: &str = "application/vnd.cncf.model.weight.v1.raw";
pub const CODE: &str = "application/vnd.cncf.model.code.v1.tar";
pub const DOCUMENT: &str = "application/vnd.cncf.model.doc.v1.tar";

/// The annotation of a layer that says which file or directory it holds.
pub const FILE_PATH: &str = "org.cncf.model.filepath";
pub const REFERENCE: &str = "org.opencontainers.image.ref.name";
pub const TITLE: &str = "org.opencontainers.image.title";
pub const VERSION: &str = "org.opencontainers.image.version";
pub const REVISION: &str = "org.opencontainers.image.revision";
pub const DESCRIPTION: &str = "org.opencontainers.image.description";

/// The name of a blob in an image layout.
pub fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The content of [`LAYOUT_FILE`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    pub image_layout_version: String,
}

impl Default for Layout {
    fn default() -> Self {
        Self { image_layout_version: "1.0.0".into() }
    }
}

/// The content of [`INDEX_FILE`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    pub schema_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    pub manifests: Vec<Descriptor>,
}

/// Names a blob: what it is, its digest and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Other places to fetch the blob from; bundles have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

impl Descriptor {
    /// The descriptor of these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        let (artifact_type, annotations, urls) = (None, BTreeMap::new(), Vec::new());
        Self { media_type: media_type.into(), digest, size, artifact_type, annotations, urls }
    }
}

/// The ModelPack manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u64,
    /// Not all programs say this and the next.
    #[serde(default)]
    pub media_type: String,
    #[serde(default)]
    pub artifact_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Why this is no manifest of a packed model; `None` where it is one.
    pub fn is_other(&self) -> Option<String> {
        let (artifact, config) = (&self.artifact_type, &self.config.media_type);
        match (artifact == ARTIFACT, config == CONFIG) {
            (true, true) => None,
            (true, false) => Some(format!("it is no packed model: its config is a `{config}`")),
            (false, _) if artifact.is_empty() => {
                Some(format!("it is no packed model: its manifest has no type, and its config is a `{config}`"))
            }
            (false, _) => Some(format!("it is no packed model: the type of its manifest is `{artifact}`")),
        }
    }
}

/// The ModelPack config.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    pub descriptor: ModelDescriptor,
    pub config: ModelConfig,
    pub modelfs: ModelFiles,
}

/// General information about the model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelDescriptor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The commit that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// Technical information about the model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelConfig {
    /// Such as `onnx`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// The digests of the layers, uncompressed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelFiles {
    /// `layers`
    pub r#type: String,
    pub diff_ids: Vec<Digest>,
}
