//! Pipelines and data of DVC: `dvc.yaml` and `*.dvc`, as <https://dvc.org/doc/user-guide/project-structure> has them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::draft::{Data, Draft, Model, Step, fit, list};
use crate::Result;
use crate::fs::read_optional;
use crate::project::ProjectPath;
use crate::project::assign::{to_toml, toml_text};
use crate::project::document::parse_file;
use crate::project::params::{flatten, text_of};

const PIPELINE: &str = "dvc.yaml";
const PARAMS: &str = "params.yaml";
static NOTHING: Value = Value::Null;
/// What mlx reads metrics from.
const METRICS: [&str; 6] = [".json", ".yaml", ".yml", ".toml", ".csv", ".tsv"];

/// Takes over the data that `*.dvc` files name.
pub fn tracked(root: &Path, draft: &mut Draft) -> Result<()> {
    let walk = ignore::WalkBuilder::new(root).require_git(false).sort_by_file_path(Ord::cmp).build();
    for entry in walk.flatten() {
        let path = entry.path();
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if !is_file || path.extension().is_none_or(|ending| ending != "dvc") {
            continue;
        }
        let Some(below) = path.strip_prefix(root).ok().and_then(Path::to_str) else { continue };
        let Some(Value::Object(file)) = read(root, below)? else { continue };
        let directory = below.rsplit_once('/').map_or("", |(directory, _)| directory);
        let around = place(directory, file.get("wdir").and_then(Value::as_str).unwrap_or("."));
        for out in items(file.get("outs")) {
            let (Some(around), Some(out)) = (&around, out["path"].as_str()) else { continue };
            let Some(path) = place(around, out).filter(|path| !path.is_empty()) else { continue };
            // What was fetched from a URL is brought up to date from there.
            let url = items(file.get("deps")).find_map(|dep| dep["path"].as_str().filter(|_| dep["repo"].is_null()));
            let url = url.filter(|url| url.starts_with("https://") || url.starts_with("http://")).map(str::to_owned);
            draft.source(below);
            let name = draft.data_name(&path);
            draft.data.push(Data { name, path, url });
        }
    }
    Ok(())
}

/// Takes over the stages.
pub fn pipeline(root: &Path, draft: &mut Draft) -> Result<()> {
    let Some(Value::Object(file)) = read(root, PIPELINE)? else { return Ok(()) };
    draft.source(PIPELINE);
    draft.take_params(root, PARAMS);
    for params in items(file.get("params")).filter_map(Value::as_str) {
        draft.take_params(root, params);
    }
    let variables = variables(root, file.get("vars"), draft);
    let mut stages = Vec::new();
    for (name, stage) in file.get("stages").and_then(Value::as_object).into_iter().flatten() {
        let stage = Stage::of(root, draft.step_name(name), stage, &variables, draft);
        // So that its name is taken.
        draft.steps.push(Step { name: stage.name.clone(), keys: Vec::new() });
        stages.push(stage);
    }
    for metrics in items(file.get("metrics")).filter_map(Value::as_str) {
        if !take_metrics(&mut stages, metrics) {
            draft.left.push(format!("the metrics `{metrics}`: name them in `metrics` of the step that makes them"));
        }
    }
    draft.steps = stages.into_iter().map(Stage::into_step).collect();
    for (name, artifact) in file.get("artifacts").and_then(Value::as_object).into_iter().flatten() {
        if let (Some("model"), Some(path)) =
            (artifact["type"].as_str(), artifact["path"].as_str().and_then(|path| place("", path)))
        {
            let description = artifact["desc"].as_str().map(str::to_owned);
            draft.models.push(Model { name: fit(name, "model"), path, description });
        }
    }
    for key in ["plots", "datasets"] {
        if file.contains_key(key) {
            draft.left.push(format!("`{key}` of {PIPELINE}"));
        }
    }
    Ok(())
}

/// Gives the metrics to the stage that makes them; `false` where none says so.
fn take_metrics(stages: &mut [Stage], metrics: &str) -> bool {
    let Some(path) = place("", metrics).filter(|path| is_metrics(path)) else { return false };
    let makes = |out: &Out| path == out.path || path.strip_prefix(&out.path).is_some_and(|rest| rest.starts_with('/'));
    let Some(stage) = stages.iter_mut().find(|stage| stage.outs.iter().chain(&stage.metrics).any(makes)) else {
        return false;
    };
    if stage.metrics.iter().any(|out| out.path == path) {
        return true;
    }
    match stage.outs.iter().position(|out| out.path == path) {
        Some(index) => stage.metrics.push(stage.outs.remove(index)),
        None => stage.metrics.push(Out { path, is_stored: true }),
    }
    true
}

/// A stage in the terms of a step.
struct Stage {
    name: String,
    keys: Vec<(&'static str, String)>,
    /// The TOML of each.
    deps: Vec<String>,
    params: Vec<String>,
    outs: Vec<Out>,
    metrics: Vec<Out>,
}

#[derive(Debug, Clone)]
struct Out {
    path: String,
    is_stored: bool,
}

impl Stage {
    fn of(root: &Path, name: String, stage: &Value, variables: &BTreeMap<String, Value>, draft: &mut Draft) -> Self {
        let (body, fan) = match stage.get("do") {
            Some(body) => (body, stage.get("foreach")),
            None => (stage, None),
        };
        let words = Words { variables, is_matrix: stage.get("matrix").is_some() };
        let mut found = Self {
            name,
            keys: Vec::new(),
            deps: Vec::new(),
            params: Vec::new(),
            outs: Vec::new(),
            metrics: Vec::new(),
        };
        let text = |key: &str| body[key].as_str().map(|text| words.fill(text, false));
        if let Some(description) = text("desc") {
            found.keys.push(("description", toml_text(&description)));
        }
        if let Some(values) = fan {
            found.fan("foreach", &words, values, draft);
        }
        if let Some(axes) = stage["matrix"].as_object() {
            let axis = |(axis, values): (&String, &Value)| Some(format!("{axis} = {}", words.values(values)?));
            match axes.iter().map(axis).collect::<Option<Vec<_>>>() {
                Some(axes) => found.keys.push(("matrix", format!("{{ {} }}", axes.join(", ")))),
                None => found.leave(draft, "its `matrix`"),
            }
        }
        let commands: Vec<String> = match &body["cmd"] {
            Value::Array(commands) => commands.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            command => command.as_str().map(str::to_owned).into_iter().collect(),
        };
        let commands: Vec<String> = commands.iter().map(|command| words.fill(command.trim(), true)).collect();
        found.keys.push(("cmd", toml_text(&commands.join(" && "))));
        let directory = text("wdir").map_or(Some(String::new()), |directory| place("", &directory));
        let Some(directory) = directory else {
            found.leave(draft, "its `wdir`, which lies outside of the project");
            return found;
        };
        if !directory.is_empty() {
            found.keys.push(("dir", toml_text(&directory)));
        }
        for dep in items(body.get("deps")) {
            found.depend(&words, &directory, entry(dep).0, draft);
        }
        for params in items(body.get("params")) {
            found.parameters(root, &words, &directory, params, draft);
        }
        for key in ["outs", "outs_persist", "outs_no_cache", "plots", "plots_no_cache", "metrics", "metrics_no_cache"] {
            for item in items(body.get(key)) {
                found.make(&words, &directory, key, item, draft);
            }
        }
        for (key, own) in [("frozen", "frozen"), ("always_changed", "always")] {
            if body[key] == true && !found.keys.iter().any(|(key, _)| *key == "frozen") {
                found.keys.push((own, "true".into()));
            }
        }
        found
    }

    fn leave(&self, draft: &mut Draft, what: &str) {
        draft.left.push(format!("stage `{}`: {what}", self.name));
    }

    fn fan(&mut self, key: &'static str, words: &Words<'_>, values: &Value, draft: &mut Draft) {
        match words.values(values) {
            Some(values) => self.keys.push((key, values)),
            None => self.leave(draft, &format!("its `{key}`")),
        }
    }

    fn depend(&mut self, words: &Words<'_>, directory: &str, dep: &str, draft: &mut Draft) {
        let dep = words.fill(dep, false);
        if dep.starts_with("https://") || dep.starts_with("http://") {
            self.deps.push(format!("{{ url = {} }}", toml_text(&dep)));
            return;
        }
        match place(directory, &dep).filter(|path| !path.is_empty()) {
            Some(path) => self.add_dep(toml_text(&path)),
            None => self.leave(draft, &format!("the dependency `{dep}`, which is no path in the project")),
        }
    }

    fn add_dep(&mut self, dep: String) {
        if !self.deps.contains(&dep) {
            self.deps.push(dep);
        }
    }

    /// An item of `params`: a name, or a file with names.
    fn parameters(&mut self, root: &Path, words: &Words<'_>, directory: &str, item: &Value, draft: &mut Draft) {
        let default = Map::from_iter([(PARAMS.to_owned(), Value::Array(vec![item.clone()]))]);
        let files = if item.is_string() {
            &default
        } else if let Value::Object(files) = item {
            files
        } else {
            return;
        };
        for (file, names) in files {
            let Some(file) = place(directory, &words.fill(file, false)) else { continue };
            let names: Vec<String> =
                items(Some(names)).filter_map(Value::as_str).map(|name| words.fill(name, false)).collect();
            if !draft.take_params(root, &file) {
                // A part of a file is a dependency like any other.
                let is_read = [".yaml", ".yml", ".json", ".toml"].iter().any(|ending| file.ends_with(ending));
                if names.is_empty() || !is_read {
                    self.add_dep(toml_text(&file));
                }
                for name in names.iter().filter(|_| is_read) {
                    self.add_dep(format!("{{ path = {}, key = {} }}", toml_text(&file), toml_text(name)));
                }
                continue;
            }
            let Some(known) = draft.read_params(root) else { continue };
            let names = match names.is_empty() {
                true => read(root, &file)
                    .ok()
                    .flatten()
                    .and_then(|values| Some(values.as_object()?.keys().cloned().collect())),
                false => Some(names),
            };
            for name in names.unwrap_or_default() {
                match known.nested(&name).is_some() || name.contains("${") {
                    true if self.params.contains(&name) => {}
                    true => self.params.push(name),
                    false => self.leave(draft, &format!("the parameter `{name}`, which {file} does not have")),
                }
            }
        }
    }

    /// An item of `outs`, `plots` or `metrics`.
    fn make(&mut self, words: &Words<'_>, directory: &str, key: &str, item: &Value, draft: &mut Draft) {
        let (path, options) = entry(item);
        let path = words.fill(path, false);
        let Some(path) = place(directory, &path).filter(|path| !path.is_empty()) else {
            self.leave(draft, &format!("the output `{path}`, which is no path in the project"));
            return;
        };
        if options["persist"] == true || key == "outs_persist" {
            self.leave(
                draft,
                &format!("`persist` of `{path}`: an output is removed before its step runs; see `checkpoint`"),
            );
        }
        let is_stored = options["cache"] != false && !key.ends_with("_no_cache");
        if self.outs.iter().chain(&self.metrics).any(|out| out.path == path) {
            return;
        }
        let list = if key.starts_with("metrics") && is_metrics(&path) { &mut self.metrics } else { &mut self.outs };
        list.push(Out { path, is_stored });
    }

    fn into_step(mut self) -> Step {
        let out = |out: &Out| match out.is_stored {
            true => toml_text(&out.path),
            false => format!("{{ path = {}, store = false }}", toml_text(&out.path)),
        };
        let lists = [
            ("deps", self.deps.clone()),
            ("params", self.params.iter().map(|name| toml_text(name)).collect()),
            ("outs", self.outs.iter().map(out).collect()),
            ("metrics", self.metrics.iter().map(out).collect::<Vec<_>>()),
        ];
        self.keys
            .extend(lists.into_iter().filter(|(_, items)| !items.is_empty()).map(|(key, items)| (key, list(items))));
        Step { name: self.name, keys: self.keys }
    }
}

/// How the templates of a stage read here.
struct Words<'a> {
    /// Constants of `vars`, which are no parameters.
    variables: &'a BTreeMap<String, Value>,
    is_matrix: bool,
}

impl Words<'_> {
    /// The text with the templates of mlx. In a command, what is no template is the shell's.
    fn fill(&self, text: &str, is_command: bool) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, after) = (&rest[..at], &rest[at + 2..]);
            let Some((name, behind)) = after.split_once('}') else { break };
            match before.strip_suffix('\\') {
                Some(before) => {
                    filled.push_str(before);
                    filled.push_str(if is_command { "${" } else { "$${" });
                    rest = after;
                    continue;
                }
                None => filled.push_str(before),
            }
            let name = name.trim();
            match (self.variables.get(name), name.strip_prefix("item.").filter(|_| self.is_matrix)) {
                (Some(value), _) => filled.push_str(&text_of(value)),
                (None, Some(axis)) => filled.push_str(&format!("${{matrix.{axis}}}")),
                (None, None) => filled.push_str(&format!("${{{name}}}")),
            }
            rest = behind;
        }
        filled.push_str(rest);
        filled
    }

    /// The values of `foreach` or of an axis: here, or a parameter's name.
    fn values(&self, values: &Value) -> Option<String> {
        let Value::String(text) = values else { return to_toml(values) };
        let name = text.trim().strip_prefix("${")?.strip_suffix('}')?.trim();
        match self.variables.get(name) {
            Some(value) => to_toml(value),
            None => Some(toml_text(name)),
        }
    }
}

/// The constants of `vars`, by dotted names; files among them become files of parameters.
fn variables(root: &Path, vars: Option<&Value>, draft: &mut Draft) -> BTreeMap<String, Value> {
    let mut variables = BTreeMap::new();
    for item in items(vars) {
        match item {
            Value::String(file) => {
                let file = file.split(':').next().unwrap_or_default();
                if !draft.take_params(root, file) {
                    draft.left.push(format!("`vars` of {PIPELINE}: {file}"));
                }
            }
            Value::Object(values) => {
                let mut flat = Vec::new();
                flatten("", values, &mut flat);
                variables.extend(flat);
                // A group of them may be what is gone through.
                variables.extend(
                    values
                        .iter()
                        .filter(|(_, value)| value.is_object())
                        .map(|(name, value)| (name.clone(), value.clone())),
                );
            }
            _ => {}
        }
    }
    variables
}

/// The path and the options of `path`, or of `{path: {cache: false}}`.
fn entry(item: &Value) -> (&str, &Value) {
    match item {
        Value::String(path) => (path, &NOTHING),
        Value::Object(table) => table.iter().next().map_or(("", &NOTHING), |(path, options)| (path.as_str(), options)),
        _ => ("", &NOTHING),
    }
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (list, single) = match value {
        Some(Value::Array(items)) => (items.as_slice(), None),
        Some(Value::Null) | None => (&[][..], None),
        single => (&[][..], single),
    };
    list.iter().chain(single)
}

fn is_metrics(path: &str) -> bool {
    METRICS.iter().any(|ending| path.to_ascii_lowercase().ends_with(ending))
}

/// The path below the project's root of one that is relative to a directory; `None` where it leaves the project.
fn place(directory: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains("://") {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What a file of DVC holds; `None` where there is none.
fn read(root: &Path, file: &str) -> Result<Option<Value>> {
    let Some(bytes) = read_optional(&root.join(file))? else { return Ok(None) };
    // Files such as `data.xml.dvc` are YAML, whatever their names end with.
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    let known =
        if matches!(ending, "yaml" | "yml" | "json" | "toml") { file.to_owned() } else { format!("{file}.yaml") };
    let Ok(path) = ProjectPath::new(known.as_bytes()) else { return Ok(None) };
    parse_file(&path, &bytes, &format!("`{file}`")).map(Some)
}
