//! What happens on the way, on stderr: bars on a terminal, a plain line now and then in a log, nothing with `--quiet`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{Style, duration, paint, wants_color};
use super::sweep::trial;
use crate::Result;
use crate::event::{Event, EventSink, Unit};

/// A bar appears after this time, so that short work shows none.
const PATIENCE: Duration = Duration::from_millis(500);
/// In a log, long work says how far it is this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The event sink of the command line.
pub struct Console {
    quiet: bool,
    verbose: bool,
    is_terminal: bool,
    color: bool,
    bars: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    work: HashMap<String, Work>,
    /// Steps that run now; with more than one, output lines are prefixed.
    steps: Vec<String>,
    several_steps: bool,
    log: Option<BufWriter<File>>,
}

struct Work {
    what: String,
    total: Option<u64>,
    unit: Unit,
    started: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Console {
    pub fn new(quiet: bool, verbose: bool, log: Option<File>) -> Self {
        let is_terminal = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let target = if is_terminal && !quiet { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            quiet,
            verbose,
            is_terminal,
            color: is_terminal && wants_color(),
            bars: MultiProgress::with_draw_target(target),
            state: Mutex::new(State { log: log.map(BufWriter::new), ..State::default() }),
        }
    }

    /// The file of `--events`.
    pub fn open_log(path: &Path) -> Result<File> {
        let file = File::create(path).with_context(|| format!("cannot create `{}`", crate::fs::quote(path)))?;
        Ok(file)
    }

    /// Takes the bars away and writes the rest of the event log.
    pub fn close(&self) {
        let mut state = self.state();
        state.work.clear();
        let _ = self.bars.clear();
        if let Some(log) = &mut state.log {
            let _ = log.flush();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A line above the bars. A reader that went away is no failure.
    fn line(&self, text: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr().lock(), "{text}");
        });
    }

    fn label(&self, style: Style, text: &str) -> String {
        if self.color { paint(style, text) } else { text.to_owned() }
    }

    fn progress(&self, state: &mut State, id: &str, done: u64) {
        let Some(work) = state.work.get_mut(id) else { return };
        if self.is_terminal {
            if work.bar.is_none() && work.started.elapsed() >= PATIENCE {
                work.bar = Some(self.bars.add(bar(work)));
            }
            if let Some(bar) = &work.bar {
                bar.set_position(done);
            }
        } else if work.said.elapsed() >= LOG_EVERY {
            work.said = Instant::now();
            let text = describe(work, done);
            self.line(&text);
        }
    }
}

fn bar(work: &Work) -> ProgressBar {
    let template = match (work.total, work.unit) {
        (Some(_), Unit::Bytes) => "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        (Some(_), _) => "{msg} [{bar:30}] {human_pos}/{human_len} {eta}",
        (None, Unit::Bytes) => "{spinner} {msg} {bytes} {bytes_per_sec}",
        (None, _) => "{spinner} {msg} {human_pos}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = work.total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    bar.set_style(style.progress_chars("=> "));
    bar.set_message(work.what.clone());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn describe(work: &Work, done: u64) -> String {
    let amount = |number| match work.unit {
        Unit::Bytes => super::output::size(number),
        Unit::Files => super::output::count(number, "file"),
        Unit::Steps => super::output::count(number, "step"),
        Unit::Objects => super::output::count(number, "object"),
        Unit::Packages => super::output::count(number, "package"),
        Unit::Packs => super::output::count(number, "pack"),
        Unit::Trials => super::output::count(number, "trial"),
    };
    let of = work.total.map_or(String::new(), |total| format!(" of {}", amount(total)));
    let seconds = work.started.elapsed().as_secs_f64();
    let rate = match work.unit {
        Unit::Bytes => format!(", {}/s", amount((done as f64 / seconds) as u64)),
        _ => String::new(),
    };
    // Of little that is done nothing can be told about the rest.
    let left = work.total.filter(|total| done < *total && done >= *total / 50).map_or(String::new(), |total| {
        format!(", about {} left", duration(seconds * (total - done) as f64 / done.max(1) as f64))
    });
    format!("{}: {}{of} after {}{rate}{left}", work.what, amount(done), duration(seconds))
}

impl EventSink for Console {
    fn emit(&self, event: Event) {
        let mut state = self.state();
        if let Some(log) = &mut state.log {
            // Written at once, so that whoever follows the file sees the event when it happens.
            let line = serde_json::to_writer(&mut *log, &event).map_err(io::Error::from);
            let _ = line.and_then(|()| writeln!(log)).and_then(|()| log.flush());
        }
        match &event {
            Event::StepStarted { step, .. } => {
                state.steps.push(step.clone());
                state.several_steps |= state.steps.len() > 1;
            }
            Event::StepFinished { step, .. } => state.steps.retain(|running| running != step),
            _ => {}
        }
        if self.quiet {
            return;
        }
        match event {
            Event::Started { id, what, total, unit } => {
                let now = Instant::now();
                state.work.insert(id, Work { what, total, unit, started: now, said: now, bar: None });
            }
            Event::Progress { id, done } => self.progress(&mut state, &id, done),
            Event::Finished { id } => {
                if let Some(bar) = state.work.remove(&id).and_then(|work| work.bar) {
                    bar.finish_and_clear();
                    self.bars.remove(&bar);
                }
            }
            Event::StepStarted { step, cmd } => {
                let cmd = super::table::shorten(&crate::fs::escape(cmd.trim().as_bytes()), Some(100));
                self.line(&format!("{} {cmd}", self.label(Style::Bold, &format!("{step}:"))));
            }
            Event::StepOutput { step, line } => match state.several_steps {
                true => self.line(&format!("{} {line}", self.label(Style::Dim, &format!("{step} |")))),
                false => self.line(&line),
            },
            Event::StepFinished { step, outcome, seconds } if self.verbose => {
                self.line(&format!(
                    "{} {outcome} after {}",
                    self.label(Style::Bold, &format!("{step}:")),
                    duration(seconds)
                ));
            }
            Event::StepFinished { .. } => {}
            Event::TrialStarted { .. } => {}
            Event::TrialFinished { ref sweep, .. } => {
                if let Some(work) = state.work.get_mut(&format!("sweep {sweep}")) {
                    work.what = trial::so_far(&event);
                    work.bar.iter().for_each(|bar| bar.set_message(work.what.clone()));
                }
                if let Some(line) = trial::line(&event, self.is_terminal) {
                    self.line(&line);
                }
            }
            Event::Warning { message, hint } => {
                self.line(&format!("{} {message}", self.label(Style::Notice, "warning:")));
                hint.iter().for_each(|hint| self.line(&format!("{} {hint}", self.label(Style::Notice, "hint:"))));
            }
            Event::Note { message } => self.line(&message),
            Event::Detail { message } if self.verbose => self.line(&message),
            Event::Detail { .. } => {}
        }
    }
}
