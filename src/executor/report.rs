//! How a step's program ended, what that means, and what it took.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::FailureClass;
use crate::Digest;
use crate::project::duration_text;
use crate::run::{GpuUse, Io};

/// What one of the last lines of a program says that could get no memory, though nobody ended it. Others may come behind it:
/// of what looks after the program, or logs for it.
const MEMORY_ERRORS: [&str; 5] =
    ["MemoryError", "OutOfMemoryError", "CUDA out of memory", "std::bad_alloc", "Cannot allocate memory"];

/// How a program ended and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub end: End,
    /// Of all attempts, with the time between them.
    pub seconds: f64,
    /// User and system time of the process group, of all attempts.
    pub cpu_seconds: f64,
    /// The most that the process group had at once, as far as it was seen; at least the largest resident set of one of its
    /// processes.
    pub peak_memory_bytes: u64,
    /// The end of what it printed, line by line.
    pub last_lines: Vec<String>,
    /// Whether it printed anything, so that there is a log.
    pub has_log: bool,
    /// What the log holds and how long it is, where this process wrote all of it.
    #[serde(skip)]
    pub log: Option<Box<(Digest, u64)>>,
    /// The kernel ended a program because memory had run out, at the time when this one was ended.
    #[serde(default)]
    pub is_out_of_memory: bool,
    #[serde(default)]
    pub io: Io,
    #[serde(default)]
    pub gpu: Option<GpuUse>,
    /// How often it was started.
    #[serde(default = "one")]
    pub attempts: u64,
}

fn one() -> u64 {
    1
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

impl End {
    /// Whether SIGKILL ended it, or a program of which it was the shell.
    pub fn is_killed(self) -> bool {
        matches!(self, Self::Signalled(libc::SIGKILL)) || self == Self::Exited(128 + libc::SIGKILL)
    }
}

impl Report {
    /// Why it did not come to a good end; `None` where it did. A program that can't get memory often ends by itself: then
    /// what it said last is all that tells.
    pub fn class(&self) -> Option<FailureClass> {
        let is_of_memory = |line: &String| MEMORY_ERRORS.iter().any(|error| line.contains(error));
        match self.end {
            End::Exited(0) => None,
            End::TimedOut(_) => Some(FailureClass::Timeout),
            End::Interrupted => Some(FailureClass::Cancelled),
            _ if self.is_out_of_memory => Some(FailureClass::OutOfMemory),
            End::Exited(_) | End::Signalled(libc::SIGABRT) if self.last_lines.iter().any(is_of_memory) => {
                Some(FailureClass::OutOfMemory)
            }
            End::Exited(_) | End::Signalled(_) => Some(FailureClass::Step),
        }
    }

    /// What happened, as a predicate: `stopped with exit code 7 after 38 s`.
    pub fn predicate(&self) -> String {
        let after = after(self.seconds);
        match self.end {
            End::Exited(127) => "could not find its program (exit code 127)".into(),
            End::Exited(126) => "could not execute its program (exit code 126)".into(),
            End::Interrupted => format!("was stopped{after}"),
            End::TimedOut(limit) => format!("took longer than its timeout of {}", duration_text(limit)),
            _ if self.is_out_of_memory => format!("was ended by the system{after}, because memory had run out"),
            // A shell reports the death of its program this way.
            End::Exited(code) if (129..=192).contains(&code) => {
                format!("stopped with exit code {code}{after}, as after the signal {}", signal_name(code - 128))
            }
            End::Exited(code) => format!("stopped with exit code {code}{after}"),
            End::Signalled(signal) => format!("was ended by the signal {}{after}", signal_name(signal)),
        }
    }

    /// Adds an attempt that came before this one.
    pub fn add_earlier(&mut self, earlier: &Report) {
        self.cpu_seconds += earlier.cpu_seconds;
        self.peak_memory_bytes = self.peak_memory_bytes.max(earlier.peak_memory_bytes);
        self.has_log |= earlier.has_log;
        self.io.add(&earlier.io);
        self.gpu = match (self.gpu, earlier.gpu) {
            (Some(one), Some(other)) => Some(one.with(&other)),
            (one, other) => one.or(other),
        };
    }
}

fn after(seconds: f64) -> String {
    if seconds < 0.1 { String::new() } else { format!(" after {}", duration(seconds)) }
}

/// Seconds in words: `1.5 s`, `38 s`.
pub fn duration(seconds: f64) -> String {
    if seconds < 9.95 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

fn signal_name(signal: i32) -> String {
    let names = [
        (libc::SIGHUP, "HUP"),
        (libc::SIGINT, "INT"),
        (libc::SIGQUIT, "QUIT"),
        (libc::SIGILL, "ILL"),
        (libc::SIGTRAP, "TRAP"),
        (libc::SIGABRT, "ABRT"),
        (libc::SIGBUS, "BUS"),
        (libc::SIGFPE, "FPE"),
        (libc::SIGKILL, "KILL"),
        (libc::SIGSEGV, "SEGV"),
        (libc::SIGPIPE, "PIPE"),
        (libc::SIGALRM, "ALRM"),
        (libc::SIGTERM, "TERM"),
        (libc::SIGXCPU, "XCPU"),
        (libc::SIGXFSZ, "XFSZ"),
    ];
    let name = names.iter().find(|(number, _)| *number == signal).map(|(_, name)| format!("SIG{name}"));
    name.unwrap_or_else(|| signal.to_string())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn report(end: End, last_line: &str) -> Report {
        Report {
            end,
            seconds: 1.0,
            cpu_seconds: 1.0,
            peak_memory_bytes: 1,
            last_lines: vec![last_line.to_owned()],
            has_log: true,
            log: None,
            is_out_of_memory: false,
            io: Io::default(),
            gpu: None,
            attempts: 1,
        }
    }

    #[test]
    fn failures_have_a_class() {
        let killed = Report { is_out_of_memory: true, ..report(End::Exited(137), "") };
        let lines = ["torch.OutOfMemoryError: CUDA out of memory.", "wandb: Synced 1 file"].map(str::to_owned).into();
        let logged = Report { last_lines: lines, ..report(End::Exited(1), "") };
        let cases = [
            (report(End::Exited(0), "MemoryError"), None),
            (report(End::Exited(1), "ValueError: x"), Some(FailureClass::Step)),
            (report(End::Exited(1), "numpy.core._exceptions._ArrayMemoryError: no"), Some(FailureClass::OutOfMemory)),
            (report(End::Exited(1), "torch.OutOfMemoryError: CUDA out of memory."), Some(FailureClass::OutOfMemory)),
            (report(End::Signalled(libc::SIGABRT), "  what():  std::bad_alloc"), Some(FailureClass::OutOfMemory)),
            (report(End::Signalled(libc::SIGKILL), ""), Some(FailureClass::Step)),
            (killed, Some(FailureClass::OutOfMemory)),
            (logged, Some(FailureClass::OutOfMemory)),
            (report(End::TimedOut(Duration::from_secs(1)), ""), Some(FailureClass::Timeout)),
        ];
        for (report, expected) in cases {
            assert_eq!(report.class(), expected, "{report:?}");
        }
    }

    #[test]
    fn what_older_programs_wrote_is_read() {
        let text = r#"{"end":{"exited":0},"seconds":1.0,"cpu_seconds":1.0,"peak_memory_bytes":1,"last_lines":[],"has_log":false}"#;

        let report: Report = serde_json::from_str(text).unwrap();

        assert_eq!((report.attempts, report.gpu, report.io), (1, None, Io::default()));
    }
}
