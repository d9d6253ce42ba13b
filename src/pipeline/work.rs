//! The work on one step, in a thread of its own: judge it, restore it or run its program, check what came out.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use jiff::Timestamp;

use super::away::{self, Away, HandedOver, Waiting};
use super::cached::{self, CachedStep};
use super::checkpoint;
use super::commit::{Commit, Made};
use super::environments::{Making, Site};
use super::graph::Graph;
use super::judge::{Decision, Judge, Known, Verdict};
use super::key::Inputs;
use super::performed::Performed;
use super::plan::matched;
use super::program::Place;
use super::schedule::{Labour, Turn};
use super::{TrialRun, unfinished, variables};
use crate::data::Workspace;
use crate::env::Prepared;
use crate::error::ErrorContext;
use crate::event::{Event, Watch};
use crate::executor::{Answer, Machine, Order, Report, Share, Tracking};
use crate::fs::FileLock;
use crate::project::lock::{JsonText, LockedPath, LockedStep};
use crate::project::manifest::{Part, Step};
use crate::project::{Project, ProjectPath};
use crate::run::{Outcome, RunId};
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

    /// Takes what a program left that came to its end: stores it, not durably yet, and has it committed.
    pub(super) fn conclude(
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
        let taken = self.take_results(index, performed, report, metrics, log);
        self.tell_finished(step, performed, taken.as_ref().err());
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

    pub(super) fn tell_finished(&self, step: &Step, performed: &Performed, error: Option<&Error>) {
        let outcome = match error.map(Error::kind) {
            None => Outcome::Ran,
            Some(Kind::Interrupted) => Outcome::Interrupted,
            Some(_) => Outcome::Failed,
        };
        let outcome = outcome.words();
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

    /// The next attempt may be in another working copy.
    fn leave_checkpoint(&self, step: &Step) {
        if let Err(error) = checkpoint::leave(self.project, &step.name) {
            self.watch.events.warn(error.to_string());
        }
    }
}
