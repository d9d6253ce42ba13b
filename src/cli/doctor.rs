//! `mlx doctor`: what is found on this machine, and what to do about what is missing.

use std::io::{self, Write};

use clap::Args;

use super::output::Style;
use super::{Context, Render, Text};
use crate::doctor::{self, Check, Place, Report, Verdict};
use crate::project::Project;
use crate::{Error, Result};

/// Look at this machine and this project
///
/// Says what mlx finds (Git, Python, uv, ssh, the environment, the store, the file system, remotes, targets, executors) and
/// what to do about what is missing. Leaves everything as it is. The exit code is 4 when something is missing that the
/// project needs.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx doctor\n  mlx doctor --json | jq '.checks[] | select(.verdict != \"good\")'")]
pub struct Doctor {}

impl Doctor {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = Project::root_around(&cx.directory).map(|root| Project::open_with(&root, cx.variables()));
        let report = doctor::examine(&Place {
            project: project.as_ref(),
            cache: &match &project {
                Some(Ok(project)) => cx.cache_directory_for(project),
                _ => cx.cache_directory()?,
            },
            interpreters: &cx.interpreters(),
            access: cx.access(),
            variable: cx.outside().variable,
            variable_names: &std::env::vars_os().map(|(name, _)| name).collect::<Vec<_>>(),
            events: &*cx.events,
        });
        cx.out.show(&report)?;
        match report.missing() {
            0 => Ok(()),
            1 => Err(Error::check("one thing that is needed is missing")),
            several => Err(Error::check(format!("{several} things that are needed are missing"))),
        }
    }
}

impl Render for Report {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for Check { name, verdict, found, remedy } in &self.checks {
            let (style, word) = match verdict {
                Verdict::Good => (Style::Good, "ok"),
                Verdict::Notice => (Style::Notice, "note"),
                Verdict::Missing => (Style::Bad, "missing"),
            };
            let label = out.styled(style, format!("{word:<7}"));
            let found = found.replace('\n', &format!("\n{:1$}", "", width + 11));
            writeln!(out, "{label}  {name:<width$}  {found}")?;
            if let Some(remedy) = remedy {
                let remedy = out.styled(Style::Dim, format!("-> {remedy}"));
                writeln!(out, "{:1$}{remedy}", "", width + 11)?;
            }
        }
        Ok(())
    }
}
