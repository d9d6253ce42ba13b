//! A small engine for tests: it has nodes, limits and a clock of its own, writes the results that `mlx exec-step` would
//! write, and can lose nodes, jobs and answers.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::event::Interrupt;
use crate::executor::engine::{Executor, Known, Refusal, State, Submission, Submitted};
use crate::executor::job;
use crate::executor::report::tests::report;
use crate::executor::results::{self, Line, What};
use crate::executor::{End, FailureClass, Report};
use crate::{Digest, Error};

/// After this time a job that is over is forgotten, as Slurm does.
const REMEMBERED: Duration = Duration::from_secs(300);

#[derive(Clone)]
pub struct Fake(Arc<Mutex<World>>);

/// What the engine has, and how it behaves.
pub struct World {
    pub now: Instant,
    /// Limits: elements of a job, elements in the queue.
    pub array: usize,
    pub queue: usize,
    /// What a step takes.
    pub step: Duration,
    /// Nodes that are free, and those that fail in the middle of what they do next.
    pub free: Vec<usize>,
    pub doomed: HashSet<usize>,
    pub is_silent: bool,
    /// The next jobs are taken and the answer gets lost, or not even taken.
    pub swallowed: usize,
    pub dropped: usize,
    pub jobs: BTreeMap<u64, FakeJob>,
    pub queries: usize,
    pub submissions: usize,
    pub most_queued: usize,
    waiting: VecDeque<(u64, usize)>,
    running: BTreeMap<(Instant, u64, usize), usize>,
}

pub struct FakeJob {
    pub name: String,
    directory: PathBuf,
    pack: usize,
    tasks: usize,
    elements: HashMap<usize, State>,
    over: Option<Instant>,
}

impl Fake {
    pub fn new(nodes: usize) -> Self {
        Self(Arc::new(Mutex::new(World {
            now: Instant::now(),
            array: 1001,
            queue: 10_000,
            step: Duration::from_secs(1),
            free: (0..nodes).collect(),
            doomed: HashSet::new(),
            is_silent: false,
            swallowed: 0,
            dropped: 0,
            jobs: BTreeMap::new(),
            queries: 0,
            submissions: 0,
            most_queued: 0,
            waiting: VecDeque::new(),
            running: BTreeMap::new(),
        })))
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

impl World {
    /// When the next element ends.
    pub fn next(&self) -> Option<Instant> {
        self.running.keys().next().map(|(end, ..)| *end)
    }

    /// Lets time go on.
    pub fn advance(&mut self, to: Instant) {
        self.start();
        while let Some((end, id, element)) = self.running.keys().next().copied().filter(|(end, ..)| *end <= to) {
            self.now = end;
            let node = self.running.remove(&(end, id, element)).unwrap();
            let fails = self.doomed.remove(&node);
            let job = self.jobs.get_mut(&id).unwrap();
            job.write_results(element, fails);
            let state = match fails {
                true => State::Lost(FailureClass::Infrastructure, "was on a node that failed".into()),
                false => State::Ended,
            };
            job.end(element, state, end);
            if !fails {
                self.free.push(node);
            }
            self.start();
        }
        self.now = to;
        self.jobs.retain(|_, job| job.over.is_none_or(|over| to < over + REMEMBERED));
    }

    /// Starts what waits on what is free.
    fn start(&mut self) {
        while !self.waiting.is_empty()
            && let Some(node) = self.free.pop()
        {
            let (id, element) = self.waiting.pop_front().unwrap();
            let job = self.jobs.get_mut(&id).unwrap();
            job.elements.insert(element, State::Running);
            let steps = u32::try_from(job.places(element).len()).unwrap();
            self.running.insert((self.now + self.step * steps, id, element), node);
        }
    }

    fn queued(&self) -> usize {
        self.waiting.len() + self.running.len()
    }
}

impl FakeJob {
    fn places(&self, element: usize) -> std::ops::Range<usize> {
        (element * self.pack).min(self.tasks)..((element + 1) * self.pack).min(self.tasks)
    }

    /// A node that fails leaves the results of the first half, and the beginning of the next step.
    fn write_results(&self, element: usize, fails: bool) {
        let places = self.places(element);
        let half = places.start + places.len() / 2;
        let path = job::results_file(&self.directory, element);
        let tell = |task, what| {
            let line = Line { job: self.name.clone(), task, restart: 0, host: "node".into(), what };
            // Who cancelled the job may have deleted it.
            let _ = results::append(&path, &line);
        };
        for place in places {
            tell(place, What::Began);
            if fails && place == half {
                return;
            }
            let report = Report { has_log: false, last_lines: Vec::new(), ..report(End::Exited(0), "") };
            tell(place, What::Ended { report, outputs: Digest::of(""), made: Vec::new() });
        }
    }

    fn end(&mut self, element: usize, state: State, at: Instant) {
        self.elements.insert(element, state);
        let is_over = |state: &State| matches!(state, State::Ended | State::Lost(..));
        self.over = self.elements.values().all(is_over).then_some(at);
    }
}

impl Executor for Fake {
    fn submit(&self, submission: &Submission<'_>, _: &Interrupt) -> Result<String, Refusal> {
        let mut world = self.world();
        world.submissions += 1;
        if world.is_silent {
            return Err(Refusal::Unreachable("nobody there".into()));
        }
        if world.dropped > 0 {
            world.dropped -= 1;
            return Err(Refusal::Unreachable("lost on the way".into()));
        }
        if submission.elements > world.array {
            return Err(Refusal::Refused(Error::usage("invalid job array specification")));
        }
        if world.queued() + submission.elements > world.queue {
            return Err(Refusal::Full("too many jobs".into()));
        }
        let (job, tasks) = job::read(submission.file, |_| 0..usize::MAX).unwrap().unwrap();
        let id = world.jobs.keys().next_back().map_or(1, |last| last + 1);
        let elements = (0..submission.elements).map(|element| (element, State::Waiting(None))).collect();
        let directory = submission.file.parent().unwrap().to_path_buf();
        let fake = FakeJob { name: job.name, directory, pack: job.pack, tasks: tasks.len(), elements, over: None };
        world.jobs.insert(id, fake);
        world.waiting.extend((0..submission.elements).map(|element| (id, element)));
        world.most_queued = world.most_queued.max(world.queued());
        if world.swallowed > 0 {
            world.swallowed -= 1;
            return Err(Refusal::Unreachable("the answer got lost".into()));
        }
        Ok(id.to_string())
    }

    fn query(&self, _: &[Submitted<'_>], _: &Interrupt) -> Result<HashMap<String, Known>, Refusal> {
        let mut world = self.world();
        world.queries += 1;
        if world.is_silent {
            return Err(Refusal::Unreachable("nobody there".into()));
        }
        let known = |(id, job): (&u64, &FakeJob)| {
            (job.name.clone(), Known { id: id.to_string(), elements: job.elements.clone() })
        };
        Ok(world.jobs.iter().map(known).collect())
    }

    fn cancel(&self, jobs: &[(Submitted<'_>, Vec<usize>)], _: &Interrupt) -> Result<(), Refusal> {
        let mut world = self.world();
        let now = world.now;
        for (job, elements) in jobs {
            let named = world.jobs.iter().find(|(_, known)| known.name == job.name).map(|(id, _)| *id);
            let Some(id) = named else { continue };
            let is_meant = |element: usize| elements.is_empty() || elements.contains(&element);
            let waiting: Vec<usize> =
                world.waiting.iter().filter(|(its, element)| *its == id && is_meant(*element)).map(|w| w.1).collect();
            world.waiting.retain(|(its, element)| *its != id || !is_meant(*element));
            let running: Vec<_> =
                world.running.keys().filter(|(_, its, element)| *its == id && is_meant(*element)).copied().collect();
            for key in &running {
                let node = world.running.remove(key).unwrap();
                world.free.push(node);
            }
            let its = world.jobs.get_mut(&id).unwrap();
            for element in waiting.into_iter().chain(running.into_iter().map(|(_, _, element)| element)) {
                its.end(element, State::Lost(FailureClass::Cancelled, "was cancelled from outside".into()), now);
            }
        }
        Ok(())
    }

    fn most_elements(&self, _: &Interrupt) -> usize {
        self.world().array
    }
}
