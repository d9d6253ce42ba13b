//! Watching a release after it became live: whether its server takes it over and goes on answering, and how many of its
//! requests fail.

use std::io::Read;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use serde::Deserialize;

use super::{Answer, probe};
use crate::event::{Event, Watch};
use crate::fs::escape;
use crate::project::manifest::Health;
use crate::serve::Told;
use crate::{Digest, Result};

/// Of fewer requests no share is told.
const FEWEST: u64 = 20;
/// So often in a row the server may not answer.
const SILENCES: u32 = 3;
/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The server is asked twenty times within the window, but not more often nor more rarely than this.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(5)];
/// More than this is no page of ours.
const LARGEST: u64 = 16 << 20;
/// Where a server shows what it counts.
const METRICS: &str = "metrics";
/// The counter by status code that `mlx serve` has for each release.
const COUNTER: &str = "mlx_inference_requests_total{";

/// How often a server is asked whether it has taken a release over.
const LOOKS: Duration = Duration::from_millis(100);

/// The target's own server, as it is asked after a switch.
#[derive(Clone, Copy)]
pub struct OwnServer<'a> {
    pub url: &'a str,
    /// For one that lets in only who has a token.
    pub token: Option<&'a str>,
    pub health: &'a Health,
    pub watch: Watch<'a>,
}

impl OwnServer<'_> {
    /// Waits until the server answers with the release, where it says that it follows targets: it may be ready all the time
    /// with the one before. No where it refuses the release, or has not taken it over when the time is over. Any other server
    /// is asked nothing.
    pub fn await_takeover(&self, release: &Digest) -> Result<Answer> {
        let client = probe::client()?;
        let end = Instant::now() + self.health.timeout;
        let Some(mut told) = self.followed(&client).filter(|told| !told.is_empty()) else { return Ok(Answer::Yes) };
        loop {
            let answers = |told: &Told| {
                told.live == Some(*release) || told.canary.as_ref().is_some_and(|canary| canary.release == *release)
            };
            if told.iter().any(answers) {
                return Ok(Answer::Yes);
            }
            let mut refused = told.iter().filter_map(|told| told.refused.as_ref());
            if let Some(refused) = refused.find(|refused| refused.release == *release) {
                return Ok(Answer::no(format!("it does not take it over: {}", escape(refused.why.as_bytes()))));
            }
            if Instant::now() >= end {
                let seconds = self.health.timeout.as_secs_f64();
                return Ok(Answer::no(format!("it has not taken it over within {seconds} s")));
            }
            self.watch.interrupt.check()?;
            std::thread::sleep(LOOKS);
            // One that does not answer now may answer again.
            told = self.followed(&client).unwrap_or_default();
        }
    }

    /// Watches the server for as long as the target says. No where it stops answering, or where more requests of the release
    /// fail than may. A server that has no metrics of ours is only asked whether it answers.
    pub fn observe(&self, release: &Digest) -> Result<Answer> {
        let Self { url, health, watch, .. } = self;
        let Some(window) = health.watch else { return Ok(Answer::Yes) };
        let client = probe::client()?;
        let pause = (window / 20).clamp(PAUSES[0], PAUSES[1]);
        let end = Instant::now() + window;
        let first = self.page(&client, METRICS);
        if let Err(Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) = first {
            let message =
                format!("{} does not show its metrics: failed requests are not counted", escape(url.as_bytes()));
            let hint = Some("give its token in MLX_SERVE_TOKEN".to_owned());
            watch.events.emit(Event::Warning { message, hint });
        }
        let mut start = first.ok().and_then(|page| counts_in(&page, release));
        let mut silences = 0;
        while Instant::now() < end {
            watch.interrupt.check()?;
            std::thread::sleep(pause);
            match probe::ask_ready(&client, url, health, Instant::now() + TIMEOUT) {
                Ok(()) => silences = 0,
                Err(why) if silences + 1 >= SILENCES => return Ok(Answer::no(why)),
                Err(_) => silences += 1,
            }
            let now = self.page(&client, METRICS).ok().and_then(|page| counts_in(&page, release));
            let Some(now) = now else { continue };
            let since = now.since(*start.get_or_insert(now));
            if since.all >= FEWEST && since.failed as f64 > health.errors * since.all as f64 {
                let share = 100.0 * since.failed as f64 / since.all as f64;
                return Ok(Answer::no(format!("{share:.1} % of its {} requests failed", since.all)));
            }
        }
        Ok(Answer::Yes)
    }

    /// What the server says of the targets that it follows; `None` where it does not say.
    fn followed(&self, client: &Client) -> Option<Vec<Told>> {
        #[derive(Deserialize)]
        struct Status {
            followed: Vec<Told>,
        }
        let status: Status = serde_json::from_slice(&self.page(client, "status").ok()?).ok()?;
        Some(status.followed)
    }

    /// A page of the server; else the status that it answers instead, where it answers.
    fn page(&self, client: &Client, path: &str) -> Result<Vec<u8>, Option<StatusCode>> {
        let mut request = client.get(format!("{}/{path}", self.url.trim_end_matches('/'))).timeout(TIMEOUT);
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().and_then(Response::error_for_status).map_err(|error| error.status())?;
        let mut bytes = Vec::new();
        answer.take(LARGEST).read_to_end(&mut bytes).map_err(|_| None)?;
        Ok(bytes)
    }
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

/// What a page of metrics says of a release; `None` for one that is none of ours.
fn counts_in(page: &[u8], release: &Digest) -> Option<Counts> {
    let text = std::str::from_utf8(page).ok().filter(|text| text.contains(COUNTER))?;
    let label = format!("release=\"{}\"", release.short());
    let mut counts = Counts::default();
    for line in text.lines().filter(|line| line.starts_with(COUNTER) && line.contains(&label)) {
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0) as u64;
        counts.all += value;
        if line.contains("code=\"5") {
            counts.failed += value;
        }
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use serde_json::{Value, json};

    use super::*;
    use crate::event::{Interrupt, Silent};

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
        let (url, watch) = (server(pages), Watch { events: &Silent, interrupt: &Interrupt::default() });
        OwnServer { url: &url, token: None, health: &health, watch }.observe(&Digest::of("new")).unwrap()
    }

    /// A server whose `/status` is each of these in turn, and then the last one.
    fn takeover(pages: Vec<Value>, timeout: Duration) -> Answer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let head = BufReader::new(stream.try_clone().unwrap()).lines().map_while(std::io::Result::ok);
                let asked: Vec<String> = head.take_while(|line| !line.is_empty()).collect();
                assert!(asked[0].starts_with("GET /status ") && asked.contains(&"authorization: Bearer abc".into()));
                let body = pages[number.min(pages.len() - 1)].to_string();
                let length = body.len();
                let _ =
                    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
            }
        });
        let (health, watch) =
            (Health { timeout, ..Health::default() }, Watch { events: &Silent, interrupt: &Interrupt::default() });
        let server = OwnServer { url: &url, token: Some("abc"), health: &health, watch };
        server.await_takeover(&Digest::of("new")).unwrap()
    }

    /// What a server that follows a target says of it.
    fn told(live: &str, refused: Option<&str>) -> Value {
        let refused =
            refused.map(|why| json!({"release": Digest::of("new"), "why": why, "since": "2026-01-01T00:00:00Z"}));
        json!({"ready": true, "followed": [{"target": "t", "live": Digest::of(live), "refused": refused}]})
    }

    #[test]
    fn a_server_that_follows_is_waited_for() {
        let minute = Duration::from_secs(60);

        assert_eq!(takeover(vec![told("old", None), told("old", None), told("new", None)], minute), Answer::Yes);
        assert_eq!(
            takeover(vec![told("old", None), told("old", Some("it lies\n"))], minute),
            Answer::no(r"it does not take it over: it lies\x0a")
        );
        let late = takeover(vec![told("old", None)], Duration::from_millis(10));
        assert_eq!(late, Answer::no("it has not taken it over within 0.01 s"));
        // One that follows nothing, and one of which nothing is known.
        assert_eq!(takeover(vec![json!({"followed": []})], minute), Answer::Yes);
        assert_eq!(takeover(vec![json!("pong")], minute), Answer::Yes);
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
