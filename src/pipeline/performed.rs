//! What became of a step, as far as it is known.

use std::collections::BTreeMap;

use serde_json::Value;

use super::judge::Known;
use super::key::Inputs;
use super::metrics::Measured;
use super::params;
use crate::event::Watch;
use crate::executor::{FailureClass, Lost};
use crate::project::Project;
use crate::project::lock::LockedPath;
use crate::project::manifest::Step;
use crate::run::{Io, MetricPoint, Outcome, RunStep};
use crate::{Error, Kind};

/// What became of a step.
pub struct Performed {
    pub step: RunStep,
    /// Outputs whose content the store does not keep.
    pub unstored: Vec<LockedPath>,
    pub history: Vec<MetricPoint>,
    pub error: Option<Error>,
}

impl Performed {
    /// A step of which nothing is known yet but what the manifest says.
    pub fn nothing(step: &Step, params: &BTreeMap<String, Value>, outcome: Outcome, reason: &str) -> Self {
        let step = RunStep {
            name: step.name.clone(),
            env: step.env.clone(),
            cmd: params::fill(&step.cmd, params),
            dir: step.dir.clone(),
            outcome,
            key: None,
            reason: reason.to_owned(),
            started: None,
            seconds: 0.0,
            cpu_seconds: 0.0,
            peak_memory_bytes: 0,
            io: Io::default(),
            gpu: None,
            attempts: 0,
            failure: None,
            exit_code: None,
            params: params.clone(),
            deps: Vec::new(),
            parts: Vec::new(),
            outs: Vec::new(),
            metrics: BTreeMap::new(),
            logged: BTreeMap::new(),
            log: None,
            made_by: None,
        };
        Self { step, unstored: Vec::new(), history: Vec::new(), error: None }
    }

    /// Notes why the step did not come to a good end.
    pub(super) fn fail(&mut self, error: Error) {
        if error.kind() == Kind::Interrupted && self.step.outcome == Outcome::Failed {
            return self.interrupt(error);
        }
        let class = match (error.downcast_ref::<Lost>(), error.kind()) {
            (Some(lost), _) => Some(lost.class),
            (None, Kind::Step) => Some(FailureClass::Step),
            (None, Kind::Failed) => Some(FailureClass::Infrastructure),
            (None, Kind::Interrupted) => Some(FailureClass::Cancelled),
            (None, Kind::Usage | Kind::Check) => None,
        };
        self.step.failure = self.step.failure.or(class);
        self.error = Some(error);
    }

    /// Notes that somebody wanted to stop. A step whose program had not begun was merely left out.
    fn interrupt(&mut self, error: Error) {
        match self.step.started {
            Some(_) => {
                self.step.outcome = Outcome::Interrupted;
                self.step.failure = Some(FailureClass::Cancelled);
            }
            None => {
                self.step.outcome = Outcome::Skipped;
                self.step.reason = "the run was interrupted before its program began".into();
            }
        }
        self.error = Some(error);
    }

    /// Notes what the step is made from.
    pub fn take_inputs(&mut self, inputs: Inputs) {
        let Inputs { deps, parts, files } = inputs;
        self.step.deps = deps;
        self.step.parts = parts;
        for file in files {
            if !self.step.deps.contains(&file) {
                self.step.deps.push(file);
            }
        }
    }

    /// Takes over what is known of outputs that were made before.
    pub fn take_known(&mut self, outcome: Outcome, known: Known, project: &Project, step: &Step, watch: Watch<'_>) {
        self.step.outcome = outcome;
        self.step.outs = known.outs;
        self.unstored = known.unstored;
        match known.cached {
            Some(cached) => {
                self.step.made_by = Some(cached.run);
                self.step.metrics = cached.metrics;
                self.step.logged = cached.logged;
                self.history = cached.history;
            }
            // Outputs that came with the lock from elsewhere: their files still say what was measured.
            None => {
                let measured = Measured::of_files(project, step, watch.events).unwrap_or_default();
                self.step.metrics = measured.last;
                self.history = measured.history;
            }
        }
    }
}
