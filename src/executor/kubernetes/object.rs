//! What `kubectl get --output=json` prints, as far as all kinds of objects have it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The objects that were asked for.
#[derive(Deserialize)]
pub struct List<Item> {
    pub items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub name: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    pub deletion_timestamp: Option<String>,
}

/// What an object says of its state, by kinds of conditions.
#[derive(Deserialize)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub reason: Option<String>,
    pub message: Option<String>,
}
