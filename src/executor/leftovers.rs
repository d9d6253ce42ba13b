//! Programs that nobody watches over any more, found by a variable of their environment, and ended.

use std::fs;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::local::{GRACE, wait};
use crate::Result;

/// So often are processes looked at again that have no environment, which most have after a moment.
const UNCLEAR_LOOKS: usize = 3;

/// Ends the processes that were left behind by an earlier mlx, killed before it could do so, or that left their process
/// group: those of this user whose environment holds `variable=value`. Those of a job that an engine started on this
/// machine are the engine's. Returns how many.
pub fn end_leftovers(variable: &str, value: &str) -> Result<u64> {
    end_programs(|holds| holds(variable, value) && !holds(super::JOB_VARIABLE, ""))
}

/// Ends the processes of this user that `is_meant`, and waits for each until it can't write any more. It asks whether the
/// environment of one holds a variable with a value; any value does where none is named. Returns how many.
pub(super) fn end_programs(is_meant: impl Fn(&dyn Fn(&str, &str) -> bool) -> bool) -> Result<u64> {
    let mut ended = 0;
    let mut unclear = 0;
    loop {
        let (found, is_unclear) = programs(&is_meant)?;
        let killed: Vec<&OwnedFd> = found.iter().filter(|it| pidfd_send_signal(it, Signal::KILL).is_ok()).collect();
        for pidfd in &killed {
            wait(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(Instant::now() + GRACE))?;
        }
        ended += killed.len() as u64;
        match (killed.is_empty(), is_unclear && unclear < UNCLEAR_LOOKS) {
            (true, false) => return Ok(ended),
            (true, true) => {
                unclear += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            // One of them may have started another one meanwhile.
            (false, _) => {}
        }
    }
}

/// The processes that are meant, and whether there are some of which it can't be told: those that are just beginning a
/// program have no environment for a moment.
fn programs(is_meant: &impl Fn(&dyn Fn(&str, &str) -> bool) -> bool) -> Result<(Vec<OwnedFd>, bool)> {
    let mut found = Vec::new();
    let mut is_unclear = false;
    for entry in fs::read_dir("/proc").context("cannot list the processes")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        // Opened before the environment is read, so that the signal can't reach another process with the same number.
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        // Threads of the kernel and processes that ended have no program either.
        is_unclear |= environment.is_empty() && fs::read_link(entry.path().join("exe")).is_ok();
        let holds = |variable: &str, value: &str| {
            environment.split(|byte| *byte == 0).any(|entry| {
                let its = entry.strip_prefix(variable.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
                its.is_some_and(|its| value.is_empty() || its == value.as_bytes())
            })
        };
        if is_meant(&holds) {
            found.push(pidfd);
        }
    }
    Ok((found, is_unclear))
}
