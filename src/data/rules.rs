//! `.mlxignore`: what lies in the working tree and has no versions, in the syntax of `.gitignore`.
//!
//! Such a file may lie at the project's root and in every directory, and speaks of what lies beside and below it; the one
//! nearest to a path decides. One inside tracked data is data itself, so that it comes with its version.

mod pattern;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use self::pattern::Pattern;
use crate::fs::escape;
use crate::project::{Project, ProjectPath};
use crate::{Error, Result};

/// The name of the file.
pub const FILE: &[u8] = b".mlxignore";

/// What the files of a directory and of those above it say.
#[derive(Debug)]
pub struct Rules {
    above: Option<Arc<Rules>>,
    /// The directory, relative to the project; empty for its root.
    directory: Vec<u8>,
    /// Those of lines further down first, because they decide.
    patterns: Vec<Pattern>,
}

impl Rules {
    /// Reads the text of a file that lies in `directory`.
    pub fn parse(above: Option<Arc<Self>>, directory: &[u8], text: &[u8]) -> Arc<Self> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let patterns = text.split(|byte| *byte == b'\n').rev().filter_map(Pattern::parse).collect();
        Arc::new(Self { above, directory: directory.to_vec(), patterns })
    }

    /// The rules that stand above what lies in `directory`: those of the project's root and of all on the way to it, its
    /// own not among them.
    pub fn above(root: &Path, path: &[u8]) -> Result<Option<Arc<Self>>> {
        let mut rules = None;
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(slash, _)| slash);
        for directory in std::iter::once(&path[..0]).chain(slashes.map(|slash| &path[..slash])) {
            let file = root.join(OsStr::from_bytes(directory)).join(OsStr::from_bytes(FILE));
            // What is no file says nothing, and neither does a link to one.
            if file.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
                rules = Some(Self::parse(rules, directory, &crate::fs::read(&file)?));
            }
        }
        Ok(rules)
    }

    /// Whether the lines ignore what lies at `path` in the directory of these rules or below it, if nothing above it is
    /// ignored; `None` where none speaks of it.
    fn verdict(&self, path: &[u8], is_directory: bool) -> Option<bool> {
        let relative = path.strip_prefix(self.directory.as_slice()).unwrap_or(path);
        let relative = relative.strip_prefix(b"/").unwrap_or(relative);
        match self.patterns.iter().find(|pattern| pattern.matches(relative, is_directory)) {
            Some(pattern) => Some(!pattern.is_negated),
            None => self.above.as_ref()?.verdict(path, is_directory),
        }
    }
}

/// Whether what lies at `path` in a directory is left out of its version: as these rules say, and where they say nothing, if
/// it is what programs leave.
pub fn ignore(rules: Option<&Rules>, path: &[u8], is_directory: bool) -> bool {
    let verdict = rules.and_then(|rules| rules.verdict(path, is_directory));
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    verdict.unwrap_or(is_directory && is_left_by_programs(name))
}

/// Whether a directory of this name holds what Python and its kin leave beside the programs that they run: it comes and goes
/// with who runs them, and has no version.
pub fn is_left_by_programs(name: &[u8]) -> bool {
    matches!(name, b"__pycache__" | b".ipynb_checkpoints") || name.ends_with(b".egg-info")
}

/// Refuses a path that is ignored, or lies in something that is.
pub fn check(project: &Project, path: &ProjectPath) -> Result<()> {
    let bytes = path.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(slash, _)| slash);
    for end in ends.chain([bytes.len()]) {
        let part = &bytes[..end];
        let is_directory = end < bytes.len() || path.below(project.root()).is_dir();
        if Rules::above(project.root(), part)?.is_some_and(|rules| rules.verdict(part, is_directory) == Some(true)) {
            return Err(Error::usage(format!("`{}` is ignored by .mlxignore", escape(part)))
                .with_hint("change the line that names it; `!NAME` takes a name out again"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_decides() {
        let root = Rules::parse(None, b"", b"*.log\n/data/cache/\n# remark\n");
        let data = Rules::parse(Some(root), b"data", b"!keep.log\n/top\nsub/*.tmp\n");
        let cases: [(&[u8], bool, bool); 9] = [
            (b"data/a.log", false, true),
            (b"data/x/keep.log", false, false),
            (b"data/cache", true, true),
            (b"data/cache", false, false),
            (b"data/top", false, true),
            (b"data/x/top", false, false),
            (b"data/sub/a.tmp", false, true),
            (b"data/x/sub/a.tmp", false, false),
            (b"data/cat.png", false, false),
        ];

        for (path, is_directory, expected) in cases {
            assert_eq!(ignore(Some(&*data), path, is_directory), expected, "{}", escape(path));
        }
    }

    #[test]
    fn what_programs_leave_is_ignored_unless_a_line_takes_it_out_again() {
        let none = Rules::parse(None, b"", b"*.log\n");
        let back = Rules::parse(Some(none.clone()), b"src", b"!*.egg-info\n");
        for (path, is_directory, left_out) in
            [("src/__pycache__", true, true), ("src/__pycache__", false, false), ("src/a.egg-info", true, true)]
        {
            assert_eq!(ignore(None, path.as_bytes(), is_directory), left_out, "{path}");
            assert_eq!(ignore(Some(&*none), path.as_bytes(), is_directory), left_out, "{path}");
        }
        assert!(!ignore(Some(&*back), b"src/a.egg-info", true));
        assert!(ignore(Some(&*back), b"src/__pycache__", true));
    }
}
