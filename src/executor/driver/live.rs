//! The jobs that were submitted, and what their result files say.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

use super::{Answer, Driver, Ended};
use crate::event::{Event, EventSink};
use crate::executor::engine::Submitted;
use crate::executor::job::{self, JobFile, Task};
use crate::executor::left::{LeftJob, write_told};
use crate::executor::output::Lines;
use crate::executor::results::{Line, Tail, What, fingerprint};
use crate::executor::{End, Report};
use crate::run::log_file;
use crate::{Digest, Error};

/// So many logs are looked at in one turn, so that many steps at once cost no more than a few.
const LOGS_AT_ONCE: usize = 64;

/// A job that was submitted, or perhaps was.
pub struct Live<'a> {
    pub directory: PathBuf,
    pub job: JobFile,
    /// The engine's name for it; `None` where it is not known whether the engine has it.
    pub id: Option<String>,
    pub elements: Vec<Element>,
    pub slots: Vec<Slot<'a>>,
    /// The engine did not know it and its file is gone: whatever starts of it has nothing to do.
    pub is_void: bool,
    /// Why its elements wait, as it was told last.
    pub told: Option<String>,
}

/// An element: one call of `mlx exec-step`.
#[derive(Default)]
pub struct Element {
    results: Tail,
    /// Since when the engine does not know it.
    pub missing: Option<Instant>,
    /// Since when the engine says that it is over, while results are missing.
    pub ended: Option<Instant>,
    /// Somebody wants it to be ended.
    pub must_end: bool,
    /// The engine was told to end it.
    pub is_cancelled: bool,
}

/// A step of a job.
pub struct Slot<'a> {
    pub task: Task,
    /// The caller's name for it, where somebody waits for it.
    pub wanted: Option<usize>,
    /// Whether an earlier `mlx train` submitted it.
    is_adopted: bool,
    /// Somebody waits for it to be over, however.
    pub must_end: bool,
    pub losses: u64,
    pub has_begun: bool,
    pub progress: Progress,
    stream: Option<Stream<'a>>,
}

/// How far a step is.
pub enum Progress {
    Open,
    /// It ended, and nobody asked yet.
    Ended(Box<What>),
    /// It was lost, and nobody asked yet.
    Gone,
    Over,
}

/// The log of a running step.
struct Stream<'a> {
    path: PathBuf,
    tail: Tail,
    lines: Lines<'a>,
}

impl<'a> Live<'a> {
    pub fn new(directory: PathBuf, job: JobFile, id: Option<String>, slots: Vec<Slot<'a>>) -> Self {
        let elements = (0..job.elements(slots.len())).map(|_| Element::default()).collect();
        Self { directory, job, id, elements, slots, is_void: false, told: None }
    }

    /// A job of an earlier `mlx train`.
    pub fn left(left: LeftJob) -> Self {
        let LeftJob { directory, job, tasks, id, is_void, told } = left;
        let slot = |(place, task)| {
            let mut slot = Slot::new(task, None, 0);
            if told.contains(&place) {
                slot.progress = Progress::Over;
            }
            slot
        };
        let slots = tasks.into_iter().enumerate().map(slot).collect();
        Self { is_void, ..Self::new(directory, job, id, slots) }
    }

    pub fn submitted(&self) -> Submitted<'_> {
        Submitted { name: &self.job.name, id: self.id.as_deref() }
    }

    /// The places of the steps of an element.
    pub fn places(&self, element: usize) -> std::ops::Range<usize> {
        self.job.tasks_of(element, self.slots.len())
    }

    pub fn is_over(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot.progress, Progress::Over))
    }

    /// Whether anybody waits for something of it.
    pub fn is_watched(&self) -> bool {
        (0..self.elements.len()).any(|element| self.is_element_watched(element))
    }

    /// Whether anybody waits for something of this element.
    pub fn is_element_watched(&self, element: usize) -> bool {
        self.elements[element].must_end && self.is_element_open(element)
            || self.slots[self.places(element)]
                .iter()
                .any(|slot| slot.is_open() && (slot.wanted.is_some() || slot.must_end))
    }

    pub fn is_element_open(&self, element: usize) -> bool {
        self.slots[self.places(element)].iter().any(Slot::is_open)
    }

    /// Notes that these elements are given up.
    pub fn give_up(&self, elements: &[usize]) {
        for element in elements {
            // Where it can't be written, the engine's own word has to do.
            let _ = std::fs::write(job::void_file(&self.directory, *element), b"");
        }
    }

    pub fn open_elements(&self) -> usize {
        (0..self.elements.len()).filter(|element| self.is_element_open(*element)).count()
    }

    /// Somebody waits for this step from now on. Returns whether it is here.
    pub fn adopt(&mut self, index: usize, step: &str) -> bool {
        let is_it = |slot: &&mut Slot<'_>| slot.task.step == step && !matches!(slot.progress, Progress::Over);
        let Some(slot) = self.slots.iter_mut().find(is_it) else { return false };
        slot.wanted = Some(index);
        slot.is_adopted = true;
        true
    }

    /// The elements with this step are to be ended.
    pub fn end(&mut self, step: &str) {
        for element in 0..self.elements.len() {
            for place in self.places(element) {
                let slot = &mut self.slots[place];
                if slot.task.step != step {
                    continue;
                }
                slot.must_end = true;
                match slot.progress {
                    Progress::Open => self.elements[element].must_end = true,
                    _ => slot.progress = Progress::Over,
                }
            }
        }
    }

    /// Whether this step may still run.
    pub fn has_open(&self, step: &str) -> bool {
        self.slots.iter().any(|slot| slot.task.step == step && slot.is_open())
    }

    /// Nobody waits for its steps any more. Returns those who did.
    pub fn let_go(&mut self) -> Vec<usize> {
        self.slots.iter_mut().filter(|slot| slot.is_open()).filter_map(|slot| slot.wanted.take()).collect()
    }

    /// What the result files say that they did not say before: the place of each step, and what happened to it.
    fn news(&mut self, events: &dyn EventSink) -> Vec<(usize, What)> {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let there: HashSet<usize> =
            names.filter_map(|name| name.strip_suffix(".results").and_then(|element| element.parse().ok())).collect();
        let mut news = Vec::new();
        for element in there {
            if element >= self.elements.len() || !self.is_element_watched(element) {
                continue;
            }
            match self.elements[element].results.lines(&job::results_file(&self.directory, element)) {
                Ok(lines) => {
                    let is_ours = |line: &Line| line.job == self.job.name && line.task < self.slots.len();
                    news.extend(lines.into_iter().filter(is_ours).map(|line| (line.task, line.what)));
                }
                // A file server that stumbles; the next turn comes soon.
                Err(error) => events.emit(Event::Detail { message: error.to_string() }),
            }
        }
        news
    }
}

impl<'a> Slot<'a> {
    pub fn new(task: Task, wanted: Option<usize>, losses: u64) -> Self {
        Self {
            task,
            wanted,
            is_adopted: false,
            must_end: false,
            losses,
            has_begun: false,
            progress: Progress::Open,
            stream: None,
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.progress, Progress::Open)
    }

    /// Its program started, perhaps once more.
    fn begin(&mut self, job: &JobFile, events: &'a dyn EventSink) {
        self.tell_lost(events);
        self.has_begun = true;
        if self.wanted.is_some() {
            let step = self.task.step.clone();
            events.emit(Event::StepStarted { step: step.clone(), cmd: self.task.cmd.clone() });
            let path = log_file(&job.home, &job.run, &step);
            self.stream = Some(Stream { path, tail: Tail::default(), lines: Lines::new(step, events) });
        }
    }

    /// An attempt came to nothing.
    pub fn tell_lost(&mut self, events: &dyn EventSink) {
        if self.stream.take().is_some() {
            let step = self.task.step.clone();
            events.emit(Event::StepFinished { step, outcome: "lost".into(), seconds: 0.0 });
        }
    }

    /// Shows what its program printed since.
    fn follow(&mut self) {
        let Some(Stream { path, tail, lines }) = &mut self.stream else { return };
        // What can't be read now is shown later, or with the error.
        let _ = tail.read(path, |bytes| lines.take(bytes));
    }
}

impl<'a> Driver<'a> {
    /// Takes what the result files say. Returns whether that was anything.
    pub(super) fn read_results(&mut self) -> bool {
        let mut is_news = false;
        if let Some(courier) = &self.settings.courier {
            for live in self.lives.iter().filter(|live| live.is_watched()) {
                let step = |place: usize| live.slots.get(place).map(|slot| slot.task.step.as_str());
                // A remote that stumbles; the next turn comes soon.
                if let Err(error) = courier.look(&live.directory, &live.job, step) {
                    self.watch.events.emit(Event::Detail { message: error.to_string() });
                }
            }
        }
        for number in 0..self.lives.len() {
            if !self.lives[number].is_watched() {
                continue;
            }
            for (place, what) in self.lives[number].news(self.watch.events) {
                is_news = true;
                self.take_news(number, place, what);
            }
        }
        self.answer_kept();
        self.follow_logs();
        is_news
    }

    fn take_news(&mut self, number: usize, place: usize, what: What) {
        let live = &mut self.lives[number];
        let slot = &mut live.slots[place];
        // The first end counts: a machine that was thought dead may come back with a second one.
        if !slot.is_open() {
            return;
        }
        if matches!(what, What::Began) {
            slot.begin(&live.job, self.watch.events);
            return;
        }
        let is_good = matches!(&what, What::Ended { report, .. } if report.end == End::Exited(0));
        if live.elements[place / live.job.pack.max(1)].is_cancelled && !is_good {
            // It ended because it was told to.
            self.take_back(number, place);
            return;
        }
        match slot.wanted {
            Some(_) => self.finish(number, place, what),
            None if slot.must_end => slot.progress = Progress::Over,
            None => slot.progress = Progress::Ended(Box::new(what)),
        }
    }

    /// Steps that ended before somebody asked.
    fn answer_kept(&mut self) {
        for number in 0..self.lives.len() {
            for place in 0..self.lives[number].slots.len() {
                let slot = &mut self.lives[number].slots[place];
                if slot.wanted.is_none() {
                    continue;
                }
                match std::mem::replace(&mut slot.progress, Progress::Open) {
                    Progress::Ended(what) => self.finish(number, place, *what),
                    Progress::Gone => self.run_again(number, place, false),
                    other => slot.progress = other,
                }
            }
        }
    }

    /// Hands back a step that somebody waits for and that came to its end.
    fn finish(&mut self, number: usize, place: usize, what: What) {
        if let What::Failed(message) = &what
            && self.lives[number].slots[place].losses < self.settings.retries
        {
            let what = format!("could not be run: {message}");
            self.submit_again(number, place, &what, false, Instant::now());
            return;
        }
        let live = &mut self.lives[number];
        let slot = &mut live.slots[place];
        let Some(index) = slot.wanted else { return };
        let answer = match what {
            What::Began => return,
            What::Ended { report, outputs, made } => {
                let courier = self.settings.courier.clone();
                if slot.is_adopted && courier.is_none() && is_changed(&live.job, &slot.task, &report, outputs) {
                    self.run_again(number, place, false);
                    return;
                }
                if !slot.has_begun {
                    slot.begin(&live.job, self.watch.events);
                }
                slot.follow();
                if let Some(stream) = slot.stream.take() {
                    stream.lines.finish();
                }
                self.pace.learn(report.seconds);
                Answer::Ended(Box::new(Ended {
                    report,
                    log: log_file(&live.job.home, &live.job.run, &slot.task.step),
                    metrics: job::metrics_file(&live.directory, place),
                    directory: live.directory.clone(),
                    place,
                    made,
                    courier,
                }))
            }
            What::Failed(message) => {
                let step = &slot.task.step;
                if let Err(error) = write_told(&live.directory, place) {
                    self.watch.events.warn(error.to_string());
                }
                Answer::Failed(Error::failed(format!(
                    "step `{step}` could not be run by `{}` (infrastructure): {message}",
                    live.job.executor
                )))
            }
        };
        slot.progress = Progress::Over;
        slot.stream = None;
        self.deliver(index, answer);
    }

    /// Shows what running steps print.
    fn follow_logs(&mut self) {
        let slots = self.lives.iter_mut().flat_map(|live| &mut live.slots);
        let mut running: Vec<_> = slots.filter(|slot| slot.is_open() && slot.stream.is_some()).collect();
        let count = running.len();
        if count == 0 {
            return;
        }
        self.followed %= count;
        running.rotate_left(self.followed);
        running.into_iter().take(LOGS_AT_ONCE).for_each(Slot::follow);
        self.followed += LOGS_AT_ONCE.min(count);
    }
}

/// Whether what the step made is another content by now: while nobody waited, somebody worked on it.
fn is_changed(job: &JobFile, task: &Task, report: &Report, outputs: Digest) -> bool {
    report.end == End::Exited(0) && fingerprint(&job.root, task).ok() != Some(outputs)
}
