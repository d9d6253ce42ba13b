//! What lets us into a target: settings of the manifest, with the secrets that it only points to.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::error::ErrorContext;
use crate::fs::{escape, quote};
use crate::project::manifest::{Secret, Setting, Target};
use crate::project::{Project, Variables};
use crate::{Error, Result};

/// No secret is longer.
const LONGEST: u64 = 64 << 10;

/// The settings of a target by key. Files and commands are asked now; what they say is shown nowhere.
pub fn auth(
    project: &Project,
    name: &str,
    target: &Target,
    variables: Variables<'_>,
) -> Result<BTreeMap<String, String>> {
    let mut settings = BTreeMap::new();
    for (key, setting) in &target.auth {
        let value = match setting {
            Setting::Text(text) => text.clone(),
            Setting::Secret(secret) => read(secret, project, variables)
                .with_context(|| format!("cannot learn the {key} of target `{name}` ({})", target.place))?,
        };
        settings.insert(key.clone(), value);
    }
    Ok(settings)
}

fn read(secret: &Secret, project: &Project, variables: Variables<'_>) -> Result<String> {
    let value = match secret {
        Secret::Env(variable) => {
            let shown = escape(variable.as_bytes());
            let value = variables(variable).filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| {
                Error::usage(format!("the variable `{shown}` is not set")).with_hint(format!("set {shown}"))
            })?;
            value.into_string().map_err(|_| Error::usage(format!("the variable `{shown}` is no text")))?
        }
        Secret::File(file) => {
            let home = variables("HOME").map(std::path::PathBuf::from);
            let path = match (file.strip_prefix("~/"), home) {
                (Some(below), Some(home)) => home.join(below),
                _ => project.root().join(file),
            };
            of_file(&path)?
        }
        Secret::Command(command) => of_command(command, project.root())?,
    };
    let value = value.trim_end_matches(['\r', '\n']);
    match value.is_empty() || value.contains(['\r', '\n']) {
        true => Err(Error::usage("it is empty, or more than one line")),
        false => Ok(value.to_owned()),
    }
}

fn of_file(path: &Path) -> Result<String> {
    let cannot = || format!("cannot read `{}`", quote(path));
    let file = std::fs::File::open(path).with_context(cannot)?;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).with_context(cannot)?;
    Ok(text)
}

fn of_command(command: &str, directory: &Path) -> Result<String> {
    let shown = escape(command.as_bytes());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(directory).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = shell.output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        return Err(Error::failed(format!("`{shown}` failed ({})", output.status)).with_hint("try it by itself"));
    }
    String::from_utf8(output.stdout).map_err(|_| Error::failed(format!("`{shown}` prints no text")))
}
