//! Writing the values of a trial to where the project keeps its parameters.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::TrialResult;
use crate::fs::{self, FileLock, escape};
use crate::project::assign::{Syntax, assign};
use crate::project::params::flatten;
use crate::project::{MANIFEST, Project, ProjectPath, overlay};
use crate::{Error, Result};

/// What was written, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct Applied {
    pub sweep: String,
    pub trial: u64,
    pub changes: Vec<Change>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub name: String,
    /// The file that holds it.
    pub file: String,
    pub before: Value,
    pub after: Value,
}

/// A file with the values that are to be written to it.
struct Edit {
    path: ProjectPath,
    syntax: Syntax,
    /// Before the names of parameters in this file.
    prefix: &'static str,
    text: String,
}

/// Writes the trial's parameters, each to the file that holds it, and nothing else. With `dry_run`, only says what it would.
///
/// # Errors
/// A `Usage` error, before anything is written, where a file is written in a way that this can't follow.
pub fn apply(project: &Project, sweep: &str, trial: &TrialResult, dry_run: bool) -> Result<Applied> {
    let _alone = FileLock::exclusive(&project.state("locks/manifest"), "mlx", |_| {})?;
    let mut edits = files(project)?;
    let mut changes = Vec::new();
    let mut changed = vec![false; edits.len()];
    for (name, value) in &trial.params {
        let shown = escape(name.as_bytes());
        let holder = edits.iter_mut().enumerate().find_map(|(place, edit)| Some((place, edit.value(name)?, edit)));
        let Some((place, before, edit)) = holder else {
            return Err(Error::usage(format!("the parameter `{shown}` is in no file of the project any more"))
                .with_hint(format!("trial {} tried the value {value}", trial.number)));
        };
        if before == *value {
            continue;
        }
        let full = format!("{}{name}", edit.prefix);
        edit.text = assign(&edit.text, edit.syntax, &full, value).ok_or_else(|| {
            Error::usage(format!("cannot tell where `{shown}` stands in {}", edit.path))
                .with_hint(format!("write it there yourself: `{shown}` is {value}"))
        })?;
        changed[place] = true;
        changes.push(Change { name: name.clone(), file: edit.path.to_string(), before, after: value.clone() });
    }
    if !dry_run {
        for (edit, _) in edits.iter().zip(&changed).filter(|(_, changed)| **changed) {
            fs::write_atomic(&project.resolve(&edit.path)?, edit.text.as_bytes(), &project.scratch())?;
        }
    }
    Ok(Applied { sweep: sweep.to_owned(), trial: trial.number, changes })
}

/// The files that hold parameters.
fn files(project: &Project) -> Result<Vec<Edit>> {
    let manifest = ProjectPath::new(MANIFEST).map(|path| (path, "params.", Some(Syntax::Toml)));
    let others = project.manifest.params.files.iter().map(|path| {
        let ending = path.as_path().extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        (path.clone(), "", Syntax::of(ending))
    });
    let mut edits = Vec::new();
    for (path, prefix, syntax) in manifest.into_iter().chain(others) {
        let Some(syntax) = syntax else { continue };
        // A run may have other values in the file meanwhile.
        let Some(bytes) = overlay::read(project, &path)? else { continue };
        let text = String::from_utf8(bytes).map_err(|_| Error::usage(format!("`{path}`: the text is not UTF-8")))?;
        edits.push(Edit { path, syntax, prefix, text });
    }
    Ok(edits)
}

impl Edit {
    /// The value of a parameter in this file.
    fn value(&self, name: &str) -> Option<Value> {
        let mut values = Vec::new();
        flatten("", &self.syntax.parse(&self.text)?, &mut values);
        let mut all: BTreeMap<String, Value> = values.into_iter().collect();
        all.remove(&format!("{}{name}", self.prefix))
    }
}
