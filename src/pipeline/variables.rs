//! What a step's program finds: its variables, besides those of mlx's own environment, and its directory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::Value;

use super::params;
use crate::env::Prepared;
use crate::fs::quote;
use crate::project::Project;
use crate::project::manifest::Step;
use crate::{Error, Result};

/// Those of the environment, those that the step names, and its parameters.
pub fn of_step(step: &Step, values: &BTreeMap<String, Value>, prepared: &Prepared) -> Vec<(String, OsString)> {
    let mut variables = prepared.variables.clone();
    variables.extend(step.variables.iter().map(|(name, value)| (name.clone(), value.into())));
    let of_param = |(name, value): (&String, &Value)| (params::variable(name), params::text_of(value).into());
    variables.extend(values.iter().map(of_param));
    variables
}

/// Where the program works.
pub fn directory(project: &Project, step: &Step) -> Result<PathBuf> {
    let root = project.root();
    let Some(dir) = &step.dir else { return Ok(root.to_path_buf()) };
    let refused = |how: String| Error::usage(format!("step `{}` works in `{dir}`, {how} ({})", step.name, step.place));
    match dir.below(root).canonicalize() {
        Ok(found) if !found.starts_with(root) => Err(refused(format!("which leads to `{}`", quote(&found)))
            .with_hint("name a directory that lies in the project itself")),
        Ok(found) if found.is_dir() => Ok(found),
        Ok(_) => Err(refused("which is no directory".into()).with_hint("correct `dir`")),
        Err(error) => Err(refused(format!("which can't be entered: {error}")).with_hint("make it, or correct `dir`")),
    }
}
