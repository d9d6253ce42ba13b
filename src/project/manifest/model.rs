//! A model, as `[model.NAME]` says it.

use std::collections::BTreeMap;

use crate::project::ProjectPath;
use crate::project::condition::Gate;
use crate::project::reader::{Item, Table};
use crate::{Error, Result};

/// A model: which output it is, how it is served, and what it must reach.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub path: ProjectPath,
    pub description: Option<String>,
    pub serve: Option<Serve>,
    /// Rows (CSV or JSON) whose answers are recorded when the model is packaged, and asked for again wherever it serves.
    pub examples: Option<ProjectPath>,
    /// Metric name to condition.
    pub gates: BTreeMap<String, Gate>,
    /// A model card of the user's own, in Markdown.
    pub card: Option<ProjectPath>,
    pub pickles: Pickles,
    pub parity: Option<Parity>,
    /// What a runnable image is built on.
    pub base: Option<String>,
    pub place: String,
}

/// What pickles among the model's files may name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pickles {
    /// Globals besides those that are known to do no harm: `package.module.Class`, or `package.*`.
    pub allow: Vec<String>,
    /// Whether one that names others is packaged all the same, with a warning.
    pub only_warn: bool,
}

/// What an ONNX file was exported from, and how near its answers must come.
#[derive(Debug, Clone, PartialEq)]
pub struct Parity {
    /// The file and the class in it that answers as the original does.
    pub file: ProjectPath,
    pub class: String,
    /// What the class loads; the model's path where nothing is said.
    pub path: Option<ProjectPath>,
    /// How far a number may be from the original one, absolutely and relative to it.
    pub tolerance: f64,
    pub place: String,
}

/// How a model answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Serve {
    /// An ONNX file at or below the model's path, run in the process.
    Onnx(ProjectPath),
    /// A class in a Python file, asked in processes of its own.
    Python { file: ProjectPath, class: String },
}

impl Model {
    /// Reads `[model.NAME]`.
    pub(super) fn of(mut table: Table<'_>) -> Result<Self> {
        let place = table.place();
        let path = table.take("path");
        let description = table.take("description").map(Item::string).transpose()?;
        let examples = table.take("examples").map(Item::path).transpose()?;
        let serve = table.take("serve").map(serve).transpose()?;
        let card = table.take("card").map(Item::path).transpose()?;
        let pickles = table.take("pickles").map(pickles).transpose()?.unwrap_or_default();
        let parity = table.take("parity").map(parity).transpose()?;
        let base = table.take("image").map(image).transpose()?;
        let mut gates = BTreeMap::new();
        if let Some(item) = table.take("gates") {
            for (metric, item) in item.table("`gates`".into())?.into_entries() {
                let place = item.place();
                let condition = item.string()?.parse();
                let named = |error| Error::usage(format!("gate `{metric}`: {error} ({place})"));
                gates.insert(metric.clone(), condition.map_err(named)?);
            }
        }
        let path = path.ok_or_else(|| table.missing("path"))?.path()?;
        if let Some(Serve::Onnx(file)) = &serve
            && !file.is_within(&path)
        {
            return Err(table.error(format!("serves `{file}`, which is not part of its path `{path}`")));
        }
        if parity.is_some() && (examples.is_none() || !matches!(serve, Some(Serve::Onnx(_)))) {
            return Err(table.error("has `parity`, which compares an ONNX file by its `examples`: both must be named"));
        }
        table.finish()?;
        Ok(Self { path, description, serve, examples, gates, card, pickles, parity, base, place })
    }
}

fn serve(item: Item<'_>) -> Result<Serve> {
    let mut table = item.table("`serve`".into())?;
    let (onnx, python) = (table.take("onnx"), table.take("python"));
    let served = match (onnx, python) {
        (Some(onnx), None) => Serve::Onnx(onnx.path()?),
        (None, Some(item)) => {
            let (file, class) = self::python(item, "serve")?;
            Serve::Python { file, class }
        }
        _ => {
            table.check()?;
            return Err(table.error("must have either `onnx` or `python`"));
        }
    };
    table.finish()?;
    Ok(served)
}

fn pickles(item: Item<'_>) -> Result<Pickles> {
    let mut table = item.table("`pickles`".into())?;
    let allow = table.take("allow").map(Item::strings).transpose()?.unwrap_or_default();
    let only_warn = match table.take("others") {
        None => false,
        Some(item) => {
            let place = item.place();
            match item.string()?.as_str() {
                "warn" => true,
                "refuse" => false,
                _ => {
                    return Err(Error::usage(format!(
                        "`others` in `pickles` must be \"refuse\" or \"warn\" ({place})"
                    )));
                }
            }
        }
    };
    table.finish()?;
    Ok(Pickles { allow, only_warn })
}

fn parity(item: Item<'_>) -> Result<Parity> {
    const TOLERANCE: f64 = 1e-4;
    let mut table = item.table("`parity`".into())?;
    let place = table.place();
    let path = table.take("path").map(Item::path).transpose()?;
    let tolerance = match table.take("tolerance") {
        None => TOLERANCE,
        Some(item) => {
            let place = item.place();
            let number = item.json()?.as_f64().filter(|number| number.is_finite() && *number >= 0.0);
            number
                .ok_or_else(|| Error::usage(format!("`tolerance` in `parity` must be a number from 0 up ({place})")))?
        }
    };
    let (file, class) = python(table.require("python")?, "parity")?;
    table.finish()?;
    Ok(Parity { file, class, path, tolerance, place })
}

fn image(item: Item<'_>) -> Result<String> {
    let mut table = item.table("`image`".into())?;
    let base = table.require("base")?.string()?;
    table.finish()?;
    Ok(base)
}

/// `serve.py:Model`.
fn python(item: Item<'_>, key: &str) -> Result<(ProjectPath, String)> {
    let place = item.place();
    let text = item.string()?;
    let wrong = |why: &str| {
        Error::usage(format!("`python` in `{key}` {why} ({place})"))
            .with_hint("name a file and a class in it, such as \"serve.py:Model\"")
    };
    let (file, class) = text.rsplit_once(':').ok_or_else(|| wrong("names no class"))?;
    let is_name =
        class.chars().all(|c| c.is_alphanumeric() || c == '_') && !class.starts_with(|c: char| c.is_numeric());
    if class.is_empty() || !is_name || !file.ends_with(".py") {
        return Err(wrong("is no file that ends in .py, a colon, and the name of a class"));
    }
    let file = ProjectPath::new(file).map_err(|error| wrong(&error.to_string()))?;
    Ok((file, class.to_owned()))
}
