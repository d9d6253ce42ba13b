//! A step of the pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::environment::DEFAULT_ENVIRONMENT;
use super::{OutputPattern, Part, Resources, Retry};
use crate::project::{Glob, ProjectPath};

/// One step of the pipeline, its templates filled.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// `train`, or `train@cats` where `foreach` or `matrix` made it.
    pub name: String,
    /// The table that `foreach` or `matrix` made it of: `train`.
    pub group: Option<String>,
    /// What `foreach` or `matrix` made it for, by dotted names: `item`, `item.lr`, `key`, `matrix.lr`.
    pub values: BTreeMap<String, Value>,
    pub description: Option<String>,
    /// Given to `sh -c`. Parameters and values still stand as templates in it, since the shell may have to read them.
    pub cmd: String,
    /// Where the program works; the project's directory where nothing is said.
    pub dir: Option<ProjectPath>,
    /// Files and directories that it reads whole.
    pub deps: Vec<ProjectPath>,
    /// Patterns of files that it reads.
    pub patterns: Vec<Glob>,
    /// Parts of files, and what lies outside of the project.
    pub parts: Vec<Part>,
    /// Names of parameters, or of groups of them: `train` stands for all of `train.*`.
    pub params: Vec<String>,
    /// Files and directories the step makes.
    pub outs: Vec<ProjectPath>,
    /// Outputs that hold metrics.
    pub metrics: Vec<ProjectPath>,
    /// Files with metrics that lie in one of `outs` or match one of `out_patterns`, so that they are no outputs themselves.
    pub readings: Vec<ProjectPath>,
    /// Patterns of files the step makes.
    pub out_patterns: Vec<OutputPattern>,
    /// Those of `outs`, `metrics` and `readings` that it may end well without.
    pub optional: BTreeSet<ProjectPath>,
    /// Those of `outs` and `metrics` whose content the store does not keep.
    pub unstored: BTreeSet<ProjectPath>,
    /// Variables the program gets besides its own environment.
    pub variables: BTreeMap<String, String>,
    /// The environment it runs in, where it names one.
    pub env: Option<String>,
    pub timeout: Option<Duration>,
    pub retry: Retry,
    /// The directory in which its program keeps what it can go on from after a failed attempt.
    pub checkpoint: Option<ProjectPath>,
    pub resources: Resources,
    /// It says that it takes no GPU, so that its program sees none.
    pub hides_gpus: bool,
    /// The executor that carries it out; this machine where nothing is said.
    pub executor: Option<String>,
    /// Runs each time, whatever is known.
    pub always: bool,
    /// Never runs: its outputs are taken as they are.
    pub frozen: bool,
    /// Where it stands, for messages: `mlx.toml, line 14`.
    pub place: String,
}

impl Step {
    /// What steps can be called by, in the order of the manifest: the names of tables, then those of what `foreach` and
    /// `matrix` make of them.
    pub fn names(steps: &[Self]) -> Vec<&str> {
        let mut names: Vec<&str> = steps.iter().map(|step| step.group.as_deref().unwrap_or(&step.name)).collect();
        // Steps of one table stand beside each other.
        names.dedup();
        names.extend(steps.iter().filter(|step| step.group.is_some()).map(|step| step.name.as_str()));
        names
    }

    /// All files and directories that the step reads, whole or in part.
    pub fn inputs(&self) -> impl Iterator<Item = &ProjectPath> {
        self.deps.iter().chain(self.parts.iter().filter_map(Part::path))
    }

    /// Whether it reads this file or directory as a whole, rather than parts of it alone. What it names no more was read so
    /// as far as anybody knows.
    pub fn reads_whole(&self, path: &ProjectPath) -> bool {
        let is_part = self.parts.iter().filter_map(Part::path).any(|part| part == path);
        !is_part || self.deps.contains(path) || self.patterns.iter().any(|pattern| pattern.matches(path))
    }

    /// All files and directories the step makes by name: outputs, then metrics. What its patterns match comes after them.
    pub fn products(&self) -> impl Iterator<Item = &ProjectPath> {
        self.outs.iter().chain(&self.metrics)
    }

    /// Whether the step makes this path, something below it or the directory around it.
    pub fn touches(&self, path: &ProjectPath) -> bool {
        self.products().any(|product| path.is_within(product) || product.is_within(path))
            || self.out_patterns.iter().any(|out| out.pattern.matches(path) || out.pattern.reaches_into(path))
    }

    /// Whether the manifest alone does not say which outputs there will be.
    pub fn is_open(&self) -> bool {
        !self.out_patterns.is_empty() || !self.optional.is_empty()
    }

    /// The name of the environment it runs in, which need not be declared.
    pub fn environment(&self) -> &str {
        self.env.as_deref().unwrap_or(DEFAULT_ENVIRONMENT)
    }
}
