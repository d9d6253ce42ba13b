//! The record of a run, from its beginning to its end.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Options;
use super::environments::first_and_others;
use super::performed::Performed;
use super::setup::Setup;
use crate::env::Environment;
use crate::error::ErrorContext;
use crate::executor::FailureClass;
use crate::project::Project;
use crate::project::git::Git;
use crate::run::{Outcome, Run, RunId, RunStep, Runs, Status};
use crate::store::Store;
use crate::{Digest, Error, Kind, Result};

/// The version of the record's format that this program writes.
const VERSION: u64 = crate::run::VERSION;

/// The code of a run, as Git knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    pub commit: Option<String>,
    /// Uncommitted changes; an object of the store.
    pub patch: Option<Digest>,
}

impl Code {
    /// The code as it is now. The patch of uncommitted changes becomes an object of the store.
    pub fn of(project: &Project, store: &Store) -> Result<Self> {
        let Some(git) = Git::of(project)? else { return Ok(Self::default()) };
        let patch = git.patch().context("cannot record the uncommitted changes")?;
        let patch = Some(patch).filter(|patch| !patch.is_empty());
        Ok(Self { commit: git.head(), patch: patch.map(|patch| store.put_bytes(&patch)).transpose()? })
    }
}

/// The run as it begins. The patch of uncommitted changes becomes an object of the store.
pub fn begin(project: &Project, options: &Options, setup: &Setup<'_>) -> Result<Run> {
    let Code { commit, patch } = match &options.trial {
        Some(trial) => trial.code.clone(),
        None => Code::of(project, setup.workspace.store())?,
    };
    let (environment, environments) = first_and_others(setup.environments.records());
    Ok(Run {
        version: VERSION,
        id: options.trial.as_ref().map_or_else(RunId::random, |trial| Ok(trial.run.clone()))?,
        status: Status::Running,
        started: Timestamp::now(),
        finished: None,
        error: None,
        command: options.command.clone(),
        user: options.user.clone(),
        host: Runs::host(),
        mlx: env!("CARGO_PKG_VERSION").into(),
        commit,
        patch,
        environment,
        environments,
        environment_seconds: 0.0,
        sweep: options.trial.as_ref().map(|trial| trial.trial.clone()),
        params: setup.params.0.clone(),
        metrics: BTreeMap::new(),
        history: Vec::new(),
        steps: Vec::new(),
    })
}

/// What became of all steps of a run.
pub struct Results {
    pub performed: HashMap<usize, Performed>,
    /// Those in which a program ran, by name.
    pub environments: BTreeMap<String, Environment>,
    /// Seconds in which nothing was done but making them.
    pub environment_seconds: f64,
    /// Why finished steps could not be committed.
    pub commit: Result<()>,
}

/// Writes the end into the record. Returns why the run did not come to a good one.
pub fn end(run: &mut Run, setup: &Setup<'_>, results: Results) -> Option<Error> {
    let Results { mut performed, environments, environment_seconds, commit } = results;
    let mut failures = Vec::new();
    let is_lost = commit.is_err();
    failures.extend(commit.err());
    let blockers = blockers(setup, &performed);
    for index in setup.selected.iter().copied() {
        let skipped = || {
            let reason = match blockers.get(&index) {
                Some(blocker) => format!("it needs `{}`", setup.graph.steps[*blocker].name),
                None => "the run ended before its turn".into(),
            };
            Performed::nothing(&setup.graph.steps[index], &setup.step_params[index], Outcome::Skipped, &reason)
        };
        let step = performed.remove(&index).unwrap_or_else(skipped);
        let Performed { mut step, history, error, .. } = step;
        if is_lost {
            forget_lost(&mut step, setup.workspace.store());
        }
        run.metrics.extend(step.metrics.clone());
        run.history.extend(history);
        run.steps.push(step);
        failures.extend(error);
    }
    let mut records = setup.environments.records();
    records.extend(environments);
    (run.environment, run.environments) = first_and_others(records);
    run.environment_seconds = environment_seconds;
    run.finished = Some(Timestamp::now());
    let failure = one_of(failures);
    run.status = match failure.as_ref().map(Error::kind) {
        None => Status::Finished,
        Some(Kind::Interrupted) => Status::Interrupted,
        Some(_) => Status::Failed,
    };
    run.error = failure.as_ref().map(ToString::to_string);
    failure
}

/// What could not be committed is not in the store: the record of a run names nothing of it.
fn forget_lost(step: &mut RunStep, store: &Store) {
    let is_there = |digest: &Digest| store.contains(digest);
    let is_whole = step.outs.iter().all(|out| is_there(&out.object.digest)) && step.log.as_ref().is_none_or(is_there);
    if step.outcome == Outcome::Ran && !is_whole {
        step.outcome = Outcome::Failed;
        step.failure = Some(FailureClass::Infrastructure);
        step.outs.clear();
        step.log.take_if(|log| !is_there(log));
    }
}

/// The step whose failure keeps each step from running, by the index of the latter.
fn blockers(setup: &Setup<'_>, performed: &HashMap<usize, Performed>) -> HashMap<usize, usize> {
    let mut blockers = HashMap::new();
    for index in setup.selected.iter().copied() {
        let failed = performed.get(&index).is_some_and(|performed| performed.error.is_some()).then_some(index);
        let inherited = || setup.graph.needs[index].iter().find_map(|needed| blockers.get(needed).copied());
        if let Some(blocker) = failed.or_else(inherited) {
            blockers.insert(index, blocker);
        }
    }
    blockers
}

/// One error for all: an interrupt decides, or a full disk, of which the others come; else the first. More failures are told
/// beside it.
fn one_of(mut failures: Vec<Error>) -> Option<Error> {
    let interrupt = failures.iter().position(|error| error.kind() == Kind::Interrupted);
    if let Some(place) = interrupt.or_else(|| failures.iter().position(Error::is_of_disk)) {
        return Some(failures.swap_remove(place));
    }
    if failures.len() < 2 {
        return failures.pop();
    }
    let (kind, hint) = (failures[0].kind(), failures[0].hint().map(str::to_owned));
    let messages: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let error = Error::new(kind, anyhow::Error::msg(messages.join("\nand ")));
    Some(match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}
