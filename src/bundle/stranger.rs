//! What lies among the code of an unpacked bundle and did not come with it: Python would run it, and take what is called as a
//! compiled file for the code itself.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::description::{DESCRIPTION_FILE, Description, Serve};
use super::signature::SIGNATURE_FILE;

/// Where the code of a bundle lies, from which Python imports.
pub const CODE: &str = "code";
/// What a bundle says about itself, which its description does not name.
pub const OWN: [&str; 2] = [DESCRIPTION_FILE, SIGNATURE_FILE];

/// The directories from which Python imports, relative to that of the bundle.
pub fn code_directories(description: &Description) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from(CODE)];
    // Bundles of other programs may have the class elsewhere.
    if let Some(Serve::Python(class)) = &description.serve
        && let Some(parent) = Path::new(&class.file).parent()
        && !parent.starts_with(CODE)
    {
        found.push(parent.to_path_buf());
    }
    found
}

/// A file among the code of the bundle that was unpacked into `directory` which it did not bring. Its path is relative to
/// `directory`.
pub fn stranger(directory: &Path, description: &Description) -> io::Result<Option<PathBuf>> {
    among(directory, &code_directories(description), description.files.iter().map(|file| file.path.as_str()))
}

/// As [`stranger`], for the directories `code` and a bundle with these `files`.
pub(super) fn among<'a>(
    directory: &Path,
    code: &[PathBuf],
    files: impl Iterator<Item = &'a str>,
) -> io::Result<Option<PathBuf>> {
    let known: HashSet<&Path> = files.chain(OWN).map(Path::new).collect();
    for code in code.iter().map(|code| directory.join(code)).filter(|code| code.symlink_metadata().is_ok()) {
        for entry in WalkDir::new(&code).min_depth(1) {
            let entry = entry?;
            let path = entry.path().strip_prefix(directory).unwrap_or(entry.path());
            if !entry.file_type().is_dir() && !known.contains(path) {
                return Ok(Some(path.to_path_buf()));
            }
        }
    }
    Ok(None)
}
