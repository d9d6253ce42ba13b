//! What every target does, and what deploying does with one: on a directory, on an object store in memory, and on a fake
//! whose answers are set.

mod bucket;
mod directory;
mod every;
mod manifest;
mod switch;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use tempfile::TempDir;

use super::fake::Fake;
use super::objects::Objects;
use super::*;
use crate::Kind;
use crate::bundle::{Assembly, Content, Lineage, ModelName, PlannedLayer, Source};
use crate::event::{Interrupt, Recorder, Silent};
use crate::fs::quote;
use crate::project::Project;
use crate::remote::{self, Access, Body, Remote, RemoteError, State};
use crate::store::Store;

fn watched<T>(run: impl FnOnce(Watch<'_>) -> T) -> T {
    run(Watch { events: &Silent, interrupt: &Interrupt::default() })
}

/// Where bundles are made.
struct Workshop {
    dir: TempDir,
}

impl Workshop {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A bundle of `churn` in this version, with a weight file of this text and one that all versions share.
    fn bundle(&self, version: u64, weights: &str) -> Bundle {
        let store = Store::open(&self.dir.path().join("store")).unwrap();
        let layer = |path: &str, text: &str| {
            let digest = store.put_bytes(text.as_bytes()).unwrap();
            let file = File { path: path.into(), digest, size: text.len() as u64, executable: false };
            PlannedLayer::weight(Content { file, source: Source::Store })
        };
        let lineage = Lineage {
            run: format!("{version:012}").parse().ok(),
            step: None,
            commit: None,
            params: [("trees".to_owned(), version.into())].into(),
            metrics: BTreeMap::new(),
            data: Vec::new(),
            environment: None,
        };
        let description = Description {
            format: 1,
            model: ModelName { name: "churn".into(), version, description: None },
            serve: None,
            signature: None,
            runtimes: Vec::new(),
            lineage,
            smoke: None,
            files: Vec::new(),
        };
        let layers = vec![layer("model/weights", weights), layer("model/shared", "the same in all")];
        let assembly = Assembly::new(description, layers, &store).unwrap();
        let mut bytes = Vec::new();
        watched(|watch| assembly.write(&store, &mut bytes, watch)).unwrap();
        let path = self.dir.path().join(format!("{version}-{weights}.tar"));
        fs::write(&path, bytes).unwrap();
        Bundle::open(&path).unwrap()
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("target")
    }
}

fn order(health: &Health) -> Order<'_> {
    let check = Check { program: Path::new("/nonexistent"), health };
    Order { name: "production", who: "tester", check, hooks: Hooks::none(), token: None, keep: None }
}

fn deploy_to(target: &dyn Target, bundle: &Bundle) -> Result<Deployed> {
    watched(|watch| deploy(target, bundle, &order(&Health::default()), watch))
}

fn rollback_on(target: &dyn Target) -> Result<RolledBack> {
    watched(|watch| rollback(target, None, &order(&Health::default()), watch))
}

fn outcomes(target: &dyn Target) -> Vec<(Action, Outcome)> {
    target.history(&Silent).unwrap().iter().map(|entry| (entry.action, entry.outcome)).collect()
}

/// Files in memory.
#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Memory {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap()
    }
}

impl Remote for Memory {
    fn url(&self) -> &str {
        "memory"
    }

    fn list(&self, directory: &str) -> Result<Vec<remote::Entry>> {
        let files = self.files();
        let direct = files.iter().filter(|(name, _)| name.rsplit_once('/').map(|(above, _)| above) == Some(directory));
        let entry = |(name, bytes): (&String, &Vec<u8>)| remote::Entry {
            name: name.clone(),
            size: bytes.len() as u64,
            // Another for each time it is written, as a service that counts has it.
            version: format!("{:p}", bytes.as_ptr()),
        };
        Ok(direct.map(entry).collect())
    }

    fn find(&self, name: &str) -> Result<Option<remote::Entry>> {
        let above = name.rsplit_once('/').map_or("", |(above, _)| above);
        Ok(self.list(above)?.into_iter().find(|entry| entry.name == name))
    }

    fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64> {
        let files = self.files();
        let bytes = files.get(name).ok_or_else(|| RemoteError::Missing { name: name.into() })?;
        let range = range.map_or(0..bytes.len(), |range| range.start as usize..range.end as usize);
        let part = bytes.get(range).ok_or_else(|| Error::failed("it ends before"))?;
        sink.write_all(part).unwrap();
        Ok(part.len() as u64)
    }

    fn write(&self, name: &str, body: &Body<'_>) -> Result<()> {
        let mut bytes = Vec::new();
        body.content.open().unwrap().read_to_end(&mut bytes).unwrap();
        self.files().insert(name.into(), bytes);
        Ok(())
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let is_free = !self.files().contains_key(name);
        if is_free {
            self.files().insert(name.into(), bytes.to_vec());
        }
        Ok(is_free)
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.files().remove(name);
        Ok(())
    }

    fn read_state(&self, name: &str) -> Result<Option<State>> {
        Ok(self.files().get(name).map(|bytes| State { bytes: bytes.clone(), tag: Digest::of(bytes).hex() }))
    }

    fn swap(&self, name: &str, seen: Option<&State>, bytes: &[u8]) -> Result<bool> {
        let is_seen = self.read_state(name)?.as_ref() == seen;
        if is_seen {
            self.files().insert(name.into(), bytes.to_vec());
        }
        Ok(is_seen)
    }
}

/// An object store in memory as a target, and its files.
fn stored(workshop: &Workshop) -> (Stored, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    let cache = Cache::new(workshop.dir.path().join("own cache"));
    let place = Arc::new(Objects::new(memory.clone()));
    (Stored::new(place, cache, Arc::new(Silent), Interrupt::default()), memory)
}

/// Runs a claim on every kind of target; those that need a server are among the tests of the program.
fn on_each(claim: impl Fn(&dyn Target, &Workshop)) {
    let workshop = Workshop::new();
    claim(&Fake::default(), &workshop);
    claim(&Directory::open(&workshop.root()).unwrap(), &workshop);
    claim(&stored(&workshop).0, &workshop);
}
