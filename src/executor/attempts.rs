//! Runs a step's program again where it failed and the step wants that: after a while, and from the beginning but for its
//! checkpoint.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::report::duration;
use super::{End, FailureClass, Job, Report, local};
use crate::event::Watch;
use crate::project::manifest::Retry;
use crate::{Error, Kind, Result};

/// Runs the program until it ends well or `retry` wants no more. `renew` takes away what an attempt left, before the next.
pub fn run(job: &Job<'_>, retry: &Retry, renew: impl Fn() -> Result<()>, watch: Watch<'_>) -> Result<Report> {
    let started = Instant::now();
    let mut earlier: Option<Report> = None;
    let mut attempt = 1;
    loop {
        let ended = local::run(job, attempt, watch).map(|mut report| {
            earlier.iter().for_each(|earlier| report.add_earlier(earlier));
            Report { attempts: attempt, ..report }
        });
        let failure = match &ended {
            Ok(report) => report.class().map(|class| (class, report.predicate())),
            Err(error) if error.kind() == Kind::Failed => {
                Some((FailureClass::Infrastructure, format!("could not be run: {error}")))
            }
            Err(_) => None,
        };
        let total = |ended: Result<Report>| {
            ended.map(|report| match attempt {
                1 => report,
                _ => Report { seconds: started.elapsed().as_secs_f64(), ..report },
            })
        };
        let Some((class, what)) = failure.filter(|(class, _)| retry.wants(*class, attempt)) else {
            return total(ended);
        };
        let delay = retry.delay_after(attempt);
        let begins = match delay.is_zero() {
            true => "begins now".to_owned(),
            false => format!("begins in {}", duration(delay.as_secs_f64())),
        };
        watch.events.warn(format!(
            "step `{}` {what} ({}); attempt {} of {} {begins}",
            job.step,
            class.word(),
            attempt + 1,
            retry.times + 1
        ));
        if is_interrupted_within(delay, watch)? {
            return match ended {
                Ok(report) => total(Ok(Report { end: End::Interrupted, ..report })),
                Err(_) => Err(Error::interrupted()),
            };
        }
        renew()?;
        earlier = ended.ok().or(earlier);
        attempt += 1;
    }
}

/// Waits so long, or until the user wants to stop.
fn is_interrupted_within(delay: Duration, watch: Watch<'_>) -> Result<bool> {
    let bell = watch.interrupt.bell()?;
    let until = Instant::now() + delay;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if watch.interrupt.is_requested() || left.is_zero() {
            return Ok(watch.interrupt.is_requested());
        }
        let left =
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&bell, PollFlags::IN)], Some(&left)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::failed(format!("cannot wait for the next attempt: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::local::tests::job;
    use super::*;
    use crate::event::{Event, Interrupt, Recorder};

    /// Runs a command of which each attempt adds a line to `tries`, as often as `retry` says.
    fn attempts(
        cmd: &str,
        timeout: Option<Duration>,
        retry: &Retry,
        interrupt: &Interrupt,
    ) -> (Report, Vec<String>, String) {
        let dir = tempfile::tempdir().unwrap();
        let events = Recorder::default();
        let cmd = format!("echo try >> tries; {cmd}");
        let job = Job { timeout, ..job(&cmd, dir.path()) };

        let report = run(&job, retry, || Ok(()), Watch { events: &events, interrupt }).unwrap();

        let warnings = events.events().into_iter().filter_map(|event| match event {
            Event::Warning { message, .. } => Some(message),
            _ => None,
        });
        let log = std::fs::read_to_string(&job.log).unwrap_or_default();
        (report, warnings.collect(), log)
    }

    fn retry(times: u64, on: &[FailureClass]) -> Retry {
        Retry { times, on: on.into(), delay: Duration::ZERO }
    }

    #[test]
    fn a_failure_is_tried_again_until_it_ends_well_and_the_log_has_all_of_it() {
        let cmd = "echo out $(wc -l < tries); test $(wc -l < tries) = 3";

        let (report, warnings, log) = attempts(cmd, None, &retry(5, &[FailureClass::Step]), &Interrupt::default());

        assert_eq!((report.end, report.attempts), (End::Exited(0), 3));
        assert_eq!(
            warnings,
            [
                "step `a` stopped with exit code 1 (step); attempt 2 of 6 begins now",
                "step `a` stopped with exit code 1 (step); attempt 3 of 6 begins now"
            ]
        );
        assert_eq!(log, "out 1\n\n[attempt 2]\nout 2\n\n[attempt 3]\nout 3\n");
    }

    #[test]
    fn what_the_step_does_not_name_is_not_tried_again() {
        let timeouts = |times| retry(times, &[FailureClass::Timeout]);
        let (report, warnings, _) = attempts("exit 1", None, &timeouts(5), &Interrupt::default());
        assert_eq!((report.end, report.attempts, warnings.len()), (End::Exited(1), 1, 0));

        let moment = Some(Duration::from_millis(30));
        let (report, ..) = attempts("exec sleep 1000", moment, &timeouts(1), &Interrupt::default());
        assert_eq!((report.class(), report.attempts), (Some(FailureClass::Timeout), 2));
    }

    #[test]
    fn who_wants_to_stop_does_not_wait_for_the_next_attempt() {
        let interrupt = Interrupt::default();
        let long = Retry { delay: Duration::from_secs(1000), ..retry(1, &[FailureClass::Step]) };
        let wish = interrupt.clone();

        let (report, ..) = std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                wish.request();
            });
            attempts("exit 1", None, &long, &interrupt)
        });

        assert_eq!((report.end, report.attempts), (End::Interrupted, 1));
    }
}
