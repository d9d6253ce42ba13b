//! Cat: the content of one file as a version has it, without bringing it to the working tree.

use std::io::Write;

use anyhow::Context;
use serde::Serialize;

use super::Workspace;
use super::checkout::{inside, lock_at};
use super::remedy::name_remote;
use crate::digest::{Object, ObjectKind};
use crate::error::did_you_mean;
use crate::fs::escape;
use crate::project::{LOCK, Project, ProjectPath};
use crate::{Error, Result};

/// Up to this size a file is checked as a whole before a byte of it is written.
const CHECKED_FIRST: u64 = 8 << 20;

/// A file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    pub path: ProjectPath,
    /// The commit whose lock it was; `None` for the lock of the working tree.
    pub commit: Option<String>,
    #[serde(flatten)]
    pub object: Object,
}

/// The file at a path, which may lie inside a tracked directory, as the lock or a Git revision names it.
///
/// # Errors
/// A `Usage` error for a path that the version does not have or that is no file; a failure that names a remote where a
/// listing on the way is not here.
pub fn find_file(
    project: &Project,
    workspace: &Workspace,
    path: &ProjectPath,
    revision: Option<&str>,
) -> Result<Found> {
    let (commit, lock) = lock_at(project, revision)?;
    let entry = lock.entries().find(|(entry, _)| path.is_within(entry)).ok_or_else(|| {
        let version = revision.map_or(LOCK.to_owned(), |revision| format!("{LOCK} of {}", escape(revision.as_bytes())));
        let known: Vec<String> = lock.entries().map(|(path, _)| path.to_string()).collect();
        let hint = match &commit {
            Some(commit) if is_in_git(project, commit, path) => format!("Git keeps it: `git show {commit}:./{path}`"),
            _ => did_you_mean(&path.to_string(), known.iter().map(String::as_str)),
        };
        Error::usage(format!("{version} does not name `{path}`")).with_hint(hint)
    })?;
    let (entry, object) = entry;
    let object = inside(workspace, entry, object, path).map_err(|error| name_remote(project, error, path, revision))?;
    let object = object.ok_or_else(|| {
        Error::usage(format!("`{entry}` holds no `{path}` in this version"))
            .with_hint(format!("`mlx ls {}` lists what it holds", entry.argument()))
    })?;
    match object.kind {
        ObjectKind::Directory => Err(Error::usage(format!("`{path}` is a directory"))
            .with_hint(format!("`mlx ls {}` lists it", path.argument()))),
        ObjectKind::Link => {
            let target =
                workspace.store().read(&object.digest).map_err(|error| name_remote(project, error, path, revision))?;
            Err(Error::usage(format!("`{path}` is a symbolic link to `{}`", escape(&target)))
                .with_hint("name what it leads to"))
        }
        ObjectKind::File | ObjectKind::Executable => Ok(Found { path: path.clone(), commit, object }),
    }
}

/// Writes the content to `out`, checked. A small file that is damaged writes nothing; of a large one, an error means that
/// what was written must be thrown away.
pub fn write_file(
    project: &Project,
    workspace: &Workspace,
    found: &Found,
    revision: Option<&str>,
    out: &mut dyn Write,
) -> Result<()> {
    let Found { path, object, .. } = found;
    let store = workspace.store();
    let written = match object.size <= CHECKED_FIRST {
        true => store
            .read(&object.digest)
            .and_then(|content| Ok(out.write_all(&content).with_context(|| format!("cannot print `{path}`"))?)),
        false => store.copy_to(&object.digest, out).map(drop),
    };
    written.map_err(|error| name_remote(project, error, path, revision))
}

fn is_in_git(project: &Project, commit: &str, path: &ProjectPath) -> bool {
    let git = crate::project::git::Git::of(project).ok().flatten();
    git.is_some_and(|git| git.file_at(commit, path).is_some())
}
