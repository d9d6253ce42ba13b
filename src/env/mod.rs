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
mod python;
mod requirements;
mod serving;
mod shelf;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use child::{for_each_line, run as run_child};
pub use container::{Image, Launch, Launcher, Shared};
pub use installed::{Installed, Origin, installed};
pub use interpreter::{Interpreter, Interpreters, find_program};
pub use library::Library;
pub use pin::{Pinned, pin};
pub use serving::interpreter;
pub use shelf::{Kept, Removed, kept, remove};

use crate::event::Watch;
use crate::fs::{FileLock, quote};
use crate::project::manifest::{EnvironmentSource, Requirements};
use crate::project::{Project, ProjectPath};
use crate::store::Store;
use crate::{Digest, Error, Result};
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

/// An environment that steps can run in, as long as this is there: nobody removes it meanwhile.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// For the record of the run.
    pub record: Environment,
    /// What a step's program gets besides the variables of mlx's own environment.
    pub variables: Vec<(String, OsString)>,
    /// The directories that hold installed packages, the first one first.
    pub site_packages: Vec<PathBuf>,
    /// How programs are started in it, where it is a container and they are started here.
    pub launcher: Option<Launcher>,
    /// The image, where it is a container and programs are started elsewhere.
    pub image: Option<Image>,
    held: Option<Arc<FileLock>>,
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

    /// Makes the environment where it is not there yet, and tells what steps need to run in it. The list of its packages
    /// becomes an object of the store.
    pub fn prepare(&self, store: &Store, watch: Watch<'_>) -> Result<Prepared> {
        let mut variables = vec![
            // A step writes into a pipe; without this Python would keep its output back until the end.
            ("PYTHONUNBUFFERED".to_owned(), OsString::from("1")),
        ];
        let mut launcher = None;
        let held = match &self.source {
            Source::Own(_) => None,
            Source::Python(python) => {
                let uv = find_program("uv", &self.path);
                let held = python.hold(uv.as_deref(), watch)?;
                variables.push(("VIRTUAL_ENV".into(), python.place.directory.clone().into_os_string()));
                Some(held)
            }
            Source::Conda(conda) => {
                let held = conda.hold(&self.path, watch)?;
                variables.push(("CONDA_PREFIX".into(), conda.place.directory.clone().into_os_string()));
                Some(held)
            }
            Source::Container(container) => {
                launcher = Some(container.prepare(watch)?);
                None
            }
        };
        if let Some(place) = self.place() {
            variables.push(("PATH".into(), self.path_through(&place.directory)?));
            let own = place.mark().map(|mark| mark.variables).unwrap_or_default();
            variables.extend(own.into_iter().map(|(name, value)| (name, value.into())));
            place.note_use(&self.root);
        }
        let mut record = self.record();
        let keep = |text: &str| -> Result<Digest> {
            let digest = Digest::of(text);
            if !store.contains(&digest) {
                store.put_bytes(text.as_bytes())?;
            }
            Ok(digest)
        };
        if record.python.is_some() || self.kind() == Some(Kind::Conda) {
            record.packages = Some(keep(&self.packages())?);
        }
        if let Some(place) = self.place() {
            record.lock = Some(keep(&place.lock_text())?);
        }
        Ok(Prepared {
            record,
            variables,
            site_packages: self.site_packages(),
            launcher,
            image: None,
            held: held.map(Arc::new),
        })
    }

    /// As [`Declared::prepare`], for programs that are started on another machine: that one fetches the image of a
    /// container, and has to have what runs it.
    pub fn prepare_elsewhere(&self, store: &Store, watch: Watch<'_>) -> Result<Prepared> {
        let Source::Container(container) = &self.source else { return self.prepare(store, watch) };
        Ok(Prepared {
            record: self.record(),
            variables: vec![("PYTHONUNBUFFERED".to_owned(), OsString::from("1"))],
            site_packages: Vec::new(),
            launcher: None,
            image: Some(container.as_image()),
            held: None,
        })
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

    /// Lets the program that takes the place of this one (`exec`) hold the environment until it ends.
    pub fn survive_exec(&self) -> Result<()> {
        self.held.as_ref().map_or(Ok(()), |held| held.survive_exec())
    }
}
