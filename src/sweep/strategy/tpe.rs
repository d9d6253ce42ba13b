//! A tree-structured Parzen estimator: values that look like those of the good trials and unlike those of the others.
//!
//! All parameters at once, with the constants of Optuna's `TPESampler`: ten trials by chance, then the best of 24 draws from
//! the density of the best tenth. Trials that failed or measured nothing count as bad, and so do those that run still,
//! so that trials side by side do not try the same.

use std::collections::BTreeMap;

use serde_json::Value;

use super::chance::Chance;
use super::parzen::{Axis, Parzen};
use super::{Strategy, Values};
use crate::project::space::{Domain, tidy};

/// Trials by chance before the first that learns.
const STARTUP: usize = 10;
/// Draws for each trial.
const CANDIDATES: usize = 24;
/// At most so many trials are good ones.
const MOST_GOOD: usize = 25;

pub struct Tpe {
    domains: Vec<Domain>,
    seed: u64,
    trials: BTreeMap<u64, Seen>,
}

struct Seen {
    /// On the axis of each domain; `None` where one of the values is none that its domain has.
    numbers: Option<Vec<f64>>,
    ended: bool,
    loss: Option<f64>,
}

impl Tpe {
    pub fn new(domains: Vec<Domain>, seed: u64) -> Self {
        Self { domains, seed, trials: BTreeMap::new() }
    }

    /// The good trials and the others, each the oldest first; `None` while there is nothing to learn from.
    fn split(&self) -> Option<(Vec<&Seen>, Vec<&Seen>)> {
        let ended = self.trials.values().filter(|seen| seen.ended).count();
        let mut ranked: Vec<(u64, f64)> =
            self.trials.iter().filter_map(|(number, seen)| Some((*number, seen.loss?))).collect();
        if ended < STARTUP || ranked.is_empty() {
            return None;
        }
        ranked.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        ranked.truncate(ended.div_ceil(10).min(MOST_GOOD));
        let is_good = |number: u64| ranked.iter().any(|(good, _)| *good == number);
        let (good, others): (Vec<_>, Vec<_>) = self.trials.iter().partition(|(number, _)| is_good(**number));
        let seen = |trials: Vec<(_, _)>| trials.into_iter().map(|(_, seen)| seen).collect();
        Some((seen(good), seen(others)))
    }
}

impl Strategy for Tpe {
    fn ask(&mut self, number: u64) -> Option<Values> {
        let mut chance = Chance::of(self.seed, number);
        let Some((good, others)) = self.split() else {
            return Some(self.domains.iter().map(|domain| domain.at(chance.part())).collect());
        };
        let axes: Vec<Axis> = self.domains.iter().map(axis).collect();
        let density = |trials: &[&Seen]| {
            let numbers: Vec<&[f64]> = trials.iter().filter_map(|seen| seen.numbers.as_deref()).collect();
            Parzen::of(&axes, &numbers)
        };
        let (good, others) = (density(&good), density(&others));
        let candidates = (0..CANDIDATES).map(|_| {
            let drawn = self.domains.iter().zip(good.draw(&mut chance));
            drawn.map(|(domain, number)| on_grid(domain, number)).collect::<Vec<f64>>()
        });
        let scored = candidates.map(|numbers| (good.log_density(&numbers) - others.log_density(&numbers), numbers));
        let (_, best) = scored.max_by(|(a, _), (b, _)| a.total_cmp(b)).expect("there are candidates");
        Some(self.domains.iter().zip(best).map(|(domain, number)| value_of(domain, number)).collect())
    }

    fn begin(&mut self, number: u64, values: &Values) {
        let numbers = self.domains.iter().zip(values).map(|(domain, value)| number_of(domain, value)).collect();
        self.trials.insert(number, Seen { numbers, ended: false, loss: None });
    }

    fn tell(&mut self, number: u64, loss: Option<f64>) {
        if let Some(seen) = self.trials.get_mut(&number) {
            seen.ended = true;
            seen.loss = loss.filter(|loss| !loss.is_nan());
        }
    }
}

fn axis(domain: &Domain) -> Axis {
    match *domain {
        Domain::Choice(ref values) => Axis::Names(values.len()),
        Domain::Int { low, high, log: true, .. } => {
            Axis::Line { low: (low as f64 - 0.5).ln(), high: (high as f64 + 0.5).ln(), gap: None }
        }
        Domain::Int { low, step, .. } => grid_axis(low as f64, step as f64, domain),
        Domain::Float { low, step: Some(step), .. } => grid_axis(low, step, domain),
        Domain::Float { low, high, log: true, .. } => Axis::Line { low: low.ln(), high: high.ln(), gap: None },
        Domain::Float { low, high, .. } => Axis::Line { low, high, gap: None },
    }
}

/// Half a step beyond the first and the last value.
fn grid_axis(low: f64, step: f64, domain: &Domain) -> Axis {
    let count = domain.count().unwrap_or(1) as f64;
    Axis::Line { low: low - step / 2.0, high: low + step * (count - 0.5), gap: Some(step) }
}

/// The nearest number of a grid; the number itself where there is none.
fn on_grid(domain: &Domain, number: f64) -> f64 {
    match axis(domain) {
        Axis::Line { low, gap: Some(gap), .. } => {
            let first = low + gap / 2.0;
            let last = domain.count().unwrap_or(1) - 1;
            first + gap * ((number - first) / gap).round().clamp(0.0, last as f64)
        }
        _ => number,
    }
}

fn number_of(domain: &Domain, value: &Value) -> Option<f64> {
    match domain {
        Domain::Choice(values) => values.iter().position(|known| known == value).map(|place| place as f64),
        Domain::Int { log: true, .. } | Domain::Float { log: true, .. } => {
            value.as_f64().filter(|number| *number > 0.0).map(f64::ln)
        }
        Domain::Int { .. } | Domain::Float { .. } => value.as_f64(),
    }
}

fn value_of(domain: &Domain, number: f64) -> Value {
    match domain {
        Domain::Choice(values) => values[number as usize].clone(),
        Domain::Int { low, high, log, .. } => {
            let number = if *log { number.exp() } else { number };
            (number.round() as i64).clamp(*low, *high).into()
        }
        Domain::Float { low, high, log, .. } => {
            let number = if *log { number.exp() } else { number };
            tidy(number, *low, *high).into()
        }
    }
}
