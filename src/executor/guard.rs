//! A process beside this one that ends the programs of steps, should this one be killed before it can do so.
//!
//! It is this very program, waiting at the end of a pipe whose other end this process alone holds. When the pipe closes and
//! the guard was not dismissed, its holder is gone, and whatever of the run still runs has nobody who waits for it.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::Context;

use super::JOB_VARIABLE;
use super::orphans::{end_leftovers, end_programs};
use crate::Result;
use crate::fs::quote;

/// A guard at work; dismissed when dropped.
pub struct Guard {
    child: Child,
    /// Closes when this process ends, however it does.
    _pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts `program` with these arguments, which is to call [`watch_over`] or [`watch_over_job`] for programs that have
    /// `variable` in their environment.
    pub fn start(program: &Path, arguments: &[&OsStr], variable: &str) -> Result<Self> {
        let mut command = Command::new(program);
        // It outlives a Ctrl-C, and is none of the programs that an outer guard ends.
        command.args(arguments).process_group(0).env_remove(variable);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot start `{}`", quote(program)))?;
        let _pipe = child.stdin.take();
        Ok(Self { child, _pipe })
    }
}

impl Guard {
    /// The guard's process, which is a child of this one.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Before the pipe closes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until nobody holds the other end of the pipe, and ends the programs with `variable=value` in their environment.
pub fn watch_over(mut pipe: impl Read, variable: &str, value: &str) -> Result<u64> {
    std::io::copy(&mut pipe, &mut std::io::sink()).context("cannot wait for the end of `mlx train`")?;
    end_leftovers(variable, value)
}

/// As [`watch_over`], for the programs of a job, whose worker holds the other end of the pipe: on an engine that kills no
/// more than the worker's own process group.
pub fn watch_over_job(mut pipe: impl Read, job: &str) -> Result<u64> {
    std::io::copy(&mut pipe, &mut std::io::sink()).context("cannot wait for the end of the job")?;
    end_programs(|holds| holds(JOB_VARIABLE, job))
}
