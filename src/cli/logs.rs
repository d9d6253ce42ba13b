//! `mlx logs`: what the steps of a run printed.

use std::io::{self, IsTerminal, Write};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::Context;
use super::terminal::Safe;
use crate::error::did_you_mean;
use crate::fs::escape;
use crate::run::{Log, LogSource, Run, RunId, Runs};
use crate::store::Store;
use crate::{Error, Result};

/// Print what the steps of a run printed
///
/// Prints one step's output byte for byte, or the output of all steps with the step's name before each line. For a step
/// that was up to date, prints the output of the run that made it.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx logs latest\n  mlx logs 9be0 train\n  mlx logs latest train | grep loss")]
pub struct Logs {
    /// Run in question: a name, an id, a unique beginning of one, or `latest`
    #[arg(value_name = "RUN")]
    name: String,
    /// Step in question; all of them where none is named
    step: Option<String>,
}

impl Logs {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let (store, runs) = cx.runs()?;
        let run = runs.find(&self.name)?;
        let logs = match &self.step {
            Some(step) => vec![log_of(&runs, &run, step)?],
            None => all_logs(&runs, &run)?,
        };
        for log in logs.iter().filter(|log| log.run != run.id) {
            cx.out.hint(format!("`{}` is from run {}; it did not run in {}", log.step, log.run, run.id));
        }
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
                return print(&logs, self.step.is_none(), &store, out);
            }
            let mut safe = Safe::new(out);
            print(&logs, self.step.is_none(), &store, &mut safe)?;
            safe.finish().context("cannot print the log")?;
            Ok(())
        })
    }
}

fn log_of(runs: &Runs, run: &Run, name: &str) -> Result<Log> {
    let live = || runs.live_logs(&run.id).into_iter().find(|log| log.step == name);
    let Some(step) = run.step(name) else {
        return live().ok_or_else(|| {
            let names = run.steps.iter().map(|step| step.name.as_str());
            Error::usage(format!("run {} has no step `{}`", run.id, escape(name.as_bytes())))
                .with_hint(did_you_mean(name, names))
        });
    };
    runs.log(run, step)?.ok_or_else(|| {
        Error::failed(format!("step `{name}` has no log: it did not run in {}", run.id))
            .with_hint(format!("`mlx runs show {}` says what became of each step", run.id))
    })
}

fn all_logs(runs: &Runs, run: &Run) -> Result<Vec<Log>> {
    if run.steps.is_empty() {
        return Ok(runs.live_logs(&run.id));
    }
    let logs = run.steps.iter().map(|step| runs.log(run, step));
    logs.filter_map(Result::transpose).collect()
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
