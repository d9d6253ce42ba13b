//! What of a project changed since a commit, as Git tells it.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;

use anyhow::Context;
use git2::{DiffOptions, Oid, Tree};

use super::ProjectPath;
use super::git::Git;
use crate::Result;

impl Git {
    /// The files of the project that differ between a commit, given by its id, and the working tree: of those that Git keeps,
    /// and those that it does not ignore. Sorted.
    pub fn changed_since(&self, commit: &str) -> Result<BTreeSet<ProjectPath>> {
        let tree = self.tree_of(commit)?;
        let mut options = DiffOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true).include_typechange(true).ignore_submodules(true);
        if !self.prefix.as_os_str().is_empty() {
            options.pathspec(&self.prefix);
        }
        let diff = self
            .repository
            .diff_tree_to_workdir_with_index(Some(&tree), Some(&mut options))
            .context("cannot ask Git what changed")?;
        let files = diff.deltas().flat_map(|delta| {
            let path = |file: git2::DiffFile<'_>| file.path().map(std::path::Path::to_path_buf);
            [path(delta.old_file()), path(delta.new_file())]
        });
        let below = files.flatten().filter_map(|path| {
            let path = path.strip_prefix(&self.prefix).ok()?.to_path_buf();
            ProjectPath::new(path.as_os_str().as_bytes()).ok()
        });
        Ok(below.collect())
    }

    /// Whether a commit, given by its id, has a file or a directory at this path of the project.
    pub fn has_at(&self, commit: &str, path: &ProjectPath) -> bool {
        let path = self.prefix.join(path.as_path());
        self.tree_of(commit).is_ok_and(|tree| tree.get_path(&path).is_ok())
    }

    pub(super) fn tree_of(&self, commit: &str) -> Result<Tree<'_>> {
        let commit = Oid::from_str(commit).and_then(|id| self.repository.find_commit(id));
        let tree = commit.and_then(|commit| commit.tree()).context("cannot read the tree of the commit")?;
        Ok(tree)
    }
}
