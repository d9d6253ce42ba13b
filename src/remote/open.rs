//! From a URL to a remote: the right back-end, with the retry around it.

use std::path::Path;
use std::sync::Arc;

use super::backend::{Directory, WebDav, buckets};
use super::location::{Location, without_secrets};
use super::retry::Retry;
use super::{Access, Remote};
use crate::error::{ErrorContext, did_you_mean};
use crate::project::{MANIFEST, Project};
use crate::{Error, Result};

/// The remote at this URL; a directory may be relative to `base`. Nothing is sent yet.
pub fn open(url: &str, base: &Path, access: &Access) -> Result<Arc<dyn Remote>> {
    let backend: Box<dyn Remote> = match Location::parse(url, base, access.home.as_deref())? {
        Location::Directory(path) => Box::new(Directory::new(path)),
        Location::Bucket(bucket) => Box::new(buckets::open(bucket, access)?),
        Location::Http(url) => Box::new(WebDav::new(url, access)?),
        Location::Ssh(_) => {
            return Err(Error::usage(format!("`{}` is not spoken yet", without_secrets(url))));
        }
    };
    Ok(Arc::new(Retry::new(backend, access.patience, access.events.clone(), access.interrupt.clone())))
}

/// A remote of the manifest and its name; without a name the only one there is, or `origin`.
///
/// This machine may have it at another URL: `MLX_REMOTE_<NAME>_URL`, or `url` in its settings.
pub fn of_project(project: &Project, name: Option<&str>, access: &Access) -> Result<(String, Arc<dyn Remote>)> {
    let remotes = &project.manifest.remotes;
    let names = || remotes.keys().map(String::as_str);
    let name = match (name, remotes.len()) {
        (Some(name), _) => name,
        (None, 1) => names().next().unwrap_or_default(),
        (None, _) if remotes.contains_key("origin") => "origin",
        (None, 0) => {
            return Err(Error::usage(format!("there is no remote in {MANIFEST}"))
                .with_hint("name one: `mlx remote add origin s3://bucket/prefix`"));
        }
        (None, _) => {
            return Err(Error::usage("there are several remotes, and none is called `origin`")
                .with_hint(format!("say which: {}", names().collect::<Vec<_>>().join(", "))));
        }
    };
    let remote = remotes.get(name).ok_or_else(|| {
        let shown = crate::fs::escape(name.as_bytes());
        Error::usage(format!("there is no remote `{shown}` in {MANIFEST}")).with_hint(did_you_mean(name, names()))
    })?;
    let access = access.named(name);
    let url = access.setting("url").unwrap_or(&remote.url);
    let opened = open(url, project.root(), &access).with_context(|| format!("cannot open remote `{name}`"))?;
    Ok((name.to_owned(), opened))
}
