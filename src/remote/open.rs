//! From a URL to a remote: the right back-end, with the retry around it.

use std::path::Path;
use std::sync::Arc;

use super::backend::{Directory, Ssh, WebDav, buckets};
use super::location::Location;
use super::retry::Retry;
use super::{Access, Remote};
use crate::error::{ErrorContext, did_you_mean};
use crate::project::{MANIFEST, Project};
use crate::{Error, Result};

/// The remote at this URL; a directory may be relative to `base`. Nothing is sent yet.
pub fn open(url: &str, base: &Path, access: &Access) -> Result<Arc<dyn Remote>> {
    open_with(url, None, base, access)
}

/// As [`open`], for one file. On a web server a query may go with its address; it is sent and shown nowhere.
pub fn open_with(url: &str, query: Option<&str>, base: &Path, access: &Access) -> Result<Arc<dyn Remote>> {
    let backend: Box<dyn Remote> = match Location::parse(url, base, access.home.as_deref())? {
        Location::Directory(path) => Box::new(Directory::new(path)),
        Location::Bucket(bucket) => Box::new(buckets::open(bucket, access)?),
        Location::Http(mut url) => {
            url.set_query(query);
            Box::new(WebDav::new(url, access)?)
        }
        Location::Ssh(login) => Box::new(Ssh::new(login, access)),
        Location::Registry(_) => {
            return Err(Error::usage("a registry holds releases, and no data")
                .with_hint("name it as the url of a target; data goes to a bucket, a machine or a directory"));
        }
    };
    Ok(Arc::new(Retry::new(backend, access.patience, access.events.clone(), access.interrupt.clone())))
}

/// The remote that is meant where none is named: the only one there is, or `origin`.
pub fn default_name(project: &Project) -> Option<&str> {
    let remotes = &project.manifest.remotes;
    let mut names = remotes.keys().map(String::as_str);
    if remotes.len() == 1 { names.next() } else { names.find(|name| *name == "origin") }
}

/// Where a remote is for this machine: `MLX_REMOTE_<NAME>_URL`, `url` in its settings, or what the manifest says.
pub fn url_of(project: &Project, name: &str, access: &Access) -> Option<String> {
    let written = project.manifest.remotes.get(name).map(|remote| remote.url.as_str());
    access.of(project, name).setting("url").or(written).map(str::to_owned)
}

/// As [`url_of`], so that it means the same in another directory.
pub fn address_of(project: &Project, name: &str, access: &Access) -> Option<String> {
    let url = url_of(project, name, access)?;
    match Location::parse(&url, project.root(), access.home.as_deref()).ok()? {
        Location::Directory(path) => Some(path.to_string_lossy().into_owned()),
        _ => Some(url),
    }
}

/// A remote of the manifest and its name; the default one without a name.
pub fn of_project(project: &Project, name: Option<&str>, access: &Access) -> Result<(String, Arc<dyn Remote>)> {
    let names = || project.manifest.remotes.keys().map(String::as_str);
    let name = name.or_else(|| default_name(project)).ok_or_else(|| match names().next() {
        None => {
            let is_imported = project.manifest.data.values().any(|data| data.url.is_some());
            let imported = if is_imported { "; `mlx update` brings what was imported" } else { "" };
            Error::usage(format!("there is no remote in {MANIFEST}"))
                .with_hint(format!("name one: `mlx remote add origin s3://bucket/prefix`{imported}"))
        }
        Some(_) => Error::usage("there are several remotes, and none is called `origin`")
            .with_hint(format!("say which: {}", names().collect::<Vec<_>>().join(", "))),
    })?;
    let url = url_of(project, name, access).ok_or_else(|| {
        let shown = crate::fs::escape(name.as_bytes());
        Error::usage(format!("there is no remote `{shown}` in {MANIFEST}")).with_hint(did_you_mean(name, names()))
    })?;
    let opened = open(&url, project.root(), &access.of(project, name));
    Ok((name.to_owned(), opened.with_context(|| format!("cannot open remote `{name}`"))?))
}
