//! Taking an entry out of the manifest for its author: its lines go, and every other byte, comments included, stays.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{MANIFEST, Manifest, Project, ProjectPath};
use crate::error::did_you_mean;
use crate::fs::{self, FileLock};
use crate::{Error, Result};

impl Project {
    /// Takes the entries of `[data]` for these paths out of the manifest. Returns their names.
    ///
    /// # Errors
    /// A `Usage` error that says what to take out, where the manifest is written in a way that this can't follow; nothing
    /// has changed then.
    pub fn remove_data(&self, paths: &BTreeSet<ProjectPath>) -> Result<Vec<String>> {
        self.remove_entries("data", |manifest| {
            let of_paths = manifest.data.iter().filter(|(_, data)| paths.contains(&data.path));
            Ok(of_paths.map(|(name, _)| name.clone()).collect())
        })
    }

    /// Takes a remote out of the manifest.
    ///
    /// # Errors
    /// As [`Project::remove_data`]; a `Usage` error for a remote that it does not name.
    pub fn remove_remote(&self, name: &str) -> Result<()> {
        let names = self.remove_entries("remote", |manifest| match manifest.remotes.contains_key(name) {
            true => Ok(vec![name.to_owned()]),
            false => {
                let shown = fs::escape(name.as_bytes());
                Err(Error::usage(format!("there is no remote `{shown}` in {MANIFEST}"))
                    .with_hint(did_you_mean(name, manifest.remotes.keys().map(String::as_str))))
            }
        });
        names.map(drop)
    }

    fn remove_entries(&self, table: &str, names: impl FnOnce(&Manifest) -> Result<Vec<String>>) -> Result<Vec<String>> {
        let _alone = FileLock::exclusive(&self.state("locks/manifest"), "mlx", |_| {})?;
        let file = self.root().join(MANIFEST);
        let bytes = fs::read(&file)?;
        let names = names(&Manifest::parse(&bytes)?)?;
        if names.is_empty() {
            return Ok(names);
        }
        let mut text = String::from_utf8(bytes).expect("a manifest that was read is UTF-8");
        for name in &names {
            text = without(&text, table, name).ok_or_else(|| {
                let shown = fs::escape(name.as_bytes());
                Error::usage(format!("cannot take `{shown}` out of {MANIFEST} as it is written"))
                    .with_hint(format!("take it out of [{table}] there, then run this again"))
            })?;
        }
        fs::write_atomic(&file, text.as_bytes(), &self.scratch()).map(|()| names)
    }
}

/// The text without this entry of a table; `None` where it can't go so that nothing else changes its meaning.
fn without(text: &str, table: &str, name: &str) -> Option<String> {
    let parse = |text: &str| text.parse::<toml::Table>().ok();
    let mut expected = parse(text)?;
    let entries = expected.get_mut(table)?.as_table_mut()?;
    entries.remove(name)?;
    let has_others = !entries.is_empty();
    let is_right = |candidate: &String| {
        let found = parse(candidate);
        let mut expected = expected.clone();
        found.is_some_and(|mut found| {
            // A table without entries says as much as none.
            if !has_others {
                found.remove(table);
                expected.remove(table);
            }
            found == expected
        })
    };
    [lines_of_block(text, table, name), lines_of_values(text, table, name)]
        .into_iter()
        .flatten()
        .map(|range| format!("{}{}", &text[..range.start], &text[range.end..]))
        .find(is_right)
}

/// From the header `[table.name]` up to the next one, or the end. Comments right above the next header belong to that.
fn lines_of_block(text: &str, table: &str, name: &str) -> Option<Range<usize>> {
    let is_header = |line: &str| {
        let header = line.split('#').next().unwrap_or_default().trim();
        let header = header.strip_prefix('[').and_then(|header| header.strip_suffix(']'));
        let parsed = header.and_then(|header| format!("{header} = 0").parse::<toml::Table>().ok());
        let value = parsed.as_ref().and_then(|parsed| parsed.get(table)?.as_table()?.get(name));
        value.is_some_and(|value| value.as_integer() == Some(0))
    };
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        lines.push((start, line));
        start += line.len();
    }
    let first = lines.iter().position(|(_, line)| is_header(line))?;
    let next = lines[first + 1..].iter().position(|(_, line)| line.trim_start().starts_with('['));
    let mut end = next.map_or(lines.len(), |next| first + 1 + next);
    if next.is_some() {
        while end > first + 1 && lines[end - 1].1.trim_start().starts_with('#') {
            end -= 1;
        }
    }
    let place = |line: usize| lines.get(line).map_or(text.len(), |(start, _)| *start);
    Some(place(first)..place(end))
}

/// The lines on which the values of an entry stand: `name = …` below its table, or `table.name.key = …`.
fn lines_of_values(text: &str, table: &str, name: &str) -> Option<Range<usize>> {
    let root = DeTable::parse(text).ok()?;
    let (_, entries) = root.get_ref().iter().find(|(key, _)| &**key.get_ref() == table)?;
    let DeValue::Table(entries) = entries.get_ref() else { return None };
    let (key, value) = entries.iter().find(|(key, _)| &**key.get_ref() == name)?;
    let mut spans = vec![key.span()];
    values(value, &mut spans);
    let start = spans.iter().map(|span| span.start).min()?;
    let end = spans.iter().map(|span| span.end).max()?;
    let start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[end..].find('\n').map_or(text.len(), |newline| end + newline + 1);
    Some(start..end)
}

fn values(value: &toml::Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => table.values().for_each(|value| values(value, spans)),
        _ => spans.push(value.span()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_goes_and_everything_else_stays() {
        let cases = [
            ("[data]\na = 'a' # mine\nb = 'b'\n", "a", "[data]\nb = 'b'\n"),
            ("[data]\na = 'a'\n\n[env]\n", "a", "[data]\n\n[env]\n"),
            (
                "# top\n[data.a]\npath = 'a'\n# of b\n[data.b]\npath = 'b'\n",
                "a",
                "# top\n# of b\n[data.b]\npath = 'b'\n",
            ),
            ("[data.a]\npath = 'a'\nurl = 'u'", "a", ""),
            ("[data.\"a.b\"]\npath = 'a'\n", "a.b", ""),
            ("data.a = 'a'\ndata.b = 'b'\n", "a", "data.b = 'b'\n"),
            ("data.a.path = 'a'\ndata.a.url = 'u'\n", "a", ""),
            ("[data]\na = { path = 'a', url = 'u' }\n", "a", "[data]\n"),
            ("[data]\r\na = 'a'\r\nb = 'b'\r\n", "a", "[data]\r\nb = 'b'\r\n"),
        ];
        for (before, name, after) in cases {
            assert_eq!(without(before, "data", name).as_deref(), Some(after), "{before}");
        }
    }

    #[test]
    fn what_would_change_something_else_is_refused() {
        assert_eq!(without("data = { a = 'a', b = 'b' }\n", "data", "a"), None);
        assert_eq!(without("data.a.path = 'a'\nx = 1\ndata.a.url = 'u'\n", "data", "a"), None);
    }
}
