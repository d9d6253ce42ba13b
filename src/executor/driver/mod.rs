//! Drives the jobs of one executor, whatever engine it is: collects steps into jobs, submits them, reads their results,
//! asks the engine now and then, tries again what the engine lost, and hands back what became of each step.
//!
//! Three rules keep it right. A job is on disk before the engine hears of it, under a name that the engine can be asked
//! for. What a result file says counts before what the engine says. A job that the engine does not know is neither done
//! nor failed: only when that stays so for long, and no result turned up, it counts as lost.

#[cfg(test)]
mod fake;
mod leave;
mod live;
mod queue;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::courier::Courier;
use super::engine::{Executor, Refusal, Submitted};
use super::job::{self, ByRemote, JobFile, Task};
use super::left::{self, LeftJob};
use super::{Lost, Report};
use crate::data::Workspace;
use crate::event::Watch;
use crate::project::lock::LockedPath;
use crate::project::manifest::Resources;
use crate::run::RunId;
use crate::{Error, Result};
use live::Live;
use queue::{Pace, Queued};

/// The wish to stop, and new steps, are looked for this often at least.
const TICK: Duration = Duration::from_millis(100);
/// Results are looked for as often as this while they come, and less and less often while they don't.
const RESULTS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));
/// The same, where they come by a remote.
const RESULTS_BY_REMOTE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// As often is the engine asked after it was given something, and the less the longer nothing changes.
const QUERIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// For each element that is open, questions are this much farther apart.
const PER_ELEMENT: Duration = Duration::from_millis(20);
/// From one attempt to reach an engine that does not answer, or takes no more jobs, to the next.
const ATTEMPTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What is to be done about a step.
pub enum Order {
    /// Carry it out. `index` is the caller's name for it.
    Run { index: usize, task: Box<Task>, resources: Resources },
    /// Wait for the job that carries it out already.
    Adopt { index: usize, step: String },
    /// End the job that carries it out, and answer when nothing of it runs any more.
    End { step: String, answer: Sender<Result<()>> },
    /// Submit nothing more, and take back what has not begun.
    Halt,
}

/// What became of a step.
#[derive(Debug)]
pub struct Returned {
    pub index: usize,
    pub answer: Answer,
}

#[derive(Debug)]
pub enum Answer {
    /// Its program came to an end, good or not.
    Ended(Box<Ended>),
    Failed(Error),
    /// It was taken back before it began.
    Withdrawn,
}

/// The end of a step's program, and where its files lie.
#[derive(Debug)]
pub struct Ended {
    pub report: Report,
    /// What it printed.
    pub log: PathBuf,
    /// What it measured.
    pub metrics: PathBuf,
    directory: PathBuf,
    place: usize,
    /// What it made, and who fetches it from where it is.
    made: Vec<LockedPath>,
    courier: Option<Arc<Courier>>,
}

impl Ended {
    /// Brings what it made to where it belongs, where that is not there already.
    pub fn bring(&self, workspace: &Workspace, watch: Watch<'_>) -> Result<()> {
        match &self.courier {
            Some(courier) => courier.bring(&self.made, workspace, watch),
            None => Ok(()),
        }
    }

    /// Notes that the end was told and was not good, so that the step is run again when it is asked for again.
    pub fn tell(&self) -> Result<()> {
        left::write_told(&self.directory, self.place)
    }
}

/// How an executor is to be driven.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The executor's name in the manifest.
    pub name: String,
    /// So many steps become one element of a job; found out where nothing is said.
    pub pack: Option<usize>,
    /// So many elements may be submitted at once.
    pub most: usize,
    /// So often is a step submitted again that the engine lost.
    pub retries: u64,
    /// So long is an engine waited for that does not answer.
    pub patience: Duration,
    /// What was submitted is ended when the user wants to stop, instead of left to itself.
    pub cancel_on_exit: bool,
    /// The program on the other side.
    pub program: PathBuf,
    /// The project's directory, as the other side sees it too.
    pub root: PathBuf,
    /// Where its logs lie, below `.mlx`: the same, unless the project is a working copy of another one.
    pub home: PathBuf,
    /// Where jobs lie, below it.
    pub jobs: PathBuf,
    pub scratch: PathBuf,
    pub run: RunId,
    /// Who brings files there and back, where both sides do not see the same ones.
    pub courier: Option<Arc<Courier>>,
}

impl Settings {
    /// The job that these steps become, `pack` of them an element.
    pub(in crate::executor) fn job(&self, tasks: &[Task], resources: &Resources, pack: usize) -> JobFile {
        let mut resources = resources.clone();
        // An element's time is all its steps' together.
        resources.time = resources.time.map(|time| time * u32::try_from(pack.min(tasks.len())).unwrap_or(u32::MAX));
        JobFile {
            version: job::VERSION,
            name: JobFile::name(&self.root, &self.run, tasks),
            executor: self.name.clone(),
            run: self.run.clone(),
            root: self.root.clone(),
            home: self.home.clone(),
            resources,
            pack,
            remote: self
                .courier
                .as_ref()
                .map(|courier| ByRemote { name: courier.name.clone(), url: courier.url.clone() }),
        }
    }
}

/// Drives the jobs of one executor.
pub struct Driver<'a> {
    executor: Box<dyn Executor>,
    settings: Settings,
    watch: Watch<'a>,
    back: Box<dyn Fn(Returned) + Send + 'a>,
    queue: VecDeque<Queued>,
    pace: Pace,
    lives: Vec<Live<'a>>,
    /// How many steps somebody waits for.
    wanted: usize,
    halted: bool,
    /// Why nothing more is asked of the engine.
    given_up: Option<String>,
    /// Since when, and how often, the engine has not answered.
    silent: Option<(Instant, u32)>,
    next: Next,
    endings: Vec<Ending>,
    most_elements: Option<usize>,
    /// Where the next look at the logs of running steps begins.
    followed: usize,
}

/// When what is due.
struct Next {
    results: Instant,
    results_after: Duration,
    query: Instant,
    query_after: Duration,
}

/// Somebody who waits until nothing of a step runs any more.
struct Ending {
    step: String,
    answer: Sender<Result<()>>,
}

impl<'a> Driver<'a> {
    /// Drives `executor`. What becomes of the steps is told to `back`. Jobs that are `left` from before are there to be
    /// adopted.
    pub fn new(
        executor: Box<dyn Executor>,
        settings: Settings,
        left: Vec<LeftJob>,
        watch: Watch<'a>,
        back: impl Fn(Returned) + Send + 'a,
    ) -> Self {
        let now = Instant::now();
        Self {
            executor,
            settings,
            watch,
            back: Box::new(back),
            queue: VecDeque::new(),
            pace: Pace::default(),
            lives: left.into_iter().map(Live::left).collect(),
            wanted: 0,
            halted: false,
            given_up: None,
            silent: None,
            next: Next { results: now, results_after: RESULTS.0, query: now, query_after: QUERIES.0 },
            endings: Vec::new(),
            most_elements: None,
            followed: 0,
        }
    }

    /// Works until nobody gives orders any more and all steps are back, or the user wants to stop.
    pub fn run(mut self, orders: &Receiver<Order>) {
        if let Some(courier) = &self.settings.courier {
            courier.tidy();
        }
        let mut is_closed = false;
        let mut wait = Duration::ZERO;
        loop {
            let first = match is_closed {
                true => {
                    std::thread::sleep(wait.min(TICK));
                    None
                }
                false => match orders.recv_timeout(wait.min(TICK)) {
                    Ok(order) => Some(order),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => {
                        is_closed = true;
                        None
                    }
                },
            };
            let now = Instant::now();
            first.into_iter().chain(orders.try_iter()).for_each(|order| self.take(order, now));
            if self.watch.interrupt.is_requested() {
                self.leave(orders);
                return;
            }
            if is_closed && self.wanted == 0 && self.endings.is_empty() {
                return;
            }
            wait = self.turn(now).saturating_duration_since(Instant::now());
        }
    }

    fn take(&mut self, order: Order, now: Instant) {
        match order {
            Order::Run { index, task, resources } => {
                self.wanted += 1;
                match &self.given_up {
                    Some(message) => {
                        let error = self.unreachable(message.clone());
                        self.deliver(index, Answer::Failed(error));
                    }
                    None if self.halted => self.deliver(index, Answer::Withdrawn),
                    None => {
                        self.queue.push_back(Queued { index, task: *task, resources, losses: 0, not_before: now });
                        self.pace.order(now);
                    }
                }
            }
            Order::Adopt { index, step } => {
                self.wanted += 1;
                if !self.lives.iter_mut().any(|live| live.adopt(index, &step)) {
                    let error = Error::failed(format!("the job of step `{step}` is gone"))
                        .with_hint("the same command goes on from here");
                    self.deliver(index, Answer::Failed(error));
                }
                self.next.results = now;
                self.next.query = now;
            }
            Order::End { step, answer } => {
                for live in &mut self.lives {
                    live.end(&step);
                }
                self.endings.push(Ending { step, answer });
                self.next.query = now;
                self.cancel_ended();
            }
            Order::Halt => self.halt(now),
        }
    }

    /// Does what is due. Returns when the next thing is.
    fn turn(&mut self, now: Instant) -> Instant {
        if now >= self.next.results {
            let began = Instant::now();
            let found = self.read_results();
            let (least, most) = if self.settings.courier.is_some() { RESULTS_BY_REMOTE } else { RESULTS };
            self.next.results_after = match found {
                true => least,
                false => (self.next.results_after * 3 / 2).clamp(least, most),
            };
            // However many files there are, looking at them takes a small part of the time.
            self.next.results = now + self.next.results_after.max(began.elapsed() * 10);
        }
        let mut next = self.next.results;
        if self.given_up.is_none() {
            next = next.min(self.submit_what_is_ready(now));
            if now >= self.next.query && self.lives.iter().any(Live::is_watched) {
                self.query(now);
            }
            next = next.min(self.next.query.max(now + TICK));
        }
        self.answer_endings();
        if let Some(courier) = &self.settings.courier {
            self.lives.iter().filter(|live| live.is_over()).for_each(|live| courier.remove(&live.job.name));
        }
        self.lives.retain(|live| !live.is_over());
        next
    }

    /// Asks the engine how the jobs are.
    fn query(&mut self, now: Instant) {
        let lives = self.lives.iter().filter(|live| live.is_watched());
        let jobs: Vec<Submitted<'_>> = lives.map(Live::submitted).collect();
        match self.executor.query(&jobs, self.watch.interrupt) {
            Ok(mut known) => {
                self.silent = None;
                self.recall(&mut known);
                self.next.query = now + self.next.query_after.max(self.least_pause());
                self.next.query_after = (self.next.query_after * 3 / 2).min(QUERIES.1);
                self.settle(&known, now);
                self.cancel_ended();
            }
            Err(refusal) => self.next.query = self.put_off(refusal, now),
        }
    }

    /// The time between two questions at least: a large answer is asked for less often.
    fn least_pause(&self) -> Duration {
        let elements: usize = self.lives.iter().map(Live::open_elements).sum();
        (PER_ELEMENT * u32::try_from(elements.min(10_000)).unwrap_or(10_000)).clamp(QUERIES.0, QUERIES.1)
    }

    /// The engine did not answer: waits, or gives up after a while. Returns when to try again.
    fn put_off(&mut self, refusal: Refusal, now: Instant) -> Instant {
        let message = match refusal {
            Refusal::Interrupted => return now,
            Refusal::Unreachable(message) | Refusal::Full(message) => message,
            Refusal::Refused(error) => error.to_string(),
        };
        let (since, times) = self.silent.map_or((now, 0), |(since, times)| (since, times + 1));
        self.silent = Some((since, times));
        if times == 0 {
            self.watch.events.warn(format!("`{}` does not answer ({message}); trying again", self.settings.name));
        }
        let wait = backed_off(times);
        if now + wait < since + self.settings.patience {
            return now + wait;
        }
        self.give_up(message);
        now + wait
    }

    /// The engine has been silent for too long. Its jobs go on.
    fn give_up(&mut self, message: String) {
        self.read_results();
        let queued: Vec<usize> = self.queue.drain(..).map(|queued| queued.index).collect();
        let waiting: Vec<usize> = self.lives.iter_mut().flat_map(Live::let_go).collect();
        for index in queued.into_iter().chain(waiting) {
            let error = self.unreachable(message.clone());
            self.deliver(index, Answer::Failed(error));
        }
        for ending in std::mem::take(&mut self.endings) {
            let _ = ending.answer.send(Err(self.unreachable(message.clone())));
        }
        self.given_up = Some(message);
    }

    fn unreachable(&self, message: String) -> Error {
        let Settings { name, patience, .. } = &self.settings;
        let seconds = patience.as_secs_f64();
        Error::failed(format!("`{name}` has not answered for {seconds:.0} s ({message}; infrastructure)"))
            .with_hint("what it has goes on; `mlx train` comes back to it, and goes on from here")
    }

    fn deliver(&mut self, index: usize, answer: Answer) {
        self.wanted -= 1;
        (self.back)(Returned { index, answer });
    }

    /// The steps of one job, or a part of it, were lost for good.
    fn deliver_lost(&mut self, index: usize, lost: Lost, directory: &Path, place: usize) {
        if let Err(error) = left::write_told(directory, place) {
            self.watch.events.warn(error.to_string());
        }
        self.deliver(index, Answer::Failed(lost.into()));
    }
}

/// The time to the next attempt after so many.
fn backed_off(times: u32) -> Duration {
    (ATTEMPTS.0 * 2_u32.saturating_pow(times.min(10))).min(ATTEMPTS.1)
}

/// A way to give orders to a driver.
pub fn orders() -> (Sender<Order>, Receiver<Order>) {
    mpsc::channel()
}
