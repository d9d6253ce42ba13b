//! All packs of a store, opened when they are first needed and again when others have written some.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::pack::{ENDING, Pack, Slice};
use crate::fs::quote;
use crate::{Digest, Result};

/// A directory that did not change for so long shows its next change in its time stamp.
const SETTLED: Duration = Duration::from_millis(100);

/// The packs in one directory.
#[derive(Debug)]
pub struct Packs {
    directory: PathBuf,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    packs: HashMap<PathBuf, Arc<Pack>>,
    /// Files that are no whole packs, and what is wrong with them.
    damaged: Vec<(PathBuf, String)>,
    /// When the directory had changed last when it was read; `None` where that may be too coarse to tell.
    seen: Option<SystemTime>,
}

impl Packs {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, state: RwLock::default() }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where an object lies; `None` where no pack has it.
    pub fn find(&self, digest: &Digest) -> Result<Option<Slice>> {
        if let Some(slice) = self.search(digest) {
            return Ok(Some(slice));
        }
        Ok(self.refresh()?.then(|| self.search(digest)).flatten())
    }

    /// Looks at every pack anew the next time.
    pub fn forget(&self) {
        *self.state.write().expect("no thread panics while it holds the packs") = State::default();
    }

    /// The packs that are there now, in the order of their names.
    pub fn all(&self) -> Result<Vec<Arc<Pack>>> {
        self.refresh()?;
        let state = self.state.read().expect("no thread panics while it holds the packs");
        let mut packs: Vec<Arc<Pack>> = state.packs.values().cloned().collect();
        packs.sort_by(|a, b| a.path().cmp(b.path()));
        Ok(packs)
    }

    /// The files that are no whole packs, and what is wrong with them.
    pub fn damaged(&self) -> Result<Vec<(PathBuf, String)>> {
        self.refresh()?;
        Ok(self.state.read().expect("no thread panics while it holds the packs").damaged.clone())
    }

    fn search(&self, digest: &Digest) -> Option<Slice> {
        let state = self.state.read().expect("no thread panics while it holds the packs");
        state.packs.values().find_map(|pack| pack.find(digest))
    }

    /// Reads the directory again if it may have changed. Returns whether it did so.
    fn refresh(&self) -> Result<bool> {
        let Some(changed) = self.changed() else { return Ok(false) };
        let mut state = self.state.write().expect("no thread panics while it holds the packs");
        if state.seen == Some(changed) {
            return Ok(false);
        }
        let mut known = std::mem::take(&mut state.packs);
        // A pack that goes away while the directory is read was folded into one that may not have been listed.
        loop {
            let before = self.changed();
            let mut next = State::default();
            let is_whole = self.read(&known, &mut next)?;
            if is_whole || before.is_none() {
                // A directory that changed a moment ago may change again within the same tick of the clock.
                next.seen = before.filter(|changed| changed.elapsed().is_ok_and(|age| age > SETTLED));
                *state = next;
                return Ok(true);
            }
            known = next.packs;
        }
    }

    fn changed(&self) -> Option<SystemTime> {
        self.directory.metadata().and_then(|metadata| metadata.modified()).ok()
    }

    /// Returns whether everything listed was still there.
    fn read(&self, known: &HashMap<PathBuf, Arc<Pack>>, next: &mut State) -> Result<bool> {
        let cannot = || format!("cannot list `{}`", quote(&self.directory));
        let mut is_whole = true;
        for entry in std::fs::read_dir(&self.directory).with_context(cannot)? {
            let path = entry.with_context(cannot)?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            if let Some(pack) = known.get(&path) {
                next.packs.insert(path, pack.clone());
                continue;
            }
            match Pack::open(&path) {
                Ok(Ok(pack)) => drop(next.packs.insert(path, Arc::new(pack))),
                Ok(Err(wrong)) => next.damaged.push((path, wrong)),
                Err(error) if path.symlink_metadata().is_ok() => next.damaged.push((path, error.to_string())),
                Err(_) => is_whole = false,
            }
        }
        Ok(is_whole)
    }
}
