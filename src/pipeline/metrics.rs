//! The metrics of a step: from its `metrics` files, and from the lines it appended to the file that `MLX_METRICS` names.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use super::params;
use crate::event::{Event, EventSink, Wanted};
use crate::fs::{escape, open_regular, quote, read_optional};
use crate::project::Project;
use crate::project::manifest::Step;
use crate::run::MetricPoint;
use crate::run::metrics::{self, HISTORY_LIMIT};
use crate::{Error, Result};

/// A longer line is no metric.
const LONGEST_LINE: u64 = 64 * 1024;
/// While a step runs, its metrics are looked for this often.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Of more parameters, the first ones are kept.
const MOST_PARAMS: usize = 10_000;
/// So many bytes of the file are taken at each look; the others wait for the next one.
const MOST_AT_ONCE: u64 = 4 << 20;
/// So many values of one metric are told after each look at most.
const TOLD_AT_ONCE: usize = 64;

/// What a step measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    pub last: BTreeMap<String, f64>,
    pub history: Vec<MetricPoint>,
    /// Parameters that the program told.
    pub params: BTreeMap<String, String>,
}

/// A line of the file that `MLX_METRICS` names: `{"name": "loss", "value": 0.2, "step": 3}`.
#[derive(Deserialize)]
struct Line {
    name: String,
    /// `null` and the like are what some writers make of a number that is not finite.
    value: Option<f64>,
    step: Option<u64>,
}

/// Another line of it, for a parameter that the manifest does not know: `{"param": "lr", "value": "0.1"}`.
#[derive(Deserialize)]
struct ParamLine {
    param: String,
    value: Value,
}

impl Measured {
    /// Reads the step's metrics files as they lie in the working tree.
    pub fn of_files(project: &Project, step: &Step, events: &dyn EventSink) -> Result<Self> {
        let mut measured = Self::default();
        for path in step.metrics.iter().chain(&step.readings) {
            let file = path.below(project.root());
            let Some(bytes) = read_optional(&file)? else { continue };
            let read = metrics::read(path.as_path(), &bytes)
                .map_err(|error| error.context(format!("cannot read the metrics of step `{}`", step.name)))?;
            read.warnings.into_iter().for_each(|warning| events.warn(warning));
            measured.last.extend(read.last);
            measured.history.extend(read.history);
        }
        Ok(measured)
    }

    /// Adds what the step appended to this file, if it did.
    pub fn add_lines(&mut self, path: &Path, step: &str, events: &dyn EventSink) -> Result<()> {
        let cannot = || format!("cannot read `{}`", quote(path));
        // What the program put in its place is not waited for.
        let mut reader = match open_regular(path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                let message =
                    format!("step `{step}` put something in the place of the file that MLX_METRICS names: {error}");
                return Err(Error::step(message).with_hint("let it append lines to the file"));
            }
            Err(error) => return Err(error).with_context(cannot).map_err(Into::into),
        };
        let mut points: BTreeMap<String, Vec<MetricPoint>> = BTreeMap::new();
        let mut text = Vec::new();
        let mut number = 0_u64;
        let mut left_out = 0;
        loop {
            text.clear();
            number += 1;
            if (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut text).with_context(cannot)? == 0 {
                break;
            }
            let line = text.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let read = serde_json::from_slice(line);
            if read.is_err()
                && let Ok(ParamLine { param, value }) = serde_json::from_slice(line)
            {
                if self.params.len() < MOST_PARAMS || self.params.contains_key(&param) {
                    self.params.insert(param, params::text_of(&value));
                }
                continue;
            }
            let Line { name, value, step: at } = read.map_err(|error: serde_json::Error| {
                let shown: String = String::from_utf8_lossy(line).chars().take(80).collect();
                Error::step(format!(
                    "step `{step}` wrote a line to MLX_METRICS that is no metric (line {number}: `{}`): {error}",
                    escape(shown.as_bytes())
                ))
                .with_hint(r#"a line is {"name": "loss", "value": 0.25, "step": 3}"#)
            })?;
            let Some(value) = value.filter(|value| value.is_finite()) else {
                left_out += 1;
                continue;
            };
            let series = points.entry(name.clone()).or_default();
            let at = at.unwrap_or_else(|| series.last().map_or(0, |last| last.step.saturating_add(1)));
            series.push(MetricPoint { metric: name, step: at, value });
            // Every second point goes, so that memory stays bounded and the whole stays visible.
            if series.len() >= 2 * HISTORY_LIMIT {
                let mut index = 0;
                series.retain(|_| {
                    index += 1;
                    index % 2 == 0
                });
            }
        }
        if left_out > 0 {
            events.warn(format!("step `{step}`: {left_out} values that are not finite are not recorded"));
        }
        for (name, series) in points {
            self.last.extend(series.last().map(|point| (name, point.value)));
            self.history.extend(series);
        }
        Ok(())
    }
}

/// Reads what is appended to such a file while its step runs.
#[derive(Debug, Default)]
pub struct Lines {
    /// Everything before was read.
    offset: u64,
}

impl Lines {
    /// The metrics in the lines that came to their end since the last call, with the step that they name. Lines that are no
    /// metrics are passed over: they are told about when the step has ended.
    pub fn read(&mut self, path: &Path) -> Result<Vec<MetricPoint>> {
        let point = |(metric, step, value): (_, Option<u64>, _)| Some(MetricPoint { metric, step: step?, value });
        Ok(self.values(path)?.into_iter().filter_map(point).collect())
    }

    /// As [`Lines::read`], with the lines that name no step.
    fn values(&mut self, path: &Path) -> Result<Vec<(String, Option<u64>, f64)>> {
        let cannot = || format!("cannot read `{}`", quote(path));
        let mut file = match open_regular(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(cannot).map_err(Into::into),
        };
        let mut text = Vec::new();
        // Shorter than what was read: another attempt began a new file.
        if file.metadata().with_context(cannot)?.len() < self.offset {
            self.offset = 0;
        }
        file.seek(SeekFrom::Start(self.offset)).with_context(cannot)?;
        file.take(MOST_AT_ONCE).read_to_end(&mut text).with_context(cannot)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        // So long a line is none, and what is behind it is to be seen all the same.
        let is_endless = whole == 0 && text.len() as u64 == MOST_AT_ONCE;
        self.offset += if is_endless { MOST_AT_ONCE } else { whole as u64 };
        let value = |line: &[u8]| {
            let Line { name, value, step } = serde_json::from_slice(line.trim_ascii()).ok()?;
            Some((name, step, value.filter(|value| value.is_finite())?))
        };
        Ok(text[..whole].split(|byte| *byte == b'\n').filter_map(value).collect())
    }

    /// Tells what is new in the file. One that can't be read is told about when the step has ended.
    fn tell(&mut self, path: &Path, step: &str, events: &dyn EventSink) {
        let mut series: BTreeMap<String, Vec<(Option<u64>, f64)>> = BTreeMap::new();
        for (name, at, value) in self.values(path).unwrap_or_default() {
            series.entry(name).or_default().push((at, value));
        }
        for (metric, values) in series {
            // The last one is always among them.
            let stride = values.len().div_ceil(TOLD_AT_ONCE);
            let skipped = (values.len() - 1) % stride;
            for (at, value) in values.into_iter().skip(skipped).step_by(stride) {
                events.emit(Event::StepMetric { step: step.to_owned(), metric: metric.clone(), at, value });
            }
        }
    }
}

/// Does the work, in which a step appends to the file that `MLX_METRICS` names, and tells meanwhile what it measures.
pub fn following<T>(step: &str, path: &Path, events: &dyn EventSink, work: impl FnOnce() -> T) -> T {
    if !events.wants(Wanted::Metrics) {
        return work();
    }
    thread::scope(|scope| {
        let (at_work, is_over) = mpsc::channel::<()>();
        // Without the thread, all is told when the step has ended.
        let _ = thread::Builder::new().spawn_scoped(scope, move || {
            let mut lines = Lines::default();
            while is_over.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                lines.tell(path, step, events);
            }
            lines.tell(path, step, events);
        });
        let result = work();
        drop(at_work);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Recorder;

    fn measured(lines: &str) -> Result<Measured> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics");
        std::fs::write(&path, lines).unwrap();
        let mut measured = Measured::default();
        measured.add_lines(&path, "fit", &Recorder::default())?;
        Ok(measured)
    }

    #[test]
    fn the_last_value_of_each_metric_counts() {
        let lines = "{\"name\":\"loss\",\"value\":2,\"step\":5}\n\n{\"name\":\"loss\",\"value\":1}\n\
                     {\"name\":\"gone\",\"value\":null}\n";

        let Measured { last, history, .. } = measured(lines).unwrap();

        assert_eq!(last, BTreeMap::from([("loss".to_owned(), 1.0)]));
        assert_eq!(history.iter().map(|point| point.step).collect::<Vec<_>>(), [5, 6]);
    }

    #[test]
    fn a_program_tells_parameters_too() {
        let lines = "{\"param\":\"lr\",\"value\":\"0.1\"}\n{\"name\":\"loss\",\"value\":1}\n{\"param\":\"depth\",\"value\":3}\n";

        let Measured { last, params, .. } = measured(lines).unwrap();

        let expected = [("depth", "3"), ("lr", "0.1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!((last.len(), params), (1, BTreeMap::from(expected)));
    }

    #[test]
    fn a_long_history_keeps_its_end() {
        let lines: String = (0..50_000).map(|step| format!("{{\"name\":\"loss\",\"value\":{step}}}\n")).collect();

        let Measured { last, history, .. } = measured(&lines).unwrap();

        assert_eq!(last["loss"], 49_999.0);
        assert!(history.len() < 2 * HISTORY_LIMIT);
    }

    #[test]
    fn a_line_that_is_no_metric_is_named() {
        let error = measured("{\"name\":\"loss\",\"value\":1}\nloss=1\n").unwrap_err();

        assert!(error.to_string().contains("(line 2: `loss=1`)"), "{error}");
    }

    #[test]
    fn lines_are_read_once_and_only_when_they_are_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics");
        let mut lines = Lines::default();
        let steps = |lines: &mut Lines| lines.read(&path).unwrap().iter().map(|point| point.step).collect::<Vec<_>>();
        assert_eq!(steps(&mut lines), [0; 0]);

        std::fs::write(&path, "{\"name\":\"a\",\"value\":1,\"step\":1}\nno\n{\"name\":\"a\",\"value\":2,").unwrap();
        assert_eq!(steps(&mut lines), [1]);
        let rest =
            std::fs::read_to_string(&path).unwrap() + "\"step\":2}\n{\"name\":\"a\",\"value\":null,\"step\":3}\n";
        std::fs::write(&path, rest).unwrap();
        assert_eq!(steps(&mut lines), [2]);
        std::fs::write(&path, "{\"name\":\"a\",\"value\":1,\"step\":7}\n").unwrap();
        assert_eq!(steps(&mut lines), [7]);
    }

    #[test]
    fn what_a_running_step_measures_is_told_and_the_last_value_always() {
        let dir = tempfile::tempdir().unwrap();
        let (path, events) = (dir.path().join("metrics"), Recorder::default());
        let lines: String = (0..1000).map(|step| format!("{{\"name\":\"loss\",\"value\":{step}}}\n")).collect();

        following("fit", &path, &events, || std::fs::write(&path, lines).unwrap());

        let events = events.events();
        assert!((32..=64).contains(&events.len()), "{}", events.len());
        let last = Event::StepMetric { step: "fit".into(), metric: "loss".into(), at: None, value: 999.0 };
        assert_eq!(events.last(), Some(&last));
    }
}
