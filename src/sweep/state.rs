//! The state of a sweep: what its journal adds up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::journal::{self, Entry};
use super::plan::Plan;
use super::snapshot::Snapshot;
use super::strategy::{self, Strategy, Values};
use crate::project::manifest::Goal;
use crate::run::RunId;
use crate::{Error, Result};

/// A sweep between two entries of its journal.
#[derive(Debug, Clone)]
pub struct State {
    pub plan: Plan,
    pub snapshot: Snapshot,
    /// In the order of their numbers.
    pub trials: Vec<Trial>,
}

/// A trial that began.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    pub number: u64,
    pub values: Values,
    /// The newest of its runs.
    pub run: RunId,
    pub state: TrialState,
    pub metrics: BTreeMap<String, f64>,
    pub seconds: Option<f64>,
    pub error: Option<String>,
    /// The last value at which it was judged to fall behind.
    pub stopped_at: Option<f64>,
}

impl Trial {
    /// A trial that begins, or begins again.
    fn new(number: u64, run: &RunId, values: &Values) -> Self {
        Self {
            number,
            values: values.clone(),
            run: run.clone(),
            state: TrialState::Open,
            metrics: BTreeMap::new(),
            seconds: None,
            error: None,
            stopped_at: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// It runs, or was interrupted and begins again when the sweep goes on.
    Open,
    Finished,
    Failed,
    /// It fell behind and was stopped early.
    Stopped,
}

impl State {
    /// The state that these entries add up to.
    pub fn of(entries: &[Entry]) -> Result<Self> {
        let Some(Entry::Begin { plan, snapshot, .. }) = entries.first() else {
            return Err(Error::failed("the journal of the sweep does not begin as one").with_hint(
                "begin anew with `--force`, or take the sweep away with `mlx sweep rm`; the runs of its trials stay",
            ));
        };
        let mut state = Self { plan: plan.clone(), snapshot: snapshot.clone(), trials: Vec::new() };
        for (place, entry) in entries.iter().enumerate().skip(1) {
            if !state.fits(entry) {
                let line = place + 1;
                return Err(Error::failed(format!("line {line} of the journal does not fit those before it"))
                    .with_hint(journal::REMEDY));
            }
            state.apply(entry);
        }
        Ok(state)
    }

    /// Whether the entry can come next.
    fn fits(&self, entry: &Entry) -> bool {
        let begun = self.trials.len() as u64;
        match entry {
            Entry::Begin { .. } => false,
            Entry::Resume { .. } => true,
            Entry::Start { trial, values, .. } => *trial <= begun && values.len() == self.plan.params.len(),
            Entry::Report { trial, .. } | Entry::End { trial, .. } => *trial < begun,
        }
    }

    /// Takes one more entry in.
    pub fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Begin { .. } => {}
            Entry::Resume { trials, metric, goal, snapshot, .. } => {
                self.plan.trials = trials.unwrap_or(self.plan.trials);
                self.plan.metric = metric.clone().or(self.plan.metric.take());
                self.plan.goal = goal.unwrap_or(self.plan.goal);
                if let Some(snapshot) = snapshot {
                    self.snapshot = snapshot.clone();
                }
            }
            Entry::Start { trial, run, values, .. } => match self.trial(*trial) {
                Some(known) => *known = Trial::new(*trial, run, values),
                None => self.trials.push(Trial::new(*trial, run, values)),
            },
            Entry::Report { trial, value, stop, .. } => {
                if let Some(known) = self.trial(*trial).filter(|_| *stop) {
                    known.stopped_at = Some(*value);
                }
            }
            Entry::End { trial, state, metrics, seconds, error, .. } => {
                if let Some(known) = self.trial(*trial) {
                    known.state = *state;
                    known.metrics = metrics.clone();
                    known.seconds = Some(*seconds);
                    known.error = error.clone();
                }
            }
        }
    }

    /// Trials begin in the order of their numbers.
    fn trial(&mut self, number: u64) -> Option<&mut Trial> {
        self.trials.get_mut(usize::try_from(number).ok()?)
    }

    /// The value of the plan's metric.
    pub fn value(&self, trial: &Trial) -> Option<f64> {
        self.plan.metric.as_ref().and_then(|metric| trial.metrics.get(metric)).copied()
    }

    /// The best of the trials that came to a good end.
    pub fn best(&self) -> Option<&Trial> {
        let finished = self.trials.iter().filter(|trial| trial.state == TrialState::Finished);
        let valued = finished.filter_map(|trial| Some((strategy::loss(self.plan.goal, self.value(trial)?), trial)));
        // Of equal ones the first.
        valued.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, trial)| trial)
    }

    pub fn ended(&self) -> usize {
        self.trials.iter().filter(|trial| trial.state != TrialState::Open).count()
    }

    /// Whether nothing is left to do.
    pub fn is_complete(&self) -> bool {
        self.ended() as u64 >= self.plan.trials
    }

    /// A strategy that was told all that these entries tell.
    pub fn strategy(&self, entries: &[Entry]) -> Box<dyn Strategy> {
        let mut strategy = strategy::of(&self.plan);
        let loss = |metrics: &BTreeMap<String, f64>| {
            let value = self.plan.metric.as_ref().and_then(|metric| metrics.get(metric));
            value.map(|value| strategy::loss(self.plan.goal, *value))
        };
        for entry in entries {
            match entry {
                Entry::Start { trial, values, .. } => strategy.begin(*trial, values),
                Entry::Report { trial, step, value, .. } => {
                    strategy.report(*trial, *step, strategy::loss(self.plan.goal, *value));
                }
                Entry::End { trial, metrics, state, .. } => {
                    strategy.tell(*trial, loss(metrics).filter(|_| *state != TrialState::Failed));
                }
                Entry::Begin { .. } | Entry::Resume { .. } => {}
            }
        }
        strategy
    }
}

/// The goal as a word for people: what is better.
pub fn better(goal: Goal) -> &'static str {
    if goal == Goal::Max { "higher is better" } else { "lower is better" }
}
