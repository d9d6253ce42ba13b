//! Parallel coordinates: one upright line for each parameter and for the metric, and across them one for each trial.

use std::fmt::Write as _;

use serde_json::Value;

use super::state::{TrialState, better};
use super::{Results, TrialResult};
use crate::pipeline::xml_text;
use crate::project::manifest::Goal;
use crate::project::space::Domain;

const TOP: f64 = 96.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 72.0;
const GAP: f64 = 150.0;
const RIGHT: f64 = 110.0;
/// The colours of the worst and the best trial, clear on light and on dark ground.
const WORST: [f64; 3] = [122.0, 139.0, 166.0];
const BEST: [f64; 3] = [232.0, 107.0, 31.0];
/// Names of values are shown up to so many.
const MOST_NAMES: usize = 12;

/// An upright line: where values stand on it, from 0 at its foot to 1, and what is written beside it.
struct Axis {
    title: String,
    scale: Scale,
    marks: Vec<(f64, String)>,
}

enum Scale {
    Names(Vec<Value>),
    Numbers { low: f64, high: f64, log: bool },
}

impl Scale {
    fn part(&self, value: &Value) -> Option<f64> {
        match self {
            Self::Names(values) => {
                let place = values.iter().position(|known| known == value)? as f64;
                Some(if values.len() == 1 { 0.5 } else { place / (values.len() - 1) as f64 })
            }
            Self::Numbers { low, high, log } => {
                let on = |number: f64| if *log { number.ln() } else { number };
                let (low, high, number) = (on(*low), on(*high), on(value.as_f64()?));
                let part = if high > low { (number - low) / (high - low) } else { 0.5 };
                part.is_finite().then_some(part.clamp(0.0, 1.0))
            }
        }
    }
}

impl Axis {
    fn of(name: &str, domain: &Domain) -> Self {
        let scale = match domain {
            Domain::Choice(values) => Scale::Names(values.clone()),
            Domain::Int { low, high, log, .. } => Scale::Numbers { low: *low as f64, high: *high as f64, log: *log },
            Domain::Float { low, high, log, .. } => Scale::Numbers { low: *low, high: *high, log: *log },
        };
        let marks = match (&scale, domain) {
            (Scale::Names(values), _) => {
                let step = values.len().div_ceil(MOST_NAMES);
                let marked = values.iter().step_by(step);
                marked.filter_map(|value| Some((scale.part(value)?, plain(value)))).collect()
            }
            (Scale::Numbers { .. }, domain) => {
                let at = |part: f64| domain.at(part);
                let values = [0.0, 0.25, 0.5, 0.75, 1.0].map(at);
                values.iter().filter_map(|value| Some((scale.part(value)?, short(value.as_f64()?)))).collect()
            }
        };
        Self { title: name.to_owned(), scale, marks }
    }

    fn of_metric(name: &str, goal: Goal, values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let marks = match high > low {
            true => [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| (part, short(low + part * (high - low)))).into(),
            false => vec![(0.5, short(low))],
        };
        Self { title: format!("{name} ({})", better(goal)), scale: Scale::Numbers { low, high, log: false }, marks }
    }
}

/// The plot as an SVG document that needs nothing else.
pub fn parallel_coordinates(results: &Results) -> String {
    let mut axes: Vec<Axis> = results.varied().map(|(name, domain)| Axis::of(name, domain)).collect();
    let params = axes.len();
    let values: Vec<f64> = results.trials.iter().filter_map(|trial| trial.value).collect();
    if let Some(metric) = results.metric.as_ref().filter(|_| !values.is_empty()) {
        axes.push(Axis::of_metric(metric, results.goal, &values));
    }
    let width = LEFT + RIGHT + GAP * axes.len().saturating_sub(1).max(2) as f64;
    let height = TOP + HEIGHT + 48.0;
    let mut svg = String::new();
    head(&mut svg, results, width, height);
    // The best are drawn last, over the others.
    let mut trials = results.ranked();
    trials.reverse();
    for trial in trials {
        line(&mut svg, results, trial, &axes, params);
    }
    for (place, axis) in axes.iter().enumerate() {
        let x = LEFT + GAP * place as f64;
        let _ = write!(
            svg,
            "<g><line class=\"axis\" x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{}\"/>\
             <text class=\"name\" x=\"{x}\" y=\"{}\">{}<title>{}</title></text>",
            TOP + HEIGHT,
            TOP - 16.0,
            xml_text(&cut(&axis.title, 22)),
            xml_text(&axis.title),
        );
        for (part, mark) in &axis.marks {
            let y = y_of(*part);
            let _ = write!(
                svg,
                "<line class=\"axis\" x1=\"{}\" y1=\"{y:.1}\" x2=\"{x}\" y2=\"{y:.1}\"/>\
                 <text class=\"mark\" x=\"{}\" y=\"{:.1}\">{}</text>",
                x - 4.0,
                x - 8.0,
                y + 3.5,
                xml_text(&cut(mark, 12)),
            );
        }
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn head(svg: &mut String, results: &Results, width: f64, height: f64) {
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" font-family=\"system-ui, sans-serif\">\n<title>Sweep {}</title>\n<style>\n\
         .ground {{ fill: #ffffff; }} text {{ fill: #24292f; }} .axis {{ stroke: #57606a; }}\n\
         .name {{ font-size: 12px; font-weight: 600; text-anchor: middle; }}\n\
         .mark {{ font-size: 10.5px; text-anchor: end; paint-order: stroke; stroke: #ffffff; stroke-width: 3px; }}\n\
         .title {{ font-size: 15px; font-weight: 600; }} .note {{ font-size: 11.5px; opacity: .75; }}\n\
         path {{ fill: none; stroke-linecap: round; }} path:hover {{ stroke-width: 4px; opacity: 1; }}\n\
         .failed {{ stroke: #cf222e; stroke-dasharray: 2 5; opacity: .5; }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         .ground {{ fill: #15181e; }} text {{ fill: #e6e9ef; }} .axis {{ stroke: #8b949e; }}\n\
         .mark {{ stroke: #15181e; }} .failed {{ stroke: #ff7b72; }}\n}}\n</style>\n\
         <rect class=\"ground\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n",
        xml_text(&results.sweep),
    );
    let best = results.best.and_then(|best| results.trials.iter().find(|trial| trial.number == best));
    let best = best.and_then(|trial| Some(format!(", best {} (trial {})", short(trial.value?), trial.number)));
    let ended = results.trials.iter().filter(|trial| trial.state != TrialState::Open).count();
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"24\" y=\"32\">Sweep {}</text>\
         <text class=\"note\" x=\"24\" y=\"52\">{}, {ended} of {} trials{}</text>",
        xml_text(&results.sweep),
        results.strategy,
        results.planned,
        xml_text(&best.unwrap_or_default()),
    );
}

/// The line of one trial, as far as its values go.
fn line(svg: &mut String, results: &Results, trial: &TrialResult, axes: &[Axis], params: usize) {
    let mut points = Vec::new();
    for (place, axis) in axes.iter().enumerate() {
        let value = match place < params {
            true => trial.params.get(&axis.title).cloned(),
            false => trial.value.map(Value::from),
        };
        let Some(part) = value.and_then(|value| axis.scale.part(&value)) else { break };
        points.push((LEFT + GAP * place as f64, y_of(part)));
    }
    let Some((first, rest)) = points.split_first() else { return };
    let mut path = format!("M{:.1} {:.1}", first.0, first.1);
    let mut before = *first;
    for (x, y) in rest {
        let middle = f64::midpoint(before.0, *x);
        let _ = write!(path, "C{middle:.1} {:.1} {middle:.1} {y:.1} {x:.1} {y:.1}", before.1);
        before = (*x, *y);
    }
    let style = match (trial.state, axes.get(params).zip(trial.value)) {
        (TrialState::Failed, _) => "class=\"failed\"".to_owned(),
        (_, Some((_, value))) => {
            let good = share_of_worse(results, value);
            let is_best = results.best == Some(trial.number);
            let colour: Vec<String> =
                WORST.iter().zip(BEST).map(|(worst, best)| format!("{:.0}", worst + good * (best - worst))).collect();
            let (width, opacity) = if is_best { (3.2, 1.0) } else { (1.4, 0.3 + 0.5 * good) };
            let dashes = if trial.state == TrialState::Stopped { " stroke-dasharray=\"6 4\"" } else { "" };
            format!("stroke=\"rgb({})\" stroke-width=\"{width}\" opacity=\"{opacity:.2}\"{dashes}", colour.join(","))
        }
        (_, None) => "stroke=\"rgb(122,139,166)\" stroke-width=\"1.4\" opacity=\"0.6\"".to_owned(),
    };
    let told: Vec<String> = trial.params.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
    let value = trial.value.map_or(String::new(), |value| format!(": {}", short(value)));
    let title = format!("trial {} {}{value}\n{}", trial.number, trial.state.word(), told.join("\n"));
    let _ = writeln!(svg, "<path d=\"{path}\" {style}><title>{}</title></path>", xml_text(&title));
}

/// How many of the other trials are worse, from 0 to 1: a few bad ones must not make all others look the same.
fn share_of_worse(results: &Results, value: f64) -> f64 {
    let others: Vec<f64> = results.trials.iter().filter_map(|trial| trial.value).collect();
    let is_worse = |other: &&f64| if results.goal == Goal::Max { **other < value } else { **other > value };
    others.iter().filter(is_worse).count() as f64 / (others.len() - 1).max(1) as f64
}

fn y_of(part: f64) -> f64 {
    TOP + HEIGHT * (1.0 - part)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A number with four digits.
fn short(number: f64) -> String {
    let rounded: f64 = format!("{number:.3e}").parse().unwrap_or(number);
    if rounded != 0.0 && !(1e-3..1e6).contains(&rounded.abs()) { format!("{rounded:e}") } else { rounded.to_string() }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::project::manifest::Strategy;

    fn results() -> Results {
        let trial = |number: u64, kind: &str, lr: f64, value: Option<f64>, state| TrialResult {
            number,
            run: "0123456789ab".parse().unwrap(),
            state,
            params: BTreeMap::from([("kind".to_owned(), json!(kind)), ("lr".to_owned(), json!(lr))]),
            value,
            metrics: BTreeMap::new(),
            seconds: None,
            error: None,
        };
        Results {
            sweep: "a<b".into(),
            strategy: Strategy::Random,
            seed: 0,
            metric: Some("loss".into()),
            goal: Goal::Min,
            planned: 3,
            is_running: false,
            is_complete: true,
            space: vec![("kind".into(), "x&y,z".parse().unwrap()), ("lr".into(), "log(1e-4..1e-2)".parse().unwrap())],
            best: Some(1),
            trials: vec![
                trial(0, "x&y", 1e-4, Some(3.0), TrialState::Finished),
                trial(1, "z", 1e-3, Some(1.0), TrialState::Finished),
                trial(2, "z", 1e-2, None, TrialState::Failed),
            ],
        }
    }

    #[test]
    fn every_trial_has_a_line_and_text_is_escaped() {
        let svg = parallel_coordinates(&results());

        assert_eq!(svg.matches("<path").count(), 3);
        assert!(svg.contains("Sweep a&lt;b") && svg.contains("x&amp;y") && !svg.contains("x&y"));
        assert!(svg.find("trial 1 ").unwrap() > svg.find("trial 0 ").unwrap(), "the best is on top");
        assert!(svg.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn a_logarithm_stands_at_the_middle_of_its_axis() {
        let axis = Axis::of("lr", &"log(1e-4..1e-2)".parse().unwrap());

        assert!((axis.scale.part(&json!(1e-3)).unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(axis.marks[2].1, "0.001");
        assert_eq!(short(1e-5), "1e-5");
    }

    #[test]
    fn without_a_metric_there_are_lines_all_the_same() {
        let mut results = results();
        results.metric = None;
        results.best = None;
        results.trials.iter_mut().for_each(|trial| trial.value = None);

        assert_eq!(parallel_coordinates(&results).matches("<path").count(), 3);
    }
}
