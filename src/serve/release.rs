//! A release: an unpacked bundle whose model is loaded and answers as it did when it was packaged.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::bundle::{
    self, Bundle, Cache, DESCRIPTION_FILE, Damaged, Description, Files, PACKAGES, PublicKey, Serve, Smoke, Using,
};
use crate::env::{self, Interpreters, Serving};
use crate::error::ErrorContext;
use crate::event::{EventSink, Interrupt, Watch};
use crate::fs::quote;
use crate::predictor::python::{Launch, Limits, Python};
use crate::predictor::{Capacity, InferRequest, Predictor, Signature, matches, onnx};
use crate::{Digest, Error, Result};

/// Above this size a model is loaded once and given all threads, else once for each processor.
const LARGE_MODEL_BYTES: u64 = 64 << 20;

/// A model that is ready to answer, and where it comes from.
pub struct Release {
    pub description: Description,
    /// The digest of the bundle's manifest; `None` where the directory is not named by it.
    pub bundle: Option<Digest>,
    /// The model's signature, with the names of columns that packaging learned.
    pub signature: Signature,
    pub predictor: Box<dyn Predictor>,
    pub capacity: Capacity,
    /// Its files, where they lie in the cache.
    _using: Option<Using>,
    /// The environment of a model in Python, where it lies in the cache.
    _environment: Option<Serving>,
}

/// What the user wants of [`Capacity`]; the rest is decided by the machine and the model.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    pub workers: Option<NonZeroUsize>,
    pub threads: Option<NonZeroUsize>,
    /// What a process of a model in Python may take.
    pub limits: Limits,
}

/// The machine that a release is opened on.
pub struct Host {
    /// A directory that the user's projects share, for bundles that are unpacked and environments.
    pub cache: PathBuf,
    pub interpreters: Interpreters,
    pub events: Arc<dyn EventSink>,
    pub interrupt: Interrupt,
    /// Variables of the environment that a model must not see.
    pub hidden: Vec<String>,
    /// Each of their holders must have signed a release.
    pub keys: Vec<PublicKey>,
}

impl Release {
    /// Opens the release in this directory: checks every file against its digest, loads the model on the runtime that the
    /// bundle brings for this platform, and asks it the recorded rows.
    pub fn open(directory: &Path, wanted: Wanted, host: &Host) -> Result<Self> {
        Self::load(directory, wanted, host).with_context(|| format!("cannot serve `{}`", quote(directory)))
    }

    /// Opens the bundle in this file, unpacked into the user's cache, once.
    pub fn of_bundle(path: &Path, wanted: Wanted, host: &Host) -> Result<Self> {
        let watch = Watch { events: &*host.events, interrupt: &host.interrupt };
        let (bundle, cache) = (Bundle::open(path)?, Cache::of_user(&host.cache));
        let using = cache.using(&bundle.digest())?;
        let open = || Self::open(&cache.unpack(&bundle, watch)?, wanted, host);
        let opened = match open() {
            Err(error) if error.downcast_ref::<Damaged>().is_some() => {
                watch.events.warn(format!("{error}; it is unpacked again"));
                cache.forget(&bundle.digest(), watch)?;
                open()
            }
            opened => opened,
        };
        opened.map(|release| release.in_use(using))
    }

    /// The same, which keeps its files from being taken away as long as it is there.
    pub fn in_use(self, using: Using) -> Self {
        Self { _using: Some(using), ..self }
    }

    fn load(directory: &Path, wanted: Wanted, host: &Host) -> Result<Self> {
        let given = directory;
        let directory = given.canonicalize().with_context(|| format!("cannot enter `{}`", quote(given)))?;
        let path = directory.join(DESCRIPTION_FILE);
        let bytes = crate::fs::read_optional(&path)?.ok_or_else(|| {
            Error::usage(format!("there is no {DESCRIPTION_FILE} in it"))
                .with_hint("name a bundle that `mlx package` wrote, or a directory it was unpacked into")
        })?;
        let description = Description::parse(&bytes)?;
        host.keys.iter().try_for_each(|key| bundle::check_directory(&directory, &description, &bytes, key))?;
        let files = Files::new(&directory, &description);
        let mut environment = None;
        let (predictor, capacity) = match &description.serve {
            Some(Serve::Onnx(model)) => {
                let model = directory.join(model);
                let library = library(&directory, &description)?;
                let capacity = wanted.for_model(model.metadata().map_or(0, |metadata| metadata.len()));
                // What is loaded runs, so that it is checked first; all else is checked while that happens.
                files.check_file(&library)?;
                let (checked, loaded) = rayon::join(|| files.check(), || onnx::load(&library));
                checked.and(loaded)?;
                (onnx::open(&library, &model, capacity)?, capacity)
            }
            Some(Serve::Python(class)) => {
                let weights = description.files.iter().filter(|file| Path::new(&file.path).starts_with(&class.path));
                let capacity = wanted.for_model(weights.map(|file| file.size).sum());
                files.check()?;
                let serving = serving(&directory, &description, host)?;
                let (interpreter, file) = (serving.interpreter.clone(), directory.join(&class.file));
                let launch = Launch {
                    name: description.model.name.clone(),
                    interpreter,
                    file,
                    class: class.class.clone(),
                    model: directory.join(&class.path),
                    processes: capacity.workers,
                    threads: capacity.threads,
                    limits: wanted.limits,
                    hidden: host.hidden.clone(),
                    is_hindered: false,
                    intact: Box::new(move || files.check()),
                    events: host.events.clone(),
                    interrupt: host.interrupt.clone(),
                };
                let python = Python::open(launch, description.signature.clone())?;
                environment = Some(serving);
                (Box::new(python) as Box<dyn Predictor>, capacity)
            }
            None => {
                return Err(Error::usage("the bundle says no way to serve its model").with_hint(
                    "give the model `serve = { onnx = \"…\" }` or `{ python = \"…\" }` in mlx.toml and package it again",
                ));
            }
        };
        // A link may have the name, as in an image.
        let named = |path: &Path| Digest::from_hex(path.file_name()?.to_str()?).ok();
        let bundle = named(&directory).or_else(|| named(given));
        let release = Self { _environment: environment, ..Self::new(description, bundle, predictor, capacity) };
        release.ask_smoke()?;
        Ok(release)
    }

    /// A release with this predictor, as yet unasked.
    pub fn new(
        description: Description,
        bundle: Option<Digest>,
        predictor: Box<dyn Predictor>,
        capacity: Capacity,
    ) -> Self {
        let mut signature = predictor.signature().clone();
        let described = description.signature.iter().flat_map(|described| &described.inputs);
        for known in described {
            if let Some(input) = signature.inputs.iter_mut().find(|input| input.name == known.name) {
                input.columns.clone_from(&known.columns);
            }
        }
        Self { description, bundle, signature, predictor, capacity, _using: None, _environment: None }
    }

    /// Asks the recorded rows and compares the answers with those that were recorded.
    pub fn ask_smoke(&self) -> Result<()> {
        let Some(Smoke { request, response, tolerance }) = &self.description.smoke else { return Ok(()) };
        let wrong =
            |what: &str| Error::check(format!("the model does not answer as it did when it was packaged: {what}"));
        let request: InferRequest = serde_json::from_value(request.clone())
            .map_err(|error| Error::failed(format!("the recorded request can't be read: {error}")))?;
        let answer = self.predictor.infer(&request).map_err(|error| wrong(&error.to_string()))?;
        let answer = serde_json::to_value(answer).context("cannot write the answer")?;
        matches(response, &answer, *tolerance).map_err(|difference| wrong(&difference))?;
        self.predictor.warm(&request)
    }
}

impl Wanted {
    /// For a single request.
    pub fn single() -> Self {
        Self { workers: Some(NonZeroUsize::MIN), ..Self::default() }
    }

    fn for_model(self, bytes: u64) -> Capacity {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let is_large = bytes > LARGE_MODEL_BYTES;
        let workers = self.workers.map_or(if is_large { 1 } else { processors.min(4) }, usize::from);
        let threads = self.threads.map_or(if is_large { processors.div_ceil(workers) } else { 1 }, usize::from);
        Capacity { workers, threads }
    }
}

/// The environment that the class runs in: the packages that its training had.
fn serving(directory: &Path, description: &Description, host: &Host) -> Result<Serving> {
    let watch = Watch { events: &*host.events, interrupt: &host.interrupt };
    let packages = match description.file(PACKAGES) {
        Some(_) => crate::fs::read_optional(&directory.join(PACKAGES))?,
        None => None,
    };
    let packages = packages.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let trained_in = description.lineage.environment.as_ref();
    env::serving(trained_in, packages.as_deref(), &host.cache, &host.interpreters, watch)
        .context("cannot make the environment of the model")
}

/// The ONNX Runtime that the bundle brings for this machine.
fn library(directory: &Path, description: &Description) -> Result<PathBuf> {
    let platform = format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
    let mut runtimes = description.runtimes.iter().filter(|runtime| runtime.name == "onnxruntime");
    match runtimes.clone().find(|runtime| runtime.platform == platform) {
        Some(runtime) => Ok(directory.join(&runtime.path)),
        None => {
            let others: Vec<&str> = runtimes.by_ref().map(|runtime| runtime.platform.as_str()).collect();
            let others =
                if others.is_empty() { "none at all".into() } else { format!("those of {}", others.join(", ")) };
            Err(Error::failed(format!("the bundle brings no ONNX Runtime for {platform}, but {others}")).with_hint(
                "require `onnxruntime` in the project's environment, and package the model on such a machine",
            ))
        }
    }
}
