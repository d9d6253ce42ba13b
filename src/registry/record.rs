//! The records of the registry, as they are kept and `--json` prints them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Object;
use crate::env::Environment;
use crate::project::ProjectPath;
use crate::project::lock::LockedPath;
use crate::run::RunId;

/// The version of the format that this program writes and reads.
pub const FORMAT: u64 = 1;

/// A version of a model: the record `models/NAME/versions/NUMBER`, written once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// The version of this format; 1.
    pub format: u64,
    pub model: String,
    /// Counts from 1.
    pub version: u64,
    pub created: Timestamp,
    /// Who registered it.
    pub created_by: String,
    pub description: Option<String>,
    /// The model's path in the project and its content.
    pub path: ProjectPath,
    pub object: Object,
    /// The step and the run that made it; `None` for a model that was added, not trained.
    pub step: Option<String>,
    pub run: Option<RunId>,
    /// The commit of that run, or of the project when it was registered.
    pub commit: Option<String>,
    pub params: BTreeMap<String, Value>,
    pub metrics: BTreeMap<String, f64>,
    /// Everything it was made from that no step made: data and code, by digest.
    pub data: Vec<LockedPath>,
    pub environment: Option<Environment>,
}

/// Something that was done with a version after it was made: the record `models/NAME/events/NUMBER`, written once.
///
/// The events of a model are numbered, and whoever does something takes the next number after those that it has read. So
/// what is true of a model now is what its events say one after the other, whatever the clocks say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub when: Timestamp,
    pub who: String,
    pub why: Option<String>,
    #[serde(flatten)]
    pub action: Action,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// An alias came to the version `to`.
    Promoted {
        alias: String,
        from: Option<u64>,
        to: u64,
        /// The gates that were passed over with `--force`, in words.
        #[serde(default)]
        overridden: Vec<String>,
    },
    /// An alias was taken away from the version that held it.
    Demoted {
        alias: String,
        from: u64,
    },
    /// `None` takes away what was said before.
    Described {
        version: u64,
        description: Option<String>,
    },
    Tagged {
        version: u64,
        tags: BTreeSet<String>,
    },
    Untagged {
        version: u64,
        tags: BTreeSet<String>,
    },
    /// The version is out of use: it is not listed, promoted or deployed until it is restored.
    Archived {
        version: u64,
    },
    Restored {
        version: u64,
    },
    /// The version's record and content are given up for good; its number is never given again.
    Removed {
        version: u64,
    },
}

impl Action {
    /// The version that it concerns.
    pub fn version(&self) -> u64 {
        match self {
            Self::Promoted { to: version, .. }
            | Self::Demoted { from: version, .. }
            | Self::Described { version, .. }
            | Self::Tagged { version, .. }
            | Self::Untagged { version, .. }
            | Self::Archived { version }
            | Self::Restored { version }
            | Self::Removed { version } => *version,
        }
    }
}

impl Event {
    /// The event as a promotion; `None` for any other.
    pub fn promotion(&self) -> Option<Promotion> {
        let Self { when, who, why, action } = self;
        let Action::Promoted { alias, from, to, overridden } = action else { return None };
        Some(Promotion {
            when: *when,
            who: who.clone(),
            alias: alias.clone(),
            from: *from,
            to: *to,
            why: why.clone(),
            overridden: overridden.clone(),
        })
    }
}

/// An alias came to a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Promotion {
    pub when: Timestamp,
    pub who: String,
    pub alias: String,
    /// The version that held the alias before.
    pub from: Option<u64>,
    pub to: u64,
    pub why: Option<String>,
    /// The gates that were passed over with `--force`, in words.
    pub overridden: Vec<String>,
}
