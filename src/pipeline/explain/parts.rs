//! What goes into the key of a step, beside what it was the last time.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::digest::Object;
use crate::event::Watch;
use crate::pipeline::plan::Judged;
use crate::pipeline::setup::Setup;
use crate::project::lock::{JsonText, LockedPart, LockedPath, LockedStep};
use crate::project::manifest::Step;
use crate::project::{Glob, ProjectPath};
use crate::{Digest, Result};

/// One of the things that go into a key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    pub kind: PartKind,
    /// The parameter, the path or the variable; empty where there is only one.
    pub name: String,
    pub now: Option<Value>,
    pub before: Option<Value>,
    pub change: Change,
    /// The step that makes it, for a dependency.
    pub made_by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    Command,
    Parameter,
    Dependency,
    /// A part of a file, or what lies outside of the project.
    Part,
    Environment,
    Outputs,
    Variable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Same,
    Changed,
    New,
    Gone,
    /// What it is now shows when the step before has run, or what it was is not on record.
    Unknown,
}

/// All that goes into the key of this step.
pub(super) fn of_key(
    setup: &Setup<'_>,
    index: usize,
    judged: &Judged,
    locked: Option<&LockedStep>,
    watch: Watch<'_>,
) -> Result<Vec<Part>> {
    let step = &setup.graph.steps[index];
    let one = |kind, name: &str, now: Option<Value>, before: Option<Value>| {
        let change = change(now.as_ref(), before.as_ref(), Change::Gone);
        Part { kind, name: name.to_owned(), now, before, change, made_by: None }
    };
    let mut parts =
        vec![one(PartKind::Command, "", Some(step.cmd.clone().into()), locked.map(|locked| locked.cmd.clone().into()))];
    let now = &setup.step_params[index];
    let before: BTreeMap<&String, &Value> =
        locked.iter().flat_map(|locked| &locked.params).map(|(name, JsonText(value))| (name, value)).collect();
    let names: BTreeSet<&String> = now.keys().chain(before.keys().copied()).collect();
    parts.extend(names.into_iter().map(|name| {
        one(PartKind::Parameter, name, now.get(name).cloned(), before.get(name).map(|value| (*value).clone()))
    }));
    parts.extend(dependencies(setup, index, judged, locked, watch)?);
    parts.extend(file_parts(setup, index, judged, locked, watch)?);
    let environments = (setup.digests[index], locked.and_then(|locked| locked.environment));
    if environments != (None, None) {
        let text = |digest: Option<Digest>| digest.map(|digest| digest.to_string().into());
        parts.push(one(PartKind::Environment, "", text(environments.0), text(environments.1)));
    }
    let list = |paths: Vec<&ProjectPath>| Value::from(paths.iter().map(ToString::to_string).collect::<Vec<_>>());
    let before = locked.map(|locked| list(locked.outs.iter().chain(&locked.unstored).map(|out| &out.path).collect()));
    let now = Some(list(step.products().collect()));
    // Of outputs that may be missing or match a pattern, names say nothing.
    let before = if step.is_open() && locked.is_some() { now.clone() } else { before };
    parts.push(one(PartKind::Outputs, "", now, before));
    // The lock has no variables. Where all else is the same and the key is not, it was them.
    let is_same = judged.verdict.as_ref().map(|verdict| verdict.key) == locked.map(|locked| locked.key);
    parts.extend(step.variables.iter().map(|(name, value)| Part {
        kind: PartKind::Variable,
        name: name.clone(),
        now: Some(value.clone().into()),
        before: None,
        change: if is_same { Change::Same } else { Change::Unknown },
        made_by: None,
    }));
    Ok(parts)
}

/// What became of something since the last time; `absent` where it is not there now.
fn change<T: PartialEq>(now: Option<T>, before: Option<T>, absent: Change) -> Change {
    match (now, before) {
        (None, _) => absent,
        (Some(_), None) => Change::New,
        (Some(now), Some(before)) if now == before => Change::Same,
        (Some(_), Some(_)) => Change::Changed,
    }
}

fn dependencies(
    setup: &Setup<'_>,
    index: usize,
    judged: &Judged,
    locked: Option<&LockedStep>,
    watch: Watch<'_>,
) -> Result<Vec<Part>> {
    let step = &setup.graph.steps[index];
    let before: BTreeMap<&ProjectPath, &Object> =
        locked.iter().flat_map(|locked| &locked.deps).map(|dep| (&dep.path, &dep.object)).collect();
    let known: BTreeMap<&ProjectPath, &Object> =
        judged.verdict.iter().flat_map(|verdict| &verdict.inputs.deps).map(|dep| (&dep.path, &dep.object)).collect();
    let text = |object: &Object| Value::from(object.digest.to_string());
    let mut parts = Vec::new();
    // What patterns match stands behind what is named.
    let matched = known.keys().copied().filter(|path| !step.deps.contains(path));
    let paths: Vec<&ProjectPath> = step.deps.iter().chain(matched).collect();
    for path in &paths {
        let maker = setup.graph.maker(path).map(|(maker, _)| setup.graph.steps[maker].name.clone());
        let now = match known.get(path) {
            Some(object) => Some((*object).clone()),
            // What no step makes is what it is, whatever runs before.
            None if maker.is_none() => setup.workspace.object(path, watch)?,
            None => None,
        };
        let last = before.get(path);
        let what = |object: &Object| (object.digest, object.kind);
        let change = change(now.as_ref().map(what), last.map(|last| what(last)), Change::Unknown);
        parts.push(Part {
            kind: PartKind::Dependency,
            name: path.to_string(),
            now: now.as_ref().map(text),
            before: last.map(|last| text(last)),
            change,
            made_by: maker,
        });
    }
    // What patterns match shows when the steps before have run.
    let open = if judged.verdict.is_none() { step.patterns.as_slice() } else { &[] };
    let maker =
        |pattern: &Glob| setup.graph.makers_of(pattern).first().map(|maker| setup.graph.steps[*maker].name.clone());
    for (path, object) in before.iter().filter(|(path, _)| !paths.contains(path)) {
        let matching = open.iter().find(|pattern| pattern.matches(path));
        parts.push(Part {
            kind: PartKind::Dependency,
            name: path.to_string(),
            now: None,
            before: Some(text(object)),
            change: if matching.is_some() { Change::Unknown } else { Change::Gone },
            made_by: matching.and_then(maker),
        });
    }
    for pattern in open.iter().filter(|pattern| !before.keys().any(|path| pattern.matches(path))) {
        parts.push(Part {
            kind: PartKind::Dependency,
            name: pattern.to_string(),
            now: None,
            before: None,
            change: Change::Unknown,
            made_by: maker(pattern),
        });
    }
    Ok(parts)
}

/// Parts of files, and what lies outside of the project.
fn file_parts(
    setup: &Setup<'_>,
    index: usize,
    judged: &Judged,
    locked: Option<&LockedStep>,
    watch: Watch<'_>,
) -> Result<Vec<Part>> {
    let mut all = Vec::new();
    let before_parts: BTreeMap<&String, &Digest> =
        locked.iter().flat_map(|locked| &locked.parts).map(|part| (&part.what, &part.digest)).collect();
    let known = match &judged.verdict {
        Some(verdict) => verdict.inputs.parts.clone(),
        None => settled_parts(setup, index, watch)?,
    };
    let now: BTreeMap<&String, &Digest> = known.iter().map(|part| (&part.what, &part.digest)).collect();
    let maker = |path| setup.graph.maker(path).map(|(maker, _)| setup.graph.steps[maker].name.clone());
    let parts = setup.graph.steps[index].parts.iter();
    let declared: BTreeMap<String, Option<String>> = parts
        .flat_map(|part| {
            let maker = part.path().and_then(maker);
            part.names().into_iter().map(move |name| (name, maker.clone()))
        })
        .collect();
    for name in declared.keys().chain(before_parts.keys().copied().filter(|name| !declared.contains_key(*name))) {
        let (now, last) = (now.get(name), before_parts.get(name));
        let change = change(now, last, if declared.contains_key(name) { Change::Unknown } else { Change::Gone });
        let text = |digest: &&Digest| Value::from(digest.to_string());
        let (now, before) = (now.map(text), last.map(text));
        let made_by = declared.get(name).cloned().flatten();
        all.push(Part { kind: PartKind::Part, name: name.clone(), now, before, change, made_by });
    }
    Ok(all)
}

/// The parts that no step makes, as they are whatever runs before; what can't be read is left out.
fn settled_parts(setup: &Setup<'_>, index: usize, watch: Watch<'_>) -> Result<Vec<LockedPart>> {
    let step = &setup.graph.steps[index];
    let mut settled = Vec::new();
    for part in &step.parts {
        let mut files = Vec::new();
        if let Some(path) = part.path() {
            let object = setup.workspace.object(path, watch)?;
            let Some(object) = object.filter(|_| setup.graph.maker(path).is_none()) else { continue };
            files.push(LockedPath { path: path.clone(), object });
        }
        let alone = Step { parts: vec![part.clone()], ..step.clone() };
        let found = setup.parts.of(&alone, &setup.step_params[index], &files, &setup.workspace, watch);
        settled.extend(found.into_iter().flatten());
    }
    Ok(settled)
}
