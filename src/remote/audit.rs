//! Looking into what a remote has: every object of a pack is read and checked, and what can be mended is.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::catalog::{Catalog, KnownPack, Place};
use super::chunks::{Chunk, LARGEST_WHOLE, Recipe};
use super::closure::Closure;
use super::layout::{self, pack_name};
use super::workers::share;
use super::{Body, Content, RemoteError, Transfer, parts};
use crate::digest::Object;
use crate::event::{Event, Unit};
use crate::fs;
use crate::store::StoreError;
use crate::store::pack::{self, Compression, Entry, Item, Kind, Pack, Writer};
use crate::store::verify::State;
use crate::{Digest, Error, Result};

/// What a look at every byte of a remote found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteVerified {
    pub url: String,
    /// Objects that were read and checked.
    pub objects: u64,
    pub bytes: u64,
    /// Packs and files of records in which something is damaged, with what in words.
    pub damaged: Vec<DamagedPack>,
    /// Objects that the roots reach and that are not there, or not sound.
    pub missing: Vec<Digest>,
    /// What is wrong with the remote as a whole, where something is missing.
    pub trouble: Option<String>,
    /// The paths of what is missing, as far as somebody knows them.
    pub paths: Vec<String>,
    /// Objects that are sound and not what the roots, or listings that they reach, name them as; with what is wrong in words.
    pub misnamed: Vec<String>,
}

impl RemoteVerified {
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.missing.is_empty() && self.misnamed.is_empty()
    }

    /// Says no when something is wrong.
    pub fn verdict(&self) -> Result<()> {
        if self.is_sound() {
            return Ok(());
        }
        let hint = match (self.damaged.as_slice(), self.missing.as_slice()) {
            ([], []) => {
                "`mlx verify` says which paths name them; take their lines in mlx.lock from a commit where they were right"
            }
            // What another machine has not looked into it trusts.
            ([_, ..], _) => "`mlx push --repair` from a clone that has it sends again what is missing or damaged there",
            ([], _) => "`mlx push` from a clone that has it sends again what is missing there",
        };
        Err(Error::check(format!("the remote `{}` lacks or has damaged what this project needs", self.url))
            .with_hint(hint))
    }
}

/// A pack, or a file of records, of a remote that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamagedPack {
    pub name: String,
    pub what: String,
}

/// What is wrong with a pack.
enum Damage {
    /// Nothing of it can be read.
    Whole(String),
    Part(pack::Damage),
}

impl Damage {
    /// In words.
    fn what(&self) -> String {
        let pack::Damage { frame, objects } = match self {
            Self::Whole(what) => return what.clone(),
            Self::Part(damage) => damage,
        };
        match (objects.as_slice(), frame) {
            ([], frame) => frame.clone().unwrap_or_default(),
            ([one], _) => format!("object {one} in it is damaged"),
            ([first, more @ ..], _) => format!("object {first} and {} more in it are damaged", more.len()),
        }
    }

    /// The objects of the pack that are lost.
    fn objects(&self, pack: &KnownPack) -> Vec<Digest> {
        match self {
            Self::Whole(_) => pack.index.entries().map(|entry| entry.digest).collect(),
            Self::Part(damage) => damage.objects.clone(),
        }
    }
}

/// What was found damaged on a remote and taken away.
#[derive(Debug, Default)]
pub(super) struct Mended {
    /// How many objects were damaged, or packs that lost none.
    pub objects: u64,
    /// Objects that were sent again in the place of damaged ones, and their size in bytes.
    pub again: u64,
    pub again_bytes: u64,
    /// What went over the wire in the place of what was taken away.
    pub packs: u64,
    pub sent_bytes: u64,
    /// What the remote does not have any more.
    pub lost: Vec<Digest>,
    /// Large objects that are there, but for a part of them.
    pub cut: Vec<Digest>,
    /// Whether a pack went of which nobody knows all that was in it.
    pub is_unknown: bool,
}

impl Mended {
    /// What is there again, or was there twice, is not lost.
    pub fn forget_what_is_there(&mut self, catalog: &Catalog) {
        self.lost.sort_unstable();
        self.lost.dedup();
        let places = catalog.locate(&self.lost);
        let mut places = places.iter();
        self.lost.retain(|_| places.next().is_none_or(Option::is_none));
    }
}

impl Transfer<'_> {
    /// Reads everything on the remote, and looks whether all that the roots reach is there and sound.
    pub fn verify(&self, roots: &[Object]) -> Result<RemoteVerified> {
        let mut catalog = Catalog::read(self.remote, self.memory, self.jobs, self.watch)?;
        let mut damaged: Vec<DamagedPack> = catalog
            .damaged
            .iter()
            .map(|(digest, wrong)| DamagedPack { name: pack_name(digest), what: wrong.clone() })
            .collect();
        let (mut objects, mut bytes) = (0, 0);
        let found = self.look_into(&catalog, |_| true)?;
        let mut lost: Vec<Digest> = Vec::new();
        for pack in &catalog.packs {
            objects += pack.index.count() as u64;
            bytes += pack.seen.size;
        }
        for (number, damage) in found {
            let pack = &catalog.packs[number];
            lost.extend(damage.objects(pack));
            damaged.push(DamagedPack { name: pack.name(), what: damage.what() });
            catalog.memory.doubt(pack.digest);
        }
        catalog.memory.save();
        lost.sort_unstable();
        let closure = Closure::walk(roots, |digests| self.listings(&catalog, digests))?;
        let (wanted, sizes) = closure.sorted_with_sizes();
        let places = catalog.locate(&wanted);
        let mut missing = Vec::new();
        let mut misnamed: Vec<String> = closure.misnamed.iter().map(ToString::to_string).collect();
        for ((digest, place), size) in wanted.iter().zip(places).zip(sizes) {
            let is_other = |place: Place| size != u64::MAX && catalog.entry(place).size != size;
            let is_there = match place {
                None => false,
                Some(place) if is_other(place) && catalog.place_of_size(digest, size).is_none() => {
                    let found = format!("it has {} bytes, and should have {size}", catalog.entry(place).size);
                    misnamed.push(StoreError::Misnamed { digest: *digest, found }.to_string());
                    lost.binary_search(digest).is_err()
                }
                Some(place) => match catalog.entry(place).kind {
                    Kind::Recipe => lost.binary_search(digest).is_err() && self.has_chunks(&catalog, digest, &lost)?,
                    _ => lost.binary_search(digest).is_err(),
                },
            };
            if !is_there {
                missing.push(*digest);
            }
        }
        let records = self.damaged_records()?.into_iter();
        damaged.extend(records.map(|(digest, what)| DamagedPack { name: layout::record_file(&digest), what }));
        damaged.sort_by(|a, b| a.name.cmp(&b.name));
        let trouble = if missing.is_empty() { None } else { catalog.trouble(self.remote)? };
        let url = self.remote.url().to_owned();
        Ok(RemoteVerified { url, objects, bytes, damaged, missing, misnamed, trouble, paths: Vec::new() })
    }

    /// Whether every chunk of an object is there with its length, and none is among the lost.
    pub(super) fn has_chunks(&self, catalog: &Catalog, digest: &Digest, lost: &[Digest]) -> Result<bool> {
        let Some((number, entry)) = catalog.find(digest) else { return Ok(false) };
        self.has_chunks_of(catalog, number, &entry, lost)
    }

    fn has_chunks_of(&self, catalog: &Catalog, pack: usize, entry: &Entry, lost: &[Digest]) -> Result<bool> {
        let Some(recipe) = self.recipe(catalog, pack, entry)? else { return Ok(false) };
        let is_there = |chunk: &Chunk| {
            lost.binary_search(&chunk.digest).is_err() && catalog.find_whole(&chunk.digest, chunk.size).is_some()
        };
        Ok(recipe.chunks.iter().all(is_there))
    }

    /// Recipes in these packs that make another object than they stand for. One that only lacks a chunk is right again when
    /// that comes; it counts where the object is here, from which another is made.
    fn false_recipes(&self, catalog: &Catalog, packs: &[usize], lost: &[Digest]) -> Result<Vec<(usize, Digest)>> {
        let recipes = packs.iter().flat_map(|pack| {
            let entries = catalog.packs[*pack].index.entries().filter(|entry| entry.kind == Kind::Recipe);
            entries.map(|entry| (*pack, entry))
        });
        let recipes: Vec<(usize, Entry)> =
            recipes.filter(|(_, entry)| lost.binary_search(&entry.digest).is_err()).collect();
        if recipes.is_empty() {
            return Ok(Vec::new());
        }
        let (id, events, total) = ("recipes".to_owned(), self.watch.events, recipes.len() as u64);
        let what = format!("Putting large objects together from {}", self.remote.url());
        events.emit(Event::Started { id: id.clone(), what, total: Some(total), unit: Unit::Objects });
        let found: Mutex<(u64, Vec<(usize, Digest)>)> = Mutex::default();
        let result = share(self.jobs, recipes, |(pack, entry)| {
            let is_false = match self.has_chunks_of(catalog, pack, &entry, &[])? {
                true => self.has_chunks_of(catalog, pack, &entry, lost)? && !self.is_made(catalog, pack, &entry)?,
                false => catalog.damaged.is_empty() && self.store.size(&entry.digest) == Some(entry.size),
            };
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.0 += 1;
            found.1.extend(is_false.then_some((pack, entry.digest)));
            events.emit(Event::Progress { id: id.clone(), done: found.0 });
            Ok(())
        });
        events.emit(Event::Finished { id });
        result?;
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// Before a push: looks into the packs that are not what they were, or with `all` into every one, and takes damaged ones
    /// away. What is sound in them, or is here, takes their place; the rest is missing from then on.
    pub(super) fn mend(&self, catalog: &mut Catalog, all: bool) -> Result<Mended> {
        let found = self.look_into(catalog, |pack| all || pack.is_changed)?;
        let mut mended = Mended::default();
        let mut replaced: Vec<Digest> = Vec::new();
        for (number, damage) in &found {
            let pack = &catalog.packs[*number];
            let lost = damage.objects(pack);
            // A pack of which only the frame is damaged loses nothing, and is mended too.
            mended.objects += lost.len().max(1) as u64;
            let refused: &[Digest] = if matches!(damage, Damage::Part(_)) { &lost } else { &[] };
            self.mend_pack(&pack.digest, &lost, refused, &mut mended)?;
            mended.lost.extend(lost);
            replaced.push(pack.digest);
        }
        for (digest, _) in &catalog.damaged {
            // What was in it is known where this machine has read its index before.
            let index = catalog.memory.seen(digest).and_then(|seen| catalog.memory.index(digest, seen.size));
            let held: Vec<Digest> = index.iter().flat_map(|index| index.entries()).map(|entry| entry.digest).collect();
            let before = mended.again;
            let (unsound, is_whole) = self.mend_pack(digest, &held, &[], &mut mended)?;
            mended.objects += (mended.again - before).max(unsound.len() as u64).max(1);
            mended.is_unknown |= index.is_none() && !is_whole;
            mended.lost.extend(held.into_iter().chain(unsound));
        }
        for pack in catalog.packs.iter().filter(|pack| pack.is_changed && !replaced.contains(&pack.digest)) {
            catalog.memory.see(pack.digest, pack.seen.clone());
        }
        catalog.memory.save();
        if mended.objects > 0 {
            *catalog = Catalog::read(self.remote, self.memory, self.jobs, self.watch)?;
            // A large object whose chunk is gone is of no use to anybody.
            let recipes = catalog.packs.iter().flat_map(|pack| pack.index.entries());
            let recipes: Vec<Digest> =
                recipes.filter(|entry| entry.kind == Kind::Recipe).map(|entry| entry.digest).collect();
            for digest in recipes {
                if !self.has_chunks(catalog, &digest, &[])? {
                    mended.cut.push(digest);
                }
            }
            mended.forget_what_is_there(catalog);
        }
        Ok(mended)
    }

    /// Before a push sends what it knows the size of: takes away what has another size on the remote, where the right object
    /// is here to be sent.
    pub(super) fn mend_sizes(&self, catalog: &mut Catalog, closure: &Closure) -> Result<Mended> {
        let (wanted, sizes) = closure.sorted_with_sizes();
        let mut by_pack: BTreeMap<usize, Vec<Digest>> = BTreeMap::new();
        for ((digest, place), size) in wanted.iter().zip(catalog.locate(&wanted)).zip(sizes) {
            let Some(place) = place.filter(|place| size != u64::MAX && catalog.entry(*place).size != size) else {
                continue;
            };
            if self.store.size(digest) == Some(size) && catalog.place_of_size(digest, size).is_none() {
                by_pack.entry(place.pack as usize).or_default().push(*digest);
            }
        }
        let mut mended = Mended::default();
        for (pack, digests) in by_pack {
            mended.objects += digests.len() as u64;
            self.mend_pack(&catalog.packs[pack].digest, &digests, &digests, &mut mended)?;
        }
        if mended.objects > 0 {
            *catalog = Catalog::read(self.remote, self.memory, self.jobs, self.watch)?;
        }
        Ok(mended)
    }

    /// Replaces a damaged pack by one with what is sound in it and not `refused`, and with what of the rest is here: `held` is
    /// what it should hold, as far as that is known. Nothing goes before the new one is there. Returns what was found in it
    /// and is not sound; and whether it is as it was written.
    fn mend_pack(
        &self,
        digest: &Digest,
        held: &[Digest],
        refused: &[Digest],
        mended: &mut Mended,
    ) -> Result<(Vec<Digest>, bool)> {
        let name = pack_name(digest);
        let mut file = fs::temporary_file(&self.store.receiving())?;
        match self.remote.read(&name, None, file.as_file_mut()) {
            Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Missing { .. })) => {}
            read => drop(read?),
        }
        let mut writer = Writer::create(&self.store.receiving())?;
        let (mut kept, mut unsound) = (HashSet::new(), HashSet::new());
        let refused: HashSet<&Digest> = refused.iter().collect();
        Pack::salvage(file.path(), |item| {
            self.watch.interrupt.check()?;
            if kept.contains(&item.digest) {
                return Ok(());
            }
            if !is_sound(&item) || refused.contains(&item.digest) {
                unsound.insert(item.digest);
            } else {
                kept.insert(item.digest);
                writer.append(&item)?;
            }
            Ok(())
        })?;
        let unsound: Vec<Digest> = unsound.into_iter().collect();
        let compression = Compression::default();
        for digest in held.iter().chain(&unsound) {
            self.watch.interrupt.check()?;
            // What is larger goes in chunks, later.
            let is_here = self.store.size(digest).is_some_and(|size| size <= LARGEST_WHOLE);
            if kept.contains(digest) || !is_here || self.store.check(digest)? != State::Sound {
                continue;
            }
            let item = self.store.item(digest, &compression)?;
            kept.insert(*digest);
            mended.again += 1;
            mended.again_bytes += item.size;
            writer.append(&item)?;
        }
        if !writer.is_empty() {
            let written = writer.seal()?;
            // With all its objects sound only its index was damaged, and the new file takes its place.
            let new = pack_name(&written.digest());
            let sent = AtomicU64::new(0);
            let count = |bytes| {
                sent.fetch_add(bytes, Ordering::Relaxed);
                Ok(())
            };
            self.remote.write(&new, &Body { content: Content::File(written.path()), sent: &count })?;
            mended.packs += 1;
            mended.sent_bytes += sent.into_inner();
            if new == name {
                return Ok((unsound, true));
            }
        }
        self.remote.delete(&name).map(|()| (unsound, false))
    }

    /// Reads these packs; returns the numbers of those that are damaged, and how.
    fn look_into(&self, catalog: &Catalog, wanted: impl Fn(&KnownPack) -> bool) -> Result<Vec<(usize, Damage)>> {
        let numbers: Vec<usize> =
            catalog.packs.iter().enumerate().filter(|(_, pack)| wanted(pack)).map(|(number, _)| number).collect();
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let (id, events) = ("remote".to_owned(), self.watch.events);
        let what = format!("Checking {}", self.remote.url());
        let total = Some(numbers.len() as u64);
        events.emit(Event::Started { id: id.clone(), what, total, unit: Unit::Packs });
        let found: Mutex<(u64, Vec<(usize, Damage)>)> = Mutex::default();
        let result = share(self.jobs, numbers.clone(), |number| {
            self.watch.interrupt.check()?;
            let damage = self.damage(&catalog.packs[number])?;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.0 += 1;
            found.1.extend(damage.map(|damage| (number, damage)));
            events.emit(Event::Progress { id: id.clone(), done: found.0 });
            Ok(())
        });
        events.emit(Event::Finished { id });
        result?;
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner).1;
        let mut lost: Vec<Digest> =
            found.iter().flat_map(|(number, damage)| damage.objects(&catalog.packs[*number])).collect();
        lost.sort_unstable();
        // Only when all chunks were looked at can be told whether they make what they should.
        for (number, recipe) in self.false_recipes(catalog, &numbers, &lost)? {
            match found.iter_mut().find(|(other, _)| *other == number) {
                Some((_, Damage::Part(damage))) => damage.objects.push(recipe),
                Some((_, Damage::Whole(_))) => {}
                None => found.push((number, Damage::Part(pack::Damage { frame: None, objects: vec![recipe] }))),
            }
        }
        found.sort_by_key(|(number, _)| *number);
        Ok(found)
    }

    /// Reads a pack whole and checks every object in it.
    fn damage(&self, known: &KnownPack) -> Result<Option<Damage>> {
        let mut file = fs::temporary_file(&self.store.receiving())?;
        self.remote.read(&known.name(), None, file.as_file_mut())?;
        let pack = match Pack::open(file.path())? {
            Ok(pack) if pack.index().digest() == known.digest => Arc::new(pack),
            Ok(_) => return Ok(Some(Damage::Whole("its index is not what was written".into()))),
            Err(wrong) => return Ok(Some(Damage::Whole(wrong.to_string()))),
        };
        let damage = pack.damage(Recipe::is_in);
        Ok((!damage.is_none()).then_some(Damage::Part(damage)))
    }
}

/// Whether an item is what its digest says; a recipe, as far as that can be told without its chunks.
fn is_sound(item: &Item) -> bool {
    match item.kind {
        Kind::Recipe => Recipe::is_in(item),
        Kind::Raw | Kind::Zstd => parts::checked(item.clone()).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::digest::ObjectKind;
    use crate::event::{Interrupt, Silent, Watch};
    use crate::remote::altered::Altered;
    use crate::remote::backend::Directory;
    use crate::store::Store;

    #[test]
    fn what_is_here_is_on_the_remote_before_a_damaged_pack_goes() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let put = |content: &str| {
            let digest = store.put_bytes(content.as_bytes()).unwrap();
            Object { kind: ObjectKind::File, digest, size: content.len() as u64, files: 1 }
        };
        let objects = [put("first"), put("second")];
        let (root, memory, interrupt) = (dir.path().join("remote"), dir.path().join("memory"), Interrupt::default());
        // As if whoever mends it were killed just before.
        let stays = |_: &Directory, name: &str| Err(Error::failed(format!("`{name}` stays")));
        let remote = Altered::new(Directory::new(root.clone())).deleting(stays);
        let watch = Watch { events: &Silent, interrupt: &interrupt };
        let transfer = Transfer { remote: &remote, store: &store, memory: &memory, jobs: 1, watch };
        transfer.push(&objects, false, false).unwrap();
        let damaged = transfer.catalog().unwrap().packs[0].digest;
        let pack = root.join(pack_name(&damaged));
        let mut bytes = std::fs::read(&pack).unwrap();
        let content = bytes.windows(5).position(|window| window == b"first").unwrap();
        bytes[content] ^= 1;
        std::fs::set_permissions(&pack, PermissionsExt::from_mode(0o644)).unwrap();
        std::fs::write(&pack, bytes).unwrap();

        let error = transfer.push(&[], true, false).unwrap_err();

        assert!(error.to_string().contains("stays"), "{error}");
        let catalog = transfer.catalog().unwrap();
        let other = catalog.packs.iter().find(|pack| pack.digest != damaged).unwrap();
        assert!(objects.iter().all(|object| other.index.find(&object.digest).is_some()));
    }
}
