//! Which steps something affects that changed since a Git revision: their text in the manifest, their parameters, the
//! environment, or a dependency that no step makes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::graph::Graph;
use crate::data::Workspace;
use crate::digest::Object;
use crate::env;
use crate::event::Watch;
use crate::project::git::Git;
use crate::project::manifest::Step;
use crate::project::{Lock, MANIFEST, Manifest, Params, Project, ProjectPath};
use crate::store::tree::Tree;
use crate::{Error, Result};

/// So many reasons are told.
const TOLD: usize = 10;

/// The project as it was, and what became of it.
struct Before<'a> {
    git: &'a Git,
    commit: String,
    lock: Lock,
    steps: HashMap<String, (Step, BTreeMap<String, Value>)>,
    /// Files that Git keeps, or would, and that differ now.
    changed: BTreeSet<ProjectPath>,
    workspace: &'a Workspace,
    watch: Watch<'a>,
}

/// The steps that a change since this revision affects directly, and what there is to tell of why, line by line.
pub fn affected(
    project: &Project,
    graph: &Graph<'_>,
    lock: &Lock,
    params: &Params,
    revision: &str,
    watch: Watch<'_>,
) -> Result<(Vec<usize>, Vec<String>)> {
    let git = Git::of(project)?.ok_or_else(|| {
        Error::usage("this project lies in no Git repository, so that nothing can be told of its revisions")
            .with_hint("start one with `git init`")
    })?;
    let at = git.lock_at(revision)?;
    let manifest = git.file_at(&at.commit, &ProjectPath::new(MANIFEST).expect("it is a plain name"));
    let file = |path: &ProjectPath| Ok(git.file_at(&at.commit, path));
    let mut params_before = Params::default();
    let read = |bytes: &[u8]| {
        let mut manifest = Manifest::parse(bytes)?;
        params_before = Params::gather(&manifest.params, &file)?;
        if manifest.needs_params() {
            manifest.expand(&params_before)?;
        }
        Ok::<_, Error>(manifest)
    };
    let manifest = match manifest.as_deref().map(read) {
        Some(Ok(manifest)) => manifest,
        // A manifest of another time may have had other keys.
        Some(Err(_)) | None => {
            let shown = crate::fs::escape(revision.as_bytes());
            let why = format!("`{shown}` has no {MANIFEST} that can be read, so that every step counts");
            return Ok(((0..graph.steps.len()).collect(), vec![why]));
        }
    };
    let of_step = |step: Step| {
        let params = params_before.of_step(&step).unwrap_or_default();
        (step.name.clone(), (step, params))
    };
    let changed = git.changed_since(&at.commit)?;
    let new_environments = new_environments(project, &manifest, &changed)?;
    let workspace = Workspace::open(project)?;
    let before = Before {
        steps: manifest.steps.into_iter().map(of_step).collect(),
        git: &git,
        commit: at.commit,
        lock: at.lock,
        changed,
        workspace: &workspace,
        watch,
    };
    let tracked = before.tracked(lock)?;
    let (mut affected, mut told) = (Vec::new(), Vec::new());
    for index in graph.order.iter().copied() {
        watch.interrupt.check()?;
        let step = &graph.steps[index];
        let why = match new_environments.contains(step.environment()) {
            true => Some("the environment changed".to_owned()),
            false => before.why(graph, step, &params.of_step(step)?, &tracked)?,
        };
        let Some(why) = why else { continue };
        if told.len() < TOLD {
            told.push(format!("step `{}`: since `{}` {why}", step.name, crate::fs::escape(revision.as_bytes())));
        }
        affected.push(index);
    }
    if affected.len() > TOLD {
        told.push(format!("and {} more steps", affected.len() - TOLD));
    }
    workspace.save();
    Ok((affected, told))
}

/// The names of the environments that are not what they were.
fn new_environments(project: &Project, before: &Manifest, changed: &BTreeSet<ProjectPath>) -> Result<BTreeSet<String>> {
    let mut new = BTreeSet::new();
    let now = &project.manifest.environments;
    for name in now.keys().chain(before.environments.keys()) {
        let [now, before] = [now, &before.environments].map(|all| all.get(name).map(|declared| &declared.source));
        let files = now.map_or(Ok(Vec::new()), |source| env::files(source, name))?;
        if now != before || files.iter().any(|file| changed.contains(file)) {
            new.insert(name.clone());
        }
    }
    Ok(new)
}

impl Before<'_> {
    /// Tracked paths, with what they were; `None` where they are as they were.
    fn tracked(&self, lock: &Lock) -> Result<BTreeMap<ProjectPath, Option<Option<Object>>>> {
        let paths: BTreeSet<&ProjectPath> = lock.paths.keys().chain(self.lock.paths.keys()).collect();
        let state = |path: &ProjectPath| {
            let (before, now) = (self.lock.paths.get(path), self.workspace.object(path, self.watch)?);
            Ok((path.clone(), (before != now.as_ref()).then(|| before.cloned())))
        };
        paths.into_iter().map(state).collect()
    }

    /// Why a step is affected, in words; `None` for one that is not.
    fn why(
        &self,
        graph: &Graph<'_>,
        step: &Step,
        params: &BTreeMap<String, Value>,
        tracked: &BTreeMap<ProjectPath, Option<Option<Object>>>,
    ) -> Result<Option<String>> {
        let Some((before, params_before)) = self.steps.get(&step.name) else { return Ok(Some("it is new".into())) };
        if !is_same(before, step) {
            return Ok(Some(format!("its text in {MANIFEST} changed")));
        }
        let names = params.keys().chain(params_before.keys());
        if let Some(name) = names.into_iter().find(|name| params.get(*name) != params_before.get(*name)) {
            return Ok(Some(format!("`{name}` changed")));
        }
        if step.parts.iter().any(|part| part.path().is_none()) {
            return Ok(Some("it depends on what lies outside of the project".into()));
        }
        for pattern in &step.patterns {
            if let Some(path) = self.changed.iter().find(|path| pattern.matches(path)) {
                return Ok(Some(format!("`{path}` changed")));
            }
        }
        for path in step.inputs().filter(|path| graph.maker(path).is_none()) {
            if let Some(what) = self.change_of(step, path, tracked)? {
                return Ok(Some(what));
            }
        }
        Ok(None)
    }

    /// Whether a dependency that no step makes is another one than before: as Git has it, as `mlx add` tracks it, or else
    /// as the lock says the step had it.
    fn change_of(
        &self,
        step: &Step,
        path: &ProjectPath,
        tracked: &BTreeMap<ProjectPath, Option<Option<Object>>>,
    ) -> Result<Option<String>> {
        let changed = || Some(format!("`{path}` changed"));
        let mut is_known = false;
        for (entry, before) in tracked.iter().filter(|(entry, _)| entry.is_within(path) || path.is_within(entry)) {
            is_known = true;
            let Some(before) = before else { continue };
            if entry.is_within(path) || self.inside(entry, before.as_ref(), path)? {
                return Ok(changed());
            }
        }
        if is_known {
            return Ok(None);
        }
        // Of sorted paths, those below one follow it.
        let below =
            self.changed.range(path.clone()..).take_while(|other| other.as_bytes().starts_with(path.as_bytes()));
        if below.into_iter().any(|other| other.is_within(path)) {
            return Ok(changed());
        }
        if self.git.has_at(&self.commit, path) {
            return Ok(None);
        }
        let locked = self.lock.steps.get(&step.name);
        let before = locked.and_then(|locked| locked.deps.iter().find(|dep| dep.path == *path)).map(|dep| &dep.object);
        let now = self.workspace.object(path, self.watch)?;
        Ok(match before {
            None => Some(format!("nothing is known of `{path}`, which neither Git nor mlx keeps")),
            Some(before) if Some(before) != now.as_ref() => changed(),
            Some(_) => None,
        })
    }

    /// Whether what lies inside a tracked directory, which as a whole is another one, changed itself. Where the old listing
    /// is not here, it counts as changed.
    fn inside(&self, entry: &ProjectPath, before: Option<&Object>, path: &ProjectPath) -> Result<bool> {
        let Some(before) = before else { return Ok(true) };
        let mut object = before.clone();
        for name in path.parts().skip(entry.parts().count()) {
            let bytes = self.workspace.store().read(&object.digest).ok();
            let tree = bytes.and_then(|bytes| Tree::decode(&bytes).ok());
            let Some(below) = tree.as_ref().and_then(|tree| tree.get(name)) else { return Ok(true) };
            object = below.clone();
        }
        Ok(self.workspace.object(path, self.watch)? != Some(object))
    }
}

/// Whether two texts of a step ask for the same: where it stands, how it is described and what it takes of a machine make no
/// difference.
fn is_same(one: &Step, other: &Step) -> bool {
    let other = Step {
        description: one.description.clone(),
        timeout: one.timeout,
        retry: one.retry.clone(),
        checkpoint: one.checkpoint.clone(),
        resources: one.resources.clone(),
        hides_gpus: one.hides_gpus,
        place: one.place.clone(),
        ..other.clone()
    };
    *one == other
}
