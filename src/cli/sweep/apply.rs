//! `mlx sweep apply`: the parameters of a trial become the project's.

use std::io::{self, Write};

use clap::Args;

use crate::cli::runs::value;
use crate::cli::train::options_to_ask;
use crate::cli::{Context, Render, Table, Text};
use crate::fs::escape;
use crate::pipeline::{Action, Plan, PlannedStep, Scope};
use crate::sweep::{self, apply::Applied};
use crate::{Result, pipeline};

/// More steps than these that have to run are only counted.
const SHOWN_STEPS: usize = 3;

/// Write the parameters of a trial to mlx.toml, or to the files that hold them
///
/// Only these values change; comments and layout stay.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx sweep apply\n  mlx sweep apply size best --dry-run\n  mlx sweep apply size 12\n  mlx sweep apply 12"
)]
pub struct ApplySweep {
    /// Sweep in question; the only one that was begun where none is named
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
        cx.out.show(&applied)?;
        if !self.dry_run {
            let settings = applied.changes.iter().map(|change| format!("{}={}", change.name, change.after)).collect();
            let options = options_to_ask(cx, &project, Vec::new(), Scope::default(), settings);
            let plan = pipeline::plan(&project, &options, cx.watch());
            next(plan.as_ref().ok()).into_iter().for_each(|next| cx.out.hint(next));
        }
        Ok(())
    }
}

/// What brings the outputs in line, and what it does: files may have changed since the sweep began. Where the plan can't be
/// made, `mlx train` says why.
fn next(plan: Option<&Plan>) -> Option<String> {
    let Some(plan) = plan else { return Some("Bring the outputs in line: `mlx train`".to_owned()) };
    let with = |actions: &[Action]| plan.steps.iter().filter(|step| actions.contains(&step.action)).collect::<Vec<_>>();
    let runs = with(&[Action::Run, Action::Depends]);
    if runs.is_empty() {
        let is_idle = with(&[Action::Restore, Action::Take]).is_empty();
        return (!is_idle)
            .then(|| "Bring the outputs in line: `mlx train`; what the trial made is restored".to_owned());
    }
    let step = |step: &&PlannedStep| format!("`{}` ({})", step.name, step.reason);
    let mut steps: Vec<String> = runs.iter().take(SHOWN_STEPS).map(step).collect();
    if runs.len() > SHOWN_STEPS {
        steps.push(format!("{} more", runs.len() - SHOWN_STEPS));
    }
    Some(format!("Bring the outputs in line: `mlx train`, which has to run {}", steps.join(" and ")))
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
