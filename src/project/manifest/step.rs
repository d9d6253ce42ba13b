//! A step of the pipeline.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{Part, Resources};
use crate::project::ProjectPath;

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
    /// Parts of files, and what lies outside of the project.
    pub parts: Vec<Part>,
    /// Names of parameters, or of groups of them: `train` stands for all of `train.*`.
    pub params: Vec<String>,
    /// Files and directories the step makes; kept in the store.
    pub outs: Vec<ProjectPath>,
    /// Outputs that hold metrics.
    pub metrics: Vec<ProjectPath>,
    /// Variables the program gets besides its own environment.
    pub variables: BTreeMap<String, String>,
    pub timeout: Option<Duration>,
    pub resources: Resources,
    /// Runs each time, whatever is known.
    pub always: bool,
    /// Never runs: its outputs are taken as they are.
    pub frozen: bool,
    /// Where it stands, for messages: `mlx.toml, line 14`.
    pub place: String,
}

impl Step {
    /// All files and directories that the step reads, whole or in part.
    pub fn inputs(&self) -> impl Iterator<Item = &ProjectPath> {
        self.deps.iter().chain(self.parts.iter().filter_map(Part::path))
    }

    /// All files and directories the step makes: outputs, then metrics.
    pub fn products(&self) -> impl Iterator<Item = &ProjectPath> {
        self.outs.iter().chain(&self.metrics)
    }
}
