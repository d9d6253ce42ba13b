//! Environments of conda packages, made by micromamba, mamba or conda.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use serde_json::Value;

use super::child;
use super::kept::{self, Installed, Place, Progress};
use super::library;
use super::locked::{LockFile, pinned};
use super::python;
use super::requirements::Requirements;
use super::{Interpreters, Kind, find_program};
use crate::digest::Hasher;
use crate::event::Watch;
use crate::fs::{self, FileLock, escape};
use crate::project::{Project, ProjectPath, manifest};
use crate::{Digest, Error, Result};

/// In a lock file, a line that pip installs; a comment to conda.
pub const PIP: &str = "# pip ";

/// A conda environment, made or to be made.
#[derive(Debug, Clone)]
pub struct Conda {
    pub place: Place,
    pub lock: LockFile,
    pub file: ProjectPath,
    content: Content,
    /// The lines for pip in the lock file.
    pub locked_pip: Vec<String>,
    tool: Option<PathBuf>,
    root: PathBuf,
}

/// What an `environment.yml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    /// The same text for all files that mean the same.
    canonical: String,
}

impl Conda {
    /// What the project declares under this name; see [`python::Python::of`].
    pub fn of(
        declared: &manifest::CondaEnvironment,
        name: &str,
        project: &Project,
        cache: &Path,
        host: &Interpreters,
        lock_may_be_old: bool,
    ) -> Result<Self> {
        let file = &declared.file;
        let path = project.resolve(file)?;
        let bytes = fs::read(&path).map_err(|error| {
            error.with_hint(format!("write the file, or change `file` in [env] of {}", crate::project::MANIFEST))
        })?;
        let content = Content::read(&bytes, file, project)?;
        let lock = LockFile::find(declared.lock.as_ref(), Some(file), "environment", name, project)?;
        if !lock_may_be_old {
            lock.check(&file.to_string(), &content.canonical)?;
        }
        // The reader of lock files takes lines for pip for comments.
        let lock_text = fs::read_optional(&project.resolve(&lock.path)?)?.unwrap_or_default();
        let lock_text = String::from_utf8_lossy(&lock_text).into_owned();
        let locked_pip: Vec<String> =
            lock_text.lines().filter_map(|line| line.strip_prefix(PIP).map(str::to_owned)).collect();
        let place = place(&content, &lock, &locked_pip, file, cache);
        let root = project.root().to_path_buf();
        Ok(Self { place, lock, file: file.clone(), content, locked_pip, tool: tool_of(host), root })
    }

    /// The one of a lock file alone, without the `environment.yml` that it was made for.
    pub fn locked_to(
        file: ProjectPath,
        lock: LockFile,
        locked_pip: Vec<String>,
        cache: &Path,
        host: &Interpreters,
        root: &Path,
    ) -> Self {
        let content = Content { canonical: String::new() };
        let place = place(&content, &lock, &locked_pip, &file, cache);
        Self { place, lock, file, content, locked_pip, tool: tool_of(host), root: root.to_path_buf() }
    }

    /// Whether there is a lock file, and the file was not changed since it was written.
    pub fn is_current(&self) -> bool {
        self.lock.lines.is_some() && self.lock.check(&self.file.to_string(), &self.content.canonical).is_ok()
    }

    /// What the lock file says, lines for pip included.
    pub fn locked(&self) -> String {
        with_pip(self.lock.lines.as_deref().unwrap_or_default(), &self.locked_pip)
    }

    /// The interpreter of the environment, where it has one.
    pub fn python(&self) -> Option<PathBuf> {
        Some(python::executable(&self.place.directory)).filter(|path| path.exists())
    }

    /// Makes the environment unless it is ready. It stays as long as the lock is held.
    pub fn hold(&self, path: &OsStr, watch: Watch<'_>) -> Result<FileLock> {
        self.place.hold(None, watch, |progress| self.make(path, progress))
    }

    fn make(&self, path: &OsStr, progress: &mut Progress<'_>) -> Result<Installed> {
        let tool = self.tool()?;
        let watch = progress.watch;
        let (short, what, name) = (self.place.digest.short(), &self.place.what, tool_name(tool));
        watch.events.note(format!("environment {short}: installing {what} with {name}, once for this content"));
        let directory = &self.place.directory;
        match &self.lock.lines {
            None => {
                watch.events.emit(crate::event::Event::Warning {
                    message: format!("environment {short}: no lock file says which versions these are"),
                    hint: Some(format!("`mlx env lock` writes `{}`", self.lock.path)),
                });
                self.create(directory, progress)?;
            }
            Some(lines) => {
                let file = fs::temporary_file(directory.parent().unwrap_or(directory))?;
                let explicit = file.path().with_extension("txt");
                python::write_lines(&explicit, lines.iter())?;
                let mut create = self.program(tool, &["create", "--yes", "--quiet", "--prefix"]);
                create.arg(directory).arg("--file").arg(&explicit);
                let made = self.run(create, &format!("install {}", self.lock.path), progress);
                let _ = std::fs::remove_file(&explicit);
                made?;
                self.install_pip(progress)?;
            }
        }
        let variables = activation(directory, path);
        Ok(Installed { lock: self.explicit(directory, watch)?, variables })
    }

    /// Makes the environment in `directory` from the `environment.yml`.
    pub fn create(&self, directory: &Path, progress: &mut Progress<'_>) -> Result<()> {
        let tool = self.tool()?;
        let is_micromamba = tool_name(tool) == "micromamba";
        let arguments: &[&str] = match is_micromamba {
            true => &["create", "--yes", "--quiet", "--prefix"],
            false => &["env", "create", "--quiet", "--prefix"],
        };
        let mut create = self.program(tool, arguments);
        create.arg(directory).arg("--file").arg(self.file.below(&self.root));
        self.run(create, &format!("install {}", self.file), progress)
    }

    fn install_pip(&self, progress: &mut Progress<'_>) -> Result<()> {
        if self.locked_pip.is_empty() {
            return Ok(());
        }
        let directory = &self.place.directory;
        let file = directory.join("mlx-requirements.txt");
        python::write_lines(&file, self.locked_pip.iter())?;
        let python = python::executable(directory);
        let mut install = self.program(&python, &["-I", "-m", "pip", "install", "--no-input", "--no-deps", "-r"]);
        install.arg(&file);
        self.run(install, &format!("install the packages for pip in {}", self.lock.path), progress)
    }

    /// What is installed there, in the form that conda calls explicit: the URL of each package with its hash; and what pip
    /// installed, as comments.
    pub fn explicit(&self, directory: &Path, watch: Watch<'_>) -> Result<String> {
        let tool = self.tool()?;
        let arguments: &[&str] = match tool_name(tool).as_str() {
            "micromamba" => &["env", "export", "--explicit", "--prefix"],
            _ => &["list", "--explicit", "--md5", "--prefix"],
        };
        let mut export = self.program(tool, arguments);
        export.arg(directory);
        let mut lines = vec!["@EXPLICIT".to_owned()];
        let mut take = |line: &str| {
            if line.contains("://") && !line.starts_with('#') {
                lines.push(without_secret(line));
            }
        };
        child::run(export, &format!("list what {} brought", self.file), watch.interrupt, &mut take)?;
        let packages = library::packages(&library::site_packages(directory));
        let of_pip = packages.into_iter().filter(|package| package.installer.as_deref() != Some("conda"));
        lines.extend(of_pip.map(|package| format!("{PIP}{}=={}", package.name, package.version)));
        Ok(lines.join("\n") + "\n")
    }

    /// The text of the lock file for what [`Conda::explicit`] says.
    pub fn lock_text(&self, explicit: &str) -> String {
        let platform = platform();
        let lines: Vec<String> = explicit.lines().map(str::to_owned).collect();
        LockFile::text(&format!("{platform} from {}", self.file), &self.content.canonical, &lines, &[])
    }

    fn run(&self, command: Command, doing: &str, progress: &mut Progress<'_>) -> Result<()> {
        let interrupt = progress.watch.interrupt;
        child::run(command, doing, interrupt, |text| progress.line(text)).map_err(|error| {
            let hint = child::network_hint(&error).map(str::to_owned);
            let correct = || format!("correct {}; `--verbose` shows everything that the installer says", self.file);
            error.with_hint(hint.unwrap_or_else(correct))
        })
    }

    fn tool(&self) -> Result<&Path> {
        self.tool.as_deref().ok_or_else(|| {
            let message = format!("{} needs micromamba, mamba or conda, and none of them is on PATH", self.file);
            Error::failed(message).with_hint(
                "install micromamba, one file: https://mamba.readthedocs.io/en/latest/installation/micromamba-installation.html",
            )
        })
    }

    fn program(&self, path: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(path);
        // Files named in a `pip` section count from the environment.yml, for which these programs care themselves.
        command.args(arguments).current_dir(&self.root).env_remove("PYTHONHOME").env_remove("PYTHONPATH");
        command.env("CONDA_YES", "1").env("PIP_NO_INPUT", "1").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        command
    }
}

impl Content {
    /// Reads an `environment.yml`. Its `name` and `prefix` do not count, nor does the order of its dependencies; the order of
    /// its channels does.
    fn read(bytes: &[u8], file: &ProjectPath, project: &Project) -> Result<Self> {
        let wrong = |what: String| {
            Error::usage(format!("`{file}` is no environment of conda: {what}"))
                .with_hint("it has a list `dependencies`, and mostly a list `channels`")
        };
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".into()))?;
        let value: Value = serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let table = value.as_object().ok_or_else(|| wrong("it is no table".into()))?;
        let dependencies = table.get("dependencies").and_then(Value::as_array);
        let dependencies = dependencies.ok_or_else(|| wrong("it has no list `dependencies`".into()))?;
        let mut packages: Vec<String> = Vec::new();
        let mut pip: Vec<String> = Vec::new();
        for dependency in dependencies {
            match dependency {
                Value::String(package) => packages.push(package.split_whitespace().collect::<Vec<_>>().join(" ")),
                Value::Object(section) if section.len() == 1 && section.get("pip").is_some_and(Value::is_array) => {
                    let lines = section["pip"].as_array().into_iter().flatten();
                    for line in lines {
                        let line = line.as_str().ok_or_else(|| wrong(format!("`{line}` for pip is no text")))?;
                        pip.push(line.to_owned());
                    }
                }
                other => {
                    return Err(wrong(format!(
                        "`{}` is neither a package nor a list for pip",
                        escape(other.to_string().as_bytes())
                    )));
                }
            }
        }
        packages.sort();
        let directory = file.below(project.root());
        let directory = directory.parent().unwrap_or(project.root());
        let requirements = Requirements::of_lines(&pip, format!("the packages for pip in {file}"), directory, project)?;
        if let Some(path) = requirements.editable().first() {
            return Err(wrong(format!(
                "pip can't install `{path}` as editable here, because projects share environments"
            ))
            .with_hint("name it without `-e`, or set PYTHONPATH in `variables` of the steps that use its code"));
        }
        let rest: BTreeMap<&String, &Value> =
            table.iter().filter(|(key, _)| !["name", "prefix", "dependencies"].contains(&key.as_str())).collect();
        let rest = serde_json::to_string(&rest).context("cannot write YAML as JSON")?;
        let canonical = format!("{rest}\n{}\npip\n{}", packages.join("\n"), requirements.canonical());
        Ok(Self { canonical })
    }
}

/// The lines of a lock file, those for pip among them.
pub fn with_pip(lines: &[String], pip: &[String]) -> String {
    let pip = pip.iter().map(|line| format!("{PIP}{line}\n"));
    lines.iter().map(|line| format!("{line}\n")).chain(pip).collect()
}

/// Where an environment with this content lies in the cache, or will.
fn place(content: &Content, lock: &LockFile, locked_pip: &[String], file: &ProjectPath, cache: &Path) -> Place {
    let digest = digest(content, lock.lines.as_deref(), locked_pip);
    Place {
        digest,
        directory: kept::all(cache).join(digest.hex()),
        kind: Kind::Conda,
        what: file.to_string(),
        is_pinned: lock.lines.is_some(),
    }
}

/// The program that makes environments.
fn tool_of(host: &Interpreters) -> Option<PathBuf> {
    let known = || ["micromamba", "mamba", "conda"].iter().find_map(|name| find_program(name, &host.path));
    host.conda.clone().or_else(known)
}

fn digest(content: &Content, lock: Option<&[String]>, locked_pip: &[String]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(format!("mlx environment 1\nconda {}\n", platform()).as_bytes());
    match lock {
        None => hasher.update(content.canonical.as_bytes()),
        Some(lines) => {
            hasher.update(b"locked\n");
            let mut lines: Vec<&String> = lines.iter().chain(locked_pip).collect();
            lines.sort();
            lines.iter().for_each(|line| hasher.update(format!("{line}\n").as_bytes()));
        }
    }
    hasher.finish().0
}

fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// `micromamba` of `/opt/bin/micromamba`.
fn tool_name(tool: &Path) -> String {
    tool.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A URL without what a private channel is reached with: `user:password@` and `/t/TOKEN/`.
fn without_secret(line: &str) -> String {
    let (scheme, rest) = line.split_once("://").unwrap_or(("https", line));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit('@').next().unwrap_or(host);
    let path = path.strip_prefix("t/").and_then(|path| path.split_once('/')).map_or(path, |(_, path)| path);
    format!("{scheme}://{host}/{path}")
}

/// The variables that the environment's own scripts set when one goes into it, and those of its `variables` section.
fn activation(directory: &Path, path: &OsStr) -> Vec<(String, String)> {
    let mut variables = BTreeMap::new();
    let state = std::fs::read(directory.join("conda-meta/state")).unwrap_or_default();
    if let Some(set) =
        serde_json::from_slice::<Value>(&state).ok().as_ref().and_then(|state| state["env_vars"].as_object())
    {
        variables.extend(set.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))));
    }
    let scripts = directory.join("etc/conda/activate.d");
    if scripts.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        // Bash, where it is there: that is what these scripts are written for.
        let shell = find_program("bash", path).unwrap_or_else(|| "/bin/sh".into());
        let script = r#"for script in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do . "$script" >&2; done; env -0"#;
        let programs = std::iter::once(directory.join("bin")).chain(std::env::split_paths(path));
        let programs = std::env::join_paths(programs).unwrap_or_else(|_| path.to_owned());
        let output = Command::new(shell)
            .args(["-c", script])
            .env_clear()
            .env("PATH", &programs)
            .env("CONDA_PREFIX", directory)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let set = text.split('\0').filter_map(|entry| entry.split_once('='));
        let of_the_shell = ["PATH", "CONDA_PREFIX", "PWD", "OLDPWD", "SHLVL", "_"];
        variables.extend(
            set.filter(|(name, _)| !of_the_shell.contains(name))
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
    }
    variables.into_iter().collect()
}

/// A package of conda's, as the URL of its file says it.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub build: String,
    /// Such as `conda-forge`.
    pub channel: String,
    /// Such as `linux-64`.
    pub platform: String,
}

/// The package whose file a line of an explicit list names.
pub fn package_of(line: &str) -> Option<Package> {
    let mut parts = line.split('#').next()?.trim().rsplit('/');
    let file = parts.next()?;
    let stem = file.strip_suffix(".conda").or_else(|| file.strip_suffix(".tar.bz2"))?;
    let (platform, channel) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    // `name-version-build`
    let mut words = stem.rsplitn(3, '-');
    let (build, version, name) = (words.next()?, words.next()?, words.next()?);
    let [name, version, build, channel, platform] = [name, version, build, channel, platform].map(str::to_owned);
    Some(Package { name, version, build, channel, platform })
}

/// The packages that an explicit list names, as `name==version` lines.
pub fn packages_of(explicit: &str) -> String {
    let of_url = |line: &str| package_of(line).map(|Package { name, version, .. }| format!("{name}=={version}\n"));
    let of_pip = |line: &str| pinned(line.strip_prefix(PIP)?).map(|(name, version)| format!("{name}=={version}\n"));
    let mut lines: Vec<String> = explicit.lines().filter_map(|line| of_pip(line).or_else(|| of_url(line))).collect();
    lines.sort();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Result<Content> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(crate::project::MANIFEST), "").unwrap();
        let project = Project::open(dir.path()).unwrap();
        Content::read(text.as_bytes(), &ProjectPath::new("environment.yml").unwrap(), &project)
    }

    #[test]
    fn names_comments_and_order_do_not_count_and_channels_do() {
        let canonical = |text: &str| content(text).unwrap().canonical;
        let base = canonical("channels: [a, b]\ndependencies: [python=3.11, numpy, {pip: [six, attrs]}]\n");

        let text = "# why\r\nname: x\r\nprefix: /y\r\nchannels:\r\n  - a\r\n  - b\r\ndependencies:\r\n  - numpy\r\n  - python=3.11\r\n  - pip:\r\n    - attrs\r\n    - six\r\n";
        assert_eq!(canonical(text), base);
        assert_ne!(canonical("channels: [b, a]\ndependencies: [python=3.11, numpy, {pip: [six, attrs]}]\n"), base);
        assert_ne!(canonical("channels: [a, b]\ndependencies: [python=3.11, numpy, {pip: [six]}]\n"), base);
    }

    #[test]
    fn what_is_no_environment_is_an_error_with_a_remedy() {
        for text in [
            "",
            "[1]",
            "channels: [a]",
            "dependencies: [{pop: [x]}]",
            "dependencies: [3]",
            "a: [",
            "dependencies: [{pip: ['-e .']}]",
        ] {
            let error = content(text).unwrap_err();
            assert!(error.to_string().contains("environment.yml") && error.hint().is_some(), "{text}: {error}");
        }
    }

    #[test]
    fn no_token_of_a_channel_gets_into_a_lock() {
        let line = "https://user:secret@host.example/t/tk-123/main/linux-64/a-1-0.conda#00";

        assert_eq!(without_secret(line), "https://host.example/main/linux-64/a-1-0.conda#00");
        assert_eq!(
            without_secret("https://conda.anaconda.org/x/a-1-0.conda"),
            "https://conda.anaconda.org/x/a-1-0.conda"
        );
    }

    #[test]
    fn an_explicit_list_names_its_packages() {
        let list = "@EXPLICIT\nhttps://h/c/linux-64/ca-certificates-2024.1.1-h0_0.conda#00\nhttps://h/c/noarch/six-1.16.0-py_0.tar.bz2\n# pip attrs==23.1\n";

        assert_eq!(packages_of(list), "attrs==23.1\nca-certificates==2024.1.1\nsix==1.16.0\n");
    }
}
