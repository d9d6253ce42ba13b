//! Paths as the manifest and the lock name them: relative to the project, inside it, and not in `.git` or `.mlx`.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fs::{escape, unescape};

/// A normalised path below the project's root: no `.`, no `..`, no empty part, not absolute. Any bytes are allowed in
/// a name, as the file system has them; as text it is escaped ([`escape`]).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectPath(Vec<u8>);

/// Why a path can't be one of the project's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path is empty")]
    Empty,
    #[error("`{0}` is absolute; paths are relative to the project")]
    Absolute(String),
    #[error("`{0}` leaves the project")]
    Outside(String),
    #[error("`{path}` lies in `{reserved}`, which is not the project's to use")]
    Reserved { path: String, reserved: &'static str },
    #[error("`{0}` holds a NUL byte or a bad escape")]
    Malformed(String),
}

impl ProjectPath {
    /// The path with these bytes. `.` parts and a trailing slash are dropped, `a/../b` becomes `b`.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let path = path.as_ref();
        let shown = || escape(path);
        if path.starts_with(b"/") {
            return Err(PathError::Absolute(shown()));
        }
        if path.contains(&0) {
            return Err(PathError::Malformed(shown()));
        }
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in path.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." if parts.pop().is_none() => return Err(PathError::Outside(shown())),
                b".." => {}
                part => parts.push(part),
            }
        }
        match parts.first() {
            None => return Err(PathError::Empty),
            Some(&b".mlx") => return Err(PathError::Reserved { path: shown(), reserved: ".mlx" }),
            Some(_) => {}
        }
        if parts.contains(&&b".git"[..]) {
            return Err(PathError::Reserved { path: shown(), reserved: ".git" });
        }
        Ok(Self(parts.join(&b'/')))
    }

    /// Whether this is the manifest or the lock: Git keeps these, and no version of them can be data or an output.
    pub fn is_of_mlx(&self) -> bool {
        [super::MANIFEST, super::LOCK].iter().any(|name| self.0 == name.as_bytes())
    }

    /// The path that [`fmt::Display`] made this text from.
    pub fn from_text(text: &str) -> Result<Self, PathError> {
        Self::new(unescape(text).ok_or_else(|| PathError::Malformed(text.into()))?)
    }

    /// Its bytes, with `/` between the parts.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a relative path of the operating system.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The path below this root.
    pub fn below(&self, root: &Path) -> PathBuf {
        root.join(self.as_path())
    }

    /// Whether this is `ancestor` or lies below it.
    pub fn is_within(&self, ancestor: &ProjectPath) -> bool {
        self.0.strip_prefix(ancestor.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// The parts between the slashes.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }

    /// The directory that holds it; `None` at the project's root.
    pub fn parent(&self) -> Option<Self> {
        self.0.iter().rposition(|byte| *byte == b'/').map(|slash| Self(self.0[..slash].to_vec()))
    }

    /// As it is written in a command that people paste into a shell.
    pub fn argument(&self) -> String {
        let text = self.to_string();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || b"_./+,:@%=-".contains(&byte);
        match text.bytes().all(is_plain) {
            true if text.starts_with('-') => format!("./{text}"),
            true => text,
            // The escapes of bytes are those of bash, zsh and busybox.
            false if text.contains('\\') => {
                let quoted = text.replace('\'', "\\'");
                format!("$'{}{quoted}'", if quoted.starts_with('-') { "./" } else { "" })
            }
            false => {
                let quoted = text.replace('\'', "'\\''");
                format!("'{}{quoted}'", if quoted.starts_with('-') { "./" } else { "" })
            }
        }
    }

    /// A path below this one.
    pub fn join(&self, below: impl AsRef<[u8]>) -> Result<Self, PathError> {
        Self::new([self.as_bytes(), below.as_ref()].join(&b'/'))
    }
}

impl fmt::Display for ProjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&escape(&self.0))
    }
}

impl fmt::Debug for ProjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl Serialize for ProjectPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProjectPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_text(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_normalised() {
        assert_eq!(ProjectPath::new("./a//b/../c/").unwrap().to_string(), "a/c");
        assert_eq!(ProjectPath::new("a/.gitkeep").unwrap().to_string(), "a/.gitkeep");
    }

    #[test]
    fn paths_outside_are_refused() {
        for path in ["", ".", "a/..", "/a", "..", "a/../../b", ".git", "sub/.git/config", ".mlx/store", "a\0b"] {
            assert!(ProjectPath::new(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn arguments_can_be_pasted() {
        for name in ["a/b.csv", "-x", "a b", "- x", "it's", "a\\b", "line\nfeed's", "größe $(x)", "*", "~"] {
            let argument = ProjectPath::new(name).unwrap().argument();
            let script = format!("printf %s {argument}");
            let printed = std::process::Command::new("bash").args(["-c", &script]).output().unwrap().stdout;
            assert_eq!(ProjectPath::new(&printed).unwrap(), ProjectPath::new(name).unwrap(), "{argument}");
            assert!(!printed.starts_with(b"-"), "{argument}");
        }
        assert_eq!(ProjectPath::new("data/a.csv").unwrap().argument(), "data/a.csv");
    }

    #[test]
    fn within_respects_parts() {
        let path = |text: &str| ProjectPath::new(text).unwrap();

        assert!(path("data/train").is_within(&path("data")));
        assert!(!path("database").is_within(&path("data")));
    }

    proptest! {
        #[test]
        fn text_reads_back(bytes: Vec<u8>) {
            if let Ok(path) = ProjectPath::new(bytes) {
                prop_assert_eq!(ProjectPath::from_text(&path.to_string()), Ok(path));
            }
        }
    }
}
