//! Trials that end well and do not measure what their sweep goes by: a name that was mistyped, most of the time.

use super::state::{State, Trial, TrialState};
use crate::Error;
use crate::error::{closest, did_you_mean};
use crate::event::{Event, EventSink};
use crate::fs::escape;

/// After so many of them in a row no more trials begin.
const PATIENCE: usize = 3;
/// So many metrics are named.
const SHOWN: usize = 10;

/// Those of this process, in a row.
#[derive(Default)]
pub struct Misses(usize);

impl Misses {
    /// Takes in that a trial is over. The first one that misses the metric is told, while there is time to correct its name.
    pub fn take_in(&mut self, name: &str, state: &State, number: u64, events: &dyn EventSink) {
        let trial = state.trials.get(number as usize).filter(|trial| trial.state == TrialState::Finished);
        let (Some(trial), Some(metric)) = (trial, &state.plan.metric) else { return };
        if is_known(state, metric) {
            self.0 = 0;
            return;
        }
        self.0 += 1;
        if self.0 == 1 && !state.is_complete() {
            let (shown, reported) = (escape(metric.as_bytes()), reported(trial));
            let (remedy, command) = remedy(name, metric, trial);
            events.emit(Event::Warning {
                message: format!("trial {number} reported no finite `{shown}`, which the sweep goes by; it reported {reported}"),
                hint: Some(format!(
                    "{remedy} End this with Ctrl-C and go on with `{command}`; after {PATIENCE} such trials no more begin"
                )),
            });
        }
    }

    /// Whether it makes no sense to begin more trials.
    pub fn are_enough(&self) -> bool {
        self.0 >= PATIENCE
    }
}

/// Why a sweep that began no more trials, or has none left to begin, came to no good end.
pub fn failure(name: &str, state: &State) -> Option<Error> {
    let metric = state.plan.metric.as_ref().filter(|metric| !is_known(state, metric))?;
    let finished: Vec<&Trial> = state.trials.iter().filter(|trial| trial.state == TrialState::Finished).collect();
    let last = finished.last()?;
    let (count, shown) = (finished.len(), escape(metric.as_bytes()));
    let who = match count {
        1 => "a trial ended well, and reported".to_owned(),
        count => format!("{count} trials ended well, and none of them reported"),
    };
    let not = if count == 1 { "no" } else { "a" };
    let (remedy, command) = remedy(name, metric, last);
    let message = format!("{who} {not} finite `{shown}`; the last one reported {}", reported(last));
    Some(Error::usage(message).with_hint(format!("{remedy} Go on with `{command}`; the trials that are over stay")))
}

/// Refuses a metric that no trial which ended well reported, where there are such trials.
pub fn check(name: &str, state: &State, metric: &str) -> Result<(), Error> {
    let mut finished = state.trials.iter().filter(|trial| trial.state == TrialState::Finished).peekable();
    if finished.peek().is_none() || is_known(state, metric) {
        return Ok(());
    }
    Err(unreported(name, state, metric))
}

/// The error of a metric that no trial reported.
pub fn unreported(name: &str, state: &State, metric: &str) -> Error {
    let known: std::collections::BTreeSet<&str> =
        state.trials.iter().flat_map(|trial| trial.metrics.keys().map(String::as_str)).collect();
    Error::usage(format!("no trial of the sweep `{name}` reported `{}`", escape(metric.as_bytes())))
        .with_hint(did_you_mean(metric, known))
}

fn is_known(state: &State, metric: &str) -> bool {
    state.trials.iter().any(|trial| trial.metrics.contains_key(metric))
}

/// What the trial did report, in words.
fn reported(trial: &Trial) -> String {
    let names: Vec<String> =
        trial.metrics.keys().take(SHOWN).map(|metric| format!("`{}`", escape(metric.as_bytes()))).collect();
    let more = if trial.metrics.len() > SHOWN { ", …" } else { "" };
    if names.is_empty() { "no metric at all".to_owned() } else { names.join(", ") + more }
}

/// What to do about it, as a sentence, and the command that goes on then.
fn remedy(name: &str, metric: &str, trial: &Trial) -> (String, String) {
    let resume = format!("mlx sweep {name} --resume");
    match closest(metric, trial.metrics.keys().map(String::as_str)) {
        Some(known) => {
            let known = escape(known.as_bytes());
            (format!("did you mean `{known}`?"), format!("{resume} --metric {known}"))
        }
        None if trial.metrics.is_empty() => (
            "name the files that hold metrics in `metrics` of a step, or let its program append lines to the file that \
             MLX_METRICS names."
                .to_owned(),
            format!("{resume} --force"),
        ),
        None => (
            "a metric is a number: text is none, and neither are NaN and infinities.".to_owned(),
            format!("{resume} --metric NAME"),
        ),
    }
}
