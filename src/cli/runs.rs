//! `mlx runs`: the runs of the project, the newest first.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::num::NonZeroUsize;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::output::{Style, duration, minute, number};
use super::show_run::ShowRun;
use super::{Context, Render, Table, Text};
use crate::Result;
use crate::fs::escape;
use crate::run::{Filter, Status, Summary};

/// More columns of metrics, and of parameters, than these make a table hard to read.
const COLUMN_LIMIT: usize = 4;

/// List the runs
///
/// Shows the newest first, with the metrics and the parameters in which they differ.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  mlx runs\n  mlx runs --status failed\n  mlx runs --limit 100 --json | jq '.runs[].metrics'"
)]
pub struct Runs {
    #[command(subcommand)]
    command: Option<RunsCommand>,
    /// List at most so many
    #[arg(long, value_name = "NUMBER", default_value = "20")]
    limit: NonZeroUsize,
    /// List only those that ended, or go on, this way
    #[arg(long, value_name = "STATUS")]
    status: Option<StatusName>,
}

#[derive(Subcommand)]
enum RunsCommand {
    Show(ShowRun),
}

#[derive(Clone, Copy, ValueEnum)]
enum StatusName {
    Running,
    Finished,
    Failed,
    Interrupted,
}

impl From<StatusName> for Status {
    fn from(name: StatusName) -> Self {
        match name {
            StatusName::Running => Self::Running,
            StatusName::Finished => Self::Finished,
            StatusName::Failed => Self::Failed,
            StatusName::Interrupted => Self::Interrupted,
        }
    }
}

impl Runs {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        if let Some(RunsCommand::Show(command)) = self.command {
            return command.run(cx);
        }
        let limit = self.limit.get();
        let (_, runs) = cx.runs()?;
        // One more than is shown, to know whether there are more.
        let filter = Filter { status: self.status.map(Into::into), limit: Some(limit.saturating_add(1)) };
        let mut listed = runs.list(&filter)?;
        let more = listed.len() > limit;
        listed.truncate(limit);
        let is_empty = listed.is_empty();
        cx.out.show(&Listed { runs: listed, more })?;
        match self.status {
            None if is_empty && !more => cx.out.hint("There are no runs yet; `mlx train` makes the first one"),
            _ if more => cx.out.hint(format!("There are older ones: `mlx runs --limit {}`", limit.saturating_mul(5))),
            _ => {}
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Listed {
    runs: Vec<Summary>,
    /// Whether there are older ones beyond the limit.
    more: bool,
}

impl Render for Listed {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        if self.runs.is_empty() {
            return writeln!(out, "no runs");
        }
        let (mut metrics, equal) = by_variation(&self.runs, |run| &run.metrics);
        let (mut params, _) = by_variation(&self.runs, |run| &run.params);
        // Metrics are worth seeing even where they are the same everywhere; parameters are not.
        metrics.extend(equal);
        metrics.truncate(COLUMN_LIMIT);
        params.truncate(COLUMN_LIMIT);
        let fixed = ["id", "started (UTC)", "status", "duration", "steps"].map(str::to_owned);
        let named = metrics.iter().chain(&params).map(|name| escape(name.as_bytes()));
        let right = [3].into_iter().chain(fixed.len()..fixed.len() + metrics.len() + params.len()).collect();
        let mut table = Table::with_columns(fixed.into_iter().chain(named).collect(), right);
        for run in &self.runs {
            let mut cells = vec![
                run.id.to_string(),
                minute(run.started),
                word(run.status).to_owned(),
                run.seconds.map_or("-".into(), duration),
                steps(run),
            ];
            let absent = || "-".to_owned();
            cells.extend(metrics.iter().map(|name| run.metrics.get(*name).copied().map_or_else(absent, number)));
            cells.extend(params.iter().map(|name| run.params.get(*name).map_or_else(absent, value)));
            table.push(cells);
        }
        table.render(out)
    }
}

/// The names in whose values the runs differ, and the names in which they do not.
fn by_variation<'r, T: PartialEq + 'r>(
    runs: &'r [Summary],
    values: impl Fn(&'r Summary) -> &'r BTreeMap<String, T>,
) -> (Vec<&'r String>, Vec<&'r String>) {
    let all: BTreeSet<&String> = runs.iter().flat_map(|run| values(run).keys()).collect();
    let varies =
        |name: &&String| runs.windows(2).any(|pair| values(&pair[0]).get(*name) != values(&pair[1]).get(*name));
    all.into_iter().partition(varies)
}

fn steps(run: &Summary) -> String {
    let mut parts = vec![format!("{} run", run.ran)];
    parts.extend((run.cached > 0).then(|| format!("{} cached", run.cached)));
    parts.extend((run.failed > 0).then(|| format!("{} failed or skipped", run.failed)));
    parts.join(", ")
}

/// A parameter's value on one line.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text.as_bytes()),
        other => escape(other.to_string().as_bytes()),
    }
}

pub(super) fn word(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Finished => "finished",
        Status::Failed => "failed",
        Status::Interrupted => "interrupted",
    }
}

pub(super) fn style(status: Status) -> Style {
    match status {
        Status::Running => Style::Bold,
        Status::Finished => Style::Good,
        Status::Failed => Style::Bad,
        Status::Interrupted => Style::Notice,
    }
}
