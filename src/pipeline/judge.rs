//! The judgement on one step: is it up to date, can it be restored, or must it run, and why.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::cached::CachedStep;
use super::elsewhere::Elsewhere;
use super::key::{Inputs, frozen_key, step_key};
use super::parts::Parts;
use super::{products, unfinished};
use crate::data::Workspace;
use crate::digest::{Object, ObjectKind};
use crate::event::Watch;
use crate::project::ProjectPath;
use crate::project::lock::{JsonText, Lock, LockedPart, LockedPath, LockedStep};
use crate::project::manifest::Step;
use crate::store::{Store, tree::Tree};
use crate::{Digest, Error, Result};

/// What is known before any step runs.
pub struct Judge<'a> {
    pub workspace: &'a Workspace,
    /// The lock as it was when the run began.
    pub lock: &'a Lock,
    /// The parameters of each step, by its index.
    pub params: &'a [BTreeMap<String, Value>],
    /// The digest of each step's environment, by its index.
    pub environments: &'a [Option<Digest>],
    /// Who looks at parts of files and at what lies outside.
    pub parts: &'a Parts,
    /// The steps that run whatever is known.
    pub forced: HashSet<usize>,
    /// Whether `always` makes a step run.
    pub always: bool,
    /// Remotes that may have what the store does not.
    pub elsewhere: &'a Elsewhere<'a>,
}

/// The judgement.
#[derive(Debug)]
pub struct Verdict {
    pub key: Digest,
    pub inputs: Inputs,
    pub decision: Decision,
    /// In words; empty for a step that is up to date and may run.
    pub reason: String,
}

#[derive(Debug)]
pub enum Decision {
    /// The outputs lie there already.
    UpToDate(Known),
    /// The store has the outputs.
    Restore(Known),
    Run,
    /// The step is frozen and the lock has other outputs than those that lie there.
    Take,
}

/// Where outputs can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Store,
    /// As far as this machine knows.
    Remote,
    Nowhere,
}

/// Outputs that are known for a key.
#[derive(Debug)]
pub struct Known {
    /// In the order of the step's products.
    pub outs: Vec<LockedPath>,
    /// Those that the store does not keep.
    pub unstored: Vec<LockedPath>,
    /// The record, where it speaks of the same outputs.
    pub cached: Option<CachedStep>,
}

impl Judge<'_> {
    /// Judges a step that is made from this.
    pub fn judge(&self, index: usize, step: &Step, inputs: Inputs, watch: Watch<'_>) -> Result<Verdict> {
        if step.frozen {
            return self.judge_frozen(step, watch);
        }
        let key = step_key(step, &self.params[index], &inputs, self.environments[index]);
        let (decision, reason) = match self.must_run(index, step) {
            Some(reason) => (Decision::Run, reason.to_owned()),
            None => self.decide(index, step, &key, &inputs, watch)?,
        };
        Ok(Verdict { key, inputs, decision, reason })
    }

    /// Why a step runs whatever is known, if it does.
    pub fn must_run(&self, index: usize, step: &Step) -> Option<&'static str> {
        match step.frozen {
            true => None,
            false if self.forced.contains(&index) => Some("asked for with --force"),
            false => (step.always && self.always).then_some("it runs each time (`always`)"),
        }
    }

    /// A frozen step has no dependencies: whatever lies where its outputs belong is what it made.
    fn judge_frozen(&self, step: &Step, watch: Watch<'_>) -> Result<Verdict> {
        let locked = self.lock.steps.get(&step.name);
        let locked = locked.filter(|locked| products::fit(step, &locked.outs, &locked.unstored));
        let lying = products::lying(step, self.workspace.root())?;
        let missing = products::missing(step, &lying).into_iter().next();
        let (mut outs, mut unstored) = (Vec::new(), Vec::new());
        for (path, stored) in lying {
            let Some(object) = self.workspace.object(&path, watch)? else { continue };
            let list = if stored { &mut outs } else { &mut unstored };
            list.push(LockedPath { path, object });
        }
        let verdict = |key, decision, reason: &str| {
            let inputs = Inputs::default();
            Verdict { key, inputs, decision, reason: reason.into() }
        };
        match (locked, missing) {
            (Some(locked), None) if locked.outs == outs && locked.unstored == unstored => {
                let cached = CachedStep::find(self.workspace.store(), &locked.key)?;
                let cached = cached.filter(|cached| cached.outs == outs);
                let reason = "frozen: its outputs are taken as they are";
                Ok(verdict(locked.key, Decision::UpToDate(Known { outs, unstored, cached }), reason))
            }
            (locked, None) => {
                let reason = match locked {
                    Some(_) => "frozen: its outputs are taken as they are, and mlx.lock has others",
                    None => "frozen: its outputs are taken as they are, and mlx.lock has none yet",
                };
                Ok(verdict(frozen_key(outs.iter().chain(&unstored)), Decision::Take, reason))
            }
            (Some(locked), Some(what))
                if locked.unstored.is_empty() && self.source(&locked.outs)? != Source::Nowhere =>
            {
                let known = Known { outs: locked.outs.clone(), unstored: Vec::new(), cached: None };
                let reason = format!("frozen, and of its outputs {what} is missing");
                Ok(verdict(locked.key, Decision::Restore(known), &reason))
            }
            (_, Some(what)) => Err(Error::usage(format!(
                "step `{}` is frozen, and of its outputs {what} is not there ({})",
                step.name, step.place
            ))
            .with_hint(match locked {
                Some(_) => "fetch it with `mlx pull`, or take `frozen` away to make it",
                None => "put it there, or take `frozen` away to make it",
            })),
        }
    }

    fn decide(
        &self,
        index: usize,
        step: &Step,
        key: &Digest,
        inputs: &Inputs,
        watch: Watch<'_>,
    ) -> Result<(Decision, String)> {
        let Some(known) = self.known(step, key)? else {
            return Ok((Decision::Run, self.why(index, step, inputs)));
        };
        let changed = match self.changed_output(known.outs.iter().chain(&known.unstored), watch)? {
            None => self.new_output(step, &known)?,
            changed => changed,
        };
        let reason = match (self.lock.steps.get(&step.name).filter(|locked| locked.key == *key), changed) {
            (Some(_), None) => return Ok((Decision::UpToDate(known), String::new())),
            (Some(_), Some(changed)) => changed,
            (None, _) => {
                let made =
                    known.cached.as_ref().map_or("made before".into(), |cached| format!("made in run {}", cached.run));
                match self.lock.steps.contains_key(&step.name) {
                    true => format!("{}; {made}", self.why(index, step, inputs)),
                    false => made,
                }
            }
        };
        if let Some(lost) = self.changed_output(known.unstored.iter(), watch)? {
            return Ok((Decision::Run, format!("{lost}, and the store does not keep it")));
        }
        Ok(match self.source(&known.outs)? {
            Source::Store => (Decision::Restore(known), reason),
            Source::Remote => (Decision::Restore(known), format!("{reason}; a remote has it")),
            Source::Nowhere => (Decision::Run, format!("{reason}, and the store has its outputs no more")),
        })
    }

    /// Where all of these can be had.
    fn source(&self, outs: &[LockedPath]) -> Result<Source> {
        let mut source = Source::Store;
        for LockedPath { object, .. } in outs {
            if has_whole(self.workspace.store(), object)? {
                continue;
            }
            if !self.elsewhere.has(object) {
                return Ok(Source::Nowhere);
            }
            source = Source::Remote;
        }
        Ok(source)
    }

    /// What was made under this key: as the lock has it, or as the record says.
    fn known(&self, step: &Step, key: &Digest) -> Result<Option<Known>> {
        let cached = CachedStep::find(self.workspace.store(), key)?;
        let locked = self.lock.steps.get(&step.name).filter(|locked| locked.key == *key);
        let of_lock = locked.map(|locked| (&locked.outs, &locked.unstored));
        let outs = of_lock.or(cached.as_ref().map(|cached| (&cached.outs, &cached.unstored)));
        // A key stands for the names of the outputs, but not for whether they may be missing and are kept in the store; and a
        // damaged lock might not have them all.
        let Some((outs, unstored)) = outs.filter(|(outs, unstored)| products::fit(step, outs, unstored)) else {
            return Ok(None);
        };
        let (outs, unstored) = (outs.clone(), unstored.clone());
        let cached = cached.filter(|cached| cached.outs == outs && cached.unstored == unstored);
        Ok(Some(Known { outs, unstored, cached }))
    }

    /// The first output that is not as it should be, in words.
    fn changed_output<'o>(
        &self,
        outs: impl Iterator<Item = &'o LockedPath>,
        watch: Watch<'_>,
    ) -> Result<Option<String>> {
        for LockedPath { path, object } in outs {
            match self.workspace.object(path, watch)? {
                None => return Ok(Some(format!("its output `{path}` is missing"))),
                Some(found) if found != *object => return Ok(Some(format!("its output `{path}` was changed"))),
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// The first output that lies there and should not, in words.
    fn new_output(&self, step: &Step, known: &Known) -> Result<Option<String>> {
        if !step.is_open() {
            return Ok(None);
        }
        let is_known = |path: &ProjectPath| known.outs.iter().chain(&known.unstored).any(|out| out.path == *path);
        let lying = products::lying(step, self.workspace.root())?;
        let new = lying.into_iter().find(|(path, _)| !is_known(path));
        Ok(new.map(|(path, _)| format!("`{path}` is new among its outputs")))
    }

    /// Why a step has another key than the last time: what differs.
    fn why(&self, index: usize, step: &Step, inputs: &Inputs) -> String {
        let Some(last) = self.lock.steps.get(&step.name) else {
            return match unfinished::is_begun(self.workspace.root(), &step.name) {
                true => "it never came to a good end here".into(),
                false => "it never ran here".into(),
            };
        };
        // Of what was put there by hand nothing is known but itself.
        if last.key == frozen_key(last.outs.iter().chain(&last.unstored)) {
            return "it was frozen, and is not any more".into();
        }
        let differences = [
            (last.cmd != step.cmd).then(|| "its command changed".to_owned()),
            (last.dir != step.dir).then(|| "its directory changed".to_owned()),
            difference_of_params(last, &self.params[index]),
            difference_of_deps(last, &inputs.deps),
            difference_of_parts(&last.parts, &inputs.parts),
            (last.environment != self.environments[index]).then(|| "its environment changed".to_owned()),
            (!products::fit(step, &last.outs, &last.unstored)).then(|| "its outputs were renamed".to_owned()),
        ];
        let differences: Vec<String> = differences.into_iter().flatten().collect();
        if differences.is_empty() { "its variables changed".into() } else { differences.join("; ") }
    }
}

fn difference_of_params(last: &LockedStep, now: &BTreeMap<String, Value>) -> Option<String> {
    let changed = now.iter().find(|(name, value)| last.params.get(*name).map(|JsonText(last)| last) != Some(value));
    let gone = last.params.keys().find(|name| !now.contains_key(*name));
    match (changed, gone) {
        (Some((name, value)), _) => Some(match last.params.get(name) {
            Some(JsonText(before)) => format!("`{name}` went from {} to {}", brief(before), brief(value)),
            None => format!("`{name}` is new"),
        }),
        (None, Some(name)) => Some(format!("`{name}` is used no more")),
        (None, None) => None,
    }
}

fn difference_of_deps(last: &LockedStep, now: &[LockedPath]) -> Option<String> {
    let mut before: BTreeMap<&ProjectPath, &Object> = last.deps.iter().map(|dep| (&dep.path, &dep.object)).collect();
    let (mut changed, mut new) = (Vec::new(), Vec::new());
    for LockedPath { path, object } in now {
        match before.remove(path) {
            None => new.push(path),
            Some(before) if before.digest != object.digest || before.kind != object.kind => changed.push(path),
            Some(_) => {}
        }
    }
    let gone: Vec<&ProjectPath> = before.into_keys().collect();
    let some = |paths: &[&ProjectPath], one: &str, several: &str| match paths {
        [] => None,
        [path] => Some(format!("`{path}` {one}")),
        [path, others @ ..] => Some(format!("`{path}` and {} more {several}", others.len())),
    };
    let differences = [
        some(&changed, "changed", "changed"),
        some(&new, "is new", "are new"),
        some(&gone, "is no dependency any more", "are no dependencies any more"),
    ];
    let differences: Vec<String> = differences.into_iter().flatten().collect();
    (!differences.is_empty()).then(|| differences.join("; "))
}

fn difference_of_parts(last: &[LockedPart], now: &[LockedPart]) -> Option<String> {
    let before: BTreeMap<&str, Digest> = last.iter().map(|part| (part.what.as_str(), part.digest)).collect();
    let is_new = |part: &&LockedPart| before.get(part.what.as_str()) != Some(&part.digest);
    let changed: Vec<&LockedPart> = now.iter().filter(is_new).collect();
    match changed.as_slice() {
        [] => last.iter().find(|last| now.iter().all(|now| now.what != last.what)).map(|gone| {
            let what = &gone.what;
            format!("it depends on {what} no more")
        }),
        [part] if before.contains_key(part.what.as_str()) => Some(format!("{} changed", part.what)),
        [part] => Some(format!("{} is new", part.what)),
        [part, others @ ..] => Some(format!("{} and {} more changed", part.what, others.len())),
    }
}

/// The value, cut where it would fill a line.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 { text } else { text.chars().take(39).chain(['…']).collect() }
}

/// Whether the store has an object and, for a directory, all that it lists.
pub fn has_whole(store: &Store, object: &Object) -> Result<bool> {
    let mut open = vec![object.clone()];
    while let Some(object) = open.pop() {
        if !store.contains(&object.digest) {
            return Ok(false);
        }
        if object.kind == ObjectKind::Directory {
            // A damaged listing is as good as none: the step makes it again.
            let Some(tree) = store.read(&object.digest).ok().and_then(|bytes| Tree::decode(&bytes).ok()) else {
                return Ok(false);
            };
            open.extend(tree.entries().iter().map(|entry| entry.object.clone()));
        }
    }
    Ok(true)
}
