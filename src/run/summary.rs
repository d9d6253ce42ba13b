//! What a list of runs shows of each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Label, Outcome, Run, RunId, RunStep, Status, Trial};
use crate::error::did_you_mean;
use crate::{Error, Result};

/// What stands for an order by these, and not by a metric.
const DURATION: &str = "duration";
const STARTED: &str = "started";

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
    /// The steps by what became of them; `None` in what an older program wrote.
    #[serde(default)]
    pub steps: Option<Tally>,
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
        let tally = Tally::of(&run.steps);
        Self {
            id: run.id.clone(),
            status: run.status,
            started: run.started,
            seconds: run.seconds(),
            command: run.command.clone(),
            commit: run.commit.clone(),
            ran: tally.ran,
            cached: tally.up_to_date + tally.restored,
            failed: if tally.failed > 0 { tally.failed + tally.skipped } else { 0 },
            steps: Some(tally),
            error: run.error.clone(),
            sweep: run.sweep.clone(),
            params: run.params.clone(),
            metrics: run.metrics.clone(),
            label: Label::default(),
        }
    }
}

/// How many steps came to which end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub ran: u64,
    pub restored: u64,
    pub up_to_date: u64,
    pub failed: u64,
    pub interrupted: u64,
    pub skipped: u64,
}

impl Tally {
    /// Counts these steps.
    pub fn of(steps: &[RunStep]) -> Self {
        let mut tally = Self::default();
        for step in steps {
            let count = match step.outcome {
                Outcome::Ran => &mut tally.ran,
                Outcome::Restored => &mut tally.restored,
                Outcome::UpToDate => &mut tally.up_to_date,
                Outcome::Failed => &mut tally.failed,
                Outcome::Interrupted => &mut tally.interrupted,
                Outcome::Skipped => &mut tally.skipped,
            };
            *count += 1;
        }
        tally
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
    /// The newest comes first.
    Started,
    /// A metric, else a parameter that is a number. Runs without it come last.
    Value(String),
}

impl SortBy {
    /// What this name stands for.
    pub fn of(name: String) -> Self {
        match name.as_str() {
            DURATION => Self::Duration,
            STARTED => Self::Started,
            _ => Self::Value(name),
        }
    }
}

/// The names of metrics and of parameters that are numbers: what runs can be put in order by.
#[derive(Default)]
pub(super) struct Names {
    names: BTreeSet<String>,
    has_runs: bool,
}

impl Names {
    /// Takes in those of a run.
    pub fn add(&mut self, run: &Summary) {
        self.has_runs = true;
        let numbers = run.params.iter().filter(|(_, value)| value.is_number()).map(|(name, _)| name);
        for name in run.metrics.keys().chain(numbers) {
            if !self.names.contains(name) {
                self.names.insert(name.clone());
            }
        }
    }

    /// Refuses an order by what no run has, where there are runs.
    pub fn check(&self, sort: &Sort) -> Result<()> {
        let SortBy::Value(name) = &sort.by else { return Ok(()) };
        if !self.has_runs || self.names.contains(name) {
            return Ok(());
        }
        let shown = crate::fs::escape(name.as_bytes());
        let known = [DURATION, STARTED].into_iter().chain(self.names.iter().map(String::as_str));
        Err(Error::usage(format!(
            "runs can't be put in order by `{shown}`: none has a metric or a number of that name"
        ))
        .with_hint(did_you_mean(name, known)))
    }
}

impl Sort {
    pub(super) fn apply(&self, runs: &mut [Summary]) {
        let value = |run: &Summary| match &self.by {
            SortBy::Duration => run.seconds,
            SortBy::Started => Some(run.started.as_microsecond() as f64),
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
