//! Names for objects: at which paths of some locks they lie, for who was only told a digest.

use std::collections::{BTreeSet, HashSet};

use super::scan::{check_depth, join};
use crate::digest::Object;
use crate::fs::escape;
use crate::project::Lock;
use crate::store::tree::Tree;
use crate::{Digest, Result};

/// So many trees are read at once.
const SLICE: usize = 64;

/// The paths at which these objects lie, sorted, as text; of a directory that stands in several places, one. `read` gives
/// the trees of some digests, `None` for one that nobody has.
pub fn paths_of(
    locks: &[Lock],
    wanted: &HashSet<Digest>,
    mut read: impl FnMut(&[Digest]) -> Result<Vec<Option<Tree>>>,
) -> Result<Vec<String>> {
    let mut found = BTreeSet::new();
    let mut met = HashSet::new();
    let entries = locks.iter().flat_map(Lock::entries);
    let mut level: Vec<(Vec<u8>, Object)> = Vec::new();
    for (path, object) in entries {
        visit(path.as_bytes().to_vec(), object, wanted, &mut met, &mut found, &mut level);
    }
    while !level.is_empty() {
        let mut next = Vec::new();
        for slice in level.chunks(SLICE) {
            let digests: Vec<Digest> = slice.iter().map(|(_, object)| object.digest).collect();
            for ((path, _), tree) in slice.iter().zip(read(&digests)?) {
                check_depth(path)?;
                for entry in tree.iter().flat_map(Tree::entries) {
                    visit(join(path, &entry.name), &entry.object, wanted, &mut met, &mut found, &mut next);
                }
            }
        }
        level = next;
    }
    Ok(found.into_iter().collect())
}

fn visit(
    path: Vec<u8>,
    object: &Object,
    wanted: &HashSet<Digest>,
    met: &mut HashSet<Digest>,
    found: &mut BTreeSet<String>,
    below: &mut Vec<(Vec<u8>, Object)>,
) {
    if wanted.contains(&object.digest) {
        found.insert(escape(&path));
    }
    if object.is_directory() && met.insert(object.digest) {
        below.push((path, object.clone()));
    }
}
