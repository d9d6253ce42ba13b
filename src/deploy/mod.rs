//! Deploying: a bundle becomes a release on a target, is asked whether it answers, and goes live in one atomic switch.
//!
//! A target holds releases side by side, and at most one of them is live. Whatever fails or is killed on the way, the
//! live one stays a complete release that passed its probe, and the one before it is one switch away.

mod auth;
mod directory;
#[cfg(test)]
mod fake;
mod follow;
mod history;
mod hooks;
mod kubernetes;
mod lease;
mod machine;
mod machine_scripts;
mod objects;
mod open;
mod pages;
mod place;
mod plan;
mod probe;
mod releases;
mod repository;
mod split;
mod stored;
mod switch;
mod trial;
mod watch;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use auth::auth;
pub use directory::Directory;
pub use follow::Followed;
pub use history::{Action, Entry, Outcome};
pub use hooks::Hooks;
pub use kubernetes::{Kubernetes, Manifests, Written};
pub use machine::Machine;
pub use open::{Reach, cluster, directory_of, open, required_key};
pub use plan::{Candidate, Change, FileChange, LiveRelease, Plan, plan};
pub use releases::{Answering, Release, answering, find_release, releases, releases_of_all};
pub use split::Split;
pub use stored::Stored;
pub use switch::{
    CanaryPlan, Deployed, Order, RolledBack, deploy, deploy_canary, plan_canary, promote_canary, rollback,
};
pub use trial::{Tested, test};

pub use crate::bundle::Cache;
use crate::bundle::{Bundle, Description, File};
use crate::event::{EventSink, Watch};
use crate::project::manifest::Health;
use crate::remote::RemoteError;
use crate::{Digest, Error, Kind, Result};

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

    /// Whether the release lies there as its bundle brings it: every file, and among the code none that it did not bring.
    fn is_whole(&self, candidate: &Candidate<'_>) -> Result<bool>;

    /// Those of the contents that are not there yet, each once: files, or layers where the target keeps those.
    fn missing(&self, candidate: &Candidate<'_>) -> Result<Vec<File>>;

    /// Brings what is missing and lays the release out beside the others, whole and checked; what is served stays as it
    /// is. What was brought stays for the next time if the rest fails.
    fn upload(&self, bundle: &Bundle, watch: Watch<'_>) -> Result<()>;

    /// Starts the release apart from the live one and asks it whether it answers, and as it did when it was packaged.
    fn probe(&self, release: &Digest, check: &Check<'_>, watch: Watch<'_>) -> Result<Answer>;

    /// Makes the release the live one, atomically and durably.
    fn activate(&self, release: &Digest) -> Result<()>;

    /// Does what [`Target::activate`] does, with something of its own in the place of a release. The caller holds the lock.
    fn try_switch(&self) -> Result<()>;

    /// Asks the server that answers for the target at `url`, until it says yes or the time is over.
    fn ask(&self, url: &str, health: &Health, watch: Watch<'_>) -> Result<Answer>;

    /// Where the server is reached that the target itself keeps for a release which gets requests; `None` where servers are the
    /// user's, who says in `health.url` where they are.
    fn front(&self, release: &Digest, watch: Watch<'_>) -> Result<Option<Front>> {
        let _ = (release, watch);
        Ok(None)
    }

    /// Where the user sees what the servers do that the target itself keeps; `None` where it keeps none.
    fn where_to_look(&self) -> Option<String> {
        None
    }

    /// Whether a canary can get this part of the requests here; an error that says what can be done where it can't.
    fn check_canary(&self, percent: u8) -> Result<()> {
        let _ = percent;
        Ok(())
    }

    /// From now on a canary gets its part of the requests beside the live release; nobody does with `None`. The caller holds
    /// the lock.
    fn divert(&self, split: Option<&Split>) -> Result<()> {
        split::write(self, split)
    }

    /// Lets go of what ran for a change that is over, however it ended. The caller holds the lock.
    fn settle(&self) -> Result<()> {
        Ok(())
    }

    /// What else has to work for a deploy here; `None` where nothing does.
    fn rest(&self) -> Option<&'static str> {
        None
    }

    /// Tries that, without touching a release. The caller holds the lock.
    fn try_rest(&self) -> Result<()> {
        Ok(())
    }

    /// Takes a release away that is not live.
    fn remove(&self, release: &Digest) -> Result<()>;

    /// Takes contents away that no release has any more. The caller holds the lock.
    fn sweep(&self) -> Result<()>;

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

/// A server of a target, reached for as long as this lives.
pub struct Front {
    pub url: String,
    /// What it is, for messages.
    pub shown: String,
    /// What keeps the way open.
    pub held: Option<Box<dyn Send>>,
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

/// Whether a release lies there and what it says can't be understood; not where the place can't be asked.
fn is_unreadable(error: &Error) -> bool {
    error.kind() == Kind::Failed && error.downcast_ref::<RemoteError>().is_none()
}

/// The error of a release that should lie on a target and does not.
fn gone(release: &Digest, place: &str) -> Error {
    Error::failed(format!("release {} does not lie on the target {place}", release.short()))
        .with_hint("deploy its model version again")
}
