//! Records on a remote: runs, what is said of them, and the step cache, in files of many.
//!
//! Each push writes one file of the records that are new, named by the digest of its bytes and never changed: two who push
//! at once write two files. Inside is one Zstandard frame of JSON lines, a head and then a line for each record. Who reads
//! keeps in mind which files it has read and which records it saw in them; a file that is not what its name says is passed
//! over, and taken away by the next push that has its records.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::catalog::listed;
use super::layout::{self, Listing, record_file};
use super::memory::{Memory, Seen};
use super::{Body, Content, Transfer};
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
const TEXT_OF_FILE: usize = 32 << 20;
/// Zstandard's window has at most so many bits.
const WINDOW_BITS: u32 = 27;
const LEVEL: i32 = 9;

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct Head {
    mlx_records: u64,
    records: u64,
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

    fn forget(&mut self) {
        self.document = Document { version: VERSION, ..Document::default() };
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
        let there: BTreeMap<Digest, Seen> = layout::listed_records(self.remote)?.into_iter().collect();
        let is_as_remembered =
            |(hex, seen): (&String, &Seen)| Digest::from_hex(hex).is_ok_and(|digest| there.get(&digest) == Some(seen));
        // A file that went or is another one may have had what is nowhere else.
        if !known.document.files.iter().all(is_as_remembered) {
            known.forget();
        }
        let mut damaged = Vec::new();
        for (digest, seen) in there {
            self.watch.interrupt.check()?;
            if known.document.files.contains_key(&digest.hex()) {
                continue;
            }
            match self.read_file(&digest, &seen)? {
                Ok(records) => {
                    for (name, state) in take(records)? {
                        known.add(name, state);
                    }
                    known.document.files.insert(digest.hex(), seen);
                }
                Err(unusable) => {
                    let (name, url) = (record_file(&digest), self.remote.url());
                    let hint = match &unusable {
                        Unusable::Damaged(_) => "the next `mlx push` of who has its records sends them again",
                        Unusable::Version(_) => "install the mlx that wrote it",
                    };
                    self.watch.events.emit(Event::Warning {
                        message: format!("passed over `{name}` on the remote {url}: {unusable}"),
                        hint: Some(hint.into()),
                    });
                    if matches!(unusable, Unusable::Damaged(_)) {
                        damaged.push(digest);
                    }
                }
            }
        }
        known.save();
        Ok(damaged)
    }

    fn read_file(&self, digest: &Digest, seen: &Seen) -> Result<Result<Vec<Record>, Unusable>> {
        if seen.size > LARGEST_FILE {
            return Ok(Err(Unusable::Damaged(format!("its {} bytes are too many", seen.size))));
        }
        let mut bytes = Vec::new();
        self.remote.read(&record_file(digest), Some(0..seen.size), &mut bytes)?;
        if Digest::of(&bytes) != *digest {
            return Ok(Err(Unusable::Damaged("its content is not what its name says".into())));
        }
        Ok(decode(&bytes))
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
            let digest = Digest::of(&bytes);
            let body = Body { content: Content::Bytes(&bytes), sent: &|_| Ok(()) };
            self.remote.write(&record_file(&digest), &body)?;
            sent += bytes.len() as u64;
            new.push((digest, bytes.len() as u64));
            batch.drain(..).for_each(|(record, state)| known.add(record.name, state));
        }
        let is_new = |digest: &Digest| new.iter().any(|(new, _)| new == digest);
        for digest in damaged.iter().filter(|digest| !is_new(digest)) {
            self.remote.delete(&record_file(digest))?;
        }
        // What the next reader compares with is a listing.
        let there = layout::listed_records(self.remote)?;
        for (digest, seen) in there.into_iter().filter(|(digest, _)| is_new(digest)) {
            known.document.files.insert(digest.hex(), seen);
        }
        known.save();
        let memory = Memory::open(self.memory, self.remote.url());
        let listing = || {
            // Where nobody can list, what this machine knows is all there is besides the list itself.
            let packs = listed(self.remote)?.into_iter().chain(memory.packs());
            let own = new.iter().map(|(digest, size)| (*digest, Seen { size: *size, version: String::new() }));
            Ok(Listing::new(packs, layout::listed_records(self.remote)?.into_iter().chain(own)))
        };
        layout::publish(self.remote, listing()?, listing)?;
        Ok(sent)
    }
}

/// The bytes of a file of these records.
fn encode<'r>(records: impl ExactSizeIterator<Item = &'r Record>) -> Result<Vec<u8>> {
    let cannot = "cannot write records as JSON";
    let mut text = serde_json::to_vec(&Head { mlx_records: VERSION, records: records.len() as u64 }).context(cannot)?;
    text.push(b'\n');
    for record in records {
        serde_json::to_writer(&mut text, record).context(cannot)?;
        text.push(b'\n');
    }
    let bytes = zstd::bulk::compress(&text, LEVEL).context("cannot compress records")?;
    Ok(bytes)
}

/// The records of a file.
fn decode(bytes: &[u8]) -> Result<Vec<Record>, Unusable> {
    let damaged = |error: &dyn std::fmt::Display| Unusable::Damaged(error.to_string());
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(|error| damaged(&error))?;
    decoder.window_log_max(WINDOW_BITS).map_err(|error| damaged(&error))?;
    let mut reader = BufReader::new(decoder.take(LARGEST_TEXT));
    let mut line = Vec::new();
    let mut next = |line: &mut Vec<u8>| -> Result<bool, Unusable> {
        line.clear();
        reader.read_until(b'\n', line).map_err(|error| damaged(&error))?;
        match line.last() {
            None => Ok(false),
            Some(b'\n') => Ok(true),
            Some(_) => Err(Unusable::Damaged("it ends within a line, or holds too much".into())),
        }
    };
    if !next(&mut line)? {
        return Err(Unusable::Damaged("it is empty".into()));
    }
    let head: Head = serde_json::from_slice(&line).map_err(|error| damaged(&error))?;
    if head.mlx_records != VERSION {
        return Err(Unusable::Version(head.mlx_records));
    }
    let mut records = Vec::new();
    while next(&mut line)? {
        records.push(serde_json::from_slice::<Record>(&line).map_err(|error| damaged(&error))?);
    }
    match records.len() as u64 == head.records {
        true => Ok(records),
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
            let error = decode(&bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_file_that_grows_without_end_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        let block = vec![b' '; 1 << 20];
        (0..(LARGEST_TEXT >> 20) + 2).for_each(|_| encoder.write_all(&block).unwrap());

        let error = decode(&encoder.finish().unwrap()).unwrap_err();

        assert!(matches!(error, Unusable::Damaged(_)), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(names: Vec<String>, text: String) {
            let records: Vec<Record> = names.iter().map(|name| record(name, &text)).collect();

            prop_assert_eq!(decode(&encode(records.iter()).unwrap()).unwrap(), records);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
