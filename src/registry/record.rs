//! The records of the registry, as the store keeps them and `--json` prints them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Object;
use crate::env::Environment;
use crate::project::ProjectPath;
use crate::project::lock::LockedPath;
use crate::run::RunId;

/// A version of a model: the record `models/NAME/versions/NUMBER`, written once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// The version of this format; 1.
    pub format: u64,
    pub model: String,
    /// Counts from 1.
    pub version: u64,
    pub created: Timestamp,
    /// Who registered it.
    pub created_by: String,
    pub description: Option<String>,
    /// The model's path in the project and its content.
    pub path: ProjectPath,
    pub object: Object,
    /// The step and the run that made it; `None` for a model that was added, not trained.
    pub step: Option<String>,
    pub run: Option<RunId>,
    /// The commit of that run, or of the project when it was registered.
    pub commit: Option<String>,
    pub params: BTreeMap<String, Value>,
    pub metrics: BTreeMap<String, f64>,
    /// Everything it was made from that no step made: data and code, by digest.
    pub data: Vec<LockedPath>,
    pub environment: Option<Environment>,
}

/// An alias: the record `models/NAME/aliases/ALIAS`, replaced by compare-and-swap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    pub version: u64,
    pub since: Timestamp,
    pub by: String,
}

/// A promotion: the record `models/NAME/events/NUMBER`, written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasEvent {
    pub when: Timestamp,
    pub who: String,
    pub alias: String,
    pub from: Option<u64>,
    pub to: u64,
    pub why: Option<String>,
    /// The gates that were passed over with `--force`, in words.
    pub overridden: Vec<String>,
}
