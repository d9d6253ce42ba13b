//! `mlx compare`: what differs between two runs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::output::{Style, count, number};
use super::{Context, Render, Table, Text};
use crate::fs::escape;
use crate::project::git::Git;
use crate::project::lock::LockedPath;
use crate::project::{ChangedFile, FileDelta};
use crate::run::{self, Changed, Comparison, DataChange, MetricDelta, Run, RunStep, StepChange};
use crate::{Digest, Result};

/// Compare runs
///
/// Shows only the metrics, the parameters, the data, the environment and the code in which they differ: data by digest, code
/// by commit and uncommitted changes together. More than two runs stand beside each other in one table.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx compare 9be0 latest\n  mlx compare baseline latest --diff\n  mlx compare baseline 41f7 9be0\n  \
                        mlx compare 9be0 41f7 --json | jq .metrics"
)]
pub struct Compare {
    /// Run to measure against: a name, an id, a unique beginning of one, or `latest`
    baseline: String,
    /// Runs in question
    #[arg(required = true, value_name = "CANDIDATE")]
    candidates: Vec<String>,
    /// Show how the code differs, as a patch
    #[arg(long)]
    diff: bool,
}

impl Compare {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let (project, store, runs) = cx.past()?;
        let baseline = runs.find(&self.baseline)?;
        let candidates = self.candidates.iter().map(|name| runs.find(name)).collect::<Result<Vec<Run>>>()?;
        let git = Git::of(&project)?;
        let mut comparisons = Vec::with_capacity(candidates.len());
        for candidate in &candidates {
            let mut comparison = run::compare(&baseline, candidate);
            comparison.add_packages(&store, &baseline, candidate);
            if let Some(git) = &git
                && let Err(error) = comparison.add_code(git, &store, [&baseline, candidate], self.diff)
            {
                cx.events.warn(format!("what differs in the code can't be told: {error}"));
            }
            comparisons.push(comparison);
        }
        match <[Comparison; 1]>::try_from(comparisons) {
            Ok([comparison]) => cx.out.show(&comparison),
            Err(comparisons) => {
                let runs = std::iter::once(baseline).chain(candidates).collect();
                cx.out.show(&Several { comparisons, runs })
            }
        }
    }
}

/// More than two runs.
#[derive(Serialize)]
struct Several {
    /// Of each with the first.
    comparisons: Vec<Comparison>,
    #[serde(skip)]
    runs: Vec<Run>,
}

impl Render for Several {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut is_first = true;
        let metrics = names(&self.runs, |run| run.metrics.keys().cloned().collect());
        let metric = |run: &Run, name: &str| run.metrics.get(name).copied().map(number);
        self.table(out, "metric", &metrics, true, metric, &mut is_first)?;
        let params = names(&self.runs, |run| run.params.keys().cloned().collect());
        let param = |run: &Run, name: &str| run.params.get(name).map(super::runs::value);
        self.table(out, "parameter", &params, false, param, &mut is_first)?;
        let inputs = |run: &Run| -> BTreeMap<String, String> {
            let deps = run.steps.iter().flat_map(|step| step.deps.iter().map(move |dep| (step, dep)));
            let named = |(step, dep): (&RunStep, &LockedPath)| {
                (format!("{}: {}", escape(step.name.as_bytes()), dep.path), dep.object.digest.short())
            };
            let mut inputs: BTreeMap<String, String> = deps.map(named).collect();
            let commit = run.commit.as_ref().map(|commit| text(&Some(commit.clone())));
            let patch = run.patch.map(|patch| patch.short());
            let python = run.environment.python_version.clone();
            let environment = run.environment.digest.map(|digest| digest.short());
            let facts =
                [("commit", commit), ("uncommitted changes", patch), ("python", python), ("environment", environment)];
            inputs.extend(facts.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?))));
            inputs
        };
        let all: Vec<BTreeMap<String, String>> = self.runs.iter().map(inputs).collect();
        let origins = names(&self.runs, |run| inputs(run).into_keys().collect());
        let place = |run: &Run| self.runs.iter().position(|other| other.id == run.id).unwrap_or(0);
        let origin = |run: &Run, name: &str| all[place(run)].get(name).cloned();
        self.table(out, "origin", &origins, false, origin, &mut is_first)?;
        if is_first {
            writeln!(out, "these runs do not differ")?;
        }
        Ok(())
    }
}

impl Several {
    /// The rows in which the runs differ.
    fn table(
        &self,
        out: &mut Text<'_>,
        title: &str,
        names: &BTreeSet<String>,
        numbers: bool,
        cell: impl Fn(&Run, &str) -> Option<String>,
        is_first: &mut bool,
    ) -> io::Result<()> {
        let heading = std::iter::once(title.to_owned()).chain(self.runs.iter().map(|run| run.id.to_string())).collect();
        let right = if numbers { (1..=self.runs.len()).collect() } else { Vec::new() };
        let mut table = Table::with_columns(heading, right);
        for name in names {
            let cells: Vec<Option<String>> = self.runs.iter().map(|run| cell(run, name)).collect();
            if cells.windows(2).any(|pair| pair[0] != pair[1]) {
                let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "-".into()));
                table.push(std::iter::once(escape(name.as_bytes())).chain(cells).collect());
            }
        }
        if table.is_empty() { Ok(()) } else { block(out, is_first, &table) }
    }
}

fn names(runs: &[Run], of: impl Fn(&Run) -> Vec<String>) -> BTreeSet<String> {
    runs.iter().flat_map(of).collect()
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
        if let Some(code) = self.code.as_ref().filter(|code| !code.is_empty()) {
            let mut table = Table::new(["code", "change", "lines"]);
            for ChangedFile { path, change, lines_added, lines_removed } in code {
                table.row([path.clone(), delta(*change).into(), format!("+{lines_added} -{lines_removed}")]);
            }
            block(out, &mut is_first, &table)?;
        }
        if let Some(diff) = self.diff.as_ref().filter(|diff| !diff.is_empty()) {
            writeln!(out)?;
            for line in diff.lines() {
                let style = match line.bytes().next() {
                    Some(b'+') => Style::Good,
                    Some(b'-') => Style::Bad,
                    _ => Style::Dim,
                };
                // A diff goes on as it is where nobody reads it from a terminal.
                let line = if out.width.is_some() { escape(line.as_bytes()) } else { line.to_owned() };
                let line = if line.starts_with(' ') { line } else { out.styled(style, line) };
                writeln!(out, "{line}")?;
            }
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
    for DataChange { path, change, baseline, candidate } in &comparison.data {
        if *change != FileDelta::Changed {
            table.row([format!("{path} ({})", delta(*change)), short(baseline), short(candidate)]);
        }
    }
    for Changed { name, baseline, candidate } in comparison.environment.iter().chain(&comparison.packages) {
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

fn delta(change: FileDelta) -> &'static str {
    match change {
        FileDelta::Added => "added",
        FileDelta::Changed => "changed",
        FileDelta::Removed => "removed",
    }
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
