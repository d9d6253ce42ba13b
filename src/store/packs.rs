//! All packs of a store, opened when they are first needed and again when others have written some.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::pack::{ENDING, Entry, Pack, Unreadable};
use crate::fs::quote;
use crate::{Digest, Error, Result};

/// A directory that did not change for so long shows its next change in its time stamp.
const SETTLED: Duration = Duration::from_millis(100);

/// After so many searches it pays to sort what is in all packs.
const MANY_SEARCHES: u32 = 256;

/// An object in a pack.
#[derive(Debug, Clone)]
pub struct Packed {
    pub pack: Arc<Pack>,
    pub entry: Entry,
}

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
    /// Packs that a program with another version of the format wrote, and that version.
    foreign: Vec<(PathBuf, String)>,
    /// Packs that this user may not read.
    forbidden: Vec<PathBuf>,
    /// When the directory had changed last when it was read; `None` where that may be too coarse to tell.
    seen: Option<SystemTime>,
    searches: AtomicU32,
    lookup: OnceLock<Lookup>,
}

/// In which pack an object may lie, for who asks for very many.
#[derive(Debug)]
struct Lookup {
    packs: Vec<Arc<Pack>>,
    /// The beginnings of the digests and the positions of their packs, sorted.
    entries: Vec<(u64, u32)>,
}

impl Lookup {
    fn new(packs: Vec<Arc<Pack>>) -> Self {
        let of_pack = |(position, pack): (usize, &Arc<Pack>)| {
            let whole = pack.index().entries().filter(|entry| entry.kind.is_whole());
            whole.map(|entry| (beginning(&entry.digest), position as u32)).collect::<Vec<_>>()
        };
        let mut entries: Vec<(u64, u32)> = packs.iter().enumerate().flat_map(of_pack).collect();
        entries.sort_unstable();
        Self { packs, entries }
    }

    fn find(&self, digest: &Digest) -> Option<Packed> {
        let wanted = beginning(digest);
        let first = self.entries.partition_point(|(beginning, _)| *beginning < wanted);
        let alike = self.entries[first..].iter().take_while(|(beginning, _)| *beginning == wanted);
        alike.into_iter().find_map(|(_, pack)| in_pack(&self.packs[*pack as usize], digest))
    }
}

fn beginning(digest: &Digest) -> u64 {
    u64::from_be_bytes(*digest.as_bytes().first_chunk().expect("a digest is longer"))
}

fn in_pack(pack: &Arc<Pack>, digest: &Digest) -> Option<Packed> {
    let entry = pack.index().find(digest).filter(|entry| entry.kind.is_whole())?;
    Some(Packed { pack: pack.clone(), entry })
}

impl Packs {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, state: RwLock::default() }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where an object lies; `None` where no pack has it.
    ///
    /// # Errors
    /// Where it may lie in a pack of a format that this program does not know, or in one that may not be read.
    pub fn find(&self, digest: &Digest) -> Result<Option<Packed>> {
        if let Some(packed) = self.search(digest) {
            return Ok(Some(packed));
        }
        let packed = if self.refresh()? { self.search(digest) } else { None };
        let state = self.read_state();
        match (packed, state.foreign.first(), state.forbidden.first()) {
            (None, Some((path, version)), _) => Err(foreign(path, version)),
            (None, None, Some(path)) => Err(forbidden(path)),
            (packed, ..) => Ok(packed),
        }
    }

    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().expect("no thread panics while it holds the packs")
    }

    /// Looks at every pack anew the next time.
    pub fn forget(&self) {
        *self.state.write().expect("no thread panics while it holds the packs") = State::default();
    }

    /// The packs that are there now, in the order of their names.
    pub fn all(&self) -> Result<Vec<Arc<Pack>>> {
        self.refresh()?;
        let mut packs: Vec<Arc<Pack>> = self.read_state().packs.values().cloned().collect();
        packs.sort_by(|a, b| a.path().cmp(b.path()));
        Ok(packs)
    }

    /// The files that are no whole packs, and what is wrong with them.
    pub fn damaged(&self) -> Result<Vec<(PathBuf, String)>> {
        self.refresh()?;
        Ok(self.read_state().damaged.clone())
    }

    /// An error where a pack is of a format that this program does not know, so that not all objects can be told.
    pub fn refuse_foreign(&self) -> Result<()> {
        self.refresh()?;
        self.read_state().foreign.first().map_or(Ok(()), |(path, version)| Err(foreign(path, version)))
    }

    fn search(&self, digest: &Digest) -> Option<Packed> {
        let state = self.read_state();
        if state.searches.fetch_add(1, Ordering::Relaxed) < MANY_SEARCHES {
            return state.packs.values().find_map(|pack| in_pack(pack, digest));
        }
        state.lookup.get_or_init(|| Lookup::new(state.packs.values().cloned().collect())).find(digest)
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
                Ok(Err(Unreadable::Version(version))) => next.foreign.push((path, version)),
                Ok(Err(Unreadable::Damaged(wrong))) => next.damaged.push((path, wrong)),
                Err(error) => match Trouble::of(&error, &path) {
                    Trouble::Gone => is_whole = false,
                    Trouble::TooManyFiles => return Err(error.with_hint(MORE_FILES)),
                    Trouble::Forbidden => next.forbidden.push(path),
                    Trouble::Damage => next.damaged.push((path, error.to_string())),
                },
            }
        }
        Ok(is_whole)
    }
}

const MORE_FILES: &str = "let mlx open more files (`ulimit -n`): a store needs one for each of its packs";

/// Why a pack can't be opened.
enum Trouble {
    Gone,
    /// The limit of this process or of the machine is reached, which says nothing of the pack.
    TooManyFiles,
    Forbidden,
    Damage,
}

impl Trouble {
    fn of(error: &Error, path: &Path) -> Self {
        let cause = error.downcast_ref::<io::Error>();
        match cause.and_then(io::Error::raw_os_error) {
            _ if path.symlink_metadata().is_err() => Self::Gone,
            Some(libc::EMFILE | libc::ENFILE) => Self::TooManyFiles,
            Some(libc::EACCES | libc::EPERM) => Self::Forbidden,
            _ => Self::Damage,
        }
    }
}

fn forbidden(path: &Path) -> Error {
    let denied = anyhow::Error::new(io::Error::from_raw_os_error(libc::EACCES));
    Error::from(denied.context(format!("cannot read `{}`", quote(path)))).with_hint("its owner may look at it again")
}

fn foreign(path: &Path, version: &str) -> Error {
    Error::failed(format!("`{}` has version {version} of the pack format", quote(path)))
        .with_hint("install the mlx that wrote it; this one can't look for objects in it")
}

#[cfg(test)]
mod tests {
    use super::super::pack::{self, Item};
    use super::*;

    #[test]
    fn who_asks_often_gets_the_same_answers() {
        let dir = tempfile::tempdir().unwrap();
        let contents: Vec<Vec<u8>> = (0..400).map(|number| format!("object {number}").into_bytes()).collect();
        for half in contents.chunks(200) {
            let items = half.iter().map(|content| Item::raw(Digest::of(content), content.clone()));
            pack::write(items.collect(), dir.path()).unwrap().place(dir.path()).unwrap();
        }
        let packs = Packs::new(dir.path().to_path_buf());

        for content in contents.iter().cycle().take(1000) {
            let packed = packs.find(&Digest::of(content)).unwrap().unwrap();
            assert_eq!(packed.entry.size, content.len() as u64);
        }
        assert!(packs.find(&Digest::of("another")).unwrap().is_none());
    }
}
