//! Threads that do the models' work, with a bounded queue before them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;

use crate::Result;

/// A fixed number of threads that do jobs of one kind; what they can't do at once waits, up to a limit.
pub struct Pool<J> {
    /// Taken when the pool ends, which tells the threads.
    queue: Option<SyncSender<J>>,
    threads: Vec<JoinHandle<()>>,
}

/// The jobs that wait behind the one that a thread has.
pub struct Waiting<'a, J>(&'a Mutex<Receiver<J>>);

impl<J> Waiting<'_, J> {
    /// The next one, if it is there.
    pub fn next(&self) -> Option<J> {
        // Whoever holds the lock waits for a job to come, so that there is none, or has it already.
        self.0.try_lock().ok()?.try_recv().ok()
    }

    /// The next one that comes within this time; nothing where another thread has nothing to do and will take it.
    pub fn next_within(&self, time: Duration) -> Option<J> {
        self.0.try_lock().ok()?.recv_timeout(time).ok()
    }
}

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded;

impl<J: Send + 'static> Pool<J> {
    /// A pool that does jobs so. A panic of the work costs its job and no thread.
    pub fn new(
        workers: usize,
        waiting: usize,
        work: impl Fn(J, &Waiting<'_, J>) + Send + Sync + 'static,
    ) -> Result<Self> {
        let (queue, jobs) = sync_channel(waiting);
        let (jobs, work) = (Arc::new(Mutex::new(jobs)), Arc::new(work));
        let start = |index| {
            let (jobs, work) = (Arc::clone(&jobs), Arc::clone(&work));
            std::thread::Builder::new().name(format!("model {index}")).spawn(move || run(&jobs, &*work))
        };
        let threads = (0..workers).map(start).collect::<Result<_, _>>().context("cannot start a thread")?;
        Ok(Self { queue: Some(queue), threads })
    }

    /// Has this done by one of the threads.
    pub fn submit(&self, job: J) -> Result<(), Overloaded> {
        self.queue.as_ref().ok_or(Overloaded)?.try_send(job).map_err(|_| Overloaded)
    }
}

impl<J> Drop for Pool<J> {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn run<J>(jobs: &Mutex<Receiver<J>>, work: &impl Fn(J, &Waiting<'_, J>)) {
    loop {
        // The lock is held while waiting: one thread waits for a job, the others for their turn to wait.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            // Whoever waits learns of a panic by the reply that never comes; the thread goes on.
            Ok(job) => drop(catch_unwind(AssertUnwindSafe(|| work(job, &Waiting(jobs))))),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    type Job = Box<dyn FnOnce() + Send>;

    fn pool() -> Pool<Job> {
        Pool::new(1, 1, |job: Job, _: &Waiting<'_, Job>| job()).unwrap()
    }

    #[test]
    fn a_panic_costs_one_job_and_no_thread() {
        let pool = pool();
        let (done, is_done) = channel();

        pool.submit(Box::new(|| panic!("a bug"))).unwrap();
        // There is room for it once the other has begun.
        while pool
            .submit(Box::new({
                let done = done.clone();
                move || done.send(7).unwrap()
            }))
            .is_err()
        {}

        assert_eq!(is_done.recv(), Ok(7));
    }

    #[test]
    fn what_does_not_fit_the_queue_is_turned_away() {
        let pool = pool();
        let (started, has_started) = channel();
        let (go_on, may_go_on) = channel::<()>();

        pool.submit(Box::new(move || {
            started.send(()).unwrap();
            may_go_on.recv().unwrap();
        }))
        .unwrap();
        has_started.recv().unwrap();
        let results = [pool.submit(Box::new(|| ())), pool.submit(Box::new(|| ()))];
        go_on.send(()).unwrap();

        assert_eq!(results, [Ok(()), Err(Overloaded)]);
    }
}
