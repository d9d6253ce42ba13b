//! Reads TOML tables key by key, so that every error names its place: what, key, file and line.

use std::ops::Range;
use std::time::Duration;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ProjectPath;
use crate::error::did_you_mean;
use crate::{Error, Result};

/// A parsed TOML file that still knows where everything stood.
pub struct Source<'t> {
    file: &'t str,
    text: &'t str,
    /// Where each line begins, so that naming a place costs little in a long file.
    lines: Vec<usize>,
}

impl<'t> Source<'t> {
    pub fn new(file: &'t str, text: &'t str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(newline, _)| newline + 1)).collect();
        Self { file, text, lines }
    }

    /// The root table; an error of the syntax names line and column and shows the line.
    pub fn root(&'t self) -> Result<Table<'t>> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let (line, column) = error.span().map_or((1, 1), |span| self.line_and_column(span.start));
            let message = error.message().trim().replace('\n', "; ");
            let shown: String = self.text.lines().nth(line - 1).unwrap_or_default().chars().take(120).collect();
            Error::usage(format!(
                "{}, line {line}, column {column}: {message}\n    {}",
                self.file,
                crate::fs::escape(shown.as_bytes())
            ))
            .with_hint("the syntax is TOML's: https://toml.io")
        })?;
        let span = table.span();
        Ok(Table::new(self, String::new(), span, table.into_inner()))
    }

    /// `mlx.toml, line 14`.
    pub fn place(&self, span: &Range<usize>) -> String {
        format!("{}, line {}", self.file, self.line_and_column(span.start).0)
    }

    /// Both count from one; the column counts characters.
    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let before = self.text.get(self.lines[line - 1]..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

/// A value and where it stands.
pub struct Item<'t> {
    source: &'t Source<'t>,
    /// The key and the table, for messages: `` `cmd` in step `train` ``.
    what: String,
    value: Spanned<DeValue<'t>>,
}

impl<'t> Item<'t> {
    /// An error about this value.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::usage(format!("{}: {message} ({})", self.what, self.place()))
    }

    pub fn place(&self) -> String {
        self.source.place(&self.value.span())
    }

    fn wrong_type(&self, expected: &str) -> Error {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        Error::usage(format!("{} must be {expected}, not {found} ({})", self.what, self.place()))
    }

    pub fn is_string(&self) -> bool {
        self.value.get_ref().is_str()
    }

    pub fn is_array(&self) -> bool {
        self.value.get_ref().is_array()
    }

    pub fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    pub fn string(self) -> Result<String> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text.clone().into_owned()),
            _ => Err(self.wrong_type("a string")),
        }
    }

    /// A whole number from `minimum` up.
    pub fn integer(self, minimum: u64) -> Result<u64> {
        let expected = format!("a whole number from {minimum} up");
        let number = match self.value.get_ref() {
            DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => return Err(self.wrong_type(&expected)),
        };
        number.filter(|number| *number >= minimum).ok_or_else(|| self.error(format!("expected {expected}")))
    }

    /// A duration above zero: a number of seconds, or text that [`parse_duration`] reads.
    pub fn duration(self) -> Result<Duration> {
        let error = |item: &Self| {
            item.error("expected a duration above zero").with_hint("leave the key out where none is meant")
        };
        let duration = self.read_duration()?;
        if duration.is_zero() { Err(error(&self)) } else { Ok(duration) }
    }

    /// As [`Item::duration`], where zero says something as well: at once, or not at all.
    pub fn duration_or_zero(self) -> Result<Duration> {
        self.read_duration()
    }

    fn read_duration(&self) -> Result<Duration> {
        let (written, duration) = match self.value.get_ref() {
            DeValue::String(text) => (text.to_string(), parse_duration(text)),
            DeValue::Integer(number) => {
                let seconds = u64::from_str_radix(number.as_str(), number.radix()).ok();
                (number.to_string(), seconds.map(Duration::from_secs).filter(is_bearable))
            }
            DeValue::Float(number) => {
                let seconds =
                    number.as_str().parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                (number.to_string(), seconds.filter(is_bearable))
            }
            _ => return Err(self.wrong_type("a duration like \"30s\"")),
        };
        duration.ok_or_else(|| {
            self.error(format!("`{}` is no duration", crate::fs::escape(written.as_bytes()))).with_hint(DURATIONS)
        })
    }

    /// A size in bytes, or text like `500MB`, `8GB` or `8GiB`; at least one byte.
    pub fn size(self) -> Result<u64> {
        if self.value.get_ref().is_integer() {
            return self.integer(1);
        }
        let DeValue::String(text) = self.value.get_ref() else {
            return Err(self.wrong_type("a size like \"8GB\""));
        };
        let size = parse_size(text).filter(|size| *size > 0);
        size.ok_or_else(|| self.error(format!("`{text}` is no size; write \"500MB\", \"8GB\" or \"8GiB\"")))
    }

    /// `true` or `false`.
    pub fn boolean(self) -> Result<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(truth) => Ok(*truth),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    pub fn path(self) -> Result<ProjectPath> {
        match self.value.get_ref() {
            DeValue::String(text) => ProjectPath::from_text(text).map_err(|error| self.error(error)),
            _ => Err(self.wrong_type("a path")),
        }
    }

    pub fn items(self) -> Result<Vec<Item<'t>>> {
        if !self.is_array() {
            return Err(self.wrong_type("an array"));
        }
        let Self { source, what, value } = self;
        let DeValue::Array(array) = value.into_inner() else { unreachable!("the line above says so") };
        Ok(array.into_iter().map(|value| Item { source, what: what.clone(), value }).collect())
    }

    pub fn strings(self) -> Result<Vec<String>> {
        self.items()?.into_iter().map(Item::string).collect()
    }

    pub fn paths(self) -> Result<Vec<ProjectPath>> {
        self.items()?.into_iter().map(Item::path).collect()
    }

    /// The value as a table named `name` in messages, such as ``step `train` ``.
    pub fn table(self, name: String) -> Result<Table<'t>> {
        if !self.value.get_ref().is_table() {
            return Err(self.wrong_type("a table"));
        }
        let span = self.value.span();
        let DeValue::Table(table) = self.value.into_inner() else { unreachable!("the line above says so") };
        Ok(Table::new(self.source, name, span, table))
    }

    /// The value as JSON has it; dates become text, and there is no room for infinities.
    pub fn json(self) -> Result<Value> {
        to_json(self.value.get_ref()).ok_or_else(|| self.error("numbers must be finite and integers fit in 64 bits"))
    }
}

/// A table whose keys are taken one by one; what is left in the end is unknown.
pub struct Table<'t> {
    source: &'t Source<'t>,
    name: String,
    span: Range<usize>,
    entries: Vec<(String, Range<usize>, Spanned<DeValue<'t>>)>,
    known: Vec<&'static str>,
}

impl<'t> Table<'t> {
    fn new(source: &'t Source<'t>, name: String, span: Range<usize>, table: DeTable<'t>) -> Self {
        let mut entries: Vec<_> =
            table.into_iter().map(|(key, value)| (key.get_ref().to_string(), key.span(), value)).collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        Self { source, name, span, entries, known: Vec::new() }
    }

    fn within(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) }
    }

    /// Takes the value of a key out, if it is there.
    pub fn take(&mut self, key: &'static str) -> Option<Item<'t>> {
        self.known.push(key);
        self.take_stray(key)
    }

    /// As [`Table::take`], for a key that has no business here, so that no hint names it.
    pub fn take_stray(&mut self, key: &str) -> Option<Item<'t>> {
        let index = self.entries.iter().position(|(name, ..)| name == key)?;
        let (_, _, value) = self.entries.remove(index);
        Some(Item { source: self.source, what: format!("`{key}`{}", self.within()), value })
    }

    /// Takes out, in the order of the file, every entry that is a table and that nobody took, for tables in which the user's
    /// own names stand beside known keys.
    pub fn take_tables(&mut self) -> Vec<(String, Item<'t>)> {
        let entries = std::mem::take(&mut self.entries);
        let (tables, others) = entries.into_iter().partition(|(_, _, value)| value.get_ref().is_table());
        self.entries = others;
        let rest = Self {
            source: self.source,
            name: self.name.clone(),
            span: self.span.clone(),
            entries: tables,
            known: Vec::new(),
        };
        rest.into_entries()
    }

    /// Takes the value of a key that must be there. It is asked for after all others, so that what is left then is unknown.
    pub fn require(&mut self, key: &'static str) -> Result<Item<'t>> {
        let item = self.take(key);
        item.ok_or_else(|| self.missing(key))
    }

    /// An error about a key that must be there and is not. A key that nobody took comes first: it may be what was meant.
    pub fn missing(&self, key: &str) -> Error {
        match self.check() {
            Err(unknown) => unknown,
            Ok(()) => Error::usage(format!("{} has no `{key}` ({})", self.name, self.source.place(&self.span))),
        }
    }

    /// An error about the whole table.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::usage(format!("{} {message} ({})", self.name, self.source.place(&self.span)))
    }

    pub fn place(&self) -> String {
        self.source.place(&self.span)
    }

    /// All entries in the order of the file, for tables whose keys the user chooses.
    pub fn into_entries(self) -> Vec<(String, Item<'t>)> {
        let within = self.within();
        let source = self.source;
        let item = |(key, _, value)| {
            let what = format!("`{}`{within}", crate::fs::escape(String::as_bytes(&key)));
            (key, Item { source, what, value })
        };
        self.entries.into_iter().map(item).collect()
    }

    /// Refuses the first key that nobody took.
    pub fn finish(self) -> Result<()> {
        self.check()
    }

    /// As [`Table::finish`], before an error about what the known keys say together.
    pub fn check(&self) -> Result<()> {
        let Some((key, span, _)) = self.entries.first() else { return Ok(()) };
        let place = self.source.place(span);
        let key_text = crate::fs::escape(key.as_bytes());
        Err(Error::usage(format!("unknown key `{key_text}`{} ({place})", self.within()))
            .with_hint(did_you_mean(key, self.known.iter().copied())))
    }
}

/// Longer than anybody waits for anything: about a hundred years. What is longer can't be added to a time.
const LONGEST_DURATION: Duration = Duration::from_secs(36_525 * 86_400);
const DURATIONS: &str = "write seconds, or a number with a unit: \"500ms\", \"90s\", \"15m\", \"2h\" or \"1d\"";
/// Units of durations, the largest first, in nanoseconds.
const UNITS: [(&str, u128); 5] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
];

fn is_bearable(duration: &Duration) -> bool {
    *duration <= LONGEST_DURATION
}

/// `500ms`, `90s`, `15m` (or `15min`), `2h`, `1d`; without a unit, seconds. Fractions are fine, and so is zero.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "" => "s",
        "min" => "m",
        unit => unit,
    };
    let (_, nanoseconds) = UNITS.iter().find(|(known, _)| *known == unit)?;
    let duration = match number.parse::<u64>() {
        Ok(whole) => {
            let all = u128::from(whole) * nanoseconds;
            Duration::new(u64::try_from(all / 1_000_000_000).ok()?, (all % 1_000_000_000) as u32)
        }
        Err(_) => Duration::try_from_secs_f64(number.parse::<f64>().ok()? * (*nanoseconds as f64 / 1e9)).ok()?,
    };
    Some(duration).filter(is_bearable)
}

/// The duration as one would write it in the manifest: `500ms`, `90s`, `2h`.
pub fn duration_text(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let whole = UNITS.iter().find(|(_, unit)| nanoseconds >= *unit && nanoseconds.is_multiple_of(*unit));
    match whole {
        Some((name, unit)) => format!("{}{name}", nanoseconds / unit),
        None => format!("{}s", duration.as_secs_f64()),
    }
}

/// Bytes: `500`, `500MB`, `8GB`, `1.5G` (powers of 1,000), `8GiB` (powers of 1,024).
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (unit, base) = unit.strip_suffix('i').map_or((unit, 1000_f64), |unit| (unit, 1024.0));
    let power = match unit {
        "" if base == 1000.0 => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    let size = number.parse::<f64>().ok()? * base.powi(power);
    // Beyond this no machine has memory, and a float can't count it.
    (size <= 2_f64.powi(53)).then_some(size.round() as u64)
}

fn to_json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(integer) => Value::from(i64::from_str_radix(integer.as_str(), integer.radix()).ok()?),
        DeValue::Float(float) => Value::Number(serde_json::Number::from_f64(float.as_str().parse().ok()?)?),
        DeValue::Boolean(truth) => Value::from(*truth),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(array) => array.iter().map(|item| to_json(item.get_ref())).collect::<Option<_>>()?,
        DeValue::Table(table) => {
            let entry = |(key, value): (&Spanned<_>, &Spanned<_>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                Some((key.to_string(), to_json(value.get_ref())?))
            };
            Value::Object(table.iter().map(entry).collect::<Option<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `key` of a file of this one line, or the error about it and its hint.
    fn duration(value: &str, may_be_zero: bool) -> Result<Duration, (String, String)> {
        let text = format!("key = {value}");
        let source = Source::new("a.toml", &text);
        let item = source.root().unwrap().take("key").unwrap();
        let read = if may_be_zero { item.duration_or_zero() } else { item.duration() };
        read.map_err(|error| (error.to_string(), error.hint().unwrap_or_default().to_owned()))
    }

    #[test]
    fn a_duration_is_seconds_or_a_number_with_a_unit() {
        let cases = [
            ("90", 90_000),
            ("0.5", 500),
            ("1e1", 10_000),
            ("'90'", 90_000),
            ("'500ms'", 500),
            ("' 1.5 h '", 5_400_000),
            ("'.5m'", 30_000),
            ("'2min'", 120_000),
            ("'1d'", 86_400_000),
        ];
        for (value, milliseconds) in cases {
            assert_eq!(duration(value, false), Ok(Duration::from_millis(milliseconds)), "{value}");
        }
    }

    #[test]
    fn zero_is_a_duration_only_where_it_says_something() {
        for zero in ["0", "0.0", "'0s'", "'0'", "'0ms'"] {
            assert_eq!(duration(zero, true), Ok(Duration::ZERO));
            let (error, hint) = duration(zero, false).unwrap_err();
            assert_eq!(error, "`key`: expected a duration above zero (a.toml, line 1)");
            assert_eq!(hint, "leave the key out where none is meant");
        }
    }

    #[test]
    fn what_is_no_duration_is_told_with_what_would_be_one() {
        for value in [
            "-1",
            "-0.5",
            "inf",
            "nan",
            "'-1s'",
            "'soon'",
            "'5 weeks'",
            "'1h30m'",
            "'1.2.3s'",
            "''",
            "9e18",
            "99999999999",
        ] {
            let (error, hint) = duration(value, true).unwrap_err();
            assert_eq!(error, format!("`key`: `{}` is no duration (a.toml, line 1)", value.trim_matches('\'')));
            assert!(hint.contains("\"500ms\", \"90s\""), "{hint}");
        }
        let (error, _) = duration("true", false).unwrap_err();
        assert_eq!(error, "`key` must be a duration like \"30s\", not a boolean (a.toml, line 1)");
    }

    proptest! {
        #[test]
        fn a_duration_that_is_written_reads_back(milliseconds in 0..100_000_000_000_u64) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse_duration(&duration_text(duration)), Some(duration));
        }
    }
}
