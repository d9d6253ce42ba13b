//! The driver against an engine that misbehaves, on a clock of its own.

use std::sync::{Arc, Mutex};

use super::fake::Fake;
use super::*;
use crate::event::{Interrupt, Silent};
use crate::executor::FailureClass;
use crate::executor::job::tests::{run, task};

/// A driver of a fake engine, and what it handed back.
struct Stage {
    dir: tempfile::TempDir,
    fake: Fake,
    driver: Driver<'static>,
    back: Arc<Mutex<Vec<Returned>>>,
    now: Instant,
}

impl Stage {
    fn new(fake: &Fake, change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = Instant::now();
        let mut settings = Settings {
            name: "cluster".into(),
            pack: Some(1),
            most: 1000,
            retries: 3,
            patience: Duration::from_secs(600),
            cancel_on_exit: false,
            program: "mlx".into(),
            root: dir.path().to_path_buf(),
            home: dir.path().to_path_buf(),
            jobs: dir.path().join("jobs"),
            scratch: dir.path().join("scratch"),
            run: run(),
            courier: None,
        };
        change(&mut settings);
        let watch = Watch { events: &Silent, interrupt: Box::leak(Box::new(Interrupt::default())) };
        let back = Arc::new(Mutex::new(Vec::new()));
        let taken = back.clone();
        let driver = Driver::new(Box::new(fake.clone()), settings, Vec::new(), watch, move |returned| {
            taken.lock().unwrap().push(returned);
        });
        Self { dir, fake: fake.clone(), driver, back, now }
    }

    fn order(&mut self, steps: usize) {
        for index in 0..steps {
            let task = Box::new(task(&format!("s{index}")));
            self.driver.take(Order::Run { index, task, resources: Resources::default() }, self.now);
        }
    }

    /// Lets time go on until something holds. Returns how long that took.
    fn until(&mut self, mut holds: impl FnMut(&mut Self) -> bool) -> Duration {
        let began = self.now;
        while !holds(self) {
            assert!(self.now < began + Duration::from_secs(1_000_000), "it never comes to that");
            let next = self.driver.turn(self.now).max(self.now + Duration::from_millis(1));
            let event = self.fake.world().next().unwrap_or(next);
            self.now = next.min(event.max(self.now + Duration::from_millis(1)));
            self.fake.world().advance(self.now);
        }
        self.now - began
    }

    fn until_all_are_back(&mut self) -> Duration {
        self.until(|stage| stage.driver.wanted == 0)
    }

    /// The indexes of those that ended well.
    fn ended(&self) -> Vec<usize> {
        let back = self.back.lock().unwrap();
        let mut ended: Vec<usize> =
            back.iter().filter(|back| matches!(back.answer, Answer::Ended(_))).map(|back| back.index).collect();
        ended.sort_unstable();
        ended
    }

    /// The class of the only failure.
    fn class(&self) -> Option<FailureClass> {
        let back = self.back.lock().unwrap();
        back.iter().find_map(|back| match &back.answer {
            Answer::Failed(error) => error.downcast_ref::<Lost>().map(|lost| lost.class),
            _ => None,
        })
    }
}

#[test]
fn an_answer_that_got_lost_is_found_by_name_and_nothing_is_submitted_twice() {
    let fake = Fake::new(4);
    fake.world().swallowed = 1;
    let mut stage = Stage::new(&fake, |_| {});
    stage.order(3);

    stage.until_all_are_back();

    assert_eq!(stage.ended(), [0, 1, 2]);
    let world = fake.world();
    assert_eq!((world.submissions, world.jobs.len()), (1, 1));
}

#[test]
fn a_job_that_never_came_there_is_submitted_under_another_name() {
    let fake = Fake::new(4);
    fake.world().dropped = 1;
    let mut stage = Stage::new(&fake, |_| {});
    stage.order(3);

    stage.until_all_are_back();

    assert_eq!(stage.ended(), [0, 1, 2]);
    let world = fake.world();
    assert_eq!((world.submissions, world.jobs.len()), (2, 1));
    assert_eq!(std::fs::read_dir(stage.dir.path().join("jobs")).unwrap().count(), 1);
}

#[test]
fn a_job_that_is_forgotten_without_a_result_is_waited_for_and_then_lost() {
    let fake = Fake::new(1);
    fake.world().step = Duration::from_secs(100_000);
    let mut stage = Stage::new(&fake, |settings| settings.retries = 0);
    stage.order(1);
    stage.until(|stage| stage.fake.world().queries > 1);
    fake.world().jobs.clear();

    let waited = stage.until_all_are_back();

    assert_eq!(stage.class(), Some(FailureClass::Infrastructure));
    assert!(waited >= Duration::from_secs(60), "{waited:?}");
}

#[test]
fn an_engine_that_stays_silent_is_given_up_after_the_patience() {
    let fake = Fake::new(1);
    fake.world().is_silent = true;
    let mut stage = Stage::new(&fake, |_| {});
    stage.order(2);

    let waited = stage.until_all_are_back();

    assert!((Duration::from_secs(500)..Duration::from_secs(700)).contains(&waited), "{waited:?}");
    let world = fake.world();
    let calls = world.queries + world.submissions;
    assert!(calls < 60, "{calls}");
}

#[test]
fn what_has_not_begun_is_taken_back_and_what_runs_comes_to_its_end() {
    let fake = Fake::new(2);
    let mut stage = Stage::new(&fake, |_| {});
    stage.order(20);
    stage.until(|stage| !stage.ended().is_empty());

    stage.driver.take(Order::Halt, stage.now);
    stage.until_all_are_back();

    let ended = stage.ended().len();
    assert!((1..20).contains(&ended), "{ended}");
    assert_eq!(stage.back.lock().unwrap().len(), 20);
}

/// Many short steps on many nodes, of which one in twenty fails. Returns the virtual time it took.
fn simulate(steps: usize, nodes: usize, array: usize, queue: usize, most: usize) -> Duration {
    let fake = Fake::new(nodes);
    {
        let mut world = fake.world();
        (world.array, world.queue) = (array, queue);
        world.step = Duration::from_secs(30);
        world.doomed = (0..nodes).step_by(20).collect();
    }
    let mut stage = Stage::new(&fake, |settings| settings.most = most);
    stage.order(steps);
    let began = Instant::now();

    let took = stage.until_all_are_back();

    assert_eq!(stage.ended(), (0..steps).collect::<Vec<_>>(), "each step came back once");
    let world = fake.world();
    let bound = took.as_secs() as usize / 10 + world.submissions * 2 + 20;
    assert!(world.queries <= bound, "{} queries in {took:?}", world.queries);
    assert!(world.most_queued <= queue.min(most), "{} in the queue", world.most_queued);
    assert!(world.doomed.is_empty());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned();
    eprintln!(
        "{steps} steps of 30 s on {nodes} nodes: {} s of the engine, {} submissions, {} queries, at most {} in the \
         queue; {:.1} s of this machine, {peak}",
        took.as_secs(),
        world.submissions,
        world.queries,
        world.most_queued,
        began.elapsed().as_secs_f64()
    );
    took
}

#[test]
fn nothing_is_lost_when_nodes_fail_and_the_engine_is_asked_little() {
    let took = simulate(3000, 60, 101, 500, 400);

    // 57 nodes that stay need 1580 s for it.
    assert!(took < Duration::from_secs(2400), "{took:?}");
}

/// The bar of the bench: `cargo test --release -- --ignored hundred_thousand`.
#[test]
#[ignore = "a bench: benches/train/SLURM.md says how it is run"]
fn a_hundred_thousand_steps_over_a_thousand_nodes() {
    simulate(100_000, 1000, 1001, 10_000, 5000);
}
