//! From the manifest to a target.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::objects::Objects;
use super::repository::Repository;
use super::{Cache, Directory, Machine, Stored, Target};
use crate::bundle::PublicKey;
use crate::error::ErrorContext;
use crate::project::Project;
use crate::project::manifest;
use crate::remote::backend::Registry;
use crate::remote::location::{self, Location};
use crate::remote::{self, Access};
use crate::{Error, Result};

/// How targets are reached from here.
#[derive(Debug, Clone)]
pub struct Reach {
    /// With what lets us into this target ([`super::auth`]).
    pub access: Access,
    /// Where releases of other machines lie on this one.
    pub cache: Cache,
}

/// The target that the manifest describes; nothing is asked yet.
pub fn open(project: &Project, target: &manifest::Target, reach: &Reach) -> Result<Box<dyn Target>> {
    let Reach { access, cache } = reach;
    Ok(match place_of(project, target, access)? {
        Location::Directory(path) => Box::new(Directory::open(&path)?),
        Location::Ssh(login) => Box::new(Machine::new(login, access, cache.clone(), target.serve)),
        Location::Bucket(_) | Location::Http(_) => {
            let remote = remote::open(url_of(target, access), project.root(), access)?;
            let (events, interrupt) = (access.events.clone(), access.interrupt.clone());
            Box::new(Stored::new(Arc::new(Objects::new(remote)), cache.clone(), events, interrupt))
        }
        Location::Registry(repository) => {
            let tag = repository.tag.clone().or_else(|| access.name.clone()).unwrap_or_else(|| "live".into());
            // What was deployed to another target of the project need not be sent again.
            let others = project.manifest.targets.values().filter(|other| other.url.starts_with("oci://"));
            let siblings: Vec<_> = others.filter_map(|other| location::Repository::parse(&other.url).ok()).collect();
            let registry = Registry::new(repository, &siblings, access)?;
            let (events, interrupt) = (access.events.clone(), access.interrupt.clone());
            let place = Arc::new(Repository::new(registry, tag, access));
            Box::new(Stored::new(place, cache.clone(), events, interrupt))
        }
    })
}

/// The key whose holder must have signed what the target takes and serves; `None` where the manifest demands none.
pub fn required_key(project: &Project, target: &manifest::Target) -> Result<Option<PublicKey>> {
    let Some(path) = &target.require.signature else { return Ok(None) };
    let key = crate::fs::read(&project.resolve(path)?).and_then(|pem| PublicKey::parse(&pem));
    key.map(Some).with_context(|| format!("cannot use `{path}` as the key that a target requires ({})", target.place))
}

/// The directory of a target on this machine; `None` for one that lies elsewhere.
pub fn directory_of(project: &Project, target: &manifest::Target, access: &Access) -> Result<Option<PathBuf>> {
    match place_of(project, target, access)? {
        Location::Directory(path) => Ok(Some(path)),
        _ => Ok(None),
    }
}

/// What says where a target is: `MLX_TARGET_<NAME>_URL`, or the manifest.
fn url_of<'a>(target: &'a manifest::Target, access: &'a Access) -> &'a str {
    access.setting("url").unwrap_or(&target.url)
}

/// Where a target is.
fn place_of(project: &Project, target: &manifest::Target, access: &Access) -> Result<Location> {
    let place = &target.place;
    let location = Location::parse(url_of(target, access), project.root(), access.home.as_deref());
    let location = location.with_context(|| format!("the url of a target names no place ({place})"))?;
    if let Location::Directory(path) = &location {
        keep_apart(project, path, place)?;
    }
    Ok(location)
}

/// A target fills its directory and clears away what was left in it: nothing else may live there.
fn keep_apart(project: &Project, directory: &Path, place: &str) -> Result<()> {
    let mut lexical = PathBuf::new();
    for part in directory.components() {
        match part {
            Component::ParentDir => drop(lexical.pop()),
            part => lexical.push(part),
        }
    }
    let directory = directory.canonicalize().unwrap_or(lexical);
    let what = if project.root().starts_with(&directory) {
        "holds the project"
    } else if directory.starts_with(project.state("")) || directory.starts_with(project.root().join(".git")) {
        "lies where mlx and Git keep their own files"
    } else {
        return Ok(());
    };
    Err(Error::usage(format!("the target `{}` {what} ({place})", crate::fs::quote(&directory)))
        .with_hint("give it a directory of its own, such as `deploy/production`"))
}
