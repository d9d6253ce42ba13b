//! What stands under `deps`: paths, and tables that say which part of a file or what else it is.

use super::part::Part;
use super::text::{Place, Scope, Text};
use crate::Result;
use crate::project::reader::Item;
use crate::project::{Glob, ProjectPath};

/// A dependency as it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum DeclaredDependency {
    Path(Text),
    Columns { path: Text, columns: Vec<Text> },
    Lines { path: Text, lines: Text },
    Key { path: Text, key: Text },
    Variable(Text),
    Command(Text),
    Url(Text),
}

/// A dependency, its templates filled.
pub enum Dependency {
    Path(ProjectPath),
    Pattern(Glob),
    Part(Part),
}

impl DeclaredDependency {
    pub(super) fn all(item: Item<'_>, step: &str) -> Result<Vec<Self>> {
        item.items()?.into_iter().map(|item| Self::of(item, step)).collect()
    }

    fn of(item: Item<'_>, step: &str) -> Result<Self> {
        const KEY: &str = "deps";
        if !item.is_table() {
            return Text::of(item, KEY).map(Self::Path);
        }
        let mut table = item.table(format!("a dependency of step `{step}`"))?;
        let mut text = |key| table.take(key).map(|item| Text::of(item, KEY)).transpose();
        let (path, lines, key) = (text("path")?, text("lines")?, text("key")?);
        let (variable, command, url) = (text("env")?, text("command")?, text("url")?);
        let columns = table.take("columns").map(|item| Text::all(item, KEY)).transpose()?;
        let dependency = match (path, columns, lines, key, variable, command, url) {
            (Some(path), None, None, None, None, None, None) => Self::Path(path),
            (Some(path), Some(columns), None, None, None, None, None) if !columns.is_empty() => {
                Self::Columns { path, columns }
            }
            (Some(path), None, Some(lines), None, None, None, None) => Self::Lines { path, lines },
            (Some(path), None, None, Some(key), None, None, None) => Self::Key { path, key },
            (None, None, None, None, Some(variable), None, None) => Self::Variable(variable),
            (None, None, None, None, None, Some(command), None) => Self::Command(command),
            (None, None, None, None, None, None, Some(url)) => Self::Url(url),
            _ => {
                table.check()?;
                return Err(table.error("says no single thing").with_hint(
                    "it has `path`, alone or with one of `columns`, `lines` and `key`; or `env`, `command` or `url` alone",
                ));
            }
        };
        table.finish()?;
        Ok(dependency)
    }

    /// The path in it, where it has one.
    pub(super) fn path(&self) -> Option<&Text> {
        match self {
            Self::Path(path) | Self::Columns { path, .. } | Self::Lines { path, .. } | Self::Key { path, .. } => {
                Some(path)
            }
            Self::Variable(_) | Self::Command(_) | Self::Url(_) => None,
        }
    }

    /// All that may be a template for the reader. A command's templates are filled when it is run, for the shell.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Text> {
        let (first, more) = match self {
            Self::Path(text) | Self::Variable(text) | Self::Url(text) => (Some(text), [].as_slice()),
            Self::Columns { path, columns } => (Some(path), columns.as_slice()),
            Self::Lines { path, lines: more } | Self::Key { path, key: more } => {
                (Some(path), std::slice::from_ref(more))
            }
            Self::Command(_) => (None, [].as_slice()),
        };
        first.into_iter().chain(more)
    }

    pub(super) fn fill(&self, scope: &Scope<'_>) -> Result<Dependency> {
        Ok(Dependency::Part(match self {
            Self::Path(path) => {
                return Ok(match path.fill_place(scope)? {
                    Place::Path(path) => Dependency::Path(path),
                    Place::Pattern(pattern) => Dependency::Pattern(pattern),
                });
            }
            Self::Columns { path, columns } => Part::Columns {
                path: path.fill_path(scope)?,
                columns: columns.iter().map(|column| column.fill(scope)).collect::<Result<_>>()?,
            },
            Self::Lines { path, lines } => {
                let range = lines.fill(scope)?.parse().map_err(|error| lines.error(scope.step, error))?;
                Part::Lines { path: path.fill_path(scope)?, lines: range }
            }
            Self::Key { path, key } => Part::Key { path: path.fill_path(scope)?, key: key.fill(scope)? },
            Self::Variable(name) => {
                let filled = name.fill(scope)?;
                if filled.is_empty() || filled.contains(['=', '\0']) {
                    return Err(name.error(scope.step, "a variable has a name without `=`"));
                }
                Part::Variable(filled)
            }
            Self::Command(command) => {
                if command.text.trim().is_empty() {
                    return Err(command.error(scope.step, "the command is empty"));
                }
                Part::Command(command.text.clone())
            }
            Self::Url(url) => Part::Url(check_url(url, url.fill(scope)?, scope.step)?),
        }))
    }
}

/// A URL of a file elsewhere. Whether it holds a secret shows before it is asked.
fn check_url(text: &Text, url: String, step: &str) -> Result<String> {
    let is_elsewhere = url.split_once("://").is_some_and(|(scheme, rest)| scheme != "file" && !rest.is_empty());
    if !is_elsewhere {
        let shown = crate::fs::escape(url.as_bytes());
        return Err(text
            .error(step, format!("`{shown}` is no URL of a file elsewhere"))
            .with_hint("write \"https://…\" or \"s3://…\"; a file of the project is a `path`"));
    }
    Ok(url)
}
