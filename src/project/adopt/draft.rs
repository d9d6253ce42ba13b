//! What a manifest will say, and its text.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};

use crate::fs::read_optional;
use crate::project::assign::{to_toml, toml_text};
use crate::project::manifest::{self, check_name};
use crate::project::{Params, ProjectPath};

/// Lists that are longer than this have a line for each item.
const WIDTH: usize = 100;
/// Scripts that train, as projects call them.
const SCRIPTS: [&str; 6] =
    ["train.py", "src/train.py", "scripts/train.py", "src/models/train_model.py", "src/modeling/train.py", "main.py"];
/// So many notebooks are suggested as steps.
const MOST_NOTEBOOKS: usize = 3;

/// A manifest that is put together.
#[derive(Debug, Default)]
pub struct Draft {
    /// The files that it is made from.
    pub sources: Vec<String>,
    /// Files of parameters.
    pub params: Vec<String>,
    /// Parameters that stand in the manifest itself, where no file has them.
    pub values: Map<String, Value>,
    /// The lines of `[env]`.
    pub environment: Option<String>,
    pub data: Vec<Data>,
    pub steps: Vec<Step>,
    pub models: Vec<Model>,
    /// Steps that there could be, as comments.
    suggested: Vec<Step>,
    /// What has no counterpart, in words.
    pub left: Vec<String>,
}

#[derive(Debug)]
pub struct Data {
    pub name: String,
    pub path: String,
    pub url: Option<String>,
}

/// A table `[step.NAME]`, or one that is shown as a comment.
#[derive(Debug, Default)]
pub struct Step {
    pub name: String,
    /// Keys and the TOML of their values.
    pub keys: Vec<(&'static str, String)>,
}

#[derive(Debug)]
pub struct Model {
    pub name: String,
    pub path: String,
    pub description: Option<String>,
}

impl Draft {
    /// Notes a file that the manifest is made from.
    pub fn source(&mut self, file: &str) {
        if !self.sources.iter().any(|known| known == file) {
            self.sources.push(file.to_owned());
        }
    }

    /// Makes a file one of the files of parameters, where it can be one beside the others. Says whether it is one.
    pub fn take_params(&mut self, root: &Path, file: &str) -> bool {
        if self.params.iter().any(|known| known == file) {
            return true;
        }
        self.params.push(file.to_owned());
        let is_sound = self.read_params(root).is_some();
        if is_sound {
            self.source(file);
        } else {
            self.params.pop();
        }
        is_sound
    }

    /// The parameters of all files; `None` where one of them is missing, can't be read or says again what another one says.
    pub fn read_params(&self, root: &Path) -> Option<Params> {
        let files = self.params.iter().map(ProjectPath::new).collect::<Result<Vec<_>, _>>().ok()?;
        let declared = manifest::Params { files, ..manifest::Params::default() };
        Params::gather(&declared, &|path| read_optional(&path.below(root))).ok()
    }

    /// A name for this that no other has.
    pub fn data_name(&self, path: &str) -> String {
        let file = path.rsplit('/').next().unwrap_or(path);
        let name = fit(file.split_once('.').map_or(file, |(stem, _)| stem), "data");
        unique(&name, |name| self.data.iter().any(|data| data.name == name))
    }

    /// A name for a step like this one that no other has.
    pub fn step_name(&self, name: &str) -> String {
        unique(&fit(name, "step"), |name| self.steps.iter().any(|step| step.name == name))
    }

    /// Where there are no steps, shows some that there could be.
    pub fn suggest(&mut self, root: &Path) {
        if !self.steps.is_empty() {
            return;
        }
        let script = SCRIPTS.iter().find(|script| root.join(script).is_file());
        let mut step = Step { name: "train".into(), ..Step::default() };
        if let Some(script) = script {
            step.keys = vec![
                ("cmd", toml_text(&format!("python {script}"))),
                ("deps", list([toml_text(script)])),
                ("outs", list([toml_text("model")])),
                ("metrics", list([toml_text("metrics.json")])),
            ];
            self.suggested.push(step);
        }
        for notebook in notebooks(root).into_iter().take(MOST_NOTEBOOKS) {
            let stem = notebook.rsplit('/').next().and_then(|file| file.strip_suffix(".ipynb")).unwrap_or("notebook");
            let cmd = format!("jupyter nbconvert --to notebook --execute --output-dir executed '{notebook}'");
            let taken = |name: &str| self.suggested.iter().any(|step| step.name == name);
            let name = unique(&fit(stem, "notebook"), taken);
            let executed = format!("executed/{stem}.ipynb");
            let keys = vec![
                ("cmd", toml_text(&cmd)),
                ("deps", list([toml_text(&notebook)])),
                ("outs", list([toml_text(&executed)])),
            ];
            self.suggested.push(Step { name, keys });
        }
    }

    /// The manifest.
    pub fn text(&self, name: &str) -> String {
        let mut text = format!(
            "# The manifest of this project, made from {}: what mlx versions, trains, packages, deploys and serves.\n\
             # `mlx train --dry-run` says what would run.\n",
            self.sources.join(", ")
        );
        if !self.left.is_empty() {
            text.push_str("#\n# Not taken over:\n");
            self.left.iter().for_each(|left| write_comment(&mut text, &format!("- {left}")));
        }
        if !self.params.is_empty() {
            let _ = write!(text, "\nparams = {}\n", list(self.params.iter().map(|file| toml_text(file))));
        }
        let _ = write!(text, "\n[project]\nname = {}\n", toml_text(name));
        if !self.values.is_empty() {
            text.push_str("\n[params]\n");
            for (key, value) in &self.values {
                let _ = writeln!(text, "{} = {}", toml_key(key), to_toml(value).unwrap_or_else(|| "\"\"".into()));
            }
        }
        if let Some(environment) = &self.environment {
            let _ = write!(text, "\n[env]\n{environment}\n");
        }
        if !self.data.is_empty() {
            text.push_str("\n[data]\n");
            for Data { name, path, url } in &self.data {
                let path = toml_text(path);
                let value = match url {
                    Some(url) => format!("{{ path = {path}, url = {} }}", toml_text(url)),
                    None => path,
                };
                let _ = writeln!(text, "{} = {value}", toml_key(name));
            }
        }
        self.steps.iter().for_each(|step| step.write(&mut text, ""));
        if !self.suggested.is_empty() {
            text.push_str("\n# A step runs when its command, a dependency, a parameter or the environment changed.");
            self.suggested.iter().for_each(|step| step.write(&mut text, "# "));
        }
        self.write_models(&mut text);
        text
    }

    fn write_models(&self, text: &mut String) {
        const SERVING: &str = "# serve = { python = \"serve.py:Model\" }   # or { onnx = \"model/model.onnx\" }\n\
                               # examples = \"data/sample.csv\"\n# gates = { accuracy = \">= 0.80\" }\n";
        for Model { name, path, description } in &self.models {
            let _ = write!(text, "\n[model.{}]\npath = {}\n", toml_key(name), toml_text(path));
            if let Some(description) = description {
                let _ = writeln!(text, "description = {}", toml_text(description));
            }
            text.push_str(SERVING);
        }
        if self.models.is_empty() {
            text.push_str("\n# A model is an output with a name.\n# [model.main]\n# path = \"model\"\n");
            text.push_str(SERVING);
        }
        let model = self.models.first().map_or("main", |model| model.name.as_str());
        let _ = write!(
            text,
            "\n# Where releases of the model go.\n# [target.production]\n# url = \"deploy/production\"\n# model = \"{model}@production\"\n"
        );
    }
}

impl Step {
    fn write(&self, text: &mut String, prefix: &str) {
        let _ = write!(text, "\n{prefix}[step.{}]\n", toml_key(&self.name));
        for (key, value) in &self.keys {
            for line in format!("{key} = {value}").lines() {
                let _ = writeln!(text, "{prefix}{line}");
            }
        }
    }
}

/// A list of TOML values, in one line where it fits.
pub fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    let line = format!("[{}]", items.join(", "));
    if line.len() <= WIDTH {
        line
    } else {
        format!("[\n{}]", items.iter().map(|item| format!("  {item},\n")).collect::<String>())
    }
}

/// The text as far as it can be a name.
pub fn fit(text: &str, otherwise: &str) -> String {
    let fine =
        |character: char| if character.is_ascii_alphanumeric() || "-_.".contains(character) { character } else { '-' };
    let name: String = text.chars().map(fine).take(90).collect();
    let name = name.trim_start_matches(['-', '_', '.']);
    if check_name(name).is_ok() { name.to_owned() } else { otherwise.to_owned() }
}

fn unique(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut names = std::iter::once(name.to_owned()).chain((2_u64..).map(|number| format!("{name}-{number}")));
    names.find(|name| !is_taken(name)).unwrap_or_default()
}

/// A key of TOML, in quotes where it has to be.
fn toml_key(key: &str) -> String {
    let is_bare = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { toml_text(key) }
}

fn write_comment(text: &mut String, comment: &str) {
    comment.lines().for_each(|line| {
        let _ = writeln!(text, "# {line}");
    });
}

/// The notebooks of a project, sorted.
fn notebooks(root: &Path) -> BTreeSet<String> {
    let walk = ignore::WalkBuilder::new(root).max_depth(Some(3)).require_git(false).build();
    let below = |path: &Path| Some(path.strip_prefix(root).ok()?.to_str()?.to_owned());
    let paths = walk.flatten().filter_map(|entry| below(entry.path()));
    paths.filter(|path| path.ends_with(".ipynb") && !path.contains('\'')).collect()
}
