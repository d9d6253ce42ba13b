//! Scripts on another machine, for those who do more there than read and write files: one that is answered, and one that
//! lasts as long as somebody here wants it to.
//!
//! A script runs behind the prologue of the back-end: `$p` is the directory of the remote, the arguments follow from `$2`
//! on, and nothing in it may be a quote, a backslash, an exclamation mark or a line end. What can't be said without one,
//! the number of the process that was started last, `eval` finds in `$last`.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::session::Ended;
use super::ssh::{Ssh, line};
use super::ssh_error::{refusal, unreachable};
use crate::remote::{Body, RemoteError};
use crate::{Error, Result};

/// A script that says more than this has lost its way.
const LONGEST_OUTPUT: usize = 64 << 20;
/// How often a script that lasts hears that somebody is still there.
const BEAT: Duration = Duration::from_secs(5);
/// `$!`, as `printf %b` reads it back.
const LAST: &str = "\\0044\\0041";
/// What a script that lasts says first when it does.
pub const HELD: &str = "held";

/// How a script ended.
#[derive(Debug)]
pub struct Reply {
    pub code: i32,
    pub output: Vec<u8>,
    ended: Ended,
}

impl Reply {
    /// What it printed, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// Why it did not do what it should.
    pub fn refusal(&self) -> Error {
        refusal(&self.ended)
    }
}

impl Ssh {
    /// Runs a script with these arguments, which hold no quotes ([`super::ssh::encode`] sees to it), and waits for its end.
    pub fn script(&self, script: &str, arguments: &[&str], input: Option<&Body<'_>>) -> Result<Reply> {
        let mut output = Vec::new();
        let ended = self.run(&behind_prologue(script), &self.arguments(arguments), input, &mut |piece| {
            output.extend_from_slice(piece);
            match output.len() > LONGEST_OUTPUT {
                true => Err(Error::failed("the answer over there does not end")),
                false => Ok(()),
            }
        })?;
        Ok(Reply { code: ended.code.unwrap_or(255), output, ended })
    }

    /// Starts a script that lasts: it says [`HELD`] and then reads lines, one every few seconds, until there are none any
    /// more because the result was dropped, this process ended or the connection broke. In the inside, the answer of one that
    /// ended at once.
    pub fn hold(&self, script: &str, arguments: &[&str]) -> Result<std::result::Result<Held, Reply>> {
        let connection = self.connect()?;
        let mut command = self.command(connection, &["-o", "ControlMaster=no"]);
        command.arg(line(&behind_prologue(script), &self.arguments(arguments)));
        // Ctrl-C is for this program, which may still have something to do over there.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().context("cannot start `ssh`")?;
        let stdout = child.stdout.take().context("the pipe to `ssh` is missing")?;
        let first = first_line(stdout);
        let began = Instant::now();
        let said = loop {
            self.interrupt.check().inspect_err(|_| end(&mut child))?;
            match first.recv_timeout(Duration::from_millis(20)) {
                Ok(said) => break said,
                Err(RecvTimeoutError::Timeout) if began.elapsed() < self.silence => {}
                Err(_) => {
                    end(&mut child);
                    let limit = self.silence.as_secs_f64().ceil();
                    return Err(RemoteError::Transient(format!("no answer within {limit} s")).into());
                }
            }
        };
        if says_held(&said) {
            return Ok(Ok(Held::new(child)?));
        }
        drop(child.stdin.take());
        let mut error = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            let _ = stderr.by_ref().take(16 << 10).read_to_string(&mut error);
        }
        let code = child.wait().context("cannot wait for `ssh`")?.code();
        match code {
            Some(255) | None => Err(unreachable(&error, &self.by_hand())),
            Some(code) => Ok(Err(Reply { code, output: said, ended: Ended { code: Some(code), said: error } })),
        }
    }

    fn arguments(&self, arguments: &[&str]) -> Vec<String> {
        debug_assert!(!arguments.iter().any(|argument| argument.contains(['\'', '\n'])));
        let first = [self.at(""), LAST.to_owned()];
        first.into_iter().chain(arguments.iter().map(|argument| (*argument).to_owned())).collect()
    }
}

fn behind_prologue(script: &str) -> String {
    format!("last=$(printf %b \"$2\"); shift; {script}")
}

/// Whether the last line is that of a script that lasts; the user's shell may have said something before.
fn says_held(said: &[u8]) -> bool {
    said.trim_ascii_end().rsplit(|byte| *byte == b'\n').next() == Some(HELD.as_bytes())
}

/// Everything up to the first line that says [`HELD`], or up to the end.
fn first_line(stdout: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let mut reader = BufReader::new(stdout.take(64 << 10));
        while let Ok(1..) = reader.read_until(b'\n', &mut said) {
            if says_held(&said) {
                break;
            }
        }
        let _ = sender.send(said);
    });
    receiver
}

/// A script that lasts until this is dropped.
#[derive(Debug)]
pub struct Held {
    child: Child,
    /// Dropped, it ends the thread that beats.
    wanted: Option<Sender<()>>,
    beat: Option<JoinHandle<()>>,
}

impl Held {
    fn new(mut child: Child) -> Result<Self> {
        let mut stdin = child.stdin.take().context("the pipe to `ssh` is missing")?;
        let (wanted, is_wanted) = mpsc::channel::<()>();
        let beat = std::thread::spawn(move || {
            while is_wanted.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                // Where nobody listens any more, the next script over there says so.
                if stdin.write_all(b"\n").is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, wanted: Some(wanted), beat: Some(beat) })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.wanted.take());
        let _ = self.beat.take().map(JoinHandle::join);
        // Its input is closed now; what it still has to tidy up takes a moment.
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
