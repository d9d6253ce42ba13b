//! `mlx model list`: the versions of the registered models.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::super::output::{count, minute, number};
use super::super::{Context, Render, Table, Text};
use crate::Result;
use crate::fs::escape;
use crate::registry::{Reference, Said, State, Version, Which};
use crate::store::Store;

/// More columns of metrics than these make a table hard to read.
const COLUMN_LIMIT: usize = 4;

/// List the versions of models
///
/// Shows the newest version of each model first, with the aliases it holds and its metrics.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx model list\n  mlx model list churn --all\n  mlx model list --tag good\n  mlx model list --json | jq '.versions[].aliases'"
)]
pub struct List {
    /// Model in question; all of them where none is named
    name: Option<String>,
    /// Versions with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Archived versions, too
    #[arg(long)]
    all: bool,
}

impl List {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let registry = cx.registry(&project, &Store::of(&project)?)?;
        let models = match self.name {
            // A model without versions is an error with a hint, as everywhere.
            Some(name) => {
                let reference = Reference { model: name, which: Which::Newest };
                registry.find(&reference)?;
                vec![reference.model]
            }
            None => registry.models()?,
        };
        let mut listed = Listed { versions: Vec::new(), hidden: 0, gated: BTreeSet::new() };
        for model in &models {
            let state = registry.state(model)?;
            let manifest = project.manifest.models.get(model);
            listed.gated.extend(manifest.into_iter().flat_map(|model| model.gates.keys().cloned()));
            for version in registry.versions(model)?.into_iter().rev() {
                let row = Row::of(version, &state);
                let is_tagged = self.tag.as_ref().is_none_or(|tag| row.said.tags.contains(tag));
                match row.said.archived.is_some() && !self.all {
                    true => listed.hidden += 1,
                    false => listed.versions.extend(is_tagged.then_some(row)),
                }
            }
        }
        let (is_empty, hidden) = (listed.versions.is_empty() && self.tag.is_none(), listed.hidden);
        cx.out.show(&listed)?;
        if hidden > 0 {
            cx.out.hint(format!("{} archived: `mlx model list --all` shows them, too", count(hidden, "version")));
        } else if is_empty {
            cx.out.hint("No model is registered yet; `mlx model register NAME` makes the first version");
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Listed {
    versions: Vec<Row>,
    /// Archived versions that are not shown.
    #[serde(skip)]
    hidden: u64,
    /// Metrics with a gate come first in the table.
    #[serde(skip)]
    gated: BTreeSet<String>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    version: Version,
    aliases: Vec<String>,
    #[serde(flatten)]
    said: Said,
}

impl Row {
    /// A version with what is said of it.
    fn of(mut version: Version, state: &State) -> Self {
        let (aliases, said) = (state.aliases_of(version.version), state.said(version.version));
        if let Some(description) = &said.description {
            version.description.clone_from(description);
        }
        Self { version, aliases, said }
    }
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
        let has_tags = self.versions.iter().any(|row| !row.said.tags.is_empty());
        let fixed = ["model", "version", "aliases", "tags"].map(str::to_owned);
        let fixed = fixed[..if has_tags { 4 } else { 3 }].to_vec();
        let right = [1].into_iter().chain(fixed.len()..fixed.len() + metrics.len()).collect();
        let named = metrics.iter().map(|name| escape(name.as_bytes()));
        let last = ["run", "created (UTC)"].map(str::to_owned);
        let mut table = Table::with_columns(fixed.into_iter().chain(named).chain(last).collect(), right);
        for Row { version, aliases, said } in &self.versions {
            let listed = |names: Vec<&str>| if names.is_empty() { "-".into() } else { names.join(", ") };
            let archived = said.archived.iter().map(|_| "archived");
            let aliases = listed(aliases.iter().map(String::as_str).chain(archived).collect());
            let mut cells = vec![version.model.clone(), version.version.to_string(), aliases];
            if has_tags {
                cells.push(listed(said.tags.iter().map(String::as_str).collect()));
            }
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
