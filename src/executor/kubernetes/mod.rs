//! Kubernetes, through its own program: `kubectl`. A job is an Indexed Job, whose pods are the elements.

mod answer;
pub mod kubectl;
mod manifest;
pub mod object;
pub mod pod;

pub use answer::{Server, servers};

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use self::kubectl::Kubectl;
use super::Settings;
use super::engine::{Command, Executor, Known, Refusal, Submission, Submitted};
use super::job::{self, Task};
use crate::Result;
use crate::event::Interrupt;
use crate::project::manifest::{KubernetesSettings, Resources};

/// So many elements a job has at most; Kubernetes would take many more, but not tell of them in a short answer.
const MOST_ELEMENTS: usize = 1000;
/// So many names one `kubectl` is told.
const BATCH: usize = 100;

/// A cluster that the `kubectl` of this machine reaches.
pub struct Kubernetes {
    settings: KubernetesSettings,
    kubectl: Kubectl,
    /// What the user's file says of pods.
    pod: Option<Value>,
    /// The user and the group that pods run as.
    user: (u32, u32),
}

impl Kubernetes {
    /// Reads the user's file of what pods have besides, where the settings name one, in the project's directory `root`.
    pub fn new(settings: KubernetesSettings, root: &Path) -> Result<Self> {
        let pod = pod::more(settings.pod.as_ref(), root)?;
        let kubectl = Kubectl::new(settings.context.clone(), settings.namespace.clone());
        let user = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        Ok(Self { settings, kubectl, pod, user })
    }

    /// The manifests of the jobs that these steps, which take the same resources, would become, by their names. Nothing
    /// is written.
    pub fn manifests(
        &self,
        settings: &Settings,
        tasks: &[Task],
        resources: &Resources,
    ) -> Result<Vec<(String, Value)>> {
        let pack = settings.pack.unwrap_or(1);
        let manifest = |tasks: &[Task]| {
            let job = settings.job(tasks, resources, pack);
            let directory = settings.jobs.join(&job.name);
            let submission = Submission {
                file: &job::file(&directory),
                job: &job,
                elements: job.elements(tasks.len()),
                program: &settings.program,
                logs: &directory,
            };
            Ok((job.name.clone(), self.manifest(&submission)?))
        };
        tasks.chunks(MOST_ELEMENTS.min(settings.most).saturating_mul(pack)).map(manifest).collect()
    }

    /// The manifest of the job, as Kubernetes is given it.
    fn manifest(&self, submission: &Submission<'_>) -> Result<Value> {
        manifest::of(submission, &self.settings, self.pod.as_ref(), self.user)
    }

    /// Runs it, and takes an answer that is none as a refusal.
    fn ask(command: Command, interrupt: &Interrupt) -> Result<String, Refusal> {
        let answer = command.run(interrupt, |_| false)?;
        if answer.is_success { Ok(answer.stdout) } else { Err(answer::refusal(&answer)) }
    }

    fn get(&self, what: &str, jobs: &[&str], interrupt: &Interrupt) -> Result<String, Refusal> {
        let selector = match jobs.len() {
            1..=BATCH => format!("{} in ({})", manifest::JOB, jobs.join(",")),
            // None is named, or a selector of all would be too long.
            _ => format!("{}={}", pod::MANAGER.0, pod::MANAGER.1),
        };
        let arguments = ["get", what, "--output=json", "--selector", &selector];
        Self::ask(self.kubectl.command().args(arguments), interrupt)
    }
}

fn unreadable(error: &serde_json::Error) -> Refusal {
    Refusal::Unreachable(format!("`kubectl` gives no list of jobs: {error}"))
}

impl Executor for Kubernetes {
    fn submit(&self, submission: &Submission<'_>, interrupt: &Interrupt) -> Result<String, Refusal> {
        let manifest = self.manifest(submission).map_err(Refusal::Refused)?;
        let name = submission.job.name.clone();
        let command =
            self.kubectl.command().args(["create", "--output=name", "--filename=-"]).input(manifest.to_string());
        let answer = command.run(interrupt, |_| false)?;
        // A name that is taken is ours: an answer before this one got lost.
        let is_there = answer.is_success || (answer.stderr.contains("AlreadyExists") && answer.stderr.contains(&name));
        if is_there { Ok(name) } else { Err(answer::refusal(&answer)) }
    }

    fn query(&self, jobs: &[Submitted<'_>], interrupt: &Interrupt) -> Result<HashMap<String, Known>, Refusal> {
        let names: Vec<&str> = jobs.iter().map(|job| job.name).collect();
        let listed = self.get("jobs.batch,pods", &names, interrupt)?;
        answer::read(&listed).map_err(|error| unreadable(&error))
    }

    fn cancel(&self, jobs: &[(Submitted<'_>, Vec<usize>)], interrupt: &Interrupt) -> Result<(), Refusal> {
        let (whole, parts): (Vec<_>, Vec<_>) = jobs.iter().partition(|(_, elements)| elements.is_empty());
        let whole: Vec<String> = whole.into_iter().map(|(job, _)| job.name.to_owned()).collect();
        // It stays there until its pods are gone, so that one can see that they are.
        self.delete("jobs.batch", &whole, &["--cascade=foreground"], interrupt)?;
        if parts.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = parts.iter().map(|(job, _)| job.name).collect();
        let listed = self.get("pods", &names, interrupt)?;
        let pods = answer::pods(&listed).map_err(|error| unreadable(&error))?;
        let is_meant = |pod: &answer::Pod| {
            parts.iter().any(|(job, elements)| job.name == pod.job && elements.contains(&pod.element))
        };
        let pods: Vec<String> = pods.into_iter().filter(is_meant).map(|pod| pod.name).collect();
        self.delete("pods", &pods, &[], interrupt)
    }

    fn most_elements(&self, _: &Interrupt) -> usize {
        MOST_ELEMENTS
    }
}

impl Kubernetes {
    fn delete(&self, what: &str, names: &[String], more: &[&str], interrupt: &Interrupt) -> Result<(), Refusal> {
        names.chunks(BATCH).try_for_each(|names| {
            let command = self.kubectl.command().args(["delete", what, "--wait=false", "--ignore-not-found"]);
            Self::ask(command.args(more).args(names), interrupt).map(drop)
        })
    }
}
