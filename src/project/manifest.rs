//! The manifest `mlx.toml`: what the user wrote, checked key by key.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::condition::Condition;
use super::reader::{Item, Source, Table};
use super::{MANIFEST, ProjectPath};
use crate::fs;
use crate::{Error, Kind, Result};

/// A manifest whose keys, types, names and paths are sound. Whether its steps make a pipeline is the pipeline's to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    pub name: Option<String>,
    pub description: Option<String>,
    /// Named data of `[data]`.
    pub data: BTreeMap<String, DataSource>,
    pub params: Params,
    pub python: Option<PythonEnvironment>,
    /// In the order of the file; their names are unique.
    pub steps: Vec<Step>,
    pub models: BTreeMap<String, Model>,
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

/// `[env] python = { requirements = "requirements.txt" }`.
#[derive(Debug, Clone, PartialEq)]
pub struct PythonEnvironment {
    pub requirements: Requirements,
    /// The interpreter the environment is made with, such as `3.11` or `/usr/bin/python3`.
    pub python: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Requirements {
    /// A requirements file of the project.
    File(ProjectPath),
    /// Requirement lines in the manifest itself.
    Lines(Vec<String>),
}

/// One step of the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub name: String,
    pub description: Option<String>,
    /// Given to `sh -c`.
    pub cmd: String,
    pub deps: Vec<ProjectPath>,
    /// Names of parameters, or of groups of them: `train` stands for all of `train.*`.
    pub params: Vec<String>,
    /// Files and directories the step makes; kept in the store.
    pub outs: Vec<ProjectPath>,
    /// Outputs that hold metrics.
    pub metrics: Vec<ProjectPath>,
    /// Variables the program gets besides its own environment.
    pub variables: BTreeMap<String, String>,
    pub timeout: Option<Duration>,
    /// Processors the step takes of those that `--jobs` allows; 1 where nothing is said.
    pub cpus: u64,
    /// Where it stands, for messages: `mlx.toml, line 14`.
    pub place: String,
}

impl Step {
    /// All files and directories the step makes: outputs, then metrics.
    pub fn products(&self) -> impl Iterator<Item = &ProjectPath> {
        self.outs.iter().chain(&self.metrics)
    }
}

/// A model: which output it is, how it is served, and what it must reach.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub path: ProjectPath,
    pub description: Option<String>,
    pub serve: Option<Serve>,
    /// Rows (CSV or JSON) whose answers are recorded when the model is packaged, and asked for again wherever it serves.
    pub examples: Option<ProjectPath>,
    /// Metric name to condition.
    pub gates: BTreeMap<String, Condition>,
    pub place: String,
}

/// How a model answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Serve {
    /// An ONNX file at or below the model's path, run in the process.
    Onnx(ProjectPath),
}

/// Another place that holds objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Remote {
    pub url: String,
}

/// A place that holds releases.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub url: String,
    /// What is deployed where the command does not say: `churn@production`.
    pub model: Option<String>,
    pub health: Health,
    pub place: String,
}

/// How a target's release is asked whether it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// Where the live server of the target listens, such as `http://127.0.0.1:8080`; asked after the switch.
    pub url: Option<String>,
    /// The path asked for, `/v2/health/ready` by default.
    pub path: String,
    /// How long it may take until the answer is yes; 30 s by default.
    pub timeout: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self { url: None, path: "/v2/health/ready".into(), timeout: Duration::from_secs(30) }
    }
}

impl Manifest {
    /// Reads and checks the manifest in this file.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&fs::read(path)?)
    }

    /// Checks a manifest's text.
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
        for (key, item) in named(&mut root, "data", "[data]")? {
            manifest.data.insert(key, data_source(item)?);
        }
        if let Some(item) = root.take("params") {
            manifest.params = params(item)?;
        }
        if let Some(item) = root.take("env") {
            let mut table = item.table("[env]".into())?;
            manifest.python = table.take("python").map(python).transpose()?;
            table.finish()?;
        }
        for (key, item) in named(&mut root, "step", "[step]")? {
            manifest.steps.push(step(key, item)?);
        }
        for (key, item) in named(&mut root, "model", "[model]")? {
            let model = model(item.table(format!("model `{key}`"))?)?;
            manifest.models.insert(key, model);
        }
        for (key, item) in named(&mut root, "remote", "[remote]")? {
            let mut table = item.table(format!("remote `{key}`"))?;
            let url = table.require("url")?.string()?;
            table.finish()?;
            manifest.remotes.insert(key, Remote { url });
        }
        for (key, item) in named(&mut root, "target", "[target]")? {
            let target = target(item.table(format!("target `{key}`"))?)?;
            manifest.targets.insert(key, target);
        }
        root.finish()?;
        Ok(manifest)
    }

    /// The step with this name.
    pub fn step(&self, name: &str) -> Result<&Step> {
        self.steps.iter().find(|step| step.name == name).ok_or_else(|| {
            Error::usage(format!("there is no step `{}` in {MANIFEST}", fs::escape(name.as_bytes())))
                .with_hint(crate::error::did_you_mean(name, self.steps.iter().map(|step| step.name.as_str())))
        })
    }

    /// The model with this name.
    pub fn model(&self, name: &str) -> Result<&Model> {
        self.models.get(name).ok_or_else(|| unknown("model", name, self.models.keys()))
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

fn data_source(item: Item<'_>) -> Result<DataSource> {
    let place = item.place();
    if item.is_string() {
        return Ok(DataSource { path: item.path()?, url: None, rev: None, place });
    }
    let mut table = item.table("[data]".into())?;
    let path = table.require("path")?.path()?;
    let url = table.take("url").map(Item::string).transpose()?;
    let rev = table.take("rev").map(Item::string).transpose()?;
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

fn python(item: Item<'_>) -> Result<PythonEnvironment> {
    let mut table = item.table("`python` in [env]".into())?;
    let requirements = table.require("requirements")?;
    let requirements = match requirements.is_array() {
        true => Requirements::Lines(requirements.strings()?),
        false => Requirements::File(requirements.path()?),
    };
    let python = table.take("python").map(Item::string).transpose()?;
    table.finish()?;
    Ok(PythonEnvironment { requirements, python })
}

fn step(name: String, item: Item<'_>) -> Result<Step> {
    let mut table = item.table(format!("step `{name}`"))?;
    let place = table.place();
    let cmd = table.require("cmd")?;
    let cmd_place = cmd.place();
    let cmd = cmd.string()?;
    if cmd.trim().is_empty() {
        return Err(Error::usage(format!("`cmd` in step `{name}`: the command is empty ({cmd_place})")));
    }
    let mut paths = |key| table.take(key).map_or(Ok(Vec::new()), Item::paths);
    let (deps, outs, metrics) = (paths("deps")?, paths("outs")?, paths("metrics")?);
    let params = table.take("params").map_or(Ok(Vec::new()), Item::strings)?;
    let description = table.take("description").map(Item::string).transpose()?;
    let timeout = table.take("timeout").map(Item::duration).transpose()?;
    let cpus = table.take("cpus").map_or(Ok(1), |item| item.integer(1))?;
    let mut variables = BTreeMap::new();
    if let Some(item) = table.take("variables") {
        for (key, item) in item.table(format!("`variables` in step `{name}`"))?.into_entries() {
            variables.insert(key, item.string()?);
        }
    }
    table.finish()?;
    Ok(Step { name, description, cmd, deps, params, outs, metrics, variables, timeout, cpus, place })
}

fn model(mut table: Table<'_>) -> Result<Model> {
    let place = table.place();
    let path = table.require("path")?.path()?;
    let description = table.take("description").map(Item::string).transpose()?;
    let examples = table.take("examples").map(Item::path).transpose()?;
    let serve = table.take("serve").map(serve).transpose()?;
    let mut gates = BTreeMap::new();
    if let Some(item) = table.take("gates") {
        for (metric, item) in item.table("`gates`".into())?.into_entries() {
            let place = item.place();
            let condition = item.string()?.parse();
            let named = |error| Error::usage(format!("gate `{metric}`: {error} ({place})"));
            gates.insert(metric.clone(), condition.map_err(named)?);
        }
    }
    if let Some(Serve::Onnx(file)) = &serve
        && !file.is_within(&path)
    {
        return Err(table.error(format!("serves `{file}`, which is not part of its path `{path}`")));
    }
    table.finish()?;
    Ok(Model { path, description, serve, examples, gates, place })
}

fn serve(item: Item<'_>) -> Result<Serve> {
    let mut table = item.table("`serve`".into())?;
    let onnx = table.require("onnx")?.path()?;
    table.finish()?;
    Ok(Serve::Onnx(onnx))
}

fn target(mut table: Table<'_>) -> Result<Target> {
    let place = table.place();
    let url = table.require("url")?.string()?;
    let model = table.take("model").map(Item::string).transpose()?;
    let mut health = Health::default();
    if let Some(item) = table.take("health") {
        let mut table = item.table("`health`".into())?;
        health.url = table.take("url").map(Item::string).transpose()?;
        health.path = table.take("path").map_or(Ok(health.path), Item::string)?;
        health.timeout = table.take("timeout").map_or(Ok(health.timeout), Item::duration)?;
        table.finish()?;
    }
    table.finish()?;
    Ok(Target { url, model, health, place })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let error = Manifest::parse(text.as_bytes()).unwrap_err();
        format!("{error} | {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let cases = [
            (
                "[step.a]\ncmd = 'x'\ndep = []",
                "unknown key `dep` in step `a` (mlx.toml, line 3) | did you mean `deps`?",
            ),
            ("[step.a]\ncmd = 3", "`cmd` in step `a` must be a string, not an integer (mlx.toml, line 2) | "),
            ("[step.a]\ndeps = []", "step `a` has no `cmd` (mlx.toml, line 1) | "),
            (
                "[step.a]\ncmd = 'x'\ndeps = ['/etc']",
                "`deps` in step `a`: `/etc` is absolute; paths are relative to the project (mlx.toml, line 3) | ",
            ),
            (
                "[step.'a b']\ncmd = 'x'",
                "`a b` in [step]: the name `a b` may hold letters, digits, `-`, `_` and `.` only (mlx.toml, line 1) | ",
            ),
            (
                "[model.m]\npath='m'\ngates = { a = '0.8' }",
                "gate `a`: `0.8` is no gate; write \">= 0.80\", \"< 0.1\" or \"not worse than @production\" (mlx.toml, line 3) | ",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(error(text), expected);
        }
    }

    #[test]
    fn bad_syntax_has_line_and_column() {
        assert!(error("[step.a]\ncmd = ").starts_with("mlx.toml, line 2, column 7: "));
        assert!(error("a = 1\na = 2").starts_with("mlx.toml, line 2, column 1: "));
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_crash() {
        error(&format!("a = {}", "[".repeat(10_000)));
        error(&format!("[{}a]", "a.".repeat(10_000)));
    }

    /// Every table of the schema accepts exactly the keys that the reader knows: an unknown key's hint lists them.
    #[test]
    fn the_schema_and_the_page_name_the_keys_that_the_reader_knows() {
        let schema: Value = serde_json::from_str(include_str!("../../docs/mlx.schema.json")).unwrap();
        let page = include_str!("../../docs/MANIFEST.md");
        let tables = [
            ("", "zzzz = 1"),
            ("/properties/project", "project.zzzz = 1"),
            ("/properties/data/additionalProperties/anyOf/1", "data.a = { path = 'a', zzzz = 1 }"),
            ("/properties/env", "env.zzzz = 1"),
            ("/properties/env/properties/python", "env.python = { requirements = [], zzzz = 1 }"),
            ("/properties/step/additionalProperties", "step.a = { cmd = 'x', zzzz = 1 }"),
            ("/properties/model/additionalProperties", "model.a = { path = 'x', zzzz = 1 }"),
            (
                "/properties/model/additionalProperties/properties/serve",
                "model.a = { path = 'x', serve = { onnx = 'x', zzzz = 1 } }",
            ),
            ("/properties/remote/additionalProperties", "remote.a = { url = 'x', zzzz = 1 }"),
            ("/properties/target/additionalProperties", "target.a = { url = 'x', zzzz = 1 }"),
            (
                "/properties/target/additionalProperties/properties/health",
                "target.a = { url = 'x', health = { zzzz = 1 } }",
            ),
        ];
        for (pointer, text) in tables {
            let error = error(text);
            let mut known: Vec<&str> =
                error.split("there are: ").nth(1).expect(text).split('`').skip(1).step_by(2).collect();
            let properties = schema.pointer(pointer).and_then(|table| table["properties"].as_object()).expect(pointer);
            let mut in_schema: Vec<&str> = properties.keys().map(String::as_str).collect();
            known.sort_unstable();
            in_schema.sort_unstable();
            assert_eq!(in_schema, known, "{text}");
            let missing: Vec<_> = known.iter().filter(|key| !page.contains(*key)).collect();
            assert!(missing.is_empty(), "docs/MANIFEST.md does not mention {missing:?}");
        }
    }
}
