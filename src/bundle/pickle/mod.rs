//! What pickles among a model's files would call when they are loaded, found without loading them.
//!
//! A pickle is a program for a small stack machine, and whatever function it names is called while it is read. The scan
//! walks its instructions and collects each name; those that are not known to do no harm count, as does everything that a
//! reader might understand in another way: an instruction that is none, bytes behind the end, a pickle in the bytes of
//! another. It sees into `.pkl`, `.joblib` (with the raw arrays that joblib writes between the instructions), the archives
//! of `torch.save`, `.npy` and `.npz`, and what zlib, gzip or zstd packed around them; time and memory are bounded whatever a file
//! holds.

mod bytes;
mod globals;
mod machine;
mod zip;

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use serde::Serialize;
use zstd::stream::read::Decoder as Zstd;

pub use bytes::{Bytes, InFile};
use bytes::{Cursor, Part};
pub use globals::Known;

use crate::project::manifest::Pickles;

/// What was unpacked on the way may have at most this many bytes.
const LARGEST_UNPACKED: u64 = 4 << 30;
/// Endings of files that hold pickles, whatever their first bytes are.
const ENDINGS: [&str; 11] = ["pkl", "pickle", "p", "joblib", "jbl", "sav", "pt", "pth", "ckpt", "dill", "cloudpickle"];

/// Endings that stand behind those where the file is packed.
const PACKED: [&str; 10] = ["gz", "gzip", "z", "zlib", "bz2", "xz", "lzma", "lz4", "zst", "zstd"];
/// Endings of files that hold text, which nobody takes for a pickle.
const TEXT: [&str; 11] = ["csv", "html", "json", "jsonl", "md", "toml", "tsv", "txt", "xml", "yaml", "yml"];

/// What was found in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Every global that it names, as `module.name`.
    pub globals: BTreeSet<String>,
    /// Why it can't be told what else it does, in words.
    pub problems: BTreeSet<String>,
}

impl Findings {
    fn problem(&mut self, what: impl Into<String>) {
        // A file has few kinds of problems; a made one must not have millions.
        if self.problems.len() < 20 {
            self.problems.insert(what.into());
        }
    }

    fn global(&mut self, name: String) {
        match self.globals.len() < 10_000 {
            true => drop(self.globals.insert(name)),
            false => self.problem("it names more than 10000 globals"),
        }
    }

    fn add(&mut self, other: Self) {
        other.globals.into_iter().for_each(|name| self.global(name));
        other.problems.into_iter().for_each(|problem| self.problem(problem));
    }
}

/// Looks into a file with this name; `None` where it holds no pickle, as far as its name and its first bytes tell.
///
/// An error is one of reading.
pub fn scan(content: &dyn Bytes, name: &str) -> std::io::Result<Option<Findings>> {
    let mut head = [0; 8];
    let length = content.size().min(8) as usize;
    content.read_at(0, &mut head[..length])?;
    let (named, is_named) = (Named::of(name), Named::of(name) == Named::Pickle);
    let whole = Part { content, offset: 0, size: content.size() };
    match head {
        [b'P', b'K', 3, 4, ..] => zip::scan(&whole, is_named),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => array(&whole),
        [0x80, 0..=5, ..] if !is_named => unnamed(&whole),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] if is_named => unpacked(ZlibDecoder::new(whole.reader())),
        [0x1f, 0x8b, ..] if is_named => unpacked(MultiGzDecoder::new(whole.reader())),
        // joblib knows them by these bytes, whatever the file is called.
        [0x28, 0xb5, 0x2f, 0xfd, ..] if is_named || begins_pickle(Zstd::new(whole.reader())?) => {
            unpacked(Zstd::new(whole.reader())?)
        }
        [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', ..] | [0x5d, 0, 0, ..] | [4, b'"', b'M', 0x18, ..]
            if is_named || (is_opaque(head) && named != Named::Text) =>
        {
            let mut findings = Findings::default();
            findings.problem("it is packed in a way that is not looked into (zlib, gzip and zstd are)");
            Ok(Some(findings))
        }
        _ if is_named => pickle(&whole).map(Some),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] if begins_pickle(ZlibDecoder::new(whole.reader())) => {
            unpacked(ZlibDecoder::new(whole.reader()))
        }
        [0x1f, 0x8b, ..] if begins_pickle(MultiGzDecoder::new(whole.reader())) => {
            unpacked(MultiGzDecoder::new(whole.reader()))
        }
        [b'c' | b'(' | b']' | b'}', ..] => old(&whole),
        _ => Ok(None),
    }
}

/// What a file holds by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Named {
    /// `model.pkl`, `model.joblib.gz`
    Pickle,
    /// `vocabulary.txt`, `rows.csv.xz`
    Text,
    Other,
}

impl Named {
    pub fn of(name: &str) -> Self {
        let mut endings = name.rsplit('.').map(str::to_ascii_lowercase);
        let ending = endings.by_ref().find(|ending| !PACKED.contains(&ending.as_str()));
        // What stands before the first dot is no ending.
        let Some(ending) = ending.filter(|_| endings.next().is_some()) else { return Self::Other };
        match ending.as_str() {
            pickle if ENDINGS.contains(&pickle) => Self::Pickle,
            text if TEXT.contains(&text) => Self::Text,
            _ => Self::Other,
        }
    }
}

/// Whether a file begins as bzip2, xz, lzma or lz4 write it, beyond doubt.
fn is_opaque(head: [u8; 8]) -> bool {
    match head {
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26] | [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => true,
        // Of a length that was not known when it was begun.
        [0x5d, 0, 0, _, _, 0xff, 0xff, 0xff] | [4, b'"', b'M', 0x18, ..] => true,
        _ => false,
    }
}

/// Whether what comes out begins as a pickle does.
fn begins_pickle(mut reader: impl Read) -> bool {
    let mut head = [0; 2];
    reader.read_exact(&mut head).is_ok() && matches!(head, [0x80, 0..=5])
}

/// A file that is a pickle by its name.
fn pickle(part: &Part<'_>) -> std::io::Result<Findings> {
    let mut findings = Findings::default();
    let end = machine::run(&mut Cursor::new(part), &mut findings)?;
    if end.is_some_and(|end| end < part.size) {
        findings.problem("something follows behind its end, such as another pickle");
    }
    Ok(findings)
}

/// A file that begins as a pickle does and has another name. What it named before it made no sense would have been called.
fn unnamed(part: &Part<'_>) -> std::io::Result<Option<Findings>> {
    let mut findings = Findings::default();
    let end = machine::run(&mut Cursor::new(part), &mut findings)?;
    match end {
        Some(end) if end == part.size => Ok(Some(findings)),
        _ if findings.globals.is_empty() => Ok(None),
        _ => Ok(Some(findings)),
    }
}

/// A file that may be a pickle of the first two protocols, which begin as much else does. Text that happens to be one names
/// nothing that does harm, or goes on behind its end.
fn old(part: &Part<'_>) -> std::io::Result<Option<Findings>> {
    let mut findings = Findings::default();
    let end = machine::run(&mut Cursor::new(part), &mut findings)?;
    let is_dangerous = |global: &String| Known::of(global, &Pickles::default()) == Known::Dangerous;
    let is_pickle = match end {
        Some(end) if end == part.size => !findings.globals.is_empty(),
        _ => findings.globals.iter().any(is_dangerous),
    };
    Ok(is_pickle.then_some(findings))
}

/// An array of NumPy's, which holds a pickle where its elements are Python objects.
fn array(part: &Part<'_>) -> std::io::Result<Option<Findings>> {
    let mut head = [0; 12];
    let length = part.size.min(12) as usize;
    part.read_at(0, &mut head[..length])?;
    // The length of the header has two bytes in version 1 and four later.
    let (start, size) = match head[6] {
        1 => (10, u64::from(u16::from_le_bytes([head[8], head[9]]))),
        _ => (12, u64::from(u32::from_le_bytes([head[8], head[9], head[10], head[11]]))),
    };
    let mut findings = Findings::default();
    if size > 1 << 20 || start + size > part.size {
        findings.problem("its header is damaged");
        return Ok(Some(findings));
    }
    let mut header = vec![0; size as usize];
    part.read_at(start, &mut header)?;
    // `'descr': '|O'`, or an `O` among the fields of a structure.
    let has_objects = header.windows(2).any(|pair| matches!(pair, b"|O" | b"'O" | b"\"O" | b"=O" | b"<O" | b">O"));
    if !has_objects {
        return Ok(None);
    }
    let body = Part { content: part.content, offset: part.offset + start + size, size: part.size - start - size };
    pickle(&body).map(Some)
}

/// Unpacks what is packed, and looks into that.
fn unpacked(reader: impl Read) -> std::io::Result<Option<Findings>> {
    let mut file = tempfile::tempfile()?;
    match std::io::copy(&mut reader.take(LARGEST_UNPACKED + 1), &mut file) {
        Ok(size) if size <= LARGEST_UNPACKED => {
            let content = InFile { file: &file, offset: 0, size };
            pickle(&Part { content: &content, offset: 0, size }).map(Some)
        }
        outcome => {
            let mut findings = Findings::default();
            findings.problem(match outcome {
                Ok(_) => "unpacked it is too large to look into",
                Err(_) => "what is packed in it is damaged",
            });
            Ok(Some(findings))
        }
    }
}

#[cfg(test)]
mod tests;
