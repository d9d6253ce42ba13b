//! What came of a sweep, and which sweeps there are.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::copy::remove as remove_all;
use super::resume::working_copies;
use super::state::{State, Trial, TrialState};
use super::{Place, journal, misses, record_name};
use crate::error::did_you_mean;
use crate::event::{Event, EventSink};
use crate::fs::{FileLock, escape, quote};
use crate::project::Project;
use crate::project::manifest::{Goal, Strategy, check_name};
use crate::project::space::Domain;
use crate::run::RunId;
use crate::store::Store;
use crate::{Error, Result, pipeline};

/// A sweep and its trials.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    pub sweep: String,
    pub strategy: Strategy,
    pub seed: u64,
    pub metric: Option<String>,
    pub goal: Goal,
    /// How many trials there are in the end.
    pub planned: u64,
    /// Whether a process works on it now.
    pub is_running: bool,
    /// Whether all trials are over.
    pub is_complete: bool,
    /// The values that are tried, by the parameters' names.
    pub space: Vec<(String, Domain)>,
    /// The number of the best trial.
    pub best: Option<u64>,
    /// In the order of their numbers.
    pub trials: Vec<TrialResult>,
}

/// One trial.
#[derive(Debug, Clone, Serialize)]
pub struct TrialResult {
    pub number: u64,
    pub run: RunId,
    pub state: TrialState,
    pub params: BTreeMap<String, Value>,
    /// The value of the sweep's metric.
    pub value: Option<f64>,
    pub metrics: BTreeMap<String, f64>,
    pub seconds: Option<f64>,
    pub error: Option<String>,
}

/// One of the sweeps of a project.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    pub sweep: String,
    pub strategy: Strategy,
    pub planned: u64,
    pub ended: u64,
    pub is_running: bool,
    pub is_complete: bool,
    pub metric: Option<String>,
    pub best: Option<u64>,
    pub best_value: Option<f64>,
}

impl TrialState {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

impl Results {
    /// The trial with this number, or the best one.
    pub fn trial(&self, name: &str) -> Result<&TrialResult> {
        let shown = escape(name.as_bytes());
        let number = match name {
            "best" => self.best.ok_or_else(|| {
                let metric = self.metric.as_ref().map_or("a metric".to_owned(), |metric| format!("`{metric}`"));
                Error::usage(format!("no trial of the sweep `{}` has {metric} to be the best by", self.sweep))
                    .with_hint(format!("name a trial by its number: `mlx sweep show {}` lists them", self.sweep))
            })?,
            _ => name.parse().map_err(|_| {
                Error::usage(format!("`{shown}` is no trial")).with_hint("a trial is named by its number, or as `best`")
            })?,
        };
        self.trials.iter().find(|trial| trial.number == number).ok_or_else(|| {
            Error::usage(format!("the sweep `{}` has no trial {number}", self.sweep))
                .with_hint(format!("`mlx sweep show {}` lists them", self.sweep))
        })
    }

    /// The best first; without a value, as they came.
    pub fn ranked(&self) -> Vec<&TrialResult> {
        let mut trials: Vec<&TrialResult> = self.trials.iter().collect();
        let rank = |trial: &TrialResult| {
            let value = trial.value.filter(|_| trial.state != TrialState::Failed);
            let class = match trial.state {
                TrialState::Finished => 0,
                TrialState::Stopped => 1,
                TrialState::Open => 2,
                TrialState::Failed => 3,
            };
            (class, value.map_or(f64::INFINITY, |value| super::strategy::loss(self.goal, value)))
        };
        trials.sort_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        trials
    }

    /// The parameters with more than one value to try.
    pub fn varied(&self) -> impl Iterator<Item = &(String, Domain)> {
        self.space.iter().filter(|(_, domain)| domain.count() != Some(1))
    }
}

pub(super) fn of(name: &str, state: &State, is_running: bool) -> Results {
    let result = |trial: &Trial| TrialResult {
        number: trial.number,
        run: trial.run.clone(),
        state: trial.state,
        params: state.plan.named(&trial.values),
        value: state.value(trial),
        metrics: trial.metrics.clone(),
        seconds: trial.seconds,
        error: trial.error.clone(),
    };
    Results {
        sweep: name.to_owned(),
        strategy: if state.plan.rungs.is_some() { Strategy::Asha } else { state.plan.strategy },
        seed: state.plan.seed,
        metric: state.plan.metric.clone(),
        goal: state.plan.goal,
        planned: state.plan.trials,
        is_running,
        is_complete: state.is_complete(),
        space: state.plan.params.clone(),
        best: state.best().map(|trial| trial.number),
        trials: state.trials.iter().map(result).collect(),
    }
}

/// What came of the sweep so far; of another metric, where one is named.
pub fn results(project: &Project, name: &str, metric: Option<&str>, goal: Option<Goal>) -> Result<Results> {
    let place = Place::of(project, name);
    let Some(entries) = journal::read(&place.journal())? else { return Err(unknown(project, name)?) };
    let mut state = State::of(&entries)?;
    state.plan.goal = goal.unwrap_or(state.plan.goal);
    if let Some(metric) = metric {
        if !state.trials.iter().any(|trial| trial.metrics.contains_key(metric)) {
            return Err(misses::unreported(name, &state, metric));
        }
        state.plan.metric = Some(metric.to_owned());
    }
    Ok(of(name, &state, FileLock::is_held(&place.lock())?))
}

/// The sweeps that were begun, by name. Those that can't be read are told, and left out.
pub fn list(project: &Project, events: &dyn EventSink) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for name in names(project)? {
        let results = match results(project, &name, None, None) {
            Ok(results) => results,
            Err(error) => {
                let message = format!("cannot read the sweep `{name}`: {error}");
                events.emit(Event::Warning { message, hint: error.hint().map(str::to_owned) });
                continue;
            }
        };
        let Results { strategy, planned, is_running, is_complete, metric, best, trials, .. } = results;
        let ended = trials.iter().filter(|trial| trial.state != TrialState::Open).count() as u64;
        let best_value = best.and_then(|best| trials.iter().find(|trial| trial.number == best)?.value);
        listed.push(Listed {
            sweep: name,
            strategy,
            planned,
            ended,
            is_running,
            is_complete,
            metric,
            best,
            best_value,
        });
    }
    Ok(listed)
}

/// The name of the sweep that is meant: the one that was named, or the only one that was begun.
pub fn find(project: &Project, name: Option<&str>) -> Result<String> {
    if let Some(name) = name {
        check_name(name).map_err(Error::usage)?;
        return if Place::of(project, name).journal().exists() {
            Ok(name.to_owned())
        } else {
            Err(unknown(project, name)?)
        };
    }
    match names(project)?.as_slice() {
        [name] => Ok(name.clone()),
        [] => Err(Error::usage("there are no sweeps yet").with_hint("`mlx sweep` begins one")),
        several => Err(Error::usage(format!("there are {} sweeps", several.len()))
            .with_hint(format!("name one; {}", did_you_mean("", several.iter().map(String::as_str))))),
    }
}

/// Removes a sweep: its journal, its snapshot and its working copies. The runs of its trials stay.
pub fn remove(project: &Project, name: &str) -> Result<()> {
    let name = find(project, Some(name))?;
    let place = Place::of(project, &name);
    let _alone = place.take(&name)?;
    for (number, root) in working_copies(&place) {
        if pipeline::has_jobs(&project.working_copy(&root, project.manifest.clone()))? {
            return Err(Error::usage(format!("jobs of trial {number} of the sweep `{name}` may go on on an executor"))
                .with_hint(format!("`mlx sweep {name} --resume` takes them up, and Ctrl-C ends them")));
        }
    }
    // The journal goes first: without it there is no sweep, whatever else is left.
    remove_all(&place.journal())?;
    crate::fs::sync_dir(&place.directory)?;
    Store::of(project)?.delete_record(&record_name(&name))?;
    remove_all(&place.directory)
}

/// The names of all sweeps that were begun, sorted.
fn names(project: &Project) -> Result<Vec<String>> {
    let directory = project.home_state("sweeps");
    let cannot = || format!("cannot list `{}`", quote(&directory));
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(cannot).map_err(Into::into),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.with_context(cannot)?.file_name();
        names.extend(name.to_str().filter(|name| Place::of(project, name).journal().exists()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// The error of a sweep that was not begun.
pub(super) fn unknown(project: &Project, name: &str) -> Result<Error> {
    let names = names(project)?;
    let error = Error::usage(format!("there is no sweep `{}` that was begun", escape(name.as_bytes())));
    Ok(match project.manifest.sweeps.contains_key(name) {
        true => error.with_hint(format!("begin it with `mlx sweep {name}`")),
        false => error.with_hint(did_you_mean(name, names.iter().map(String::as_str))),
    })
}
