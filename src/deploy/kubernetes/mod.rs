//! A target in a Kubernetes cluster: images in a registry, one Deployment for each release, and a Service that leads to one.
//!
//! A release comes up beside the live one, is waited for and asked in its pod, and only then the Service is told to lead there,
//! in one request. Everything goes through the `kubectl` of this machine. What is remembered lies there too ([`state`]); what
//! the objects look like is [`objects`], and their pods are [`workload`].

mod forward;
mod images;
mod manifests;
mod objects;
mod state;
mod workload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub use images::Workshop;
pub use manifests::{Manifests, Written};
pub use objects::Serving;

use self::forward::Forward;
use self::objects::{SETTINGS, Served, TARGET, canary_pods};
use self::state::State;
use self::workload::{Trouble, Workload, Workloads};
use super::history::{self, Entry};
use super::place::Place;
use super::repository::Repository;
use super::split::{self, Split};
use super::{Answer, Cache, Candidate, Check, Front, Stored, Target, gone, probe};
use crate::bundle::{Bundle, Description, File};
use crate::event::{Event, EventSink, Silent, Watch};
use crate::project::manifest::Health;
use crate::{Digest, Error, Result};

/// A target in a cluster.
pub struct Kubernetes {
    stored: Stored,
    state: Arc<State>,
    workloads: Arc<Workloads>,
    workshop: Workshop,
    events: Arc<dyn EventSink>,
}

impl Kubernetes {
    /// Nothing is asked yet.
    pub fn new(serving: Serving, registry: Repository, workshop: Workshop) -> Self {
        let access = &workshop.reach.access;
        let (events, interrupt) = (access.events.clone(), access.interrupt.clone());
        let workloads = Arc::new(Workloads::new(serving, access));
        let state = Arc::new(State { registry, workloads: workloads.clone() });
        let stored = Stored::new(state.clone(), workshop.reach.cache.clone(), events.clone(), interrupt);
        Self { stored, state, workloads, workshop, events }
    }

    /// What to apply for this bundle. Its contents and its image are sent to the registry before, unless it is only a plan;
    /// the cluster is not asked anything.
    pub fn manifests(&self, bundle: &Bundle, is_plan: bool, watch: Watch<'_>) -> Result<Manifests> {
        let description = served(bundle.description())?;
        let serving = &self.workloads.serving;
        let image = match is_plan {
            true => self.workshop.plan(serving, bundle, watch)?,
            false => {
                self.stored.bring(bundle, watch)?;
                self.workshop.bring(serving, bundle, &self.state.registry, watch)?
            }
        };
        let release = bundle.digest();
        Ok(Manifests {
            release,
            model: description.model.name.clone(),
            version: description.model.version,
            image: serving.reference(&image),
            sent: !is_plan,
            name: serving.cluster.name.clone(),
            objects: serving.rolling(Served { release, description, image }),
        })
    }

    fn workload(&self, release: &Digest) -> Result<Option<Workload>> {
        let workloads = self.workloads.list()?;
        Ok(workloads.into_iter().find(|workload| !workload.is_canary() && workload.release == *release))
    }

    /// A way to a pod that answers with `release` beside those of `track`; `None` where none is ready.
    fn way(&self, release: &Digest, track: &Digest, watch: Watch<'_>) -> Result<Option<(Forward, String)>> {
        let pods = self.workloads.pods(release, track)?;
        let Some(pod) = pods.into_iter().find(|pod| pod.is_ready) else { return Ok(None) };
        Ok(Some((Forward::open(&self.workloads, &pod.name, watch.interrupt)?, pod.name)))
    }

    /// So many pods a canary of this part has beside the live release.
    fn pods_of_canary(&self, percent: u8) -> Result<u64> {
        let live = self.live()?.map(|live| self.workload(&live)).transpose()?.flatten();
        let pods = live.map_or(0, |live| live.pods);
        match canary_pods(pods, percent) {
            0 => {
                let (least, enough) = (100_u64.div_ceil(pods + 1), (100 - u64::from(percent)).div_ceil(percent.into()));
                Err(Error::usage(format!(
                    "{percent} % of the requests are less than one pod beside {pods}, and a Service knows nothing smaller"
                ))
                .with_hint(format!("say `--canary {least}%`, or `replicas = {enough}` and deploy once more before")))
            }
            canary => Ok(canary),
        }
    }

    /// Ends all canaries but this one.
    fn end_canaries(&self, but: Option<&Digest>) -> Result<()> {
        let canaries = self.workloads.list()?.into_iter().filter(Workload::is_canary);
        canaries
            .filter(|canary| but != Some(&canary.release))
            .try_for_each(|canary| self.workloads.delete(&canary.name))
    }

    /// Brings a canary up beside the live release.
    fn start_canary(&self, split: &Split) -> Result<()> {
        let workloads = &self.workloads;
        let pods = self.pods_of_canary(split.percent)?;
        let live = self.live()?.ok_or_else(|| Error::failed("nothing is live that a canary could stand beside"))?;
        let release = split.release;
        let missing = || gone(&release, &self.place());
        let description = self.description(&release)?.ok_or_else(missing)?;
        let image = self.workload(&release)?.and_then(|workload| workload.image).ok_or_else(missing)?;
        self.end_canaries(Some(&release))?;
        workloads.apply(&[workloads.serving.canary(
            Served { release, description: &description, image },
            &live,
            pods,
        )])?;
        let deadline = Instant::now() + workloads.serving.health.timeout;
        let access = &self.workshop.reach.access;
        let watch = Watch { events: &*self.events, interrupt: &access.interrupt };
        match workloads.wait(&release, &live, pods, deadline, watch) {
            Ok(Ok(())) => Ok(()),
            failed => {
                workloads.delete(&workloads.serving.canary_name(&release))?;
                let Trouble { why, last_lines } = match failed {
                    Ok(Err(trouble)) => trouble,
                    Err(error) => return Err(error),
                    Ok(Ok(())) => return Ok(()),
                };
                let lines: String = last_lines.iter().map(|line| format!("\n    {line}")).collect();
                Err(Error::check(format!("the canary does not come up: {why}{lines}"))
                    .with_hint("`kubectl describe pods` says more"))
            }
        }
    }
}

/// A model that nobody could ask anything needs no pods.
fn served(description: &Description) -> Result<&Description> {
    match &description.serve {
        Some(_) => Ok(description),
        None => Err(Error::usage(format!("`{}` answers no requests, so that a cluster has nothing to run", description.model.name))
            .with_hint("say how it is served: `serve = { onnx = \"…\" }` or `{ python = \"…\" }`; an `oci://` target takes it as it is")),
    }
}

impl Target for Kubernetes {
    fn place(&self) -> String {
        self.stored.place()
    }

    fn lock(&self, owner: &str) -> Result<Box<dyn Send>> {
        self.stored.lock(owner)
    }

    fn live(&self) -> Result<Option<Digest>> {
        self.stored.live()
    }

    fn releases(&self) -> Result<Vec<Digest>> {
        self.stored.releases()
    }

    fn description(&self, release: &Digest) -> Result<Option<Description>> {
        self.stored.description(release)
    }

    /// Besides its contents, whether its objects are as the manifest wants them now.
    fn is_whole(&self, candidate: &Candidate<'_>) -> Result<bool> {
        let Candidate { release, description, .. } = *candidate;
        let Some(workload) = self.workload(&release)? else { return Ok(false) };
        let Some(image) = workload.image else { return Ok(false) };
        let wanted = self.workloads.serving.release(Served { release, description, image });
        let is_as_wanted = workload.settings.as_deref() == wanted[0]["metadata"]["annotations"][SETTINGS].as_str();
        Ok(is_as_wanted && self.stored.is_whole(candidate)?)
    }

    fn missing(&self, candidate: &Candidate<'_>) -> Result<Vec<File>> {
        self.stored.missing(candidate)
    }

    fn upload(&self, bundle: &Bundle, watch: Watch<'_>) -> Result<()> {
        let description = served(bundle.description())?;
        let serving = &self.workloads.serving;
        self.stored.bring(bundle, watch)?;
        let image = self.workshop.bring(serving, bundle, &self.state.registry, watch)?;
        let objects = serving.release(Served { release: bundle.digest(), description, image });
        if objects.len() == 1 && self.workload(&bundle.digest())?.is_some() {
            // What scaled it before is not wanted any more.
            self.workloads.unscale(&serving.name(&bundle.digest()))?;
        }
        self.workloads.apply(&objects)
    }

    fn probe(&self, release: &Digest, check: &Check<'_>, watch: Watch<'_>) -> Result<Answer> {
        if let Some(why) = self.stored.flaw(release)? {
            return Ok(Answer::no(why));
        }
        let workloads = &self.workloads;
        let description = self.description(release)?.ok_or_else(|| gone(release, &self.place()))?;
        let wanted = workloads.serving.cluster.replicas;
        let deadline = Instant::now() + check.health.timeout;
        let pods = self.workload(release)?.map_or(0, |workload| workload.pods);
        // Of one that is busy there may be more.
        if pods < wanted || workloads.serving.cluster.autoscale.is_none() {
            workloads.scale(&workloads.serving.name(release), wanted)?;
        }
        watch.events.note(format!("waiting until {wanted} of its pods are ready"));
        if let Err(Trouble { why, last_lines }) = workloads.wait(release, release, wanted, deadline, watch)? {
            return Ok(Answer::No { why, last_lines });
        }
        let Some((way, pod)) = self.way(release, release, watch)? else {
            return Ok(Answer::no("its pods were ready, and are not any more"));
        };
        let message = format!("asking `{}` {} whether it answers", description.model.name, description.model.version);
        watch.events.emit(Event::Detail { message });
        match probe::ask_release(&way.url, &description, check.health, deadline, watch.interrupt)? {
            Ok(()) => Ok(Answer::Yes),
            Err(why) => {
                let mut pods = workloads.pods(release, release)?;
                pods.retain(|server| server.name == pod);
                Ok(Answer::No { why, last_lines: workloads.last_lines(&pods) })
            }
        }
    }

    fn activate(&self, release: &Digest) -> Result<()> {
        self.stored.activate(release)
    }

    fn try_switch(&self) -> Result<()> {
        self.stored.try_switch()
    }

    fn ask(&self, url: &str, health: &Health, watch: Watch<'_>) -> Result<Answer> {
        self.stored.ask(url, health, watch)
    }

    fn front(&self, release: &Digest, watch: Watch<'_>) -> Result<Option<Front>> {
        let live = self.live()?.unwrap_or(*release);
        let (way, pod) = self.way(release, &live, watch)?.ok_or_else(|| {
            Error::failed(format!(
                "the Service `{}` leads to no pod that is ready",
                self.workloads.serving.cluster.name
            ))
        })?;
        let shown = format!("pod `{pod}` of the Service `{}`", self.workloads.serving.cluster.name);
        Ok(Some(Front { url: way.url.clone(), shown, held: Some(Box::new(way)) }))
    }

    fn where_to_look(&self) -> Option<String> {
        let selector = format!("--selector={TARGET}={}", self.workloads.serving.cluster.name);
        Some(format!("look at its pods: {}", self.workloads.shown(&format!("describe pods {selector}"))))
    }

    fn check_canary(&self, percent: u8) -> Result<()> {
        self.pods_of_canary(percent).map(drop)
    }

    fn divert(&self, split: Option<&Split>) -> Result<()> {
        match split {
            Some(split) => self.start_canary(split)?,
            None => self.end_canaries(None)?,
        }
        split::write(self, split)
    }

    /// The live release runs, and as many of those before it as the manifest says; all others wait without pods.
    fn settle(&self) -> Result<()> {
        let live = self.live()?;
        let earlier =
            history::standing(&self.history(&Silent)?).into_iter().rev().filter(|release| Some(*release) != live);
        let standby = usize::try_from(self.workloads.serving.cluster.standby).unwrap_or(usize::MAX);
        let running: Vec<Digest> = live.into_iter().chain(earlier.take(standby)).collect();
        for workload in self.workloads.list()? {
            if !workload.is_canary() && workload.pods > 0 && !running.contains(&workload.release) {
                self.workloads.scale(&workload.name, 0)?;
            }
        }
        Ok(())
    }

    fn rest(&self) -> Option<&'static str> {
        Some("have its objects taken")
    }

    /// Asks the registry, and asks the cluster whether it would take the objects of a release.
    fn try_rest(&self) -> Result<()> {
        self.state.registry.live()?;
        let serving = &self.workloads.serving;
        let release = Digest::of("mlx target test");
        let mut objects = serving.release(Served { release, description: &objects::example(), image: release });
        objects.push(serving.service(&release));
        self.workloads.try_apply(&objects)
    }

    fn remove(&self, release: &Digest) -> Result<()> {
        self.stored.remove(release)
    }

    fn sweep(&self) -> Result<()> {
        self.stored.sweep()
    }

    fn history(&self, events: &dyn EventSink) -> Result<Vec<Entry>> {
        self.stored.history(events)
    }

    fn append(&self, entry: &Entry) -> Result<()> {
        self.stored.append(entry)
    }

    fn fetch(&self, release: &Digest, cache: &Cache, watch: Watch<'_>) -> Result<PathBuf> {
        self.stored.fetch(release, cache, watch)
    }

    fn document(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.stored.document(name)
    }

    fn set_document(&self, name: &str, bytes: Option<&[u8]>) -> Result<()> {
        self.stored.set_document(name, bytes)
    }
}
