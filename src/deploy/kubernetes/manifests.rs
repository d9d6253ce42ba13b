//! Manifests for those who apply them themselves: a file for each object.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::objects::{KINDS, TARGET, file_name};
use crate::executor::kubernetes::pod::MANAGER;
use crate::fs::{create_dir_all, quote, sync_dir, write_atomic};
use crate::{Digest, Result};

/// No manifest of ours is larger.
const LARGEST: u64 = 4 << 20;

/// Manifests that were thought through.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifests {
    pub release: Digest,
    pub model: String,
    pub version: u64,
    /// The image that they name, which the registry has unless it was only planned.
    pub image: String,
    pub sent: bool,
    /// What the Service of the target is called.
    #[serde(skip)]
    pub name: String,
    /// By the kind of the object.
    #[serde(skip)]
    pub objects: Vec<(&'static str, Value)>,
}

/// What became of a directory for manifests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Written {
    pub files: Vec<PathBuf>,
    /// Files of the same target that were written earlier, for objects that it has no more.
    pub removed: Vec<PathBuf>,
}

impl Manifests {
    /// Writes each object into a file of its own. A file that was written there for this target before goes where there is no
    /// such object any more: whoever applies the directory would go on applying it.
    pub fn write(&self, directory: &Path) -> Result<Written> {
        let mut written = Written { files: Vec::new(), removed: Vec::new() };
        create_dir_all(directory)?;
        for (kind, object) in &self.objects {
            let file = directory.join(file_name(&self.name, kind));
            let mut text = serde_json::to_string_pretty(object).context("cannot write a manifest")?;
            text.push('\n');
            write_atomic(&file, text.as_bytes(), directory)?;
            written.files.push(file);
        }
        for kind in KINDS.iter().filter(|kind| self.objects.iter().all(|(other, _)| other != *kind)) {
            let file = directory.join(file_name(&self.name, kind));
            if self.is_ours(&file) {
                std::fs::remove_file(&file).with_context(|| format!("cannot remove `{}`", quote(&file)))?;
                written.removed.push(file);
            }
        }
        sync_dir(directory)?;
        Ok(written)
    }

    /// Whether a file holds an object that mlx wrote for this target.
    fn is_ours(&self, file: &Path) -> bool {
        let mut bytes = Vec::new();
        let read = File::open(file).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
        let object: Value = read.ok().and_then(|_| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let labels = &object["metadata"]["labels"];
        labels[MANAGER.0] == MANAGER.1 && labels[TARGET] == self.name.as_str()
    }
}
