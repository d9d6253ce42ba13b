//! The bodies of the Open Inference Protocol v2, with what leads from an answer back to the data.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::Release;
use crate::Digest;
use crate::predictor::{InferResponse, NamedTensor, Tensor};
use crate::project::lock::LockedPath;
use crate::run::RunId;

/// Which model answers, and where it comes from: the same in every response.
#[derive(Debug, Clone)]
pub struct Origin {
    pub model_name: String,
    pub model_version: String,
    pub parameters: Parameters,
}

/// What every answer says about its model besides name and version; parameters of the protocol.
#[derive(Debug, Clone, Serialize)]
pub struct Parameters {
    /// The run that made the model: `mlx runs show RUN` names its data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The digest of the bundle's manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Digest>,
}

impl Origin {
    pub fn new(release: &Release, model_name: Option<&str>) -> Self {
        let model = &release.description.model;
        Self {
            model_name: model_name.unwrap_or(&model.name).to_owned(),
            model_version: model.version.to_string(),
            parameters: Parameters { run: release.description.lineage.run.clone(), bundle: release.bundle },
        }
    }
}

/// The body of an answer.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    pub model_name: &'a str,
    pub model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    pub parameters: &'a Parameters,
    pub outputs: &'a [NamedTensor],
}

impl<'a> Answer<'a> {
    pub fn new(origin: &'a Origin, id: Option<&'a str>, response: &'a InferResponse) -> Self {
        let Origin { model_name, model_version, parameters } = origin;
        Self { model_name, model_version, id, parameters, outputs: &response.outputs }
    }
}

/// The body of `GET /v2`.
#[derive(Debug, Serialize)]
pub struct ServerMetadata<'a> {
    pub name: &'static str,
    pub version: &'static str,
    pub extensions: [&'static str; 0],
    /// Not part of the protocol, which has no way to ask what is served.
    pub models: [&'a str; 1],
}

/// The body of `GET /v2/models/NAME`.
#[derive(Debug, Serialize)]
pub struct ModelMetadata<'a> {
    pub name: &'a str,
    pub versions: [&'a str; 1],
    pub platform: &'static str,
    pub inputs: &'a [Tensor],
    pub outputs: &'a [Tensor],
    /// Not part of the protocol.
    pub lineage: Lineage<'a>,
}

/// Where the model comes from.
#[derive(Debug, Serialize)]
pub struct Lineage<'a> {
    pub bundle: Option<Digest>,
    pub run: Option<&'a RunId>,
    pub step: Option<&'a str>,
    pub commit: Option<&'a str>,
    pub params: &'a BTreeMap<String, Value>,
    pub metrics: &'a BTreeMap<String, f64>,
    pub data: &'a [LockedPath],
}

impl<'a> ModelMetadata<'a> {
    pub fn new(origin: &'a Origin, release: &'a Release) -> Self {
        let lineage = &release.description.lineage;
        Self {
            name: &origin.model_name,
            versions: [&origin.model_version],
            platform: "onnxruntime_onnx",
            inputs: &release.signature.inputs,
            outputs: &release.signature.outputs,
            lineage: Lineage {
                bundle: release.bundle,
                run: lineage.run.as_ref(),
                step: lineage.step.as_deref(),
                commit: lineage.commit.as_deref(),
                params: &lineage.params,
                metrics: &lineage.metrics,
                data: &lineage.data,
            },
        }
    }
}

/// The body of every refusal.
#[derive(Debug, Serialize)]
pub struct Refusal<'a> {
    pub error: &'a str,
}
