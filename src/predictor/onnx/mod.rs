//! ONNX models, run in this process by an ONNX Runtime library that is loaded when the first model is opened.

#[cfg(feature = "onnx")]
mod library;
#[cfg(feature = "onnx")]
mod session;
#[cfg(feature = "onnx")]
mod value;

use std::path::Path;

use super::Predictor;
use crate::Result;

/// How many requests a model answers at once, and how many threads work on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    pub workers: usize,
    pub threads: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { workers: 1, threads: 1 }
    }
}

/// Loads the ONNX Runtime library in this file, which may go on while the model is looked at.
#[cfg(feature = "onnx")]
pub fn load(library: &Path) -> Result<()> {
    library::load(library).map(drop)
}

/// [`open`] says that this program was built without ONNX.
#[cfg(not(feature = "onnx"))]
pub fn load(_library: &Path) -> Result<()> {
    Ok(())
}

/// Opens an ONNX model on the ONNX Runtime library in this file.
///
/// A process has one such library for as long as it lives: opening a model on another one is an error.
#[cfg(feature = "onnx")]
pub fn open(library: &Path, model: &Path, capacity: Capacity) -> Result<Box<dyn Predictor>> {
    let environment = library::load(library)?;
    Ok(Box::new(session::Onnx::open(&environment, model, capacity)?))
}

/// Says that this program was built without ONNX.
#[cfg(not(feature = "onnx"))]
pub fn open(_library: &Path, model: &Path, _capacity: Capacity) -> Result<Box<dyn Predictor>> {
    let model = crate::fs::quote(model);
    Err(crate::Error::failed(format!("cannot run `{model}`: this mlx was built without ONNX"))
        .with_hint("build it with `cargo install mlx --features onnx`"))
}
