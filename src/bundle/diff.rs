//! What differs between two bundles.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::{Bundle, Description, Layer};
use crate::predictor::Tensor;
use crate::{Digest, Result};

/// What differs from one bundle to another.
#[derive(Debug, Serialize)]
pub struct Difference<'a> {
    pub before: Side<'a>,
    pub after: Side<'a>,
    pub layers: Vec<Change<Content>>,
    pub files: Vec<Change<Content>>,
    /// What the model takes and gives: `input x`, `output y`.
    pub signature: Vec<Change<Tensor>>,
    pub metrics: Vec<Change<f64>>,
    pub params: Vec<Change<Value>>,
    /// Data and code that the models were made from.
    pub data: Vec<Change<Digest>>,
    /// Bytes of the layers that both have, and of those that the second alone has: what a registry with the first lacks.
    pub shared_bytes: u64,
    pub new_bytes: u64,
}

/// One of the two.
#[derive(Debug, Serialize)]
pub struct Side<'a> {
    pub file: &'a Path,
    pub manifest: Digest,
    pub model: &'a str,
    pub version: u64,
    /// Bytes of its file.
    pub size: u64,
    /// Bytes of its layers.
    pub bytes: u64,
    pub is_signed: bool,
}

/// Something that differs; `None` where one side does not have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change<T> {
    pub name: String,
    pub before: Option<T>,
    pub after: Option<T>,
}

/// A layer or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Content {
    pub digest: Digest,
    pub size: u64,
}

impl Difference<'_> {
    /// Whether both are the same bundle.
    pub fn is_empty(&self) -> bool {
        self.before.manifest == self.after.manifest
    }
}

/// Compares what two bundles say of themselves.
pub fn diff<'a>(before: &'a Bundle, after: &'a Bundle) -> Result<Difference<'a>> {
    let layers = |bundle: &Bundle| {
        named(
            bundle
                .layers()
                .iter()
                .map(|Layer { path, digest, size, .. }| (path.clone(), Content { digest: *digest, size: *size })),
        )
    };
    let files = |description: &Description| {
        named(
            description.files.iter().map(|file| (file.path.clone(), Content { digest: file.digest, size: file.size })),
        )
    };
    let data = |description: &Description| {
        named(description.lineage.data.iter().map(|source| (source.path.to_string(), source.object.digest)))
    };
    let (one, other) = (before.description(), after.description());
    let known: HashSet<Digest> = before.layers().iter().map(|layer| layer.digest).collect();
    let (mut seen, mut shared_bytes, mut new_bytes) = (HashSet::new(), 0, 0);
    for Layer { digest, size, .. } in after.layers().iter().filter(|layer| seen.insert(layer.digest)) {
        *(if known.contains(digest) { &mut shared_bytes } else { &mut new_bytes }) += size;
    }
    Ok(Difference {
        before: side(before)?,
        after: side(after)?,
        layers: changes(&layers(before), &layers(after)),
        files: changes(&files(one), &files(other)),
        signature: changes(&tensors(one), &tensors(other)),
        metrics: changes(&one.lineage.metrics, &other.lineage.metrics),
        params: changes(&one.lineage.params, &other.lineage.params),
        data: changes(&data(one), &data(other)),
        shared_bytes,
        new_bytes,
    })
}

fn side(bundle: &Bundle) -> Result<Side<'_>> {
    let description = bundle.description();
    Ok(Side {
        file: bundle.path(),
        manifest: bundle.digest(),
        model: &description.model.name,
        version: description.model.version,
        size: bundle.file_bytes()?,
        bytes: bundle.layers().iter().map(|layer| layer.size).sum(),
        is_signed: bundle.signature().is_some(),
    })
}

fn tensors(description: &Description) -> BTreeMap<String, Tensor> {
    let Some(signature) = &description.signature else { return BTreeMap::new() };
    let inputs = signature.inputs.iter().map(|tensor| (format!("input {}", tensor.name), tensor.clone()));
    let outputs = signature.outputs.iter().map(|tensor| (format!("output {}", tensor.name), tensor.clone()));
    named(inputs.chain(outputs))
}

fn named<T>(pairs: impl Iterator<Item = (String, T)>) -> BTreeMap<String, T> {
    pairs.collect()
}

/// The names whose values differ, sorted.
fn changes<T: Clone + PartialEq>(before: &BTreeMap<String, T>, after: &BTreeMap<String, T>) -> Vec<Change<T>> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let change = |name: &String| Change {
        name: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    };
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).map(change).collect()
}
