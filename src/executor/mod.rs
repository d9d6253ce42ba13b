//! Executors: where and how a step's program is carried out. Today that is this machine.

mod local;
mod output;

pub use local::{end_leftovers, run};

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::env::Launch;

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
#[derive(Debug)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    /// Ended by the signal with this number.
    Signalled(i32),
    TimedOut(Duration),
    /// The user wanted to stop.
    Interrupted,
}
