//! What the back-ends that speak HTTP share: the runtime they wait in, one client without redirects, and how an answer
//! that says no becomes an error.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::runtime::Runtime;

use crate::event::Interrupt;
use crate::fs::escape;
use crate::remote::RemoteError;
use crate::{Error, Result};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// Nobody is told to wait longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// Does asynchronous work on this thread and waits for it, unless somebody wants to stop.
pub fn wait<T>(interrupt: &Interrupt, work: impl Future<Output = Result<T>>) -> Result<T> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let start = || {
        // Only the first call in the process installs it; a later one changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("network").enable_all().build()
    };
    let runtime = RUNTIME.get_or_init(start);
    let runtime = runtime.as_ref().map_err(|error| Error::failed(format!("cannot start threads: {error}")))?;
    runtime.block_on(async {
        tokio::select! {
            done = work => done,
            () = stopped(interrupt) => Err(Error::interrupted()),
        }
    })
}

/// Is over when somebody wants to stop.
pub async fn stopped(interrupt: &Interrupt) {
    while !interrupt.is_requested() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The work, which must not take longer than this.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T> {
    let silent = |_| RemoteError::Transient(format!("no answer within {} s", limit.as_secs_f64().ceil()));
    Ok(tokio::time::timeout(limit, work).await.map_err(silent)?)
}

/// The error for an answer that lets nobody in: with where the credentials came from that were sent, never what they are.
pub fn refused(said: String, source: Option<&str>, remedy: &str) -> Error {
    match source {
        None => Error::from(RemoteError::Denied(said)).with_hint(remedy),
        Some(source) => Error::from(RemoteError::Denied(format!(
            "{said}; credentials were sent, from {source}: they are wrong, or do not allow this"
        )))
        .with_hint(format!("see what {source} says; to use others, {remedy}")),
    }
}

/// The one client of the process, which follows no redirects: where to go with credentials is decided by who has them.
pub fn client() -> Result<reqwest::Client> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    let client = build(reqwest::Client::builder())?;
    Ok(CLIENT.get_or_init(|| client).clone())
}

/// A client that uses no proxy, for addresses that mean something on this machine only.
pub fn direct_client() -> Result<reqwest::Client> {
    build(reqwest::Client::builder().no_proxy())
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = builder
        .user_agent(concat!("mlx/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .referer(false);
    builder.build().map_err(|error| Error::failed(format!("cannot set up HTTP: {}", innermost(&error))))
}

/// The deepest cause, which says what happened and names no URL.
pub fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    escape(cause.to_string().as_bytes())
}

/// Whether a server says so of a moment only.
pub fn is_passing(status: StatusCode) -> bool {
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    passing.contains(&status) || (status.is_server_error() && !is_absent_feature(status))
}

fn is_absent_feature(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED | StatusCode::INSUFFICIENT_STORAGE
    )
}

/// What a passing refusal is for the retry.
pub fn busy(status: StatusCode, headers: &HeaderMap) -> RemoteError {
    let message = format!("the server answers {}", named(status));
    match headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(pause) {
        Some(after) => RemoteError::Busy { message, after: after.min(LONGEST_PAUSE) },
        None => RemoteError::Transient(message),
    }
}

/// `429 Too Many Requests`.
pub fn named(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// `Retry-After`: seconds, or a date.
fn pause(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(jiff::Timestamp::now())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_say_when_to_come_again() {
        let with = |value: &str| HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
        let after = |value: &str| match busy(StatusCode::TOO_MANY_REQUESTS, &with(value)) {
            RemoteError::Busy { after, .. } => Some(after.as_secs()),
            _ => None,
        };

        assert_eq!(after("7"), Some(7));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(0));
        assert_eq!(after("99999999"), Some(120));
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn only_some_refusals_pass() {
        let passing = [408, 425, 429, 500, 502, 503, 504];
        let lasting = [301, 400, 401, 403, 404, 405, 409, 412, 416, 501, 507];

        assert!(passing.iter().all(|code| is_passing(StatusCode::from_u16(*code).unwrap())));
        assert!(!lasting.iter().any(|code| is_passing(StatusCode::from_u16(*code).unwrap())));
    }
}
