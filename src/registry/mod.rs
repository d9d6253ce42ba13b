//! The model registry: versions and aliases of models as small records beside the objects; no server.
//!
//! A version is a record that is created once and never changes; who creates it first has the number. An alias is a
//! record that only who read it may replace. So any number of processes may register and promote at once.

mod origin;
mod promote;
mod record;
mod reference;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use origin::{Remarks, Sources};
pub use promote::{Outcome, Promoted, Request, Verdict};
pub use record::{FORMAT, Promotion, Version};
pub use reference::{NotAReference, Reference, Which};

use crate::error::did_you_mean;
use crate::fs::escape;
use crate::store::Store;
use crate::{Error, Result};

/// The models of a store.
#[derive(Debug, Clone)]
pub struct Registry {
    store: Store,
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
        Self { store: store.clone() }
    }

    /// Makes the next version of a model; its number in `version` does not count. The same object from the same run with
    /// the same metrics is one version, however often it is registered.
    pub fn register(&self, version: Version) -> Result<Registered> {
        let is_same = |known: &Version| {
            known.object == version.object && known.run == version.run && known.metrics == version.metrics
        };
        let mut number = 1;
        for known in self.versions(&version.model)? {
            if is_same(&known) {
                return Ok(Registered { version: known, is_new: false });
            }
            number = known.version + 1;
        }
        loop {
            let version = Version { version: number, ..version.clone() };
            if self.store.create_record(&version_name(&version.model, number), &encode(&version))? {
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
        let names = self.store.records("models")?;
        let mut models: Vec<String> =
            names.iter().filter_map(|name| name.split('/').nth(1)).map(str::to_owned).collect();
        models.dedup();
        Ok(models)
    }

    /// All versions of a model, from the first on; none for a model that is not registered.
    pub fn versions(&self, model: &str) -> Result<Vec<Version>> {
        let mut versions = Vec::new();
        for number in self.numbers(&format!("models/{model}/versions"))? {
            versions.extend(self.version(model, number)?);
        }
        Ok(versions)
    }

    /// The version that a reference names.
    pub fn find(&self, reference: &Reference) -> Result<Version> {
        let Reference { model, which } = reference;
        let numbers = self.numbers(&format!("models/{model}/versions"))?;
        let Some(newest) = numbers.last() else { return Err(self.unknown_model(model)) };
        let number = match which {
            Which::Newest => *newest,
            Which::Number(number) => *number,
            Which::Alias(alias) => self.alias(model, alias)?.ok_or_else(|| self.unknown_alias(model, alias))?.to,
        };
        self.version(model, number)?.ok_or_else(|| {
            Error::usage(format!("model `{model}` has no version {number}"))
                .with_hint(format!("its newest is {newest}; `mlx model list {model}` shows all"))
        })
    }

    /// The aliases of a model, each with the promotion that brought it to its version.
    pub fn aliases(&self, model: &str) -> Result<BTreeMap<String, Promotion>> {
        let prefix = format!("models/{model}/aliases");
        let mut aliases = BTreeMap::new();
        for name in self.store.records(&prefix)? {
            let alias = name.rsplit('/').next().unwrap_or_default().to_owned();
            aliases.extend(self.read(&name)?.map(|promotion| (alias, promotion)));
        }
        Ok(aliases)
    }

    /// The promotion that brought an alias to the version that holds it now.
    pub fn alias(&self, model: &str, alias: &str) -> Result<Option<Promotion>> {
        self.read(&alias_name(model, alias))
    }

    fn version(&self, model: &str, number: u64) -> Result<Option<Version>> {
        let name = version_name(model, number);
        let version: Option<Version> = self.read(&name)?;
        match version {
            Some(version) if version.format > FORMAT => Err(Error::failed(format!(
                "the record `{name}` has format {}; this mlx knows up to {FORMAT}",
                version.format
            ))
            .with_hint("install a newer mlx")),
            Some(version) if version.model != model || version.version != number => Err(damaged(
                &name,
                format_args!("it says that it is `{}` {}", escape(version.model.as_bytes()), version.version),
            )),
            version => Ok(version),
        }
    }

    /// The records below `prefix` whose names are numbers, in their order.
    fn numbers(&self, prefix: &str) -> Result<Vec<u64>> {
        let names = self.store.records(prefix)?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.rsplit('/').next()?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        self.store.record(name)?.map(|bytes| decode(name, &bytes)).transpose()
    }

    fn unknown_model(&self, model: &str) -> Error {
        let known = self.models().unwrap_or_default();
        let hint = match known.is_empty() {
            true => format!("register it with `mlx model register {model}`"),
            false => did_you_mean(model, known.iter().map(String::as_str)),
        };
        Error::usage(format!("no version of model `{}` is registered", escape(model.as_bytes()))).with_hint(hint)
    }

    fn unknown_alias(&self, model: &str, alias: &str) -> Error {
        let known = self.aliases(model).unwrap_or_default();
        let hint = match known.is_empty() {
            true => format!("give it one with `mlx model promote {model} VERSION {alias}`"),
            false => did_you_mean(alias, known.keys().map(String::as_str)),
        };
        Error::usage(format!("no version of `{model}` holds the alias `{alias}`")).with_hint(hint)
    }
}

fn version_name(model: &str, number: u64) -> String {
    format!("models/{model}/versions/{number}")
}

fn alias_name(model: &str, alias: &str) -> String {
    format!("models/{model}/aliases/{alias}")
}

fn damaged(name: &str, why: impl std::fmt::Display) -> Error {
    let hint = if name.contains("/aliases/") {
        "remove its file below `.mlx/store/records`, then promote the version again"
    } else if name.contains("/events/") {
        "remove its file below `.mlx/store/records`; only what it told of one promotion is lost"
    } else {
        "put the record back as it was; records are written once and never edited"
    };
    Error::failed(format!("the record `{name}` of the registry is damaged: {why}")).with_hint(hint)
}

fn decode<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| damaged(name, error))
}

/// The bytes of a record: JSON with a line end.
fn encode(record: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(record).expect("records have text keys and finite numbers");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests;
