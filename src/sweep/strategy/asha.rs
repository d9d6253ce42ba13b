//! Early stop: at certain steps, only the best of all trials that came so far go on.
//!
//! L. Li and others, *A system for massively parallel hyperparameter tuning*, MLSys 2020 (ASHA), in the variant that stops
//! instead of pausing: at each rung, a trial goes on where it is among the best `1/reduction` of those that reached it
//! before or now.

use std::collections::BTreeMap;

use super::{Strategy, Values, Verdict};
use crate::sweep::plan::Rungs;

/// Another strategy's trials, of which those that fall behind are stopped.
pub struct Asha {
    inner: Box<dyn Strategy>,
    rungs: Rungs,
    /// The losses at each rung, by the trial's number.
    losses: BTreeMap<u64, BTreeMap<u64, f64>>,
}

impl Asha {
    pub fn new(inner: Box<dyn Strategy>, rungs: Rungs) -> Self {
        Self { inner, rungs, losses: BTreeMap::new() }
    }

    /// The highest rung that is reached with this step.
    fn rung(&self, step: u64) -> Option<u64> {
        let Rungs { min, max, reduction } = self.rungs;
        let last = step.min(max.unwrap_or(u64::MAX));
        let mut rung = Some(min).filter(|first| *first <= last)?;
        while let Some(next) = rung.checked_mul(reduction).filter(|next| *next <= last) {
            rung = next;
        }
        Some(rung)
    }
}

impl Strategy for Asha {
    fn ask(&mut self, number: u64) -> Option<Values> {
        self.inner.ask(number)
    }

    fn begin(&mut self, number: u64, values: &Values) {
        // What a killed attempt reported is reported again.
        for losses in self.losses.values_mut() {
            losses.remove(&number);
        }
        self.inner.begin(number, values);
    }

    fn report(&mut self, number: u64, step: u64, loss: f64) -> Verdict {
        let Some(rung) = self.rung(step) else { return Verdict::Unjudged };
        let losses = self.losses.entry(rung).or_default();
        if losses.contains_key(&number) {
            return Verdict::Unjudged;
        }
        losses.insert(number, loss);
        let better = losses.values().filter(|other| **other < loss).count() as u64;
        let go_on = (losses.len() as u64 / self.rungs.reduction).max(1);
        if better < go_on { Verdict::GoOn } else { Verdict::Stop }
    }

    fn tell(&mut self, number: u64, loss: Option<f64>) {
        self.inner.tell(number, loss);
    }
}
