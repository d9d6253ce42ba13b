//! Which version of a file a place elsewhere has now, as a digest.

use super::{Reach, Source};
use crate::remote::location::without_secrets;
use crate::store::Store;
use crate::{Digest, Error, Result};

/// The digest of what tells the version at this URL from others: of its ETag or its time of change where the server says
/// one, else of the content itself, which then is read.
pub fn version(url: &str, store: &Store, reach: &Reach<'_>) -> Result<Digest> {
    let shown = || without_secrets(url);
    let place = match Source::parse(url, reach.base, None)? {
        Source::Place(place) if place.local().is_none() => place,
        _ => return Err(Error::usage(format!("`{}` is no URL of a file elsewhere", shown()))),
    };
    if place.may_hold_secret() {
        return Err(Error::usage(format!(
            "the query of `{}` may hold a secret, and mlx.toml is read by many",
            shown()
        ))
        .with_hint("depend on a `command` that asks for the version"));
    }
    let file = place.look(reach)?;
    match file.version() {
        Some(version) => Ok(Digest::of(format!("version {version}"))),
        None => file.digest(store, reach),
    }
}
