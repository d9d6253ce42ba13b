//! What differs between two runs: metrics, parameters, and the data and code they came from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{Run, RunId, RunStep};
use crate::Digest;
use crate::project::ProjectPath;

/// The differences from the baseline to the candidate; what is equal is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    pub baseline: RunId,
    pub candidate: RunId,
    pub metrics: Vec<MetricDelta>,
    /// How many metrics both runs have with the same value.
    pub equal_metrics: u64,
    pub params: Vec<Changed<Value>>,
    /// Steps whose dependencies or command differ.
    pub steps: Vec<StepChange>,
    /// The Git commit; `None` where it is the same.
    pub commit: Option<Changed<String>>,
    /// Whether uncommitted changes differ.
    pub patch: Option<Changed<Digest>>,
    /// The environment's digest, and the version of Python.
    pub environment: Vec<Changed<String>>,
}

/// A metric that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricDelta {
    pub name: String,
    pub baseline: Option<f64>,
    pub candidate: Option<f64>,
    /// Candidate minus baseline, where both have it.
    pub change: Option<f64>,
}

/// A named value that differs; `None` on the side that lacks it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed<T> {
    pub name: String,
    pub baseline: Option<T>,
    pub candidate: Option<T>,
}

/// A step that was made from other things.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepChange {
    pub step: String,
    /// Its command; `None` where it is the same.
    pub cmd: Option<Changed<String>>,
    pub deps: Vec<FileChange>,
}

/// A dependency whose content differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileChange {
    pub path: ProjectPath,
    pub baseline: Option<Digest>,
    pub candidate: Option<Digest>,
}

impl Comparison {
    /// Whether nothing differs.
    pub fn is_equal(&self) -> bool {
        let Self { metrics, params, steps, commit, patch, environment, .. } = self;
        metrics.is_empty()
            && params.is_empty()
            && steps.is_empty()
            && commit.is_none()
            && patch.is_none()
            && environment.is_empty()
    }
}

/// Compares two runs.
pub fn compare(baseline: &Run, candidate: &Run) -> Comparison {
    let metrics = differences(&baseline.metrics, &candidate.metrics).map(|Changed { name, baseline, candidate }| {
        let change = baseline.zip(candidate).map(|(baseline, candidate)| candidate - baseline);
        MetricDelta { name, baseline, candidate, change }
    });
    let equal = baseline.metrics.iter().filter(|(name, value)| candidate.metrics.get(*name) == Some(value));
    let one = |name: &str, baseline: &Option<String>, candidate: &Option<String>| {
        changed(name, baseline.as_ref(), candidate.as_ref())
    };
    let digest = |run: &Run| run.environment.digest.map(|digest| digest.to_string());
    let environment = [
        one("environment", &digest(baseline), &digest(candidate)),
        one("python", &baseline.environment.python_version, &candidate.environment.python_version),
    ];
    Comparison {
        baseline: baseline.id.clone(),
        candidate: candidate.id.clone(),
        metrics: metrics.collect(),
        equal_metrics: equal.count() as u64,
        params: differences(&baseline.params, &candidate.params).collect(),
        steps: step_changes(baseline, candidate),
        commit: one("commit", &baseline.commit, &candidate.commit),
        patch: changed("uncommitted changes", baseline.patch.as_ref(), candidate.patch.as_ref()),
        environment: environment.into_iter().flatten().collect(),
    }
}

/// The steps of both in the order of the candidate, then those that only the baseline has.
fn step_changes(baseline: &Run, candidate: &Run) -> Vec<StepChange> {
    let gone = baseline.steps.iter().filter(|step| candidate.step(&step.name).is_none());
    let names = candidate.steps.iter().chain(gone).map(|step| &step.name);
    names
        .filter_map(|name| {
            let (baseline, candidate) = (baseline.step(name), candidate.step(name));
            let cmd = changed("cmd", baseline.map(|step| &step.cmd), candidate.map(|step| &step.cmd));
            let deps: Vec<FileChange> = differences(&digests(baseline), &digests(candidate))
                .filter_map(|Changed { name, baseline, candidate }| {
                    Some(FileChange { path: ProjectPath::from_text(&name).ok()?, baseline, candidate })
                })
                .collect();
            (cmd.is_some() || !deps.is_empty()).then(|| StepChange { step: name.clone(), cmd, deps })
        })
        .collect()
}

fn digests(step: Option<&RunStep>) -> BTreeMap<String, Digest> {
    let deps = step.map_or(&[][..], |step| &step.deps);
    deps.iter().map(|dep| (dep.path.to_string(), dep.object.digest)).collect()
}

fn differences<'a, T: Clone + PartialEq>(
    baseline: &'a BTreeMap<String, T>,
    candidate: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = Changed<T>> + use<'a, T> {
    let names: BTreeSet<&String> = baseline.keys().chain(candidate.keys()).collect();
    names.into_iter().filter_map(|name| changed(name, baseline.get(name), candidate.get(name)))
}

fn changed<T: Clone + PartialEq>(name: &str, baseline: Option<&T>, candidate: Option<&T>) -> Option<Changed<T>> {
    (baseline != candidate).then(|| Changed {
        name: name.to_owned(),
        baseline: baseline.cloned(),
        candidate: candidate.cloned(),
    })
}
