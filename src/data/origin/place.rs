//! A file at a URL, or on this machine.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use percent_encoding::percent_decode_str;

use super::Reach;
use crate::data::pipe::read_from;
use crate::digest::{Object, ObjectKind};
use crate::event::{Event, Unit};
use crate::fs::{escape, quote};
use crate::remote::location::without_secrets;
use crate::remote::{self, Entry, Remote, RemoteError};
use crate::store::Store;
use crate::{Error, Result};

/// A file that is replaced again and again while it is read is read this often.
const ATTEMPTS: usize = 3;

/// Where a file is: a directory as remotes are named, and the name in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    directory: String,
    name: String,
    /// What stands behind the `?` of a web server's URL.
    query: Option<String>,
}

/// A file that was found.
pub struct RemoteFile {
    remote: Arc<dyn Remote>,
    name: String,
    /// `None` where the place tells nothing of a file before it sends it.
    entry: Option<Entry>,
    shown: String,
}

/// The path of a local source.
pub fn local(text: &str, base: &Path, home: Option<&Path>) -> Result<PathBuf> {
    let path = match text.strip_prefix("file://") {
        Some(path) => PathBuf::from(percent_decode_str(path).decode_utf8_lossy().into_owned()),
        None => match (text.strip_prefix("~/"), home) {
            (Some(below), Some(home)) => home.join(below),
            _ => base.join(text),
        },
    };
    let found = path.canonicalize().map_err(|error| {
        Error::usage(format!("there is no `{}`: {error}", escape(text.as_bytes())))
            .with_hint("data of another project is named `PROJECT#PATH`")
    })?;
    Ok(found)
}

impl Place {
    /// Reads a URL or the path of a file; `None` for a directory of this machine.
    pub fn parse(text: &str, base: &Path, home: Option<&Path>) -> Result<Option<Self>> {
        let is_local = text.starts_with("file://") || !text.contains("://");
        if is_local {
            let path = local(text, base, home)?;
            if path.is_dir() {
                return Ok(None);
            }
            let text = |part: Option<&std::ffi::OsStr>| part.and_then(|part| part.to_str()).map(str::to_owned);
            let (directory, name) = (text(path.parent().map(Path::as_os_str)), text(path.file_name()));
            let (directory, name) = directory.zip(name).ok_or_else(|| {
                Error::usage(format!("the path `{}` is no text", quote(&path))).with_hint("copy the file and add it")
            })?;
            return Ok(Some(Self { directory, name, query: None }));
        }
        let shown = || without_secrets(text);
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        // Buckets take names as they are; on web servers they are encoded, and a query may follow.
        let is_web = ["http", "https", "dav", "davs", "webdav", "webdavs"].contains(&&*scheme.to_ascii_lowercase());
        let (rest, query) = match rest.split_once('?').filter(|_| is_web) {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        let Some((directory, name)) = rest.rsplit_once('/').filter(|(_, name)| !name.is_empty()) else {
            return Err(Error::usage(format!("`{}` names a directory or a server, not a file", shown()))
                .with_hint("name one file; a whole directory can come from a project or from this machine"));
        };
        let is_bucket =
            ["s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss"].contains(&&*scheme.to_ascii_lowercase());
        let decoded = percent_decode_str(name).decode_utf8();
        let name = match decoded {
            Ok(decoded) if !is_bucket => decoded.into_owned(),
            _ => name.to_owned(),
        };
        Ok(Some(Self { directory: format!("{scheme}://{directory}"), name, query }))
    }

    /// The file, if it is on this machine.
    pub fn local(&self) -> Option<PathBuf> {
        (!self.directory.contains("://")).then(|| Path::new(&self.directory).join(&self.name))
    }

    /// The file's own name.
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// Whether its query may hold a secret, so that nothing may write it down.
    pub fn may_hold_secret(&self) -> bool {
        let suspicious = ["sig", "token", "secret", "passw", "credential", "key", "auth"];
        let names = self.query.iter().flat_map(|query| query.split('&'));
        let mut names = names.map(|pair| pair.split('=').next().unwrap_or_default().to_ascii_lowercase());
        names.any(|name| suspicious.iter().any(|word| name.contains(word)))
    }

    /// Asks for the file, without reading it.
    pub fn look(&self, reach: &Reach<'_>) -> Result<RemoteFile> {
        let remote = remote::open_with(&self.directory, self.query.as_deref(), reach.base, reach.access)?;
        let shown = format!("{}/{}", remote.url().trim_end_matches('/'), escape(self.name.as_bytes()));
        let found = match remote.find(&self.name) {
            // Then it has to be read to learn what it is.
            Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Unsupported(_))) => {
                return Ok(RemoteFile { remote, name: self.name.clone(), entry: None, shown });
            }
            found => found?,
        };
        let entry = found.ok_or_else(|| Error::failed(format!("there is no file at {shown}")))?;
        Ok(RemoteFile { remote, name: self.name.clone(), entry: Some(entry), shown })
    }
}

impl RemoteFile {
    /// What tells this version from others; `None` where the place says nothing.
    pub fn version(&self) -> Option<&str> {
        self.entry.as_ref().map(|entry| entry.version.as_str()).filter(|version| !version.is_empty())
    }

    /// Reads it into the store. What was replaced meanwhile is read again.
    pub fn bring(&self, store: &Store, reach: &Reach<'_>) -> Result<Object> {
        for _ in 0..ATTEMPTS {
            let batch = store.batch()?;
            let (digest, size) = self.read(&batch, reach)?;
            let is_same = |now: Entry| self.version().is_none_or(|version| now.version == version);
            if self.entry.is_none() || self.remote.find(&self.name)?.is_some_and(is_same) {
                batch.commit()?;
                return Ok(Object { kind: ObjectKind::File, digest, size, files: 1 });
            }
        }
        Err(Error::failed(format!("{} changes while it is read", self.shown)).with_hint("run this again"))
    }

    /// Reads it for its digest alone.
    pub fn digest(&self, store: &Store, reach: &Reach<'_>) -> Result<crate::Digest> {
        // What is never committed goes with the batch.
        let batch = store.batch()?;
        Ok(self.read(&batch, reach)?.0)
    }

    fn read(&self, batch: &crate::store::Batch, reach: &Reach<'_>) -> Result<(crate::Digest, u64)> {
        let size = self.entry.as_ref().map(|entry| entry.size);
        let id = format!("download {}", self.shown);
        let what = format!("Downloading {}", self.shown);
        reach.watch.events.emit(Event::Started { id: id.clone(), what, total: size, unit: Unit::Bytes });
        let write = |out: &mut dyn Write| {
            let mut counted = Counted {
                out,
                done: 0,
                told: &|done| {
                    reach.watch.events.emit(Event::Progress { id: id.clone(), done });
                },
            };
            self.remote.read(&self.name, None, &mut counted).map(drop)
        };
        let read = read_from(write, |content| batch.put_reader(content, size.unwrap_or(u64::MAX)));
        reach.watch.events.emit(Event::Finished { id: id.clone() });
        read
    }
}

struct Counted<'a> {
    out: &'a mut dyn Write,
    done: u64,
    told: &'a (dyn Fn(u64) + Sync),
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.done += count as u64;
        (self.told)(self.done);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether a path of this machine is meant that depends on where it is read.
pub fn is_relative(text: &str) -> bool {
    !text.contains("://") && !text.starts_with(['/', '~'])
}

/// The path from `root` to `path`, both absolute.
pub fn relative_to(root: &Path, path: &Path) -> PathBuf {
    let shared = root.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let up = root.components().skip(shared).map(|_| std::path::Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}

/// A text of UTF-8, as the manifest and the lock need it.
pub fn as_text(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| format!("the path `{}` is no text", quote(path)))?;
    Ok(if text.is_empty() { ".".into() } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_directory_and_a_name() {
        let parse = |text: &str| Place::parse(text, Path::new("/nonexistent"), None);
        let place =
            |directory: &str, name: &str| Some(Place { directory: directory.into(), name: name.into(), query: None });

        assert_eq!(parse("https://h/a/b%20c.csv").unwrap(), place("https://h/a", "b c.csv"));
        assert_eq!(parse("s3://b/p/x%20.csv").unwrap(), place("s3://b/p", "x%20.csv"));
        for text in ["https://h/a/", "https://h", "nowhere.csv"] {
            assert_eq!(parse(text).unwrap_err().kind(), crate::Kind::Usage, "{text}");
        }
    }

    #[test]
    fn paths_are_told_from_the_project() {
        let relative = |root: &str, path: &str| as_text(&relative_to(Path::new(root), Path::new(path))).unwrap();

        assert_eq!(relative("/a/b", "/a/c/d"), "../c/d");
        assert_eq!(relative("/a/b", "/a/b/c"), "c");
        assert_eq!(relative("/a/b", "/a/b"), ".");
    }
}
