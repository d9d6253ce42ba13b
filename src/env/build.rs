//! Makes virtual environments in the cache: once for each content, alone among all processes, ready as a whole or not.
//!
//! A virtual environment holds its own path, so it can't be built aside and renamed. What makes it count is the file
//! `mlx-ready`, which is written last; a directory without it is what a killed process left, and is built anew.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::child;
use super::{Interpreter, Python};
use crate::event::{Event, Unit, Watch};
use crate::fs::{self, FileLock, Holder, quote};
use crate::{Error, Result};

const READY: &str = "mlx-ready";

/// The interpreter of the environment in this directory.
pub fn executable(directory: &Path) -> PathBuf {
    directory.join("bin/python")
}

/// Whether the environment is whole and its interpreter still there.
pub fn is_ready(directory: &Path) -> bool {
    directory.join(READY).exists() && executable(directory).metadata().is_ok()
}

/// The directories of the environment's installed packages.
pub fn site_packages(directory: &Path) -> Vec<PathBuf> {
    let libraries = std::fs::read_dir(directory.join("lib")).into_iter().flatten();
    let paths = libraries.filter_map(|entry| Some(entry.ok()?.path().join("site-packages")));
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    paths.sort();
    paths
}

/// Makes the environment unless it is ready; with `uv` where its path is given, else with `venv` and `pip`.
pub(super) fn make(python: &Python, interpreter: &Interpreter, uv: Option<&Path>, watch: Watch<'_>) -> Result<()> {
    let directory = &python.directory;
    if is_ready(directory) {
        return Ok(());
    }
    let short = python.digest.short();
    let lock = directory.with_extension("lock");
    let waiting = |holder: &Holder| {
        watch.events.note(format!("environment {short}: waiting for {}, which is making it", holder.0));
    };
    let _alone = FileLock::exclusive_while(&lock, "mlx", waiting, || watch.interrupt.check())?;
    // The one we waited for may have made it.
    if is_ready(directory) {
        return Ok(());
    }
    watch.interrupt.check()?;
    remove(directory)?;
    let name = python.requirements.name();
    let tool = if uv.is_some() { "uv" } else { "pip" };
    watch.events.note(format!(
        "environment {short}: installing {name} for Python {} with {tool}, once for this content",
        interpreter.version
    ));
    for path in python.requirements.editable() {
        watch.events.emit(Event::Warning {
            message: format!("`{path}` is installed as editable: a change of its code makes no step run again"),
            hint: Some(format!("name its code in `deps` of the steps that use it: \"{path}\"")),
        });
    }
    let id = format!("environment {short}");
    let what = format!("environment {short}: installing {name}");
    watch.events.emit(Event::Started { id: id.clone(), what, total: None, unit: Unit::Packages });
    let made = install(python, interpreter, uv, &id, watch);
    watch.events.emit(Event::Finished { id });
    made.inspect_err(|_| drop(remove(directory)))
}

fn install(python: &Python, interpreter: &Interpreter, uv: Option<&Path>, id: &str, watch: Watch<'_>) -> Result<()> {
    let Python { directory, requirements, root, .. } = python;
    let mut packages = 0;
    let mut line = |text: &str| {
        // pip says `Collecting`, and uv ` + name==version`, once for each package.
        if text.starts_with("Collecting ") || text.starts_with(" + ") {
            packages += 1;
            watch.events.emit(Event::Progress { id: id.to_owned(), done: packages });
        }
        watch.events.emit(Event::Detail { message: text.to_owned() });
    };
    let mut create = match uv {
        Some(uv) => program(uv, &["venv", "--quiet", "--no-project", "--seed", "--python"], root),
        None => program(&interpreter.executable, &["-I", "-m", "venv"], root),
    };
    if uv.is_some() {
        create.arg(&interpreter.executable);
    }
    create.arg(directory);
    let doing = format!("make a virtual environment for Python {}", interpreter.version);
    child::run(create, &doing, watch.interrupt, &mut line).map_err(|error| {
        error.with_hint("on Debian and Ubuntu, `venv` is a package of its own: `apt install python3-venv`")
    })?;

    let file = requirements.file(&directory.join("mlx-requirements.txt"))?;
    let python = executable(directory);
    let mut install = match uv {
        Some(uv) => program(uv, &["pip", "install", "--python"], root),
        None => program(&python, &["-I", "-m", "pip", "install", "--no-input", "--progress-bar=off"], root),
    };
    match uv {
        Some(_) => drop(install.arg(&python)),
        // A user's own setting could turn the install away from the environment.
        None => drop(install.env("PIP_USER", "0").env("PIP_DISABLE_PIP_VERSION_CHECK", "1")),
    }
    install.arg("-r").arg(&file);
    let name = requirements.name();
    child::run(install, &format!("install {name}"), watch.interrupt, &mut line).map_err(|error| {
        error.with_hint(format!("correct {name}; `--verbose` shows everything that the installer says"))
    })?;
    finish(directory, interpreter)
}

/// Makes the environment count.
fn finish(directory: &Path, interpreter: &Interpreter) -> Result<()> {
    // The installer leaves its files to the kernel's leisure; after a power cut the mark must not outlive them.
    let all = std::fs::File::open(directory).with_context(|| format!("cannot open `{}`", quote(directory)))?;
    rustix::fs::syncfs(all).with_context(|| format!("cannot sync `{}`", quote(directory)))?;
    let text = format!("Python {} of {}\n", interpreter.version, quote(&interpreter.executable));
    fs::write_atomic(&directory.join(READY), text.as_bytes(), directory)
}

fn program(path: &Path, arguments: &[&str], root: &Path) -> Command {
    let mut command = Command::new(path);
    command.args(arguments).current_dir(root).env_remove("PYTHONHOME").env_remove("PYTHONPATH");
    command
}

/// Takes away what lies there, however far it got. Without its mark first, so that no half of it ever counts.
fn remove(directory: &Path) -> Result<()> {
    let cannot = || format!("cannot remove the unfinished environment `{}`", quote(directory));
    for result in [std::fs::remove_file(directory.join(READY)), std::fs::remove_dir_all(directory)] {
        match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::from(anyhow::Error::new(error).context(cannot())));
            }
            _ => {}
        }
    }
    let parent = directory.parent().unwrap_or(directory);
    std::fs::create_dir_all(parent).with_context(cannot)?;
    Ok(())
}
