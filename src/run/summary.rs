//! What a list of runs shows of each.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Label, Outcome, Run, RunId, Status, Trial};

/// A run without its steps' details.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub id: RunId,
    pub status: Status,
    pub started: Timestamp,
    /// Seconds from start to end without those in which environments were made; `None` while it runs.
    pub seconds: Option<f64>,
    pub command: Vec<String>,
    pub commit: Option<String>,
    /// Steps whose program ran to a good end.
    pub ran: u64,
    /// Steps whose outputs lay there already or came from the store.
    pub cached: u64,
    /// Steps that failed or did not run because of that.
    pub failed: u64,
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Trial>,
    pub params: BTreeMap<String, Value>,
    pub metrics: BTreeMap<String, f64>,
    /// What people say of it; not part of what the index keeps.
    #[serde(flatten)]
    pub label: Label,
}

impl Summary {
    pub fn of(run: &Run) -> Self {
        let count =
            |outcomes: &[Outcome]| run.steps.iter().filter(|step| outcomes.contains(&step.outcome)).count() as u64;
        Self {
            id: run.id.clone(),
            status: run.status,
            started: run.started,
            seconds: run.seconds(),
            command: run.command.clone(),
            commit: run.commit.clone(),
            ran: count(&[Outcome::Ran]),
            cached: count(&[Outcome::UpToDate, Outcome::Restored]),
            failed: count(&[Outcome::Failed, Outcome::Skipped]),
            error: run.error.clone(),
            sweep: run.sweep.clone(),
            params: run.params.clone(),
            metrics: run.metrics.clone(),
            label: Label::default(),
        }
    }
}

/// Which runs are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those that ended, or go on, this way.
    pub status: Option<Status>,
    /// Those that have all of these tags.
    pub tags: Vec<String>,
    /// In this order, and not the newest first.
    pub sort: Option<Sort>,
    /// At most so many, of those that come first.
    pub limit: Option<usize>,
}

/// An order of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Sort {
    pub by: SortBy,
    /// The lowest first.
    pub ascending: bool,
}

/// What runs are put in order by; the highest comes first.
#[derive(Debug, Clone, PartialEq)]
pub enum SortBy {
    Duration,
    /// A metric, else a parameter that is a number. Runs without it come last.
    Value(String),
}

impl Sort {
    pub(super) fn apply(&self, runs: &mut [Summary]) {
        let value = |run: &Summary| match &self.by {
            SortBy::Duration => run.seconds,
            SortBy::Value(name) => {
                run.metrics.get(name).copied().or_else(|| run.params.get(name).and_then(Value::as_f64))
            }
        };
        runs.sort_by(|a, b| match (value(a), value(b)) {
            (Some(a), Some(b)) if self.ascending => a.total_cmp(&b),
            (Some(a), Some(b)) => b.total_cmp(&a),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
    }
}

impl Filter {
    pub(super) fn admits(&self, summary: &Summary) -> bool {
        self.status.is_none_or(|status| status == summary.status)
            && self.tags.iter().all(|tag| summary.label.tags.contains(tag))
    }
}
