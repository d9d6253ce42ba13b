//! Environments made ready for steps: here, or as far as machines elsewhere need it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::{Declared, Environment, Image, Kind, Launcher, Library, Source, find_program, library};
use crate::digest::{Object, ObjectKind};
use crate::event::Watch;
use crate::fs::{FileLock, quote};
use crate::store::Store;
use crate::{Digest, Error, Result};

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
    /// The [`super::Recipe`], where it is made elsewhere; an object of the store.
    pub recipe: Option<Object>,
    held: Option<Arc<FileLock>>,
}

impl Declared {
    /// Makes the environment where it is not there yet, and tells what steps need to run in it. The list of its packages
    /// becomes an object of the store.
    pub fn prepare(&self, store: &Store, watch: Watch<'_>) -> Result<Prepared> {
        let mut prepared = Prepared::nothing(self.record());
        let variables = &mut prepared.variables;
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
                prepared.launcher = Some(container.prepare(watch)?);
                None
            }
        };
        if let Some(place) = self.place() {
            variables.push(("PATH".into(), self.path_through(&place.directory)?));
            let own = place.mark().map(|mark| mark.variables).unwrap_or_default();
            variables.extend(own.into_iter().map(|(name, value)| (name, value.into())));
            place.note_use(&self.root);
        }
        // Of conda packages, the version of Python is known only now.
        let mut record = self.record();
        if record.python.is_some() || self.kind() == Some(Kind::Conda) {
            record.packages = Some(keep(store, self.packages().as_bytes())?);
        }
        if let Some(place) = self.place() {
            record.lock = Some(keep(store, place.lock_text().as_bytes())?);
        }
        Ok(Prepared { record, site_packages: self.site_packages(), held: held.map(Arc::new), ..prepared })
    }

    /// As [`Declared::prepare`], for programs that are started on another machine: that one fetches the image of a
    /// container, and has to have what runs it.
    pub fn prepare_elsewhere(&self, store: &Store, watch: Watch<'_>) -> Result<Prepared> {
        let Source::Container(container) = &self.source else { return self.prepare(store, watch) };
        Ok(Prepared { image: Some(container.as_image()), ..Prepared::nothing(self.record()) })
    }

    /// As [`Declared::prepare_elsewhere`], for machines that see nothing of this one: they make the environment themselves, from
    /// what its lock file says. See [`Declared::recipe`] for what is refused.
    pub fn prepare_far(&self, store: &Store, watch: Watch<'_>) -> Result<Prepared> {
        let Some(recipe) = self.recipe()? else { return self.prepare_elsewhere(store, watch) };
        let text = serde_json::to_vec(&recipe).context("cannot write a recipe as JSON")?;
        let (digest, size) = (keep(store, &text)?, text.len() as u64);
        let known = self.record();
        let record = Environment {
            // Where it will lie, nobody knows here.
            python: None,
            packages: Some(keep(store, recipe.packages().as_bytes())?),
            lock: Some(keep(store, recipe.lock_text().as_bytes())?),
            python_version: known.python_version.clone().or_else(|| recipe.python_version()),
            ..known
        };
        let object = Object { kind: ObjectKind::File, digest, size, files: 1 };
        Ok(Prepared { recipe: Some(object), ..Prepared::nothing(record) })
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

/// Makes these bytes an object of the store.
fn keep(store: &Store, bytes: &[u8]) -> Result<Digest> {
    let digest = Digest::of(bytes);
    if !store.contains(&digest) {
        store.put_bytes(bytes)?;
    }
    Ok(digest)
}

impl Prepared {
    /// As for a step whose environment asks for nothing.
    fn nothing(record: Environment) -> Self {
        Self {
            record,
            // A step writes into a pipe; without this Python would keep its output back until the end.
            variables: vec![("PYTHONUNBUFFERED".to_owned(), OsString::from("1"))],
            site_packages: Vec::new(),
            launcher: None,
            image: None,
            recipe: None,
            held: None,
        }
    }

    /// The ONNX Runtime library of the environment, where its package is installed.
    pub fn onnxruntime(&self) -> Option<Library> {
        library::onnxruntime(&self.site_packages)
    }

    /// Lets the program that takes the place of this one (`exec`) hold the environment until it ends.
    pub fn survive_exec(&self) -> Result<()> {
        self.held.as_ref().map_or(Ok(()), |held| held.survive_exec())
    }
}
