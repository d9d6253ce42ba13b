//! The record that a bundle was made: `bundles/DIGEST` in the store.

use std::path::PathBuf;

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fs::Stamp;
use crate::store::Store;
use crate::{Digest, Error, Result};

const PREFIX: &str = "bundles";

/// That a bundle was made, and where it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this format; 1.
    pub format: u64,
    pub model: String,
    pub version: u64,
    /// The manifest's digest: the bundle's name everywhere.
    pub manifest: Digest,
    /// Where it was written last; relative to the project where it lies in it.
    pub file: PathBuf,
    pub size: u64,
    pub created: Timestamp,
    pub created_by: String,
    /// Its documents and layers that are objects of the store.
    pub objects: Vec<Digest>,
    /// The file as it was when it was written, by which a changed one is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
}

impl Record {
    /// The name of the record in the store.
    pub fn name(&self) -> String {
        format!("{PREFIX}/{}", self.manifest.hex())
    }
}

/// The bundles that were made here, in no order. Their files may be gone.
pub fn all(store: &Store) -> Result<Vec<Record>> {
    let mut found = Vec::new();
    for name in store.records(PREFIX)? {
        let Some(bytes) = store.record(&name)? else { continue };
        let record = serde_json::from_slice(&bytes).with_context(|| format!("the record `{name}` is damaged"));
        found.push(record.map_err(|error| {
            Error::from(error)
                .with_hint("it only says that a bundle was made here: delete its file in `.mlx/store/records`")
        })?);
    }
    Ok(found)
}

/// The bundles that were made of this version of a model, the newest first. Their files may be gone.
pub fn made(store: &Store, model: &str, version: u64) -> Result<Vec<Record>> {
    let mut found = all(store)?;
    found.retain(|record| record.model == model && record.version == version);
    found.sort_by_key(|record| std::cmp::Reverse(record.created));
    Ok(found)
}

/// Takes the records of these bundles away. Their files stay, and what they alone kept in the store is garbage.
pub fn forget(store: &Store, records: &[Record]) -> Result<()> {
    records.iter().try_for_each(|record| store.delete_record(&record.name()))
}

/// Writes the record, or replaces the one of an earlier time.
pub fn write(store: &Store, record: &Record) -> Result<()> {
    let name = record.name();
    let bytes = serde_json::to_vec_pretty(record).expect("a record has text as keys");
    loop {
        let before = store.record(&name)?;
        if store.replace_record(&name, before.as_deref(), &bytes)? {
            return Ok(());
        }
    }
}
