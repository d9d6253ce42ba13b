//! A way to one pod: `kubectl port-forward`, which goes with what holds it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};

use super::objects::PORT;
use super::workload::Workloads;
use crate::deploy::probe::end_with_parent;
use crate::event::Interrupt;
use crate::fs::escape;
use crate::{Error, Result};

/// So long it may take until the way is open.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the wish to stop is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// A port of this machine that leads to the server of a pod.
pub(super) struct Forward {
    child: Child,
    group: Pid,
    pub url: String,
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Forward {
    /// Opens the way, on a port that is free.
    pub fn open(workloads: &Workloads, pod: &str, interrupt: &Interrupt) -> Result<Self> {
        let (name, port) = (format!("pod/{pod}"), format!(":{PORT}"));
        let mut command = workloads.process(&["port-forward", "--address=127.0.0.1", &name, &port]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // SAFETY: the closure makes one system call and touches no memory of the parent.
        unsafe { command.pre_exec(end_with_parent) };
        let mut child = command.spawn().context("cannot start `kubectl`")?;
        let group = Pid::from_child(&child);
        let (said, complaints) = (lines(child.stdout.take()), lines(child.stderr.take()));
        let mut forward = Self { child, group, url: String::new() };
        let deadline = Instant::now() + PATIENCE;
        loop {
            interrupt.check()?;
            match said.recv_timeout(PAUSE) {
                Ok(line) => {
                    if let Some(url) = url_in(&line) {
                        forward.url = url;
                        return Ok(forward);
                    }
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(_) => {
                    let _ = kill_process_group(group, Signal::KILL);
                    let last = complaints.iter().last().unwrap_or_else(|| "it says nothing".into());
                    let may = workloads.shown("auth can-i create pods/portforward");
                    return Err(Error::failed(format!("cannot reach pod `{pod}`: `kubectl port-forward`: {last}"))
                        .with_hint(format!("{may} tells whether you may")));
                }
            }
        }
    }
}

/// The lines of what a program writes, read until it ends whether anybody wants them or not.
fn lines(source: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(source) = source {
        std::thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(std::io::Result::ok) {
                let _ = sender.send(escape(line.as_bytes()));
            }
        });
    }
    receiver
}

/// `Forwarding from 127.0.0.1:40123 -> 8080`.
fn url_in(line: &str) -> Option<String> {
    let rest = line.strip_prefix("Forwarding from ")?;
    let port: u16 = rest.split(" -> ").next()?.rsplit(':').next()?.parse().ok()?;
    Some(format!("http://127.0.0.1:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_in_what_kubectl_says() {
        let found = url_in("Forwarding from 127.0.0.1:40123 -> 8080");

        assert_eq!(found.as_deref(), Some("http://127.0.0.1:40123"));
        assert_eq!(url_in("Handling connection for 40123"), None);
    }
}
