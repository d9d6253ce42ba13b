//! Environments in the cache: made once for each content, alone among all processes, ready as a whole or not.
//!
//! A virtual environment holds its own path, so it can't be built aside and renamed. What makes it count is the file
//! `mlx-environment.json`, which is written last; a directory without it is what a killed process left, and is built anew.
//!
//! One lock file stands beside each directory: held alone by who makes or removes the environment, shared by who uses it.
//! The directory `<name>.uses` beside it has a small file for each project, whose time is that of the last use.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Kind, library};
use crate::event::{Event, Unit, Watch};
use crate::fs::{self, FileLock, quote};
use crate::{Digest, Error, Result};

/// The mark of an environment that is whole.
const MARK: &str = "mlx-environment.json";
/// What was installed, in the form of a lock file.
const LOCK: &str = "mlx-lock.txt";

/// A declared environment that lies in the cache, or will.
#[derive(Debug, Clone)]
pub struct Place {
    pub digest: Digest,
    pub directory: PathBuf,
    pub kind: Kind,
    /// Such as `requirements.txt for Python 3.11.7`.
    pub what: String,
    /// Whether a lock file decides what it holds.
    pub is_pinned: bool,
}

/// What the mark says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub digest: Digest,
    pub kind: Kind,
    pub what: String,
    pub is_pinned: bool,
    pub made: Timestamp,
    /// The room it took when it was made.
    pub bytes: u64,
    /// The interpreter it was made with, which must still be there.
    pub interpreter: Option<String>,
    /// Variables that programs in it need besides `PATH`.
    #[serde(default)]
    pub variables: Vec<(String, String)>,
}

/// What an installer leaves besides the files.
#[derive(Debug, Default)]
pub struct Installed {
    /// What was installed, in the form of a lock file.
    pub lock: String,
    /// Variables that programs in it need besides `PATH`.
    pub variables: Vec<(String, String)>,
}

/// The programs that install hand their lines to this.
pub struct Progress<'w> {
    id: String,
    packages: u64,
    pub watch: Watch<'w>,
}

impl Progress<'_> {
    /// Takes a line of an installer's output.
    pub fn line(&mut self, text: &str) {
        // pip says `Collecting`, uv ` + name==version`, conda `Linking`, once for each package.
        if text.starts_with("Collecting ") || text.starts_with(" + ") || text.trim_start().starts_with("Linking ") {
            self.packages += 1;
            self.watch.events.emit(Event::Progress { id: self.id.clone(), done: self.packages });
        }
        self.watch.events.emit(Event::Detail { message: text.to_owned() });
    }
}

/// Does work that takes a while and is shown meanwhile.
pub fn with_progress<T>(
    id: &str,
    what: String,
    watch: Watch<'_>,
    work: impl FnOnce(&mut Progress<'_>) -> Result<T>,
) -> Result<T> {
    watch.events.emit(Event::Started { id: id.to_owned(), what, total: None, unit: Unit::Packages });
    let result = work(&mut Progress { id: id.to_owned(), packages: 0, watch });
    watch.events.emit(Event::Finished { id: id.to_owned() });
    result
}

/// The directory of the environments in the user's cache.
pub fn all(cache: &Path) -> PathBuf {
    cache.join("envs")
}

impl Place {
    /// Whether the environment is whole.
    pub fn is_ready(&self) -> bool {
        mark(&self.directory).is_some()
    }

    /// What was installed, in the form of a lock file; nothing where that can't be read.
    pub fn lock_text(&self) -> String {
        std::fs::read_to_string(self.directory.join(LOCK)).unwrap_or_default()
    }

    /// What the mark says, where the environment is whole.
    pub fn mark(&self) -> Option<Mark> {
        mark(&self.directory)
    }

    /// Makes the environment by `install` unless it is ready, and holds it: nobody removes it while the lock is there.
    /// `interpreter` is what the environment stops to work without.
    pub fn hold(
        &self,
        interpreter: Option<&Path>,
        watch: Watch<'_>,
        install: impl Fn(&mut Progress<'_>) -> Result<Installed>,
    ) -> Result<FileLock> {
        let path = lock_path(&self.directory);
        let mut is_told = false;
        loop {
            // Held first and looked at then, so that it can't go between the two.
            if let Some(lock) = FileLock::try_shared(&path)?
                && self.is_ready()
            {
                return Ok(lock);
            }
            match FileLock::try_exclusive(&path, "mlx")? {
                // Who comes in between may have made it.
                Ok(_alone) if self.is_ready() => continue,
                Ok(_alone) => self.make(interpreter, watch, &install)?,
                // Whoever makes it goes on to use it: to wait until nobody holds the lock would be to wait for that, too.
                Err(holder) => {
                    if !std::mem::replace(&mut is_told, true) {
                        let (short, holder) = (self.digest.short(), holder.0);
                        watch.events.note(format!("environment {short}: waiting for {holder}, which is at work on it"));
                    }
                    watch.interrupt.check()?;
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }

    fn make(
        &self,
        interpreter: Option<&Path>,
        watch: Watch<'_>,
        install: impl Fn(&mut Progress<'_>) -> Result<Installed>,
    ) -> Result<()> {
        watch.interrupt.check()?;
        clear(&self.directory)?;
        let id = format!("environment {}", self.digest.short());
        let what = format!("{id}: installing {}", self.what);
        let made = with_progress(&id, what, watch, |progress| {
            let installed = install(progress)?;
            self.finish(interpreter, installed)
        });
        made.inspect_err(|_| drop(clear(&self.directory)))
    }

    /// Makes the environment count.
    fn finish(&self, interpreter: Option<&Path>, installed: Installed) -> Result<()> {
        let directory = &self.directory;
        fs::write_atomic(&directory.join(LOCK), installed.lock.as_bytes(), directory)?;
        // The installer leaves its files to the kernel's leisure; after a power cut the mark must not outlive them.
        let all = std::fs::File::open(directory).with_context(|| format!("cannot open `{}`", quote(directory)))?;
        rustix::fs::syncfs(all).with_context(|| format!("cannot sync `{}`", quote(directory)))?;
        let mark = Mark {
            digest: self.digest,
            kind: self.kind,
            what: self.what.clone(),
            is_pinned: self.is_pinned,
            made: Timestamp::now(),
            bytes: room(directory),
            interpreter: interpreter.map(quote),
            variables: installed.variables,
        };
        let text = serde_json::to_vec(&mark).context("cannot write the mark of an environment as JSON")?;
        fs::write_atomic(&directory.join(MARK), &text, directory)
    }

    /// Notes that a project uses the environment now.
    pub fn note_use(&self, root: &Path) {
        note_use(&self.directory, root);
    }

    /// The directories of the environment's installed packages.
    pub fn site_packages(&self) -> Vec<PathBuf> {
        library::site_packages(&self.directory)
    }
}

/// Notes that a project uses the environment in this directory now. What can't be noted costs a line in a list, not a run.
pub fn note_use(directory: &Path, root: &Path) {
    let uses = uses_path(directory);
    let file = uses.join(Digest::of(root.as_os_str().as_encoded_bytes()).short());
    let is_touched = std::fs::File::options()
        .write(true)
        .open(&file)
        .and_then(|file| file.set_modified(std::time::SystemTime::now()))
        .is_ok();
    if !is_touched {
        let _ = fs::create_dir_all(&uses).and_then(|()| fs::write_atomic(&file, quote(root).as_bytes(), &uses));
    }
}

/// What the mark in this directory says, if the environment is whole and the interpreter it was made with still there.
pub fn mark(directory: &Path) -> Option<Mark> {
    let mark: Mark = serde_json::from_slice(&std::fs::read(directory.join(MARK)).ok()?).ok()?;
    let is_there = |path: &String| fs::unescape(path).is_some_and(|path| Path::new(OsStr::from_bytes(&path)).exists());
    mark.interpreter.as_ref().is_none_or(is_there).then_some(mark)
}

/// The lock of the environment in this directory.
pub fn lock_path(directory: &Path) -> PathBuf {
    directory.with_extension("lock")
}

/// Where the uses of the environment in this directory are noted.
pub fn uses_path(directory: &Path) -> PathBuf {
    directory.with_extension("uses")
}

/// Takes away what lies there, however far it got, and makes the directory around it. Without its mark first, so that no
/// half of it ever counts.
pub fn clear(directory: &Path) -> Result<()> {
    let cannot = || format!("cannot remove the environment `{}`", quote(directory));
    for result in [std::fs::remove_file(directory.join(MARK)), std::fs::remove_dir_all(directory)] {
        match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::from(anyhow::Error::new(error).context(cannot())));
            }
            _ => {}
        }
    }
    directory.parent().map_or(Ok(()), fs::create_dir_all)
}

/// The room that all files in this directory take. Several names of one file count once.
fn room(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut linked = std::collections::HashSet::new();
    let entries = walkdir::WalkDir::new(directory).into_iter().flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok()).filter(|metadata| metadata.is_file());
    let counted = files.filter(|metadata| metadata.nlink() == 1 || linked.insert((metadata.dev(), metadata.ino())));
    counted.map(|metadata| metadata.len()).sum()
}
