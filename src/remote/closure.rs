//! All objects that some roots reach: trees, and what they list.

use std::collections::HashMap;

use super::parts::Listing;
use crate::Digest;
use crate::Result;
use crate::digest::Object;
use crate::store::StoreError;

/// So many trees are held in memory at once.
const SLICE: usize = 64;

/// What the roots reach.
#[derive(Debug, Default)]
pub struct Closure {
    /// In the order of the directories, so that what lies together comes together; some may stand twice.
    pub objects: Vec<Wanted>,
    /// Trees that nobody has, so that what they list is not known.
    pub unread: Vec<Digest>,
    /// Objects that are no directories as they are named, and why.
    pub misnamed: Vec<StoreError>,
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
    pub fn walk(roots: &[Object], mut read: impl FnMut(&[Digest]) -> Result<Vec<Option<Listing>>>) -> Result<Self> {
        let mut closure = Self::default();
        let (mut met, mut level) = (HashMap::new(), Vec::new());
        roots.iter().for_each(|root| closure.meet(root, &mut met, &mut level));
        while !level.is_empty() {
            let mut next = Vec::new();
            for slice in level.chunks(SLICE) {
                let digests: Vec<Digest> = slice.iter().map(|object: &Object| object.digest).collect();
                for (object, listing) in slice.iter().zip(read(&digests)?) {
                    let digest = object.digest;
                    let tree = match listing {
                        Some(Ok(tree)) => tree,
                        Some(Err(wrong)) => {
                            closure.misnamed.push(StoreError::NotADirectory { digest, wrong });
                            continue;
                        }
                        None => {
                            closure.unread.push(digest);
                            continue;
                        }
                    };
                    let found = tree.misnamed(object);
                    closure.misnamed.extend(found.map(|found| StoreError::Misnamed { digest, found }));
                    tree.entries().iter().for_each(|entry| closure.meet(&entry.object, &mut met, &mut next));
                }
            }
            level = next;
        }
        Ok(closure)
    }

    /// `met` holds trees only, with what they are said to hold: for a million files it would not be small.
    fn meet(&mut self, object: &Object, met: &mut HashMap<Digest, (u64, u64)>, trees: &mut Vec<Object>) {
        let digest = object.digest;
        if !object.is_directory() {
            self.objects.push(Wanted { digest, size: object.size });
            return;
        }
        let totals = (object.size, object.files);
        match met.insert(digest, totals) {
            None => {
                trees.push(object.clone());
                self.objects.push(Wanted { digest, size: u64::MAX });
            }
            Some(before) if before == totals => {}
            Some(_) => {
                let found = "two that name it say that it holds different amounts".to_owned();
                self.misnamed.push(StoreError::Misnamed { digest, found });
            }
        }
    }

    /// An error where something is named as a directory that it is not: it must not come any nearer.
    pub fn refuse_misnamed(&self) -> Result<()> {
        self.misnamed.first().map_or(Ok(()), |wrong| Err(wrong.clone().into()))
    }

    /// The digests, sorted, each once; and what each object should have, as [`Wanted`] says it.
    pub fn sorted_with_sizes(&self) -> (Vec<Digest>, Vec<u64>) {
        let mut wanted = self.objects.clone();
        wanted.sort_unstable();
        wanted.dedup_by_key(|wanted| wanted.digest);
        wanted.into_iter().map(|Wanted { digest, size }| (digest, size)).unzip()
    }

    /// The digests, sorted, each once.
    pub fn sorted(&self) -> Vec<Digest> {
        let mut sorted: Vec<Digest> = self.objects.iter().map(|wanted| wanted.digest).collect();
        sorted.sort_unstable();
        sorted.dedup();
        sorted
    }
}
