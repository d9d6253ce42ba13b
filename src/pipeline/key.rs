//! Step keys: the digest of everything that decides what a step makes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::Digest;
use crate::digest::ObjectKind;
use crate::project::ProjectPath;
use crate::project::document::canonical;
use crate::project::lock::{LockedPart, LockedPath};
use crate::project::manifest::Step;

/// The version of what goes into a key; another one makes every step new.
const VERSION: u64 = 1;

/// What a step is made from, as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Whole files and directories.
    pub deps: Vec<LockedPath>,
    pub parts: Vec<LockedPart>,
    /// The files of which `parts` are parts. They are no part of the key.
    pub files: Vec<LockedPath>,
}

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
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parts: BTreeMap<&'a str, Digest>,
    environment: Option<Digest>,
    outs: Vec<&'a ProjectPath>,
    metrics: Vec<&'a ProjectPath>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    readings: Vec<&'a ProjectPath>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    out_patterns: BTreeSet<String>,
    variables: &'a BTreeMap<String, String>,
}

/// The key of a step with these parameters and inputs in this environment.
pub fn step_key(step: &Step, params: &BTreeMap<String, Value>, inputs: &Inputs, environment: Option<Digest>) -> Digest {
    let Inputs { deps, parts, .. } = inputs;
    let sorted = |paths: &'_ [ProjectPath]| {
        let mut paths: Vec<ProjectPath> = paths.to_vec();
        paths.sort();
        paths
    };
    let (outs, metrics, readings) = (sorted(&step.outs), sorted(&step.metrics), sorted(&step.readings));
    let key = Key {
        mlx_step: VERSION,
        cmd: &step.cmd,
        dir: step.dir.as_ref(),
        params: params.iter().map(|(name, value)| (name.as_str(), canonical(value))).collect(),
        deps: deps.iter().map(|dep| (&dep.path, (dep.object.kind, dep.object.digest))).collect(),
        parts: parts.iter().map(|part| (part.what.as_str(), part.digest)).collect(),
        environment,
        outs: outs.iter().collect(),
        metrics: metrics.iter().collect(),
        readings: readings.iter().collect(),
        out_patterns: step.out_patterns.iter().map(|out| out.pattern.to_string()).collect(),
        variables: &step.variables,
    };
    Digest::of(serde_json::to_vec(&key).expect("every part of a key is plain data with text as names"))
}

/// What stands in the place of the key of a frozen step whose outputs are not what the lock had: the digest of these
/// outputs. No key of a step that ran is the same, so that the step runs once it is thawed.
pub fn frozen_key<'a>(outs: impl Iterator<Item = &'a LockedPath>) -> Digest {
    #[derive(Serialize)]
    struct Frozen<'a> {
        mlx_frozen: u64,
        outs: BTreeMap<&'a ProjectPath, (ObjectKind, Digest)>,
    }
    let outs = outs.map(|out| (&out.path, (out.object.kind, out.object.digest))).collect();
    Digest::of(serde_json::to_vec(&Frozen { mlx_frozen: 1, outs }).expect("paths and digests are text"))
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

    fn inputs(deps: &[LockedPath]) -> Inputs {
        Inputs { deps: deps.to_vec(), ..Inputs::default() }
    }

    #[test]
    fn order_never_changes_a_key() {
        let params = |text: &str| BTreeMap::from([("p".to_owned(), serde_json::from_str::<Value>(text).unwrap())]);
        let (a, b) = (dep("a", "1"), dep("b", "2"));

        let one = step_key(
            &step("cmd='x'\nouts=['m','n']"),
            &params(r#"[{"x": 1, "y": 2}]"#),
            &inputs(&[a.clone(), b.clone()]),
            None,
        );
        let other =
            step_key(&step("cmd='x'\nouts=['n','m']"), &params(r#"[{"y": 2, "x": 1}]"#), &inputs(&[b, a]), None);

        assert_eq!(one, other);
    }

    #[test]
    fn everything_that_decides_the_outputs_changes_the_key() {
        let base = "cmd='x'\nouts=['m']";
        let none = BTreeMap::new();
        let part = |what: &str, content: &str| {
            let part = LockedPart { what: what.to_owned(), digest: Digest::of(content) };
            Inputs { parts: vec![part], ..Inputs::default() }
        };
        let keys = [
            step_key(&step(base), &none, &inputs(&[]), None),
            step_key(&step("cmd='y'\nouts=['m']"), &none, &inputs(&[]), None),
            step_key(&step("cmd='x'\nouts=['n']"), &none, &inputs(&[]), None),
            step_key(&step("cmd='x'\nmetrics=['m']"), &none, &inputs(&[]), None),
            step_key(&step("cmd='x'\nouts=['m']\nmetrics=['m/n']"), &none, &inputs(&[]), None),
            step_key(&step("cmd='x'\nouts=['m']\nvariables={A='1'}"), &none, &inputs(&[]), None),
            step_key(&step("cmd='x'\nouts=['m', 'n/*']"), &none, &inputs(&[]), None),
            step_key(&step("cmd='x'\nouts=['m']\ndir='d'"), &none, &inputs(&[]), None),
            step_key(&step(base), &BTreeMap::from([("p".to_owned(), json!(1))]), &inputs(&[]), None),
            step_key(&step(base), &BTreeMap::from([("p".to_owned(), json!("1"))]), &inputs(&[]), None),
            step_key(&step(base), &none, &inputs(&[dep("d", "1")]), None),
            step_key(&step(base), &none, &inputs(&[dep("d", "2")]), None),
            step_key(&step(base), &none, &inputs(&[]), Some(Digest::of("env"))),
            step_key(&step(base), &none, &part("lines 1-2 of `d`", "1"), None),
            step_key(&step(base), &none, &part("lines 1-2 of `d`", "2"), None),
            step_key(&step(base), &none, &part("lines 1-3 of `d`", "2"), None),
        ];

        let distinct: std::collections::HashSet<_> = keys.iter().collect();

        assert_eq!(distinct.len(), keys.len());
    }
}
