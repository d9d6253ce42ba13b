//! Files and the directories that they are parts of: a step may name the one, and a version or another step the other.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::{Graph, Node};
use crate::Digest;
use crate::digest::{Object, Prefix};
use crate::project::ProjectPath;
use crate::store::Store;
use crate::store::tree::Tree;

/// What the directories of a graph hold, as far as their listings are in the store.
pub struct Parts<'a> {
    store: &'a Store,
    /// The nodes of directories, by path.
    directories: BTreeMap<ProjectPath, Vec<(usize, Digest)>>,
    /// Listings that were read before; `None` for one that is not here.
    trees: HashMap<Digest, Option<Rc<Tree>>>,
}

impl<'a> Parts<'a> {
    /// Those of the directories that are in the graph now.
    pub fn of(graph: &Graph, store: &'a Store) -> Self {
        let mut directories: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for place in graph.find(|node| matches!(node, Node::Data { directory: true, .. })) {
            if let Node::Data { path, digest, .. } = graph.node(place) {
                directories.entry(path.clone()).or_default().push((place, *digest));
            }
        }
        Self { store, directories, trees: HashMap::new() }
    }

    /// Connects every file and directory of the graph with the directories that hold it.
    pub fn connect_all(&mut self, graph: &mut Graph) {
        // What a step made says in which direction the rest goes.
        let (made, others): (Vec<usize>, Vec<usize>) =
            graph.find(|node| matches!(node, Node::Data { .. })).into_iter().partition(|place| graph.is_output(*place));
        made.into_iter().chain(others).for_each(|place| self.connect(graph, place));
    }

    /// Connects a file or a directory with the directories that hold it with this very content.
    pub fn connect(&mut self, graph: &mut Graph, place: usize) {
        let Node::Data { path, digest, .. } = graph.node(place) else { return };
        let (path, digest) = (path.clone(), *digest);
        for (whole, part) in self.around(&path) {
            if part.digest == digest {
                connect_part(graph, whole, place);
            }
        }
    }

    /// What lies at this path in the directories around it: the node of each, and the part.
    pub fn around(&mut self, path: &ProjectPath) -> Vec<(usize, Object)> {
        let mut found = Vec::new();
        let mut around = path.parent();
        while let Some(above) = around {
            for (whole, digest) in self.directories.get(&above).cloned().unwrap_or_default() {
                found.extend(self.part(digest, &above, path).map(|part| (whole, part)));
            }
            around = above.parent();
        }
        found
    }

    fn part(&mut self, whole: Digest, above: &ProjectPath, path: &ProjectPath) -> Option<Object> {
        let mut found: Option<Object> = None;
        for name in path.parts().skip(above.parts().count()) {
            let directory = match &found {
                None => whole,
                Some(object) if object.is_directory() => object.digest,
                Some(_) => return None,
            };
            found = Some(self.tree(directory)?.get(name)?.clone());
        }
        found
    }

    fn tree(&mut self, digest: Digest) -> Option<Rc<Tree>> {
        let store = self.store;
        self.trees.entry(digest).or_insert_with(|| store.tree(&digest).ok().map(Rc::new)).clone()
    }

    /// The files and directories below those of the graph whose digests begin with these digits.
    pub fn with_digest(&self, prefix: &Prefix) -> Vec<(ProjectPath, Object)> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let nodes = self.directories.iter().flat_map(|(path, nodes)| nodes.iter().map(move |node| (path, node.1)));
        let mut waiting: Vec<(ProjectPath, Digest)> = nodes.map(|(path, digest)| (path.clone(), digest)).collect();
        while let Some((path, digest)) = waiting.pop() {
            if !seen.insert(digest) {
                continue;
            }
            let Ok(tree) = self.store.tree(&digest) else { continue };
            for entry in tree.entries() {
                let Ok(below) = path.join(&entry.name) else { continue };
                if prefix.begins(&entry.object.digest) {
                    found.push((below, entry.object.clone()));
                } else if entry.object.is_directory() {
                    waiting.push((below, entry.object.digest));
                }
            }
        }
        found
    }
}

/// A part comes with its directory, unless a step made it or other parts of the directory alone.
fn connect_part(graph: &mut Graph, whole: usize, part: usize) {
    if graph.leads(whole, part) {
        return;
    }
    let is_of_parts = graph.before(whole).any(|place| is_below(graph, place, whole));
    match (graph.is_output(part), graph.is_output(whole)) {
        (true, true) => {}
        (true, false) => graph.connect(part, whole),
        (false, false) if is_of_parts => graph.connect(part, whole),
        (false, _) => graph.connect(whole, part),
    }
}

/// Whatever was made of a directory as a whole was made of each of its parts: says so of this one.
pub fn share_results(graph: &mut Graph, part: usize) {
    let wholes: Vec<usize> = graph.before(part).filter(|whole| is_below(graph, part, *whole)).collect();
    for whole in wholes {
        let results: Vec<usize> = graph.after(whole).filter(|place| !is_below(graph, *place, whole)).collect();
        results.into_iter().for_each(|place| graph.connect(part, place));
    }
}

/// Whether the one is a file or a directory below the other.
fn is_below(graph: &Graph, part: usize, whole: usize) -> bool {
    match (graph.node(part), graph.node(whole)) {
        (Node::Data { path: part, .. }, Node::Data { path: whole, .. }) => part != whole && part.is_within(whole),
        _ => false,
    }
}
