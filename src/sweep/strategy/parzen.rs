//! Parzen estimators: the density of good, or bad, combinations of values, estimated from those that were tried.
//!
//! As in J. Bergstra and others, *Algorithms for hyper-parameter optimization*, NeurIPS 2011, over all parameters at once as
//! in S. Falkner and others, *BOHB*, ICML 2018, with the choices that S. Watanabe, *Tree-structured Parzen estimator* (2023,
//! arXiv:2304.11127) describes for Optuna: around each combination a kernel, which is a product of normal distributions, cut
//! off at the ends of each domain and along each axis as wide as the gap to the neighbours there, and one wide kernel in the
//! middle for all that was not tried.

use super::chance::Chance;

/// The part of a domain that a density is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Axis {
    /// Numbers between these; where they stand on a grid, the gap between two.
    Line { low: f64, high: f64, gap: Option<f64> },
    /// So many values without an order.
    Names(usize),
}

/// A density over all axes.
#[derive(Debug, Clone)]
pub struct Parzen {
    /// Of each kernel; one in all.
    weights: Vec<f64>,
    sides: Vec<Side>,
}

/// What the kernels are along one axis. Values without an order are told by their index.
#[derive(Debug, Clone)]
enum Side {
    Line {
        low: f64,
        high: f64,
        gap: Option<f64>,
        kernels: Vec<Kernel>,
    },
    /// The odds of each value, for each kernel.
    Names(Vec<Vec<f64>>),
}

/// A normal distribution between two ends.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    mean: f64,
    deviation: f64,
    /// How much of it lies between the ends.
    whole: f64,
}

impl Parzen {
    /// The density of the combinations that were seen, the oldest first; each has a value on each axis.
    pub fn of(axes: &[Axis], seen: &[&[f64]]) -> Self {
        let mut weights = weights(seen.len());
        // One more for all that was not seen.
        weights.push(1.0);
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        let sides = axes.iter().enumerate().map(|(place, axis)| {
            let values: Vec<f64> = seen.iter().map(|values| values[place]).collect();
            Side::of(*axis, &values)
        });
        Self { weights, sides: sides.collect() }
    }

    /// A combination of this density, not yet on grids.
    pub fn draw(&self, chance: &mut Chance) -> Vec<f64> {
        let kernel = chance.index(&self.weights).unwrap_or(0);
        self.sides.iter().map(|side| side.draw(kernel, chance)).collect()
    }

    /// The logarithm of the density at a combination; along a grid, of the probability.
    pub fn log_density(&self, values: &[f64]) -> f64 {
        let log = |(kernel, weight): (usize, &f64)| {
            let sides = self.sides.iter().zip(values);
            weight.ln() + sides.map(|(side, value)| side.log_density(kernel, *value)).sum::<f64>()
        };
        let logs: Vec<f64> = self.weights.iter().enumerate().map(log).collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most + logs.iter().map(|log| (log - most).exp()).sum::<f64>().ln()
    }
}

impl Side {
    fn of(axis: Axis, seen: &[f64]) -> Self {
        match axis {
            Axis::Names(count) => {
                let prior = 1.0 / (seen.len() as f64 + 1.0);
                let row = |value: Option<&f64>| {
                    let mut odds = vec![prior; count];
                    if let Some(odd) = value.and_then(|value| odds.get_mut(*value as usize)) {
                        *odd += 1.0;
                    }
                    let total: f64 = odds.iter().sum();
                    odds.iter_mut().for_each(|odd| *odd /= total);
                    odds
                };
                Self::Names(seen.iter().map(Some).chain([None]).map(row).collect())
            }
            Axis::Line { low, high, gap } => {
                let around = |mean, deviation| Kernel { mean, deviation, whole: part(mean, deviation, low, high) };
                let kernels = seen.iter().zip(deviations(low, high, seen)).map(|(value, wide)| around(*value, wide));
                let all = kernels.chain([around(f64::midpoint(low, high), high - low)]);
                Self::Line { low, high, gap, kernels: all.collect() }
            }
        }
    }

    fn draw(&self, kernel: usize, chance: &mut Chance) -> f64 {
        match self {
            Self::Names(odds) => chance.index(&odds[kernel]).unwrap_or(0) as f64,
            Self::Line { low, high, kernels, .. } => {
                let Kernel { mean, deviation, .. } = kernels[kernel];
                // The mean lies between the ends, and the deviation is no wider than they are apart, so that every third
                // draw or more falls between them.
                let mut draws = std::iter::repeat_with(|| mean + deviation * chance.normal()).take(1000);
                draws.find(|number| (*low..=*high).contains(number)).unwrap_or(mean)
            }
        }
    }

    fn log_density(&self, kernel: usize, value: f64) -> f64 {
        match self {
            Self::Names(odds) => odds[kernel][value as usize].ln(),
            Self::Line { low, high, gap, kernels } => {
                let Kernel { mean, deviation, whole } = kernels[kernel];
                match gap {
                    Some(gap) => {
                        let (from, to) = ((value - gap / 2.0).max(*low), (value + gap / 2.0).min(*high));
                        (part(mean, deviation, from, to) / whole + 1e-300).ln()
                    }
                    None => {
                        let distance = (value - mean) / deviation;
                        -distance * distance / 2.0 - (deviation * std::f64::consts::TAU.sqrt() * whole).ln()
                    }
                }
            }
        }
    }
}

/// How wide the kernel of each value is: as the wider gap to a neighbour, or to an end for a value that has none.
fn deviations(low: f64, high: f64, seen: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..seen.len()).collect();
    order.sort_by(|a, b| seen[*a].total_cmp(&seen[*b]));
    let narrowest = (high - low) / 100.0_f64.min(2.0 + seen.len() as f64);
    let mut deviations = vec![high - low; seen.len()];
    for (place, index) in order.iter().enumerate() {
        let at = seen[*index];
        let before = place.checked_sub(1).map(|before| at - seen[order[before]]);
        let after = order.get(place + 1).map(|after| seen[*after] - at);
        let gap = match (before, after) {
            (Some(before), Some(after)) => before.max(after),
            (Some(gap), None) | (None, Some(gap)) => gap,
            (None, None) => (at - low).max(high - at),
        };
        deviations[*index] = gap.clamp(narrowest, high - low);
    }
    deviations
}

/// How much of a normal distribution lies between two numbers.
fn part(mean: f64, deviation: f64, from: f64, to: f64) -> f64 {
    normal_below((to - mean) / deviation) - normal_below((from - mean) / deviation)
}

/// All that is recent counts the same; of what is older than 25 values, the less the older.
fn weights(count: usize) -> Vec<f64> {
    let ramp = count.saturating_sub(25);
    let first = 1.0 / count.max(1) as f64;
    let of = |place: usize| match place {
        place if place >= ramp => 1.0,
        _ if ramp == 1 => first,
        place => first + (1.0 - first) * place as f64 / (ramp - 1) as f64,
    };
    (0..count).map(of).collect()
}

/// The probability of a standard normal number to be smaller.
fn normal_below(number: f64) -> f64 {
    0.5 * libm::erfc(-number / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The density of numbers along one axis.
    fn of(axis: Axis, seen: &[f64]) -> Parzen {
        let seen: Vec<&[f64]> = seen.iter().map(std::slice::from_ref).collect();
        Parzen::of(&[axis], &seen)
    }

    #[test]
    fn a_density_is_one_in_all_and_high_where_values_were_seen() {
        let parzen = of(Axis::Line { low: 0.0, high: 10.0, gap: None }, &[2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 9.0]);
        let at = |number: f64| parzen.log_density(&[number]).exp();

        let whole: f64 = (0..10_000).map(|step| at((f64::from(step) + 0.5) / 1000.0) / 1000.0).sum();

        assert!((whole - 1.0).abs() < 1e-3, "{whole}");
        assert!(at(2.2) > 2.0 * at(6.0));
    }

    #[test]
    fn values_that_were_good_together_belong_together() {
        let axis = Axis::Line { low: 0.0, high: 1.0, gap: None };
        let parzen = Parzen::of(&[axis, axis], &[&[0.1, 0.9], &[0.12, 0.88], &[0.9, 0.1], &[0.88, 0.12]]);

        assert!(parzen.log_density(&[0.1, 0.9]) > parzen.log_density(&[0.1, 0.1]) + 1.0);
    }

    #[test]
    fn probabilities_on_a_grid_are_one_in_all() {
        let parzen = of(Axis::Line { low: -0.5, high: 9.5, gap: Some(1.0) }, &[3.0, 3.0, 4.0]);
        let whole: f64 = (0..10).map(|number| parzen.log_density(&[f64::from(number)]).exp()).sum();
        assert!((whole - 1.0).abs() < 1e-9, "{whole}");

        let names = of(Axis::Names(3), &[1.0, 1.0]);
        let odds: Vec<f64> = (0..3).map(|name| names.log_density(&[f64::from(name)]).exp()).collect();
        assert!((odds.iter().sum::<f64>() - 1.0).abs() < 1e-9 && odds[1] > odds[0], "{odds:?}");
    }

    #[test]
    fn draws_stay_between_the_ends() {
        let parzen = of(Axis::Line { low: 1.0, high: 2.0, gap: None }, &[1.0, 2.0]);
        let mut chance = Chance::of(1, 1);

        assert!((0..1000).all(|_| (1.0..=2.0).contains(&parzen.draw(&mut chance)[0])));
    }

    #[test]
    fn old_values_weigh_less() {
        assert_eq!(weights(25), [1.0; 25]);
        let many = weights(40);
        assert!(many.is_sorted() && many[0] == 1.0 / 40.0 && many[15..] == [1.0; 25]);
    }
}
