//! Step keys: the digest of everything that decides what a step makes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::Digest;
use crate::digest::ObjectKind;
use crate::project::ProjectPath;
use crate::project::lock::LockedPath;
use crate::project::manifest::Step;

/// The version of what goes into a key; another one makes every step new.
const VERSION: u64 = 1;

/// What goes into a key, in canonical order. The command is the manifest's text, because the values of the parameters in
/// it stand beside it.
#[derive(Serialize)]
struct Key<'a> {
    mlx_step: u64,
    cmd: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<&'a ProjectPath>,
    params: BTreeMap<&'a str, Value>,
    deps: BTreeMap<&'a ProjectPath, (ObjectKind, Digest)>,
    environment: Option<Digest>,
    outs: Vec<&'a ProjectPath>,
    metrics: Vec<&'a ProjectPath>,
    variables: &'a BTreeMap<String, String>,
}

/// The key of a step with these parameters and dependencies in this environment.
pub fn step_key(
    step: &Step,
    params: &BTreeMap<String, Value>,
    deps: &[LockedPath],
    environment: Option<Digest>,
) -> Digest {
    let sorted = |paths: &'_ [ProjectPath]| {
        let mut paths: Vec<ProjectPath> = paths.to_vec();
        paths.sort();
        paths
    };
    let (outs, metrics) = (sorted(&step.outs), sorted(&step.metrics));
    let key = Key {
        mlx_step: VERSION,
        cmd: &step.cmd,
        dir: step.dir.as_ref(),
        params: params.iter().map(|(name, value)| (name.as_str(), canonical(value))).collect(),
        deps: deps.iter().map(|dep| (&dep.path, (dep.object.kind, dep.object.digest))).collect(),
        environment,
        outs: outs.iter().collect(),
        metrics: metrics.iter().collect(),
        variables: &step.variables,
    };
    Digest::of(serde_json::to_vec(&key).expect("every part of a key is plain data with text as names"))
}

/// What stands in the place of the key of a frozen step whose outputs are not what the lock had: the digest of these
/// outputs. No key of a step that ran is the same, so that the step runs once it is thawed.
pub fn frozen_key(outs: &[LockedPath]) -> Digest {
    #[derive(Serialize)]
    struct Frozen<'a> {
        mlx_frozen: u64,
        outs: BTreeMap<&'a ProjectPath, (ObjectKind, Digest)>,
    }
    let outs = outs.iter().map(|out| (&out.path, (out.object.kind, out.object.digest))).collect();
    Digest::of(serde_json::to_vec(&Frozen { mlx_frozen: 1, outs }).expect("paths and digests are text"))
}

/// The value with the keys of all its tables sorted.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(table) => {
            let sorted: BTreeMap<&String, &Value> = table.iter().collect();
            Value::Object(sorted.into_iter().map(|(key, value)| (key.clone(), canonical(value))).collect::<Map<_, _>>())
        }
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::digest::Object;
    use crate::project::Manifest;

    fn step(text: &str) -> Step {
        Manifest::parse(format!("[step.a]\n{text}").as_bytes()).unwrap().steps.remove(0)
    }

    fn dep(path: &str, content: &str) -> LockedPath {
        let object = Object { kind: ObjectKind::File, digest: Digest::of(content), size: 1, files: 1 };
        LockedPath { path: ProjectPath::new(path).unwrap(), object }
    }

    #[test]
    fn order_never_changes_a_key() {
        let params = |text: &str| BTreeMap::from([("p".to_owned(), serde_json::from_str::<Value>(text).unwrap())]);
        let (a, b) = (dep("a", "1"), dep("b", "2"));

        let one =
            step_key(&step("cmd='x'\nouts=['m','n']"), &params(r#"[{"x": 1, "y": 2}]"#), &[a.clone(), b.clone()], None);
        let other = step_key(&step("cmd='x'\nouts=['n','m']"), &params(r#"[{"y": 2, "x": 1}]"#), &[b, a], None);

        assert_eq!(one, other);
    }

    #[test]
    fn everything_that_decides_the_outputs_changes_the_key() {
        let base = "cmd='x'\nouts=['m']";
        let none = BTreeMap::new();
        let keys = [
            step_key(&step(base), &none, &[], None),
            step_key(&step("cmd='y'\nouts=['m']"), &none, &[], None),
            step_key(&step("cmd='x'\nouts=['n']"), &none, &[], None),
            step_key(&step("cmd='x'\nmetrics=['m']"), &none, &[], None),
            step_key(&step("cmd='x'\nouts=['m']\nvariables={A='1'}"), &none, &[], None),
            step_key(&step("cmd='x'\nouts=['m']\ndir='d'"), &none, &[], None),
            step_key(&step(base), &BTreeMap::from([("p".to_owned(), json!(1))]), &[], None),
            step_key(&step(base), &BTreeMap::from([("p".to_owned(), json!("1"))]), &[], None),
            step_key(&step(base), &none, &[dep("d", "1")], None),
            step_key(&step(base), &none, &[dep("d", "2")], None),
            step_key(&step(base), &none, &[], Some(Digest::of("env"))),
        ];

        let distinct: std::collections::HashSet<_> = keys.iter().collect();

        assert_eq!(distinct.len(), keys.len());
    }
}
