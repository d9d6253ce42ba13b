//! What is true of a model now: what its events say, one after the other.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Action, Event, Promotion};

/// A model as its events leave it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// The aliases that are held, each with the promotion that brought it where it is.
    pub aliases: BTreeMap<String, Promotion>,
    /// What is said of versions of which something is.
    versions: BTreeMap<u64, Said>,
    /// All events, the oldest first.
    pub events: Vec<Event>,
    /// The number of the next event.
    pub next: u64,
}

/// What is said of a version beside its record.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Said {
    /// In place of the record's own; `Some(None)` where there is to be none.
    #[serde(skip)]
    pub description: Option<Option<String>>,
    pub tags: BTreeSet<String>,
    /// That it was put out of use.
    pub archived: Option<Event>,
    /// That it was given up.
    #[serde(skip)]
    pub removed: Option<Event>,
}

impl State {
    /// What these events say, each with its number.
    pub fn of(events: impl IntoIterator<Item = (u64, Event)>) -> Self {
        let mut state = Self { next: 1, ..Self::default() };
        for (number, event) in events {
            state.apply(&event);
            state.events.push(event);
            state.next = number + 1;
        }
        state
    }

    fn apply(&mut self, event: &Event) {
        let said = self.versions.entry(event.action.version()).or_default();
        match &event.action {
            Action::Promoted { alias, .. } => {
                self.aliases.extend(event.promotion().map(|promotion| (alias.clone(), promotion)));
            }
            Action::Demoted { alias, .. } => drop(self.aliases.remove(alias)),
            Action::Described { description, .. } => said.description = Some(description.clone()),
            Action::Tagged { tags, .. } => said.tags.extend(tags.iter().cloned()),
            Action::Untagged { tags, .. } => said.tags.retain(|tag| !tags.contains(tag)),
            Action::Archived { .. } => said.archived = Some(event.clone()),
            Action::Restored { .. } => said.archived = None,
            Action::Removed { .. } => said.removed = Some(event.clone()),
        }
    }

    /// What is said of a version.
    pub fn said(&self, version: u64) -> Said {
        self.versions.get(&version).cloned().unwrap_or_default()
    }

    /// Whether it is out of use.
    pub fn is_archived(&self, version: u64) -> bool {
        self.versions.get(&version).is_some_and(|said| said.archived.is_some())
    }

    /// That the version was given up; `None` for one that was not.
    pub fn removed(&self, version: u64) -> Option<&Event> {
        self.versions.get(&version)?.removed.as_ref()
    }

    /// The highest number of a version that was given up.
    pub fn last_removed(&self) -> Option<u64> {
        self.versions.iter().rev().find(|(_, said)| said.removed.is_some()).map(|(version, _)| *version)
    }

    /// The aliases that a version holds, sorted.
    pub fn aliases_of(&self, version: u64) -> Vec<String> {
        let holds = self.aliases.iter().filter(|(_, promotion)| promotion.to == version);
        holds.map(|(alias, _)| alias.clone()).collect()
    }

    /// Every promotion, the oldest first.
    pub fn promotions(&self) -> Vec<Promotion> {
        self.events.iter().filter_map(Event::promotion).collect()
    }
}
