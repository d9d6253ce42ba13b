//! Trials that are known from the beginning: a grid of all combinations, or a list of some.

use super::{Strategy, Values};
use crate::project::space::Domain;

/// A grid may have so many combinations.
pub const GRID_LIMIT: u64 = 1_000_000;

/// Every combination; the last parameter changes with each trial, the first one slowest.
pub struct Grid {
    domains: Vec<Domain>,
    /// How many values each of them has.
    counts: Vec<u64>,
}

impl Grid {
    pub fn new(domains: Vec<Domain>) -> Self {
        let counts = domains.iter().map(|domain| domain.count().unwrap_or(0)).collect();
        Self { domains, counts }
    }
}

impl Strategy for Grid {
    fn ask(&mut self, number: u64) -> Option<Values> {
        let mut rest = number;
        let mut values = Vec::with_capacity(self.domains.len());
        for (domain, count) in self.domains.iter().zip(&self.counts).rev() {
            values.push(domain.nth(rest.checked_rem(*count)?));
            rest /= count;
        }
        values.reverse();
        (rest == 0).then_some(values)
    }
}

/// The listed combinations.
pub struct List(Vec<Values>);

impl List {
    pub fn new(combinations: Vec<Values>) -> Self {
        Self(combinations)
    }
}

impl Strategy for List {
    fn ask(&mut self, number: u64) -> Option<Values> {
        self.0.get(usize::try_from(number).ok()?).cloned()
    }
}
