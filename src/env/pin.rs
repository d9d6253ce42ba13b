//! `mlx env lock`: finds out which versions an environment holds and writes them, with hashes, to its lock file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::conda::{Conda, packages_of};
use super::container::Container;
use super::kept::{Progress, with_progress};
use super::library::normal_name;
use super::locked::{LockFile, pinned};
use super::python::{Python, executable, pip_can_report, read_report, write_lines};
use super::requirements::lines_of;
use super::{Interpreters, Kind, child, find_program};
use crate::event::Watch;
use crate::fs::{self, quote};
use crate::project::Project;
use crate::project::manifest::EnvironmentSource;
use crate::{Error, Result};

/// What became of the lock of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pinned {
    pub name: String,
    pub kind: Kind,
    /// The lock file; for a container, the image with its digest.
    pub lock: String,
    /// Whether it says something else than before.
    pub changed: bool,
    pub packages: u64,
    /// Changes of versions: name, before, now.
    pub versions: Vec<Change>,
    /// What can't be pinned, because it comes from a path or a URL.
    pub not_pinned: Vec<String>,
}

/// A package whose version changed; `None` where it was or is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub package: String,
    pub before: Option<String>,
    pub now: Option<String>,
}

/// Resolves the environment with this name and writes its lock file. Versions in the present one stay where they fit,
/// unless `update` is set.
pub fn pin(
    project: &Project,
    name: &str,
    cache: &Path,
    host: &Interpreters,
    update: bool,
    watch: Watch<'_>,
) -> Result<Pinned> {
    let declared = project.manifest.environment(name)?;
    let scratch = cache.join("tmp");
    match &declared.source {
        EnvironmentSource::Python(python) => {
            let python = Python::of(python, name, project, cache, host, true)?;
            let uv = find_program("uv", &host.path);
            let before = python.lock.lines.clone().unwrap_or_default();
            let lines = working(name, watch, |progress| match &uv {
                Some(uv) => with_uv(&python, uv, update, &scratch, progress),
                None => with_pip(&python, update, &scratch, progress),
            })?;
            let direct: Vec<String> = python.requirements.direct().iter().map(|direct| direct.line.clone()).collect();
            let maker = format!("{} ({})", python.place.what, python.interpreter.platform);
            let text = LockFile::text(&maker, &python.requirements.canonical(), &lines, &direct);
            let changed = write(project, &python.lock, &text)?;
            Ok(Pinned {
                name: name.to_owned(),
                kind: Kind::Python,
                lock: python.lock.path.to_string(),
                changed,
                packages: lines.len() as u64,
                versions: changes(&before, &lines),
                not_pinned: direct,
            })
        }
        EnvironmentSource::Conda(conda) => {
            let conda = Conda::of(conda, name, project, cache, host, true)?;
            let before = packages_of_lock(&conda);
            let mut changed = false;
            let mut now = before.clone();
            if update || !conda.is_current() {
                let explicit = working(name, watch, |progress| {
                    let directory = fs::temporary_dir(&scratch)?;
                    let prefix = directory.path().join("env");
                    conda.create(&prefix, progress)?;
                    conda.explicit(&prefix, watch)
                })?;
                changed = write(project, &conda.lock, &conda.lock_text(&explicit))?;
                now = lines_of(&packages_of(&explicit));
            }
            Ok(Pinned {
                name: name.to_owned(),
                kind: Kind::Conda,
                lock: conda.lock.path.to_string(),
                changed,
                packages: now.len() as u64,
                versions: changes(&before, &now),
                not_pinned: Vec::new(),
            })
        }
        EnvironmentSource::Container(container) => {
            let container = Container::of(container, &declared.place, &host.path, Some(watch))?;
            Ok(Pinned {
                name: name.to_owned(),
                kind: Kind::Container,
                lock: container.resolved_image(),
                changed: false,
                packages: 0,
                versions: Vec::new(),
                not_pinned: Vec::new(),
            })
        }
    }
}

/// The packages of the lock file as it is, as `name==version` lines.
fn packages_of_lock(conda: &Conda) -> Vec<String> {
    lines_of(&packages_of(&conda.locked()))
}

fn working<T>(name: &str, watch: Watch<'_>, work: impl FnOnce(&mut Progress<'_>) -> Result<T>) -> Result<T> {
    let id = format!("environment `{name}`");
    with_progress(&id, format!("{id}: finding out which versions fit together"), watch, work)
}

/// Lets uv resolve: it knows the hashes of all files of a version, so that the lock serves other platforms as well.
fn with_uv(
    python: &Python,
    uv: &Path,
    update: bool,
    scratch: &Path,
    progress: &mut Progress<'_>,
) -> Result<Vec<String>> {
    let directory = fs::temporary_dir(scratch)?;
    let input = python.requirements.file(&directory.path().join("requirements.in"))?;
    let output = directory.path().join("requirements.txt");
    // What uv finds there it keeps, as far as it fits.
    let present = python.lock.lines.as_deref().filter(|_| !update).unwrap_or_default();
    write_lines(&output, present.iter())?;
    let flags = ["pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate", "--no-strip-extras"];
    let mut compile = python.program(uv, &flags);
    compile.arg("--python").arg(&python.interpreter.executable).arg("--output-file").arg(&output).arg(&input);
    run(compile, python, progress)?;
    let text = String::from_utf8_lossy(&fs::read(&output)?).into_owned();
    Ok(sorted(lines_of(&text), python))
}

/// Lets pip resolve, in an empty environment of its own. It knows the hash of the one file that it would install.
fn with_pip(python: &Python, update: bool, scratch: &Path, progress: &mut Progress<'_>) -> Result<Vec<String>> {
    let directory = fs::temporary_dir(scratch)?;
    let environment = directory.path().join("env");
    python.create(None, &environment, progress)?;
    if !pip_can_report(&environment) {
        let version = &python.interpreter.version;
        return Err(Error::failed(format!("the pip of Python {version} is too old to say what it would install"))
            .with_hint("install uv, which can do it for every Python: `pip install uv`"));
    }
    let input = python.requirements.file(&directory.path().join("requirements.in"))?;
    let report = directory.path().join("report.json");
    let resolve = |constraints: Option<&Path>, progress: &mut Progress<'_>| {
        let mut resolve =
            python.pip(&executable(&environment), &["install", "--dry-run", "--ignore-installed", "--report"]);
        resolve.arg(&report).arg("-r").arg(&input);
        if let Some(constraints) = constraints {
            resolve.arg("-c").arg(constraints);
        }
        run(resolve, python, progress)
    };
    let present: Vec<String> = python.lock.lines.iter().flatten().filter_map(|line| version_of(line)).collect();
    let constraints = directory.path().join("present.txt");
    let mut is_resolved = false;
    if !update && !present.is_empty() {
        write_lines(&constraints, present.iter())?;
        is_resolved = resolve(Some(&constraints), progress).is_ok();
        progress.watch.interrupt.check()?;
    }
    // Without, where the present versions do not fit any more.
    if !is_resolved {
        resolve(None, progress)?;
    }
    let packages = read_report(&report)?;
    let of_index: Vec<_> = packages.iter().filter(|package| !package.is_direct).collect();
    // pip takes hashes for all or for none.
    let has_all = of_index.iter().all(|package| package.hash().is_some());
    let line = |package: &&super::python::ReportedPackage| {
        let hash = package.hash().filter(|_| has_all).map_or(String::new(), |hash| format!(" --hash={hash}"));
        format!("{}=={}{hash}", normal_name(&package.metadata.name), package.metadata.version)
    };
    Ok(sorted(of_index.iter().map(line).collect(), python))
}

fn run(command: std::process::Command, python: &Python, progress: &mut Progress<'_>) -> Result<()> {
    let interrupt = progress.watch.interrupt;
    let name = python.requirements.name();
    child::run(command, &format!("resolve {name}"), interrupt, |text| progress.line(text)).map_err(|error| {
        let hint = child::network_hint(&error).map(str::to_owned);
        error.with_hint(hint.unwrap_or_else(|| format!("correct {name}, so that all of it fits together")))
    })
}

/// The lines that pin a package of an index, sorted by name.
fn sorted(lines: Vec<String>, python: &Python) -> Vec<String> {
    let direct = python.requirements.direct();
    let is_of_index = |line: &String| pinned(line).is_some() && !direct.iter().any(|direct| direct.line == *line);
    let mut lines: Vec<String> = lines.into_iter().filter(is_of_index).collect();
    lines.sort();
    lines
}

/// `six==1.16.0` of `six==1.16.0 --hash=…`.
fn version_of(line: &str) -> Option<String> {
    pinned(line).map(|(name, version)| format!("{name}=={version}"))
}

/// The packages whose versions differ, sorted by name.
fn changes(before: &[String], now: &[String]) -> Vec<Change> {
    let versions = |lines: &[String]| -> BTreeMap<String, String> {
        lines.iter().filter_map(|line| pinned(line)).map(|(name, version)| (name, version.to_owned())).collect()
    };
    let (before, now) = (versions(before), versions(now));
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let change = |package: &String| Change {
        package: package.clone(),
        before: before.get(package).cloned(),
        now: now.get(package).cloned(),
    };
    names.into_iter().map(change).filter(|change| change.before != change.now).collect()
}

/// Writes the lock file. Returns whether it says something else than before.
fn write(project: &Project, lock: &LockFile, text: &str) -> Result<bool> {
    let path = project.resolve(&lock.path)?;
    if fs::read_optional(&path)?.is_some_and(|before| before == text.as_bytes()) {
        return Ok(false);
    }
    fs::write_atomic(&path, text.as_bytes(), &project.scratch())
        .map_err(|error| error.context(format!("cannot write the lock file `{}`", quote(&path))))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_versions_are_named() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();

        let changes = changes(&lines(&["a==1 --hash=sha256:00", "b==1"]), &lines(&["b==1", "c==2", "a==2"]));

        let change = |package: &str, before: Option<&str>, now: Option<&str>| Change {
            package: package.into(),
            before: before.map(Into::into),
            now: now.map(Into::into),
        };
        assert_eq!(changes, [change("a", Some("1"), Some("2")), change("c", None, Some("2"))]);
    }
}
