//! Python interpreters: which one is meant, what it is, and where its packages lie.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::memory::{Memory, Sighting};
use crate::{Error, Result};

/// Where interpreters are looked for, as the user's environment says it.
#[derive(Debug, Clone, Default)]
pub struct Interpreters {
    /// The value of `PATH`.
    pub path: OsString,
    /// The value of `PYENV_VERSION`, by which the shims of pyenv choose an interpreter.
    pub pyenv_version: Option<OsString>,
    /// The program that the user's shell calls for conda packages: the value of `MAMBA_EXE` or `CONDA_EXE`.
    pub conda: Option<PathBuf>,
}

/// A Python interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// Its own idea of its path, behind shims of version managers.
    pub executable: PathBuf,
    /// Such as `3.11.7`.
    pub version: String,
    /// Such as `cpython-311-x86_64-linux-gnu`.
    pub platform: String,
    /// The directories that hold its installed packages.
    pub site_packages: Vec<PathBuf>,
}

/// Prints what [`Interpreter`] wants to know, each part ended by NUL, because paths are bytes.
const PROBE: &str = r#"
import os, platform, site, sys, sysconfig
parts = [sys.executable, platform.python_version(), sysconfig.get_config_var("SOABI") or sysconfig.get_platform()]
sites = [sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]] + sys.path
if sys.prefix == sys.base_prefix:
    sites.append(site.getusersitepackages())
for path in sites:
    if path not in parts[3:] and os.path.basename(path) in ("site-packages", "dist-packages") and os.path.isdir(path):
        parts.append(path)
sys.stdout.buffer.write(b"".join(os.fsencode(part) + b"\0" for part in parts))
"#;

impl Interpreters {
    /// The interpreter that is meant by `wanted`: a version (`3.11`), a path, the name of a program, or what `PATH` has.
    /// `None` where nothing is wanted and there is none.
    pub fn find(&self, wanted: Option<&str>, root: &Path, cache: &Path) -> Result<Option<Interpreter>> {
        let mut memory = Memory::open(cache);
        let found = match wanted {
            None => self.first(&["python3".into(), "python".into()], root, &mut memory, |_| true),
            Some(wanted) => Some(self.wanted(wanted, root, &mut memory)?),
        };
        memory.save();
        Ok(found)
    }

    fn wanted(&self, wanted: &str, root: &Path, memory: &mut Memory) -> Result<Interpreter> {
        let shown = crate::fs::escape(wanted.as_bytes());
        if wanted.contains('/') {
            let path = root.join(wanted);
            return self.identify(&path, root, memory).ok_or_else(|| {
                Error::failed(format!("`{shown}`, which `python` in [env] names, is no Python that runs"))
                    .with_hint("name a version such as \"3.11\", or the path of an interpreter")
            });
        }
        let is_version = wanted.starts_with(|first: char| first.is_ascii_digit());
        let found = match is_version {
            true => {
                let parts: Vec<&str> = wanted.split('.').collect();
                let mut names = vec![format!("python{}", parts[..parts.len().min(2)].join("."))];
                names.extend(["python3".into(), "python".into()]);
                self.first(&names, root, memory, |python| is_of_version(&python.version, wanted))
                    .or_else(|| self.managed(wanted, root, memory))
            }
            false => self.first(&[wanted.to_owned()], root, memory, |_| true),
        };
        found.ok_or_else(|| match is_version {
            true => {
                let known = self.versions(root, memory);
                let known = match known.is_empty() {
                    true => String::new(),
                    false => format!("; there is {}", known.join(", ")),
                };
                let how = match find_program("uv", &self.path) {
                    Some(_) => format!("`uv python install {shown}`"),
                    None => format!("`pyenv install {shown}`, or install uv, which can fetch it"),
                };
                Error::failed(format!("there is no Python {shown} on this machine{known}"))
                    .with_hint(format!("install it ({how}), or change `python` in [env]"))
            }
            false => Error::failed(format!("there is no program `{shown}` on PATH that is a Python"))
                .with_hint("`python` in [env] takes a version such as \"3.11\", or the path of an interpreter"),
        })
    }

    /// The first interpreter on `PATH` with one of these names that suits.
    fn first(
        &self,
        names: &[String],
        root: &Path,
        memory: &mut Memory,
        suits: impl Fn(&Interpreter) -> bool,
    ) -> Option<Interpreter> {
        let candidates = names.iter().flat_map(|name| programs(name, &self.path));
        candidates.filter_map(|path| self.identify(&path, root, memory)).find(suits)
    }

    /// The versions of all interpreters that are found without asking for one, sorted.
    fn versions(&self, root: &Path, memory: &mut Memory) -> Vec<String> {
        let mut names = vec!["python3".to_owned(), "python".to_owned()];
        names.extend((6..30).map(|minor| format!("python3.{minor}")));
        // A shim of pyenv has a version for each project; they are all in its own directory.
        let is_shim =
            |path: &PathBuf| path.parent().and_then(Path::parent).is_some_and(|pyenv| pyenv.join("versions").is_dir());
        let on_path = names.iter().flat_map(|name| programs(name, &self.path)).filter(|path| !is_shim(path));
        let of_pyenv = self.of_pyenv().into_iter().map(|directory| directory.join("bin/python"));
        let candidates: Vec<PathBuf> = on_path.chain(of_pyenv).collect();
        let mut found: Vec<Interpreter> =
            candidates.iter().filter_map(|path| self.identify(path, root, memory)).collect();
        found.sort_by_key(|python| numbers(Path::new(&python.version)));
        found.dedup_by(|a, b| a.version == b.version);
        found.into_iter().map(|python| python.version).collect()
    }

    /// The directories of the versions that pyenv has installed.
    fn of_pyenv(&self) -> Vec<PathBuf> {
        let versions =
            find_program("pyenv", &self.path).and_then(|pyenv| Some(pyenv.parent()?.parent()?.join("versions")));
        let entries = versions.and_then(|versions| std::fs::read_dir(versions).ok());
        entries.into_iter().flatten().filter_map(|entry| entry.ok().map(|entry| entry.path())).collect()
    }

    /// An interpreter of this version that is installed but not on `PATH`: one of pyenv's, or one that uv knows.
    fn managed(&self, version: &str, root: &Path, memory: &mut Memory) -> Option<Interpreter> {
        let mut installed: Vec<PathBuf> = self
            .of_pyenv()
            .into_iter()
            .filter(|path| path.file_name().and_then(OsStr::to_str).is_some_and(|name| is_of_version(name, version)))
            .collect();
        installed.sort_by_key(|path| numbers(path));
        let of_pyenv = installed.iter().rev().find_map(|path| self.identify(&path.join("bin/python"), root, memory));
        of_pyenv.or_else(|| self.known_to_uv(version, root, memory))
    }

    fn known_to_uv(&self, version: &str, root: &Path, memory: &mut Memory) -> Option<Interpreter> {
        let uv = find_program("uv", &self.path)?;
        let asked = Sighting::of_finder(&uv, version)?;
        if let Some(Some(known)) = memory.recall(&asked) {
            return Some(known);
        }
        let output = Command::new(uv)
            .args(["python", "find", "--no-project", "--offline", version])
            .current_dir(root)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let path = PathBuf::from(OsString::from_vec(output.stdout.trim_ascii().to_vec()));
        let found = path.is_absolute().then(|| self.identify(&path, root, memory))?;
        let found = found.filter(|python| is_of_version(&python.version, version))?;
        memory.remember(asked, Some(&found));
        Some(found)
    }

    /// What the program at `path` is, from memory where it has not changed; `None` where it is no Python that runs.
    fn identify(&self, path: &Path, root: &Path, memory: &mut Memory) -> Option<Interpreter> {
        let sighting = Sighting::of(path, root, self.pyenv_version.as_deref())?;
        if let Some(known) = memory.recall(&sighting) {
            return known;
        }
        let interpreter = ask(path, root);
        memory.remember(sighting, interpreter.as_ref());
        interpreter
    }
}

/// Asks the interpreter itself. `-I` keeps variables such as `PYTHONPATH` out of the answer.
fn ask(path: &Path, root: &Path) -> Option<Interpreter> {
    let output = Command::new(path)
        .args(["-I", "-c", PROBE])
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let mut parts = output.stdout.split(|byte| *byte == 0);
    let mut text = || parts.next().filter(|part| !part.is_empty());
    let executable = PathBuf::from(OsStr::from_bytes(text()?));
    let version = String::from_utf8(text()?.to_vec()).ok()?;
    let platform = String::from_utf8(text()?.to_vec()).ok()?;
    let site_packages = std::iter::from_fn(text).map(|part| PathBuf::from(OsStr::from_bytes(part))).collect();
    Some(Interpreter { executable, version, platform, site_packages })
}

/// Whether `3.11.7` is a `3.11`: equal part by part.
fn is_of_version(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

/// The numbers of a version in the name of a directory, for sorting.
fn numbers(path: &Path) -> Vec<u64> {
    let name = path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
    name.split(|character: char| !character.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// The first program with this name on `PATH`.
pub fn find_program(name: &str, path: &OsStr) -> Option<PathBuf> {
    programs(name, path).next()
}

/// All programs with this name on `PATH`, in its order. Relative directories are left out: what they mean depends on
/// where one stands.
fn programs<'a>(name: &'a str, path: &'a OsStr) -> impl Iterator<Item = PathBuf> + 'a {
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(move |directory| directory.join(name))
        .filter(is_program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_part_by_part() {
        assert!(is_of_version("3.11.7", "3.11"));
        assert!(is_of_version("3.11.7", "3"));
        assert!(!is_of_version("3.11.7", "3.1"));
        assert!(!is_of_version("3.1.1", "3.11"));
    }

    #[test]
    fn the_first_program_on_path_counts_and_plain_files_do_not() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("tool"), "").unwrap();
        }
        let in_b = dir.path().join("b/tool");
        std::fs::set_permissions(&in_b, PermissionsExt::from_mode(0o755)).unwrap();
        let path = std::env::join_paths([dir.path().join("a"), dir.path().join("b")]).unwrap();

        assert_eq!(find_program("tool", &path), Some(in_b));
        assert_eq!(find_program("other", &path), None);
    }

    fn program(path: &Path, script: &str) {
        let source = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(source.path(), format!("#!/bin/sh\n{script}\n")).unwrap();
        // A file that this process wrote can be busy for a moment, held by the child of another thread.
        let status = Command::new("install").args(["-D", "-m", "755"]).args([source.path(), path]).status();
        assert!(status.unwrap().success());
    }

    /// A program that answers as a Python of this version.
    fn python(path: &Path, version: &str) {
        program(path, &format!("printf '%s\\0' \"$0\" {version} fake /site-packages"));
    }

    #[test]
    fn a_version_is_looked_for_on_path_then_at_pyenv_then_at_uv() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        python(&at("bin/python3"), "3.12.1");
        python(&at("pyenv/versions/3.11.6/bin/python"), "3.11.6");
        python(&at("pyenv/versions/3.11.10/bin/python"), "3.11.10");
        program(&at("pyenv/bin/pyenv"), "exit 1");
        python(&at("uv/python3.10/python"), "3.10.2");
        program(&at("bin/uv"), &format!("echo '{}'", at("uv/python3.10/python").display()));
        let path = std::env::join_paths([at("bin"), at("pyenv/bin")]).unwrap();
        let interpreters = Interpreters { path, ..Interpreters::default() };
        let find = |wanted: Option<&str>| interpreters.find(wanted, dir.path(), &at("cache"));
        let version = |wanted: &str| find(Some(wanted)).unwrap().unwrap().version;

        assert_eq!(find(None).unwrap().unwrap().executable, at("bin/python3"));
        assert_eq!(
            [version("3"), version("3.12"), version("3.11"), version("3.10")],
            ["3.12.1", "3.12.1", "3.11.10", "3.10.2"]
        );
        assert_eq!(version("pyenv/versions/3.11.6/bin/python"), "3.11.6");
        assert_eq!(find(Some("3.1")).unwrap_err().kind(), crate::Kind::Failed);
    }
}
