//! Changing the manifest for its author: one entry is written, and every other byte, comments included, stays as it was.

use toml::de::{DeTable, DeValue};

use super::lock::quoted;
use super::{MANIFEST, Manifest, Project, ProjectPath};
use crate::fs::{self, FileLock};
use crate::{Error, Result};

/// An entry of `[data]` that says where the data comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataEntry {
    pub path: ProjectPath,
    pub url: String,
    pub rev: Option<String>,
}

impl DataEntry {
    /// `{ path = "data/x", url = "…" }`
    fn value(&self) -> String {
        let rev = self.rev.as_ref().map_or(String::new(), |rev| format!(", rev = {}", quoted(rev)));
        format!("{{ path = {}, url = {}{rev} }}", quoted(&self.path.to_string()), quoted(&self.url))
    }

    /// The name of the entry that is for the same path, or a new one made of the file's name.
    fn name(&self, manifest: &Manifest) -> String {
        let of_path = manifest.data.iter().find(|(_, data)| data.path == self.path);
        if let Some((name, _)) = of_path {
            return name.clone();
        }
        let last = self.path.parts().last().unwrap_or_default();
        let stem = last.split(|byte| *byte == b'.').find(|part| !part.is_empty()).unwrap_or_default();
        let stem = String::from_utf8_lossy(stem);
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let words: Vec<&str> = stem.split(|letter| !is_letter(letter)).filter(|word| !word.is_empty()).collect();
        let name: String = words.join("-").trim_start_matches('_').chars().take(50).collect();
        let name = if name.is_empty() { "data" } else { &name };
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        names.find(|name| !manifest.data.contains_key(name)).expect("the numbers do not end")
    }
}

/// Writes an entry of `[data]` in place of the one for the same path, or as a new one. Returns whether the manifest changed.
///
/// # Errors
/// A `Usage` error that shows the line to write, where the manifest is written in a way that this can't follow.
pub fn set_data(project: &Project, entry: &DataEntry) -> Result<bool> {
    let _alone = FileLock::exclusive(&project.state("locks/manifest"), "mlx", |_| {})?;
    let file = project.root().join(MANIFEST);
    let bytes = fs::read(&file)?;
    let name = entry.name(&Manifest::parse(&bytes)?);
    let before = String::from_utf8(bytes).expect("a manifest that was read is UTF-8");
    let after = with_data(&before, &name, &entry.value()).ok_or_else(|| {
        Error::usage(format!("cannot tell where `{name}` goes in {MANIFEST}"))
            .with_hint(format!("write it into [data] yourself: `{name} = {}`", entry.value()))
    })?;
    if after == before {
        return Ok(false);
    }
    fs::write_atomic(&file, after.as_bytes(), &project.scratch()).map(|()| true)
}

/// The text with this entry; `None` where it can't be put there so that nothing else changes its meaning.
fn with_data(text: &str, name: &str, value: &str) -> Option<String> {
    let candidate = put(text, name, value)?;
    let parse = |text: &str| text.parse::<toml::Table>().ok();
    let take = |table: &mut toml::Table| -> Option<toml::Value> {
        let data = table.entry("data").or_insert_with(|| toml::Value::Table(toml::Table::new()));
        data.as_table_mut()?.remove(name)
    };
    let (mut before, mut after) = (parse(text)?, parse(&candidate)?);
    take(&mut before);
    let expected = parse(&format!("x = {value}"))?.remove("x");
    (take(&mut after) == expected && before == after).then_some(candidate)
}

fn put(text: &str, name: &str, value: &str) -> Option<String> {
    let root = DeTable::parse(text).ok()?;
    let data = root.get_ref().iter().find(|(key, _)| &**key.get_ref() == "data").map(|(_, data)| data);
    let Some(data) = data else {
        let gap = if text.is_empty() {
            ""
        } else if text.ends_with('\n') {
            "\n"
        } else {
            "\n\n"
        };
        return Some(format!("{text}{gap}[data]\n{name} = {value}\n"));
    };
    let DeValue::Table(entries) = data.get_ref() else { return None };
    let is_written =
        |span: &std::ops::Range<usize>| text.get(span.clone()).is_some_and(|value| value.starts_with(['"', '\'', '{']));
    if let Some((_, entry)) = entries.iter().find(|(key, _)| &**key.get_ref() == name) {
        let span = Some(entry.span()).filter(is_written)?;
        return Some(format!("{}{value}{}", &text[..span.start], &text[span.end..]));
    }
    // Behind the last entry that stands on a line of its own; else below the header.
    let last = entries.values().map(toml::Spanned::span).filter(is_written).max_by_key(|span| span.end);
    let place = last.map_or_else(|| header_end(text), |span| Some(span.end))?;
    let line_end = text[place..].find('\n').map_or(text.len(), |newline| place + newline + 1);
    let (before, after) = text.split_at(line_end);
    let gap = if before.ends_with('\n') { "" } else { "\n" };
    Some(format!("{before}{gap}{name} = {value}\n{after}"))
}

/// Where the line `[data]` ends.
fn header_end(text: &str) -> Option<usize> {
    let is_header =
        |line: &str| line.split('#').next().is_some_and(|line| line.replace([' ', '\t'], "").trim() == "[data]");
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        if is_header(line) {
            return Some(end + line.trim_end_matches('\n').len());
        }
        end += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALUE: &str = r#"{ path = "a", url = "u" }"#;

    fn changed(before: &str) -> String {
        with_data(before, "raw", VALUE).unwrap_or_else(|| "refused".into())
    }

    #[test]
    fn everything_else_stays() {
        let cases = [
            ("", "[data]\nraw = V\n"),
            ("[project]\nname = 'x' # mine", "[project]\nname = 'x' # mine\n\n[data]\nraw = V\n"),
            ("[data]", "[data]\nraw = V\n"),
            ("[ data ] # mine\n\n[env]\n", "[ data ] # mine\nraw = V\n\n[env]\n"),
            (
                "[data]\na = 'a' # first\n# last\n\n[step.x]\ncmd = 'x'\n",
                "[data]\na = 'a' # first\nraw = V\n# last\n\n[step.x]\ncmd = 'x'\n",
            ),
            ("[data]\nraw = 'old' # why\nb = 'b'\n", "[data]\nraw = V # why\nb = 'b'\n"),
            ("[data]\nraw = { path = 'old' }\n", "[data]\nraw = V\n"),
            (
                "[data]\nb = { path = 'b' }\n[data.c]\npath = 'c'\n",
                "[data]\nb = { path = 'b' }\nraw = V\n[data.c]\npath = 'c'\n",
            ),
            ("[data.raw]\npath = 'old'\n", "refused"),
            ("data = { b = 'b' }\n", "refused"),
            ("[data]\r\nb = 'b'\r\n", "[data]\r\nb = 'b'\r\nraw = V\n"),
        ];
        for (before, after) in cases {
            assert_eq!(changed(before), after.replace('V', VALUE), "{before}");
        }
    }

    #[test]
    fn names_come_from_the_file_and_are_new() {
        let manifest = Manifest::parse(b"[data]\nraw = 'data/raw.csv'\nx = 'x'\n").unwrap();
        let name = |path: &str| {
            let path = ProjectPath::new(path).unwrap();
            DataEntry { path, url: "u".into(), rev: None }.name(&manifest)
        };

        assert_eq!(name("data/raw.csv"), "raw");
        assert_eq!(name("other/raw.tar.gz"), "raw-2");
        assert_eq!(name("x/größe 1.csv"), "gr-e-1");
        assert_eq!(name("x/..."), "data");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(path: Vec<u8>, url: String, rev: Option<String>) {
            let Ok(path) = ProjectPath::new(path) else { return Ok(()) };
            let url = format!("{url}#x");
            let entry = DataEntry { path, url, rev };

            let text = with_data("[data]\nb = 'b'\n", "raw", &entry.value()).unwrap();

            let data = &Manifest::parse(text.as_bytes()).unwrap().data["raw"];
            prop_assert_eq!((data.path.as_bytes(), &data.url, &data.rev), (entry.path.as_bytes(), &Some(entry.url), &entry.rev));
        }
    }
}
