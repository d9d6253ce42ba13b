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

/// The directories of the packages that are installed in the environment with this prefix.
pub fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    let libraries = std::fs::read_dir(prefix.join("lib")).into_iter().flatten();
    let paths = libraries.filter_map(|entry| Some(entry.ok()?.path().join("site-packages")));
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    paths.sort();
    // Conda makes `python3.1` a link to `python3.11` or so.
    paths.dedup_by_key(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
    paths
}

/// An installed Python package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// In the one form that all spellings have in common: [`normal_name`].
    pub name: String,
    pub version: String,
    /// The program that installed it, as it says itself: `pip`, `uv`, `conda`.
    pub installer: Option<String>,
}

/// The installed packages, sorted, from the names of their `*.dist-info` directories.
pub fn packages(site_packages: &[PathBuf]) -> Vec<Package> {
    let entries = site_packages.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten();
    let mut packages: Vec<Package> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let stem = name.as_bytes().strip_suffix(b".dist-info")?;
            let dash = stem.iter().rposition(|byte| *byte == b'-')?;
            let (name, version) = (normal_name(&escape(&stem[..dash])), escape(&stem[dash + 1..]));
            let installer = std::fs::read_to_string(entry.path().join("INSTALLER")).ok();
            Some(Package { name, version, installer: installer.map(|installer| installer.trim().to_owned()) })
        })
        .collect();
    packages.sort();
    packages.dedup_by(|a, b| (&a.name, &a.version) == (&b.name, &b.version));
    packages
}

/// The installed packages as `name==version` lines.
pub fn package_lines(site_packages: &[PathBuf]) -> String {
    packages(site_packages).iter().map(|package| format!("{}=={}\n", package.name, package.version)).collect()
}

/// The name of a package in lower case and with single dashes, by which the spellings of one name are equal: `Foo__bar.x`
/// is `foo-bar-x` (PEP 503).
pub fn normal_name(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
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

        let lines = package_lines(&[dir.path().into(), dir.path().join("none")]);
        assert_eq!(lines, "pyyaml==6.0\nscikit-learn==1.5.0\n");
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
