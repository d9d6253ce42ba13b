//! What somebody asks about: a path, a digest, a version of a model, or a run.

use super::{Graph, Node, Sources};
use crate::error::did_you_mean;
use crate::fs::escape;
use crate::project::ProjectPath;
use crate::registry::{Reference, Which};
use crate::store::Store;
use crate::{Error, Result};

/// Fewer digits of a digest name too much.
const SHORTEST_DIGEST: usize = 4;

impl Sources<'_> {
    /// The nodes that a word names: a path of the lock or below one, a version of a model, a run, or the first digits of a
    /// digest. `path` is the word as a path of the project, where it can be one.
    pub fn find(&self, graph: &mut Graph, word: &str, path: Option<&ProjectPath>) -> Result<Vec<usize>> {
        if let Some(hex) = word.strip_prefix("sha256:") {
            return self.by_digest(graph, hex, word);
        }
        let reference = word.parse::<Reference>().ok();
        if let Some(reference) = reference.as_ref().filter(|reference| reference.which != Which::Newest) {
            return self.by_version(graph, reference);
        }
        if let Some(path) = path
            && let Some(found) = self.by_path(graph, path)?
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
        let is_hex = word.len() >= SHORTEST_DIGEST && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex {
            return self.by_digest(graph, word, word);
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

    /// What the lock has at the path, or a part of what it has above it; else whatever was there when something was made
    /// of it. `None` where nothing ever was.
    fn by_path(&self, graph: &mut Graph, path: &ProjectPath) -> Result<Option<Vec<usize>>> {
        let entries = self
            .lock
            .entries()
            .chain(self.lock.steps.values().flat_map(|step| &step.deps).map(|dep| (&dep.path, &dep.object)));
        let mut around = None;
        for (entry, object) in entries {
            if entry == path {
                return Ok(Some(vec![graph.add_data(entry, object)]));
            }
            if object.is_directory() && path.is_within(entry) {
                around = Some((entry, object));
            }
        }
        if let Some((entry, object)) = around
            && let Some(part) = part_of(self.store, entry, object, path)
        {
            let (part, whole) = (graph.add_data(path, &part), graph.add_data(entry, object));
            // It was made with the directory, or the directory was made of it.
            match graph.is_made(whole) {
                true => graph.connect(whole, part),
                false => graph.connect(part, whole),
            }
            return Ok(Some(vec![part]));
        }
        let found = graph.find(|node| matches!(node, Node::Data { path: of, .. } if of == path));
        Ok(Some(found).filter(|found| !found.is_empty()))
    }

    fn by_digest(&self, graph: &Graph, hex: &str, word: &str) -> Result<Vec<usize>> {
        let hex = hex.to_ascii_lowercase();
        let digest = |node: &Node| match node {
            Node::Data { digest, .. } | Node::Bundle { digest, .. } => Some(*digest),
            _ => None,
        };
        let found = graph.find(|node| digest(node).is_some_and(|digest| digest.hex().starts_with(&hex)));
        let mut digests: Vec<_> = found.iter().filter_map(|place| digest(graph.node(*place))).collect();
        digests.sort();
        digests.dedup();
        let shown = escape(word.as_bytes());
        match digests.len() {
            0 => {
                Err(Error::usage(format!("no file, model or bundle whose digest begins with `{shown}` is known here"))
                    .with_hint("`mlx runs show`, `mlx model show` and `mlx releases` show digests"))
            }
            1 => Ok(found),
            several => {
                Err(Error::usage(format!("`{shown}` begins {several} digests")).with_hint("say more of the digest"))
            }
        }
    }
}

/// What lies at a path below a directory, as far as its listings are in the store.
fn part_of(
    store: &Store,
    entry: &ProjectPath,
    object: &crate::digest::Object,
    path: &ProjectPath,
) -> Option<crate::digest::Object> {
    let mut object = object.clone();
    for part in path.parts().skip(entry.parts().count()) {
        object = store.tree(&object.digest).ok()?.get(part)?.clone();
    }
    Some(object)
}
