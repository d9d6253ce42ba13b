//! Asking a release whether it answers: it is served apart from the live one, on a port of its own, and asked over HTTP.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use reqwest::blocking::Client;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::{Answer, Cache, Check, Target};
use crate::bundle::Description;
use crate::event::{Event, Interrupt, Watch};
use crate::fs::{escape, quote};
use crate::predictor::matches;
use crate::project::manifest::Health;
use crate::{Digest, Result};

/// So many of the last lines of a server are shown.
pub(super) const LAST_LINES: usize = 12;
/// A line longer than this is cut.
const LINE_LIMIT: u64 = 4096;
/// How often a server that is not ready is asked again, and the user's wish to stop is looked at.
const PAUSE: Duration = Duration::from_millis(50);
/// An answer that is larger than this is none.
const ANSWER_LIMIT: u64 = 64 << 20;

/// Serves the release in this directory, waits until it is ready and asks the rows that were recorded with it.
pub fn serve_and_ask(
    directory: &Path,
    description: &Description,
    check: &Check<'_>,
    watch: Watch<'_>,
) -> Result<Answer> {
    let deadline = Instant::now() + check.health.timeout;
    let mut server = Server::start(check.program, directory)?;
    let message = format!("asking `{}` {} whether it answers", description.model.name, description.model.version);
    watch.events.emit(Event::Detail { message });
    let why = match server.ask(description, check.health, deadline, watch.interrupt)? {
        Ok(()) => return Ok(Answer::Yes),
        Err(why) => why,
    };
    Ok(Answer::No { why, last_lines: server.end() })
}

/// What is said of a file of a release that is not there as it was brought.
pub fn damaged(path: &str) -> String {
    format!("its file `{}` is missing or damaged there", quote(path))
}

/// What is said of a file among the code of a release that its bundle did not bring.
pub fn strange(path: &Path) -> String {
    format!("`{}` lies there, which its bundle did not bring", quote(path))
}

/// Tries a release of a target that is not on this machine: what lies there must be whole (`damage` says why it is not), and
/// the same bytes, served here, must answer.
pub fn try_here(
    target: &dyn Target,
    (release, description): (&Digest, &Description),
    damage: Option<String>,
    cache: &Cache,
    check: &Check<'_>,
    watch: Watch<'_>,
) -> Result<Answer> {
    if let Some(damage) = damage {
        return Ok(Answer::no(damage));
    }
    if description.serve.is_none() {
        watch.events.warn(format!("`{}` answers no requests; only its files are checked", description.model.name));
        return Ok(Answer::Yes);
    }
    let _using = cache.using(release)?;
    let directory = target.fetch(release, cache, watch)?;
    let answer = serve_and_ask(&directory, description, check, watch)?;
    if answer != Answer::Yes {
        // What lies on this machine may have been damaged since, and says nothing of what lies there.
        cache.forget(release, watch)?;
        if directory.symlink_metadata().is_err() {
            return serve_and_ask(&target.fetch(release, cache, watch)?, description, check, watch);
        }
    }
    Ok(answer)
}

/// Asks a server that runs elsewhere whether it answers for a release, as one that was started here is asked.
pub fn ask_release(
    url: &str,
    description: &Description,
    health: &Health,
    deadline: Instant,
    interrupt: &Interrupt,
) -> Result<Result<(), String>> {
    let client = client()?;
    while let Err(why) = ask_ready(&client, url, health, deadline) {
        if !pause(deadline, interrupt)? {
            return Ok(Err(why));
        }
    }
    interrupt.check()?;
    Ok(ask_smoke(&client, url, description, deadline))
}

/// Asks a server that runs already until it is ready or the time is over.
pub fn ask_until_ready(url: &str, health: &Health, interrupt: &Interrupt) -> Result<Answer> {
    let deadline = Instant::now() + health.timeout;
    let client = client()?;
    loop {
        let why = match ask_ready(&client, url, health, deadline) {
            Ok(()) => return Ok(Answer::Yes),
            Err(why) => why,
        };
        if !pause(deadline, interrupt)? {
            return Ok(Answer::no(why));
        }
    }
}

/// A server in a process group of its own, which is killed when this is dropped.
struct Server {
    child: Child,
    group: Pid,
    /// The address, once the server says it; closed when the server closes its output.
    address: Receiver<String>,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It only ever reads, so that nothing is lost when it is killed.
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(program: &Path, directory: &Path) -> Result<Self> {
        let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
        let both = writer.try_clone().context("cannot make a pipe")?;
        let mut command = Command::new(program);
        command.arg("serve").arg(directory).args(["--port", "0"]);
        // Nobody but this process reaches it, and it has no token to show.
        command.env_remove("MLX_SERVE_TOKEN");
        command.stdin(Stdio::null()).stdout(writer).stderr(both).process_group(0);
        // SAFETY: the closure makes one system call and touches no memory of the parent.
        unsafe { command.pre_exec(end_with_parent) };
        let child = command.spawn().with_context(|| format!("cannot start `{}`", quote(program)))?;
        // The command holds the pipe's writing end, which must be closed for the reader to see the end.
        drop(command);
        let group = Pid::from_child(&child);
        let last = Arc::new(Mutex::new(VecDeque::new()));
        let address = read_output(reader, last.clone());
        Ok(Self { child, group, address, last })
    }

    /// `Err` in the inside says why the release does not answer.
    fn ask(
        &mut self,
        description: &Description,
        health: &Health,
        deadline: Instant,
        interrupt: &Interrupt,
    ) -> Result<Result<(), String>> {
        let address = match self.wait_for_address(deadline, health.timeout, interrupt)? {
            Ok(address) => address,
            Err(why) => return Ok(Err(why)),
        };
        let client = client()?;
        loop {
            let why = match ask_ready(&client, &address, health, deadline) {
                Ok(()) => break,
                Err(why) => why,
            };
            if let Some(status) = self.child.try_wait().context("cannot wait for the server")? {
                return Ok(Err(ended(status)));
            }
            if !pause(deadline, interrupt)? {
                return Ok(Err(format!("{why} for {} s", health.timeout.as_secs_f64())));
            }
        }
        interrupt.check()?;
        Ok(ask_smoke(&client, &address, description, deadline))
    }

    /// Where it listens, as it says once it is ready.
    fn wait_for_address(
        &mut self,
        deadline: Instant,
        timeout: Duration,
        interrupt: &Interrupt,
    ) -> Result<Result<String, String>> {
        loop {
            interrupt.check()?;
            match self.address.recv_timeout(PAUSE) {
                Ok(address) => return Ok(Ok(address)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(PAUSE),
            }
            if let Some(status) = self.child.try_wait().context("cannot wait for the server")? {
                return Ok(Err(ended(status)));
            }
            if Instant::now() >= deadline {
                return Ok(Err(format!("it was not ready within {} s", timeout.as_secs_f64())));
            }
        }
    }

    /// Ends it; returns what it printed last.
    fn end(self) -> Vec<String> {
        let last = self.last.clone();
        let _ = kill_process_group(self.group, Signal::KILL);
        // The output is closed by the end of the last process that holds it; one that left the group may go on.
        while self.address.recv_timeout(Duration::from_secs(1)).is_ok() {}
        let last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        last.iter().cloned().collect()
    }
}

/// Called in the child: a server must not outlive the deploy that is killed.
pub(super) fn end_with_parent() -> std::io::Result<()> {
    // SAFETY: the call takes plain numbers.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Reads all output in a thread of its own, so that the server is never held up; keeps the last lines, escaped and of
/// bounded length, and sends the address that it announces.
fn read_output(reader: impl Read + Send + 'static, last: Arc<Mutex<VecDeque<String>>>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut is_announced = false;
        loop {
            let mut line = Vec::new();
            match reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let line = escape(line.trim_ascii_end());
            if let Some(address) = address_in(&line).filter(|_| !is_announced) {
                is_announced = true;
                let _ = sender.send(address);
            }
            let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            last.push_back(line);
            let surplus = last.len().saturating_sub(LAST_LINES);
            last.drain(..surplus);
        }
    });
    receiver
}

/// The address in a line such as `serving churn 3 on http://127.0.0.1:41234`.
fn address_in(line: &str) -> Option<String> {
    let start = line.find("http://127.0.0.1:")?;
    let address = line[start..].split_whitespace().next()?.trim_end_matches(['/', '.', ',', '`']);
    let port = address.rsplit(':').next()?;
    port.parse::<u16>().ok().filter(|port| *port > 0).map(|_| address.to_owned())
}

fn ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("its server ended with exit code {code}"),
        None => format!("its server ended: {status}"),
    }
}

/// Waits a little; `false` where the time is over.
fn pause(deadline: Instant, interrupt: &Interrupt) -> Result<bool> {
    interrupt.check()?;
    if Instant::now() + PAUSE >= deadline {
        return Ok(false);
    }
    std::thread::sleep(PAUSE);
    Ok(true)
}

/// A client for servers of this machine and others, past any proxy.
pub fn client() -> Result<Client> {
    // Whoever installed one before has the same in mind.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A proxy would answer in the server's place.
    let client = Client::builder().no_proxy().build().context("cannot make an HTTP client")?;
    Ok(client)
}

/// Asks once whether the server at `url` is ready; why not in words.
pub fn ask_ready(client: &Client, url: &str, health: &Health, deadline: Instant) -> Result<(), String> {
    let path = health.path.trim_start_matches('/');
    let shown = format!("GET /{}", escape(path.as_bytes()));
    let url = format!("{}/{path}", url.trim_end_matches('/'));
    let answer = client.get(url).timeout(left(deadline)).send();
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("{shown} gave {}", answer.status())),
        Err(error) => Err(format!("{shown}: {}", reason(&error))),
    }
}

/// Asks the recorded rows; a bundle without any is not asked.
fn ask_smoke(client: &Client, address: &str, description: &Description, deadline: Instant) -> Result<(), String> {
    let Some(smoke) = &description.smoke else { return Ok(()) };
    let url = format!("{address}/v2/models/{}/infer", description.model.name);
    let answer = client.post(url).timeout(left(deadline)).json(&smoke.request).send();
    let answer = answer.map_err(|error| format!("the recorded rows got no answer: {}", reason(&error)))?;
    let status = answer.status();
    // A server that lets in nobody without a token was ready only once it had answered these rows itself.
    if status == reqwest::StatusCode::UNAUTHORIZED {
        return Ok(());
    }
    let mut body = Vec::new();
    answer
        .take(ANSWER_LIMIT)
        .read_to_end(&mut body)
        .map_err(|error| format!("the answer to the recorded rows broke off: {error}"))?;
    let text = || escape(&body[..body.len().min(400)]);
    if !status.is_success() {
        return Err(format!("the recorded rows got {status}: {}", text()));
    }
    let got: Value = serde_json::from_slice(&body).map_err(|_| format!("the answer is no JSON: {}", text()))?;
    matches(&smoke.response, &got, smoke.tolerance)
        .map_err(|difference| format!("the recorded rows got another answer: {difference}"))
}

/// The time that is left, a moment at least.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100))
}

/// The root of the matter, without the address.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_timeout() { "no answer in time".into() } else { cause.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::bundle::{Lineage, ModelName};
    use crate::event::Silent;

    /// What is said of a release whose server is this shell script.
    fn answer_of(script: &str, timeout: Duration) -> Answer {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("server");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let lineage = Lineage {
            run: None,
            step: None,
            commit: None,
            params: Default::default(),
            metrics: Default::default(),
            data: Vec::new(),
            environment: None,
        };
        let description = Description {
            format: 1,
            model: ModelName { name: "m".into(), version: 1, description: None },
            serve: None,
            signature: None,
            runtimes: Vec::new(),
            lineage,
            smoke: None,
            files: Vec::new(),
        };
        let health = Health { timeout, ..Health::default() };
        let check = Check { program: &program, health: &health };
        let watch = Watch { events: &Silent, interrupt: &Interrupt::default() };
        loop {
            match serve_and_ask(dir.path(), &description, &check, watch) {
                // Another thread that starts a program has the script open for a moment.
                Err(error) if error.to_string().contains("Text file busy") => std::thread::yield_now(),
                answer => return answer.unwrap(),
            }
        }
    }

    fn no(why: &str, last_lines: &[&str]) -> Answer {
        Answer::No { why: why.into(), last_lines: last_lines.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn a_server_that_ends_is_quoted() {
        let answer = answer_of("echo loading; echo 'no such\u{1b}file' >&2; exit 3", Duration::from_secs(60));

        assert_eq!(answer, no("its server ended with exit code 3", &["loading", r"no such\x1bfile"]));
    }

    #[test]
    fn a_server_that_hangs_is_ended_with_its_children() {
        let answer = answer_of("echo loading; sleep 1000 & sleep 1000", Duration::from_millis(300));

        assert_eq!(answer, no("it was not ready within 0.3 s", &["loading"]));
    }

    #[test]
    fn a_server_that_says_it_is_ready_and_is_not_is_asked_until_the_time_is_over() {
        // Nothing listens on port 1.
        let answer = answer_of("echo serving on http://127.0.0.1:1; sleep 1000", Duration::from_millis(300));

        let Answer::No { why, .. } = answer else { panic!("{answer:?}") };
        assert!(why.starts_with("GET /v2/health/ready: ") && why.ends_with(" for 0.3 s"), "{why}");
    }

    #[test]
    fn a_server_that_prints_much_is_not_held_up() {
        let answer = answer_of("yes | head -c 300000; exit 7", Duration::from_secs(60));

        assert_eq!(answer, no("its server ended with exit code 7", &["y"; LAST_LINES]));
    }

    #[test]
    fn the_address_is_found_in_what_the_server_says() {
        let found = address_in("serving `churn` 3 on http://127.0.0.1:41234 (release 0123)");

        assert_eq!(found.as_deref(), Some("http://127.0.0.1:41234"));
        for line in ["", "loading", "http://127.0.0.1:0", "see http://example.org"] {
            assert_eq!(address_in(line), None, "{line}");
        }
    }
}
