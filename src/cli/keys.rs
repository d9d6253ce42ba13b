//! Keys that are named on the command line: those that sign, and those that tell who signed.

use std::path::Path;

use super::Context;
use crate::bundle::{PrivateKey, PublicKey};
use crate::error::ErrorContext as _;
use crate::fs::quote;
use crate::{Error, Result};

/// The private key in this file.
pub fn private(cx: &Context, file: Option<&Path>) -> Result<Option<PrivateKey>> {
    let Some(file) = file else { return Ok(None) };
    let key = read(cx, file).and_then(|pem| PrivateKey::parse(&pem));
    key.map(Some).with_context(|| format!("cannot sign with `{}`", quote(file)))
}

/// The public key in this file.
pub fn public(cx: &Context, file: Option<&Path>) -> Result<Option<PublicKey>> {
    let Some(file) = file else { return Ok(None) };
    let key = read(cx, file).and_then(|pem| PublicKey::parse(&pem));
    key.map(Some).with_context(|| format!("cannot use `{}` as a key", quote(file)))
}

/// The file may be a pipe, so that a key that is kept encrypted need not be saved without its password.
fn read(cx: &Context, file: &Path) -> Result<Vec<u8>> {
    crate::fs::read_stream(&cx.file(file))?.ok_or_else(|| Error::usage("there is no such file"))
}
