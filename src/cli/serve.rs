//! `mlx serve`: a model answers over HTTP.

use std::num::NonZeroUsize;

use clap::Args;

use super::{Context, released};
use crate::Result;
use crate::serve::{self, Options, Wanted};

/// Answer inference requests over HTTP
///
/// Serves a bundle, the live release of a target, or a directory that a bundle was unpacked into, in the Open Inference
/// Protocol v2. The server is ready once the model gave the answers that were recorded when it was packaged; Ctrl-C or
/// SIGTERM end it after the requests that have begun.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx serve churn-3.tar
  mlx serve production --port 9000
  curl http://127.0.0.1:8080/v2/models/churn")]
pub struct Serve {
    /// Bundle, directory or target of the manifest
    #[arg(value_name = "BUNDLE|DIR|TARGET")]
    what: String,
    /// Address to listen on; 0.0.0.0 lets other machines in
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Name that the model answers to, instead of its own
    #[arg(long, value_name = "NAME")]
    model_name: Option<String>,
    /// Requests answered at once, each with its copy of the model [default: by processors and size of the model]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Threads that work on one request [default: by processors and size of the model]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Largest request body, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    max_body: u16,
}

impl Serve {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let Self { what, host, port, model_name, workers, threads, max_body } = self;
        cx.catch_signals()?;
        let release = released::open(cx, &what, Wanted { workers, threads })?;
        cx.interrupt.check()?;
        let options = Options { host, port, model_name, max_body_bytes: usize::from(max_body) << 20 };
        serve::run(&options, release, &cx.interrupt, &cx.events)
    }
}
