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

/// The version of the format that this program writes and reads.
pub const FORMAT: u64 = 1;

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

/// An alias came to a version: the record `models/NAME/events/NUMBER`, written once.
///
/// The alias itself is the record `models/NAME/aliases/ALIAS`: its last promotion, replaced by compare-and-swap. So
/// whoever moves an alias and is killed before the event is written leaves nothing out: the alias says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    pub when: Timestamp,
    pub who: String,
    pub alias: String,
    /// The version that held the alias before.
    pub from: Option<u64>,
    pub to: u64,
    pub why: Option<String>,
    /// The gates that were passed over with `--force`, in words.
    pub overridden: Vec<String>,
}
