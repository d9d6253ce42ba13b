//! A manifest for a directory that has a pipeline, a project or requirements of another tool already: DVC, MLflow, pip,
//! conda, notebooks.
//!
//! What these say is said in `mlx.toml`, in the same words where mlx has them. What has no counterpart is named. Their own
//! files stay as they are and may be used on.

mod draft;
mod dvc;
mod environment;
mod mlproject;

use std::path::Path;

use super::Manifest;
use crate::Result;
use draft::Draft;

/// A manifest that was made of what there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopted {
    pub text: String,
    /// The files that it was made from, such as `dvc.yaml`.
    pub sources: Vec<String>,
    /// What of them is not in it, in words.
    pub left: Vec<String>,
    /// Data that another tool versions, by its path.
    pub data: Vec<String>,
}

/// Looks through a directory; `None` where it has nothing that says what a manifest says.
pub fn adopt(root: &Path, name: &str) -> Result<Option<Adopted>> {
    let mut draft = Draft::default();
    dvc::tracked(root, &mut draft)?;
    dvc::pipeline(root, &mut draft)?;
    if draft.steps.is_empty() {
        mlproject::project(root, &mut draft)?;
    }
    if draft.environment.is_none() {
        environment::find(root, &mut draft)?;
    }
    if draft.params.is_empty() && draft.values.is_empty() {
        draft.take_params(root, "params.yaml");
    }
    draft.suggest(root);
    if draft.sources.is_empty() {
        return Ok(None);
    }
    let text = draft.text(name);
    let Draft { sources, mut left, data, .. } = draft;
    // The user mends it sooner than a manifest that is not there.
    left.extend(Manifest::parse(text.as_bytes()).err().map(|error| format!("the manifest is not sound yet: {error}")));
    let data = data.into_iter().map(|data| data.path).collect();
    Ok(Some(Adopted { text, sources, left, data }))
}
