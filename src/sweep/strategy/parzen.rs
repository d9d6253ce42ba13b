//! Parzen estimators: the density of one parameter's good, or bad, values, estimated from those that were tried.
//!
//! As in J. Bergstra and others, *Algorithms for hyper-parameter optimization*, NeurIPS 2011, with the choices that
//! S. Watanabe, *Tree-structured Parzen estimator* (2023, arXiv:2304.11127) describes for Optuna: a normal distribution
//! around each value, cut off at the ends of the domain and as wide as the gap to its neighbours, and a wide one in the
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

/// A density. Values without an order are told by their index.
#[derive(Debug, Clone)]
pub enum Parzen {
    Line { low: f64, high: f64, gap: Option<f64>, kernels: Vec<Kernel> },
    Names(Vec<f64>),
}

/// A normal distribution and its weight.
#[derive(Debug, Clone, Copy)]
pub struct Kernel {
    weight: f64,
    mean: f64,
    deviation: f64,
}

impl Parzen {
    /// The density of what was seen, the oldest first.
    pub fn of(axis: Axis, seen: &[f64]) -> Self {
        let mut weights = weights(seen.len());
        // One more for all that was not seen.
        weights.push(1.0);
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        match axis {
            Axis::Names(count) => {
                let prior = 1.0 / weights.len() as f64;
                let mut odds = vec![0.0; count];
                for (place, weight) in weights.iter().enumerate() {
                    let row = count as f64 * prior + f64::from(place < seen.len());
                    odds.iter_mut().for_each(|odds| *odds += weight * prior / row);
                    if let Some(index) = seen.get(place) {
                        odds[*index as usize] += weight / row;
                    }
                }
                Self::Names(odds)
            }
            Axis::Line { low, high, gap } => {
                let middle = f64::midpoint(low, high);
                let means = seen.iter().copied().chain([middle]);
                let deviations = deviations(low, high, seen).into_iter().chain([high - low]);
                let kernel = |((mean, deviation), weight)| Kernel { weight, mean, deviation };
                let kernels = means.zip(deviations).zip(weights);
                Self::Line { low, high, gap, kernels: kernels.map(kernel).collect() }
            }
        }
    }

    /// A value of this density, not yet on a grid.
    pub fn draw(&self, chance: &mut Chance) -> f64 {
        match self {
            Self::Names(odds) => chance.index(odds).unwrap_or(0) as f64,
            Self::Line { low, high, kernels, .. } => {
                let weights: Vec<f64> = kernels.iter().map(|kernel| kernel.weight).collect();
                let Kernel { mean, deviation, .. } = kernels[chance.index(&weights).unwrap_or(0)];
                // The mean lies between the ends, and the deviation is no wider than they are apart, so that every third
                // draw or more falls between them.
                let mut draws = std::iter::repeat_with(|| mean + deviation * chance.normal()).take(1000);
                draws.find(|number| (*low..=*high).contains(number)).unwrap_or(mean)
            }
        }
    }

    /// The logarithm of the density at a value; on a grid, of its probability.
    pub fn log_density(&self, value: f64) -> f64 {
        match self {
            Self::Names(odds) => odds[value as usize].ln(),
            Self::Line { low, high, gap, kernels } => {
                let density = |Kernel { weight, mean, deviation }: &Kernel| {
                    let below = |number: f64| normal_below((number - mean) / deviation);
                    let whole = below(*high) - below(*low);
                    let at = match gap {
                        Some(gap) => below((value + gap / 2.0).min(*high)) - below((value - gap / 2.0).max(*low)),
                        None => {
                            let distance = (value - mean) / deviation;
                            (-distance * distance / 2.0).exp() / (deviation * std::f64::consts::TAU.sqrt())
                        }
                    };
                    weight * at / whole
                };
                (kernels.iter().map(density).sum::<f64>() + 1e-300).ln()
            }
        }
    }
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

/// The probability of a standard normal number to be smaller.
fn normal_below(number: f64) -> f64 {
    0.5 * libm::erfc(-number / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_density_is_one_in_all_and_high_where_values_were_seen() {
        let (low, high) = (0.0, 10.0);
        let parzen = Parzen::of(Axis::Line { low, high, gap: None }, &[2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 9.0]);
        let at = |number: f64| parzen.log_density(number).exp();

        let whole: f64 = (0..10_000).map(|step| at((f64::from(step) + 0.5) / 1000.0) / 1000.0).sum();

        assert!((whole - 1.0).abs() < 1e-3, "{whole}");
        assert!(at(2.2) > 2.0 * at(6.0));
    }

    #[test]
    fn probabilities_on_a_grid_are_one_in_all() {
        let parzen = Parzen::of(Axis::Line { low: -0.5, high: 9.5, gap: Some(1.0) }, &[3.0, 3.0, 4.0]);
        let whole: f64 = (0..10).map(|number| parzen.log_density(f64::from(number)).exp()).sum();
        assert!((whole - 1.0).abs() < 1e-9, "{whole}");

        let names = Parzen::of(Axis::Names(3), &[1.0, 1.0]);
        let odds: Vec<f64> = (0..3).map(|name| names.log_density(f64::from(name)).exp()).collect();
        assert!((odds.iter().sum::<f64>() - 1.0).abs() < 1e-9 && odds[1] > odds[0], "{odds:?}");
    }

    #[test]
    fn draws_stay_between_the_ends() {
        let parzen = Parzen::of(Axis::Line { low: 1.0, high: 2.0, gap: None }, &[1.0, 2.0]);
        let mut chance = Chance::of(1, 1);

        assert!((0..1000).all(|_| (1.0..=2.0).contains(&parzen.draw(&mut chance))));
    }

    #[test]
    fn old_values_weigh_less() {
        assert_eq!(weights(25), [1.0; 25]);
        let many = weights(40);
        assert!(many.is_sorted() && many[0] == 1.0 / 40.0 && many[15..] == [1.0; 25]);
    }
}
