//! Whether a model is asked by the thread that has the request, or by one of its own.
//!
//! Handing a request to another thread and its answer back costs more than a small model takes: twice the kernel has to
//! wake somebody. A model in this process that answers at once, as its last answers say, is asked where the request is,
//! as long as no more ask it at a time than it has workers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A model whose answers take less is quick: so long connections may wait for each other.
const QUICK: Duration = Duration::from_micros(300);
/// So many answers tell how quick it is; each counts for so much of the mean.
const ANSWERS: u64 = 8;

/// How quick a model is, and how many ask it now.
#[derive(Debug, Default)]
pub struct Pace {
    answers: AtomicU64,
    /// A moving mean, in nanoseconds.
    mean_ns: AtomicU64,
    asking: AtomicUsize,
}

/// Somebody asks; over when dropped, and then the pace is known better.
pub struct Turn<'a> {
    pace: &'a Pace,
    begun: Instant,
}

impl Pace {
    /// Begins, however many ask already.
    pub fn begin(&self) -> Turn<'_> {
        self.asking.fetch_add(1, Ordering::Relaxed);
        Turn { pace: self, begun: Instant::now() }
    }

    /// Begins where the model is quick and less than `workers` ask it.
    pub fn begin_at_once(&self, workers: usize) -> Option<Turn<'_>> {
        let is_quick = self.answers.load(Ordering::Relaxed) >= ANSWERS
            && u128::from(self.mean_ns.load(Ordering::Relaxed)) < QUICK.as_nanos();
        let more = |asking| (asking < workers).then_some(asking + 1);
        let is_free = is_quick && self.asking.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        is_free.then(|| Turn { pace: self, begun: Instant::now() })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Self { pace, begun } = self;
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // Of two who do this at once one is not counted, which changes little.
        let mean = pace.mean_ns.load(Ordering::Relaxed);
        let is_first = pace.answers.fetch_add(1, Ordering::Relaxed) == 0;
        let mean = if is_first { took } else { mean - mean / ANSWERS + took / ANSWERS };
        pace.mean_ns.store(mean, Ordering::Relaxed);
        pace.asking.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_quick_is_asked_at_once_by_as_many_as_there_are_workers() {
        let pace = Pace::default();
        assert!(pace.begin_at_once(2).is_none(), "nothing is known yet");
        (0..ANSWERS).for_each(|_| drop(pace.begin()));
        pace.mean_ns.store(1000, Ordering::Relaxed);

        let turns = [pace.begin_at_once(2), pace.begin_at_once(2), pace.begin_at_once(2)];
        assert_eq!(turns.each_ref().map(Option::is_some), [true, true, false]);
        drop(turns);
        assert!(pace.begin_at_once(1).is_some());
    }

    #[test]
    fn one_slow_answer_makes_a_model_slow_until_it_proves_itself_again() {
        let pace = Pace::default();
        (0..ANSWERS).for_each(|_| drop(pace.begin()));
        pace.mean_ns.store(1000, Ordering::Relaxed);
        let mut turn = pace.begin_at_once(1).unwrap();
        turn.begun -= Duration::from_millis(20);
        drop(turn);

        assert!(pace.begin_at_once(1).is_none());
        (0..40).for_each(|_| drop(pace.begin()));
        assert!(pace.begin_at_once(1).is_some());
    }
}
