//! What Slurm's programs say, and what that means.

use std::collections::HashMap;

use crate::executor::FailureClass;
use crate::executor::engine::{Answer, CORRECT, Known, Refusal, State};

/// Name, job, element, state, reason: what [`read`] reads.
pub const FORMAT: &str = "%j|%F|%K|%T|%r";

/// What `squeue` says of the jobs of mlx.
pub fn read(text: &str) -> HashMap<String, Known> {
    let mut jobs: HashMap<String, Known> = HashMap::new();
    for line in text.lines().filter(|line| line.starts_with("mlx-")) {
        let mut fields = line.splitn(5, '|');
        let mut next = || fields.next().unwrap_or_default().trim();
        let (name, id, element, state, reason) = (next(), next(), next(), next(), next());
        let known = jobs.entry(name.to_owned()).or_default();
        known.id = id.to_owned();
        // A job that is no array has `N/A` there.
        known.elements.insert(element.parse().unwrap_or(0), meaning(state, reason));
    }
    jobs
}

/// Job, name, state: what [`read_accounts`] reads.
pub const ACCOUNT_FORMAT: &str = "JobID,JobName,State";

/// What `sacct` says of the jobs of mlx.
pub fn read_accounts(text: &str) -> HashMap<String, Known> {
    let mut jobs: HashMap<String, Known> = HashMap::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, '|');
        let mut next = || fields.next().unwrap_or_default().trim();
        let (id, name, state) = (next(), next(), next());
        // `12`, `12_3`, or `12_[4-7]` for what has not begun.
        let (id, element) = id.split_once('_').unwrap_or((id, "0"));
        let Some(element) = element.parse().ok().filter(|_| name.starts_with("mlx-")) else { continue };
        let known = jobs.entry(name.to_owned()).or_default();
        known.id = id.to_owned();
        // `CANCELLED by 1000`.
        let state = state.split_whitespace().next().unwrap_or_default();
        known.elements.insert(element, meaning(state, ""));
    }
    jobs
}

/// The states are those of `squeue(1)`, "JOB STATE CODES".
fn meaning(state: &str, reason: &str) -> State {
    use FailureClass::{Cancelled, Infrastructure, OutOfMemory, Timeout};
    let lost = |class, what: &str| State::Lost(class, what.to_owned());
    match state {
        "PENDING" if is_exhausted(reason) => lost(Infrastructure, "could not be started in several attempts"),
        "PENDING" => State::Waiting(is_final(reason).then(|| reason.to_owned())),
        "REQUEUED" | "REQUEUE_FED" => State::Waiting(None),
        "REQUEUE_HOLD" | "SPECIAL_EXIT" | "RESV_DEL_HOLD" => lost(Infrastructure, "was put back and is held"),
        "COMPLETED" | "FAILED" => State::Ended,
        "NODE_FAIL" => lost(Infrastructure, "was on a node that failed"),
        "BOOT_FAIL" => lost(Infrastructure, "was to run on a node that did not start"),
        "LAUNCH_FAILED" => lost(Infrastructure, "could not be started"),
        "PREEMPTED" => lost(Infrastructure, "had to give way to another job"),
        "REVOKED" => lost(Infrastructure, "was taken away"),
        "CANCELLED" => lost(Cancelled, "was cancelled from outside"),
        "TIMEOUT" => lost(Timeout, "ran out of the time of its job"),
        "DEADLINE" => lost(Timeout, "did not end before its job's deadline"),
        "OUT_OF_MEMORY" => lost(OutOfMemory, "took more memory than its job has"),
        // RUNNING, COMPLETING, CONFIGURING, SUSPENDED and what future versions bring: not over.
        _ => State::Running,
    }
}

/// Slurm tried to start it several times, and holds it now.
fn is_exhausted(reason: &str) -> bool {
    reason.eq_ignore_ascii_case("JobHoldMaxRequeue") || reason.contains("requeued held")
}

/// Reasons to wait that time alone does not mend.
fn is_final(reason: &str) -> bool {
    const PREFIXES: [&str; 11] = [
        "Partition",
        "BadConstraints",
        "Invalid",
        "JobHeld",
        "job requeued in held state",
        "AccountNotAllowed",
        "QOSNotAllowed",
        "DependencyNeverSatisfied",
        "ReqNodeNotAvail",
        "Nodes required for job are DOWN",
        "Requested node configuration",
    ];
    PREFIXES.iter().any(|prefix| reason.trim_start_matches('(').starts_with(prefix))
}

/// What a program that did not succeed means.
pub fn refusal(program: &str, answer: &Answer) -> Refusal {
    const FULL: [&str; 6] = [
        "temporarily unable to accept job",
        "MaxSubmitJob",
        "job submit limit",
        "MaxJobCount",
        "Resource temporarily unavailable",
        "too many jobs",
    ];
    const UNREACHABLE: [&str; 10] = [
        "Unable to contact slurm controller",
        "Connection refused",
        "Connection timed out",
        "Socket timed out",
        "Zero Bytes were transmitted",
        "Transport endpoint is not connected",
        "standby mode",
        "Slurm controller not responding",
        "authentication",
        "Could not establish a configuration source",
    ];
    answer.refusal(program, &FULL, &UNREACHABLE, CORRECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_job_and_element() {
        let text = "mlx-a-b|12|0|RUNNING|None\nmlx-a-b|12|1|PENDING|Resources\nother|13|N/A|FAILED|None\n\
                    mlx-a-c|14|N/A|CANCELLED|None\n";

        let jobs = read(text);

        let element = |job: &str, element: usize| jobs[job].elements[&element].clone();
        assert_eq!((jobs.len(), jobs["mlx-a-b"].id.as_str()), (2, "12"));
        assert_eq!([element("mlx-a-b", 0), element("mlx-a-b", 1)], [State::Running, State::Waiting(None)]);
        assert!(matches!(element("mlx-a-c", 0), State::Lost(FailureClass::Cancelled, _)));
    }

    #[test]
    fn accounts_are_read_by_job_and_element() {
        let text =
            "12_0|mlx-a|COMPLETED\n12_1|mlx-a|CANCELLED by 0\n12_[2-7]|mlx-a|PENDING\n13|mlx-b|TIMEOUT\n14|x|FAILED\n";

        let jobs = read_accounts(text);

        assert_eq!((jobs.len(), jobs["mlx-a"].id.as_str(), jobs["mlx-a"].elements.len()), (2, "12", 2));
        assert_eq!(jobs["mlx-a"].elements[&0], State::Ended);
        assert!(matches!(jobs["mlx-a"].elements[&1], State::Lost(FailureClass::Cancelled, _)));
        assert!(matches!(jobs["mlx-b"].elements[&0], State::Lost(FailureClass::Timeout, _)));
    }

    #[test]
    fn what_time_does_not_mend_is_told() {
        for reason in ["PartitionTimeLimit", "job requeued in held state"] {
            assert_eq!(meaning("PENDING", reason), State::Waiting(Some(reason.into())));
        }
        assert!(matches!(meaning("PENDING", "JobHoldMaxRequeue"), State::Lost(FailureClass::Infrastructure, _)));
    }

    #[test]
    fn a_refusal_is_told_from_silence_and_from_a_full_queue() {
        let refusal = |stderr: &str| {
            refusal("sbatch", &Answer { is_success: false, stdout: String::new(), stderr: stderr.into() })
        };

        let silent = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)";
        assert!(matches!(refusal(silent), Refusal::Unreachable(_)));
        let full = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying";
        assert!(matches!(refusal(full), Refusal::Full(_)));
        assert!(matches!(refusal("sbatch: error: invalid partition specified: nope"), Refusal::Refused(_)));
    }
}
