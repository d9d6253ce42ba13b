//! An object store or a WebDAV server as a place for releases.
//!
//! ```text
//! blobs/sha256/HEX     the manifests, configs and layers of bundles, each once
//! contents.json        what the place said of each blob after it was written
//! releases/HEX.json    one for each release, written when all its blobs lie there
//! release.json         which release is live; replaced only by who has read what it replaces
//! history/NUMBER.json  what was done, created once; each holds the entries before it too, as far as they fit
//! lock.json            who works here now
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::history::{self, Entry};
use super::place::Place;
use crate::bundle::{self, Blob, Description};
use crate::event::EventSink;
use crate::remote::{self, Body, Content, Remote, RemoteError, State};
use crate::{Digest, Error, Result};

const BLOBS: &str = "blobs/sha256";
const CONTENTS: &str = "contents.json";
const RELEASES: &str = "releases";
const LIVE: &str = "release.json";
const HISTORY: &str = "history";
/// A record of the history holds at most so many entries.
const ENTRIES: usize = 100;
/// How often something is read again that others change at the same time.
const ATTEMPTS: usize = 10;

/// A place that is a remote.
pub(super) struct Objects {
    remote: Arc<dyn Remote>,
}

/// Which release is live.
#[derive(Serialize, Deserialize)]
struct Live {
    /// The version of this format; 1.
    format: u64,
    live: Digest,
    /// The release that was live before.
    before: Option<Digest>,
    since: Timestamp,
}

/// What the place said of blobs after they were written, by their hex digits.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Contents {
    format: u64,
    blobs: BTreeMap<String, Seen>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Seen {
    size: u64,
    version: String,
}

/// That a release lies here.
#[derive(Serialize, Deserialize)]
struct Listed {
    format: u64,
    release: Digest,
    model: String,
    version: u64,
}

/// Entries of the history up to the one with this number.
#[derive(Serialize, Deserialize)]
struct Page {
    format: u64,
    number: u64,
    entries: Vec<Entry>,
}

impl Objects {
    pub(super) fn new(remote: Arc<dyn Remote>) -> Self {
        Self { remote }
    }

    fn blob(digest: &Digest) -> String {
        format!("{BLOBS}/{}", digest.hex())
    }

    fn record(release: &Digest) -> String {
        format!("{RELEASES}/{}.json", release.hex())
    }

    /// The blobs that lie here, and what a listing says of them.
    fn listing(&self) -> Result<HashMap<Digest, Seen>> {
        let entries = self.remote.list(BLOBS)?.into_iter();
        let known = entries.filter_map(|entry| {
            let digest = Digest::from_hex(entry.name.rsplit('/').next()?).ok()?;
            Some((digest, Seen { size: entry.size, version: entry.version }))
        });
        Ok(known.collect())
    }

    fn contents(&self) -> Result<Contents> {
        Ok(self.read_json(CONTENTS)?.map(|(contents, _)| contents).unwrap_or_default())
    }

    /// A document and its state; `None` where it is missing.
    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<(T, State)>> {
        let Some(state) = self.remote.read_state(name)? else { return Ok(None) };
        let read = serde_json::from_slice(&state.bytes).map_err(|error| {
            Error::failed(format!("`{name}` on {} is damaged: {error}", self.shown()))
                .with_hint("move it away, then deploy again")
        })?;
        Ok(Some((read, state)))
    }

    /// Changes a document; `change` is called anew with what somebody else made of it in the meantime.
    fn change<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        change: impl Fn(Option<T>) -> Result<T>,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let (before, seen) = self.read_json::<T>(name)?.unzip();
            let bytes = serde_json::to_vec_pretty(&change(before)?).expect("a document has text as keys");
            if self.remote.swap(name, seen.as_ref(), &bytes)? {
                return Ok(());
            }
        }
        Err(Error::failed(format!("others change `{name}` on {} all the time", self.shown()))
            .with_hint("wait until they are done, then run this again"))
    }

    /// The last page of the history; the first one before there is any.
    fn last_page(&self) -> Result<Page> {
        let numbers = self.remote.list(HISTORY)?.into_iter().filter_map(|entry| number_of(&entry.name));
        match numbers.max() {
            Some(number) => self.page(number),
            None => Ok(Page { format: 1, number: 0, entries: Vec::new() }),
        }
    }

    fn page(&self, number: u64) -> Result<Page> {
        let name = page_name(number);
        let page = self.read_json::<Page>(&name)?;
        page.map(|(page, _)| page).ok_or_else(|| {
            Error::failed(format!("`{name}` is missing on {}", self.shown()))
                .with_hint("somebody took it away; what was done before can't be told any more")
        })
    }
}

/// Sorted as text they are sorted by number.
fn page_name(number: u64) -> String {
    format!("{HISTORY}/{number:08}.json")
}

fn number_of(name: &str) -> Option<u64> {
    name.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()
}

impl Place for Objects {
    fn shown(&self) -> String {
        self.remote.url().to_owned()
    }

    fn live(&self) -> Result<Option<Digest>> {
        Ok(self.read_json::<Live>(LIVE)?.map(|(live, _)| live.live))
    }

    fn activate(&self, release: &Digest) -> Result<()> {
        self.change(LIVE, |before: Option<Live>| {
            let before = before.map(|before| before.live);
            Ok(Live { format: 1, live: *release, before, since: Timestamp::now() })
        })
    }

    fn releases(&self) -> Result<Vec<Digest>> {
        let entries = self.remote.list(RELEASES)?.into_iter();
        let digest = |name: &str| Digest::from_hex(name.rsplit('/').next()?.strip_suffix(".json")?).ok();
        Ok(entries.filter_map(|entry| digest(&entry.name)).collect())
    }

    fn manifest(&self, release: &Digest) -> Result<Option<Vec<u8>>> {
        remote::read_small(&*self.remote, &Self::blob(release))
    }

    fn whole(&self, blobs: &[Blob]) -> Result<Vec<bool>> {
        let (there, contents) = (self.listing()?, self.contents()?);
        let is_whole = |blob: &Blob| {
            let Some(found) = there.get(&blob.digest).filter(|found| found.size == blob.size) else { return false };
            contents.blobs.get(&blob.digest.hex()).is_none_or(|seen| seen == found)
        };
        Ok(blobs.iter().map(is_whole).collect())
    }

    fn arrived(&self, blobs: &[Blob]) -> Result<Vec<bool>> {
        // What it was before is no measure for a blob that was written again.
        let there = if blobs.is_empty() { HashMap::new() } else { self.listing()? };
        Ok(blobs.iter().map(|blob| there.get(&blob.digest).is_some_and(|found| found.size == blob.size)).collect())
    }

    fn read(&self, blob: &Blob, sink: &mut dyn Write) -> Result<()> {
        self.remote.read(&Self::blob(&blob.digest), Some(0..blob.size), sink).map(drop)
    }

    fn write(&self, blob: &Blob, body: &Body<'_>) -> Result<()> {
        self.remote.write(&Self::blob(&blob.digest), body)
    }

    fn enlist(&self, release: &Digest, manifest: &[u8], description: &Description) -> Result<()> {
        let body = Body { content: Content::Bytes(manifest), sent: &|_| Ok(()) };
        self.remote.write(&Self::blob(release), &body)?;
        let there = self.listing()?;
        let mut digests: Vec<Digest> = bundle::parts(manifest)?.blobs.iter().map(|blob| blob.digest).collect();
        digests.push(*release);
        self.change(CONTENTS, |contents: Option<Contents>| {
            let mut contents = contents.unwrap_or_default();
            contents.format = 1;
            for digest in &digests {
                let seen = there.get(digest).ok_or_else(|| {
                    Error::from(RemoteError::Missing { name: Self::blob(digest) })
                        .context(format!("somebody took a content away from {}", self.shown()))
                })?;
                contents.blobs.insert(digest.hex(), seen.clone());
            }
            Ok(contents)
        })?;
        let model = &description.model;
        let record = Listed { format: 1, release: *release, model: model.name.clone(), version: model.version };
        let record = serde_json::to_vec_pretty(&record).expect("a record has text as keys");
        self.remote.write(&Self::record(release), &Body { content: Content::Bytes(&record), sent: &|_| Ok(()) })
    }

    fn delist(&self, release: &Digest) -> Result<()> {
        self.remote.delete(&Self::record(release))
    }

    fn sweep(&self, used: &HashSet<Digest>) -> Result<()> {
        let there = self.listing()?;
        let unused: Vec<&Digest> = there.keys().filter(|digest| !used.contains(digest)).collect();
        if unused.is_empty() {
            return Ok(());
        }
        unused.iter().try_for_each(|digest| self.remote.delete(&Self::blob(digest)))?;
        self.change(CONTENTS, |contents: Option<Contents>| {
            let mut contents = contents.unwrap_or_default();
            contents.format = 1;
            unused.iter().for_each(|digest| drop(contents.blobs.remove(&digest.hex())));
            Ok(contents)
        })
    }

    fn history(&self, events: &dyn EventSink) -> Result<Vec<Entry>> {
        let mut page = self.last_page()?;
        let mut pages = Vec::new();
        loop {
            let first = page.number.saturating_sub(page.entries.len() as u64);
            let is_empty = page.entries.is_empty();
            pages.push(page.entries);
            if first == 0 || is_empty {
                break;
            }
            match self.page(first) {
                Ok(earlier) => page = earlier,
                Err(error) => {
                    events.warn(format!("the history is not whole: {error}"));
                    break;
                }
            }
        }
        Ok(history::without_repetitions(pages.into_iter().rev().flatten().collect()))
    }

    fn append(&self, entry: &Entry) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let Page { number, mut entries, .. } = self.last_page()?;
            if entries.len() == ENTRIES {
                entries.clear();
            }
            entries.push(entry.clone());
            let page = Page { format: 1, number: number + 1, entries };
            let bytes = serde_json::to_vec(&page).expect("a page has text as keys");
            if self.remote.create(&page_name(page.number), &bytes)? {
                return Ok(());
            }
        }
        Err(Error::failed(format!("others write the history of {} all the time", self.shown())))
    }

    fn document(&self, name: &str) -> Result<Option<State>> {
        self.remote.read_state(name)
    }

    fn swap(&self, name: &str, seen: Option<&State>, bytes: &[u8]) -> Result<bool> {
        self.remote.swap(name, seen, bytes)
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.remote.delete(name)
    }
}
