//! Promotions: an alias comes to a version, if the gates let it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Action, Author, Registry, State, Version};
use crate::Result;
use crate::project::condition::{Condition, Gate, Minimum};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub version: &'a Version,
    pub alias: &'a str,
    pub who: &'a str,
    pub when: Timestamp,
    pub why: Option<&'a str>,
    /// Metric to condition, as the manifest has them.
    pub gates: &'a BTreeMap<String, Gate>,
    /// Whether gates that say no are passed over.
    pub force: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Promoted {
    pub model: String,
    pub version: u64,
    pub alias: String,
    /// The version that held the alias before; `None` for a new alias.
    pub from: Option<u64>,
    pub outcome: Outcome,
    pub gates: Vec<Verdict>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The alias is at the version now.
    Promoted,
    /// It was there already.
    Unchanged,
    /// A gate said no, and the alias stays where it was.
    Refused,
}

/// What one gate says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    pub metric: String,
    /// The condition as the manifest writes it.
    pub condition: String,
    /// The version's own value; `None` where it has no such metric.
    pub value: Option<f64>,
    /// The value of the version that holds the alias it is compared with.
    pub reference: Option<f64>,
    pub passed: bool,
    /// What the numbers don't say.
    pub note: Option<String>,
}

impl Registry {
    /// Moves an alias to a version if all gates pass, or in spite of them with `force`. A gate that says no is no error:
    /// the outcome says it.
    pub fn promote(&self, request: &Request<'_>) -> Result<Promoted> {
        let Request { version, alias, who, when, why, gates, force } = *request;
        let (model, to) = (&version.model, version.version);
        let (mut from, mut outcome, mut verdicts) = (None, Outcome::Unchanged, Vec::new());
        // Where another moves an alias meanwhile, what the gates say may be another thing then.
        self.append(model, |state| {
            from = state.aliases.get(alias).map(|promotion| promotion.to);
            verdicts = self.verdicts(version, gates, state)?;
            let failed: Vec<String> = verdicts.iter().filter(|gate| !gate.passed).map(Verdict::in_words).collect();
            outcome = match from {
                Some(from) if from == to => Outcome::Unchanged,
                _ if !failed.is_empty() && !force => Outcome::Refused,
                _ => Outcome::Promoted,
            };
            if outcome != Outcome::Promoted {
                return Ok(None);
            }
            if let Some(removed) = state.removed(to) {
                return Err(super::removed_error(model, to, removed));
            }
            let author = Author { who: who.to_owned(), when, why: why.map(str::to_owned) };
            Ok(Some(author.did(Action::Promoted { alias: alias.to_owned(), from, to, overridden: failed })))
        })?;
        Ok(Promoted { model: model.clone(), version: to, alias: alias.to_owned(), from, outcome, gates: verdicts })
    }

    fn verdicts(&self, version: &Version, gates: &BTreeMap<String, Gate>, state: &State) -> Result<Vec<Verdict>> {
        gates.iter().map(|(metric, gate)| self.verdict(version, metric, gate, state)).collect()
    }

    fn verdict(&self, version: &Version, metric: &str, gate: &Gate, state: &State) -> Result<Verdict> {
        let Gate { condition, minimum } = gate;
        let value = version.metrics.get(metric).copied();
        let verdict = |passed, reference, note: Option<String>| Verdict {
            metric: metric.to_owned(),
            condition: gate.to_string(),
            value,
            reference,
            passed,
            note,
        };
        let Some(value) = value else {
            let note = format!("version {} has no metric `{metric}`", version.version);
            return Ok(verdict(false, None, Some(note)));
        };
        if let Some(minimum) = minimum
            && let Some(note) = too_few(version, metric, minimum)
        {
            return Ok(verdict(false, None, Some(note)));
        }
        let (alias, lower_is_better) = match condition {
            Condition::Absolute { comparison, bound } => {
                return Ok(verdict(comparison.holds(value, *bound), None, None));
            }
            Condition::NotWorseThan { alias, lower_is_better } => (alias, *lower_is_better),
        };
        let Some(holder) = state.aliases.get(alias).map(|promotion| promotion.to) else {
            return Ok(verdict(true, None, Some(format!("no version holds @{alias} yet"))));
        };
        if holder == version.version {
            return Ok(verdict(true, Some(value), Some(format!("it holds @{alias} itself"))));
        }
        let Some(reference) = self.version(&version.model, holder)? else {
            let note = format!("version {holder}, which holds @{alias}, has no record any more");
            return Ok(verdict(false, None, Some(note)));
        };
        let Some(reference) = reference.metrics.get(metric).copied() else {
            let note = format!("version {holder}, which holds @{alias}, has no metric `{metric}`");
            return Ok(verdict(false, None, Some(note)));
        };
        let passed = if lower_is_better { value <= reference } else { value >= reference };
        Ok(verdict(passed, Some(reference), Some(format!("version {holder} holds @{alias}"))))
    }
}

impl Verdict {
    /// One line for the history.
    fn in_words(&self) -> String {
        let Self { metric, condition, value, reference, .. } = self;
        let value = value.map_or("missing".into(), |value| value.to_string());
        let reference = reference.map_or(String::new(), |reference| format!(" ({reference})"));
        format!("{metric} {value}: {condition}{reference}")
    }
}

/// Why a metric does not count: it was measured on too little. The metric that counts is looked for beside it first
/// (`test.rows` for `test.accuracy`).
fn too_few(version: &Version, metric: &str, minimum: &Minimum) -> Option<String> {
    let Minimum { count, metric: counts } = minimum;
    let beside = metric.rsplit_once('.').map(|(group, _)| format!("{group}.{counts}"));
    let found = beside.iter().chain([counts]).find_map(|name| version.metrics.get(name));
    match found {
        None => Some(format!("version {} has no metric `{counts}`", version.version)),
        Some(found) if *found >= *count as f64 => None,
        Some(found) => Some(format!("measured over {found} {counts}")),
    }
}
