//! The ONNX Runtime library of this process.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::fs::quote;
use crate::{Digest, Error, Result};

/// The library that was loaded; it stays until the process ends.
struct Loaded {
    path: PathBuf,
    environment: Environment,
}

static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

/// Loads the library in this file, once. The same library in another place will do.
pub fn load(library: &Path) -> Result<Environment> {
    let cannot = || format!("cannot load the ONNX Runtime library `{}`", quote(library));
    let path = library.canonicalize().with_context(cannot)?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = &*loaded {
        return match loaded.path == path || is_same(&loaded.path, &path)? {
            true => Ok(loaded.environment.clone()),
            false => Err(Error::failed(format!(
                "cannot use two ONNX Runtime libraries in one process: `{}` is loaded, and `{}` is another",
                quote(&loaded.path),
                quote(&path)
            ))),
        };
    }
    let builder = ort::init_from(&path).map_err(|error| unusable(&path, &error))?;
    let environment = builder.with_name("mlx").with_telemetry(false).build().with_context(cannot)?;
    // What it would say on stderr comes back as an error, too.
    environment.set_log_level(LogLevel::Fatal);
    *loaded = Some(Loaded { path, environment: environment.clone() });
    Ok(environment)
}

fn is_same(a: &Path, b: &Path) -> Result<bool> {
    let size = |path: &Path| path.metadata().ok().map(|metadata| metadata.len());
    Ok(size(a) == size(b) && Digest::of(crate::fs::read(a)?) == Digest::of(crate::fs::read(b)?))
}

fn unusable(path: &Path, error: &LoadDynamicError) -> Error {
    let cannot = format!("cannot load the ONNX Runtime library `{}`", quote(path));
    match error {
        LoadDynamicError::Dlopen { error, .. } => Error::failed(error.source().map_or_else(|| error.to_string(), ToString::to_string)).context(cannot).with_hint(
            "it must be built for this system; the Python package `onnxruntime` has one as `onnxruntime/capi/libonnxruntime.so.*`",
        ),
        LoadDynamicError::BadVersion { version_str, .. } => {
            let needed = ort::MINOR_VERSION;
            Error::failed(format!("it has version {version_str}, and 1.{needed} or newer is needed"))
                .context(cannot)
                .with_hint(format!("require `onnxruntime>=1.{needed}` in the project's environment, and package again"))
        }
        LoadDynamicError::MissingApi { .. } | LoadDynamicError::InvalidVersionString => {
            Error::failed("it is another library").context(cannot)
        }
    }
}
