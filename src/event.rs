//! What goes on while the domain works, told to whoever shows or records it; and the wish to stop.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use rustix::event::EventfdFlags;
use serde::Serialize;
use serde_json::Value;

/// Something that happens on the way to a result.
///
/// `--events FILE` writes these as JSON, one object a line; fields are added, never renamed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Work of a known or unknown length began. `id` names it in the events that follow.
    Started { id: String, what: String, total: Option<u64>, unit: Unit },
    /// So much of it is done by now.
    Progress { id: String, done: u64 },
    /// It is over.
    Finished { id: String },
    /// A step of the pipeline began to run.
    StepStarted { step: String, cmd: String },
    /// The step's program wrote a line (or a piece of an endless one), without its line end.
    StepOutput { step: String, line: String },
    /// The step told this value of a metric while it runs, by the file that `MLX_METRICS` names; `at` is the step of the
    /// metric, where the line names it. Of many values that come at once some are left out.
    StepMetric { step: String, metric: String, at: Option<u64>, value: f64 },
    /// A step is over.
    StepFinished { step: String, outcome: String, seconds: f64 },
    /// A trial of a sweep began with these parameters.
    TrialStarted { sweep: String, trial: u64, params: BTreeMap<String, Value> },
    /// What a step does in a trial.
    InTrial { trial: u64, what: Box<Event> },
    /// A trial is over; the best so far is told with it.
    TrialFinished {
        sweep: String,
        trial: u64,
        outcome: String,
        metric: Option<String>,
        value: Option<f64>,
        best_trial: Option<u64>,
        best_value: Option<f64>,
        seconds: f64,
        error: Option<String>,
    },
    /// Something the user should know that is no error.
    Warning { message: String, hint: Option<String> },
    /// A line about what is being done.
    Note { message: String },
    /// A line for those who want to know more (`--verbose`).
    Detail { message: String },
}

/// What [`Event::Started`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Bytes,
    Files,
    Steps,
    Objects,
    Packs,
    Packages,
    Trials,
}

/// What is told only to who wants it, since much of it costs time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Each line that programs print; else, of many that come at once, the newest will do.
    EveryLine,
    /// What steps measure while they run.
    Metrics,
    /// Events of the kind [`Event::Detail`].
    Details,
}

/// Takes events; called from many threads.
pub trait EventSink: Sync + Send {
    fn emit(&self, event: Event);

    /// Takes lines that a step's program wrote, each with its line end. By default each becomes an event.
    fn lines(&self, step: &str, lines: &str) {
        for line in lines.lines() {
            self.emit(Event::StepOutput { step: step.to_owned(), line: line.to_owned() });
        }
    }

    /// Whether anybody listens to this.
    fn wants(&self, _: Wanted) -> bool {
        true
    }

    /// Emits a warning without a hint.
    fn warn(&self, message: String) {
        self.emit(Event::Warning { message, hint: None });
    }

    /// Emits a line about what is being done.
    fn note(&self, message: String) {
        self.emit(Event::Note { message });
    }
}

/// Drops every event.
pub struct Silent;

impl EventSink for Silent {
    fn emit(&self, _: Event) {}

    fn wants(&self, _: Wanted) -> bool {
        false
    }
}

/// Keeps every event, for tests and for callers that look afterwards.
#[derive(Default)]
pub struct Recorder(std::sync::Mutex<Vec<Event>>);

impl Recorder {
    /// The events so far.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().expect("no thread panics while it holds the list").clone()
    }
}

impl EventSink for Recorder {
    fn emit(&self, event: Event) {
        self.0.lock().expect("no thread panics while it holds the list").push(event);
    }
}

/// Who hears what happens during long work, and whether somebody wants it to stop: what such work is given.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    pub events: &'a dyn EventSink,
    pub interrupt: &'a Interrupt,
}

/// The user's wish to stop, shared between the signal handler and the work. Cheap to ask and to clone.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Wish>);

#[derive(Debug, Default)]
struct Wish {
    count: AtomicU8,
    /// An eventfd, made when somebody wants to wait for the wish.
    bell: OnceLock<OwnedFd>,
}

impl Interrupt {
    /// Asks to stop; a second time, to stop at once. May be called in a signal handler.
    pub fn request(&self) {
        let _ = self.0.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| Some(count.saturating_add(1)));
        if let Some(bell) = self.0.bell.get() {
            ring(bell);
        }
    }

    /// Whether somebody asked to stop.
    pub fn is_requested(&self) -> bool {
        self.0.count.load(Ordering::SeqCst) > 0
    }

    /// Whether somebody asked twice: end what runs without waiting for it.
    pub fn is_urgent(&self) -> bool {
        self.0.count.load(Ordering::SeqCst) > 1
    }

    /// An error of kind `Interrupted` once somebody asked to stop.
    pub fn check(&self) -> crate::Result<()> {
        if self.is_requested() { Err(crate::Error::interrupted()) } else { Ok(()) }
    }

    /// A descriptor that is readable from the moment somebody asks to stop, for work that waits in `poll`.
    pub fn bell(&self) -> crate::Result<BorrowedFd<'_>> {
        if self.0.bell.get().is_none() {
            let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
                .context("cannot create an event descriptor")?;
            // Another thread may have been faster; then its bell serves.
            let _ = self.0.bell.set(bell);
        }
        let bell = self.0.bell.get().expect("the lines above set it");
        if self.is_requested() {
            ring(bell);
        }
        Ok(bell.as_fd())
    }
}

/// A full counter rings as well, so that no failure matters.
fn ring(bell: &OwnedFd) {
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn rings(interrupt: &Interrupt) -> bool {
        let bell = interrupt.bell().unwrap();
        poll(&mut [PollFd::new(&bell, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
    }

    #[test]
    fn the_bell_rings_whether_it_was_asked_for_before_or_after() {
        let (early, late) = (Interrupt::default(), Interrupt::default());
        assert!(!rings(&early));

        early.request();
        late.request();

        assert!(rings(&early) && rings(&late));
    }
}
