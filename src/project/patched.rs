//! The code of a run: a commit with uncommitted changes on it, as files and beside another one.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;

use anyhow::Context;
use git2::{Delta, Diff, DiffFormat, DiffOptions, Index, Oid, Repository};
use serde::Serialize;

use super::git::Git;
use super::{LOCK, ProjectPath};
use crate::{Error, Result};

/// A commit, by its id, and a patch as [`Git::patch`] makes it; an empty one changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    pub commit: String,
    pub patch: Vec<u8>,
}

/// A file of some code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeFile {
    pub content: Vec<u8>,
    pub is_executable: bool,
}

/// A file that differs between two states of the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedFile {
    /// From the root of the repository.
    pub path: String,
    pub change: FileDelta,
    pub lines_added: u64,
    pub lines_removed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileDelta {
    Added,
    Changed,
    Removed,
}

impl Git {
    /// The files of the project that the patch touches, as they are with it; `None` for one that it takes away. The lock
    /// is not among them.
    pub fn patched_files(&self, code: &Code) -> Result<BTreeMap<ProjectPath, Option<CodeFile>>> {
        let repository = self.scratch_repository()?;
        let index = index_of(&repository, code)?;
        let mut files = BTreeMap::new();
        let patch = parse(&code.patch)?;
        for delta in patch.deltas() {
            for path in [delta.old_file().path(), delta.new_file().path()].into_iter().flatten() {
                let Ok(below) = path.strip_prefix(&self.prefix) else { continue };
                let Ok(below) = ProjectPath::new(below.as_os_str().as_bytes()) else { continue };
                if below.as_bytes() == LOCK.as_bytes() {
                    continue;
                }
                let file =
                    index.get_path(path, 0).map(|entry| file_of(&repository, entry.id, entry.mode)).transpose()?;
                files.insert(below, file.flatten());
            }
        }
        Ok(files)
    }

    /// A file of the project as a commit has it; `None` where it has none.
    pub fn committed_file(&self, commit: &str, path: &ProjectPath) -> Result<Option<CodeFile>> {
        let tree = self.tree_of(commit)?;
        match tree.get_path(&self.prefix.join(path.as_path())) {
            Ok(entry) => file_of(&self.repository, entry.id(), entry.filemode() as u32),
            Err(_) => Ok(None),
        }
    }

    /// The files that differ between two states of the code, but for the lock, and on request how, as text that `git apply`
    /// takes.
    ///
    /// # Errors
    /// Where a commit is not in this repository, or a patch does not fit its commit.
    pub fn code_changes(&self, before: &Code, after: &Code, with_text: bool) -> Result<(Vec<ChangedFile>, String)> {
        let repository = self.scratch_repository()?;
        let (before, after) = (index_of(&repository, before)?, index_of(&repository, after)?);
        let mut options = DiffOptions::new();
        if !self.prefix.as_os_str().is_empty() {
            options.pathspec(&self.prefix);
        }
        let diff = repository
            .diff_index_to_index(&before, &after, Some(&mut options))
            .context("cannot ask Git what differs in the code")?;
        let lock = self.prefix.join(LOCK);
        let is_lock = |delta: &git2::DiffDelta<'_>| delta.new_file().path() == Some(lock.as_path());
        let mut files = Vec::new();
        for (number, delta) in diff.deltas().enumerate().filter(|(_, delta)| !is_lock(delta)) {
            let change = match delta.status() {
                Delta::Added => FileDelta::Added,
                Delta::Deleted => FileDelta::Removed,
                _ => FileDelta::Changed,
            };
            let patch = git2::Patch::from_diff(&diff, number).ok().flatten();
            let (_, added, removed) = patch.and_then(|patch| patch.line_stats().ok()).unwrap_or_default();
            files.push(ChangedFile {
                path: crate::fs::escape(delta.new_file().path_bytes().unwrap_or_default()),
                change,
                lines_added: added as u64,
                lines_removed: removed as u64,
            });
        }
        let mut text = Vec::new();
        if with_text {
            let print = |delta: git2::DiffDelta<'_>, _: Option<git2::DiffHunk<'_>>, line: git2::DiffLine<'_>| {
                if !is_lock(&delta) {
                    if matches!(line.origin(), '+' | '-' | ' ') {
                        text.push(line.origin() as u8);
                    }
                    text.extend_from_slice(line.content());
                }
                true
            };
            diff.print(DiffFormat::Patch, print).context("cannot ask Git what differs in the code")?;
        }
        Ok((files, String::from_utf8_lossy(&text).into_owned()))
    }

    /// The repository once more, where what is written stays in memory.
    fn scratch_repository(&self) -> Result<Repository> {
        let repository = Repository::open(self.repository.path()).context("cannot open the Git repository")?;
        repository
            .odb()
            .and_then(|objects| objects.add_new_mempack_backend(1000).map(drop))
            .context("cannot keep Git's objects in memory")?;
        Ok(repository)
    }
}

/// The files of a commit with the patch on them.
fn index_of(repository: &Repository, code: &Code) -> Result<Index> {
    let unknown = |error: git2::Error| {
        let short: String = code.commit.chars().take(12).collect();
        Error::failed(format!("commit {short} is not in this repository: {}", error.message()))
            .with_hint("fetch it: `git fetch --all`")
    };
    let commit = Oid::from_str(&code.commit).and_then(|id| repository.find_commit(id)).map_err(unknown)?;
    let tree = commit.tree().map_err(unknown)?;
    let patch = parse(&code.patch)?;
    if patch.deltas().len() == 0 {
        let mut index = Index::new().context("cannot make an index")?;
        index.read_tree(&tree).context("cannot read the tree of the commit")?;
        return Ok(index);
    }
    let index = repository
        .apply_to_tree(&tree, &patch, None)
        .context("the uncommitted changes do not fit the commit they were made on")?;
    Ok(index)
}

/// Reads a patch, without the lines before it that say what was left out.
fn parse(patch: &[u8]) -> Result<Diff<'static>> {
    let is_note = |line: &&[u8]| line.starts_with(b"mlx: ");
    let notes: usize = patch.split_inclusive(|byte| *byte == b'\n').take_while(is_note).map(<[u8]>::len).sum();
    let diff = Diff::from_buffer(&patch[notes..]).context("the uncommitted changes can't be read as a patch")?;
    Ok(diff)
}

/// `None` for what is no regular file.
fn file_of(repository: &Repository, id: Oid, mode: u32) -> Result<Option<CodeFile>> {
    if mode & 0o170_000 != 0o100_000 {
        return Ok(None);
    }
    let blob = repository.find_blob(id).context("cannot read a file of the commit")?;
    Ok(Some(CodeFile { content: blob.content().to_vec(), is_executable: mode & 0o111 != 0 }))
}
