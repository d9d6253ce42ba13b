//! A run brought back: its outputs, the uncommitted changes of its code, and the parameters that were set for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::cached::CachedStep;
use super::differing::{DifferingInput, differing_inputs};
use super::elsewhere::Elsewhere;
use super::judge::has_whole;
use super::key::{Inputs, step_key};
use crate::data::Workspace;
use crate::digest::Object;
use crate::event::Watch;
use crate::fs::{FileLock, Holder, write_atomic};
use crate::project::git::Git;
use crate::project::lock::{JsonText, LockedPath, LockedStep};
use crate::project::manifest::Step;
use crate::project::params::fill;
use crate::project::{Code, CodeFile, LOCK, Params, Project, ProjectPath};
use crate::run::{Changed, Outcome, Run, RunId, RunStep};
use crate::store::Store;
use crate::{Digest, Error, Result};

/// A part of a run that can be brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Outputs,
    Params,
    Code,
}

/// What is brought back, and how.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub parts: BTreeSet<Part>,
    /// Overwrite local changes that are in no store and in no commit.
    pub force: bool,
    pub dry_run: bool,
}

/// What was brought back, or would be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BroughtBack {
    pub run: RunId,
    pub dry_run: bool,
    /// Outputs that were another thing, or not there.
    pub outputs: Vec<LockedPath>,
    /// Files of the code that were another thing.
    pub files: Vec<ProjectPath>,
    /// The commit of the run, where another one is checked out: then its code stays as it is.
    pub commit: Option<String>,
    /// Parameters that were another value in the run than the manifest says now.
    pub params: Vec<Changed<Value>>,
    /// What brings them to `mlx train`: `--set` arguments.
    pub settings: Vec<String>,
    /// What the run read and did not make, where something else lies here: it does not come back.
    pub inputs: Vec<DifferingInput>,
}

/// Brings parts of a run back to the working tree.
///
/// # Errors
/// A `Usage` error, before anything is changed, where local changes would be lost; outputs that are neither here nor on a
/// remote.
pub fn bring_back(
    project: &Project,
    workspace: &Workspace,
    elsewhere: &Elsewhere,
    run: &Run,
    wanted: &Wanted,
    watch: Watch<'_>,
) -> Result<BroughtBack> {
    let _alone = FileLock::try_exclusive(&project.outputs_lock(), "mlx runs restore")?.map_err(|Holder(holder)| {
        Error::failed(format!("{holder} is at work in this project")).with_hint("run this again when that is done")
    })?;
    let has = |part| wanted.parts.contains(&part);
    let mut back = BroughtBack {
        run: run.id.clone(),
        dry_run: wanted.dry_run,
        outputs: Vec::new(),
        files: Vec::new(),
        commit: None,
        params: Vec::new(),
        settings: Vec::new(),
        inputs: Vec::new(),
    };
    let mut files = BTreeMap::new();
    if has(Part::Code) {
        (files, back.commit) = code(project, workspace, run, wanted.force)?;
        back.files = files.keys().cloned().collect();
    }
    if has(Part::Outputs) {
        back.outputs = outputs(workspace, run, watch)?;
        if !wanted.dry_run {
            bring_outputs(project, workspace, elsewhere, run, wanted.force, watch)?;
        }
    }
    if !wanted.dry_run {
        files.iter().try_for_each(|(path, file)| put(project, path, file.as_ref()))?;
    }
    // The manifest may have come back with the code.
    let reopened = if wanted.dry_run { None } else { Some(Project::open(project.root())?) };
    let now = reopened.as_ref().unwrap_or(project);
    if has(Part::Outputs) && !wanted.dry_run {
        name_in_lock(now, workspace.store(), run)?;
    }
    if has(Part::Params) {
        let now = Params::read(now, &[])?;
        for (name, value) in &run.params {
            let before = now.0.get(name);
            if before == Some(value) {
                continue;
            }
            back.settings.push(format!("{name}={value}"));
            back.params.push(Changed { name: name.clone(), baseline: before.cloned(), candidate: Some(value.clone()) });
        }
    }
    if has(Part::Outputs) {
        // In a dry run, what would come back counts as if it were here.
        let brought = if wanted.dry_run { back.files.as_slice() } else { &[] };
        back.inputs = differing_inputs(now, workspace, run, brought, watch)?;
    }
    workspace.save();
    Ok(back)
}

/// The outputs of a run that are not what they were.
fn outputs(workspace: &Workspace, run: &Run, watch: Watch<'_>) -> Result<Vec<LockedPath>> {
    let mut changed = Vec::new();
    for out in made(run).flat_map(|step| &step.outs) {
        if workspace.object(&out.path, watch)?.as_ref() != Some(&out.object) {
            changed.push(out.clone());
        }
    }
    Ok(changed)
}

fn made(run: &Run) -> impl Iterator<Item = &RunStep> {
    run.steps.iter().filter(|step| matches!(step.outcome, Outcome::Ran | Outcome::UpToDate | Outcome::Restored))
}

fn bring_outputs(
    project: &Project,
    workspace: &Workspace,
    elsewhere: &Elsewhere,
    run: &Run,
    force: bool,
    watch: Watch<'_>,
) -> Result<()> {
    let outs: Vec<(ProjectPath, Object)> =
        made(run).flat_map(|step| &step.outs).map(|out| (out.path.clone(), out.object.clone())).collect();
    let mut absent = Vec::new();
    for (path, object) in &outs {
        project.resolve(path)?;
        if !has_whole(workspace.store(), object)? {
            absent.push(object.clone());
        }
    }
    if !absent.is_empty() && !elsewhere.fetch(&absent, watch)? {
        let count = absent.len();
        return Err(Error::failed(format!("{count} outputs of run {} are neither here nor on a remote", run.id))
            .with_hint(format!("`mlx fetch --runs {}` says what is missing; else train again", run.id)));
    }
    workspace.restore_all(&outs, force, watch)?;
    Ok(())
}

/// Writes into the lock what the steps of the run were made from and what they made.
fn name_in_lock(project: &Project, store: &Store, run: &Run) -> Result<()> {
    project.change_lock(|lock| {
        for step in made(run) {
            let Some(declared) = project.manifest.steps.iter().find(|declared| declared.name == step.name) else {
                continue;
            };
            let Some(key) = step.key else { continue };
            if lock.steps.get(&step.name).is_some_and(|locked| locked.key == key && locked.outs == step.outs) {
                continue;
            }
            lock.steps.insert(step.name.clone(), locked(store, run, step, key, declared)?);
        }
        Ok(())
    })
}

/// The block of the lock that a step had after the run, as far as its record tells.
fn locked(store: &Store, run: &Run, step: &RunStep, key: Digest, declared: &Step) -> Result<LockedStep> {
    // The lock has the manifest's text, in which the parameters are not filled in.
    let is_same = fill(&declared.cmd, &step.params) == step.cmd;
    let params = step.params.iter().map(|(name, value)| (name.clone(), JsonText(value.clone())));
    // The record has files of which only parts matter among the others.
    let deps: Vec<LockedPath> = step.deps.iter().filter(|dep| declared.reads_whole(&dep.path)).cloned().collect();
    let environment = run.environment_of(step).digest;
    let inputs = Inputs { deps: deps.clone(), parts: step.parts.clone(), files: Vec::new() };
    // The record of an older program has no directory. Where all else makes the key, it was the one that is declared.
    let is_declared = step_key(declared, &step.params, &inputs, environment) == key;
    // Outputs that the store does not keep are on the record of the key alone.
    let cached = CachedStep::find(store, &key)?.filter(|cached| cached.outs == step.outs);
    Ok(LockedStep {
        key,
        cmd: if is_same { declared.cmd.clone() } else { step.cmd.clone() },
        dir: if is_declared { declared.dir.clone() } else { step.dir.clone() },
        environment,
        params: params.collect(),
        deps,
        parts: step.parts.clone(),
        outs: step.outs.clone(),
        unstored: cached.map_or(Vec::new(), |cached| cached.unstored),
    })
}

/// The files that make the code what it was, as far as they differ; and the commit, where another one is checked out.
type Files = BTreeMap<ProjectPath, Option<CodeFile>>;

fn code(project: &Project, workspace: &Workspace, run: &Run, force: bool) -> Result<(Files, Option<String>)> {
    let (Some(git), Some(commit)) = (Git::of(project)?, run.commit.clone()) else { return Ok((Files::new(), None)) };
    if git.head().as_ref() != Some(&commit) {
        return Ok((Files::new(), Some(commit)));
    }
    let patch = run.patch.map(|patch| workspace.store().read(&patch)).transpose()?.unwrap_or_default();
    let mut wanted = git.patched_files(&Code { commit: commit.clone(), patch })?;
    // What was changed since and was not in the run goes back to the commit; new files stay.
    for path in git.changed_since(&commit)? {
        let is_lock = path.as_bytes() == LOCK.as_bytes();
        if !is_lock && !wanted.contains_key(&path) && git.has_at(&commit, &path) {
            let file = git.committed_file(&commit, &path)?;
            wanted.insert(path, file);
        }
    }
    let mut unsaved = Vec::new();
    let mut files = Files::new();
    for (path, file) in wanted {
        let now = present(project, &path)?;
        if now == file {
            continue;
        }
        if now.is_some() && now != git.committed_file(&commit, &path)? {
            unsaved.push(path.clone());
        }
        files.insert(path, file);
    }
    match unsaved.first().filter(|_| !force) {
        Some(first) => {
            let more = if unsaved.len() > 1 { format!(" and {} more", unsaved.len() - 1) } else { String::new() };
            Err(Error::usage(format!("`{first}`{more} holds changes that are in no commit")).with_hint(
                "commit or stash them, give them up with `--force`, or leave the code as it is with `--only outputs`",
            ))
        }
        None => Ok((files, None)),
    }
}

/// A file as it lies there; `None` where there is none.
fn present(project: &Project, path: &ProjectPath) -> Result<Option<CodeFile>> {
    let file = project.resolve(path)?;
    let Ok(metadata) = file.symlink_metadata() else { return Ok(None) };
    if !metadata.is_file() {
        return Err(Error::usage(format!("`{path}` is no regular file, and a file in the run"))
            .with_hint("move it away, or leave the code as it is with `--only outputs`"));
    }
    Ok(Some(CodeFile { content: crate::fs::read(&file)?, is_executable: metadata.permissions().mode() & 0o100 != 0 }))
}

fn put(project: &Project, path: &ProjectPath, file: Option<&CodeFile>) -> Result<()> {
    let place = project.resolve(path)?;
    let cannot = || format!("cannot write `{path}`");
    let Some(CodeFile { content, is_executable }) = file else {
        return match fs::remove_file(&place) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot delete `{path}`")).map_err(Into::into)
            }
            _ => Ok(()),
        };
    };
    place.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
    write_atomic(&place, content, &project.scratch())?;
    let mode = fs::metadata(&place).with_context(cannot)?.permissions().mode();
    let wanted = if *is_executable { mode | 0o111 & !crate::fs::umask() } else { mode & !0o111 };
    if wanted != mode {
        fs::set_permissions(&place, fs::Permissions::from_mode(wanted)).with_context(cannot)?;
    }
    Ok(())
}
