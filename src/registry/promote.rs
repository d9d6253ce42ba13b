//! Promotions: an alias comes to a version, if the gates let it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Promotion, Registry, Version, alias_name, decode, encode};
use crate::Result;
use crate::project::condition::Condition;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub version: &'a Version,
    pub alias: &'a str,
    pub who: &'a str,
    pub when: Timestamp,
    pub why: Option<&'a str>,
    /// Metric to condition, as the manifest has them.
    pub gates: &'a BTreeMap<String, Condition>,
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
        let model = &version.model;
        loop {
            let name = alias_name(model, alias);
            let bytes = self.store.record(&name)?;
            let before: Option<Promotion> = bytes.as_deref().map(|bytes| decode(&name, bytes)).transpose()?;
            let from = before.as_ref().map(|promotion| promotion.to);
            let verdicts = self.verdicts(version, gates)?;
            let failed: Vec<String> = verdicts.iter().filter(|gate| !gate.passed).map(Verdict::in_words).collect();
            let done = |outcome| Promoted {
                model: model.clone(),
                version: version.version,
                alias: alias.to_owned(),
                from,
                outcome,
                gates: verdicts.clone(),
            };
            if from == Some(version.version) {
                return Ok(done(Outcome::Unchanged));
            }
            if !failed.is_empty() && !force {
                return Ok(done(Outcome::Refused));
            }
            // Whoever moved the alias before may have been killed before writing the event.
            before.iter().try_for_each(|before| self.append(model, before))?;
            let promotion = Promotion {
                when,
                who: who.to_owned(),
                alias: alias.to_owned(),
                from,
                to: version.version,
                why: why.map(str::to_owned),
                overridden: failed,
            };
            if self.store.replace_record(&name, bytes.as_deref(), &encode(&promotion))? {
                self.append(model, &promotion)?;
                return Ok(done(Outcome::Promoted));
            }
            // Another process moved the alias meanwhile; what the gates say may be another thing now.
        }
    }

    /// Every promotion of a model, the oldest first.
    pub fn history(&self, model: &str) -> Result<Vec<Promotion>> {
        let mut history: Vec<Promotion> = Vec::new();
        for number in self.numbers(&events_prefix(model))? {
            let event: Option<Promotion> = self.read(&event_name(model, number))?;
            history.extend(event.filter(|event| !history.contains(event)));
        }
        let current = self.aliases(model)?.into_values();
        let unwritten: Vec<_> = current.filter(|promotion| !history.contains(promotion)).collect();
        history.extend(unwritten);
        Ok(history)
    }

    /// Appends an event unless it is there.
    fn append(&self, model: &str, event: &Promotion) -> Result<()> {
        let numbers = self.numbers(&events_prefix(model))?;
        for number in numbers.iter().rev() {
            if self.read::<Promotion>(&event_name(model, *number))?.as_ref() == Some(event) {
                return Ok(());
            }
        }
        let mut next = numbers.last().map_or(1, |last| last + 1);
        while !self.store.create_record(&event_name(model, next), &encode(event))? {
            next += 1;
        }
        Ok(())
    }

    fn verdicts(&self, version: &Version, gates: &BTreeMap<String, Condition>) -> Result<Vec<Verdict>> {
        gates.iter().map(|(metric, condition)| self.verdict(version, metric, condition)).collect()
    }

    fn verdict(&self, version: &Version, metric: &str, condition: &Condition) -> Result<Verdict> {
        let value = version.metrics.get(metric).copied();
        let verdict = |passed, reference, note: Option<String>| Verdict {
            metric: metric.to_owned(),
            condition: condition.to_string(),
            value,
            reference,
            passed,
            note,
        };
        let Some(value) = value else {
            let note = format!("version {} has no metric `{metric}`", version.version);
            return Ok(verdict(false, None, Some(note)));
        };
        let (alias, lower_is_better) = match condition {
            Condition::Absolute { comparison, bound } => {
                return Ok(verdict(comparison.holds(value, *bound), None, None));
            }
            Condition::NotWorseThan { alias, lower_is_better } => (alias, *lower_is_better),
        };
        let Some(holder) = self.alias(&version.model, alias)?.map(|promotion| promotion.to) else {
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

fn events_prefix(model: &str) -> String {
    format!("models/{model}/events")
}

fn event_name(model: &str, number: u64) -> String {
    format!("models/{model}/events/{number}")
}
