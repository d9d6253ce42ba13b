//! Serving: a release answers over HTTP, in the Open Inference Protocol v2.
//!
//! Connections are looked after by an asynchronous runtime; the model works on threads of its own behind a bounded
//! queue, so that no request, however large or slow, keeps others from being heard.

mod access;
mod auth;
mod batch;
mod body;
mod catalog;
pub mod client;
mod coding;
mod connections;
mod early;
mod follow;
mod http;
mod metrics;
mod mlflow;
mod model;
mod openapi;
mod pace;
mod pool;
mod protocol;
mod refusal;
mod release;
#[cfg(test)]
mod tests;
mod tls;

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub use auth::Tokens;
pub use batch::Batching;
pub use follow::{Source, Told, Wish};
pub use protocol::{Answer, Origin};
pub use release::{Host, Release, Wanted};

use crate::event::{Event, EventSink, Interrupt};
use crate::{Error, Result};
use catalog::{Catalog, Entry};
use follow::Follower;
use http::App;

/// How often the wish to stop is looked at.
const PAUSE: Duration = Duration::from_millis(50);
/// Requests that run when the server is asked to stop have this long to end.
const DRAIN: Duration = Duration::from_secs(20);

/// A client that does not say what it wants within this time, first or next, is turned away.
const HEADER_TIME: Duration = Duration::from_secs(30);

/// Where and how the server listens.
pub struct Options {
    pub host: String,
    /// 0 for any that is free.
    pub port: u16,
    pub serving: Serving,
    /// A larger body is refused.
    pub max_body_bytes: usize,
    /// How often sources that are followed are asked what is live.
    pub follow_every: Duration,
    /// Who may ask; everybody where there are none.
    pub tokens: Option<Tokens>,
    /// The files with the certificates and the key; without them there is no encryption.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where a line about each request goes.
    pub access_log: Option<Box<dyn Write + Send>>,
}

/// How each release is asked.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The name that the models answer to; each has its own where this is `None`.
    pub model_name: Option<String>,
    /// How long a request may wait and be worked on, once it is here as a whole.
    pub timeout: Duration,
    /// Whether and how requests are put together.
    pub batching: Batching,
}

impl Default for Serving {
    fn default() -> Self {
        Self { model_name: None, timeout: Duration::from_secs(60), batching: Batching::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 8080,
            serving: Serving::default(),
            max_body_bytes: 64 << 20,
            follow_every: Duration::from_secs(2),
            tokens: None,
            tls: None,
            access_log: None,
        }
    }
}

/// Serves the releases, and what is live on the sources, until somebody asks to stop; then requests that have begun are
/// answered, and it returns.
///
/// An event says `serving NAME VERSION on http://ADDRESS` once the server answers.
pub fn run(
    options: Options,
    releases: Vec<Release>,
    sources: Vec<Box<dyn Source>>,
    interrupt: &Interrupt,
    events: &Arc<dyn EventSink>,
) -> Result<()> {
    // Each connection is one.
    crate::fs::allow_open_files(u64::MAX);
    let tls = options.tls.as_ref().map(|(certificates, key)| tls::acceptor(certificates, key)).transpose()?;
    let (host, port) = (options.host.clone(), options.port);
    let (serving, every) = (options.serving.clone(), options.follow_every);
    let serve = |release: Release| serving.serve(release, events.clone());
    let fixed: Vec<Entry> = releases.into_iter().map(|release| serve(release).map(Entry::of)).collect::<Result<_>>()?;
    let mut followers = Vec::new();
    for source in sources {
        interrupt.check()?;
        followers.push(Follower::start(source, &serve, &**events)?);
    }
    let catalog = Catalog::new(fixed.iter().cloned().chain(followers.iter().flat_map(Follower::entries)).collect())?;
    let followed = followers.iter().map(|follower| follower.status.clone()).collect();
    let app = Arc::new(App::new(options, catalog, followed, events.clone())?);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("http")
        .enable_all()
        .build()
        .context("cannot start the server's threads")?;
    let ended = Interrupt::default();
    let result = std::thread::scope(|scope| {
        if !followers.is_empty() {
            let (app, fixed, ended) = (&*app, &fixed[..], &ended);
            scope.spawn(move || follow::follow(app, followers, fixed, every, &[interrupt, ended]));
        }
        let result = runtime.block_on(listen(&host, port, tls, app.clone(), interrupt));
        // Where the server could not even listen, nobody asked to stop.
        ended.request();
        result
    });
    // Connections that outlived the time to end are dropped.
    runtime.shutdown_timeout(PAUSE);
    result
}

async fn listen(host: &str, port: u16, tls: Option<TlsAcceptor>, app: Arc<App>, interrupt: &Interrupt) -> Result<()> {
    // As it stands in a URL.
    let name = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let listener = TcpListener::bind((name, port)).await.map_err(|error| {
        let place = crate::fs::escape(host.as_bytes());
        let hint = match error.kind() {
            ErrorKind::AddrInUse => "choose another port with `--port`; 0 takes any that is free",
            ErrorKind::PermissionDenied => "ports below 1024 are for root; choose another one with `--port`",
            _ => "name an address of this machine with `--host`: 127.0.0.1, ::1, or 0.0.0.0 for all that it has",
        };
        Error::failed(error).context(format!("cannot listen on {place}, port {port}")).with_hint(hint)
    })?;
    let address = listener.local_addr().context("cannot tell the server's address")?;
    let stopped = {
        let (interrupt, app) = (interrupt.clone(), app.clone());
        async move {
            wait(|| interrupt.is_requested()).await;
            app.stop_taking();
        }
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    if app.tokens.is_none() && !address.ip().is_loopback() {
        app.events.emit(Event::Warning {
            message: format!("everybody who reaches {address} may ask"),
            hint: Some("`--token-file` lets in who has a token, `--tls-cert` and `--tls-key` encrypt".into()),
        });
    }
    let server = connections::serve(listener, tls, http::router(app.clone()), HEADER_TIME, stopped);
    announce(&app, scheme, address);
    tokio::select! {
        () = server => {}
        () = out_of_patience(interrupt) => {}
    }
    app.announce_end();
    Ok(())
}

fn announce(app: &App, scheme: &str, address: SocketAddr) {
    let catalog = app.catalog();
    let name = |entry: &Entry| format!("{} {}", entry.name(), entry.version());
    let names: Vec<String> = catalog.entries().iter().map(name).collect();
    app.events.note(format!("serving {} on {scheme}://{address}", names.join(", ")));
}

/// Ends when somebody asked twice to stop, or once and the time to end is over.
async fn out_of_patience(interrupt: &Interrupt) {
    wait(|| interrupt.is_requested()).await;
    tokio::select! {
        () = tokio::time::sleep(DRAIN) => {}
        () = wait(|| interrupt.is_urgent()) => {}
    }
}

/// Signal handlers can't wake a task, so that it has to look.
async fn wait(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(PAUSE).await;
    }
}
