//! Trying again: what stands between a back-end, which is one attempt, and those who want it done.
//!
//! A read goes on where the connection broke, so that no byte is fetched or handed on twice. Nothing else is kept: a write
//! is whole or not there, and is sent again from its beginning.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::location::check_name;
use super::{Access, Body, Entry, Remote, RemoteError, State};
use crate::event::{Event, EventSink, Interrupt};
use crate::{Error, Kind, Result};

/// How long to go on trying.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Attempts in a row that bring nothing; a read that brought something begins to count anew.
    pub attempts: u32,
    /// The first pause; each one is twice as long as the one before, give or take, up to `longest`.
    pub first: Duration,
    pub longest: Duration,
    /// After this time no further attempt begins.
    pub total: Duration,
    /// How long the other side may say nothing before that is an error.
    pub silence: Duration,
}

/// After so many attempts in a row that brought nothing the user is told, and then not again for so long.
const TOLD: u32 = 3;
const QUIET: Duration = Duration::from_secs(30);

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 6,
            first: Duration::from_millis(250),
            longest: Duration::from_secs(15),
            total: Duration::from_secs(600),
            silence: Duration::from_secs(60),
        }
    }
}

impl Patience {
    /// One attempt, and an answer soon.
    pub fn once(silence: Duration) -> Self {
        Self { attempts: 1, silence, ..Self::default() }
    }

    /// The pause behind the attempt with this number, from 1.
    fn pause(&self, attempt: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(self.longest);
        // Between half and all of it, so that those who failed together don't come again together.
        doubled.mul_f64(0.5 + 0.5 * (RandomState::new().hash_one(attempt) as f64 / u64::MAX as f64))
    }
}

/// A remote that tries again. Also the one place where names are checked and errors say what was being done.
#[derive(Debug)]
pub struct Retry {
    inner: Box<dyn Remote>,
    patience: Patience,
    events: Events,
    interrupt: Interrupt,
    warned: Warned,
}

/// When the user was warned the last time: who asks for several things at once is told of one that does not come.
#[derive(Debug, Default)]
struct Warned(Mutex<Option<Instant>>);

impl Warned {
    /// Whether it is time for a warning, which is then given.
    fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() > QUIET);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

struct Events(Arc<dyn EventSink>);

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Retry {
    pub fn new(inner: Box<dyn Remote>, patience: Patience, events: Arc<dyn EventSink>, interrupt: Interrupt) -> Self {
        Self { inner, patience, events: Events(events), interrupt, warned: Warned::default() }
    }

    fn attempts(&self) -> Attempts<'_> {
        let Self { patience, events, interrupt, warned, .. } = self;
        Attempts { patience, events: &*events.0, interrupt, warned, made: 0, since: Instant::now() }
    }

    /// Does it until it succeeds or there is no sense in going on. `attempt` is told how many failed before it.
    fn again<T>(&self, what: impl Fn() -> String, attempt: impl FnMut(u32) -> Result<T>) -> Result<T> {
        self.attempts().make(what, attempt)
    }

    fn doing(&self, verb: &str, name: &str) -> String {
        let name = crate::fs::quote(if name.is_empty() { "." } else { name });
        format!("cannot {verb} `{name}` on {}", self.inner.url())
    }
}

/// Does something on a place that is reached so until it succeeds or there is no sense in going on; `what` says in errors
/// what was being done. For what is more than a file read or written: it must do no harm to do it twice.
pub fn persist<T>(access: &Access, what: impl Fn() -> String, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let Access { patience, events, interrupt, .. } = access;
    let warned = &Warned::default();
    let mut attempts = Attempts { patience, events: &**events, interrupt, warned, made: 0, since: Instant::now() };
    attempts.make(what, |_| attempt())
}

struct Attempts<'a> {
    patience: &'a Patience,
    events: &'a dyn EventSink,
    interrupt: &'a Interrupt,
    warned: &'a Warned,
    made: u32,
    since: Instant,
}

impl Attempts<'_> {
    fn make<T>(&mut self, what: impl Fn() -> String, mut attempt: impl FnMut(u32) -> Result<T>) -> Result<T> {
        loop {
            self.interrupt.check()?;
            match attempt(self.made) {
                Ok(done) => return Ok(done),
                Err(error) => self.failed(error, &what)?,
            }
        }
    }

    /// Waits for the next attempt, or gives the error back where there should be none.
    fn failed(&mut self, error: Error, what: &impl Fn() -> String) -> Result<()> {
        let Self { patience, events, interrupt, warned, .. } = *self;
        interrupt.check()?;
        self.made += 1;
        if error.kind() != Kind::Failed || !is_transient(&error) {
            return Err(error.context(what()));
        }
        let pause = match error.downcast_ref() {
            Some(RemoteError::Busy { after, .. }) => patience.pause(self.made).max(*after),
            _ => patience.pause(self.made),
        };
        if self.made >= patience.attempts || self.since.elapsed() + pause > patience.total {
            let tried = if self.made > 1 { format!(" (tried {} times)", self.made) } else { String::new() };
            return Err(error.context(format!("{}{tried}", what())).with_hint(
                "look at the network and at the server; what arrived stays, and the same command goes on from there",
            ));
        }
        let (what, seconds, left) = (what(), pause.as_secs_f64(), patience.attempts - self.made);
        events.emit(match self.made {
            // Once is enough for who waits: the error says the rest.
            TOLD if warned.is_due() => {
                Event::Warning { message: format!("{what}: {error}; trying again, {left} times at most"), hint: None }
            }
            _ => Event::Detail { message: format!("{what}: {error}; trying again in {seconds:.1} s") },
        });
        wait(pause, interrupt)
    }
}

/// Sleeps, but not through the wish to stop.
fn wait(pause: Duration, interrupt: &Interrupt) -> Result<()> {
    let bell = interrupt.bell()?;
    let until = Instant::now() + pause;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        interrupt.check()?;
        let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        // A signal only makes it look again.
        let _ = poll(&mut [PollFd::new(&bell, PollFlags::IN)], Some(&timeout));
    }
    interrupt.check()
}

/// Whether the same may succeed a little later.
pub(super) fn is_transient(error: &Error) -> bool {
    use io::ErrorKind as E;
    match error.downcast_ref() {
        Some(RemoteError::Transient(_) | RemoteError::Busy { .. }) => return true,
        Some(_) => return false,
        None => {}
    }
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        let kinds = [
            E::BrokenPipe,
            E::ConnectionAborted,
            E::ConnectionRefused,
            E::ConnectionReset,
            E::HostUnreachable,
            E::NetworkDown,
            E::NetworkUnreachable,
            E::NotConnected,
            E::ResourceBusy,
            E::StaleNetworkFileHandle,
            E::TimedOut,
            E::UnexpectedEof,
            E::WouldBlock,
        ];
        kinds.contains(&error.kind())
    })
}

impl Remote for Retry {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn is_there(&self) -> Result<bool> {
        self.again(|| self.doing("look at", ""), |_| self.inner.is_there())
    }

    fn list(&self, directory: &str) -> Result<Vec<Entry>> {
        if !directory.is_empty() {
            check_name(directory)?;
        }
        let mut entries = self.again(|| self.doing("list", directory), |_| self.inner.list(directory))?;
        // What no name of ours can be is none of ours.
        entries.retain(|entry| check_name(&entry.name).is_ok());
        Ok(entries)
    }

    fn find(&self, name: &str) -> Result<Option<Entry>> {
        check_name(name)?;
        self.again(|| self.doing("look at", name), |_| self.inner.find(name))
    }

    fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64> {
        check_name(name)?;
        let what = || self.doing("read", name);
        let mut tap =
            Tap::new(sink, range.as_ref().map(|range| range.end.saturating_sub(range.start)), &self.interrupt);
        let start = range.as_ref().map_or(0, |range| range.start);
        let mut attempts = self.attempts();
        loop {
            self.interrupt.check()?;
            let before = tap.done;
            if tap.limit == Some(before) {
                return Ok(before);
            }
            // A whole file of which nothing was handed on is read anew; else its size says what is left.
            let rest = tap.limit.map(|limit| start + before..start + limit);
            let error = match self.inner.read(name, rest, &mut tap).and_then(|_| tap.finish()) {
                Ok(()) if tap.limit.is_none_or(|limit| tap.done == limit) => return Ok(tap.done),
                Ok(()) => RemoteError::Transient(format!("the answer ended {} bytes early", tap.missing())).into(),
                Err(error) => error,
            };
            if let Some(own) = tap.own_error.take() {
                self.interrupt.check()?;
                return Err(anyhow::Error::new(own).into());
            }
            if tap.limit == Some(tap.done) {
                // All of it came, and then more, or a failure.
                return Err(error.context(what()));
            }
            if tap.done > before {
                attempts.made = 0;
            }
            attempts.failed(error, &what)?;
            tap.resume(|| Ok(self.find(name)?.ok_or_else(|| RemoteError::Missing { name: name.into() })?.size))?;
        }
    }

    fn write(&self, name: &str, body: &Body<'_>) -> Result<()> {
        check_name(name)?;
        // Who counts what was sent hears of each byte once, however often it is sent.
        let told = AtomicU64::new(0);
        let own_error = Mutex::new(None);
        let what = || self.doing("write", name);
        let mut attempts = self.attempts();
        loop {
            self.interrupt.check()?;
            let sent_now = AtomicU64::new(0);
            let sent = |bytes: u64| {
                if self.interrupt.is_requested() {
                    return Err(io::Error::other("interrupted"));
                }
                let now = sent_now.fetch_add(bytes, Ordering::Relaxed) + bytes;
                let before = told.fetch_max(now, Ordering::Relaxed);
                (body.sent)(now.saturating_sub(before)).map_err(|error| {
                    *own_error.lock().expect("nothing panics while it is held") = Some(error);
                    io::Error::other("not wanted any more")
                })
            };
            let error = match self.inner.write(name, &Body { content: body.content, sent: &sent }) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if let Some(own) = own_error.lock().expect("nothing panics while it is held").take() {
                return Err(anyhow::Error::new(own).into());
            }
            attempts.failed(error, &what)?;
        }
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        check_name(name)?;
        let was_lost = AtomicBool::new(false);
        self.again(
            || self.doing("create", name),
            |_| {
                let created =
                    self.inner.create(name, bytes).inspect_err(|_| was_lost.store(true, Ordering::Relaxed))?;
                if created || !was_lost.load(Ordering::Relaxed) {
                    return Ok(created);
                }
                // It may have been our own attempt whose answer was lost.
                let mut there = Vec::new();
                self.inner.read(name, None, &mut there)?;
                Ok(there == bytes)
            },
        )
    }

    fn creates_atomically(&self) -> bool {
        self.inner.creates_atomically()
    }

    fn delete(&self, name: &str) -> Result<()> {
        check_name(name)?;
        self.again(|| self.doing("delete", name), |_| self.inner.delete(name))
    }

    fn read_state(&self, name: &str) -> Result<Option<State>> {
        check_name(name)?;
        self.again(|| self.doing("read", name), |_| self.inner.read_state(name))
    }

    fn swap(&self, name: &str, seen: Option<&State>, bytes: &[u8]) -> Result<bool> {
        check_name(name)?;
        let was_lost = AtomicBool::new(false);
        self.again(
            || self.doing("replace", name),
            |_| {
                let swapped =
                    self.inner.swap(name, seen, bytes).inspect_err(|_| was_lost.store(true, Ordering::Relaxed))?;
                if swapped || !was_lost.load(Ordering::Relaxed) {
                    return Ok(swapped);
                }
                // It may have been our own attempt whose answer was lost.
                Ok(self.inner.read_state(name)?.is_some_and(|state| state.bytes == bytes))
            },
        )
    }
}

/// So much of a file that is read without a range is held back: short ones come from one attempt.
const HELD: usize = 1 << 20;

/// Passes a body on, counts it and knows where it broke.
struct Tap<'a> {
    sink: &'a mut dyn Write,
    /// Of a body whose length is not known: what was not handed on yet.
    held: Option<Vec<u8>>,
    /// How many bytes are wanted in all, once that is known.
    limit: Option<u64>,
    done: u64,
    /// What the sink itself said.
    own_error: Option<io::Error>,
    interrupt: &'a Interrupt,
}

impl<'a> Tap<'a> {
    fn new(sink: &'a mut dyn Write, limit: Option<u64>, interrupt: &'a Interrupt) -> Self {
        Self { sink, held: limit.is_none().then(Vec::new), limit, done: 0, own_error: None, interrupt }
    }

    fn missing(&self) -> u64 {
        self.limit.unwrap_or(self.done).saturating_sub(self.done)
    }

    fn hand_on(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.write_all(bytes).map_err(|error| {
            self.own_error = Some(error);
            io::Error::other("the reader went away")
        })?;
        self.done += bytes.len() as u64;
        Ok(())
    }

    /// The body ended as it should: hands on what was held back.
    fn finish(&mut self) -> Result<()> {
        let held = self.held.take().unwrap_or_default();
        Ok(self.hand_on(&held).map_err(anyhow::Error::new)?)
    }

    /// Prepares for the next attempt: forgets what was not handed on, and learns how much is left.
    fn resume(&mut self, size: impl FnOnce() -> Result<u64>) -> Result<()> {
        match &mut self.held {
            Some(held) => held.clear(),
            None if self.limit.is_none() => self.limit = Some(size()?.max(self.done)),
            None => {}
        }
        Ok(())
    }
}

impl Write for Tap<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.interrupt.is_requested() {
            return Err(io::Error::other("interrupted"));
        }
        if self.limit.is_some_and(|limit| self.done + bytes.len() as u64 > limit) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer is longer than what was asked for"));
        }
        match &mut self.held {
            Some(held) if held.len() + bytes.len() <= HELD => held.extend_from_slice(bytes),
            Some(held) => {
                let held = std::mem::take(held);
                self.held = None;
                self.hand_on(&held)?;
                self.hand_on(bytes)?;
            }
            None => self.hand_on(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
