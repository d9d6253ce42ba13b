//! `mlx runs show`: everything that is known of one run.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::super::output::{Style, count, duration, number, size};
use super::super::{Context, Render, Table, Text};
use super::sparkline::sparkline;
use super::{style, value};
use crate::Result;
use crate::fs::escape;
use crate::project::lock::LockedPath;
use crate::project::manifest::FailureClass;
use crate::run::{Host, Label, Outcome, Run, RunStep};
use crate::store::Store;

/// A history is drawn with at most so many bars.
const SPARKLINE_WIDTH: usize = 30;

/// Show everything that is known of a run
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx runs show latest\n  mlx runs show 9be0\n  mlx runs show latest --json | jq .params"
)]
pub struct ShowRun {
    /// Run in question: a name, an id, a unique beginning of one, or `latest`
    #[arg(value_name = "RUN")]
    name: String,
}

impl ShowRun {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let (store, runs) = cx.runs()?;
        let run = runs.find(&self.name)?;
        let packages = packages(&store, &run);
        let label = runs.label(&run.id)?;
        cx.out.show(&Shown { run, label, packages })
    }
}

/// The number of packages in the run's environment, where the list is here.
fn packages(store: &Store, run: &Run) -> Option<u64> {
    let digest = run.environment.packages.as_ref()?;
    let list = store.read(digest).ok()?;
    Some(list.iter().filter(|byte| **byte == b'\n').count() as u64)
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    run: Run,
    #[serde(flatten)]
    label: Label,
    #[serde(skip)]
    packages: Option<u64>,
}

impl Render for Shown {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let run = &self.run;
        let status = out.styled(style(run.status), run.status.word());
        let after = run.seconds().map_or(String::new(), |seconds| format!(" after {}", duration(seconds)));
        let name = self.label.name.as_ref().map_or(String::new(), |name| format!(" `{name}`"));
        writeln!(out, "run {}{name} {status}{after}", out.styled(Style::Bold, &run.id))?;
        for line in self.label.note.iter().flat_map(|note| note.lines()) {
            writeln!(out, "  {}", escape(line.as_bytes()))?;
        }
        for line in run.error.iter().flat_map(|error| error.lines()) {
            writeln!(out, "  {}", escape(line.as_bytes()))?;
        }
        writeln!(out)?;
        self.facts().iter().try_for_each(|(name, fact)| writeln!(out, "  {name:<12} {fact}"))?;
        if !run.steps.is_empty() {
            section(out, "steps")?;
            steps(&run.steps).render(out)?;
        }
        if !run.params.is_empty() {
            section(out, "parameters")?;
            pairs(run.params.iter().map(|(name, param)| (name, value(param)))).render(out)?;
        }
        for step in run.steps.iter().filter(|step| !step.logged.is_empty()) {
            section(out, &format!("logged by {}", escape(step.name.as_bytes())))?;
            pairs(step.logged.iter().map(|(name, value)| (name, escape(value.as_bytes())))).render(out)?;
        }
        if !run.metrics.is_empty() {
            section(out, "metrics")?;
            metrics(run).render(out)?;
        }
        let files = files(&run.steps);
        if !files.is_empty() {
            section(out, "files")?;
            files.render(out)?;
        }
        Ok(())
    }
}

impl Shown {
    fn facts(&self) -> Vec<(&'static str, String)> {
        let run = &self.run;
        let Host { name, os, arch, cpus, memory_bytes } = &run.host;
        let command: Vec<String> = run.command.iter().map(|word| shell_word(word)).collect();
        let machine = format!("{os} {arch}, {}, {}", count(*cpus, "processor"), size(*memory_bytes));
        let mut facts = vec![
            ("started", run.started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
            ("command", format!("mlx {}", command.join(" "))),
            ("by", format!("{} on {} ({machine})", escape(run.user.as_bytes()), escape(name.as_bytes()))),
        ];
        let patch = match &run.patch {
            Some(patch) => format!(", with uncommitted changes ({})", patch.short()),
            None => String::new(),
        };
        facts.extend(run.sweep.as_ref().map(|trial| ("sweep", format!("{}, trial {}", trial.sweep, trial.number))));
        facts.push(match &run.commit {
            Some(commit) => {
                ("commit", format!("{}{patch}", escape(commit.chars().take(12).collect::<String>().as_bytes())))
            }
            None => ("commit", format!("none{patch}")),
        });
        let environment = &run.environment;
        let python = match (&environment.python, &environment.python_version) {
            (Some(path), Some(version)) => format!("Python {version} ({path})"),
            (None, Some(version)) => format!("Python {version}"),
            _ => "no Python".into(),
        };
        let declared = environment.digest.map_or(String::new(), |digest| format!("{}, ", digest.short()));
        let packages = self.packages.map_or(String::new(), |number| format!(", {}", count(number, "package")));
        facts.push(("environment", format!("{declared}{python}{packages}")));
        facts.push(("mlx", escape(run.mlx.as_bytes())));
        if !self.label.tags.is_empty() {
            facts.push(("tags", self.label.tags.iter().cloned().collect::<Vec<_>>().join(", ")));
        }
        facts
    }
}

fn section(out: &mut Text<'_>, name: &str) -> io::Result<()> {
    let name = out.styled(Style::Bold, name);
    writeln!(out, "\n{name}")
}

fn steps(steps: &[RunStep]) -> Table {
    let mut names = vec!["  step", "outcome", "duration", "cpu", "memory", "read", "written"];
    // Few machines have one.
    let has_gpu = steps.iter().any(|step| step.gpu.is_some());
    names.extend(if has_gpu { &["gpu memory", "gpu"][..] } else { &[] });
    let numbers = (2..names.len()).collect();
    names.push("why");
    let mut table = Table::with_columns(names.into_iter().map(str::to_owned).collect(), numbers);
    for step in steps {
        let has_run = matches!(step.outcome, Outcome::Ran | Outcome::Failed | Outcome::Interrupted);
        let measured = |text: String| if has_run { text } else { "-".into() };
        // Of an interrupted step, its outcome says it.
        let class = step.failure.filter(|class| *class != FailureClass::Step && step.outcome == Outcome::Failed);
        let why = match (&step.made_by, step.exit_code, class) {
            (.., Some(class)) => class.word().into(),
            (_, Some(code), _) if code != 0 => format!("exit code {code}"),
            (Some(run), ..) if !has_run => format!("made by run {run}"),
            _ => escape(step.reason.as_bytes()),
        };
        let why = if step.attempts > 1 { format!("{}, {why}", count(step.attempts, "attempt")) } else { why };
        let mut row = vec![
            format!("  {}", escape(step.name.as_bytes())),
            step.outcome.words().into(),
            measured(duration(step.seconds)),
            measured(duration(step.cpu_seconds)),
            measured(size(step.peak_memory_bytes)),
            measured(size(step.io.read_bytes)),
            measured(size(step.io.written_bytes)),
        ];
        if has_gpu {
            let busy = step.gpu.and_then(|gpu| gpu.utilization);
            row.push(step.gpu.map_or("-".into(), |gpu| size(gpu.peak_memory_bytes)));
            row.push(busy.map_or("-".into(), |busy| format!("{:.0} %", busy * 100.0)));
        }
        row.push(why);
        table.push(row);
    }
    table
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a String, String)>) -> Table {
    let mut table = Table::new(["  name", "value"]);
    pairs.for_each(|(name, value)| table.row([format!("  {}", escape(name.as_bytes())), value]));
    table
}

/// The metrics, with their values on the way where these are known.
fn metrics(run: &Run) -> Table {
    let mut histories: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    run.history.iter().for_each(|point| histories.entry(&point.metric).or_default().push(point.value));
    if histories.is_empty() {
        return pairs(run.metrics.iter().map(|(name, metric)| (name, number(*metric))));
    }
    let mut table = Table::new(["  name", "value", "history", "from"]).right([3]);
    for (name, metric) in &run.metrics {
        let values = histories.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        let first = values.first().filter(|_| values.len() > 1).map_or(String::new(), |first| number(*first));
        table.row([
            format!("  {}", escape(name.as_bytes())),
            number(*metric),
            sparkline(values, SPARKLINE_WIDTH),
            first,
        ]);
    }
    table
}

fn files(steps: &[RunStep]) -> Table {
    let mut table = Table::new(["  step", "", "path", "digest", "size"]).right([4]);
    for step in steps {
        let used = step.deps.iter().map(|path| ("used", path));
        let made = step.outs.iter().map(|path| ("made", path));
        for (how, LockedPath { path, object }) in used.chain(made) {
            let slash = if object.is_directory() { "/" } else { "" };
            table.row([
                format!("  {}", escape(step.name.as_bytes())),
                how.into(),
                format!("{path}{slash}"),
                object.digest.short(),
                size(object.size),
            ]);
        }
    }
    table
}

/// A word of a command line as one would type it.
pub(super) fn shell_word(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,@+%".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", escape(word.as_bytes()).replace('\'', r"'\''")),
    }
}
