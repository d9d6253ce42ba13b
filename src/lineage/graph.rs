//! The graph itself: nodes, each once, and what leads to what.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, Lineage, Node, Relation, Traced};
use crate::Digest;
use crate::digest::Object;
use crate::project::ProjectPath;
use crate::run::RunId;

/// What tells nodes apart. A content that lies at two paths is two: one may be a copy that a step made of the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Data(ProjectPath, Digest),
    Step(Option<RunId>, String),
    Version(String, u64),
    Bundle(Digest),
    Release(String, Digest),
}

impl Key {
    fn of(node: &Node) -> Self {
        match node {
            Node::Data { path, digest, .. } => Self::Data(path.clone(), *digest),
            Node::Step { run, step, .. } => Self::Step(run.clone(), step.clone()),
            Node::Version { model, version, .. } => Self::Version(model.clone(), *version),
            Node::Bundle { digest, .. } => Self::Bundle(*digest),
            Node::Release { target, release, .. } => Self::Release(target.clone(), *release),
        }
    }
}

/// Everything that is known of what was made of what.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    places: BTreeMap<Key, usize>,
    before: Vec<BTreeSet<usize>>,
    after: Vec<BTreeSet<usize>>,
}

impl Graph {
    /// The place of this node, which is added where it is new.
    pub fn add(&mut self, node: Node) -> usize {
        let place = *self.places.entry(Key::of(&node)).or_insert(self.nodes.len());
        if place == self.nodes.len() {
            self.nodes.push(node);
            self.before.push(BTreeSet::new());
            self.after.push(BTreeSet::new());
        }
        place
    }

    /// As [`Graph::add`], for a content at a path.
    pub fn add_data(&mut self, path: &ProjectPath, object: &Object) -> usize {
        let (digest, size, directory) = (object.digest, object.size, object.is_directory());
        self.add(Node::Data { path: path.clone(), digest, size, directory })
    }

    /// The one leads to the other.
    pub fn connect(&mut self, from: usize, to: usize) {
        if from != to {
            self.after[from].insert(to);
            self.before[to].insert(from);
        }
    }

    /// The places of the nodes for which this holds.
    pub fn find(&self, is_it: impl Fn(&Node) -> bool) -> Vec<usize> {
        (0..self.nodes.len()).filter(|place| is_it(&self.nodes[*place])).collect()
    }

    /// Whether it is known what it was made from.
    pub fn is_made(&self, place: usize) -> bool {
        !self.before[place].is_empty()
    }

    /// Whether a step made it, and not only a directory around it.
    pub fn is_output(&self, place: usize) -> bool {
        self.before(place).any(|from| matches!(self.nodes[from], Node::Step { .. }))
    }

    /// Whether the one leads to the other at once.
    pub fn leads(&self, from: usize, to: usize) -> bool {
        self.after[from].contains(&to)
    }

    pub fn node(&self, place: usize) -> &Node {
        &self.nodes[place]
    }

    /// The places of what leads to it at once.
    pub fn before(&self, place: usize) -> impl Iterator<Item = usize> + '_ {
        self.before[place].iter().copied()
    }

    /// The places of what it leads to at once.
    pub fn after(&self, place: usize) -> impl Iterator<Item = usize> + '_ {
        self.after[place].iter().copied()
    }

    /// What leads to these nodes, and what they lead to.
    pub fn trace(&self, subjects: &[usize]) -> Lineage {
        let (origins, results) = (reach(subjects, &self.before), reach(subjects, &self.after));
        let chosen: BTreeSet<usize> = origins.union(&results).copied().collect();
        let order = self.in_order(&chosen);
        let ids: BTreeMap<usize, usize> = order.iter().enumerate().map(|(id, place)| (*place, id)).collect();
        let traced = |(id, place): (usize, &usize)| Traced {
            id,
            relation: match (subjects.contains(place), origins.contains(place)) {
                (true, _) => Relation::Subject,
                (false, true) => Relation::Origin,
                (false, false) => Relation::Result,
            },
            node: self.nodes[*place].clone(),
        };
        let mut edges = Vec::new();
        for from in &order {
            // What a result was made from besides is another question.
            let is_on_a_way = |to: &&usize| {
                (origins.contains(from) && origins.contains(*to)) || (results.contains(from) && results.contains(*to))
            };
            edges.extend(self.after[*from].iter().filter(is_on_a_way).map(|to| Edge { from: ids[from], to: ids[to] }));
        }
        Lineage {
            subjects: subjects.iter().map(|place| ids[place]).collect(),
            nodes: order.iter().enumerate().map(traced).collect(),
            edges,
            left_out: Vec::new(),
        }
    }

    /// These nodes, each behind those that lead to it; of nodes that lead to each other, one comes first.
    fn in_order(&self, chosen: &BTreeSet<usize>) -> Vec<usize> {
        let mut order = Vec::with_capacity(chosen.len());
        let mut met = BTreeSet::new();
        for start in chosen {
            let mut open = vec![(*start, false)];
            while let Some((place, is_done)) = open.pop() {
                if is_done {
                    order.push(place);
                } else if met.insert(place) {
                    open.push((place, true));
                    let before = self.before[place].iter().rev().filter(|next| chosen.contains(*next));
                    open.extend(before.map(|next| (*next, false)));
                }
            }
        }
        order
    }
}

/// These nodes and all that can be reached from them.
fn reach(from: &[usize], next: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = from.to_vec();
    while let Some(place) = open.pop() {
        if reached.insert(place) {
            open.extend(&next[place]);
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(graph: &mut Graph, name: &str) -> usize {
        graph.add(Node::Bundle { digest: Digest::of(name), file: None, created: None })
    }

    #[test]
    fn only_what_is_on_a_way_is_traced_and_each_stands_behind_its_origins() {
        let mut graph = Graph::default();
        // The numbers run against the ways.
        let [d, c, b, a, x, y] = ["d", "c", "b", "a", "x", "y"].map(|name| bundle(&mut graph, name));
        for (from, to) in [(a, b), (b, c), (c, d), (x, c), (b, y), (d, a)] {
            graph.connect(from, to);
        }
        graph.before[a].clear();
        graph.after[d].clear();

        let lineage = graph.trace(&[b]);

        let names = ["d", "c", "b", "a", "x", "y"];
        let name = |digest: &Digest| names.into_iter().find(|name| Digest::of(name) == *digest).unwrap();
        let shown: Vec<_> = lineage
            .nodes
            .iter()
            .map(|traced| match &traced.node {
                Node::Bundle { digest, .. } => (name(digest), traced.relation),
                other => panic!("{other:?}"),
            })
            .collect();
        use Relation::{Origin, Result, Subject};
        assert_eq!(shown, [("a", Origin), ("b", Subject), ("c", Result), ("d", Result), ("y", Result)]);
        assert!(lineage.edges.iter().all(|edge| edge.from < edge.to));
        assert_eq!(lineage.edges.len(), 4);
    }

    #[test]
    fn a_circle_ends() {
        let mut graph = Graph::default();
        let [a, b] = ["a", "b"].map(|name| bundle(&mut graph, name));
        graph.connect(a, b);
        graph.connect(b, a);

        assert_eq!(graph.trace(&[a]).nodes.len(), 2);
    }
}
