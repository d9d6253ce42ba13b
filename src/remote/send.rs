//! Carrying out a push: packs are made and sent at the same time, and each is looked at once it is there.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use rayon::prelude::*;

use super::catalog::{Catalog, listed};
use super::chunks;
use super::layout::{self, Listing, pack_name};
use super::memory::{Memory, Seen};
use super::push::Plan;
use super::workers::pipe;
use super::{Body, Content, Transfer};
use crate::event::{Event, Unit};
use crate::fs::quote;
use crate::store::StoreError;
use crate::store::pack::{Compression, FOOTER, Footer, Item, Pack, Writer, Written};
use crate::{Digest, Error, Result};

/// A new pack has about so many bytes.
const PACK_BYTES: u64 = 48 << 20;
/// So many objects are read and checked at once.
const BLOCK: usize = 256;
const MEDIUM_BLOCK: usize = 4;

/// What went over the wire.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    pub bytes: u64,
    pub packs: u64,
}

/// So often a pack is written that is not there afterwards.
const WRITES: usize = 2;

/// A pack on its way.
enum Parcel {
    Local(Arc<Pack>),
    New(Written),
}

/// Sends what the plan says.
pub fn carry_out(transfer: &Transfer<'_>, catalog: &mut Catalog, plan: Plan) -> Result<Sent> {
    layout::begin(transfer.remote)?;
    let id = "push".to_owned();
    let what = format!("Pushing to {}", transfer.remote.url());
    let events = transfer.watch.events;
    events.emit(Event::Started { id: id.clone(), what, total: Some(plan.bytes), unit: Unit::Bytes });
    let result = send_packs(transfer, catalog, &plan, &id);
    events.emit(Event::Finished { id });
    let (bytes, packs) = result.inspect_err(|_| catalog.memory.save())?;
    // What the next command compares with is a listing, which may say it in other words than who asks for one file hears.
    let there = listed(transfer.remote)?;
    for (digest, seen) in there.iter().filter(|(digest, _)| packs.contains(digest)) {
        catalog.memory.see(*digest, seen.clone());
    }
    catalog.memory.save();
    let memory = &catalog.memory;
    let listing = |packs: Vec<(Digest, Seen)>| {
        // Where nobody can list, what this machine knows is all there is besides the list itself.
        let records = layout::listed_records(transfer.remote)?;
        Ok(Listing::new(packs.into_iter().chain(memory.packs()), records))
    };
    layout::publish(transfer.remote, listing(there)?, || listing(listed(transfer.remote)?))?;
    Ok(Sent { bytes, packs: packs.len() as u64 })
}

/// Returns how many bytes were sent, and which packs.
fn send_packs(transfer: &Transfer<'_>, catalog: &mut Catalog, plan: &Plan, id: &str) -> Result<(u64, HashSet<Digest>)> {
    // The producer looks into the catalog while workers write down what they sent.
    let memory =
        Mutex::new(std::mem::replace(&mut catalog.memory, Memory::open(transfer.memory, transfer.remote.url())));
    let (bytes, packs) = (AtomicU64::new(0), Mutex::new(HashSet::new()));
    let known = &*catalog;
    let send = |parcel: Parcel| {
        let (digest, path) = match &parcel {
            Parcel::Local(pack) => {
                check(pack)?;
                (pack.index().digest(), pack.path())
            }
            Parcel::New(written) => (written.digest(), written.path()),
        };
        let sent = |count: u64| {
            let done = bytes.fetch_add(count, Ordering::Relaxed) + count;
            transfer.watch.events.emit(Event::Progress { id: id.to_owned(), done });
            match transfer.watch.interrupt.is_requested() {
                true => Err(std::io::Error::other("interrupted")),
                false => Ok(()),
            }
        };
        let name = pack_name(&digest);
        // Another may put it together with others and take it away before it is looked at.
        for attempt in 1..=WRITES {
            let written = transfer.remote.write(&name, &Body { content: Content::File(path), sent: &sent });
            transfer.watch.interrupt.check()?;
            written?;
            match remember(transfer, &memory, digest, path) {
                Err(error) if attempt == WRITES => return Err(error),
                Err(_) => transfer.watch.interrupt.check()?,
                Ok(()) => break,
            }
        }
        packs.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
        Ok(())
    };
    let recipes = Mutex::new(Vec::new());
    let result = pipe(transfer.jobs, |hand_over| make_packs(transfer, known, plan, &recipes, hand_over), send);
    // A recipe says that its chunks are there, so it is sent when they are.
    let recipes = recipes.into_inner().unwrap_or_else(PoisonError::into_inner);
    let result = result.and_then(|()| pipe(transfer.jobs, |hand_over| pack_all(transfer, recipes, hand_over), send));
    catalog.memory = memory.into_inner().unwrap_or_else(PoisonError::into_inner);
    transfer.watch.interrupt.check()?;
    result?;
    Ok((bytes.into_inner(), packs.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

/// Refuses a pack of this store that is not what was written.
fn check(pack: &Arc<Pack>) -> Result<()> {
    let damage = pack.damage(|_| false);
    if let Some(digest) = damage.objects.first() {
        let found = "its content is not what its name says".into();
        return Err(StoreError::Damaged { digest: *digest, found }.into());
    }
    damage.frame.map_or(Ok(()), |what| {
        Err(Error::failed(format!("the pack `{}` is damaged: {what}", quote(pack.path())))
            .with_hint("`mlx verify` puts it aside and saves what is in it"))
    })
}

/// Looks at a pack that was just written, and keeps its index.
pub(super) fn remember(transfer: &Transfer<'_>, memory: &Mutex<Memory>, digest: Digest, path: &Path) -> Result<()> {
    let (name, url) = (pack_name(&digest), transfer.remote.url());
    let cannot = || format!("cannot read `{}`", quote(path));
    let file = File::open(path).with_context(cannot)?;
    let length = file.metadata().with_context(cannot)?.len();
    let entry = transfer.remote.find(&name)?;
    let entry = entry.filter(|entry| entry.size == length).ok_or_else(|| {
        Error::failed(format!("`{name}` is not whole on the remote `{url}` after it was written"))
            .with_hint("run `mlx push` again; if it goes on, the remote loses what is written to it")
    })?;
    let mut footer = [0; FOOTER];
    file.read_exact_at(&mut footer, length.saturating_sub(FOOTER as u64)).with_context(cannot)?;
    let start = Footer::decode(&footer, length).map_err(anyhow::Error::new)?.start;
    let mut end = vec![0; (length - start) as usize];
    file.read_exact_at(&mut end, start).with_context(cannot)?;
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    // Without the memory it is fetched from the remote the next time.
    let _ = memory.keep_index(&digest, &end);
    memory.see(digest, Seen::of(&entry));
    Ok(())
}

/// Makes the packs of a plan, and hands each over as it is done; recipes are left for later.
fn make_packs(
    transfer: &Transfer<'_>,
    catalog: &Catalog,
    plan: &Plan,
    recipes: &Mutex<Vec<Item>>,
    hand_over: &dyn Fn(Parcel) -> Result<()>,
) -> Result<()> {
    plan.packs.iter().try_for_each(|pack| hand_over(Parcel::Local(pack.clone())))?;
    let mut packing = Packing { transfer, writer: None, hand_over };
    for (digests, block) in [(&plan.small, BLOCK), (&plan.medium, MEDIUM_BLOCK)] {
        let compression = Compression::default();
        for block in digests.chunks(block) {
            let item = |digest: &Digest| transfer.store.item(digest, &compression);
            let items = block.par_iter().map(item).collect::<Result<Vec<Item>>>()?;
            items.into_iter().try_for_each(|item| packing.append(&item))?;
        }
        packing.finish()?;
    }
    // Large objects have chunks in common: the versions of one file do.
    let mut taken = HashSet::new();
    for (digest, size) in &plan.large {
        let content = transfer.store.content(digest)?;
        let is_known = |chunk: &Digest| catalog.find(chunk).is_some();
        let recipe = chunks::cut(content, *digest, *size, &mut taken, is_known, |item| packing.append(&item))?;
        recipes.lock().unwrap_or_else(PoisonError::into_inner).push(recipe.item(*digest));
    }
    packing.finish()
}

fn pack_all(transfer: &Transfer<'_>, items: Vec<Item>, hand_over: &dyn Fn(Parcel) -> Result<()>) -> Result<()> {
    let mut packing = Packing { transfer, writer: None, hand_over };
    items.iter().try_for_each(|item| packing.append(item))?;
    packing.finish()
}

/// New packs, one after the other.
struct Packing<'a> {
    transfer: &'a Transfer<'a>,
    writer: Option<Writer>,
    hand_over: &'a dyn Fn(Parcel) -> Result<()>,
}

impl Packing<'_> {
    fn append(&mut self, item: &Item) -> Result<()> {
        self.transfer.watch.interrupt.check()?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(Writer::create(&self.transfer.store.receiving())?),
        };
        writer.append(item)?;
        if writer.length() >= PACK_BYTES { self.finish() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<()> {
        self.writer.take().map_or(Ok(()), |writer| (self.hand_over)(Parcel::New(writer.seal()?)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::digest::{Object, ObjectKind};
    use crate::event::{Interrupt, Silent, Watch};
    use crate::remote::Remote;
    use crate::remote::altered::Altered;
    use crate::remote::backend::Directory;
    use crate::store::Store;
    use crate::store::pack::Kind;

    fn noise(length: usize) -> Vec<u8> {
        let blocks = (0..length.div_ceil(32)).flat_map(|block| *Digest::of(block.to_le_bytes()).as_bytes());
        blocks.take(length).collect()
    }

    fn put(store: &Store, content: &[u8]) -> Object {
        let digest = store.put_bytes(content).unwrap();
        Object { kind: ObjectKind::File, digest, size: content.len() as u64, files: 1 }
    }

    #[test]
    fn a_recipe_is_sent_when_its_chunks_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let object = put(&store, &noise(17 << 20));
        // For each pack in the order in which they came: whether it holds recipes and nothing else, or none.
        let packs = Arc::new(Mutex::new(Vec::new()));
        let noted = packs.clone();
        let write = move |inner: &Directory, name: &str, body: &Body<'_>| {
            inner.write(name, body)?;
            if let Content::File(path) = body.content {
                let pack = Pack::open(path)?.map_err(anyhow::Error::new)?;
                let is_recipe = |entry: crate::store::pack::Entry| entry.kind == Kind::Recipe;
                let (all, any) = (pack.index().entries().all(is_recipe), pack.index().entries().any(is_recipe));
                noted.lock().unwrap().push((all, !any));
            }
            Ok(())
        };
        let remote = Altered::new(Directory::new(dir.path().join("remote"))).writing(write);
        let (memory, interrupt) = (dir.path().join("memory"), Interrupt::default());
        let watch = Watch { events: &Silent, interrupt: &interrupt };

        let transfer = Transfer { remote: &remote, store: &store, memory: &memory, jobs: 4, watch };
        transfer.push(&[object], false, false).unwrap();

        assert_eq!(*packs.lock().unwrap(), [(false, true), (true, false)]);
    }

    #[test]
    fn versions_that_are_pushed_together_share_their_chunks() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let mut content = noise(17 << 20);
        let first = put(&store, &content);
        content.extend_from_slice(b"one line more");
        let second = put(&store, &content);
        let (remote, memory) = (Directory::new(dir.path().join("remote")), dir.path().join("memory"));
        let interrupt = Interrupt::default();
        let watch = Watch { events: &Silent, interrupt: &interrupt };
        let transfer = Transfer { remote: &remote, store: &store, memory: &memory, jobs: 2, watch };

        let pushed = transfer.push(&[first.clone(), second.clone()], false, false).unwrap();

        assert!(pushed.sent_bytes < 19 << 20, "{} bytes", pushed.sent_bytes);
        assert!(transfer.verify(&[first, second]).unwrap().is_sound());
    }
}
