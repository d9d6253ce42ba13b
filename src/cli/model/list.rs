//! `mlx model list`: the versions of the registered models.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::super::output::{minute, number};
use super::super::{Context, Render, Table, Text};
use crate::Result;
use crate::fs::escape;
use crate::registry::{Reference, Registry, Version, Which};
use crate::store::Store;

/// More columns of metrics than these make a table hard to read.
const COLUMN_LIMIT: usize = 4;

/// List the versions of models
///
/// Shows the newest version of each model first, with the aliases it holds and its metrics.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx model list\n  mlx model list churn\n  mlx model list --json | jq '.versions[].aliases'"
)]
pub struct List {
    /// Model in question; all of them where none is named
    name: Option<String>,
}

impl List {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let registry = Registry::open(&Store::of(&project)?);
        let models = match self.name {
            // A model without versions is an error with a hint, as everywhere.
            Some(name) => {
                let reference = Reference { model: name, which: Which::Newest };
                registry.find(&reference)?;
                vec![reference.model]
            }
            None => registry.models()?,
        };
        let mut listed = Listed { versions: Vec::new(), gated: BTreeSet::new() };
        for model in &models {
            let aliases = registry.aliases(model)?;
            let manifest = project.manifest.models.get(model);
            listed.gated.extend(manifest.into_iter().flat_map(|model| model.gates.keys().cloned()));
            for version in registry.versions(model)?.into_iter().rev() {
                let holds = aliases.iter().filter(|(_, promotion)| promotion.to == version.version);
                let aliases = holds.map(|(alias, _)| alias.clone()).collect();
                listed.versions.push(Row { aliases, version });
            }
        }
        let is_empty = listed.versions.is_empty();
        cx.out.show(&listed)?;
        if is_empty {
            cx.out.hint("No model is registered yet; `mlx model register NAME` makes the first version");
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Listed {
    versions: Vec<Row>,
    /// Metrics with a gate come first in the table.
    #[serde(skip)]
    gated: BTreeSet<String>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    version: Version,
    aliases: Vec<String>,
}

impl Listed {
    /// The metrics that the table has room for: those with a gate, then those that most versions have.
    fn columns(&self) -> Vec<&String> {
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        self.versions
            .iter()
            .flat_map(|row| row.version.metrics.keys())
            .for_each(|name| *counts.entry(name).or_default() += 1);
        let mut names: Vec<&String> = counts.keys().copied().collect();
        names.sort_by_key(|name| (!self.gated.contains(*name), std::cmp::Reverse(counts[*name])));
        names.truncate(COLUMN_LIMIT);
        names
    }
}

impl Render for Listed {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        if self.versions.is_empty() {
            return writeln!(out, "no models");
        }
        let metrics = self.columns();
        let fixed = ["model", "version", "aliases"].map(str::to_owned);
        let right = [1].into_iter().chain(fixed.len()..fixed.len() + metrics.len()).collect();
        let named = metrics.iter().map(|name| escape(name.as_bytes()));
        let last = ["run", "created (UTC)"].map(str::to_owned);
        let mut table = Table::with_columns(fixed.into_iter().chain(named).chain(last).collect(), right);
        for Row { version, aliases } in &self.versions {
            let aliases = if aliases.is_empty() { "-".into() } else { aliases.join(", ") };
            let mut cells = vec![version.model.clone(), version.version.to_string(), aliases];
            cells.extend(
                metrics.iter().map(|name| version.metrics.get(*name).map_or("-".into(), |value| number(*value))),
            );
            cells.push(version.run.as_ref().map_or("-".into(), ToString::to_string));
            cells.push(minute(version.created));
            table.push(cells);
        }
        table.render(out)
    }
}
