//! `mlx verify`: is everything here, and is it what its name says?

use std::io::{self, Write};

use clap::Args;

use super::output::{Style, count};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, Problem, Verified, Workspace};

/// Check every object that the project needs
///
/// Reads all that `mlx.lock`, other commits, runs and models name, and says what is missing or damaged and what that
/// breaks. Damaged objects are put aside, never deleted. Exit code 4 when something is wrong.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx verify\n  mlx verify --json | jq '.problems[].breaks'")]
pub struct Verify {}

impl Verify {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        let verified = data::verify(&project, &workspace, cx.watch())?;
        cx.out.show(&verified)?;
        verified.verdict()
    }
}

impl Render for Verified {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        for Problem { digest, what, breaks, quarantined } in &self.problems {
            let subject = digest.map_or_else(String::new, |digest| format!("object {digest} "));
            let line = out.styled(Style::Bad, format!("{subject}{what}"));
            writeln!(out, "{line}")?;
            match (digest, breaks.as_slice()) {
                (None, _) => {}
                (Some(_), []) => writeln!(out, "  nothing names it now")?,
                (Some(_), breaks) => writeln!(out, "  breaks {}", breaks.join(", "))?,
            }
            quarantined.iter().try_for_each(|path| writeln!(out, "  put aside as {path}"))?;
        }
        if self.problems.is_empty() {
            let line = out.styled(Style::Good, format!("Sound: {} checked", count(self.objects, "object")));
            writeln!(out, "{line}")?;
        }
        if self.elsewhere > 0 {
            writeln!(out, "Not here, and named by other commits only: {}", count(self.elsewhere, "object"))?;
        }
        Ok(())
    }
}
