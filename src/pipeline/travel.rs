//! Runs and the step cache on their way between this project and a remote.
//!
//! Runs travel as their records, with what is said of them; logs, uncommitted changes and what environments hold go along as
//! objects. What steps made goes when it is asked for, or when the lock names it; a record of the step cache is sent when the
//! remote has all that it names, so that whoever knows a key can have what it stands for.

use std::collections::BTreeSet;

use anyhow::Context;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::cached::{self, CachedStep};
use super::judge::has_whole;
use crate::data::{IMPORTED, Workspace};
use crate::digest::{Object, ObjectKind};
use crate::project::Project;
use crate::remote::records::{Known, Record};
use crate::remote::{Remembered, Transfer};
use crate::run::label::{LABELS, LabelRecord, label_name, read_label};
use crate::run::remove::was_removed;
use crate::run::{Run, RunId, Status, parse_record};
use crate::store::Store;
use crate::store::tree::Tree;
use crate::{Digest, Result};

const RUNS: &str = "runs/";
const STEPS: &str = "steps/";

/// Records that went or came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Travelled {
    pub runs: u64,
    /// Names, tags and notes of runs.
    pub labels: u64,
    /// Entries of the step cache.
    pub steps: u64,
    /// Bytes of records that were sent.
    pub record_bytes: u64,
}

impl Travelled {
    /// Whether nothing went or came.
    pub fn is_nothing(&self) -> bool {
        self.runs + self.labels + self.steps == 0
    }
}

/// Records between a project and a remote.
pub struct Travel<'a> {
    pub project: &'a Project,
    pub workspace: &'a Workspace,
    pub transfer: Transfer<'a>,
    known: Known,
    /// Files of records on the remote that are damaged.
    damaged: Vec<Digest>,
}

impl<'a> Travel<'a> {
    pub fn new(project: &'a Project, workspace: &'a Workspace, transfer: Transfer<'a>) -> Self {
        let known = Known::open(transfer.memory, transfer.remote.url());
        Self { project, workspace, transfer, known, damaged: Vec::new() }
    }

    /// Looks into everything on the remote again, whatever was seen of it before.
    pub fn distrust(&mut self) {
        self.known.forget();
    }

    fn store(&self) -> &'a Store {
        self.workspace.store()
    }

    /// Takes in what others have sent since this machine looked last. What is here already stays as it is.
    pub fn receive(&mut self) -> Result<Travelled> {
        let (store, events) = (self.store(), self.transfer.watch.events);
        let mut travelled = Travelled::default();
        let mut refused = 0;
        let take = |records: Vec<Record>| {
            let mut states = Vec::with_capacity(records.len());
            let mut new = Vec::new();
            for record in records {
                match Incoming::parse(record) {
                    Some(incoming) => {
                        incoming.take_in(store, &mut new, &mut travelled)?;
                        states.push(incoming.state());
                    }
                    None => refused += 1,
                }
            }
            store.put_records(&new)?;
            Ok(states)
        };
        self.damaged = self.transfer.read_records(&mut self.known, take)?;
        if refused > 0 {
            let url = self.transfer.remote.url();
            events.warn(format!("passed over {refused} records on the remote {url} that are not what their names say"));
        }
        Ok(travelled)
    }

    /// The objects by which a run is understood: logs, uncommitted changes, what environments hold; of the runs that the remote
    /// does not have. With `outputs`, what these runs made, as far as it is here.
    pub fn objects_to_send(&self, outputs: &Outputs) -> Result<Vec<Object>> {
        let store = self.store();
        let mut objects = Vec::new();
        for name in store.records("runs")? {
            let Some(id) = name.strip_prefix(RUNS).and_then(|id| id.parse::<RunId>().ok()) else { continue };
            let with_outputs = match outputs {
                Outputs::Locked => false,
                Outputs::Of(runs) => runs.contains(&id),
                Outputs::All => true,
            };
            if self.known.has(&name, "") && !with_outputs {
                continue;
            }
            let Some(run) = read_run(store, &name, &id)? else { continue };
            for digest in run.companions() {
                if let Some(size) = store.size(&digest) {
                    objects.push(Object { kind: ObjectKind::File, digest, size, files: 1 });
                }
            }
            for out in run.steps.iter().flat_map(|step| &step.outs).filter(|_| with_outputs) {
                if has_whole(store, &out.object)? {
                    objects.push(out.object.clone());
                }
            }
        }
        Ok(objects)
    }

    /// The objects of these runs, to be fetched: what they made, and by which they are understood.
    pub fn objects_of(runs: &[Run]) -> Vec<Object> {
        let companion = |digest| Object { kind: ObjectKind::File, digest, size: u64::MAX, files: 1 };
        let made = runs.iter().flat_map(|run| &run.steps).flat_map(|step| &step.outs).map(|out| out.object.clone());
        runs.iter().flat_map(Run::companions).map(companion).chain(made).collect()
    }

    /// Sends the records that the remote does not have; with `dry_run`, only counts them. To be called when the objects are
    /// there.
    pub fn send(&mut self, dry_run: bool) -> Result<Travelled> {
        let store = self.store();
        let mut travelled = Travelled::default();
        let mut records = Vec::new();
        for name in store.records("runs")?.into_iter().filter(|name| !self.known.has(name, "")) {
            let Some(id) = name.strip_prefix(RUNS).and_then(|id| id.parse::<RunId>().ok()) else { continue };
            if read_run(store, &name, &id)?.is_some() {
                travelled.runs += 1;
                records.extend(self.record(name, String::new())?);
            }
        }
        for name in store.records(LABELS)? {
            let id = name.strip_prefix(LABELS).and_then(|rest| rest.strip_prefix('/')?.parse::<RunId>().ok());
            let Some(label) = id.map(|id| read_label(store, &id)).transpose()?.flatten() else { continue };
            // A label of a run that goes on comes with it, when it has ended.
            let is_recorded = store.record(&format!("{RUNS}{}", label.run))?.is_some();
            let state = state_of(&label);
            if is_recorded && !self.known.has(&name, &state) {
                travelled.labels += 1;
                records.extend(self.record(name, state)?);
            }
        }
        let mut remembered = None;
        for name in store.records("steps")?.into_iter().filter(|name| !self.known.has(name, "")) {
            let Some(key) = name.strip_prefix(STEPS).and_then(|hex| Digest::from_hex(hex).ok()) else { continue };
            let Some(cached) = CachedStep::find(store, &key)? else { continue };
            let there = remembered
                .get_or_insert_with(|| Remembered::of_remote(self.transfer.memory, self.transfer.remote.url()));
            let mut is_there = true;
            for out in &cached.outs {
                is_there = is_there && is_whole_there(store, there, &out.object);
            }
            // A plan can't tell what will be there.
            if is_there {
                travelled.steps += 1;
                records.extend(self.record(name, String::new())?);
            }
        }
        let has_news = !records.is_empty() || !self.damaged.is_empty();
        if has_news && !dry_run {
            travelled.record_bytes = self.transfer.send_records(&mut self.known, records, &self.damaged)?;
        }
        Ok(travelled)
    }

    fn record(&self, name: String, state: String) -> Result<Option<(Record, String)>> {
        let Some(bytes) = self.store().record(&name)? else { return Ok(None) };
        let record = serde_json::from_slice(&bytes).with_context(|| format!("cannot read the record `{name}`"))?;
        Ok(Some((Record { name, record }, state)))
    }
}

/// Which outputs go to a remote beside those that the lock names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outputs {
    Locked,
    Of(BTreeSet<RunId>),
    All,
}

/// A record that came from a remote and is what its name says.
enum Incoming {
    Run(Box<Run>, Value),
    Label(LabelRecord),
    Step(Box<CachedStep>),
}

impl Incoming {
    /// `None` for what is no such record; names of other kinds are of a newer mlx.
    fn parse(Record { name, record }: Record) -> Option<Self> {
        let (kind, rest) = name.split_once('/')?;
        let bytes = || serde_json::to_vec(&record).ok();
        match kind {
            "runs" => {
                let id: RunId = rest.parse().ok()?;
                let run = parse_record(&bytes()?, &id).ok().filter(|run| run.status != Status::Running)?;
                Some(Self::Run(Box::new(run), record))
            }
            "steps" => {
                let key = Digest::from_hex(rest).ok()?;
                let cached: CachedStep = serde_json::from_value(record).ok()?;
                let is_fine = cached.version == cached::VERSION && cached.key == key;
                is_fine.then(|| Self::Step(Box::new(cached)))
            }
            LABELS => LabelRecord::parse(&bytes()?, &rest.parse().ok()?).map(Self::Label),
            _ => None,
        }
    }

    /// The name of the record and its state.
    fn state(&self) -> (String, String) {
        match self {
            Self::Run(run, _) => (format!("{RUNS}{}", run.id), String::new()),
            Self::Step(cached) => (format!("{STEPS}{}", cached.key.hex()), String::new()),
            Self::Label(label) => (label_name(&label.run), state_of(label)),
        }
    }

    /// Adds it to what is written, where it is new here.
    fn take_in(&self, store: &Store, new: &mut Vec<(String, Vec<u8>)>, travelled: &mut Travelled) -> Result<()> {
        let (name, _) = self.state();
        match self {
            Self::Run(run, record) => {
                let before = store.record(&name)?;
                // What is no JSON any more is damaged.
                let is_kept =
                    before.as_deref().is_some_and(|bytes| serde_json::from_slice::<IgnoredAny>(bytes).is_ok());
                if !is_kept && !was_removed(store, &run.id)? {
                    if before.is_none() {
                        let mark = json!({ "version": 1, "run": run.id }).to_string();
                        new.push((format!("{IMPORTED}/{}", run.id), mark.into_bytes()));
                    }
                    new.push((name, serde_json::to_vec(record).context("cannot write a run as JSON")?));
                    travelled.runs += 1;
                }
            }
            Self::Step(cached) => {
                if CachedStep::find(store, &cached.key)?.is_none() {
                    new.push(cached.to_record()?);
                    travelled.steps += 1;
                }
            }
            Self::Label(label) => {
                let before = store.record(&name)?;
                let known = before.as_deref().and_then(|bytes| LabelRecord::parse(bytes, &label.run));
                let is_newer = known.is_none_or(|known| known.changed < label.changed);
                let bytes = serde_json::to_vec(label).context("cannot write a label as JSON")?;
                let is_wanted = is_newer && !was_removed(store, &label.run)?;
                if is_wanted && store.replace_record(&name, before.as_deref(), &bytes)? {
                    travelled.labels += 1;
                }
            }
        }
        Ok(())
    }
}

/// Of two states of a label the later one is greater as text.
fn state_of(label: &LabelRecord) -> String {
    format!("{:020}", label.changed.as_microsecond().max(0))
}

/// Takes runs whose outputs were brought here for runs of this store: what they made is to be here from now on.
pub fn settle_in(store: &Store, runs: &[Run]) -> Result<()> {
    runs.iter().try_for_each(|run| store.delete_record(&format!("{IMPORTED}/{}", run.id)))
}

fn read_run(store: &Store, name: &str, id: &RunId) -> Result<Option<Run>> {
    // One that can't be read is `mlx verify`'s business.
    Ok(store.record(name)?.and_then(|bytes| parse_record(&bytes, id).ok()))
}

/// Whether a remote has an object and, for a directory, all that it lists. What a directory lists that is not here can't be
/// told.
fn is_whole_there(store: &Store, remembered: &Remembered, object: &Object) -> bool {
    let mut open = vec![object.clone()];
    while let Some(object) = open.pop() {
        if !remembered.contains(&object.digest) {
            return false;
        }
        if object.is_directory() {
            let Some(tree) = store.read(&object.digest).ok().and_then(|bytes| Tree::decode(&bytes).ok()) else {
                return false;
            };
            open.extend(tree.entries().iter().map(|entry| entry.object.clone()));
        }
    }
    true
}
