//! The environment of a model that is served away from its project: the packages that its training had, in a directory of
//! the cache.

use std::path::{Path, PathBuf};

use super::{Declared, Environment, Interpreters, kept, library, python};
use crate::error::ErrorContext;
use crate::event::Watch;
use crate::fs;
use crate::project::manifest::DEFAULT_ENVIRONMENT;
use crate::project::{MANIFEST, Project};
use crate::store::Store;
use crate::{Digest, Error, Result};

/// The interpreter that has these packages (`name==version` lines), made where it is not there yet: the environment that the
/// model was trained in, where this machine has it as it was, else one of its own.
pub fn interpreter(
    trained_in: Option<&Environment>,
    packages: Option<&str>,
    cache: &Path,
    host: &Interpreters,
    watch: Watch<'_>,
) -> Result<PathBuf> {
    let version = trained_in.and_then(|environment| environment.python_version.as_deref());
    let Some(packages) = packages else {
        // A machine that serves for the first time has none, and programs are asked from there.
        fs::create_dir_all(cache)?;
        return match host.find(None, cache, cache)? {
            Some(interpreter) => Ok(interpreter.executable),
            None => Err(Error::failed("the model is a Python program, and there is no Python on PATH")
                .with_hint("install Python 3.8 or newer, for example with `apt install python3 python3-venv`")),
        };
    };
    if let Some(digest) = trained_in.and_then(|environment| environment.digest) {
        let directory = kept::all(cache).join(digest.hex());
        if kept::mark(&directory).is_some() && library::package_lines(&library::site_packages(&directory)) == packages {
            return Ok(python::executable(&directory));
        }
    }
    let minor = version.map(|version| version.split('.').take(2).collect::<Vec<_>>().join("."));
    let project = project_of(packages, minor.as_deref(), cache)?;
    let prepared =
        Declared::of(&project, DEFAULT_ENVIRONMENT, cache, host, None)?.prepare(&Store::of(&project)?, watch)?;
    let python = prepared.record.python.map(PathBuf::from);
    python.ok_or_else(|| Error::failed("the environment of the model has no interpreter"))
}

/// A project that declares these packages and nothing else; environments are made for projects.
fn project_of(packages: &str, python: Option<&str>, cache: &Path) -> Result<Project> {
    let name = Digest::of(format!("{python:?}\n{packages}"));
    let root = cache.join("serving").join(name.hex());
    fs::create_dir_all(&root)?;
    // The installer itself is there already, and may be another one.
    let wanted: Vec<&str> = packages.lines().filter(|line| !line.starts_with("pip==")).collect();
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+!".contains(&byte));
    // The list comes with a bundle, and an installer would take a line for an option.
    let is_package = |line: &&&str| {
        line.split_once("==")
            .is_some_and(|(name, version)| is_plain(name) && is_plain(version) && !name.starts_with('-'))
    };
    if let Some(line) = wanted.iter().find(|line| !is_package(line)) {
        let shown = fs::escape(line.as_bytes());
        return Err(Error::failed(format!("the bundle lists `{shown}`, which is no package with a version")));
    }
    let requirements: String = wanted.iter().flat_map(|line| [line, "\n"]).collect();
    let python =
        python.filter(|python| is_plain(python)).map(|python| format!("python = \"{python}\", ")).unwrap_or_default();
    let manifest = format!("[env]\npython = {{ {python}requirements = \"requirements.txt\" }}\n");
    fs::write_atomic(&root.join("requirements.txt"), requirements.as_bytes(), &root)?;
    fs::write_atomic(&root.join(MANIFEST), manifest.as_bytes(), &root)?;
    Project::open(&root).context("cannot use the list of packages in the bundle")
}
