//! Python environments: virtual environments made by uv, or by venv and pip.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

use super::child;
use super::kept::{self, Installed, Place, Progress};
use super::library::{self, normal_name};
use super::locked::{LockFile, hashes_of};
use super::requirements::Requirements;
use super::{Interpreter, Interpreters, Kind};
use crate::digest::Hasher;
use crate::event::{Event, Watch};
use crate::fs::{self, FileLock, quote};
use crate::project::{Project, manifest};
use crate::{Digest, Error, Result};

/// The first pip that can say what it installed, and with which hash.
const PIP_WITH_REPORT: (u64, u64) = (22, 2);

/// A virtual environment, made or to be made.
#[derive(Debug, Clone)]
pub struct Python {
    pub place: Place,
    pub interpreter: Interpreter,
    pub requirements: Requirements,
    pub lock: LockFile,
    /// Where the installer runs: relative paths in requirements count from here.
    root: PathBuf,
}

impl Python {
    /// What the project declares under this name.
    ///
    /// # Errors
    /// Refuses a lock file that was made for other requirements, unless `lock_may_be_old`.
    pub fn of(
        declared: &manifest::PythonEnvironment,
        name: &str,
        project: &Project,
        cache: &Path,
        host: &Interpreters,
        lock_may_be_old: bool,
    ) -> Result<Self> {
        let interpreter = host.find(declared.python.as_deref(), project.root(), cache)?.ok_or_else(|| {
            Error::failed("the project declares a Python environment, and there is no Python on PATH")
                .with_hint("install Python 3.8 or newer, for example with `apt install python3 python3-venv`")
        })?;
        let requirements = Requirements::read(&declared.requirements, project)?;
        let file = match &declared.requirements {
            manifest::Requirements::File(file) => Some(file),
            manifest::Requirements::Lines(_) => None,
        };
        let lock = LockFile::find(declared.lock.as_ref(), file, "requirements", name, project)?;
        if !lock_may_be_old {
            lock.check(requirements.name(), &requirements.canonical())?;
        }
        Ok(Self::with(interpreter, requirements, lock, cache, project.root()))
    }

    /// The one that is made of these; relative paths count from `root`.
    pub fn with(
        interpreter: Interpreter,
        requirements: Requirements,
        lock: LockFile,
        cache: &Path,
        root: &Path,
    ) -> Self {
        let digest = digest(&interpreter, &requirements, &lock);
        // What is installed from a path of this machine must not be shared with another copy of the project.
        let key = match requirements.is_tied_to_place() {
            true => Digest::of(format!("{digest} {}", quote(root))),
            false => digest,
        };
        let place = Place {
            digest,
            directory: kept::all(cache).join(key.hex()),
            kind: Kind::Python,
            what: format!("{} for Python {}", requirements.name(), interpreter.version),
            is_pinned: lock.lines.is_some(),
        };
        Self { place, interpreter, requirements, lock, root: root.to_path_buf() }
    }

    /// Makes the environment unless it is ready; with `uv` where its path is given, else with `venv` and `pip`. It stays as
    /// long as the lock is held.
    pub fn hold(&self, uv: Option<&Path>, watch: Watch<'_>) -> Result<FileLock> {
        let executable = executable(&self.place.directory);
        self.place.hold(Some(&executable), watch, |progress| {
            self.announce(uv, watch);
            self.install(uv, progress)
        })
    }

    fn announce(&self, uv: Option<&Path>, watch: Watch<'_>) {
        let (short, what) = (self.place.digest.short(), &self.place.what);
        let tool = if uv.is_some() { "uv" } else { "pip" };
        watch.events.note(format!("environment {short}: installing {what} with {tool}, once for this content"));
        if self.lock.lines.is_none() {
            let message = format!("environment {short}: no lock file says which versions these are");
            let hint = format!("`mlx env lock` writes `{}`", self.lock.path);
            watch.events.emit(Event::Warning { message, hint: Some(hint) });
        }
        for path in self.requirements.editable() {
            watch.events.emit(Event::Warning {
                message: format!("`{path}` is installed as editable: a change of its code makes no step run again"),
                hint: Some(format!("name its code in `deps` of the steps that use it: \"{path}\"")),
            });
        }
    }

    fn install(&self, uv: Option<&Path>, progress: &mut Progress<'_>) -> Result<Installed> {
        let directory = &self.place.directory;
        self.create(uv, directory, progress)?;
        let file = directory.join("mlx-requirements.txt");
        let report = directory.join("mlx-report.json");
        let mut hashes = BTreeMap::new();
        match &self.lock.lines {
            None => {
                let file = self.requirements.file(&file)?;
                let reports = uv.is_none() && pip_can_report(directory);
                self.run_installer(uv, &file, if reports { Some(&report) } else { None }, false, progress)?;
                hashes.extend(reports.then(|| reported(&report)).transpose()?.unwrap_or_default());
            }
            Some(lines) => {
                write_lines(&file, self.requirements.options(&self.root).iter().chain(lines))?;
                self.run_installer(uv, &file, None, false, progress)?;
                hashes.extend(lines.iter().filter_map(|line| hashes_of(line)));
            }
        }
        let direct = self.requirements.direct();
        if self.lock.lines.is_some() && !direct.is_empty() {
            // The lock has all that these need, and can't have them.
            let lines: Vec<String> = direct.iter().map(|direct| direct.line.clone()).collect();
            write_lines(&file, self.requirements.options(&self.root).iter().chain(&lines))?;
            self.run_installer(uv, &file, None, true, progress)?;
        }
        Ok(Installed { lock: resolved(&self.place.site_packages(), &hashes), variables: Vec::new() })
    }

    /// Makes an empty virtual environment.
    pub fn create(&self, uv: Option<&Path>, directory: &Path, progress: &mut Progress<'_>) -> Result<()> {
        let version = &self.interpreter.version;
        let mut create = match uv {
            Some(uv) => self.program(uv, &["venv", "--quiet", "--no-project", "--seed", "--python"]),
            None => self.program(&self.interpreter.executable, &["-I", "-m", "venv"]),
        };
        if uv.is_some() {
            create.arg(&self.interpreter.executable);
        }
        create.arg(directory);
        let doing = format!("make a virtual environment for Python {version}");
        let interrupt = progress.watch.interrupt;
        child::run(create, &doing, interrupt, |text| progress.line(text)).map_err(|error| {
            error.with_hint("on Debian and Ubuntu, `venv` is a package of its own: `apt install python3-venv`")
        })
    }

    fn run_installer(
        &self,
        uv: Option<&Path>,
        file: &Path,
        report: Option<&Path>,
        without_needs: bool,
        progress: &mut Progress<'_>,
    ) -> Result<()> {
        let python = executable(&self.place.directory);
        let mut install = match uv {
            Some(uv) => self.program(uv, &["pip", "install", "--python"]),
            None => self.pip(&python, &["install", "--progress-bar=off"]),
        };
        if uv.is_some() {
            install.arg(&python);
        }
        if let Some(report) = report {
            install.arg("--report").arg(report);
        }
        if without_needs {
            install.arg("--no-deps");
        }
        install.arg("-r").arg(file);
        let name = match (&self.lock.lines, without_needs) {
            (Some(_), false) => self.lock.path.to_string(),
            _ => self.requirements.name().to_owned(),
        };
        let interrupt = progress.watch.interrupt;
        child::run(install, &format!("install {name}"), interrupt, |text| progress.line(text)).map_err(|error| {
            let hint = child::network_hint(&error).map(str::to_owned);
            error.with_hint(hint.unwrap_or_else(|| match self.lock.lines {
                None => format!("correct {name}; `--verbose` shows everything that the installer says"),
                Some(_) => {
                    "`mlx env lock` resolves it anew; `--verbose` shows everything that the installer says".into()
                }
            }))
        })
    }

    /// A call of the pip of a virtual environment.
    pub fn pip(&self, python: &Path, arguments: &[&str]) -> Command {
        let mut pip = self.program(python, &["-I", "-m", "pip", "--no-input"]);
        // A user's own setting could turn the install away from the environment.
        pip.args(arguments).env("PIP_USER", "0").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        pip
    }

    /// A program that runs where relative paths in requirements count from.
    pub fn program(&self, path: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(path);
        command.args(arguments).current_dir(&self.root).env_remove("PYTHONHOME").env_remove("PYTHONPATH");
        command
    }
}

/// The interpreter of the environment in this directory.
pub fn executable(directory: &Path) -> PathBuf {
    directory.join("bin/python")
}

/// Everything that decides what gets installed, and nothing else: no path, no time.
fn digest(interpreter: &Interpreter, requirements: &Requirements, lock: &LockFile) -> Digest {
    let mut hasher = Hasher::new();
    let head = format!("mlx environment 1\n{}\n{}\n", interpreter.version, interpreter.platform);
    hasher.update(head.as_bytes());
    match &lock.lines {
        None => hasher.update(requirements.canonical().as_bytes()),
        Some(lines) => {
            let direct = requirements.direct().iter().map(|direct| &direct.canonical);
            let mut pinned: Vec<&String> = lines.iter().chain(direct).collect();
            pinned.sort();
            hasher.update(b"locked\n");
            pinned.iter().for_each(|line| hasher.update(format!("{line}\n").as_bytes()));
        }
    }
    hasher.finish().0
}

/// Writes lines for an installer.
pub fn write_lines<'a>(path: &Path, lines: impl Iterator<Item = &'a String>) -> Result<()> {
    let text: String = lines.flat_map(|line| [line.as_str(), "\n"]).collect();
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", quote(path)))?;
    Ok(())
}

/// What is installed, as lines of a lock file, with the hashes that are known.
pub fn resolved(site_packages: &[PathBuf], hashes: &BTreeMap<String, Vec<String>>) -> String {
    let line = |package: library::Package| {
        let hashes = hashes.get(&package.name).into_iter().flatten();
        let hashes: String = hashes.map(|hash| format!(" --hash={hash}")).collect();
        format!("{}=={}{hashes}\n", package.name, package.version)
    };
    library::packages(site_packages).into_iter().map(line).collect()
}

/// Whether the pip of this environment knows `--report`.
pub fn pip_can_report(directory: &Path) -> bool {
    let packages = library::packages(&library::site_packages(directory));
    packages.iter().any(|package| package.name == "pip" && at_least(&package.version, PIP_WITH_REPORT))
}

fn at_least(version: &str, (major, minor): (u64, u64)) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u64>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

/// What pip's report says of one package.
#[derive(Deserialize)]
pub struct ReportedPackage {
    pub metadata: Metadata,
    download_info: DownloadInfo,
    /// Whether a path or a URL was asked for.
    pub is_direct: bool,
}

#[derive(Deserialize)]
pub struct Metadata {
    pub name: String,
    pub version: String,
}

#[derive(Deserialize)]
struct DownloadInfo {
    archive_info: Option<ArchiveInfo>,
}

#[derive(Deserialize)]
struct ArchiveInfo {
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

impl ReportedPackage {
    /// The hash of what came from the index: `sha256:…`.
    pub fn hash(&self) -> Option<String> {
        let archive = self.download_info.archive_info.as_ref()?;
        archive.hashes.get("sha256").map(|hash| format!("sha256:{hash}"))
    }
}

/// What a report of pip says.
pub fn read_report(path: &Path) -> Result<Vec<ReportedPackage>> {
    #[derive(Deserialize)]
    struct Report {
        install: Vec<ReportedPackage>,
    }
    let report: Report = serde_json::from_slice(&fs::read(path)?)
        .with_context(|| format!("cannot understand pip's report `{}`", quote(path)))?;
    Ok(report.install)
}

/// The hashes in a report, by the normal name of the package.
fn reported(path: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let packages = read_report(path)?;
    Ok(packages
        .iter()
        .filter_map(|package| Some((normal_name(&package.metadata.name), vec![package.hash()?])))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_pip_are_compared_by_number() {
        assert!(at_least("22.2.1", PIP_WITH_REPORT) && at_least("100", PIP_WITH_REPORT));
        assert!(!at_least("22.0.4", PIP_WITH_REPORT) && !at_least("9.0", PIP_WITH_REPORT));
    }
}
