//! Models in Python: a class with `load(path)` and `predict(inputs)`, asked in processes of its own. One that dies, hangs or
//! grows too large costs the request that it had, and another takes its place.

mod modes;
mod process;

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;

use super::{BadRequest, InferRequest, InferResponse, NamedTensor, Predictor, Signature, Tensor, Unavailable};
use crate::event::{EventSink, Interrupt};
use crate::{Error, Result};
pub use modes::bind as modes_bind;
use process::{Answer, Process, Ready, Trouble};

/// The first pause after a process that did not start, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// How often those that nobody asks are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What is started, and how.
pub struct Launch {
    /// The model's name, for the log.
    pub name: String,
    pub interpreter: PathBuf,
    /// The file with the class.
    pub file: PathBuf,
    pub class: String,
    /// What `load` is given: the model's directory or file.
    pub model: PathBuf,
    pub processes: usize,
    /// How many threads numeric libraries may use in each.
    pub threads: usize,
    pub limits: Limits,
    /// Variables of the environment that the model must not see.
    pub hidden: Vec<String>,
    /// Whether a model that runs as root may write only where the modes of files let it, as everybody else; where that can be
    /// ([`modes_bind`]).
    pub is_hindered: bool,
    /// Asked before another process is started: whether the model's files are still what they were.
    pub intact: Box<dyn Fn() -> Result<()> + Send + Sync>,
    pub events: Arc<dyn EventSink>,
    pub interrupt: Interrupt,
}

/// What a process may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until the model is loaded.
    pub start: Duration,
    /// For one request.
    pub timeout: Duration,
    pub memory_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { start: Duration::from_secs(600), timeout: Duration::from_secs(60), memory_bytes: None }
    }
}

/// A model in Python, ready to answer.
pub struct Python {
    signature: Signature,
    platform: String,
    /// What the class itself says that it takes and gives.
    pub declared: (Option<Vec<Tensor>>, Option<Vec<Tensor>>),
    /// Whether it wants its inputs as the columns of a table.
    pub wants_frame: bool,
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

struct Shared {
    launch: Launch,
    state: Mutex<State>,
    changed: Condvar,
    /// Asked of every process before it counts.
    warm: OnceLock<InferRequest>,
}

#[derive(Default)]
struct State {
    idle: Vec<Process>,
    /// Those that are idle or at work.
    alive: usize,
    is_stopping: bool,
}

impl Python {
    /// Starts the processes and waits until each has its model. `signature` is what is known where the class declares
    /// nothing.
    pub fn open(launch: Launch, signature: Option<Signature>) -> Result<Self> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { launch, state, changed, warm: OnceLock::new() });
        let (sender, started) = channel();
        let kept = shared.clone();
        // A process ends with the thread that started it, so that one thread starts them all and lives as long as they.
        let keeper = std::thread::Builder::new().name("python".into()).spawn(move || kept.keep(&sender));
        let keeper = Some(keeper.context("cannot start a thread")?);
        let mut python = Self {
            signature: Signature { inputs: Vec::new(), outputs: Vec::new() },
            platform: String::new(),
            declared: (None, None),
            wants_frame: false,
            shared,
            keeper,
        };
        let Ready { inputs, outputs, frame, platform } =
            started.recv().map_err(|_| Error::failed("the thread that starts Python is gone"))??;
        let known = signature.unwrap_or(Signature { inputs: Vec::new(), outputs: Vec::new() });
        python.signature = Signature {
            inputs: inputs.clone().unwrap_or(known.inputs),
            outputs: outputs.clone().unwrap_or(known.outputs),
        };
        python.declared = (inputs, outputs);
        python.wants_frame = frame;
        python.platform = platform;
        Ok(python)
    }

    /// Asks a request that need not fit the signature, which may not be known yet.
    pub fn ask(&self, request: &InferRequest) -> Result<Vec<NamedTensor>> {
        let mut process = self.shared.take()?;
        match process.ask(&self.shared.launch, request) {
            Ok(answer) => {
                self.shared.give(process);
                match answer {
                    Answer::Outputs(outputs) => Ok(outputs),
                    Answer::BadRequest(message) => Err(BadRequest::new(message).into()),
                    Answer::Failed(error) => Err(Error::failed(in_one_line(&error))),
                }
            }
            Err(trouble) => {
                drop(process);
                self.shared.lose();
                let name = &self.shared.launch.name;
                Err(Error::failed(format!("a Python process of `{name}` {trouble}; another is started")))
            }
        }
    }
}

/// What an exception says, for an error that is one line; its log has it as it is.
fn in_one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    crate::fs::escape(lines.collect::<Vec<_>>().join(" ").as_bytes())
}

impl Predictor for Python {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &str {
        &self.platform
    }

    fn is_ready(&self) -> bool {
        self.shared.lock().alive > 0
    }

    fn infer(&self, request: &InferRequest) -> Result<InferResponse> {
        self.signature.check(request)?;
        let outputs = self.ask(request)?;
        let missing = |name: &&String| outputs.iter().all(|output| output.name != **name);
        match request.outputs.iter().find(missing) {
            Some(name) => Err(Error::failed(format!("`predict` gave no output `{name}`"))),
            None => Ok(InferResponse::of(outputs, request)),
        }
    }

    /// One process after the other; those that start later are asked before they count.
    fn warm(&self, request: &InferRequest) -> Result<()> {
        let request = self.shared.warm.get_or_init(|| request.clone());
        let mut idle = std::mem::take(&mut self.shared.lock().idle);
        let asked = idle.iter_mut().try_for_each(|process| process.ask(&self.shared.launch, request).map(drop));
        self.shared.lock().idle.append(&mut idle);
        Ok(asked.context("a Python process failed on the recorded rows")?)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        self.shared.lock().is_stopping = true;
        self.shared.changed.notify_all();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
        self.shared.lock().idle.clear();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle process, after a wait where all are at work.
    fn take(&self) -> Result<Process> {
        loop {
            let nobody = |state: &mut State| state.idle.is_empty() && state.alive > 0 && !state.is_stopping;
            let waited = self.changed.wait_timeout_while(self.lock(), self.launch.limits.timeout, nobody);
            let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            let why = if state.alive > 0 { "is busy" } else { "is being started again" };
            let Some(mut process) = state.idle.pop() else {
                return Err(Unavailable(format!("`{}` {why}", self.launch.name)).into());
            };
            drop(state);
            // One that ended must not cost the request that it was to have.
            match process.has_ended() {
                None => return Ok(process),
                Some(trouble) => self.lose_idle(&trouble),
            }
        }
    }

    /// As [`Shared::lose`], of one that nobody asked.
    fn lose_idle(&self, trouble: &Trouble) {
        let name = &self.launch.name;
        self.launch
            .events
            .warn(format!("a Python process of `{name}` {trouble} while nobody asked it; another is started"));
        self.lose();
    }

    /// Takes those out that are of no use any more, though nobody asked them.
    fn look_after_idle(&self) {
        let mut troubles = Vec::new();
        self.lock().idle.retain_mut(|process| {
            let trouble = process.trouble(&self.launch);
            let is_fine = trouble.is_none();
            troubles.extend(trouble);
            is_fine
        });
        troubles.iter().for_each(|trouble| self.lose_idle(trouble));
    }

    fn give(&self, process: Process) {
        self.lock().idle.push(process);
        self.changed.notify_all();
    }

    /// Counts a process out, which the keeper notices.
    fn lose(&self) {
        self.lock().alive -= 1;
        self.changed.notify_all();
    }

    /// Starts all processes, then another for each that is lost, until the predictor is dropped.
    fn keep(&self, started: &Sender<Result<Ready>>) {
        let first = self.start_all();
        let is_started = first.is_ok();
        let _ = started.send(first);
        if !is_started {
            return;
        }
        let [shortest, longest] = PAUSES;
        let mut pause = shortest;
        let mut number = self.launch.processes;
        loop {
            let whole = |state: &mut State| state.alive >= self.launch.processes && !state.is_stopping;
            let waited = self.changed.wait_timeout_while(self.lock(), LOOK, whole);
            let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.is_stopping {
                return;
            }
            drop(state);
            if waited.timed_out() {
                self.look_after_idle();
                continue;
            }
            number += 1;
            let intact = (self.launch.intact)();
            let process = intact.and_then(|()| Process::spawn(&self.launch, number));
            let process = process.and_then(|process| self.finish(process));
            match process {
                Ok((process, _)) => {
                    let mut state = self.lock();
                    state.alive += 1;
                    state.idle.push(process);
                    pause = shortest;
                    self.launch.events.note(format!("Python process {number} of `{}` answers", self.launch.name));
                }
                Err(error) => {
                    self.launch.events.warn(format!("{error}; tried again in {} s", pause.as_secs()));
                    let stopping = |state: &mut State| !state.is_stopping;
                    drop(self.changed.wait_timeout_while(self.lock(), pause, stopping));
                    pause = (pause * 2).min(longest);
                }
            }
            self.changed.notify_all();
        }
    }

    fn start_all(&self) -> Result<Ready> {
        let spawned = (1..=self.launch.processes).map(|number| Process::spawn(&self.launch, number));
        let mut first = None;
        // All of them load at once; they are waited for one after the other.
        for process in spawned.collect::<Result<Vec<_>>>()? {
            let (process, ready) = self.finish(process)?;
            let mut state = self.lock();
            state.alive += 1;
            state.idle.push(process);
            first.get_or_insert(ready);
        }
        first.ok_or_else(|| Error::failed("no Python process was started"))
    }

    /// Waits until the process can be asked.
    fn finish(&self, mut process: Process) -> Result<(Process, Ready)> {
        let is_given_up = || self.launch.interrupt.is_requested() || self.lock().is_stopping;
        let ready = process.wait_until_ready(&self.launch, &is_given_up);
        self.launch.interrupt.check()?;
        let ready = ready?;
        if let Some(request) = self.warm.get() {
            process.ask(&self.launch, request).context("it fails on the recorded rows")?;
        }
        Ok((process, ready))
    }
}
