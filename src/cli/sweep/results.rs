//! The trials of a sweep as a table, with the line of the best so far.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::chart::sparkline;
use crate::Result;
use crate::cli::output::{Style, count, duration, number};
use crate::cli::runs::value;
use crate::cli::{Context, Render, Table, Text};
use crate::fs::{escape, quote, write_atomic};
use crate::project::manifest::Goal;
use crate::sweep::{Results, TrialResult, TrialState, better, plot};

/// More trials than these are shown when they are asked for.
pub const SHOWN_TRIALS: usize = 20;
/// A line of the best so far has at most so many bars.
const BARS: usize = 60;

/// Results as a command shows them; their JSON is all of them.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Shown {
    results: Results,
    #[serde(skip)]
    limit: usize,
}

impl Shown {
    pub fn new(results: Results, limit: usize) -> Self {
        Self { results, limit }
    }

    /// The best value after each trial that came to a good end, in the order of the numbers.
    fn best_so_far(&self) -> Vec<f64> {
        let results = &self.results;
        let finished = results.trials.iter().filter(|trial| trial.state == TrialState::Finished);
        let mut best: Option<f64> = None;
        let mut line = Vec::new();
        for value in finished.filter_map(|trial| trial.value) {
            let is_better = |best: f64| if results.goal == Goal::Max { value > best } else { value < best };
            best = best.filter(|best| !is_better(*best)).or(Some(value));
            line.extend(best);
        }
        line
    }

    fn table(&self, trials: &[&TrialResult], out: &Text<'_>) -> Table {
        let results = &self.results;
        let names: Vec<&String> = results.varied().map(|(name, _)| name).collect();
        let mut heading: Vec<String> = vec!["trial".into(), "state".into()];
        heading.extend(results.metric.iter().map(|metric| escape(metric.as_bytes())));
        heading.extend(names.iter().map(|name| escape(name.as_bytes())));
        heading.extend(["duration".to_owned(), "run".to_owned()]);
        let right = std::iter::once(0).chain(2..heading.len() - 1).collect();
        let mut table = Table::with_columns(heading, right);
        for trial in trials {
            let mut cells = vec![trial.number.to_string(), trial.state.word().to_owned()];
            if results.metric.is_some() {
                cells.push(trial.value.map_or("-".into(), number));
            }
            cells.extend(names.iter().map(|name| trial.params.get(*name).map_or("-".into(), value)));
            cells.push(trial.seconds.map_or("-".into(), duration));
            cells.push(trial.run.to_string());
            if results.best == Some(trial.number) {
                cells[1] = out.styled(Style::Good, "best");
            }
            table.push(cells);
        }
        table
    }
}

impl Render for Shown {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let results = &self.results;
        let ranked = results.ranked();
        let shown = &ranked[..ranked.len().min(self.limit)];
        if !shown.is_empty() {
            self.table(shown, out).render(out)?;
        }
        if ranked.len() > shown.len() {
            let more = ranked.len() - shown.len();
            let line = format!("and {more} more: `mlx sweep show {} --limit {}`", results.sweep, ranked.len());
            let line = out.styled(Style::Dim, line);
            writeln!(out, "{line}")?;
        }
        let line = self.best_so_far();
        if let (Some(metric), Some(first), Some(last)) = (&results.metric, line.first(), line.last()) {
            let (metric, bars) = (escape(metric.as_bytes()), sparkline(&line, BARS));
            writeln!(
                out,
                "\nbest {metric} so far ({}): {} {bars} {}",
                better(results.goal),
                number(*first),
                number(*last)
            )?;
        }
        writeln!(out, "\n{}", summary(results))
    }
}

/// `20 trials of 30: 18 finished, 1 failed, 1 open`.
fn summary(results: &Results) -> String {
    let states = [TrialState::Finished, TrialState::Stopped, TrialState::Failed, TrialState::Open];
    let number = |state| results.trials.iter().filter(|trial| trial.state == state).count();
    let parts: Vec<String> = states
        .into_iter()
        .filter(|state| number(*state) > 0)
        .map(|state| format!("{} {}", number(state), state.word()))
        .collect();
    let begun = results.trials.len() as u64;
    let of = if begun < results.planned { format!(" of {}", results.planned) } else { String::new() };
    let now = if results.is_running { "; it goes on" } else { "" };
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    format!("sweep {}: {}{of}{parts}{now}", results.sweep, count(begun, "trial"))
}

/// What to do with results.
pub fn next(results: &Results) -> String {
    let name = &results.sweep;
    match results.best {
        _ if !results.is_complete && results.is_running => format!("How far it is: `mlx sweep show {name}`"),
        _ if !results.is_complete => format!("Go on: `mlx sweep {name} --resume`"),
        Some(best) => {
            format!("The best is trial {best}. Write its parameters to the project: `mlx sweep apply {name}`")
        }
        None => format!("Write the parameters of a trial to the project: `mlx sweep apply {name} TRIAL`"),
    }
}

/// Writes the plot of the trials to a file.
pub fn write_svg(cx: &Context, results: &Results, file: &Path) -> Result<()> {
    let scratch = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    write_atomic(file, plot::parallel_coordinates(results).as_bytes(), scratch)?;
    cx.events.note(format!("The plot is in `{}`", quote(file)));
    Ok(())
}
