//! The lock `mlx.lock`: which data and which outputs belong to this commit, by digest.
//!
//! One small sorted block per path or step and one line per dependency or output, so that Git merges it well.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LOCK, ProjectPath};
use crate::digest::Object;
use crate::{Digest, Error, Result};

/// The version of the format that this program writes.
pub const VERSION: u64 = 1;

const HEADER: &str = "# Written by mlx and kept in Git: the data and outputs that belong to this commit.\n";

/// The content of the lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Lock {
    /// What `mlx add` tracks.
    #[serde(default, rename = "path")]
    pub paths: BTreeMap<ProjectPath, Object>,
    /// What each step was made from and what it made.
    #[serde(default, rename = "step")]
    pub steps: BTreeMap<String, LockedStep>,
}

/// A step as it was last run or restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedStep {
    /// The digest of all that decides the outputs: the step key.
    pub key: Digest,
    pub cmd: String,
    /// The digest of the environment, where one is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Digest>,
    /// Parameter name to its value as JSON text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, JsonText>,
    #[serde(default)]
    pub deps: Vec<LockedPath>,
    #[serde(default)]
    pub outs: Vec<LockedPath>,
}

/// A dependency or an output and its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedPath {
    pub path: ProjectPath,
    #[serde(flatten)]
    pub object: Object,
}

/// A JSON value kept as its text, because TOML has no null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JsonText(pub Value);

impl TryFrom<String> for JsonText {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&text).map(Self)
    }
}

impl From<JsonText> for String {
    fn from(value: JsonText) -> Self {
        value.0.to_string()
    }
}

impl Lock {
    /// Reads a lock's text; `name` says in errors where it came from.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let bad = |message: String| {
            Error::usage(message).with_hint(format!("bring a good one back with `git checkout -- {LOCK}`"))
        };
        let text = std::str::from_utf8(bytes).map_err(|_| bad(format!("{name}: the text is not UTF-8")))?;
        if let Some(line) = text.lines().position(is_conflict_marker) {
            return Err(Error::usage(format!("{name}, line {}: Git left a merge conflict here", line + 1)).with_hint(
                "keep one side of each block (`git checkout --ours mlx.lock` or `--theirs`), then run `mlx status`",
            ));
        }
        let place = |error: &toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            format!("{name}, line {line}: {}", error.message().trim().replace('\n', "; "))
        };
        let table: toml::Table = text.parse().map_err(|error| bad(place(&error)))?;
        match table.get("version").and_then(toml::Value::as_integer) {
            Some(version) if version == VERSION as i64 => {}
            Some(version) if version > VERSION as i64 => {
                return Err(Error::usage(format!("{name} has version {version}; this mlx knows up to {VERSION}"))
                    .with_hint("install a newer mlx"));
            }
            _ => return Err(bad(format!("{name} has no `version`; it seems to be cut off"))),
        }
        toml::from_str(text).map_err(|error| bad(place(&error)))
    }

    /// The text of the file: the same lock always gives the same text.
    pub fn to_text(&self) -> String {
        let mut text = head();
        self.paths.iter().for_each(|(path, object)| text.push_str(&path_block(path, object)));
        self.steps.iter().for_each(|(name, step)| text.push_str(&step_block(name, step)));
        text
    }

    /// The object of a tracked path or of a step's output, by its exact path.
    pub fn object(&self, path: &ProjectPath) -> Option<&Object> {
        let output = || self.outputs().find(|output| output.path == *path).map(|output| &output.object);
        self.paths.get(path).or_else(output)
    }

    /// Every output of every step.
    pub fn outputs(&self) -> impl Iterator<Item = &LockedPath> {
        self.steps.values().flat_map(|step| &step.outs)
    }

    /// Every path that the lock brings to the working tree, tracked or made by a step, with its object.
    pub fn entries(&self) -> impl Iterator<Item = (&ProjectPath, &Object)> {
        self.paths.iter().chain(self.outputs().map(|output| (&output.path, &output.object)))
    }
}

impl LockedStep {
    fn write_text(&self, name: &str, text: &mut String) {
        let _ = writeln!(text, "key = {}\ncmd = {}", quoted(&self.key.to_string()), quoted(&self.cmd));
        if let Some(environment) = &self.environment {
            let _ = writeln!(text, "environment = {}", quoted(&environment.to_string()));
        }
        for (key, paths) in [("deps", &self.deps), ("outs", &self.outs)] {
            if paths.is_empty() {
                continue;
            }
            let _ = writeln!(text, "{key} = [");
            for LockedPath { path, object } in paths {
                let fields = object_lines(object).trim_end().replace('\n', ", ");
                let _ = writeln!(text, "  {{ path = {}, {fields} }},", quoted(&path.to_string()));
            }
            text.push_str("]\n");
        }
        if !self.params.is_empty() {
            let _ = writeln!(text, "\n[step.{}.params]", quoted(name));
            for (name, value) in &self.params {
                let _ = writeln!(text, "{} = {}", quoted(name), quoted(&value.0.to_string()));
            }
        }
    }
}

/// What stands before the first block.
pub(super) fn head() -> String {
    format!("{HEADER}version = {VERSION}\n")
}

/// The block of a tracked path, and the empty line before it.
pub(super) fn path_block(path: &ProjectPath, object: &Object) -> String {
    format!("\n[path.{}]\n{}", quoted(&path.to_string()), object_lines(object))
}

/// The block of a step, and the empty line before it.
pub(super) fn step_block(name: &str, step: &LockedStep) -> String {
    let mut text = format!("\n[step.{}]\n", quoted(name));
    step.write_text(name, &mut text);
    text
}

fn object_lines(object: &Object) -> String {
    let Object { kind, digest, size, files } = object;
    let kind = serde_json::to_string(kind).expect("a unit variant is a string");
    format!("kind = {kind}\ndigest = \"{digest}\"\nsize = {size}\nfiles = {files}\n")
}

/// A basic string of TOML, on one line whatever it holds.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            character if character.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn is_conflict_marker(line: &str) -> bool {
    ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|marker| line.starts_with(marker))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::ObjectKind;
    use proptest::prelude::*;

    fn object(text: &[u8]) -> Object {
        Object { kind: ObjectKind::File, digest: Digest::of(text), size: text.len() as u64, files: 1 }
    }

    fn sample(path: &[u8], text: &str) -> Lock {
        let mut lock = Lock::default();
        let Ok(path) = ProjectPath::new(path) else { return lock };
        lock.paths.insert(path.clone(), object(b"a"));
        let step = LockedStep {
            key: Digest::of(text),
            cmd: text.to_owned(),
            environment: Some(Digest::of(b"env")),
            params: BTreeMap::from([(text.to_owned(), JsonText(serde_json::json!({ "a": [null, 1.5, text] })))]),
            deps: vec![LockedPath { path: path.clone(), object: object(b"dep") }],
            outs: vec![LockedPath { path, object: object(b"out") }],
        };
        lock.steps.insert("train".into(), step);
        lock
    }

    #[test]
    fn damaged_locks_are_refused_with_their_line() {
        let good = sample(b"data/x", "python train.py").to_text();
        let conflict = format!("{good}<<<<<<< ours\n");
        let cases = [
            (conflict.as_str(), "Git left a merge conflict here"),
            (&good[..good.len() / 2], "mlx.lock, line "),
            ("version = 99\n", "has version 99; this mlx knows up to 1"),
            ("", "has no `version`"),
        ];
        for (text, expected) in cases {
            let error = Lock::parse(text.as_bytes(), "mlx.lock").unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_lock_reads_back(path: Vec<u8>, text: String) {
            let lock = sample(&path, &text);

            prop_assert_eq!(Lock::parse(lock.to_text().as_bytes(), "mlx.lock").unwrap(), lock);
        }

        #[test]
        fn no_text_panics(bytes: Vec<u8>) {
            let _ = Lock::parse(&bytes, "mlx.lock");
        }
    }
}
