//! A child process that is spoken to and listened to at the same time, with an end to silence and a wish to stop.

use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::event::Interrupt;
use crate::remote::{Body, RemoteError};
use crate::{Error, Result};

/// A running child; killed when dropped early.
pub struct Session {
    child: Child,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` where a signal ended it.
    pub code: Option<i32>,
    /// The end of what it said on standard error.
    pub said: String,
}

/// Read and written at a time.
const PIECE: usize = 256 << 10;
/// So much of standard error is kept.
const MOST_SAID: usize = 16 << 10;

impl Session {
    /// Starts it; its standard input is the caller's to choose.
    pub fn start(command: &mut Command) -> Result<Self> {
        match command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
            Ok(child) => Ok(Self { child }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Error::usage("there is no `ssh` on this machine")
                    .with_hint("install it: `apt install openssh-client`"))
            }
            Err(error) => Err(error).context("cannot start `ssh`").map_err(Into::into),
        }
    }

    /// Sends the input, hands on the output, and waits for the end. After so much silence in all directions it is killed.
    pub fn run(
        mut self,
        silence: Duration,
        interrupt: &Interrupt,
        input: Option<&Body<'_>>,
        output: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<Ended> {
        let bell = interrupt.bell()?;
        let mut stdout = self.child.stdout.take();
        let mut stderr = self.child.stderr.take();
        let mut stdin = self.child.stdin.take();
        let mut source = input.map(Outgoing::new).transpose()?;
        if let Some(stdin) = &stdin {
            rustix::io::ioctl_fionbio(stdin, true).context("cannot set up a pipe")?;
        }
        let limit = Timespec::try_from(silence).unwrap_or(Timespec { tv_sec: 60, tv_nsec: 0 });
        let mut said = Vec::new();
        let mut piece = vec![0; PIECE];
        while stdout.is_some() || stderr.is_some() {
            let (mut can_read, mut can_hear, mut can_write) = (false, false, false);
            {
                let mut waiting = vec![PollFd::new(&bell, PollFlags::IN)];
                waiting.extend(stdout.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
                waiting.extend(stderr.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
                waiting.extend(stdin.iter().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
                match poll(&mut waiting, Some(&limit)) {
                    Ok(0) => {
                        let limit = silence.as_secs_f64().ceil();
                        return Err(RemoteError::Transient(format!("no answer within {limit} s")).into());
                    }
                    Ok(_) => {}
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(error) => return Err(error).context("cannot wait for `ssh`").map_err(Into::into),
                }
                let mut ready = waiting.iter().skip(1).map(|waiting| !waiting.revents().is_empty());
                for (pipe, is_ready) in [
                    (stdout.is_some(), &mut can_read),
                    (stderr.is_some(), &mut can_hear),
                    (stdin.is_some(), &mut can_write),
                ] {
                    *is_ready = pipe && ready.next().unwrap_or(false);
                }
            }
            interrupt.check()?;
            if can_hear && let Some(pipe) = &mut stderr {
                match pipe.read(&mut piece[..4096]).context("cannot listen to `ssh`")? {
                    0 => stderr = None,
                    length => keep_end(&mut said, &piece[..length]),
                }
            }
            if can_read && let Some(pipe) = &mut stdout {
                match pipe.read(&mut piece).context("cannot listen to `ssh`")? {
                    0 => stdout = None,
                    length => output(&piece[..length])?,
                }
            }
            if can_write
                && let (Some(pipe), Some(source)) = (&mut stdin, &mut source)
                && !source.push(pipe)?
            {
                stdin = None;
            }
        }
        let status = self.child.wait().context("cannot wait for `ssh`")?;
        Ok(Ended { code: status.code(), said: String::from_utf8_lossy(&said).into_owned() })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Where it has ended already, neither does anything.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep_end(said: &mut Vec<u8>, piece: &[u8]) {
    said.extend_from_slice(piece);
    let excess = said.len().saturating_sub(MOST_SAID);
    said.drain(..excess);
}

/// A body on its way into a pipe.
struct Outgoing<'a> {
    source: Box<dyn Read + Send + 'a>,
    left: u64,
    buffer: Vec<u8>,
    at: usize,
    sent: &'a (dyn Fn(u64) -> std::io::Result<()> + Sync),
}

impl<'a> Outgoing<'a> {
    fn new(body: &'a Body<'_>) -> Result<Self> {
        let left = body.content.size().context("cannot read what is to be sent")?;
        let source = body.content.open().context("cannot read what is to be sent")?;
        Ok(Self { source, left, buffer: Vec::new(), at: 0, sent: body.sent })
    }

    /// Writes what fits; `false` when all is written, or nobody takes it any more.
    fn push(&mut self, pipe: &mut impl Write) -> Result<bool> {
        if self.at == self.buffer.len() {
            let length = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
            if length == 0 {
                return Ok(false);
            }
            self.buffer.resize(length, 0);
            self.source.read_exact(&mut self.buffer).context("cannot read what is to be sent")?;
            (self.left, self.at) = (self.left - length as u64, 0);
        }
        match pipe.write(&self.buffer[self.at..]) {
            Ok(written) => {
                self.at += written;
                (self.sent)(written as u64).context("stopped")?;
                Ok(self.left > 0 || self.at < self.buffer.len())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(true),
            // Why it went away, its exit code says.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error).context("cannot speak to `ssh`").map_err(Into::into),
        }
    }
}
