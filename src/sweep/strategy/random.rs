//! Values by chance.

use super::chance::Chance;
use super::{Strategy, Values};
use crate::project::space::Domain;

/// Each parameter by itself.
pub struct Random {
    domains: Vec<Domain>,
    seed: u64,
}

impl Random {
    pub fn new(domains: Vec<Domain>, seed: u64) -> Self {
        Self { domains, seed }
    }
}

impl Strategy for Random {
    fn ask(&mut self, number: u64) -> Option<Values> {
        let mut chance = Chance::of(self.seed, number);
        Some(self.domains.iter().map(|domain| domain.at(chance.part())).collect())
    }
}
