//! The record of a run, as the store keeps it and `--json` prints it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Digest;
use crate::env::Environment;
use crate::project::ProjectPath;
use crate::project::lock::{LockedPart, LockedPath};
use crate::project::manifest::FailureClass;

/// The name of a run: 12 lower-case hex digits, chosen at random.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// The id made of these random bytes.
    pub fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text that is no run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no run id: 12 lower-case hex digits are")]
pub struct NotARunId(String);

impl FromStr for RunId {
    type Err = NotARunId;

    fn from_str(text: &str) -> Result<Self, NotARunId> {
        let is_id = text.len() == 12 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_id { Ok(Self(text.to_owned())) } else { Err(NotARunId(crate::fs::escape(text.as_bytes()))) }
    }
}

impl TryFrom<String> for RunId {
    type Error = NotARunId;

    fn try_from(text: String) -> Result<Self, NotARunId> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One `mlx train`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The version of this format; 1.
    pub version: u64,
    pub id: RunId,
    pub status: Status,
    pub started: Timestamp,
    pub finished: Option<Timestamp>,
    /// Why it failed, in one or a few lines.
    pub error: Option<String>,
    /// The command line, from the word after `mlx` on.
    pub command: Vec<String>,
    pub user: String,
    pub host: Host,
    /// The version of mlx.
    pub mlx: String,
    /// The Git commit that was checked out; `None` outside a repository and before its first commit.
    pub commit: Option<String>,
    /// Uncommitted changes as a patch that `git apply` takes; an object of the store. `None` where there were none.
    pub patch: Option<Digest>,
    /// The environment of the steps that name none; where all of them do, that of one of them.
    pub environment: Environment,
    /// The trial of a sweep that this was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Trial>,
    /// The environments that steps name, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environments: BTreeMap<String, Environment>,
    /// Seconds in which nothing was done but making environments; not part of the run's own time.
    #[serde(default)]
    pub environment_seconds: f64,
    /// Every parameter by its dotted name, such as `train.trees`.
    pub params: BTreeMap<String, Value>,
    /// The last value of each metric.
    pub metrics: BTreeMap<String, f64>,
    /// Values on the way, in the order they came.
    pub history: Vec<MetricPoint>,
    /// In the order of the pipeline.
    pub steps: Vec<RunStep>,
}

impl Run {
    /// Seconds from start to end without those in which environments were made; `None` while it runs.
    pub fn seconds(&self) -> Option<f64> {
        let all = |finished: Timestamp| finished.duration_since(self.started).as_secs_f64();
        self.finished.map(|finished| (all(finished) - self.environment_seconds).max(0.0))
    }

    /// The environment in which this step runs.
    pub fn environment_of(&self, step: &RunStep) -> &Environment {
        step.env.as_ref().and_then(|name| self.environments.get(name)).unwrap_or(&self.environment)
    }

    /// The objects by which it is understood: logs, uncommitted changes, what its environments hold.
    pub fn companions(&self) -> impl Iterator<Item = Digest> {
        let logs = self.steps.iter().filter_map(|step| step.log);
        let environments = std::iter::once(&self.environment).chain(self.environments.values());
        logs.chain(self.patch).chain(environments.flat_map(Environment::objects))
    }

    /// The step with this name.
    pub fn step(&self, name: &str) -> Option<&RunStep> {
        self.steps.iter().find(|step| step.name == name)
    }
}

/// Which trial of which sweep a run was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    pub sweep: String,
    /// Counted from 0.
    pub number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Running,
    Finished,
    Failed,
    Interrupted,
}

impl Status {
    /// In words, as people and commands have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The machine of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    pub name: String,
    /// Such as `linux`.
    pub os: String,
    /// Such as `x86_64`.
    pub arch: String,
    pub cpus: u64,
    pub memory_bytes: u64,
}

/// A value of a metric on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricPoint {
    pub metric: String,
    /// The epoch, iteration or row it belongs to.
    pub step: u64,
    pub value: f64,
}

/// What became of one step in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStep {
    pub name: String,
    /// The environment that it names, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    pub cmd: String,
    /// Where its program worked, if not in the project's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<ProjectPath>,
    pub outcome: Outcome,
    /// The step key; `None` where it was not known, because a step before it failed.
    pub key: Option<Digest>,
    /// Why it ran, in words; empty where it did not.
    pub reason: String,
    pub started: Option<Timestamp>,
    /// Wall time in seconds; 0 where nothing ran.
    pub seconds: f64,
    /// User and system time of the process group, in seconds.
    pub cpu_seconds: f64,
    /// The most memory that its processes had at once as far as it was seen, and at least the largest resident set of one
    /// of them, in bytes.
    pub peak_memory_bytes: u64,
    #[serde(default)]
    pub io: Io,
    /// What it did on GPUs, where somebody tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuUse>,
    /// How often its program was started; 0 where it was not.
    #[serde(default)]
    pub attempts: u64,
    /// Why it failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureClass>,
    /// The exit code, where the program ended with one.
    pub exit_code: Option<i32>,
    pub params: BTreeMap<String, Value>,
    /// Files and directories that it read, whole or in part.
    pub deps: Vec<LockedPath>,
    /// What it depended on besides whole files and directories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<LockedPart>,
    pub outs: Vec<LockedPath>,
    pub metrics: BTreeMap<String, f64>,
    /// Parameters that its program told itself, besides those of the manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub logged: BTreeMap<String, String>,
    /// What the program printed; an object of the store.
    pub log: Option<Digest>,
    /// The run in which these outputs were made, where it was an earlier one.
    pub made_by: Option<RunId>,
}

/// Bytes that the processes of a step read and wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Io {
    /// By system calls, whether from a file, a pipe or memory that holds a file already. What is mapped is not among them.
    pub read_bytes: u64,
    pub written_bytes: u64,
    /// What of it, and of what is mapped, storage had to give or to take.
    pub storage_read_bytes: u64,
    pub storage_written_bytes: u64,
}

impl Io {
    pub fn add(&mut self, other: &Io) {
        self.read_bytes += other.read_bytes;
        self.written_bytes += other.written_bytes;
        self.storage_read_bytes += other.storage_read_bytes;
        self.storage_written_bytes += other.storage_written_bytes;
    }
}

/// What the processes of a step did on GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GpuUse {
    /// The most that they had at once, as far as it was seen.
    pub peak_memory_bytes: u64,
    /// How busy the GPUs were on which they ran, from 0 to 1, on average.
    pub utilization: Option<f64>,
}

impl GpuUse {
    /// With what another attempt did.
    #[must_use]
    pub fn with(self, other: &GpuUse) -> Self {
        Self {
            peak_memory_bytes: self.peak_memory_bytes.max(other.peak_memory_bytes),
            utilization: self.utilization.or(other.utilization),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The program ran and ended well.
    Ran,
    /// The outputs lay there already.
    UpToDate,
    /// The outputs were known and came from the store.
    Restored,
    /// The program failed, or could not be started.
    Failed,
    /// Somebody wanted to stop while it ran.
    Interrupted,
    /// It did not run, because a step before it failed or the run was interrupted.
    Skipped,
}

impl Outcome {
    /// In words, as people read it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::UpToDate => "up to date",
            Self::Restored => "restored",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
        }
    }
}

/// The bytes of a run's record. Version 1 has no word for a step that was interrupted: it stands there as one that failed,
/// of the class `cancelled`, in a run that was interrupted. So older programs read it as well.
pub fn to_bytes(run: &Run) -> serde_json::Result<Vec<u8>> {
    let is_interrupted = |step: &RunStep| step.outcome == Outcome::Interrupted;
    if !run.steps.iter().any(is_interrupted) {
        return serde_json::to_vec(run);
    }
    let mut stored = run.clone();
    for step in stored.steps.iter_mut().filter(|step| is_interrupted(step)) {
        step.outcome = Outcome::Failed;
        step.failure = Some(FailureClass::Cancelled);
    }
    serde_json::to_vec(&stored)
}

/// The run in the bytes of a record.
pub fn from_bytes(bytes: &[u8]) -> serde_json::Result<Run> {
    let mut run: Run = serde_json::from_slice(bytes)?;
    if run.status == Status::Interrupted {
        let is_cancelled =
            |step: &&mut RunStep| step.outcome == Outcome::Failed && step.failure == Some(FailureClass::Cancelled);
        run.steps.iter_mut().filter(is_cancelled).for_each(|step| {
            let has_begun = step.started.is_some();
            step.outcome = if has_begun { Outcome::Interrupted } else { Outcome::Skipped };
        });
    }
    Ok(run)
}
