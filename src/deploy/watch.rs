//! Watching a release after it became live: whether its server goes on answering, and how many of its requests fail.

use std::io::Read;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;

use super::{Answer, probe};
use crate::event::Interrupt;
use crate::project::manifest::Health;
use crate::{Digest, Result};

/// Of fewer requests no share is told.
const FEWEST: u64 = 20;
/// So often in a row the server may not answer.
const SILENCES: u32 = 3;
/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The server is asked twenty times within the window, but not more often nor more rarely than this.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(5)];
/// More than this is no page of metrics.
const LARGEST: u64 = 16 << 20;
/// The counter by status code that `mlx serve` has for each release.
const COUNTER: &str = "mlx_inference_requests_total{";

/// Watches the server at `url` for as long as the target says. No where it stops answering, or where more requests of the
/// release fail than may. A server that has no metrics of ours is only asked whether it answers.
pub fn watch(url: &str, release: &Digest, health: &Health, interrupt: &Interrupt) -> Result<Answer> {
    let Some(window) = health.watch else { return Ok(Answer::Yes) };
    let client = probe::client()?;
    let pause = (window / 20).clamp(PAUSES[0], PAUSES[1]);
    let end = Instant::now() + window;
    let mut start = count(&client, url, release);
    let mut silences = 0;
    while Instant::now() < end {
        interrupt.check()?;
        std::thread::sleep(pause);
        match probe::ask_ready(&client, url, health, Instant::now() + TIMEOUT) {
            Ok(()) => silences = 0,
            Err(why) if silences + 1 >= SILENCES => return Ok(Answer::no(why)),
            Err(_) => silences += 1,
        }
        let Some(now) = count(&client, url, release) else { continue };
        let since = now.since(*start.get_or_insert(now));
        if since.all >= FEWEST && since.failed as f64 > health.errors * since.all as f64 {
            let share = 100.0 * since.failed as f64 / since.all as f64;
            return Ok(Answer::no(format!("{share:.1} % of its {} requests failed", since.all)));
        }
    }
    Ok(Answer::Yes)
}

/// Requests of one release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    all: u64,
    /// Those that got a 5xx.
    failed: u64,
}

impl Counts {
    /// What came since then; all of it where the server began to count anew.
    fn since(self, start: Self) -> Self {
        match self.all.checked_sub(start.all).zip(self.failed.checked_sub(start.failed)) {
            Some((all, failed)) => Self { all, failed },
            None => self,
        }
    }
}

/// What the server has counted; `None` where it does not say.
fn count(client: &Client, url: &str, release: &Digest) -> Option<Counts> {
    let address = format!("{}/metrics", url.trim_end_matches('/'));
    let answer = client.get(address).timeout(TIMEOUT).send().ok()?.error_for_status().ok()?;
    let mut text = String::new();
    answer.take(LARGEST).read_to_string(&mut text).ok()?;
    text.contains(COUNTER).then(|| counts_in(&text, release))
}

fn counts_in(text: &str, release: &Digest) -> Counts {
    let label = format!("release=\"{}\"", release.short());
    let mut counts = Counts::default();
    for line in text.lines().filter(|line| line.starts_with(COUNTER) && line.contains(&label)) {
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0) as u64;
        counts.all += value;
        if line.contains("code=\"5") {
            counts.failed += value;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    /// A server that answers as its metrics say, the next page each time; after the last one it is not ready any more.
    fn server(pages: Vec<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut pages = pages.into_iter().peekable();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = BufReader::new(stream.try_clone().unwrap()).lines().map_while(std::io::Result::ok);
                let first = head.next().unwrap_or_default();
                head.find(String::is_empty);
                let (status, body) = match first.contains("/metrics") {
                    true => ("200 OK", pages.next().unwrap_or_default()),
                    false if pages.peek().is_none() => ("503 Service Unavailable", String::new()),
                    false => ("200 OK", String::new()),
                };
                let length = body.len();
                let _ =
                    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
            }
        });
        url
    }

    fn page(release: &Digest, good: u64, bad: u64) -> String {
        let line = |release: &Digest, code, count| {
            format!("{COUNTER}model=\"m\",version=\"1\",release=\"{}\",code=\"{code}\"}} {count}\n", release.short())
        };
        let other = Digest::of("other");
        [line(release, 200, good), line(release, 500, bad), line(&other, 500, 1000)].concat()
    }

    fn watched(pages: Vec<String>, window: Duration) -> Answer {
        let health = Health { watch: Some(window), errors: 0.05, ..Health::default() };
        watch(&server(pages), &Digest::of("new"), &health, &Interrupt::default()).unwrap()
    }

    #[test]
    fn a_release_of_which_too_many_requests_fail_is_told_of() {
        let new = Digest::of("new");
        // What failed before it was watched does not count, and neither does what is too little to tell.
        let pages = vec![page(&new, 100, 50), page(&new, 105, 55), page(&new, 190, 60), page(&new, 191, 61)];

        let answer = watched(pages, Duration::from_secs(60));

        assert_eq!(answer, Answer::no("10.0 % of its 100 requests failed"));
    }

    #[test]
    fn a_server_that_stops_answering_is_told_of() {
        let answer = watched(vec![page(&Digest::of("new"), 1, 0)], Duration::from_secs(60));

        assert_eq!(answer, Answer::no("GET /v2/health/ready gave 503 Service Unavailable"));
    }

    #[test]
    fn a_release_that_does_well_until_the_end_is_good() {
        let new = Digest::of("new");
        let pages = (0..10_000).map(|number| page(&new, 100 * number, number)).collect();

        assert_eq!(watched(pages, Duration::from_millis(200)), Answer::Yes);
    }
}
