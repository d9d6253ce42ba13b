//! Tar archives, written so that the same files give the same bytes, and listed without trusting a single one of them.
//!
//! Of the format only the plain parts are used: POSIX `ustar` headers, and `pax` records for a path or a size that does
//! not fit. What else a tar file can say (links, devices, sparse files, GNU long names) is refused by its name.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::Context;
use tar::{EntryType, Header};

use super::refusal::refuse;
use super::{BadBundle, path};
use crate::fs::quote;
use crate::{Error, Result};

pub const BLOCK: u64 = 512;
/// What the octal size field can't hold.
const TOO_LARGE_FOR_OCTAL: u64 = 1 << 33;
/// A pax header has at most this many bytes; a path and a size need less.
const LARGEST_PAX: u64 = 16 << 10;

/// Writes entries one after the other.
pub struct Writer<W: Write> {
    inner: Counted<W>,
}

impl<W: Write> Writer<W> {
    pub fn new(inner: W) -> Self {
        Self { inner: Counted { inner, bytes: 0 } }
    }

    /// Appends a regular file whose content `write` gives; it must be `size` bytes.
    pub fn append(
        &mut self,
        path: &str,
        executable: bool,
        size: u64,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        self.append_with_mode(path, if executable { 0o755 } else { 0o644 }, size, write)
    }

    /// As [`Writer::append`], with these permissions.
    pub fn append_with_mode(
        &mut self,
        path: &str,
        mode: u32,
        size: u64,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        self.header(New { kind: EntryType::Regular, path, mode, size, link: "" })
            .context("cannot write the archive")?;
        let start = self.inner.bytes;
        write(&mut self.inner)?;
        let written = self.inner.bytes - start;
        if written != size {
            return Err(crate::Error::failed(format!(
                "`{}` has {written} bytes and not {size}: it changed while it was packed",
                crate::fs::escape(path.as_bytes())
            )));
        }
        self.pad().context("cannot write the archive")?;
        Ok(())
    }

    /// Appends a directory; only images have those.
    pub fn append_directory(&mut self, path: &str, mode: u32) -> Result<()> {
        let path = format!("{path}/");
        let directory = New { kind: EntryType::Directory, path: &path, mode, size: 0, link: "" };
        Ok(self.header(directory).context("cannot write the archive")?)
    }

    /// Appends a symbolic link; only images have those.
    pub fn append_link(&mut self, path: &str, target: &str) -> Result<()> {
        let link = New { kind: EntryType::Symlink, path, mode: 0o777, size: 0, link: target };
        Ok(self.header(link).context("cannot write the archive")?)
    }

    /// Writes the end of the archive; returns the number of bytes.
    pub fn finish(mut self) -> Result<u64> {
        self.end()?;
        Ok(self.inner.bytes)
    }

    /// Writes the end of the archive; gives back what was written to.
    pub fn into_inner(mut self) -> Result<W> {
        self.end()?;
        Ok(self.inner.inner)
    }

    fn end(&mut self) -> Result<()> {
        Ok(self.inner.write_all(&[0; 2 * BLOCK as usize]).context("cannot write the archive")?)
    }

    fn header(&mut self, new: New<'_>) -> io::Result<()> {
        let New { kind, path, mode, size, link } = new;
        let mut header = plain_header(mode);
        header.set_entry_type(kind);
        let mut records = Vec::new();
        if !link.is_empty() && header.set_link_name_literal(link).is_err() {
            records.extend(pax_record("linkpath", link));
        }
        if header.set_path(path).is_err() {
            records.extend(pax_record("path", path));
            // For readers that do not know pax; the others take the record.
            header.set_path(format!("long-names/{}", crate::Digest::of(path).hex()))?;
        }
        if size < TOO_LARGE_FOR_OCTAL {
            header.set_size(size);
        } else {
            records.extend(pax_record("size", &size.to_string()));
            header.set_size(0);
        }
        if !records.is_empty() {
            let mut extended = plain_header(0o644);
            extended.set_entry_type(EntryType::XHeader);
            extended.set_path("PaxHeaders/next")?;
            extended.set_size(records.len() as u64);
            extended.set_cksum();
            self.inner.write_all(extended.as_bytes())?;
            self.inner.write_all(&records)?;
            self.pad()?;
        }
        header.set_cksum();
        self.inner.write_all(header.as_bytes())
    }

    fn pad(&mut self) -> io::Result<()> {
        let missing = self.inner.bytes.next_multiple_of(BLOCK) - self.inner.bytes;
        self.inner.write_all(&[0; BLOCK as usize][..missing as usize])
    }
}

/// How many bytes stand before the content of a file of this size under a short path.
pub fn header_bytes(size: u64) -> u64 {
    // A size that does not fit is in a header of its own.
    if size < TOO_LARGE_FOR_OCTAL { BLOCK } else { 3 * BLOCK }
}

/// An entry that is to be written.
struct New<'a> {
    kind: EntryType,
    path: &'a str,
    mode: u32,
    size: u64,
    /// Where a symbolic link leads.
    link: &'a str,
}

/// A header without times, owners and what else differs from machine to machine.
fn plain_header(mode: u32) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn pax_record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}").into_bytes()
}

struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub offset: u64,
    pub size: u64,
}

/// A file in an archive. Its path is short, but nothing else about it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: String,
    pub executable: bool,
    pub span: Span,
}

/// The regular files of the archive that lies in this part of `file`, at most `limit`; only headers are read.
pub fn list(file: &File, archive: Span, limit: usize) -> Result<Vec<Entry>> {
    let end = archive.offset + archive.size;
    let mut entries = Vec::new();
    let mut seen = HashSet::new();
    let mut pax: Option<Pax> = None;
    let mut offset = archive.offset;
    // A pax header may stand before each entry.
    for _ in 0..=2 * limit {
        let mut block = [0; BLOCK as usize];
        read(file, offset, end, &mut block)?;
        if block == [0; BLOCK as usize] {
            if pax.is_some() {
                refuse!("a pax header of its archive belongs to no file");
            }
            check_tail(file, offset, end)?;
            return Ok(entries);
        }
        let header = Header::from_byte_slice(&block);
        let header = Checked::new(header, pax.take())?;
        let data = offset + BLOCK;
        let Some(next) = header.size.checked_next_multiple_of(BLOCK).and_then(|size| data.checked_add(size)) else {
            refuse!("`{}` claims an impossible size of {} bytes", header.path, header.size);
        };
        if next > end {
            refuse!("the archive is cut off within `{}`", header.path);
        }
        match header.kind {
            Kind::Pax if header.size > LARGEST_PAX => refuse!("a pax header of its archive has {} bytes", header.size),
            Kind::Pax => {
                let mut records = vec![0; header.size as usize];
                read(file, data, end, &mut records)?;
                pax = Some(Pax::parse(&records)?);
            }
            Kind::Directory => {}
            Kind::File => {
                if entries.len() == limit {
                    break;
                }
                if !seen.insert(header.path.clone()) {
                    refuse!("`{}` stands twice in its archive", header.path);
                }
                let span = Span { offset: data, size: header.size };
                entries.push(Entry { path: header.path, executable: header.executable, span });
            }
        }
        offset = next;
    }
    refuse!("its archive has more than {limit} entries")
}

/// Whether a file begins as a tar archive does.
pub fn is_archive(path: &Path) -> bool {
    let mut mark = [0; 5];
    File::open(path).and_then(|file| file.read_exact_at(&mut mark, 257)).is_ok() && mark == *b"ustar"
}

/// An error where the file that is to be written is there already and is something else: nobody wants a bundle in the place of
/// a manifest.
pub fn refuse_other(path: &Path) -> Result<()> {
    let is_other = |metadata: std::fs::Metadata| metadata.is_file() && metadata.len() > 0 && !is_archive(path);
    match path.metadata().is_ok_and(is_other) {
        true => Err(Error::usage(format!("`{}` is there and is no bundle", quote(path)))
            .with_hint("name another file, or move away what lies there")),
        false => Ok(()),
    }
}

fn read(file: &File, offset: u64, end: u64, bytes: &mut [u8]) -> Result<()> {
    if end.saturating_sub(offset) < bytes.len() as u64 {
        refuse!("the archive is cut off");
    }
    match file.read_exact_at(bytes, offset) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => refuse!("the archive is cut off"),
        other => other.context("cannot read the archive").map_err(Into::into),
    }
}

/// Behind the end there may be padding (tar programs fill up to a record of 10 KiB and more), but nothing else.
fn check_tail(file: &File, offset: u64, end: u64) -> Result<()> {
    const LONGEST: u64 = 1 << 20;
    let mut tail = vec![0; (end - offset).min(LONGEST + 1) as usize];
    read(file, offset, end, &mut tail)?;
    if tail.len() as u64 > LONGEST || tail.iter().any(|byte| *byte != 0) {
        refuse!("something lies behind the end of its archive");
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    Pax,
}

/// A header whose checksum, type and numbers are sound.
struct Checked {
    kind: Kind,
    path: String,
    executable: bool,
    size: u64,
}

impl Checked {
    fn new(header: &Header, pax: Option<Pax>) -> Result<Self> {
        let sum = header.as_bytes().iter().enumerate();
        let sum: u64 = sum.map(|(index, byte)| if (148..156).contains(&index) { 32 } else { u64::from(*byte) }).sum();
        if !header.as_bytes()[257..].starts_with(b"ustar") || number(&header.as_old().cksum) != Some(sum) {
            let packed = match header.as_bytes() {
                [0x1f, 0x8b, ..] => ", but packed with gzip",
                [0x28, 0xb5, 0x2f, 0xfd, ..] => ", but packed with zstd",
                [b'P', b'K', 3, 4, ..] => ", but a zip archive",
                _ => ", or a header of it is damaged",
            };
            refuse!("it is no tar archive{packed}");
        }
        let field = String::from_utf8(header.path_bytes().into_owned()).ok();
        let Some(path) = pax.as_ref().and_then(|pax| pax.path.clone()).or(field) else {
            refuse!("a name in its archive is not UTF-8");
        };
        let path = match path.strip_prefix("./") {
            Some(plain) => plain.to_owned(),
            None => path,
        };
        if path.len() > path::LONGEST {
            refuse!("a name in its archive has {} bytes", path.len());
        }
        let kind = match header.entry_type() {
            EntryType::Regular if path.ends_with('/') => refuse!("`{path}` is a file with the name of a directory"),
            EntryType::Regular => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::XHeader if pax.is_some() => refuse!("two pax headers of its archive follow one another"),
            EntryType::XHeader => Kind::Pax,
            other => refuse!("`{path}` is {}; bundles hold regular files only", name_of(other)),
        };
        let (Some(mode), Some(field)) = (number(&header.as_old().mode), number(&header.as_old().size)) else {
            refuse!("`{path}` has a mode or a size that is no number");
        };
        if mode & 0o7000 != 0 {
            refuse!("`{path}` wants to run with the rights of another user or group (mode {mode:o})");
        }
        let size = match pax.and_then(|pax| pax.size) {
            // Readers differ in which of two sizes they believe, so that they must not disagree.
            Some(size) if field != size && (field != 0 || size < TOO_LARGE_FOR_OCTAL) => {
                refuse!("`{path}` claims two sizes, {field} and {size} bytes")
            }
            Some(size) => size,
            None => field,
        };
        if kind == Kind::Directory && size != 0 {
            refuse!("the directory `{path}` claims a size of {size} bytes");
        }
        Ok(Self { kind, path, executable: mode & 0o111 != 0, size })
    }
}

fn name_of(kind: EntryType) -> String {
    match kind {
        EntryType::Link => "a hard link".into(),
        EntryType::Symlink => "a symbolic link".into(),
        EntryType::Char | EntryType::Block => "a device".into(),
        EntryType::Fifo => "a FIFO".into(),
        EntryType::GNUSparse => "a sparse file".into(),
        EntryType::GNULongName | EntryType::GNULongLink => "a GNU long name".into(),
        EntryType::XGlobalHeader => "a global pax header".into(),
        other => format!("of the unknown type {:#x}", other.as_byte()),
    }
}

/// A field of octal digits, or of base 256 where its first bit is set; `None` for anything else, negative ones too.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        return rest.iter().try_fold(0u64, |number, byte| Some(number.checked_mul(256)? + u64::from(*byte)));
    }
    let text = field.trim_ascii_start();
    let end = text.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(text.len());
    let is_octal = !text[..end].is_empty() && text[..end].iter().all(|byte| matches!(byte, b'0'..=b'7'));
    let digits = std::str::from_utf8(&text[..end]).ok().filter(|_| is_octal)?;
    u64::from_str_radix(digits, 8).ok()
}

/// The records of a pax header that mean something here.
#[derive(Debug, Default)]
struct Pax {
    path: Option<String>,
    size: Option<u64>,
}

impl Pax {
    fn parse(mut records: &[u8]) -> Result<Self, BadBundle> {
        let malformed = || BadBundle::new("a pax header of its archive is malformed");
        let mut pax = Self::default();
        while !records.is_empty() {
            let space = records.iter().take(8).position(|byte| *byte == b' ').ok_or_else(malformed)?;
            let length = std::str::from_utf8(&records[..space]).ok().and_then(|digits| digits.parse().ok());
            let length: usize = length.filter(|length| *length > space + 1).ok_or_else(malformed)?;
            let record = records.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n"));
            let record = record.and_then(|record| std::str::from_utf8(record).ok()).ok_or_else(malformed)?;
            let (key, value) = record.split_once('=').ok_or_else(malformed)?;
            match key {
                "path" if pax.path.is_none() => pax.path = Some(value.to_owned()),
                "size" if pax.size.is_none() => pax.size = Some(value.parse().map_err(|_| malformed())?),
                "path" | "size" | "linkpath" | "hdrcharset" => return Err(malformed()),
                key if key.starts_with("GNU.") => {
                    return Err(BadBundle::new(format_args!("its archive has a `{key}` record, for sparse files")));
                }
                // Times, owners and what other programs note beside them.
                _ => {}
            }
            records = &records[length..];
        }
        Ok(pax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        for (path, content) in files {
            writer
                .append(path, content.len() % 2 == 1, content.len() as u64, |out| {
                    out.write_all(content).context("cannot write").map_err(Into::into)
                })
                .unwrap();
        }
        assert_eq!(writer.finish().unwrap(), bytes.len() as u64);
        bytes
    }

    fn list_bytes(bytes: &[u8]) -> Result<Vec<Entry>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        list(&file, Span { offset: 0, size: bytes.len() as u64 }, 100)
    }

    #[test]
    fn what_changes_while_it_is_packed_is_an_error() {
        let error = Writer::new(Vec::new()).append("a", false, 3, |_| Ok(())).unwrap_err();

        assert!(error.to_string().contains("`a` has 0 bytes and not 3"), "{error}");
    }

    #[test]
    fn other_programs_read_the_same() {
        let long = format!("{}/{}", "d".repeat(60), "größe ".repeat(30));
        let bytes = write(&[("short".into(), b"1".into()), (long.clone(), b"22".into())]);

        let mut archive = tar::Archive::new(bytes.as_slice());
        let names = archive.entries().unwrap().map(|entry| entry.unwrap().path_bytes().into_owned());

        assert_eq!(names.collect::<Vec<_>>(), [b"short".to_vec(), long.into_bytes()]);
    }

    #[test]
    fn a_size_that_octal_digits_cannot_hold_is_a_pax_record() {
        let mut bytes = Vec::new();
        let huge = New { kind: EntryType::Regular, path: "huge", mode: 0o644, size: 1 << 40, link: "" };
        Writer::new(&mut bytes).header(huge).unwrap();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        let size = bytes.len() as u64 + (1 << 40) + 1024;
        file.set_len(size).unwrap();

        let entries = list(&file, Span { offset: 0, size }, 100).unwrap();

        assert_eq!(entries[0].span, Span { offset: bytes.len() as u64, size: 1 << 40 });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_is_listed(
            names in prop::collection::btree_set("[a-zä ]{1,150}(/[a-zä ]{1,150}){0,3}", 0..6),
            content: Vec<u8>,
        ) {
            let files: Vec<_> = names.into_iter().map(|name| (name, content.clone())).collect();

            let entries = list_bytes(&write(&files)).unwrap();

            let listed: Vec<_> = entries.iter().map(|entry| (entry.path.clone(), entry.span.size)).collect();
            let expected: Vec<_> = files.into_iter().map(|(name, content)| (name, content.len() as u64)).collect();
            prop_assert_eq!(listed, expected);
        }

        #[test]
        fn no_bytes_panic(change in prop::collection::vec((0usize..2048, any::<u8>()), 0..8), cut in 0usize..3000) {
            let mut bytes = write(&[("a".into(), b"x".into()), ("n".repeat(300), b"y".into())]);
            for (index, byte) in change {
                bytes[index] = byte;
            }
            bytes.truncate(cut);
            let _ = list_bytes(&bytes);
        }
    }
}
