//! What a run read, where the working tree has something else now, and how it can be had again.

use serde::Serialize;

use super::plan::inside;
use crate::data::Workspace;
use crate::digest::Object;
use crate::event::Watch;
use crate::project::git::{Git, LockAt};
use crate::project::lock::LockedPath;
use crate::project::{Project, ProjectPath};
use crate::run::{Run, RunStep};
use crate::{Digest, Error, Result};

/// Something that a run read and did not make, and that is another thing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferingInput {
    pub path: ProjectPath,
    /// What is here; `None` where nothing is.
    pub now: Option<Digest>,
    pub in_run: Digest,
    /// The command that brings it back; `None` where no commit is known that has it.
    pub remedy: Option<String>,
}

/// What the run read and did not make, as far as it is another thing now; `brought` are files that come back as they were.
pub fn differing_inputs(
    project: &Project,
    workspace: &Workspace,
    run: &Run,
    brought: &[ProjectPath],
    watch: Watch<'_>,
) -> Result<Vec<DifferingInput>> {
    let made: Vec<&ProjectPath> = run.steps.iter().flat_map(|step| &step.outs).map(|out| &out.path).collect();
    let is_made = |path: &ProjectPath| made.iter().any(|out| path.is_within(out) || out.is_within(path));
    // Whether a part of a file is another one can't be told by the file.
    let is_whole = |step: &RunStep, dep: &LockedPath| {
        let declared = project.manifest.steps.iter().find(|declared| declared.name == step.name);
        declared.is_none_or(|declared| declared.reads_whole(&dep.path))
    };
    let deps = run.steps.iter().flat_map(|step| step.deps.iter().filter(move |dep| is_whole(step, dep)));
    let mut read: Vec<&LockedPath> = deps.collect();
    read.sort_by(|a, b| a.path.cmp(&b.path));
    read.dedup_by(|a, b| a.path == b.path);
    let mut differing = Vec::new();
    for LockedPath { path, object } in read {
        if is_made(path) || brought.iter().any(|file| file.is_within(path)) {
            continue;
        }
        let now = workspace.object(path, watch)?;
        if now.as_ref().is_none_or(|now| now.digest != object.digest || now.kind != object.kind) {
            differing.push((path, object, now.map(|now| now.digest)));
        }
    }
    if differing.is_empty() {
        return Ok(Vec::new());
    }
    let history = History::of(project, run)?;
    let input = |(path, object, now): (&ProjectPath, &Object, Option<Digest>)| {
        let remedy = history.as_ref().map(|history| history.remedy(workspace, path, object)).transpose()?.flatten();
        Ok::<_, Error>(DifferingInput { path: path.clone(), now, in_run: object.digest, remedy })
    };
    differing.into_iter().map(input).collect()
}

/// Where earlier content may be: the locks of all commits, that of the run first, and the files of the run's commit.
struct History<'a> {
    git: Git,
    commit: Option<&'a str>,
    locks: Vec<LockAt>,
}

impl<'a> History<'a> {
    fn of(project: &Project, run: &'a Run) -> Result<Option<Self>> {
        let Some(git) = Git::of(project)? else { return Ok(None) };
        let commit = run.commit.as_deref().filter(|commit| git.is_revision(commit));
        // A commit of the run with a lock that can't be read has others beside it.
        let own = commit.and_then(|commit| git.lock_at(commit).ok());
        let locks = own.into_iter().chain(git.locks_of_history()?).collect();
        Ok(Some(Self { git, commit, locks }))
    }

    fn remedy(&self, workspace: &Workspace, path: &ProjectPath, wanted: &Object) -> Result<Option<String>> {
        for LockAt { commit, lock } in &self.locks {
            let around = |above: ProjectPath| Some(LockedPath { object: lock.paths.get(&above)?.clone(), path: above });
            let tracked = std::iter::successors(Some(path.clone()), ProjectPath::parent).filter_map(around);
            let made = lock.outputs().filter(|output| path.is_within(&output.path)).cloned();
            for around in tracked.chain(made) {
                if inside(workspace.store(), &around, path)?.as_ref() == Some(wanted) {
                    return Ok(Some(format!("mlx checkout {path} --rev {}", &commit[..12])));
                }
            }
        }
        let Some(commit) = self.commit else { return Ok(None) };
        let file = self.git.committed_file(commit, path)?;
        let has = file.is_some_and(|file| Digest::of(&file.content) == wanted.digest);
        Ok(has.then(|| format!("git checkout {} -- {path}", &commit[..12])))
    }
}
