//! What people say of a run: a name, tags, a note. It stands in a record of its own beside the run's, which never changes;
//! this one is replaced.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RunId, Runs};
use crate::project::manifest::check_name;
use crate::store::Store;
use crate::{Error, Result};

/// The version of the record's format that this program writes.
pub const VERSION: u64 = 1;
/// The directory of the records.
pub const LABELS: &str = "labels";
/// A longer note belongs into a file.
const LONGEST_NOTE: usize = 64 * 1024;
/// So often a change is tried when others change the same record.
const ATTEMPTS: usize = 20;

/// What is said of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Found wherever a run's id is taken.
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub tags: BTreeSet<String>,
    #[serde(default)]
    pub note: Option<String>,
}

/// The record `labels/<run>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelRecord {
    pub version: u64,
    pub run: RunId,
    #[serde(flatten)]
    pub label: Label,
    /// When it was changed last; of two, the later one holds.
    pub changed: Timestamp,
}

impl Label {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses a name, a tag or a note that can't be one.
    pub fn check(&self) -> Result<()> {
        let bad = |message: String| Error::usage(message);
        for tag in &self.tags {
            check_name(tag).map_err(|message| bad(format!("a tag of a run: {message}")))?;
        }
        if let Some(name) = &self.name {
            check_name(name).map_err(|message| bad(format!("the name of a run: {message}")))?;
            let is_like_an_id = name.len() <= 12 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if is_like_an_id || name == "latest" {
                return Err(bad(format!(
                    "`{name}` can't be the name of a run: it would be taken for an id or `latest`"
                ))
                .with_hint("add a letter behind `f`, or a dash"));
            }
        }
        if self.note.as_ref().is_some_and(|note| note.len() > LONGEST_NOTE) {
            return Err(bad(format!("the note is longer than {} KiB", LONGEST_NOTE >> 10))
                .with_hint("keep long text in a file of the project"));
        }
        Ok(())
    }
}

impl LabelRecord {
    /// The record in these bytes; `None` where this program can't read it, or it is another run's.
    pub fn parse(bytes: &[u8], id: &RunId) -> Option<Self> {
        let record: Self = serde_json::from_slice(bytes).ok()?;
        let is_fine = record.version == VERSION && record.run == *id && record.label.check().is_ok();
        is_fine.then_some(record)
    }
}

/// The name of a label's record.
pub fn label_name(id: &RunId) -> String {
    format!("{LABELS}/{id}")
}

/// The record of what is said of a run. One that can't be read counts as none.
pub fn read_label(store: &Store, id: &RunId) -> Result<Option<LabelRecord>> {
    Ok(store.record(&label_name(id))?.and_then(|bytes| LabelRecord::parse(&bytes, id)))
}

impl Runs {
    /// What is said of a run.
    pub fn label(&self, id: &RunId) -> Result<Label> {
        Ok(read_label(&self.store, id)?.map(|record| record.label).unwrap_or_default())
    }

    /// What is said of all runs of which something is.
    pub fn labels(&self) -> Result<BTreeMap<RunId, Label>> {
        let names = self.store.records(LABELS)?;
        let ids = names.iter().filter_map(|name| name.strip_prefix(LABELS)?.strip_prefix('/')?.parse::<RunId>().ok());
        let mut labels = BTreeMap::new();
        for id in ids {
            labels.extend(read_label(&self.store, &id)?.map(|record| (id, record.label)));
        }
        Ok(labels)
    }

    /// The runs with this name; more than one only where others brought theirs.
    pub fn named(&self, name: &str) -> Result<Vec<RunId>> {
        let labels = self.labels()?.into_iter();
        Ok(labels.filter(|(_, label)| label.name.as_deref() == Some(name)).map(|(id, _)| id).collect())
    }

    /// Refuses a name that another run has.
    pub fn check_free(&self, name: &str, but: Option<&RunId>) -> Result<()> {
        match self.named(name)?.iter().find(|id| Some(*id) != but) {
            None => Ok(()),
            Some(other) => Err(Error::usage(format!("run {other} has the name `{name}` already")).with_hint(format!(
                "choose another name, or take it from that run first: `mlx runs name {other} --remove`"
            ))),
        }
    }

    /// Changes what is said of a run, and returns it as it is then.
    pub fn change_label(&self, id: &RunId, change: impl Fn(&mut Label)) -> Result<Label> {
        let name = label_name(id);
        for _ in 0..ATTEMPTS {
            let before = self.store.record(&name)?;
            let known = before.as_deref().and_then(|bytes| LabelRecord::parse(bytes, id));
            let mut label = known.map(|record| record.label).unwrap_or_default();
            change(&mut label);
            label.check()?;
            let record =
                LabelRecord { version: VERSION, run: id.clone(), label: label.clone(), changed: Timestamp::now() };
            let bytes = serde_json::to_vec(&record).context("cannot write a label as JSON")?;
            if self.store.replace_record(&name, before.as_deref(), &bytes)? {
                return Ok(label);
            }
        }
        Err(Error::failed(format!("what is said of run {id} is changed by others all the time"))
            .with_hint("run this again"))
    }
}
