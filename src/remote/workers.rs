//! Work shared between threads that mostly wait for a network.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use crate::Result;

/// Carries out `work` on each task, on up to `jobs` threads; stops at the first error, which it returns.
pub fn share<T: Send>(jobs: usize, tasks: Vec<T>, work: impl Fn(T) -> Result<()> + Sync) -> Result<()> {
    let tasks = Mutex::new(tasks.into_iter());
    let next = || tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
    on_threads(jobs, || {
        while let Some(task) = next() {
            work(task).inspect_err(|_| while next().is_some() {})?;
        }
        Ok(())
    })
}

/// Carries out `work` on what `produce` hands over, on `jobs` threads; nothing more than one task for each thread waits.
/// `produce` sees that the receiver is gone when the work has failed.
pub fn pipe<T: Send>(
    jobs: usize,
    produce: impl FnOnce(&dyn Fn(T) -> Result<()>) -> Result<()> + Send,
    work: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    let (sender, receiver) = mpsc::sync_channel::<T>(0);
    let (receiver, has_failed) = (Mutex::new(Some(receiver)), AtomicBool::new(false));
    let next = || {
        let receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let task = receiver.as_ref().and_then(|receiver| receiver.recv().ok());
        task.filter(|_| !has_failed.load(Ordering::Relaxed))
    };
    let close = || {
        has_failed.store(true, Ordering::Relaxed);
        drop(receiver.lock().unwrap_or_else(PoisonError::into_inner).take());
    };
    std::thread::scope(|scope| {
        let hand_over = move |task| sender.send(task).map_err(|_| crate::Error::failed("the transfer stopped"));
        let producer = scope.spawn(move || produce(&hand_over));
        let result = on_threads(jobs, || {
            while let Some(task) = next() {
                work(task).inspect_err(|_| close())?;
            }
            Ok(())
        });
        let produced = producer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A worker's error is why the producer could not go on.
        result.and(produced)
    })
}

fn on_threads(count: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count.max(1)).map(|_| scope.spawn(&work)).collect();
        let results =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        results.collect::<Vec<_>>().into_iter().collect()
    })
}
