//! The model registry: versions of models, and what was done with them, as small records; no server.
//!
//! A version is a record that is created once and never changes; who creates it first has the number. Everything that is
//! done with it later (an alias comes to it, it gets a tag, it is archived) is an event of its own, created once under the
//! next number. So any number of processes may register and promote at once, in one store or on a remote.

mod actions;
mod content;
mod origin;
mod promote;
mod record;
mod records;
mod reference;
mod state;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use actions::Author;
pub use origin::{Remarks, Sources};
pub use promote::{Outcome, Promoted, Request, Verdict};
pub use record::{Action, Event, FORMAT, Promotion, Version};
pub use records::Records;
pub use reference::{NotAReference, Reference, Which};
pub use state::{Said, State};

use crate::error::did_you_mean;
use crate::fs::escape;
use crate::store::Store;
use crate::{Error, Result};

/// The models of a store, or of a team.
#[derive(Debug, Clone)]
pub struct Registry {
    records: Arc<dyn Records>,
    /// Where the content of versions is, when it is not in the project's own store alone.
    shared: Option<content::Shared>,
}

/// What registering did.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    pub version: Version,
    /// Whether the version was made now; otherwise it was there already.
    pub is_new: bool,
}

impl Registry {
    /// The registry beside these objects.
    pub fn open(store: &Store) -> Self {
        Self { records: Arc::new(store.clone()), shared: None }
    }

    /// Where it is, for people; `None` for the project's own.
    pub fn url(&self) -> Option<&str> {
        self.records.url()
    }

    /// Makes the next version of a model; its number in `version` does not count. The same object from the same run with
    /// the same metrics is one version, however often it is registered.
    pub fn register(&self, version: Version) -> Result<Registered> {
        let is_same = |known: &Version| {
            known.object == version.object && known.run == version.run && known.metrics == version.metrics
        };
        let digest = version.object.digest.to_string();
        let mut number = 1;
        for (known, bytes) in self.records.numbered(&versions_prefix(&version.model))? {
            number = known + 1;
            // Most are of another content, which shows without reading them as what they are.
            if std::str::from_utf8(&bytes).is_ok_and(|text| text.contains(&digest)) {
                let known = self.checked(&version.model, known, &bytes)?;
                if is_same(&known) {
                    return Ok(Registered { version: known, is_new: false });
                }
            }
        }
        // Read after the versions: one that was given up before they were listed is told of here.
        let state = self.state(&version.model)?;
        number = number.max(state.last_removed().map_or(0, |removed| removed + 1));
        if number == 1 {
            self.records.announce(&version.model)?;
        }
        loop {
            let version = Version { version: number, ..version.clone() };
            if self.records.create(&version_name(&version.model, number), &encode(&version))? {
                return Ok(Registered { version, is_new: true });
            }
            // Another process took the number; it may have registered the very same.
            match self.version(&version.model, number)? {
                Some(known) if is_same(&known) => return Ok(Registered { version: known, is_new: false }),
                _ => number += 1,
            }
        }
    }

    /// The names of all registered models, sorted.
    pub fn models(&self) -> Result<Vec<String>> {
        self.records.models()
    }

    /// All versions of a model, from the first on; none for a model that is not registered.
    pub fn versions(&self, model: &str) -> Result<Vec<Version>> {
        let records = self.records.numbered(&versions_prefix(model))?;
        records.iter().map(|(number, bytes)| self.checked(model, *number, bytes)).collect()
    }

    /// The version that a reference names, archived or not.
    pub fn find(&self, reference: &Reference) -> Result<Version> {
        let Reference { model, which } = reference;
        let numbers = self.records.numbers(&versions_prefix(model))?;
        let state = self.state(model)?;
        let Some(last) = numbers.last().copied().or(state.last_removed()) else {
            return Err(self.unknown_model(model));
        };
        let newest = numbers.iter().rev().find(|number| !state.is_archived(**number)).copied();
        let number = match which {
            Which::Newest => newest.unwrap_or(last),
            Which::Number(number) => *number,
            Which::Alias(alias) => state.aliases.get(alias).ok_or_else(|| unknown_alias(model, alias, &state))?.to,
        };
        if let Some(removed) = state.removed(number) {
            return Err(removed_error(model, number, removed));
        }
        self.version(model, number)?.ok_or_else(|| match which {
            Which::Alias(alias) => Error::failed(format!(
                "@{alias} of `{model}` is held by version {number}, which has no record any more"
            ))
            .with_hint(format!("move it with `mlx model promote {model} VERSION {alias} --force`")),
            _ => Error::usage(format!("model `{model}` has no version {number}"))
                .with_hint(format!("its newest is {last}; `mlx model list {model}` shows all")),
        })
    }

    /// As [`Registry::find`], for who wants to use the version: refuses one that is archived.
    pub fn find_in_use(&self, reference: &Reference) -> Result<Version> {
        let version = self.find(reference)?;
        let (model, number) = (&version.model, version.version);
        match self.state(model)?.said(number).archived {
            None => Ok(version),
            Some(archived) => {
                let said = in_words(&archived);
                Err(Error::usage(format!("version {number} of `{model}` is archived ({said})"))
                    .with_hint(format!("take it into use again with `mlx model restore {model}:{number}`")))
            }
        }
    }

    /// What is true of a model now.
    pub fn state(&self, model: &str) -> Result<State> {
        let mut events = Vec::new();
        for (number, bytes) in self.records.numbered(&events_prefix(model))? {
            events.push((number, self.event(&event_name(model, number), &bytes)?));
        }
        Ok(State::of(events))
    }

    fn event(&self, name: &str, bytes: &[u8]) -> Result<Event> {
        let mut event: serde_json::Value = self.decode(name, bytes)?;
        // The first ones were promotions, all of them, and did not say so.
        if let Some(fields) = event.as_object_mut() {
            fields.entry("action").or_insert_with(|| "promoted".into());
        }
        serde_json::from_value(event).map_err(|error| self.damaged(name, error))
    }

    fn version(&self, model: &str, number: u64) -> Result<Option<Version>> {
        let bytes = self.records.read(&version_name(model, number))?;
        bytes.map(|bytes| self.checked(model, number, &bytes)).transpose()
    }

    /// The version in these bytes, if it is the one that its name says.
    fn checked(&self, model: &str, number: u64, bytes: &[u8]) -> Result<Version> {
        let name = version_name(model, number);
        let version: Version = self.decode(&name, bytes)?;
        if version.format > FORMAT {
            let format = version.format;
            return Err(Error::failed(format!(
                "the record `{name}` has format {format}; this mlx knows up to {FORMAT}"
            ))
            .with_hint("install a newer mlx"));
        }
        if version.model != model || version.version != number {
            let found = format_args!("it says that it is `{}` {}", escape(version.model.as_bytes()), version.version);
            return Err(self.damaged(&name, found));
        }
        Ok(version)
    }

    fn decode<T: DeserializeOwned>(&self, name: &str, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|error| self.damaged(name, error))
    }

    fn damaged(&self, name: &str, why: impl std::fmt::Display) -> Error {
        let file = self.records.file(name);
        Error::failed(format!("the record `{name}` of the registry is damaged: {why}"))
            .with_hint(format!("put `{file}` back as it was; records are written once and never edited"))
    }

    fn unknown_model(&self, model: &str) -> Error {
        let known = self.models().unwrap_or_default();
        let hint = match known.is_empty() {
            true => format!("register it with `mlx model register {model}`"),
            false => did_you_mean(model, known.iter().map(String::as_str)),
        };
        Error::usage(format!("no version of model `{}` is registered", escape(model.as_bytes()))).with_hint(hint)
    }
}

fn unknown_alias(model: &str, alias: &str, state: &State) -> Error {
    let hint = match state.aliases.is_empty() {
        true => format!("give it one with `mlx model promote {model} VERSION {alias}`"),
        false => did_you_mean(alias, state.aliases.keys().map(String::as_str)),
    };
    Error::usage(format!("no version of `{model}` holds the alias `{alias}`")).with_hint(hint)
}

fn removed_error(model: &str, number: u64, removed: &Event) -> Error {
    Error::usage(format!("version {number} of `{model}` was removed ({})", in_words(removed))).with_hint(format!(
        "`mlx model history {model}` says what was done; `mlx model list {model}` lists what is left"
    ))
}

/// When, by whom and why, for messages.
fn in_words(event: &Event) -> String {
    let Event { when, who, why, .. } = event;
    let why = why.as_ref().map_or(String::new(), |why| format!(": {}", escape(why.as_bytes())));
    format!("{} by {}{why}", when.strftime("%Y-%m-%d"), escape(who.as_bytes()))
}

fn versions_prefix(model: &str) -> String {
    format!("models/{model}/versions")
}

fn version_name(model: &str, number: u64) -> String {
    format!("models/{model}/versions/{number}")
}

fn events_prefix(model: &str) -> String {
    format!("models/{model}/events")
}

fn event_name(model: &str, number: u64) -> String {
    format!("models/{model}/events/{number}")
}

/// The bytes of a record: JSON with a line end.
fn encode(record: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(record).expect("records have text keys and finite numbers");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests;
