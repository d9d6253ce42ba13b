//! What a terminal shows of running work: a line for each step that runs and for each long piece of work, made to fit.

use std::time::{Duration, Instant};

use super::line::{Line, columns, cut, one_line};
use crate::cli::output::{Style, count, duration, grouped, number, size};
use crate::cli::runs::sparkline::sparkline;
use crate::event::Unit;

/// A bar appears after this time, so that short work shows none.
const PATIENCE: Duration = Duration::from_millis(500);
/// So many values of a metric are kept for its bars at least.
const HISTORY: usize = 128;
/// Of this many metrics the last values are shown at most.
const METRICS: usize = 3;
/// So many bars stand for the history of a metric.
const SPARKS: usize = 12;
/// Less room than this says nothing of a line of output.
const SHORTEST_OUTPUT: usize = 6;

/// All that goes on.
#[derive(Default)]
pub struct View {
    pub steps: Vec<Step>,
    pub works: Vec<Work>,
}

/// A step that runs.
pub struct Step {
    name: String,
    started: Instant,
    metrics: Vec<Metric>,
    /// The newest line of its output; its command before there is one.
    newest: String,
}

/// What a step measured so far, oldest value first.
struct Metric {
    name: String,
    values: Vec<f64>,
    last: f64,
}

/// Work with a known or unknown end.
pub struct Work {
    pub id: String,
    pub what: String,
    pub total: Option<u64>,
    pub unit: Unit,
    pub started: Instant,
    /// When a log heard of it last.
    pub said: Instant,
    pub done: u64,
}

impl View {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.works.is_empty()
    }

    pub fn step(&mut self, name: &str) -> Option<&mut Step> {
        self.steps.iter_mut().find(|step| step.name == name)
    }

    pub fn work(&mut self, id: &str) -> Option<&mut Work> {
        self.works.iter_mut().find(|work| work.id == id)
    }

    /// Forgets the step that is over.
    pub fn take_step(&mut self, name: &str) -> Option<Step> {
        let index = self.steps.iter().position(|step| step.name == name)?;
        Some(self.steps.remove(index))
    }

    /// The lines for a terminal of this size, each narrower than it, and fewer than it has: the cursor stands below them.
    pub fn lines(&self, width: usize, height: usize, now: Instant) -> Vec<Line> {
        let (limit, room) = (width.saturating_sub(1), height.saturating_sub(1));
        let bars: Vec<&Work> =
            self.works.iter().filter(|work| now.saturating_duration_since(work.started) >= PATIENCE).collect();
        let bars = &bars[..bars.len().min(room.saturating_sub(usize::from(!self.steps.is_empty())))];
        let room = room - bars.len().min(room);
        let shown = if self.steps.len() > room { room.saturating_sub(1) } else { self.steps.len() };
        let names = self.steps[..shown].iter().map(|step| columns(&step.name)).max().unwrap_or(0);
        let mut lines: Vec<Line> =
            self.steps[..shown].iter().map(|step| step.line(limit, names.min(limit / 3), now)).collect();
        if shown < self.steps.len() && room > 0 {
            let mut line = Line::new(limit);
            line.push(Some(Style::Dim), &format!("and {} more", grouped((self.steps.len() - shown) as u64)));
            lines.push(line);
        }
        lines.extend(bars.iter().map(|work| work.line(limit, now)));
        lines
    }
}

impl Step {
    pub fn new(name: String, cmd: &str, started: Instant) -> Self {
        Self { name, started, metrics: Vec::new(), newest: one_line(cmd) }
    }

    /// Takes a line of output.
    pub fn take_output(&mut self, line: &str) {
        let line = one_line(line);
        if !line.is_empty() {
            self.newest = line;
        }
    }

    /// Takes a measured value. A long history loses every second value, so that all of it stays visible.
    pub fn take_metric(&mut self, name: &str, value: f64) {
        let index = self.metrics.iter().position(|metric| metric.name == name).unwrap_or_else(|| {
            self.metrics.push(Metric { name: name.to_owned(), values: Vec::new(), last: value });
            self.metrics.len() - 1
        });
        let metric = &mut self.metrics[index];
        metric.last = value;
        metric.values.push(value);
        if metric.values.len() >= 2 * HISTORY {
            let mut index = 0;
            metric.values.retain(|_| {
                index += 1;
                index % 2 == 0
            });
        }
    }

    /// What is left to say of a step that is over.
    pub fn conclusion(&self, outcome: &str, seconds: f64, width: usize) -> Line {
        let mut line = Line::new(width.saturating_sub(1));
        line.push(Some(Style::Bold), &format!("{}:", one_line(&self.name)));
        let style = match outcome {
            "failed" => Style::Bad,
            "interrupted" => Style::Notice,
            _ => Style::Good,
        };
        line.push(None, " ");
        line.push(Some(style), outcome);
        line.push(None, &format!(" after {}", duration(seconds)));
        self.push_metrics(&mut line, 0);
        line
    }

    fn line(&self, limit: usize, names: usize, now: Instant) -> Line {
        let mut line = Line::new(limit);
        let name = cut(&one_line(&self.name), names);
        line.push(Some(Style::Bold), &name);
        line.push(None, &" ".repeat(names.saturating_sub(columns(&name))));
        let seconds = now.saturating_duration_since(self.started).as_secs_f64();
        line.push(None, &format!(" {:>9}", duration(seconds)));
        let reserved = line.left() / 3;
        self.push_metrics(&mut line, reserved);
        if line.left() >= 2 + SHORTEST_OUTPUT {
            line.push(None, "  ");
            line.push(Some(Style::Dim), &self.newest);
        }
        line
    }

    /// As many metrics as fit beside so many reserved columns, the first without its bars where there is little room.
    fn push_metrics(&self, line: &mut Line, reserved: usize) {
        let mut room = line.left().saturating_sub(reserved);
        for (index, metric) in self.metrics.iter().take(METRICS).enumerate() {
            let text = format!("  {} {}", one_line(&metric.name), number(metric.last));
            let bars = sparkline(&metric.values, SPARKS);
            let (short, long) = (columns(&text), columns(&text) + 1 + bars.chars().count());
            if !bars.is_empty() && long <= room {
                line.push(None, &text);
                line.push(None, " ");
                line.push(Some(Style::Good), &bars);
                room -= long;
            } else if short <= room && (index == 0 || bars.is_empty()) {
                line.push(None, &text);
                room -= short;
            } else {
                break;
            }
        }
    }
}

impl Work {
    /// How far it is, for a log: a sentence.
    pub fn describe(&self, now: Instant) -> String {
        let seconds = now.saturating_duration_since(self.started).as_secs_f64();
        let of = self.total.map_or(String::new(), |total| format!(" of {}", self.amount(total)));
        let rate = self.rate(seconds).map_or(String::new(), |rate| format!(", {rate}"));
        let left = self.left(seconds).map_or(String::new(), |left| format!(", about {left} left"));
        format!("{}: {}{of} after {}{rate}{left}", self.what, self.amount(self.done), duration(seconds))
    }

    fn line(&self, limit: usize, now: Instant) -> Line {
        let elapsed = now.saturating_duration_since(self.started);
        let seconds = elapsed.as_secs_f64();
        let mut line = Line::new(limit);
        let mut said = match self.total {
            Some(total) => {
                let width = if limit >= 60 { 30 } else { 10 };
                let share = if total == 0 { 1.0 } else { (self.done as f64 / total as f64).min(1.0) };
                let filled = (share * width as f64) as usize;
                let tip = if filled < width { ">" } else { "" };
                let rest = " ".repeat(width - filled - tip.len());
                line.push(None, &format!("{} [{}{tip}{rest}]", one_line(&self.what), "=".repeat(filled)));
                let done = match self.unit {
                    Unit::Bytes => format!("{}/{}", size(self.done), size(total)),
                    _ => format!("{}/{}", grouped(self.done), grouped(total)),
                };
                vec![done]
            }
            None => {
                let turn = ["⠁", "⠂", "⠄", "⡀", "⢀", "⠠", "⠐", "⠈"][(elapsed.as_millis() / 120 % 8) as usize];
                line.push(None, &format!("{turn} {}", one_line(&self.what)));
                vec![self.amount(self.done)]
            }
        };
        said.extend(self.rate(seconds));
        said.extend(self.left(seconds));
        said.iter().for_each(|said| line.push(None, &format!(" {said}")));
        line
    }

    fn amount(&self, number: u64) -> String {
        match self.unit {
            Unit::Bytes => size(number),
            Unit::Files => count(number, "file"),
            Unit::Steps => count(number, "step"),
            Unit::Objects => count(number, "object"),
            Unit::Packages => count(number, "package"),
            Unit::Packs => count(number, "pack"),
            Unit::Trials => count(number, "trial"),
        }
    }

    fn rate(&self, seconds: f64) -> Option<String> {
        (self.unit == Unit::Bytes).then(|| format!("{}/s", size((self.done as f64 / seconds) as u64)))
    }

    /// Of little that is done nothing can be told about the rest.
    fn left(&self, seconds: f64) -> Option<String> {
        let total = self.total.filter(|total| self.done < *total && self.done >= *total / 50)?;
        Some(duration(seconds * (total - self.done) as f64 / self.done.max(1) as f64))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthChar;

    use super::*;

    fn step(name: &str, seconds: u64, now: Instant) -> Step {
        Step::new(name.to_owned(), "python train.py", now.checked_sub(Duration::from_secs(seconds)).unwrap())
    }

    fn shown(view: &View, width: usize, height: usize, now: Instant) -> Vec<String> {
        view.lines(width, height, now).iter().map(|line| line.text(false).trim_end().to_owned()).collect()
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(100_000)
    }

    #[test]
    fn a_step_shows_time_metrics_and_its_newest_line() {
        let now = later();
        let mut view = View { steps: vec![step("fit", 12, now), step("evaluate", 3, now)], works: Vec::new() };
        for (index, loss) in [8.0, 4.0, 1.0].into_iter().enumerate() {
            view.step("fit").unwrap().take_metric("loss", loss);
            view.step("fit").unwrap().take_output(&format!("\x1b[32mepoch\x1b[0m {index}\t\u{7}of 3"));
        }

        assert_eq!(
            shown(&view, 80, 24, now),
            ["fit           12 s  loss 1 █▄▁  epoch 2 of 3", "evaluate     3.0 s  python train.py"]
        );
        assert_eq!(shown(&view, 30, 24, now), ["fit           12 s  loss 1", "evaluate     3.0 s  python t…"]);
    }

    #[test]
    fn more_steps_than_lines_are_counted() {
        let now = later();
        let view =
            View { steps: (0..1500).map(|index| step(&format!("s{index}"), 1, now)).collect(), works: Vec::new() };

        let lines = shown(&view, 40, 5, now);

        assert_eq!((lines.len(), lines[3].as_str()), (4, "and 1,497 more"));
        assert_eq!(shown(&view, 40, 2, now), ["and 1,500 more"]);
        assert!(shown(&view, 40, 1, now).is_empty());
    }

    #[test]
    fn the_conclusion_keeps_what_was_measured() {
        let now = later();
        let mut step = step("fit", 12, now);
        [1.0, 8.0].iter().for_each(|value| step.take_metric("accuracy", *value));

        assert_eq!(step.conclusion("ran", 12.0, 80).text(false), "fit: ran after 12 s  accuracy 8 ▁█");
    }

    #[test]
    fn a_bar_appears_when_work_takes_long_and_says_how_far_it_is() {
        let started = later();
        let work = Work {
            id: "a".into(),
            what: "Sending".into(),
            total: Some(200),
            unit: Unit::Files,
            started,
            said: started,
            done: 50,
        };
        let view = View { steps: Vec::new(), works: vec![work] };

        assert!(shown(&view, 80, 24, started).is_empty());
        let now = started + Duration::from_secs(10);
        assert_eq!(shown(&view, 80, 24, now), ["Sending [=======>                      ] 50/200 30 s"]);
        assert_eq!(view.works[0].describe(now), "Sending: 50 files of 200 files after 10 s, about 30 s left");
    }

    proptest! {
        #[test]
        fn every_line_fits_and_none_moves_the_cursor(
            names in prop::collection::vec("\\PC{0,30}|[中文字]{1,20}", 0..9),
            output in "(\\PC|[\\x00-\\x1f\u{80}-\u{9f}中\u{200d}\u{fe0f}\u{202e}👩]){0,200}",
            (width, height) in (0_usize..120, 0_usize..12),
        ) {
            let now = later();
            let mut view = View { steps: names.iter().map(|name| step(name, 5, now)).collect(), works: Vec::new() };
            for step in &mut view.steps {
                step.take_output(&output);
                step.take_metric(&output, 1.0);
                step.take_metric("loss", 1.0);
                step.take_metric("loss", 2.0);
            }
            let lines = view.lines(width, height, now);
            prop_assert!(lines.len() < height.max(1));
            for line in lines {
                let text = line.text(false);
                prop_assert!(columns(&text) < width.max(1), "{text:?}");
                prop_assert!(!text.chars().any(|character| character.width().is_none()), "{text:?}");
            }
        }
    }
}
