//! Executors: where and how a step's program is carried out.
//!
//! On this machine that is [`run`]. Elsewhere it is a **job** of an engine that people have: Slurm, Ray, Kubernetes. A job
//! is always the same thing: `mlx exec-step` on the other side takes the steps of one element of the job from a file
//! that both sides see, carries each out with [`run`], and says in another file how it ended. So an engine has little to
//! do ([`Executor`]), and one [`Driver`] does the rest for all of them: which steps become one job, what is asked and how
//! often, what is tried again, and how a killed `mlx train` finds its jobs again.

mod driver;
mod engine;
mod guard;
mod job;
mod left;
mod local;
mod output;
mod program;
mod results;
mod slurm;
mod worker;

pub use driver::{Answer, Driver, Ended, Order, Returned, Settings, orders};
pub use engine::Executor;
pub use guard::{Guard, watch_over};
pub use job::Task;
pub use left::Left;
pub use local::{end_leftovers, run};
pub use program::install;
pub use slurm::Slurm;
pub use worker::{Element, work};

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::env::Launch;
use crate::{Error, Kind};

/// The variable that every program of a job has in its environment: the job's name. Who ends what a killed `mlx train`
/// left running on this machine leaves these alone, because a job goes on without it.
pub const JOB_VARIABLE: &str = "MLX_JOB";

/// A step's program, ready to be started.
#[derive(Debug)]
pub struct Job<'a> {
    /// The step's name, for the events.
    pub step: &'a str,
    /// Given to `sh -c`.
    pub cmd: &'a str,
    /// Starts it in a container; this machine's own shell does where nothing is said.
    pub launch: Option<Launch>,
    /// Where it works.
    pub directory: PathBuf,
    /// What it gets besides the environment of this process.
    pub variables: Vec<(String, OsString)>,
    /// After this time it is ended.
    pub timeout: Option<Duration>,
    /// Takes every byte the program prints; created with the first one.
    pub log: PathBuf,
}

/// How a program ended and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub end: End,
    pub seconds: f64,
    /// User and system time of the program and of the children it waited for.
    pub cpu_seconds: f64,
    /// The largest resident set of one of these processes.
    pub peak_memory_bytes: u64,
    /// The end of what it printed, line by line.
    pub last_lines: Vec<String>,
    /// Whether it printed anything, so that there is a log.
    pub has_log: bool,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Exited(i32),
    /// Ended by the signal with this number.
    Signalled(i32),
    TimedOut(Duration),
    /// The user wanted to stop.
    Interrupted,
}

/// Why a step did not come to a good end, as far as it matters for trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The step's own program failed.
    Step,
    /// It took more memory than there was, or than it was given.
    OutOfMemory,
    /// It took longer than it may.
    Timeout,
    /// The machine or the engine failed, not the step.
    Infrastructure,
    /// Somebody ended it from outside.
    Cancelled,
}

impl FailureClass {
    /// The word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::OutOfMemory => "out of memory",
            Self::Timeout => "timeout",
            Self::Infrastructure => "infrastructure",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A step whose program did not come to an end of its own on an engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("step `{step}` {what} ({}; job {job} on `{executor}`)", class.word())]
pub struct Lost {
    pub class: FailureClass,
    pub step: String,
    /// What happened, as a predicate: `ran out of the time of its job`.
    pub what: String,
    /// The job as the engine calls it.
    pub job: String,
    pub executor: String,
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        let (kind, hint) = match lost.class {
            FailureClass::Step => (Kind::Step, "the steps before it are cached; `mlx train` goes on from here"),
            FailureClass::OutOfMemory => (Kind::Step, "give it more with `resources = { memory = … }` in the manifest"),
            FailureClass::Timeout => (Kind::Step, "give it more with `resources = { time = … }` in the manifest"),
            FailureClass::Infrastructure => {
                (Kind::Failed, "`mlx train` goes on from here; see what the engine says of the job")
            }
            FailureClass::Cancelled => (Kind::Failed, "`mlx train` goes on from here and submits it again"),
        };
        Error::new(kind, lost).with_hint(hint)
    }
}
