//! Checking all of a bundle: every blob against its digest, every file against the description.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::refusal::FOREIGN;
use super::{BadBundle, BadSignature, Bundle, PublicKey};
use crate::event::{Event, Unit, Watch};
use crate::fs::quote;
use crate::{Digest, Error, Result};

/// What checking a bundle found.
#[derive(Debug, Serialize)]
pub struct Verification {
    pub file: PathBuf,
    /// The manifest's digest; `None` where no manifest could be read.
    pub manifest: Option<Digest>,
    /// Bytes of the file.
    pub file_bytes: u64,
    pub blobs: u64,
    pub files: u64,
    /// Bytes of the blobs.
    pub bytes: u64,
    /// Whether somebody signed it.
    pub is_signed: bool,
    /// The key that the signature was checked with; `None` where it was not checked.
    pub key: Option<Digest>,
    /// Whether another program made it, so that it may be sound and is no bundle.
    pub is_foreign: bool,
    /// Whether nothing of it is damaged, missing or out of place, whoever signed it.
    pub is_sound: bool,
    /// Why the holder of the key did not sign it; `None` where that is so, and where nobody asked.
    pub signature_problem: Option<String>,
    /// What is wrong, one sentence each; empty for a sound bundle that is signed as it was asked for.
    pub problems: Vec<String>,
}

/// Checks the bundle in this file, and whether the holder of `key` signed it where there is one. A bundle that is refused,
/// damaged or not signed with that key is no error, but has problems.
pub fn verify(path: &Path, key: Option<&PublicKey>, watch: Watch<'_>) -> Result<Verification> {
    let mut result = Verification {
        file: path.into(),
        manifest: None,
        file_bytes: 0,
        blobs: 0,
        files: 0,
        bytes: 0,
        is_signed: false,
        key: key.map(PublicKey::id),
        is_foreign: false,
        is_sound: false,
        signature_problem: None,
        problems: Vec::new(),
    };
    let Some(bundle) = result.note(Bundle::open(path))? else { return Ok(result) };
    result.manifest = Some(bundle.digest());
    result.file_bytes = bundle.file_bytes()?;
    result.is_signed = bundle.signature().is_some();
    result.read(&bundle, watch)?;
    result.is_sound = result.problems.is_empty();
    if let Some(key) = key {
        match bundle.check_signature(key) {
            Ok(()) => {}
            Err(error) => match error.downcast_ref::<BadSignature>().map(ToString::to_string) {
                Some(problem) => {
                    result.problems.push(problem.clone());
                    result.signature_problem = Some(problem);
                }
                None => return Err(error),
            },
        }
    }
    Ok(result)
}

/// Reads all of a bundle that is open; the first thing that is wrong is the error.
pub(super) fn check_contents(bundle: &Bundle, watch: Watch<'_>) -> Result<()> {
    read_all(bundle, watch, &mut |read| read.map(Some)).map(drop)
}

/// What was read of a bundle.
#[derive(Debug, Default)]
struct Read {
    blobs: u64,
    files: u64,
    bytes: u64,
}

/// Reads each blob and each file against its digest; `note` decides whether what is wrong is the end of it.
fn read_all(
    bundle: &Bundle,
    watch: Watch<'_>,
    note: &mut dyn FnMut(Result<u64>) -> Result<Option<u64>>,
) -> Result<Read> {
    let mut read = Read::default();
    let id = format!("verify {}", bundle.digest());
    let total = Some(bundle.layers().iter().map(|layer| layer.size).sum());
    watch.events.emit(Event::Started { id: id.clone(), what: "checking".into(), total, unit: Unit::Bytes });
    for (name, digest) in bundle.blobs() {
        watch.interrupt.check()?;
        read.bytes += note(bundle.check_blob(&digest, &name))?.unwrap_or(0);
        read.blobs += 1;
        watch.events.emit(Event::Progress { id: id.clone(), done: read.bytes });
    }
    // A weight file is its blob, which has been read.
    let layers = bundle.layers().iter();
    let whole: HashSet<(&str, Digest)> = layers.map(|layer| (layer.path.as_str(), layer.digest)).collect();
    for (index, file) in bundle.description().files.iter().enumerate() {
        watch.interrupt.check()?;
        if !whole.contains(&(file.path.as_str(), file.digest)) {
            note(bundle.copy_file(index, &mut std::io::sink()).map(|()| file.size))?;
        }
        read.files += 1;
    }
    watch.events.emit(Event::Finished { id });
    Ok(read)
}

impl Verification {
    /// Says no to a bundle that is damaged, and to one that the holder of the key did not sign.
    pub fn verdict(&self) -> Result<()> {
        let file = quote(&self.file);
        if self.is_foreign {
            return Err(Error::check(format!("`{file}` is no bundle that `mlx package` made")).with_hint(FOREIGN));
        }
        if !self.is_sound {
            return Err(Error::check(format!("`{file}` is no sound bundle"))
                .with_hint("do not use it; fetch it again, or make it again with `mlx package`"));
        }
        match (&self.signature_problem, self.is_signed) {
            (None, _) => Ok(()),
            (Some(_), false) => Err(Error::check(format!("`{file}` is sound, but has no signature"))
                .with_hint("sign it with `mlx bundle sign`, or take one that the holder of the key signed")),
            (Some(_), true) => {
                Err(Error::check(format!("`{file}` is sound, but the holder of the key did not sign it"))
                    .with_hint("name the key of who signed it, or take a bundle that the holder of this one signed"))
            }
        }
    }

    fn read(&mut self, bundle: &Bundle, watch: Watch<'_>) -> Result<()> {
        let Read { blobs, files, bytes } = read_all(bundle, watch, &mut |read| self.note(read))?;
        (self.blobs, self.files, self.bytes) = (blobs, files, bytes);
        Ok(())
    }

    /// Keeps a refusal as a problem; other errors stay errors.
    fn note<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => match error.downcast_ref::<BadBundle>() {
                Some(problem) => {
                    self.is_foreign |= problem.is_foreign();
                    self.problems.push(problem.to_string());
                    Ok(None)
                }
                None => Err(error),
            },
        }
    }
}
