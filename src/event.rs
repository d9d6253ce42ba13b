//! What goes on while the domain works, told to whoever shows or records it; and the wish to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use serde::Serialize;

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
    /// A step is over.
    StepFinished { step: String, outcome: String, seconds: f64 },
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
    Packages,
}

/// Takes events; called from many threads.
pub trait EventSink: Sync + Send {
    fn emit(&self, event: Event);

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
pub struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Asks to stop; a second time, to stop at once.
    pub fn request(&self) {
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| Some(count.saturating_add(1)));
    }

    /// Whether somebody asked to stop.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    /// Whether somebody asked twice: end what runs without waiting for it.
    pub fn is_urgent(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 1
    }

    /// An error of kind `Interrupted` once somebody asked to stop.
    pub fn check(&self) -> crate::Result<()> {
        if self.is_requested() { Err(crate::Error::interrupted()) } else { Ok(()) }
    }
}
