//! A temporary project and the program run in it: with an empty environment, and a home of its own.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A directory with a project in `project/` and a home in `home/`; gone when dropped.
pub struct Project {
    dir: TempDir,
}

impl Project {
    /// A directory without a manifest.
    pub fn empty() -> Self {
        let dir = tempfile::Builder::new().prefix("mlx-test-").tempdir().unwrap();
        fs::create_dir(dir.path().join("project")).unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        Self { dir }
    }

    /// A project with this manifest.
    pub fn with_manifest(manifest: &str) -> Self {
        Self::empty().write("mlx.toml", manifest)
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root().join(path)
    }

    /// Writes a file and the directories above it.
    pub fn write(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        self.set(path, content);
        self
    }

    /// As [`Project::write`], later in a test.
    pub fn set(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes a shell script that can be run.
    pub fn program(&self, path: &Path, script: &str) {
        let source = self.dir.path().join("script");
        fs::write(&source, format!("#!/bin/sh\n{script}\n")).unwrap();
        // A file that this process wrote can be busy for a moment, held by the child of another test.
        let status = Command::new("install").args(["-D", "-m", "755"]).args([&source, path]).status();
        assert!(status.unwrap().success());
    }

    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.path(path);
        String::from_utf8(fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
    }

    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// The program, not yet started, for tests that change its environment or talk to it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.other(env!("CARGO_BIN_EXE_mlx"), arguments);
        command.env("MLX_CACHE_DIR", shared_cache());
        command
    }

    /// Runs the program to its end.
    pub fn mlx(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output().unwrap();
        Outcome::new(format!("mlx {}", arguments.join(" ")), self.dir.path(), output)
    }

    /// Runs a prepared command to its end.
    pub fn outcome(&self, command: &mut Command) -> Outcome {
        let output = command.output().unwrap();
        Outcome::new(format!("{command:?}"), self.dir.path(), output)
    }

    /// Another program in the same place and environment.
    pub fn other(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.root())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("USER", "tester")
            .env("LANG", "C.UTF-8")
            .envs(std::env::vars_os().filter(|(name, _)| is_package_setting(name.as_bytes())))
            .stdin(Stdio::null());
        command
    }

    /// Runs Git, with a name and an address for commits.
    pub fn git(&self, arguments: &[&str]) -> Outcome {
        let configured =
            ["-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "init.defaultBranch=main"];
        let output = self.other("git", &[&configured, arguments].concat()).output().unwrap();
        Outcome::new(format!("git {}", arguments.join(" ")), self.dir.path(), output).success()
    }

    /// Commits everything that Git does not ignore; starts the repository where there is none.
    pub fn commit(&self, message: &str) {
        if !self.exists(".git") {
            self.git(&["init", "--quiet"]);
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }
}

/// Settings of pip and of certificates that the machine needs to reach its package index.
fn is_package_setting(name: &[u8]) -> bool {
    let exact: [&[u8]; 4] = [b"SSL_CERT_FILE", b"REQUESTS_CA_BUNDLE", b"CURL_CA_BUNDLE", b"TMPDIR"];
    name.starts_with(b"PIP_") || name.starts_with(b"UV_") || name.starts_with(b"PYENV_") || exact.contains(&name)
}

/// Environments are made once for all tests.
pub fn shared_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// How a program ended and what it said.
pub struct Outcome {
    what: String,
    root: PathBuf,
    code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    fn new(what: String, root: &Path, output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let root = root.canonicalize().unwrap();
        Self { what, root, code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub fn success(self) -> Self {
        self.exits_with(0)
    }

    /// The exit code is this one; see the table in STYLE: 1 failed, 2 usage, 3 step, 4 check, 130 interrupted.
    #[track_caller]
    pub fn exits_with(self, code: i32) -> Self {
        let Self { what, stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "`{what}` ended with {:?}\nstdout:\n{stdout}\nstderr:\n{stderr}", self.code);
        self
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{}: {error}:\n{}", self.what, self.stdout))
    }

    /// Standard error holds this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let stderr = self.redacted(&self.stderr);
        assert!(stderr.contains(text), "`{}` does not say `{text}`:\n{stderr}", self.what);
        self
    }

    /// Standard output holds this text.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "`{}` does not print `{text}`:\n{}", self.what, self.stdout);
        self
    }

    /// Standard output, then standard error, without what differs from run to run.
    pub fn text(&self) -> String {
        self.redacted(&[self.stdout.as_str(), self.stderr.as_str()].concat())
    }

    /// Directories become `[root]`, digests `[digest]`, short digests and run ids `[id]`, durations `[time]`.
    fn redacted(&self, text: &str) -> String {
        let text = text.replace(&*self.root.to_string_lossy(), "[root]");
        let mut result = String::with_capacity(text.len());
        let mut word = String::new();
        for character in text.chars().chain(['\0']) {
            if character.is_ascii_alphanumeric() {
                word.push(character);
                continue;
            }
            let is_hex = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            result.push_str(match word.len() {
                64 if is_hex => "[digest]",
                12 if is_hex => "[id]",
                _ => &word,
            });
            word.clear();
            if character != '\0' {
                result.push(character);
            }
        }
        result
    }
}

/// Every file below a directory.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let files = walkdir::WalkDir::new(directory).into_iter().filter_map(Result::ok);
    files.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

/// Bytes that neither repeat nor can be compressed; others for another seed.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(length).collect()
}

/// Makes a named pipe in the project.
pub fn make_pipe(project: &Project, name: &str) {
    assert!(project.other("mkfifo", &[name]).status().unwrap().success());
}
