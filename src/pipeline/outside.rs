//! What steps depend on outside of the project: environment variables, what commands print, files at URLs.

use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::digest::of_reader;
use crate::event::Interrupt;
use crate::fs::escape;
use crate::remote::Access;
use crate::{Digest, Error, Result};

/// An error shows so much of what a command wrote to its standard error.
const MOST_WORDS: usize = 2000;

/// How that is reached.
#[derive(Clone)]
pub struct Outside {
    /// The value of an environment variable.
    pub variable: fn(&str) -> Option<OsString>,
    pub access: Access,
}

impl Default for Outside {
    /// No variables, and no credentials.
    fn default() -> Self {
        Self { variable: |_| None, access: Access::default() }
    }
}

impl fmt::Debug for Outside {
    /// Without what may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outside")
    }
}

/// The digest of a variable's value, which may be a secret; one that is not set differs from an empty one.
pub fn of_variable(name: &str, value: Option<OsString>) -> Digest {
    let set = value.as_ref().map_or("unset", |_| "set");
    let value = value.unwrap_or_default();
    Digest::of([b"variable\0", name.as_bytes(), b"\0", set.as_bytes(), b"\0", value.as_bytes()].concat())
}

/// The digest of what a command prints to its standard output, with these variables besides those of this process.
///
/// # Errors
/// Where it can't be started, ends badly or is interrupted; then all that it started is ended.
pub fn of_command(
    cmd: &str,
    directory: &Path,
    variables: &[(String, OsString)],
    interrupt: &Interrupt,
) -> Result<Digest> {
    let shown = escape(cmd.as_bytes());
    let mut command = Command::new("sh");
    command
        .args(["-c", cmd])
        .current_dir(directory)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().with_context(|| format!("cannot start `{shown}`"))?;
    let pid = Pid::from_child(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (digest, words, status) = std::thread::scope(|scope| {
        let stdout = scope.spawn(move || stdout.map(of_reader).transpose());
        let stderr = scope.spawn(move || words(stderr));
        let status = wait(&mut child, pid, interrupt);
        if status.is_err() {
            // What it left running would keep the pipes open.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = child.wait();
        }
        let joined = (stdout.join(), stderr.join());
        let (Ok(digest), Ok(words)) = joined else { panic!("a thread that reads a pipe panicked") };
        (digest, words, status)
    });
    let status = status?;
    if !status.success() {
        let mut message = format!("the command `{shown}` failed ({status})");
        if !words.is_empty() {
            message += &format!("\n  it says: {words}");
        }
        return Err(Error::failed(message).with_hint("try it by itself; a step depends on what it prints"));
    }
    let digest = digest.with_context(|| format!("cannot read what `{shown}` prints"))?;
    Ok(digest.map_or_else(|| Digest::of(b""), |(digest, _)| digest))
}

fn wait(child: &mut Child, pid: Pid, interrupt: &Interrupt) -> Result<ExitStatus> {
    let ended = pidfd_open(pid, PidfdFlags::empty()).context("cannot watch a command")?;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a command")? {
            return Ok(status);
        }
        interrupt.check()?;
        let bell = interrupt.bell()?;
        let mut watched = [PollFd::new(&ended, PollFlags::IN), PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN)];
        match poll(&mut watched, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(anyhow::Error::new(error).context("cannot wait for a command").into()),
        }
    }
}

/// The beginning of what is said, for people. All of it is read, so that nobody waits for a full pipe.
fn words(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    let Some(mut pipe) = pipe else { return String::new() };
    while let Ok(1..) = pipe.read(&mut buffer).inspect(|count| {
        let room = MOST_WORDS.saturating_sub(bytes.len()).min(*count);
        bytes.extend_from_slice(&buffer[..room]);
    }) {}
    let text = String::from_utf8_lossy(&bytes);
    text.trim().lines().map(|line| escape(line.trim_end().as_bytes())).collect::<Vec<_>>().join("\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cmd: &str) -> Result<Digest> {
        of_command(cmd, Path::new("/"), &[("X".into(), "1".into())], &Interrupt::default())
    }

    #[test]
    fn a_command_is_what_it_prints() {
        assert_eq!(of("echo $X; echo noise >&2").unwrap(), Digest::of("1\n"));
        assert_eq!(of("true").unwrap(), Digest::of(""));
        let error = of("echo 'no such thing' >&2; exit 3").unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("it says: no such thing"), "{error}");
    }

    #[test]
    fn a_wish_to_stop_ends_a_command() {
        let interrupt = Interrupt::default();
        interrupt.request();

        let error = of_command("sleep 600 & wait", Path::new("/"), &[], &interrupt).unwrap_err();

        assert_eq!(error.kind(), crate::Kind::Interrupted);
    }

    #[test]
    fn a_variable_is_a_digest_of_name_and_value() {
        let of = |name, value: Option<&str>| of_variable(name, value.map(OsString::from));

        assert_eq!(of("A", Some("x")), of("A", Some("x")));
        let distinct = [of("A", Some("x")), of("B", Some("x")), of("A", Some("")), of("A", None), Digest::of("x")];
        assert_eq!(distinct.iter().collect::<std::collections::HashSet<_>>().len(), 5);
    }
}
