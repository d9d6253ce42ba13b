//! Signing a bundle that was made before: the same files with a signature beside them.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::assembly::{Documents, Part};
use super::content::{described, tar_of};
use super::signature::{self, PrivateKey, PublicKey, SIGNATURE_FILE, signed_files};
use super::{Bundle, Layer};
use super::{archive, oci};
use crate::error::ErrorContext;
use crate::event::Watch;
use crate::fs::{self, quote};
use crate::{Digest, Error, Result};

/// Where the signature comes from.
pub enum Signer<'a> {
    Key(&'a PrivateKey),
    /// A signature of the unpacked bundle that another program made, such as `model_signing`.
    Signature(Vec<u8>),
}

/// What signing did.
#[derive(Debug, Serialize)]
pub struct Signed {
    pub file: PathBuf,
    pub model: String,
    pub version: u64,
    /// The digest of the new manifest, which is the bundle's name.
    pub manifest: Digest,
    /// What it was before.
    pub before: Digest,
    /// The public key; `None` where another program signed.
    pub key: Option<Digest>,
    pub size: u64,
}

/// Writes the bundle to `file` with a signature, instead of the one it may have. `file` may be the bundle's own.
pub fn sign(bundle: &Bundle, signer: Signer<'_>, file: &Path, watch: Watch<'_>) -> Result<Signed> {
    let description = bundle.description();
    let files = signed_files(description, bundle.description_bytes());
    let key = match &signer {
        Signer::Key(key) => Some(key.public()),
        Signer::Signature(_) => None,
    };
    let signature = match signer {
        Signer::Key(key) => key.sign(&description.model.name, &files),
        Signer::Signature(signature) => {
            let matches = signature::matches(&signature, &files);
            ErrorContext::context(matches.map_err(Error::from), "the signature is not one of this bundle")?;
            signature
        }
    };
    let tar = tar_of(SIGNATURE_FILE, &signature)?;
    let kept: Vec<usize> =
        (0..bundle.layers().len()).filter(|at| bundle.layers()[*at].path != SIGNATURE_FILE).collect();
    let mut layers: Vec<_> = kept
        .iter()
        .map(|at| {
            let Layer { path, media_type, digest, size } = &bundle.layers()[*at];
            described(media_type, path, *digest, *size)
        })
        .collect();
    layers.push(described(oci::DOCUMENT, SIGNATURE_FILE, Digest::of(&tar), tar.len() as u64));
    let documents = Documents::new(description, &layers)?;
    archive::refuse_other(file)?;
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut size = 0;
    let copy = |layer: usize, out: &mut dyn Write| match kept.get(layer) {
        Some(layer) => bundle.copy_layer(*layer, out),
        None => Ok(out.write_all(&tar).context("cannot write the bundle")?),
    };
    fs::write_atomic_checked(file, parent, |out| {
        size = documents.write(&layers, Part::Whole, copy, out, watch)?;
        Ok(())
    })
    .with_context(|| format!("cannot sign `{}`", quote(bundle.path())))?;
    Ok(Signed {
        file: file.to_path_buf(),
        model: description.model.name.clone(),
        version: description.model.version,
        manifest: documents.digest,
        before: bundle.digest(),
        key: key.as_ref().map(PublicKey::id),
        size,
    })
}
