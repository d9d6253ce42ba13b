//! Strategies: what the next trial tries. Each is asked for values and told what became of them.

mod asha;
mod chance;
mod fixed;
mod joe_kuo;
mod parzen;
mod random;
mod sobol;
#[cfg(test)]
mod tests;
mod tpe;

use serde_json::Value;

pub use fixed::GRID_LIMIT;
pub use sobol::DIMENSIONS;

use super::plan::Plan;
use crate::project::manifest::{self, Goal};
use crate::project::space::Domain;

/// The values of one trial, in the order of the plan's parameters.
pub type Values = Vec<Value>;

/// What becomes of a trial that reported a value on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is decided at this point.
    Unjudged,
    /// It may go on, and that is worth remembering.
    GoOn,
    /// It fell behind and should be stopped.
    Stop,
}

/// Chooses the values of trials.
///
/// What it is told comes in the order of the journal, so that one that is told the same again, after a kill, chooses the
/// same again. Losses are better the smaller they are.
pub trait Strategy: Send {
    /// The values of the trial with this number; `None` where there are no more.
    fn ask(&mut self, number: u64) -> Option<Values>;

    /// A trial with these values began, or began again.
    fn begin(&mut self, _number: u64, _values: &Values) {}

    /// The trial has this loss after so many steps.
    fn report(&mut self, _number: u64, _step: u64, _loss: f64) -> Verdict {
        Verdict::Unjudged
    }

    /// The trial ended with this loss; `None` where it failed or measured nothing.
    fn tell(&mut self, _number: u64, _loss: Option<f64>) {}
}

/// The strategy of a plan.
pub fn of(plan: &Plan) -> Box<dyn Strategy> {
    let domains: Vec<Domain> = plan.params.iter().map(|(_, domain)| domain.clone()).collect();
    let simple = |strategy| -> Box<dyn Strategy> {
        match strategy {
            manifest::Strategy::Grid => Box::new(fixed::Grid::new(domains.clone())),
            manifest::Strategy::List => Box::new(fixed::List::new(plan.list.clone())),
            manifest::Strategy::Sobol => Box::new(sobol::Sobol::new(domains.clone(), plan.seed)),
            manifest::Strategy::Tpe => Box::new(tpe::Tpe::new(domains.clone(), plan.seed)),
            manifest::Strategy::Random | manifest::Strategy::Asha => {
                Box::new(random::Random::new(domains.clone(), plan.seed))
            }
        }
    };
    match &plan.rungs {
        Some(rungs) => Box::new(asha::Asha::new(simple(plan.strategy), rungs.clone())),
        None => simple(plan.strategy),
    }
}

/// The loss of a metric's value.
pub fn loss(goal: Goal, value: f64) -> f64 {
    if goal == Goal::Max { -value } else { value }
}
