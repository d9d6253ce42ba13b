//! What a step's program finds: its variables, besides those of mlx's own environment, and its directory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::Value;

use super::params;
use crate::env::Prepared;
use crate::event::EventSink;
use crate::fs::quote;
use crate::project::Project;
use crate::project::manifest::Step;
use crate::{Error, Result};

/// `MAX_ARG_STRLEN` of Linux is 128 KiB, for the name, too.
const LONGEST: usize = 120 * 1024;

/// Those of the environment, those that the step names, and its parameters.
pub fn of_step(step: &Step, values: &BTreeMap<String, Value>, prepared: &Prepared) -> Vec<(String, OsString)> {
    let mut variables = prepared.variables.clone();
    variables.extend(step.variables.iter().map(|(name, value)| (name.clone(), value.into())));
    let fitting = values.iter().filter(|(_, value)| fits(value));
    variables.extend(fitting.map(|(name, value)| (params::variable(name), params::text_of(value).into())));
    variables
}

/// Tells which parameters are none of the program's variables.
pub fn tell_unfit(step: &Step, values: &BTreeMap<String, Value>, events: &dyn EventSink) {
    let unfit: Vec<String> =
        values.iter().filter(|(_, value)| !fits(value)).map(|(name, _)| format!("`{name}`")).collect();
    if !unfit.is_empty() {
        let (names, step) = (unfit.join(" and "), &step.name);
        let verbs = if unfit.len() == 1 { ("fits", "it") } else { ("fit", "them") };
        events.warn(format!(
            "step `{step}`: {names} {} into no environment variable; the program finds {} in the file that MLX_PARAMS names",
            verbs.0, verbs.1
        ));
    }
}

/// Whether the kernel takes the value for a variable.
fn fits(value: &Value) -> bool {
    let text = params::text_of(value);
    text.len() < LONGEST && !text.contains('\0')
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
