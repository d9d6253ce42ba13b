//! What the server counts, in the text format of Prometheus.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::catalog::Entry;
use super::follow;
use crate::Digest;

/// Upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// The status codes that the server gives.
const CODES: [u16; 7] = [200, 400, 408, 413, 500, 503, 504];

/// The place of 500 among them.
const OTHER: usize = 4;

/// Counters of inference requests; all threads count at once.
#[derive(Debug, Default)]
pub struct Metrics {
    by_code: [AtomicU64; CODES.len()],
    /// The last one counts what took longer than every bound.
    by_duration: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
}

impl Metrics {
    /// Counts one request. A status code that the server never gives counts as 500.
    pub fn count(&self, code: u16, duration: Duration) {
        let index = CODES.iter().position(|known| *known == code).unwrap_or(OTHER);
        self.by_code[index].fetch_add(1, Ordering::Relaxed);
        let seconds = duration.as_secs_f64();
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        self.by_duration[bucket].fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// The requests so far.
    pub fn total(&self) -> u64 {
        self.by_code.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn render_requests(&self, text: &mut String, labels: &str) {
        for (code, count) in CODES.iter().zip(&self.by_code) {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(text, "mlx_inference_requests_total{{{labels},code=\"{code}\"}} {count}");
        }
    }

    fn render_durations(&self, text: &mut String, labels: &str) {
        let mut so_far = 0;
        let bounds = BUCKETS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&self.by_duration) {
            so_far += count.load(Ordering::Relaxed);
            let _ = writeln!(text, "mlx_inference_duration_seconds_bucket{{{labels},le=\"{bound}\"}} {so_far}");
        }
        let seconds = self.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(text, "mlx_inference_duration_seconds_sum{{{labels}}} {seconds}");
        let _ = writeln!(text, "mlx_inference_duration_seconds_count{{{labels}}} {so_far}");
    }
}

/// The text that Prometheus reads: of what is served, and of the targets that are followed.
pub fn render(entries: &[Entry], followed: &[Arc<follow::Status>]) -> String {
    let labelled: Vec<(String, &Metrics)> = entries
        .iter()
        .map(|entry| (labels(entry.name(), entry.version(), entry.release()), &entry.served.model.metrics))
        .collect();
    let mut text = render_requests(&labelled);
    text.push_str(
        "# HELP mlx_release_info The releases that answer, and which of the requests that could go to several.\n",
    );
    text.push_str("# TYPE mlx_release_info gauge\n");
    for (entry, (labels, _)) in entries.iter().zip(&labelled) {
        let _ = writeln!(text, "mlx_release_info{{{labels},share=\"{}\"}} 1", entry.share.name());
    }
    if followed.is_empty() {
        return text;
    }
    let mut each = |name: &str, kind: &str, help: &str, value: &dyn Fn(&follow::Status) -> u64| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for status in followed {
            let _ = writeln!(text, "{name}{{target=\"{}\"}} {}", escape(&status.target), value(status));
        }
    };
    each("mlx_follow_switches_total", "counter", "How often other releases of the target came to answer.", &|status| {
        status.switches.load(Ordering::Relaxed)
    });
    each("mlx_follow_refused", "gauge", "Whether a release should answer and can't be loaded.", &|status| {
        status.is_refusing.load(Ordering::Relaxed).into()
    });
    each("mlx_follow_checked_timestamp_seconds", "gauge", "When the target was asked last and answered.", &|status| {
        status.checked.load(Ordering::Relaxed)
    });
    text
}

fn render_requests(labelled: &[(String, &Metrics)]) -> String {
    let mut text = String::with_capacity(2048 * labelled.len());
    text.push_str("# HELP mlx_inference_requests_total Inference requests by status code.\n");
    text.push_str("# TYPE mlx_inference_requests_total counter\n");
    for (labels, metrics) in labelled {
        metrics.render_requests(&mut text, labels);
    }
    text.push_str("# HELP mlx_inference_duration_seconds From the request's head to its answer.\n");
    text.push_str("# TYPE mlx_inference_duration_seconds histogram\n");
    for (labels, metrics) in labelled {
        metrics.render_durations(&mut text, labels);
    }
    text
}

/// The release is named by the first digits of its digest; empty where nobody knows it.
fn labels(name: &str, version: &str, release: Option<Digest>) -> String {
    let release = release.map_or(String::new(), |release| release.short());
    format!("model=\"{}\",version=\"{}\",release=\"{release}\"", escape(name), escape(version))
}

/// A label's value as the format wants it.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up_as_prometheus_wants() {
        let metrics = Metrics::default();

        metrics.count(200, Duration::from_micros(700));
        metrics.count(200, Duration::from_secs(9));
        metrics.count(400, Duration::from_micros(100));

        let text = render_requests(&[(labels("a\"b", "3", None), &metrics)]);
        for line in [
            r#"mlx_inference_requests_total{model="a\"b",version="3",release="",code="200"} 2"#,
            r#"mlx_inference_requests_total{model="a\"b",version="3",release="",code="400"} 1"#,
            r#"mlx_inference_duration_seconds_bucket{model="a\"b",version="3",release="",le="0.0005"} 1"#,
            r#"mlx_inference_duration_seconds_bucket{model="a\"b",version="3",release="",le="0.001"} 2"#,
            r#"mlx_inference_duration_seconds_bucket{model="a\"b",version="3",release="",le="5"} 2"#,
            r#"mlx_inference_duration_seconds_bucket{model="a\"b",version="3",release="",le="+Inf"} 3"#,
            r#"mlx_inference_duration_seconds_sum{model="a\"b",version="3",release=""} 9.0008"#,
            r#"mlx_inference_duration_seconds_count{model="a\"b",version="3",release=""} 3"#,
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
        assert_eq!(metrics.total(), 3);
    }
}
