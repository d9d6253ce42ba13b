//! What the pods of jobs and of releases have in common.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::ErrorContext;
use crate::project::manifest::Resources;
use crate::project::{ProjectPath, document};
use crate::{Error, Result};

/// The label of everything that mlx makes, and what it says.
pub const MANAGER: (&str, &str) = ("app.kubernetes.io/managed-by", "mlx");
const USUAL_GPU: &str = "nvidia.com/gpu";

/// Reads the file with what the user says of pods besides, where one is named; it is relative to the directory `root`.
pub fn more(path: Option<&ProjectPath>, root: &Path) -> Result<Option<Value>> {
    let Some(path) = path else { return Ok(None) };
    let more = document::parse_file(path, &crate::fs::read(&path.below(root))?, &format!("`{path}`"))?;
    check(&more).with_context(|| format!("`{path}` can't be what pods have besides"))?;
    Ok(Some(more))
}

/// Whether a file may say this of the pod's specification.
fn check(more: &Value) -> Result<()> {
    match more {
        Value::Object(table) if table.contains_key("containers") => {
            Err(Error::usage("it names `containers`, which are mlx's to name")
                .with_hint("give what belongs to the pod: `tolerations`, `affinity`, `imagePullSecrets`, …"))
        }
        Value::Object(_) => Ok(()),
        _ => Err(Error::usage("it holds no table").with_hint("it is what `spec` of a pod says, without `containers`")),
    }
}

/// Tables are merged, lists are continued, and the rest is replaced.
pub fn merge(value: &mut Value, more: &Value) {
    match (value, more) {
        (Value::Object(table), Value::Object(more)) => {
            for (key, more) in more {
                merge(table.entry(key.clone()).or_insert(Value::Null), more);
            }
        }
        (Value::Array(items), Value::Array(more)) => items.extend(more.iter().cloned()),
        (value, more) => *value = more.clone(),
    }
}

/// What a container takes; `gpu_resource` is what the GPUs are called there.
pub fn resources(resources: &Resources, gpu_resource: Option<&str>) -> Value {
    let mut requests = Map::from_iter([("cpu".to_owned(), Value::from(resources.cpus.to_string()))]);
    let mut limits = Map::new();
    if let Some(bytes) = resources.memory_bytes {
        requests.insert("memory".into(), bytes.to_string().into());
        limits.insert("memory".into(), bytes.to_string().into());
    }
    if resources.gpus > 0 {
        limits.insert(gpu_resource.unwrap_or(USUAL_GPU).into(), resources.gpus.to_string().into());
    }
    json!({ "requests": requests, "limits": limits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_not_for_the_user_to_name() {
        assert!(check(&json!({ "containers": [] })).is_err() && check(&json!([])).is_err());
        assert!(check(&json!({ "tolerations": [] })).is_ok());
    }
}
