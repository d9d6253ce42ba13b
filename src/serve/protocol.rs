//! The bodies of the Open Inference Protocol v2, with what leads from an answer back to the data.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Release;
use crate::Digest;
use crate::predictor::{BadRequest, Binary, Form, InferResponse, NamedTensor, Tensor};
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

/// An answer, before it has a form.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    pub model_name: &'a str,
    pub model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    pub parameters: &'a Parameters,
    pub outputs: Vec<Output<'a>>,
}

/// An output with its elements, or with the size of what stands for them after the JSON.
#[derive(Debug)]
pub struct Output<'a> {
    tensor: &'a NamedTensor,
    is_binary: bool,
}

/// The bytes of an answer.
#[derive(Debug)]
pub struct Body {
    pub bytes: Vec<u8>,
    /// How many of them are JSON, where there is more.
    pub json_bytes: Option<usize>,
}

impl<'a> Answer<'a> {
    pub fn new(origin: &'a Origin, id: Option<&'a str>, response: &'a InferResponse, form: &Form) -> Self {
        let Origin { model_name, model_version, parameters } = origin;
        let output = |tensor: &'a NamedTensor| Output { tensor, is_binary: form.is_binary(&tensor.name) };
        Self { model_name, model_version, id, parameters, outputs: response.outputs.iter().map(output).collect() }
    }

    /// The answer as it travels; an error where an output is no text and was not asked for in binary.
    pub fn write(&self) -> Result<Body, BadRequest> {
        let is_json = |output: &&Output<'_>| !output.is_binary && !output.tensor.data.is_text();
        if let Some(Output { tensor, .. }) = self.outputs.iter().find(is_json) {
            let message = format!("output `{}` has bytes that are no text; ask for it in binary", tensor.name);
            return Err(BadRequest::new(message));
        }
        let mut bytes = Vec::with_capacity(256);
        serde_json::to_writer(&mut bytes, self).expect("its keys are text, and so are its values");
        let json_bytes = bytes.len();
        for Output { tensor, .. } in self.outputs.iter().filter(|output| output.is_binary) {
            tensor.data.write_binary(&mut bytes);
        }
        let has_binary = self.outputs.iter().any(|output| output.is_binary);
        Ok(Body { bytes, json_bytes: has_binary.then_some(json_bytes) })
    }
}

impl Serialize for Output<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { tensor, is_binary } = self;
        match is_binary {
            true => Binary(tensor).serialize(serializer),
            false => tensor.serialize(serializer),
        }
    }
}

/// The body of `GET /v2`.
#[derive(Debug, Serialize)]
pub struct ServerMetadata<'a> {
    pub name: &'static str,
    pub version: &'static str,
    pub extensions: [&'static str; 1],
    /// Not part of the protocol, which has no way to ask what is served.
    pub models: Vec<&'a str>,
}

/// The body of `GET /v2/models/NAME`.
#[derive(Debug, Serialize)]
pub struct ModelMetadata<'a> {
    pub name: &'a str,
    pub versions: Vec<&'a str>,
    pub platform: &'a str,
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
    /// `versions` are those of this model that are served here.
    pub fn new(origin: &'a Origin, release: &'a Release, versions: Vec<&'a str>) -> Self {
        let lineage = &release.description.lineage;
        Self {
            name: &origin.model_name,
            versions,
            platform: release.predictor.platform(),
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
