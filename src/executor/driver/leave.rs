//! Ending jobs, and leaving them to themselves.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::live::Live;
use super::{Answer, Driver, Order, TICK};
use crate::Error;
use crate::executor::engine::{Refusal, State, Submitted};
use crate::executor::left;

/// So long is waited until what was cancelled is gone.
const GONE: Duration = Duration::from_secs(60);

impl Driver<'_> {
    /// Submits nothing more, and takes back what has not begun.
    pub(super) fn halt(&mut self, now: Instant) {
        self.halted = true;
        for queued in std::mem::take(&mut self.queue) {
            self.deliver(queued.index, Answer::Withdrawn);
        }
        self.read_results();
        for live in &mut self.lives {
            for element in 0..live.elements.len() {
                let slots = &live.slots[live.places(element)];
                let is_idle =
                    slots.iter().any(|slot| slot.wanted.is_some()) && !slots.iter().any(|slot| slot.has_begun);
                live.elements[element].must_end |= is_idle && live.is_element_open(element);
            }
        }
        self.next.query = now;
        self.cancel_ended();
    }

    /// What starts of these elements from now on has nothing to do, should the engine start them once more.
    pub(super) fn void_elements(&self, live: &Live<'_>, elements: &[usize]) {
        live.give_up(elements);
        if let Some(courier) = &self.settings.courier {
            courier.give_up(&live.job.name, elements);
        }
    }

    /// Ends the elements that somebody wants to be ended.
    pub(super) fn cancel_ended(&mut self) {
        let due = |live: &Live<'_>| -> Vec<usize> {
            let is_due = |element: &usize| {
                let state = &live.elements[*element];
                state.must_end && !state.is_cancelled && live.is_element_open(*element)
            };
            (0..live.elements.len()).filter(is_due).collect()
        };
        let jobs: Vec<(Submitted<'_>, Vec<usize>)> = self
            .lives
            .iter()
            .filter(|live| live.id.is_some())
            .map(|live| (live, due(live)))
            .filter(|(_, elements)| !elements.is_empty())
            .map(|(live, elements)| (live.submitted(), whole_where_all(live, elements)))
            .collect();
        for live in self.lives.iter().filter(|live| live.id.is_some()) {
            self.void_elements(live, &due(live));
        }
        // One that fails is tried again after the next answer.
        if !jobs.is_empty() && self.executor.cancel(&jobs, self.watch.interrupt).is_ok() {
            for live in self.lives.iter_mut().filter(|live| live.id.is_some()) {
                for element in due(live) {
                    live.elements[element].is_cancelled = true;
                }
            }
            self.next.query_after = super::QUERIES.0;
        }
        self.answer_endings();
    }

    /// Answers those who wait until nothing of a step runs.
    pub(super) fn answer_endings(&mut self) {
        let lives = &self.lives;
        self.endings.retain(|ending| {
            let runs = lives.iter().any(|live| live.has_open(&ending.step));
            if !runs {
                let _ = ending.answer.send(Ok(()));
            }
            runs
        });
    }

    /// The user wants to stop: leaves the jobs to themselves, or ends them.
    pub(super) fn leave(mut self, orders: &Receiver<Order>) {
        self.read_results();
        let submitted: usize =
            self.lives.iter().flat_map(|live| &live.slots).filter(|s| s.is_open() && s.wanted.is_some()).count();
        if self.settings.cancel_on_exit {
            self.cancel_all();
        } else if submitted > 0 {
            let steps = if submitted == 1 { "1 step goes on".into() } else { format!("{submitted} steps go on") };
            self.watch.events.note(format!(
                "{steps} on `{}`; the same `mlx train` comes back to {}",
                self.settings.name,
                if submitted == 1 { "it" } else { "them" }
            ));
        }
        let queued: Vec<usize> = self.queue.drain(..).map(|queued| queued.index).collect();
        let waiting: Vec<usize> = self.lives.iter_mut().flat_map(Live::let_go).collect();
        for index in queued.into_iter().chain(waiting) {
            self.deliver(index, Answer::Failed(Error::interrupted()));
        }
        for ending in std::mem::take(&mut self.endings) {
            let _ = ending.answer.send(Err(Error::interrupted()));
        }
        // Until nobody gives orders any more.
        while let Ok(order) = orders.recv() {
            match order {
                Order::Run { index, .. } | Order::Adopt { index, .. } => {
                    self.wanted += 1;
                    self.deliver(index, Answer::Failed(Error::interrupted()));
                }
                Order::End { answer, .. } => drop(answer.send(Err(Error::interrupted()))),
                Order::Halt => {}
            }
        }
    }

    /// Ends all that somebody waits for, and waits until it is gone; not for long after a second wish to stop.
    fn cancel_all(&mut self) {
        let deadline = Instant::now() + GONE;
        let mut is_told = false;
        let mut asked = 0;
        loop {
            let lives: Vec<&Live<'_>> = self.lives.iter().filter(|live| live.is_watched()).collect();
            if lives.is_empty() {
                return;
            }
            let jobs: Vec<Submitted<'_>> = lives.iter().map(|live| live.submitted()).collect();
            let all: Vec<_> = jobs.iter().map(|job| (*job, Vec::new())).collect();
            if !is_told {
                is_told = self.executor.cancel(&all, self.watch.interrupt).is_ok();
            }
            let known = match self.executor.query(&jobs, self.watch.interrupt) {
                Ok(known) => known,
                Err(Refusal::Interrupted) => return,
                Err(_) if Instant::now() >= deadline => return,
                Err(_) => Default::default(),
            };
            asked += 1;
            let is_alive = |job: &Submitted<'_>| {
                let states = known.get(job.name).map(|known| known.elements.values());
                states.is_some_and(|mut states| states.any(|state| matches!(state, State::Waiting(_) | State::Running)))
            };
            // One that was on its way when it was asked for may come a moment later.
            let is_unsure = jobs.iter().any(|job| job.id.is_none()) && asked < 3;
            if !jobs.iter().any(is_alive) && !is_unsure {
                break;
            }
            // What came to the engine late has to be told as well.
            is_told &= !is_unsure;
            if self.watch.interrupt.is_urgent() || Instant::now() >= deadline {
                self.watch.events.warn(format!("jobs on `{}` may go on", self.settings.name));
                return;
            }
            std::thread::sleep(if is_unsure { super::QUERIES.0 } else { TICK });
        }
        for live in self.lives.iter().filter(|live| live.is_watched()) {
            if let Some(courier) = &self.settings.courier {
                courier.remove(&live.job.name);
            }
            if let Err(error) = left::remove(&live.directory) {
                self.watch.events.warn(error.to_string());
            }
        }
    }
}

/// No element is named where all of a job are meant.
fn whole_where_all(live: &Live<'_>, elements: Vec<usize>) -> Vec<usize> {
    if elements.len() == live.elements.len() { Vec::new() } else { elements }
}
