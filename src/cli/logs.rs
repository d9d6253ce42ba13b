//! `mlx logs`: what the steps of a run printed.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::Context;
use super::terminal::Safe;
use crate::error::did_you_mean;
use crate::fs::escape;
use crate::run::{Log, LogSource, Outcome, Run, RunId, RunStep, Runs, Status};
use crate::store::Store;
use crate::{Error, Result};

/// Print what the steps of a run printed
///
/// Prints one step's output byte for byte, or the output of all steps with the step's name before each line. For a step
/// that was up to date or restored, prints the output of the run that made it.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx logs latest\n  mlx logs 9be0 train\n  mlx logs latest train | grep loss")]
pub struct Logs {
    /// Run in question: a name, an id, a unique beginning of one, or `latest`
    #[arg(value_name = "RUN")]
    name: String,
    /// Step in question, or the name of a `foreach` or `matrix` step for all of it; every step where none is named
    step: Option<String>,
}

impl Logs {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let (store, runs) = cx.runs()?;
        let run = runs.find(&self.name)?;
        let members = self.step.as_ref().map_or(Vec::new(), |name| members(&run, name));
        let logs = match &self.step {
            Some(_) if !members.is_empty() => logs_of(&runs, &run, members.into_iter())?,
            Some(step) => vec![log_of(&runs, &run, step)?],
            None => all_logs(&runs, &run)?,
        };
        let is_one = self.step.is_some() && logs.len() == 1;
        self.tell(cx, &run, &logs);
        for log in &logs {
            if let LogSource::Object(digest) = &log.source
                && !store.contains(digest)
            {
                return Err(Error::failed(format!("the log of step `{}` of run {} is not here", log.step, log.run))
                    .with_hint(format!("the run came from a remote: `mlx fetch --runs {}` brings its log", log.run)));
            }
        }
        if cx.out.is_json() {
            let with_text = |log| LogText::read(log, &store);
            let logs = logs.into_iter().map(with_text).collect::<Result<_>>()?;
            return cx.out.document(&Logged { run: run.id, logs });
        }
        cx.out.stream(|out| {
            // A file or a pipe gets the very bytes; a terminal gets none that drive it.
            if !io::stdout().is_terminal() {
                return print(&logs, !is_one, &store, out);
            }
            let mut safe = Safe::new(out);
            print(&logs, !is_one, &store, &mut safe)?;
            safe.finish().context("cannot print the log")?;
            Ok(())
        })
    }
}

impl Logs {
    /// Says what the logs themselves do not.
    fn tell(&self, cx: &Context, run: &Run, logs: &[Log]) {
        let has_printed = |log: &&Log| log.source != LogSource::Nothing;
        let mut earlier: BTreeMap<&RunId, Vec<&Log>> = BTreeMap::new();
        for log in logs.iter().filter(|log| log.run != run.id).filter(|log| self.step.is_some() || has_printed(log)) {
            earlier.entry(&log.run).or_default().push(log);
        }
        for (earlier, logs) in earlier {
            let (are, they) = if logs.len() == 1 { ("is", "it") } else { ("are", "they") };
            cx.out.hint(format!(
                "{} {are} from run {earlier}; {they} did not run in {}",
                names(logs.into_iter()),
                run.id
            ));
        }
        match (&self.step, logs) {
            (_, []) if run.status == Status::Running => {
                cx.out.hint(format!("No step of run {} printed anything so far", run.id));
            }
            (_, []) => cx.out.hint(format!("Nothing has a log here: no program ran in run {}", run.id)),
            (Some(_), [log]) if !has_printed(&log) => {
                cx.out.hint(format!("Step `{}` printed nothing in run {}", escape(log.step.as_bytes()), log.run));
            }
            (_, logs) if !logs.iter().any(|log| has_printed(&log)) => {
                cx.out.hint(format!("None of these steps printed anything: {}", names(logs.iter())));
            }
            _ => {}
        }
    }
}

/// The names of the steps, as many as a line holds.
fn names<'l>(logs: impl ExactSizeIterator<Item = &'l Log>) -> String {
    const SHOWN: usize = 8;
    let more = match logs.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names: Vec<String> = logs.take(SHOWN).map(|log| format!("`{}`", escape(log.step.as_bytes()))).collect();
    names.join(", ") + &more
}

fn log_of(runs: &Runs, run: &Run, name: &str) -> Result<Log> {
    let Some(step) = run.step(name) else { return live_log_of(runs, run, name) };
    runs.log(run, step)?.ok_or_else(|| {
        let (why, hint) = match (step.outcome, &step.made_by) {
            (Outcome::UpToDate | Outcome::Restored, Some(earlier)) => (
                format!("it ran in run {earlier}, which is not known here"),
                format!("where that run is on a remote, `mlx fetch --runs {earlier}` brings it"),
            ),
            (Outcome::UpToDate | Outcome::Restored, None) => (
                format!("it did not run in {}, and no run is known in which it did", run.id),
                "`mlx runs` lists the runs that are known".to_owned(),
            ),
            (Outcome::Skipped, _) => (
                format!("it did not run in {}: {}", run.id, escape(step.reason.as_bytes())),
                format!("`mlx runs show {}` says what became of each step", run.id),
            ),
            (Outcome::Interrupted, _) => (
                format!("run {} was interrupted before anything of it came here", run.id),
                "the same `mlx train` goes on from there".to_owned(),
            ),
            _ => (format!("its program was not started in {}", run.id), format!("`mlx runs show {}` says why", run.id)),
        };
        Error::failed(format!("step `{name}` has no log: {why}")).with_hint(hint)
    })
}

/// The log of a step in a run that goes on, or was killed, and so has no list of its steps.
fn live_log_of(runs: &Runs, run: &Run, name: &str) -> Result<Log> {
    let live = if run.steps.is_empty() { runs.live_logs(&run.id) } else { Vec::new() };
    if let Some(log) = live.iter().find(|log| log.step == name) {
        return Ok(log.clone());
    }
    let shown = escape(name.as_bytes());
    if !run.steps.is_empty() {
        let names = run.steps.iter().map(|step| step.name.as_str());
        return Err(Error::usage(format!("run {} has no step `{shown}`", run.id)).with_hint(did_you_mean(name, names)));
    }
    let message = match run.status {
        Status::Running => format!("run {} goes on, and step `{shown}` printed nothing so far", run.id),
        _ => format!("run {} was ended before it could say what became of its steps; `{shown}` has no log", run.id),
    };
    Err(Error::usage(message).with_hint(match live.is_empty() {
        true => "no step of it has a log".to_owned(),
        false => format!("there are logs of {}", names(live.iter())),
    }))
}

fn all_logs(runs: &Runs, run: &Run) -> Result<Vec<Log>> {
    if run.steps.is_empty() {
        return Ok(runs.live_logs(&run.id));
    }
    logs_of(runs, run, run.steps.iter())
}

/// The steps that `foreach` or `matrix` made of the table with this name, unless a step has the name itself.
fn members<'r>(run: &'r Run, name: &str) -> Vec<&'r RunStep> {
    let is_member = |step: &&RunStep| step.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('@'));
    if run.step(name).is_some() { Vec::new() } else { run.steps.iter().filter(is_member).collect() }
}

fn logs_of<'r>(runs: &Runs, run: &Run, steps: impl Iterator<Item = &'r RunStep>) -> Result<Vec<Log>> {
    steps.filter_map(|step| runs.log(run, step).transpose()).collect()
}

fn print(logs: &[Log], with_names: bool, store: &Store, out: &mut dyn Write) -> Result<()> {
    for log in logs {
        match with_names {
            true => {
                let mut prefixed = Prefixed { prefix: format!("{} | ", log.step), in_line: false, writer: &mut *out };
                log.copy_to(store, &mut prefixed)?;
                prefixed.finish().context("cannot print the log")?;
            }
            false => log.copy_to(store, out)?,
        }
    }
    Ok(())
}

/// Writes a prefix before each line.
struct Prefixed<'w> {
    prefix: String,
    in_line: bool,
    writer: &'w mut dyn Write,
}

impl Prefixed<'_> {
    /// Ends a last line that has no end.
    fn finish(self) -> io::Result<()> {
        if self.in_line { self.writer.write_all(b"\n") } else { Ok(()) }
    }
}

impl Write for Prefixed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.in_line {
                self.writer.write_all(self.prefix.as_bytes())?;
            }
            self.writer.write_all(piece)?;
            self.in_line = !piece.ends_with(b"\n");
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[derive(Serialize)]
struct Logged {
    run: RunId,
    logs: Vec<LogText>,
}

/// A log with its text; bytes that are no text are replaced.
#[derive(Serialize)]
struct LogText {
    #[serde(flatten)]
    log: Log,
    text: String,
}

impl LogText {
    fn read(log: Log, store: &Store) -> Result<Self> {
        let mut bytes = Vec::new();
        log.copy_to(store, &mut bytes)?;
        Ok(Self { log, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}
