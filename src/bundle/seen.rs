//! Weights whose objects were read and found right, by how their files looked then: as long as they look the same, packaging
//! the version again does not read them.

use std::collections::BTreeMap;

use super::record;
use crate::fs::Stamp;
use crate::registry::Version;
use crate::store::Store;
use crate::{Digest, Result};

/// What is known of the weights of a version.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// As the records of its bundles say.
    recorded: BTreeMap<Digest, Stamp>,
    /// Found right now, or known and unchanged.
    now: BTreeMap<Digest, Stamp>,
}

impl Seen {
    /// What was known when the version was packaged last.
    pub fn recorded(store: &Store, version: &Version) -> Result<Self> {
        let mut recorded = BTreeMap::new();
        // The newest is the first.
        for record in record::made(store, &version.model, version.version)?.into_iter().rev() {
            recorded.extend(record.weights);
        }
        Ok(Self { recorded, now: BTreeMap::new() })
    }

    /// Whether the object looks as it did when it was found right.
    pub fn knows(&self, digest: &Digest, stamp: Stamp) -> bool {
        self.recorded.get(digest) == Some(&stamp)
    }

    /// Keeps in mind that an object was found right; `stamp` is from before it was read.
    pub fn note(&mut self, digest: Digest, stamp: Stamp) {
        self.now.insert(digest, stamp);
    }

    /// Those that were found right and not written to since, with the stamps of this moment.
    pub fn unchanged(&self, store: &Store) -> BTreeMap<Digest, Stamp> {
        let still = |(digest, seen): (&Digest, &Stamp)| {
            let stamp = store.stamp(digest).filter(|stamp| stamp.has_same_content(seen))?;
            Some((*digest, stamp))
        };
        self.now.iter().filter_map(still).collect()
    }
}
