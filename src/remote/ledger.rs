//! Documents on a remote that are created once and never changed, each a file of its own: what many may write at once.
//!
//! Of several who create one name exactly one succeeds, and that is all that is asked of the place. Documents whose names
//! are numbers are remembered on this machine: a listing says which are new.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::memory::{Memory, Seen};
use super::{Entry, Remote, RemoteError, layout, read_small, workers};
use crate::error::ErrorContext;
use crate::fs;
use crate::{Error, Result};

/// The directory of all ledgers on a remote.
pub const ROOT: &str = "registry";
const ENDING: &str = ".json";
/// So many are read at once.
const JOBS: usize = 8;

/// The documents below `registry/` on a remote.
pub struct Ledger {
    remote: Arc<dyn Remote>,
    /// Where documents that were read are remembered.
    memory: PathBuf,
    known: Mutex<Known>,
    is_begun: AtomicBool,
}

/// What is remembered: directory to number to document. May be lost at any time.
#[derive(Default, Serialize, Deserialize)]
struct Known {
    directories: BTreeMap<String, BTreeMap<u64, Document>>,
    #[serde(skip)]
    is_changed: bool,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Document {
    seen: Seen,
    text: String,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("url", &self.remote.url()).finish_non_exhaustive()
    }
}

impl Drop for Ledger {
    /// What was learned can be learned again, so that it may be lost.
    fn drop(&mut self) {
        let known = self.known.get_mut().unwrap_or_else(PoisonError::into_inner);
        if known.is_changed
            && let (Ok(bytes), Some(directory)) = (serde_json::to_vec(known), self.memory.parent())
        {
            let _ = fs::replace(&self.memory, directory, |out| out.write_all(&bytes));
        }
    }
}

impl Ledger {
    /// The ledger of this remote; `memory` is the directory of what is remembered of remotes.
    pub fn open(remote: Arc<dyn Remote>, memory: &Path) -> Self {
        let memory = Memory::directory(memory, remote.url()).join("ledger");
        let known = fs::read(&memory).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { remote, memory, known: Mutex::new(known.unwrap_or_default()), is_begun: AtomicBool::new(false) }
    }

    /// Where it is, for people.
    pub fn url(&self) -> &str {
        self.remote.url()
    }

    /// The remote that it lies on.
    pub fn remote(&self) -> &dyn Remote {
        &*self.remote
    }

    /// The file of a document on the remote, for people.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{}", self.remote.url(), file(name))
    }

    /// The names of the documents directly in a directory, sorted as text.
    pub fn names(&self, directory: &str) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.listed(directory)?.into_iter().map(|(name, _)| name).collect();
        names.sort();
        Ok(names)
    }

    /// The numbers that name documents of a directory, in their order.
    pub fn numbers(&self, directory: &str) -> Result<Vec<u64>> {
        let mut numbers: Vec<u64> = self.listed(directory)?.iter().filter_map(|(name, _)| number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The documents of a directory that have numbers, in their order. Only what is new is read.
    ///
    /// # Errors
    /// One that holds something else than when this machine read it: these are never changed.
    pub fn numbered(&self, directory: &str) -> Result<Vec<(u64, Vec<u8>)>> {
        let listed = self.listed(directory)?;
        let there = listed.iter().filter_map(|(name, entry)| Some((number(name)?, entry)));
        let there: BTreeMap<u64, &Entry> = there.collect();
        let known = self.lock().directories.get(directory).cloned().unwrap_or_default();
        let is_as_known =
            |number: &u64, entry: &Entry| known.get(number).is_some_and(|document| document.seen == Seen::of(entry));
        let new: Vec<(u64, &Entry)> = there.iter().map(|(number, entry)| (*number, *entry)).collect();
        let new: Vec<_> = new.into_iter().filter(|&(number, entry)| !is_as_known(&number, entry)).collect();
        let (read, broken) = (Mutex::new(BTreeMap::new()), Mutex::new(BTreeMap::new()));
        workers::share(JOBS.min(new.len()), new, |(number, entry)| {
            let name = format!("{directory}/{number}");
            // Gone since it was listed.
            let Some(bytes) = self.read(&name)? else { return Ok(()) };
            let text = String::from_utf8(bytes).map_err(|_| Error::failed(format!("`{name}` is no text")))?;
            if known.get(&number).is_some_and(|before| before.text != text) {
                return Err(self.changed(&name));
            }
            // What is no document will be mended, and is looked at again.
            let is_sound = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            let document = Document { seen: Seen::of(entry), text };
            let list = if is_sound { &read } else { &broken };
            list.lock().unwrap_or_else(PoisonError::into_inner).insert(number, document);
            Ok(())
        })?;
        let [read, broken] = [read, broken].map(|list| list.into_inner().unwrap_or_else(PoisonError::into_inner));
        let mut memory = self.lock();
        memory.is_changed |= !read.is_empty() || known.keys().any(|number| !there.contains_key(number));
        let documents = memory.directories.entry(directory.to_owned()).or_default();
        documents.retain(|number, _| there.contains_key(number));
        documents.extend(read);
        let mut found: Vec<(u64, &Document)> = documents.iter().chain(&broken).map(|(n, known)| (*n, known)).collect();
        found.sort_unstable_by_key(|(number, _)| *number);
        Ok(found.into_iter().map(|(number, document)| (number, document.text.clone().into_bytes())).collect())
    }

    /// One document; `None` where there is none.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        read_small(&self.remote, &file(name))
    }

    /// Writes a new document. Returns `false`, and changes nothing, where the name is taken.
    ///
    /// # Errors
    /// A place that replaces what it should create, or that can't be written to.
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        self.begin()?;
        self.remote.create(&file(name), bytes)
    }

    /// Deletes a document, if it is there.
    pub fn delete(&self, name: &str) -> Result<()> {
        self.remote.delete(&file(name))
    }

    /// Makes sure that this is a place of ours, and one where two who create the same name don't both succeed.
    fn begin(&self) -> Result<()> {
        if self.is_begun.load(Ordering::Relaxed) {
            return Ok(());
        }
        if !self.remote.creates_atomically() {
            let url = self.remote.url();
            return Err(Error::failed(format!(
                "`{url}` can't hold a registry that many write to: of two who create a file there at the same moment, both \
                 may succeed"
            ))
            .with_hint("name a bucket, a directory or a host with SSH; what is there can be read"));
        }
        let unfit = || format!("`{}` can't hold a registry that many write to", self.remote.url());
        layout::begin(self.remote()).with_context(unfit)?;
        // The mark is there now: a place that says that it creates it would let two people make one version. With a space
        // behind it, it means the same and can't be taken for an attempt whose answer was lost.
        let again = [layout::mark().as_slice(), b" "].concat();
        if self.remote.create(layout::MARK, &again).with_context(unfit)? {
            return Err(Error::failed("it replaces a file where it should refuse to create it twice")
                .context(unfit())
                .with_hint("name a place with conditional writes, such as Amazon S3, a directory or a host with SSH"));
        }
        self.is_begun.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn listed(&self, directory: &str) -> Result<Vec<(String, Entry)>> {
        let full = format!("{ROOT}/{directory}");
        let entries = self.remote.list(&full).map_err(|error| {
            if !matches!(error.downcast_ref(), Some(RemoteError::Unsupported(_))) {
                return error;
            }
            error
                .context(format!("`{}` can't hold a registry: its files can't be listed", self.remote.url()))
                .with_hint("name a bucket, a directory or a host with SSH")
        })?;
        let named = |entry: Entry| {
            let name = entry.name.strip_prefix(&full)?.strip_prefix('/')?.strip_suffix(ENDING)?.to_owned();
            Some((name, entry))
        };
        Ok(entries.into_iter().filter_map(named).collect())
    }

    fn changed(&self, name: &str) -> Error {
        Error::failed(format!("the record `{}` was changed since this machine read it", self.file(name))).with_hint(
            format!(
                "records are written once: put back what it was; or, if it is right as it is now, remove `{}`, where this \
                 machine remembers it",
                fs::quote(&self.memory)
            ),
        )
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file(name: &str) -> String {
    format!("{ROOT}/{name}{ENDING}")
}

/// The number that a name is, as this program writes it.
fn number(name: &str) -> Option<u64> {
    name.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::altered::Altered;
    use crate::remote::{Access, open};

    fn remote(dir: &tempfile::TempDir) -> Arc<dyn Remote> {
        open("remote", dir.path(), &Access::default()).unwrap()
    }

    #[test]
    fn documents_are_created_once_and_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let memory = dir.path().join("memory");
        let ledger = Ledger::open(remote(&dir), &memory);

        assert_eq!(ledger.numbers("a").unwrap(), [0_u64; 0]);
        assert!(ledger.create("a/2", b"\"two\"").unwrap() && ledger.create("a/10", b"{").unwrap());
        assert!(!ledger.create("a/2", b"{}").unwrap());
        let documents = [(2_u64, b"\"two\"".to_vec()), (10, b"{".to_vec())];
        assert_eq!(ledger.numbered("a").unwrap(), documents);
        drop(ledger);

        let again = Ledger::open(remote(&dir), &memory);
        again.delete("a/10").unwrap();
        assert!(again.create("a/10", b"{}").unwrap(), "what was damaged is mended");
        assert_eq!(again.numbered("a").unwrap(), [documents[0].clone(), (10, b"{}".to_vec())]);
        std::fs::write(dir.path().join("remote/registry/a/2.json"), "{}").unwrap();
        let error = again.numbered("a").unwrap_err();
        assert!(error.to_string().contains("was changed since this machine read it"), "{error}");
    }

    #[test]
    fn a_place_that_replaces_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let replace = |inner: &Arc<dyn Remote>, name: &str, bytes: &[u8]| {
            inner.delete(name)?;
            inner.create(name, bytes)
        };
        let careless = Arc::new(Altered::new(remote(&dir)).creating(replace));

        for _ in 0..2 {
            let error = Ledger::open(careless.clone(), dir.path()).create("a/1", b"x").unwrap_err();
            assert!(error.to_string().contains("can't hold a registry that many write to"), "{error}");
        }
        assert!(careless.list("registry/a").unwrap().is_empty());
    }
}
