//! `mlx train`: brings the steps of the pipeline up to date, as a recorded run.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::output::{Style, count, duration, number};
use super::{Context, Render, Table, Text, secrets};
use crate::data::Workspace;
use crate::event::Event;
use crate::fs::{create_dir_all, escape, quote, write_atomic};
use crate::pipeline::{self, Action, Engines, JobManifest, Options, Plan, PlannedStep, Scope, Trained, Travel};
use crate::project::Project;
use crate::remote::{self, Transfer};
use crate::run::{Label, Outcome, Run, RunStep, Tally};
use crate::{Error, Kind, Result};

/// More metrics than these are listed by `mlx runs show` only.
const SHOWN_METRICS: usize = 12;
/// More steps than these that had nothing to do are only counted.
const SHOWN_IDLE: usize = 20;

/// Run the steps of the pipeline that are not up to date
///
/// Runs what must run, in parallel where the steps allow it, restores what was computed before, and leaves alone what is
/// up to date. Outputs are kept in the store and named in mlx.lock. Each call is a run, with its parameters, metrics,
/// logs, environment and code.
///
/// A step's program gets the parameters it names as variables (`MLX_PARAM_TRAIN_TREES`), as a JSON file named by
/// MLX_PARAMS, and as `${train.trees}` in its command; `$$` and `${HOME}` are the shell's. Lines such as
/// {"name": "loss", "value": 0.25, "step": 3} that it appends to the file named by MLX_METRICS become metrics of the run, and so
/// does what it logs by MLflow.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx train\n  mlx train evaluate --set train.trees=300\n  mlx train --dry-run\n  \
                        mlx train --since origin/main\n  mlx train --locked --json | jq .status")]
pub struct Train {
    /// Steps to bring up to date, with all that they need; every step where none is named. The name of a `foreach` or
    /// `matrix` step stands for all that it makes
    #[arg(value_name = "STEP")]
    steps: Vec<String>,
    #[command(flatten)]
    scope: ScopeArguments,
    /// Show what would be done and why, and do nothing
    #[arg(short = 'n', long, conflicts_with = "locked")]
    dry_run: bool,
    /// With --dry-run: write the Jobs that Kubernetes would be given now into this directory, to be looked at
    #[arg(long, value_name = "DIR", requires = "dry_run")]
    manifests: Option<PathBuf>,
    /// Run the named steps (every step where none is named) even if they are up to date, and replace outputs that were
    /// changed by hand
    #[arg(short, long, conflicts_with = "locked")]
    force: bool,
    /// Take at most so many processors [default: all]
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    jobs: Option<u64>,
    /// After a failure, go on with the steps that do not depend on it
    #[arg(short, long)]
    keep_going: bool,
    /// Fail if any step is out of date, and run nothing; for checks in CI
    #[arg(long)]
    locked: bool,
    /// Carry out every step there: a name of `[executor]`, or `local`
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
    /// When interrupted, end the jobs on executors instead of leaving them to themselves; for CI
    #[arg(long)]
    cancel_on_exit: bool,
    /// Set a parameter for this run
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Ask the remote first what others have made since, to restore that instead of making it again
    #[arg(long)]
    pull: bool,
    /// Give the run a name, by which it is found wherever a run is taken
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Give the run a tag; more than once for several
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Say what the run is for
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// What narrows the steps down.
#[derive(Args)]
pub struct ScopeArguments {
    /// Only steps that a change since this Git revision affects, and all that depend on them
    #[arg(long, value_name = "REV")]
    since: Option<String>,
    /// Only this step and all that depend on it
    #[arg(long, value_name = "STEP")]
    downstream: Vec<String>,
    /// Only this step and all that it needs
    #[arg(long, value_name = "STEP")]
    until: Vec<String>,
}

impl From<ScopeArguments> for Scope {
    fn from(ScopeArguments { since, downstream, until }: ScopeArguments) -> Self {
        Self { since, downstream, until }
    }
}

/// The options of who only asks about the pipeline.
pub(super) fn options_to_ask(
    cx: &Context,
    project: &Project,
    steps: Vec<String>,
    scope: Scope,
    settings: Vec<String>,
) -> Options {
    Options {
        steps,
        scope,
        settings,
        force: false,
        jobs: 1,
        machine: Arc::new(cx.machine(project)),
        keep_going: false,
        locked: false,
        within: cx.run_around(),
        label: Label::default(),
        command: cx.arguments(),
        user: cx.user(),
        cache: cx.cache_directory_for(project),
        interpreters: cx.interpreters(),
        outside: cx.outside(),
        trial: None,
        access: Some(cx.access()),
        engines: Engines {
            executor: None,
            cancel_on_exit: false,
            // Where it can't be told, who needs it says so.
            program: cx.program().unwrap_or_default(),
            variables: std::env::vars_os().map(|(name, _)| name).collect(),
        },
    }
}

impl Train {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let (dry_run, pull) = (self.dry_run, self.pull);
        let manifests = self.manifests.as_ref().map(|directory| cx.file(directory));
        secrets::check(cx, &self.settings)?;
        let options = self.options(cx, &project)?;
        cx.catch_signals()?;
        if pull {
            ask_others(cx, &project)?;
        }
        if !options.scope.is_whole() && pipeline::selected(&project, &options, cx.watch())?.is_empty() {
            cx.out.show(&Plan { steps: Vec::new() })?;
            cx.out.hint("No step is asked for: nothing was run, and there is no new run");
            return Ok(());
        }
        if let Some(directory) = &manifests {
            write_manifests(cx, &project, &options, directory)?;
        }
        if dry_run {
            return cx.out.show(&pipeline::plan(&project, &options, cx.watch())?);
        }
        let Trained { run, failure } = pipeline::train(&project, &options, cx.watch())?;
        cx.out.show(&Report(&run))?;
        match failure {
            Some(failure) => Err(failure),
            None => {
                cx.out.hint(next(&project, &run));
                Ok(())
            }
        }
    }

    fn options(self, cx: &Context, project: &Project) -> Result<Options> {
        let label = Label { name: self.name, tags: self.tags.into_iter().collect(), note: self.note };
        label.check()?;
        let asked = options_to_ask(cx, project, self.steps, self.scope.into(), self.settings);
        let (executor, cancel_on_exit) = (self.executor, self.cancel_on_exit);
        let engines = Engines { executor, cancel_on_exit, ..asked.engines };
        Ok(Options {
            engines,
            label,
            force: self.force,
            jobs: self.jobs.unwrap_or_else(|| processors(project)),
            keep_going: self.keep_going,
            locked: self.locked,
            ..asked
        })
    }
}

/// Writes each Job that Kubernetes would be given now into a file of its own.
fn write_manifests(cx: &Context, project: &Project, options: &Options, directory: &Path) -> Result<()> {
    let manifests = pipeline::manifests(project, options, cx.watch())?;
    if manifests.is_empty() {
        return Err(Error::usage("no step that would run now is carried out by Kubernetes").with_hint(
            "name an executor of that kind: `--executor NAME`; `--force` takes steps that are up to date as well",
        ));
    }
    create_dir_all(directory)?;
    for JobManifest { name, content } in &manifests {
        let mut text = serde_json::to_string_pretty(content).context("cannot write a manifest")?;
        text.push('\n');
        write_atomic(&directory.join(format!("{name}.json")), text.as_bytes(), directory)?;
    }
    let count = count(manifests.len() as u64, "manifest");
    cx.events.note(format!("{count} written to `{}`", quote(directory)));
    Ok(())
}

/// The processors of the machine that steps may take.
pub(super) fn processors(project: &Project) -> u64 {
    let found = || std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    project.settings.machine().cpus.unwrap_or_else(found)
}

/// Learns from the default remote what others have made. Without an answer, training goes on with what is known.
fn ask_others(cx: &Context, project: &Project) -> Result<()> {
    let workspace = Workspace::open(project)?;
    let memory = project.state("remotes");
    let ask = || {
        let (_, remote) = remote::of_project(project, None, &cx.access())?;
        let transfer =
            Transfer { remote: &*remote, store: workspace.store(), memory: &memory, jobs: 4, watch: cx.watch() };
        transfer.catalog()?;
        Travel::new(project, &workspace, transfer).receive()
    };
    match ask() {
        Err(error) if matches!(error.kind(), Kind::Failed) => {
            let message = format!("cannot ask the remote what others have made: {error}");
            cx.events.emit(Event::Warning { message, hint: error.hint().map(str::to_owned) });
            Ok(())
        }
        result => result.map(drop),
    }
}

/// What to do after a good run.
fn next(project: &Project, run: &Run) -> String {
    let made = |path| {
        run.steps.iter().flat_map(|step| &step.outs).any(|out| out.path.is_within(path) || path.is_within(&out.path))
    };
    let model = project.manifest.models.iter().find(|(_, model)| made(&model.path));
    match model {
        Some((name, _)) => format!("Run {}. Name the model: `mlx model register {name}`", run.id),
        None => format!("Run {}. All of it: `mlx runs show {}`", run.id, run.id),
    }
}

/// The run as `mlx train` shows it; its JSON is the run's record.
#[derive(Serialize)]
#[serde(transparent)]
struct Report<'a>(&'a Run);

impl Render for Report<'_> {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let run = self.0;
        let mut table = Table::new(["step", "outcome", "time", "why"]).right([2]);
        let is_idle = |step: &&RunStep| step.outcome == Outcome::UpToDate && step.reason.is_empty();
        let hides = run.steps.iter().filter(is_idle).count() > SHOWN_IDLE;
        for step in run.steps.iter().filter(|step| !(hides && is_idle(step))) {
            let time = if step.seconds > 0.0 { duration(step.seconds) } else { String::new() };
            table.row([step.name.clone(), step.outcome.words().to_owned(), time, step.reason.clone()]);
        }
        let mut gap = "";
        if !table.is_empty() || run.steps.is_empty() {
            table.render(out)?;
            gap = "\n";
        }
        if !run.metrics.is_empty() {
            write!(out, "{gap}")?;
            gap = "\n";
            let mut table = Table::new(["metric", "value"]).right([1]);
            for (name, value) in run.metrics.iter().take(SHOWN_METRICS) {
                table.row([escape(name.as_bytes()), number(*value)]);
            }
            table.render(out)?;
            if run.metrics.len() > SHOWN_METRICS {
                let more = run.metrics.len() - SHOWN_METRICS;
                let line = out.styled(Style::Dim, format!("and {more} more: `mlx runs show {}`", run.id));
                writeln!(out, "{line}")?;
            }
        }
        writeln!(out, "{gap}{}: {}", count(run.steps.len() as u64, "step"), summary(&run.steps))
    }
}

/// `2 run, 1 up to date`, and what else there is.
fn summary(steps: &[RunStep]) -> String {
    let tally = Tally::of(steps);
    let none = if tally.up_to_date == 0 { ", 0 up to date" } else { "" };
    format!("{}{none}", super::runs::tally(&tally))
}

impl Render for Plan {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(["step", "action", "why"]);
        let is_idle = |step: &&PlannedStep| step.action == Action::UpToDate && step.reason.is_empty();
        let hides = self.steps.iter().filter(is_idle).count() > SHOWN_IDLE;
        for step in self.steps.iter().filter(|step| !(hides && is_idle(step))) {
            let action = match step.action {
                Action::Run => "run",
                Action::Restore => "restore",
                Action::UpToDate if step.reason.is_empty() => "up to date",
                Action::UpToDate => "keep",
                Action::Take => "take over",
                Action::Depends => "perhaps run",
            };
            table.row([step.name.clone(), action.to_owned(), step.reason.clone()]);
        }
        let mut gap = "";
        if !table.is_empty() || self.steps.is_empty() {
            table.render(out)?;
            gap = "\n";
        }
        let number = |action| self.steps.iter().filter(|step| step.action == action).count();
        let mut text = format!("{}: {} to run", count(self.steps.len() as u64, "step"), number(Action::Run));
        for (action, word) in
            [(Action::Restore, "to restore"), (Action::Take, "to take over"), (Action::Depends, "depending on others")]
        {
            if number(action) > 0 {
                text.push_str(&format!(", {} {word}", number(action)));
            }
        }
        writeln!(out, "{gap}{text}, {} up to date", number(Action::UpToDate))
    }
}
