//! What the engine's answer means for the steps whose results are not there.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::live::{Live, Progress};
use super::queue::Queued;
use super::{Answer, Driver, backed_off};
use crate::executor::engine::{Known, State};
use crate::executor::job;
use crate::executor::left::{self, write_told};
use crate::executor::{FailureClass, Lost};
use crate::fs::read_optional;

/// A result may be seen so much later than the engine says that the element is over, on a network file system.
const LAG: Duration = Duration::from_secs(10);

impl Driver<'_> {
    /// Takes the engine's answer. Whatever it says, results that turned up meanwhile count first.
    pub(super) fn settle(&mut self, known: &HashMap<String, Known>, now: Instant) {
        self.read_results();
        for number in 0..self.lives.len() {
            if !self.lives[number].is_watched() {
                continue;
            }
            match known.get(&self.lives[number].job.name) {
                Some(known) => self.settle_job(number, known, now),
                None if self.lives[number].id.is_none() => self.settle_unknown(number),
                None => {
                    for element in 0..self.lives[number].elements.len() {
                        self.settle_missing(number, element, now);
                    }
                }
            }
        }
    }

    /// Adds what the engine's memory says of elements that its answer does not tell of.
    pub(super) fn recall(&mut self, known: &mut HashMap<String, Known>) {
        let missing = |live: &Live<'_>| -> Vec<usize> {
            let there = known.get(&live.job.name).map(|known| &known.elements);
            let is_missing = |element: &usize| {
                let is_wanted = live.is_element_watched(*element) && !live.elements[*element].is_cancelled;
                is_wanted && there.is_none_or(|there| !there.contains_key(element))
            };
            (0..live.elements.len()).filter(is_missing).collect()
        };
        let lives = self.lives.iter().filter(|live| live.id.is_some());
        let missing: Vec<_> = lives.map(|live| (live.submitted(), missing(live))).collect();
        let missing: Vec<_> = missing.into_iter().filter(|(_, elements)| !elements.is_empty()).collect();
        if missing.is_empty() {
            return;
        }
        // Without an answer they stay missing.
        let Ok(recalled) = self.executor.recall(&missing, self.watch.interrupt) else { return };
        for (name, its) in recalled {
            let entry = known.entry(name).or_insert_with(|| Known { id: its.id, ..Known::default() });
            // Such a memory may lag behind: only an end is an end.
            let is_over = |state: &State| matches!(state, State::Ended | State::Lost(..));
            for (element, state) in its.elements.into_iter().filter(|(_, state)| is_over(state)) {
                entry.elements.entry(element).or_insert(state);
            }
        }
    }

    fn settle_job(&mut self, number: usize, known: &Known, now: Instant) {
        let live = &mut self.lives[number];
        if live.id.is_none() {
            // Where the id can't be written, the name finds the job again.
            let _ = left::write_id(&live.directory, &known.id, &self.settings.scratch);
            live.id = Some(known.id.clone());
        }
        if live.is_void {
            // It came to the engine after all, when its file was gone already.
            live.elements.iter_mut().for_each(|element| element.must_end = true);
        }
        for element in 0..self.lives[number].elements.len() {
            if !self.lives[number].is_element_watched(element) {
                continue;
            }
            match known.elements.get(&element) {
                None => self.settle_missing(number, element, now),
                Some(State::Waiting(reason)) => {
                    self.lives[number].elements[element].missing = None;
                    if let Some(reason) = reason {
                        self.tell_reason(number, reason);
                    }
                }
                Some(State::Running) => self.lives[number].elements[element].missing = None,
                Some(State::Ended) => {
                    let since = *self.lives[number].elements[element].ended.get_or_insert(now);
                    if now >= since + LAG || self.lives[number].elements[element].is_cancelled {
                        let words = self.last_words(number, element);
                        let class = self.executor.class_of(&words);
                        let what = match class {
                            FailureClass::OutOfMemory => "took more memory than its job has".to_owned(),
                            _ if words.is_empty() => "left no result, though its job is over".to_owned(),
                            _ => format!("left no result, though its job is over: {words}"),
                        };
                        self.lose(number, element, class, &what, now);
                    } else {
                        self.next.query_after = super::QUERIES.0;
                    }
                }
                Some(State::Lost(class, what)) => self.lose(number, element, *class, what, now),
            }
        }
    }

    /// The engine does not know an element that it once had, or has finished long ago.
    fn settle_missing(&mut self, number: usize, element: usize, now: Instant) {
        if !self.lives[number].is_element_watched(element) {
            return;
        }
        let is_cancelled = self.lives[number].elements[element].is_cancelled;
        let since = *self.lives[number].elements[element].missing.get_or_insert(now);
        let limit = if is_cancelled { super::QUERIES.0 } else { self.settings.patience / 10 };
        match now >= since + limit {
            true => {
                let what = "is not known to the engine any more, and left no result";
                self.lose(number, element, FailureClass::Infrastructure, what, now);
            }
            // Looked at again soon: there is an end to the waiting.
            false => self.next.query_after = super::QUERIES.0,
        }
    }

    /// It is not known whether the engine ever got the job, and it does not know it now. The job's file goes, so that
    /// nothing comes of a submission that is still on its way; if the engine does not know it after that either, the
    /// steps are submitted under another name.
    fn settle_unknown(&mut self, number: usize) {
        let live = &mut self.lives[number];
        if !live.is_void {
            live.is_void = true;
            if let Err(error) = left::void(&live.directory) {
                self.watch.events.warn(error.to_string());
            }
            if let Some(courier) = &self.settings.courier {
                courier.void(&live.job.name);
            }
            self.next.query_after = super::QUERIES.0;
            return;
        }
        for place in 0..self.lives[number].slots.len() {
            self.run_again(number, place, false);
        }
        if let Some(courier) = &self.settings.courier {
            courier.remove(&self.lives[number].job.name);
        }
        let _ = left::remove(&self.lives[number].directory);
    }

    /// An element is over without results of all its steps.
    fn lose(&mut self, number: usize, element: usize, class: FailureClass, what: &str, now: Instant) {
        if class == FailureClass::Infrastructure {
            // Should it live on somewhere, it must not do so beside its successor.
            self.void_elements(&self.lives[number], &[element]);
            let lost = [(self.lives[number].submitted(), vec![element])];
            let _ = self.executor.cancel(&lost, self.watch.interrupt);
        }
        let live = &self.lives[number];
        let places = live.places(element);
        let is_cancelled = live.elements[element].is_cancelled;
        let has_begun = live.slots[places.clone()].iter().any(|slot| slot.is_open() && slot.has_begun);
        let is_packed = live.job.pack > 1;
        for place in places {
            let slot = &self.lives[number].slots[place];
            if !slot.is_open() {
                continue;
            }
            if is_cancelled {
                self.take_back(number, place);
                continue;
            }
            // Of several steps, those that had not begun have nothing to do with it, unless somebody ended all of them.
            let is_hit = slot.has_begun || !has_begun || class == FailureClass::Cancelled;
            if !is_hit {
                self.run_again(number, place, false);
                continue;
            }
            // What several had to share was not this one's.
            let is_shared = is_packed && class == FailureClass::Timeout;
            let of_executor = class == FailureClass::Infrastructure || is_shared;
            let of_step = slot.task.retry.wants(class, slot.losses + 1);
            match of_step || (of_executor && slot.losses < self.settings.retries) {
                true => self.submit_again(number, place, what, of_step, now),
                false => self.give_back_lost(number, place, element, class, what),
            }
        }
    }

    /// Submits a step again that was lost, after a while that grows with each loss; as its own `retry` says, where that
    /// wants it.
    pub(super) fn submit_again(&mut self, number: usize, place: usize, what: &str, of_step: bool, now: Instant) {
        let live = &self.lives[number];
        let text = format!(
            "step `{}` {what} (job {} on `{}`); it is submitted again",
            live.slots[place].task.step,
            self.shown(number, place / live.job.pack.max(1)),
            self.settings.name
        );
        self.watch.events.warn(text);
        self.run_again(number, place, true);
        if let Some(queued) = self.queue.back_mut() {
            let delay = if of_step { queued.task.retry.delay_after(queued.losses) } else { Duration::ZERO };
            queued.not_before = now + delay.max(backed_off(u32::try_from(queued.losses).unwrap_or(10)));
        }
    }

    fn give_back_lost(&mut self, number: usize, place: usize, element: usize, class: FailureClass, what: &str) {
        let job = self.shown(number, element);
        let live = &mut self.lives[number];
        let slot = &mut live.slots[place];
        slot.progress = Progress::Over;
        let what =
            if slot.losses > 0 { format!("{what}, after {} attempts", slot.losses + 1) } else { what.to_owned() };
        let lost = Lost { class, step: slot.task.step.clone(), what, job, executor: self.settings.name.clone() };
        let wanted = slot.wanted;
        let directory = live.directory.clone();
        match wanted {
            Some(index) => self.deliver_lost(index, lost, &directory, place),
            None => drop(write_told(&directory, place)),
        }
    }

    /// A step that was ended on our own wish.
    pub(super) fn take_back(&mut self, number: usize, place: usize) {
        let is_halted = self.halted;
        let live = &mut self.lives[number];
        let slot = &mut live.slots[place];
        if slot.must_end || (is_halted && slot.wanted.is_some()) {
            slot.progress = Progress::Over;
            let wanted = slot.wanted;
            let directory = live.directory.clone();
            let _ = write_told(&directory, place);
            if let Some(index) = wanted {
                self.deliver(index, Answer::Withdrawn);
            }
        } else {
            self.run_again(number, place, false);
        }
    }

    /// Puts a step into the queue again; one that nobody asked for waits until somebody does.
    pub(super) fn run_again(&mut self, number: usize, place: usize, is_loss: bool) {
        let live = &mut self.lives[number];
        let slot = &mut live.slots[place];
        let Some(index) = slot.wanted else {
            if slot.is_open() {
                slot.progress = if slot.must_end { Progress::Over } else { Progress::Gone };
            }
            return;
        };
        if matches!(slot.progress, Progress::Over) {
            return;
        }
        slot.progress = Progress::Over;
        slot.tell_lost(self.watch.events);
        let mut task = slot.task.clone();
        task.attempt += 1;
        let losses = slot.losses + u64::from(is_loss);
        // The job's time is all its steps' together.
        let mut resources = live.job.resources.clone();
        let share = u32::try_from(live.job.pack.min(live.slots.len())).unwrap_or(u32::MAX).max(1);
        resources.time = resources.time.map(|time| time / share);
        let directory = live.directory.clone();
        if let Err(error) = write_told(&directory, place) {
            self.watch.events.warn(error.to_string());
        }
        let now = Instant::now();
        match self.halted {
            true => self.deliver(index, Answer::Withdrawn),
            false => {
                self.queue.push_back(Queued { index, task, resources, losses, not_before: now });
                self.pace.order(now);
            }
        }
    }

    /// The job as the engine's users name it.
    fn shown(&self, number: usize, element: usize) -> String {
        let live = &self.lives[number];
        let id = live.id.as_deref().unwrap_or(&live.job.name);
        if live.elements.len() > 1 { format!("{id}_{element}") } else { id.to_owned() }
    }

    /// Why nothing of a job starts, where it is no matter of time.
    fn tell_reason(&mut self, number: usize, reason: &str) {
        if self.lives[number].told.as_deref() == Some(reason) {
            return;
        }
        self.lives[number].told = Some(reason.to_owned());
        let text = format!(
            "job {} waits at `{}`: {reason}",
            self.lives[number].id.as_deref().unwrap_or_default(),
            self.settings.name
        );
        self.watch.events.warn(text);
    }

    /// The end of what was said before the step's own log began.
    fn last_words(&self, number: usize, element: usize) -> String {
        let log = job::engine_log(&self.lives[number].directory, element);
        let log = read_optional(&log).ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&log).into_owned();
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        last.map_or(String::new(), |line| line.chars().filter(|character| !character.is_control()).take(300).collect())
    }
}
