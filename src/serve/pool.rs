//! Threads that do the models' work, with a bounded queue before them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context;
use tokio::sync::oneshot;

use crate::Result;

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads; what they can't do at once waits, up to a limit.
pub struct Pool {
    /// Taken when the pool ends, which tells the threads.
    queue: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoResult {
    /// The queue is full.
    Overloaded,
    /// The work panicked.
    Panicked,
}

impl Pool {
    pub fn new(workers: usize, waiting: usize) -> Result<Self> {
        let (queue, jobs) = sync_channel(waiting);
        let jobs = Arc::new(Mutex::new(jobs));
        let start = |index| {
            let jobs = Arc::clone(&jobs);
            std::thread::Builder::new().name(format!("model {index}")).spawn(move || work(&jobs))
        };
        let threads = (0..workers).map(start).collect::<Result<_, _>>().context("cannot start a thread")?;
        Ok(Self { queue: Some(queue), threads })
    }

    /// Has this done by one of the threads; not at all once nobody waits for the result any more.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, NoResult> {
        let (reply, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            if !reply.is_closed() {
                let _ = reply.send(work());
            }
        });
        let queue = self.queue.as_ref().ok_or(NoResult::Overloaded)?;
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => NoResult::Overloaded,
            TrySendError::Disconnected(_) => NoResult::Panicked,
        })?;
        result.await.map_err(|_| NoResult::Panicked)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: one thread waits for a job, the others for their turn to wait.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            // Whoever waits learns of a panic by the reply that never comes; the thread goes on.
            Ok(job) => drop(catch_unwind(AssertUnwindSafe(job))),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_panic_costs_one_result_and_no_thread() {
        let pool = Pool::new(1, 1).unwrap();

        assert_eq!(block_on(pool.run(|| -> u8 { panic!("a bug") })), Err(NoResult::Panicked));
        assert_eq!(block_on(pool.run(|| 7)), Ok(7));
    }

    #[test]
    fn what_does_not_fit_the_queue_is_turned_away() {
        let pool = Pool::new(1, 1).unwrap();
        let (started, has_started) = std::sync::mpsc::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();

        let results = block_on(async {
            let running = pool.run(move || {
                started.send(()).unwrap();
                may_go_on.recv().unwrap();
            });
            let mut running = std::pin::pin!(running);
            // The first poll hands the job over.
            assert!(poll_once(running.as_mut()).is_none());
            has_started.recv().unwrap();
            let mut waiting = std::pin::pin!(pool.run(|| ()));
            assert!(poll_once(waiting.as_mut()).is_none());
            let turned_away = pool.run(|| ()).await;
            go_on.send(()).unwrap();
            (running.await, waiting.await, turned_away)
        });

        assert_eq!(results, (Ok(()), Ok(()), Err(NoResult::Overloaded)));
    }

    /// Polls once.
    fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match future.poll(&mut cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
