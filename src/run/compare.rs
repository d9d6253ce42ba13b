//! What differs between two runs: metrics, parameters, and the data and code they came from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{Run, RunId, RunStep};
use crate::env::Environment;
use crate::project::git::Git;
use crate::project::{ChangedFile, Code, FileDelta, ProjectPath};
use crate::store::Store;
use crate::{Digest, Result};

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
    /// Inputs that no step of the run made, by digest: data and code.
    pub data: Vec<DataChange>,
    /// The Git commit; `None` where it is the same.
    pub commit: Option<Changed<String>>,
    /// Whether uncommitted changes differ.
    pub patch: Option<Changed<Digest>>,
    /// The digests of the environments, and the versions of Python.
    pub environment: Vec<Changed<String>>,
    /// Packages of the environments, where the lists of both are here.
    pub packages: Vec<Changed<String>>,
    /// Files of the code that differ, commits and uncommitted changes together; `None` where that can't be told.
    pub code: Option<Vec<ChangedFile>>,
    /// How they differ, where that was asked for: text that `git apply` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

/// An input that is another one, or that only one of the runs has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataChange {
    pub path: ProjectPath,
    pub change: FileDelta,
    pub baseline: Option<Digest>,
    pub candidate: Option<Digest>,
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
        let Self { metrics, params, steps, commit, patch, environment, packages, .. } = self;
        metrics.is_empty()
            && params.is_empty()
            && steps.is_empty()
            && commit.is_none()
            && patch.is_none()
            && environment.is_empty()
            && packages.is_empty()
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
    Comparison {
        baseline: baseline.id.clone(),
        candidate: candidate.id.clone(),
        metrics: metrics.collect(),
        equal_metrics: equal.count() as u64,
        params: differences(&params(baseline), &params(candidate)).collect(),
        steps: step_changes(baseline, candidate),
        data: data_changes(baseline, candidate),
        commit: one("commit", &baseline.commit, &candidate.commit),
        patch: changed("uncommitted changes", baseline.patch.as_ref(), candidate.patch.as_ref()),
        environment: differences(&traits(baseline), &traits(candidate)).collect(),
        packages: Vec::new(),
        code: None,
        diff: None,
    }
}

/// The parameters of a run, and those that its programs told themselves, behind the names of their steps.
fn params(run: &Run) -> BTreeMap<String, Value> {
    let logged = run.steps.iter().flat_map(|step| {
        step.logged.iter().map(|(name, value)| (format!("{}: {name}", step.name), Value::String(value.clone())))
    });
    run.params.clone().into_iter().chain(logged).collect()
}

/// The environments of a run, and what stands before what is said of each: nothing for that of steps that name none.
fn environments(run: &Run) -> impl Iterator<Item = (String, &Environment)> {
    let others = run.environments.iter().map(|(name, environment)| (format!("{name}: "), environment));
    std::iter::once((String::new(), &run.environment)).chain(others)
}

fn traits(run: &Run) -> BTreeMap<String, String> {
    let of_one = |(label, environment): (String, &Environment)| {
        let digest = environment.digest.map(|digest| (format!("{label}environment"), digest.to_string()));
        let python = environment.python_version.clone().map(|version| (format!("{label}python"), version));
        digest.into_iter().chain(python)
    };
    environments(run).flat_map(of_one).collect()
}

impl Comparison {
    /// Adds what packages differ, where the store has the lists of both environments.
    pub fn add_packages(&mut self, store: &Store, baseline: &Run, candidate: &Run) {
        let list = |environment: &Environment| {
            let bytes = store.read(environment.packages.as_ref()?).ok()?;
            let lines = String::from_utf8_lossy(&bytes).into_owned();
            let entry = |line: &str| {
                let (name, version) = line.split_once("==")?;
                Some((name.trim().to_owned(), version.trim().to_owned()))
            };
            Some(lines.lines().filter_map(entry).collect::<BTreeMap<String, String>>())
        };
        let candidates: BTreeMap<String, &Environment> = environments(candidate).collect();
        for (label, baseline) in environments(baseline) {
            if let Some(candidate) = candidates.get(&label)
                && baseline.packages != candidate.packages
                && let (Some(baseline), Some(candidate)) = (list(baseline), list(candidate))
            {
                let named = |changed: Changed<String>| Changed { name: format!("{label}{}", changed.name), ..changed };
                self.packages.extend(differences(&baseline, &candidate).map(named));
            }
        }
    }

    /// Adds which files of the code differ, and with `with_text` how.
    ///
    /// # Errors
    /// Where a commit or the uncommitted changes of a run are not here.
    pub fn add_code(&mut self, git: &Git, store: &Store, runs: [&Run; 2], with_text: bool) -> Result<()> {
        let code = |run: &Run| -> Result<Option<Code>> {
            let Some(commit) = run.commit.clone() else { return Ok(None) };
            let patch = run.patch.map(|patch| store.read(&patch)).transpose()?.unwrap_or_default();
            Ok(Some(Code { commit, patch }))
        };
        let [Some(baseline), Some(candidate)] = [code(runs[0])?, code(runs[1])?] else { return Ok(()) };
        let (files, text) = git.code_changes(&baseline, &candidate, with_text)?;
        self.code = Some(files);
        self.diff = with_text.then_some(text);
        Ok(())
    }
}

/// Inputs that are no outputs of the run, by path.
fn data_changes(baseline: &Run, candidate: &Run) -> Vec<DataChange> {
    let inputs = |run: &Run| {
        let made: BTreeSet<&ProjectPath> = run.steps.iter().flat_map(|step| &step.outs).map(|out| &out.path).collect();
        let deps = run.steps.iter().flat_map(|step| &step.deps).filter(|dep| !made.contains(&dep.path));
        deps.map(|dep| (dep.path.clone(), dep.object.digest)).collect::<BTreeMap<ProjectPath, Digest>>()
    };
    let (baseline, candidate) = (inputs(baseline), inputs(candidate));
    let paths: BTreeSet<&ProjectPath> = baseline.keys().chain(candidate.keys()).collect();
    let change = |path: &ProjectPath| {
        let (before, after) = (baseline.get(path).copied(), candidate.get(path).copied());
        let change = match (before, after) {
            (None, _) => FileDelta::Added,
            (_, None) => FileDelta::Removed,
            _ => FileDelta::Changed,
        };
        (before != after).then(|| DataChange { path: path.clone(), change, baseline: before, candidate: after })
    };
    paths.into_iter().filter_map(change).collect()
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
