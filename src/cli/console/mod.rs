//! What happens on the way, on stderr: a live view on a terminal, plain lines in a log, nothing with `--quiet`.

mod line;
mod screen;
mod view;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;

use self::screen::Screen;
use self::view::{Step, View, Work};
use super::output::{Style, duration, paint, wants_color};
use super::sweep::trial;
use crate::Result;
use crate::event::{Event, EventSink, Wanted};

/// The view is drawn this often.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// In a log, long work says how far it is this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The event sink of the command line.
pub struct Console {
    quiet: bool,
    verbose: bool,
    /// Whether there is a view that is drawn again and again.
    is_live: bool,
    color: bool,
    has_log: bool,
    shared: Arc<Shared>,
    painter: Mutex<Option<JoinHandle<()>>>,
}

/// What the painter sees as well.
struct Shared {
    state: Mutex<State>,
    /// Told when there is something to draw for the first time, and at the end.
    bell: Condvar,
}

struct State {
    view: View,
    screen: Screen,
    /// More than one step ran at once: output lines are prefixed from then on.
    several_steps: bool,
    log: Option<BufWriter<File>>,
    /// The painter waits for something to draw.
    is_idle: bool,
    is_closed: bool,
}

impl Console {
    pub fn new(quiet: bool, verbose: bool, log: Option<File>) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let can_draw = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let is_terminal = io::stderr().is_terminal() && can_draw;
        let color = is_terminal && wants_color();
        let has_log = log.is_some();
        let state = State {
            view: View::default(),
            screen: Screen::new(color),
            several_steps: false,
            log: log.map(BufWriter::new),
            is_idle: false,
            is_closed: false,
        };
        Self {
            quiet,
            verbose,
            // Some CI services give their jobs a terminal, and keep what is drawn as a log.
            is_live: is_terminal && !quiet && !is_set("CI"),
            color,
            has_log,
            shared: Arc::new(Shared { state: Mutex::new(state), bell: Condvar::new() }),
            painter: Mutex::default(),
        }
    }

    /// The file of `--events`.
    pub fn open_log(path: &Path) -> Result<File> {
        let file = File::create(path).with_context(|| format!("cannot create `{}`", crate::fs::quote(path)))?;
        Ok(file)
    }

    /// Takes the view away and writes the rest of the event log.
    pub fn close(&self) {
        let mut state = self.shared.state();
        state.view = View::default();
        state.screen.draw("", &[]);
        state.is_closed = true;
        if let Some(log) = &mut state.log {
            let _ = log.flush();
        }
        drop(state);
        self.shared.bell.notify_all();
        let painter = self.painter.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = painter.map(JoinHandle::join);
    }

    /// Writes lines that stay, above the view. A reader that went away is no failure.
    fn say(&self, state: &mut State, lines: &str) {
        if state.screen.is_drawn() {
            state.draw(lines);
        } else {
            let _ = io::stderr().lock().write_all(lines.as_bytes());
        }
    }

    fn line(&self, state: &mut State, text: &str) {
        self.say(state, &format!("{text}\n"));
    }

    fn label(&self, style: Style, text: &str) -> String {
        if self.color { paint(style, text) } else { text.to_owned() }
    }

    /// Something may have to be drawn from now on.
    fn wake_painter(&self, state: &State) {
        if !self.is_live {
            return;
        }
        let mut painter = self.painter.lock().unwrap_or_else(PoisonError::into_inner);
        if painter.is_none() {
            let shared = self.shared.clone();
            // Without it the view is drawn whenever a line is written above it.
            *painter = thread::Builder::new().name("view".into()).spawn(move || shared.paint()).ok();
        }
        if state.is_idle {
            self.shared.bell.notify_all();
        }
    }

    /// The lines of a step's output that stay.
    fn show_output(&self, state: &mut State, step: &str, lines: &str) {
        if !state.several_steps {
            return self.say(state, lines);
        }
        let label = self.label(Style::Dim, &format!("{step} |"));
        let mut text = String::with_capacity(lines.len() + lines.len() / 4);
        lines.lines().for_each(|line| text.extend([&label, " ", line, "\n"]));
        self.say(state, &text);
    }

    fn show_step(&self, state: &mut State, event: Event) {
        match event {
            Event::StepStarted { step, cmd } => {
                state.several_steps |= !state.view.steps.is_empty();
                if self.is_live {
                    state.view.steps.push(Step::new(step, &cmd, Instant::now()));
                    return self.wake_painter(state);
                }
                let cmd = super::table::shorten(&crate::fs::escape(cmd.trim().as_bytes()), Some(100));
                self.line(state, &format!("{} {cmd}", self.label(Style::Bold, &format!("{step}:"))));
                state.view.steps.push(Step::new(step, "", Instant::now()));
            }
            Event::StepOutput { step, line } => self.lines_of(state, &step, &(line + "\n")),
            Event::StepMetric { step, metric, value, .. } => {
                if let Some(step) = state.view.step(&step) {
                    step.take_metric(&metric, value);
                }
            }
            Event::StepFinished { step, outcome, seconds } => {
                let over = state.view.take_step(&step);
                if self.is_live
                    && let Some(over) = over
                {
                    let line = over.conclusion(&outcome, seconds, Screen::size().0);
                    self.line(state, &line.text(self.color));
                } else if self.verbose {
                    let label = self.label(Style::Bold, &format!("{step}:"));
                    self.line(state, &format!("{label} {outcome} after {}", duration(seconds)));
                }
            }
            _ => {}
        }
    }

    fn lines_of(&self, state: &mut State, step: &str, lines: &str) {
        if self.is_live
            && let Some(newest) = lines.lines().rev().find(|line| !line.trim().is_empty())
            && let Some(step) = state.view.step(step)
        {
            step.take_output(newest);
        }
        if !self.is_live || self.verbose {
            self.show_output(state, step, lines);
        }
    }

    /// What goes on in a trial of a sweep: in the view, and in words for who wants to know more.
    fn show_trial(&self, state: &mut State, trial: u64, event: Event) {
        let name = |step: &str| format!("trial {trial}: {step}");
        if self.verbose {
            match &event {
                Event::StepStarted { step, .. } => self.line(state, &format!("{} begins", name(step))),
                Event::StepOutput { step, line } => self.line(state, &format!("{} | {line}", name(step))),
                Event::StepFinished { step, outcome, seconds } => {
                    self.line(state, &format!("{} {outcome} after {seconds:.1} s", name(step)));
                }
                _ => {}
            }
        }
        if !self.is_live {
            return;
        }
        match event {
            Event::StepStarted { step, cmd } => {
                state.view.steps.push(Step::new(name(&step), &cmd, Instant::now()));
                self.wake_painter(state);
            }
            Event::StepOutput { step, line } => {
                state.view.step(&name(&step)).into_iter().for_each(|step| step.take_output(&line));
            }
            Event::StepMetric { step, metric, value, .. } => {
                state.view.step(&name(&step)).into_iter().for_each(|step| step.take_metric(&metric, value));
            }
            Event::StepFinished { step, .. } => drop(state.view.take_step(&name(&step))),
            _ => {}
        }
    }

    fn show(&self, state: &mut State, event: Event) {
        match event {
            Event::Started { id, what, total, unit } => {
                let now = Instant::now();
                state.view.works.retain(|work| work.id != id);
                state.view.works.push(Work { id, what, total, unit, started: now, said: now, done: 0 });
                self.wake_painter(state);
            }
            Event::Progress { id, done } => {
                let Some(work) = state.view.work(&id) else { return };
                work.done = done;
                if !self.is_live && work.said.elapsed() >= LOG_EVERY {
                    let now = Instant::now();
                    work.said = now;
                    let text = work.describe(now);
                    self.line(state, &text);
                }
            }
            Event::Finished { id } => state.view.works.retain(|work| work.id != id),
            Event::TrialFinished { ref sweep, .. } => {
                if let Some(work) = state.view.work(&format!("sweep {sweep}")) {
                    work.what = trial::so_far(&event);
                }
                if let Some(line) = trial::line(&event, self.is_live) {
                    self.line(state, &line);
                }
            }
            Event::InTrial { trial, what } => self.show_trial(state, trial, *what),
            Event::Warning { message, hint } => {
                self.line(state, &format!("{} {message}", self.label(Style::Notice, "warning:")));
                if let Some(hint) = hint {
                    self.line(state, &format!("{} {hint}", self.label(Style::Notice, "hint:")));
                }
            }
            Event::Note { message } => self.line(state, &message),
            Event::Detail { message } if self.verbose => self.line(state, &message),
            Event::Detail { .. } | Event::TrialStarted { .. } => {}
            step => self.show_step(state, step),
        }
        // What is over is gone before anybody else writes to the terminal.
        if state.view.is_empty() && state.screen.is_drawn() {
            state.draw("");
        }
    }
}

impl EventSink for Console {
    fn emit(&self, event: Event) {
        if self.quiet && !self.has_log {
            return;
        }
        let mut state = self.shared.state();
        if let Some(log) = &mut state.log {
            // Written at once, so that whoever follows the file sees the event when it happens.
            let _ = record(log, &event).and_then(|()| log.flush());
        }
        if !self.quiet {
            self.show(&mut state, event);
        }
    }

    fn lines(&self, step: &str, lines: &str) {
        if self.quiet && !self.has_log {
            return;
        }
        let mut state = self.shared.state();
        if let Some(log) = &mut state.log {
            let mut events =
                lines.lines().map(|line| Event::StepOutput { step: step.to_owned(), line: line.to_owned() });
            let _ = events.try_for_each(|event| record(log, &event)).and_then(|()| log.flush());
        }
        if !self.quiet {
            self.lines_of(&mut state, step, lines);
        }
    }

    fn wants(&self, wanted: Wanted) -> bool {
        self.has_log
            || !self.quiet
                && match wanted {
                    Wanted::EveryLine => !self.is_live || self.verbose,
                    Wanted::Metrics => self.is_live,
                    Wanted::Details => self.verbose,
                }
    }
}

fn record(log: &mut BufWriter<File>, event: &Event) -> io::Result<()> {
    serde_json::to_writer(&mut *log, event)?;
    writeln!(log)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws the view now and then until the end. What is over sooner is never drawn.
    fn paint(&self) {
        let mut state = self.state();
        while !state.is_closed {
            if state.view.is_empty() {
                state.is_idle = true;
                state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.is_idle = false;
            }
            state = self.bell.wait_timeout(state, DRAW_EVERY).unwrap_or_else(PoisonError::into_inner).0;
            if !state.is_closed && !state.view.is_empty() {
                state.draw("");
            }
        }
    }
}

impl State {
    fn draw(&mut self, above: &str) {
        let size = Screen::size();
        let lines = self.view.lines(size.0, size.1, Instant::now());
        self.screen.draw(above, &lines);
    }
}
