//! `mlx sweep apply`: the parameters of a trial become the project's.

use std::io::{self, Write};

use clap::Args;

use crate::Result;
use crate::cli::runs::value;
use crate::cli::{Context, Render, Table, Text};
use crate::fs::escape;
use crate::sweep::{self, apply::Applied};

/// Write the parameters of a trial to mlx.toml, or to the files that hold them
///
/// Only these values change; comments and layout stay.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx sweep apply\n  mlx sweep apply size best --dry-run\n  mlx sweep apply size 12\n  mlx sweep apply 12"
)]
pub struct ApplySweep {
    /// Sweep in question; the only one where there is one
    name: Option<String>,
    /// Number of the trial, or `best` [default: best]
    trial: Option<String>,
    /// Show what would be written, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl ApplySweep {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let (name, trial) = match (self.name, self.trial) {
            // A trial of the only sweep.
            (Some(word), None) if is_trial(&word) && sweep::find(&project, Some(&word)).is_err() => (None, Some(word)),
            words => words,
        };
        let name = sweep::find(&project, name.as_deref())?;
        let results = sweep::results(&project, &name, None, None)?;
        let trial = results.trial(trial.as_deref().unwrap_or("best"))?;
        let applied = sweep::apply::apply(&project, &name, trial, self.dry_run)?;
        let is_changed = !applied.changes.is_empty();
        cx.out.show(&applied)?;
        if is_changed && !self.dry_run {
            cx.out.hint("Bring the outputs in line: `mlx train`; what the trial made is restored");
        }
        Ok(())
    }
}

fn is_trial(word: &str) -> bool {
    word == "best" || word.bytes().all(|byte| byte.is_ascii_digit())
}

impl Render for Applied {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        if self.changes.is_empty() {
            return writeln!(out, "the parameters are those of trial {} already", self.trial);
        }
        let mut table = Table::new(["parameter", "before", "after", "file"]).right([1, 2]);
        for change in &self.changes {
            let (before, after) = (value(&change.before), value(&change.after));
            table.row([escape(change.name.as_bytes()), before, after, change.file.clone()]);
        }
        table.render(out)
    }
}
