//! JSON Lines: a JSON value on each line; the keys of the objects are the columns. Empty lines are passed over.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader, Read};

use anyhow::Context;
use serde_json::Value;

use super::column::Seen;
use super::delimited::names_rows;
use super::rows::{Row, Rows};
use super::source::Stream;
use super::{LONGEST_ROW, MOST_COLUMNS, Table};
use crate::{Error, Result};

/// The column of values that are no objects.
const VALUE: &str = "(value)";

/// A file of JSON values, being read.
pub struct JsonLines {
    reader: BufReader<Stream>,
    line: Vec<u8>,
    number: u64,
    columns: HashMap<String, (usize, Seen, u64)>,
    rows: u64,
}

impl JsonLines {
    pub fn new(stream: Stream) -> Self {
        let reader = BufReader::with_capacity(256 << 10, stream);
        Self { reader, line: Vec::new(), number: 0, columns: HashMap::new(), rows: 0 }
    }

    fn see(&mut self, name: &str, value: &Value) -> Result<()> {
        if !self.columns.contains_key(name) {
            let place = self.columns.len();
            if place == MOST_COLUMNS {
                return Err(Error::failed(format!("its objects have more than {MOST_COLUMNS} different keys")));
            }
            self.columns.insert(name.to_owned(), (place, Seen::default(), 0));
        }
        let (_, seen, values) = self.columns.get_mut(name).expect("the lines above insert it");
        seen.json_value(value);
        *values += 1;
        Ok(())
    }
}

impl Rows for JsonLines {
    fn next(&mut self) -> Result<Option<Row>> {
        loop {
            self.line.clear();
            let place = || format!("line {}", self.number + 1);
            let count = (&mut self.reader).take(LONGEST_ROW).read_until(b'\n', &mut self.line).with_context(place)?;
            if count == 0 {
                return Ok(None);
            }
            if count as u64 == LONGEST_ROW && !self.line.ends_with(b"\n") {
                return Err(Error::failed(format!("{} is longer than {} MiB", place(), LONGEST_ROW >> 20)));
            }
            let line = match self.number {
                0 => self.line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.line),
                _ => &self.line,
            };
            if line.trim_ascii().is_empty() {
                self.number += 1;
                continue;
            }
            let value: Value = serde_json::from_slice(line)
                .map_err(|error| Error::failed(format!("{} is no JSON: {error}", place())))?;
            self.number += 1;
            self.rows += 1;
            let mut content = DefaultHasher::new();
            hash(&value, &mut content);
            let mut key = None;
            match &value {
                Value::Object(object) => {
                    let named = object.iter().find(|(name, value)| names_rows(name) && !value.is_object());
                    key = named.map(|(name, value)| {
                        let mut key = DefaultHasher::new();
                        hash_text(name, &mut key);
                        hash(value, &mut key);
                        key.finish()
                    });
                    object.iter().try_for_each(|(name, value)| self.see(name, value))?;
                }
                value => self.see(VALUE, value)?,
            }
            return Ok(Some(Row { content: content.finish(), key }));
        }
    }

    fn finish(self) -> Table {
        let mut columns: Vec<_> = self.columns.into_iter().collect();
        columns.sort_by_key(|(_, (place, ..))| *place);
        let column = |(name, (_, mut seen, values)): (String, (usize, Seen, u64))| {
            seen.missing(self.rows - values);
            seen.column(crate::fs::escape(name.as_bytes()), false)
        };
        Table { rows: self.rows, columns: columns.into_iter().map(column).collect(), notes: Vec::new() }
    }
}

/// The same for the same value, in whatever order the keys of its objects stand.
fn hash(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => hasher.write_u8(0),
        Value::Bool(truth) => hasher.write_u8(1 + u8::from(*truth)),
        Value::Number(number) => {
            hasher.write_u8(3);
            match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => hasher.write_i64(number),
                (_, Some(number)) => hasher.write_u64(number),
                _ => hasher.write_u64(number.as_f64().unwrap_or(f64::NAN).to_bits()),
            }
        }
        Value::String(text) => {
            hasher.write_u8(4);
            hash_text(text, hasher);
        }
        Value::Array(items) => {
            hasher.write_u8(5);
            hasher.write_usize(items.len());
            items.iter().for_each(|item| hash(item, hasher));
        }
        Value::Object(object) => {
            hasher.write_u8(6);
            hasher.write_usize(object.len());
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in entries {
                hash_text(name, hasher);
                hash(value, hasher);
            }
        }
    }
}

fn hash_text(text: &str, hasher: &mut DefaultHasher) {
    hasher.write_usize(text.len());
    hasher.write(text.as_bytes());
}
