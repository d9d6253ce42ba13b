//! Names that a file system takes for one: `Cat.png` and `cat.png` where case does not count, and the two ways to write
//! an accent where names are normalised.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Context;
use unicode_normalization::UnicodeNormalization;

use super::Workspace;
use crate::fs::{escape, quote};
use crate::store::tree::Tree;
use crate::{Error, Result};

/// Refuses a directory that the file system can't hold, before anything of it is written.
pub fn check(workspace: &Workspace, path: &[u8], tree: &Tree) -> Result<()> {
    let suspects = suspects(tree.entries().iter().map(|entry| entry.name.as_slice()));
    if suspects.is_empty() {
        return Ok(());
    }
    let full = workspace.full(path);
    let existing = full.ancestors().find(|place| place.is_dir()).unwrap_or(&workspace.root);
    let place = crate::fs::temporary_dir(existing)?;
    let clash = clash(&suspects, |first, second| is_one(place.path(), first, second));
    match clash.with_context(|| format!("cannot write in `{}`", quote(existing)))? {
        Some(twins) => Err(refused(path, twins)),
        None => Ok(()),
    }
}

fn refused(path: &[u8], (first, second): (&[u8], &[u8])) -> Error {
    let directory = if path.is_empty() { "the project".to_owned() } else { format!("`{}`", escape(path)) };
    Error::failed(format!(
        "{directory} holds both `{}` and `{}`, which are one name to the file system here",
        escape(first),
        escape(second)
    ))
    .with_hint("rename one of them where both can be, or check out into a file system that tells them apart")
}

type Twins<'n> = (&'n [u8], &'n [u8]);

/// The first two names that are one, as `is_one` tells.
fn clash<'n>(
    suspects: &[Twins<'n>],
    is_one: impl Fn(&[u8], &[u8]) -> io::Result<bool>,
) -> io::Result<Option<Twins<'n>>> {
    for (first, second) in suspects {
        if is_one(first, second)? {
            return Ok(Some((first, second)));
        }
    }
    Ok(None)
}

/// The names that some file system may take for one.
fn suspects<'n>(names: impl Iterator<Item = &'n [u8]>) -> Vec<Twins<'n>> {
    let mut seen: HashMap<String, &[u8]> = HashMap::new();
    let mut suspects = Vec::new();
    let mut plain: Vec<&[u8]> = Vec::new();
    for name in names {
        // Most names are like this, and are twins only of others.
        if name.iter().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
            plain.push(name);
            continue;
        }
        let Ok(text) = std::str::from_utf8(name) else { continue };
        if let Some(other) = seen.insert(folded(text), name) {
            suspects.push((other, name));
        }
    }
    if !seen.is_empty() {
        let twins = plain.iter().filter_map(|name| Some((*seen.get(std::str::from_utf8(name).ok()?)?, *name)));
        suspects.extend(twins);
    }
    suspects
}

fn folded(name: &str) -> String {
    let folded: String = name.nfkc().flat_map(char::to_lowercase).collect();
    folded.nfkc().collect()
}

/// Asks the file system whether these names lead to one file in a directory.
fn is_one(place: &Path, first: &[u8], second: &[u8]) -> io::Result<bool> {
    let [first, second] = [first, second].map(|name| place.join(OsStr::from_bytes(name)));
    std::fs::File::create_new(&first)?;
    let is_one = second.symlink_metadata().is_ok();
    std::fs::remove_file(&first)?;
    Ok(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_some_file_system_takes_for_one_are_found() {
        let cases: [(&[&str], usize); 5] = [
            (&["a", "b", "ab"], 0),
            (&["Cat.png", "cat.png"], 1),
            (&["caf\u{e9}", "cafe\u{301}"], 1),
            (&["GR\u{d6}SSE", "gro\u{308}sse", "x"], 1),
            (&["A", "a", "B", "b"], 2),
        ];

        for (names, count) in cases {
            assert_eq!(suspects(names.iter().map(|name| name.as_bytes())).len(), count, "{names:?}");
        }
    }

    #[test]
    fn the_file_system_decides_and_both_names_are_told() {
        let names: [&[u8]; 4] = [b"a", b"A", b"Cat.png", b"cat.png"];
        let suspects = suspects(names.into_iter());
        let folds = |first: &[u8], second: &[u8]| Ok(first.eq_ignore_ascii_case(second) && first.len() > 1);

        assert_eq!(clash(&suspects, |_, _| Ok(false)).unwrap(), None);
        let error = refused(b"data", clash(&suspects, folds).unwrap().unwrap()).to_string();

        assert_eq!(error, "`data` holds both `Cat.png` and `cat.png`, which are one name to the file system here");
        let dir = tempfile::tempdir().unwrap();
        assert!(is_one(dir.path(), b"same", b"same").unwrap() && !is_one(dir.path(), b"one", b"other").unwrap());
    }
}
