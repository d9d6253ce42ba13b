//! What is done with a version after it was registered: said of it, put out of use, given up.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Action, Event, Registry, State, encode, event_name, removed_error, version_name};
use crate::project::manifest::check_name;
use crate::{Error, Result};

/// A longer description belongs into a file.
const LONGEST_DESCRIPTION: usize = 64 * 1024;

/// Who does something, when and why.
#[derive(Debug, Clone)]
pub struct Author {
    pub who: String,
    pub when: Timestamp,
    pub why: Option<String>,
}

impl Author {
    /// This author's event.
    pub fn did(&self, action: Action) -> Event {
        let Self { who, when, why } = self.clone();
        Event { when, who, why, action }
    }
}

impl Registry {
    /// Appends the event that `decide` makes of what is true now; where another came first, it is asked again. `None` means
    /// that nothing is to be done. Returns what is true then.
    pub(super) fn append(&self, model: &str, mut decide: impl FnMut(&State) -> Result<Option<Event>>) -> Result<State> {
        loop {
            let state = self.state(model)?;
            let Some(event) = decide(&state)? else { return Ok(state) };
            if self.records.create(&event_name(model, state.next), &encode(&event))? {
                let number = state.next;
                let events = state.events.into_iter().zip(1..).map(|(event, number)| (number, event));
                return Ok(State::of(events.chain([(number, event)])));
            }
        }
    }

    /// Says something else of a version than its record does; `None` for nothing.
    pub fn describe(&self, model: &str, version: u64, description: Option<&str>, author: &Author) -> Result<State> {
        if description.is_some_and(|text| text.len() > LONGEST_DESCRIPTION) {
            return Err(Error::usage(format!("the description is longer than {} KiB", LONGEST_DESCRIPTION >> 10))
                .with_hint("keep long text in a file of the project"));
        }
        let wanted = Some(description.map(str::to_owned));
        self.append(model, |state| {
            refuse_removed(state, model, version)?;
            let description = description.map(str::to_owned);
            let is_said = state.said(version).description == wanted;
            Ok((!is_said).then(|| author.did(Action::Described { version, description })))
        })
    }

    /// Gives a version tags.
    pub fn tag(&self, model: &str, version: u64, tags: &BTreeSet<String>, author: &Author) -> Result<State> {
        for tag in tags {
            check_name(tag).map_err(|why| Error::usage(format!("the tag: {why}")))?;
        }
        self.append(model, |state| {
            refuse_removed(state, model, version)?;
            let new: BTreeSet<String> = tags.difference(&state.said(version).tags).cloned().collect();
            Ok((!new.is_empty()).then(|| author.did(Action::Tagged { version, tags: new })))
        })
    }

    /// Takes tags from a version, which must have them.
    pub fn untag(&self, model: &str, version: u64, tags: &BTreeSet<String>, author: &Author) -> Result<State> {
        self.append(model, |state| {
            let has = state.said(version).tags;
            if let Some(tag) = tags.iter().find(|tag| !has.contains(*tag)) {
                let tag = crate::fs::escape(tag.as_bytes());
                return Err(Error::usage(format!("version {version} of `{model}` has no tag `{tag}`")));
            }
            Ok(Some(author.did(Action::Untagged { version, tags: tags.clone() })))
        })
    }

    /// Takes an alias away from the version that holds it. Returns that version.
    pub fn demote(&self, model: &str, alias: &str, author: &Author) -> Result<u64> {
        let mut from = 0;
        self.append(model, |state| {
            from = state.aliases.get(alias).ok_or_else(|| super::unknown_alias(model, alias, state))?.to;
            Ok(Some(author.did(Action::Demoted { alias: alias.to_owned(), from })))
        })?;
        Ok(from)
    }

    /// Puts a version out of use. Returns whether it was in use until now.
    ///
    /// # Errors
    /// A version that holds an alias.
    pub fn archive(&self, model: &str, version: u64, author: &Author) -> Result<bool> {
        let mut is_new = false;
        self.append(model, |state| {
            refuse_removed(state, model, version)?;
            refuse_held(state, model, version, "archived")?;
            is_new = !state.is_archived(version);
            Ok(is_new.then(|| author.did(Action::Archived { version })))
        })?;
        Ok(is_new)
    }

    /// Takes an archived version into use again. Returns whether it was archived.
    pub fn restore(&self, model: &str, version: u64, author: &Author) -> Result<bool> {
        let mut was_archived = false;
        self.append(model, |state| {
            refuse_removed(state, model, version)?;
            was_archived = state.is_archived(version);
            Ok(was_archived.then(|| author.did(Action::Restored { version })))
        })?;
        Ok(was_archived)
    }

    /// Gives a version up for good: the event says so and keeps its number from being given again, then the record goes, and
    /// with it what kept the content in the store.
    ///
    /// # Errors
    /// A version that holds an alias.
    pub fn remove(&self, model: &str, version: u64, author: &Author) -> Result<()> {
        self.append(model, |state| {
            refuse_held(state, model, version, "removed")?;
            // Somebody was killed before the record was gone.
            let is_done = state.removed(version).is_some();
            Ok((!is_done).then(|| author.did(Action::Removed { version })))
        })?;
        self.records.delete(&version_name(model, version))
    }
}

fn refuse_removed(state: &State, model: &str, version: u64) -> Result<()> {
    state.removed(version).map_or(Ok(()), |removed| Err(removed_error(model, version, removed)))
}

fn refuse_held(state: &State, model: &str, version: u64, what: &str) -> Result<()> {
    let aliases = state.aliases_of(version);
    let Some(first) = aliases.first() else { return Ok(()) };
    let held: Vec<String> = aliases.iter().map(|alias| format!("@{alias}")).collect();
    let held = held.join(", ");
    Err(Error::usage(format!("version {version} of `{model}` holds {held} and can't be {what}")).with_hint(format!(
        "promote another version to @{first}, or take it away with `mlx model demote {model} {first}`"
    )))
}
