//! Values spread evenly over all parameters at once: a Sobol sequence, shifted by chance.
//!
//! I. M. Sobol', *On the distribution of points in a cube and the approximate evaluation of integrals*, 1967; in the order
//! of the Gray code by I. A. Antonov and V. M. Saleev, 1979. The seed shifts each dimension by an exclusive or, which keeps
//! the spread (a random digital shift).

use super::chance::Chance;
use super::joe_kuo::{DIRECTIONS, Direction};
use super::{Strategy, Values};
use crate::project::space::Domain;

/// So many parameters can be spread at once.
pub const DIMENSIONS: usize = DIRECTIONS.len() + 1;
const BITS: usize = 32;

pub struct Sobol {
    dimensions: Vec<Dimension>,
}

struct Dimension {
    domain: Domain,
    numbers: [u32; BITS],
    shift: u32,
}

impl Sobol {
    /// At most [`DIMENSIONS`] domains are spread; the plan refuses more.
    pub fn new(domains: Vec<Domain>, seed: u64) -> Self {
        let numbers = std::iter::once(van_der_corput()).chain(DIRECTIONS.iter().map(direction_numbers));
        let dimensions = domains.into_iter().zip(numbers).zip(0..);
        let dimension = |((domain, numbers), stream)| Dimension {
            domain,
            numbers,
            shift: (Chance::of(seed, stream).next() >> BITS) as u32,
        };
        Self { dimensions: dimensions.map(dimension).collect() }
    }
}

fn van_der_corput() -> [u32; BITS] {
    std::array::from_fn(|bit| 1 << (BITS - 1 - bit))
}

/// The direction numbers of a dimension, by the recurrence of its polynomial.
fn direction_numbers(direction: &Direction) -> [u32; BITS] {
    let degree = direction.numbers.len();
    let mut numbers = [0; BITS];
    for bit in 0..BITS {
        numbers[bit] = match direction.numbers.get(bit) {
            Some(first) => first << (BITS - 1 - bit),
            None => {
                let mut number = numbers[bit - degree] ^ (numbers[bit - degree] >> degree);
                for back in 1..degree {
                    if direction.polynomial >> (degree - 1 - back) & 1 == 1 {
                        number ^= numbers[bit - back];
                    }
                }
                number
            }
        };
    }
    numbers
}

/// The coordinate of a point before the shift.
fn coordinate(numbers: &[u32; BITS], index: u32) -> u32 {
    let gray = index ^ (index >> 1);
    numbers.iter().enumerate().filter(|(bit, _)| gray >> bit & 1 == 1).fold(0, |sum, (_, number)| sum ^ number)
}

impl Strategy for Sobol {
    fn ask(&mut self, number: u64) -> Option<Values> {
        let index = u32::try_from(number).ok()?;
        let value = |dimension: &Dimension| {
            let shifted = coordinate(&dimension.numbers, index) ^ dimension.shift;
            dimension.domain.at(f64::from(shifted) / (u64::from(u32::MAX) + 1) as f64)
        };
        Some(self.dimensions.iter().map(value).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(index: u32, dimension: usize) -> f64 {
        let numbers = if dimension == 0 { van_der_corput() } else { direction_numbers(&DIRECTIONS[dimension - 1]) };
        f64::from(coordinate(&numbers, index)) / 4_294_967_296.0
    }

    /// Against `scipy.stats.qmc.Sobol(64, scramble=False)`, which has the same direction numbers.
    #[test]
    fn the_points_are_those_of_joe_and_kuo() {
        let rows: Vec<Vec<f64>> =
            (1..5).map(|index| (0..4).map(|dimension| point(index, dimension)).collect()).collect();
        assert_eq!(rows[0], [0.5, 0.5, 0.5, 0.5]);
        assert_eq!(rows[1], [0.75, 0.25, 0.25, 0.25]);
        assert_eq!(rows[2], [0.25, 0.75, 0.75, 0.75]);
        assert_eq!(rows[3], [0.375, 0.375, 0.625, 0.875]);
        let late = [0, 1, 5, 20, 40, 63].map(|dimension| point(1023, dimension));
        assert_eq!(
            late,
            [0.000_976_562_5, 0.752_929_687_5, 0.438_476_562_5, 0.866_210_937_5, 0.631_835_937_5, 0.040_039_062_5]
        );
    }

    #[test]
    fn every_dimension_fills_each_of_1024_intervals_once() {
        let domains = vec!["uniform(0..1)".parse::<Domain>().unwrap(); DIMENSIONS];
        let mut sobol = Sobol::new(domains, 3);

        let points: Vec<Values> = (0..1024).map(|number| sobol.ask(number).unwrap()).collect();

        for dimension in 0..DIMENSIONS {
            let hit: std::collections::BTreeSet<u32> =
                (0..1024).map(|index| (coordinate(&sobol.dimensions[dimension].numbers, index)) >> 22).collect();
            assert_eq!(hit.len(), 1024);
            let mean = points.iter().map(|point| point[dimension].as_f64().unwrap()).sum::<f64>() / 1024.0;
            assert!((mean - 0.5).abs() < 0.01, "{dimension}: {mean}");
        }
    }
}
