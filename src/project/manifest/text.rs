//! A text of a step as it is written, templates and all, that knows where it stands.

use serde_json::Value;

use super::Member;
use crate::project::params::Params;
use crate::project::reader::Item;
use crate::project::template::{self, Fault};
use crate::project::{Glob, ProjectPath};
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

/// A path, or a pattern of paths.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    Path(ProjectPath),
    Pattern(Glob),
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

    /// The text with the values in it, as a path or a pattern.
    pub fn fill_place(&self, scope: &Scope<'_>) -> Result<Place> {
        self.place(&self.fill(scope)?, scope.step)
    }

    /// The text with the values in it, as a path.
    pub fn fill_path(&self, scope: &Scope<'_>) -> Result<ProjectPath> {
        match self.fill_place(scope)? {
            Place::Path(path) => Ok(path),
            Place::Pattern(pattern) => Err(self
                .error(scope.step, format!("`{pattern}` is a pattern, and one path is needed"))
                .with_hint("where a name has such a sign, put it in brackets: `[*]`")),
        }
    }

    /// Refuses what is no path whatever the parameters are.
    pub fn check_place(&self, step: &str) -> Result<()> {
        if self.is_template() { Ok(()) } else { self.place(&self.text, step).map(drop) }
    }

    fn place(&self, filled: &str, step: &str) -> Result<Place> {
        if !Glob::is_pattern(filled) {
            return ProjectPath::from_text(filled).map(Place::Path).map_err(|error| self.error(step, error));
        }
        let pattern = Glob::parse(filled).map_err(|error| self.error(step, error))?;
        Ok(pattern.literal().map_or(Place::Pattern(pattern), Place::Path))
    }
}
