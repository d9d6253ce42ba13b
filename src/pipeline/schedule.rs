//! The schedule: steps start as soon as what they need is done and processors are free.

use std::any::Any;
use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use super::graph::Graph;
use crate::executor::{Machine, Needs, Share};

/// What a schedule goes by.
pub struct Schedule<'a> {
    pub graph: &'a Graph<'a>,
    /// The steps to be done, in order.
    pub steps: &'a [usize],
    /// Processors that may be taken at once.
    pub jobs: u64,
    /// What else steps take, perhaps beside those of another schedule.
    pub machine: &'a Arc<Machine>,
    /// Go on with what does not depend on a step that failed.
    pub keep_going: bool,
    /// Whether the step's program runs elsewhere, so that it takes one processor here, before and after that.
    pub is_away: &'a dyn Fn(usize) -> bool,
}

/// How the work on a step ended, as far as the others care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Good,
    Failed,
    /// Nothing more is to be started.
    Stop,
}

/// What became of a turn at a step.
pub enum Turn<T> {
    Done(T),
    /// Its program runs elsewhere; [`News::Back`] comes when that is over.
    Away,
    /// It was not begun after all.
    Withdrawn,
}

/// What the schedule hears of, by the index of the step.
pub enum News<T, R> {
    Turned(usize, thread::Result<Turn<T>>),
    /// What became of a step elsewhere.
    Back(usize, R),
    /// There is more of the machine to be had.
    Room,
    /// Who carries out steps elsewhere panicked.
    Fallen(Box<dyn Any + Send>),
}

/// Both ends of the way by which the schedule hears of news.
pub type Channel<T, R> = (Sender<News<T, R>>, Receiver<News<T, R>>);

/// A way to tell news to the schedule.
pub fn news<T, R>() -> Channel<T, R> {
    mpsc::channel()
}

/// What is done about steps.
pub trait Labour<T, R>: Sync {
    /// A step's turn has come, and this is its share of the machine.
    fn perform(&self, step: usize, share: &Share) -> Turn<T>;
    /// A step is back from elsewhere.
    fn resume(&self, step: usize, back: R) -> Turn<T>;
    /// Nothing more is to be started elsewhere either.
    fn halt(&self);
}

impl Schedule<'_> {
    /// Does the steps, several at a time in threads of their own, and gives each result to `done`, in the order in which
    /// they end. Steps that could not be started are not among them.
    pub fn carry_out<T: Send + 'static, R: Send + 'static>(
        &self,
        labour: &impl Labour<T, R>,
        (sender, receiver): Channel<T, R>,
        mut done: impl FnMut(usize, T) -> Ending,
    ) {
        let mut open = vec![None; self.graph.steps.len()];
        // Where a step stands in the order, so that the earlier ones start first.
        let mut place = vec![usize::MAX; self.graph.steps.len()];
        for (position, step) in self.steps.iter().enumerate() {
            place[*step] = position;
        }
        for step in self.steps {
            open[*step] = Some(self.graph.needs[*step].iter().filter(|needed| place[**needed] != usize::MAX).count());
        }
        let mut ready: BTreeSet<usize> =
            self.steps.iter().filter(|step| open[**step] == Some(0)).map(|step| place[*step]).collect();
        let mut free = self.jobs.max(1);
        let mut running = 0;
        // What is back may be heard of before it is known to be away.
        let mut away = 0_isize;
        let mut back: VecDeque<(usize, R)> = VecDeque::new();
        let mut may_start = true;
        let bell = sender.clone();
        let _listening = self.machine.listen(move || drop(bell.send(News::Room)));
        thread::scope(|scope| {
            loop {
                // What is back goes first: others may wait for it.
                while free > 0
                    && let Some((step, answer)) = back.pop_front()
                {
                    free -= self.cpus(step);
                    running += 1;
                    let sender = sender.clone();
                    scope.spawn(move || {
                        let turn = catch_unwind(AssertUnwindSafe(|| labour.resume(step, answer)));
                        let _ = sender.send(News::Turned(step, turn));
                    });
                }
                while may_start && let Some((position, share)) = self.next(&ready, free) {
                    ready.remove(&position);
                    let step = self.steps[position];
                    free -= self.cpus(step);
                    running += 1;
                    let sender = sender.clone();
                    scope.spawn(move || {
                        let turn = catch_unwind(AssertUnwindSafe(|| labour.perform(step, &share)));
                        // Given back before the next one looks for it.
                        drop(share);
                        let _ = sender.send(News::Turned(step, turn));
                    });
                }
                // Steps that are ready may wait for what another schedule has.
                let is_waiting = may_start && !ready.is_empty();
                if running == 0 && away == 0 && back.is_empty() && !is_waiting {
                    return;
                }
                let (step, turn) = match receiver.recv().expect("a sender lives as long as this loop") {
                    News::Turned(step, turn) => (step, turn),
                    News::Back(step, answer) => {
                        away -= 1;
                        back.push_back((step, answer));
                        continue;
                    }
                    News::Room => continue,
                    News::Fallen(panic) => resume_unwind(panic),
                };
                running -= 1;
                free += self.cpus(step);
                let result = match turn.unwrap_or_else(|panic| resume_unwind(panic)) {
                    Turn::Done(result) => result,
                    Turn::Away => {
                        away += 1;
                        continue;
                    }
                    Turn::Withdrawn => continue,
                };
                let may_go_on = match done(step, result) {
                    Ending::Good => {
                        for next in &self.graph.needed_by[step] {
                            let Some(count) = &mut open[*next] else { continue };
                            *count -= 1;
                            if *count == 0 {
                                ready.insert(place[*next]);
                            }
                        }
                        true
                    }
                    Ending::Failed => self.keep_going,
                    Ending::Stop => false,
                };
                if may_start && !may_go_on {
                    may_start = false;
                    labour.halt();
                }
            }
        });
    }

    /// The first step that is ready and fits, and its share.
    fn next(&self, ready: &BTreeSet<usize>, free: u64) -> Option<(usize, Share)> {
        if free == 0 {
            return None;
        }
        // Of many steps that need the same, one shows that there is too little.
        let mut refused: Vec<Needs> = Vec::new();
        ready.iter().copied().find_map(|position| {
            let step = self.steps[position];
            let needs = self.needs(step);
            if self.cpus(step) > free || refused.contains(&needs) {
                return None;
            }
            let share = self.machine.take(needs);
            if share.is_none() {
                refused.push(needs);
            }
            Some((position, share?))
        })
    }

    fn needs(&self, step: usize) -> Needs {
        if (self.is_away)(step) {
            return Needs::default();
        }
        let resources = &self.graph.steps[step].resources;
        Needs { memory_bytes: resources.memory_bytes.unwrap_or(0), gpus: resources.gpus }
    }

    /// A step that wants more than there is takes all.
    fn cpus(&self, step: usize) -> u64 {
        if (self.is_away)(step) { 1 } else { self.graph.steps[step].resources.cpus.clamp(1, self.jobs.max(1)) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::executor::machine::tests::machine;
    use crate::project::{Lock, MANIFEST, Project};

    /// Does the steps of the manifest, of which those named `bad…` fail. Returns the names in the order of their ends,
    /// and how many processors were taken at most.
    fn carry_out(manifest: &str, jobs: u64, keep_going: bool) -> (Vec<String>, u64) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST), manifest).unwrap();
        let project = Project::open(dir.path()).unwrap();
        let graph = Graph::of(&project, &Lock::default()).unwrap();
        let is_away = |step: usize| graph.steps[step].name.starts_with("far");
        let machine = machine(10_000_000_000, 2);
        let schedule =
            Schedule { graph: &graph, steps: &graph.order, jobs, machine: &machine, keep_going, is_away: &is_away };
        let crew = Crew {
            graph: &graph,
            jobs,
            taken: AtomicU64::new(0),
            most: AtomicU64::new(0),
            far: Mutex::default(),
            gpus: Mutex::default(),
            memory: AtomicU64::new(0),
        };
        let (sender, receiver) = news();
        *crew.far.lock().unwrap() = Some(sender.clone());
        let names = Mutex::new(Vec::new());
        schedule.carry_out(&crew, (sender, receiver), |step, ()| {
            let name = graph.steps[step].name.clone();
            let ending = if name.starts_with("bad") { Ending::Failed } else { Ending::Good };
            names.lock().unwrap().push(name);
            ending
        });
        let most = crew.most.into_inner();
        (names.into_inner().unwrap(), most)
    }

    /// Takes processors for a moment; steps named `far…` come back by themselves.
    struct Crew<'a> {
        graph: &'a Graph<'a>,
        jobs: u64,
        taken: AtomicU64,
        most: AtomicU64,
        far: Mutex<Option<Sender<News<(), ()>>>>,
        /// Those in use.
        gpus: Mutex<BTreeSet<String>>,
        memory: AtomicU64,
    }

    impl Labour<(), ()> for Crew<'_> {
        fn perform(&self, step: usize, share: &Share) -> Turn<()> {
            let bytes = self.graph.steps[step].resources.memory_bytes.unwrap_or(0);
            assert!(self.memory.fetch_add(bytes, Ordering::SeqCst) + bytes <= 10_000_000_000);
            let take = |gpu: &String| assert!(self.gpus.lock().unwrap().insert(gpu.clone()), "{gpu} is given twice");
            share.gpus.iter().for_each(take);
            if self.graph.steps[step].name.starts_with("far") {
                self.far.lock().unwrap().as_ref().unwrap().send(News::Back(step, ())).unwrap();
                return Turn::Away;
            }
            let cpus = self.graph.steps[step].resources.cpus.min(self.jobs);
            self.most.fetch_max(self.taken.fetch_add(cpus, Ordering::SeqCst) + cpus, Ordering::SeqCst);
            thread::yield_now();
            self.gpus.lock().unwrap().retain(|gpu| !share.gpus.contains(gpu));
            self.memory.fetch_sub(bytes, Ordering::SeqCst);
            self.taken.fetch_sub(cpus, Ordering::SeqCst);
            Turn::Done(())
        }

        fn resume(&self, _: usize, (): ()) -> Turn<()> {
            Turn::Done(())
        }

        fn halt(&self) {}
    }

    const DIAMOND: &str = "[step.last]\ncmd='x'\ndeps=['l','r']\n[step.left]\ncmd='x'\ndeps=['f']\nouts=['l']\n\
                           [step.right]\ncmd='x'\ndeps=['f']\nouts=['r']\n[step.first]\ncmd='x'\nouts=['f']\n";

    #[test]
    fn a_step_comes_after_what_it_needs() {
        let (names, _) = carry_out(DIAMOND, 4, false);

        assert_eq!((names[0].as_str(), names[3].as_str()), ("first", "last"));
    }

    #[test]
    fn what_is_carried_out_elsewhere_is_waited_for() {
        let manifest: String = (0..50)
            .map(|step| {
                format!("[step.far{step}]\ncmd='x'\nouts=['o{step}']\n[step.near{step}]\ncmd='x'\ndeps=['o{step}']\n")
            })
            .collect();

        let (names, _) = carry_out(&manifest, 2, false);

        let place = |name: String| names.iter().position(|other| *other == name).unwrap();
        assert_eq!(names.len(), 100);
        assert!((0..50).all(|step| place(format!("far{step}")) < place(format!("near{step}"))));
    }

    #[test]
    fn no_more_processors_are_taken_than_allowed() {
        let manifest: String =
            (0..60).map(|step| format!("[step.s{step}]\ncmd='x'\ncpus={}\n", step % 5 + 1)).collect();

        let (names, most) = carry_out(&manifest, 3, false);

        assert_eq!(names.len(), 60);
        assert!(most <= 3, "{most}");
    }

    #[test]
    fn memory_and_gpus_are_given_to_no_more_steps_than_fit() {
        let manifest: String = (0..60)
            .map(|step| {
                let (gpus, memory) = (step % 3, step % 7 + 1);
                format!("[step.s{step}]\ncmd='x'\nresources = {{ gpus = {gpus}, memory = '{memory}GB' }}\n")
            })
            .collect();

        assert_eq!(carry_out(&manifest, 8, false).0.len(), 60);
    }

    #[test]
    fn two_schedules_share_one_machine() {
        let manifest: String =
            (0..20).map(|step| format!("[step.s{step}]\ncmd='x'\nresources = {{ gpus = 1 }}\n")).collect();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST), manifest).unwrap();
        let project = Project::open(dir.path()).unwrap();
        let graph = Graph::of(&project, &Lock::default()).unwrap();
        let machine = machine(0, 1);
        let crew = Crew {
            graph: &graph,
            jobs: 4,
            taken: AtomicU64::new(0),
            most: AtomicU64::new(0),
            far: Mutex::default(),
            gpus: Mutex::default(),
            memory: AtomicU64::new(0),
        };
        let done = AtomicU64::new(0);

        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let schedule = Schedule {
                        graph: &graph,
                        steps: &graph.order,
                        jobs: 4,
                        machine: &machine,
                        keep_going: false,
                        is_away: &|_| false,
                    };
                    schedule.carry_out(&crew, news(), |_, ()| {
                        done.fetch_add(1, Ordering::SeqCst);
                        Ending::Good
                    });
                });
            }
        });

        assert_eq!(done.into_inner(), 60);
    }

    #[test]
    fn a_failure_stops_all_or_only_what_depends_on_it() {
        let manifest = "[step.bad]\ncmd='x'\nouts=['o']\n[step.after]\ncmd='x'\ndeps=['o']\n[step.beside]\ncmd='x'\n";

        assert_eq!(carry_out(manifest, 1, false).0, ["bad"]);
        assert_eq!(carry_out(manifest, 1, true).0, ["bad", "beside"]);
    }
}
