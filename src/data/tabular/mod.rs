//! Tables: what differs between two versions of a CSV, JSON Lines or Parquet file, in rows and columns.
//!
//! Both versions are read once, side by side, in bounded memory. Of Parquet the footer alone is looked at: rows, columns
//! and their ranges; its pages are not read, so that nothing is said about which rows differ.

mod column;
mod delimited;
mod digest;
mod json_lines;
mod parquet;
mod rows;
mod source;

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

pub use self::column::Column;
pub use self::digest::column_digests;
pub use self::rows::{FirstRows, RowChanges};

use self::delimited::Delimited;
use self::json_lines::JsonLines;
use self::rows::Rows;
use self::source::{Counter, Source};
use super::Workspace;
use super::diff::{Change, ChangeKind, Diff, WORKING_TREE};
use crate::digest::Object;
use crate::event::{Event, Unit, Watch};
use crate::{Error, Kind, Result};

/// A row of this size is none; it keeps memory bounded where a quotation mark is missing.
const LONGEST_ROW: u64 = 16 << 20;
/// A table with more columns than this is none.
const MOST_COLUMNS: usize = 10_000;
/// [`Extent::Few`] looks at so many files …
const FEW_FILES: usize = 20;
/// … of at most this size, both versions together.
const FEW_BYTES: u64 = 256 << 20;

/// Which of the changed files are looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    None,
    /// As many as take little time.
    Few,
    All,
}

/// How two versions of a table differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableDiff {
    pub format: Format,
    pub rows_before: u64,
    pub rows_after: u64,
    pub columns_before: u64,
    pub columns_after: u64,
    pub columns_added: Vec<Column>,
    pub columns_removed: Vec<Column>,
    /// Columns whose type or range is another.
    pub columns_changed: Vec<ColumnChange>,
    /// How many rows differ; `None` where that can't be told.
    pub rows: Option<RowChanges>,
    /// Which ones, of the first few.
    pub first_rows: FirstRows,
    /// What is odd about the file.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnChange {
    pub before: Column,
    pub after: Column,
}

/// What a file's name says it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Csv,
    JsonLines,
    Parquet,
}

impl Format {
    /// By the ending of the name, whatever its case.
    fn of(path: &[u8]) -> Option<Self> {
        let ending = path.rsplit(|byte| *byte == b'.').next()?.to_ascii_lowercase();
        match ending.as_slice() {
            b"csv" | b"tsv" | b"tab" => Some(Self::Csv),
            b"jsonl" | b"ndjson" | b"jsonlines" => Some(Self::JsonLines),
            b"parquet" | b"pq" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// One version of a table, all rows read.
#[derive(Debug, Clone, Default, PartialEq)]
struct Table {
    rows: u64,
    columns: Vec<Column>,
    notes: Vec<String>,
}

/// Looks into the changed files of a diff that are tables and adds what it finds. A file that is not what its name says, or
/// can't be read, gets a note instead. Returns how many were left out.
pub fn summarize(diff: &mut Diff, workspace: &Workspace, extent: Extent, watch: Watch<'_>) -> Result<u64> {
    let is_working_tree = diff.to == WORKING_TREE;
    let mut seen = 0;
    let mut left_out = 0;
    for change in diff.changes.iter_mut().filter(|change| change.kind == ChangeKind::Changed) {
        let Some(path) = crate::fs::unescape(&change.path) else { continue };
        let (Some(format), Some((before, after))) = (Format::of(&path), sides(change)) else { continue };
        seen += 1;
        match extent {
            Extent::None => continue,
            Extent::Few if seen > FEW_FILES || before.size + after.size > FEW_BYTES => {
                left_out += 1;
                continue;
            }
            Extent::Few | Extent::All => {}
        }
        let before = Source::Object { store: workspace.store().clone(), digest: before.digest };
        let after = match is_working_tree {
            true => Source::File(
                workspace.root().join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&path)),
            ),
            false => Source::Object { store: workspace.store().clone(), digest: after.digest },
        };
        let id = format!("compare {}", change.path);
        let what = format!("Comparing `{}`", change.path);
        watch.events.emit(Event::Started { id: id.clone(), what, total: total(change), unit: Unit::Bytes });
        let counter = Counter::default();
        let compared = compare(format, &path, before, after, &counter, &|| {
            watch.events.emit(Event::Progress { id: id.clone(), done: counter.bytes() });
            watch.interrupt.check()
        });
        watch.events.emit(Event::Finished { id: id.clone() });
        match compared {
            Ok(table) => change.table = Some(Box::new(table)),
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => change.note = Some(error.to_string()),
        }
    }
    Ok(left_out)
}

/// Both versions of a change, where both are files with content.
fn sides(change: &Change) -> Option<(&Object, &Object)> {
    let is_file = |object: &&Object| !object.is_directory() && object.kind != crate::digest::ObjectKind::Link;
    change.before.as_ref().filter(is_file).zip(change.after.as_ref().filter(is_file))
}

fn total(change: &Change) -> Option<u64> {
    sides(change).map(|(before, after)| before.size + after.size)
}

/// `go_on` is asked now and then, and ends the work with its error.
fn compare(
    format: Format,
    path: &[u8],
    before: Source,
    after: Source,
    counter: &Counter,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<TableDiff> {
    let (before, after, rows) = match format {
        Format::Csv => {
            let mut before = in_version("before", Delimited::open(before.open(counter)?, path))?;
            let mut after = in_version("after", Delimited::open(after.open(counter)?, path))?;
            // Rows are compared by what both versions have, or else one new column would make all of them new.
            let names: HashSet<&str> = after.names().iter().map(String::as_str).collect();
            let common: Vec<String> =
                before.names().iter().filter(|name| names.contains(name.as_str())).cloned().collect();
            before.compare_by(&common);
            after.compare_by(&common);
            compare_rows(before, after, go_on)?
        }
        Format::JsonLines => {
            let before = JsonLines::new(before.open(counter)?);
            let after = JsonLines::new(after.open(counter)?);
            compare_rows(before, after, go_on)?
        }
        Format::Parquet => {
            let before = in_version("before", parquet::table(before, counter, go_on))?;
            let after = in_version("after", parquet::table(after, counter, go_on))?;
            (before, after, None)
        }
    };
    Ok(difference(format, before, after, rows))
}

/// Both versions, and which rows they do not share, where that can be told.
type Compared = (Table, Table, Option<(RowChanges, FirstRows)>);

fn compare_rows(before: impl Rows, after: impl Rows, go_on: &dyn Fn() -> Result<()>) -> Result<Compared> {
    let (before, after, changes, first) = rows::compare(before, after, go_on)?;
    let before = in_version("before", before)?;
    Ok((before, in_version("after", after)?, Some((changes, first))))
}

/// Says in an error which version is meant.
fn in_version<T>(version: &str, result: Result<T>) -> Result<T> {
    result.map_err(|error| match error.kind() {
        Kind::Interrupted => error,
        _ => Error::failed(format!("not compared as a table ({version}): {error}")),
    })
}

fn difference(format: Format, before: Table, after: Table, rows: Option<(RowChanges, FirstRows)>) -> TableDiff {
    let (rows, first_rows) = rows.map_or((None, FirstRows::default()), |(rows, first)| (Some(rows), first));
    let by_name = |table: &Table| -> BTreeMap<String, Column> {
        table.columns.iter().map(|column| (column.name.clone(), column.clone())).collect()
    };
    let (old, new) = (by_name(&before), by_name(&after));
    let only = |columns: &[Column], other: &BTreeMap<String, Column>| {
        columns.iter().filter(|column| !other.contains_key(&column.name)).cloned().collect::<Vec<_>>()
    };
    let changed = after.columns.iter().filter_map(|column| {
        let before = old.get(&column.name).filter(|before| before.differs_from(column))?;
        Some(ColumnChange { before: before.clone(), after: column.clone() })
    });
    let columns_changed = changed.collect();
    TableDiff {
        format,
        rows_before: before.rows,
        rows_after: after.rows,
        columns_before: before.columns.len() as u64,
        columns_after: after.columns.len() as u64,
        columns_added: only(&after.columns, &old),
        columns_removed: only(&before.columns, &new),
        columns_changed,
        rows,
        first_rows,
        notes: after.notes,
    }
}

#[cfg(test)]
mod tests;
