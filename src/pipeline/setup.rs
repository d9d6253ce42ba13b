//! What is read and checked before a step is judged: graph, parameters, environment, lock.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::Options;
use super::elsewhere::Elsewhere;
use super::environments::Environments;
use super::graph::Graph;
use super::judge::Judge;
use super::params::Params;
use super::parts::Parts;
use super::select::{Selection, select};
use crate::data::Workspace;
use crate::event::Watch;
use crate::project::{Lock, MANIFEST, Project, overlay};
use crate::{Digest, Error, Result};

/// What a pipeline is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Train,
    /// To say what a training would do.
    Plan,
    /// To tell of the pipeline: a dependency that nobody makes may be missing.
    Tell,
}

/// A pipeline that can be carried out.
pub struct Setup<'a> {
    pub graph: Graph<'a>,
    /// The steps in question, in order.
    pub selected: Vec<usize>,
    /// What there is to tell of why it is these.
    why_selected: Vec<String>,
    pub params: Params,
    /// The parameters of each step, by its index.
    pub step_params: Vec<BTreeMap<String, Value>>,
    pub environments: Environments,
    /// The digest of each step's environment, by its index.
    pub digests: Vec<Option<Digest>>,
    /// The executor of each step, by its index; `None` for this machine.
    pub executors: Vec<Option<String>>,
    pub lock: Lock,
    pub workspace: Workspace,
    pub parts: Parts,
    pub elsewhere: Elsewhere<'a>,
}

impl<'a> Setup<'a> {
    /// Checks everything that can be checked; until that is done, nothing is written. The image of a container is fetched for
    /// a training only, where it is needed to know the keys.
    pub fn of(project: &'a Project, options: &Options, purpose: Purpose, watch: Watch<'_>) -> Result<Self> {
        if project.manifest.steps.is_empty() {
            return Err(Error::usage(format!("there are no steps in {MANIFEST}"))
                .with_hint("a step is a table like `[step.train]` with `cmd`, `deps` and `outs`"));
        }
        let lock = project.read_lock()?;
        let graph = Graph::of(project, &lock)?;
        let params = Params::read(project, &options.settings)?;
        let Selection { steps: selected, why } = select(project, &graph, &lock, &params, options, watch)?;
        let step_params = graph.steps.iter().map(|step| params.of_step(step)).collect::<Result<_>>()?;
        if purpose != Purpose::Tell {
            graph.check_sources(project, &lock, &selected)?;
        }
        let fetching = (purpose == Purpose::Train).then_some(watch);
        let steps = selected.iter().map(|index| &graph.steps[*index]);
        let environments = Environments::of(project, options, steps, fetching)?;
        let digests = environments.digests(graph.steps);
        let executors = super::away::executors(project, graph.steps, &options.engines)?;
        // From here on there may be directories of ours.
        let mut workspace = Workspace::open(project)?;
        if purpose != Purpose::Train {
            // A training writes them down while it runs.
            let overlaid = overlay::overlaid(project, &options.settings)?;
            overlaid.into_iter().for_each(|file| workspace.suppose(file.path, file.text.as_bytes()));
        }
        let parts = Parts::new(project, options.outside.clone(), &options.cache);
        let elsewhere = Elsewhere::of(project, &workspace, options.access.as_ref());
        Ok(Self {
            graph,
            selected,
            why_selected: why,
            params,
            step_params,
            environments,
            digests,
            executors,
            lock,
            workspace,
            parts,
            elsewhere,
        })
    }

    /// Tells why these steps are selected, where there is something to tell.
    pub fn tell(&self, watch: Watch<'_>) {
        self.why_selected.iter().for_each(|line| watch.events.note(line.clone()));
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
            environments: &self.digests,
            parts: &self.parts,
            forced,
            // A check has nothing to say of steps that are never up to date.
            always: !options.locked,
            elsewhere: &self.elsewhere,
        })
    }
}
