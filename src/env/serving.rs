//! The environment of a model that is served away from its project: the packages that its training had, in a directory of
//! the cache.

use std::path::{Path, PathBuf};

use super::{Declared, Environment, Interpreters, Prepared, kept, library, python};
use crate::error::ErrorContext;
use crate::event::Watch;
use crate::fs::{self, FileLock};
use crate::project::manifest::DEFAULT_ENVIRONMENT;
use crate::project::{MANIFEST, Project};
use crate::store::Store;
use crate::{Digest, Error, Result};

/// The directory of the projects that stand for lists of packages, in the cache.
const PROJECTS: &str = "serving";

/// An interpreter with the packages of a model. Its environment is not taken away as long as this is there.
#[derive(Debug)]
pub struct Serving {
    pub interpreter: PathBuf,
    /// The environment that training had, where it is here.
    _trained_in: Option<FileLock>,
    /// One of its own. Neither is there where the interpreter is the user's.
    _own: Option<Prepared>,
}

/// The interpreter that has these packages (`name==version` lines), made where it is not there yet: the environment that the
/// model was trained in, where this machine has it as it was, else one of its own.
pub fn serving(
    trained_in: Option<&Environment>,
    packages: Option<&str>,
    cache: &Path,
    host: &Interpreters,
    watch: Watch<'_>,
) -> Result<Serving> {
    let version = trained_in.and_then(|environment| environment.python_version.as_deref());
    let Some(packages) = packages else {
        // A machine that serves for the first time has none, and programs are asked from there.
        fs::create_dir_all(cache)?;
        return match host.find(None, cache, cache)? {
            Some(interpreter) => Ok(Serving { interpreter: interpreter.executable, _trained_in: None, _own: None }),
            None => Err(Error::failed("the model is a Python program, and there is no Python on PATH")
                .with_hint("install Python 3.8 or newer, for example with `apt install python3 python3-venv`")),
        };
    };
    if let Some(digest) = trained_in.and_then(|environment| environment.digest) {
        let directory = kept::all(cache).join(digest.hex());
        // Held first and looked at then, so that it can't go between the two; one that is being made is none yet.
        let held = if directory.exists() { FileLock::try_shared(&kept::lock_path(&directory))? } else { None };
        if let Some(held) = held
            && kept::mark(&directory).is_some()
            && library::package_lines(&library::site_packages(&directory)) == packages
        {
            kept::note_use(&directory, &cache.join(PROJECTS));
            let interpreter = python::executable(&directory);
            return Ok(Serving { interpreter, _trained_in: Some(held), _own: None });
        }
    }
    let minor = version.map(|version| version.split('.').take(2).collect::<Vec<_>>().join("."));
    let project = project_of(packages, minor.as_deref(), cache)?;
    let prepared =
        Declared::of(&project, DEFAULT_ENVIRONMENT, cache, host, None)?.prepare(&Store::of(&project)?, watch)?;
    let interpreter = prepared.record.python.clone().map(PathBuf::from);
    let interpreter = interpreter.ok_or_else(|| Error::failed("the environment of the model has no interpreter"))?;
    Ok(Serving { interpreter, _trained_in: None, _own: Some(prepared) })
}

/// A project that declares these packages and nothing else; environments are made for projects.
fn project_of(packages: &str, python: Option<&str>, cache: &Path) -> Result<Project> {
    let name = Digest::of(format!("{python:?}\n{packages}"));
    let root = cache.join(PROJECTS).join(name.hex());
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
