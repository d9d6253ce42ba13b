//! Fetch: what the roots reach and this store does not have is brought here from the remote.
//!
//! A pack of which most is wanted comes as the file it is; of others only the ranges that hold what is wanted. Everything
//! is checked before it enters the store, and each part enters it as soon as it is whole, so that a fetch that was cut off
//! goes on where it was.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::Transfer;
use super::catalog::{Catalog, Place, locate};
use super::closure::{Closure, Wanted};
use super::receive::{self, Task};
use crate::digest::{Object, ObjectKind};
use crate::store::StoreError;
use crate::store::pack::{Entry, Kind};
use crate::store::transfer::LARGEST_PACKED;
use crate::store::verify::State;
use crate::{Digest, Error, Result};

/// A pack of which this part is wanted comes whole.
const WHOLE_PART: f64 = 0.7;
/// So often it is listed anew where packs went meanwhile.
const LISTINGS: usize = 3;
/// So many bytes of a pack are one task.
const TASK_BYTES: u64 = 32 << 20;

/// What was received, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fetched {
    pub url: String,
    /// Whether this is only the plan.
    pub dry_run: bool,
    /// Objects that were not here.
    pub objects: u64,
    /// Bytes that go over the wire, about; what is in chunks counts with its whole size.
    pub bytes: u64,
    /// Bytes that went over the wire.
    pub received_bytes: u64,
    /// Objects that were here already.
    pub present: u64,
    /// Objects that were damaged here, and were put aside.
    pub repaired: u64,
    /// What is wanted and did not come, after everything else did.
    pub lacking: Vec<Lack>,
    /// What is wrong with the remote as a whole, where something is lacking.
    pub trouble: Option<String>,
    /// Whether it has packs that can't be read.
    #[serde(skip)]
    needs_repair: bool,
    /// The paths of what is lacking, as far as somebody knows them.
    pub paths: Vec<String>,
    /// The first of them that was imported, so that it can be had from its source.
    pub imported: Option<String>,
}

/// An object that did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lack {
    pub digest: Digest,
    /// Whether the remote has it, but damaged.
    pub is_damaged: bool,
}

impl Fetched {
    /// Says no where something did not come.
    pub fn verdict(&self) -> Result<()> {
        let Some(first) = self.lacking.iter().find(|lack| lack.is_damaged).or(self.lacking.first()) else {
            return Ok(());
        };
        let (url, count) = (&self.url, self.lacking.len());
        let what = match self.paths.as_slice() {
            [] => format!("object {}{}", first.digest, more(count)),
            [path] => format!("`{path}`"),
            [path, others @ ..] => format!("`{path}`{}", more(others.len() + 1)),
        };
        let is = if self.paths.len().max(1) > 1 || (self.paths.is_empty() && count > 1) { "are" } else { "is" };
        let how = if first.is_damaged { "damaged" } else { "not" };
        let trouble = self.trouble.as_ref().map_or(String::new(), |trouble| format!(": {trouble}"));
        let push = if first.is_damaged || self.needs_repair { "mlx push --repair" } else { "mlx push" };
        let rest = if self.present + self.objects > 0 { "everything else is here; " } else { "" };
        let imported = self
            .imported
            .as_ref()
            .map_or(String::new(), |path| format!("; `mlx update {path}` brings it from where it was imported"));
        Err(Error::failed(format!("{what} {is} {how} on the remote `{url}`{trouble}"))
            .with_hint(format!("{rest}`{push}` from a clone that has it sends it again{imported}")))
    }
}

/// What is to be received.
#[derive(Debug, Default)]
pub struct Plan {
    pub tasks: Vec<Task>,
    /// Objects that come in chunks: where their recipes are.
    pub large: Vec<(usize, Entry)>,
    pub objects: u64,
    pub bytes: u64,
}

impl Transfer<'_> {
    /// Brings everything here that the roots reach. With `repair`, objects that are here are read, and damaged ones are put
    /// aside and fetched again. What the remote does not have, or has damaged, is no error: [`Fetched::verdict`] tells of it.
    ///
    /// # Errors
    /// Failures of the network or of this store; what came before stays.
    pub fn fetch(&self, catalog: &Catalog, roots: &[Object], repair: bool, dry_run: bool) -> Result<Fetched> {
        let mut fetched = self.fetch_once(catalog, roots, repair, dry_run)?;
        let mut known = None;
        for _ in 1..LISTINGS {
            if fetched.lacking.is_empty() {
                break;
            }
            // Small packs may have been put together since they were listed: what they had is in another.
            let later = self.catalog()?;
            if known.as_ref().unwrap_or(catalog).is_within(&later) {
                break;
            }
            let before = std::mem::replace(&mut fetched, self.fetch_once(&later, roots, false, dry_run)?);
            fetched.present -= if dry_run { 0 } else { before.objects };
            fetched.objects += if dry_run { 0 } else { before.objects };
            fetched.received_bytes += before.received_bytes;
            fetched.repaired = before.repaired;
            known = Some(later);
        }
        Ok(fetched)
    }

    fn fetch_once(&self, catalog: &Catalog, roots: &[Object], repair: bool, dry_run: bool) -> Result<Fetched> {
        let closure = Closure::walk(roots, |digests| self.listings(catalog, digests))?;
        // Before anything of it enters the store.
        closure.refuse_misnamed()?;
        let (missing, present, repaired) = self.missing(&closure, repair, dry_run)?;
        let (plan, absent, mut damaged) = plan(catalog, &missing, &closure);
        let mut fetched = Fetched {
            url: self.remote.url().to_owned(),
            dry_run,
            objects: plan.objects,
            bytes: plan.bytes,
            received_bytes: 0,
            present,
            repaired,
            lacking: Vec::new(),
            trouble: None,
            needs_repair: !catalog.damaged.is_empty(),
            paths: Vec::new(),
            imported: None,
        };
        if !dry_run {
            let mut received = receive::carry_out(self, catalog, plan)?;
            // Of a pack that came as a whole, nobody may need what is damaged in it.
            received.damaged.retain(|digest| missing.binary_search(digest).is_ok());
            received.damaged.sort_unstable();
            received.damaged.dedup();
            fetched.received_bytes = received.bytes;
            fetched.objects -= received.damaged.len() as u64;
            damaged.extend(received.damaged);
        }
        let mut lacking: BTreeMap<Digest, bool> = closure.unread.iter().map(|digest| (*digest, false)).collect();
        lacking.extend(absent.into_iter().map(|digest| (digest, false)));
        lacking.extend(damaged.into_iter().map(|digest| (digest, true)));
        fetched.lacking = lacking.into_iter().map(|(digest, is_damaged)| Lack { digest, is_damaged }).collect();
        if !fetched.lacking.is_empty() {
            fetched.trouble = catalog.trouble(self.remote)?;
        }
        Ok(fetched)
    }

    /// What the remote has, as far as its listing and the indexes of its packs tell.
    pub fn catalog(&self) -> Result<Catalog> {
        Catalog::read(self.remote, self.memory, self.jobs, self.watch)
    }

    /// Follows names down from a directory: the directories on the way, each as an object of its own that is fetched
    /// without what it lists, and at the end what lies there. `None` where there is no such path.
    pub fn descend<'n>(
        &self,
        catalog: &Catalog,
        from: &Object,
        names: impl IntoIterator<Item = &'n [u8]>,
    ) -> Result<Option<Vec<Object>>> {
        let (mut way, mut object) = (Vec::new(), from.clone());
        for name in names {
            if !object.is_directory() {
                return Ok(None);
            }
            let listing = self.listings(catalog, &[object.digest])?.pop().flatten();
            let listing =
                listing.transpose().map_err(|wrong| StoreError::NotADirectory { digest: object.digest, wrong })?;
            let Some(tree) = listing else {
                let (digest, url) = (object.digest, self.remote.url());
                let trouble = catalog.trouble(self.remote)?.map_or(String::new(), |trouble| format!(": {trouble}"));
                return Err(Error::failed(format!(
                    "object {digest} is neither in the local store nor on the remote `{url}`{trouble}"
                ))
                .with_hint("`mlx push` from a clone that has it brings it there"));
            };
            way.push(Object { kind: ObjectKind::File, digest: object.digest, size: u64::MAX, files: 0 });
            match tree.get(name) {
                Some(below) => object = below.clone(),
                None => return Ok(None),
            }
        }
        way.push(object);
        Ok(Some(way))
    }

    /// What is not in the store, sorted; how much is; and how many damaged objects were put aside.
    fn missing(&self, closure: &Closure, repair: bool, dry_run: bool) -> Result<(Vec<Digest>, u64, u64)> {
        let wanted = closure.sorted();
        let packs = self.store.pack_files()?;
        let packed = locate(packs.iter().map(|pack| pack.index()), &wanted);
        let is_here = |(digest, place): (&Digest, &Option<_>)| place.is_some() || self.store.contains(digest);
        let here: Vec<bool> = wanted.par_iter().zip(&packed).map(is_here).collect();
        let mut repaired = 0;
        let mut missing = Vec::new();
        for (digest, here) in wanted.iter().zip(here) {
            if !here {
                missing.push(*digest);
                continue;
            }
            if repair && let State::Damaged(_) = self.store.check(digest)? {
                if !dry_run {
                    self.store.quarantine(digest)?;
                }
                repaired += 1;
                missing.push(*digest);
            }
        }
        let present = (wanted.len() - missing.len()) as u64;
        Ok((missing, present, repaired))
    }
}

/// How the missing objects come; which of them are not on the remote; and which have another size there than who names them
/// says, so that they can't be right.
fn plan(catalog: &Catalog, missing: &[Digest], closure: &Closure) -> (Plan, Vec<Digest>, Vec<Digest>) {
    let (mut plan, mut absent, mut damaged) = (Plan::default(), Vec::new(), Vec::new());
    let mut sizes = vec![u64::MAX; missing.len()];
    for Wanted { digest, size } in &closure.objects {
        if let Ok(position) = missing.binary_search(digest) {
            sizes[position] = *size;
        }
    }
    let mut by_pack: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for ((digest, place), size) in missing.iter().zip(catalog.locate(missing)).zip(sizes) {
        let is_other = |place: &Place| size != u64::MAX && catalog.entry(*place).size != size;
        match place
            .map(|place| if is_other(&place) { catalog.place_of_size(digest, size).unwrap_or(place) } else { place })
        {
            Some(place) if is_other(&place) => damaged.push(*digest),
            Some(place) => by_pack.entry(place.pack).or_default().push(place.slot),
            None => absent.push(*digest),
        }
    }
    plan.objects = (missing.len() - absent.len() - damaged.len()) as u64;
    for (number, slots) in by_pack {
        let number = number as usize;
        let pack = &catalog.packs[number];
        let entry = |slot: u32| pack.index.entry(slot as usize);
        let (recipes, entries): (Vec<Entry>, Vec<Entry>) =
            slots.into_iter().filter_map(entry).partition(|entry| entry.kind == Kind::Recipe);
        plan.bytes += recipes.iter().map(|entry| entry.size).sum::<u64>();
        plan.large.extend(recipes.into_iter().map(|entry| (number, entry)));
        let stored: u64 = entries.iter().map(|entry| entry.stored).sum();
        let is_small = || pack.index.entries().all(|entry| entry.kind.is_whole() && entry.size <= LARGEST_PACKED);
        if stored as f64 >= WHOLE_PART * pack.index.contents_end() as f64 && is_small() {
            plan.bytes += pack.seen.size;
            plan.tasks.push(Task::Whole(number));
            continue;
        }
        plan.bytes += stored;
        let mut part: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        let mut entries = entries;
        entries.sort_unstable_by_key(|entry| entry.offset);
        for entry in entries {
            bytes += entry.stored;
            part.push(entry);
            if bytes >= TASK_BYTES {
                plan.tasks.push(Task::Part(number, std::mem::take(&mut part)));
                bytes = 0;
            }
        }
        if !part.is_empty() {
            plan.tasks.push(Task::Part(number, part));
        }
    }
    (plan, absent, damaged)
}

fn more(count: usize) -> String {
    if count > 1 { format!(" and {} more", count - 1) } else { String::new() }
}
