//! What interpreters said about themselves, remembered by the identity of their files, so that asking again starts no
//! process.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Interpreter;
use crate::Digest;
use crate::fs;

/// More than one user's projects and version managers need; the oldest go first.
const LIMIT: usize = 100;

/// The remembered answers, in a file of the cache directory. A file that can't be read or written costs time, not
/// correctness.
#[derive(Debug)]
pub struct Memory {
    cache: PathBuf,
    entries: Vec<Entry>,
    changed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    program: Sighting,
    /// `None` where the program is a shim that finds no interpreter for this choice.
    answer: Option<Answer>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    interpreter: Interpreter,
    /// The interpreter behind the program, which may be another file.
    executable: Identity,
}

/// A program as it was seen: with the same sighting, it is the same interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    path: PathBuf,
    identity: Identity,
    /// What a shim of pyenv decides by besides.
    choice: Option<Digest>,
    /// A script of which nobody knows what it decides by; asked each time.
    #[serde(skip)]
    is_opaque: bool,
}

/// A file that has been neither replaced nor written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i128,
}

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        path.metadata().ok().map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified_ns: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
        }
    }
}

impl Sighting {
    /// The program as it is now; `None` where there is none. Shims of pyenv decide by the project they are called in.
    pub fn of(path: &Path, root: &Path, pyenv_version: Option<&OsStr>) -> Option<Self> {
        let identity = Identity::of(path)?;
        let mut magic = [0; 4];
        let is_binary =
            File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && &magic == b"\x7fELF";
        let name = path.canonicalize().ok()?;
        let is_python = name.file_name().is_some_and(|name| {
            let name = name.as_bytes();
            name.starts_with(b"python") || name.starts_with(b"pypy")
        });
        let pyenv = path.parent().and_then(Path::parent).filter(|root| !is_binary && root.join("versions").is_dir());
        let choice = pyenv.map(|pyenv| pyenv_choice(pyenv, root, pyenv_version));
        let is_opaque = choice.is_none() && !(is_binary && is_python);
        Some(Self { path: path.to_path_buf(), identity, choice, is_opaque })
    }

    /// A program that finds interpreters, asked for this one.
    pub fn of_finder(path: &Path, wanted: &str) -> Option<Self> {
        let choice = Some(Digest::of(wanted));
        Some(Self { path: path.to_path_buf(), identity: Identity::of(path)?, choice, is_opaque: false })
    }
}

/// Everything that a shim of pyenv looks at: its variable, the nearest `.python-version`, the global choice, and which
/// versions are installed.
fn pyenv_choice(pyenv: &Path, root: &Path, pyenv_version: Option<&OsStr>) -> Digest {
    let local = root.ancestors().find_map(|directory| std::fs::read(directory.join(".python-version")).ok());
    let global = std::fs::read(pyenv.join("version")).ok();
    let installed = Identity::of(&pyenv.join("versions"));
    let parts = [pyenv_version.map(|version| version.as_bytes().to_vec()), local, global];
    Digest::of(format!("{parts:?} {installed:?}"))
}

impl Memory {
    /// What is remembered in this cache directory.
    pub fn open(cache: &Path) -> Self {
        let bytes = std::fs::read(cache.join("interpreters.json")).unwrap_or_default();
        let entries = serde_json::from_slice(&bytes).unwrap_or_default();
        Self { cache: cache.to_path_buf(), entries, changed: false }
    }

    /// What this program said about itself, if neither it nor the interpreter behind it has changed since: `Some(None)`
    /// where it is known to be none.
    pub fn recall(&self, program: &Sighting) -> Option<Option<Interpreter>> {
        let entry = self.entries.iter().find(|entry| !program.is_opaque && entry.program == *program)?;
        match &entry.answer {
            None => Some(None),
            Some(Answer { interpreter, executable }) => {
                let is_same = Identity::of(&interpreter.executable) == Some(*executable);
                is_same.then(|| Some(interpreter.clone()))
            }
        }
    }

    /// Remembers an answer. That a program is no interpreter is remembered of shims only, which decide by what is part
    /// of the sighting; others may have failed for any reason.
    pub fn remember(&mut self, program: Sighting, interpreter: Option<&Interpreter>) {
        let answer = interpreter.and_then(|interpreter| {
            let executable = Identity::of(&interpreter.executable)?;
            Some(Answer { interpreter: interpreter.clone(), executable })
        });
        if program.is_opaque || answer.is_none() && program.choice.is_none() {
            return;
        }
        self.entries.retain(|entry| entry.program.path != program.path || entry.program.choice != program.choice);
        self.entries.push(Entry { program, answer });
        let surplus = self.entries.len().saturating_sub(LIMIT);
        self.entries.drain(..surplus);
        self.changed = true;
    }

    /// Writes what is new. Of two processes that do so at once, one forgets what the other learned.
    pub fn save(&self) {
        if !self.changed {
            return;
        }
        if let Ok(bytes) = serde_json::to_vec(&self.entries) {
            let _ = fs::write_atomic(&self.cache.join("interpreters.json"), &bytes, &self.cache.join("tmp"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn interpreter(executable: &Path) -> Interpreter {
        let (version, platform) = ("3.11.7".to_owned(), "cpython-311".to_owned());
        Interpreter { executable: executable.to_path_buf(), version, platform, site_packages: Vec::new() }
    }

    fn program(path: &Path, content: &[u8]) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    #[test]
    fn an_interpreter_is_known_until_its_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let python = dir.path().join("bin/python3");
        program(&python, b"\x7fELF one");
        let mut memory = Memory::open(dir.path());
        memory.remember(Sighting::of(&python, dir.path(), None).unwrap(), Some(&interpreter(&python)));
        memory.save();

        let memory = Memory::open(dir.path());

        assert!(memory.recall(&Sighting::of(&python, dir.path(), None).unwrap()).is_some());
        program(&python, b"\x7fELF other");
        assert!(memory.recall(&Sighting::of(&python, dir.path(), None).unwrap()).is_none());
    }

    #[test]
    fn a_shim_of_pyenv_is_known_for_one_choice_of_version() {
        let dir = tempfile::tempdir().unwrap();
        let (shim, python) =
            (dir.path().join("pyenv/shims/python3"), dir.path().join("pyenv/versions/3.11.7/bin/python"));
        program(&shim, b"#!/bin/sh\n");
        program(&python, b"\x7fELF");
        let see = |version: &str| Sighting::of(&shim, dir.path(), Some(OsStr::new(version))).unwrap();
        let mut memory = Memory::open(dir.path());
        memory.remember(see("3.11.7"), Some(&interpreter(&python)));

        assert!(memory.recall(&see("3.11.7")).is_some());
        assert!(memory.recall(&see("3.12.1")).is_none());
        std::fs::write(dir.path().join(".python-version"), "3.12.1").unwrap();
        assert!(memory.recall(&see("3.11.7")).is_none());
        memory.remember(see("9.9"), None);
        assert_eq!(memory.recall(&see("9.9")), Some(None));
    }

    #[test]
    fn a_script_of_unknown_ways_is_asked_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("bin/python3");
        program(&script, b"#!/bin/sh\n");
        let mut memory = Memory::open(dir.path());
        memory.remember(Sighting::of(&script, dir.path(), None).unwrap(), Some(&interpreter(&script)));

        assert!(memory.recall(&Sighting::of(&script, dir.path(), None).unwrap()).is_none());
    }
}
