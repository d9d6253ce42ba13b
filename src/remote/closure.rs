//! All objects that some roots reach: trees, and what they list.

use std::collections::HashSet;

use crate::Digest;
use crate::Result;
use crate::digest::Object;
use crate::store::tree::Tree;

/// So many trees are held in memory at once.
const SLICE: usize = 64;

/// What the roots reach.
#[derive(Debug, Default)]
pub struct Closure {
    /// Each object once, in the order of the directories, so that what lies together comes together.
    pub objects: Vec<Digest>,
    /// Trees that nobody has, so that what they list is not known.
    pub unread: Vec<Digest>,
}

impl Closure {
    /// Walks from the roots. `read` gives the trees of some digests, `None` for one that it can't find.
    pub fn walk(roots: &[Object], mut read: impl FnMut(&[Digest]) -> Result<Vec<Option<Tree>>>) -> Result<Self> {
        let mut closure = Self::default();
        let mut met = HashSet::new();
        let mut level = Vec::new();
        for root in roots {
            closure.meet(root, &mut met, &mut level);
        }
        while !level.is_empty() {
            let mut next = Vec::new();
            for slice in level.chunks(SLICE) {
                for (digest, tree) in slice.iter().zip(read(slice)?) {
                    match tree {
                        Some(tree) => {
                            tree.entries().iter().for_each(|entry| closure.meet(&entry.object, &mut met, &mut next))
                        }
                        None => closure.unread.push(*digest),
                    }
                }
            }
            level = next;
        }
        Ok(closure)
    }

    fn meet(&mut self, object: &Object, met: &mut HashSet<Digest>, trees: &mut Vec<Digest>) {
        if met.insert(object.digest) {
            self.objects.push(object.digest);
            if object.is_directory() {
                trees.push(object.digest);
            }
        }
    }

    /// The digests, sorted.
    pub fn sorted(&self) -> Vec<Digest> {
        let mut sorted = self.objects.clone();
        sorted.sort_unstable();
        sorted
    }
}
