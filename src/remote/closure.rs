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
    /// In the order of the directories, so that what lies together comes together; some may stand twice.
    pub objects: Vec<Wanted>,
    /// Trees that nobody has, so that what they list is not known.
    pub unread: Vec<Digest>,
}

/// An object that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    pub digest: Digest,
    /// What it should have, in bytes, as who names it says; `u64::MAX` for a tree, of which nobody says it.
    pub size: u64,
}

impl Closure {
    /// Walks from the roots. `read` gives the trees of some digests, `None` for one that it can't find.
    pub fn walk(roots: &[Object], mut read: impl FnMut(&[Digest]) -> Result<Vec<Option<Tree>>>) -> Result<Self> {
        let mut closure = Self::default();
        let (mut met, mut level) = (HashSet::new(), Vec::new());
        roots.iter().for_each(|root| closure.meet(root, &mut met, &mut level));
        while !level.is_empty() {
            let mut next = Vec::new();
            for slice in level.chunks(SLICE) {
                for (digest, tree) in slice.iter().zip(read(slice)?) {
                    let Some(tree) = tree else {
                        closure.unread.push(*digest);
                        continue;
                    };
                    tree.entries().iter().for_each(|entry| closure.meet(&entry.object, &mut met, &mut next));
                }
            }
            level = next;
        }
        Ok(closure)
    }

    /// `met` holds trees only: for a million files it would not be small.
    fn meet(&mut self, object: &Object, met: &mut HashSet<Digest>, trees: &mut Vec<Digest>) {
        let is_directory = object.is_directory();
        if is_directory && !met.insert(object.digest) {
            return;
        }
        if is_directory {
            trees.push(object.digest);
        }
        let size = if is_directory { u64::MAX } else { object.size };
        self.objects.push(Wanted { digest: object.digest, size });
    }

    /// The digests, sorted, each once.
    pub fn sorted(&self) -> Vec<Digest> {
        let mut sorted: Vec<Digest> = self.objects.iter().map(|wanted| wanted.digest).collect();
        sorted.sort_unstable();
        sorted.dedup();
        sorted
    }
}
