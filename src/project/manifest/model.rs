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
        Ok(Self { path, description, serve, examples, gates, place })
    }
}

fn serve(item: Item<'_>) -> Result<Serve> {
    let mut table = item.table("`serve`".into())?;
    let (onnx, python) = (table.take("onnx"), table.take("python"));
    let served = match (onnx, python) {
        (Some(onnx), None) => Serve::Onnx(onnx.path()?),
        (None, Some(python)) => self::python(python)?,
        _ => return Err(table.error("must have either `onnx` or `python`")),
    };
    table.finish()?;
    Ok(served)
}

/// `serve.py:Model`.
fn python(item: Item<'_>) -> Result<Serve> {
    let place = item.place();
    let text = item.string()?;
    let wrong = |why: &str| {
        Error::usage(format!("`python` in `serve` {why} ({place})"))
            .with_hint("name a file and a class in it, such as \"serve.py:Model\"")
    };
    let (file, class) = text.rsplit_once(':').ok_or_else(|| wrong("names no class"))?;
    let is_name =
        class.chars().all(|c| c.is_alphanumeric() || c == '_') && !class.starts_with(|c: char| c.is_numeric());
    if class.is_empty() || !is_name || !file.ends_with(".py") {
        return Err(wrong("is no file that ends in .py, a colon, and the name of a class"));
    }
    let file = ProjectPath::new(file).map_err(|error| wrong(&error.to_string()))?;
    Ok(Serve::Python { file, class: class.to_owned() })
}
