//! `mlx serve`: a model answers over HTTP.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Args;

use super::{Context, released};
use crate::Result;
use crate::predictor::python::Limits;
use crate::serve::{self, Options, Wanted};

/// Answer inference requests over HTTP
///
/// Serves bundles, live releases of targets and directories that bundles were unpacked into, in the Open Inference Protocol
/// v2. Of a model in several versions the newest answers where a request names none. The server is ready once each model
/// gave the answers that were recorded when it was packaged; Ctrl-C or SIGTERM end it after the requests that have begun.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx serve churn-3.tar
  mlx serve production --port 9000
  mlx serve churn-3.tar churn-4.tar fraud-1.tar
  curl http://127.0.0.1:8080/v2/models/churn")]
pub struct Serve {
    /// Bundles, directories or targets of the manifest
    #[arg(value_name = "BUNDLE|DIR|TARGET", required = true)]
    what: Vec<String>,
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
    /// Longest time a request may wait and be worked on, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    timeout: NonZeroU32,
    /// Memory that a process of a model in Python may use before another takes its place, in MiB [default: any]
    #[arg(long, value_name = "MIB")]
    memory: Option<NonZeroU32>,
    /// Largest request body, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    max_body: u16,
}

impl Serve {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let Self { what, host, port, model_name, workers, threads, timeout, memory, max_body } = self;
        cx.catch_signals()?;
        let timeout = Duration::from_secs(timeout.get().into());
        let memory_bytes = memory.map(|mib| u64::from(mib.get()) << 20);
        let limits = Limits { timeout, memory_bytes, ..Limits::default() };
        let mut releases = Vec::new();
        for what in what {
            releases.push(released::open(cx, &what, Wanted { workers, threads, limits })?);
            cx.interrupt.check()?;
        }
        let options = Options { host, port, model_name, max_body_bytes: usize::from(max_body) << 20, timeout };
        serve::run(&options, releases, &cx.interrupt, &cx.events)
    }
}
