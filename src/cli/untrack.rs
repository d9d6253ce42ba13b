//! `mlx untrack`: stop versioning files and directories.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, Untracked};

/// Stop versioning files and directories; they stay where they are
///
/// Takes their blocks out of `mlx.lock`, their lines out of `.gitignore` and their entries out of `[data]` in `mlx.toml`. The
/// store keeps the versions that commits name. Of a directory that holds tracked paths, all of these are untracked.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx untrack data/old.csv\n  mlx untrack data/images && mlx add data/images/cats data/images/dogs"
)]
pub struct Untrack {
    /// Files or directories
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Untrack {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let paths = cx.paths(&project, &self.paths)?;
        let untracked = data::untrack(&project, &paths)?;
        cx.out.show(&Report { untracked })?;
        cx.out.hint(
            "Git sees them now: move them away or ignore them before `git add`, then commit mlx.lock and .gitignore",
        );
        Ok(())
    }
}

#[derive(Serialize)]
struct Report {
    untracked: Vec<Untracked>,
}

impl Render for Report {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        self.untracked.iter().try_for_each(|Untracked { path, manifest_entry, .. }| {
            let entry = manifest_entry.as_ref().map_or(String::new(), |name| format!(", and `{name}` left [data]"));
            writeln!(out, "Untracked `{path}`{entry}")
        })
    }
}
