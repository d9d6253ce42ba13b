//! Push: what of a store is not on the remote yet, and how it gets there.
//!
//! Packs whose objects are all wanted are sent as they are. Other objects are put into new packs: small ones together,
//! those of more than a megabyte together, and large ones as chunks with a recipe.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::audit::Mended;
use super::catalog::{Catalog, Place, locate};
use super::chunks::LARGEST_WHOLE;
use super::closure::{Closure, Wanted};
use super::parts::Listing;
use super::{Transfer, send};
use crate::digest::Object;
use crate::store::StoreError;
use crate::store::pack::{Index, Kind, Pack};
use crate::store::transfer::LARGEST_PACKED;
use crate::store::tree::{NotATree, Tree};
use crate::store::verify::State;
use crate::{Digest, Error, Result};

/// A smaller pack is not worth a file of its own on a remote, if there are several.
const SMALL_PACK_BYTES: u64 = 4 << 20;

/// What was sent, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pushed {
    pub url: String,
    /// Whether this is only the plan.
    pub dry_run: bool,
    /// Objects that were not on the remote, and their size in bytes.
    pub objects: u64,
    pub bytes: u64,
    /// Bytes and files that went over the wire; 0 in a plan, because what shrinks and what repeats shows on the way.
    pub sent_bytes: u64,
    pub packs: u64,
    /// Objects that were there already.
    pub present: u64,
    /// Objects on the remote that were found damaged and taken away. What of them is here was sent again, whether it was
    /// asked for or not.
    pub repaired: u64,
    /// Objects that were taken away and are not here, so that they are gone from the remote.
    pub lost: Vec<Digest>,
    /// Whether a pack was taken away of which this machine does not know all that was in it.
    pub lost_unknown: bool,
    /// The paths of what is lost, as far as somebody knows them.
    pub lost_paths: Vec<String>,
}

/// Objects to be sent, by how they are sent.
#[derive(Debug, Default)]
pub struct Plan {
    /// Packs that go as they are.
    pub packs: Vec<Arc<Pack>>,
    /// Objects for new packs, in the order of the directories.
    pub small: Vec<Digest>,
    pub medium: Vec<Digest>,
    /// Objects that go in chunks, with their size.
    pub large: Vec<(Digest, u64)>,
    pub objects: u64,
    pub bytes: u64,
    pub present: u64,
}

impl Transfer<'_> {
    /// Sends all that the roots reach and that the remote does not have.
    ///
    /// The remote is trusted as far as this machine saw it: a pack that is not what it was when it was looked at last is
    /// read and checked before. With `repair` every pack is. What is damaged is sent again.
    ///
    /// # Errors
    /// Objects that are neither here nor there; a damaged object of this store is never sent.
    pub fn push(&self, roots: &[Object], repair: bool, dry_run: bool) -> Result<Pushed> {
        let mut catalog = Catalog::read(self.remote, self.memory, self.jobs, self.watch)?;
        let mut pushed = Pushed {
            url: self.remote.url().to_owned(),
            dry_run,
            objects: 0,
            bytes: 0,
            sent_bytes: 0,
            packs: 0,
            present: 0,
            repaired: 0,
            lost: Vec::new(),
            lost_unknown: false,
            lost_paths: Vec::new(),
        };
        if !dry_run {
            let mended = self.mend(&mut catalog, repair)?;
            self.send_again(&mut catalog, mended, &mut pushed)?;
        }
        let closure = Closure::walk(roots, |digests| self.listings(&catalog, digests))?;
        closure.refuse_misnamed()?;
        if let Some(digest) = closure.unread.first() {
            return Err(nowhere(digest, closure.unread.len(), self.remote.url()));
        }
        if !dry_run {
            let mended = self.mend_sizes(&mut catalog, &closure)?;
            pushed.repaired += mended.objects;
            pushed.objects += mended.again;
            pushed.bytes += mended.again_bytes;
            pushed.sent_bytes += mended.sent_bytes;
            pushed.packs += mended.packs;
        }
        let plan = self.plan(&catalog, &closure, repair || pushed.repaired > 0)?;
        pushed.objects += plan.objects;
        pushed.bytes += plan.bytes;
        pushed.present = plan.present;
        if !dry_run && (plan.objects > 0 || pushed.repaired > 0 || !catalog.is_begun) {
            let sent = send::carry_out(self, &mut catalog, plan)?;
            pushed.sent_bytes += sent.bytes;
            pushed.packs += sent.packs;
        }
        Ok(pushed)
    }

    /// Sends the large objects of which a part was taken away and that are here, before anything else: others may need them,
    /// whatever is being pushed. Smaller ones came with the packs that took the place of damaged ones.
    fn send_again(&self, catalog: &mut Catalog, mut mended: Mended, pushed: &mut Pushed) -> Result<()> {
        (pushed.repaired, pushed.objects, pushed.bytes) = (mended.objects, mended.again, mended.again_bytes);
        (pushed.sent_bytes, pushed.packs) = (mended.sent_bytes, mended.packs);
        let is_here = |digest: &&Digest| matches!(self.store.check(digest), Ok(State::Sound));
        let here: HashSet<Digest> = mended.lost.iter().chain(&mended.cut).filter(is_here).copied().collect();
        if !here.is_empty() {
            let objects = here.iter().map(|digest| Wanted { digest: *digest, size: u64::MAX }).collect();
            let plan = self.plan(catalog, &Closure { objects, ..Closure::default() }, true)?;
            pushed.objects += plan.objects;
            pushed.bytes += plan.bytes;
            let sent = send::carry_out(self, catalog, plan)?;
            pushed.sent_bytes += sent.bytes;
            pushed.packs += sent.packs;
            *catalog = Catalog::read(self.remote, self.memory, self.jobs, self.watch)?;
        }
        // Parts of large objects came with those.
        mended.forget_what_is_there(catalog);
        mended.cut.retain(|digest| !here.contains(digest));
        pushed.lost = mended.lost.into_iter().chain(mended.cut).collect();
        pushed.lost_unknown = mended.is_unknown;
        Ok(())
    }

    /// Sorts what is not on the remote by how it is sent. With `chunks`, objects that are there as recipes are looked at:
    /// whether all their chunks are there.
    fn plan(&self, catalog: &Catalog, closure: &Closure, chunks: bool) -> Result<Plan> {
        let (wanted, sizes) = closure.sorted_with_sizes();
        let mut there = catalog.locate(&wanted);
        for ((digest, place), size) in wanted.iter().zip(&mut there).zip(sizes) {
            let Some(entry) = place.map(|place| catalog.entry(place)) else { continue };
            let is_other = size != u64::MAX && entry.size != size && catalog.place_of_size(digest, size).is_none();
            if is_other || (chunks && entry.kind == Kind::Recipe && !self.has_chunks(catalog, digest, &[])?) {
                *place = None;
            }
        }
        let missing: Vec<Digest> =
            wanted.iter().zip(&there).filter(|(_, place)| place.is_none()).map(|(digest, _)| *digest).collect();
        let packs = self.store.pack_files()?;
        let here = locate(packs.iter().map(|pack| pack.index()), &missing);
        let mut plan =
            Plan { objects: missing.len() as u64, present: (wanted.len() - missing.len()) as u64, ..Plan::default() };
        let is_whole: Vec<bool> = packs.par_iter().map(|pack| is_within(pack.index(), &missing)).collect();
        let are_many = is_whole.iter().filter(|whole| **whole).count() > 1;
        let as_is: Vec<bool> = packs
            .iter()
            .zip(&is_whole)
            .map(|(pack, whole)| *whole && (!are_many || pack.length() >= SMALL_PACK_BYTES))
            .collect();
        let mut is_planned = vec![false; missing.len()];
        for Wanted { digest, .. } in &closure.objects {
            let Ok(position) = missing.binary_search(digest) else { continue };
            if std::mem::replace(&mut is_planned[position], true) {
                continue;
            }
            let size = match here[position] {
                Some(Place { pack, slot }) => packs[pack as usize].index().entry(slot as usize).map(|entry| entry.size),
                None => self.store.size(digest),
            };
            let size = size.ok_or_else(|| nowhere(digest, 1, self.remote.url()))?;
            plan.bytes += size;
            match here[position] {
                Some(place) if as_is[place.pack as usize] => {}
                _ if size <= LARGEST_PACKED => plan.small.push(*digest),
                _ if size <= LARGEST_WHOLE => plan.medium.push(*digest),
                _ => plan.large.push((*digest, size)),
            }
        }
        plan.packs = packs.into_iter().zip(as_is).filter(|(_, as_is)| *as_is).map(|(pack, _)| pack).collect();
        Ok(plan)
    }

    /// The trees of these digests: of this store, or of the remote where they are not here or damaged.
    pub fn trees(&self, catalog: &Catalog, digests: &[Digest]) -> Result<Vec<Option<Tree>>> {
        let listings = self.listings(catalog, digests)?;
        Ok(listings.into_iter().map(|listing| listing.and_then(Result::ok)).collect())
    }

    /// As [`Transfer::trees`], with what is wrong with a sound object that is no tree.
    pub(super) fn listings(&self, catalog: &Catalog, digests: &[Digest]) -> Result<Vec<Option<Listing>>> {
        self.watch.interrupt.check()?;
        let read = |digest: &Digest| match self.store.tree(digest) {
            Ok(tree) => Ok(Some(Ok(tree))),
            Err(error) => match error.downcast_ref::<StoreError>() {
                Some(StoreError::NotADirectory { wrong, .. }) => Ok(Some(Err(wrong.clone()))),
                Some(_) => Ok(None),
                None => Err(error),
            },
        };
        let mut trees = digests.par_iter().map(read).collect::<Result<Vec<Option<Listing>>>>()?;
        let absent: Vec<Digest> =
            digests.iter().zip(&trees).filter(|(_, tree)| tree.is_none()).map(|(digest, _)| *digest).collect();
        if !absent.is_empty() {
            let fetched = self.fetch_trees(catalog, &absent)?;
            // No damage, and nothing to be refused: another program may read it.
            let foreign = fetched.iter().find(|(_, listing)| matches!(listing, Err(NotATree::Version(_))));
            if let Some((digest, Err(wrong))) = foreign {
                let cannot = format!("cannot read the directory {digest} of the remote `{}`", self.remote.url());
                return Err(Error::new(crate::Kind::Failed, wrong.clone())
                    .context(cannot)
                    .with_hint("install the mlx that wrote it"));
            }
            for (digest, tree) in digests.iter().zip(&mut trees).filter(|(_, tree)| tree.is_none()) {
                *tree = fetched.get(digest).cloned();
            }
        }
        Ok(trees)
    }
}

/// Whether all objects of a pack are among these sorted digests.
fn is_within(index: &Index, digests: &[Digest]) -> bool {
    index.count() > 0
        && (0..index.count())
            .all(|slot| index.entry(slot).is_some_and(|entry| digests.binary_search(&entry.digest).is_ok()))
}

fn nowhere(digest: &Digest, count: usize, url: &str) -> Error {
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    Error::failed(format!("object {digest}{more} is neither in the local store nor on the remote `{url}`"))
        .with_hint("`mlx verify` names the paths that need it; `mlx add` or `mlx train` stores them again")
}
