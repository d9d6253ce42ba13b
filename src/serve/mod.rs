//! Serving: a release answers over HTTP, in the Open Inference Protocol v2.
//!
//! Connections are looked after by an asynchronous runtime; the model works on threads of its own behind a bounded
//! queue, so that no request, however large or slow, keeps others from being heard.

mod access;
mod auth;
mod batch;
mod body;
pub mod client;
mod coding;
mod connections;
mod early;
mod http;
mod metrics;
mod mlflow;
mod model;
mod openapi;
mod pool;
mod protocol;
mod refusal;
mod release;
#[cfg(test)]
mod tests;
mod tls;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub use auth::Tokens;
pub use batch::Batching;
pub use protocol::{Answer, Origin};
pub use release::{Damaged, Host, Release, Wanted};

use crate::event::{Event, EventSink, Interrupt};
use crate::{Error, Result};
use http::App;
use model::Served;

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
    /// The name that the models answer to; each has its own where this is `None`.
    pub model_name: Option<String>,
    /// A larger body is refused.
    pub max_body_bytes: usize,
    /// How long a request may wait and be worked on, once it is here as a whole.
    pub timeout: Duration,
    /// Whether and how requests are put together.
    pub batching: Batching,
    /// Who may ask; everybody where there are none.
    pub tokens: Option<Tokens>,
    /// The files with the certificates and the key; without them there is no encryption.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where a line about each request goes.
    pub access_log: Option<Box<dyn Write + Send>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 8080,
            model_name: None,
            max_body_bytes: 64 << 20,
            timeout: Duration::from_secs(60),
            batching: Batching::default(),
            tokens: None,
            tls: None,
            access_log: None,
        }
    }
}

/// Serves the releases until somebody asks to stop; then requests that have begun are answered, and it returns.
///
/// An event says `serving NAME VERSION on http://ADDRESS` once the server answers.
pub fn run(options: Options, releases: Vec<Release>, interrupt: &Interrupt, events: &Arc<dyn EventSink>) -> Result<()> {
    connections::allow_many();
    let tls = options.tls.as_ref().map(|(certificates, key)| tls::acceptor(certificates, key)).transpose()?;
    let (host, port) = (options.host.clone(), options.port);
    let app = Arc::new(App::new(options, releases, events.clone())?);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("http")
        .enable_all()
        .build()
        .context("cannot start the server's threads")?;
    let result = runtime.block_on(listen(&host, port, tls, app, interrupt));
    // Connections that outlived the time to end are dropped.
    runtime.shutdown_timeout(PAUSE);
    result
}

async fn listen(host: &str, port: u16, tls: Option<TlsAcceptor>, app: Arc<App>, interrupt: &Interrupt) -> Result<()> {
    let listener = TcpListener::bind((host, port)).await.map_err(|error| {
        let place = crate::fs::escape(host.as_bytes());
        Error::failed(error)
            .context(format!("cannot listen on {place}, port {port}"))
            .with_hint("choose another port with `--port`; 0 takes any that is free")
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
    let name = |served: &Served| {
        let Origin { model_name, model_version, .. } = &served.model.origin;
        format!("{model_name} {model_version}")
    };
    let names: Vec<String> = app.models.iter().map(name).collect();
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
