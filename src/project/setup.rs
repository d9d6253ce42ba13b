//! What mlx sets up in the Git repository around a project, when it is asked to.

use anyhow::Context;
use git2::{AttrCheckFlags, Config, ConfigLevel};
use serde::Serialize;

use super::git::Git;
use super::{LOCK, Project, gitignore};
use crate::{Error, Result};

/// The name of the merge driver, as `.gitattributes` and Git's configuration have it.
const DRIVER: &str = "mlx-lock";

/// What [`merge_driver`] found or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MergeDriver {
    /// Whether `.gitattributes` is new or changed; it is for all who use the repository.
    pub attributes_changed: bool,
    /// Whether the repository's configuration changed; it is for this clone alone.
    pub settings_changed: bool,
}

impl MergeDriver {
    pub fn changed(&self) -> bool {
        self.attributes_changed || self.settings_changed
    }
}

/// Makes Git merge `mlx.lock` block by block, with `program`: a command of the shell. The lines of `.gitignore` that come
/// with the blocks are taken from both sides, unless somebody said how that file is merged.
///
/// # Errors
/// A `Usage` error where the project lies in no Git repository.
pub fn merge_driver(project: &Project, program: &str) -> Result<MergeDriver> {
    let git = repository(project)?;
    let lock = git.prefix.join(LOCK);
    let is_given = || {
        let attribute = git.repository.get_attr(&lock, "merge", AttrCheckFlags::FILE_THEN_INDEX);
        attribute.is_ok_and(|value| value == Some(DRIVER))
    };
    let line = format!("/{LOCK} merge={DRIVER}");
    let file = project.root().join(".gitattributes");
    let mut lines = Vec::new();
    if !is_given() {
        lines.push(line.clone().into_bytes());
    }
    let ignored = git.prefix.join(gitignore::FILE);
    let attribute = git.repository.get_attr(&ignored, "merge", AttrCheckFlags::FILE_THEN_INDEX);
    if attribute.is_ok_and(|value| value.is_none()) {
        lines.push(format!("/{} merge=union", gitignore::FILE).into_bytes());
    }
    let attributes_changed = gitignore::append_lines(&file, &project.scratch(), lines)?;
    if !is_given() {
        return Err(Error::failed(format!("another line of Git's attributes takes `{line}` away"))
            .with_hint(format!("`git check-attr -a {LOCK}` says which attributes it has; change that line")));
    }
    let config = git.repository.config().and_then(|config| config.open_level(ConfigLevel::Local));
    let mut config = config.context("cannot open the configuration of the Git repository")?;
    let mut settings_changed = false;
    // Git expands `%` in the command.
    let driver = format!("{} merge-lock %O %A %B %P", program.replace('%', "%%"));
    // A common ancestor that is itself a merge must have no markers in it.
    for (name, value) in [("name", "mlx.lock, block by block"), ("driver", &driver), ("recursive", "binary")] {
        settings_changed |= set(&mut config, &format!("merge.{DRIVER}.{name}"), value)?;
    }
    Ok(MergeDriver { attributes_changed, settings_changed })
}

/// The Git repository around the project.
pub(super) fn repository(project: &Project) -> Result<Git> {
    Git::of(project)?.ok_or_else(|| {
        Error::usage("this project lies in no Git repository")
            .with_hint("start one with `git init`, then run this again")
    })
}

/// Returns whether the value was another.
fn set(config: &mut Config, name: &str, value: &str) -> Result<bool> {
    if config.get_string(name).is_ok_and(|found| found == value) {
        return Ok(false);
    }
    config.set_str(name, value).with_context(|| format!("cannot set `{name}` in the configuration of Git"))?;
    Ok(true)
}
