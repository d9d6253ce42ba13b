//! Tables of text: columns as wide as their widest cell, the last one shortened where the terminal ends.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::Text;
use super::output::Style;

/// Rows under a heading.
#[derive(Debug, Default)]
pub struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Table {
    pub fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self { heading: heading.map(str::to_owned).into(), ..Self::default() }
    }

    /// A table whose columns are known only when it is made.
    pub fn with_columns(heading: Vec<String>, right: Vec<usize>) -> Self {
        Self { heading, right, rows: Vec::new() }
    }

    /// A row of [`Table::with_columns`].
    pub fn push(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Numbers stand to the right in these columns, counted from 0.
    #[must_use]
    pub fn right<const N: usize>(mut self, columns: [usize; N]) -> Self {
        self.right = columns.into();
        self
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes heading and rows; a table without rows is its heading.
    pub fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut widths: Vec<usize> = self.heading.iter().map(|cell| cell.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let heading = self.line(&self.heading, &widths, out.width);
        let heading = out.styled(Style::Dim, heading);
        writeln!(out, "{heading}")?;
        self.rows.iter().try_for_each(|row| writeln!(out, "{}", self.line(row, &widths, out.width)))
    }

    fn line(&self, cells: &[String], widths: &[usize], limit: Option<usize>) -> String {
        let mut line = String::new();
        for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            let separator = if index == 0 { "" } else { "  " };
            line.push_str(separator);
            match self.right.contains(&index) {
                true => line.extend([padding.as_str(), cell]),
                false => line.extend([cell.as_str(), &padding]),
            }
        }
        shorten(line.trim_end(), limit)
    }
}

/// The text, cut with `…` where it would not fit.
pub fn shorten(text: &str, limit: Option<usize>) -> String {
    let Some(limit) = limit.filter(|limit| text.width() > *limit) else { return text.to_owned() };
    let mut short = String::new();
    let mut width = 0;
    for character in text.chars() {
        width += unicode_width::UnicodeWidthChar::width(character).unwrap_or(0);
        if width >= limit {
            break;
        }
        short.push(character);
    }
    short + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_ends_with_an_ellipsis() {
        assert_eq!(shorten("größer", Some(4)), "grö…");
        assert_eq!(shorten("größer", None), "größer");
    }
}
