//! What goes on in a trial, as a sweep tells it: many pipelines at once would drown what matters.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::event::{Event, EventSink, Wanted};

/// Passes on what a trial tells, under the trial's number.
pub struct TrialEvents<'a> {
    pub events: &'a dyn EventSink,
    pub trial: u64,
    /// Warnings that were told before; the same one comes with each trial.
    pub told: &'a Mutex<HashSet<String>>,
}

impl EventSink for TrialEvents<'_> {
    fn emit(&self, event: Event) {
        let trial = self.trial;
        let detail = |message: String| self.events.emit(Event::Detail { message });
        match event {
            Event::Warning { message, hint } => {
                let is_new = self.told.lock().is_ok_and(|mut told| told.insert(message.clone()));
                match is_new {
                    true => self.events.emit(Event::Warning { message: format!("trial {trial}: {message}"), hint }),
                    false => detail(format!("trial {trial}: {message}")),
                }
            }
            Event::Note { message } | Event::Detail { message } => detail(format!("trial {trial}: {message}")),
            event @ (Event::StepStarted { .. }
            | Event::StepOutput { .. }
            | Event::StepMetric { .. }
            | Event::StepFinished { .. }) => self.events.emit(Event::InTrial { trial, what: Box::new(event) }),
            // Bars of single trials would push the sweep's away.
            _ => {}
        }
    }
    fn wants(&self, wanted: Wanted) -> bool {
        // A trial's output is a detail of the sweep.
        self.events.wants(if wanted == Wanted::EveryLine { Wanted::Details } else { wanted })
    }
}
