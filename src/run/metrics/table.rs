//! Metrics in columns: each numeric column is a history, counted by a column such as `epoch` or by the row.

use super::{Series, bad};
use crate::Result;

/// Columns that count; the first one that is there gives the steps, and none is a metric.
pub const COUNTERS: [&str; 5] = ["step", "epoch", "iteration", "iter", "round"];

/// Words that programs write for numbers that are not finite.
const NOT_FINITE: [&str; 6] = ["nan", "inf", "+inf", "-inf", "infinity", "-infinity"];

pub fn csv(name: &str, text: &str) -> Result<Series> {
    separated(name, text, b',')
}

pub fn tsv(name: &str, text: &str) -> Result<Series> {
    separated(name, text, b'\t')
}

fn separated(name: &str, text: &str, separator: u8) -> Result<Series> {
    let mut reader =
        ::csv::ReaderBuilder::new().delimiter(separator).trim(::csv::Trim::All).from_reader(text.as_bytes());
    let malformed = |error: ::csv::Error| {
        let line = error.position().map_or(1, ::csv::Position::line) as usize;
        let what = match error.kind() {
            ::csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("it has {len} fields, and the header {expected_len}")
            }
            _ => error.to_string(),
        };
        bad(name, line, what)
    };
    let header = reader.headers().map_err(malformed)?.clone();
    let counters: Vec<Option<usize>> =
        COUNTERS.iter().map(|counter| header.iter().position(|column| column.eq_ignore_ascii_case(counter))).collect();
    let counter = counters.iter().copied().find_map(|column| column);
    let mut columns: Vec<Column> = header.iter().map(Column::named).collect();
    counters.into_iter().flatten().for_each(|column| columns[column].kind = ColumnKind::Text);
    let mut series = Series::default();
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(1, ::csv::Position::line) as usize;
        let step = match counter {
            Some(column) => count(&record[column]).ok_or_else(|| {
                bad(name, line, format!("`{}` is no count for `{}`", &record[column], &header[column]))
            })?,
            None => row as u64,
        };
        for (column, cell) in columns.iter_mut().zip(&record) {
            if let Some(value) = column.value(cell).map_err(|what| bad(name, line, what))? {
                series.push(&column.name, step, value);
            }
        }
    }
    series.histories = columns.into_iter().map(|column| column.name).collect();
    Ok(series)
}

struct Column {
    name: String,
    kind: ColumnKind,
}

#[derive(PartialEq)]
enum ColumnKind {
    /// No cell was filled so far.
    Empty,
    Numbers,
    /// No metric.
    Text,
}

impl Column {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), kind: if name.is_empty() { ColumnKind::Text } else { ColumnKind::Empty } }
    }

    /// The number in a cell of this column. The first filled cell decides whether the column holds numbers.
    fn value(&mut self, cell: &str) -> Result<Option<f64>, String> {
        if cell.is_empty() || self.kind == ColumnKind::Text {
            return Ok(None);
        }
        match (number(cell), &self.kind) {
            (Some(value), _) => {
                self.kind = ColumnKind::Numbers;
                Ok(Some(value))
            }
            (None, ColumnKind::Numbers) => {
                let shown: String = cell.chars().take(40).collect();
                let (shown, name) = (crate::fs::escape(shown.as_bytes()), crate::fs::escape(self.name.as_bytes()));
                Err(format!("`{name}` is `{shown}`, which is no number"))
            }
            (None, _) => {
                self.kind = ColumnKind::Text;
                Ok(None)
            }
        }
    }
}

fn number(cell: &str) -> Option<f64> {
    if NOT_FINITE.iter().any(|word| cell.eq_ignore_ascii_case(word)) {
        return Some(f64::NAN);
    }
    // Rust reads words such as `infinity` too; the rest of its syntax is that of other languages.
    cell.parse().ok()
}

/// A whole number, which some programs write as `3.0`.
fn count(cell: &str) -> Option<u64> {
    let exact = |float: f64| (float >= 0.0 && float.fract() == 0.0 && float < 9e15).then_some(float as u64);
    cell.parse().ok().or_else(|| cell.parse().ok().and_then(exact))
}
