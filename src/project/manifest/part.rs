//! Dependencies on less than a whole file, and on what lies outside of the project.

use std::fmt;
use std::str::FromStr;

use crate::fs::escape;
use crate::project::ProjectPath;

/// What a step depends on besides whole files and directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Columns of a CSV or Parquet file.
    Columns {
        path: ProjectPath,
        columns: Vec<String>,
    },
    Lines {
        path: ProjectPath,
        lines: LineRange,
    },
    /// A value, or a table of values, in a YAML, JSON or TOML file, by its dotted name.
    Key {
        path: ProjectPath,
        key: String,
    },
    /// The value of an environment variable.
    Variable(String),
    /// What a command prints, given to `sh -c` where the step works. Parameters still stand as templates in it.
    Command(String),
    /// The version that a server says a file has.
    Url(String),
}

impl Part {
    /// The file it is a part of.
    pub fn path(&self) -> Option<&ProjectPath> {
        match self {
            Self::Columns { path, .. } | Self::Lines { path, .. } | Self::Key { path, .. } => Some(path),
            Self::Variable(_) | Self::Command(_) | Self::Url(_) => None,
        }
    }

    /// What it is called in the lock and in reasons, for each of its values: ``column `age` of `data.csv` ``.
    pub fn names(&self) -> Vec<String> {
        let shown = |text: &str| escape(text.as_bytes());
        match self {
            Self::Columns { path, columns } => {
                columns.iter().map(|column| format!("column `{}` of `{path}`", shown(column))).collect()
            }
            Self::Lines { path, lines } => vec![format!("lines {lines} of `{path}`")],
            Self::Key { path, key } => vec![format!("key `{}` of `{path}`", shown(key))],
            Self::Variable(name) => vec![format!("variable `{}`", shown(name))],
            Self::Command(command) => vec![format!("output of `{}`", shown(command))],
            Self::Url(url) => vec![format!("`{}`", shown(url))],
        }
    }
}

/// Lines of a file, counted from one, both ends included: `1-100`, `5-` or `7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineRange {
    pub first: u64,
    /// `None` for the last one there is.
    pub last: Option<u64>,
}

impl FromStr for LineRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{}` is no range of lines; write \"1-100\", \"5-\" or \"7\"", escape(text.as_bytes()));
        let number = |text: &str| text.trim().parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(bad);
        let (first, last) = match text.split_once('-') {
            None => (number(text)?, Some(number(text)?)),
            Some((first, last)) if last.trim().is_empty() => (number(first)?, None),
            Some((first, last)) => (number(first)?, Some(number(last)?)),
        };
        if last.is_some_and(|last| last < first) {
            return Err(bad());
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for LineRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(last) if last == self.first => write!(f, "{last}"),
            Some(last) => write!(f, "{}-{last}", self.first),
            None => write!(f, "{}-", self.first),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_of_lines_are_read() {
        let range = |text: &str| text.parse::<LineRange>().map(|range| (range.first, range.last));

        assert_eq!(range("1-100"), Ok((1, Some(100))));
        assert_eq!(range(" 5 - "), Ok((5, None)));
        assert_eq!(range("7"), Ok((7, Some(7))));
        for text in ["", "-", "-3", "0", "0-3", "3-2", "a-b", "1-2-3", "99999999999999999999"] {
            assert!(range(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_range_reads_back(first in 1_u64.., more: Option<u32>) {
            let range = LineRange { first, last: more.map(|more| first.saturating_add(u64::from(more))) };
            prop_assert_eq!(range.to_string().parse(), Ok(range));
        }
    }
}
