//! What the machine has: Git, Python, uv, ssh.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Check, Place};
use crate::Result;
use crate::env::{Declared, find_program};
use crate::fs::{escape, quote};
use crate::project::Project;
use crate::project::git::Git;

pub fn checks(project: Option<&Project>, declared: Option<&Result<Declared>>, place: &Place<'_>) -> Vec<Check> {
    let path = place.interpreters.path.as_os_str();
    vec![git(project, path), python(declared, place), uv(path), ssh(project, path)]
}

fn git(project: Option<&Project>, path: &OsStr) -> Check {
    let version = version("git", &["--version"], path);
    let version = version.map(|version| version.trim_start_matches("git version ").to_owned());
    let Some(version) = version else {
        let remedy = "install Git: runs then know the code they came from, and `mlx.lock` has a history";
        return Check::notice("git", "not on PATH", remedy);
    };
    let Some(project) = project else { return Check::good("git", version) };
    match Git::of(project) {
        Ok(Some(git)) => match git.head() {
            Some(commit) => Check::good("git", format!("{version}, at commit {}", &commit[..commit.len().min(12)])),
            None => Check::good("git", format!("{version}, in a repository without commits")),
        },
        Ok(None) => Check::notice("git", format!("{version}, but the project is in no repository"), "run `git init`"),
        Err(error) => Check::failed("git", &error),
    }
}

fn python(declared: Option<&Result<Declared>>, place: &Place<'_>) -> Check {
    let found = match declared {
        Some(Ok(declared)) if declared.interpreter().is_some() => Ok(declared.interpreter().cloned()),
        Some(Err(error)) => return Check::failed("python", error),
        _ => place.interpreters.find(None, Path::new("/"), place.cache),
    };
    match found {
        Ok(Some(python)) => Check::good("python", format!("{} ({})", python.version, quote(&python.executable))),
        Ok(None) => Check::notice("python", "not on PATH", "install Python 3.8 or newer if your steps are in Python"),
        Err(error) => Check::failed("python", &error),
    }
}

fn uv(path: &OsStr) -> Check {
    match version("uv", &["--version"], path) {
        Some(version) => Check::good("uv", version.trim_start_matches("uv ")),
        None => Check::notice(
            "uv",
            "not on PATH; environments are made with venv and pip",
            "install it to make them faster: https://docs.astral.sh/uv/",
        ),
    }
}

fn ssh(project: Option<&Project>, path: &OsStr) -> Check {
    let needs_it = project.is_some_and(|project| {
        let remotes = project.manifest.remotes.values().map(|remote| &remote.url);
        let targets = project.manifest.targets.values().map(|target| &target.url);
        remotes.chain(targets).any(|url| url.starts_with("ssh://"))
    });
    match version("ssh", &["-V"], path) {
        Some(version) => Check::good("ssh", version),
        None if needs_it => Check::missing("ssh", "not on PATH", "install it: `apt install openssh-client`"),
        None => Check::notice("ssh", "not on PATH", "install it to use remotes and targets on other machines"),
    }
}

/// The first line in which a program says its version.
fn version(program: &str, arguments: &[&str], path: &OsStr) -> Option<String> {
    let program = find_program(program, path)?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    // ssh says it on stderr.
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let line = said.split(|byte| *byte == b'\n').next()?;
    output.status.success().then(|| escape(line.trim_ascii()))
}
