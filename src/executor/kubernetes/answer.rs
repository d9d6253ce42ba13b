//! What `kubectl` says, and what that means.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::kubectl::Cause;
use super::manifest::JOB;
use super::object::{Condition, List, Metadata};
use crate::executor::FailureClass;
use crate::executor::engine::{Answer, CORRECT, Known, Refusal, State};

/// The number of a pod's element.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// Why a container does not start, where time alone does not mend it.
const STUCK: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];
/// So much of a message is shown.
const MOST_WORDS: usize = 200;

/// A Job or a Pod, as far as it matters.
#[derive(Deserialize)]
struct Item {
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    completions: usize,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    reason: Option<String>,
    message: Option<String>,
    completed_indexes: String,
    failed_indexes: String,
    conditions: Vec<Condition>,
    container_statuses: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    state: ContainerState,
    last_state: ContainerState,
    restart_count: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Reason>,
    terminated: Option<Reason>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reason {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    exit_code: i32,
}

/// A pod and the element that it is for.
pub struct Pod {
    pub name: String,
    pub job: String,
    pub element: usize,
}

/// The pods among what `kubectl get` lists.
pub fn pods(text: &str) -> serde_json::Result<Vec<Pod>> {
    let list: List<Item> = serde_json::from_str(text)?;
    let pod = |item: &Item| {
        Some(Pod {
            name: item.metadata.name.clone(),
            job: item.metadata.labels.get(JOB)?.clone(),
            element: item.index()?,
        })
    };
    Ok(list.items.iter().filter_map(pod).collect())
}

/// What `kubectl get jobs,pods` says of the jobs of mlx.
pub fn read(text: &str) -> serde_json::Result<HashMap<String, Known>> {
    let list: List<Item> = serde_json::from_str(text)?;
    let (jobs, others): (Vec<Item>, Vec<Item>) = list.items.into_iter().partition(|item| item.kind == "Job");
    let mut pods: HashMap<(&str, usize), Vec<&Item>> = HashMap::new();
    for pod in others.iter().filter(|item| item.kind == "Pod") {
        if let (Some(job), Some(index)) = (pod.metadata.labels.get(JOB), pod.index()) {
            pods.entry((job.as_str(), index)).or_default().push(pod);
        }
    }
    let known = |job: &Item| {
        let name = job.metadata.name.clone();
        let (completed, failed) = (indexes(&job.status.completed_indexes), indexes(&job.status.failed_indexes));
        let state = |element| {
            let its = pods.get(&(name.as_str(), element)).map_or(&[][..], Vec::as_slice);
            if completed.contains(&element) { State::Ended } else { job.state(its, failed.contains(&element)) }
        };
        let elements = (0..job.spec.completions).map(|element| (element, state(element))).collect();
        (name.clone(), Known { id: name, elements })
    };
    Ok(jobs.iter().map(known).collect())
}

/// A pod that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub name: String,
    pub is_ready: bool,
    /// Whether it is on its way out.
    pub is_going: bool,
    /// So often its container ended and was started again.
    pub restarts: u32,
    /// Why its container ended the last time, or does not start.
    pub why: Option<String>,
}

/// The pods that serve among what `kubectl get` lists.
pub fn servers(text: &str) -> serde_json::Result<Vec<Server>> {
    let list: List<Item> = serde_json::from_str(text)?;
    let server = |item: Item| {
        let restarts = item.status.container_statuses.iter().map(|container| container.restart_count).max();
        Server {
            is_ready: item.condition("Ready").is_some(),
            is_going: item.metadata.deletion_timestamp.is_some(),
            restarts: restarts.unwrap_or_default(),
            why: item.held_up().or_else(|| item.ended()),
            name: item.metadata.name,
        }
    };
    Ok(list.items.into_iter().filter(|item| item.kind == "Pod").map(server).collect())
}

impl Item {
    /// How the container of a pod ended the last time.
    fn ended(&self) -> Option<String> {
        let ended = |container: &Container| {
            let Container { state, last_state, .. } = container;
            state.terminated.as_ref().or(last_state.terminated.as_ref()).map(|ended| match ended.reason.as_str() {
                "OOMKilled" => "its server took more memory than `resources` allow (OOMKilled)".to_owned(),
                "" | "Error" | "Completed" => format!("its server ended with exit code {}", ended.exit_code),
                reason => format!("its server ended: {reason}"),
            })
        };
        self.status.container_statuses.iter().find_map(ended)
    }

    fn index(&self) -> Option<usize> {
        self.metadata.annotations.get(INDEX).or_else(|| self.metadata.labels.get(INDEX))?.parse().ok()
    }

    /// The condition of this kind, where it holds.
    fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.kind == kind && condition.status == "True")
    }

    /// How an element of this job is, which has these pods and is not completed.
    fn state(&self, pods: &[&Item], has_failed: bool) -> State {
        let is_over = |pod: &&&Item| matches!(pod.status.phase.as_str(), "Failed" | "Succeeded");
        if let Some(pod) = pods.iter().find(|pod| !is_over(pod)) {
            return pod.alive();
        }
        let job_is_over = self.condition("Failed").or_else(|| self.condition("Complete"));
        match pods.last() {
            Some(pod) if pod.status.phase == "Succeeded" => State::Ended,
            Some(pod) if has_failed || job_is_over.is_some() => pod.dead(),
            None if self.metadata.deletion_timestamp.is_some() => {
                State::Lost(FailureClass::Cancelled, "was cancelled from outside".into())
            }
            None if has_failed || job_is_over.is_some() => {
                let why = job_is_over.and_then(|condition| condition.message.as_deref());
                let why = why.map_or(String::new(), |why| format!(": {}", shortened(why)));
                State::Lost(FailureClass::Infrastructure, format!("lost its pod{why}"))
            }
            // Its pod comes, or comes again.
            _ => State::Waiting(None),
        }
    }

    /// How a pod is that is not over.
    fn alive(&self) -> State {
        match self.status.phase.as_str() {
            "Pending" => State::Waiting(self.held_up()),
            _ => State::Running,
        }
    }

    /// Why a pod does not start, where time alone does not mend that.
    fn held_up(&self) -> Option<String> {
        let waiting = self.status.container_statuses.iter().filter_map(|container| container.state.waiting.as_ref());
        let mut stuck = waiting.filter(|waiting| STUCK.contains(&waiting.reason.as_str()));
        if let Some(Reason { reason, message, .. }) = stuck.next() {
            return Some(format!("{reason}: {}", shortened(message)));
        }
        let scheduled = self.status.conditions.iter().find(|condition| condition.kind == "PodScheduled");
        let why = scheduled.filter(|condition| condition.reason.as_deref() == Some("Unschedulable"));
        why.map(|why| format!("Unschedulable: {}", shortened(why.message.as_deref().unwrap_or_default())))
    }

    /// Why a pod failed.
    fn dead(&self) -> State {
        use FailureClass::{Infrastructure, OutOfMemory, Timeout};
        let lost = |class, what: &str| State::Lost(class, what.to_owned());
        let reason = self.status.reason.as_deref().unwrap_or_default();
        let containers = &self.status.container_statuses;
        let ended = containers.iter().filter_map(|container| container.state.terminated.as_ref()).next_back();
        if reason == "DeadlineExceeded" {
            return lost(Timeout, "ran out of the time of its job");
        }
        if ended.is_some_and(|ended| ended.reason == "OOMKilled") {
            return lost(OutOfMemory, "took more memory than its job has");
        }
        if let Some(condition) = self.condition("DisruptionTarget") {
            let why = shortened(condition.message.as_deref().or(condition.reason.as_deref()).unwrap_or_default());
            return State::Lost(Infrastructure, format!("had to give way: {why}"));
        }
        match (reason, ended) {
            ("", Some(_)) => State::Ended,
            ("", None) => lost(Infrastructure, "was lost with its node"),
            (reason, _) => {
                let why = shortened(self.status.message.as_deref().unwrap_or_default());
                State::Lost(Infrastructure, format!("lost its pod ({reason}): {why}"))
            }
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MOST_WORDS).collect()
}

/// `0-2,5`.
fn indexes(text: &str) -> HashSet<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

/// What a `kubectl` that did not succeed means.
pub fn refusal(answer: &Answer) -> Refusal {
    let hint = match Cause::of(&answer.stderr) {
        Cause::Unauthorized | Cause::Forbidden => {
            "log in to the cluster, or ask for the right to make Jobs there; `kubectl auth can-i create jobs` tells"
        }
        _ => CORRECT,
    };
    answer.refusal("kubectl", Cause::Quota.signs(), Cause::Unreachable.signs(), hint)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(index: usize, status: Value) -> Value {
        json!({
            "kind": "Pod",
            "metadata": {
                "name": format!("mlx-a-{index}-x"),
                "labels": { JOB: "mlx-a" },
                "annotations": { INDEX: index.to_string() },
            },
            "spec": { "containers": [] },
            "status": status,
        })
    }

    fn states(status: Value, pods: Vec<Value>) -> Vec<State> {
        let job =
            json!({ "kind": "Job", "metadata": { "name": "mlx-a" }, "spec": { "completions": 4 }, "status": status });
        let items: Vec<Value> = [job].into_iter().chain(pods).collect();
        let mut known = read(&json!({ "kind": "List", "items": items }).to_string()).unwrap();
        let elements = known.remove("mlx-a").unwrap().elements;
        (0..4).map(|element| elements[&element].clone()).collect()
    }

    fn class(state: &State) -> Option<FailureClass> {
        match state {
            State::Lost(class, _) => Some(*class),
            _ => None,
        }
    }

    #[test]
    fn elements_are_as_their_pods_are() {
        let unschedulable =
            json!([{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes" }]);
        let pulling = json!([{ "state": { "waiting": { "reason": "ErrImagePull", "message": "no such image" } } }]);
        let pods = vec![
            pod(0, json!({ "phase": "Succeeded" })),
            pod(1, json!({ "phase": "Running" })),
            pod(2, json!({ "phase": "Pending", "conditions": unschedulable })),
            pod(3, json!({ "phase": "Pending", "containerStatuses": pulling })),
        ];

        let states = states(json!({ "active": 3, "completedIndexes": "0" }), pods);

        let waiting = |why: &str| State::Waiting(Some(why.into()));
        let expected =
            [State::Ended, State::Running, waiting("Unschedulable: 0/3 nodes"), waiting("ErrImagePull: no such image")];
        assert_eq!(states, expected);
    }

    #[test]
    fn failures_have_their_class() {
        let failed = |more: Value| {
            let mut status = json!({ "phase": "Failed" });
            status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            status
        };
        let ended = |reason: &str| json!([{ "state": { "terminated": { "reason": reason, "exitCode": 137 } } }]);
        let disrupted = json!([{ "type": "DisruptionTarget", "status": "True", "message": "node is drained" }]);
        let pods = vec![
            pod(0, failed(json!({ "reason": "DeadlineExceeded", "containerStatuses": ended("Error") }))),
            pod(1, failed(json!({ "containerStatuses": ended("OOMKilled") }))),
            pod(2, failed(json!({ "containerStatuses": ended("Error") }))),
            pod(3, failed(json!({ "conditions": disrupted, "containerStatuses": ended("Error") }))),
        ];

        let states = states(json!({ "failedIndexes": "0-2", "conditions": [] }), pods);

        let classes: Vec<_> = states.iter().map(class).collect();
        assert_eq!(classes, [Some(FailureClass::Timeout), Some(FailureClass::OutOfMemory), None, None]);
        // The one that gave way comes again.
        assert_eq!(states[2..], [State::Ended, State::Waiting(None)]);
    }

    #[test]
    fn a_pod_that_is_gone_is_no_end_of_its_element_unless_the_job_says_so() {
        let over = json!([{ "type": "Failed", "status": "True", "reason": "FailedIndexes", "message": "4 failed" }]);

        assert!(states(json!({}), Vec::new()).iter().all(|state| *state == State::Waiting(None)));
        let states = states(json!({ "conditions": over, "completedIndexes": "0-1,3" }), Vec::new());
        assert_eq!(states.iter().filter(|state| **state == State::Ended).count(), 3);
        assert_eq!(states[2], State::Lost(FailureClass::Infrastructure, "lost its pod: 4 failed".into()));
    }

    #[test]
    fn a_refusal_is_told_from_silence_and_from_a_quota() {
        let refusal =
            |stderr: &str| refusal(&Answer { is_success: false, stdout: String::new(), stderr: stderr.into() });

        let silent =
            "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?";
        assert!(matches!(refusal(silent), Refusal::Unreachable(_)));
        let full =
            "Error from server (Forbidden): jobs.batch \"x\" is forbidden: exceeded quota: q, requested: count=1";
        assert!(matches!(refusal(full), Refusal::Full(_)));
        assert!(matches!(refusal("error: unknown namespace"), Refusal::Refused(_)));
    }
}
