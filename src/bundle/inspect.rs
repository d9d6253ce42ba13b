//! What a bundle holds, for people and programs.

use std::path::Path;

use serde::Serialize;

use super::{Bundle, Description, Layer};
use crate::{Digest, Result};

/// What a bundle holds.
#[derive(Debug, Serialize)]
pub struct Inspection<'a> {
    pub file: &'a Path,
    /// The manifest's digest: the bundle's name everywhere.
    pub manifest: Digest,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of the weights among its layers.
    pub weights_bytes: u64,
    #[serde(flatten)]
    pub description: &'a Description,
    pub layers: &'a [Layer],
}

impl Bundle {
    /// What the bundle holds.
    pub fn inspect(&self) -> Result<Inspection<'_>> {
        Ok(Inspection {
            file: self.path(),
            manifest: self.digest(),
            size: self.file_bytes()?,
            weights_bytes: Layer::weights(self.layers()),
            description: self.description(),
            layers: self.layers(),
        })
    }
}
