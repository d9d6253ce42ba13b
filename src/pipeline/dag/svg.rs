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

/// A box of a picture.
#[derive(Debug, Clone)]
pub struct Card {
    pub name: String,
    /// The line below the name.
    pub line: String,
    /// What is shown when the pointer rests on it, below the name.
    pub more: String,
    /// The class of its colour, one of those in the style.
    pub class: &'static str,
}

/// The pipeline as the text of an SVG file.
pub fn svg(dag: &Dag) -> String {
    let card = |step: &DagStep| {
        let why = [Some(&step.reason).filter(|reason| !reason.is_empty()), step.description.as_ref()];
        let more: Vec<&str> = why.into_iter().flatten().map(String::as_str).collect();
        Card { name: step.name.clone(), line: step.state_words(), more: more.join("\n"), class: step.state.class() }
    };
    let cards: Vec<Card> = dag.steps.iter().map(card).collect();
    let states: BTreeSet<State> = dag.steps.iter().map(|step| step.state).collect();
    let legend: Vec<_> = states.into_iter().map(|state| (state.class(), state.words())).collect();
    picture(&cards, &dag.needs(), &legend, &format!("pipeline of {} steps", cards.len()))
}

/// Boxes and what leads to each, as the text of an SVG file. `needs` names, for each box, boxes that stand before it; the
/// legend has a word for each class; `label` says what it is for who can't see it.
pub fn picture(cards: &[Card], needs: &[Vec<usize>], legend: &[(&str, &str)], label: &str) -> String {
    let widths: Vec<f64> = cards.iter().map(width).collect();
    let layout = layout(&widths, needs, METRICS);
    let legend_room: f64 = legend.iter().map(|(_, words)| legend_width(words)).sum();
    let width = layout.width.max(legend_room) + 2.0 * MARGIN;
    let height = layout.height + 2.0 * MARGIN + LEGEND_ROOM;
    let label = escaped(label);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{label}\">\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n<g transform=\"translate({MARGIN} {MARGIN})\">\n"
    );
    for line in &layout.lines {
        let ends = [line.from, line.to].map(|end| escaped(&cards[end].name));
        draw_line(&mut text, line, &ends.join(" \u{2192} "));
    }
    let Layout { boxes, height, .. } = &layout;
    cards.iter().zip(boxes).for_each(|(card, place)| draw_box(&mut text, card, place));
    let mut x = 0.0;
    for (class, words) in legend {
        let y = height + LEGEND_ROOM - 8.0;
        let _ = writeln!(
            text,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\" rx=\"2\"/>\
             <text class=\"state\" x=\"{:.1}\" y=\"{y:.1}\">{words}</text>",
            y - 9.0,
            x + 16.0,
        );
        x += legend_width(words);
    }
    text.push_str("</g>\n</svg>\n");
    text
}

fn legend_width(words: &str) -> f64 {
    16.0 + words.len() as f64 * STATE_LETTER + 18.0
}

fn width(card: &Card) -> f64 {
    let name = shown_name(card).width() as f64 * NAME_LETTER;
    let line = card.line.width() as f64 * STATE_LETTER;
    (name.max(line) + 32.0).max(NARROWEST)
}

fn shown_name(card: &Card) -> String {
    match card.name.chars().count() {
        length if length <= LONGEST_NAME => card.name.clone(),
        _ => card.name.chars().take(LONGEST_NAME - 1).chain(['…']).collect(),
    }
}

fn draw_box(text: &mut String, card: &Card, place: &Placed) {
    let Placed { x, middle, width } = *place;
    let (top, height) = (middle - METRICS.box_height / 2.0, METRICS.box_height);
    let more = Some(card.more.as_str()).filter(|more| !more.is_empty());
    let title: Vec<&str> = std::iter::once(card.name.as_str()).chain(more).collect();
    let _ = writeln!(
        text,
        "<g><title>{}</title><rect class=\"card\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         rx=\"7\"/><rect class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"4\" height=\"{:.1}\" rx=\"2\"/>\
         <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text><text class=\"state\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
        escaped(&title.join("\n")),
        card.class,
        x + 7.0,
        top + 9.0,
        height - 18.0,
        x + 19.0,
        middle - 3.0,
        escaped(&shown_name(card)),
        x + 19.0,
        middle + 13.0,
        escaped(&card.line),
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
