//! The lock `mlx.lock`: which data and which outputs belong to this commit, by digest.
//!
//! One small sorted block per path or step and one line per dependency or output, so that Git merges it well.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LOCK, ProjectPath};
use crate::digest::{Object, ObjectKind};
use crate::{Digest, Error, Result};

/// The newest version of the format that this program knows. It writes the oldest that can say what there is to say:
/// version 2 where data has an origin, version 3 where a step has a directory of its own, depends on parts or makes what the
/// store does not keep.
pub const VERSION: u64 = 3;

/// About so much of the text is held as a document at once, which takes some twenty times its length.
const PIECE_BYTES: usize = 256 << 10;

const HEADER: &str = "# Written by mlx and kept in Git: the data and outputs that belong to this commit.\n";

/// The content of the lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// What `mlx add` and `mlx import` track.
    pub paths: BTreeMap<ProjectPath, Object>,
    /// Where tracked paths were imported from; of no meaning for others.
    pub origins: BTreeMap<ProjectPath, Origin>,
    /// What each step was made from and what it made.
    pub steps: BTreeMap<String, LockedStep>,
}

/// Where a path was imported from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// A URL, or a repository and a path in it: `REPOSITORY#PATH`. Holds no secret.
    pub url: String,
    /// The Git revision that was asked for, where one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rev: Option<String>,
    /// The commit that it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What a server said of the version, such as an ETag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What came from there; the path holds something else once it was changed here.
    pub digest: Digest,
}

/// The file as it is written.
#[derive(Deserialize)]
struct Written {
    #[serde(default, rename = "path")]
    paths: BTreeMap<ProjectPath, WrittenPath>,
    #[serde(default, rename = "step")]
    steps: BTreeMap<String, LockedStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPath {
    kind: ObjectKind,
    digest: Digest,
    size: u64,
    files: u64,
    origin: Option<WrittenOrigin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOrigin {
    url: String,
    rev: Option<String>,
    commit: Option<String>,
    version: Option<String>,
    /// Written only where it differs from the path's own.
    digest: Option<Digest>,
}

/// A step as it was last run or restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedStep {
    /// The digest of all that decides the outputs: the step key.
    pub key: Digest,
    pub cmd: String,
    /// Where the program worked, if not in the project's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<ProjectPath>,
    /// The digest of the environment, where one is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Digest>,
    /// Parameter name to its value as JSON text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, JsonText>,
    #[serde(default)]
    pub deps: Vec<LockedPath>,
    /// What it depends on besides whole files and directories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<LockedPart>,
    #[serde(default)]
    pub outs: Vec<LockedPath>,
    /// Outputs whose content the store does not keep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unstored: Vec<LockedPath>,
}

/// A dependency or an output and its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedPath {
    pub path: ProjectPath,
    #[serde(flatten)]
    pub object: Object,
}

/// A part of a file, or what lies outside of the project, and the digest of what it was. Of a value that may be a secret,
/// such as a variable's, nothing else is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPart {
    /// What it is, in words: ``column `age` of `data.csv` ``.
    pub what: String,
    pub digest: Digest,
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
        // The version stands before the first table. The rest is read once: a lock may name hundreds of thousands of paths.
        let head = text.find("\n[").map_or(text, |end| &text[..=end]);
        let head: toml::Table = head.parse().map_err(|error| bad(place(&error)))?;
        match head.get("version").and_then(toml::Value::as_integer) {
            Some(version) if (1..=VERSION as i64).contains(&version) => {}
            Some(version) if version > VERSION as i64 => {
                return Err(Error::usage(format!("{name} has version {version}; this mlx knows up to {VERSION}"))
                    .with_hint("install a newer mlx"));
            }
            _ => return Err(bad(format!("{name} has no `version`; it seems to be cut off"))),
        }
        match Self::parse_pieces(text) {
            Some(lock) => Ok(lock),
            // Written by somebody else, or wrong: the whole text tells, with the line.
            None => {
                let written: Written = toml::from_str(text).map_err(|error| bad(place(&error)))?;
                let mut lock = Self::default();
                lock.take(written);
                Ok(lock)
            }
        }
    }

    /// Reads the text piece by piece; `None` where that can't be done, or where a piece is wrong.
    fn parse_pieces(text: &str) -> Option<Self> {
        let mut lock = Self::default();
        pieces(text).all(|piece| toml::from_str(piece).is_ok_and(|written| lock.take(written))).then_some(lock)
    }

    /// Adds these blocks; returns whether none of them was there already.
    fn take(&mut self, written: Written) -> bool {
        let mut are_new = true;
        for (name, step) in written.steps {
            are_new &= self.steps.insert(name, step).is_none();
        }
        for (path, WrittenPath { kind, digest, size, files, origin }) in written.paths {
            if let Some(WrittenOrigin { url, rev, commit, version, digest: imported }) = origin {
                let origin = Origin { url, rev, commit, version, digest: imported.unwrap_or(digest) };
                self.origins.insert(path.clone(), origin);
            }
            are_new &= self.paths.insert(path, Object { kind, digest, size, files }).is_none();
        }
        are_new
    }

    /// Writes the text of the file: the same lock always gives the same text.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let of_paths = self.paths.keys().map(|path| path_version(self.origins.get(path)));
        out.write_all(head(of_paths.chain(self.steps.values().map(step_version))).as_bytes())?;
        for (path, object) in &self.paths {
            out.write_all(path_block(path, object, self.origins.get(path)).as_bytes())?;
        }
        self.steps.iter().try_for_each(|(name, step)| out.write_all(step_block(name, step).as_bytes()))
    }

    /// What [`Lock::write`] writes.
    pub fn to_text(&self) -> String {
        let mut text = Vec::new();
        self.write(&mut text).expect("memory takes what is written");
        String::from_utf8(text).expect("blocks are made of strings")
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
        if let Some(dir) = &self.dir {
            let _ = writeln!(text, "dir = {}", quoted(&dir.to_string()));
        }
        if let Some(environment) = &self.environment {
            let _ = writeln!(text, "environment = {}", quoted(&environment.to_string()));
        }
        write_paths("deps", &self.deps, text);
        if !self.parts.is_empty() {
            text.push_str("parts = [\n");
            for LockedPart { what, digest } in &self.parts {
                let _ = writeln!(text, "  {{ what = {}, digest = \"{digest}\" }},", quoted(what));
            }
            text.push_str("]\n");
        }
        write_paths("outs", &self.outs, text);
        write_paths("unstored", &self.unstored, text);
        if !self.params.is_empty() {
            let _ = writeln!(text, "\n[step.{}.params]", quoted(name));
            for (name, value) in &self.params {
                let _ = writeln!(text, "{} = {}", quoted(name), quoted(&value.0.to_string()));
            }
        }
    }
}

fn write_paths(key: &str, paths: &[LockedPath], text: &mut String) {
    if paths.is_empty() {
        return;
    }
    let _ = writeln!(text, "{key} = [");
    for LockedPath { path, object } in paths {
        let fields = object_lines(object).trim_end().replace('\n', ", ");
        let _ = writeln!(text, "  {{ path = {}, {fields} }},", quoted(&path.to_string()));
    }
    text.push_str("]\n");
}

/// What stands before the first block, where the blocks need these versions of the format.
pub(super) fn head(versions: impl Iterator<Item = u64>) -> String {
    format!("{HEADER}version = {}\n", versions.fold(1, u64::max))
}

/// The version that the block of a tracked path needs.
pub(super) fn path_version(origin: Option<&Origin>) -> u64 {
    if origin.is_some() { 2 } else { 1 }
}

/// The version that the block of a step needs.
pub(super) fn step_version(step: &LockedStep) -> u64 {
    let is_newer = step.dir.is_some() || !step.parts.is_empty() || !step.unstored.is_empty();
    if is_newer { 3 } else { 1 }
}

/// The block of a tracked path, and the empty line before it.
pub(super) fn path_block(path: &ProjectPath, object: &Object, origin: Option<&Origin>) -> String {
    let origin = origin.map_or(String::new(), |origin| origin_line(origin, object));
    format!("\n[path.{}]\n{}{origin}", quoted(&path.to_string()), object_lines(object))
}

fn origin_line(origin: &Origin, object: &Object) -> String {
    let Origin { url, rev, commit, version, digest } = origin;
    let digest = (*digest != object.digest).then(|| digest.to_string());
    let optional = [("rev", rev), ("commit", commit), ("version", version), ("digest", &digest)];
    let optional =
        optional.into_iter().filter_map(|(key, value)| Some(format!(", {key} = {}", quoted(value.as_ref()?))));
    format!("origin = {{ url = {}{} }}\n", quoted(url), optional.collect::<String>())
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
pub(super) fn quoted(text: &str) -> String {
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

/// The text in pieces that each can be read by itself: a piece begins with the block of a path or a step as this program
/// writes it, behind an empty line. Within a string or a list there may be such lines too; then the piece before it ends
/// within that, and can't be read.
fn pieces(mut rest: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, tail) = rest.split_at(end_of_piece(rest));
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    })
}

fn end_of_piece(text: &str) -> usize {
    let mut from = text.floor_char_boundary(PIECE_BYTES);
    while let Some(found) = text[from..].find("\n\n[") {
        let block = from + found + 2;
        let header = text[block..].lines().next().unwrap_or_default();
        let is_first = header.starts_with("[path.") || header.starts_with("[step.");
        // Parameters belong to the block of their step.
        if is_first && !header.ends_with(".params]") {
            return block;
        }
        from = block;
    }
    text.len()
}

fn is_conflict_marker(line: &str) -> bool {
    ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|marker| line.starts_with(marker))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn object(text: &[u8]) -> Object {
        Object { kind: ObjectKind::File, digest: Digest::of(text), size: text.len() as u64, files: 1 }
    }

    fn sample(path: &[u8], text: &str) -> Lock {
        let mut lock = Lock::default();
        let Ok(path) = ProjectPath::new(path) else { return lock };
        lock.paths.insert(path.clone(), object(b"a"));
        let origin = Origin {
            url: text.to_owned(),
            rev: Some(text.to_owned()),
            commit: None,
            version: Some(text.to_owned()),
            digest: Digest::of(text),
        };
        lock.origins.insert(path.clone(), origin);
        let step = LockedStep {
            key: Digest::of(text),
            cmd: text.to_owned(),
            dir: Some(path.clone()),
            environment: Some(Digest::of(b"env")),
            params: BTreeMap::from([(text.to_owned(), JsonText(serde_json::json!({ "a": [null, 1.5, text] })))]),
            deps: vec![LockedPath { path: path.clone(), object: object(b"dep") }],
            parts: vec![LockedPart { what: text.to_owned(), digest: Digest::of(text) }],
            outs: vec![LockedPath { path: path.clone(), object: object(b"out") }],
            unstored: vec![LockedPath { path, object: object(b"unstored") }],
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
            ("version = 99\n", "has version 99; this mlx knows up to 3"),
            ("", "has no `version`"),
        ];
        for (text, expected) in cases {
            let error = Lock::parse(text.as_bytes(), "mlx.lock").unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn the_oldest_version_that_can_say_it_is_written() {
        let newest = sample(b"data/x", "x");
        let mut with = newest.clone();
        let step = with.steps.get_mut("train").unwrap();
        (step.dir, step.parts, step.unstored) = (None, Vec::new(), Vec::new());
        let without = Lock { origins: BTreeMap::new(), ..with.clone() };

        assert!(newest.to_text().contains("\nversion = 3\n"));
        assert!(with.to_text().contains("\nversion = 2\n") && with.to_text().contains("\norigin = { url = \"x\", rev"));
        assert!(without.to_text().contains("\nversion = 1\n"));
        let text = without.to_text().replace("version = 1", "version = 2");
        assert_eq!(Lock::parse(text.as_bytes(), "mlx.lock").unwrap(), without);
    }

    /// A lock that is read in several pieces: many paths, and steps with parameters.
    fn long() -> Lock {
        let mut lock = Lock::default();
        for number in 0..4000_u32 {
            lock.paths.insert(ProjectPath::new(format!("d/{number:05}")).unwrap(), object(&number.to_le_bytes()));
            let (_, step) = sample(b"data/x", "python train.py").steps.pop_first().unwrap();
            lock.steps.insert(format!("{number}.params"), step);
        }
        lock
    }

    #[test]
    fn a_long_lock_is_read_in_pieces() {
        let lock = long();
        let text = lock.to_text();

        let pieces: Vec<&str> = pieces(&text).collect();

        assert!(pieces.len() > 8 && pieces.concat() == text, "{}", pieces.len());
        assert!(pieces.iter().all(|piece| piece.len() < PIECE_BYTES + 4096));
        assert_eq!(Lock::parse_pieces(&text), Some(lock));
    }

    #[test]
    fn what_is_wrong_in_a_long_lock_is_told_as_in_a_short_one() {
        let text = long().to_text();
        let block = &text[text.find("[path.\"d/00001\"]").unwrap()..text.find("\n[path.\"d/00002\"]").unwrap()];
        let cases = [
            (format!("{text}\n{block}"), "duplicate key"),
            (text.replacen("[path.\"d/03999\"]", "[path.\"../out\"]", 1), "leaves the project"),
            (format!("{text}\n[step.late]\nkey = 7\n"), "invalid type"),
        ];
        for (text, expected) in cases {
            let error = Lock::parse(text.as_bytes(), "mlx.lock").unwrap_err().to_string();
            let line: usize = error["mlx.lock, line ".len()..].split(':').next().unwrap().parse().unwrap();
            assert!(error.contains(expected) && line > 10_000, "{error}");
        }
        // What looks like the begin of a block within a string is none.
        let text = format!(
            "{text}\n[step.odd]\nkey = \"{}\"\ncmd = \"\"\"{}\n\n[path.x]\n\"\"\"\n",
            Digest::of(b"x"),
            "x".repeat(PIECE_BYTES)
        );
        let odd = &Lock::parse(text.as_bytes(), "mlx.lock").unwrap().steps["odd"];
        assert!(odd.cmd.ends_with("x\n\n[path.x]\n"));
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
