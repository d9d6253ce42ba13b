//! Running the system's `git`, which knows the user's credentials, keys and proxies.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::Reach;
use super::address::PROTOCOLS;
use crate::{Error, Result};

/// What Git says in a failure is shown up to this length.
const MOST_WORDS: usize = 2000;
/// Variables that would lead Git to another repository, as they are set in a hook.
const FOREIGN: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];

/// A call of Git that speaks harmless protocols only and asks nobody on stdin.
pub fn git(reach: &Reach<'_>) -> Command {
    let mut command = Command::new("git");
    command
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS.join(":"))
        .env("LC_ALL", "C.UTF-8")
        .env("GIT_LITERAL_PATHSPECS", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if !reach.access.path.is_empty() {
        command.env("PATH", &reach.access.path);
    }
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
}

/// How a call ended and what it printed.
pub struct Ended {
    pub success: bool,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ended {
    /// What it printed; its own words where it failed.
    pub fn output(self, what: impl FnOnce() -> String) -> Result<Vec<u8>> {
        if self.success {
            return Ok(self.stdout);
        }
        let words = self.stderr.trim();
        let words = if words.is_empty() { "it says nothing" } else { words };
        Err(Error::failed(format!("git: {words}")).context(what()))
    }
}

/// Runs a call to its end, or ends it when somebody asks to stop.
pub fn run<S: AsRef<OsStr>>(
    mut command: Command,
    arguments: impl IntoIterator<Item = S>,
    reach: &Reach<'_>,
) -> Result<Ended> {
    let mut child = spawn(command.args(arguments))?;
    std::thread::scope(|scope| {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let stdout = scope.spawn(move || all(stdout));
        let stderr = scope.spawn(move || all(stderr));
        let waited = wait(&mut child, reach);
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<u8>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let (stdout, stderr) = (join(stdout), join(stderr));
        Ok(Ended { success: waited?, stdout, stderr: words(&stderr) })
    })
}

/// Starts a call; says what to do where there is no Git.
pub fn spawn(command: &mut Command) -> Result<Child> {
    command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::failed("there is no `git` on the PATH").with_hint("install Git; mlx reaches repositories through it")
        }
        _ => anyhow::Error::new(error).context("cannot start `git`").into(),
    })
}

/// Whether it ended well.
fn wait(child: &mut Child, reach: &Reach<'_>) -> Result<bool> {
    let interrupt = reach.watch.interrupt;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("git has no process number")?;
    let ended = pidfd_open(pid, PidfdFlags::empty()).context("cannot watch `git`")?;
    loop {
        let bell = interrupt.bell()?;
        let mut watched = [PollFd::new(&ended, PollFlags::IN), PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN)];
        match poll(&mut watched, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(anyhow::Error::new(error).context("cannot wait for `git`").into()),
        }
        if interrupt.is_requested() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Error::interrupted());
        }
        if let Some(status) = child.try_wait().context("cannot wait for `git`")? {
            return Ok(status.success());
        }
    }
}

fn all(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What came before a failure is what there is.
    let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
    bytes
}

/// Text for people: lines stay, what drives terminals does not.
pub fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text.lines().map(|line| crate::fs::escape(line.trim_end().as_bytes())).collect();
    lines.join("\n").chars().take(MOST_WORDS).collect()
}
