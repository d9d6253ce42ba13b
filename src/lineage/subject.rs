//! What somebody asks about: a path, a digest, a version of a model, or a run.

use std::collections::HashSet;

use super::parts::{Parts, share_results};
use super::{Graph, Node, Sources};
use crate::digest::Prefix;
use crate::error::did_you_mean;
use crate::fs::escape;
use crate::project::ProjectPath;
use crate::registry::{Reference, Which};
use crate::{Digest, Error, Kind, Result};

const WHERE_DIGESTS_ARE: &str = "`mlx runs show`, `mlx model show` and `mlx releases` show digests";

impl Sources<'_> {
    /// The nodes that a word names: a path of the lock or below one, the file of a bundle, a version of a model, a run, or the
    /// first digits of a digest. `path` is the word as a path of the project, where it can be one.
    pub fn find(&self, graph: &mut Graph, word: &str, path: Option<&ProjectPath>) -> Result<Vec<usize>> {
        let found = self.named(graph, word, path)?;
        let mut parts = Parts::of(graph, self.store);
        for place in &found {
            parts.connect(graph, *place);
            share_results(graph, *place);
        }
        Ok(found)
    }

    fn named(&self, graph: &mut Graph, word: &str, path: Option<&ProjectPath>) -> Result<Vec<usize>> {
        if word.starts_with("sha256:") {
            return self.by_digest(graph, word);
        }
        let reference = word.parse::<Reference>().ok();
        if let Some(reference) = reference.as_ref().filter(|reference| reference.which != Which::Newest) {
            return self.by_version(graph, reference);
        }
        if let Some(path) = path
            && let Some(found) = self.by_path(graph, path)
        {
            return Ok(found);
        }
        let models = self.registry.models()?;
        if let Some(reference) = reference.filter(|reference| models.contains(&reference.model)) {
            return self.by_version(graph, &reference);
        }
        if let Ok(run) = self.runs.find(word) {
            let found = graph.find(|node| matches!(node, Node::Step { run: Some(of), .. } if *of == run.id));
            if !found.is_empty() {
                return Ok(found);
            }
            return Err(Error::usage(format!("nothing was made in run {}", run.id))
                .with_hint(format!("`mlx runs show {}` says what became of its steps", run.id)));
        }
        if word.parse::<Prefix>().is_ok() {
            return self.by_digest(graph, word);
        }
        let paths = self.lock.entries().map(|(path, _)| path.to_string());
        let known: Vec<String> = paths.chain(models).collect();
        Err(Error::usage(format!(
            "`{}` is no path of the lock, no model, no run and no digest that is known here",
            escape(word.as_bytes())
        ))
        .with_hint(did_you_mean(word, known.iter().map(String::as_str))))
    }

    fn by_version(&self, graph: &Graph, reference: &Reference) -> Result<Vec<usize>> {
        let found = self.registry.find(reference)?;
        Ok(graph.find(|node| {
            matches!(node, Node::Version { model, version, .. } if *model == found.model && *version == found.version)
        }))
    }

    /// Whether what lies on targets may belong to what [`Sources::find`] found: releases are made of versions and bundles alone,
    /// and what has a digest that nobody knows here may lie there.
    pub fn may_lie_on_targets(&self, graph: &Graph, word: &str, found: &Result<Vec<usize>>) -> bool {
        match found {
            Ok(subjects) => graph
                .trace(subjects)
                .nodes
                .iter()
                .any(|traced| matches!(traced.node, Node::Version { .. } | Node::Bundle { .. })),
            Err(_) => word.parse::<Prefix>().is_ok(),
        }
    }

    /// What the lock has at the path, or a part of what it has above it; else whatever was there when something was made
    /// of it. `None` where nothing ever was.
    fn by_path(&self, graph: &mut Graph, path: &ProjectPath) -> Option<Vec<usize>> {
        let deps = self.lock.steps.values().flat_map(|step| &step.deps).map(|dep| (&dep.path, &dep.object));
        let entries: Vec<_> = self.lock.entries().chain(deps).collect();
        if let Some((entry, object)) = entries.iter().find(|(entry, _)| *entry == path) {
            return Some(vec![graph.add_data(entry, object)]);
        }
        let around = entries.iter().filter(|(entry, object)| object.is_directory() && path.is_within(entry));
        let now: HashSet<usize> = around.map(|(entry, object)| graph.add_data(entry, object)).collect();
        let parts = Parts::of(graph, self.store).around(path);
        if let Some((_, part)) = parts.iter().find(|(whole, _)| now.contains(whole)) {
            return Some(vec![graph.add_data(path, part)]);
        }
        for (_, part) in &parts {
            graph.add_data(path, part);
        }
        let found = graph.find(|node| matches!(node, Node::Data { path: of, .. } if of == path));
        match found.is_empty() {
            true => bundle_in(graph, path).map(|bundle| vec![bundle]),
            false => Some(found),
        }
    }

    fn by_digest(&self, graph: &mut Graph, word: &str) -> Result<Vec<usize>> {
        let prefix: Prefix =
            word.parse().map_err(|error| Error::new(Kind::Usage, error).with_hint(WHERE_DIGESTS_ARE))?;
        let digest = |node: &Node| match node {
            Node::Data { digest, .. } | Node::Bundle { digest, .. } => Some(*digest),
            _ => None,
        };
        let mut found = graph.find(|node| digest(node).is_some_and(|digest| prefix.begins(&digest)));
        if found.is_empty() {
            let parts = Parts::of(graph, self.store).with_digest(&prefix);
            found = parts.iter().map(|(path, object)| graph.add_data(path, object)).collect();
        }
        let digests: HashSet<Digest> = found.iter().filter_map(|place| digest(graph.node(*place))).collect();
        let shown = escape(word.as_bytes());
        match digests.len() {
            0 => {
                Err(Error::usage(format!("no file, model or bundle whose digest begins with `{shown}` is known here"))
                    .with_hint(WHERE_DIGESTS_ARE))
            }
            1 => Ok(found),
            several => {
                Err(Error::usage(format!("`{shown}` begins {several} digests")).with_hint("say more of the digest"))
            }
        }
    }
}

/// The bundle that was written last into this file.
fn bundle_in(graph: &Graph, path: &ProjectPath) -> Option<usize> {
    let written = |place: &usize| match graph.node(*place) {
        Node::Bundle { created, .. } => *created,
        _ => None,
    };
    let found = graph.find(|node| matches!(node, Node::Bundle { file: Some(file), .. } if file == path.as_path()));
    found.into_iter().max_by_key(written)
}
