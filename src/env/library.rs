//! What is installed in an environment, read from its directories without starting a process.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::fs::{escape, quote};
use crate::{Error, Result};

/// A shared library of an installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    pub path: PathBuf,
    /// Such as `1.20.1`.
    pub version: String,
}

impl Library {
    /// The ONNX Runtime library in this file, whose name says its version: `libonnxruntime.so.1.20.1`, or a link to it.
    pub fn at(path: &Path) -> Result<Self> {
        let path = path.canonicalize().with_context(|| format!("cannot read `{}`", quote(path)))?;
        match library_version(&path).filter(|_| path.is_file()) {
            Some(version) => Ok(Self { path, version }),
            None => Err(Error::usage(format!("`{}` is no ONNX Runtime library by its name", quote(&path)))
                .with_hint("name a file such as `libonnxruntime.so.1.20.1`")),
        }
    }
}

/// The installed packages as sorted `name==version` lines, from the names of their `*.dist-info` directories.
pub fn packages(site_packages: &[PathBuf]) -> String {
    let entries = site_packages.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten();
    let mut lines: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let stem = name.as_bytes().strip_suffix(b".dist-info")?;
            let dash = stem.iter().rposition(|byte| *byte == b'-')?;
            let (name, version) = (&stem[..dash], &stem[dash + 1..]);
            // Upper case and underscores are how the directory is written; the name is the same without them.
            let name = escape(name).to_ascii_lowercase().replace('_', "-");
            Some(format!("{name}=={}\n", escape(version)))
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines.concat()
}

/// The ONNX Runtime library that the Python package `onnxruntime` (or one of its variants) brings.
pub fn onnxruntime(site_packages: &[PathBuf]) -> Option<Library> {
    site_packages.iter().find_map(|directory| library_in(&directory.join("onnxruntime/capi")))
}

fn library_in(directory: &Path) -> Option<Library> {
    let mut found: Vec<Library> = std::fs::read_dir(directory)
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = library_version(&path)?;
            Some(Library { path, version })
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.pop()
}

/// The version in the name of a library; `libonnxruntime.so.1` would be a link to the whole version.
fn library_version(path: &Path) -> Option<String> {
    let version = path.file_name()?.to_str()?.strip_prefix("libonnxruntime.so.")?;
    let is_version =
        version.split('.').count() == 3 && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_version.then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_the_names_of_their_directories() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["scikit_learn-1.5.0.dist-info", "PyYAML-6.0.dist-info", "yaml", "six.py"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }

        assert_eq!(packages(&[dir.path().into(), dir.path().join("none")]), "pyyaml==6.0\nscikit-learn==1.5.0\n");
    }

    #[test]
    fn the_onnx_runtime_is_the_file_with_its_whole_version() {
        let dir = tempfile::tempdir().unwrap();
        let capi = dir.path().join("onnxruntime/capi");
        std::fs::create_dir_all(&capi).unwrap();
        for name in ["libonnxruntime.so.1", "libonnxruntime.so.1.20.1", "libonnxruntime_providers_shared.so"] {
            std::fs::write(capi.join(name), "").unwrap();
        }

        let library = onnxruntime(&[dir.path().into()]).unwrap();

        assert_eq!(library, Library { path: capi.join("libonnxruntime.so.1.20.1"), version: "1.20.1".into() });
        assert_eq!(onnxruntime(&[capi]), None);
    }
}
