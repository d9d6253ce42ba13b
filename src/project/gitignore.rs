//! The lines of the project's `.gitignore` that keep tracked data and outputs out of Git.

use std::collections::HashSet;
use std::path::Path;

use super::{Glob, Project, ProjectPath};
use crate::Result;
use crate::fs::{self, FileLock};

/// The file that keeps what is tracked out of Git.
pub(super) const FILE: &str = ".gitignore";

/// Makes Git ignore these paths, unless a line does so already. Returns whether the file changed.
pub fn ignore<'a>(project: &Project, paths: impl IntoIterator<Item = &'a ProjectPath>) -> Result<bool> {
    let _alone = alone(project)?;
    add_lines(project.root(), &project.scratch(), paths.into_iter().map(pattern))
}

/// Makes Git ignore what these patterns match. Returns whether the file changed.
pub fn ignore_patterns<'a>(project: &Project, patterns: impl IntoIterator<Item = &'a Glob>) -> Result<bool> {
    let _alone = alone(project)?;
    add_lines(project.root(), &project.scratch(), patterns.into_iter().map(Glob::to_gitignore))
}

/// Takes the lines of these paths away again. Returns whether the file changed.
pub fn unignore<'a>(project: &Project, paths: impl IntoIterator<Item = &'a ProjectPath>) -> Result<bool> {
    let _alone = alone(project)?;
    let file = project.root().join(FILE);
    let Some(before) = fs::read_optional(&file)? else { return Ok(false) };
    let patterns: Vec<Vec<u8>> = paths.into_iter().map(pattern).collect();
    let is_kept = |line: &&[u8]| !patterns.iter().any(|pattern| pattern == bare(line));
    let after = before.split_inclusive(|byte| *byte == b'\n').filter(is_kept).collect::<Vec<_>>().concat();
    if after == before {
        return Ok(false);
    }
    fs::write_atomic(&file, &after, &project.scratch()).map(|()| true)
}

/// Of several processes that change the file at once, none may lose what another adds.
fn alone(project: &Project) -> Result<FileLock> {
    FileLock::exclusive(&project.state("locks/gitignore"), "mlx", |_| {})
}

/// Appends the lines that the `.gitignore` in `root` does not have yet.
pub fn add_lines(root: &Path, scratch: &Path, lines: impl IntoIterator<Item = Vec<u8>>) -> Result<bool> {
    append_lines(&root.join(FILE), scratch, lines)
}

/// Appends the lines that a file does not have yet. Returns whether it changed.
pub(super) fn append_lines(file: &Path, scratch: &Path, lines: impl IntoIterator<Item = Vec<u8>>) -> Result<bool> {
    let before = fs::read_optional(file)?.unwrap_or_default();
    let mut known: HashSet<Vec<u8>> = before.split(|byte| *byte == b'\n').map(|line| bare(line).to_vec()).collect();
    let mut after = before.clone();
    for line in lines {
        if !known.insert(line.clone()) {
            continue;
        }
        if !after.is_empty() && !after.ends_with(b"\n") {
            after.push(b'\n');
        }
        after.extend_from_slice(&line);
        after.push(b'\n');
    }
    if after == before {
        return Ok(false);
    }
    fs::write_atomic(file, &after, scratch).map(|()| true)
}

/// The line without its end; spaces stay, because one after a backslash is part of the pattern.
fn bare(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The pattern that matches this path alone, from the root; see gitignore(5). A line feed can't be written in a
/// pattern, so that `?` stands for it.
fn pattern(path: &ProjectPath) -> Vec<u8> {
    let mut pattern = vec![b'/'];
    for byte in path.as_bytes() {
        match byte {
            b'\n' | b'\r' => pattern.push(b'?'),
            b'\\' | b'*' | b'?' | b'[' => pattern.extend([b'\\', *byte]),
            byte => pattern.push(*byte),
        }
    }
    if pattern.ends_with(b" ") {
        pattern.pop();
        pattern.extend(b"\\ ");
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped() {
        let path = ProjectPath::new("a*[b]\n ").unwrap();

        assert_eq!(pattern(&path), b"/a\\*\\[b]?\\ ");
    }

    #[test]
    fn a_line_that_is_there_is_not_added_again() {
        let dir = tempfile::tempdir().unwrap();
        let lines = || [b"/a\\ ".to_vec(), b"/b".to_vec()];

        assert!(add_lines(dir.path(), dir.path(), lines()).unwrap());
        assert!(!add_lines(dir.path(), dir.path(), lines()).unwrap());
    }
}
