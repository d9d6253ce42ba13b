//! Words of a command line that are revisions of Git or paths of the project, told apart as Git does it.

use std::path::{Path, PathBuf};

use crate::fs::quote;
use crate::project::git::Git;
use crate::project::{Project, ProjectPath};
use crate::{Error, Result};

/// At most two revisions, then paths. A word is a path if something lies there or the lock names it; what is neither that
/// nor a revision is taken for a revision, so that an error says so.
///
/// # Errors
/// A `Usage` error for a word that is both, and for a path outside the project.
pub fn revisions_and_paths(
    project: &Project,
    directory: &Path,
    words: &[PathBuf],
) -> Result<(Vec<String>, Vec<ProjectPath>)> {
    let git = if words.is_empty() { None } else { Git::of(project)? };
    let lock = project.read_lock()?;
    let (mut revisions, mut paths) = (Vec::new(), Vec::new());
    for word in words {
        let path = project.relative(directory, word);
        let is_known = |path: &ProjectPath| lock.entries().any(|(e, _)| e.is_within(path) || path.is_within(e));
        let is_there = |path: &ProjectPath| path.below(project.root()).symlink_metadata().is_ok();
        let is_path = path.as_ref().is_ok_and(|path| is_there(path) || is_known(path));
        let text = word.to_str();
        let is_revision = text.zip(git.as_ref()).is_some_and(|(text, git)| git.is_revision(text));
        if let Some(text) = text.filter(|_| !is_path && !is_revision)
            && let Some((from, to)) = text.split_once("..")
        {
            let (from, to) = (from.trim_end_matches('.'), to.trim_start_matches('.'));
            let or_head = |text: &str| if text.is_empty() { "HEAD".to_owned() } else { text.to_owned() };
            let (from, to) = (or_head(from), or_head(to));
            if git.as_ref().is_some_and(|git| git.is_revision(&from) && git.is_revision(&to)) {
                return Err(Error::usage(format!("`{text}` is a range of revisions, not one"))
                    .with_hint(format!("name both of them: `{from} {to}`")));
            }
        }
        match text {
            _ if is_path && is_revision && paths.is_empty() => {
                return Err(Error::usage(format!("`{}` is a revision and a path", quote(word))).with_hint(
                    "put `--` in front of paths, or write the revision as `refs/heads/…` or a commit's id",
                ));
            }
            Some(text) if !is_path && paths.is_empty() && revisions.len() < 2 => revisions.push(text.to_owned()),
            _ => paths.push(path?),
        }
    }
    Ok((revisions, paths))
}
