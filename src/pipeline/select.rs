//! Which steps are asked for: by name, by what they lead to, and by what changed since a Git revision.

use super::graph::Graph;
use super::{Options, products, since};
use crate::Result;
use crate::event::Watch;
use crate::project::{Lock, Params, Project};

/// What narrows the steps down, beyond their names. Each of these keeps a part of what the others leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only steps that something affects which changed since this Git revision, and all that depend on them.
    pub since: Option<String>,
    /// Only these steps and all that depend on them.
    pub downstream: Vec<String>,
    /// Only these steps and all that they need.
    pub until: Vec<String>,
}

impl Scope {
    /// Whether nothing is narrowed down.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }
}

/// The steps that are asked for.
pub struct Selection {
    /// In order.
    pub steps: Vec<usize>,
    /// What there is to tell of why it is these, line by line.
    pub why: Vec<String>,
}

/// The steps that the options ask for. Steps that were left out and whose outputs others need come along where
/// these outputs are not in the working tree.
pub fn select(
    project: &Project,
    graph: &Graph<'_>,
    lock: &Lock,
    params: &Params,
    options: &Options,
    watch: Watch<'_>,
) -> Result<Selection> {
    let named = graph.select(&options.steps)?;
    let mut why = Vec::new();
    if options.scope.is_whole() {
        return Ok(Selection { steps: named, why });
    }
    let Scope { since, downstream, until } = &options.scope;
    let mut chosen = marks(graph, named);
    if !downstream.is_empty() {
        keep(&mut chosen, &closure(graph.indexes(downstream)?, &graph.needed_by));
    }
    if !until.is_empty() {
        keep(&mut chosen, &closure(graph.indexes(until)?, &graph.needs));
    }
    if let Some(revision) = since {
        let affected;
        (affected, why) = since::affected(project, graph, lock, params, revision, watch)?;
        keep(&mut chosen, &closure(affected, &graph.needed_by));
    }
    bring_absent(project, graph, &mut chosen);
    let steps = graph.order.iter().copied().filter(|step| chosen[*step]).collect();
    Ok(Selection { steps, why })
}

/// Makers of what the chosen steps need come along where it is not there.
fn bring_absent(project: &Project, graph: &Graph<'_>, chosen: &mut [bool]) {
    let is_absent = |step: usize| {
        let step = &graph.steps[step];
        // What can't be listed is looked at by the step itself.
        products::lying(step, project.root()).map_or(true, |lying| !products::missing(step, &lying).is_empty())
    };
    // A step stands behind those it needs, so that one that comes along is looked at later.
    for step in graph.order.iter().rev().copied() {
        if chosen[step] {
            graph.needs[step].iter().filter(|needed| is_absent(**needed)).for_each(|needed| chosen[*needed] = true);
        }
    }
}

fn marks(graph: &Graph<'_>, steps: Vec<usize>) -> Vec<bool> {
    let mut marks = vec![false; graph.steps.len()];
    steps.into_iter().for_each(|step| marks[step] = true);
    marks
}

/// These steps and all that is reached from them.
fn closure(mut open: Vec<usize>, next: &[Vec<usize>]) -> Vec<bool> {
    let mut reached = vec![false; next.len()];
    while let Some(step) = open.pop() {
        if !std::mem::replace(&mut reached[step], true) {
            open.extend(&next[step]);
        }
    }
    reached
}

fn keep(chosen: &mut [bool], others: &[bool]) {
    chosen.iter_mut().zip(others).for_each(|(chosen, other)| *chosen &= other);
}
