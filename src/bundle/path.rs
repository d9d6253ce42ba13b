//! Paths in a bundle: relative, plain text, and the same file on every system.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use super::BadBundle;
use super::description::{DESCRIPTION_FILE, File};
use super::signature::SIGNATURE_FILE;

/// A path has at most this many bytes.
pub const LONGEST: usize = 1024;
/// A name between two slashes has at most this many bytes, as on most file systems.
const LONGEST_NAME: usize = 255;
/// Directories nest at most this deep.
const DEEPEST: usize = 32;

/// Whether this can be a path in a bundle; else why not.
pub fn check(path: &str) -> Result<(), &'static str> {
    let forbidden =
        |character: char| character.is_control() || matches!(character, '\\' | ':' | '\u{2028}' | '\u{2029}');
    if path.is_empty() {
        return Err("it is empty");
    }
    if path.starts_with('/') {
        return Err("it is absolute");
    }
    if path.len() > LONGEST {
        return Err("it is too long");
    }
    if path.split('/').count() > DEEPEST {
        return Err("it is nested too deep");
    }
    if path.contains(forbidden) {
        return Err("it holds a control character, a backslash or a colon");
    }
    for name in path.split('/') {
        match name {
            ".." => return Err("it leads upwards"),
            "" | "." => return Err("it is not in its shortest form"),
            name if name.len() > LONGEST_NAME => return Err("it has a name that is too long"),
            _ => {}
        }
    }
    Ok(())
}

/// Checks the paths of all files together: sorted, none twice, no two that are one on a file system that ignores case,
/// and none below another.
pub fn check_all(files: &[File]) -> Result<(), BadBundle> {
    let bad = |path: &str, why: &str| Err(BadBundle::new(format_args!("its file `{path}` is refused: {why}")));
    for File { path, .. } in files {
        if let Err(why) = check(path) {
            return bad(path, why);
        }
    }
    if let Some(pair) = files.windows(2).find(|pair| pair[0].path >= pair[1].path) {
        return bad(&pair[1].path, "the files are not sorted by path, or it stands twice");
    }
    let reserved = [DESCRIPTION_FILE, SIGNATURE_FILE];
    let mut seen = HashMap::from(reserved.map(|name| (name.to_owned(), name)));
    let mut directories = HashSet::new();
    for File { path, .. } in files {
        let folded = folded(path);
        directories.extend(folded.match_indices('/').map(|(slash, _)| folded[..slash].to_owned()));
        if let Some(other) = seen.insert(folded, path) {
            let place = match path.to_lowercase() == other.to_lowercase() {
                true => "case does not count",
                false => "accents are written in one way only",
            };
            return bad(path, &format!("where {place}, it is also `{other}`"));
        }
    }
    match files.iter().find(|file| directories.contains(&folded(&file.path))) {
        Some(file) => bad(&file.path, "it is a file and a directory"),
        None => match reserved.iter().find(|name| directories.contains(**name)) {
            Some(name) => bad(name, "it is a directory"),
            None => Ok(()),
        },
    }
}

/// The path as a file system has it that ignores case and the two ways to write an accent.
fn folded(path: &str) -> String {
    if path.is_ascii() { path.to_ascii_lowercase() } else { path.nfd().collect::<String>().to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    #[test]
    fn paths_that_could_surprise_are_refused() {
        let (long, deep) = ("n".repeat(256), "d/".repeat(40) + "f");
        let bad = ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/", "a\nb", "a\\b", "c:x", &long, &deep];
        for path in bad {
            assert!(check(path).is_err(), "{path:?}");
        }
        for path in ["model/größe 1.onnx", "a/..b", ".hidden"] {
            assert_eq!(check(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn files_that_would_meet_are_refused() {
        let all = |paths: &[&str]| {
            let file =
                |path: &&str| File { path: path.to_string(), digest: Digest::of(b""), size: 0, executable: false };
            check_all(&paths.iter().map(file).collect::<Vec<_>>())
        };
        let accents = ["cafe\u{301}", "caf\u{e9}"];
        let bad = [
            ["b", "a"],
            ["a", "a"],
            ["README", "readme"],
            ["a", "a/b"],
            ["A", "a/b"],
            ["MLX.bundle.json", "a"],
            accents,
        ];
        for paths in bad {
            assert!(all(&paths).is_err(), "{paths:?}");
        }
        assert!(all(&["mlx.bundle.json/x"]).is_err());
        assert_eq!(all(&["a-", "a/b", "a/c"]), Ok(()));
    }
}
