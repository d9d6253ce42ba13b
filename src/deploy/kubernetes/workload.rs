//! The objects that make pods, and the pods: applied, scaled, waited for, and what they say when they do not come.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use super::objects::{IMAGE, RELEASE, SETTINGS, STOP, Serving, TARGET, TRACK, label};
use crate::deploy::probe::LAST_LINES;
use crate::event::{Interrupt, Watch};
use crate::executor::kubernetes::kubectl::Kubectl;
use crate::executor::kubernetes::object::{Condition, List, Metadata};
use crate::executor::kubernetes::{Server, servers};
use crate::fs::escape;
use crate::project::manifest::Api;
use crate::remote::Access;
use crate::{Digest, Error, Result};

/// How often pods are looked at that are waited for.
const PAUSE: Duration = Duration::from_millis(500);
/// A server that ended so often will end again.
const MOST_RESTARTS: u32 = 2;
/// Who owns what mlx says of an object.
const MANAGER: &str = "--field-manager=mlx";
/// The longest line of a server that is shown.
const LONGEST_LINE: usize = 500;

/// The cluster, and how releases are served in it.
pub(super) struct Workloads {
    pub serving: Serving,
    kubectl: Kubectl,
    interrupt: Interrupt,
}

/// What makes the pods of a release.
#[derive(Debug)]
pub(super) struct Workload {
    pub name: String,
    pub release: Digest,
    pub image: Option<Digest>,
    /// The digest of what was asked for.
    pub settings: Option<String>,
    /// So many pods it is to have.
    pub pods: u64,
    track: String,
    /// Why the cluster makes no pods, in its words.
    why: Option<String>,
}

impl Workload {
    /// Whether it answers beside another release.
    pub fn is_canary(&self) -> bool {
        self.track != label(&self.release)
    }
}

/// Why pods do not come.
pub(super) struct Trouble {
    pub why: String,
    pub last_lines: Vec<String>,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    replicas: u64,
    predictor: Predictor,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Predictor {
    min_replicas: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    conditions: Vec<Condition>,
}

impl Object {
    fn workload(self) -> Option<Workload> {
        let Self { metadata, spec, status } = self;
        if metadata.deletion_timestamp.is_some() {
            return None;
        }
        // A Deployment says that it can't make pods, a service of KServe that it is not ready for a reason.
        let tells = |condition: &&Condition| match condition.kind.as_str() {
            "ReplicaFailure" => condition.status == "True",
            "PredictorReady" => {
                condition.status == "False" && condition.message.as_ref().is_some_and(|message| !message.is_empty())
            }
            _ => false,
        };
        let why = |condition: &Condition| escape(condition.message.as_deref().unwrap_or_default().as_bytes());
        let is_stopped = metadata.annotations.get(STOP).is_some_and(|stopped| stopped == "true");
        Some(Workload {
            release: metadata.annotations.get(RELEASE)?.parse().ok()?,
            image: metadata.annotations.get(IMAGE).and_then(|image| image.rsplit_once('@')?.1.parse().ok()),
            settings: metadata.annotations.get(SETTINGS).cloned(),
            pods: if is_stopped { 0 } else { spec.replicas.max(spec.predictor.min_replicas) },
            track: metadata.labels.get(TRACK)?.clone(),
            why: status.conditions.iter().find(tells).map(why),
            name: metadata.name,
        })
    }
}

impl Workloads {
    pub fn new(serving: Serving, access: &Access) -> Self {
        let kubectl = Kubectl::new(serving.cluster.context.clone(), serving.cluster.namespace.clone());
        Self { serving, kubectl: kubectl.with_patience(&access.patience), interrupt: access.interrupt.clone() }
    }

    /// A call as the user would type it.
    pub fn shown(&self, words: &str) -> String {
        self.kubectl.shown(words)
    }

    /// Runs `kubectl`, and returns what it prints.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String> {
        self.kubectl.run(arguments, input, &self.interrupt)
    }

    /// A `kubectl` that goes on until it is ended.
    pub fn process(&self, arguments: &[&str]) -> std::process::Command {
        self.kubectl.process(arguments)
    }

    /// What makes pods for this target, canaries among it. Objects that mlx did not make are passed over.
    pub fn list(&self) -> Result<Vec<Workload>> {
        let selector = format!("{TARGET}={},{RELEASE},{TRACK}", self.serving.cluster.name);
        let text = self.kubectl(&["get", self.serving.kind(), "--output=json", "--selector", &selector], "")?;
        let list: List<Object> = serde_json::from_str(&text)
            .map_err(|error| Error::failed(format!("`kubectl get {}` gives no list: {error}", self.serving.kind())))?;
        Ok(list.items.into_iter().filter_map(Object::workload).filter(|workload| workload.track != "rolling").collect())
    }

    /// Gives objects to the cluster, as they are to be.
    pub fn apply(&self, objects: &[Value]) -> Result<()> {
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        self.kubectl(&["apply", "--server-side", MANAGER, "--filename=-"], &list.to_string()).map(drop)
    }

    /// Whether the cluster would take these objects.
    pub fn try_apply(&self, objects: &[Value]) -> Result<()> {
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        self.kubectl(&["apply", "--server-side", MANAGER, "--dry-run=server", "--filename=-"], &list.to_string())
            .map(drop)
    }

    /// From now on it has so many pods.
    pub fn scale(&self, name: &str, pods: u64) -> Result<()> {
        let kind = self.serving.kind();
        match self.serving.cluster.api {
            Api::Deployment => self.kubectl(&["scale", kind, name, &format!("--replicas={pods}")], ""),
            // Its number of pods is its own; it can be stopped.
            Api::KServe => self.kubectl(&["annotate", kind, name, "--overwrite", &format!("{STOP}={}", pods == 0)], ""),
        }
        .map(drop)
    }

    /// Takes what makes pods away, and what scales it; the pods end in their own time. What is not there is fine.
    pub fn delete(&self, name: &str) -> Result<()> {
        self.unscale(name)?;
        self.kubectl(&["delete", self.serving.kind(), name, "--ignore-not-found", "--wait=false"], "").map(drop)
    }

    /// Takes what scales it away.
    pub fn unscale(&self, name: &str) -> Result<()> {
        if self.serving.cluster.api == Api::KServe {
            return Ok(());
        }
        let kind = "horizontalpodautoscalers.autoscaling";
        self.kubectl(&["delete", kind, name, "--ignore-not-found", "--wait=false"], "").map(drop)
    }

    /// The pods that answer with `release` beside those of `track`, the ready ones first.
    pub fn pods(&self, release: &Digest, track: &Digest) -> Result<Vec<Server>> {
        let name = &self.serving.cluster.name;
        let selector = format!("{TARGET}={name},{RELEASE}={},{TRACK}={}", label(release), label(track));
        let text = self.kubectl(&["get", "pods", "--output=json", "--selector", &selector], "")?;
        let mut pods =
            servers(&text).map_err(|error| Error::failed(format!("`kubectl get pods` gives no list: {error}")))?;
        pods.retain(|pod| !pod.is_going);
        pods.sort_by_key(|pod| !pod.is_ready);
        Ok(pods)
    }

    /// Waits until so many pods are ready; `Err` in the inside says why they are not.
    pub fn wait(
        &self,
        release: &Digest,
        track: &Digest,
        wanted: u64,
        deadline: Instant,
        watch: Watch<'_>,
    ) -> Result<Result<(), Trouble>> {
        let began = Instant::now();
        let mut told = String::new();
        loop {
            watch.interrupt.check()?;
            let pods = self.pods(release, track)?;
            let ready = pods.iter().filter(|pod| pod.is_ready).count() as u64;
            if ready >= wanted {
                return Ok(Ok(()));
            }
            let why = self.why(&pods, release, track)?;
            let is_hopeless = pods.iter().any(|pod| !pod.is_ready && pod.restarts >= MOST_RESTARTS);
            if is_hopeless || Instant::now() >= deadline {
                let seconds = began.elapsed().as_secs_f64().round();
                let why = why.map_or(String::new(), |why| format!(": {why}"));
                let why = format!("{ready} of {wanted} pods are ready after {seconds} s{why}");
                return Ok(Err(Trouble { why, last_lines: self.last_lines(&pods) }));
            }
            if let Some(why) = why.filter(|why| *why != told) {
                watch.events.note(format!("waiting for pods: {why}"));
                told = why;
            }
            std::thread::sleep(PAUSE.min(deadline.saturating_duration_since(Instant::now())));
        }
    }

    /// Why pods are not ready, as far as somebody says.
    fn why(&self, pods: &[Server], release: &Digest, track: &Digest) -> Result<Option<String>> {
        if let Some(why) = pods.iter().filter(|pod| !pod.is_ready).find_map(|pod| pod.why.clone()) {
            return Ok(Some(why));
        }
        let track = label(track);
        let workloads = self.list()?;
        let its = workloads.into_iter().find(|workload| workload.release == *release && workload.track == track);
        match its {
            Some(workload) => Ok(workload.why),
            None => Ok(Some("what makes them is gone".into())),
        }
    }

    /// What the server of a pod that is not ready printed last.
    pub fn last_lines(&self, pods: &[Server]) -> Vec<String> {
        let bad = pods.iter().filter(|pod| !pod.is_ready).max_by_key(|pod| pod.restarts).or(pods.first());
        let Some(pod) = bad else { return Vec::new() };
        let tail = format!("--tail={LAST_LINES}");
        let container = format!("--container={}", self.serving.container());
        let read = |more: &[&str]| {
            let arguments = [&["logs", &pod.name, &container, &tail], more].concat();
            self.kubectl(&arguments, "").unwrap_or_default()
        };
        let mut text = read(&[]);
        if text.trim().is_empty() && pod.restarts > 0 {
            text = read(&["--previous"]);
        }
        let lines = text.lines().map(|line| escape(&line.as_bytes()[..line.len().min(LONGEST_LINE)]));
        let lines: Vec<String> = lines.collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].to_vec()
    }
}
