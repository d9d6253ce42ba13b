//! The step cache: what a step with a certain key made, as a record of the store. It is what lets a known step be
//! restored instead of run; a record that is gone or damaged costs time, never correctness.

use std::collections::BTreeMap;

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::project::lock::LockedPath;
use crate::run::{MetricPoint, RunId};
use crate::store::Store;
use crate::{Digest, Result};

/// The version of the record's format that this program writes.
pub const VERSION: u64 = 1;

/// The record `steps/<key>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CachedStep {
    pub version: u64,
    pub key: Digest,
    pub step: String,
    /// The run that made the outputs.
    pub run: RunId,
    pub finished: Timestamp,
    pub seconds: f64,
    pub outs: Vec<LockedPath>,
    /// Outputs whose content the store does not keep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unstored: Vec<LockedPath>,
    pub metrics: BTreeMap<String, f64>,
    /// Parameters that its program told itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub logged: BTreeMap<String, String>,
    pub history: Vec<MetricPoint>,
}

impl CachedStep {
    /// What is known of the step with this key. A record that this program can't read counts as none.
    pub fn find(store: &Store, key: &Digest) -> Result<Option<Self>> {
        let Some(bytes) = store.record(&name(key))? else { return Ok(None) };
        let cached: Option<Self> = serde_json::from_slice(&bytes).ok();
        Ok(cached.filter(|cached| cached.version == VERSION && cached.key == *key))
    }

    /// The record's name and content.
    pub fn to_record(&self) -> Result<(String, Vec<u8>)> {
        let bytes = serde_json::to_vec(self).context("cannot write a step as JSON")?;
        Ok((name(&self.key), bytes))
    }
}

fn name(key: &Digest) -> String {
    format!("steps/{}", key.hex())
}
