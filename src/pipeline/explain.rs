//! Why a step would run or would not: what goes into its key, what of that differs from the last time, and where what it
//! made before is.

mod parts;

use jiff::Timestamp;
use serde::Serialize;

pub use parts::{Change, Part, PartKind};

use super::Options;
use super::cached::CachedStep;
use super::judge::{Decision, Judge, has_whole};
use super::plan::{Action, Judged, judge_all};
use super::setup::{Purpose, Setup};
use crate::event::Watch;
use crate::project::lock::{LockedPath, LockedStep};
use crate::project::manifest::Step;
use crate::project::{Project, ProjectPath};
use crate::remote::Remembered;
use crate::run::{Filter, Outcome, RunId, Runs};
use crate::{Digest, Error, Result};

/// The newest runs that are searched for the last time a step took part.
const SEARCHED_RUNS: usize = 100;

/// Everything that decides about one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    pub step: String,
    pub action: Action,
    /// Why, in words; empty where it is up to date.
    pub reason: String,
    /// The step key; `None` where it shows when the steps before it have run.
    pub key: Option<Digest>,
    /// The key of what lies there now, as the lock has it.
    pub last_key: Option<Digest>,
    /// What goes into the key, beside what it was the last time.
    pub parts: Vec<Part>,
    pub outputs: Vec<Output>,
    /// Who made the outputs of this key; else those of the last one.
    pub made: Option<Made>,
    /// The last run in which the step took part.
    pub last_run: Option<LastRun>,
    /// The steps that it needs, and what would be done with them.
    pub needs: Vec<Needed>,
}

/// An output and where its content is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Output {
    pub path: ProjectPath,
    /// What it should be; `None` where this key never made it.
    pub digest: Option<Digest>,
    pub in_working_tree: Presence,
    /// Whether the store has it, whole.
    pub in_store: bool,
    /// Whether a remote had it when this machine looked last.
    pub on_remote: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    AsMade,
    Changed,
    Missing,
}

/// How the outputs came about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Made {
    pub run: RunId,
    pub finished: Timestamp,
    pub seconds: f64,
    /// Whether it was made with the key that the step has now.
    pub with_this_key: bool,
    /// Whether that run is known here.
    pub is_known: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastRun {
    pub run: RunId,
    pub started: Timestamp,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Needed {
    pub step: String,
    pub action: Action,
}

/// Explains the step that the options name. Changes nothing.
pub fn explain(project: &Project, options: &Options, watch: Watch<'_>) -> Result<Explanation> {
    let project = &*project.with_params(&options.settings)?;
    let setup = Setup::of(project, options, Purpose::Tell, watch)?;
    let [name] = options.steps.as_slice() else { return Err(Error::usage("name one step to explain")) };
    let meant = setup.graph.indexes(&options.steps)?;
    let index = *meant.first().ok_or_else(|| Error::usage("name one step"))?;
    if meant.len() > 1 {
        let (count, first) = (meant.len(), &setup.graph.steps[index].name);
        watch.events.note(format!("`{name}` stands for {count} steps; this is `{first}`, the first of them"));
    }
    let judge = setup.judge(options)?;
    let judged = judge_all(&judge, &setup.graph, &setup.selected, watch)?;
    let of = |index: usize| judged.iter().find(|judged| judged.index == index);
    let this = of(index).ok_or_else(|| Error::usage(format!("step `{name}` is not among the selected ones")))?;
    let step = &setup.graph.steps[index];
    let locked = setup.lock.steps.get(&step.name);
    let key = this.verdict.as_ref().map(|verdict| verdict.key);
    let needs = setup.graph.needs[index].iter().filter_map(|needed| of(*needed));
    let runs = Runs::open(project, setup.workspace.store(), watch.events)?;
    let explanation = Explanation {
        step: step.name.clone(),
        action: this.action,
        reason: this.reason.clone(),
        key,
        last_key: locked.map(|locked| locked.key),
        parts: parts::of_key(&setup, index, this, locked, watch)?,
        outputs: outputs(project, &judge, step, this, watch)?,
        made: made(&setup, &runs, key, locked)?,
        last_run: last_run(&runs, &step.name)?,
        needs: needs
            .map(|needed| Needed { step: setup.graph.steps[needed.index].name.clone(), action: needed.action })
            .collect(),
    };
    setup.save();
    Ok(explanation)
}

fn outputs(
    project: &Project,
    judge: &Judge<'_>,
    step: &Step,
    judged: &Judged,
    watch: Watch<'_>,
) -> Result<Vec<Output>> {
    let (outs, unstored): (&[LockedPath], &[LockedPath]) =
        match judged.verdict.as_ref().map(|verdict| &verdict.decision) {
            Some(Decision::UpToDate(known) | Decision::Restore(known)) => (&known.outs, &known.unstored),
            // What lies there is what the last key made.
            _ => judge.lock.steps.get(&step.name).map_or((&[], &[]), |locked| (&locked.outs, &locked.unstored)),
        };
    let known: Vec<&LockedPath> = outs.iter().chain(unstored).collect();
    let remembered = Remembered::open(&project.state("remotes"));
    let output = |path: &ProjectPath| {
        let wanted = known.iter().find(|out| out.path == *path).map(|out| &out.object);
        let in_working_tree = match (judge.workspace.object(path, watch)?, wanted) {
            (None, _) => Presence::Missing,
            (Some(found), Some(wanted)) if found == *wanted => Presence::AsMade,
            (Some(_), _) => Presence::Changed,
        };
        Ok(Output {
            path: path.clone(),
            digest: wanted.map(|object| object.digest),
            in_working_tree,
            in_store: wanted.map_or(Ok(false), |object| has_whole(judge.workspace.store(), object))?,
            on_remote: wanted.is_some_and(|object| remembered.contains(&object.digest)),
        })
    };
    // What patterns match is known only of what was made.
    let others = known.iter().map(|out| &out.path).filter(|path| !step.products().any(|product| product == *path));
    step.products().chain(others).map(output).collect()
}

/// Who made what this key stands for, or else what lies there.
fn made(setup: &Setup<'_>, runs: &Runs, key: Option<Digest>, locked: Option<&LockedStep>) -> Result<Option<Made>> {
    let store = setup.workspace.store();
    let find = |key: Option<Digest>| key.map(|key| CachedStep::find(store, &key)).transpose().map(Option::flatten);
    let of_this = find(key)?;
    let with_this_key = of_this.is_some() || key.is_some() && key == locked.map(|locked| locked.key);
    let cached = match of_this {
        Some(cached) => Some(cached),
        None => find(locked.map(|locked| locked.key))?,
    };
    let made = |cached: CachedStep| Made {
        is_known: runs.contains(&cached.run),
        run: cached.run,
        finished: cached.finished,
        seconds: cached.seconds,
        with_this_key,
    };
    Ok(cached.map(made))
}

fn last_run(runs: &Runs, step: &str) -> Result<Option<LastRun>> {
    for summary in runs.list(&Filter { limit: Some(SEARCHED_RUNS), ..Filter::default() })? {
        let run = runs.get(&summary.id)?;
        if let Some(step) = run.step(step).filter(|step| step.outcome != Outcome::Skipped) {
            return Ok(Some(LastRun { outcome: step.outcome, run: run.id, started: run.started }));
        }
    }
    Ok(None)
}
