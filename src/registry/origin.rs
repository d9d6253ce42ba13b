//! Where a model comes from: its content, the step and the run that made it, and everything that went into it.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::{FORMAT, Version};
use crate::data::Workspace;
use crate::digest::Object;
use crate::error::ErrorContext;
use crate::event::Watch;
use crate::project::git::Git;
use crate::project::lock::LockedPath;
use crate::project::manifest::Model;
use crate::project::{LOCK, Lock, Project, ProjectPath};
use crate::run::{Filter, Outcome, Run, Runs};
use crate::{Error, Result};

/// What a candidate is looked for in.
pub struct Sources<'a> {
    pub project: &'a Project,
    pub workspace: &'a Workspace,
    pub runs: &'a Runs,
}

/// What a user says of a version.
#[derive(Debug, Clone)]
pub struct Remarks {
    pub who: String,
    pub when: Timestamp,
    pub description: Option<String>,
}

/// A path that a step made or that is tracked, and the model in it: the same path or one below.
struct Found {
    entry: LockedPath,
    object: Object,
}

impl Sources<'_> {
    /// The version that the model would become now, still without a number: its content as the lock has it, or as the
    /// run with this id made it. What lies in the working tree may be missing, but not another thing than the lock has.
    pub fn candidate(&self, name: &str, run: Option<&str>, remarks: Remarks, watch: Watch<'_>) -> Result<Version> {
        let model = self.project.manifest.model(name)?;
        let (found, run) = match run {
            Some(run) => {
                let run = self.runs.find(run)?;
                (self.in_run(name, model, &run)?, Some(run))
            }
            None => {
                let found = self.in_lock(name, model)?;
                self.check_working_tree(name, model, &found.object, watch)?;
                let run = self.run_with(&found.entry)?;
                (found, run)
            }
        };
        if !self.workspace.store().contains(&found.object.digest) {
            return Err(Error::failed(format!(
                "model `{name}` ({}) is missing from the local store: object {}",
                model.path, found.object.digest
            ))
            .with_hint("`mlx verify` names everything that is missing; `mlx train --force` makes it again"));
        }
        let Remarks { who, when, description } = remarks;
        let version = Version {
            format: FORMAT,
            model: name.to_owned(),
            version: 0,
            created: when,
            created_by: who,
            description: description.or_else(|| model.description.clone()),
            path: model.path.clone(),
            object: found.object,
            step: None,
            run: None,
            commit: None,
            params: BTreeMap::new(),
            metrics: BTreeMap::new(),
            data: Vec::new(),
            environment: None,
        };
        match run {
            Some(run) => self.made_by_run(version, &found.entry, &run),
            None => self.made_elsewhere(version, &found.entry),
        }
    }

    /// The model as the lock has it.
    fn in_lock(&self, name: &str, model: &Model) -> Result<Found> {
        let lock = self.project.read_lock()?;
        let entries = lock.entries().map(|(path, object)| LockedPath { path: path.clone(), object: object.clone() });
        self.look(entries, &model.path)?.ok_or_else(|| {
            let step = self.project.manifest.steps.iter().find(|step| step.touches(&model.path));
            let hint = match step {
                Some(step) => format!("step `{}` makes it: run `mlx train {}`", step.name, step.name),
                None => format!("no step makes it; track it with `mlx add {}`, or correct its path", model.path),
            };
            Error::usage(format!("model `{name}` ({}) is not in {LOCK}: nothing made it yet", model.path))
                .with_hint(hint)
        })
    }

    fn check_working_tree(&self, name: &str, model: &Model, locked: &Object, watch: Watch<'_>) -> Result<()> {
        match self.workspace.object(&model.path, watch)? {
            Some(now) if now != *locked => {
                let path = &model.path;
                Err(Error::failed(format!("model `{name}` ({path}) in the working tree differs from {LOCK}"))
                    .with_hint(format!(
                        "take the locked one with `mlx checkout --force {path}`, or make it again with `mlx train`"
                    )))
            }
            _ => Ok(()),
        }
    }

    /// The model as a run has it.
    fn in_run(&self, name: &str, model: &Model, run: &Run) -> Result<Found> {
        self.look(run.steps.iter().flat_map(|step| step.outs.iter().cloned()), &model.path)?.ok_or_else(|| {
            Error::usage(format!("run {} did not make model `{name}` ({})", run.id, model.path))
                .with_hint(format!("`mlx runs show {}` says what it made", run.id))
        })
    }

    fn look(&self, entries: impl Iterator<Item = LockedPath>, path: &ProjectPath) -> Result<Option<Found>> {
        let mut around = None;
        for entry in entries {
            if entry.path == *path {
                return Ok(Some(Found { object: entry.object.clone(), entry }));
            }
            if entry.object.is_directory() && path.is_within(&entry.path) {
                around = Some(entry);
            }
        }
        let Some(entry) = around else { return Ok(None) };
        let depth = entry.path.parts().count();
        let mut object = entry.object.clone();
        for part in path.parts().skip(depth) {
            if !object.is_directory() {
                return Ok(None);
            }
            let tree = self.workspace.store().tree(&object.digest);
            let tree = tree.with_context(|| format!("cannot look into `{}`", entry.path))?;
            match tree.get(part) {
                Some(below) => object = below.clone(),
                None => return Ok(None),
            }
        }
        Ok(Some(Found { entry, object }))
    }

    /// The newest run that has this very output.
    fn run_with(&self, output: &LockedPath) -> Result<Option<Run>> {
        for summary in self.runs.list(&Filter::default())? {
            let run = self.runs.get(&summary.id)?;
            if run.steps.iter().any(|step| step.outs.contains(output)) {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// What the run says: parameters and metrics are its own; the run and the commit of the version are those of the run
    /// in which the step last ran, which may be an earlier one.
    fn made_by_run(&self, version: Version, output: &LockedPath, run: &Run) -> Result<Version> {
        let step = run.steps.iter().find(|step| step.outs.contains(output));
        let step = step.expect("the output was found in one of the run's steps");
        let maker = step.made_by.as_ref().filter(|_| step.outcome != Outcome::Ran).unwrap_or(&run.id).clone();
        // The record of an earlier run may be gone; the name of it stays.
        let earlier = if maker == run.id { None } else { self.runs.get(&maker).ok() };
        let made_in = earlier.as_ref().unwrap_or(run);
        let made: Vec<Made<'_>> =
            run.steps.iter().map(|step| Made { name: &step.name, deps: &step.deps, outs: &step.outs }).collect();
        Ok(Version {
            step: Some(step.name.clone()),
            run: Some(maker),
            commit: made_in.commit.clone(),
            params: run.params.clone(),
            // JSON has no infinities.
            metrics: run.metrics.iter().filter(|(_, value)| value.is_finite()).map(|(k, v)| (k.clone(), *v)).collect(),
            data: sources_of(&step.name, &made),
            environment: Some(made_in.environment_of(made_in.step(&step.name).unwrap_or(step)).clone()),
            ..version
        })
    }

    /// What the lock says of a model that no known run made: one of another clone, or one that was added.
    fn made_elsewhere(&self, version: Version, output: &LockedPath) -> Result<Version> {
        let lock: Lock = self.project.read_lock()?;
        let commit = Git::of(self.project)?.and_then(|git| git.head());
        let step = lock.steps.iter().find(|(_, step)| step.outs.contains(output));
        let Some((name, step)) = step else { return Ok(Version { commit, ..version }) };
        let made: Vec<Made<'_>> =
            lock.steps.iter().map(|(name, step)| Made { name, deps: &step.deps, outs: &step.outs }).collect();
        Ok(Version {
            step: Some(name.clone()),
            commit,
            params: step.params.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect(),
            data: sources_of(name, &made),
            ..version
        })
    }
}

/// A step as the walk back sees it.
struct Made<'a> {
    name: &'a str,
    deps: &'a [LockedPath],
    outs: &'a [LockedPath],
}

/// All dependencies of a step and of the steps before it that none of them made, sorted by path.
fn sources_of(step: &str, steps: &[Made<'_>]) -> Vec<LockedPath> {
    let mut sources = BTreeMap::new();
    let mut walked = vec![step];
    let mut queue: VecDeque<&Made<'_>> = steps.iter().filter(|made| made.name == step).collect();
    while let Some(made) = queue.pop_front() {
        for dep in made.deps {
            let meets = |out: &LockedPath| dep.path.is_within(&out.path) || out.path.is_within(&dep.path);
            let makers: Vec<_> = steps.iter().filter(|made| made.outs.iter().any(meets)).collect();
            // A directory that holds an output may hold more than that.
            let is_made = makers.iter().any(|made| made.outs.iter().any(|out| dep.path.is_within(&out.path)));
            if !is_made {
                sources.insert(dep.path.clone(), dep.clone());
            }
            for maker in makers {
                if !walked.contains(&maker.name) {
                    walked.push(maker.name);
                    queue.push_back(maker);
                }
            }
        }
    }
    sources.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;
    use crate::digest::ObjectKind;

    fn locked(path: &str) -> LockedPath {
        let object = Object { kind: ObjectKind::File, digest: Digest::of(path), size: 1, files: 1 };
        LockedPath { path: ProjectPath::new(path).unwrap(), object }
    }

    fn sources(step: &str, steps: &[(&str, &[&str], &[&str])]) -> Vec<String> {
        let lists: Vec<_> = steps
            .iter()
            .map(|(name, deps, outs)| {
                let list = |paths: &[&str]| paths.iter().map(|path| locked(path)).collect::<Vec<_>>();
                (*name, list(deps), list(outs))
            })
            .collect();
        let made: Vec<_> = lists.iter().map(|(name, deps, outs)| Made { name, deps, outs }).collect();
        sources_of(step, &made).iter().map(|source| source.path.to_string()).collect()
    }

    #[test]
    fn the_walk_back_ends_at_what_no_step_made() {
        let steps: &[(&str, &[&str], &[&str])] = &[
            ("prepare", &["prepare.py", "raw.csv"], &["data/train.csv", "data/test.csv"]),
            ("train", &["train.py", "data/train.csv"], &["model"]),
            ("evaluate", &["evaluate.py", "model", "data/test.csv"], &["metrics.json"]),
        ];

        assert_eq!(sources("train", steps), ["prepare.py", "raw.csv", "train.py"]);
    }

    #[test]
    fn directories_around_outputs_and_below_them_are_followed() {
        let steps: &[(&str, &[&str], &[&str])] = &[
            ("a", &["in"], &["data/made"]),
            ("b", &["data"], &["features"]),
            ("c", &["features/x", "code"], &["model"]),
        ];

        assert_eq!(sources("c", steps), ["code", "data", "in"]);
    }
}
