//! `mlx serve`: a model answers over HTTP.

use std::fs::OpenOptions;
use std::io::Write;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::released::TOKEN;
use super::{Context, keys, released};
use crate::error::ErrorContext as _;
use crate::fs::quote;
use crate::predictor::python::Limits;
use crate::project::manifest::check_name;
use crate::serve::{self, Batching, Options, Serving, Tokens, Wanted};
use crate::{Error, Result};

/// Answer inference requests over HTTP
///
/// Serves bundles, live releases of targets and directories that bundles were unpacked into, in the Open Inference Protocol
/// v2. Of a model in several versions the newest answers where a request names none. The server is ready once each model
/// gave the answers that were recorded when it was packaged; Ctrl-C or SIGTERM end it after the requests that have begun.
///
/// With `--follow` it goes with its targets: what is deployed there, or gone back to, takes over once it was checked, loaded
/// and asked, and no request is lost. A release that does not pass leaves the one before answering. Requests are split as
/// `mlx deploy --canary` says. `/status` tells what answers, and why something else does not.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx serve churn-3.tar
  mlx serve production --follow --port 9000
  mlx serve churn-3.tar churn-4.tar fraud-1.tar
  curl http://127.0.0.1:8080/v2/models/churn")]
pub struct Serve {
    /// Bundles, directories or targets of the manifest
    #[arg(value_name = "BUNDLE|DIR|TARGET", required = true)]
    what: Vec<String>,
    /// Take over what becomes live on the targets while the server runs
    #[arg(long)]
    follow: bool,
    /// How often targets that are followed are asked what is live, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", requires = "follow", value_parser = seconds)]
    every: Duration,
    /// Address to listen on; 0.0.0.0 lets other machines in
    // Twice where an image names one and its user another.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", overrides_with = "host")]
    host: String,
    /// Port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Name that the model answers to, instead of its own
    #[arg(long, value_name = "NAME", value_parser = model_name)]
    model_name: Option<String>,
    /// Requests answered at once, each with its copy of the model [default: by processors and size of the model]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Threads that work on one request [default: by processors and size of the model]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Longest time a request may wait and be worked on, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    timeout: NonZeroU32,
    /// Memory that a process of a model in Python may use before another takes its place, in MiB [default: any]
    #[arg(long, value_name = "MIB")]
    memory: Option<NonZeroU32>,
    /// Rows that are asked together where requests come at once [default: requests are asked one by one]
    #[arg(long, value_name = "ROWS")]
    max_batch: Option<NonZeroUsize>,
    /// Longest time that a request waits for others that are on their way, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    max_delay: u32,
    /// File with the tokens that let a client in, one a line [default: MLX_SERVE_TOKEN, else everybody may ask]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with the certificates for TLS, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// File with the key of the first certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// File that a line of JSON about each request is added to; `-` for standard output
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// Public key of who must have signed what is served
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Largest request body, in MiB
    #[arg(long, value_name = "MIB", default_value = "64")]
    max_body: NonZeroU16,
}

/// A name as the manifest takes them, which fits into a path.
fn model_name(name: &str) -> Result<String, String> {
    check_name(name).map(|()| name.to_owned())
}

/// A time in seconds that may have a fraction: often enough to be of use, and not so often that it costs.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds".to_owned())?;
    match seconds {
        0.05..=86400.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("from 0.05 to 86400 seconds".into()),
    }
}

impl Serve {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let (tokens, access_log) = (self.tokens(cx)?, self.access_log(cx)?);
        let tls = self.tls_cert.as_ref().zip(self.tls_key.as_ref()).map(|(cert, key)| (cx.file(cert), cx.file(key)));
        let max_delay = Duration::from_millis(self.max_delay.into());
        let batching = Batching { max_rows: self.max_batch.map_or(1, usize::from), max_delay };
        let (workers, threads) = (self.workers, self.threads);
        let timeout = Duration::from_secs(self.timeout.get().into());
        let memory_bytes = self.memory.map(|mib| u64::from(mib.get()) << 20);
        let limits = Limits { timeout, memory_bytes, ..Limits::default() };
        let wanted = Wanted { workers, threads, limits };
        let key = keys::public(cx, self.key.as_deref())?;
        let (mut releases, mut sources) = (Vec::new(), Vec::new());
        for what in &self.what {
            let source = if self.follow { released::source(cx, what, key.as_ref(), wanted)? } else { None };
            match source {
                Some(source) => sources.push(source),
                None => releases.push(released::open(cx, what, key.as_ref(), wanted)?),
            }
            cx.interrupt.check()?;
        }
        if self.follow && sources.is_empty() {
            return Err(Error::usage("none of these is a target, so that nothing becomes live there")
                .with_hint("leave `--follow` out, or name a target of the manifest"));
        }
        let options = Options {
            host: self.host,
            port: self.port,
            serving: Serving { model_name: self.model_name, timeout, batching },
            max_body_bytes: usize::from(self.max_body.get()) << 20,
            follow_every: self.every,
            tokens,
            tls,
            access_log,
        };
        serve::run(options, releases, sources, &cx.interrupt, &cx.events)
    }

    fn tokens(&self, cx: &Context) -> Result<Option<Tokens>> {
        if let Some(file) = &self.token_file {
            let text = crate::fs::read_stream(&cx.file(file))?;
            let text = text.ok_or_else(|| Error::usage(format!("there is no file `{}`", quote(file))))?;
            let tokens = Tokens::read(&String::from_utf8_lossy(&text));
            return tokens.map(Some).with_context(|| format!("cannot use `{}`", quote(file)));
        }
        match std::env::var(TOKEN) {
            Ok(token) => Tokens::read(&token).map(Some).with_context(|| format!("cannot use {TOKEN}")),
            Err(_) => Ok(None),
        }
    }

    fn access_log(&self, cx: &Context) -> Result<Option<Box<dyn Write + Send>>> {
        let Some(path) = &self.access_log else { return Ok(None) };
        if path.as_os_str() == "-" {
            return Ok(Some(Box::new(std::io::stdout())));
        }
        let file = OpenOptions::new().create(true).append(true).open(cx.file(path));
        Ok(Some(Box::new(file.with_context(|| format!("cannot write `{}`", quote(path)))?)))
    }
}
