//! What an engine has to be able to do: take jobs, say how they are, end them.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::FailureClass;
use super::job::{ByRemote, JobFile};
use crate::Error;
use crate::event::Interrupt;
use crate::fs::escape;

/// The end of a program is looked for this often.
const TICK: Duration = Duration::from_millis(3);

/// An engine that carries out jobs. A job has one or more elements, counted from 0, each of which is one call of
/// `mlx exec-step JOBFILE ELEMENT`.
pub trait Executor: Send {
    /// Gives the engine a job. Its name is new to the engine.
    fn submit(&self, submission: &Submission<'_>, interrupt: &Interrupt) -> Result<String, Refusal>;

    /// What the engine knows of our jobs, by one question however many they are. Jobs and elements that it does not know,
    /// or no more, are not in the answer.
    fn query(&self, jobs: &[Submitted<'_>], interrupt: &Interrupt) -> Result<HashMap<String, Known>, Refusal>;

    /// What became of elements that [`Executor::query`] does not know any more, as far as the engine keeps that elsewhere.
    fn recall(
        &self,
        missing: &[(Submitted<'_>, Vec<usize>)],
        interrupt: &Interrupt,
    ) -> Result<HashMap<String, Known>, Refusal> {
        let _ = (missing, interrupt);
        Ok(HashMap::new())
    }

    /// Ends these elements; all of a job where none is named. It is no error that one is over.
    fn cancel(&self, jobs: &[(Submitted<'_>, Vec<usize>)], interrupt: &Interrupt) -> Result<(), Refusal>;

    /// What it means when an element is over without a result and the engine's log of it ends with these words.
    fn class_of(&self, last_words: &str) -> FailureClass {
        let _ = last_words;
        FailureClass::Infrastructure
    }

    /// So many elements a job may have at most.
    fn most_elements(&self, interrupt: &Interrupt) -> usize;
}

/// A job for the engine.
pub struct Submission<'a> {
    pub file: &'a Path,
    pub job: &'a JobFile,
    pub elements: usize,
    /// The program on the other side.
    pub program: &'a Path,
    /// The directory that takes, as `<element>.log`, what goes wrong before the step's own log begins; the other side does
    /// not see it where the job's files come by a remote.
    pub logs: &'a Path,
}

impl Submission<'_> {
    /// The worker's command line, up to the number of the element, with these options of its own.
    pub fn command_line(&self, options: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![self.program.into(), "exec-step".into()];
        words.extend(options.iter().map(OsString::from));
        match &self.job.remote {
            None => words.push(self.file.into()),
            Some(ByRemote { name, url }) => {
                words.extend(["--remote", url, "--remote-name", name, &self.job.name].map(OsString::from));
            }
        }
        words
    }
}

/// A job that was given to the engine. Whether the engine took it is not known where the id is missing.
#[derive(Debug, Clone, Copy)]
pub struct Submitted<'a> {
    pub name: &'a str,
    pub id: Option<&'a str>,
}

/// What the engine knows of a job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    pub id: String,
    /// By the number of the element.
    pub elements: HashMap<usize, State>,
}

/// How an element is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not started yet. The reason is given where it is one that time alone does not mend.
    Waiting(Option<String>),
    Running,
    /// It came to an end, of which its results tell more.
    Ended,
    /// It was ended, or could not go on.
    Lost(FailureClass, String),
}

/// A word of a shell's command line, as it is.
pub fn shell_word(word: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    quoted.extend(word.as_encoded_bytes().iter().flat_map(|byte| match byte {
        b'\'' => b"'\\''".to_vec(),
        byte => vec![*byte],
    }));
    quoted.push(b'\'');
    quoted
}

/// As [`shell_word`], for an engine that takes text only.
pub fn text_of(word: &OsStr, engine: &str) -> crate::Result<String> {
    String::from_utf8(shell_word(word)).map_err(|_| {
        let shown = escape(word.as_encoded_bytes());
        crate::Error::usage(format!("{engine} can't be told of `{shown}`: its name has bytes that are no text"))
            .with_hint("move the project to another directory")
    })
}

/// Why an engine did not do what it was asked.
#[derive(Debug)]
pub enum Refusal {
    /// It has too many jobs now.
    Full(String),
    /// It does not answer, or not in time. It may have done what was asked.
    Unreachable(String),
    /// It says no, and will say so again.
    Refused(crate::Error),
    /// The user wants to stop. It may have done what was asked.
    Interrupted,
}

/// A program of an engine, such as `sbatch`, run to its end.
pub struct Command {
    pub command: std::process::Command,
    pub input: Vec<u8>,
    pub limit: Duration,
}

/// What such a program said.
#[derive(Debug)]
pub struct Answer {
    pub is_success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// What it means that the program did not succeed, by words that stand in what it says: that there is no room now, that
    /// the engine can't be reached; anything else is a refusal, of which `hint` says what to do.
    pub fn refusal(&self, program: &str, full: &[&str], unreachable: &[&str], hint: &'static str) -> Refusal {
        let said = self.stderr.trim();
        let has = |signs: &[&str]| signs.iter().any(|sign| said.contains(sign));
        let last = said.lines().last().unwrap_or("it said nothing").trim().to_owned();
        if has(full) {
            return Refusal::Full(last);
        }
        if has(unreachable) {
            return Refusal::Unreachable(last);
        }
        let text = said.lines().map(str::trim).collect::<Vec<_>>().join("; ");
        Refusal::Refused(Error::usage(format!("`{program}` refused: {text}")).with_hint(hint))
    }
}

/// What to do about a refusal that nobody knows more of.
pub const CORRECT: &str = "correct the executor's table or the step's `resources` in the manifest";

impl Command {
    /// A program of the `PATH`, without the variables in `remove`.
    pub fn new(program: &str, remove: &[OsString]) -> Self {
        let mut command = std::process::Command::new(program);
        // A Ctrl-C on the terminal is for mlx, which decides what becomes of the jobs.
        command.process_group(0);
        for name in remove {
            command.env_remove(name);
        }
        Self { command, input: Vec::new(), limit: Duration::from_secs(60) }
    }

    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Runs it. Ends it when it takes too long, when the user wants to stop at once, or when `is_hopeless` says so of what
    /// it wrote to its standard error so far.
    pub fn run(mut self, interrupt: &Interrupt, is_hopeless: impl Fn(&str) -> bool) -> Result<Answer, Refusal> {
        let name = escape(self.command.get_program().as_encoded_bytes());
        let refuse = |error: anyhow::Error| Refusal::Refused(error.into());
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let error = crate::Error::from(anyhow::Error::new(error).context(format!("cannot start `{name}`")));
                return Err(Refusal::Refused(error.with_hint(format!(
                    "this machine needs the engine's programs; install the one that has `{name}`"
                ))));
            }
        };
        let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let input = std::mem::take(&mut self.input);
        // A program that reads nothing closes the pipe, which is no failure of its own.
        let writer = std::thread::spawn(move || stdin.as_mut().map(|stdin| stdin.write_all(&input)));
        let out = std::thread::spawn(move || read_all(stdout, &|_| {}));
        let (sender, heard) = std::sync::mpsc::channel();
        let err = std::thread::spawn(move || read_all(stderr, &|text| drop(sender.send(text.to_owned()))));
        let deadline = Instant::now() + self.limit;
        let mut said = String::new();
        let mut given_up = None;
        let status = loop {
            match child.try_wait().with_context(|| format!("cannot wait for `{name}`")).map_err(refuse)? {
                Some(status) => break status,
                None if Instant::now() >= deadline => given_up = Some(format!("`{name}` did not end in time")),
                None if interrupt.is_urgent() => given_up = Some("interrupted".into()),
                None => {}
            }
            match heard.recv_timeout(TICK) {
                Ok(text) => said.push_str(&text),
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if is_hopeless(&said) {
                given_up = Some(said.trim().to_owned());
            }
            if given_up.is_some() {
                let _ = child.kill();
                break child.wait().with_context(|| format!("cannot wait for `{name}`")).map_err(refuse)?;
            }
        };
        let _ = writer.join();
        let stdout = out.join().unwrap_or_default();
        let stderr = err.join().unwrap_or_default();
        match given_up {
            _ if interrupt.is_urgent() => Err(Refusal::Interrupted),
            Some(_) if is_hopeless(&said) => Ok(Answer { is_success: false, stdout, stderr }),
            Some(why) => Err(Refusal::Unreachable(why)),
            None => Ok(Answer { is_success: status.success(), stdout, stderr }),
        }
    }
}

fn read_all(source: Option<impl Read>, tell: &dyn Fn(&str)) -> String {
    let mut text = String::new();
    let mut buffer = vec![0; 16 * 1024];
    let Some(mut source) = source else { return text };
    while let Ok(count @ 1..) = source.read(&mut buffer) {
        let piece = String::from_utf8_lossy(&buffer[..count]);
        tell(&piece);
        text.push_str(&piece);
    }
    text
}
