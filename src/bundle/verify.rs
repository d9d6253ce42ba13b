//! Checking all of a bundle: every blob against its digest, every file against the description.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{BadBundle, BadSignature, Bundle, PublicKey};
use crate::event::{Event, Unit, Watch};
use crate::{Digest, Error, Result};

/// What checking a bundle found.
#[derive(Debug, Serialize)]
pub struct Verification {
    pub file: PathBuf,
    /// The manifest's digest; `None` where no manifest could be read.
    pub manifest: Option<Digest>,
    pub blobs: u64,
    pub files: u64,
    pub bytes: u64,
    /// Whether somebody signed it.
    pub is_signed: bool,
    /// The key that the signature was checked with; `None` where it was not checked.
    pub key: Option<Digest>,
    /// What is wrong, one sentence each; empty for a sound bundle.
    pub problems: Vec<String>,
}

/// Checks the bundle in this file, and whether the holder of `key` signed it where there is one. A bundle that is refused,
/// damaged or not signed with that key is no error, but has problems.
pub fn verify(path: &Path, key: Option<&PublicKey>, watch: Watch<'_>) -> Result<Verification> {
    let mut result = Verification {
        file: path.into(),
        manifest: None,
        blobs: 0,
        files: 0,
        bytes: 0,
        is_signed: false,
        key: key.map(PublicKey::id),
        problems: Vec::new(),
    };
    let Some(bundle) = result.note(Bundle::open(path))? else { return Ok(result) };
    result.manifest = Some(bundle.digest());
    result.is_signed = bundle.signature().is_some();
    if let Some(key) = key {
        let checked = bundle.check_signature(key);
        result.note(checked)?;
    }
    let id = format!("verify {}", bundle.digest());
    let total = Some(bundle.layers().iter().map(|layer| layer.size).sum());
    watch.events.emit(Event::Started { id: id.clone(), what: "checking".into(), total, unit: Unit::Bytes });
    for (name, digest) in bundle.blobs() {
        watch.interrupt.check()?;
        let checked = bundle.check_blob(&digest, &name);
        result.bytes += result.note(checked)?.unwrap_or(0);
        result.blobs += 1;
        watch.events.emit(Event::Progress { id: id.clone(), done: result.bytes });
    }
    // A weight file is its blob, which has been read.
    let layers = bundle.layers().iter();
    let whole: HashSet<(&str, Digest)> = layers.map(|layer| (layer.path.as_str(), layer.digest)).collect();
    for (index, file) in bundle.description().files.iter().enumerate() {
        watch.interrupt.check()?;
        if !whole.contains(&(file.path.as_str(), file.digest)) {
            let checked = bundle.copy_file(index, &mut std::io::sink());
            result.note(checked)?;
        }
        result.files += 1;
    }
    watch.events.emit(Event::Finished { id });
    Ok(result)
}

impl Verification {
    /// Whether the bundle is sound.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Keeps a refusal as a problem; other errors stay errors.
    fn note<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        let problem = |error: &Error| {
            let unsound = error.downcast_ref::<BadBundle>().map(ToString::to_string);
            unsound.or_else(|| error.downcast_ref::<BadSignature>().map(ToString::to_string))
        };
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => match problem(&error) {
                Some(problem) => {
                    self.problems.push(problem);
                    Ok(None)
                }
                None => Err(error),
            },
        }
    }
}
