//! What lies in the cache of environments: who uses it, since when nobody did, and taking it away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::Kind;
use super::kept::{self, Mark};
use crate::fs::{FileLock, read_optional};
use crate::{Digest, Error, Result};

/// An environment in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// What a step key holds of it; that of its directory's name where it is not whole.
    pub digest: Digest,
    /// `None` where it is not whole: somebody makes it now, or was killed while doing so.
    pub kind: Option<Kind>,
    /// Such as `requirements.txt for Python 3.11.7`.
    pub what: String,
    /// Whether a lock file says what it holds.
    pub is_pinned: bool,
    /// The room it took when it was made.
    pub bytes: u64,
    pub made: Option<Timestamp>,
    pub last_used: Option<Timestamp>,
    /// The directories of the projects that used it, sorted.
    pub projects: Vec<String>,
    /// Whether somebody uses it or makes it now.
    pub in_use: bool,
    pub directory: PathBuf,
}

/// What was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Whether it was carried out.
    pub removed: bool,
    pub environments: Vec<Kept>,
    pub bytes: u64,
    /// Those that are meant, and stay because somebody uses them now.
    pub in_use: Vec<Kept>,
}

impl Kept {
    /// For how long nobody used it.
    pub fn idle(&self) -> Duration {
        let last = self.last_used.max(self.made);
        last.and_then(|last| Timestamp::now().duration_since(last).try_into().ok()).unwrap_or_default()
    }
}

/// The environments in this cache, the one that was used last first.
pub fn kept(cache: &Path) -> Result<Vec<Kept>> {
    let Ok(entries) = std::fs::read_dir(kept::all(cache)) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(digest) = name.to_str().and_then(|name| Digest::from_hex(name).ok()) else { continue };
        let directory = entry.path();
        let (last_used, projects) = uses(&directory)?;
        let in_use = is_held(&directory)?;
        found.push(match kept::mark(&directory) {
            Some(Mark { digest, kind, what, is_pinned, made, bytes, .. }) => Kept {
                digest,
                kind: Some(kind),
                what,
                is_pinned,
                bytes,
                made: Some(made),
                last_used,
                projects,
                in_use,
                directory,
            },
            None => Kept {
                digest,
                kind: None,
                what: "not whole".into(),
                is_pinned: false,
                bytes: 0,
                made: entry
                    .metadata()
                    .and_then(|metadata| metadata.modified())
                    .ok()
                    .and_then(|time| time.try_into().ok()),
                last_used,
                projects,
                in_use,
                directory,
            },
        });
    }
    found.sort_by(|a, b| b.last_used.cmp(&a.last_used).then_with(|| a.directory.cmp(&b.directory)));
    Ok(found)
}

/// When the environment was used last, and by which projects.
fn uses(directory: &Path) -> Result<(Option<Timestamp>, Vec<String>)> {
    let entries = std::fs::read_dir(kept::uses_path(directory)).into_iter().flatten().flatten();
    let (mut last, mut projects) = (None, Vec::new());
    for entry in entries {
        let used = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        last = last.max(used.and_then(|time| Timestamp::try_from(time).ok()));
        let project = read_optional(&entry.path())?.unwrap_or_default();
        projects.push(String::from_utf8_lossy(&project).into_owned());
    }
    projects.sort();
    Ok((last, projects))
}

/// Whether anybody holds the lock, alone or with others.
fn is_held(directory: &Path) -> Result<bool> {
    let path = kept::lock_path(directory);
    Ok(path.exists() && FileLock::try_exclusive(&path, "mlx env list")?.is_err())
}

/// Takes away those of `meant` that nobody uses now; only says so unless `carry_out` is set.
pub fn remove(meant: Vec<Kept>, carry_out: bool) -> Result<Removed> {
    let mut removed = Removed { removed: carry_out, environments: Vec::new(), bytes: 0, in_use: Vec::new() };
    for environment in meant {
        let Ok(_alone) = FileLock::try_exclusive(&kept::lock_path(&environment.directory), "mlx env rm")? else {
            removed.in_use.push(Kept { in_use: true, ..environment });
            continue;
        };
        if carry_out {
            kept::clear(&environment.directory)?;
            let uses = kept::uses_path(&environment.directory);
            match std::fs::remove_dir_all(&uses) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let message = format!("cannot remove `{}`: {error}", crate::fs::quote(&uses));
                    return Err(Error::failed(message));
                }
                // The lock file stays: another process may wait for it this very moment.
                _ => {}
            }
        }
        removed.bytes += environment.bytes;
        removed.environments.push(environment);
    }
    Ok(removed)
}
