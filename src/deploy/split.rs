//! How the traffic of a target is split: a canary answers a part of the requests beside the live release.
//!
//! The split is a document beside the releases, which servers that follow the target read. It goes before the live release
//! changes, so that a kill in between leaves the live one with all requests.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Target;
use crate::{Digest, Error, Result};

/// The document's name.
const FILE: &str = "split.json";
/// The version of its format.
const FORMAT: u64 = 1;

/// A release that answers a part of the requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The version of this format; 1.
    pub format: u64,
    pub release: Digest,
    /// Of each hundred requests so many; 1 to 99.
    pub percent: u8,
    pub since: Timestamp,
    /// Who said it.
    pub by: String,
}

impl Split {
    /// The canary `release` gets so many of each hundred requests from now on.
    pub fn new(release: Digest, percent: u8, by: &str) -> Self {
        Self { format: FORMAT, release, percent, since: Timestamp::now(), by: by.to_owned() }
    }
}

/// The canary beside the release that is live; `None` where all requests go to that one.
pub fn canary(target: &dyn Target, live: Option<&Digest>) -> Result<Option<Split>> {
    let Some(bytes) = target.document(FILE)? else { return Ok(None) };
    let damaged = |why: String| {
        Error::failed(format!("`{FILE}` on the target {} {why}", target.place()))
            .with_hint("`mlx deploy TARGET --canary PERCENT` writes it anew, and `mlx rollback TARGET` ends the split")
    };
    let split: Split = serde_json::from_slice(&bytes).map_err(|error| damaged(format!("is damaged: {error}")))?;
    if split.format != FORMAT {
        return Err(damaged(format!("has format {}; this mlx knows {FORMAT}", split.format)));
    }
    if !(1..100).contains(&split.percent) {
        return Err(damaged(format!("is damaged: {} % is no part of the requests", split.percent)));
    }
    Ok(Some(split).filter(|split| Some(&split.release) != live))
}

/// Writes down which canary gets its part from now on; nobody does with `None`. Servers that follow the target go by it. The
/// caller holds the lock.
pub fn write<T: Target + ?Sized>(target: &T, split: Option<&Split>) -> Result<()> {
    match split {
        Some(split) => {
            let bytes = serde_json::to_vec_pretty(split).expect("it has text as keys");
            target.set_document(FILE, Some(&bytes))
        }
        None if target.document(FILE)?.is_some() => target.set_document(FILE, None),
        None => Ok(()),
    }
}
