//! The beginning of a sweep, and its beginning again: what is checked, what is found, and what is written first.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use super::conduct::{Options, Session, is_of_disk};
use super::copy::remove;
use super::journal::{self, Entry, Journal};
use super::plan::Plan;
use super::results::unknown;
use super::snapshot::Snapshot;
use super::state::{State, TrialState};
use super::{Place, misses, record_name, strategy};
use crate::event::Watch;
use crate::fs::FileLock;
use crate::pipeline::{self, Materials, RUN_VARIABLE};
use crate::project::Project;
use crate::project::manifest::Sweep;
use crate::project::space::Domain;
use crate::run::{Runs, Status};
use crate::store::Store;
use crate::{Error, Kind, Result, executor};

/// Begins a sweep.
pub(super) fn begin(
    project: &Project,
    place: &Place,
    options: &Options,
    watch: Watch<'_>,
) -> Result<(Session, FileLock)> {
    let (name, request) = (&options.name, &options.request);
    let declared = project.manifest.sweeps.get(name);
    let steps = match declared {
        Some(sweep) if request.steps.is_empty() => &sweep.steps,
        _ => &request.steps,
    };
    // All that can be wrong is found before anything is written.
    let mut materials = materials(project, options, steps, watch)?;
    let plan = Plan::of(declared, request, &materials)?;
    tell_fewer(&plan, request.trials.or(declared.and_then(|sweep| sweep.trials)), watch)?;
    widen(project, options, &plan, &mut materials, watch)?;
    refuse_begun(place, options)?;
    let alone = place.take(name)?;
    refuse_begun(place, options)?;
    end_jobs(project, place, &HashSet::new(), options, watch)?;
    remove(&place.trials())?;
    remove(&place.turns())?;
    let snapshot = take_snapshot(project, name, &materials, watch)?;
    let first = Entry::Begin { version: journal::VERSION, at: Timestamp::now(), plan, snapshot };
    let journal = Journal::begin(&place.journal(), &project.scratch(), &first)?;
    let state = State::of(&[first])?;
    let strategy = strategy::of(&state.plan);
    Ok((Session { state, journal, strategy, open: VecDeque::new() }, alone))
}

/// Ends the jobs on executors that a killed process left in the working copies of trials, except of those that go on.
pub(super) fn end_jobs(
    project: &Project,
    place: &Place,
    going_on: &HashSet<u64>,
    options: &Options,
    watch: Watch<'_>,
) -> Result<()> {
    for (number, root) in working_copies(place) {
        if !going_on.contains(&number) {
            let copy = project.working_copy(&root, project.manifest.clone());
            pipeline::end_jobs(&copy, &options.pipeline, watch)?;
        }
    }
    Ok(())
}

/// The working copies that are there, by the numbers of their trials.
pub(super) fn working_copies(place: &Place) -> Vec<(u64, PathBuf)> {
    let entries = std::fs::read_dir(place.trials()).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path()))).collect()
}

/// Refuses to write over what was begun.
fn refuse_begun(place: &Place, options: &Options) -> Result<()> {
    let name = &options.name;
    if options.force {
        return Ok(());
    }
    let Some(entries) = journal::read(&place.journal())? else { return Ok(()) };
    // A journal whose first line was cut off has begun nothing.
    let Ok(state) = State::of(&entries) else { return Ok(()) };
    let (ended, trials) = (state.ended(), state.plan.trials);
    let hint = match state.is_complete() {
        true if state.plan.combinations()? == Some(trials) => format!("show it with `mlx sweep show {name}`"),
        true => {
            format!("show it with `mlx sweep show {name}`, add trials with `mlx sweep {name} --resume --trials NUMBER`")
        }
        false => format!("go on with `mlx sweep {name} --resume`"),
    };
    Err(Error::usage(format!("the sweep `{name}` was begun before, and {ended} of its {trials} trials are over"))
        .with_hint(format!("{hint}, or begin anew with `--force`; runs stay in either case")))
}

/// Goes on with a sweep: settles what a kill left, and writes down what is different from here on.
pub(super) fn take_up(
    project: &Project,
    place: &Place,
    options: &Options,
    watch: Watch<'_>,
) -> Result<(Session, FileLock)> {
    let name = &options.name;
    if !place.journal().exists() {
        return Err(unknown(project, name)?);
    }
    let alone = place.take(name)?;
    let mut entries = journal::read(&place.journal())?.unwrap_or_default();
    let before = State::of(&entries)?;
    let mut materials = materials(project, options, &before.plan.steps, watch)?;
    widen(project, options, &before.plan, &mut materials, watch)?;
    let store = Store::of(project)?;
    let changes = before.snapshot.differences(project, name, &before.plan, &materials, watch)?;
    if !changes.is_empty() && !options.force {
        return Err(Error::usage(format!("since the sweep `{name}` began, {}", changes.join("; "))).with_hint(
            "put it back, or go on with the files as they are now: `--force`; what the trials try stays as it began",
        ));
    }
    let snapshot = match changes.is_empty() {
        true => None,
        false => Some(take_snapshot(project, name, &materials, watch)?),
    };
    let mut journal = Journal::open(&place.journal())?;
    let old = before.snapshot.manifest(&store)?;
    let declared = (old.sweeps.get(name), project.manifest.sweeps.get(name));
    tell_fewer(&before.plan, options.request.trials, watch)?;
    if let Some(change) = change(options, &before, declared, snapshot)? {
        journal.append(&change)?;
        entries.push(change);
    }
    let state = State::of(&entries)?;
    let strategy = state.strategy(&entries);
    let mut session = Session { state, journal, strategy, open: VecDeque::new() };
    settle(project, &store, &mut session, watch)?;
    if options.retry_failed {
        let failed = session.state.trials.iter().filter(|trial| trial.state == TrialState::Failed);
        session.open.extend(failed.map(|trial| (trial.number, trial.values.clone())).collect::<Vec<_>>());
    }
    Ok((session, alone))
}

/// Tells who asked for more trials than there are combinations.
fn tell_fewer(plan: &Plan, asked: Option<u64>, watch: Watch<'_>) -> Result<()> {
    if let (Some(asked), Some(there_are)) = (asked, plan.combinations()?)
        && asked > there_are
    {
        let trials = if there_are == 1 { "1 trial".to_owned() } else { format!("{there_are} trials") };
        watch
            .events
            .note(format!("there are no more combinations than for {trials}: the {} has them all", plan.strategy));
    }
    Ok(())
}

/// What is different from here on: as the command line says, or as the manifest was changed to say.
fn change(
    options: &Options,
    before: &State,
    (old, new): (Option<&Sweep>, Option<&Sweep>),
    snapshot: Option<Snapshot>,
) -> Result<Option<Entry>> {
    fn changed<T: PartialEq + Clone>(old: Option<T>, new: Option<T>) -> Option<T> {
        if old == new { None } else { new }
    }
    let (request, name, begun) = (&options.request, &options.name, before.trials.len() as u64);
    if let Some(asked) = request.trials.filter(|asked| *asked < begun) {
        return Err(Error::usage(format!(
            "{begun} trials of the sweep `{name}` have begun, so that there can't be {asked} in the end"
        ))
        .with_hint(format!(
            "`--trials {begun}` lets no more begin; `mlx sweep apply {name}` takes the best of those that are over"
        )));
    }
    if let Some(metric) = request.metric.as_ref().filter(|_| !options.force) {
        misses::check(name, before, metric)?;
    }
    let trials = request.trials.or_else(|| changed(old.and_then(|old| old.trials), new.and_then(|new| new.trials)));
    // Those that have begun are there, whatever the manifest says now.
    let trials = trials.map(|trials| before.plan.trial_count(Some(trials.max(begun)))).transpose()?;
    let metric = || changed(old.and_then(|old| old.metric.clone()), new.and_then(|new| new.metric.clone()));
    let metric = request.metric.clone().or_else(metric);
    let goal = request.goal.or_else(|| changed(old.and_then(|old| old.goal), new.and_then(|new| new.goal)));
    let trials = trials.filter(|trials| *trials != before.plan.trials);
    let metric = metric.filter(|metric| Some(metric) != before.plan.metric.as_ref());
    let goal = goal.filter(|goal| *goal != before.plan.goal);
    let is_same = trials.is_none() && metric.is_none() && goal.is_none() && snapshot.is_none();
    Ok((!is_same).then(|| Entry::Resume { at: Timestamp::now(), trials, metric, goal, snapshot }))
}

/// Ends what a killed process left running, and finds out how far its trials came.
fn settle(project: &Project, store: &Store, session: &mut Session, watch: Watch<'_>) -> Result<()> {
    let open: Vec<_> = session.state.trials.iter().filter(|trial| trial.state == TrialState::Open).cloned().collect();
    let runs = Runs::open(project, store, watch.events)?;
    for trial in &open {
        executor::end_leftovers(RUN_VARIABLE, trial.run.as_str())?;
    }
    runs.settle()?;
    for trial in open {
        // It may have come to its end, and the kill before that was written down.
        let run = runs.get(&trial.run).ok();
        let ended = run.filter(|run| matches!(run.status, Status::Finished | Status::Failed) && !is_of_disk(run));
        match (ended, trial.stopped_at) {
            (Some(run), _) => {
                let state = if run.status == Status::Finished { TrialState::Finished } else { TrialState::Failed };
                session.end(
                    trial.number,
                    state,
                    run.metrics.clone(),
                    run.seconds().unwrap_or(0.0),
                    run.error.clone(),
                )?;
            }
            (None, Some(value)) => {
                let metrics = session.state.plan.metric.iter().map(|metric| (metric.clone(), value)).collect();
                session.end(trial.number, TrialState::Stopped, metrics, 0.0, None)?;
            }
            (None, None) => session.open.push_back((trial.number, trial.values)),
        }
    }
    Ok(())
}

fn materials(project: &Project, options: &Options, steps: &[String], watch: Watch<'_>) -> Result<Materials> {
    let options = pipeline::Options { steps: steps.to_vec(), ..options.pipeline.clone() };
    pipeline::materials(project, &options, watch)
}

/// Where parameters have a say in paths, or in which steps there are: what the values that are tried bring with them, each
/// by itself, and of a range its ends. One value may need others beside it to make a pipeline; a parameter none of whose
/// values makes one is an error.
fn widen(project: &Project, options: &Options, plan: &Plan, materials: &mut Materials, watch: Watch<'_>) -> Result<()> {
    if !materials.is_templated {
        return Ok(());
    }
    for (name, domain) in &plan.params {
        let values = match domain {
            Domain::Choice(values) => values.clone(),
            range => vec![range.at(0.0), range.at(1.0)],
        };
        let mut refused = None;
        let mut is_possible = false;
        for value in values {
            let settings = vec![format!("{name}={value}")];
            let options = pipeline::Options { steps: plan.steps.clone(), settings, ..options.pipeline.clone() };
            match pipeline::materials(project, &options, watch) {
                Ok(more) => {
                    is_possible = true;
                    materials.extend(more);
                }
                Err(error) if error.kind() == Kind::Usage => refused = refused.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = refused.filter(|_| !is_possible) {
            return Err(error);
        }
    }
    Ok(())
}

/// Stores the files as they are now, and the record that keeps them from `mlx gc`.
fn take_snapshot(project: &Project, name: &str, materials: &Materials, watch: Watch<'_>) -> Result<Snapshot> {
    let snapshot = Snapshot::take(project, materials, watch)?;
    let record = json!({ "version": journal::VERSION, "sweep": name, "snapshot": &snapshot });
    Store::of(project)?.put_records(&[(record_name(name), record.to_string().into_bytes())])?;
    Ok(snapshot)
}
