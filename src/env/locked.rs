//! Lock files: which versions an environment holds, with their hashes, in the form that pip and uv install.
//!
//! The first lines say for which requirements the file was made, so that one that is out of date is noticed. A file that
//! another program wrote, such as `pip-compile`, has no such line and is taken as it is.

use std::path::Path;

use super::library::normal_name;
use super::requirements::lines_of;
use crate::fs::{self, quote};
use crate::project::manifest::DEFAULT_ENVIRONMENT;
use crate::project::{Project, ProjectPath};
use crate::{Digest, Error, Result};

/// Begins the line that names the digest of the requirements.
const OF: &str = "# requirements: ";

/// The lock file of an environment, which may not be there.
#[derive(Debug, Clone)]
pub struct LockFile {
    pub path: ProjectPath,
    /// What it says, line by line, without comments; `None` where there is no file.
    pub lines: Option<Vec<String>>,
    /// The digest of the requirements that it was made for, where it says so.
    of: Option<Digest>,
}

impl LockFile {
    /// The lock file that is named, or else the one beside `file` that ends in `.lock`; for requirements without a file
    /// `<stem>.lock`, or `<stem>-NAME.lock` for another environment than the default one.
    pub fn find(
        named: Option<&ProjectPath>,
        file: Option<&ProjectPath>,
        stem: &str,
        name: &str,
        project: &Project,
    ) -> Result<Self> {
        let path = Self::path(named, file, stem, name)?;
        let bytes = fs::read_optional(&project.resolve(&path)?)?;
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let of =
            text.as_ref().and_then(|text| text.lines().find_map(|line| line.strip_prefix(OF)?.trim().parse().ok()));
        Ok(Self { path, lines: text.map(|text| lines_of(&text)), of })
    }

    /// One that somebody else has read.
    pub fn given(path: ProjectPath, lines: Vec<String>) -> Self {
        Self { path, lines: Some(lines), of: None }
    }

    /// Where the lock file is looked for; see [`LockFile::find`].
    pub fn path(
        named: Option<&ProjectPath>,
        file: Option<&ProjectPath>,
        stem: &str,
        name: &str,
    ) -> Result<ProjectPath> {
        let own = match (named, file) {
            (Some(path), _) => return Ok(path.clone()),
            (None, Some(file)) => return beside(file),
            (None, None) if name == DEFAULT_ENVIRONMENT => format!("{stem}.lock"),
            (None, None) => format!("{stem}-{name}.lock"),
        };
        ProjectPath::new(own).map_err(|error| Error::new(crate::Kind::Usage, error))
    }

    /// Refuses a lock file that was made for other requirements than these.
    pub fn check(&self, requirements: &str, canonical: &str) -> Result<()> {
        match self.of {
            Some(of) if of != Digest::of(canonical) => {
                let message = format!("`{}` is out of date: {requirements} changed after it was written", self.path);
                Err(Error::usage(message).with_hint("bring it up to date with `mlx env lock`"))
            }
            _ => Ok(()),
        }
    }

    /// The text of a lock file with these lines, made from these requirements.
    pub fn text(maker: &str, canonical: &str, lines: &[String], left_out: &[String]) -> String {
        let mut text =
            format!("# Written by `mlx env lock` for {maker}. Do not edit.\n{OF}{}\n", Digest::of(canonical));
        left_out.iter().for_each(|line| text.push_str(&format!("# not pinned: {line}\n")));
        for line in lines {
            text.push_str(&line.replace(" --hash=", " \\\n    --hash="));
            text.push('\n');
        }
        text
    }
}

/// `requirements.txt` has the lock file `requirements.lock`.
fn beside(file: &ProjectPath) -> Result<ProjectPath> {
    use std::os::unix::ffi::OsStrExt;
    let path = file.below(Path::new("")).with_extension("lock");
    let lock = ProjectPath::new(path.as_os_str().as_bytes()).map_err(|error| Error::new(crate::Kind::Usage, error))?;
    match lock == *file {
        true => Err(Error::usage(format!("`{}` can't be requirements and lock file at once", quote(&path)))
            .with_hint("name the lock file with `lock`, or give the requirements another ending")),
        false => Ok(lock),
    }
}

/// The normal name of the package that a line pins, and its hashes: `sha256:…`.
pub fn hashes_of(line: &str) -> Option<(String, Vec<String>)> {
    let (name, _) = pinned(line)?;
    let hashes = line.split_whitespace().filter_map(|word| word.strip_prefix("--hash=")).map(str::to_owned);
    Some((name, hashes.collect()))
}

/// The normal name and the version that a line pins: `six==1.16.0 ; marker --hash=…`.
pub fn pinned(line: &str) -> Option<(String, &str)> {
    let (name, rest) = line.split_once("==")?;
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let name = name.split('[').next().unwrap_or(name).trim();
    let version = rest.trim_start().split([' ', ';']).next().unwrap_or_default();
    (is_name(name) && !version.is_empty()).then(|| (normal_name(name), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let lines = ["a==1 --hash=sha256:00 --hash=sha256:11".to_owned(), "b[x]==2 ; python_version > '3'".to_owned()];

        let text = LockFile::text("Python 3.11.7", "a\nb\n", &lines, &["-e ./lib".into()]);

        assert_eq!(lines_of(&text), lines);
        assert!(text.contains("a==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"), "{text}");
        assert_eq!(hashes_of(&lines[0]).unwrap(), ("a".into(), vec!["sha256:00".into(), "sha256:11".into()]));
        assert_eq!(pinned(&lines[1]).unwrap(), ("b".into(), "2"));
        assert_eq!(pinned("-e ./lib==2"), None);
    }

    #[test]
    fn the_lock_lies_beside_the_requirements() {
        let beside = |path: &str| beside(&ProjectPath::new(path).unwrap()).map(|path| path.to_string());

        assert_eq!(beside("requirements.txt").unwrap(), "requirements.lock");
        assert_eq!(beside("env/environment.yml").unwrap(), "env/environment.lock");
        assert!(beside("requirements.lock").is_err());
    }
}
