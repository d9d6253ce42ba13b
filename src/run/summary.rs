//! What a list of runs shows of each.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Outcome, Run, RunId, Status, Trial};

/// A run without its steps' details.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub id: RunId,
    pub status: Status,
    pub started: Timestamp,
    /// Seconds from start to end; `None` while it runs.
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
        }
    }
}

/// Which runs are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those that ended, or go on, this way.
    pub status: Option<Status>,
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

impl Filter {
    pub(super) fn admits(&self, summary: &Summary) -> bool {
        self.status.is_none_or(|status| status == summary.status)
    }
}
