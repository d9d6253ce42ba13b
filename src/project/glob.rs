//! Patterns of paths: `data/*.csv`, `plots/**/*.png`. They stand for files, never for directories.
//!
//! `*` is any part of a name, `?` one byte of it, `[a-z]` and `[!a-z]` one of a set; `**` as a whole name is any number of
//! directories, and everything below at the end. A name that begins with a dot is matched by one that says the dot.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Context;

use super::path::{PathError, ProjectPath};
use crate::Result;
use crate::fs::{escape, quote, unescape};

/// Directories may nest this deeply.
const MAXIMUM_DEPTH: usize = 200;

/// A pattern of paths of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// Its parts between the slashes, as bytes.
    text: Vec<u8>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`
    Deep,
    Name(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Many,
    /// Ranges of bytes, both ends included.
    Set {
        negated: bool,
        ranges: Vec<(u8, u8)>,
    },
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("the `[` in `{0}` is never closed; `[[]` stands for the character")]
    Unclosed(String),
    #[error("`{0}` matches the whole project; name a directory first")]
    Everything(String),
}

impl Glob {
    /// Whether a text is meant as a pattern.
    pub fn is_pattern(text: &str) -> bool {
        text.contains(['*', '?', '['])
    }

    /// Reads a pattern, whose bytes may be escaped as those of paths are.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        let bytes = unescape(text).ok_or_else(|| PathError::Malformed(text.into()))?;
        // What a path may not be, a pattern may not be either. That resolves `.` and `..`, too.
        let path = ProjectPath::new(bytes)?;
        let mut parts = Vec::new();
        for part in path.parts() {
            match part {
                b"**" if parts.last() == Some(&Part::Deep) => {}
                b"**" => parts.push(Part::Deep),
                part => parts.push(Part::Name(tokens(part).ok_or_else(|| GlobError::Unclosed(text.into()))?)),
            }
        }
        if parts == [Part::Deep] {
            return Err(GlobError::Everything(text.into()));
        }
        if parts.last() == Some(&Part::Deep) {
            parts.push(Part::Name(vec![Token::Many]));
        }
        Ok(Self { text: path.as_bytes().to_vec(), parts })
    }

    /// The one path it stands for, where it has no sign but those in brackets.
    pub fn literal(&self) -> Option<ProjectPath> {
        let names = self.parts.iter().map(Part::literal).collect::<Option<Vec<_>>>()?;
        ProjectPath::new(names.join(&b'/')).ok()
    }

    /// The directory that all it matches lies in; `None` for the project's root.
    pub fn base(&self) -> Option<ProjectPath> {
        let literal = self.parts[..self.parts.len() - 1].iter().map_while(Part::literal).collect::<Vec<_>>();
        ProjectPath::new(literal.join(&b'/')).ok()
    }

    /// The line of a `.gitignore` that ignores what it matches; see gitignore(5).
    pub fn to_gitignore(&self) -> Vec<u8> {
        let mut line = vec![b'/'];
        for byte in &self.text {
            match byte {
                b'\n' | b'\r' => line.push(b'?'),
                b'\\' => line.extend(b"\\\\"),
                byte => line.push(*byte),
            }
        }
        if line.ends_with(b" ") {
            line.pop();
            line.extend(b"\\ ");
        }
        line
    }

    pub fn matches(&self, path: &ProjectPath) -> bool {
        self.states(path)[self.parts.len()]
    }

    /// Whether there can be a match strictly below this path.
    pub fn reaches_into(&self, directory: &ProjectPath) -> bool {
        self.states(directory)[..self.parts.len()].contains(&true)
    }

    /// Which places in the pattern may be reached with the parts of a path.
    fn states(&self, path: &ProjectPath) -> Vec<bool> {
        let mut states = vec![false; self.parts.len() + 1];
        states[0] = true;
        self.pass_deep(&mut states);
        for name in path.parts() {
            let mut next = vec![false; states.len()];
            for (place, part) in self.parts.iter().enumerate().filter(|(place, _)| states[*place]) {
                match part {
                    Part::Deep => next[place] |= !name.starts_with(b"."),
                    Part::Name(tokens) => next[place + 1] |= matches_name(tokens, name),
                }
            }
            self.pass_deep(&mut next);
            states = next;
        }
        states
    }

    /// `**` stands for no directory at all, too.
    fn pass_deep(&self, states: &mut [bool]) {
        for (place, part) in self.parts.iter().enumerate() {
            if states[place] && *part == Part::Deep {
                states[place + 1] = true;
            }
        }
    }

    /// Whether one path can match both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.parts, &other.parts);
        common(ours.len(), theirs.len(), |i, j| match (ours.get(i), theirs.get(j)) {
            (Some(Part::Deep), theirs) => Step { left: true, right: theirs.is_some(), both: false },
            (ours, Some(Part::Deep)) => Step { left: ours.is_some(), right: true, both: false },
            (Some(Part::Name(ours)), Some(Part::Name(theirs))) => {
                Step { left: false, right: false, both: names_overlap(ours, theirs) }
            }
            _ => Step::default(),
        })
    }

    /// The files below `root` that match, sorted. Links to files count, links to directories are not followed.
    pub fn expand(&self, root: &Path) -> Result<Vec<ProjectPath>> {
        let mut found = Vec::new();
        let base = self.base();
        let directory = base.as_ref().map_or_else(|| root.to_path_buf(), |base| base.below(root));
        self.walk(&directory, base.as_ref(), 0, &mut found)?;
        found.sort();
        Ok(found)
    }

    fn walk(
        &self,
        directory: &Path,
        path: Option<&ProjectPath>,
        depth: usize,
        found: &mut Vec<ProjectPath>,
    ) -> Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot list `{}`", quote(directory))).map_err(Into::into);
            }
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list `{}`", quote(directory)))?;
            let name = entry.file_name();
            let below = match path {
                Some(path) => path.join(name.as_bytes()),
                None => ProjectPath::new(name.as_bytes()),
            };
            // What may not be named, such as `.git`, is not found either.
            let Ok(below) = below else { continue };
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                if depth < MAXIMUM_DEPTH && self.reaches_into(&below) {
                    self.walk(&entry.path(), Some(&below), depth + 1, found)?;
                }
            } else if self.matches(&below) {
                let is_file = kind.is_file() || (kind.is_symlink() && !entry.path().is_dir());
                if is_file {
                    found.push(below);
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&escape(&self.text))
    }
}

impl Part {
    /// The name, where it is one and the same.
    fn literal(&self) -> Option<Vec<u8>> {
        let Self::Name(tokens) = self else { return None };
        let byte = |token: &Token| match token {
            Token::Byte(byte) => Some(*byte),
            _ => None,
        };
        tokens.iter().map(byte).collect()
    }
}

impl Token {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::One | Self::Many => true,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&byte)) != *negated
            }
        }
    }
}

/// The tokens of a name; `None` where a set is not closed.
fn tokens(name: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(byte) = name.get(at) {
        at += 1;
        match byte {
            b'*' if tokens.last() == Some(&Token::Many) => {}
            b'*' => tokens.push(Token::Many),
            b'?' => tokens.push(Token::One),
            b'[' => {
                let negated = matches!(name.get(at), Some(b'!' | b'^'));
                at += usize::from(negated);
                // A bracket that comes first is one of the set.
                let end = at + 1 + name.get(at + 1..)?.iter().position(|byte| *byte == b']')?;
                let mut ranges = Vec::new();
                while at < end {
                    let is_range = at + 2 < end && name[at + 1] == b'-';
                    ranges.push((name[at], if is_range { name[at + 2] } else { name[at] }));
                    at += if is_range { 3 } else { 1 };
                }
                at = end + 1;
                // A set of one is the byte itself, which is how a pattern says `[*]`.
                tokens.push(match ranges.as_slice() {
                    [(first, last)] if first == last && !negated => Token::Byte(*first),
                    _ => Token::Set { negated, ranges },
                });
            }
            byte => tokens.push(Token::Byte(*byte)),
        }
    }
    Some(tokens)
}

fn matches_name(tokens: &[Token], name: &[u8]) -> bool {
    if name.starts_with(b".") && tokens.first() != Some(&Token::Byte(b'.')) {
        return false;
    }
    let (mut token, mut at) = (0, 0);
    // Where the last `*` stands, and how much of the name it takes so far.
    let mut star = None;
    while at < name.len() {
        match tokens.get(token) {
            Some(Token::Many) => {
                star = Some((token, at));
                token += 1;
            }
            Some(other) if other.takes(name[at]) => {
                token += 1;
                at += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (token, at) = (place + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    tokens[token..].iter().all(|token| *token == Token::Many)
}

fn names_overlap(ours: &[Token], theirs: &[Token]) -> bool {
    common(ours.len(), theirs.len(), |i, j| match (ours.get(i), theirs.get(j)) {
        (Some(Token::Many), theirs) => Step { left: true, right: theirs.is_some(), both: false },
        (ours, Some(Token::Many)) => Step { left: ours.is_some(), right: true, both: false },
        (Some(ours), Some(theirs)) => {
            let both = (0..=u8::MAX).any(|byte| ours.takes(byte) && theirs.takes(byte));
            Step { left: false, right: false, both }
        }
        _ => Step::default(),
    })
}

/// Which ways lead on from a place in two patterns.
#[derive(Default)]
struct Step {
    left: bool,
    right: bool,
    both: bool,
}

/// Whether two sequences of these lengths have an instance in common.
fn common(left: usize, right: usize, step: impl Fn(usize, usize) -> Step) -> bool {
    let mut reached = vec![vec![false; right + 1]; left + 1];
    reached[0][0] = true;
    for i in 0..=left {
        for j in 0..=right {
            if !reached[i][j] {
                continue;
            }
            let step = step(i, j);
            if step.left && i < left {
                reached[i + 1][j] = true;
            }
            if step.right && j < right {
                reached[i][j + 1] = true;
            }
            if step.both && i < left && j < right {
                reached[i + 1][j + 1] = true;
            }
        }
    }
    reached[left][right]
}
