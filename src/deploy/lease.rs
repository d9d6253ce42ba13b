//! A lock that is a document: it says who holds it, and its holder writes it anew every few seconds.
//!
//! No two clocks are compared. Whoever wants a lock that is held by a process of this machine looks whether that process
//! lives; any other lock is watched, and taken over when it did not change for a while. The one who lost a lock that way
//! learns it before anything is switched: the document names another holder then.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::place::Place;
use crate::event::Watch;
use crate::fs::escape;
use crate::{Error, Result};

/// The name of the document.
pub const DOCUMENT: &str = "lock.json";
/// How often a holder writes.
const BEAT: Duration = Duration::from_secs(5);
/// A lock that did not change for so long is nobody's: several beats may be lost on the way.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often somebody who waits looks.
const PAUSE: Duration = Duration::from_millis(500);

/// What the document says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    /// The version of this format; 1.
    format: u64,
    /// Who it is, for people.
    owner: String,
    /// Another one for each holder.
    token: String,
    process: Process,
    /// Counts how often it was written.
    beat: u64,
}

/// A process, told from all others: by the start of its machine and its space of process numbers, by its number there, and by
/// when it began. Numbers are used again, and containers have their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    machine: String,
    number: u32,
    began: String,
}

impl Process {
    fn own() -> Self {
        let number = std::process::id();
        Self { machine: machine(), number, began: beginning(number).unwrap_or_default() }
    }

    /// Whether this is a process of this machine that has ended. Of others nobody here can say.
    fn has_ended(&self) -> bool {
        !self.machine.is_empty()
            && self.machine == machine()
            && !self.began.is_empty()
            && beginning(self.number).as_ref() != Some(&self.began)
    }

    /// Whether this is a process of this machine that lives.
    fn lives(&self) -> bool {
        !self.machine.is_empty() && self.machine == machine() && beginning(self.number).as_ref() == Some(&self.began)
    }
}

fn machine() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = std::fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned());
    match space {
        Ok(space) if !boot.trim().is_empty() => format!("{} {space}", boot.trim()),
        _ => String::new(),
    }
}

/// When the process began, in ticks since the start of the machine.
fn beginning(process: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    stat.rsplit(')').next()?.split_whitespace().nth(19).map(str::to_owned)
}

/// A lock that is held until this is dropped.
pub(super) struct Lease {
    place: Arc<dyn Place>,
    token: String,
    /// Dropped, it ends the thread that writes.
    wanted: Option<Sender<()>>,
    beat: Option<JoinHandle<()>>,
}

impl Lease {
    /// Takes the lock of a place under this token.
    ///
    /// # Errors
    /// Who holds it, where somebody does.
    pub(super) fn take(place: Arc<dyn Place>, owner: &str, token: &str, watch: Watch<'_>) -> Result<Self> {
        let own =
            Holder { format: 1, owner: owner.to_owned(), token: token.to_owned(), process: Process::own(), beat: 0 };
        let mut watched: Option<(Vec<u8>, Instant)> = None;
        loop {
            watch.interrupt.check()?;
            let there = place.document(DOCUMENT)?;
            if let Some(state) = &there {
                let holder = serde_json::from_slice::<Holder>(&state.bytes).ok();
                let is_dead = holder.as_ref().is_some_and(|holder| holder.process.has_ended());
                let unchanged = watched.as_ref().filter(|(bytes, _)| *bytes == state.bytes);
                let is_stale = unchanged.is_some_and(|(_, since)| since.elapsed() >= PATIENCE);
                if !is_dead && !is_stale {
                    let name = holder.as_ref().map_or("somebody".into(), |holder| escape(holder.owner.as_bytes()));
                    let has_changed = watched.is_some() && unchanged.is_none();
                    if has_changed || holder.is_some_and(|holder| holder.process.lives()) {
                        return Err(held(&*place, &name));
                    }
                    if watched.is_none() {
                        watch
                            .events
                            .note(format!("{} is locked by {name}; looking whether it is still at it", place.shown()));
                        watched = Some((state.bytes.clone(), Instant::now()));
                    }
                    std::thread::sleep(PAUSE);
                    continue;
                }
            }
            let bytes = serde_json::to_vec_pretty(&own).expect("a holder has text as keys");
            // Another may have been faster, which shows when it is read again. Where nothing compares and swaps in one step,
            // the last one to write has it.
            if place.swap(DOCUMENT, there.as_ref(), &bytes)? && holds(&*place, token)? {
                return Ok(Self::new(place, own));
            }
            watched = None;
        }
    }

    fn new(place: Arc<dyn Place>, own: Holder) -> Self {
        let (wanted, is_wanted) = mpsc::channel::<()>();
        let (thread_place, token) = (place.clone(), own.token.clone());
        let beat = std::thread::spawn(move || {
            let (place, mut own) = (thread_place, own);
            while is_wanted.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                own.beat += 1;
                let bytes = serde_json::to_vec_pretty(&own).expect("a holder has text as keys");
                // One beat may be lost; a lock that is lost is noticed by who wants to switch.
                let _ = place.document(DOCUMENT).and_then(|state| match state {
                    Some(state) if is_of(&state.bytes, &own.token) => place.swap(DOCUMENT, Some(&state), &bytes),
                    _ => Ok(false),
                });
            }
        });
        Self { place, token, wanted: Some(wanted), beat: Some(beat) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.wanted.take());
        let _ = self.beat.take().map(JoinHandle::join);
        if holds(&*self.place, &self.token).unwrap_or(false) {
            let _ = self.place.delete(DOCUMENT);
        }
    }
}

/// Whether the lock of a place is held under this token.
pub(super) fn holds(place: &dyn Place, token: &str) -> Result<bool> {
    Ok(place.document(DOCUMENT)?.is_some_and(|state| is_of(&state.bytes, token)))
}

fn is_of(bytes: &[u8], token: &str) -> bool {
    serde_json::from_slice::<Holder>(bytes).is_ok_and(|holder| holder.token == token)
}

fn held(place: &dyn Place, owner: &str) -> Error {
    Error::failed(format!("the target {} is being changed by {owner}", place.shown()))
        .with_hint("wait until it is done, then run this again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_others() {
        let own = Process::own();

        assert!(own.lives() && !own.has_ended());
        let reused = Process { began: "1".into(), ..own.clone() };
        assert!(!reused.lives() && reused.has_ended());
        let elsewhere = Process { machine: "another".into(), ..reused };
        assert!(!elsewhere.lives() && !elsewhere.has_ended(), "nobody here can say");
    }
}
