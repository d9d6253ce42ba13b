//! The pipeline as a picture: its steps, what connects them, and the state of each; as data, Mermaid or SVG.

mod layout;
mod mermaid;
mod svg;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

pub use mermaid::mermaid;
pub use svg::{Card, escaped as xml_text, picture, svg};

use super::Options;
use super::graph::Graph;
use super::plan::{Action, judge_all};
use super::setup::{Purpose, Setup};
use crate::Result;
use crate::event::Watch;
use crate::project::{Project, ProjectPath};
use crate::run::{Filter, Outcome, Runs};

/// The steps, each after those it needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dag {
    pub steps: Vec<DagStep>,
}

/// A step, or several of a group that are shown as one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DagStep {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The `foreach` or `matrix` step that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    pub state: State,
    /// Why, in words; empty where it is up to date.
    pub reason: String,
    /// The steps whose outputs it needs.
    pub needs: Vec<String>,
    pub outs: Vec<ProjectPath>,
    /// For several that are shown as one: how many are in which state.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<State, u64>,
}

/// What `mlx train` would do with a step, or what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    UpToDate,
    /// It never runs: its outputs are taken as they are.
    Frozen,
    /// Its outputs are known and would come from the store.
    Restore,
    /// Whether it would run shows when the steps before it have run.
    Depends,
    Run,
    /// A dependency that no step makes is not there.
    Missing,
    /// It failed in the newest run, and would run again.
    Failed,
}

impl State {
    /// In words, as people read it.
    pub fn words(self) -> &'static str {
        match self {
            Self::UpToDate => "up to date",
            Self::Frozen => "frozen",
            Self::Restore => "would restore",
            Self::Depends => "perhaps runs",
            Self::Run => "would run",
            Self::Missing => "lacks an input",
            Self::Failed => "failed",
        }
    }

    /// Its name in classes of pictures.
    fn class(self) -> &'static str {
        match self {
            Self::UpToDate => "done",
            Self::Frozen => "frozen",
            Self::Restore => "restore",
            Self::Depends => "depends",
            Self::Run => "run",
            Self::Missing => "missing",
            Self::Failed => "failed",
        }
    }
}

/// The selected steps and their states. Changes nothing; an input that is missing is a state and no error.
pub fn dag(project: &Project, options: &Options, watch: Watch<'_>) -> Result<Dag> {
    let project = &*project.with_params(&options.settings)?;
    let setup = Setup::of(project, options, Purpose::Tell, watch)?;
    setup.tell(watch);
    let judged = judge_all(&setup.judge(options)?, &setup.graph, &setup.selected, watch)?;
    setup.save();
    let failed = failed_lately(project, &setup, watch)?;
    let graph = &setup.graph;
    let chosen: BTreeSet<usize> = setup.selected.iter().copied().collect();
    let step = |judged: &super::plan::Judged| {
        let step = &graph.steps[judged.index];
        let state = match judged.action {
            Action::Take => State::Frozen,
            Action::UpToDate if step.frozen => State::Frozen,
            Action::UpToDate => State::UpToDate,
            Action::Restore => State::Restore,
            Action::Run | Action::Depends if failed.contains(&step.name) => State::Failed,
            Action::Run => State::Run,
            Action::Depends => State::Depends,
        };
        let missing = missing_input(project, graph, judged.index).filter(|_| state == State::Depends);
        // A frozen step is called so by its state already.
        let why = || judged.reason.strip_prefix("frozen: ").unwrap_or(&judged.reason).to_owned();
        let reason = missing.map_or_else(why, |path| format!("`{path}` is not there"));
        let needs = graph.needs[judged.index].iter().filter(|needed| chosen.contains(needed));
        DagStep {
            name: step.name.clone(),
            description: step.description.clone(),
            group: step.group.clone(),
            state: if missing.is_some() { State::Missing } else { state },
            reason,
            needs: needs.map(|needed| graph.steps[*needed].name.clone()).collect(),
            outs: step.products().cloned().collect(),
            members: BTreeMap::new(),
        }
    };
    Ok(Dag { steps: judged.iter().map(step).collect() })
}

/// The steps that failed in the newest run.
fn failed_lately(project: &Project, setup: &Setup<'_>, watch: Watch<'_>) -> Result<BTreeSet<String>> {
    let runs = Runs::open(project, setup.workspace.store(), watch.events)?;
    let newest = runs.list(&Filter { limit: Some(1), ..Filter::default() })?;
    let Some(newest) = newest.first().filter(|newest| newest.failed > 0) else { return Ok(BTreeSet::new()) };
    let failed = runs.get(&newest.id)?.steps.into_iter().filter(|step| step.outcome == Outcome::Failed);
    Ok(failed.map(|step| step.name).collect())
}

/// The first dependency that no step makes and that is not there.
fn missing_input<'a>(project: &Project, graph: &Graph<'a>, step: usize) -> Option<&'a ProjectPath> {
    let is_absent = |path: &&ProjectPath| path.below(project.root()).symlink_metadata().is_err();
    graph.steps[step].inputs().find(|path| graph.maker(path).is_none() && is_absent(path))
}

impl Dag {
    /// For each step, the positions of those it needs.
    pub fn needs(&self) -> Vec<Vec<usize>> {
        let places: HashMap<&str, usize> =
            self.steps.iter().enumerate().map(|(place, step)| (step.name.as_str(), place)).collect();
        let needs = |step: &DagStep| step.needs.iter().filter_map(|name| places.get(name.as_str()).copied()).collect();
        self.steps.iter().map(needs).collect()
    }

    /// The same with each group of more than `limit` steps as one, whose state is the one that most asks for attention.
    #[must_use]
    pub fn folded(&self, limit: usize) -> Self {
        let mut sizes: HashMap<&str, usize> = HashMap::new();
        self.steps.iter().flat_map(|step| &step.group).for_each(|group| *sizes.entry(group).or_default() += 1);
        let shown = |step: &DagStep| match &step.group {
            Some(group) if sizes[group.as_str()] > limit => group.clone(),
            _ => step.name.clone(),
        };
        let shown_as: HashMap<&str, String> = self.steps.iter().map(|step| (step.name.as_str(), shown(step))).collect();
        // Where the last of a group stands, everything stands that it needs.
        let last: HashMap<&str, usize> =
            self.steps.iter().enumerate().map(|(place, step)| (shown_as[step.name.as_str()].as_str(), place)).collect();
        let mut groups: HashMap<&str, DagStep> = HashMap::new();
        let mut steps = Vec::new();
        for (place, step) in self.steps.iter().enumerate() {
            let name = shown_as[step.name.as_str()].as_str();
            let needs: Vec<String> = step.needs.iter().map(|needed| shown_as[needed.as_str()].clone()).collect();
            if name == step.name {
                let mut needs = needs;
                needs.sort();
                needs.dedup();
                steps.push(DagStep { needs, ..step.clone() });
                continue;
            }
            let group = groups.entry(name).or_insert_with(|| DagStep {
                name: name.to_owned(),
                needs: Vec::new(),
                members: BTreeMap::new(),
                state: State::UpToDate,
                ..step.clone()
            });
            if step.state > group.state || group.members.is_empty() {
                (group.state, group.reason) = (step.state, step.reason.clone());
            }
            *group.members.entry(step.state).or_default() += 1;
            group.needs.extend(needs.into_iter().filter(|needed| needed != name));
            if last[name] == place
                && let Some(mut group) = groups.remove(name)
            {
                group.needs.sort();
                group.needs.dedup();
                steps.push(group);
            }
        }
        Self { steps }
    }
}

impl DagStep {
    /// Its state in words, with the number of steps for a group.
    pub fn state_words(&self) -> String {
        if self.members.is_empty() {
            return self.state.words().to_owned();
        }
        let total: u64 = self.members.values().sum();
        let parts: Vec<String> =
            self.members.iter().rev().map(|(state, count)| format!("{count} {}", state.words())).collect();
        format!("{total} steps: {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn step(name: &str, group: Option<&str>, state: State, needs: &[&str]) -> DagStep {
        DagStep {
            name: name.into(),
            description: None,
            group: group.map(str::to_owned),
            state,
            reason: format!("why {name}"),
            needs: needs.iter().map(|name| (*name).to_owned()).collect(),
            outs: Vec::new(),
            members: BTreeMap::new(),
        }
    }

    #[test]
    fn a_large_group_is_one_step_behind_all_that_it_needs() {
        let dag = Dag {
            steps: vec![
                step("a", None, State::UpToDate, &[]),
                step("t@1", Some("t"), State::UpToDate, &["a"]),
                step("b", None, State::UpToDate, &[]),
                step("t@2", Some("t"), State::Failed, &["b"]),
                step("end", None, State::Depends, &["t@1", "t@2"]),
            ],
        };

        let folded = dag.folded(1);

        let names: Vec<&str> = folded.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "t", "end"]);
        assert_eq!((folded.steps[2].needs.join(" "), folded.steps[3].needs.join(" ")), ("a b".into(), "t".into()));
        assert_eq!(folded.steps[2].state_words(), "2 steps: 1 failed, 1 up to date");
        assert_eq!(dag.folded(2), dag);
    }
}
