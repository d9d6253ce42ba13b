//! What the processes of a step took, as the kernel tells when they have ended.

use std::{fs, io};

use anyhow::Context;

use crate::Result;
use crate::run::Io;

/// What processes took.
#[derive(Default)]
pub(super) struct Usage {
    pub cpu_seconds: f64,
    /// The largest resident set of one of them; 0 where it is not known.
    pub peak_memory_bytes: u64,
    /// No process had more than this.
    pub bound_bytes: u64,
    pub io: Io,
}

impl Usage {
    /// Waits for a child, or for one of a group of children, and adds what it took, with all that it waited for itself.
    /// `None` where there is no such child.
    pub fn wait(&mut self, kind: libc::idtype_t, id: libc::pid_t, own_bytes: u64) -> Result<Option<i32>> {
        let Some(pid) = ended_child(kind, id)? else { return Ok(None) };
        // Told only until somebody has waited for it.
        self.io.add(&io_of(pid));
        let mut status = 0;
        // SAFETY: all fields are numbers, for which zero is a value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to live locals of the right types.
        while unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } < 0 {
            cannot_wait_unless_interrupted()?;
        }
        self.cpu_seconds += seconds(usage.ru_utime) + seconds(usage.ru_stime);
        let bytes = resident_bytes(&usage);
        self.bound_bytes = self.bound_bytes.max(bytes);
        // What the kernel counts begins before the program does, with what this process has.
        if bytes > own_bytes {
            self.peak_memory_bytes = self.peak_memory_bytes.max(bytes);
        }
        Ok(Some(status))
    }
}

/// The child, or one of the group, once it has ended; it can still be looked at. `None` where there is none.
fn ended_child(kind: libc::idtype_t, id: libc::pid_t) -> Result<Option<libc::pid_t>> {
    // SAFETY: all fields are numbers or hold them, for which zero is a value.
    let mut found: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let id = libc::id_t::try_from(id).unwrap_or_default();
    // SAFETY: the pointer is to a live local of the right type.
    while unsafe { libc::waitid(kind, id, &raw mut found, libc::WEXITED | libc::WNOWAIT) } < 0 {
        if io::Error::last_os_error().raw_os_error() == Some(libc::ECHILD) {
            return Ok(None);
        }
        cannot_wait_unless_interrupted()?;
    }
    // SAFETY: `waitid` has filled it in for a child.
    Ok(Some(unsafe { found.si_pid() }))
}

fn cannot_wait_unless_interrupted() -> Result<()> {
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EINTR) => Ok(()),
        _ => Err(error).context("cannot wait for the program of a step").map_err(Into::into),
    }
}

fn resident_bytes(usage: &libc::rusage) -> u64 {
    // The kernel counts in KiB.
    u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024
}

/// The most memory that this program itself had. What getrusage(2) says counts the program in whose place it came, too.
pub(super) fn own_peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// What a process that ended, and those that it waited for, read and wrote: `/proc/PID/io`, see proc_pid_io(5).
fn io_of(pid: libc::pid_t) -> Io {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let number = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        line.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    Io {
        read_bytes: number("rchar"),
        written_bytes: number("wchar"),
        storage_read_bytes: number("read_bytes"),
        storage_written_bytes: number("write_bytes"),
    }
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 / 1e6
}
