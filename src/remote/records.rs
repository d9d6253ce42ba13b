//! Records on a remote: runs, what is said of them, and the step cache, in files of many.
//!
//! Each push writes one file of the records that are new, named by the digest of its bytes and never changed: two who push
//! at once write two files. Inside is one Zstandard frame of JSON lines, a head and then a line for each record. Who reads
//! keeps in mind which files it has read and which records it saw in them; a file that is not what its name says is passed
//! over, and taken away by the next push that has its records. Many small files become one ([`super::fold`]).

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::catalog::listed;
use super::layout::{self, Listing, record_file};
use super::memory::{Memory, Seen};
use super::{Body, Content, RemoteError, Transfer};
use crate::event::Event;
use crate::fs;
use crate::{Digest, Result};

/// The version of the format that this program reads and writes.
pub const VERSION: u64 = 1;
/// A longer file is none of ours.
const LARGEST_FILE: u64 = 128 << 20;
/// More text than this does not come out of a file.
const LARGEST_TEXT: u64 = 512 << 20;
/// A file is begun anew when it holds so much text.
pub(super) const TEXT_OF_FILE: usize = 32 << 20;
/// So often files are listed anew where one went between the listing and the reading.
const LISTINGS: usize = 5;
/// Zstandard's window has at most so many bits.
const WINDOW_BITS: u32 = 27;
const LEVEL: i32 = 9;

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    mlx_records: u64,
    records: u64,
    /// Files in whose place this one came: all that they had is in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<Digest>,
    /// Makes the name of a file that came in the place of others one that no file had before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    nonce: String,
}

/// What a file says: its head, and what was made of each record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RecordFile<T> {
    pub head: Head,
    pub records: Vec<T>,
}

/// Any other line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name in a store: `runs/9be04c1d22aa`.
    pub name: String,
    pub record: Value,
}

/// Why a file of records is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("it has version {0}, which this mlx does not know")]
    Version(u64),
}

/// What is remembered of the records of one remote; may be deleted at any time.
#[derive(Debug)]
pub struct Known {
    file: PathBuf,
    document: Document,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Document {
    version: u64,
    /// The files that were read or written, by their digest, and what the listing said of them.
    files: BTreeMap<String, Seen>,
    /// The records in them: name to what tells its states apart, which is nothing for one that never changes.
    records: BTreeMap<String, String>,
    /// Whether nothing may be deleted there, so that small files can't be put together.
    #[serde(default)]
    is_lasting: bool,
}

impl Known {
    /// What is remembered below `root` (`.mlx/remotes`) of the remote at this URL.
    pub fn open(root: &Path, url: &str) -> Self {
        let file = Memory::directory(root, url).join("records");
        let document = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Document>(&bytes).ok());
        let document = document.filter(|document| document.version == VERSION);
        Self { file, document: document.unwrap_or_else(|| Document { version: VERSION, ..Document::default() }) }
    }

    /// Whether the remote has this state of a record.
    pub fn has(&self, name: &str, state: &str) -> bool {
        self.document.records.get(name).is_some_and(|known| known.as_str() >= state)
    }

    /// Remembers that the remote has this state of a record; of several, the greatest as text.
    pub fn add(&mut self, name: String, state: String) {
        let known = self.document.records.entry(name).or_default();
        if *known < state {
            *known = state;
        }
    }

    /// Whether nothing may be deleted on the remote, as far as was tried.
    pub(super) fn is_lasting(&self) -> bool {
        self.document.is_lasting
    }

    pub(super) fn set_lasting(&mut self) {
        self.document.is_lasting = true;
    }

    /// Remembers that all that this file has is known.
    pub(super) fn has_read(&mut self, file: &Digest, seen: Seen) {
        self.document.files.insert(file.hex(), seen);
    }

    pub(super) fn knows_file(&self, file: &Digest) -> bool {
        self.document.files.contains_key(&file.hex())
    }

    pub(super) fn forget_file(&mut self, file: &Digest) {
        self.document.files.remove(&file.hex());
    }

    /// Forgets the files that are not there any more, or not as they were; returns them.
    fn forget_gone(&mut self, there: &BTreeMap<Digest, Seen>) -> HashSet<Digest> {
        let mut gone = HashSet::new();
        self.document.files.retain(|hex, seen| {
            let Ok(digest) = Digest::from_hex(hex) else { return false };
            let is_there = there.get(&digest) == Some(seen);
            if !is_there {
                gone.insert(digest);
            }
            is_there
        });
        gone
    }

    /// Takes nothing for granted of what was read before.
    pub fn forget(&mut self) {
        self.document = Document { version: VERSION, is_lasting: self.document.is_lasting, ..Document::default() };
    }

    /// Writes it down. It can be learned again, so that a directory that is not ours to write is no failure.
    pub fn save(&self) {
        let bytes = serde_json::to_vec(&self.document).unwrap_or_default();
        if let Some(directory) = self.file.parent() {
            let _ = fs::replace(&self.file, directory, |out| out.write_all(&bytes));
        }
    }
}

impl Transfer<'_> {
    /// Reads the files of records that were not read before, and gives the records of each to `take`, which says what of them
    /// there is to know. Files that are of no use are told of and passed over. Returns the names of those that are damaged.
    pub fn read_records(
        &self,
        known: &mut Known,
        mut take: impl FnMut(Vec<Record>) -> Result<Vec<(String, String)>>,
    ) -> Result<Vec<Digest>> {
        // Where records were before, somebody has begun.
        if known.document.files.is_empty() && !layout::is_begun(self.remote)? {
            known.forget();
            return Ok(Vec::new());
        }
        let mut damaged = Vec::new();
        for attempt in 1..=LISTINGS {
            let there: BTreeMap<Digest, Seen> = layout::listed_records(self.remote)?.into_iter().collect();
            let mut gone = known.forget_gone(&there);
            let mut reading = self.read_unread(known, &there, &mut gone, &mut take)?;
            // What went, and is in no file that came in its place, may have had what is nowhere else.
            if !gone.is_empty() {
                known.forget();
                reading = self.read_unread(known, &there, &mut gone, &mut take)?;
            }
            let is_last = attempt == LISTINGS;
            for (digest, unusable) in &reading.unusable {
                if is_last || reading.missing.is_empty() {
                    self.tell_unusable(digest, unusable);
                }
            }
            // Somebody put small files together just then: what they had is in another, which the next listing has.
            if reading.missing.is_empty() || is_last {
                reading.missing.iter().for_each(|digest| {
                    let (name, url) = (record_file(digest), self.remote.url());
                    self.watch.events.warn(format!("`{name}` is listed on the remote {url}, and is not there"));
                });
                let is_damaged = |(_, unusable): &(Digest, Unusable)| matches!(unusable, Unusable::Damaged(_));
                damaged = reading.unusable.into_iter().filter(is_damaged).map(|(digest, _)| digest).collect();
                break;
            }
        }
        known.save();
        Ok(damaged)
    }

    /// Reads those of the listed files that were not read before. Takes those that are sound, and what they replace, out of
    /// `gone`.
    fn read_unread(
        &self,
        known: &mut Known,
        there: &BTreeMap<Digest, Seen>,
        gone: &mut HashSet<Digest>,
        take: &mut impl FnMut(Vec<Record>) -> Result<Vec<(String, String)>>,
    ) -> Result<Reading> {
        let mut reading = Reading::default();
        for (digest, seen) in there {
            self.watch.interrupt.check()?;
            if known.knows_file(digest) {
                continue;
            }
            match self.read_file(digest, seen, |record, _| record)? {
                None => reading.missing.push(*digest),
                Some(Ok(file)) => {
                    for (name, state) in take(file.records)? {
                        known.add(name, state);
                    }
                    known.has_read(digest, seen.clone());
                    gone.remove(digest);
                    gone.retain(|other| !file.head.replaces.contains(other));
                }
                Some(Err(unusable)) => reading.unusable.push((*digest, unusable)),
            }
        }
        Ok(reading)
    }

    fn tell_unusable(&self, digest: &Digest, unusable: &Unusable) {
        let (name, url) = (record_file(digest), self.remote.url());
        let hint = match unusable {
            Unusable::Damaged(_) => "the next `mlx push` of who has its records sends them again",
            Unusable::Version(_) => "install the mlx that wrote it",
        };
        self.watch.events.emit(Event::Warning {
            message: format!("passed over `{name}` on the remote {url}: {unusable}"),
            hint: Some(hint.into()),
        });
    }

    /// The files of records that are damaged, and how; each is read. One that goes meanwhile is none of them, nor is one of
    /// another version, which is told of.
    pub(super) fn damaged_records(&self) -> Result<Vec<(Digest, String)>> {
        let mut found = Vec::new();
        for (digest, seen) in layout::listed_records(self.remote)? {
            self.watch.interrupt.check()?;
            match self.read_file(&digest, &seen, |_, _| ())? {
                Some(Err(Unusable::Damaged(what))) => found.push((digest, what)),
                Some(Err(version @ Unusable::Version(_))) => self.tell_unusable(&digest, &version),
                Some(Ok(_)) | None => {}
            }
        }
        Ok(found)
    }

    /// A file of records, checked, with what `of` makes of each record and its line; `None` where it is not there any more.
    pub(super) fn read_file<T>(
        &self,
        digest: &Digest,
        seen: &Seen,
        of: impl Fn(Record, Vec<u8>) -> T,
    ) -> Result<Option<Result<RecordFile<T>, Unusable>>> {
        if seen.size > LARGEST_FILE {
            return Ok(Some(Err(Unusable::Damaged(format!("its {} bytes are too many", seen.size)))));
        }
        let mut bytes = Vec::new();
        match self.remote.read(&record_file(digest), Some(0..seen.size), &mut bytes) {
            Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Missing { .. })) => return Ok(None),
            read => drop(read?),
        }
        if Digest::of(&bytes) != *digest {
            return Ok(Some(Err(Unusable::Damaged("its content is not what its name says".into()))));
        }
        Ok(Some(decode(&bytes, of)))
    }

    /// Sends records, and takes damaged files away. Returns how many bytes were sent.
    pub fn send_records(&self, known: &mut Known, records: Vec<(Record, String)>, damaged: &[Digest]) -> Result<u64> {
        let mut sent = 0;
        let mut new = Vec::new();
        let mut batch: Vec<(Record, String)> = Vec::new();
        let mut length = 0;
        let mut records = records.into_iter().peekable();
        layout::begin(self.remote)?;
        while let Some(record) = records.next() {
            self.watch.interrupt.check()?;
            length += record.0.record.to_string().len();
            batch.push(record);
            if length < TEXT_OF_FILE && records.peek().is_some() {
                continue;
            }
            length = 0;
            let bytes = encode(batch.iter().map(|(record, _)| record))?;
            new.push((self.write_records(&bytes)?, bytes.len() as u64));
            sent += bytes.len() as u64;
            batch.drain(..).for_each(|(record, state)| known.add(record.name, state));
        }
        let is_new = |digest: &Digest| new.iter().any(|(new, _)| new == digest);
        for digest in damaged.iter().filter(|digest| !is_new(digest)) {
            self.remote.delete(&record_file(digest))?;
        }
        // What the next reader compares with is a listing.
        let there = layout::listed_records(self.remote)?;
        for (digest, seen) in there.iter().filter(|(digest, _)| is_new(digest)) {
            known.has_read(digest, seen.clone());
        }
        known.save();
        let own = new.iter().map(|(digest, size)| (*digest, Seen { size: *size, version: String::new() }));
        self.publish_records(&own.collect::<Vec<_>>(), |_| true)?;
        if let Err(error) = self.fold_records(known, &there) {
            self.watch.interrupt.check()?;
            let url = self.remote.url();
            self.watch.events.warn(format!("cannot put small files of records on {url} together: {error}"));
        }
        Ok(sent)
    }

    /// Writes a file of records; returns its name.
    pub(super) fn write_records(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        let body = Body { content: Content::Bytes(bytes), sent: &|_| Ok(()) };
        self.remote.write(&record_file(&digest), &body)?;
        Ok(digest)
    }

    /// Writes the list of files for who can't list: what is there, these files, and of those of records only the `wanted`.
    pub(super) fn publish_records(&self, own: &[(Digest, Seen)], wanted: impl Fn(&Digest) -> bool) -> Result<()> {
        let memory = Memory::open(self.memory, self.remote.url());
        let listing = || {
            // Where nobody can list, what this machine knows is all there is besides the list itself.
            let packs = listed(self.remote)?.into_iter().chain(memory.packs());
            let records = layout::listed_records(self.remote)?.into_iter().chain(own.iter().cloned());
            Ok(Listing::new(packs, records.filter(|(digest, _)| wanted(digest))))
        };
        layout::publish(self.remote, listing()?, listing)
    }
}

/// What came of reading files of records.
#[derive(Default)]
struct Reading {
    unusable: Vec<(Digest, Unusable)>,
    /// Files that were listed and are not there.
    missing: Vec<Digest>,
}

/// The bytes of a file of these records.
fn encode<'r>(records: impl ExactSizeIterator<Item = &'r Record>) -> Result<Vec<u8>> {
    let head = Head { mlx_records: VERSION, records: records.len() as u64, replaces: Vec::new(), nonce: String::new() };
    let lines = records.map(|record| serde_json::to_vec(record).context(CANNOT_WRITE));
    pack(&head, lines.collect::<anyhow::Result<Vec<_>>>()?.iter().map(Vec::as_slice))
}

const CANNOT_WRITE: &str = "cannot write records as JSON";

/// The bytes of a file that comes in the place of others: it has these lines of theirs.
pub(super) fn encode_folded(lines: &[Vec<u8>], replaces: Vec<Digest>, nonce: String) -> Result<Vec<u8>> {
    let head = Head { mlx_records: VERSION, records: lines.len() as u64, replaces, nonce };
    pack(&head, lines.iter().map(Vec::as_slice))
}

fn pack<'l>(head: &Head, lines: impl Iterator<Item = &'l [u8]>) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec(head).context(CANNOT_WRITE)?;
    text.push(b'\n');
    for line in lines {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    let bytes = zstd::bulk::compress(&text, LEVEL).context("cannot compress records")?;
    Ok(bytes)
}

/// What a file says, with what `of` makes of each record and its line.
fn decode<T>(bytes: &[u8], of: impl Fn(Record, Vec<u8>) -> T) -> Result<RecordFile<T>, Unusable> {
    let damaged = |error: &dyn std::fmt::Display| Unusable::Damaged(error.to_string());
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(|error| damaged(&error))?;
    decoder.window_log_max(WINDOW_BITS).map_err(|error| damaged(&error))?;
    let mut reader = BufReader::new(decoder.take(LARGEST_TEXT));
    let mut next = || -> Result<Option<Vec<u8>>, Unusable> {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).map_err(|error| damaged(&error))?;
        match line.pop() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) => Err(Unusable::Damaged("it ends within a line, or holds too much".into())),
        }
    };
    let Some(head) = next()? else {
        return Err(Unusable::Damaged("it is empty".into()));
    };
    let head: Head = serde_json::from_slice(&head).map_err(|error| damaged(&error))?;
    if head.mlx_records != VERSION {
        return Err(Unusable::Version(head.mlx_records));
    }
    let mut records = Vec::new();
    while let Some(line) = next()? {
        let record = serde_json::from_slice::<Record>(&line).map_err(|error| damaged(&error))?;
        records.push(of(record, line));
    }
    match records.len() as u64 == head.records {
        true => Ok(RecordFile { head, records }),
        false => Err(Unusable::Damaged(format!("it has {} records of {}", records.len(), head.records))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn record(name: &str, text: &str) -> Record {
        Record { name: name.into(), record: serde_json::json!({ "text": text, "number": 0.1 + 0.2 }) }
    }

    #[test]
    fn other_versions_and_broken_files_are_told_apart() {
        let good = encode([record("runs/a", "x")].iter()).unwrap();
        let text = |text: &str| zstd::bulk::compress(text.as_bytes(), 3).unwrap();
        let cases = [
            (text("{\"mlx_records\": 2, \"records\": 0}\n"), "has version 2"),
            (text("{\"mlx_records\": 1, \"records\": 2}\n"), "it has 0 records of 2"),
            (text("{\"mlx_records\": 1, \"records\": 1}\n{\"name\": \"x\"}\n"), "missing field `record`"),
            (text("{\"mlx_records\": 1, \"records\": 0}"), "ends within a line"),
            (text(""), "it is empty"),
            (good[..good.len() - 3].to_vec(), "it is damaged"),
            (b"not zstd at all".to_vec(), "it is damaged"),
        ];
        for (bytes, expected) in cases {
            let error = decode(&bytes, |_, _| ()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_file_that_grows_without_end_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        let block = vec![b' '; 1 << 20];
        (0..(LARGEST_TEXT >> 20) + 2).for_each(|_| encoder.write_all(&block).unwrap());

        let error = decode(&encoder.finish().unwrap(), |_, _| ()).unwrap_err();

        assert!(matches!(error, Unusable::Damaged(_)), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(names: Vec<String>, text: String) {
            let records: Vec<Record> = names.iter().map(|name| record(name, &text)).collect();

            let read = decode(&encode(records.iter()).unwrap(), |record, _| record).unwrap();

            prop_assert_eq!(read.records, records);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes, |_, _| ());
        }
    }
}
