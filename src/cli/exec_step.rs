//! `mlx exec-step`: what jobs of executors run on the other side.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::executor::{self, Element, Guard, JOB_VARIABLE};
use crate::remote::{self, Access};
use crate::{Error, Kind, Result};

/// Carry out the steps of one element of a job, for executors
///
/// Engines start this on the machine they chose; `mlx train` wrote the job and reads what this writes beside it.
#[derive(Args)]
#[command(hide = true, after_help = "Examples:\n  mlx exec-step .mlx/jobs/mlx-0a1b2c3d-0123456789abcdef/job.jsonl 0")]
pub struct ExecStep {
    /// The job's file; with --remote the job's name
    job: PathBuf,
    /// The element's number
    #[arg(default_value_t = 0)]
    element: usize,
    /// The remote by which the job's files come and go
    #[arg(long, value_name = "URL", requires = "remote_name")]
    remote: Option<String>,
    /// The name by which the environment says more of it
    #[arg(long, value_name = "NAME")]
    remote_name: Option<String>,
    /// Where the engine kills no more than the group of this process: end the steps' programs all the same
    #[arg(long)]
    watched: bool,
}

impl ExecStep {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let is_name = self.remote.is_some();
        let name = if is_name { self.job.to_str() } else { executor::name_of(&self.job) };
        let name = name.ok_or_else(|| Error::usage("that is no job"))?;
        let program = cx.program()?;
        let guard = || Guard::start(&program, &["guard".as_ref(), "--job".as_ref(), name.as_ref()], JOB_VARIABLE);
        let _guard = self.watched.then(guard).transpose()?;
        let number = |name: &str| std::env::var(name).ok()?.parse().ok();
        let file = if is_name { self.job.clone() } else { cx.file(&self.job) };
        let cache = cx.cache_directory().ok();
        let element = Element {
            file: &file,
            number: self.element,
            restart: number("SLURM_RESTART_COUNT").unwrap_or(0),
            scratch: &std::env::temp_dir(),
            cache: cache.as_deref(),
            host: &cx.interpreters(),
            variable: |name| std::env::var_os(name),
        };
        let failed = match (&self.remote, &self.remote_name) {
            (Some(url), Some(name)) => {
                let access: Access = cx.access().named(name);
                let remote = remote::open(url, &cx.directory, &access)?;
                executor::work_far(&element, remote, cx.watch())
            }
            _ => executor::work(&element, cx.watch()),
        };
        let failed = failed.map_err(|error| match error.kind() {
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
