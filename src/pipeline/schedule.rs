//! The schedule: steps start as soon as what they need is done and processors are free.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;

use super::graph::Graph;

/// What a schedule goes by.
pub struct Schedule<'a> {
    pub graph: &'a Graph<'a>,
    /// The steps to be done, in order.
    pub steps: &'a [usize],
    /// Processors that may be taken at once.
    pub jobs: u64,
    /// Go on with what does not depend on a step that failed.
    pub keep_going: bool,
}

/// How the work on a step ended, as far as the others care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Good,
    Failed,
    /// Nothing more is to be started.
    Stop,
}

impl Schedule<'_> {
    /// Does the steps with `work`, several at a time in threads of their own, and gives each result to `done`, in the
    /// order in which they end. Steps that could not be started are not among them.
    pub fn carry_out<T: Send>(&self, work: impl Fn(usize) -> T + Sync, mut done: impl FnMut(usize, T) -> Ending) {
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
        let mut may_start = true;
        let (sender, receiver) = mpsc::channel::<(usize, Result<T, Box<dyn Any + Send>>)>();
        let work = &work;
        thread::scope(|scope| {
            loop {
                while let Some(position) = self.next(&ready, free).filter(|_| may_start) {
                    ready.remove(&position);
                    let step = self.steps[position];
                    free -= self.cpus(step);
                    running += 1;
                    let sender = sender.clone();
                    scope.spawn(move || {
                        let result = catch_unwind(AssertUnwindSafe(|| work(step)));
                        let _ = sender.send((step, result));
                    });
                }
                if running == 0 {
                    return;
                }
                let (step, result) = receiver.recv().expect("a sender lives as long as this loop");
                running -= 1;
                free += self.cpus(step);
                let result = result.unwrap_or_else(|panic| resume_unwind(panic));
                match done(step, result) {
                    Ending::Good => {
                        for next in &self.graph.needed_by[step] {
                            let Some(count) = &mut open[*next] else { continue };
                            *count -= 1;
                            if *count == 0 {
                                ready.insert(place[*next]);
                            }
                        }
                    }
                    Ending::Failed => may_start &= self.keep_going,
                    Ending::Stop => may_start = false,
                }
            }
        });
    }

    /// The first step that is ready and fits.
    fn next(&self, ready: &BTreeSet<usize>, free: u64) -> Option<usize> {
        ready.iter().copied().find(|position| self.cpus(self.steps[*position]) <= free)
    }

    /// A step that wants more than there is takes all.
    fn cpus(&self, step: usize) -> u64 {
        self.graph.steps[step].resources.cpus.clamp(1, self.jobs.max(1))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::project::{Lock, MANIFEST, Project};

    /// Does the steps of the manifest, of which those named `bad…` fail. Returns the names in the order of their ends,
    /// and how many processors were taken at most.
    fn carry_out(manifest: &str, jobs: u64, keep_going: bool) -> (Vec<String>, u64) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST), manifest).unwrap();
        let project = Project::open(dir.path()).unwrap();
        let graph = Graph::of(&project, &Lock::default()).unwrap();
        let schedule = Schedule { graph: &graph, steps: &graph.order, jobs, keep_going };
        let (taken, most) = (AtomicU64::new(0), AtomicU64::new(0));
        let names = Mutex::new(Vec::new());
        let work = |step: usize| {
            let cpus = graph.steps[step].resources.cpus.min(jobs);
            most.fetch_max(taken.fetch_add(cpus, Ordering::SeqCst) + cpus, Ordering::SeqCst);
            thread::yield_now();
            taken.fetch_sub(cpus, Ordering::SeqCst);
        };
        schedule.carry_out(work, |step, ()| {
            let name = graph.steps[step].name.clone();
            let ending = if name.starts_with("bad") { Ending::Failed } else { Ending::Good };
            names.lock().unwrap().push(name);
            ending
        });
        (names.into_inner().unwrap(), most.into_inner())
    }

    const DIAMOND: &str = "[step.last]\ncmd='x'\ndeps=['l','r']\n[step.left]\ncmd='x'\ndeps=['f']\nouts=['l']\n\
                           [step.right]\ncmd='x'\ndeps=['f']\nouts=['r']\n[step.first]\ncmd='x'\nouts=['f']\n";

    #[test]
    fn a_step_comes_after_what_it_needs() {
        let (names, _) = carry_out(DIAMOND, 4, false);

        assert_eq!((names[0].as_str(), names[3].as_str()), ("first", "last"));
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
    fn a_failure_stops_all_or_only_what_depends_on_it() {
        let manifest = "[step.bad]\ncmd='x'\nouts=['o']\n[step.after]\ncmd='x'\ndeps=['o']\n[step.beside]\ncmd='x'\n";

        assert_eq!(carry_out(manifest, 1, false).0, ["bad"]);
        assert_eq!(carry_out(manifest, 1, true).0, ["bad", "beside"]);
    }
}
