//! Whether a remote can do what is asked of it: each thing is tried once, on files of its own.

use std::io;
use std::time::Instant;

use serde::Serialize;

use super::{Body, Content, Remote, RemoteError};
use crate::{Error, Result};

/// What was tried on a remote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probed {
    pub name: String,
    pub url: String,
    pub tried: Vec<Tried>,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tried {
    pub what: &'static str,
    pub outcome: Outcome,
    /// Why it failed.
    pub message: Option<String>,
    pub hint: Option<String>,
    pub seconds: f64,
}

impl Tried {
    /// Tries it; only the wish to stop is an error.
    pub fn of(what: &'static str, action: impl FnOnce() -> Result<()>) -> Result<Self> {
        let started = Instant::now();
        let done = action();
        let seconds = started.elapsed().as_secs_f64();
        let (outcome, error) = match done {
            Ok(()) => (Outcome::Works, None),
            Err(error) if error.kind() == crate::Kind::Interrupted => return Err(error),
            Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Unsupported(_))) => {
                (Outcome::Unsupported, Some(error))
            }
            Err(error) => (Outcome::Failed, Some(error)),
        };
        let hint = error.as_ref().and_then(|error| error.hint().map(str::to_owned));
        let message = error.map(|error| error.to_string());
        Ok(Self { what, outcome, message, hint, seconds })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Works,
    /// The place can't do it by its nature, as a plain web server can't be written to.
    Unsupported,
    Failed,
}

/// How much is written and read back.
const SIZE: usize = 1 << 20;

/// Tries everything; what it wrote it deletes.
pub fn probe(name: &str, remote: &dyn Remote) -> Result<Probed> {
    let id = unique();
    let (file, record) = (format!("tmp/probe-{id}"), format!("tmp/probe-{id}-once"));
    // No pattern that a cache on the way could know.
    let content: Vec<u8> = id.bytes().cycle().zip(0..SIZE).map(|(byte, at)| byte ^ (at >> 7) as u8).collect();
    let mut probed = Probed { name: name.to_owned(), url: remote.url().to_owned(), tried: Vec::new() };
    probed.attempt("list", || remote.list("packs").map(drop))?;
    let writes = probed.attempt("write 1 MiB", || {
        remote.write(&file, &Body { content: Content::Bytes(&content), sent: &|_| Ok(()) })
    })?;
    match writes {
        Outcome::Works => {
            probed.attempt("read it back", || read_back(remote, &file, &content))?;
            probed.attempt("read a part of it", || {
                let mut part = Vec::new();
                remote.read(&file, Some(1000..5000), &mut part)?;
                same(&part, &content[1000..5000])
            })?;
            probed.attempt("create, never replace", || create_once(remote, &record))?;
            probed.attempt("delete", || {
                remote.delete(&record)?;
                remote.delete(&file)?;
                match remote.find(&file)? {
                    None => Ok(()),
                    Some(_) => Err(Error::failed("the file is still there")),
                }
            })?;
        }
        Outcome::Unsupported => drop(probed.attempt("read", || remote.find("mlx-remote").map(drop))?),
        // It may have been written all the same.
        Outcome::Failed => drop(remote.delete(&file)),
    }
    Ok(probed)
}

impl Probed {
    fn attempt(&mut self, what: &'static str, action: impl FnOnce() -> Result<()>) -> Result<Outcome> {
        let tried = Tried::of(what, action)?;
        let outcome = tried.outcome;
        self.tried.push(tried);
        Ok(outcome)
    }

    /// Whether it can be written to.
    pub fn is_writable(&self) -> bool {
        self.tried.iter().all(|tried| tried.outcome == Outcome::Works)
    }

    /// The first failure as an error.
    pub fn verdict(&self) -> Result<()> {
        let failed = self.tried.iter().find(|tried| tried.outcome == Outcome::Failed);
        let Some(Tried { message, hint, .. }) = failed else { return Ok(()) };
        let error = Error::failed(message.as_deref().unwrap_or("a test failed"))
            .context(format!("remote `{}` does not do what it should", self.name));
        Err(hint.iter().fold(error, |error, hint| error.with_hint(hint)))
    }
}

fn read_back(remote: &dyn Remote, name: &str, content: &[u8]) -> Result<()> {
    let size = remote.find(name)?.map(|entry| entry.size);
    if size != Some(content.len() as u64) {
        return Err(Error::failed(format!("a file of {} bytes was written, and {size:?} are there", content.len())));
    }
    let mut found = Vec::with_capacity(content.len());
    remote.read(name, None, &mut found)?;
    same(&found, content)
}

fn same(found: &[u8], content: &[u8]) -> Result<()> {
    if found == content { Ok(()) } else { Err(Error::failed("what came back is not what was written")) }
}

fn create_once(remote: &dyn Remote, name: &str) -> Result<()> {
    if !remote.create(name, b"first")? {
        return Err(Error::failed("a new name is said to be taken"));
    }
    if remote.create(name, b"second")? {
        return Err(Error::failed("a file was replaced that must not be: two people could write the same version"));
    }
    remote.read(name, None, &mut io::sink()).map(drop)
}

fn unique() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::{Access, open};

    #[test]
    fn a_directory_does_everything_and_is_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let remote = open("remote", dir.path(), &Access::default()).unwrap();

        let probed = probe("origin", &*remote).unwrap();

        assert!(probed.is_writable() && probed.verdict().is_ok(), "{probed:?}");
        assert_eq!(std::fs::read_dir(dir.path().join("remote/tmp")).unwrap().count(), 0);
    }

    #[test]
    fn the_first_failure_is_the_verdict() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("remote"), "a file").unwrap();
        let remote = open("remote", dir.path(), &Access::default()).unwrap();

        let probed = probe("origin", &*remote).unwrap();

        let error = probed.verdict().unwrap_err();
        assert!(error.to_string().starts_with("remote `origin` does not do what it should: cannot write"), "{error}");
    }
}
