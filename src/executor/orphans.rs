//! Programs that nobody watches over any more: those that left the process group of their step, as daemons do, and those of
//! an earlier mlx that was killed.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::local::{GRACE, wait};
use crate::Result;

/// So often are processes looked at again that have no environment, which most have after a moment.
const UNCLEAR_LOOKS: usize = 3;

/// Ends those whose environment holds `variable=value`. Returns how many. Whoever loses the process that started it becomes a
/// child of this one: so where there are no children but the `known` one, which is quick to see, nothing is looked for.
pub fn end_orphans(variable: &str, value: &str, known: Option<u32>) -> Result<u64> {
    match children() {
        Some(children) if children.iter().all(|child| Some(*child) == known) => Ok(0),
        _ => end_leftovers(variable, value),
    }
}

/// How many programs of this group go on without the one that started them; `None` where the kernel does not tell.
pub fn going_on_in(group: Pid) -> Option<usize> {
    Some(children()?.into_iter().filter(|child| goes_on_in(*child, group)).count())
}

/// Whether the process belongs to the group and does something, rather than wait for somebody to take note of its end: the
/// state and the group are the third and the fifth field of proc_pid_stat(5), behind a name that may hold anything.
fn goes_on_in(process: u32, group: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let mut fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
    let (state, its) = (fields.next().unwrap_or("X"), fields.nth(1));
    !matches!(state, "Z" | "X") && its.and_then(|its| its.parse().ok()) == Some(group.as_raw_pid())
}

/// The processes that this one has to wait for; `None` where the kernel does not tell.
fn children() -> Option<Vec<u32>> {
    let threads = fs::read_dir("/proc/self/task").ok()?;
    let mut children = Vec::new();
    for thread in threads.flatten() {
        let list = read(&thread.path().join("children"))?;
        children.extend(list.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Some(children)
}

/// A thread that has ended meanwhile has no children any more.
fn read(list: &Path) -> Option<String> {
    match fs::read_to_string(list) {
        Ok(list) => Some(list),
        Err(_) if list.parent().is_some_and(|thread| !thread.exists()) => Some(String::new()),
        Err(_) => None,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_any_thread_are_seen() {
        let mut child =
            std::thread::spawn(|| std::process::Command::new("sleep").arg("1000").spawn().unwrap()).join().unwrap();

        assert!(children().is_none_or(|children| children.contains(&child.id())));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(children().is_none_or(|children| !children.contains(&child.id())));
    }
}
