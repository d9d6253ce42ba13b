//! A row of bars for values on the way.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The values as at most `width` bars between their lowest and their highest; empty where there are fewer than two. Where
/// there are more values than bars, each bar is the mean of those it stands for.
pub fn sparkline(values: &[f64], width: usize) -> String {
    if values.len() < 2 || width == 0 {
        return String::new();
    }
    let count = values.len().min(width);
    let mean = |bar: usize| {
        let part = &values[bar * values.len() / count..(bar + 1) * values.len() / count];
        part.iter().sum::<f64>() / part.len() as f64
    };
    let means: Vec<f64> = (0..count).map(mean).collect();
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |value: f64| match high - low {
        range if range > 0.0 => (((value - low) / range) * 7.0).round().clamp(0.0, 7.0) as usize,
        _ => 3,
    };
    means.into_iter().map(|value| BARS[bar(value)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_go_from_the_lowest_to_the_highest() {
        assert_eq!(sparkline(&[0.0, 1.0, 7.0], 20), "▁▂█");
        assert_eq!(sparkline(&[5.0, 5.0], 20), "▄▄");
        assert_eq!(sparkline(&[1.0], 20), "");
        let many: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(sparkline(&many, 8), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[f64::MIN, f64::MAX], 2).chars().count(), 2);
    }
}
