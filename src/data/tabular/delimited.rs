//! CSV and its like: rows of values between delimiters, the first of which names the columns.
//!
//! The delimiter is a tab where the file is called `.tsv` or `.tab`, else whichever of `,`, `;`, tab and `|` the first line
//! has most of. The first row is always taken for the header. A byte order mark is passed over. Rows may have more or
//! fewer values than there are columns: what is missing counts as empty.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use csv::ByteRecord;

use super::column::Seen;
use super::rows::{Row, Rows};
use super::source::Stream;
use super::{LONGEST_ROW, MOST_COLUMNS, Table};
use crate::{Error, Result};

/// So much of the beginning is looked at to learn what the file is.
const PEEK: usize = 64 << 10;
/// Stands for a value that a short row does not have.
const NO_VALUE: u64 = u64::MAX;

/// A file of delimited values, being read.
pub struct Delimited {
    reader: csv::Reader<Leash>,
    leash: Arc<AtomicU64>,
    record: ByteRecord,
    names: Vec<String>,
    seen: Vec<Seen>,
    /// The columns that decide whether two rows are the same.
    compared: Vec<usize>,
    key: Option<usize>,
    rows: u64,
    ragged: u64,
}

impl Delimited {
    /// Reads the header.
    pub fn open(stream: Stream, path: &[u8]) -> Result<Self> {
        let mut stream = BufReader::with_capacity(PEEK, stream);
        let start = stream.fill_buf().context("its beginning can't be read")?;
        let without_mark = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") || start.contains(&0) {
            return Err(Error::failed("it is no text in UTF-8"));
        }
        let delimiter = delimiter(path, without_mark);
        let mark = start.len() - without_mark.len();
        stream.consume(mark);
        let leash = Arc::new(AtomicU64::new(LONGEST_ROW));
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .buffer_capacity(256 << 10)
            .from_reader(Leash { stream, left: leash.clone() });
        let header = reader.byte_headers().context("its header can't be read")?.clone();
        leash.store(LONGEST_ROW, Ordering::Relaxed);
        if header.len() > MOST_COLUMNS {
            return Err(Error::failed(format!("it has more than {MOST_COLUMNS} columns")));
        }
        let names = unique(header.iter().map(|name| crate::fs::escape(name.trim_ascii())));
        let seen = vec![Seen::default(); names.len()];
        let compared = (0..names.len()).collect();
        Ok(Self { reader, leash, record: ByteRecord::new(), names, seen, compared, key: None, rows: 0, ragged: 0 })
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The next row as it is.
    pub fn record(&mut self) -> Result<Option<&ByteRecord>> {
        let more = self.reader.read_byte_record(&mut self.record).with_context(|| format!("row {}", self.rows + 1))?;
        self.leash.store(LONGEST_ROW, Ordering::Relaxed);
        self.rows += u64::from(more);
        Ok(more.then_some(&self.record))
    }

    /// Rows are the same if they are the same in these columns, in this order.
    pub fn compare_by(&mut self, names: &[String]) {
        let place = |wanted: &String| self.names.iter().position(|name| name == wanted);
        self.compared = names.iter().filter_map(place).collect();
        self.key = self.compared.iter().copied().find(|column| names_rows(&self.names[*column]));
    }

    fn row(&self) -> Row {
        let mut content = DefaultHasher::new();
        for column in &self.compared {
            hash_value(&mut content, self.record.get(*column));
        }
        // What stands behind the last column belongs to no column of the other version.
        for extra in self.record.iter().skip(self.names.len()) {
            hash_value(&mut content, Some(extra));
        }
        let key = self.key.and_then(|column| self.record.get(column)).map(|value| {
            let mut key = DefaultHasher::new();
            key.write(value);
            key.finish()
        });
        Row { content: content.finish(), key }
    }
}

impl Rows for Delimited {
    fn next(&mut self) -> Result<Option<Row>> {
        if self.record()?.is_none() {
            return Ok(None);
        }
        self.ragged += u64::from(self.record.len() != self.names.len());
        for (value, seen) in self.record.iter().zip(&mut self.seen) {
            seen.text_value(value);
        }
        self.seen.iter_mut().skip(self.record.len()).for_each(|seen| seen.missing(1));
        Ok(Some(self.row()))
    }

    fn finish(self) -> Table {
        let columns = self.names.into_iter().zip(&self.seen).map(|(name, seen)| seen.column(name, true)).collect();
        let ragged = (self.ragged > 0)
            .then(|| format!("{} of {} rows have more or fewer values than there are columns", self.ragged, self.rows));
        Table { rows: self.rows, columns, notes: ragged.into_iter().collect() }
    }
}

fn hash_value(hasher: &mut DefaultHasher, value: Option<&[u8]>) {
    hasher.write_u64(value.map_or(NO_VALUE, |value| value.len() as u64));
    hasher.write(value.unwrap_or_default());
}

/// Whether a column's name says that its values name rows: pandas calls its index nothing at all.
pub fn names_rows(column: &str) -> bool {
    let name = column.to_lowercase();
    let known = ["", "id", "key", "uuid", "index", "name", "path", "file", "filename", "file_name"];
    known.contains(&name.as_str()) || name.ends_with("_id")
}

/// The names with a number behind each that was there before.
fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut known = std::collections::HashSet::new();
    let number = |name: String| {
        let mut found = name.clone();
        let mut count = 1;
        while !known.insert(found.clone()) {
            count += 1;
            found = format!("{name} ({count})");
        }
        found
    };
    names.map(number).collect()
}

fn delimiter(path: &[u8], start: &[u8]) -> u8 {
    let ending = path.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    if ending.eq_ignore_ascii_case(b"tsv") || ending.eq_ignore_ascii_case(b"tab") {
        return b'\t';
    }
    let mut counts = [0_u32; 256];
    let mut in_quotes = false;
    for byte in start {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'\n' if !in_quotes => break,
            byte if !in_quotes => counts[usize::from(*byte)] += 1,
            _ => {}
        }
    }
    // Of several that occur as often, the first one.
    let most = |best: u8, next: u8| if counts[usize::from(next)] > counts[usize::from(best)] { next } else { best };
    [b';', b'\t', b'|'].into_iter().fold(b',', most)
}

/// Ends a row that does not end: an opened quotation mark would take in the rest of the file.
struct Leash {
    stream: BufReader<Stream>,
    left: Arc<AtomicU64>,
}

impl Read for Leash {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::Error::other(format!("it is longer than {} MiB", LONGEST_ROW >> 20)));
        }
        let count = self.stream.read(buffer)?;
        self.left.store(left.saturating_sub(count as u64), Ordering::Relaxed);
        Ok(count)
    }
}
