//! What `mlx serve` and `mlx predict` are told to serve: a bundle, a directory or a target.

use std::path::PathBuf;

use super::Context;
use crate::bundle::DESCRIPTION_FILE;
use crate::error::did_you_mean;
use crate::fs::quote;
use crate::serve::{Host, Release, Wanted};
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
