//! `mlx diff`: which files differ between versions of the data.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::output::{Style, count, grouped, number, size};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::tabular::{self, Column, ColumnChange, Extent, TableDiff};
use crate::data::{self, Change, ChangeKind, Diff, Workspace};

/// Stands before what is said about the file above.
const INDENT: &str = "         ";
/// So many columns are named; `--json` has all of them.
const MOST_COLUMNS: usize = 10;

/// Show which files differ between two versions of the data
///
/// Without a revision, `mlx.lock` is compared with the working tree; with one, that revision's lock; with two, the locks of
/// both. A revision is whatever Git calls one: a commit, a branch, a tag, `HEAD~2`.
///
/// Of changed CSV, JSON Lines and Parquet files it also says how many rows differ, with the numbers of the first few, and which
/// columns do; of Parquet, columns and the number of rows alone. The first row of a CSV file names its columns and is not
/// counted. A row counts as changed where the other version has one in its place: with the same `id` (or `key`, `path`, `name`
/// and the like), else with the same number. Very many differing rows are counted by a sample, and not numbered.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx diff\n  mlx diff HEAD~1\n  mlx diff HEAD~1 data/images/cats\n  mlx diff --summary v1.0 main --json"
)]
pub struct ShowDiff {
    /// Git revisions, at most two, and then files or directories; a path may lie inside a tracked directory
    #[arg(value_name = "REV|PATH")]
    arguments: Vec<PathBuf>,
    /// Files or directories, whatever their names
    #[arg(value_name = "PATH", last = true)]
    paths: Vec<PathBuf>,
    /// Look into all changed tables; otherwise into the first 20, and into none of more than 256 MiB
    #[arg(long)]
    summary: bool,
    /// Look into no file
    #[arg(long, conflicts_with = "summary")]
    no_summary: bool,
}

impl ShowDiff {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let (revisions, mut paths) = data::revisions_and_paths(&project, &cx.directory, &self.arguments)?;
        paths.extend(cx.paths(&project, &self.paths)?);
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        let mut diff = data::diff(&project, &workspace, &revisions, &paths, cx.watch())?;
        let extent = match (self.summary, self.no_summary) {
            (true, _) => Extent::All,
            (_, true) => Extent::None,
            _ => Extent::Few,
        };
        let left_out = tabular::summarize(&mut diff, &workspace, extent, cx.watch())?;
        cx.out.show(&diff)?;
        if left_out > 0 {
            let tables = count(left_out, "changed table");
            cx.out.hint(format!("Not looked into: {tables}; `mlx diff --summary` looks into all of them"));
        }
        Ok(())
    }
}

impl Render for Diff {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        for change in &self.changes {
            let Change { kind, path, moved_from, before, after, table, note: why } = change;
            let bytes = |object: &Option<crate::digest::Object>| object.as_ref().map_or(0, |object| object.size);
            let (style, sign, note) = match kind {
                ChangeKind::Added => (Style::Good, "added  ", size(bytes(after))),
                ChangeKind::Removed => (Style::Bad, "removed", size(bytes(before))),
                ChangeKind::Moved => {
                    (Style::Notice, "moved  ", format!("from {}", moved_from.as_deref().unwrap_or("?")))
                }
                ChangeKind::Changed if change.executable_bit() == Some(true) => {
                    (Style::Notice, "changed", "executable now".into())
                }
                ChangeKind::Changed if change.executable_bit() == Some(false) => {
                    (Style::Notice, "changed", "executable no more".into())
                }
                ChangeKind::Changed if bytes(before) == bytes(after) => (Style::Notice, "changed", size(bytes(after))),
                ChangeKind::Changed => {
                    (Style::Notice, "changed", format!("{} -> {}", size(bytes(before)), size(bytes(after))))
                }
            };
            let sign = out.styled(style, sign);
            writeln!(out, "{sign}  {path}  ({note})")?;
            if let Some(table) = table {
                render_table(out, table)?;
            }
            if let Some(why) = why {
                writeln!(out, "{INDENT}{why}")?;
            }
        }
        if self.changes.is_empty() {
            return writeln!(out, "No file differs");
        }
        let parts =
            [("added", self.added), ("changed", self.changed), ("moved", self.moved), ("removed", self.removed)];
        let parts = parts.iter().filter(|(_, part)| part.files > 0);
        let parts: Vec<_> =
            parts.map(|(word, part)| format!("{} {word} ({})", count(part.files, "file"), size(part.bytes))).collect();
        writeln!(out, "{}", parts.join(", "))
    }
}

fn render_table(out: &mut Text<'_>, table: &TableDiff) -> io::Result<()> {
    let about = if table.rows.is_some_and(|rows| rows.estimated) { "about " } else { "" };
    let first = &table.first_rows;
    let rows = table.rows.iter().flat_map(|rows| {
        let changed = rows.changed.unwrap_or(0);
        [
            ("added", rows.added, &first.added),
            ("removed", rows.removed, &first.removed),
            ("changed", changed, &first.changed),
        ]
    });
    let rows: Vec<_> = rows
        .filter(|(_, rows, _)| *rows > 0)
        .map(|(word, rows, first)| format!("{about}{} {word}{}", grouped(rows), numbers(first, rows)))
        .collect();
    let rows = match (&table.rows, rows.is_empty()) {
        (None, _) => String::new(),
        (Some(_), true) => ": the same".into(),
        (Some(_), false) => format!(": {}", rows.join(", ")),
    };
    writeln!(out, "{INDENT}rows {}{rows}", before_after(table.rows_before, table.rows_after))?;
    let listed = |word: &str, columns: &[Column]| {
        let names = columns.iter().map(|column| format!("`{}` ({})", column.name, column.kind));
        (!columns.is_empty()).then(|| format!("{word} {}", some(names.collect())))
    };
    let columns = [listed("added", &table.columns_added), listed("removed", &table.columns_removed)];
    let columns: Vec<_> = columns.into_iter().flatten().collect();
    if !columns.is_empty() {
        let counts = before_after(table.columns_before, table.columns_after);
        writeln!(out, "{INDENT}columns {counts}: {}", columns.join("; "))?;
    }
    for ColumnChange { before, after } in table.columns_changed.iter().take(MOST_COLUMNS) {
        let arrow = |before: &str, after: &str| (before != after).then(|| format!("{before} -> {after}"));
        let ranges = range(before).zip(range(after));
        let parts = [arrow(&before.kind, &after.kind), ranges.and_then(|(before, after)| arrow(&before, &after))];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        if !parts.is_empty() {
            writeln!(out, "{INDENT}`{}` {}", after.name, parts.join(", "))?;
        }
    }
    if let Some(more) = table.columns_changed.len().checked_sub(MOST_COLUMNS + 1) {
        writeln!(out, "{INDENT}{} more with another type or range", count(more as u64 + 1, "column"))?;
    }
    table.notes.iter().try_for_each(|note| writeln!(out, "{INDENT}{note}"))
}

/// The numbers of the first few of so many rows.
fn numbers(first: &[u64], count: u64) -> String {
    let names: Vec<String> = first.iter().map(|number| grouped(*number)).collect();
    let noun = if count == 1 { "row" } else { "rows" };
    let more = if (first.len() as u64) < count { ", …" } else { "" };
    if names.is_empty() { String::new() } else { format!(" ({noun} {}{more})", names.join(", ")) }
}

fn before_after(before: u64, after: u64) -> String {
    match before == after {
        true => grouped(after),
        false => format!("{} -> {}", grouped(before), grouped(after)),
    }
}

fn range(column: &Column) -> Option<String> {
    Some(format!("{}..{}", number(column.minimum?), number(column.maximum?)))
}

/// The first few, and how many there are more.
fn some(names: Vec<String>) -> String {
    let more = match names.len().checked_sub(MOST_COLUMNS) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    names.into_iter().take(MOST_COLUMNS).collect::<Vec<_>>().join(", ") + &more
}
