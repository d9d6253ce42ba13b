//! `mlx add`: version files and directories.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::output::{count, size};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, Added, Workspace};

/// Version files and directories
///
/// Stores their content, writes their digests to `mlx.lock` and keeps them out of Git through `.gitignore`. Run it again
/// after a change; only what changed is read. Of a path inside a tracked directory, that part alone is looked at.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx add data/raw.csv\n  mlx add data/images data/labels.csv")]
pub struct Add {
    /// Files or directories
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Add {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let paths = cx.paths(&project, &self.paths)?;
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        let added = data::add(&project, &workspace, &paths, cx.watch())?;
        let is_new = added.iter().any(|added| added.changed);
        cx.out.show(&Report { added })?;
        if is_new {
            cx.out.hint("Keep the versions in Git: `git add mlx.lock .gitignore && git commit`");
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Report {
    added: Vec<Added>,
}

impl Render for Report {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        self.added.iter().try_for_each(|Added { path, object, previous, changed }| {
            let verb = match (previous, changed) {
                (None, _) => "Added",
                (Some(_), true) => "Updated",
                (Some(_), false) => "Unchanged",
            };
            let content = match object.is_directory() {
                true => format!("{}, {}", count(object.files, "file"), size(object.size)),
                false => size(object.size),
            };
            writeln!(out, "{verb} `{path}` ({content}) {}", object.digest.short())
        })
    }
}
