//! What `mlx serve` and `mlx predict` are told to serve: a bundle, a directory or a target.

use std::path::Path;

use super::Context;
use super::targeted::{self, Targeted};
use crate::bundle::{DESCRIPTION_FILE, PublicKey};
use crate::deploy::{self, Cache, Followed};
use crate::error::did_you_mean;
use crate::fs::quote;
use crate::project::Project;
use crate::serve::{Host, Release, Source, Wanted};
use crate::{Error, Result};

/// The variable with the token that clients of a server must send.
pub const TOKEN: &str = "MLX_SERVE_TOKEN";

/// Opens the release that `what` names: the live one of a target of the manifest or of a target's directory, one that was
/// unpacked into a directory, or a bundle. The holder of `key` must have signed it, and of the one that the target requires.
pub fn open(cx: &Context, what: &str, key: Option<&PublicKey>, wanted: Wanted) -> Result<Release> {
    let path = cx.file(what.as_ref());
    if path.is_file() {
        return Release::of_bundle(&path, wanted, &host(cx, key.cloned().into_iter().collect())?);
    }
    if path.is_dir() {
        return in_directory(&path, wanted, &host(cx, key.cloned().into_iter().collect())?);
    }
    let project = named_in(cx, what)?;
    let targeted = targeted::open(cx, &project, what)?;
    let host = host(cx, keys_of(&project, &targeted, key)?)?;
    match targeted.directory()? {
        Some(directory) => in_directory(&directory, wanted, &host),
        None => live(targeted, wanted, host),
    }
}

/// The keys whose holders must have signed what is served.
fn keys_of(project: &Project, targeted: &Targeted<'_>, key: Option<&PublicKey>) -> Result<Vec<PublicKey>> {
    let required = deploy::required_key(project, targeted.manifest)?;
    Ok(key.cloned().into_iter().chain(required).collect())
}

/// The release that lies in a directory, or the live one of the target that the directory is.
fn in_directory(directory: &Path, wanted: Wanted, host: &Host) -> Result<Release> {
    let live = directory.join("current");
    if directory.join(DESCRIPTION_FILE).is_file() {
        Release::open(directory, wanted, host)
    } else if live.symlink_metadata().is_ok() {
        Release::open(&live, wanted, host)
    } else {
        let shown = quote(directory);
        Err(Error::usage(format!("there is no release in `{shown}`: neither {DESCRIPTION_FILE} nor a link `current`"))
            .with_hint("deploy one with `mlx deploy`, or name a bundle that `mlx package` wrote"))
    }
}

/// The live release of a target that is elsewhere, brought here.
fn live(targeted: Targeted<'_>, wanted: Wanted, host: Host) -> Result<Release> {
    let name = targeted.name;
    let live = targeted.target.live()?.ok_or_else(|| {
        Error::usage(format!("nothing is live on `{name}`")).with_hint(format!("`mlx deploy {name}` brings a release"))
    })?;
    followed(targeted, wanted, host).load(&live)
}

/// What is live on a target from now on: one of the manifest, or the directory of one. `None` for a bundle and for a
/// directory that one was unpacked into, where nothing becomes live.
pub fn source(cx: &Context, what: &str, key: Option<&PublicKey>, wanted: Wanted) -> Result<Option<Box<dyn Source>>> {
    let path = cx.file(what.as_ref());
    if path.is_file() || path.join(DESCRIPTION_FILE).is_file() {
        return Ok(None);
    }
    if path.is_dir() {
        let target = Box::new(deploy::Directory::open(&path)?);
        let cache = Cache::of_user(&cx.cache_directory()?);
        let host = host(cx, key.cloned().into_iter().collect())?;
        return Ok(Some(Box::new(Followed { name: quote(what), target, cache, wanted, host })));
    }
    let project = named_in(cx, what)?;
    let targeted = targeted::open_to_follow(cx, &project, what)?;
    let host = host(cx, keys_of(&project, &targeted, key)?)?;
    Ok(Some(Box::new(followed(targeted, wanted, host))))
}

fn followed(targeted: Targeted<'_>, wanted: Wanted, host: Host) -> Followed {
    let (name, cache) = (targeted.name.to_owned(), targeted.cache().clone());
    Followed { name, target: targeted.target, cache, wanted, host }
}

fn host(cx: &Context, keys: Vec<PublicKey>) -> Result<Host> {
    Ok(Host {
        cache: cx.cache_directory()?,
        interpreters: cx.interpreters(),
        events: cx.events.clone(),
        interrupt: cx.interrupt.clone(),
        hidden: vec![TOKEN.to_owned()],
        keys,
    })
}

/// The project whose manifest has a target with this name.
fn named_in(cx: &Context, name: &str) -> Result<Project> {
    let shown = crate::fs::escape(name.as_bytes());
    let missing = || Error::usage(format!("there is no bundle, directory or target `{shown}`"));
    let Ok(project) = cx.project() else {
        return Err(missing().with_hint("name a bundle that `mlx package` wrote, or a directory with a release"));
    };
    let targets = &project.manifest.targets;
    if targets.contains_key(name) {
        return Ok(project);
    }
    Err(missing().with_hint(match targets.is_empty() {
        true => "name a bundle that `mlx package` wrote, or a directory with a release".into(),
        false => did_you_mean(name, targets.keys().map(String::as_str)),
    }))
}
