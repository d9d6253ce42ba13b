//! What a trial's end says while a sweep goes on.

use crate::cli::output::{duration, number};
use crate::event::Event;
use crate::fs::escape;

/// What the bar of a sweep says after this event.
pub fn so_far(event: &Event) -> String {
    let Event::TrialFinished { sweep, metric, best_trial, best_value, .. } = event else { return String::new() };
    match (metric, best_trial, best_value) {
        (Some(metric), Some(trial), Some(value)) => {
            format!("Sweep `{sweep}`: best {} {} (trial {trial})", escape(metric.as_bytes()), number(*value))
        }
        _ => format!("Sweep `{sweep}`"),
    }
}

/// A line about the end of a trial; on a terminal, where a bar says the rest, only of one that failed.
pub fn line(event: &Event, is_terminal: bool) -> Option<String> {
    let Event::TrialFinished { trial, outcome, metric, value, best_trial, best_value, seconds, error, .. } = event
    else {
        return None;
    };
    let head = format!("trial {trial} {outcome} after {}", duration(*seconds));
    if let Some(error) = error {
        let first = error.lines().next().unwrap_or_default();
        return Some(format!("{head}: {}", escape(first.as_bytes())));
    }
    if is_terminal {
        return None;
    }
    let measured = match (metric, value) {
        (Some(metric), Some(value)) => format!(": {} {}", escape(metric.as_bytes()), number(*value)),
        (Some(metric), None) => format!(": no {}", escape(metric.as_bytes())),
        (None, _) => String::new(),
    };
    let best = match (best_trial, best_value) {
        (Some(best), _) if best == trial => ", the best so far".to_owned(),
        (Some(best), Some(value)) => format!(" (best {}, trial {best})", number(*value)),
        _ => String::new(),
    };
    Some(format!("{head}{measured}{best}"))
}
