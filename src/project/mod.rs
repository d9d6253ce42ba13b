//! A project: the directory with `mlx.toml`, what the user wrote in it, and where mlx keeps its own files.

mod additions;
pub mod adopt;
pub mod assign;
mod changes;
pub mod condition;
pub mod document;
pub mod edit;
pub mod git;
pub mod gitignore;
pub mod glob;
pub mod hooks;
pub mod init;
pub mod lock;
pub mod manifest;
pub mod merge;
mod outgoing;
pub mod overlay;
pub mod params;
mod patched;
mod path;
mod reader;
mod removals;
pub mod settings;
pub mod setup;
pub mod space;
pub mod template;
pub mod value;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub use glob::Glob;
pub use lock::Lock;
pub use manifest::Manifest;
pub use outgoing::Outgoing;
pub use params::Params;
pub use patched::{ChangedFile, Code, CodeFile, FileDelta};
pub use path::{PathError, ProjectPath};
pub use reader::{duration_text, parse_duration};
pub use settings::{Link, Settings, Variables};

use crate::fs::{self, FileLock, quote};
use crate::{Error, Kind, Result};

/// The manifest's file name.
pub const MANIFEST: &str = "mlx.toml";
/// The lock's file name.
pub const LOCK: &str = "mlx.lock";
/// The directory of mlx's own files, which Git ignores.
pub const STATE: &str = ".mlx";

/// An opened project.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
    /// Where its store, its records and its runs lie, when that is another project's: this is a working copy of it.
    home: Option<PathBuf>,
    pub manifest: Manifest,
    pub settings: Settings,
}

impl Project {
    /// Opens the project that `start` lies in: the nearest directory upwards that has a manifest.
    pub fn discover(start: &Path, variables: Variables<'_>) -> Result<Self> {
        Self::open_with(&Self::root_of(start)?, variables)
    }

    /// Opens the project that `start` lies in for who looks at what was: a manifest that can't be read is no obstacle, and
    /// returned is why it can't. The project has an empty one then.
    pub fn discover_past(start: &Path, variables: Variables<'_>) -> Result<(Self, Option<Error>)> {
        let root = Self::root_of(start)?;
        match Self::open_with(&root, variables) {
            Err(error) if error.kind() == Kind::Usage => {
                // Settings say where the store is: without them there is no past.
                let settings = Settings::read(&root, variables)?;
                Ok((Self { root, home: None, manifest: Manifest::default(), settings }, Some(error)))
            }
            opened => Ok((opened?, None)),
        }
    }

    /// The root, without symbolic links, of the project that `start` lies in.
    fn root_of(start: &Path) -> Result<PathBuf> {
        let start = start.canonicalize().with_context(|| format!("cannot enter `{}`", quote(start)))?;
        Self::root_around(&start).ok_or_else(|| {
            Error::usage(format!("there is no {MANIFEST} in `{}` or above it", quote(&start)))
                .with_hint("start a project here with `mlx init`, or name one with `-C DIR`")
        })
    }

    /// The nearest directory from `start` upwards that has a manifest.
    pub fn root_around(start: &Path) -> Option<PathBuf> {
        start.ancestors().find(|directory| directory.join(MANIFEST).is_file()).map(Path::to_path_buf)
    }

    /// Opens the project with this root, whatever the user and the environment say.
    pub fn open(root: &Path) -> Result<Self> {
        Self::open_with(root, &|_| None)
    }

    /// Opens the project with this root, with the settings that hold where these variables are set.
    pub fn open_with(root: &Path, variables: Variables<'_>) -> Result<Self> {
        let root = root.canonicalize().with_context(|| format!("cannot enter `{}`", quote(root)))?;
        let manifest = Manifest::read(&root.join(MANIFEST))?;
        let settings = Settings::read(&root, variables)?;
        let mut project = Self { root, home: None, manifest, settings };
        if project.manifest.needs_params() && !project.manifest.params.files.is_empty() {
            let params = Params::read(&project, &[])?;
            project.manifest.expand(&params)?;
        }
        Ok(project)
    }

    /// The project with the steps that there are when the `KEY=VALUE` texts take the place of parameters.
    pub fn with_params(&self, settings: &[String]) -> Result<Cow<'_, Self>> {
        if settings.is_empty() || !self.manifest.needs_params() {
            return Ok(Cow::Borrowed(self));
        }
        let mut project = self.clone();
        project.manifest.expand(&Params::read(self, settings)?)?;
        Ok(Cow::Owned(project))
    }

    /// A project of which only the lock, the records and the Git history matter: another user of the same store.
    pub fn neighbour(root: &Path) -> Self {
        let (manifest, settings) = Default::default();
        Self { root: root.to_path_buf(), home: None, manifest, settings }
    }

    /// A working copy of this project at `root`, which is absolute: with files, a lock and an index of its own, but the
    /// store, the records and the runs of this one.
    pub fn working_copy(&self, root: &Path, manifest: Manifest) -> Self {
        let home = Some(self.home().to_path_buf());
        Self { root: root.to_path_buf(), home, manifest, settings: self.settings.clone() }
    }

    /// The project whose store, records and runs these are: this one, or the one that it is a working copy of.
    pub fn home(&self) -> &Path {
        self.home.as_deref().unwrap_or(&self.root)
    }

    /// A place below the `.mlx` of [`Project::home`].
    pub fn home_state(&self, name: impl AsRef<Path>) -> PathBuf {
        self.home().join(STATE).join(name)
    }

    /// The absolute path of the project's directory, without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The project's name: the manifest's, or else its directory's.
    pub fn name(&self) -> String {
        let directory = || self.root.file_name().map_or("project".into(), |name| name.to_string_lossy().into_owned());
        self.manifest.name.clone().unwrap_or_else(directory)
    }

    /// A place below `.mlx`, such as `state("runs.db")`. Its directory may not exist yet.
    pub fn state(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(STATE).join(name)
    }

    /// Keeps `.mlx` out of Git, whatever the project's own `.gitignore` says.
    pub fn hide_state(&self) -> Result<()> {
        let path = self.state(".gitignore");
        if path.exists() { Ok(()) } else { fs::write_atomic(&path, b"*\n", &self.scratch()) }
    }

    /// The lock of whoever writes outputs: no other may do so meanwhile.
    pub fn outputs_lock(&self) -> PathBuf {
        self.state("locks/train")
    }

    /// Where temporary files lie until they are renamed: on the project's file system.
    pub fn scratch(&self) -> PathBuf {
        self.state("tmp")
    }

    /// The lock file as it is now; empty where there is none.
    pub fn read_lock(&self) -> Result<Lock> {
        let path = self.root.join(LOCK);
        fs::read_optional(&path)?.map_or_else(|| Ok(Lock::default()), |bytes| Lock::parse(&bytes, LOCK))
    }

    /// Reads the lock file, changes it and replaces it, alone among all processes that do so.
    pub fn change_lock<T>(&self, change: impl FnOnce(&mut Lock) -> Result<T>) -> Result<T> {
        let _alone = FileLock::exclusive(&self.state("locks/lock-file"), "mlx", |_| {})?;
        let before = self.read_lock()?;
        let mut after = before.clone();
        let result = change(&mut after)?;
        if after != before {
            fs::write_atomic_with(&self.root.join(LOCK), &self.scratch(), |out| after.write(out))?;
        }
        Ok(result)
    }

    /// The project path of `path`, which is absolute or relative to `directory`. Symbolic links on the way are kept, and
    /// `path` need not exist.
    pub fn relative(&self, directory: &Path, path: &Path) -> Result<ProjectPath> {
        use std::os::unix::ffi::OsStrExt;
        let absolute = std::path::absolute(directory.join(path))
            .with_context(|| format!("cannot make `{}` absolute", quote(path)))?;
        let outside = || {
            Error::usage(format!("`{}` lies outside the project `{}`", quote(path), quote(&self.root)))
                .with_hint("copy it into the project, or start a project where it lies")
        };
        let mut parts = PathBuf::new();
        for part in absolute.components() {
            match part {
                std::path::Component::ParentDir => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        let below = match parts.strip_prefix(&self.root) {
            Ok(below) => below.to_path_buf(),
            // The user may have come here through a link: resolve all but the last part.
            Err(_) => {
                let (parent, name) = parts.parent().zip(parts.file_name()).ok_or_else(outside)?;
                let parent = parent.canonicalize().map_err(|_| outside())?;
                parent.join(name).strip_prefix(&self.root).map_err(|_| outside())?.to_path_buf()
            }
        };
        ProjectPath::new(below.as_os_str().as_bytes()).map_err(|error| match error {
            PathError::Empty => Error::usage("the whole project can't be tracked as one path")
                .with_hint("name the files or directories in it"),
            error => Error::new(crate::Kind::Usage, error),
        })
    }

    /// Where `path` lies, after checking that no symbolic link on the way leads out of the project.
    ///
    /// The last part may itself be a link or missing.
    pub fn resolve(&self, path: &ProjectPath) -> Result<PathBuf> {
        let full = path.below(&self.root);
        let parent = full.parent().expect("a project path has at least one part below the root");
        let existing = parent.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok());
        let real = existing.map(|existing| {
            let real = existing.canonicalize().with_context(|| format!("cannot follow `{}`", quote(existing)));
            real.map_err(|error| Error::from(error).with_hint("mend the symbolic link, or take it away"))
        });
        let real = real.transpose()?;
        match real {
            Some(real) if !real.starts_with(&self.root) => Err(Error::usage(format!(
                "`{path}` leads out of the project through a symbolic link, to `{}`",
                quote(real)
            ))
            .with_hint("name a path that lies in the project itself")),
            _ => Ok(full),
        }
    }
}
