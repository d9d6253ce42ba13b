//! A working target in memory, for tests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Answer, Cache, Candidate, Check, Entry, Target, gone};
use crate::bundle::{Bundle, Description, File};
use crate::event::{EventSink, Watch};
use crate::project::manifest::Health;
use crate::{Digest, Error, Result};

/// A working target in memory, whose answers are set by the test.
#[derive(Default)]
pub struct Fake {
    locked: Arc<AtomicBool>,
    pub live: Cell<Option<Digest>>,
    releases: RefCell<BTreeMap<Digest, Description>>,
    contents: RefCell<Vec<Digest>>,
    history: RefCell<Vec<Entry>>,
    /// Releases that do not pass the probe.
    pub bad: RefCell<Vec<Digest>>,
    /// Releases for which the target's server does not answer.
    pub silent: RefCell<Vec<Digest>>,
    pub is_full: Cell<bool>,
    /// Where the bundles were that became releases.
    bundles: RefCell<BTreeMap<Digest, PathBuf>>,
    documents: RefCell<BTreeMap<String, Vec<u8>>>,
}

struct Unlock(Arc<AtomicBool>);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Target for Fake {
    fn place(&self) -> String {
        "memory".into()
    }

    fn lock(&self, _: &str) -> Result<Box<dyn Send>> {
        match self.locked.swap(true, Ordering::SeqCst) {
            true => Err(Error::failed("the target is being changed")),
            false => Ok(Box::new(Unlock(self.locked.clone()))),
        }
    }

    fn live(&self) -> Result<Option<Digest>> {
        Ok(self.live.get())
    }

    fn releases(&self) -> Result<Vec<Digest>> {
        Ok(self.releases.borrow().keys().copied().collect())
    }

    fn description(&self, release: &Digest) -> Result<Option<Description>> {
        Ok(self.releases.borrow().get(release).cloned())
    }

    fn is_whole(&self, candidate: &Candidate<'_>) -> Result<bool> {
        Ok(self.releases.borrow().get(&candidate.release) == Some(candidate.description))
    }

    fn missing(&self, candidate: &Candidate<'_>) -> Result<Vec<File>> {
        let mut missing: Vec<File> = Vec::new();
        for file in &candidate.description.files {
            if !self.contents.borrow().contains(&file.digest) && missing.iter().all(|other| other.digest != file.digest)
            {
                missing.push(file.clone());
            }
        }
        Ok(missing)
    }

    fn upload(&self, bundle: &Bundle, _: Watch<'_>) -> Result<()> {
        if self.is_full.get() {
            return Err(Error::failed("no space left"));
        }
        self.contents.borrow_mut().extend(bundle.description().files.iter().map(|file| file.digest));
        self.releases.borrow_mut().insert(bundle.digest(), bundle.description().clone());
        self.bundles.borrow_mut().insert(bundle.digest(), bundle.path().to_path_buf());
        Ok(())
    }

    fn probe(&self, release: &Digest, _: &Check<'_>, _: Watch<'_>) -> Result<Answer> {
        match self.bad.borrow().contains(release) {
            true => Ok(Answer::No { why: "it crashed".into(), last_lines: vec!["panic at line 7".into()] }),
            false => Ok(Answer::Yes),
        }
    }

    fn activate(&self, release: &Digest) -> Result<()> {
        assert!(self.releases.borrow().contains_key(release), "only what lies there becomes live");
        self.live.set(Some(*release));
        Ok(())
    }

    fn try_switch(&self) -> Result<()> {
        Ok(())
    }

    fn ask(&self, _: &str, _: &Health, _: Watch<'_>) -> Result<Answer> {
        let is_silent = self.live.get().is_some_and(|live| self.silent.borrow().contains(&live));
        Ok(if is_silent { Answer::no("connection refused") } else { Answer::Yes })
    }

    fn remove(&self, release: &Digest) -> Result<()> {
        assert_ne!(self.live.get(), Some(*release), "what is live stays");
        self.releases.borrow_mut().remove(release);
        Ok(())
    }

    fn sweep(&self) -> Result<()> {
        let releases = self.releases.borrow();
        let used: Vec<Digest> = releases.values().flat_map(|release| &release.files).map(|file| file.digest).collect();
        self.contents.borrow_mut().retain(|digest| used.contains(digest));
        Ok(())
    }

    fn history(&self, _: &dyn EventSink) -> Result<Vec<Entry>> {
        Ok(self.history.borrow().clone())
    }

    fn append(&self, entry: &Entry) -> Result<()> {
        self.history.borrow_mut().push(entry.clone());
        Ok(())
    }

    fn fetch(&self, release: &Digest, cache: &Cache, watch: Watch<'_>) -> Result<PathBuf> {
        match self.bundles.borrow().get(release) {
            Some(bundle) if self.releases.borrow().contains_key(release) => cache.unpack(&Bundle::open(bundle)?, watch),
            _ => Err(gone(release, &self.place())),
        }
    }

    fn document(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.documents.borrow().get(name).cloned())
    }

    fn set_document(&self, name: &str, bytes: Option<&[u8]>) -> Result<()> {
        let mut documents = self.documents.borrow_mut();
        match bytes {
            Some(bytes) => drop(documents.insert(name.to_owned(), bytes.to_vec())),
            None => drop(documents.remove(name)),
        }
        Ok(())
    }
}
