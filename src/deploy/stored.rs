//! A target in an object store, on a web server or in a registry: blobs by their digest, and small documents.
//!
//! A release is the manifest of its bundle, so that everything is checked from its name down; it is tried on this machine,
//! from the same bytes.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use super::history::Entry;
use super::lease::{self, Lease};
use super::place::Place;
use super::{Answer, Cache, Candidate, Check, Target, gone, pages, probe, trial};
use crate::bundle::{self, Blob, Bundle, Description, File, Parts};
use crate::error::ErrorContext;
use crate::event::{Event, EventSink, Interrupt, Unit, Watch};
use crate::project::manifest::Health;
use crate::remote::backend::unique;
use crate::remote::{Body, Content, State};
use crate::{Digest, Error, Result};

/// So many blobs are sent at once.
const JOBS: usize = 4;

/// A target at a place for blobs and documents.
pub struct Stored {
    place: Arc<dyn Place>,
    cache: Cache,
    events: Arc<dyn EventSink>,
    interrupt: Interrupt,
    /// Tells our lock from those of others.
    token: String,
    /// Manifests never change, and neither do descriptions.
    known: Mutex<HashMap<Digest, Known>>,
}

/// What a release says, checked.
#[derive(Clone)]
struct Known {
    manifest: Vec<u8>,
    parts: Parts,
    description: Description,
}

impl Stored {
    pub(super) fn new(place: Arc<dyn Place>, cache: Cache, events: Arc<dyn EventSink>, interrupt: Interrupt) -> Self {
        Self { place, cache, events, interrupt, token: unique(), known: Mutex::default() }
    }

    fn watch(&self) -> Watch<'_> {
        Watch { events: &*self.events, interrupt: &self.interrupt }
    }

    /// What a release says; `None` where its manifest is not there.
    fn known(&self, release: &Digest) -> Result<Option<Known>> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(release) {
            return Ok(Some(known.clone()));
        }
        let Some(manifest) = self.place.manifest(release)? else { return Ok(None) };
        let read = self
            .read_release(release, manifest)
            .with_context(|| format!("release {} on {} is damaged", release.short(), self.place.shown()))?;
        known().insert(*release, read.clone());
        Ok(Some(read))
    }

    fn read_release(&self, release: &Digest, manifest: Vec<u8>) -> Result<Known> {
        check(&manifest, release)?;
        let parts = bundle::parts(&manifest)?;
        let mut layer = Vec::new();
        self.place.read(&parts.description, &mut layer)?;
        check(&layer, &parts.description.digest)?;
        let description = bundle::described(&layer)?;
        Ok(Known { manifest, parts, description })
    }

    /// Why the release is not as it was brought: the first blob that is missing or damaged.
    fn damage(&self, known: &Known) -> Result<Option<String>> {
        let whole = self.place.whole(&known.parts.blobs)?;
        let damaged = known.parts.blobs.iter().zip(whole).find(|(_, is_whole)| !is_whole);
        Ok(damaged.map(|(blob, _)| probe::damaged(&blob.name)))
    }

    /// Brings what is missing and enlists the release, as [`Target::upload`] does; nothing is laid out here to be tried.
    pub(super) fn bring(&self, bundle: &Bundle, watch: Watch<'_>) -> Result<()> {
        let (release, description) = (bundle.digest(), bundle.description());
        let manifest = bundle.manifest()?;
        let parts = bundle::parts(&manifest)?;
        let whole = self.place.whole(&parts.blobs)?;
        let missing: Vec<Blob> =
            parts.blobs.iter().zip(whole).filter(|(_, is_whole)| !is_whole).map(|(blob, _)| blob.clone()).collect();
        let id = format!("upload {release}");
        let total = parts.blobs.iter().map(|blob| blob.size).sum::<u64>();
        let event = Event::Started { id: id.clone(), what: "uploading".into(), total: Some(total), unit: Unit::Bytes };
        watch.events.emit(event);
        let done = Mutex::new(total - missing.iter().map(|blob| blob.size).sum::<u64>());
        self.send(bundle, &missing, watch, &|bytes| {
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            *done += bytes;
            watch.events.emit(Event::Progress { id: id.clone(), done: *done });
        })?;
        watch.events.emit(Event::Finished { id });
        let sent = self.place.arrived(&missing)?;
        if let Some((blob, _)) = missing.iter().zip(sent).find(|(_, is_whole)| !is_whole) {
            let name = crate::fs::quote(&blob.name);
            return Err(Error::failed(format!(
                "layer `{name}` ({}) was sent and is still damaged on {}",
                blob.digest,
                self.place.shown()
            ))
            .with_hint(
                "a registry keeps what it has once taken: let its operator delete that blob, then deploy again",
            ));
        }
        self.place.enlist(&release, &manifest, description)?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&release);
        Ok(())
    }

    /// Why the release can't be served as it lies there: a content that is missing or damaged.
    pub(super) fn flaw(&self, release: &Digest) -> Result<Option<String>> {
        let Some(known) = self.known(release)? else { return Ok(Some("the release is not there any more".into())) };
        self.damage(&known)
    }

    /// Whether the lock is still ours; an error where somebody took it over.
    pub(super) fn check_lock(&self) -> Result<()> {
        match lease::holds(&*self.place, &self.token)? {
            true => Ok(()),
            false => Err(Error::failed(format!("the lock of {} was lost: somebody took it over", self.place.shown()))
                .with_hint("nothing was switched; look with `mlx releases` who was there, then run this again")),
        }
    }

    /// Sends blobs, several at once.
    fn send(&self, bundle: &Bundle, blobs: &[Blob], watch: Watch<'_>, sent: &(dyn Fn(u64) + Sync)) -> Result<()> {
        let send = |blob: &Blob| {
            watch.interrupt.check()?;
            // Read once more than needed, so that no archive that is damaged here reaches the other side.
            bundle.check_blob(&blob.digest, &format!("layer `{}`", crate::fs::quote(&blob.name)))?;
            let start = bundle.blob_offset(&blob.digest).context("a layer is not in the bundle")?;
            let content = Content::Part { file: bundle.path(), start, size: blob.size };
            let told = |bytes| {
                sent(bytes);
                Ok(())
            };
            self.place.write(blob, &Body { content, sent: &told })
        };
        in_parallel(blobs, send).map(drop)
    }
}

/// Does something with each item, several at once; the results in their order, or the first error.
pub(super) fn in_parallel<T: Sync, R: Send>(items: &[T], act: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, R)>> {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return Ok(done) };
            // Where one fails, the others begin nothing more.
            done.push((index, act(item).inspect_err(|_| next.store(items.len(), Ordering::Relaxed))?));
        }
    };
    let joined: Vec<Result<Vec<(usize, R)>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..JOBS.min(items.len())).map(|_| scope.spawn(work)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err(Error::failed("a thread panicked")))
        };
        threads.into_iter().map(join).collect()
    });
    let mut done: Vec<(usize, R)> = joined.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Whether bytes are what their name says.
fn check(bytes: &[u8], digest: &Digest) -> Result<()> {
    match Digest::of(bytes) {
        found if found == *digest => Ok(()),
        found => Err(Error::failed(format!("its document {digest} hashes to {found}"))
            .with_hint("deploy its model version again")),
    }
}

impl Target for Stored {
    fn place(&self) -> String {
        self.place.shown()
    }

    fn lock(&self, owner: &str) -> Result<Box<dyn Send>> {
        Ok(Box::new(Lease::take(self.place.clone(), owner, &self.token, self.watch())?))
    }

    fn live(&self) -> Result<Option<Digest>> {
        self.place.live()
    }

    fn releases(&self) -> Result<Vec<Digest>> {
        self.place.releases()
    }

    fn description(&self, release: &Digest) -> Result<Option<Description>> {
        Ok(self.known(release)?.map(|known| known.description))
    }

    fn is_whole(&self, candidate: &Candidate<'_>) -> Result<bool> {
        match self.known(&candidate.release)? {
            Some(known) if known.description == *candidate.description => Ok(self.damage(&known)?.is_none()),
            _ => Ok(false),
        }
    }

    fn missing(&self, candidate: &Candidate<'_>) -> Result<Vec<File>> {
        let mut seen = HashSet::new();
        let layers: Vec<_> = candidate.layers.iter().filter(|layer| seen.insert(layer.digest)).collect();
        let blobs: Vec<Blob> = layers
            .iter()
            .map(|layer| Blob {
                digest: layer.digest,
                size: layer.size,
                media_type: layer.media_type.clone(),
                name: layer.path.clone(),
            })
            .collect();
        let whole = self.place.whole(&blobs)?;
        let missing = blobs.into_iter().zip(whole).filter(|(_, is_whole)| !is_whole);
        Ok(missing
            .map(|(Blob { name, digest, size, .. }, _)| File { path: name, digest, size, executable: false })
            .collect())
    }

    fn upload(&self, bundle: &Bundle, watch: Watch<'_>) -> Result<()> {
        self.bring(bundle, watch)?;
        if bundle.description().serve.is_some() {
            // The same bytes, to be tried here.
            self.cache.unpack(bundle, watch)?;
        }
        Ok(())
    }

    fn probe(&self, release: &Digest, check: &Check<'_>, watch: Watch<'_>) -> Result<Answer> {
        let Some(known) = self.known(release)? else {
            return Ok(Answer::no("the release is not there any more"));
        };
        let damage = self.damage(&known)?;
        probe::try_here(self, (release, &known.description), damage, &self.cache, check, watch)
    }

    fn activate(&self, release: &Digest) -> Result<()> {
        self.check_lock()?;
        self.place.activate(release)
    }

    fn try_switch(&self) -> Result<()> {
        let name = trial::DOCUMENT;
        let swap = |seen: Option<&State>, text: &str| self.place.swap(name, seen, text.as_bytes());
        let created = swap(None, "\"one\"")?;
        let first = self.place.document(name)?;
        let replaced = swap(first.as_ref(), "\"two\"")?;
        // Whoever saw an earlier state must not replace a later one.
        let (again, stale) = (swap(None, "\"three\"")?, swap(first.as_ref(), "\"three\"")?);
        self.place.delete(name)?;
        match created && replaced && !again && !stale {
            true => Ok(()),
            false => Err(Error::failed("it replaces what somebody else has written in the meantime")
                .with_hint("name another place: two deploys at once would not notice each other here")),
        }
    }

    fn ask(&self, url: &str, health: &Health, watch: Watch<'_>) -> Result<Answer> {
        probe::ask_until_ready(url, health, watch.interrupt)
    }

    fn remove(&self, release: &Digest) -> Result<()> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(release);
        self.place.delist(release)
    }

    fn sweep(&self) -> Result<()> {
        let mut used = HashSet::new();
        for release in self.place.releases()? {
            // One that can't be read may have any of them.
            let known = self.known(&release)?.ok_or_else(|| gone(&release, &self.place.shown()))?;
            used.insert(release);
            used.extend(known.parts.blobs.iter().map(|blob| blob.digest));
        }
        self.place.sweep(&used)
    }

    fn history(&self, events: &dyn EventSink) -> Result<Vec<Entry>> {
        self.place.history(events)
    }

    fn append(&self, entry: &Entry) -> Result<()> {
        self.place.append(entry)
    }

    fn fetch(&self, release: &Digest, cache: &Cache, watch: Watch<'_>) -> Result<PathBuf> {
        cache.hold(release, watch, || {
            let Known { manifest, parts, description } =
                self.known(release)?.ok_or_else(|| gone(release, &self.place.shown()))?;
            let id = format!("fetch {release}");
            let total = Some(parts.blobs.iter().map(|blob| blob.size).sum());
            watch.events.emit(Event::Started { id: id.clone(), what: "fetching".into(), total, unit: Unit::Bytes });
            let mut done = 0;
            for blob in &parts.blobs {
                watch.interrupt.check()?;
                cache.keep(&blob.digest, blob.size, |out| self.place.read(blob, out))?;
                done += blob.size;
                watch.events.emit(Event::Progress { id: id.clone(), done });
            }
            watch.events.emit(Event::Finished { id });
            let archive = crate::fs::temporary_file(&cache.scratch())?;
            let copy = archive.as_file().try_clone().context("cannot open a temporary file twice")?;
            bundle::rebuild(&manifest, &description, &|digest| cache.content(digest), copy)?;
            cache.lay_out_bundle(&Bundle::open(archive.path())?, watch)
        })
    }

    fn document(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.place.document(name)?.map(|state| state.bytes))
    }

    fn set_document(&self, name: &str, bytes: Option<&[u8]>) -> Result<()> {
        pages::set(&*self.place, name, bytes)
    }
}
