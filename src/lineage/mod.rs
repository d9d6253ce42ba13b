//! Lineage: what something was made from, and what was made of it; from data through steps, runs, versions and bundles to
//! the releases that answer.
//!
//! Nothing is kept for it: the graph is made of the records of runs, of the registry, of bundles, and of what lies on
//! targets, whenever somebody asks.

mod gather;
mod graph;
mod parts;
mod subject;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

pub use gather::{Sources, TargetRelease};
pub use graph::Graph;

use crate::Digest;
use crate::project::ProjectPath;
use crate::run::RunId;

/// Something that was made, or something that made it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Node {
    /// A file or a directory with this content.
    Data {
        path: ProjectPath,
        digest: Digest,
        size: u64,
        directory: bool,
    },
    /// A step as it ran in a run; without a run, as the lock has it.
    Step {
        step: String,
        run: Option<RunId>,
        started: Option<Timestamp>,
        commit: Option<String>,
    },
    Version {
        model: String,
        version: u64,
        aliases: Vec<String>,
        archived: bool,
    },
    Bundle {
        digest: Digest,
        file: Option<PathBuf>,
        created: Option<Timestamp>,
    },
    /// A bundle on a target.
    Release {
        target: String,
        release: Digest,
        live: bool,
        canary: Option<u8>,
    },
}

/// The part of the graph that leads to something, and from there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lineage {
    /// What was asked for; several where one name means several.
    pub subjects: Vec<usize>,
    /// Each behind those that lead to it.
    pub nodes: Vec<Traced>,
    pub edges: Vec<Edge>,
    /// Targets that could not be asked what lies there.
    pub left_out: Vec<Unasked>,
}

/// A target that could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unasked {
    pub target: String,
    pub why: String,
}

/// A node and how it is related to what was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Traced {
    /// Its place in the list.
    pub id: usize,
    pub relation: Relation,
    #[serde(flatten)]
    pub node: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It was made from this.
    Origin,
    /// It itself.
    Subject,
    /// This was made of it.
    Result,
}

/// The one leads to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
}

impl Lineage {
    /// For each node, those that lead to it.
    pub fn before(&self) -> Vec<Vec<usize>> {
        self.neighbours(|edge| (edge.to, edge.from))
    }

    /// For each node, those it leads to.
    pub fn after(&self) -> Vec<Vec<usize>> {
        self.neighbours(|edge| (edge.from, edge.to))
    }

    fn neighbours(&self, ends: impl Fn(&Edge) -> (usize, usize)) -> Vec<Vec<usize>> {
        let mut found = vec![Vec::new(); self.nodes.len()];
        self.edges.iter().map(ends).for_each(|(at, other)| found[at].push(other));
        found
    }
}
