//! From records to the graph.

use std::collections::BTreeMap;

use super::parts::Parts;
use super::{Graph, Node};
use crate::bundle;
use crate::digest::Object;
use crate::project::lock::LockedPath;
use crate::project::{Lock, ProjectPath};
use crate::registry::{Registry, Version};
use crate::run::{Filter, Outcome, Run, Runs};
use crate::store::Store;
use crate::{Digest, Result};

/// What the graph is made of.
pub struct Sources<'a> {
    pub lock: &'a Lock,
    pub store: &'a Store,
    pub runs: &'a Runs,
    pub registry: &'a Registry,
}

/// A release on a target, for the graph.
#[derive(Debug, Clone)]
pub struct TargetRelease {
    pub target: String,
    pub release: Digest,
    pub live: bool,
    pub canary: Option<u8>,
    pub model: String,
    pub version: u64,
}

/// The outputs of a run or of the lock, by path.
type Outputs = BTreeMap<ProjectPath, Object>;

impl Sources<'_> {
    /// Everything that these say; what lies on targets is added by [`Graph::add_releases`].
    pub fn graph(&self) -> Result<Graph> {
        let mut graph = Graph::default();
        for summary in self.runs.list(&Filter::default())? {
            self.add_run(&mut graph, &self.runs.get(&summary.id)?);
        }
        self.add_lock(&mut graph);
        for model in self.registry.models()? {
            let state = self.registry.state(&model)?;
            for version in self.registry.versions(&model)? {
                let number = version.version;
                let place = graph.add(Node::Version {
                    model: model.clone(),
                    version: number,
                    aliases: state.aliases_of(number),
                    archived: state.is_archived(number),
                });
                self.add_origin(&mut graph, &version, place)?;
            }
        }
        self.add_bundles(&mut graph)?;
        Parts::of(&graph, self.store).connect_all(&mut graph);
        Ok(graph)
    }

    /// The steps that ran in this run; of others the run in which they did is asked, as long as its record is there.
    fn add_run(&self, graph: &mut Graph, run: &Run) {
        let outputs: Outputs =
            run.steps.iter().flat_map(|step| &step.outs).map(|out| (out.path.clone(), out.object.clone())).collect();
        for step in &run.steps {
            let is_elsewhere = step.made_by.as_ref().is_some_and(|maker| self.runs.contains(maker));
            if step.outcome == Outcome::Failed || step.outs.is_empty() || (step.outcome != Outcome::Ran && is_elsewhere)
            {
                continue;
            }
            let maker = step.made_by.as_ref().filter(|_| step.outcome != Outcome::Ran).unwrap_or(&run.id);
            let place = graph.add(Node::Step {
                step: step.name.clone(),
                run: Some(maker.clone()),
                started: step.started,
                commit: run.commit.clone(),
            });
            connect_step(graph, place, &step.deps, &step.outs, &outputs);
        }
    }

    /// What the lock has and no run that is known here made: of another clone, or before runs were taken away.
    fn add_lock(&self, graph: &mut Graph) {
        let outputs: Outputs = self.lock.outputs().map(|out| (out.path.clone(), out.object.clone())).collect();
        for (name, step) in &self.lock.steps {
            let is_made = |out: &LockedPath| {
                let found = graph.find(|node| {
                    matches!(node, Node::Data { path, digest, .. } if *path == out.path && *digest == out.object.digest)
                });
                found.first().is_some_and(|place| graph.is_made(*place))
            };
            if step.outs.is_empty() || step.outs.iter().all(is_made) {
                continue;
            }
            let place = graph.add(Node::Step { step: name.clone(), run: None, started: None, commit: None });
            connect_step(graph, place, &step.deps, &step.outs, &outputs);
        }
        for (path, object) in &self.lock.paths {
            graph.add_data(path, object);
        }
    }

    /// From what a version was made; where the run is not known here, from what its own record says.
    fn add_origin(&self, graph: &mut Graph, version: &Version, place: usize) -> Result<()> {
        let Version { path, object, run, step, data, commit, .. } = version;
        let content = graph.add_data(path, object);
        graph.connect(content, place);
        let Some(step) = step else { return Ok(()) };
        if let Some(run) = run.as_ref().filter(|run| self.runs.contains(run)) {
            // The model may be a part of what the step made.
            let run = self.runs.get(run)?;
            let outs = run.steps.iter().flat_map(|step| &step.outs);
            for around in outs.filter(|out| out.object.is_directory() && path.is_within(&out.path) && out.path != *path)
            {
                let around = graph.add_data(&around.path, &around.object);
                graph.connect(around, content);
            }
        }
        if !graph.is_made(content) {
            let (step, run, commit) = (step.clone(), run.clone(), commit.clone());
            let maker = graph.add(Node::Step { step, run, started: None, commit });
            for LockedPath { path, object } in data {
                let from = graph.add_data(path, object);
                graph.connect(from, maker);
            }
            graph.connect(maker, content);
        }
        Ok(())
    }

    fn add_bundles(&self, graph: &mut Graph) -> Result<()> {
        for record in bundle::all_made(self.store)? {
            let (digest, file, created) = (record.manifest, Some(record.file), Some(record.created));
            let place = graph.add(Node::Bundle { digest, file, created });
            graph.connect_version(&record.model, record.version, place);
        }
        Ok(())
    }
}

impl Graph {
    /// Adds what lies on targets.
    pub fn add_releases(&mut self, releases: Vec<TargetRelease>) {
        for TargetRelease { target, release, live, canary, model, version } in releases {
            let bundle = self.add(Node::Bundle { digest: release, file: None, created: None });
            self.connect_version(&model, version, bundle);
            let place = self.add(Node::Release { target, release, live, canary });
            self.connect(bundle, place);
        }
    }

    /// The version, where it is known, leads to this bundle.
    fn connect_version(&mut self, model: &str, version: u64, bundle: usize) {
        let is_it =
            |node: &Node| matches!(node, Node::Version { model: m, version: v, .. } if m == model && *v == version);
        self.find(is_it).into_iter().for_each(|from| self.connect(from, bundle));
    }
}

fn connect_step(graph: &mut Graph, step: usize, deps: &[LockedPath], outs: &[LockedPath], outputs: &Outputs) {
    for LockedPath { path, object } in deps {
        let dep = graph.add_data(path, object);
        graph.connect(dep, step);
        // A file of a directory that a step made, and a directory that holds what a step made.
        let mut around = path.parent();
        while let Some(above) = around {
            if let Some(object) = outputs.get(&above) {
                let whole = graph.add_data(&above, object);
                graph.connect(whole, dep);
            }
            around = above.parent();
        }
        if object.is_directory() {
            let below =
                outputs.range(path.clone()..).take_while(|(below, _)| below.as_bytes().starts_with(path.as_bytes()));
            for (below, object) in below.filter(|(below, _)| below.is_within(path) && *below != path) {
                let part = graph.add_data(below, object);
                graph.connect(part, dep);
            }
        }
    }
    for LockedPath { path, object } in outs {
        let out = graph.add_data(path, object);
        graph.connect(step, out);
    }
}
