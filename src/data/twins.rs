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
use super::scan::join;
use crate::digest::Object;
use crate::fs::{escape, quote};
use crate::project::ProjectPath;
use crate::store::tree::Tree;
use crate::{Error, Result};

/// Refuses a directory that the file system can't hold, before anything of it is written.
pub fn check(workspace: &Workspace, path: &[u8], tree: &Tree) -> Result<()> {
    check_suspects(workspace, path, &suspects(tree.entries().iter().map(|entry| entry.name.as_slice())))
}

/// As [`check`], for a path inside a tracked directory: the names on the way to it and its own are looked at, and no others.
pub fn check_way(workspace: &Workspace, entry: &ProjectPath, object: &Object, path: &ProjectPath) -> Result<()> {
    let (mut object, mut place) = (object.clone(), entry.as_bytes().to_vec());
    for name in path.parts().skip(entry.parts().count()) {
        // Whoever puts it back says what is wrong with it.
        let Ok(tree) = workspace.store.tree(&object.digest) else { break };
        let mut suspects = suspects(tree.entries().iter().map(|entry| entry.name.as_slice()));
        suspects.retain(|(first, second)| *first == name || *second == name);
        check_suspects(workspace, &place, &suspects)?;
        let Some(below) = tree.get(name) else { break };
        object = below.clone();
        place = join(&place, name);
    }
    Ok(())
}

fn check_suspects(workspace: &Workspace, path: &[u8], suspects: &[Twins<'_>]) -> Result<()> {
    if suspects.is_empty() {
        return Ok(());
    }
    let full = workspace.full(path);
    let existing = full.ancestors().find(|place| place.is_dir()).unwrap_or(&workspace.root);
    let place = crate::fs::temporary_dir(existing)?;
    let clash = clash(suspects, |first, second| is_one(place.path(), first, second));
    match clash.with_context(|| format!("cannot write in `{}`", quote(existing)))? {
        Some(twins) => Err(refused(path, twins)),
        None => Ok(()),
    }
}

/// Refuses paths of a lock that are one path to the file system, or of which one would lie in the other, where one of them
/// `is_wanted`.
pub fn check_paths<'p>(
    workspace: &Workspace,
    all: impl Iterator<Item = &'p ProjectPath>,
    is_wanted: impl Fn(&ProjectPath) -> bool,
) -> Result<()> {
    let mut pairs = suspected_paths(all);
    pairs.retain(|(first, second)| is_wanted(first) || is_wanted(second));
    if pairs.is_empty() {
        return Ok(());
    }
    let place = crate::fs::temporary_dir(&workspace.root)?;
    let is_one = |first: &[u8], second: &[u8]| Ok(first == second || is_one(place.path(), first, second)?);
    for (first, second) in pairs {
        let are_one = first.parts().zip(second.parts()).map(|(first, second)| is_one(first, second));
        let are_one: Vec<bool> = are_one
            .collect::<io::Result<_>>()
            .with_context(|| format!("cannot write in `{}`", quote(&workspace.root)))?;
        if are_one.into_iter().all(|is_one| is_one) {
            return Err(Error::failed(format!(
                "`{first}` and `{second}` are both named by the lock, and are one path to the file system here"
            ))
            .with_hint(HINT));
        }
    }
    Ok(())
}

/// Paths of which some file system may take one for the other, or for a part of it.
fn suspected_paths<'p>(all: impl Iterator<Item = &'p ProjectPath>) -> Vec<(&'p ProjectPath, &'p ProjectPath)> {
    let all: Vec<&ProjectPath> = all.collect();
    if all.iter().all(|path| is_plain(path.as_bytes())) {
        return Vec::new();
    }
    let text = |path: &ProjectPath| std::str::from_utf8(path.as_bytes()).ok().map(folded);
    let (mut seen, mut suspects) = (HashMap::new(), Vec::new());
    for path in &all {
        let Some(folded) = text(path) else { continue };
        if let Some(other) = seen.insert(folded, *path) {
            suspects.push((other, *path));
        }
    }
    for (folded, path) in &seen {
        let above = folded.match_indices('/').filter_map(|(slash, _)| seen.get(&folded[..slash]));
        suspects.extend(above.map(|above| (*above, *path)));
    }
    // As it is in every file system.
    suspects.retain(|(first, second)| !second.is_within(first));
    suspects.sort();
    suspects
}

const HINT: &str = "rename one of them where both can be, or check out into a file system that tells them apart";

fn refused(path: &[u8], (first, second): (&[u8], &[u8])) -> Error {
    let directory = if path.is_empty() { "the project".to_owned() } else { format!("`{}`", escape(path)) };
    Error::failed(format!(
        "{directory} holds both `{}` and `{}`, which are one name to the file system here",
        escape(first),
        escape(second)
    ))
    .with_hint(HINT)
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
        if is_plain(name) {
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

fn is_plain(name: &[u8]) -> bool {
    name.iter().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
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
    fn paths_that_some_file_system_takes_for_one_are_found() {
        let cases: [(&[&str], usize); 5] = [
            (&["raw.csv", "data/raw.csv", "data2"], 0),
            (&["raw.csv", "Raw.csv", "data/Raw.csv"], 1),
            (&["Data/x", "data/X"], 1),
            (&["Data/x", "data/y"], 0),
            (&["DATA", "data/x/y", "data2"], 1),
        ];

        for (paths, count) in cases {
            let paths: Vec<ProjectPath> = paths.iter().map(|path| ProjectPath::new(path).unwrap()).collect();
            assert_eq!(suspected_paths(paths.iter()).len(), count, "{paths:?}");
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
