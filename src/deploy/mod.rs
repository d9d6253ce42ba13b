//! Deploying: a bundle becomes a release on a target, is asked whether it answers, and goes live in one atomic switch.
//!
//! A target holds releases side by side, and at most one of them is live. Whatever fails or is killed on the way, the
//! live one stays a complete release that passed its probe, and the one before it is one switch away.

mod cache;
mod directory;
#[cfg(test)]
mod fake;
mod follow;
mod history;
mod plan;
mod probe;
mod split;
mod switch;
mod watch;

#[cfg(test)]
mod tests;

use std::path::{Component, Path, PathBuf};

pub use cache::Cache;
pub use directory::Directory;
pub use follow::Followed;
pub use history::{Action, Entry, Outcome};
pub use plan::{Change, FileChange, LiveRelease, Plan, plan};
pub use split::Split;
pub use switch::{
    Deployed, Order, Release, RolledBack, deploy, deploy_canary, find_release, live_version, promote_canary, releases,
    rollback,
};

use crate::bundle::{Bundle, Description, File};
use crate::event::{EventSink, Watch};
use crate::project::Project;
use crate::project::manifest::{self, Health};
use crate::{Digest, Error, Result};

/// A place that holds releases, named by the digest of their bundle, and serves at most one of them.
///
/// May be handed to another thread, such as one that follows it; [`Target::live`] and [`Target::document`] are cheap enough
/// to be asked every few seconds.
pub trait Target: Send {
    /// Where it is, for messages.
    fn place(&self) -> String;

    /// Keeps others from changing the target until the result is dropped; an error that says who holds it where somebody
    /// does.
    fn lock(&self, owner: &str) -> Result<Box<dyn Send>>;

    /// The release that is live; it may be gone ([`Target::description`] knows).
    fn live(&self) -> Result<Option<Digest>>;

    /// The complete releases that lie there, in no order.
    fn releases(&self) -> Result<Vec<Digest>>;

    /// What a release says about itself; `None` for one that is not there.
    fn description(&self, release: &Digest) -> Result<Option<Description>>;

    /// Whether the release lies there with every file as this description says.
    fn is_whole(&self, release: &Digest, description: &Description) -> Result<bool>;

    /// Those of the files whose content is not there yet, each content once.
    fn missing(&self, files: &[File]) -> Result<Vec<File>>;

    /// Brings what is missing and lays the release out beside the others, whole and checked; what is served stays as it
    /// is. What was brought stays for the next time if the rest fails.
    fn upload(&self, bundle: &Bundle, watch: Watch<'_>) -> Result<()>;

    /// Starts the release apart from the live one and asks it whether it answers, and as it did when it was packaged.
    fn probe(&self, release: &Digest, check: &Check<'_>, watch: Watch<'_>) -> Result<Answer>;

    /// Makes the release the live one, atomically and durably.
    fn activate(&self, release: &Digest) -> Result<()>;

    /// Asks the server that answers for the target at `url`, until it says yes or the time is over.
    fn ask(&self, url: &str, health: &Health, watch: Watch<'_>) -> Result<Answer>;

    /// Takes a release away that is not live.
    fn remove(&self, release: &Digest) -> Result<()>;

    /// What was done here, the oldest first. Entries that cannot be read are passed over, and `events` hears of it.
    fn history(&self, events: &dyn EventSink) -> Result<Vec<Entry>>;

    /// Appends to the history, durably.
    fn append(&self, entry: &Entry) -> Result<()>;

    /// Brings a release to this machine, whole, and returns the directory it lies in: one of the cache, or the target's own
    /// where that is on this machine. What arrived is checked; who serves it checks what was here before.
    fn fetch(&self, release: &Digest, cache: &Cache, watch: Watch<'_>) -> Result<PathBuf>;

    /// A small document that lies beside the releases, such as how traffic is split; `None` where there is none. Its name is
    /// one of a file.
    fn document(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Replaces a document, whole and durably, or takes it away. The caller holds the lock.
    fn set_document(&self, name: &str, bytes: Option<&[u8]>) -> Result<()>;
}

/// How a release is asked.
#[derive(Debug, Clone, Copy)]
pub struct Check<'a> {
    /// This very program, which is started to serve the release.
    pub program: &'a Path,
    pub health: &'a Health,
}

/// What somebody who was asked says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No {
        why: String,
        /// What its server printed last.
        last_lines: Vec<String>,
    },
}

impl Answer {
    /// No, for this reason.
    pub fn no(why: impl Into<String>) -> Self {
        Self::No { why: why.into(), last_lines: Vec::new() }
    }
}

/// The error of a release that should lie on a target and does not.
fn gone(release: &Digest, place: &str) -> Error {
    Error::failed(format!("release {} does not lie on the target {place}", release.short()))
        .with_hint("deploy its model version again")
}

/// The target that the manifest describes.
pub fn open(project: &Project, target: &manifest::Target) -> Result<Box<dyn Target>> {
    let root = directory_of(project, target)?;
    Ok(Box::new(Directory::open(&root)?))
}

/// Where a directory target lies: a path relative to the project, an absolute one, or one as `file://` URL.
pub fn directory_of(project: &Project, target: &manifest::Target) -> Result<PathBuf> {
    let manifest::Target { url, place, .. } = target;
    let shown = crate::fs::escape(url.as_bytes());
    let path = match url.split_once("://") {
        None => url.as_str(),
        Some(("file", path)) if path.starts_with('/') => path,
        Some(("file", _)) => {
            return Err(Error::usage(format!("`{shown}` is no place on this machine ({place})"))
                .with_hint("write `file:///absolute/path`, or the path alone"));
        }
        Some((scheme, _)) => {
            let scheme = crate::fs::escape(scheme.as_bytes());
            return Err(Error::usage(format!("targets at `{scheme}://` are not supported ({place})")).with_hint(
                "a target is a directory today: a path, relative to the project or absolute, or `file:///path`",
            ));
        }
    };
    if path.is_empty() || path.contains('\0') {
        return Err(Error::usage(format!("`{shown}` is no directory ({place})")));
    }
    let directory = project.root().join(path);
    keep_apart(project, &directory, place)?;
    Ok(directory)
}

/// A target fills its directory and clears away what was left in it: nothing else may live there.
fn keep_apart(project: &Project, directory: &Path, place: &str) -> Result<()> {
    let mut lexical = PathBuf::new();
    for part in directory.components() {
        match part {
            Component::ParentDir => drop(lexical.pop()),
            part => lexical.push(part),
        }
    }
    let directory = directory.canonicalize().unwrap_or(lexical);
    let what = if project.root().starts_with(&directory) {
        "holds the project"
    } else if directory.starts_with(project.state("")) || directory.starts_with(project.root().join(".git")) {
        "lies where mlx and Git keep their own files"
    } else {
        return Ok(());
    };
    Err(Error::usage(format!("the target `{}` {what} ({place})", crate::fs::quote(&directory)))
        .with_hint("give it a directory of its own, such as `deploy/production`"))
}
