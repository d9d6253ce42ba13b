//! The archives of `torch.save` and `numpy.savez`: which of their files are pickles, and what those name.
//!
//! Readers of zip archives differ in whether they believe the list at the end or the header before each file. A name, a
//! method or a size in which the two differ is a problem, and so are encryption and a second list.

use std::io::{self, Read};

use flate2::read::DeflateDecoder;

use super::bytes::{Bytes, Part};
use super::{Findings, pickle};

const MOST_FILES: u64 = 100_000;
/// What is packed inside may have at most this many bytes altogether when it is unpacked.
const LARGEST_UNPACKED: u64 = 1 << 30;
const LARGEST_LIST: u64 = 64 << 20;

const LIST_END: u32 = 0x0605_4b50;
const LIST_END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const IN_LIST: u32 = 0x0201_4b50;
const BEFORE_FILE: u32 = 0x0403_4b50;
const ENCRYPTED: u16 = 1;

/// A file as the list at the end names it.
struct Entry {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    packed: u64,
    size: u64,
    offset: u64,
}

enum Trouble {
    Io(io::Error),
    Bad(&'static str),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        // What lies outside of the archive is its fault and not that of the disk.
        if error.kind() == io::ErrorKind::UnexpectedEof { Trouble::Bad("it is cut off") } else { Trouble::Io(error) }
    }
}

/// Looks into an archive; `None` where no file in it is a pickle. One that is damaged is a problem where its name says that
/// it is a model of PyTorch's, and else none of ours.
pub fn scan(archive: &Part<'_>, is_named: bool) -> io::Result<Option<Findings>> {
    let mut findings = Findings::default();
    let mut is_pickle = false;
    let mut budget = LARGEST_UNPACKED;
    let looked = list(archive).and_then(|entries| {
        for entry in &entries {
            let Some(found) = look(archive, entry, &mut budget)? else { continue };
            is_pickle = true;
            findings.add(found);
        }
        Ok(())
    });
    match looked {
        Ok(()) => Ok(is_pickle.then_some(findings)),
        Err(Trouble::Io(error)) => Err(error),
        Err(Trouble::Bad(what)) if is_named || is_pickle => {
            findings.problem(what);
            Ok(Some(findings))
        }
        Err(Trouble::Bad(_)) => Ok(None),
    }
}

fn look(archive: &Part<'_>, entry: &Entry, budget: &mut u64) -> Result<Option<Findings>, Trouble> {
    let name = String::from_utf8_lossy(&entry.name);
    if entry.name.ends_with(b"/") {
        return Ok(None);
    }
    let packed = packed(archive, entry)?;
    let is_pickle = name.ends_with(".pkl");
    let unpacked;
    let content: &dyn Bytes = match entry.method {
        0 if entry.packed == entry.size => &packed,
        8 => {
            let mut bytes = Vec::new();
            let read = DeflateDecoder::new(packed.reader()).take(*budget + 1).read_to_end(&mut bytes);
            if read.is_err() || bytes.len() as u64 != entry.size {
                return Err(Trouble::Bad("what is packed in it is damaged, or too large to look into"));
            }
            *budget = budget.saturating_sub(entry.size);
            unpacked = bytes;
            &unpacked
        }
        _ => return Err(Trouble::Bad("a file in it is packed in a way that is not looked into")),
    };
    let mut head = [0; 4];
    let length = content.size().min(4) as usize;
    content.read_at(0, &mut head[..length])?;
    if head == *b"PK\x03\x04" {
        return Err(Trouble::Bad("there is an archive in it"));
    }
    let whole = Part { content, offset: 0, size: content.size() };
    Ok(if is_pickle { Some(pickle(&whole)?) } else { super::scan(&whole, &name)? })
}

/// Where a file lies, if the header before it says the same as the list.
fn packed<'a>(archive: &Part<'a>, entry: &Entry) -> Result<Part<'a>, Trouble> {
    let mut header = [0; 30];
    archive.read_at(entry.offset, &mut header)?;
    let (name_length, extra_length) = (u64::from(number16(&header, 26)), u64::from(number16(&header, 28)));
    let mut name = vec![0; name_length as usize];
    archive.read_at(entry.offset + 30, &mut name)?;
    let (packed, size) = (number32(&header, 18), number32(&header, 22));
    // Sizes may stand behind the file, or in an extra field.
    let told = |here: u32, there: u64| here == 0 || here == u32::MAX || u64::from(here) == there;
    let agrees = number32(&header, 0) == BEFORE_FILE
        && name == entry.name
        && number16(&header, 8) == entry.method
        && number16(&header, 6) & ENCRYPTED == entry.flags & ENCRYPTED
        && told(packed, entry.packed)
        && told(size, entry.size);
    if !agrees {
        return Err(Trouble::Bad("its list of files and the files contradict each other"));
    }
    if entry.flags & ENCRYPTED != 0 {
        return Err(Trouble::Bad("a file in it is encrypted"));
    }
    let start = entry.offset + 30 + name_length + extra_length;
    if start.checked_add(entry.packed).is_none_or(|end| end > archive.size) {
        return Err(Trouble::Bad("it is cut off"));
    }
    Ok(Part { content: archive.content, offset: archive.offset + start, size: entry.packed })
}

/// The files that the list at the end names.
fn list(archive: &Part<'_>) -> Result<Vec<Entry>, Trouble> {
    const END_BYTES: u64 = 22;
    let tail_size = archive.size.min(END_BYTES + u64::from(u16::MAX));
    let mut tail = vec![0; tail_size as usize];
    archive.read_at(archive.size - tail_size, &mut tail)?;
    let is_end = |at: &usize| {
        number32(&tail, *at) == LIST_END
            && at + END_BYTES as usize + usize::from(number16(&tail, at + 20)) == tail.len()
    };
    let mut ends = (0..tail.len().saturating_sub(END_BYTES as usize - 1)).filter(is_end);
    let end = match (ends.next(), ends.next()) {
        (Some(end), None) => end,
        (None, _) => return Err(Trouble::Bad("it has no list of its files")),
        (Some(_), Some(_)) => return Err(Trouble::Bad("it has two lists of its files")),
    };
    let place = archive.size - tail_size + end as u64;
    let mut count = u64::from(number16(&tail, end + 10));
    let mut size = u64::from(number32(&tail, end + 12));
    let mut start = u64::from(number32(&tail, end + 16));
    if let Some(locator) = place.checked_sub(20) {
        let mut bytes = [0; 20];
        archive.read_at(locator, &mut bytes)?;
        if number32(&bytes, 0) == LOCATOR_64 {
            let mut large = [0; 56];
            archive.read_at(number64(&bytes, 8), &mut large)?;
            if number32(&large, 0) != LIST_END_64 {
                return Err(Trouble::Bad("the end of its list is damaged"));
            }
            (count, size, start) = (number64(&large, 32), number64(&large, 40), number64(&large, 48));
        }
    }
    if count > MOST_FILES || size > LARGEST_LIST {
        return Err(Trouble::Bad("it has too many files to look into"));
    }
    let mut bytes = vec![0; size as usize];
    archive.read_at(start, &mut bytes)?;
    let mut entries = Vec::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (entry, length) = entry(rest).ok_or(Trouble::Bad("its list of files is damaged"))?;
        rest = &rest[length..];
        entries.push(entry);
    }
    if entries.len() as u64 != count {
        return Err(Trouble::Bad("its list of files does not have as many as it says"));
    }
    Ok(entries)
}

/// The first entry of the list, and its length there.
fn entry(bytes: &[u8]) -> Option<(Entry, usize)> {
    const HEADER: usize = 46;
    if bytes.len() < HEADER || number32(bytes, 0) != IN_LIST {
        return None;
    }
    let [name_length, extra_length, comment_length] = [28, 30, 32].map(|at| usize::from(number16(bytes, at)));
    let length = HEADER + name_length + extra_length + comment_length;
    let name = bytes.get(HEADER..HEADER + name_length)?.to_vec();
    let extra = bytes.get(HEADER + name_length..HEADER + name_length + extra_length)?;
    bytes.get(..length)?;
    let mut entry = Entry {
        name,
        flags: number16(bytes, 8),
        method: number16(bytes, 10),
        packed: number32(bytes, 20).into(),
        size: number32(bytes, 24).into(),
        offset: number32(bytes, 42).into(),
    };
    // Numbers that do not fit stand in an extra field, in this order.
    let mut large = large_numbers(extra).unwrap_or_default().chunks_exact(8);
    for field in [&mut entry.size, &mut entry.packed, &mut entry.offset] {
        if *field == u64::from(u32::MAX) {
            *field = number64(large.next()?, 0);
        }
    }
    Some((entry, length))
}

/// The extra field with numbers of 64 bits.
fn large_numbers(mut extra: &[u8]) -> Option<&[u8]> {
    const LARGE_NUMBERS: u16 = 1;
    while extra.len() >= 4 {
        let (kind, size) = (number16(extra, 0), usize::from(number16(extra, 2)));
        let field = extra.get(4..4 + size)?;
        if kind == LARGE_NUMBERS {
            return Some(field);
        }
        extra = &extra[4 + size..];
    }
    None
}

fn number16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn number64(bytes: &[u8], at: usize) -> u64 {
    u64::from(number32(bytes, at)) | u64::from(number32(bytes, at + 4)) << 32
}
