//! `mlx runs list`: the runs as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::super::output::{duration, minute, number};
use super::super::{Context, Render, Table, Text};
use super::{tally, value};
use crate::Result;
use crate::fs::escape;
use crate::run::{Filter, Sort, SortBy, Status, Summary};

/// More columns of metrics, and of parameters, than these make a table hard to read.
const COLUMN_LIMIT: usize = 4;

/// List the runs
///
/// Shows the newest first, with the metrics and the parameters in which they differ.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx runs list --tag baseline\n  mlx runs list --sort loss --ascending --limit 5\n  mlx runs list --json | jq '.runs[].metrics'"
)]
pub struct List {
    /// List at most so many
    #[arg(long, value_name = "NUMBER", default_value = "20")]
    limit: NonZeroUsize,
    /// List only those that ended, or go on, this way
    #[arg(long, value_name = "STATUS")]
    status: Option<StatusName>,
    /// List only those with this tag; more than once for all of several
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Put them in order by a metric, a parameter that is a number, `duration` or `started`, the highest first
    #[arg(long, value_name = "METRIC")]
    sort: Option<String>,
    /// The lowest first
    #[arg(long, requires = "sort")]
    ascending: bool,
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

impl List {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let limit = self.limit.get();
        let (_, runs) = cx.runs()?;
        let sorted_by = self.sort.clone();
        let sort = self.sort.map(|by| Sort { by: SortBy::of(by), ascending: self.ascending });
        let is_filtered = self.status.is_some() || !self.tags.is_empty();
        let is_sorted = sort.is_some();
        // One more than is shown, to know whether there are more.
        let filter =
            Filter { status: self.status.map(Into::into), tags: self.tags, sort, limit: Some(limit.saturating_add(1)) };
        let mut listed = runs.list(&filter)?;
        let more = listed.len() > limit;
        listed.truncate(limit);
        let is_empty = listed.is_empty();
        cx.out.show(&Listed { runs: listed, more, sorted_by })?;
        if is_empty && !is_filtered {
            cx.out.hint("There are no runs yet; `mlx train` makes the first one");
        } else if is_empty {
            cx.out.hint("No run is like that; `mlx runs` lists all");
        } else if more {
            let which = if is_sorted { "more" } else { "older ones" };
            cx.out.hint(format!("There are {which}: `--limit {}` shows them", limit.saturating_mul(5)));
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Listed {
    runs: Vec<Summary>,
    /// Whether there are others beyond the limit.
    more: bool,
    /// Comes first among the columns.
    #[serde(skip)]
    sorted_by: Option<String>,
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
        for names in [&mut metrics, &mut params] {
            names.sort_by_key(|name| self.sorted_by.as_ref() != Some(*name));
            names.truncate(COLUMN_LIMIT);
        }
        let has_labels = |of: fn(&Summary) -> bool| self.runs.iter().any(of);
        let (names, tags) = (has_labels(|run| run.label.name.is_some()), has_labels(|run| !run.label.tags.is_empty()));
        let mut columns = vec!["id".to_owned()];
        columns.extend(names.then(|| "name".to_owned()));
        columns.extend(["started (UTC)", "status", "duration", "steps"].map(str::to_owned));
        let time = columns.len() - 2;
        let first = columns.len();
        columns.extend(metrics.iter().chain(&params).map(|name| escape(name.as_bytes())));
        let right = [time].into_iter().chain(first..columns.len()).collect();
        columns.extend(tags.then(|| "tags".to_owned()));
        let mut table = Table::with_columns(columns, right);
        for run in &self.runs {
            let absent = || "-".to_owned();
            let mut cells = vec![run.id.to_string()];
            cells.extend(names.then(|| run.label.name.clone().unwrap_or_else(absent)));
            cells.extend([
                minute(run.started),
                run.status.word().to_owned(),
                run.seconds.map_or("-".into(), duration),
                run.steps.as_ref().map_or_else(absent, tally),
            ]);
            cells.extend(metrics.iter().map(|name| run.metrics.get(*name).copied().map_or_else(absent, number)));
            cells.extend(params.iter().map(|name| run.params.get(*name).map_or_else(absent, value)));
            cells.extend(tags.then(|| run.label.tags.iter().cloned().collect::<Vec<_>>().join(", ")));
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
