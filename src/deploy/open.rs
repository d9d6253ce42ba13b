//! From the manifest to a target.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::kubernetes::{Kubernetes, Serving, Workshop};
use super::objects::Objects;
use super::repository::Repository;
use super::{Cache, Directory, Machine, Stored, Target};
use crate::bundle::PublicKey;
use crate::error::ErrorContext;
use crate::executor::kubernetes::pod;
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
    /// Where images that others are built on are kept.
    pub images: PathBuf,
    /// This very program, which goes into images.
    pub program: PathBuf,
}

/// The target that the manifest describes; nothing is asked yet.
pub fn open(project: &Project, target: &manifest::Target, reach: &Reach) -> Result<Box<dyn Target>> {
    let Reach { access, cache, .. } = reach;
    Ok(match place_of(project, target, access)? {
        Location::Directory(path) => Box::new(Directory::open(&path)?),
        Location::Ssh(login) => Box::new(Machine::new(login, access, cache.clone(), target.serve)),
        Location::Bucket(_) | Location::Http(_) => {
            let remote = remote::open(url_of(target, access), project.root(), access)?;
            let (events, interrupt) = (access.events.clone(), access.interrupt.clone());
            Box::new(Stored::new(Arc::new(Objects::new(remote)), cache.clone(), events, interrupt))
        }
        Location::Registry(_) if target.cluster.is_some() => Box::new(cluster(project, target, reach)?),
        Location::Registry(repository) => {
            let (events, interrupt) = (access.events.clone(), access.interrupt.clone());
            let place = Arc::new(in_registry(project, repository, access)?);
            Box::new(Stored::new(place, cache.clone(), events, interrupt))
        }
    })
}

/// The target that the manifest describes, which has to be a cluster.
pub fn cluster(project: &Project, target: &manifest::Target, reach: &Reach) -> Result<Kubernetes> {
    let place = &target.place;
    let Some(cluster) = &target.cluster else {
        return Err(Error::usage(format!("the target is no cluster ({place})"))
            .with_hint("only one with `kind = \"kubernetes\"` has manifests"));
    };
    let Location::Registry(repository) = place_of(project, target, &reach.access)? else {
        return Err(Error::usage(format!("the url of the target names no registry ({place})"))
            .with_hint("a cluster fetches images from one: `oci://registry.example/models/churn`"));
    };
    let more = pod::more(cluster.pod.as_ref(), project.root())?;
    let images = format!("{}/{}", repository.host, repository.name);
    let registry = in_registry(project, repository, &reach.access)?;
    let serving = Serving { cluster: (**cluster).clone(), health: target.health.clone(), more, images };
    let models = project.manifest.models.iter();
    let workshop = Workshop {
        root: project.root().to_path_buf(),
        scratch: project.scratch(),
        reach: reach.clone(),
        bases: models.filter_map(|(name, model)| Some((name.clone(), model.base.clone()?))).collect(),
    };
    Ok(Kubernetes::new(serving, registry, workshop))
}

/// A repository of a registry as a place for releases.
fn in_registry(project: &Project, repository: location::Repository, access: &Access) -> Result<Repository> {
    let tag = repository.tag.clone().or_else(|| access.name.clone()).unwrap_or_else(|| "live".into());
    // What was deployed to another target of the project need not be sent again.
    let others = project.manifest.targets.values().filter(|other| other.url.starts_with("oci://"));
    let siblings: Vec<_> = others.filter_map(|other| location::Repository::parse(&other.url).ok()).collect();
    Ok(Repository::new(Registry::new(repository, &siblings, access)?, tag, access))
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
