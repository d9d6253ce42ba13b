//! `mlx env lock`: write down which versions an environment holds.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::cli::output::count;
use crate::cli::{Context, Render, Text};
use crate::env::{self, Kind, Pinned};
use crate::fs::escape;
use crate::{Error, Result};

/// Write down which versions the environments hold
///
/// Resolves the requirements and writes every package with its version and hashes to a lock file beside them, in the form
/// that pip and uv install (for conda, its explicit list). From then on that file decides the environment and its digest.
/// Versions that are in it stay where they fit. Keep it in Git.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx env lock\n  mlx env lock --update\n  mlx env lock report")]
pub struct LockEnvironments {
    /// Environments to lock; all that are declared where none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Take the newest versions that fit, instead of those in the lock file
    #[arg(long)]
    update: bool,
}

impl LockEnvironments {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        cx.catch_signals()?;
        let all = || project.manifest.environments.keys().cloned().collect();
        let names: Vec<String> = if self.names.is_empty() { all() } else { self.names };
        if names.is_empty() {
            return Err(Error::usage("the project declares no environment")
                .with_hint("declare one in mlx.toml: [env] python = { requirements = \"requirements.txt\" }"));
        }
        let (cache, host) = (cx.cache_directory_for(&project), cx.interpreters());
        let pin = |name: &String| env::pin(&project, name, &cache, &host, self.update, cx.watch());
        let locked = Locked(names.iter().map(pin).collect::<Result<_>>()?);
        cx.out.show(&locked)?;
        if locked.0.iter().any(|pinned| pinned.changed) {
            cx.out.hint("Keep it in Git. The steps that run in it run again: `mlx train`");
        }
        Ok(())
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Locked(Vec<Pinned>);

impl Render for Locked {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        for Pinned { name, kind, lock, changed, packages, versions, not_pinned } in &self.0 {
            let lock = escape(lock.as_bytes());
            match (kind, changed) {
                (Kind::Container, _) => writeln!(out, "Pin `{name}` in mlx.toml: image = \"{lock}\"")?,
                (_, true) => writeln!(out, "Wrote `{lock}` for `{name}`: {}", count(*packages, "package"))?,
                (_, false) => writeln!(out, "`{lock}` is up to date: {}", count(*packages, "package"))?,
            }
            for change in versions {
                let what = match (&change.before, &change.now) {
                    (Some(before), Some(now)) => format!("{before} -> {now}"),
                    (None, Some(now)) => format!("added {now}"),
                    (Some(before), None) => format!("removed, was {before}"),
                    (None, None) => continue,
                };
                writeln!(out, "  {}  {what}", change.package)?;
            }
            for line in not_pinned {
                writeln!(out, "  not pinned: {}", escape(line.as_bytes()))?;
            }
        }
        Ok(())
    }
}
