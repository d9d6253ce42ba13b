//! `mlx runs`: the runs of the project, and what can be done with them.

mod export;
mod label;
mod list;
mod remove;
mod restore;
mod show;
pub(in crate::cli) mod sparkline;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Context;
use super::output::Style;
use crate::Result;
use crate::fs::escape;
use crate::run::{Outcome, Status, Tally};

/// List the runs, and do things with them
///
/// Without a subcommand, lists the newest first, with the metrics and the parameters in which they differ. Wherever a run is
/// taken, it is named by its name, its id, a unique beginning of that, or `latest`.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  mlx runs\n  mlx runs --status failed\n  mlx runs --tag baseline --sort auc\n  mlx runs --limit 100 --json | jq '.runs[].metrics'"
)]
pub struct Runs {
    #[command(subcommand)]
    command: Option<RunsCommand>,
    #[command(flatten)]
    list: list::List,
}

#[derive(Subcommand)]
enum RunsCommand {
    List(list::List),
    Show(show::ShowRun),
    Name(label::Name),
    Tag(label::Tag),
    Note(label::Note),
    Restore(restore::Restore),
    Export(export::Export),
    Rm(remove::Remove),
}

impl Runs {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        match self.command {
            None => self.list.run(cx),
            Some(RunsCommand::List(command)) => command.run(cx),
            Some(RunsCommand::Show(command)) => command.run(cx),
            Some(RunsCommand::Name(command)) => command.run(cx),
            Some(RunsCommand::Tag(command)) => command.run(cx),
            Some(RunsCommand::Note(command)) => command.run(cx),
            Some(RunsCommand::Restore(command)) => command.run(cx),
            Some(RunsCommand::Export(command)) => command.run(cx),
            Some(RunsCommand::Rm(command)) => command.run(cx),
        }
    }
}

/// A parameter's value on one line.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text.as_bytes()),
        other => escape(other.to_string().as_bytes()),
    }
}

/// What became of the steps of a run: `2 run, 1 restored, 3 up to date`.
pub(super) fn tally(tally: &Tally) -> String {
    let Tally { ran, restored, up_to_date, failed, interrupted, skipped } = *tally;
    let others = [
        (restored, Outcome::Restored),
        (failed, Outcome::Failed),
        (interrupted, Outcome::Interrupted),
        (skipped, Outcome::Skipped),
        (up_to_date, Outcome::UpToDate),
    ];
    let mut text = format!("{ran} run");
    for (count, outcome) in others.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {}", outcome.words()));
    }
    text
}

fn style(status: Status) -> Style {
    match status {
        Status::Running => Style::Bold,
        Status::Finished => Style::Good,
        Status::Failed => Style::Bad,
        Status::Interrupted => Style::Notice,
    }
}
