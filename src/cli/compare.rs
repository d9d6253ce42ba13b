//! `mlx compare`: what differs between two runs.

use std::io::{self, Write};

use clap::Args;
use serde_json::Value;

use super::output::{Style, count, number};
use super::{Context, Render, Table, Text};
use crate::fs::escape;
use crate::run::{self, Changed, Comparison, MetricDelta, StepChange};
use crate::{Digest, Result};

/// Compare two runs
///
/// Shows only the metrics, the parameters, the data and the code in which they differ.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx compare 9be0 latest\n  mlx compare 9be0 41f7 --json | jq .metrics")]
pub struct Compare {
    /// Run to measure against: an id, a unique beginning of one, or `latest`
    baseline: String,
    /// Run in question
    candidate: String,
}

impl Compare {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let (_, runs) = cx.runs()?;
        let baseline = runs.find(&self.baseline)?;
        let candidate = runs.find(&self.candidate)?;
        cx.out.show(&run::compare(&baseline, &candidate))
    }
}

impl Render for Comparison {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let (baseline, candidate) = (self.baseline.as_str(), self.candidate.as_str());
        if self.is_equal() {
            writeln!(out, "{baseline} and {candidate} do not differ")?;
        }
        let mut is_first = true;
        if !self.metrics.is_empty() {
            let mut table = Table::new(["metric", baseline, candidate, "change"]).right([1, 2, 3]);
            for MetricDelta { name, baseline, candidate, change } in &self.metrics {
                let cell = |value: &Option<f64>| value.map_or("-".into(), number);
                table.row([
                    escape(name.as_bytes()),
                    cell(baseline),
                    cell(candidate),
                    change.map_or("-".into(), signed),
                ]);
            }
            block(out, &mut is_first, &table)?;
        }
        if !self.params.is_empty() {
            let mut table = Table::new(["parameter", baseline, candidate]);
            for Changed { name, baseline, candidate } in &self.params {
                let cell = |value: &Option<Value>| value.as_ref().map_or("-".into(), super::runs::value);
                table.row([escape(name.as_bytes()), cell(baseline), cell(candidate)]);
            }
            block(out, &mut is_first, &table)?;
        }
        let origins = origins(self);
        if !origins.is_empty() {
            block(out, &mut is_first, &origins)?;
        }
        if self.equal_metrics > 0 {
            let equal = count(self.equal_metrics, "metric");
            let verb = if self.equal_metrics == 1 { "is" } else { "are" };
            let line = out.styled(Style::Dim, format!("{equal} {verb} the same"));
            writeln!(out, "\n{line}")?;
        }
        Ok(())
    }
}

/// Blocks stand apart.
fn block(out: &mut Text<'_>, is_first: &mut bool, table: &Table) -> io::Result<()> {
    if !std::mem::take(is_first) {
        writeln!(out)?;
    }
    table.render(out)
}

/// Where the differences come from: code, data, environment.
fn origins(comparison: &Comparison) -> Table {
    let mut table = Table::new(["origin", comparison.baseline.as_str(), comparison.candidate.as_str()]);
    for StepChange { step, cmd, deps } in &comparison.steps {
        let step = escape(step.as_bytes());
        if let Some(Changed { baseline, candidate, .. }) = cmd {
            table.row([format!("{step}: command"), text(baseline), text(candidate)]);
        }
        for file in deps {
            table.row([format!("{step}: {}", file.path), short(&file.baseline), short(&file.candidate)]);
        }
    }
    for Changed { name, baseline, candidate } in &comparison.environment {
        table.row([name.clone(), text(baseline), text(candidate)]);
    }
    if let Some(Changed { name, baseline, candidate }) = &comparison.commit {
        table.row([name.clone(), text(baseline), text(candidate)]);
    }
    if let Some(Changed { name, baseline, candidate }) = &comparison.patch {
        table.row([name.clone(), short(baseline), short(candidate)]);
    }
    table
}

fn short(digest: &Option<Digest>) -> String {
    digest.map_or("-".into(), |digest| digest.short())
}

/// Digests and commit ids are shortened, other text stays.
fn text(text: &Option<String>) -> String {
    let Some(text) = text else { return "-".into() };
    if let Ok(digest) = text.parse::<Digest>() {
        return digest.short();
    }
    let is_commit = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit { text[..12].to_owned() } else { escape(text.as_bytes()) }
}

fn signed(change: f64) -> String {
    let sign = if change > 0.0 { "+" } else { "" };
    format!("{sign}{}", number(change))
}
