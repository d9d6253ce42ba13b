//! The manifest `mlx.toml`: what the user wrote, checked key by key.

mod cluster;
mod declared;
mod dependency;
mod engine;
mod environment;
mod executor;
mod fan;
mod model;
mod output;
mod part;
mod resources;
mod retry;
mod step;
mod sweep;
mod target;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

pub use cluster::{Api, Autoscale, Cluster, ServiceSettings, ServingImage, Variable};
pub use declared::DeclaredStep;
pub use engine::{KubernetesSettings, RaySettings, SlurmSettings, Volume, VolumeSource};
pub use environment::{
    CondaEnvironment, ContainerEnvironment, DEFAULT_ENVIRONMENT, Environment, EnvironmentSource, PythonEnvironment,
    Requirements,
};
pub use executor::{Engine, Executor};
pub use fan::{KEY, MOST_STEPS, Member};
pub use model::{Model, Parity, Pickles, Serve};
pub use output::OutputPattern;
pub use part::{LineRange, Part};
pub use resources::Resources;
pub use retry::{FailureClass, Retry};
pub use step::Step;
pub use sweep::{Goal, Strategy, Sweep};
pub use target::{Health, Secret, Setting, Target};

use super::params;
use super::reader::{Item, Source, Table};
use super::{MANIFEST, ProjectPath};
use crate::fs;
use crate::{Error, Kind, Result};

/// A manifest whose keys, types, names and paths are sound. Whether its steps make a pipeline is the pipeline's to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    pub name: Option<String>,
    pub description: Option<String>,
    /// Where the registry of models is, when others share it: a remote or the URL of one.
    pub registry: Option<String>,
    /// Named data of `[data]`.
    pub data: BTreeMap<String, DataSource>,
    pub params: Params,
    /// By name; [`DEFAULT_ENVIRONMENT`] is that of steps that name none.
    pub environments: BTreeMap<String, Environment>,
    /// The tables of `[step]`, as they are written and in the order of the file.
    pub declared: Vec<DeclaredStep>,
    /// The steps that the tables make, in that order; their names are unique.
    pub steps: Vec<Step>,
    pub sweeps: BTreeMap<String, Sweep>,
    pub models: BTreeMap<String, Model>,
    pub executors: BTreeMap<String, Executor>,
    pub remotes: BTreeMap<String, Remote>,
    pub targets: BTreeMap<String, Target>,
}

/// A path of tracked data under a name: `raw = "data/raw.csv"`.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSource {
    pub path: ProjectPath,
    /// Where it is imported from: a URL, or `REPOSITORY#PATH`.
    pub url: Option<String>,
    /// The Git revision of that repository; its default branch where nothing is said.
    pub rev: Option<String>,
    /// Where it stands, for messages: `mlx.toml, line 5`.
    pub place: String,
}

/// Parameters: a table in the manifest, or files that hold them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params {
    /// The values of the table `[params]`.
    pub values: serde_json::Map<String, Value>,
    /// The files of `params = ["params.yaml"]`: YAML, JSON or TOML by their ending.
    pub files: Vec<ProjectPath>,
}

/// Another place that holds objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Remote {
    pub url: String,
}

impl Manifest {
    /// Reads and checks the manifest in this file.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&fs::read(path)?)
    }

    /// Checks a manifest's text. There are no steps yet where they depend on parameters that stand in files.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            Error::usage(format!("{MANIFEST}, line {line}: the text is not UTF-8"))
        })?;
        let source = Source::new(MANIFEST, text);
        let mut root = source.root()?;
        let mut manifest = Self::default();
        if let Some(item) = root.take("project") {
            let mut table = item.table("[project]".into())?;
            manifest.name = table.take("name").map(|item| name(item, "project")).transpose()?;
            manifest.description = table.take("description").map(Item::string).transpose()?;
            table.finish()?;
        }
        manifest.registry = root.take("registry").map(registry).transpose()?;
        for (key, item) in named(&mut root, "data", "[data]")? {
            manifest.data.insert(key, data_source(item)?);
        }
        if let Some(item) = root.take("params") {
            manifest.params = params(item)?;
        }
        if let Some(item) = root.take("env") {
            manifest.environments = environment::read(item)?;
        }
        for (key, item) in named(&mut root, "step", "[step]")? {
            manifest.declared.push(DeclaredStep::of(key, item)?);
        }
        for (key, item) in named(&mut root, "sweep", "[sweep]")? {
            let sweep = Sweep::of(item.table(format!("sweep `{key}`"))?)?;
            manifest.sweeps.insert(key, sweep);
        }
        for (key, item) in named(&mut root, "executor", "[executor]")? {
            let executor = Executor::of(item.table(format!("executor `{key}`"))?)?;
            manifest.executors.insert(key, executor);
        }
        for (key, item) in named(&mut root, "model", "[model]")? {
            let model = Model::of(item.table(format!("model `{key}`"))?)?;
            manifest.models.insert(key, model);
        }
        for (key, item) in named(&mut root, "remote", "[remote]")? {
            let mut table = item.table(format!("remote `{key}`"))?;
            let url = table.require("url")?.string()?;
            table.finish()?;
            manifest.remotes.insert(key, Remote { url });
        }
        manifest.targets = target::read(named(&mut root, "target", "[target]")?)?;
        root.finish()?;
        if !manifest.needs_params() {
            manifest.expand(&params::Params::default())?;
        } else if manifest.params.files.is_empty() {
            let params = params::Params::gather(&manifest.params, &|_| Ok(None))?;
            manifest.expand(&params)?;
        }
        Ok(manifest)
    }

    /// Whether parameters have a say in which steps there are, or in their paths.
    pub fn needs_params(&self) -> bool {
        self.declared.iter().any(DeclaredStep::needs_params)
    }

    /// Makes the steps of their tables, with these parameters.
    pub fn expand(&mut self, params: &params::Params) -> Result<()> {
        let mut steps = Vec::with_capacity(self.declared.len());
        for declared in &self.declared {
            steps.extend(declared.expand(MOST_STEPS.saturating_sub(steps.len()), params)?);
        }
        self.steps = steps;
        self.check_environments()
    }

    /// Refuses the first step whose environment is not declared.
    fn check_environments(&self) -> Result<()> {
        let undeclared = |step: &&Step| step.env.as_ref().is_some_and(|env| !self.environments.contains_key(env));
        let Some(step) = self.steps.iter().find(undeclared) else { return Ok(()) };
        let name = step.environment();
        let shown = fs::escape(name.as_bytes());
        let message =
            format!("step `{}` names the environment `{shown}`, which there is not ({})", step.name, step.place);
        let known = self.environments.keys().map(String::as_str);
        Err(Error::usage(message).with_hint(match self.environments.is_empty() {
            true => format!("declare it as a table `[env.{shown}]`"),
            false => crate::error::did_you_mean(name, known),
        }))
    }

    /// The environment with this name.
    pub fn environment(&self, name: &str) -> Result<&Environment> {
        self.environments.get(name).ok_or_else(|| unknown("environment", name, self.environments.keys()))
    }

    /// The step with this name, or the first of the table with this name.
    pub fn step(&self, name: &str) -> Result<&Step> {
        let find = |is_meant: &dyn Fn(&Step) -> bool| self.steps.iter().find(|step| is_meant(step));
        let found = find(&|step| step.name == name).or_else(|| find(&|step| step.group.as_deref() == Some(name)));
        found.ok_or_else(|| {
            Error::usage(format!("there is no step `{}` in {MANIFEST}", fs::escape(name.as_bytes())))
                .with_hint(crate::error::did_you_mean(name, Step::names(&self.steps)))
        })
    }

    /// The environment that a name means, and the step, where it is that of one. A name that is no step's may be the
    /// environment's own; without a name it is the default one.
    pub fn meant_environment<'a>(&'a self, name: Option<&'a str>) -> Result<(&'a str, Option<&'a Step>)> {
        match name {
            None => Ok((DEFAULT_ENVIRONMENT, None)),
            Some(name) => match self.step(name) {
                Ok(step) => Ok((step.environment(), Some(step))),
                Err(_) if self.environments.contains_key(name) => Ok((name, None)),
                Err(_) => {
                    let known =
                        Step::names(&self.steps).into_iter().chain(self.environments.keys().map(String::as_str));
                    let shown = fs::escape(name.as_bytes());
                    Err(Error::usage(format!("there is neither a step nor an environment `{shown}` in {MANIFEST}"))
                        .with_hint(crate::error::did_you_mean(name, known)))
                }
            },
        }
    }

    /// The model with this name.
    pub fn model(&self, name: &str) -> Result<&Model> {
        self.models.get(name).ok_or_else(|| unknown("model", name, self.models.keys()))
    }

    /// The executor with this name; `local` is there without a table.
    pub fn executor(&self, name: &str) -> Result<Executor> {
        match self.executors.get(name) {
            Some(executor) => Ok(executor.clone()),
            None if name == "local" => Ok(Executor::local()),
            None => Err(unknown("executor", name, self.executors.keys())),
        }
    }

    /// The target with this name.
    pub fn target(&self, name: &str) -> Result<&Target> {
        self.targets.get(name).ok_or_else(|| unknown("target", name, self.targets.keys()))
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> Error {
    let shown = fs::escape(name.as_bytes());
    Error::new(Kind::Usage, anyhow::anyhow!("there is no {what} `{shown}` in {MANIFEST}"))
        .with_hint(crate::error::did_you_mean(name, known.map(String::as_str)))
}

/// The entries of a table whose keys are names.
fn named<'t>(root: &mut Table<'t>, key: &'static str, title: &str) -> Result<Vec<(String, Item<'t>)>> {
    let Some(item) = root.take(key) else { return Ok(Vec::new()) };
    let entries = item.table(title.to_owned())?.into_entries();
    for (name, item) in &entries {
        check_name(name).map_err(|message| item.error(message))?;
    }
    Ok(entries)
}

fn name(item: Item<'_>, what: &str) -> Result<String> {
    let place = item.place();
    let name = item.string()?;
    check_name(&name).map_err(|message| Error::usage(format!("the name of the {what}: {message} ({place})")))?;
    Ok(name)
}

/// Names of steps, models, aliases and targets: they become file names, labels and parts of URLs.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_fine = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let shown = || fs::escape(name.chars().take(80).collect::<String>().as_bytes());
    match name.chars().next() {
        None => Err("a name can't be empty".into()),
        Some(first) if !first.is_ascii_alphanumeric() => {
            Err(format!("the name `{}` must begin with a letter or a digit", shown()))
        }
        _ if name.len() > 100 => Err(format!("the name `{}…` is longer than 100 characters", shown())),
        _ if !name.chars().all(is_fine) => {
            Err(format!("the name `{}` may hold letters, digits, `-`, `_` and `.` only", shown()))
        }
        _ => Ok(()),
    }
}

/// A remote or a URL.
pub(super) fn registry(item: Item<'_>) -> Result<String> {
    let place = item.place();
    let registry = item.string()?;
    match registry.trim().is_empty() {
        true => Err(Error::usage(format!("`registry` is empty ({place})"))
            .with_hint("name a remote, or write a URL such as \"s3://bucket/prefix\"")),
        false => Ok(registry),
    }
}

fn data_source(item: Item<'_>) -> Result<DataSource> {
    let place = item.place();
    if item.is_string() {
        return Ok(DataSource { path: item.path()?, url: None, rev: None, place });
    }
    let mut table = item.table("[data]".into())?;
    let path = table.take("path");
    let url = table.take("url").map(Item::string).transpose()?;
    let rev = table.take("rev").map(Item::string).transpose()?;
    let path = path.ok_or_else(|| table.missing("path"))?.path()?;
    if rev.is_some() && !url.as_ref().is_some_and(|url| url.contains('#')) {
        return Err(table.error("has a `rev`, which a `url` of the form \"REPOSITORY#PATH\" alone can have"));
    }
    table.finish()?;
    Ok(DataSource { path, url, rev, place })
}

fn params(item: Item<'_>) -> Result<Params> {
    if item.is_array() {
        return Ok(Params { files: item.paths()?, ..Params::default() });
    }
    let mut values = serde_json::Map::new();
    for (key, item) in item.table("[params]".into())?.into_entries() {
        values.insert(key, item.json()?);
    }
    Ok(Params { values, files: Vec::new() })
}
