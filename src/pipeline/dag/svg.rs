//! The picture as an SVG file that needs nothing beside it, for a light and a dark page.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use super::layout::{Layout, Line, Metrics, Placed, layout};
use super::{Dag, DagStep, State};

const METRICS: Metrics = Metrics { box_height: 46.0, gap: 18.0, layer_gap: 64.0 };
const MARGIN: f64 = 20.0;
/// What a letter of a name, and one of the line below, takes at most, about.
const NAME_LETTER: f64 = 7.9;
const STATE_LETTER: f64 = 6.3;
const NARROWEST: f64 = 96.0;
/// A longer name is cut; the title has all of it.
const LONGEST_NAME: usize = 36;
const LEGEND_ROOM: f64 = 40.0;

/// Colours are given twice, because not every viewer knows variables.
const STYLE: &str = "\
text{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\
.page{fill:#ffffff}.card{fill:#f6f8fa;stroke:#d0d7de}.name{fill:#1f2328;font-size:13px;font-weight:600}\
.state{fill:#59636e;font-size:11px}.line{fill:none;stroke:#afb8c1;stroke-width:1.5}.tip{fill:#afb8c1}\
.done{fill:#1a7f37}.frozen{fill:#818b98}.restore{fill:#0969da}.depends{fill:#d4a72c}.run{fill:#bf8700}.missing{fill:#a475f9}.failed{fill:#cf222e}\
@media(prefers-color-scheme:dark){.page{fill:#0d1117}.card{fill:#161b22;stroke:#30363d}.name{fill:#e6edf3}\
.state{fill:#9198a1}.line{stroke:#484f58}.tip{fill:#484f58}.done{fill:#3fb950}.frozen{fill:#818b98}.restore{fill:#4493f8}\
.depends{fill:#bb8009}.run{fill:#d29922}.missing{fill:#ab7df8}.failed{fill:#f85149}}";

/// The picture as the text of an SVG file.
pub fn svg(dag: &Dag) -> String {
    let widths: Vec<f64> = dag.steps.iter().map(width).collect();
    let layout = layout(&widths, &dag.needs(), METRICS);
    let states: BTreeSet<State> = dag.steps.iter().map(|step| step.state).collect();
    let legend: f64 = states.iter().map(|state| legend_width(*state)).sum();
    let width = layout.width.max(legend) + 2.0 * MARGIN;
    let height = layout.height + 2.0 * MARGIN + LEGEND_ROOM;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"pipeline of {} steps\">\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n<g transform=\"translate({MARGIN} {MARGIN})\">\n",
        dag.steps.len()
    );
    for line in &layout.lines {
        let ends = [line.from, line.to].map(|end| escaped(&dag.steps[end].name));
        draw_line(&mut text, line, &ends.join(" \u{2192} "));
    }
    let Layout { boxes, height, .. } = &layout;
    dag.steps.iter().zip(boxes).for_each(|(step, place)| draw_box(&mut text, step, place));
    let mut x = 0.0;
    for state in states {
        let y = height + LEGEND_ROOM - 8.0;
        let _ = writeln!(
            text,
            "<rect class=\"{}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\" rx=\"2\"/>\
             <text class=\"state\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            state.class(),
            y - 9.0,
            x + 16.0,
            state.words()
        );
        x += legend_width(state);
    }
    text.push_str("</g>\n</svg>\n");
    text
}

fn legend_width(state: State) -> f64 {
    16.0 + state.words().len() as f64 * STATE_LETTER + 18.0
}

fn width(step: &DagStep) -> f64 {
    let name = shown_name(step).width() as f64 * NAME_LETTER;
    let state = step.state_words().width() as f64 * STATE_LETTER;
    (name.max(state) + 32.0).max(NARROWEST)
}

fn shown_name(step: &DagStep) -> String {
    match step.name.chars().count() {
        length if length <= LONGEST_NAME => step.name.clone(),
        _ => step.name.chars().take(LONGEST_NAME - 1).chain(['…']).collect(),
    }
}

fn draw_box(text: &mut String, step: &DagStep, place: &Placed) {
    let Placed { x, middle, width } = *place;
    let (top, height) = (middle - METRICS.box_height / 2.0, METRICS.box_height);
    let why = [Some(&step.reason).filter(|reason| !reason.is_empty()), step.description.as_ref()];
    let title: Vec<&str> = std::iter::once(&step.name).chain(why.into_iter().flatten()).map(String::as_str).collect();
    let _ = writeln!(
        text,
        "<g><title>{}</title><rect class=\"card\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         rx=\"7\"/><rect class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"4\" height=\"{:.1}\" rx=\"2\"/>\
         <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text><text class=\"state\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
        escaped(&title.join("\n")),
        step.state.class(),
        x + 7.0,
        top + 9.0,
        height - 18.0,
        x + 19.0,
        middle - 3.0,
        escaped(&shown_name(step)),
        x + 19.0,
        middle + 13.0,
        escaped(&step.state_words()),
    );
}

/// A line of curves between layers and straight pieces through them, with a tip.
fn draw_line(text: &mut String, Line { points, .. }: &Line, title: &str) {
    let Some(((x, y), rest)) = points.split_first().map(|(first, rest)| (*first, rest)) else { return };
    let _ = write!(text, "<g><title>{title}</title><path class=\"line\" d=\"M{x:.1} {y:.1}");
    let mut at = (x, y);
    for (number, (x, y)) in rest.iter().copied().enumerate() {
        let is_last = number + 1 == rest.len();
        // The tip takes the end of the last piece.
        let end = if is_last { x - 5.0 } else { x };
        match number % 2 {
            0 => {
                let bend = (at.0 + end) / 2.0;
                let _ = write!(text, "C{bend:.1} {:.1} {bend:.1} {y:.1} {end:.1} {y:.1}", at.1);
            }
            _ => {
                let _ = write!(text, "L{end:.1} {y:.1}");
            }
        }
        at = (x, y);
    }
    let (x, y) = at;
    let _ = writeln!(
        text,
        "\"/><path class=\"tip\" d=\"M{:.1} {:.1}L{x:.1} {y:.1}L{:.1} {:.1}Z\"/></g>",
        x - 7.0,
        y - 4.0,
        x - 7.0,
        y + 4.0
    );
}

/// Text as XML takes it; control characters, which it can't have, become spaces.
pub fn escaped(text: &str) -> String {
    let shown = text.replace(|character: char| character.is_control() && character != '\n', " ");
    quick_xml::escape::escape(shown).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tests::step;
    use super::*;

    #[test]
    fn the_picture_is_xml_whatever_the_names_hold() {
        let name = "a<b> & \"c\" \u{1b}";
        let dag = Dag { steps: vec![step(name, None, State::Failed, &[]), step("b", None, State::Depends, &[name])] };

        let text = svg(&dag);

        let mut reader = quick_xml::Reader::from_str(&text);
        let mut opened = 0;
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Start(_) => opened += 1,
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        assert!(opened > 6 && !text.contains('\u{1b}'), "{text}");
    }
}
