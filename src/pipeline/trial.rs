//! A run that is a trial of a sweep: what it is given, what a sweep asks of the pipeline before it begins, and what it
//! reads while steps run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::setup::{Purpose, Setup};
use super::{Code, Options};
use crate::env;
use crate::event::Watch;
use crate::fs::FileLock;
use crate::project::{Project, ProjectPath};
use crate::run::{RunId, Trial};
use crate::{Digest, Result};

/// What makes a run a trial.
#[derive(Debug, Clone)]
pub struct TrialRun {
    /// Chosen before the run begins, so that whoever comes after a kill finds it.
    pub run: RunId,
    pub trial: Trial,
    /// The code as the sweep began with it; the working copy is in no commit.
    pub code: Code,
    /// Holds the locks of [`TrialRun::take_turn`].
    pub turns: PathBuf,
}

impl TrialRun {
    /// Waits until no other trial makes what this key stands for, so that trials side by side make it once. Says whether
    /// it had to.
    pub(super) fn take_turn(&self, key: &Digest, watch: Watch<'_>) -> Result<(FileLock, bool)> {
        let mut waited = false;
        let path = self.turns.join(key.hex());
        let lock = FileLock::exclusive_while(&path, "a trial", |_| waited = true, || watch.interrupt.check())?;
        Ok((lock, waited))
    }
}

/// What the steps in question work with.
#[derive(Debug, Clone)]
pub struct Materials {
    /// Every parameter of the project.
    pub params: BTreeMap<String, Value>,
    /// The names of those that the steps use.
    pub used: BTreeSet<String>,
    /// What they read and no step makes, sorted: dependencies, outputs of frozen steps, files of parameters and of
    /// requirements.
    pub sources: Vec<ProjectPath>,
    /// The steps themselves, in order.
    pub steps: Vec<String>,
    /// Whether parameters have a say in paths, or in which steps there are.
    pub is_templated: bool,
}

impl Materials {
    /// Takes in what the steps work with when parameters have other values.
    pub fn extend(&mut self, other: Self) {
        self.used.extend(other.used);
        self.sources.extend(other.sources);
        self.sources.sort();
        self.sources.dedup();
        self.steps.extend(other.steps.into_iter().filter(|step| !self.steps.contains(step)).collect::<Vec<_>>());
    }
}

/// Checks everything that `train` would check first, and says what the steps work with.
pub fn materials(project: &Project, options: &Options, watch: Watch<'_>) -> Result<Materials> {
    let project = &*project.with_params(&options.settings)?;
    let setup = Setup::of(project, options, Purpose::Train, watch)?;
    let mut sources: BTreeSet<ProjectPath> = project.manifest.params.files.iter().cloned().collect();
    for (name, declared) in &project.manifest.environments {
        let files = env::files(&declared.source, name)?;
        // A lock file need not be there.
        sources.extend(files.into_iter().filter(|file| file.below(project.root()).exists()));
    }
    let mut used = BTreeSet::new();
    for index in &setup.selected {
        let step = &setup.graph.steps[*index];
        let mut read: Vec<ProjectPath> = step.inputs().cloned().collect();
        for pattern in &step.patterns {
            read.extend(pattern.expand(project.root())?);
        }
        sources.extend(read.into_iter().filter(|path| setup.graph.maker(path).is_none()));
        if step.frozen {
            // Nobody makes what is taken as it is.
            sources.extend(step.products().cloned());
            for output in &step.out_patterns {
                sources.extend(output.pattern.expand(project.root())?);
            }
        }
        used.extend(setup.step_params[*index].keys().cloned());
    }
    let steps = setup.selected.iter().map(|index| setup.graph.steps[*index].name.clone()).collect();
    let (sources, is_templated) = (sources.into_iter().collect(), project.manifest.needs_params());
    Ok(Materials { params: setup.params.0, used, sources, steps, is_templated })
}

/// The files to which the steps that run now append their metrics, here and elsewhere, as `MLX_METRICS` names them.
pub fn metrics_files(project: &Project) -> Vec<PathBuf> {
    let entries = |directory: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
    };
    let mut files = entries(&super::train::step_files(project));
    files.extend(entries(&super::away::jobs(project)).iter().flat_map(|job| entries(job)));
    let ends = |path: &PathBuf| [".metrics.jsonl", ".metrics"].iter().any(|end| path.to_string_lossy().ends_with(end));
    files.retain(ends);
    files
}
