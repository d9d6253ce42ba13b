//! What a repository has at a path: data of a project of mlx there, or files that Git itself keeps.

use super::git::{EntryKind, Repository, as_path, below};
use super::kept::Kept;
use super::project::Tracked;
use super::{Address, Compared, Reach};
use crate::digest::Object;
use crate::fs::{escape, quote};
use crate::project::lock::Origin;
use crate::project::{LOCK, Lock, MANIFEST, ProjectPath};
use crate::store::Store;
use crate::{Error, Result};

/// What was found.
pub enum Found {
    Tracked(Tracked),
    Kept(Kept),
}

impl Found {
    /// The commit that was looked at; `None` for a project that lies in no repository.
    pub fn commit(&self) -> Option<&str> {
        match self {
            Self::Tracked(tracked) => tracked.commit.as_deref(),
            Self::Kept(kept) => Some(&kept.commit),
        }
    }

    pub fn bring(&self, store: &Store, reach: &Reach<'_>) -> Result<Object> {
        match self {
            Self::Tracked(tracked) => tracked.bring(store, reach),
            Self::Kept(kept) => kept.bring(store, reach),
        }
    }

    pub fn compare(&self, origin: &Origin, reach: &Reach<'_>) -> Result<Compared> {
        let is_same = match self {
            Self::Tracked(tracked) => tracked.object.digest == origin.digest,
            Self::Kept(kept) => kept.is_as_in(origin.commit.as_deref(), reach)?,
        };
        Ok(if is_same { Compared::SameContent } else { Compared::Other })
    }
}

/// Looks for a path, from where the address points, in the commit that `rev` names.
///
/// The nearest lock above the path that names it decides; a path that none names is a file of Git.
pub fn look(
    address: &Address,
    path: &ProjectPath,
    rev: Option<&str>,
    store: &Store,
    reach: &Reach<'_>,
) -> Result<Found> {
    let Some(repository) = Repository::open(address, reach)? else {
        let Address::Local(directory) = address else { unreachable!("what is elsewhere is always cloned") };
        return without_git(directory, path, rev, store, reach);
    };
    let commit = repository.commit(rev, reach)?;
    let full = below(&repository.prefix, path.as_bytes());
    let mut inside = Vec::new();
    for root in roots(&full) {
        let file = |name: &str| below(root, name.as_bytes());
        let Some(bytes) = repository.read(&commit, &file(LOCK), reach)? else { continue };
        let lock = Lock::parse(&bytes, &format!("{} of {}", escape(&file(LOCK)), repository.shown))?;
        let wanted = inner(root, &full)?;
        if let Some((entry, object)) = lock.entries().find(|(entry, _)| wanted.is_within(entry)) {
            let manifest = repository.read(&commit, &file(MANIFEST), reach)?.unwrap_or_default();
            let directory = repository.worktree.as_ref().map(|worktree| worktree.join(as_path(root)));
            let project = super::project::Foreign::new(directory, &manifest, &repository.shown);
            let names: Vec<&[u8]> = wanted.parts().skip(entry.parts().count()).collect();
            return Tracked::find(project, Some(commit), object, &names, path, store, reach).map(Found::Tracked);
        }
        inside.extend(lock.entries().filter(|(entry, _)| entry.is_within(&wanted)).map(|(entry, _)| entry.to_string()));
    }
    if let Some(first) = inside.first() {
        return Err(several(path, &repository.shown, first, inside.len()));
    }
    let entry = repository.entry(&commit, &full, reach)?.ok_or_else(|| {
        Error::usage(format!(
            "commit {} of {} has no `{path}`, and no {LOCK} there names it",
            &commit[..12],
            repository.shown
        ))
        .with_hint("data that was added there must be in a commit: `git add mlx.lock && git commit`")
    })?;
    match entry.kind {
        EntryKind::Submodule => Err(Error::usage(format!("`{path}` of {} is a submodule", repository.shown))
            .with_hint("name the repository that it is itself")),
        EntryKind::Content(kind) => Ok(Found::Kept(Kept { repository, commit, path: full, id: entry.id, kind })),
    }
}

/// A project on this machine that Git does not keep: its lock as it is now.
fn without_git(
    directory: &std::path::Path,
    path: &ProjectPath,
    rev: Option<&str>,
    store: &Store,
    reach: &Reach<'_>,
) -> Result<Found> {
    let shown = quote(directory);
    if !directory.is_dir() {
        return Err(Error::usage(format!("there is no directory `{shown}`"))
            .with_hint("in front of the `#` stands a project, or a repository of Git"));
    }
    if rev.is_some() {
        return Err(Error::usage(format!("`{shown}` lies in no Git repository, so that it has no revisions")));
    }
    let absent = || {
        Error::usage(format!("no {LOCK} in `{shown}` names `{path}`"))
            .with_hint("a file that mlx does not track is named by its path alone, without `#`")
    };
    for root in roots(path.as_bytes()) {
        let root_directory = directory.join(as_path(root));
        let Some(bytes) = crate::fs::read_optional(&root_directory.join(LOCK))? else { continue };
        let lock = Lock::parse(&bytes, &quote(root_directory.join(LOCK)))?;
        let wanted = inner(root, path.as_bytes())?;
        if let Some((entry, object)) = lock.entries().find(|(entry, _)| wanted.is_within(entry)) {
            let manifest = crate::fs::read_optional(&root_directory.join(MANIFEST))?.unwrap_or_default();
            let project = super::project::Foreign::new(Some(root_directory), &manifest, &shown);
            let names: Vec<&[u8]> = wanted.parts().skip(entry.parts().count()).collect();
            return Tracked::find(project, None, object, &names, path, store, reach).map(Found::Tracked);
        }
        let inside: Vec<_> = lock.entries().filter(|(entry, _)| entry.is_within(&wanted)).collect();
        if let Some((first, _)) = inside.first() {
            return Err(several(path, &shown, &first.to_string(), inside.len()));
        }
    }
    Err(absent())
}

fn several(path: &ProjectPath, shown: &str, first: &str, count: usize) -> Error {
    Error::usage(format!("`{path}` of {shown} holds {count} tracked paths, and is not tracked as a whole"))
        .with_hint(format!("name one of them, such as `{first}`"))
}

/// The directories above a path, the nearest first, each empty or with a slash at its end.
fn roots(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
    slashes.chain([0]).map(|end| &path[..end])
}

fn inner(root: &[u8], path: &[u8]) -> Result<ProjectPath> {
    ProjectPath::new(&path[root.len()..]).map_err(|error| Error::new(crate::Kind::Usage, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_directory_comes_first() {
        let found: Vec<&[u8]> = roots(b"a/b/c").collect();

        assert_eq!(found, [&b"a/b/"[..], b"a/", b""]);
    }
}
