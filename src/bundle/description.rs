//! `mlx.bundle.json`: what a bundle says about itself, a layer of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BadBundle, json, path};
use crate::env::Environment;
use crate::predictor::Signature;
use crate::project::lock::LockedPath;
use crate::project::manifest::check_name;
use crate::run::RunId;
use crate::{Digest, Error, Kind, Result};

/// The name of the description in an unpacked bundle.
pub const DESCRIPTION_FILE: &str = "mlx.bundle.json";
/// The version of the format that this program writes and reads.
pub const FORMAT: u64 = 1;

/// What a bundle says about itself. Holds nothing that depends on when or where it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The version of this format; 1.
    pub format: u64,
    pub model: ModelName,
    pub serve: Option<Serve>,
    pub signature: Option<Signature>,
    /// Libraries that the bundle brings, one a platform.
    pub runtimes: Vec<Runtime>,
    pub lineage: Lineage,
    /// Rows with the answers that the packaged model gave: asked for again wherever it serves.
    pub smoke: Option<Smoke>,
    /// Every other file of the unpacked bundle, sorted by path.
    pub files: Vec<File>,
}

impl Description {
    /// Reads and checks `mlx.bundle.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        let Format { format } = json::strict(bytes, DESCRIPTION_FILE)?;
        if format != FORMAT {
            let problem =
                format_args!("its {DESCRIPTION_FILE} has format {format}; this mlx knows {FORMAT}").to_string();
            return Err(Error::new(Kind::Failed, BadBundle::new(problem)).with_hint("install a newer mlx"));
        }
        let description: Self = json::strict(bytes, DESCRIPTION_FILE)?;
        description.check()?;
        Ok(description)
    }

    /// The file with this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        let index = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(&self.files[index])
    }

    /// Checks what can be checked without the files: their paths, and that what is named is among them.
    pub fn check(&self) -> Result<(), BadBundle> {
        // It becomes part of paths, headers and counters.
        if check_name(&self.model.name).is_err() {
            let name: String = self.model.name.chars().take(100).collect();
            return Err(BadBundle::new(format_args!(
                "its model can't be called `{name}`: a name holds letters and digits"
            )));
        }
        path::check_all(&self.files)?;
        let served = match &self.serve {
            Some(Serve::Onnx(onnx)) => vec![onnx],
            Some(Serve::Python(python)) => vec![&python.file, &python.path],
            None => Vec::new(),
        };
        for path in served {
            let is_below =
                |file: &File| file.path.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/'));
            // What is given to a Python class may be the directory of the weights.
            let is_there = match &self.serve {
                Some(Serve::Python(_)) => self.file(path).is_some() || self.files.iter().any(is_below),
                _ => self.file(path).is_some(),
            };
            if !is_there {
                return Err(BadBundle::new(format_args!("it serves `{path}`, which it does not hold")));
            }
        }
        for Runtime { path, digest, .. } in &self.runtimes {
            if self.file(path).is_none_or(|file| file.digest != *digest) {
                return Err(BadBundle::new(format_args!("it runs on `{path}`, which it does not hold as {digest}")));
            }
        }
        Ok(())
    }
}

/// Which model and version this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelName {
    pub name: String,
    pub version: u64,
    pub description: Option<String>,
}

/// How the model answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serve {
    /// An ONNX file, by its path in the unpacked bundle.
    Onnx(String),
    /// A class in a Python file.
    Python(PythonClass),
}

/// A class with `load(path)` and `predict(inputs)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonClass {
    /// The file's path in the unpacked bundle.
    pub file: String,
    pub class: String,
    /// What `load` is given: a path in the unpacked bundle.
    pub path: String,
}

/// The ONNX Runtime library that packaging tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// `onnxruntime`
    pub name: String,
    /// Such as `1.32.0`.
    pub version: String,
    /// Such as `linux/x86_64`.
    pub platform: String,
    /// Its path in the unpacked bundle.
    pub path: String,
    pub digest: Digest,
}

/// From the model back to the data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    pub run: Option<RunId>,
    pub step: Option<String>,
    pub commit: Option<String>,
    pub params: BTreeMap<String, Value>,
    pub metrics: BTreeMap<String, f64>,
    pub data: Vec<LockedPath>,
    pub environment: Option<Environment>,
}

/// A request and its answer, both as bodies of the Open Inference Protocol v2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Smoke {
    pub request: Value,
    pub response: Value,
    /// How far a floating-point answer may be from the recorded one: absolutely, and relative to it.
    pub tolerance: f64,
}

/// A file of the unpacked bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub path: String,
    pub digest: Digest,
    pub size: u64,
    pub executable: bool,
}
