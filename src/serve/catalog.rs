//! What is served at one moment: models, their versions, and how requests are split between two releases of one model.
//!
//! A catalog never changes; another one takes its place. A request keeps what it found in it until it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

use super::model::Served;
use super::refusal::HttpError;
use crate::{Digest, Error, Result};

/// Everything that is served; never empty.
pub struct Catalog {
    /// Sorted by name, the versions of one name by number.
    entries: Vec<Entry>,
}

/// A release and which requests it answers.
#[derive(Clone)]
pub struct Entry {
    pub served: Arc<Served>,
    pub share: Share,
}

/// Which of the requests that could go to another release, too, are answered by this one.
#[derive(Clone)]
pub enum Share {
    /// Those that no canary answers.
    Rest,
    /// So many of each hundred.
    Canary { percent: u8, asked: Arc<AtomicU64> },
}

impl Share {
    /// So many of each hundred, evenly among the others.
    pub fn canary(percent: u8) -> Self {
        Self::Canary { percent, asked: Arc::default() }
    }

    /// For a canary: whether it answers the next request.
    fn takes_next(&self) -> bool {
        let Self::Canary { percent, asked } = self else { return false };
        let (before, percent) = (asked.fetch_add(1, Ordering::Relaxed), u64::from(*percent));
        (before + 1) * percent / 100 > before * percent / 100
    }

    /// As it is told: `live` or `canary`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rest => "live",
            Self::Canary { .. } => "canary",
        }
    }
}

impl Entry {
    /// A release that answers whatever no canary does.
    pub fn of(served: Served) -> Self {
        Self { served: Arc::new(served), share: Share::Rest }
    }

    pub fn name(&self) -> &str {
        &self.served.model.origin.model_name
    }

    pub fn version(&self) -> &str {
        &self.served.model.origin.model_version
    }

    /// The digest of the bundle; `None` where it is not known.
    pub fn release(&self) -> Option<Digest> {
        self.served.model.release.bundle
    }

    pub fn is_canary(&self) -> bool {
        matches!(self.share, Share::Canary { .. })
    }

    fn number(&self) -> u64 {
        self.served.model.release.description.model.version
    }
}

impl Catalog {
    /// A catalog of these.
    ///
    /// # Errors
    /// One version of one model in two releases of which none is a canary: nobody could tell which is meant.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self> {
        entries.sort_by(|a, b| (a.name(), a.number(), a.is_canary()).cmp(&(b.name(), b.number(), b.is_canary())));
        let is_twice = |pair: &&[Entry]| {
            let [one, other] = pair else { return false };
            (one.name(), one.number(), one.is_canary()) == (other.name(), other.number(), other.is_canary())
        };
        if let Some([twice, ..]) = entries.windows(2).find(is_twice) {
            return Err(Error::usage(format!(
                "version {} of `{}` is to be served twice",
                twice.number(),
                twice.name()
            )));
        }
        Ok(Self { entries })
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The releases of this name, the newest version last.
    pub fn of_name<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.name() == name)
    }

    /// The names of the models, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.entries.iter().map(Entry::name).collect();
        names.dedup();
        names
    }

    /// The versions of this name, each once.
    pub fn versions(&self, name: &str) -> Vec<&str> {
        let entries = self.entries.iter().filter(|entry| entry.name() == name);
        let mut versions: Vec<&str> = entries.map(Entry::version).collect();
        versions.dedup();
        versions
    }

    /// The release that answers for a model and version; without a version, the newest that is no canary, or the canary in
    /// its turn.
    pub fn find(&self, name: &str, version: Option<&str>) -> Result<&Entry, HttpError> {
        let of_name: Vec<&Entry> = self.of_name(name).collect();
        if of_name.is_empty() {
            let known = listed(&self.names());
            let message = format!("unknown model `{}`; {known} served", shorten(name));
            return Err(HttpError::new(StatusCode::NOT_FOUND, message));
        }
        let is_asked = |entry: &&Entry| version.is_none_or(|version| entry.version() == version);
        let candidates = || of_name.iter().copied().filter(is_asked);
        let rest = candidates().rfind(|entry| !entry.is_canary());
        let canary = candidates().rfind(|entry| entry.is_canary());
        match (rest, canary) {
            (Some(_), Some(canary)) if canary.share.takes_next() => Ok(canary),
            (Some(found), _) | (None, Some(found)) => Ok(found),
            (None, None) => {
                let known = self.versions(name);
                let known = format!("{} {} served", known.join(", "), if known.len() == 1 { "is" } else { "are" });
                let version = shorten(version.unwrap_or_default());
                let message = format!("model `{name}` has no version `{version}` here; {known}");
                Err(HttpError::new(StatusCode::NOT_FOUND, message))
            }
        }
    }
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("{} {}", quoted.join(", "), if names.len() == 1 { "is" } else { "are" })
}

fn shorten(text: &str) -> String {
    crate::fs::escape(text.chars().take(100).collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_gets_its_share_evenly() {
        for percent in [1, 10, 33, 50, 99] {
            let share = Share::canary(percent);
            let taken: Vec<bool> = (0..1000).map(|_| share.takes_next()).collect();

            for hundred in taken.chunks(100) {
                assert_eq!(hundred.iter().filter(|taken| **taken).count(), usize::from(percent));
            }
            // No two wait longer for each other than the share says.
            let longest = taken.split(|taken| *taken).map(<[bool]>::len).max().unwrap();
            assert!(longest <= 100 / usize::from(percent), "{percent}: {longest}");
        }
    }
}
