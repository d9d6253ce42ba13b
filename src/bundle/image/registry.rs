//! Images from a registry: what is built on is fetched once and kept by its digest.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;

use super::base::{Base, BaseName, Blobs, DOCKER_INDEX, DOCKER_MANIFEST, LARGEST_DOCUMENT, checked};
use crate::bundle::cache::touch;
use crate::bundle::oci::{self, Descriptor};
use crate::bundle::shelf;
use crate::digest::Hasher;
use crate::event::{Event, Unit, Watch};
use crate::fs::{escape, quote};
use crate::remote::backend::{Registry, blob_name};
use crate::remote::location::Repository;
use crate::remote::retry::Retry;
use crate::remote::{Access, Remote};
use crate::{Digest, Error, Result};

/// An image in a registry: `docker.io/library/debian:stable-slim`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub host: String,
    pub repository: String,
    /// A tag, or a digest.
    pub version: String,
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::usage(format!("`{}` is neither a file nor an image: {why}", escape(text.as_bytes())))
                .with_hint("write it as `docker.io/library/debian:stable-slim`, or name an archive or a directory")
        };
        let (name, version) = match text.split_once('@') {
            // Of a tag and a digest the digest counts.
            Some((name, digest)) => {
                let digest: Digest = digest.parse().map_err(|_| wrong("what stands behind @ is no digest"))?;
                (
                    name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name),
                    digest.to_string(),
                )
            }
            None => match text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
                Some((name, tag)) => (name, tag.to_owned()),
                None => (text, "latest".to_owned()),
            },
        };
        let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
        let (host, repository) = match name.split_once('/') {
            Some((host, rest)) if is_host(host) => (host, rest.to_owned()),
            Some(_) => ("docker.io", name.to_owned()),
            None => ("docker.io", format!("library/{name}")),
        };
        let is_plain = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c) || more.contains(c))
        };
        let begins_well = host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[');
        let is_good = begins_well
            && is_plain(host, ":[]")
            && is_plain(&version, ":")
            && repository.split('/').all(|part| is_plain(part, ""));
        if !is_good || repository.split('/').any(|part| part.starts_with('.')) {
            return Err(wrong("there is no such file, and images are named otherwise"));
        }
        Ok(Self { host: host.to_owned(), repository, version })
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, repository, version } = self;
        let sign = if version.starts_with("sha256:") { '@' } else { ':' };
        write!(f, "{host}/{repository}{sign}{version}")
    }
}

/// The image, with its blobs in `cache`.
pub fn pull(reference: &Reference, cache: &Path, scratch: &Path, access: &Access, watch: Watch<'_>) -> Result<Base> {
    watch.events.note(format!("asking for the image {reference}"));
    let images = Images::new(reference, cache, access, watch)?;
    let top = images.manifest(&reference.version)?;
    let digest = Digest::of(&top);
    if reference.version.starts_with("sha256:") && reference.version != digest.to_string() {
        return Err(Error::failed(format!("{reference} has another content, {digest}")));
    }
    let base = Base::of_image(&images, &top, scratch)?;
    let name = Reference { version: digest.to_string(), ..reference.clone() };
    Ok(Base { source: Some(BaseName { name: name.to_string(), digest }), ..base })
}

/// A repository of images.
struct Images<'a> {
    registry: Arc<Registry>,
    /// The same, for whole blobs.
    blobs: Retry,
    reference: &'a Reference,
    cache: PathBuf,
    watch: Watch<'a>,
}

impl<'a> Images<'a> {
    fn new(reference: &'a Reference, cache: &Path, access: &Access, watch: Watch<'a>) -> Result<Self> {
        let Reference { host, repository, .. } = reference;
        let repository = Repository { host: host.clone(), name: repository.clone(), tag: None };
        let registry = Arc::new(Registry::new(repository, &[], access)?);
        let (events, interrupt) = (access.events.clone(), access.interrupt.clone());
        let blobs = Retry::new(Box::new(registry.clone()), access.patience, events, interrupt);
        Ok(Self { registry, blobs, reference, cache: shelf::layers(cache), watch })
    }

    fn manifest(&self, version: &str) -> Result<Vec<u8>> {
        self.registry.manifest(version)?.ok_or_else(|| {
            Error::usage(format!("there is no image {}", self.reference)).with_hint("look at its name and its tag")
        })
    }

    /// A blob in the cache, fetched where it is not there yet.
    fn blob(&self, descriptor: &Descriptor) -> Result<PathBuf> {
        let Descriptor { digest, size, .. } = descriptor;
        let path = self.cache.join(digest.hex());
        // One that was damaged since is fetched again.
        let known = File::open(&path).and_then(crate::digest::of_reader);
        if known.is_ok_and(|(found, _)| found == *digest) {
            touch(&path);
            return Ok(path);
        }
        let id = format!("layer {}", digest.short());
        let what = format!("fetching {id}");
        self.watch.events.emit(Event::Started { id: id.clone(), what, total: Some(*size), unit: Unit::Bytes });
        let fetched = crate::fs::write_atomic_checked(&path, &self.cache, |out| {
            let progress = |done| self.watch.events.emit(Event::Progress { id: id.clone(), done });
            let mut sink = Checked { out, hasher: Hasher::new(), done: 0, progress: &progress };
            self.blobs.read(&blob_name(digest), Some(0..*size), &mut sink)?;
            match sink.hasher.finish() {
                (found, _) if found == *digest => Ok(()),
                (found, bytes) => {
                    Err(Error::failed(format!("the registry sent {bytes} bytes that hash to {found}, not {digest}")))
                }
            }
        });
        self.watch.events.emit(Event::Finished { id });
        fetched.map(|()| path)
    }
}

/// Hashes what goes through, and tells how much that is.
struct Checked<'a, W> {
    out: W,
    hasher: Hasher,
    done: u64,
    progress: &'a dyn Fn(u64),
}

impl<W: Write> Write for Checked<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.done += count as u64;
        (self.progress)(self.done);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Blobs for Images<'_> {
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        if descriptor.size > LARGEST_DOCUMENT {
            return Err(Error::failed(format!("a document of it has {} bytes", descriptor.size)));
        }
        let is_manifest =
            [oci::INDEX, oci::MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST].contains(&descriptor.media_type.as_str());
        let bytes = match is_manifest {
            true => self.manifest(&descriptor.digest.to_string())?,
            false => crate::fs::read(&self.blob(descriptor)?)?,
        };
        checked(bytes, descriptor)
    }

    fn layer(&self, descriptor: &Descriptor) -> Result<(Arc<File>, u64)> {
        if descriptor.media_type.contains("foreign") || descriptor.media_type.contains("nondistributable") {
            return Err(Error::usage("one of its layers is not in the registry, but somewhere else"));
        }
        let path = self.blob(descriptor)?;
        Ok((Arc::new(File::open(&path).with_context(|| format!("cannot read `{}`", quote(&path)))?), 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_as_other_programs_name_them() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, expected) in [
            ("debian", "docker.io/library/debian:latest".to_owned()),
            ("me/app:1", "docker.io/me/app:1".to_owned()),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest".to_owned()),
            ("ghcr.io/a/b:v1.2-x", "ghcr.io/a/b:v1.2-x".to_owned()),
            (&format!("quay.io/a:1@{digest}"), format!("quay.io/a@{digest}")),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), expected);
        }
        for text in ["", "a b", "../x", "a//b", "a@sha256:1", "ghcr.io/a:b?c", "x/..", "a\n"] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }
}
