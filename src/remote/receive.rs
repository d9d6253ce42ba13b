//! Carrying out a fetch: what comes is checked, and enters the store as soon as a part of it is whole.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use rayon::prelude::*;

use super::assemble::{Window, windows};
use super::catalog::Catalog;
use super::chunks::{Chunk, Recipe};
use super::fetch::Plan;
use super::workers::share;
use super::{Transfer, is_of_one_file, parts};
use crate::event::{Event, Unit};
use crate::fs;
use crate::store::Batch;
use crate::store::pack::{Entry, Item, Kind, Pack, Written};
use crate::{Digest, Result};

/// In so many other large objects that are here chunks are looked for.
const OTHER_VERSIONS: usize = 16;

/// Chunks, and the objects here that hold them: which, and where in it.
type LocalChunks = HashMap<Digest, (Digest, u64)>;

/// Something to receive; the number is that of the pack in the catalog.
#[derive(Debug)]
pub enum Task {
    /// A pack as it is.
    Whole(usize),
    /// These objects of a pack.
    Part(usize, Vec<Entry>),
}

/// What came.
#[derive(Debug, Default)]
pub struct Received {
    pub bytes: u64,
    /// What was not what its name says, and did not enter the store.
    pub damaged: Vec<Digest>,
}

/// Receives what the plan says.
pub fn carry_out(transfer: &Transfer<'_>, catalog: &Catalog, plan: Plan) -> Result<Received> {
    if plan.objects == 0 {
        return Ok(Received::default());
    }
    let id = "fetch".to_owned();
    let what = format!("Fetching from {}", transfer.remote.url());
    let events = transfer.watch.events;
    events.emit(Event::Started { id: id.clone(), what, total: Some(plan.bytes), unit: Unit::Bytes });
    let receiving =
        Receiving { transfer, catalog, id: id.clone(), bytes: AtomicU64::new(0), damaged: Mutex::default() };
    let result = share(transfer.jobs, plan.tasks, |task| receiving.receive(task))
        .and_then(|()| plan.large.into_iter().try_for_each(|(pack, entry)| receiving.large(pack, entry)));
    events.emit(Event::Finished { id });
    transfer.watch.interrupt.check()?;
    result?;
    let damaged = receiving.damaged.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Received { bytes: receiving.bytes.into_inner(), damaged })
}

struct Receiving<'a> {
    transfer: &'a Transfer<'a>,
    catalog: &'a Catalog,
    id: String,
    bytes: AtomicU64,
    damaged: Mutex<Vec<Digest>>,
}

impl Receiving<'_> {
    fn receive(&self, task: Task) -> Result<()> {
        self.transfer.watch.interrupt.check()?;
        let batch = self.transfer.store.batch()?;
        match task {
            Task::Whole(number) => self.whole(number, &batch)?,
            Task::Part(number, entries) => self.part(number, entries, &batch)?,
        }
        batch.commit()
    }

    /// Receives a pack as it is; of one that is not what it was, what is sound in it.
    fn whole(&self, number: usize, batch: &Batch) -> Result<()> {
        let known = &self.catalog.packs[number];
        let file = fs::temporary_file(&self.transfer.store.receiving())?;
        let mut sink = Counted { receiving: self, file: file.as_file(), left: known.seen.size, has_failed: false };
        let read = self.transfer.remote.read(&known.name(), None, &mut sink);
        let pack = match read {
            Err(error) if sink.has_failed || !is_of_one_file(&error) => return Err(error),
            Err(_) => None,
            Ok(_) => match Pack::open(file.path())? {
                Ok(pack) if pack.index().digest() == known.digest => Some(Arc::new(pack)),
                _ => None,
            },
        };
        // Its end is not what was written, or it is cut off.
        let Some(pack) = pack else { return self.part(number, known.index.entries().collect(), batch) };
        let damage = pack.damage(|_| false);
        if damage.is_none() {
            batch.put_pack(Written::received(file, known.digest)?);
            return Ok(());
        }
        if let Some(what) = damage.frame {
            let (name, url) = (known.name(), self.transfer.remote.url());
            self.transfer.watch.events.emit(Event::Warning {
                message: format!("`{name}` on the remote `{url}` is damaged: {what}"),
                hint: Some("what is sound in it was taken; `mlx push --repair` mends it".into()),
            });
        }
        // What is sound in it is good all the same.
        for entry in pack.index().entries() {
            match pack.item(&entry) {
                Ok(item) => self.put(batch, item)?,
                Err(_) => self.damaged(entry.digest),
            }
        }
        Ok(())
    }

    /// Receives these objects of a pack; what can't be read is damaged.
    fn part(&self, number: usize, entries: Vec<Entry>, batch: &Batch) -> Result<()> {
        let known = &self.catalog.packs[number];
        for segment in parts::segments(entries) {
            self.transfer.watch.interrupt.check()?;
            match parts::read(self.transfer.remote, known, &segment) {
                Ok(items) => {
                    self.count(segment.range.end - segment.range.start);
                    items.into_par_iter().try_for_each(|item| self.put(batch, item))?;
                }
                // One object that lies behind the end must not take those before it along.
                Err(error) if is_of_one_file(&error) && segment.entries.len() > 1 => {
                    segment.entries.into_iter().try_for_each(|entry| self.part_alone(number, entry, batch))?;
                }
                Err(error) if is_of_one_file(&error) => {
                    segment.entries.iter().for_each(|entry| self.damaged(entry.digest))
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn part_alone(&self, number: usize, entry: Entry, batch: &Batch) -> Result<()> {
        let segment = parts::Segment { range: entry.range(), entries: vec![entry] };
        match parts::read(self.transfer.remote, &self.catalog.packs[number], &segment) {
            Ok(items) => items.into_iter().try_for_each(|item| self.put(batch, item)),
            Err(error) if is_of_one_file(&error) => {
                self.damaged(entry.digest);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Puts an item into the batch if it is what its name says.
    fn put(&self, batch: &Batch, item: Item) -> Result<()> {
        match parts::checked(item.clone()) {
            Some(_) => batch.put_item(item),
            None => {
                self.damaged(item.digest);
                Ok(())
            }
        }
    }

    /// Receives an object in chunks; windows of it come at once.
    fn large(&self, number: usize, entry: Entry) -> Result<()> {
        let digest = entry.digest;
        let Some(recipe) = self.transfer.recipe(self.catalog, number, &entry)? else {
            self.damaged(digest);
            return Ok(());
        };
        let local = self.local_chunks(&recipe)?;
        let file = fs::temporary_file(&self.transfer.store.receiving())?;
        let is_whole = Mutex::new(true);
        share(self.transfer.jobs, windows(&recipe), |Window { start, chunks }| {
            self.transfer.watch.interrupt.check()?;
            let bytes = self.window(&chunks, &local)?;
            match bytes {
                Some(bytes) => file.as_file().write_all_at(&bytes, start).context("cannot write to the store")?,
                None => *is_whole.lock().unwrap_or_else(PoisonError::into_inner) = false,
            }
            Ok(())
        })?;
        if !is_whole.into_inner().unwrap_or_else(PoisonError::into_inner) {
            self.damaged(digest);
            return Ok(());
        }
        let batch = self.transfer.store.batch()?;
        if batch.put_received(file, digest)?.is_err() {
            self.damaged(digest);
        }
        batch.commit()
    }

    /// Where chunks of this recipe lie in other versions of the object that are here: those need not be sent.
    fn local_chunks(&self, recipe: &Recipe) -> Result<LocalChunks> {
        let wanted: HashSet<Digest> = recipe.chunks.iter().map(|chunk| chunk.digest).collect();
        let mut local = LocalChunks::new();
        let recipes = self.catalog.packs.iter().flat_map(|pack| {
            pack.index.entries().filter(|entry| entry.kind == Kind::Recipe).map(move |entry| (pack, entry))
        });
        let here = recipes.filter(|(_, entry)| self.transfer.store.contains(&entry.digest));
        for (pack, entry) in here.take(OTHER_VERSIONS) {
            if local.len() == wanted.len() {
                break;
            }
            let segment = parts::Segment { range: entry.range(), entries: vec![entry] };
            let items = match parts::read(self.transfer.remote, pack, &segment) {
                Err(error) if is_of_one_file(&error) => continue,
                items => items?,
            };
            let Some(other) = items.first().and_then(|item| Recipe::decode(&item.stored).ok()) else { continue };
            let mut offset = 0;
            for chunk in other.chunks {
                if wanted.contains(&chunk.digest) {
                    local.entry(chunk.digest).or_insert((entry.digest, offset));
                }
                offset += chunk.size;
            }
        }
        Ok(local)
    }

    /// The bytes of some chunks in a row; `None` where one is damaged or not there.
    fn window(&self, chunks: &[Chunk], local: &LocalChunks) -> Result<Option<Vec<u8>>> {
        let mut contents: HashMap<Digest, Vec<u8>> = HashMap::new();
        for chunk in chunks {
            let here = local.get(&chunk.digest).and_then(|(object, offset)| {
                self.transfer.store.read_at(object, *offset, usize::try_from(chunk.size).ok()?)
            });
            contents.extend(
                here.filter(|content| Digest::of(content) == chunk.digest).map(|content| (chunk.digest, content)),
            );
        }
        self.transfer.chunks(self.catalog, chunks, contents, &|bytes| self.count(bytes))
    }

    fn count(&self, bytes: u64) {
        let done = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.transfer.watch.events.emit(Event::Progress { id: self.id.clone(), done });
    }

    fn damaged(&self, digest: Digest) {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).push(digest);
    }
}

/// Writes to a file, counts, and takes no more than was announced.
struct Counted<'a> {
    receiving: &'a Receiving<'a>,
    file: &'a std::fs::File,
    left: u64,
    /// Whether an error is of this side.
    has_failed: bool,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.receiving.transfer.watch.interrupt.is_requested() {
            self.has_failed = true;
            return Err(io::Error::other("interrupted"));
        }
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| io::Error::other("the remote sends more than its listing says"))?;
        (&mut &*self.file).write_all(bytes).inspect_err(|_| self.has_failed = true)?;
        self.receiving.count(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
