//! A process that asks one copy of a model: started, spoken to over a Unix socket, and ended.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Launch, modes};
use crate::env::for_each_line;
use crate::event::EventSink;
use crate::fs::quote;
use crate::predictor::wire::{self, Binary};
use crate::predictor::{InferRequest, NamedTensor, Tensor};
use crate::{Error, Result};

/// The program that the interpreter runs.
const PROGRAM: &str = include_str!("worker.py");
/// How often time and memory are looked at while the process works.
const PAUSE: Duration = Duration::from_millis(50);
/// A message that claims to be larger is none.
const LARGEST_JSON: u64 = 64 << 20;
const LARGEST_BINARY: u64 = 4 << 30;
/// So much is read at a time: what a message claims to hold costs nothing before it is there.
const PIECE_BYTES: u64 = 1 << 20;
/// So much is read ahead, so that a small message is read at once.
const AHEAD_BYTES: usize = 16 << 10;

/// A process with a model in it; its whole group is killed when this is dropped.
pub struct Process {
    child: Child,
    group: Pid,
    socket: UnixStream,
    /// What was read and belongs to what is read next.
    ahead: Vec<u8>,
    /// So many requests it was asked; each answer says which one it is for.
    asked: u64,
}

/// What the process says once its model is loaded.
#[derive(Debug, Deserialize)]
pub struct Ready {
    /// What the class declares, if it does.
    pub inputs: Option<Vec<Tensor>>,
    pub outputs: Option<Vec<Tensor>>,
    /// Whether it wants its inputs as the columns of a table.
    pub frame: bool,
    pub platform: String,
}

/// What came of a request.
pub enum Answer {
    Outputs(Vec<NamedTensor>),
    /// The model says that the request is wrong.
    BadRequest(String),
    /// The model raised an error, which its log tells whole.
    Failed(String),
}

/// Why a process is of no use any more.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("{0}")]
    Ended(String),
    #[error("gave no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error("uses {} MiB of memory, and {} MiB are allowed", .used >> 20, .allowed >> 20)]
    TooLarge { used: u64, allowed: u64 },
    #[error("answers with nonsense: {0}")]
    Nonsense(String),
    #[error("is not waited for any more")]
    Given,
}

/// How long and how large a process may be while it is waited for.
struct Patience<'a> {
    began: Instant,
    time: Duration,
    memory_bytes: Option<u64>,
    is_given_up: &'a dyn Fn() -> bool,
}

impl Process {
    /// Starts a process, which then loads its model.
    pub fn spawn(launch: &Launch, number: usize) -> Result<Self> {
        let cannot = || format!("cannot start `{}`", quote(&launch.interpreter));
        let (socket, other) = UnixStream::pair().context("cannot make a pair of sockets")?;
        let (reader, writer) = io::pipe().context("cannot make a pipe")?;
        let both = writer.try_clone().context("cannot make a pipe")?;
        let mut command = Command::new(&launch.interpreter);
        command.args(["-c", PROGRAM]).arg(other.as_raw_fd().to_string());
        command.arg(&launch.file).arg(&launch.class).arg(&launch.model);
        command.current_dir(launch.file.parent().unwrap_or(Path::new("/")));
        command.env("PYTHONUNBUFFERED", "1").env("PYTHONDONTWRITEBYTECODE", "1");
        command.env_remove("PYTHONHOME").env_remove("PYTHONPATH");
        for name in &launch.hidden {
            command.env_remove(name);
        }
        for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(name, launch.threads.to_string());
        }
        command.stdin(Stdio::null()).stdout(writer).stderr(both).process_group(0);
        let parent = rustix::process::getpid();
        let obeys_modes = launch.is_hindered && modes::can_obey();
        // SAFETY: the closure makes a few system calls and touches no memory of the parent.
        unsafe {
            command.pre_exec(move || {
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
                if rustix::process::getppid() != Some(parent) {
                    // It ended before it could be named as the one to follow.
                    return Err(ErrorKind::NotConnected.into());
                }
                if obeys_modes {
                    modes::obey()?;
                }
                rustix::io::fcntl_setfd(&other, FdFlags::empty()).map_err(Into::into)
            });
        }
        let child = command.spawn().with_context(cannot)?;
        // The command holds the other ends, which must be closed for this side to see the end.
        drop(command);
        let group = Pid::from_child(&child);
        tell_output(reader, format!("{} {number}", launch.name), launch.events.clone());
        socket.set_read_timeout(Some(PAUSE)).context("cannot set up a socket")?;
        socket.set_write_timeout(Some(PAUSE)).context("cannot set up a socket")?;
        Ok(Self { child, group, socket, ahead: Vec::new(), asked: 0 })
    }

    /// Waits until the model is loaded.
    pub fn wait_until_ready(&mut self, launch: &Launch, is_given_up: &dyn Fn() -> bool) -> Result<Ready> {
        #[derive(Deserialize)]
        struct Failed {
            error: String,
        }
        let limits = &launch.limits;
        let (began, time) = (Instant::now(), limits.start);
        let patience = Patience { began, time, memory_bytes: limits.memory_bytes, is_given_up };
        let cannot = || format!("the Python predictor `{}:{}` does not start", quote(&launch.file), launch.class);
        let (json, _) = self.receive(&patience).with_context(cannot)?;
        if let Ok(Failed { error }) = serde_json::from_slice(&json) {
            return Err(Error::failed(super::in_one_line(&error)).context(cannot()));
        }
        let ready =
            serde_json::from_slice(&json).context("its `inputs` or `outputs` can't be read").map_err(Error::from);
        ready.map_err(|error| {
            error
                .context(cannot())
                .with_hint("declare them as `inputs = {\"x\": \"FP32[-1, 4]\"}`, with -1 for any length")
        })
    }

    /// Asks the model. After trouble the process is of no use.
    pub fn ask(&mut self, launch: &Launch, request: &InferRequest) -> Result<Answer, Trouble> {
        #[derive(Serialize)]
        struct Message<'a> {
            number: u64,
            inputs: Vec<Binary<'a>>,
            parameters: &'a Map<String, Value>,
        }
        #[derive(Deserialize)]
        struct Said {
            number: u64,
            bad_request: Option<String>,
            error: Option<String>,
        }
        let limits = &launch.limits;
        let (began, time) = (Instant::now(), limits.timeout);
        let patience = Patience { began, time, memory_bytes: limits.memory_bytes, is_given_up: &|| false };
        self.asked += 1;
        let (number, inputs) = (self.asked, request.inputs.iter().map(Binary).collect());
        let message = Message { number, inputs, parameters: &request.parameters };
        let mut bytes = vec![0; 12];
        serde_json::to_writer(&mut bytes, &message).expect("its keys are text, and so are its values");
        let (head, json_end) = (12, bytes.len());
        request.inputs.iter().for_each(|input| input.data.write_binary(&mut bytes));
        let json_bytes = u32::try_from(json_end - head).expect("a request is smaller than 4 GiB");
        bytes[..4].copy_from_slice(&json_bytes.to_le_bytes());
        let binary_bytes = (bytes.len() - json_end) as u64;
        bytes[4..12].copy_from_slice(&binary_bytes.to_le_bytes());
        self.send(&bytes, &patience)?;
        let (json, binary) = self.receive(&patience)?;
        let said: Said = serde_json::from_slice(&json).map_err(|error| Trouble::Nonsense(error.to_string()))?;
        // What somebody else in the process wrote must not become another client's answer.
        if said.number != number {
            return Err(Trouble::Nonsense(format!("an answer to request {} in the place of {number}", said.number)));
        }
        if let Some(message) = said.bad_request {
            return Ok(Answer::BadRequest(message));
        }
        if let Some(error) = said.error {
            return Ok(Answer::Failed(error));
        }
        let outputs = wire::outputs(&json, &binary).map_err(|error| Trouble::Nonsense(error.to_string()))?;
        self.look(&patience)?;
        Ok(Answer::Outputs(outputs))
    }

    fn send(&mut self, mut bytes: &[u8], patience: &Patience<'_>) -> Result<(), Trouble> {
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if is_pause(&error) => self.look(patience)?,
                Err(_) => return Err(self.end()),
            }
        }
        Ok(())
    }

    /// One message: its JSON, and what follows it.
    fn receive(&mut self, patience: &Patience<'_>) -> Result<(Vec<u8>, Vec<u8>), Trouble> {
        let head = self.read(12, patience)?;
        let json = u64::from(u32::from_le_bytes([head[0], head[1], head[2], head[3]]));
        let binary = head[4..].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        if json > LARGEST_JSON || binary > LARGEST_BINARY {
            return Err(Trouble::Nonsense(format!("a message of {json} and {binary} bytes")));
        }
        Ok((self.read(json, patience)?, self.read(binary, patience)?))
    }

    fn read(&mut self, size: u64, patience: &Patience<'_>) -> Result<Vec<u8>, Trouble> {
        let known = self.ahead.len().min(usize::try_from(size).unwrap_or(usize::MAX));
        let mut bytes: Vec<u8> = self.ahead.drain(..known).collect();
        while (bytes.len() as u64) < size {
            let have = bytes.len();
            let piece = (size - have as u64).min(PIECE_BYTES) as usize;
            bytes.resize(have + piece.max(AHEAD_BYTES), 0);
            let read = self.socket.read(&mut bytes[have..]);
            bytes.truncate(have + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Err(self.end()),
                Ok(_) => {}
                Err(error) if is_pause(&error) => self.look(patience)?,
                Err(_) => return Err(self.end()),
            }
        }
        if bytes.len() as u64 > size {
            self.ahead = bytes.split_off(size as usize);
        }
        Ok(bytes)
    }

    /// How it ended, if it did.
    pub fn has_ended(&mut self) -> Option<Trouble> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(Trouble::Ended(ended(status))),
            Err(error) => Some(Trouble::Ended(error.to_string())),
        }
    }

    /// Why it is of no use any more, though nobody asked it anything.
    pub fn trouble(&mut self, launch: &Launch) -> Option<Trouble> {
        if let Some(ended) = self.has_ended() {
            return Some(ended);
        }
        let allowed = launch.limits.memory_bytes?;
        self.memory_bytes().filter(|used| *used > allowed).map(|used| Trouble::TooLarge { used, allowed })
    }

    /// Whether there is still reason to wait.
    fn look(&self, patience: &Patience<'_>) -> Result<(), Trouble> {
        if (patience.is_given_up)() {
            return Err(Trouble::Given);
        }
        if patience.began.elapsed() > patience.time {
            return Err(Trouble::TimedOut(patience.time));
        }
        match (patience.memory_bytes, self.memory_bytes()) {
            (Some(allowed), Some(used)) if used > allowed => Err(Trouble::TooLarge { used, allowed }),
            _ => Ok(()),
        }
    }

    /// The memory that the process has in use; `None` where it has ended.
    fn memory_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
    }

    /// How it ended, as its socket is closed.
    fn end(&mut self) -> Trouble {
        // One that closed its socket and lives on is ended.
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(1) {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Trouble::Ended(ended(status));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Trouble::Ended("closed its connection".into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (_, Some(signal)) => format!("was ended by signal {signal}"),
        _ => "ended".into(),
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Tells what the process prints, line by line.
fn tell_output(reader: impl Read + Send + 'static, name: String, events: Arc<dyn EventSink>) {
    std::thread::spawn(move || {
        for_each_line(reader, |line| {
            events.note(format!("{name}: {line}"));
            true
        });
    });
}
