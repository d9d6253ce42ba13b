//! What lies on a target: its releases, which of them is live, and how one is found.

use jiff::Timestamp;
use serde::Serialize;

use super::history::{Entry, Outcome};
use super::{Target, split};
use crate::digest::Prefix;
use crate::event::EventSink;
use crate::fs::escape;
use crate::run::RunId;
use crate::{Digest, Error, Kind, Result};

/// A release that lies on a target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Release {
    pub release: Digest,
    pub live: bool,
    /// Of each hundred requests it answers so many, beside the live one.
    pub canary: Option<u8>,
    pub model: String,
    pub version: u64,
    pub run: Option<RunId>,
    /// When it became live the last time, and who did it.
    pub deployed: Option<Timestamp>,
    pub by: Option<String>,
}

/// The releases of the target: the live one, then the others, those that were live last first.
pub fn releases(target: &dyn Target, events: &dyn EventSink) -> Result<Vec<Release>> {
    let (history, live) = (target.history(events)?, target.live()?);
    let split = split::canary(target, live.as_ref())?;
    let mut found = Vec::new();
    for release in target.releases()? {
        let description = match target.description(&release) {
            Ok(Some(description)) => description,
            Ok(None) => continue,
            Err(error) => {
                events.warn(error.to_string());
                continue;
            }
        };
        let became_live =
            |entry: &&Entry| entry.release == release && matches!(entry.outcome, Outcome::Live | Outcome::Unanswered);
        let last = history.iter().rev().find(became_live);
        found.push(Release {
            release,
            live: live == Some(release),
            canary: split.as_ref().filter(|split| split.release == release).map(|split| split.percent),
            model: description.model.name,
            version: description.model.version,
            run: description.lineage.run,
            deployed: last.map(|entry| entry.when),
            by: last.map(|entry| entry.who.clone()),
        });
    }
    if let Some(live) = live.filter(|live| found.iter().all(|release| release.release != *live)) {
        events.warn(format!("{} is live on {}, which is none of its releases", live.short(), target.place()));
    }
    found.sort_by_key(|release| std::cmp::Reverse((release.live, release.deployed, release.version)));
    Ok(found)
}

/// The releases of several targets, asked at the same time, so that one that does not answer keeps nobody from knowing of the
/// others any longer.
pub fn releases_of_all(targets: Vec<Box<dyn Target>>, events: &dyn EventSink) -> Vec<Result<Vec<Release>>> {
    std::thread::scope(|scope| {
        let ask = |target: Box<dyn Target>| scope.spawn(move || releases(&*target, events));
        let threads: Vec<_> = targets.into_iter().map(ask).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err(Error::failed("a thread panicked")))
        };
        threads.into_iter().map(join).collect()
    })
}

/// A version that answers on a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answering {
    pub model: String,
    pub version: u64,
    /// Whether it has only a part of the requests, beside the live one.
    pub is_canary: bool,
}

/// The versions that answer on the target now: the live one, and a canary beside it.
pub fn answering(target: &dyn Target) -> Result<Vec<Answering>> {
    let live = target.live()?;
    let canary = split::canary(target, live.as_ref())?.map(|split| split.release);
    let mut found = Vec::new();
    for (release, is_canary) in live.map(|live| (live, false)).into_iter().chain(canary.map(|canary| (canary, true))) {
        let Some(description) = target.description(&release)? else { continue };
        found.push(Answering { model: description.model.name, version: description.model.version, is_canary });
    }
    Ok(found)
}

/// The release whose digest begins with these hex digits.
pub fn find_release(target: &dyn Target, name: &str, text: &str) -> Result<Digest> {
    let hint = || format!("`mlx releases {name}` lists them; name one by its first digits");
    let prefix: Prefix = text.parse().map_err(|error| Error::new(Kind::Usage, error).with_hint(hint()))?;
    let releases = target.releases()?;
    let found: Vec<&Digest> = releases.iter().filter(|release| prefix.begins(release)).collect();
    let shown = escape(text.as_bytes());
    match found.as_slice() {
        [release] => Ok(**release),
        [] => Err(Error::usage(format!("there is no release `{shown}` on `{name}`")).with_hint(hint())),
        several => Err(Error::usage(format!("`{shown}` begins the digests of {} releases", several.len()))
            .with_hint("say more of the digest")),
    }
}
