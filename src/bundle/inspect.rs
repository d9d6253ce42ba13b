//! What a bundle holds, for people and programs.

use std::path::Path;

use serde::Serialize;

use super::{Bundle, Description, Layer};
use crate::Digest;

/// What a bundle holds.
#[derive(Debug, Serialize)]
pub struct Inspection<'a> {
    pub file: &'a Path,
    /// The manifest's digest: the bundle's name everywhere.
    pub manifest: Digest,
    #[serde(flatten)]
    pub description: &'a Description,
    pub layers: &'a [Layer],
}

impl Bundle {
    /// What the bundle holds.
    pub fn inspect(&self) -> Inspection<'_> {
        Inspection {
            file: self.path(),
            manifest: self.digest(),
            description: self.description(),
            layers: self.layers(),
        }
    }
}
