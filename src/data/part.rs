//! Digests of parts of files: a range of lines, a key.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use crate::digest::Hasher;
use crate::fs::quote;
use crate::project::ProjectPath;
use crate::project::document::{canonical, parse_file, value_at};
use crate::project::manifest::LineRange;
use crate::{Digest, Error, Result};

/// A larger file is no file of settings.
const LARGEST_SETTINGS: u64 = 64 << 20;

/// The digest of these lines with their ends, as far as the file has them. `go_on` is asked now and then, and ends the work
/// with its error.
pub fn lines_digest(file: &Path, range: LineRange, go_on: &dyn Fn() -> Result<()>) -> Result<Digest> {
    let cannot = || format!("cannot read `{}`", quote(file));
    let mut reader = BufReader::with_capacity(256 << 10, File::open(file).with_context(cannot)?);
    let mut hasher = Hasher::new();
    let mut line = 1;
    let mut read = 0;
    while range.last.is_none_or(|last| line <= last) {
        let buffer = reader.fill_buf().with_context(cannot)?;
        let Some(end) = (!buffer.is_empty()).then(|| {
            buffer.iter().position(|byte| *byte == b'\n').map_or((buffer.len(), false), |end| (end + 1, true))
        }) else {
            break;
        };
        let (count, is_line) = end;
        if line >= range.first {
            hasher.update(&buffer[..count]);
        }
        reader.consume(count);
        line += u64::from(is_line);
        read += count;
        if read > 64 << 20 {
            read = 0;
            go_on()?;
        }
    }
    Ok(hasher.finish().0)
}

/// The digest of the value, or of the table of values, that a YAML, JSON or TOML file has under a dotted name.
pub fn key_digest(root: &Path, path: &ProjectPath, key: &str) -> Result<Digest> {
    let file = path.below(root);
    let cannot = || format!("cannot read `{path}`");
    let mut bytes = Vec::new();
    File::open(&file).and_then(|file| file.take(LARGEST_SETTINGS + 1).read_to_end(&mut bytes)).with_context(cannot)?;
    if bytes.len() as u64 > LARGEST_SETTINGS {
        return Err(Error::usage(format!(
            "`{path}` is larger than {} MiB, too large for a key",
            LARGEST_SETTINGS >> 20
        )));
    }
    let value = parse_file(path, &bytes, &format!("`{path}`"))?;
    let found = value_at(&value, key).ok_or_else(|| {
        let error = Error::usage(format!("there is no `{}` in `{path}`", crate::fs::escape(key.as_bytes())));
        let mut names = Vec::new();
        collect_names("", &value, &mut names);
        error.with_hint(crate::error::did_you_mean(key, names.iter().map(String::as_str)))
    })?;
    Ok(Digest::of(canonical(found).to_string()))
}

/// The dotted names of all values, and of the tables around them.
fn collect_names(prefix: &str, value: &Value, names: &mut Vec<String>) {
    let Value::Object(table) = value else { return };
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        names.push(name.clone());
        collect_names(&name, value, names);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str, range: &str) -> Digest {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        lines_digest(file.path(), range.parse().unwrap(), &|| Ok(())).unwrap()
    }

    #[test]
    fn lines_are_taken_as_far_as_they_are_there() {
        assert_eq!(lines("a\nb\nc\n", "2"), Digest::of("b\n"));
        assert_eq!(lines("a\nb\nc", "2-"), Digest::of("b\nc"));
        assert_eq!(lines("a\nb\n", "2-100"), Digest::of("b\n"));
        assert_eq!(lines("a\n", "5-"), Digest::of(""));
    }

    #[test]
    fn a_key_is_its_value_whatever_stands_around_it() {
        let dir = tempfile::tempdir().unwrap();
        let digest = |name: &str, text: &str, key: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            key_digest(dir.path(), &ProjectPath::new(name).unwrap(), key).map_err(|error| error.to_string())
        };

        let yaml = digest("a.yaml", "train: { lr: 0.5, more: {b: 1, a: 2} }\nx: 1", "train").unwrap();
        let json = digest("a.json", r#"{"x": 2, "train": {"more": {"a": 2, "b": 1}, "lr": 0.5}}"#, "train").unwrap();
        let toml = digest("a.toml", "train.more = { b = 1, a = 2 }\ntrain.lr = 0.5", "train").unwrap();

        assert_eq!((yaml, json), (json, toml));
        assert_ne!(digest("a.yaml", "train: { lr: 0.6 }", "train").unwrap(), yaml);
        assert_eq!(digest("a.yaml", "train: 1", "trian"), Err("there is no `trian` in `a.yaml`".into()));
        assert!(digest("a.yaml", "train: [", "train").is_err());
    }

    proptest! {
        #[test]
        fn ranges_cut_the_file_without_a_gap(text in "[a\n]{0,40}", cut in 1_u64..20) {
            let all = text.split_inclusive('\n').collect::<Vec<_>>();
            let place = all.len().min(usize::try_from(cut).unwrap());
            prop_assert_eq!(lines(&text, &format!("1-{cut}")), Digest::of(all[..place].concat()));
            prop_assert_eq!(lines(&text, &format!("{}-", cut + 1)), Digest::of(all[place..].concat()));
        }
    }
}
