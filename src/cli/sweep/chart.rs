//! A line of numbers as a line of text.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The numbers as bars, the lowest number the lowest bar; of many, evenly chosen ones and the last.
pub fn sparkline(numbers: &[f64], most: usize) -> String {
    let shown: Vec<f64> = match numbers.len() > most {
        true => (0..most).map(|place| numbers[(place + 1) * numbers.len() / most - 1]).collect(),
        false => numbers.to_vec(),
    };
    let low = shown.iter().copied().fold(f64::INFINITY, f64::min);
    let high = shown.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |number: &f64| match high > low {
        true => BARS[((number - low) / (high - low) * (BARS.len() - 1) as f64).round() as usize],
        false => BARS[0],
    };
    shown.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_number_are_there() {
        assert_eq!(sparkline(&[0.0, 1.0, 7.0], 10), "▁▂█");
        assert_eq!(sparkline(&[3.0, 3.0], 10), "▁▁");
        assert_eq!(sparkline(&[], 10), "");
        let many: Vec<f64> = (0..1000).map(f64::from).collect();
        let line = sparkline(&many, 20);
        assert_eq!((line.chars().count(), line.chars().last()), (20, Some('█')));
    }
}
