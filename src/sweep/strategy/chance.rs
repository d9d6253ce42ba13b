//! Chance that anybody can repeat: the same seed and the same trial give the same numbers, on any machine and in any
//! version of mlx.
//!
//! SplitMix64: G. L. Steele, D. Lea, C. H. Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014.

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Chance(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Chance {
    /// The stream with this number, of all that a seed has.
    pub fn of(seed: u64, stream: u64) -> Self {
        let seed = Self(seed).next();
        Self(Self(seed ^ stream.wrapping_mul(GOLDEN)).next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 to below 1.
    pub fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of the standard normal distribution, by Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.part()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.part()).cos()
    }

    /// An index, each as often as its weight says; `None` without weights above zero.
    pub fn index(&mut self, weights: &[f64]) -> Option<usize> {
        let mut left = self.part() * weights.iter().sum::<f64>();
        let positive = weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
        let mut last = None;
        for (index, weight) in positive {
            last = Some(index);
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_paper_and_never_change() {
        // The first outputs of SplitMix64 with the state 1234567, as its reference implementation gives them.
        let mut chance = Chance(1_234_567);
        assert_eq!([chance.next(), chance.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn streams_differ_and_are_even() {
        let mean = |stream| {
            let mut chance = Chance::of(7, stream);
            (0..1000).map(|_| chance.part()).sum::<f64>() / 1000.0
        };

        assert!((0..20).all(|stream| (mean(stream) - 0.5).abs() < 0.05));
        assert!(mean(1) != mean(2));
        let mut chance = Chance::of(0, 0);
        let square: f64 = (0..10_000).map(|_| chance.normal().powi(2)).sum::<f64>() / 10_000.0;
        assert!((square - 1.0).abs() < 0.1, "{square}");
    }
}
