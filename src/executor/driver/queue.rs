//! From steps to jobs: which of those that wait become one job, how many of them one element, and when.

use std::path::Path;
use std::time::{Duration, Instant};

use super::live::{Live, Slot};
use super::{Answer, Driver, TICK, backed_off};
use crate::event::Event;
use crate::executor::engine::{Refusal, Submission};
use crate::executor::job::{self, Task};
use crate::executor::left;
use crate::project::manifest::Resources;
use crate::{Error, Result};

/// Steps are collected until none came for the first time, or the first of them waits for the second.
const COLLECT: (Duration, Duration) = (Duration::from_millis(60), Duration::from_secs(1));
/// Of more steps than these, a few go first, to see how long they take.
const MANY: usize = 64;
const PROBE: usize = 16;
/// So long is waited for what the first ones tell. What takes longer is not short.
const PROBED: Duration = Duration::from_secs(5);
/// Short steps are packed until an element takes so long, while there are [`MANY`] elements.
const WORTHWHILE_SECONDS: f64 = 20.0;

/// A step that waits to be submitted.
pub struct Queued {
    pub index: usize,
    pub task: Task,
    pub resources: Resources,
    /// How often the engine lost it.
    pub losses: u64,
    pub not_before: Instant,
}

/// When, and how much at once, is submitted.
#[derive(Default)]
pub struct Pace {
    first: Option<Instant>,
    last: Option<Instant>,
    /// The engine takes nothing before this time, and so many elements at most.
    refused: Option<(Instant, u32)>,
    most: Option<usize>,
    /// When the first few of many steps were submitted.
    probe: Option<Instant>,
    /// What a step takes, as those tell that ended last.
    seconds: Option<f64>,
}

impl Pace {
    /// A step came.
    pub fn order(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// A step took so long.
    pub fn learn(&mut self, seconds: f64) {
        self.seconds = Some(self.seconds.map_or(seconds, |mean| mean * 0.8 + seconds * 0.2));
    }

    /// When those that came are collected.
    fn collected(&self) -> Option<Instant> {
        Some((self.last? + COLLECT.0).min(self.first? + COLLECT.1))
    }

    /// How many of `count` equal steps one element takes, and how many elements there may be; `None` as long as that is
    /// still to be seen.
    fn plan(&mut self, count: usize, pack: Option<usize>, now: Instant) -> Option<(usize, usize)> {
        if let Some(pack) = pack {
            return Some((pack, usize::MAX));
        }
        match (self.seconds, self.probe) {
            _ if count <= MANY && self.probe.is_none() => Some((1, usize::MAX)),
            (Some(seconds), _) => {
                let short = (WORTHWHILE_SECONDS / seconds.max(0.02)) as usize;
                Some((short.min(count.div_ceil(MANY)).max(1), usize::MAX))
            }
            (None, None) => {
                self.probe = Some(now);
                Some((1, PROBE))
            }
            (None, Some(since)) if now < since + PROBED => None,
            (None, Some(_)) => Some((1, usize::MAX)),
        }
    }
}

impl Driver<'_> {
    /// Submits what can be submitted. Returns when there may be more.
    pub(super) fn submit_what_is_ready(&mut self, now: Instant) -> Instant {
        let later = now + Duration::from_secs(3600);
        let Some(collected) = self.pace.collected().filter(|_| !self.queue.is_empty()) else { return later };
        if now < collected {
            return collected;
        }
        loop {
            if let Some((until, _)) = self.pace.refused.filter(|(until, _)| now < *until) {
                return until;
            }
            let Some(first) = self.queue.iter().find(|queued| queued.not_before <= now) else {
                return self.queue.iter().map(|queued| queued.not_before).min().unwrap_or(later);
            };
            let resources = first.resources.clone();
            let is_like_it =
                |queued: &Queued| queued.resources == resources && queued.not_before <= now && queued.losses == 0;
            // What was lost goes alone, so that it takes nothing with it.
            let (pack, most) = match first.losses > 0 {
                true => (1, usize::MAX),
                false => {
                    let count = self.queue.iter().filter(|queued| is_like_it(queued)).count();
                    match self.pace.plan(count, self.settings.pack, now) {
                        Some(plan) => plan,
                        None => return now + TICK,
                    }
                }
            };
            let submitted: usize = self.lives.iter().map(Live::open_elements).sum();
            let room = self.settings.most.saturating_sub(submitted);
            // Not one by one as they end: by tenths, unless these are the last.
            let worthwhile = (self.settings.most / 10).clamp(1, self.queue.len().div_ceil(pack));
            if room < worthwhile {
                return now + TICK;
            }
            let interrupt = self.watch.interrupt;
            let elements = *self.most_elements.get_or_insert_with(|| self.executor.most_elements(interrupt).max(1));
            let elements = elements.min(room).min(most).min(self.pace.most.unwrap_or(usize::MAX));
            let is_lost = first.losses > 0;
            let chunk = self.take_from_queue(elements.saturating_mul(pack), |queued| {
                if is_lost {
                    queued.resources == resources && queued.not_before <= now && queued.losses > 0
                } else {
                    is_like_it(queued)
                }
            });
            if let Err(error) = self.submit(chunk, pack, &resources, now) {
                self.fail_queue(&error);
                return later;
            }
        }
    }

    fn take_from_queue(&mut self, most: usize, is_it: impl Fn(&Queued) -> bool) -> Vec<Queued> {
        let mut taken = Vec::new();
        let mut others = Vec::new();
        while taken.len() < most
            && let Some(queued) = self.queue.pop_front()
        {
            match is_it(&queued) {
                true => taken.push(queued),
                false => others.push(queued),
            }
        }
        others.into_iter().rev().for_each(|queued| self.queue.push_front(queued));
        if self.queue.is_empty() {
            (self.pace.first, self.pace.last) = (None, None);
        }
        taken
    }

    /// Makes one job of these steps and submits it. An error means that nothing can be submitted at all.
    fn submit(&mut self, chunk: Vec<Queued>, pack: usize, resources: &Resources, now: Instant) -> Result<()> {
        let tasks: Vec<Task> = chunk.iter().map(|queued| queued.task.clone()).collect();
        let settings = &self.settings;
        let job = settings.job(&tasks, resources, pack);
        let directory = settings.jobs.join(&job.name);
        job.write(&directory, &tasks, &settings.scratch)?;
        if let Some(courier) = &self.settings.courier
            && let Err(error) = courier.send(&directory, &job, &tasks, self.watch)
        {
            self.discard(&directory, &job.name)?;
            let what = format!("what it reads can't be sent to the remote `{}`", courier.name);
            self.refuse(chunk, &error.context(what));
            return Ok(());
        }
        let submission = Submission {
            file: &job::file(&directory),
            job: &job,
            elements: job.elements(tasks.len()),
            program: &settings.program,
            logs: &directory,
        };
        let answer = self.executor.submit(&submission, self.watch.interrupt);
        let elements = submission.elements;
        let id = match answer {
            Ok(id) => {
                self.silent = None;
                self.pace.refused = None;
                self.pace.most = self.pace.most.map(|most| most.saturating_mul(2)).filter(|most| *most < 100_000);
                left::write_id(&directory, &id, &settings.scratch)?;
                self.tell_submitted(&id, tasks.len(), elements);
                Some(id)
            }
            // It may have come there all the same; the next answers tell.
            Err(refusal @ (Refusal::Unreachable(_) | Refusal::Interrupted)) => {
                let until = self.put_off(refusal, now);
                self.pace.refused = Some((until, 0));
                None
            }
            Err(Refusal::Full(message)) => {
                self.discard(&directory, &job.name)?;
                let times = self.pace.refused.map_or(0, |(_, times)| times + 1);
                if times == 0 {
                    let text = format!("`{}` takes no more jobs now ({message}); waiting", settings.name);
                    self.watch.events.note(text);
                }
                self.pace.refused = Some((now + backed_off(times), times));
                self.pace.most = Some((elements / 2).max(1));
                chunk.into_iter().rev().for_each(|queued| self.queue.push_front(queued));
                self.pace.order(now);
                return Ok(());
            }
            Err(Refusal::Refused(error)) => {
                self.discard(&directory, &job.name)?;
                self.refuse(chunk, &error);
                return Ok(());
            }
        };
        let slots = chunk.into_iter().map(|queued| Slot::new(queued.task, Some(queued.index), queued.losses)).collect();
        self.lives.push(Live::new(directory, job, id, slots));
        self.next.query_after = super::QUERIES.0;
        self.next.query = self.next.query.min(now + self.least_pause()).max(now);
        self.next.results = now;
        self.next.results_after = super::RESULTS.0;
        Ok(())
    }

    /// Deletes a job that nobody has.
    fn discard(&self, directory: &Path, job: &str) -> Result<()> {
        if let Some(courier) = &self.settings.courier {
            courier.remove(job);
        }
        left::remove(directory)
    }

    /// Hands back steps that can't be submitted.
    fn refuse(&mut self, chunk: Vec<Queued>, error: &Error) {
        for queued in chunk {
            let message = format!("step `{}` can't be submitted to `{}`", queued.task.step, self.settings.name);
            let mut its = Error::new(error.kind(), anyhow::Error::msg(error.to_string())).context(message);
            if let Some(hint) = error.hint() {
                its = its.with_hint(hint);
            }
            self.deliver(queued.index, Answer::Failed(its));
        }
    }

    fn tell_submitted(&self, id: &str, tasks: usize, elements: usize) {
        let steps = if tasks == 1 { "1 step".into() } else { format!("{tasks} steps") };
        let parts = if elements == 1 { String::new() } else { format!(" in {elements} elements") };
        self.watch
            .events
            .emit(Event::Note { message: format!("`{}`: job {id} with {steps}{parts}", self.settings.name) });
    }

    /// Nothing can be submitted, for a reason of this machine.
    pub(super) fn fail_queue(&mut self, error: &Error) {
        let text = error.to_string();
        for queued in std::mem::take(&mut self.queue) {
            self.deliver(queued.index, Answer::Failed(Error::failed(text.clone())));
        }
    }
}
