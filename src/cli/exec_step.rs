//! `mlx exec-step`: what jobs of executors run on the other side.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::executor::{self, Element};
use crate::{Error, Kind, Result};

/// Carry out the steps of one element of a job, for executors
///
/// Engines start this on the machine they chose; `mlx train` wrote the job and reads what this writes beside it.
#[derive(Args)]
#[command(hide = true, after_help = "Examples:\n  mlx exec-step .mlx/jobs/mlx-0a1b2c3d-0123456789abcdef/job.jsonl 0")]
pub struct ExecStep {
    /// The job's file
    job: PathBuf,
    /// The element's number
    #[arg(default_value_t = 0)]
    element: usize,
}

impl ExecStep {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let number = |name: &str| std::env::var(name).ok()?.parse().ok();
        let element = Element {
            file: &cx.file(&self.job),
            number: self.element,
            restart: number("SLURM_RESTART_COUNT").unwrap_or(0),
            scratch: &std::env::temp_dir(),
            path: &std::env::var_os("PATH").unwrap_or_default(),
        };
        let failed = executor::work(&element, cx.watch()).map_err(|error| match error.kind() {
            // Nobody pressed Ctrl-C here, and engines take the exit code of that for an end of its own kind.
            Kind::Interrupted => Error::failed("the engine ended the job"),
            _ => error,
        })?;
        match failed.as_slice() {
            [] => Ok(()),
            [step] => Err(Error::step(format!("step `{step}` failed"))),
            steps => Err(Error::step(format!("{} steps failed, the first is `{}`", steps.len(), steps[0]))),
        }
    }
}
