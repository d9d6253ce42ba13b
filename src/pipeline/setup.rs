//! What is read and checked before a step is judged: graph, parameters, environment, lock.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::Options;
use super::elsewhere::Elsewhere;
use super::graph::Graph;
use super::judge::Judge;
use super::params::Params;
use super::parts::Parts;
use super::select::select;
use crate::data::Workspace;
use crate::env::Declared;
use crate::event::Watch;
use crate::project::{Lock, MANIFEST, Project};
use crate::{Error, Result};

/// A pipeline that can be carried out.
pub struct Setup<'a> {
    pub graph: Graph<'a>,
    /// The steps in question, in order.
    pub selected: Vec<usize>,
    pub params: Params,
    /// The parameters of each step, by its index.
    pub step_params: Vec<BTreeMap<String, Value>>,
    pub environment: Declared,
    pub lock: Lock,
    pub workspace: Workspace,
    pub parts: Parts,
    pub elsewhere: Elsewhere<'a>,
}

impl<'a> Setup<'a> {
    /// Checks everything that can be checked; until that is done, nothing is written.
    pub fn new(project: &'a Project, options: &Options, watch: Watch<'_>) -> Result<Self> {
        Self::of(project, options, true, watch)
    }

    /// As [`Setup::new`], for who only tells of the pipeline: a dependency that nobody makes may be missing.
    pub fn unchecked(project: &'a Project, options: &Options, watch: Watch<'_>) -> Result<Self> {
        Self::of(project, options, false, watch)
    }

    fn of(project: &'a Project, options: &Options, needs_sources: bool, watch: Watch<'_>) -> Result<Self> {
        if project.manifest.steps.is_empty() {
            return Err(Error::usage(format!("there are no steps in {MANIFEST}"))
                .with_hint("a step is a table like `[step.train]` with `cmd`, `deps` and `outs`"));
        }
        let lock = project.read_lock()?;
        let graph = Graph::of(project, &lock)?;
        let params = Params::read(project, &options.settings)?;
        let selected = select(project, &graph, &lock, &params, options, watch)?;
        let step_params = graph.steps.iter().map(|step| params.of_step(step)).collect::<Result<_>>()?;
        if needs_sources {
            graph.check_sources(project, &lock, &selected)?;
        }
        let environment = Declared::of(project, &options.cache, &options.interpreters)?;
        // From here on there may be directories of ours.
        let workspace = Workspace::open(project)?;
        let parts = Parts::new(project, options.outside.clone(), &options.cache);
        let elsewhere = Elsewhere::of(project, &workspace, options.access.as_ref());
        Ok(Self { graph, selected, params, step_params, environment, lock, workspace, parts, elsewhere })
    }

    /// Writes down what was learned about files.
    pub fn save(&self) {
        self.workspace.save();
        self.parts.save();
    }

    /// Who judges the steps.
    pub fn judge(&self, options: &Options) -> Result<Judge<'_>> {
        let forced: HashSet<usize> = match (options.force, options.steps.as_slice()) {
            (false, _) => HashSet::new(),
            (true, []) => self.selected.iter().copied().collect(),
            (true, names) => self.graph.indexes(names)?.into_iter().collect(),
        };
        Ok(Judge {
            workspace: &self.workspace,
            lock: &self.lock,
            params: &self.step_params,
            environment: self.environment.digest(),
            parts: &self.parts,
            forced,
            // A check has nothing to say of steps that are never up to date.
            always: !options.locked,
            elsewhere: &self.elsewhere,
        })
    }
}
