//! A text of a step as it is written, templates and all, that knows where it stands.

use serde_json::Value;

use super::Member;
use crate::project::ProjectPath;
use crate::project::params::Params;
use crate::project::reader::Item;
use crate::project::template::{self, Fault};
use crate::{Error, Result};

/// A text with its key and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    pub text: String,
    /// The key it stands under: `deps`.
    pub key: &'static str,
    /// `mlx.toml, line 14`.
    pub place: String,
}

/// What the templates of one step can name: its own values, then the parameters.
pub struct Scope<'a> {
    /// The step's name.
    pub step: &'a str,
    /// What a fan made it for.
    pub member: Option<&'a Member>,
    pub params: &'a Params,
}

impl Scope<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.member.and_then(|member| member.values.get(name)).or_else(|| self.params.0.get(name))
    }
}

impl Text {
    pub fn of(item: Item<'_>, key: &'static str) -> Result<Self> {
        let place = item.place();
        Ok(Self { text: item.string()?, key, place })
    }

    pub fn all(item: Item<'_>, key: &'static str) -> Result<Vec<Self>> {
        item.items()?.into_iter().map(|item| Self::of(item, key)).collect()
    }

    /// Whether parameters may have a say.
    pub fn is_template(&self) -> bool {
        self.text.contains("${")
    }

    /// An error about this text in the step with this name.
    pub fn error(&self, step: &str, message: impl std::fmt::Display) -> Error {
        Error::usage(format!("`{}` in step `{step}`: {message} ({})", self.key, self.place))
    }

    /// The text with the values in it.
    pub fn fill(&self, scope: &Scope<'_>) -> Result<String> {
        if !self.is_template() {
            return Ok(self.text.clone());
        }
        template::fill(&self.text, |name| scope.value(name)).map_err(|fault| {
            let error = self.error(scope.step, &fault);
            match &fault {
                Fault::Unknown(name) => {
                    let own = scope.member.iter().flat_map(|member| member.values.keys()).map(String::as_str);
                    error.with_hint(crate::error::did_you_mean(name, own.chain(scope.params.names())))
                }
                Fault::NoText { .. } => error.with_hint("name one of the values in it"),
                Fault::Unclosed => error,
            }
        })
    }

    /// The text with the values in it, as a path.
    pub fn fill_path(&self, scope: &Scope<'_>) -> Result<ProjectPath> {
        let filled = self.fill(scope)?;
        ProjectPath::from_text(&filled).map_err(|error| self.error(scope.step, error))
    }
}
