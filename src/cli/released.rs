//! What `mlx serve` and `mlx predict` are told to serve: a bundle, a directory or a target.

use std::path::PathBuf;

use super::Context;
use crate::bundle::DESCRIPTION_FILE;
use crate::deploy::{self, Cache, Followed};
use crate::error::did_you_mean;
use crate::fs::quote;
use crate::serve::{Host, Release, Source, Wanted};
use crate::{Error, Result};

/// The variable with the token that clients of a server must send.
pub const TOKEN: &str = "MLX_SERVE_TOKEN";

/// Opens the release that `what` names: the live one of a target of the manifest or of a target's directory, one that was
/// unpacked into a directory, or a bundle.
pub fn open(cx: &Context, what: &str, wanted: Wanted) -> Result<Release> {
    let path = cx.file(what.as_ref());
    if path.is_file() {
        return Release::of_bundle(&path, wanted, &host(cx)?);
    }
    let directory = if path.is_dir() { path } else { target(cx, what)? };
    let live = directory.join("current");
    if directory.join(DESCRIPTION_FILE).is_file() {
        Release::open(&directory, wanted, &host(cx)?)
    } else if live.symlink_metadata().is_ok() {
        Release::open(&live, wanted, &host(cx)?)
    } else {
        let shown = quote(&directory);
        Err(Error::usage(format!("there is no release in `{shown}`: neither {DESCRIPTION_FILE} nor a link `current`"))
            .with_hint("deploy one with `mlx deploy`, or name a bundle that `mlx package` wrote"))
    }
}

/// What is live on a target from now on: one of the manifest, or the directory of one. `None` for a bundle and for a
/// directory that one was unpacked into, where nothing becomes live.
pub fn source(cx: &Context, what: &str, wanted: Wanted) -> Result<Option<Box<dyn Source>>> {
    let path = cx.file(what.as_ref());
    if path.is_file() || path.join(DESCRIPTION_FILE).is_file() {
        return Ok(None);
    }
    let (host, cache) = (host(cx)?, Cache::new(cx.cache_directory()?.join("releases")));
    let followed = if path.is_dir() {
        let target = Box::new(deploy::Directory::open(&path)?);
        Followed { name: quote(what), target, cache, wanted, host }
    } else {
        // An unknown name gets its hint.
        target(cx, what)?;
        let project = cx.project()?;
        let target = deploy::open(&project, project.manifest.target(what)?)?;
        Followed { name: what.to_owned(), target, cache, wanted, host }
    };
    Ok(Some(Box::new(followed)))
}

fn host(cx: &Context) -> Result<Host> {
    Ok(Host {
        cache: cx.cache_directory()?,
        interpreters: cx.interpreters(),
        events: cx.events.clone(),
        interrupt: cx.interrupt.clone(),
        hidden: vec![TOKEN.to_owned()],
    })
}

/// The directory of a target of the manifest.
fn target(cx: &Context, name: &str) -> Result<PathBuf> {
    let shown = crate::fs::escape(name.as_bytes());
    let missing = || Error::usage(format!("there is no bundle, directory or target `{shown}`"));
    let Ok(project) = cx.project() else {
        return Err(missing().with_hint("name a bundle that `mlx package` wrote, or a directory with a release"));
    };
    let targets = &project.manifest.targets;
    match targets.get(name) {
        Some(target) => crate::deploy::directory_of(&project, target),
        None if targets.is_empty() => {
            Err(missing().with_hint("name a bundle that `mlx package` wrote, or a directory with a release"))
        }
        None => Err(missing().with_hint(did_you_mean(name, targets.keys().map(String::as_str)))),
    }
}
