//! Versions that are refused because a listing in them is none, or not what it is named as: which path that is.

use std::collections::HashSet;

use super::naming::paths_of;
use crate::fs::escape;
use crate::project::Lock;
use crate::store::StoreError;
use crate::store::tree::{NotATree, Tree};
use crate::{Digest, Error, Result};

/// Says of a refused object which path of these locks it is, and what path it would have made.
pub fn with_path(error: Error, locks: &[Lock], read: impl FnMut(&[Digest]) -> Result<Vec<Option<Tree>>>) -> Error {
    let (digest, name) = match error.downcast_ref() {
        Some(StoreError::NotADirectory { digest, wrong: NotATree::Name { name, .. } }) => (*digest, Some(name.clone())),
        Some(StoreError::NotADirectory { digest, .. } | StoreError::Misnamed { digest, .. }) => (*digest, None),
        _ => return error,
    };
    // The error itself is what matters; without the path it is true as well.
    let paths = paths_of(locks, &HashSet::from([digest]), read).unwrap_or_default();
    let Some(path) = paths.first() else { return error };
    error.context(match name {
        Some(name) => format!("`{path}` is refused: it would make `{path}/{}`", escape(&name)),
        None => format!("`{path}` is refused"),
    })
}
