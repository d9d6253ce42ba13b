//! Environments: what the steps run in, made once for each content that is declared.
//!
//! A declared environment is a virtual environment or a conda prefix in the user's cache, named by the digest of all that
//! decides what it holds, or a container whose image is known by its digest. Where nothing is declared, steps run in what
//! the user's `PATH` has, and the run says what that was.

mod child;
mod conda;
mod container;
mod installed;
mod interpreter;
mod kept;
mod library;
mod locked;
mod memory;
mod pin;
mod prepare;
mod python;
mod recipe;
mod requirements;
mod serving;
mod shelf;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use child::{for_each_line, run as run_child};
pub use container::{Image, Launch, Launcher, Shared};
pub use installed::{Installed, Origin, installed};
pub use interpreter::{Interpreter, Interpreters, find_program};
pub use library::Library;
pub use pin::{Pinned, pin};
pub use prepare::Prepared;
pub use recipe::{Recipe, RecipeKind, Workshop};
pub use serving::{Serving, serving};
pub use shelf::{Kept, Removed, kept, remove};

use crate::event::Watch;
use crate::fs::quote;
use crate::project::manifest::{EnvironmentSource, Requirements};
use crate::project::{Project, ProjectPath};
use crate::{Digest, Result};
use conda::Conda;
use container::Container;
use kept::Place;
use locked::LockFile;
use python::Python;

/// What the steps ran in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The digest of what was declared (requirements or lock, interpreter, platform, image), which is part of each step
    /// key; `None` where nothing is declared and the user's own interpreter served.
    pub digest: Option<Digest>,
    /// The interpreter's path; `None` where there is no Python.
    pub python: Option<String>,
    /// Such as `3.11.7`.
    pub python_version: Option<String>,
    /// The installed packages as `name==version` lines; an object of the store.
    pub packages: Option<Digest>,
    /// How it was made; `None` where nothing is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// What was really installed, with hashes as far as the installer knows them, in the form of a lock file; an object of
    /// the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Digest>,
    /// The image of a container with its digest: `python:3.12@sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Environment {
    /// The objects of the store that say what it holds.
    pub fn objects(&self) -> impl Iterator<Item = Digest> {
        self.packages.into_iter().chain(self.lock)
    }
}

/// How an environment is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Python,
    Conda,
    Container,
}

/// The files of the project that say what an environment of this name is made from, its lock file among them. What they
/// include is not followed, and none of them need be there.
pub fn files(source: &EnvironmentSource, name: &str) -> Result<Vec<ProjectPath>> {
    Ok(match source {
        EnvironmentSource::Python(python) => {
            let file = match &python.requirements {
                Requirements::File(file) => Some(file),
                Requirements::Lines(_) => None,
            };
            let lock = LockFile::path(python.lock.as_ref(), file, "requirements", name)?;
            file.cloned().into_iter().chain([lock]).collect()
        }
        EnvironmentSource::Conda(conda) => {
            vec![conda.file.clone(), LockFile::path(conda.lock.as_ref(), Some(&conda.file), "environment", name)?]
        }
        EnvironmentSource::Container(_) => Vec::new(),
    })
}

/// The environment that a project declares under a name, or the lack of one, before anything is made.
#[derive(Debug, Clone)]
pub struct Declared {
    /// `PATH` as the user has it.
    path: OsString,
    /// The project's directory.
    root: PathBuf,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// What the user's `PATH` has.
    Own(Option<Interpreter>),
    Python(Box<Python>),
    Conda(Box<Conda>),
    Container(Container),
}

impl Declared {
    /// What the project declares under this name. `cache` is the directory that the user's projects share. Where an
    /// interpreter has been asked for its version before and has not changed since, this starts no process, except to ask
    /// for the digest of an image's tag; an image that is not here is fetched where `watch` is given, and else an error.
    pub fn of(
        project: &Project,
        name: &str,
        cache: &Path,
        host: &Interpreters,
        watch: Option<Watch<'_>>,
    ) -> Result<Self> {
        let source = match project.manifest.environments.get(name) {
            None => Source::Own(host.find(None, project.root(), cache)?),
            Some(declared) => match &declared.source {
                EnvironmentSource::Python(python) => {
                    Source::Python(Box::new(Python::of(python, name, project, cache, host, false)?))
                }
                EnvironmentSource::Conda(conda) => {
                    Source::Conda(Box::new(Conda::of(conda, name, project, cache, host, false)?))
                }
                EnvironmentSource::Container(container) => {
                    Source::Container(Container::of(container, &declared.place, &host.path, watch)?)
                }
            },
        };
        Ok(Self { path: host.path.clone(), root: project.root().to_path_buf(), source })
    }

    /// The digest that is part of each step key; `None` where no environment is declared.
    pub fn digest(&self) -> Option<Digest> {
        match &self.source {
            Source::Own(_) => None,
            Source::Container(container) => Some(container.digest),
            Source::Python(_) | Source::Conda(_) => self.place().map(|place| place.digest),
        }
    }

    /// How it is made; `None` where nothing is declared.
    pub fn kind(&self) -> Option<Kind> {
        match &self.source {
            Source::Own(_) => None,
            Source::Python(_) => Some(Kind::Python),
            Source::Conda(_) => Some(Kind::Conda),
            Source::Container(_) => Some(Kind::Container),
        }
    }

    /// Where it lies in the cache, or will.
    fn place(&self) -> Option<&Place> {
        match &self.source {
            Source::Python(python) => Some(&python.place),
            Source::Conda(conda) => Some(&conda.place),
            Source::Own(_) | Source::Container(_) => None,
        }
    }

    /// The directory where it lies in the cache, or will; `None` where it lies elsewhere.
    pub fn directory(&self) -> Option<&Path> {
        self.place().map(|place| place.directory.as_path())
    }

    /// The lock file that decides what it holds, where there is one.
    pub fn lock_file(&self) -> Option<String> {
        let lock = match &self.source {
            Source::Python(python) => &python.lock,
            Source::Conda(conda) => &conda.lock,
            Source::Own(_) | Source::Container(_) => return None,
        };
        lock.lines.is_some().then(|| lock.path.to_string())
    }

    /// The image of a container with its digest.
    pub fn image(&self) -> Option<String> {
        match &self.source {
            Source::Container(container) => Some(container.resolved_image()),
            _ => None,
        }
    }

    /// What it is made from, in words.
    pub fn what(&self) -> String {
        match (&self.source, self.place()) {
            (Source::Container(container), _) => container.image.clone(),
            (_, Some(place)) => place.what.clone(),
            (_, None) => "nothing is declared; steps run in what PATH has".into(),
        }
    }

    /// Whether [`Declared::prepare`] has nothing to make.
    pub fn is_ready(&self) -> bool {
        match &self.source {
            Source::Container(container) => container.is_here(),
            _ => self.place().is_none_or(Place::is_ready),
        }
    }

    /// The interpreter that steps run with, or that the environment is made with; `None` where there is no Python, or where
    /// the environment brings its own.
    pub fn interpreter(&self) -> Option<&Interpreter> {
        match &self.source {
            Source::Own(interpreter) => interpreter.as_ref(),
            Source::Python(python) => Some(&python.interpreter),
            Source::Conda(_) | Source::Container(_) => None,
        }
    }

    /// The program that runs the container, where it is one and there is such a program.
    pub fn engine(&self) -> Option<&Path> {
        match &self.source {
            Source::Container(container) => container.engine(),
            _ => None,
        }
    }

    /// The ONNX Runtime library of the environment as it is now; `None` where it has none or is not made yet.
    pub fn onnxruntime(&self) -> Option<Library> {
        library::onnxruntime(&self.site_packages())
    }

    fn site_packages(&self) -> Vec<PathBuf> {
        match &self.source {
            Source::Own(interpreter) => {
                interpreter.as_ref().map(|interpreter| interpreter.site_packages.clone()).unwrap_or_default()
            }
            _ => self.place().map(Place::site_packages).unwrap_or_default(),
        }
    }

    /// The installed packages as `name==version` lines, as far as the environment is made.
    pub fn packages(&self) -> String {
        match &self.source {
            Source::Conda(conda) => conda::packages_of(&conda.place.lock_text()),
            _ => library::package_lines(&self.site_packages()),
        }
    }

    /// The record of the environment without its packages, for a run in which nothing needs it.
    pub fn record(&self) -> Environment {
        let python = match &self.source {
            Source::Own(interpreter) => interpreter.as_ref().map(|interpreter| interpreter.executable.clone()),
            Source::Python(python) => Some(python::executable(&python.place.directory)),
            Source::Conda(conda) => conda.python(),
            Source::Container(_) => None,
        };
        let version = match &self.source {
            Source::Conda(_) => {
                self.packages().lines().find_map(|line| line.strip_prefix("python==").map(str::to_owned))
            }
            _ => self.interpreter().map(|interpreter| interpreter.version.clone()),
        };
        Environment {
            digest: self.digest(),
            python: python.map(quote),
            python_version: version,
            packages: None,
            kind: self.kind(),
            lock: None,
            image: self.image(),
        }
    }
}
