//! The plan: what `mlx train` would do with each step and why, as data. `--dry-run` prints it, `--locked` judges by it.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::graph::Graph;
use super::judge::{Decision, Judge, Verdict};
use super::key::Inputs;
use crate::data::Workspace;
use crate::digest::Object;
use crate::event::Watch;
use crate::project::lock::LockedPath;
use crate::project::manifest::{Part, Step};
use crate::project::{Lock, ProjectPath};
use crate::store::Store;
use crate::store::tree::Tree;
use crate::{Digest, Error, Result};

/// What would be done, in order.
#[derive(Debug, Serialize)]
pub struct Plan {
    pub steps: Vec<PlannedStep>,
}

/// What would be done with one step.
#[derive(Debug, Serialize)]
pub struct PlannedStep {
    pub name: String,
    pub action: Action,
    /// In words; empty for a step that is up to date.
    pub reason: String,
    /// The step key, where it can be known before other steps have run.
    pub key: Option<Digest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Run,
    Restore,
    UpToDate,
    /// It is frozen, and its outputs are taken over as they are.
    Take,
    /// Whether it must run shows when the steps before it have run.
    Depends,
}

/// An error of kind `Check` that names what is not up to date and why, if anything is.
pub(super) fn check_locked(judged: &[Judged], graph: &Graph<'_>, lock: &Lock) -> Result<()> {
    /// The reasons of so many steps are told.
    const TOLD: usize = 20;
    let stale: Vec<&Judged> = judged.iter().filter(|judged| judged.action != Action::UpToDate).collect();
    if stale.is_empty() {
        return Ok(());
    }
    let name = |judged: &Judged| graph.steps[judged.index].name.as_str();
    let which = match (stale.as_slice(), judged.len()) {
        ([step], _) => format!("step `{}` is", name(step)),
        (stale, all) if stale.len() == all => format!("all {all} steps are"),
        (stale, all) => format!("{} of {all} steps are", stale.len()),
    };
    let mut message = format!("{which} not up to date, and `--locked` runs nothing:");
    for step in stale.iter().take(TOLD) {
        message.push_str(&format!("\n  {}: {}", name(step), step.reason));
    }
    if stale.len() > TOLD {
        message.push_str(&format!("\n  and {} more", stale.len() - TOLD));
    }
    // What the lock has right, and only does not lie there.
    let is_in_lock = |judged: &&Judged| {
        let key = judged.verdict.as_ref().map(|verdict| verdict.key);
        judged.action == Action::Restore && key == lock.steps.get(name(judged)).map(|locked| locked.key)
    };
    Err(Error::check(message).with_hint(match stale.iter().all(is_in_lock) {
        true => {
            "mlx.lock is as it should be: `mlx pull` brings the outputs, or `mlx checkout` where the store has them"
        }
        false => "run the same without `--locked`, and commit mlx.lock",
    }))
}

/// A step of the plan with all that was found out about it.
pub(super) struct Judged {
    pub index: usize,
    pub action: Action,
    pub reason: String,
    /// `None` where it shows only when other steps have run.
    pub verdict: Option<Verdict>,
}

impl Judged {
    pub fn planned(&self, graph: &Graph<'_>) -> PlannedStep {
        PlannedStep {
            name: graph.steps[self.index].name.clone(),
            action: self.action,
            reason: self.reason.clone(),
            key: self.verdict.as_ref().map(|verdict| verdict.key),
        }
    }
}

/// Judges the selected steps in order, as far as that is possible before any of them runs.
pub(super) fn judge_all(
    judge: &Judge<'_>,
    graph: &Graph<'_>,
    selected: &[usize],
    watch: Watch<'_>,
) -> Result<Vec<Judged>> {
    // Steps whose outputs lie in the working tree are in neither map.
    let mut unknown: HashSet<usize> = HashSet::new();
    let mut restored: HashMap<usize, Vec<LockedPath>> = HashMap::new();
    let mut all = Vec::with_capacity(selected.len());
    for index in selected.iter().copied() {
        watch.interrupt.check()?;
        let step = &graph.steps[index];
        let waits_for = graph.needs[index].iter().find(|needed| unknown.contains(needed));
        let inputs = match waits_for {
            Some(_) => None,
            None => planned_inputs(judge, graph, index, &restored, watch)?,
        };
        let judged = match inputs {
            Some(inputs) => {
                let verdict = judge.judge(index, step, inputs, watch)?;
                let action = match &verdict.decision {
                    Decision::UpToDate(_) => Action::UpToDate,
                    Decision::Restore(known) => {
                        restored.insert(index, known.outs.clone());
                        Action::Restore
                    }
                    Decision::Run => Action::Run,
                    Decision::Take => Action::Take,
                };
                Judged { index, action, reason: verdict.reason.clone(), verdict: Some(verdict) }
            }
            None if let Some(reason) = judge.must_run(index, step) => {
                Judged { index, action: Action::Run, reason: reason.into(), verdict: None }
            }
            None => {
                let first = waits_for.or(graph.needs[index].first());
                let name = first.map_or("another step", |needed| graph.steps[*needed].name.as_str());
                Judged {
                    index,
                    action: Action::Depends,
                    reason: format!("depends on what `{name}` makes"),
                    verdict: None,
                }
            }
        };
        if matches!(judged.action, Action::Run | Action::Depends) {
            unknown.insert(index);
        }
        all.push(judged);
    }
    Ok(all)
}

/// What the step will be made from when its turn comes; `None` where that can't be told yet.
fn planned_inputs(
    judge: &Judge<'_>,
    graph: &Graph<'_>,
    index: usize,
    restored: &HashMap<usize, Vec<LockedPath>>,
    watch: Watch<'_>,
) -> Result<Option<Inputs>> {
    let step = &graph.steps[index];
    if step.frozen {
        return Ok(Some(Inputs::default()));
    }
    let waits = graph.needs[index].iter().any(|needed| restored.contains_key(needed));
    let mut deps = Vec::with_capacity(step.deps.len());
    for path in &step.deps {
        let from_store = match graph.maker(path).filter(|_| waits) {
            Some((maker, output)) => match restored.get(&maker) {
                Some(outs) => {
                    let out = outs.iter().find(|out| out.path == output);
                    let found = out.map(|out| inside(judge.workspace.store(), out, path)).transpose()?.flatten();
                    let Some(object) = found else { return Ok(None) };
                    Some(object)
                }
                None => None,
            },
            // A directory that a restored step puts something into is known when that has happened.
            None if waits && is_around_output(restored, path) => return Ok(None),
            None => None,
        };
        let object = match from_store {
            Some(object) => Some(object),
            None => judge.workspace.object(path, watch)?,
        };
        let Some(object) = object else { return Ok(None) };
        deps.push(LockedPath { path: path.clone(), object });
    }
    if waits && !step.patterns.is_empty() {
        // What matches shows when it is there.
        return Ok(None);
    }
    let Some(matched) = matched(judge.workspace, step, &deps, watch)? else { return Ok(None) };
    deps.extend(matched);
    let mut files = Vec::new();
    for path in step.parts.iter().filter_map(Part::path) {
        // Parts are read in the working tree, so that what is restored must lie there first.
        let is_restored = graph.maker(path).is_some_and(|(maker, _)| restored.contains_key(&maker));
        let Some(object) = judge.workspace.object(path, watch)?.filter(|_| !is_restored) else { return Ok(None) };
        files.push(LockedPath { path: path.clone(), object });
    }
    let parts = judge.parts.of(step, &judge.params[index], &files, judge.workspace, watch)?;
    Ok(Some(Inputs { deps, parts, files }))
}

fn is_around_output(restored: &HashMap<usize, Vec<LockedPath>>, path: &ProjectPath) -> bool {
    restored.values().flatten().any(|out| out.path.is_within(path))
}

/// What the patterns of a step match besides these dependencies; `None` where one matches nothing.
pub(super) fn matched(
    workspace: &Workspace,
    step: &Step,
    deps: &[LockedPath],
    watch: Watch<'_>,
) -> Result<Option<Vec<LockedPath>>> {
    let mut paths = BTreeSet::new();
    for pattern in &step.patterns {
        let found = pattern.expand(workspace.root())?;
        if found.is_empty() {
            return Ok(None);
        }
        paths.extend(found);
    }
    for dep in deps {
        paths.remove(&dep.path);
    }
    let mut matched = Vec::with_capacity(paths.len());
    for path in paths {
        let Some(object) = workspace.object(&path, watch)? else { continue };
        matched.push(LockedPath { path, object });
    }
    Ok(Some(matched))
}

/// The object at a path that is an output or lies inside it.
pub(super) fn inside(store: &Store, output: &LockedPath, path: &ProjectPath) -> Result<Option<Object>> {
    let mut object = output.object.clone();
    for part in path.parts().skip(output.path.parts().count()) {
        // What is still on a remote shows when it is here.
        if !store.contains(&object.digest) {
            return Ok(None);
        }
        let tree = store.read(&object.digest)?;
        let Ok(tree) = Tree::decode(&tree) else { return Ok(None) };
        let Some(inner) = tree.get(part) else { return Ok(None) };
        object = inner.clone();
    }
    Ok(Some(object))
}
