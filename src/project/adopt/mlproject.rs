//! Projects of MLflow: the file `MLproject`, as <https://mlflow.org/docs/latest/ml/projects/> has it.

use std::path::Path;

use serde_json::Value;

use super::draft::{Draft, Step};
use super::environment;
use crate::Result;
use crate::fs::read_optional;
use crate::project::ProjectPath;
use crate::project::assign::toml_text;
use crate::project::document::parse_file;

/// Takes over the entry point `main`, or the only one there is.
pub fn project(root: &Path, draft: &mut Draft) -> Result<()> {
    let Some(bytes) = read_optional(&root.join("MLproject"))? else { return Ok(()) };
    let Ok(path) = ProjectPath::new("MLproject.yaml") else { return Ok(()) };
    let file = parse_file(&path, &bytes, "MLproject")?;
    draft.source("MLproject");
    let text = |key: &str| file[key].as_str();
    if let Some(conda) = text("conda_env") {
        environment::take_conda(root, conda, draft)?;
    } else if let Some(python) = text("python_env") {
        environment::take_python_env(root, python, draft)?;
    } else if let Some(image) = file["docker_env"]["image"].as_str() {
        draft.environment = Some(format!("container = {{ image = {} }}", toml_text(image)));
    }
    let Some(points) = file["entry_points"].as_object() else { return Ok(()) };
    let chosen = points.get_key_value("main").or_else(|| points.iter().next());
    let Some((name, point)) = chosen else { return Ok(()) };
    let others: Vec<String> = points.keys().filter(|other| *other != name).map(|other| format!("`{other}`")).collect();
    if !others.is_empty() {
        draft.left.push(format!("other entry points of MLproject: {}", others.join(", ")));
    }
    let mut cmd = point["command"].as_str().unwrap_or_default().to_owned();
    for (parameter, declared) in point["parameters"].as_object().into_iter().flatten() {
        // `alpha: float`, or `alpha: {type: float, default: 0.5}`.
        let value = match declared.get("default") {
            Some(value) => value.clone(),
            None => {
                draft.left.push(format!("a value of the parameter `{parameter}`, which MLproject gives no default"));
                Value::from("")
            }
        };
        cmd = cmd.replace(&format!("{{{parameter}}}"), &format!("${{{parameter}}}"));
        draft.values.insert(parameter.clone(), value);
    }
    // Programs among the words are what it depends on.
    let words = cmd.split_whitespace().filter(|word| root.join(word).is_file());
    let deps: Vec<String> = words.map(toml_text).collect();
    let mut step = Step { name: draft.step_name(name), keys: vec![("cmd", toml_text(&cmd))] };
    if !deps.is_empty() {
        step.keys.push(("deps", super::draft::list(deps)));
    }
    draft.left.push(
        "what the program reads and makes: name it in `deps` and `outs`; what it logs by MLflow as `model` comes to lie in \
         `outs = [\"model\"]`"
            .into(),
    );
    draft.steps.push(step);
    Ok(())
}
