//! A remote on another machine, through the system's `ssh`: the user's configuration, agent and jump hosts serve here too.
//!
//! Over there only a POSIX shell and a few old tools are needed. One connection is kept and shared by all sessions.

use std::io::Write;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;

use super::session::{Ended, Session};
use super::ssh_error::{refusal, unreachable};
use crate::event::Interrupt;
use crate::fs::escape;
use crate::remote::location::Login;
use crate::remote::{Access, Body, Content, Entry, Remote, RemoteError};
use crate::{Error, Result};

/// A directory on another machine.
#[derive(Debug)]
pub struct Ssh {
    login: Login,
    shown: String,
    path: std::ffi::OsString,
    key_file: Option<String>,
    /// Where the sockets of shared connections lie: short, because such names are bounded, and private.
    control: Option<TempDir>,
    connection: Mutex<Connection>,
    sessions: Gate,
    pub(super) silence: Duration,
    pub(super) interrupt: Interrupt,
}

/// The shared connection.
#[derive(Debug, Clone, Copy, Default)]
struct Connection {
    /// Counts them. Each has a socket of its own: `ssh` that finds the name taken would go on without one, for ever.
    number: u64,
    is_up: bool,
}

/// A server takes ten sessions over one connection, unless told otherwise.
const MOST_SESSIONS: usize = 8;

// How the scripts end when there is something to say; `find` and others use the small numbers.
const TAKEN: i32 = 43;
const MISSING: i32 = 44;
const TOO_SHORT: i32 = 46;
const INCOMPLETE: i32 = 48;

/// Begins each script: names come encoded, so that no shell on the way finds anything in them; `$s` prints what a listing
/// needs of files, with GNU's and busybox's `stat` or with that of BSD. No script holds a quote, a backslash, an exclamation
/// mark or a line end: whatever the user's own shell is, it hands them on as they are.
pub(super) const PROLOGUE: &str = "LC_ALL=C; export LC_ALL; p=$(printf %b \"$1\"); \
    if stat -c %s / >/dev/null 2>&1; then o=-c; f=\"%s|%y|%z|%i|%n\"; g=%s; else o=-f; f=\"%z|%Fm|%Fc|%i|%N\"; g=%z; fi; ";

const LIST: &str = "[ -d \"$p\" ] || exit 0; cd \"$p\" || exit 1; \
    exec find . \"(\" -name . -o -prune \")\" -type f -exec stat -L $o \"$f\" {} +";
const FIND: &str = "[ -f \"$p\" ] || exit 44; exec stat -L $o \"$f\" \"$p\"";
/// The size comes first, in a line of its own; then what was asked for.
const READ: &str = "[ -f \"$p\" ] || exit 44; n=$(stat -L $o $g \"$p\") || exit 1; [ \"$3\" = end ] || [ \"$n\" -ge \"$3\" ] || exit 46; \
    exec <\"$p\" || exit 1; echo \"$n\"; \
    if [ \"$3\" = end ]; then exec cat; elif [ \"$2\" = 0 ]; then exec head -c \"$3\"; \
    else tail -c \"+$(($2 + 1))\" | head -c \"$(($3 - $2))\"; fi";
/// Receives the body under a temporary name, and takes it for whole when its size is right. In a directory that was made for
/// a group, writable for that and handing it down, what comes is for all of them, whatever the umask is.
const RECEIVE: &str = "t=$(printf %b \"$2\"); d=${p%/*}; \
    case $(ls -ld \"${t%/*/*}\" 2>/dev/null) in ?????w[sS]r*) umask 002;; ?????w[sS]*) umask 007;; esac; \
    [ -d \"${t%/*}\" ] && [ -d \"$d\" ] || mkdir -p \"${t%/*}\" \"$d\" || exit 1; \
    [ -d \"$p\" ] && { echo \"$p: is a directory\" >&2; exit 1; }; \
    cat >\"$t\" || { rm -f \"$t\"; exit 1; }; \
    [ \"$(stat -L $o $g \"$t\")\" = \"$3\" ] || { rm -f \"$t\"; exit 48; }; sync \"$t\" 2>/dev/null; ";
const REPLACE: &str = "mv -f \"$t\" \"$p\" || { rm -f \"$t\"; exit 1; }; sync \"$d\" 2>/dev/null; exit 0";
const CREATE: &str = "if ln \"$t\" \"$p\" 2>/dev/null; then rm -f \"$t\"; sync \"$d\" 2>/dev/null; exit 0; fi; \
    rm -f \"$t\"; [ -e \"$p\" ] && exit 43; echo \"$p: cannot be linked\" >&2; exit 1";
const DELETE: &str = "[ -e \"$p\" ] || exit 0; exec rm -f \"$p\"";

impl Ssh {
    /// Nothing is connected yet.
    pub fn new(login: Login, access: &Access) -> Self {
        let user = login.user.as_ref().map_or(String::new(), |user| format!("{user}@"));
        let host = if login.host.contains(':') { format!("[{}]", login.host) } else { login.host.clone() };
        let port = login.port.map_or(String::new(), |port| format!(":{port}"));
        let home = if login.path.starts_with('/') { "" } else { "/~/" };
        let shown = escape(format!("ssh://{user}{host}{port}{home}{}", login.path).as_bytes());
        Self {
            shown,
            path: access.path.clone(),
            key_file: access.setting("key_file").map(str::to_owned),
            control: tempfile::Builder::new().prefix("mlx-").tempdir_in("/tmp").ok(),
            connection: Mutex::default(),
            sessions: Gate::default(),
            silence: access.patience.silence,
            interrupt: access.interrupt.clone(),
            login,
        }
    }

    /// `ssh` with all options, up to the host.
    pub(super) fn command(&self, connection: u64, options: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        if !self.path.is_empty() {
            command.env("PATH", &self.path);
        }
        let seconds = self.silence.as_secs().clamp(1, 15);
        command.args(["-T", "-a", "-x", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "RemoteCommand=none"]);
        command.args(["-o", "ClearAllForwardings=yes", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"]);
        command.args(["-o", &format!("ConnectTimeout={seconds}")]);
        if let Some(control) = &self.control {
            command.arg("-o").arg(format!("ControlPath={}/{connection}", control.path().display()));
        }
        command.args(options);
        command.args(self.key_file.iter().flat_map(|file| ["-i", file]));
        command.args(self.login.port.map(|port| format!("-p{port}")));
        command.args(self.login.user.iter().flat_map(|user| ["-l", user]));
        command.args(["--", &self.login.host]);
        command
    }

    /// What the user would type to see the same.
    pub(super) fn by_hand(&self) -> String {
        let Login { user, host, port, .. } = &self.login;
        let port = port.map_or(String::new(), |port| format!("-p {port} "));
        let user = user.as_ref().map_or(String::new(), |user| format!("{user}@"));
        escape(format!("ssh {port}{user}{host}").as_bytes())
    }

    /// Makes the shared connection where there is none, so that what is wrong with it is told once and clearly. Returns its
    /// number.
    pub(super) fn connect(&self) -> Result<u64> {
        let mut connection = self.connection.lock().map_err(|_| Error::failed("another thread failed"))?;
        if connection.is_up || self.control.is_none() {
            return Ok(connection.number);
        }
        connection.number += 1;
        let options = ["-N", "-f", "-o", "ControlMaster=yes", "-o", "ControlPersist=30"];
        let mut command = self.command(connection.number, &options);
        let ended =
            Session::start(command.stdin(Stdio::null()))?.run(self.silence, &self.interrupt, None, &mut |_| Ok(()))?;
        match ended.code {
            Some(0) => connection.is_up = true,
            _ => return Err(unreachable(&ended.said, &self.by_hand())),
        }
        Ok(connection.number)
    }

    /// The next session makes a new connection, unless one was made already.
    fn lose(&self, number: u64) {
        if let Ok(mut connection) = self.connection.lock()
            && connection.number == number
            && connection.is_up
        {
            connection.is_up = false;
            self.end(number);
        }
    }

    /// Ends a connection, which would end by itself a little later, too.
    fn end(&self, number: u64) {
        let mut command = self.command(number, &["-O", "exit"]);
        let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    /// Runs a script over there with these arguments; how it ended is judged by the caller, but for a lost connection.
    pub(super) fn run(
        &self,
        script: &str,
        arguments: &[String],
        input: Option<&Body<'_>>,
        output: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<Ended> {
        let _session = self.sessions.enter();
        let connection = self.connect()?;
        let mut command = self.command(connection, &["-o", "ControlMaster=no"]);
        command.arg(line(script, arguments));
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let ended = Session::start(&mut command)?.run(self.silence, &self.interrupt, input, output);
        let is_lost = ended.as_ref().map_or(true, |ended| matches!(ended.code, Some(255) | None));
        if is_lost {
            self.lose(connection);
        }
        let ended = ended?;
        if is_lost {
            return Err(unreachable(&ended.said, &self.by_hand()));
        }
        Ok(ended)
    }

    /// The encoded path of a file, or of the remote itself.
    pub(super) fn at(&self, name: &str) -> String {
        let root = match self.login.path.starts_with('/') {
            true => self.login.path.clone(),
            false => format!("./{}", self.login.path),
        };
        encode(&if name.is_empty() { root } else { format!("{root}/{name}") })
    }

    fn send(&self, script: &str, name: &str, body: &Body<'_>) -> Result<Ended> {
        let size = body.content.size().with_context(|| format!("cannot read what is to be written as `{name}`"))?;
        let scratch = self.at(&format!("tmp/tmp-{}", unique()));
        let arguments = [self.at(name), scratch, size.to_string()];
        let ended = self.run(&format!("{RECEIVE}{script}"), &arguments, Some(body), &mut |_| Ok(()))?;
        match ended.code {
            Some(INCOMPLETE) => Err(RemoteError::Transient("not all of it arrived".into()).into()),
            _ => Ok(ended),
        }
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        let connection = self.connection.lock().map_or_else(|_| Connection::default(), |connection| *connection);
        if connection.is_up {
            self.end(connection.number);
        }
    }
}

impl Remote for Ssh {
    fn url(&self) -> &str {
        &self.shown
    }

    fn list(&self, directory: &str) -> Result<Vec<Entry>> {
        let mut text = Vec::new();
        let ended = self.run(LIST, &[self.at(directory)], None, &mut |piece| {
            text.extend_from_slice(piece);
            Ok(())
        })?;
        if ended.code != Some(0) {
            return Err(refusal(&ended));
        }
        let above = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let entries = text.split(|byte| *byte == b'\n').filter_map(|line| entry(std::str::from_utf8(line).ok()?));
        Ok(entries.map(|entry| Entry { name: format!("{above}{}", entry.name), ..entry }).collect())
    }

    fn find(&self, name: &str) -> Result<Option<Entry>> {
        let mut text = Vec::new();
        let ended = self.run(FIND, &[self.at(name)], None, &mut |piece| {
            text.extend_from_slice(piece);
            Ok(())
        })?;
        match ended.code {
            Some(MISSING) => Ok(None),
            Some(0) => {
                let line = std::str::from_utf8(text.trim_ascii_end()).ok().and_then(entry);
                let found = line.ok_or_else(|| Error::failed("`stat` over there answers what nobody understands"))?;
                Ok(Some(Entry { name: name.to_owned(), ..found }))
            }
            _ => Err(refusal(&ended)),
        }
    }

    fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64> {
        if range.as_ref().is_some_and(Range::is_empty) {
            return Ok(0);
        }
        let (start, end) = range.as_ref().map_or((0, "end".into()), |range| (range.start, range.end.to_string()));
        let mut announced = Announced::default();
        let mut done = 0;
        let ended = self.run(READ, &[self.at(name), start.to_string(), end], None, &mut |piece| {
            let body = announced.behind_first_line(piece)?;
            done += body.len() as u64;
            sink.write_all(body).with_context(|| format!("cannot take `{name}`"))?;
            Ok(())
        })?;
        match ended.code {
            Some(MISSING) => return Err(RemoteError::Missing { name: name.to_owned() }.into()),
            Some(TOO_SHORT) => return Err(Error::failed("it ends before the range that was asked for")),
            Some(0) => {}
            _ => return Err(refusal(&ended)),
        }
        let wanted = range.map_or(announced.size()?, |range| range.end - range.start);
        match done == wanted {
            true => Ok(done),
            false => Err(RemoteError::Transient(format!("{done} of {wanted} bytes arrived")).into()),
        }
    }

    fn write(&self, name: &str, body: &Body<'_>) -> Result<()> {
        match self.send(REPLACE, name, body)? {
            Ended { code: Some(0), .. } => Ok(()),
            ended => Err(refusal(&ended)),
        }
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let ended = self.send(CREATE, name, &Body { content: Content::Bytes(bytes), sent: &|_| Ok(()) })?;
        match ended.code {
            Some(0) => Ok(true),
            Some(TAKEN) => Ok(false),
            _ => Err(refusal(&ended)),
        }
    }

    fn delete(&self, name: &str) -> Result<()> {
        match self.run(DELETE, &[self.at(name)], None, &mut |_| Ok(()))? {
            Ended { code: Some(0), .. } => Ok(()),
            ended => Err(refusal(&ended)),
        }
    }
}

/// The first line of what is read: the size of the file.
#[derive(Default)]
struct Announced {
    line: Vec<u8>,
    is_complete: bool,
}

impl Announced {
    /// What of the piece is behind the line.
    fn behind_first_line<'p>(&mut self, piece: &'p [u8]) -> Result<&'p [u8]> {
        if self.is_complete {
            return Ok(piece);
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        self.line.extend_from_slice(&piece[..end.unwrap_or(piece.len())]);
        if self.line.len() > 30 {
            // A greeting of the user's shell, say.
            return Err(Error::failed("the shell over there says something before it is asked")
                .with_hint("let nothing in its start-up files print when nobody is there to read it"));
        }
        self.is_complete = end.is_some();
        Ok(end.map_or(&[][..], |end| &piece[end + 1..]))
    }

    fn size(&self) -> Result<u64> {
        let size = std::str::from_utf8(&self.line).ok().and_then(|line| line.trim().parse().ok());
        Ok(size.ok_or_else(|| RemoteError::Transient("the answer was cut off".into()))?)
    }
}

/// What the shell over there is given to run a script with these arguments.
pub(super) fn line(script: &str, arguments: &[String]) -> String {
    let quoted: Vec<String> = arguments.iter().map(|argument| format!(" '{argument}'")).collect();
    format!("sh -c '{PROLOGUE}{script}' mlx{}", quoted.concat())
}

/// `size|modified|changed|inode|./name`.
fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.splitn(5, '|');
    let size = fields.next()?.trim().parse().ok()?;
    let version = format!("{}-{}-{}", fields.next()?, fields.next()?, fields.next()?);
    let name = fields.next()?;
    Some(Entry { name: name.strip_prefix("./").unwrap_or(name).to_owned(), size, version })
}

/// As `printf %b` reads it back: harmless characters stay, every other byte becomes `\0` and three octal digits.
pub fn encode(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => text.push(byte.into()),
            _ => text.push_str(&format!("\\0{byte:03o}")),
        }
    }
    text
}

/// Part of a name that nobody else has.
pub fn unique() -> String {
    use std::hash::{BuildHasher, RandomState};
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", random(), random())
}

/// Lets so many in at a time.
#[derive(Debug, Default)]
struct Gate {
    inside: Mutex<usize>,
    left: Condvar,
}

struct Inside<'a>(&'a Gate);

impl Gate {
    fn enter(&self) -> Inside<'_> {
        // Whoever panics inside leaves as others do.
        let inside = self.inside.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let waited = self.left.wait_while(inside, |inside| *inside >= MOST_SESSIONS);
        *waited.unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
        Inside(self)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        *self.0.inside.lock().unwrap_or_else(std::sync::PoisonError::into_inner) -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scripts_pass_through_any_shell_as_they_are() {
        for script in [PROLOGUE, LIST, FIND, READ, RECEIVE, REPLACE, CREATE, DELETE] {
            assert!(!script.contains(['\'', '\\', '!', '\n']), "{script}");
        }
    }

    #[test]
    fn lines_of_stat_are_understood() {
        let found = entry("12|2026-11-24 20:43:46.1 +0000|2026-11-24 20:43:46.2 +0000|7|./a|b").unwrap();

        assert_eq!((found.name.as_str(), found.size), ("a|b", 12));
        assert_eq!(entry("x|y"), None);
    }

    proptest! {
        #[test]
        fn every_path_reads_back_behind_the_shell(path in "[^\\x00-\\x1f\\x7f]{1,40}") {
            let script = format!("sh -c 'printf %b \"$1\"' x '{}'", encode(&path));
            let output = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), path);
        }
    }
}
