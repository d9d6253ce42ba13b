//! What steps run in, as `[env]` and `[env.NAME]` say it.

use std::collections::BTreeMap;

use crate::project::ProjectPath;
use crate::project::reader::{Item, Table};
use crate::{Error, Result};

/// The name of the environment of the steps that name none.
pub const DEFAULT_ENVIRONMENT: &str = "default";

/// An environment: what makes it, and where it is declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    pub source: EnvironmentSource,
    /// For messages: `mlx.toml, line 5`.
    pub place: String,
}

/// What an environment is made from.
#[derive(Debug, Clone, PartialEq)]
pub enum EnvironmentSource {
    Python(PythonEnvironment),
    Conda(CondaEnvironment),
    Container(ContainerEnvironment),
}

/// `python = { requirements = "requirements.txt" }`.
#[derive(Debug, Clone, PartialEq)]
pub struct PythonEnvironment {
    pub requirements: Requirements,
    /// The interpreter the environment is made with, such as `3.11` or `/usr/bin/python3`.
    pub python: Option<String>,
    /// The lock file, where it is not the one beside the requirements.
    pub lock: Option<ProjectPath>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Requirements {
    /// A requirements file of the project.
    File(ProjectPath),
    /// Requirement lines in the manifest itself.
    Lines(Vec<String>),
}

/// `conda = { file = "environment.yml" }`.
#[derive(Debug, Clone, PartialEq)]
pub struct CondaEnvironment {
    pub file: ProjectPath,
    /// The lock file, where it is not the one beside the file.
    pub lock: Option<ProjectPath>,
}

/// `container = { image = "…" }`.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerEnvironment {
    pub image: String,
    /// Further options of `podman run` or `docker run`.
    pub options: Vec<String>,
}

/// Reads `[env]` and the tables in it, by name.
pub(super) fn read(item: Item<'_>) -> Result<BTreeMap<String, Environment>> {
    let mut environments = BTreeMap::new();
    let mut table = item.table("[env]".into())?;
    let place = table.place();
    if let Some(source) = source(&mut table, "[env]")? {
        environments.insert(DEFAULT_ENVIRONMENT.to_owned(), Environment { source, place: place.clone() });
    }
    for (name, item) in table.take_tables() {
        super::check_name(&name).map_err(|message| item.error(message))?;
        let title = format!("[env.{name}]");
        let mut table = item.table(title.clone())?;
        let place = table.place();
        let source = source(&mut table, &title)?;
        // What is unknown comes first: it may be what was meant.
        let empty = table.error("says nothing: it has neither `python` nor `conda` nor `container`");
        table.finish()?;
        let environment = Environment { source: source.ok_or(empty)?, place: place.clone() };
        if environments.insert(name, environment).is_some() {
            return Err(Error::usage(format!(
                "[env.{DEFAULT_ENVIRONMENT}] and [env] are the same environment ({place})"
            ))
            .with_hint("keep one of the two"));
        }
    }
    table.finish()?;
    Ok(environments)
}

/// What one environment is made from; `None` where nothing is said.
fn source(table: &mut Table<'_>, title: &str) -> Result<Option<EnvironmentSource>> {
    let python = table.take("python").map(|item| python(item, title)).transpose()?;
    let conda = table.take("conda").map(|item| conda(item, title)).transpose()?;
    let container = table.take("container").map(|item| container(item, title)).transpose()?;
    match (python, conda, container) {
        (None, None, None) => Ok(None),
        (Some(python), None, None) => Ok(Some(EnvironmentSource::Python(python))),
        (None, Some(conda), None) => Ok(Some(EnvironmentSource::Conda(conda))),
        (None, None, Some(container)) => Ok(Some(EnvironmentSource::Container(container))),
        _ => Err(table
            .error("has more than one of `python`, `conda` and `container`")
            .with_hint("give the other a name, `[env.NAME]`, and the steps that use it `env = \"NAME\"`")),
    }
}

fn python(item: Item<'_>, title: &str) -> Result<PythonEnvironment> {
    let mut table = item.table(format!("`python` in {title}"))?;
    let python = table.take("python").map(Item::string).transpose()?;
    let lock = table.take("lock").map(Item::path).transpose()?;
    let requirements = table.require("requirements")?;
    let requirements = match requirements.is_array() {
        true => Requirements::Lines(requirements.strings()?),
        false => Requirements::File(requirements.path()?),
    };
    table.finish()?;
    Ok(PythonEnvironment { requirements, python, lock })
}

fn conda(item: Item<'_>, title: &str) -> Result<CondaEnvironment> {
    let mut table = item.table(format!("`conda` in {title}"))?;
    let lock = table.take("lock").map(Item::path).transpose()?;
    let file = table.require("file")?.path()?;
    table.finish()?;
    Ok(CondaEnvironment { file, lock })
}

fn container(item: Item<'_>, title: &str) -> Result<ContainerEnvironment> {
    let mut table = item.table(format!("`container` in {title}"))?;
    let options = table.take("options").map_or(Ok(Vec::new()), Item::strings)?;
    let item = table.require("image")?;
    let place = item.place();
    let image = item.string()?;
    // A name that begins with a dash would be an option of the engine.
    let is_name = image.starts_with(|first: char| first.is_ascii_alphanumeric());
    if !is_name || image.chars().any(|character| character.is_whitespace() || character.is_control()) {
        let shown = crate::fs::escape(image.as_bytes());
        return Err(Error::usage(format!(
            "`image` in `container` in {title}: `{shown}` is no name of an image ({place})"
        ))
        .with_hint("write a name such as \"docker.io/library/python:3.12-slim\""));
    }
    table.finish()?;
    Ok(ContainerEnvironment { image, options })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Manifest;

    fn environments(text: &str) -> Result<BTreeMap<String, Environment>> {
        Ok(Manifest::parse(text.as_bytes())?.environments)
    }

    #[test]
    fn the_default_one_and_named_ones_are_read() {
        let text = "[env]\npython = { requirements = ['six'] }\n[env.r]\nconda = { file = 'r.yml' }\n\
                    [env.box]\ncontainer = { image = 'localhost/x:1', options = ['--network=none'] }";

        let environments = environments(text).unwrap();

        assert_eq!(environments.keys().collect::<Vec<_>>(), ["box", "default", "r"]);
        assert!(
            matches!(&environments["r"].source, EnvironmentSource::Conda(conda) if conda.file.to_string() == "r.yml")
        );
        assert_eq!(environments["box"].place, "mlx.toml, line 5");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let cases = [
            ("env.python = { requirements = [] }\nenv.conda = { file = 'x' }", "[env] has more than one of `python`"),
            ("[env.a]\n", "[env.a] says nothing: it has neither `python`"),
            ("[env.a]\npyton = { }", "unknown key `pyton` in [env.a] (mlx.toml, line 2)"),
            ("[env]\npyton = 3", "unknown key `pyton` in [env] (mlx.toml, line 2)"),
            ("[env.a]\ncontainer = { image = '-v' }", "`-v` is no name of an image (mlx.toml, line 2)"),
            (
                "[env]\npython = { requirements = [] }\n[env.default]\npython = { requirements = [] }",
                "[env.default] and [env] are the same environment (mlx.toml, line 3)",
            ),
            ("[env.a]\nconda = { file = 'x' }\n[step.s]\ncmd = 'x'\nenv = 'b'", "step `s` names the environment `b`"),
        ];
        for (text, expected) in cases {
            let error = environments(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
