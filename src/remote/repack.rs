//! Many small packs on a remote become one, so that a remote to which little is pushed often stays quick to read.
//!
//! The new pack is written first; then the list for who can't list says so; then those in whose place it came are taken away.
//! Any number of machines may do this at once: a pack goes only when all its objects lie in another that has more than it
//! has, so that of all packs that ever had an object one with the most stays. What a reader finds gone he looks for in a
//! new listing.
//!
//! What is damaged stays for who mends it.

use std::collections::{HashMap, HashSet, hash_map};
use std::sync::{Arc, Mutex, PoisonError};

use super::catalog::{Catalog, KnownPack, listed};
use super::layout::{self, Listing, PACKS, pack_name};
use super::{Body, Content, Recipe, RemoteError, Transfer, is_forbidden, is_of_one_file, send};
use crate::event::Event;
use crate::fs;
use crate::store::pack::{Item, Kind, Pack, Writer, Written};
use crate::{Digest, Result};

/// So many small packs are put together, and no fewer.
const MANY: usize = 16;
/// A pack that is larger stays as it is.
const SMALL_BYTES: u64 = 1 << 20;
/// The new pack has no more bytes than about these; the next time goes on.
const MOST_BYTES: u64 = 48 << 20;

impl Transfer<'_> {
    /// Puts small packs together where there are many; returns how many. For after a push.
    pub fn repack(&self) -> Result<usize> {
        // Where nobody can list, the list is all that leads to a pack, and others may be writing theirs.
        let entries = match self.remote.list(PACKS) {
            Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Unsupported(_))) => return Ok(0),
            entries => entries?,
        };
        if entries.iter().filter(|entry| entry.size < SMALL_BYTES).count() < MANY {
            return Ok(0);
        }
        let catalog = self.catalog()?;
        let is_small = |pack: &&KnownPack| pack.seen.size < SMALL_BYTES && !pack.is_changed;
        let small: Vec<&KnownPack> = catalog.packs.iter().filter(is_small).collect();
        if small.len() < MANY || catalog.memory.is_lasting() {
            return Ok(0);
        }
        let Some((written, old)) = self.put_together(&catalog, &small)? else { return Ok(0) };
        let new = written.digest();
        self.remote.write(&pack_name(&new), &Body { content: Content::File(written.path()), sent: &|_| Ok(()) })?;
        let mut memory = Mutex::new(catalog.memory);
        send::remember(self, &memory, new, written.path())?;
        let memory = memory.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Who can't list must not be sent to what is gone.
        self.publish_packs(|digest| !old.contains(digest))?;
        for digest in &old {
            match self.remote.delete(&pack_name(digest)) {
                Err(error) if is_forbidden(&error) => {
                    memory.set_lasting();
                    break;
                }
                deleted => deleted?,
            }
        }
        let there = listed(self.remote)?;
        let is_there: HashSet<Digest> = there.iter().map(|(digest, _)| *digest).collect();
        for (digest, seen) in there.into_iter().filter(|(digest, _)| *digest == new) {
            memory.see(digest, seen);
        }
        memory.keep_only(|digest| is_there.contains(digest));
        memory.save();
        self.publish_packs(|_| true)?;
        let message = format!("put {} small packs on {} together", old.len(), self.remote.url());
        self.watch.events.emit(Event::Detail { message });
        Ok(old.len())
    }

    /// A pack with all that is in these, as far as it goes, and those in whose place it can come; `None` where there is
    /// nothing to be gained.
    fn put_together(&self, catalog: &Catalog, small: &[&KnownPack]) -> Result<Option<(Written, HashSet<Digest>)>> {
        let mut writer = Writer::create(&self.store.receiving())?;
        // A recipe is one of several that make its object: two that differ are not taken for one.
        let mut kept: HashMap<Digest, (Kind, Digest)> = HashMap::new();
        let (mut old, mut most) = (HashSet::new(), 0);
        for pack in small {
            if writer.length() >= MOST_BYTES {
                break;
            }
            self.watch.interrupt.check()?;
            let Some(items) = self.sound_items(pack)? else { continue };
            let of = |item: &Item| (item.kind, Digest::of(&item.stored));
            let is_same = |item: &Item| match kept.get(&item.digest) {
                Some(known) if item.kind.is_whole() => known.0.is_whole(),
                Some(known) => *known == of(item),
                None => true,
            };
            if !items.iter().all(is_same) {
                continue;
            }
            most = most.max(items.len());
            old.insert(pack.digest);
            for item in items {
                if let hash_map::Entry::Vacant(place) = kept.entry(item.digest) {
                    writer.append(&item)?;
                    place.insert(of(&item));
                }
            }
        }
        // With no more than one of them has, who else does this could take that one away for the sake of another.
        if old.len() < 2 || kept.len() == most {
            return Ok(None);
        }
        let written = writer.seal()?;
        let new = written.digest();
        let is_known = catalog.packs.iter().any(|pack| pack.digest == new)
            || catalog.damaged.iter().any(|(digest, _)| *digest == new);
        // What is there under its name may be damaged, and being mended.
        Ok((!is_known).then_some((written, old)))
    }

    /// The objects of a pack, in their order there; `None` where it is not there any more, or not sound.
    fn sound_items(&self, known: &KnownPack) -> Result<Option<Vec<Item>>> {
        let mut file = fs::temporary_file(&self.store.receiving())?;
        match self.remote.read(&known.name(), None, file.as_file_mut()) {
            Err(error) if is_of_one_file(&error) => return Ok(None),
            read => drop(read?),
        }
        let pack = match Pack::open(file.path())? {
            Ok(pack) if pack.index().digest() == known.digest => Arc::new(pack),
            _ => return Ok(None),
        };
        if !pack.damage(Recipe::is_in).is_none() {
            return Ok(None);
        }
        let mut entries: Vec<_> = pack.index().entries().collect();
        entries.sort_unstable_by_key(|entry| entry.offset);
        Ok(entries.iter().map(|entry| pack.item(entry)).collect::<std::io::Result<_>>().ok())
    }

    fn publish_packs(&self, wanted: impl Fn(&Digest) -> bool) -> Result<()> {
        let listing = || {
            let packs = listed(self.remote)?.into_iter().filter(|(digest, _)| wanted(digest));
            Ok(Listing::new(packs, layout::listed_records(self.remote)?))
        };
        layout::publish(self.remote, listing()?, listing)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::digest::{Object, ObjectKind};
    use crate::event::{Interrupt, Silent, Watch};
    use crate::remote::Remote;
    use crate::remote::faltering::Faltering;
    use crate::store::Store;

    /// Somebody with a store and a memory of his own.
    struct Member {
        dir: tempfile::TempDir,
        store: Store,
        interrupt: Interrupt,
    }

    impl Member {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&dir.path().join("store")).unwrap();
            Self { dir, store, interrupt: Interrupt::default() }
        }

        fn with<T>(&self, remote: &Faltering, work: impl FnOnce(Transfer<'_>) -> T) -> T {
            let memory = self.dir.path().join("memory");
            let watch = Watch { events: &Silent, interrupt: &self.interrupt };
            work(Transfer { remote, store: &self.store, memory: &memory, jobs: 2, watch })
        }

        /// Sends this content alone, as a push does.
        fn push(&self, remote: &Faltering, content: &[u8]) -> Object {
            let digest = self.store.put_bytes(content).unwrap();
            let object = Object { kind: ObjectKind::File, digest, size: content.len() as u64, files: 1 };
            self.with(remote, |transfer| transfer.push(std::slice::from_ref(&object), false, false)).unwrap();
            object
        }
    }

    fn content(number: usize) -> Vec<u8> {
        format!("object {number} ").repeat(1 + number % 7).into_bytes()
    }

    fn packs(remote: &Faltering) -> Vec<String> {
        remote.inner.list(PACKS).unwrap().into_iter().map(|entry| entry.name).collect()
    }

    /// Nothing of these is lacking, for somebody who was never there before.
    #[track_caller]
    fn assert_there(remote: &Faltering, objects: &[Object]) {
        let reader = Member::new();
        reader.with(remote, |transfer| {
            let fetched = transfer.fetch(&transfer.catalog().unwrap(), objects, false, false).unwrap();
            assert_eq!((fetched.lacking, fetched.objects), (Vec::new(), objects.len() as u64));
            assert!(transfer.verify(objects).unwrap().is_sound());
        });
    }

    fn full(remote: &Faltering, member: &Member) -> Vec<Object> {
        (0..MANY + 4).map(|number| member.push(remote, &content(number))).collect()
    }

    #[test]
    fn many_pushes_leave_few_packs_with_all_objects() {
        let dir = tempfile::tempdir().unwrap();
        let (remote, one, other) = (Faltering::new(dir.path()), Member::new(), Member::new());
        let large: Vec<u8> =
            (0..(17_u64 << 20) / 32).flat_map(|block| *Digest::of(block.to_le_bytes()).as_bytes()).collect();
        let mut objects = vec![one.push(&remote, &large)];
        objects.push(one.push(&remote, &[large.as_slice(), b"one line more"].concat()));
        for number in 0..40 {
            objects.push(one.push(&remote, &content(number)));
            one.with(&remote, |transfer| transfer.repack()).unwrap();
            assert!(packs(&remote).len() < MANY + 4, "{} packs after {number}", packs(&remote).len());
            if number == 10 {
                let all = objects.clone();
                other.with(&remote, |it| it.fetch(&it.catalog().unwrap(), &all, false, false)).unwrap();
            }
        }

        assert_there(&remote, &objects);
        let fetched = other.with(&remote, |it| it.fetch(&it.catalog().unwrap(), &objects, false, false)).unwrap();
        assert_eq!((fetched.objects, fetched.present), (29, 13));
        let again = one.with(&remote, |transfer| transfer.push(&objects, false, false)).unwrap();
        assert_eq!((again.objects, again.packs), (0, 0), "what was put together is known to be there");
    }

    #[test]
    fn who_stops_at_any_moment_loses_nothing() {
        let mut stopped = 0;
        for left in 0..MANY + 12 {
            let dir = tempfile::tempdir().unwrap();
            let (remote, member) = (Faltering::new(dir.path()), Member::new());
            let objects = full(&remote, &member);

            remote.left.store(left, Ordering::SeqCst);
            let result = member.with(&remote, |transfer| transfer.repack());
            remote.left.store(usize::MAX, Ordering::SeqCst);

            stopped += usize::from(result.is_err());
            assert_there(&remote, &objects);
            member.with(&remote, |transfer| transfer.repack()).unwrap();
            assert_there(&remote, &objects);
        }
        assert!((MANY..MANY + 12).contains(&stopped), "{stopped}");
    }

    #[test]
    fn who_push_and_put_together_at_once_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let objects = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for who in 0..4 {
                let (dir, objects) = (&dir, &objects);
                scope.spawn(move || {
                    let (remote, member) = (Faltering::new(dir.path()), Member::new());
                    for number in 0..15 {
                        let object = member.push(&remote, &content(100 * who + number));
                        objects.lock().unwrap().push(object);
                        member.with(&remote, |transfer| transfer.repack()).unwrap();
                    }
                });
            }
        });

        let remote = Faltering::new(dir.path());
        assert_there(&remote, &objects.into_inner().unwrap());
        assert!(packs(&remote).len() < MANY + 8, "{}", packs(&remote).len());
    }

    #[test]
    fn who_reads_while_packs_are_put_together_gets_all() {
        let dir = tempfile::tempdir().unwrap();
        let (remote, member) = (Faltering::new(dir.path()), Member::new());
        let objects = full(&remote, &member);
        let before = packs(&remote);
        let kept: Vec<Vec<u8>> = before.iter().map(|name| std::fs::read(dir.path().join(name)).unwrap()).collect();
        member.with(&remote, |transfer| transfer.repack()).unwrap();
        let put_back = || {
            for (name, bytes) in before.iter().zip(&kept) {
                std::fs::write(dir.path().join(name), bytes).unwrap();
            }
            *remote.going.lock().unwrap() = before.clone();
        };

        // They go when the first index is read, and when the first content is.
        put_back();
        assert_there(&remote, &objects);
        let reader = Member::new();
        put_back();
        remote.going.lock().unwrap().clear();
        let catalog = reader.with(&remote, |transfer| transfer.catalog()).unwrap();
        put_back();
        let fetched = reader.with(&remote, |transfer| transfer.fetch(&catalog, &objects, false, false)).unwrap();
        assert_eq!((fetched.lacking, fetched.objects), (Vec::new(), objects.len() as u64));
    }

    #[test]
    fn where_nobody_may_delete_nothing_is_put_together_again_and_again() {
        let dir = tempfile::tempdir().unwrap();
        let (remote, member) = (Faltering { is_lasting: true, ..Faltering::new(dir.path()) }, Member::new());
        let objects = full(&remote, &member);

        for _ in 0..3 {
            member.with(&remote, |transfer| transfer.repack()).unwrap();
        }

        assert_eq!(packs(&remote).len(), objects.len() + 1);
        assert_there(&remote, &objects);
    }

    #[test]
    fn what_is_damaged_stays_for_who_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let (remote, member) = (Faltering::new(dir.path()), Member::new());
        let objects = full(&remote, &member);
        let name = packs(&remote).remove(0);
        let path = dir.path().join(&name);
        let (modified, mut bytes) = (path.metadata().unwrap().modified().unwrap(), std::fs::read(&path).unwrap());
        bytes[11 + 56] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();

        let other = Member::new();
        other.with(&remote, |transfer| transfer.repack()).unwrap();

        assert_eq!((packs(&remote).len(), packs(&remote).contains(&name)), (2, true));
        member.with(&remote, |transfer| transfer.push(&objects, true, false)).unwrap();
        assert_there(&remote, &objects);
    }
}
