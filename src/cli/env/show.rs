//! `mlx env show`: what a step runs in.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::word;
use crate::Result;
use crate::cli::output::{Style, count};
use crate::cli::{Context, Render, Text};
use crate::env::{Declared, Environment};
use crate::fs::{escape, quote};

/// Show what a step runs in
///
/// Says what the environment is made from, the digest that is part of the step's key, the interpreter, the packages and
/// where it lies. Makes nothing.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx env show\n  mlx env show train\n  mlx env show train --json | jq -r .packages[]"
)]
pub struct ShowEnvironment {
    /// Step in question, or the name of an environment; that of steps that name none where nothing is said
    step: Option<String>,
}

impl ShowEnvironment {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let name = project.manifest.meant_environment(self.step.as_deref())?.0.to_owned();
        let declared = Declared::of(&project, &name, &cx.cache_directory_for(&project), &cx.interpreters(), None)?;
        let shown = Shown {
            name,
            what: declared.what(),
            is_ready: declared.is_ready(),
            lock_file: declared.lock_file(),
            directory: declared.directory().map(quote),
            packages: declared.packages().lines().map(str::to_owned).collect(),
            environment: declared.record(),
        };
        cx.out.show(&shown)?;
        if !shown.is_ready {
            let named = self.step.as_ref().map_or(String::new(), |name| format!(" {name}"));
            cx.out.hint(format!("It is not made yet: `mlx env shell{named}` and `mlx train` make it"));
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Shown {
    name: String,
    what: String,
    is_ready: bool,
    /// The lock file that decides what it holds.
    lock_file: Option<String>,
    directory: Option<String>,
    /// As `name==version`.
    packages: Vec<String>,
    environment: Environment,
}

impl Render for Shown {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Environment { digest, python, python_version, kind, image, .. } = &self.environment;
        writeln!(out, "environment {}", out.styled(Style::Bold, &self.name))?;
        let mut facts = vec![("made from", escape(self.what.as_bytes()))];
        if kind.is_some() {
            facts.push(("kind", word(*kind).to_owned()));
        }
        facts.extend(digest.map(|digest| ("digest", digest.to_string())));
        facts.extend(image.as_ref().map(|image| ("image", escape(image.as_bytes()))));
        facts.extend(python_version.as_ref().map(|version| {
            let path = python.as_ref().map_or(String::new(), |path| format!(" ({path})"));
            ("python", format!("{version}{path}"))
        }));
        if kind.is_some() {
            let pinned = self.lock_file.as_ref().map_or("none".to_owned(), Clone::clone);
            facts.push(("lock file", pinned));
        }
        facts.extend(self.directory.as_ref().map(|directory| ("lies in", directory.clone())));
        facts.push(("state", if self.is_ready { "ready" } else { "not made yet" }.to_owned()));
        facts.iter().try_for_each(|(name, fact)| writeln!(out, "  {name:<10} {fact}"))?;
        if self.packages.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{}", out.styled(Style::Bold, count(self.packages.len() as u64, "package")))?;
        self.packages.iter().try_for_each(|package| writeln!(out, "  {package}"))
    }
}
