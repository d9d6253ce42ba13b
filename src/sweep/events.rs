//! What goes on in a trial, as a sweep tells it: many pipelines at once would drown what matters.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::event::{Event, EventSink};

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
            Event::StepStarted { step, .. } => detail(format!("trial {trial}: {step} begins")),
            Event::StepOutput { step, line } => detail(format!("trial {trial}: {step} | {line}")),
            Event::StepFinished { step, outcome, seconds } => {
                detail(format!("trial {trial}: {step} {outcome} after {seconds:.1} s"));
            }
            // Bars of single trials would push the sweep's away.
            _ => {}
        }
    }
}
