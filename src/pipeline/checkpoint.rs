//! Checkpoints: the directory in which a step's program keeps what it can go on from, there again at the next attempt.
//!
//! What lies there belongs to one step key, which `.mlx/checkpoints/<step>/owner` names; it is written before the directory
//! is there, so that nothing is ever taken for another key's. When the step runs under another key, the directory is set
//! aside, to `.mlx/checkpoints/<step>/<key>`, and comes back when that key does. Once the step has ended well it goes.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::io::Errno;

use crate::fs::{quote, read_optional};
use crate::project::manifest::Step;
use crate::project::{Project, ProjectPath};
use crate::{Digest, Error, Result};

/// So many directories of a step that are set aside are kept.
const KEPT: usize = 3;
const OWNER: &str = "owner";

/// Whose the directory is.
#[derive(Debug, PartialEq)]
struct Owner {
    key: Digest,
    path: ProjectPath,
}

/// Makes the step's directory hold what an attempt with this key left, or nothing. `is_fresh` where all of it is given up.
pub fn prepare(project: &Project, step: &Step, key: &Digest, is_fresh: bool) -> Result<()> {
    let Some(path) = &step.checkpoint else { return Ok(()) };
    let place = project.resolve(path)?;
    let owner = Owner::read(project, &step.name)?;
    let is_own = owner.as_ref().is_some_and(|owner| owner.key == *key && owner.path == *path);
    if is_fresh {
        remove(&place)?;
        remove(&aside(project, &step.name, key))?;
    }
    if let Some(owner) = owner.filter(|_| !is_own) {
        owner.set_aside(project, &step.name)?;
    }
    if !is_own {
        check_empty(step, path, &place)?;
    }
    Owner { key: *key, path: path.clone() }.write(project, &step.name)?;
    if place.symlink_metadata().is_ok() {
        return Ok(());
    }
    place.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
    let kept = aside(project, &step.name, key);
    match std::fs::rename(&kept, &place) {
        Err(error) if error.kind() == ErrorKind::NotFound => crate::fs::create_dir_all(&place),
        other => other.with_context(|| format!("cannot bring back `{}`", quote(&kept))).map_err(Into::into),
    }
}

/// The step has ended well: what it could have gone on from goes.
pub fn finish(project: &Project, step: &str) -> Result<()> {
    let Some(Owner { key, path }) = Owner::read(project, step)? else { return Ok(()) };
    remove(&project.resolve(&path)?)?;
    remove(&aside(project, step, &key))?;
    remove(&directory(project.root(), step).join(OWNER))
}

/// The step has not ended well in a working copy that may not be there at the next attempt: what it left is set aside in
/// the project itself.
pub fn leave(project: &Project, step: &str) -> Result<()> {
    if project.home() == project.root() {
        return Ok(());
    }
    let Some(owner) = Owner::read(project, step)? else { return Ok(()) };
    owner.set_aside(project, step)?;
    remove(&directory(project.root(), step).join(OWNER))
}

impl Owner {
    fn read(project: &Project, step: &str) -> Result<Option<Self>> {
        let bytes = read_optional(&directory(project.root(), step).join(OWNER))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let (key, path) = text.trim_end().split_once('\n').unwrap_or_default();
        Ok(key.parse().ok().zip(ProjectPath::from_text(path).ok()).map(|(key, path)| Self { key, path }))
    }

    fn write(&self, project: &Project, step: &str) -> Result<()> {
        let file = directory(project.root(), step).join(OWNER);
        file.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
        let Self { key, path } = self;
        crate::fs::write_atomic(&file, format!("{key}\n{path}\n").as_bytes(), &project.scratch())
    }

    /// Moves the directory to where its key finds it again.
    fn set_aside(&self, project: &Project, step: &str) -> Result<()> {
        let place = project.resolve(&self.path)?;
        if place.read_dir().map_or(true, |mut entries| entries.next().is_none()) {
            return remove(&place);
        }
        let kept = aside(project, step, &self.key);
        kept.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
        remove(&kept)?;
        match std::fs::rename(&place, &kept) {
            // What lies on another file system can't be moved at once, and may be too much to copy.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => remove(&place)?,
            other => other.with_context(|| format!("cannot set `{}` aside", quote(&place)))?,
        }
        remove_old(kept.parent().unwrap_or(&kept))
    }
}

/// Keeps the newest of what was set aside.
fn remove_old(directory: &Path) -> Result<()> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot list `{}`", quote(directory)))?;
    let mut kept: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name() != OWNER)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    kept.sort();
    let old = kept.len().saturating_sub(KEPT);
    kept[..old].iter().try_for_each(|(_, path)| remove(path))
}

/// Refuses what no attempt of the step left there: it is the user's.
fn check_empty(step: &Step, path: &ProjectPath, place: &Path) -> Result<()> {
    let refused = |what: &str| {
        Err(Error::usage(format!("the checkpoint `{path}` of step `{}` {what} ({})", step.name, step.place))
            .with_hint("move it away, or name another directory; `mlx train --force` gives it up"))
    };
    match place.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(metadata) if !metadata.is_dir() => refused("is there, and is no directory"),
        Ok(_) => match place.read_dir().map(|mut entries| entries.next().is_none()) {
            Ok(true) => Ok(()),
            _ => refused("holds what none of its attempts left there"),
        },
    }
}

/// Where it is noted whose a step's directory is.
fn directory(root: &Path, step: &str) -> PathBuf {
    root.join(crate::project::STATE).join("checkpoints").join(step)
}

fn aside(project: &Project, step: &str, key: &Digest) -> PathBuf {
    directory(project.home(), step).join(key.hex())
}

fn remove(path: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete `{}`", quote(path))).map_err(Into::into)
        }
        _ => Ok(()),
    }
}
