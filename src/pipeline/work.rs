//! The work on one step, in a thread of its own: judge it, restore it or run its program, check what came out.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::Value;

use super::away::{self, Away, HandedOver, Waiting};
use super::cached::{self, CachedStep};
use super::checkpoint;
use super::commit::{Commit, Made};
use super::environments::{Making, Site};
use super::graph::Graph;
use super::judge::{Decision, Judge, Known, Verdict, has_whole};
use super::key::Inputs;
use super::metrics::{Measured, following};
use super::plan::matched;
use super::products;
use super::results::other_kind;
use super::schedule::{Labour, Turn};
use super::{TrialRun, params, unfinished, variables};
use crate::data::Workspace;
use crate::env::{Launch, Prepared, Shared};
use crate::error::ErrorContext;
use crate::event::{Event, Watch};
use crate::executor::{
    self, Answer, FailureClass, Job, Lost, Machine, Order, Report, Share, Tracked, Tracking, VISIBLE_GPUS,
};
use crate::fs::{FileLock, quote};
use crate::project::lock::{JsonText, LockedPath, LockedStep};
use crate::project::manifest::{Part, Step};
use crate::project::{Project, ProjectPath};
use crate::run::{Io, MetricPoint, Outcome, RunId, RunStep, log_path};
use crate::store::StoreError;
use crate::{Digest, Error, Kind, Result};

/// What the work on any step of a run needs.
pub struct Work<'a> {
    pub project: &'a Project,
    pub workspace: &'a Workspace,
    pub graph: &'a Graph<'a>,
    pub judge: &'a Judge<'a>,
    pub environments: Making<'a>,
    pub run: &'a RunId,
    /// Steps whose outputs were left half made by an earlier run.
    pub unfinished: &'a HashSet<String>,
    /// Outputs that were changed by hand may be replaced.
    pub force: bool,
    /// Where the run is a trial of a sweep.
    pub trial: Option<&'a TrialRun>,
    /// Where the files of running steps lie: parameters and metric lines.
    pub files: &'a Path,
    pub commits: Sender<Commit>,
    /// Who carries out what is not carried out here.
    pub away: &'a Away,
    /// What is carried out here takes of it.
    pub machine: &'a Machine,
    /// Takes what programs log that speak MLflow.
    pub tracking: Tracking,
    pub watch: Watch<'a>,
}

/// Where a program runs, and with what.
struct Place<'a> {
    directory: PathBuf,
    share: &'a Share,
    prepared: &'a Prepared,
}

/// What became of a step.
pub struct Performed {
    pub step: RunStep,
    /// Outputs whose content the store does not keep.
    pub unstored: Vec<LockedPath>,
    pub history: Vec<MetricPoint>,
    pub error: Option<Error>,
}

impl Performed {
    /// A step of which nothing is known yet but what the manifest says.
    pub fn nothing(step: &Step, params: &BTreeMap<String, Value>, outcome: Outcome, reason: &str) -> Self {
        let step = RunStep {
            name: step.name.clone(),
            env: step.env.clone(),
            cmd: params::fill(&step.cmd, params),
            outcome,
            key: None,
            reason: reason.to_owned(),
            started: None,
            seconds: 0.0,
            cpu_seconds: 0.0,
            peak_memory_bytes: 0,
            io: Io::default(),
            gpu: None,
            attempts: 0,
            failure: None,
            exit_code: None,
            params: params.clone(),
            deps: Vec::new(),
            outs: Vec::new(),
            metrics: BTreeMap::new(),
            logged: BTreeMap::new(),
            log: None,
            made_by: None,
        };
        Self { step, unstored: Vec::new(), history: Vec::new(), error: None }
    }

    /// Notes why the step failed.
    fn fail(&mut self, error: Error) {
        let class = match (error.downcast_ref::<Lost>(), error.kind()) {
            (Some(lost), _) => Some(lost.class),
            (None, Kind::Step) => Some(FailureClass::Step),
            (None, Kind::Failed) => Some(FailureClass::Infrastructure),
            (None, Kind::Interrupted) => Some(FailureClass::Cancelled),
            (None, Kind::Usage | Kind::Check) => None,
        };
        self.step.failure = self.step.failure.or(class);
        self.error = Some(error);
    }

    /// Notes what the step is made from.
    pub fn take_inputs(&mut self, inputs: Inputs) {
        let Inputs { deps, files, .. } = inputs;
        self.step.deps = deps;
        for file in files {
            if !self.step.deps.contains(&file) {
                self.step.deps.push(file);
            }
        }
    }

    /// Takes over what is known of outputs that were made before.
    pub fn take_known(&mut self, outcome: Outcome, known: Known, project: &Project, step: &Step, watch: Watch<'_>) {
        self.step.outcome = outcome;
        self.step.outs = known.outs;
        self.unstored = known.unstored;
        match known.cached {
            Some(cached) => {
                self.step.made_by = Some(cached.run);
                self.step.metrics = cached.metrics;
                self.step.logged = cached.logged;
                self.history = cached.history;
            }
            // Outputs that came with the lock from elsewhere: their files still say what was measured.
            None => {
                let measured = Measured::of_files(project, step, watch.events).unwrap_or_default();
                self.step.metrics = measured.last;
                self.history = measured.history;
            }
        }
    }
}

impl Labour<Performed, Answer> for Work<'_> {
    /// Does all that is to be done about a step here.
    fn perform(&self, index: usize, share: &Share) -> Turn<Performed> {
        let step = &self.graph.steps[index];
        let mut performed = Performed::nothing(step, &self.judge.params[index], Outcome::Failed, "");
        let HandedOver { executor, order, inputs, turn } = match self.try_perform(index, share, &mut performed) {
            Ok(None) => return Turn::Done(performed),
            Ok(Some(handed_over)) => handed_over,
            Err(error) => {
                performed.fail(error);
                self.leave_checkpoint(step);
                return Turn::Done(performed);
            }
        };
        match self.away.hand_over(index, Waiting { performed, inputs, turn }, &executor, order) {
            Ok(()) => Turn::Away,
            Err(error) => match self.away.take_back(index) {
                Some(mut waiting) => {
                    waiting.performed.fail(error);
                    Turn::Done(waiting.performed)
                }
                None => Turn::Away,
            },
        }
    }

    /// Takes a step back that was carried out elsewhere.
    fn resume(&self, index: usize, answer: Answer) -> Turn<Performed> {
        let Some(Waiting { mut performed, inputs, turn }) = self.away.take_back(index) else { return Turn::Withdrawn };
        match answer {
            Answer::Withdrawn => return Turn::Withdrawn,
            Answer::Failed(error) => performed.fail(error),
            Answer::Ended(ended) => {
                let concluded = ended.bring(self.workspace, self.watch).and_then(|()| {
                    self.conclude(index, &mut performed, (&inputs, turn), &ended.report, &ended.metrics, &ended.log)
                });
                if performed.step.log.is_some() {
                    away::remove_log(&ended.log);
                }
                if let Err(error) = concluded {
                    if let Err(error) = ended.tell() {
                        self.watch.events.warn(error.to_string());
                    }
                    performed.fail(error);
                    self.leave_checkpoint(&self.graph.steps[index]);
                }
            }
        }
        Turn::Done(performed)
    }

    fn halt(&self) {
        self.away.halt();
    }
}

impl Work<'_> {
    /// Does what is to be done about a step. Returns the order by which it is carried out elsewhere, where it is.
    fn try_perform(&self, index: usize, share: &Share, performed: &mut Performed) -> Result<Option<HandedOver>> {
        self.watch.interrupt.check()?;
        let step = &self.graph.steps[index];
        let inputs = self.inputs(index)?;
        let (verdict, turn) = self.judge(index, step, inputs)?;
        let Verdict { key, inputs, decision, mut reason } = verdict;
        performed.step.key = Some(key);
        performed.take_inputs(inputs.clone());
        let adopted = self.adopted(index, &key, &decision)?;
        match decision {
            Decision::UpToDate(known) => {
                performed.step.reason = reason;
                performed.take_known(Outcome::UpToDate, known, self.project, step, self.watch);
                return Ok(None);
            }
            Decision::Restore(known) => match self.restore(step, &known) {
                Ok(()) => {
                    performed.step.reason = reason;
                    performed.take_known(Outcome::Restored, known, self.project, step, self.watch);
                    let locked = self.locked(index, key, &inputs, performed);
                    return self.commit(Commit { step: step.name.clone(), locked, made: None }).map(|()| None);
                }
                // What the store can't give back whole is made again.
                Err(error) if error.downcast_ref::<StoreError>().is_some() => {
                    reason = format!("{reason}, and the store can't give it back ({error})");
                }
                Err(error) => return Err(error),
            },
            Decision::Take => {
                let (batch, outs, unstored) = self.take_over(step)?;
                performed.step.reason = reason;
                let known = Known { outs, unstored, cached: None };
                performed.take_known(Outcome::UpToDate, known, self.project, step, self.watch);
                let locked = self.locked(index, key, &inputs, performed);
                let made = Some(Made { batch, cached: None, turn: None });
                return self.commit(Commit { step: step.name.clone(), locked, made }).map(|()| None);
            }
            Decision::Run => {}
        }
        performed.step.reason = reason;
        if let Some(executor) = adopted {
            unfinished::mark(self.project, &step.name, self.run, &key)?;
            performed.step.started = Some(Timestamp::now());
            let order = Order::Adopt { index, step: step.name.clone() };
            return Ok(Some(HandedOver { executor, order, inputs, turn }));
        }
        let executor = self.away.executor(index);
        if executor.is_none() {
            self.machine.check(step)?;
        }
        let prepared = self.prepared(step, executor)?;
        variables::tell_unfit(step, &performed.step.params, self.watch.events);
        self.clear_outputs(step, self.may_replace(step))?;
        checkpoint::prepare(self.project, step, &key, self.judge.forced.contains(&index))?;
        unfinished::mark(self.project, &step.name, self.run, &key)?;
        let directory = variables::directory(self.project, step)?;
        let Some(executor) = executor else {
            let place = Place { directory, share, prepared: &prepared };
            return self.run_program(index, performed, (&inputs, turn), place).map(|()| None);
        };
        if prepared.image.is_some() && self.away.has_image(executor) {
            return Err(Error::usage(format!(
                "step `{}` runs in a container, and the executor `{executor}` has an image of its own ({})",
                step.name, step.place
            ))
            .with_hint(format!("name the image in `[executor.{executor}]`, and give the step no container")));
        }
        let sent = match self.away.is_by_remote(executor) {
            true => inputs.deps.iter().chain(&inputs.files).cloned().collect(),
            false => Vec::new(),
        };
        let task = away::task(step, key, self.run, &performed.step.cmd, &performed.step.params, &prepared, sent);
        performed.step.started = Some(Timestamp::now());
        let order = Order::Run { index, task: Box::new(task), resources: step.resources.clone() };
        Ok(Some(HandedOver { executor: executor.to_owned(), order, inputs, turn }))
    }

    /// What the step's program runs in: made here, or to be made by the nodes of the executor.
    fn prepared(&self, step: &Step, executor: Option<&str>) -> Result<Arc<Prepared>> {
        let site = match executor {
            None => Site::Here,
            Some(executor) if self.away.is_by_remote(executor) => Site::Far,
            Some(_) => Site::Near,
        };
        let prepared = self.environments.prepare(step, site, self.watch);
        prepared.map_err(|error| match (site, executor) {
            (Site::Far, Some(executor)) => error.context(format!(
                "step `{}` runs on the executor `{executor}`, whose nodes can't make its environment ({})",
                step.name, step.place
            )),
            _ => error,
        })
    }

    /// The executor that carries out the step already, as an earlier `mlx train` wanted. A job of the step that nobody
    /// wants any more is ended: it would write where others write.
    fn adopted(&self, index: usize, key: &Digest, decision: &Decision) -> Result<Option<String>> {
        let name = &self.graph.steps[index].name;
        match self.away.has_job(name, key) {
            Some(executor) if matches!(decision, Decision::Run) && !self.judge.forced.contains(&index) => {
                Ok(Some(executor.to_owned()))
            }
            _ => self.away.end_job(name).map(|()| None),
        }
    }

    /// Judges the step. One that must run is this trial's alone until it is committed: who waited for another trial judges
    /// what that one made.
    fn judge(&self, index: usize, step: &Step, inputs: Inputs) -> Result<(Verdict, Option<FileLock>)> {
        let verdict = self.judge.judge(index, step, inputs, self.watch)?;
        let Some(trial) = self.trial.filter(|_| !step.always && matches!(verdict.decision, Decision::Run)) else {
            return Ok((verdict, None));
        };
        match trial.take_turn(&verdict.key, self.watch)? {
            (turn, false) => Ok((verdict, Some(turn))),
            (turn, true) => Ok((self.judge.judge(index, step, verdict.inputs, self.watch)?, Some(turn))),
        }
    }

    fn commit(&self, commit: Commit) -> Result<()> {
        // The other end goes only after an error of its own, which is the one that is told.
        self.commits.send(commit).map_err(|_| Error::failed("the step could not be committed"))
    }

    /// What the step is made from, which the steps before have made by now.
    fn inputs(&self, index: usize) -> Result<Inputs> {
        let step = &self.graph.steps[index];
        if step.frozen {
            return Ok(Inputs::default());
        }
        let content = |path: &ProjectPath| {
            let object = self
                .workspace
                .object(path, self.watch)
                .with_context(|| format!("cannot read `{path}`, which step `{}` needs", step.name))?;
            let missing = || {
                let maker = self.graph.maker(path).map(|(maker, _)| &self.graph.steps[maker].name);
                let who = maker.map_or(String::new(), |maker| format!("; step `{maker}` did not make it"));
                Error::step(format!("step `{}` needs `{path}`, which is not there{who} ({})", step.name, step.place))
                    .with_hint("correct `deps`, or make the program before write it")
            };
            Ok(LockedPath { path: path.clone(), object: object.ok_or_else(missing)? })
        };
        let mut deps = step.deps.iter().map(content).collect::<Result<Vec<_>>>()?;
        deps.extend(matched(self.workspace, step, &deps, self.watch)?.ok_or_else(|| {
            let patterns: Vec<String> = step.patterns.iter().map(|pattern| format!("`{pattern}`")).collect();
            let message = format!("step `{}` needs what matches {}", step.name, patterns.join(" and "));
            Error::step(format!("{message}, and nothing does ({})", step.place))
                .with_hint("correct `deps`, or make the program before write it")
        })?);
        let files = step.parts.iter().filter_map(Part::path).map(content).collect::<Result<Vec<_>>>()?;
        let parts = self.judge.parts.of(step, &self.judge.params[index], &files, self.workspace, self.watch)?;
        Ok(Inputs { deps, parts, files })
    }

    /// Brings known outputs back from the store.
    fn restore(&self, step: &Step, known: &Known) -> Result<()> {
        let mut absent = Vec::new();
        for LockedPath { object, .. } in &known.outs {
            if !has_whole(self.workspace.store(), object)? {
                absent.push(object.clone());
            }
        }
        if let Some(first) = absent.first()
            && !self.judge.elsewhere.fetch(&absent, self.watch)?
        {
            return Err(StoreError::Missing { digest: first.digest }.into());
        }
        if step.is_open() {
            let is_known = |path: &ProjectPath| known.outs.iter().chain(&known.unstored).any(|out| out.path == *path);
            for (path, _) in products::lying(step, self.project.root())?.iter().filter(|(path, _)| !is_known(path)) {
                let target = self.project.resolve(path)?;
                self.clear_output(step, path, &target, self.may_replace(step))
                    .map_err(|error| not_replaced(error, step, path))?;
            }
        }
        for LockedPath { path, object } in &known.outs {
            let target = self.project.resolve(path)?;
            target.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
            self.workspace
                .restore(path, object, self.may_replace(step), self.watch)
                .map_err(|error| not_replaced(error, step, path))?;
        }
        Ok(())
    }

    /// Whether this is what the step made when it ran last, and the store was not to keep it.
    fn is_as_recorded(&self, step: &Step, path: &ProjectPath) -> Result<bool> {
        let locked = self.judge.lock.steps.get(&step.name);
        let recorded = locked.and_then(|locked| locked.unstored.iter().find(|out| out.path == *path));
        let Some(recorded) = recorded else { return Ok(false) };
        Ok(self.workspace.object(path, self.watch)?.as_ref() == Some(&recorded.object))
    }

    fn may_replace(&self, step: &Step) -> bool {
        self.force || self.unfinished.contains(&step.name)
    }

    /// Runs the step's program here, and takes what it made.
    fn run_program(
        &self,
        index: usize,
        performed: &mut Performed,
        (inputs, turn): (&Inputs, Option<FileLock>),
        place: Place<'_>,
    ) -> Result<()> {
        let step = &self.graph.steps[index];
        // In a container, this machine is another one.
        let tracks = place.prepared.launcher.is_none();
        let files = self.write_files(step, &performed.step.params, tracks)?;
        let cmd = performed.step.cmd.clone();
        let job = self.job(step, &cmd, place, &performed.step.params, &files);
        self.watch.events.emit(Event::StepStarted { step: step.name.clone(), cmd: cmd.clone() });
        performed.step.started = Some(Timestamp::now());
        // What lies there now is the attempt's before.
        let renew = || self.clear_outputs(step, true).and_then(|()| files.forget_metrics());
        let run = || self.environments.while_running(|| executor::run(&job, &step.retry, renew, self.watch));
        let report = following(&step.name, &files.metrics, self.watch.events, run);
        let concluded = match report {
            Ok(report) => self.conclude(index, performed, (inputs, turn), &report, &files.metrics, &job.log),
            Err(error) => {
                self.tell_finished(step, performed, false);
                Err(error)
            }
        };
        files.remove(step, self.watch);
        concluded
    }

    /// Takes what a program left that came to its end: stores it, not durably yet, and has it committed.
    fn conclude(
        &self,
        index: usize,
        performed: &mut Performed,
        (inputs, turn): (&Inputs, Option<FileLock>),
        report: &Report,
        metrics: &Path,
        log: &Path,
    ) -> Result<()> {
        let step = &self.graph.steps[index];
        let key = performed.step.key.expect("a step is judged before it runs");
        let taken = self.take_results(step, performed, report, metrics, log);
        self.tell_finished(step, performed, taken.is_ok());
        let cached = CachedStep {
            version: cached::VERSION,
            key,
            step: step.name.clone(),
            run: self.run.clone(),
            finished: Timestamp::now(),
            seconds: performed.step.seconds,
            outs: performed.step.outs.clone(),
            unstored: performed.unstored.clone(),
            metrics: performed.step.metrics.clone(),
            logged: performed.step.logged.clone(),
            history: performed.history.clone(),
        };
        let made = Made { batch: taken?, cached: Some(cached), turn };
        performed.step.outcome = Outcome::Ran;
        let locked = self.locked(index, key, inputs, performed);
        self.commit(Commit { step: step.name.clone(), locked, made: Some(made) })
    }

    fn tell_finished(&self, step: &Step, performed: &Performed, is_good: bool) {
        let outcome = if is_good { "ran" } else { "failed" };
        let seconds = performed.step.seconds;
        self.watch.events.emit(Event::StepFinished { step: step.name.clone(), outcome: outcome.into(), seconds });
    }

    /// The step's block of the lock.
    fn locked(&self, index: usize, key: Digest, inputs: &Inputs, performed: &Performed) -> LockedStep {
        let step = &self.graph.steps[index];
        let params = self.judge.params[index].iter();
        LockedStep {
            key,
            cmd: step.cmd.clone(),
            dir: step.dir.clone(),
            environment: self.judge.environments[index],
            params: params.map(|(name, value)| (name.clone(), JsonText(value.clone()))).collect(),
            deps: inputs.deps.clone(),
            parts: inputs.parts.clone(),
            outs: performed.step.outs.clone(),
            unstored: performed.unstored.clone(),
        }
    }

    /// Takes old outputs away, so that nothing of them gets into the new ones, and makes the directories around them.
    fn clear_outputs(&self, step: &Step, may_replace: bool) -> Result<()> {
        for path in step.products() {
            let target = self.project.resolve(path)?;
            self.clear_output(step, path, &target, may_replace).map_err(|error| not_replaced(error, step, path))?;
            target.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
        }
        for pattern in step.out_patterns.iter().map(|out| &out.pattern) {
            for path in pattern.expand(self.project.root())? {
                let target = self.project.resolve(&path)?;
                self.clear_output(step, &path, &target, may_replace)
                    .map_err(|error| not_replaced(error, step, &path))?;
            }
            pattern.base().map_or(Ok(()), |base| crate::fs::create_dir_all(&base.below(self.project.root())))?;
        }
        Ok(())
    }

    fn clear_output(&self, step: &Step, path: &ProjectPath, target: &Path, may_replace: bool) -> Result<()> {
        let Ok(metadata) = target.symlink_metadata() else { return Ok(()) };
        match other_kind(metadata.file_type()) {
            None => {
                let may_replace = may_replace || self.is_as_recorded(step, path)?;
                self.workspace.remove(path, may_replace, self.watch).map(drop)
            }
            Some(_) if may_replace => {
                fs::remove_file(target).with_context(|| format!("cannot delete `{}`", quote(target)))?;
                Ok(())
            }
            Some(kind) => Err(Error::usage(format!("there lies {kind}"))),
        }
    }

    fn write_files(&self, step: &Step, values: &BTreeMap<String, Value>, tracks: bool) -> Result<StepFiles> {
        let file = |ending: &str| self.files.join(format!("{}.{ending}", step.name));
        let mut files = StepFiles { params: file("params.json"), metrics: file("metrics.jsonl"), tracked: None };
        if tracks {
            let named = |name: &str| step.variables.contains_key(name);
            files.tracked = self.tracking.enter(&files.metrics, &file("artifacts"), named, self.watch.events);
        }
        let json = params::nested(values).to_string();
        fs::write(&files.params, json).with_context(|| format!("cannot write `{}`", quote(&files.params)))?;
        Ok(files)
    }

    fn job<'j>(
        &self,
        step: &'j Step,
        cmd: &'j str,
        Place { directory, share, prepared }: Place<'_>,
        values: &BTreeMap<String, Value>,
        files: &StepFiles,
    ) -> Job<'j> {
        let mut variables = variables::of_step(step, values, prepared);
        let own: [(&str, OsString); 4] = [
            (unfinished::RUN_VARIABLE, self.run.as_str().into()),
            ("MLX_STEP", step.name.as_str().into()),
            ("MLX_PARAMS", files.params.as_os_str().into()),
            ("MLX_METRICS", files.metrics.as_os_str().into()),
        ];
        variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
        variables.extend(files.tracked.iter().flat_map(|tracked| tracked.variables.clone()));
        if let Some(path) = &step.checkpoint {
            let place = path.below(self.project.root());
            variables.push((executor::CHECKPOINT_VARIABLE.to_owned(), place.into_os_string()));
        }
        // A step that names GPUs itself knows better, and one that says nothing of them is left alone.
        if (step.resources.gpus > 0 || step.hides_gpus) && !step.variables.contains_key(VISIBLE_GPUS) {
            variables.push((VISIBLE_GPUS.to_owned(), share.gpus.join(",").into()));
        }
        Job {
            step: &step.name,
            cmd,
            launch: self.launch(step, prepared, &directory, &variables),
            directory,
            variables,
            timeout: step.timeout,
            log: log_path(self.project, self.run, &step.name),
            nvidia_smi: self.machine.nvidia_smi().map(Path::to_path_buf),
        }
    }

    /// The next attempt may be in another working copy.
    fn leave_checkpoint(&self, step: &Step) {
        if let Err(error) = checkpoint::leave(self.project, &step.name) {
            self.watch.events.warn(error.to_string());
        }
    }

    /// How the program is started, where the step's environment is a container.
    fn launch(
        &self,
        step: &Step,
        prepared: &Prepared,
        directory: &Path,
        variables: &[(String, OsString)],
    ) -> Option<Launch> {
        let launcher = prepared.launcher.as_ref()?;
        let fit = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
        let readable: String = step.name.chars().take(40).map(fit).collect();
        // Names of steps that differ only in other characters, or late, stay different.
        let name = format!("mlx-{}-{readable}-{}", self.run, &Digest::of(&step.name).hex()[..8]);
        let names: Vec<String> = variables.iter().map(|(name, _)| name.clone()).collect();
        Some(launcher.launch(&Shared {
            name: &name,
            root: self.project.root(),
            directory,
            variables: &names,
            gpus: step.resources.gpus,
            is_interactive: false,
        }))
    }
}

/// The error of an output that can't be replaced; one that would be lost gets the remedy that helps here.
fn not_replaced(error: Error, step: &Step, path: &ProjectPath) -> Error {
    let message = format!("cannot replace the output `{path}` of step `{}`", step.name);
    match error.kind() {
        Kind::Usage => Error::usage(error)
            .context(message)
            .with_hint("move it away if you need it; `mlx train --force` gives it up"),
        _ => error.context(message),
    }
}

/// The files by which a running step gets its parameters and tells its metrics.
pub(super) struct StepFiles {
    params: PathBuf,
    pub(super) metrics: PathBuf,
    /// The address to which the program logs, if it speaks MLflow.
    tracked: Option<Tracked>,
}

impl StepFiles {
    /// Lines of an attempt that came to nothing would count twice.
    fn forget_metrics(&self) -> Result<()> {
        match fs::remove_file(&self.metrics) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let cannot = format!("cannot delete `{}`", quote(&self.metrics));
                Err(error).context(cannot).map_err(Into::into)
            }
            _ => Ok(()),
        }
    }

    /// What can't be deleted now goes with the directory, when the next run begins.
    fn remove(self, step: &Step, watch: Watch<'_>) {
        if let Some(tracked) = self.tracked {
            tracked.leave(&step.name, watch.events);
        }
        let _ = fs::remove_file(&self.params);
        let _ = fs::remove_file(&self.metrics);
    }
}
