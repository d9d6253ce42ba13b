//! Metrics as programs write them: JSON, YAML and TOML with names as deep as they like, and CSV with their history.
//!
//! Numbers are metrics; texts, booleans and empty values are not. A table within a table gives a dotted name
//! (`test.auc`). A list of numbers is a history, and so is each column of a CSV file; the last value is the metric. A
//! number that is not finite can't be compared or recorded: it is left out, with a warning.

mod table;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::MetricPoint;
use crate::fs::quote;
use crate::{Error, Result};

/// A larger file of metrics is refused: it would have to be read and kept with every run.
const SIZE_LIMIT: usize = 64 << 20;
/// More metrics than this are refused.
const METRIC_LIMIT: usize = 10_000;
/// A longer history is thinned evenly.
pub const HISTORY_LIMIT: usize = 2_000;

/// What a file of metrics holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    /// The last value of each metric; all are finite.
    pub last: BTreeMap<String, f64>,
    /// Values on the way, by metric, in the order they came.
    pub history: Vec<MetricPoint>,
    /// What was left out and should be known.
    pub warnings: Vec<String>,
}

/// Reads a file of metrics, in the format its ending says. `path` is for the ending and for messages.
pub fn read(path: &Path, bytes: &[u8]) -> Result<Metrics> {
    let name = quote(path);
    if bytes.len() > SIZE_LIMIT {
        return Err(Error::step(format!("the metrics file `{name}` is larger than 64 MiB"))
            .with_hint("write fewer rows, or make it an output (`outs`) instead"));
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    let read: fn(&str, &str) -> Result<Series> = match ending.as_deref() {
        Some("json") => tree::json,
        Some("yaml" | "yml") => tree::yaml,
        Some("toml") => tree::toml,
        Some("csv") => table::csv,
        Some("tsv") => table::tsv,
        _ => {
            return Err(Error::usage(format!("`{name}` is no file of metrics: its ending does not say what it holds"))
                .with_hint("metrics are .json, .yaml, .toml, .csv or .tsv; anything else is an output (`outs`)"));
        }
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        bad(&name, line, "the text is not UTF-8")
    })?;
    read(&name, text.trim_start_matches('\u{feff}'))?.into_metrics(&name)
}

/// A mistake in the user's file.
fn bad(name: &str, line: usize, what: impl std::fmt::Display) -> Error {
    Error::step(format!("{name}, line {line}: {what}"))
}

/// Metrics and their values as a file gives them.
#[derive(Debug, Default)]
struct Series {
    /// Metric to its values with their steps, in the order of the file.
    values: BTreeMap<String, Vec<(u64, f64)>>,
    /// Metrics whose values are a history and not one number.
    histories: BTreeSet<String>,
    not_finite: BTreeSet<String>,
}

impl Series {
    fn push(&mut self, name: &str, step: u64, value: f64) {
        if !value.is_finite() {
            self.not_finite.insert(name.to_owned());
            return;
        }
        match self.values.get_mut(name) {
            Some(values) => values.push((step, value)),
            None => drop(self.values.insert(name.to_owned(), vec![(step, value)])),
        }
    }

    fn into_metrics(self, name: &str) -> Result<Metrics> {
        if self.values.len() > METRIC_LIMIT {
            let count = self.values.len();
            return Err(Error::step(format!("`{name}` holds {count} metrics; {METRIC_LIMIT} is the most")));
        }
        let mut metrics = Metrics::default();
        for metric in &self.not_finite {
            let metric = crate::fs::escape(metric.as_bytes());
            metrics.warnings.push(format!("{name}: `{metric}` has values that are not finite; they are not recorded"));
        }
        for (metric, values) in self.values {
            metrics.last.extend(values.last().map(|(_, value)| (metric.clone(), *value)));
            if self.histories.contains(&metric) {
                let points = thinned(&values).map(|(step, value)| MetricPoint { metric: metric.clone(), step, value });
                metrics.history.extend(points);
            }
        }
        Ok(metrics)
    }
}

/// At most [`HISTORY_LIMIT`] values, evenly spaced; always the first and the last.
fn thinned(values: &[(u64, f64)]) -> impl Iterator<Item = (u64, f64)> + '_ {
    let last = values.len().saturating_sub(1);
    let count = values.len().min(HISTORY_LIMIT);
    let spaces = count.saturating_sub(1).max(1);
    (0..count).map(move |index| values[index * last / spaces])
}

#[cfg(test)]
mod tests;
