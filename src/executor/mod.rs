//! Executors: where and how a step's program is carried out.
//!
//! On this machine that is [`run`]. Elsewhere it is a **job** of an engine that people have: Slurm, Ray, Kubernetes. A job
//! is always the same thing: `mlx exec-step` on the other side takes the steps of one element of the job from a file
//! that both sides see, carries each out with [`run`], and says in another file how it ended. So an engine has little to
//! do ([`Executor`]), and one [`Driver`] does the rest for all of them: which steps become one job, what is asked and how
//! often, what is tried again, and how a killed `mlx train` finds its jobs again.

mod attempts;
mod carrier;
mod courier;
mod driver;
mod engine;
mod gauge;
mod guard;
mod job;
pub(crate) mod kubernetes;
mod left;
mod local;
pub(crate) mod machine;
mod nvidia;
mod orphans;
mod output;
mod program;
mod ray;
mod report;
mod results;
mod sent;
mod slurm;
mod tracking;
mod usage;
mod worker;

pub use attempts::run;
pub use courier::Courier;
pub use driver::{Answer, Driver, Ended, Order, Returned, Settings, orders};
pub use engine::{Executor, Refusal};
pub use guard::{Guard, watch_over, watch_over_job};
pub use job::{Task, name_of};
pub use kubernetes::Kubernetes;
pub use left::Left;
pub use machine::{Machine, Needs, Share, VISIBLE_GPUS};
pub use orphans::{end_leftovers, end_orphans};
pub use program::{install, place};
pub use ray::Ray;
pub use report::{End, Report};
pub use slurm::Slurm;
pub use tracking::{Tracked, Tracking};
pub use worker::{Element, work, work_far};

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::env::Launch;
pub use crate::project::manifest::FailureClass;
use crate::{Error, Kind};

/// The variable that every program of a job has in its environment: the job's name. Who ends what a killed `mlx train`
/// left running on this machine leaves these alone, because a job goes on without it.
pub const JOB_VARIABLE: &str = "MLX_JOB";

/// The variable that names the directory of its checkpoint to a step's program.
pub const CHECKPOINT_VARIABLE: &str = "MLX_CHECKPOINT";

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
    /// Tells what it does on GPUs.
    pub nvidia_smi: Option<PathBuf>,
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
            FailureClass::Step => (Kind::Step, "what is done is kept; `mlx train` goes on from here"),
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
