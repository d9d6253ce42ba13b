//! `mlx env list`: the environments in the cache.

use std::io;

use clap::Args;
use serde::Serialize;

use super::word;
use crate::Result;
use crate::cli::output::{minute, size};
use crate::cli::{Context, Render, Table, Text};
use crate::env::{self, Declared, Kept};
use crate::fs::quote;

/// List the environments in the cache, which all projects of the user share
///
/// Says of each which one of this project it is, what it is made from, its size, whether a lock file pins it, which projects
/// used it, when that was, and whether somebody uses it now.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx env list\n  mlx env list --json | jq '.[] | select(.in_use | not) | .directory'"
)]
pub struct List {}

impl List {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let listed = listed(cx)?;
        cx.out.show(&Listed(listed))
    }
}

/// An environment in the cache, with the names that the project here has for it.
#[derive(Serialize)]
pub struct Named {
    pub names: Vec<String>,
    /// Whether the project here used it; without a name, another one has taken its place since.
    pub used_here: bool,
    #[serde(flatten)]
    pub kept: Kept,
}

/// The environments in the cache, from inside a project or from elsewhere.
pub fn listed(cx: &Context) -> Result<Vec<Named>> {
    let project = cx.project().ok();
    let cache = match &project {
        Some(project) => cx.cache_directory_for(project),
        None => cx.cache_directory()?,
    };
    let mut names: Vec<(String, std::path::PathBuf)> = Vec::new();
    for name in project.iter().flat_map(|project| project.manifest.environments.keys()) {
        // One that can't be looked up, for want of its interpreter or file, has no place that could be named.
        let declared = project.as_ref().map(|project| Declared::of(project, name, &cache, &cx.interpreters(), None));
        let directory = declared.and_then(Result::ok).and_then(|declared| Some(declared.directory()?.to_path_buf()));
        names.extend(directory.map(|directory| (name.clone(), directory)));
    }
    let root = project.as_ref().map(|project| quote(project.root()));
    let named = |kept: Kept| {
        let of_this = names.iter().filter(|(_, directory)| *directory == kept.directory);
        let names = of_this.map(|(name, _)| name.clone()).collect();
        let used_here = root.as_ref().is_some_and(|root| kept.projects.contains(root));
        Named { names, used_here, kept }
    };
    Ok(env::kept(&cache)?.into_iter().map(named).collect())
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<Named>);

impl Render for Listed {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        if self.0.is_empty() {
            return io::Write::write_all(out, b"There are no environments yet\n");
        }
        table(&self.0).render(out)
    }
}

/// A row for each of them.
pub fn table(environments: &[Named]) -> Table {
    let mut table =
        Table::new(["name", "digest", "kind", "made from", "size", "pinned", "last used", "state", "projects"])
            .right([4]);
    for Named { names, used_here, kept } in environments {
        let names = match (names.is_empty(), used_here) {
            (false, _) => names.join(", "),
            (true, true) => "(an earlier one)".into(),
            (true, false) => "(not of this project)".into(),
        };
        let state = match (kept.in_use, kept.kind) {
            (true, _) => "in use",
            (false, None) => "left over",
            (false, Some(_)) => "",
        };
        table.row([
            names,
            kept.digest.short(),
            word(kept.kind).into(),
            kept.what.clone(),
            size(kept.bytes),
            if kept.is_pinned { "yes" } else { "no" }.into(),
            kept.last_used.map_or("never".into(), minute),
            state.into(),
            kept.projects.join(", "),
        ]);
    }
    table
}
