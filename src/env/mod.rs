//! Environments: what the steps run in, made once for each content that is declared.
//!
//! A declared environment is a virtual environment in the user's cache, named by the digest of its requirements, its
//! interpreter's version and the platform. Where nothing is declared, steps run in what the user's `PATH` has, and the
//! run says what that was.

mod build;
mod child;
mod interpreter;
mod library;
mod memory;
mod requirements;
mod serving;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use interpreter::{Interpreter, Interpreters, find_program};
pub use library::Library;
pub use serving::interpreter;

use crate::digest::Hasher;
use crate::event::Watch;
use crate::fs::quote;
use crate::project::Project;
use crate::store::Store;
use crate::{Digest, Error, Result};
use requirements::Requirements;

/// What the steps ran in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The digest of what was declared (requirements, interpreter, platform), which is part of each step key; `None`
    /// where nothing is declared and the user's own interpreter served.
    pub digest: Option<Digest>,
    /// The interpreter's path; `None` where there is no Python.
    pub python: Option<String>,
    /// Such as `3.11.7`.
    pub python_version: Option<String>,
    /// The installed packages as `name==version` lines; an object of the store.
    pub packages: Option<Digest>,
}

/// The environment that a project declares, or the lack of one, before anything is made.
#[derive(Debug, Clone)]
pub struct Declared {
    /// `PATH` as the user has it.
    path: OsString,
    interpreter: Option<Interpreter>,
    python: Option<Python>,
}

/// A virtual environment to be made.
#[derive(Debug, Clone)]
struct Python {
    digest: Digest,
    requirements: Requirements,
    /// Where it lies, or will.
    directory: PathBuf,
    /// Where the installer runs: relative paths in requirements count from here.
    root: PathBuf,
}

/// An environment that steps can run in.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// For the record of the run.
    pub record: Environment,
    /// What a step's program gets besides the variables of mlx's own environment.
    pub variables: Vec<(String, OsString)>,
    /// The directories that hold installed packages, the first one first.
    pub site_packages: Vec<PathBuf>,
}

impl Declared {
    /// What the project declares. `cache` is the directory that the user's projects share; where an interpreter has been
    /// asked for its version before and has not changed since, this starts no process.
    pub fn of(project: &Project, cache: &Path, host: &Interpreters) -> Result<Self> {
        let declared = project.manifest.python.as_ref();
        let wanted = declared.and_then(|python| python.python.as_deref());
        let interpreter = host.find(wanted, project.root(), cache)?;
        let Some(declared) = declared else {
            return Ok(Self { path: host.path.clone(), interpreter, python: None });
        };
        let interpreter = interpreter.ok_or_else(|| {
            Error::failed("the project declares a Python environment, and there is no Python on PATH")
                .with_hint("install Python 3.8 or newer, for example with `apt install python3 python3-venv`")
        })?;
        let requirements = Requirements::read(&declared.requirements, project)?;
        let digest = digest(&interpreter, &requirements);
        // What is installed from a path of this machine must not be shared with another copy of the project.
        let name = match requirements.is_tied_to_place() {
            true => Digest::of(format!("{digest} {}", quote(project.root()))),
            false => digest,
        };
        let directory = cache.join("envs").join(name.hex());
        let python = Python { digest, requirements, directory, root: project.root().to_path_buf() };
        Ok(Self { path: host.path.clone(), interpreter: Some(interpreter), python: Some(python) })
    }

    /// The digest that is part of each step key; `None` where no environment is declared.
    pub fn digest(&self) -> Option<Digest> {
        self.python.as_ref().map(|python| python.digest)
    }

    /// Whether [`Declared::prepare`] has nothing to make.
    pub fn is_ready(&self) -> bool {
        self.python.as_ref().is_none_or(|python| build::is_ready(&python.directory))
    }

    /// The interpreter that steps run with, or that the environment is made with; `None` where there is no Python.
    pub fn interpreter(&self) -> Option<&Interpreter> {
        self.interpreter.as_ref()
    }

    /// The ONNX Runtime library of the environment as it is now; `None` where it has none or is not made yet.
    pub fn onnxruntime(&self) -> Option<Library> {
        library::onnxruntime(&self.site_packages())
    }

    fn site_packages(&self) -> Vec<PathBuf> {
        match (&self.python, &self.interpreter) {
            (Some(python), _) => build::site_packages(&python.directory),
            (None, Some(interpreter)) => interpreter.site_packages.clone(),
            (None, None) => Vec::new(),
        }
    }

    /// The record of the environment without its packages, for a run in which nothing needs it.
    pub fn record(&self) -> Environment {
        let python = match &self.python {
            Some(python) => Some(build::executable(&python.directory)),
            None => self.interpreter.as_ref().map(|interpreter| interpreter.executable.clone()),
        };
        Environment {
            digest: self.digest(),
            python: python.map(quote),
            python_version: self.interpreter.as_ref().map(|interpreter| interpreter.version.clone()),
            packages: None,
        }
    }

    /// Makes the environment where it is not there yet, and tells what steps need to run in it. The list of its packages
    /// becomes an object of the store.
    pub fn prepare(&self, store: &Store, watch: Watch<'_>) -> Result<Prepared> {
        let mut variables = vec![
            // A step writes into a pipe; without this Python would keep its output back until the end.
            ("PYTHONUNBUFFERED".to_owned(), OsString::from("1")),
        ];
        if let (Some(python), Some(interpreter)) = (&self.python, &self.interpreter) {
            let uv = find_program("uv", &self.path);
            build::make(python, interpreter, uv.as_deref(), watch)?;
            variables.push(("PATH".into(), self.path_through(&python.directory)?));
            variables.push(("VIRTUAL_ENV".into(), python.directory.clone().into_os_string()));
        }
        let site_packages = self.site_packages();
        let mut record = self.record();
        if record.python.is_some() {
            let packages = library::packages(&site_packages);
            let digest = Digest::of(&packages);
            if !store.contains(&digest) {
                store.put_bytes(packages.as_bytes())?;
            }
            record.packages = Some(digest);
        }
        Ok(Prepared { record, variables, site_packages })
    }

    /// `PATH` with the programs of the environment first.
    fn path_through(&self, environment: &Path) -> Result<OsString> {
        let programs = environment.join("bin");
        let paths = std::iter::once(programs).chain(std::env::split_paths(&self.path));
        std::env::join_paths(paths).map_err(|_| {
            Error::failed(format!("the cache directory `{}` has a colon in its name", quote(environment)))
                .with_hint("choose another one with MLX_CACHE_DIR")
        })
    }
}

impl Prepared {
    /// The ONNX Runtime library of the environment, where its package is installed.
    pub fn onnxruntime(&self) -> Option<Library> {
        library::onnxruntime(&self.site_packages)
    }
}

/// Everything that decides what gets installed, and nothing else: no path, no time.
fn digest(interpreter: &Interpreter, requirements: &Requirements) -> Digest {
    let mut hasher = Hasher::new();
    let head = format!("mlx environment 1\n{}\n{}\n", interpreter.version, interpreter.platform);
    hasher.update(head.as_bytes());
    hasher.update(requirements.canonical().as_bytes());
    hasher.finish().0
}
