//! Runs: what one `mlx train` did, from what, and what came out.
//!
//! Each finished run is a record of the store that never changes. `.mlx/runs.db` is an index of them for listing and
//! finding, with the runs that go on now; it may be deleted and comes back.
//!
//! `mlx train` opens [`Runs`], settles those whose process was killed, starts its own, and finishes it whatever became of
//! it. Who only reads never changes a record.

mod compare;
mod export;
mod index;
pub mod label;
mod log;
pub mod metrics;
mod record;
pub mod remove;
mod summary;

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::Context;

pub use compare::{Changed, Comparison, DataChange, FileChange, MetricDelta, StepChange, compare};
pub use export::{Exported, to_csv, to_json};
pub use label::Label;
pub use log::{Log, LogSource, log_file, log_path};
pub use record::{GpuUse, Host, Io, MetricPoint, Outcome, Run, RunId, RunStep, Status, Trial};
pub use summary::{Filter, Sort, SortBy, Summary, Tally};

use crate::event::EventSink;
use crate::fs::{FileLock, escape};
use crate::project::Project;
use crate::store::Store;
use crate::{Error, Kind, Result};
use index::Index;

/// The version of the record's format that this program writes.
pub const VERSION: u64 = 1;

/// Why a run whose process is gone did not finish, as its record says it.
const GONE: &str = "its process ended before the run did";

/// The runs of a project.
pub struct Runs {
    root: PathBuf,
    store: Store,
    index: Index,
    /// Held while a run goes on, so that others can tell a running process from a dead one.
    alive: Mutex<HashMap<RunId, FileLock>>,
}

impl Runs {
    /// The runs of this project. A damaged index is set aside and made again, and `events` hears of it.
    pub fn open(project: &Project, store: &Store, events: &dyn EventSink) -> Result<Self> {
        let index = Index::open(project, store, events)?;
        Ok(Self { root: project.home().to_path_buf(), store: store.clone(), index, alive: Mutex::default() })
    }

    /// Notes that this run goes on, until [`Runs::finish`] or the end of the process.
    pub fn start(&self, run: &Run) -> Result<()> {
        let path = self.lock_path(&run.id);
        let lock = FileLock::try_exclusive(&path, "mlx train")?
            .map_err(|holder| Error::failed(format!("run {} belongs to {}", run.id, holder.0)))?;
        self.index.put(run, true)?;
        self.alive.lock().expect("no thread panics while it holds the map").insert(run.id.clone(), lock);
        Ok(())
    }

    /// Keeps the finished run for good: its record in the store, then its row in the index.
    pub fn finish(&self, run: &Run) -> Result<()> {
        self.keep(run)?;
        let lock = self.alive.lock().expect("no thread panics while it holds the map").remove(&run.id);
        if lock.is_some() {
            let _ = std::fs::remove_file(self.lock_path(&run.id));
        }
        Ok(())
    }

    /// The run with this name or id, a unique beginning of its id, or `latest`; an `@` before it changes nothing.
    pub fn find(&self, name: &str) -> Result<Run> {
        self.index.refresh()?;
        let name = name.strip_prefix('@').unwrap_or(name);
        let shown = escape(name.chars().take(80).collect::<String>().as_bytes());
        let named = if name == "latest" || name.is_empty() { Vec::new() } else { self.named(name)? };
        let ids = match name {
            "latest" => self.index.latest()?,
            _ if !named.is_empty() => named,
            _ => self.index.starting_with(name)?,
        };
        match ids.as_slice() {
            [id] => self.get(id),
            [] if name == "latest" => {
                Err(Error::usage("there are no runs yet").with_hint("`mlx train` makes the first one"))
            }
            [] => Err(Error::usage(format!("there is no run `{shown}`"))
                .with_hint("`mlx runs` lists them; `latest` is the newest")),
            several => {
                let listed: Vec<&str> = several.iter().take(5).map(RunId::as_str).collect();
                let more = if several.len() > listed.len() { ", …" } else { "" };
                let what = if several.iter().all(|id| id.as_str().starts_with(name)) {
                    "begins the ids"
                } else {
                    "is the name"
                };
                Err(Error::usage(format!("`{shown}` {what} of {} runs", several.len()))
                    .with_hint(format!("say more of the id; there are {}{more}", listed.join(", "))))
            }
        }
    }

    /// The runs that pass the filter, the newest first or as the filter says.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Summary>> {
        self.index.refresh()?;
        let mut labels = self.labels()?;
        let limit = filter.limit.unwrap_or(usize::MAX);
        let enough = if filter.sort.is_some() { usize::MAX } else { limit };
        let mut found = Vec::new();
        let mut names = summary::Names::default();
        for summary in self.index.summaries()? {
            let summary = summary?;
            let mut summary = match summary.status {
                Status::Running if !self.is_alive(&summary.id) => Summary::of(&self.get(&summary.id)?),
                // An older program made the row.
                Status::Finished | Status::Failed | Status::Interrupted if summary.steps.is_none() => {
                    let run = self.get(&summary.id)?;
                    self.index.put(&run, false)?;
                    Summary::of(&run)
                }
                _ => summary,
            };
            if filter.sort.is_some() {
                names.add(&summary);
            }
            summary.label = labels.remove(&summary.id).unwrap_or_default();
            if filter.admits(&summary) {
                found.push(summary);
            }
            if found.len() == enough {
                break;
            }
        }
        if let Some(sort) = &filter.sort {
            names.check(sort)?;
            sort.apply(&mut found);
            found.truncate(limit);
        }
        Ok(found)
    }

    /// Gives the runs whose process was killed their record, so that they are kept as the others are. Returns them.
    pub fn settle(&self) -> Result<Vec<Run>> {
        let mut settled = Vec::new();
        for id in self.index.running()? {
            if self.is_alive(&id) {
                continue;
            }
            let run = self.get(&id)?;
            self.keep(&run)?;
            let _ = std::fs::remove_file(self.lock_path(&id));
            settled.push(run);
        }
        Ok(settled)
    }

    /// The run with this id as its record has it; one that goes on, as it started.
    pub fn get(&self, id: &RunId) -> Result<Run> {
        if let Some(run) = read_record(&self.store, id)? {
            return Ok(run);
        }
        let mut run = self.index.started(id)?.ok_or_else(|| {
            Error::usage(format!("there is no run `{id}`")).with_hint("`mlx runs` lists them; `latest` is the newest")
        })?;
        if run.status == Status::Running && !self.is_alive(id) {
            run.status = Status::Interrupted;
            run.error = Some(GONE.into());
        }
        Ok(run)
    }

    /// Whether the record of this run is here.
    pub fn contains(&self, id: &RunId) -> bool {
        self.store.record(&record_name(id)).is_ok_and(|record| record.is_some())
    }

    /// A run is alive as long as a process holds its lock.
    fn is_alive(&self, id: &RunId) -> bool {
        if self.alive.lock().expect("no thread panics while it holds the map").contains_key(id) {
            return true;
        }
        FileLock::is_held(&self.lock_path(id)).unwrap_or(false)
    }

    fn keep(&self, run: &Run) -> Result<()> {
        let bytes = record::to_bytes(run).context("cannot write the run as JSON")?;
        if !self.store.create_record(&record_name(&run.id), &bytes)? {
            // Only the one who settles a run after a kill can come second, with the same content.
            return self.index.refresh();
        }
        self.index.put(run, false)
    }

    fn lock_path(&self, id: &RunId) -> PathBuf {
        self.root.join(crate::project::STATE).join("locks").join(format!("run-{id}"))
    }

    /// This machine.
    pub fn host() -> Host {
        let system = rustix::system::uname();
        let memory = rustix::system::sysinfo();
        Host {
            name: system.nodename().to_string_lossy().into_owned(),
            os: std::env::consts::OS.into(),
            arch: std::env::consts::ARCH.into(),
            cpus: std::thread::available_parallelism().map_or(1, |count| count.get() as u64),
            memory_bytes: memory.totalram.saturating_mul(u64::from(memory.mem_unit)),
        }
    }
}

impl RunId {
    /// A new id.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 6];
        let mut source = std::fs::File::open("/dev/urandom").context("cannot open `/dev/urandom`")?;
        source.read_exact(&mut bytes).context("cannot read `/dev/urandom`")?;
        Ok(Self::from_bytes(bytes))
    }
}

fn record_name(id: &RunId) -> String {
    format!("runs/{id}")
}

/// The record of a finished run; `None` where there is none.
fn read_record(store: &Store, id: &RunId) -> Result<Option<Run>> {
    let Some(bytes) = store.record(&record_name(id))? else { return Ok(None) };
    let run = parse(&bytes).map_err(|error| error.context(format!("cannot read the record of run {id}")))?;
    Ok(Some(run))
}

/// The run in the bytes of a record, which is to be this one.
pub fn parse_record(bytes: &[u8], id: &RunId) -> Result<Run> {
    let run = parse(bytes)?;
    if run.id == *id { Ok(run) } else { Err(Error::failed(format!("it is that of run {}", run.id))) }
}

fn parse(bytes: &[u8]) -> Result<Run> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u64,
    }
    match serde_json::from_slice::<Versioned>(bytes) {
        Ok(Versioned { version }) if version > VERSION => {
            Err(Error::failed(format!("it has version {version}; this mlx knows up to {VERSION}"))
                .with_hint("install a newer mlx"))
        }
        _ => record::from_bytes(bytes).map_err(|error| {
            Error::new(Kind::Failed, anyhow::Error::new(error).context("it is damaged"))
                .with_hint("`mlx verify` names everything that is missing or damaged")
        }),
    }
}

#[cfg(test)]
mod tests;
