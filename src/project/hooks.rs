//! The pre-push hook of a Git repository: a script that asks mlx about each project in it.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::Project;
use super::setup::repository;
use crate::fs::{self, quote};
use crate::{Error, Result};

const NAME: &str = "pre-push";
/// The beginning of a script that is ours to change.
const HEAD: &str = "#!/bin/sh
# Made by `mlx init --git-hooks`: says where data of the pushed commits is on no remote.
pushed=$(cat)
";

/// What the script says where nobody could look; the shell's `echo` takes what follows, too.
const UNKNOWN: &str = "echo >&2 mlx did not look whether data of these commits is on a remote";

/// What becomes of a push whose data is on no remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    Warn,
    Block,
}

/// What [`install`] found or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hook {
    /// The script.
    pub path: PathBuf,
    pub changed: bool,
}

/// Makes Git ask mlx before it pushes; `program` is a command of the shell. `core.hooksPath` is respected.
///
/// # Errors
/// A `Usage` error where the project lies in no Git repository, and where somebody else's hook is there already: that
/// stays as it is, and the hint says what to add to it.
pub fn install(project: &Project, program: &str, missing: Missing) -> Result<Hook> {
    let git = repository(project)?;
    let directory = directory(&git)?;
    let path = directory.join(NAME);
    let block = if missing == Missing::Block { " --block" } else { "" };
    let below = if git.prefix.as_os_str().is_empty() { Path::new(".") } else { &git.prefix };
    let place = format!("-C {} hook pre-push", shell_word(below)?);
    let ask = format!("printf '%s\\n' \"$pushed\" | {program} {place}{block} \"$@\"");
    let line = match missing {
        Missing::Block => format!("{ask} || exit $?\n"),
        // A warning that can't be given is no reason to stop a push.
        Missing::Warn => format!(
            "if command -v {program} >/dev/null 2>&1; then {ask} || {UNKNOWN}; else {UNKNOWN}, for there is no mlx on \
             the PATH; fi\n"
        ),
    };
    let before = match fs::read_optional(&path)? {
        None => HEAD.to_owned(),
        Some(bytes) => String::from_utf8(bytes).ok().filter(|text| text.starts_with(HEAD)).ok_or_else(|| {
            Error::usage(format!("there is a hook `{}` already, which mlx leaves alone", quote(&path)))
                .with_hint(format!("let it call `{program} {place}{block} \"$@\"` with what it gets on stdin"))
        })?,
    };
    // The line of this project may be there with another program or another choice.
    let mut after: String = before.split_inclusive('\n').filter(|other| !other.contains(&place)).collect();
    after.push_str(&line);
    if before == after && is_executable(&path) {
        return Ok(Hook { path, changed: false });
    }
    fs::create_dir_all(&directory)?;
    fs::write_atomic(&path, after.as_bytes(), &directory)?;
    super::init::make_executable(&path)?;
    Ok(Hook { path, changed: true })
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o111 == 0o111)
}

/// Where Git looks for hooks.
fn directory(git: &super::git::Git) -> Result<PathBuf> {
    let repository = &git.repository;
    let config = repository.config().context("cannot open the configuration of the Git repository")?;
    let named = config.get_path("core.hooksPath").ok().filter(|path| !path.as_os_str().is_empty());
    // A relative one starts where hooks run: at the root of the working tree.
    let root = repository.workdir().unwrap_or_else(|| repository.path());
    Ok(named.map_or_else(|| repository.commondir().join("hooks"), |named| root.join(named)))
}

fn shell_word(path: &Path) -> Result<String> {
    let text = std::str::from_utf8(path.as_os_str().as_bytes()).ok().filter(|text| !text.contains('\n'));
    let text = text.ok_or_else(|| Error::usage(format!("`{}` can't stand in a shell script", quote(path))))?;
    Ok(format!("'{}'", text.replace('\'', "'\\''")))
}
