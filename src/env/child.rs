//! Runs a program that makes an environment: its output line by line, its last lines for an error, and its whole process
//! group ended when the user wants to stop.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::event::Interrupt;
use crate::fs::escape;
use crate::{Error, Result};

/// How many of the last lines an error shows.
const LAST_LINES: usize = 12;
/// A line longer than this is cut.
const LINE_LIMIT: u64 = 4096;
/// How long a program may take to end by itself when it is asked to.
const GRACE: Duration = Duration::from_secs(3);

/// A child whose process group is killed when this is dropped before it has ended.
struct Group {
    child: Child,
    pid: Pid,
}

impl Drop for Group {
    fn drop(&mut self) {
        // What the program left running would go on writing into the environment.
        let _ = kill_process_group(self.pid, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Runs the program to its end and gives each line of its output, escaped, to `line`. `doing` says in errors what failed.
pub fn run(mut command: Command, doing: &str, interrupt: &Interrupt, mut line: impl FnMut(&str)) -> Result<()> {
    let program = escape(command.get_program().as_encoded_bytes());
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    let both = writer.try_clone().context("cannot make a pipe")?;
    command.stdin(Stdio::null()).stdout(writer).stderr(both).process_group(0);
    // SAFETY: the closure makes one system call and touches no memory of the parent.
    unsafe { command.pre_exec(end_with_parent) };
    let child = command.spawn().with_context(|| format!("cannot start `{program}`"))?;
    // The command holds the pipe's writing end, which must be closed for the reader to see the end.
    drop(command);
    let pid = Pid::from_child(&child);
    let mut group = Group { child, pid };
    let mut last: VecDeque<String> = VecDeque::new();
    let lines = read_lines(reader);
    let mut asked: Option<Instant> = None;
    let mut ended: Option<(ExitStatus, Instant)> = None;
    let status = loop {
        match lines.recv_timeout(Duration::from_millis(50)) {
            Ok(text) => {
                line(&text);
                last.push_back(text);
                last.drain(..last.len().saturating_sub(LAST_LINES));
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => {
                break ended.map_or_else(|| group.child.wait(), |(status, _)| Ok(status));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        match ended {
            // What it left running holds the pipe open: all of it goes, and its last words are heard.
            None => match group.child.try_wait() {
                Ok(Some(status)) => {
                    let _ = kill_process_group(pid, Signal::KILL);
                    ended = Some((status, Instant::now()));
                }
                Ok(None) => {}
                Err(error) => break Err(error),
            },
            Some((status, since)) if since.elapsed() > GRACE => break Ok(status),
            Some(_) => {}
        }
        match asked {
            None if interrupt.is_requested() => {
                let _ = kill_process_group(pid, Signal::TERM);
                asked = Some(Instant::now());
            }
            Some(since) if since.elapsed() > GRACE || interrupt.is_urgent() => break group.kill(),
            _ => {}
        }
    }
    .with_context(|| format!("cannot wait for `{program}`"))?;
    interrupt.check()?;
    if status.success() { Ok(()) } else { Err(failure(doing, &program, status, last)) }
}

impl Group {
    fn kill(&mut self) -> std::io::Result<ExitStatus> {
        let _ = kill_process_group(self.pid, Signal::KILL);
        self.child.wait()
    }
}

fn failure(doing: &str, program: &str, status: ExitStatus, last: VecDeque<String>) -> Error {
    let name = program.rsplit('/').next().unwrap_or(program);
    let ending = match (status.code(), status.signal()) {
        (Some(code), _) => format!("stopped with exit code {code}"),
        (_, Some(signal)) => format!("was ended by signal {signal}"),
        _ => "failed".into(),
    };
    let mut message = format!("cannot {doing}: `{name}` {ending}");
    if !last.is_empty() {
        message += "\n  last lines of its output:";
        last.iter().for_each(|line| message += &format!("\n    {line}"));
    }
    Error::failed(message)
}

/// What to do where a program failed because it reached nobody.
pub fn network_hint(error: &Error) -> Option<&'static str> {
    let said = error.to_string().to_lowercase();
    let signs = [
        "name resolution",
        "name or service not known",
        "failed to establish a new connection",
        "connection refused",
        "network is unreachable",
        "dns error",
        "error sending request",
        "client error (connect)",
        "could not resolve host",
        "could not connect",
        "connectionerror",
        "timed out",
        "failed to fetch",
    ];
    signs.iter().any(|sign| said.contains(sign)).then_some(
        "the package index can't be reached from here: look at the network and at its settings \
         (PIP_INDEX_URL, UV_INDEX_URL, HTTPS_PROXY); what was made before works without it",
    )
}

/// Reads on a thread of its own, so that the wish to stop is heard while nothing is said.
fn read_lines(reader: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(1000);
    std::thread::spawn(move || for_each_line(reader, |line| sender.send(line).is_ok()));
    receiver
}

/// Gives what a program prints to `take` as lines that may be shown, those that are too long in pieces and empty ones not,
/// until it returns `false` or the program ends.
pub fn for_each_line(reader: impl Read, mut take: impl FnMut(String) -> bool) {
    let mut reader = BufReader::new(reader);
    let mut bytes = Vec::new();
    while let Ok(1..) = reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut bytes) {
        let text = escape(bytes.trim_ascii_end());
        bytes.clear();
        if !text.is_empty() && !take(text) {
            return;
        }
    }
}

/// In the child, before the program starts: if mlx is killed, the program must not go on writing.
fn end_with_parent() -> std::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_shows_the_last_lines_of_both_streams() {
        let script = "seq 100; echo bad news >&2; exit 7";

        let error = run(shell(script), "install things", &Interrupt::default(), |_| {}).unwrap_err();

        let text = error.to_string();
        assert!(text.starts_with("cannot install things: `sh` stopped with exit code 7\n"), "{text}");
        assert!(text.contains("\n    100\n    bad news") && !text.contains("\n    1\n"), "{text}");
    }

    #[test]
    fn a_wish_to_stop_ends_grandchildren_too() {
        let interrupt = Interrupt::default();
        let mut grandchild = None;

        let error = run(shell("sleep 600 & echo $!; wait"), "wait", &interrupt, |line| {
            grandchild = Pid::from_raw(line.parse().unwrap());
            interrupt.request();
        })
        .unwrap_err();

        assert_eq!(error.kind(), crate::Kind::Interrupted);
        // Once nobody waits for it, the kernel needs a moment to take it away.
        while rustix::process::test_kill_process(grandchild.unwrap()).is_ok() && !is_zombie(grandchild.unwrap()) {
            std::thread::yield_now();
        }
    }

    fn is_zombie(pid: Pid) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        stat.is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
    }
}
