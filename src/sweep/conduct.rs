//! Conducting a sweep: trials begin as others end, and the journal comes first.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::copy::{Copies, remove};
use super::events::TrialEvents;
use super::journal::{Entry, Journal};
use super::misses::{self, Misses};
use super::plan::{Plan, Request};
use super::results::Results;
use super::resume::{begin, end_jobs, take_up};
use super::state::{State, TrialState};
use super::strategy::{Strategy, Values, Verdict, loss};
use super::{Place, results};
use crate::event::{Event, Interrupt, Unit, Watch};
use crate::pipeline::{self, Lines, Trained, TrialRun};
use crate::project::Project;
use crate::run::{self, Run, RunId, Status};
use crate::{Error, Kind, Result};

/// Running trials are looked at this often, for their metrics and for Ctrl-C.
const TICK: Duration = Duration::from_millis(50);
/// How far the sweep is is told at least this often.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What is asked for, and by whom.
pub struct Options {
    pub name: String,
    pub request: Request,
    /// Trials at once; as the manifest says where nothing is said, else one.
    pub parallel: Option<u64>,
    /// Go on with a sweep that was begun.
    pub resume: bool,
    /// Let trials that failed begin again when the sweep goes on.
    pub retry_failed: bool,
    /// Begin anew what was begun, or go on whatever was changed.
    pub force: bool,
    /// Leave the working copies of trials.
    pub keep: bool,
    /// End with the first trial that fails.
    pub fail_fast: bool,
    /// What the pipeline of each trial is given; its `jobs` are divided among the trials.
    pub pipeline: pipeline::Options,
}

/// A sweep that came to an end, for now or for good.
pub struct Conducted {
    pub results: Results,
    /// Why that was not a good one.
    pub failure: Option<Error>,
}

/// Begins a sweep, or goes on with one, until its trials are over.
pub fn conduct(project: &Project, options: &Options, watch: Watch<'_>) -> Result<Conducted> {
    let place = Place::of(project, &options.name);
    let (mut session, _alone) = match options.resume {
        true => take_up(project, &place, options, watch)?,
        false => begin(project, &place, options, watch)?,
    };
    let open: HashSet<u64> = session.open.iter().map(|(number, _)| *number).collect();
    end_jobs(project, &place, &open, options, watch)?;
    let copies = Copies::new(project, place.trials(), &session.state.snapshot, options.keep, &open)?;
    let declared = project.manifest.sweeps.get(&options.name).and_then(|sweep| sweep.parallel);
    // What no trial runs on is divided among those that there are.
    let parallel = options.parallel.or(declared).unwrap_or(1).min(session.state.plan.trials).max(1);
    let id = format!("sweep {}", options.name);
    let (what, total) = (format!("Sweep `{}`", options.name), Some(session.state.plan.trials));
    watch.events.emit(Event::Started { id: id.clone(), what, total, unit: Unit::Trials });
    let stage =
        Stage { project, options, copies: &copies, parallel, place: &place, watch, id: &id, told: Mutex::default() };
    let ended = stage.perform(&mut session);
    watch.events.emit(Event::Finished { id: id.clone() });
    let closed = match options.keep {
        true => Ok(()),
        false => copies.close(),
    };
    if session.state.is_complete() {
        remove(&place.turns())?;
    }
    let failure = ended.and(closed).err();
    let failure = failure.or_else(|| session.failure(&options.name));
    Ok(Conducted { results: results::of(&options.name, &session.state, false), failure })
}

/// A sweep that this process conducts.
pub(super) struct Session {
    pub state: State,
    pub journal: Journal,
    pub strategy: Box<dyn Strategy>,
    /// Trials that began and did not end.
    pub open: VecDeque<(u64, Values)>,
}

impl Session {
    /// Writes an entry down, then takes it in.
    fn record(&mut self, entry: Entry) -> Result<()> {
        self.journal.append(&entry)?;
        self.state.apply(&entry);
        Ok(())
    }

    /// The trial that comes next; `None` where there are no more.
    fn next(&mut self) -> Option<(u64, Values)> {
        if let Some(open) = self.open.pop_front() {
            return Some(open);
        }
        let number = self.state.trials.len() as u64;
        if number >= self.state.plan.trials { None } else { Some((number, self.strategy.ask(number)?)) }
    }

    fn failure(&self, name: &str) -> Option<Error> {
        let trials = &self.state.trials;
        let failed = trials.iter().filter(|trial| trial.state == TrialState::Failed);
        let error = failed.clone().find_map(|trial| trial.error.clone()).unwrap_or_default();
        if !trials.is_empty() && failed.count() == trials.len() {
            return Some(
                Error::step(format!("every trial of the sweep failed; the first one: {error}"))
                    .with_hint(format!("`mlx sweep show {name}` names their runs, `mlx logs RUN` what they printed")),
            );
        }
        if self.state.is_complete() { misses::failure(name, &self.state) } else { None }
    }
}

/// What trials run on.
struct Stage<'a> {
    project: &'a Project,
    options: &'a Options,
    copies: &'a Copies,
    parallel: u64,
    place: &'a Place,
    watch: Watch<'a>,
    id: &'a str,
    told: Mutex<HashSet<String>>,
}

/// A trial that runs.
struct Running {
    run: RunId,
    copy: Arc<Project>,
    interrupt: Interrupt,
    lines: HashMap<PathBuf, Lines>,
    /// The last value of the metric that it reported on its way.
    last: Option<f64>,
    /// Whether it was seen at a point at which trials are compared.
    is_judged: bool,
    is_stopped: bool,
}

/// State, metrics, seconds and error of a trial that is over.
type Ended = (TrialState, BTreeMap<String, f64>, f64, Option<String>);

impl Stage<'_> {
    /// Runs trials until there are no more, the user wants to stop, or something goes wrong that is no trial's fault.
    fn perform(&self, session: &mut Session) -> Result<()> {
        let (sender, receiver) = mpsc::channel();
        let mut running: BTreeMap<u64, Running> = BTreeMap::new();
        let mut trouble: Option<Error> = None;
        let mut misses = Misses::default();
        let mut told = Instant::now();
        thread::scope(|scope| {
            loop {
                while trouble.is_none()
                    && !misses.are_enough()
                    && !self.watch.interrupt.is_requested()
                    && (running.len() as u64) < self.parallel
                {
                    let Some((number, values)) = session.next() else { break };
                    match self.start(session, number, &values) {
                        Ok(trial) => {
                            let (copy, interrupt) = (trial.copy.clone(), trial.interrupt.clone());
                            let options = self.trial_options(&session.state, number, &values, &trial.run);
                            let sender = sender.clone();
                            running.insert(number, trial);
                            scope.spawn(move || {
                                let events = TrialEvents { events: self.watch.events, trial: number, told: &self.told };
                                let watch = Watch { events: &events, interrupt: &interrupt };
                                let result = self
                                    .copies
                                    .fill(&copy, watch)
                                    .and_then(|()| pipeline::train(&copy, &options, watch));
                                let _ = sender.send((number, result));
                            });
                        }
                        Err(error) => trouble = Some(error),
                    }
                }
                if running.is_empty() {
                    break;
                }
                let ended = match receiver.recv_timeout(TICK) {
                    Ok((number, result)) => running.remove(&number).map(|trial| (number, trial, result)),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
                };
                let looked = self.look(session, &mut running);
                if let Some((number, trial, result)) = ended {
                    match self.end(session, number, &trial, result) {
                        Ok(()) => {
                            misses.take_in(&self.options.name, &session.state, number, self.watch.events);
                            self.tell_rest(&misses, running.len());
                        }
                        Err(error) => drop(trouble.get_or_insert(error)),
                    }
                }
                if let Err(error) = looked {
                    trouble.get_or_insert(error);
                }
                // Trials that can't be recorded, or that nobody wants any more, end in order and begin again later.
                let wishes =
                    (self.watch.interrupt.is_requested() || trouble.is_some(), self.watch.interrupt.is_urgent());
                for trial in running.values() {
                    if (wishes.0 && !trial.interrupt.is_requested()) || (wishes.1 && !trial.interrupt.is_urgent()) {
                        trial.interrupt.request();
                    }
                }
                if told.elapsed() >= TELL_EVERY {
                    told = Instant::now();
                    self.tell_progress(session);
                }
            }
        });
        match trouble {
            Some(error) => Err(error),
            None if self.watch.interrupt.is_requested() && !session.state.is_complete() => {
                Err(interrupted(&self.options.name))
            }
            None if misses.are_enough() => misses::failure(&self.options.name, &session.state).map_or(Ok(()), Err),
            None => Ok(()),
        }
    }

    /// Writes down that a trial begins.
    fn start(&self, session: &mut Session, number: u64, values: &Values) -> Result<Running> {
        let run = RunId::random()?;
        session.record(Entry::Start {
            at: Timestamp::now(),
            trial: number,
            run: run.clone(),
            values: values.clone(),
        })?;
        session.strategy.begin(number, values);
        let params = session.state.plan.named(values);
        self.watch.events.emit(Event::TrialStarted { sweep: self.options.name.clone(), trial: number, params });
        self.tell_progress(session);
        Ok(Running {
            run,
            copy: Arc::new(self.copies.project(self.project, number)),
            interrupt: Interrupt::default(),
            lines: HashMap::new(),
            last: None,
            is_judged: false,
            is_stopped: false,
        })
    }

    fn trial_options(&self, state: &State, number: u64, values: &Values, run: &RunId) -> pipeline::Options {
        let Plan { params, steps, .. } = &state.plan;
        let settings = params.iter().zip(values).map(|((name, _), value)| format!("{name}={value}")).collect();
        let mut engines = self.options.pipeline.engines.clone();
        // A trial that is stopped is over, and one that is interrupted begins again.
        engines.cancel_on_exit = true;
        pipeline::Options {
            engines,
            steps: steps.clone(),
            settings,
            jobs: (self.options.pipeline.jobs / self.parallel).max(1),
            trial: Some(TrialRun {
                run: run.clone(),
                trial: run::Trial { sweep: self.options.name.clone(), number },
                code: state.snapshot.code.clone(),
                turns: self.place.turns(),
            }),
            ..self.options.pipeline.clone()
        }
    }

    /// Reads what running trials report, and stops those that fall behind.
    fn look(&self, session: &mut Session, running: &mut BTreeMap<u64, Running>) -> Result<()> {
        if session.state.plan.rungs.is_none() {
            return Ok(());
        }
        let Some(metric) = session.state.plan.metric.clone() else { return Ok(()) };
        for (number, trial) in running.iter_mut().filter(|(_, trial)| !trial.is_stopped) {
            for file in pipeline::metrics_files(&trial.copy) {
                for point in trial.lines.entry(file.clone()).or_default().read(&file)? {
                    if point.metric != metric || trial.is_stopped {
                        continue;
                    }
                    trial.last = Some(point.value);
                    let verdict =
                        session.strategy.report(*number, point.step, loss(session.state.plan.goal, point.value));
                    if verdict != Verdict::Unjudged {
                        let stop = verdict == Verdict::Stop;
                        session.record(Entry::Report { trial: *number, step: point.step, value: point.value, stop })?;
                        trial.is_judged = true;
                        trial.is_stopped = stop;
                    }
                }
            }
            if trial.is_stopped {
                trial.interrupt.request();
            }
        }
        Ok(())
    }

    /// Writes down how a trial ended; one that was interrupted has not.
    fn end(&self, session: &mut Session, number: u64, trial: &Running, result: Result<Trained>) -> Result<()> {
        let ended = match result {
            Ok(trained) => self.ended(session, number, trial, trained)?,
            // Stopped before its first step began.
            Err(error) if error.kind() == Kind::Interrupted && self.watch.interrupt.is_requested() => None,
            // Its values make no pipeline, and those of the next one may.
            Err(error) if error.kind() == Kind::Usage && self.project.manifest.needs_params() => {
                Some((TrialState::Failed, BTreeMap::new(), 0.0, Some(error.to_string())))
            }
            Err(error) => return Err(error.context(format!("trial {number} can't run"))),
        };
        let Some((state, metrics, seconds, error)) = ended else { return Ok(()) };
        session.end(number, state, metrics, seconds, error.clone())?;
        match state {
            _ if self.options.keep => {}
            TrialState::Finished => self.copies.reuse(&trial.copy),
            _ => self.copies.discard(&trial.copy)?,
        }
        self.tell_end(session, number, seconds);
        match error {
            Some(error) if self.options.fail_fast => Err(Error::step(format!("trial {number} failed: {error}"))
                .with_hint(format!("`mlx sweep {} --resume` goes on with the others", self.options.name))),
            _ => Ok(()),
        }
    }

    /// What came of a trial's run: its state, its metrics, how long it took, and why it failed; `None` where it is to begin
    /// again.
    fn ended(&self, session: &mut Session, number: u64, trial: &Running, trained: Trained) -> Result<Option<Ended>> {
        let Trained { run, failure } = trained;
        if let Some(error) = failure.as_ref().filter(|_| is_of_disk(&run)) {
            // No other trial would do better, and none of them is to blame.
            if !self.options.keep {
                self.copies.discard(&trial.copy)?;
            }
            return Err(Error::failed(format!("trial {number} can't run: {error}")).with_hint(format!(
                "free some space; `mlx sweep {} --resume` goes on with this trial",
                self.options.name
            )));
        }
        let state = match run.status {
            Status::Finished => TrialState::Finished,
            Status::Failed => TrialState::Failed,
            Status::Interrupted if trial.is_stopped => TrialState::Stopped,
            Status::Interrupted | Status::Running => return Ok(None),
        };
        if state == TrialState::Finished {
            self.tell_several(&session.state.plan, &run);
            self.report_history(session, number, &run, trial.is_judged)?;
        }
        let mut metrics = run.metrics.clone();
        if let (TrialState::Stopped, Some(metric), Some(last)) = (state, &session.state.plan.metric, trial.last) {
            metrics.insert(metric.clone(), last);
        }
        let error = failure.filter(|_| state == TrialState::Failed).map(|error| error.to_string());
        Ok(Some((state, metrics, run.seconds().unwrap_or(0.0), error)))
    }

    /// Tells that the metric is that of several steps, as of the members of a fan, of which the last one counts.
    fn tell_several(&self, plan: &Plan, run: &Run) {
        let Some(metric) = &plan.metric else { return };
        let steps: Vec<&str> =
            run.steps.iter().filter(|step| step.metrics.contains_key(metric)).map(|step| step.name.as_str()).collect();
        let [first, .., last] = steps.as_slice() else { return };
        let shown = crate::fs::escape(metric.as_bytes());
        let message =
            format!("{} steps report `{shown}` (`{first}`, …); the sweep goes by that of `{last}`", steps.len());
        if self.told.lock().is_ok_and(|mut told| told.insert(message.clone())) {
            self.watch.events.emit(Event::Warning {
                message,
                hint: Some("let a step that depends on all of them report one number, their mean for example".into()),
            });
        }
    }

    /// Tells what a trial measured on its way and nobody saw: it was too fast, or its steps were restored. Warns of one that
    /// measured nothing there, because none like it can ever be stopped early.
    fn report_history(&self, session: &mut Session, number: u64, run: &Run, mut is_judged: bool) -> Result<()> {
        let State { plan, .. } = &session.state;
        let (Some(metric), Some(rungs), goal) = (plan.metric.clone(), plan.rungs.clone(), plan.goal) else {
            return Ok(());
        };
        for point in run.history.iter().filter(|point| point.metric == metric) {
            let verdict = session.strategy.report(number, point.step, loss(goal, point.value));
            if verdict != Verdict::Unjudged {
                session.record(Entry::Report { trial: number, step: point.step, value: point.value, stop: false })?;
                is_judged = true;
            }
        }
        let has_metric = run.metrics.contains_key(&metric);
        // With the same words for each trial, they are told once.
        let shown = crate::fs::escape(metric.as_bytes());
        let what = format!("asha can stop no trial that does not report `{shown}` at step {} or later", rungs.min);
        if has_metric && !is_judged && self.told.lock().is_ok_and(|mut told| told.insert(what.clone())) {
            self.watch.events.emit(Event::Warning {
                message: format!("{what}; trial {number} did not"),
                hint: Some(format!(
                    "let the program append lines such as {{\"name\": \"{shown}\", \"value\": 0.25, \"step\": {}}} to the file \
                     that MLX_METRICS names",
                    rungs.min
                )),
            });
        }
        Ok(())
    }

    /// Says what is waited for when no more trials begin.
    fn tell_rest(&self, misses: &Misses, running: usize) {
        if misses.are_enough() && running > 0 {
            let name = &self.options.name;
            let trials =
                if running == 1 { "the trial that runs goes".to_owned() } else { format!("the {running} that run go") };
            self.watch.events.note(format!("no more trials of the sweep `{name}` begin; {trials} on to the end"));
        }
    }

    fn tell_end(&self, session: &Session, number: u64, seconds: f64) {
        let state = &session.state;
        let Some(trial) = state.trials.get(number as usize) else { return };
        self.watch.events.emit(Event::TrialFinished {
            sweep: self.options.name.clone(),
            trial: number,
            outcome: trial.state.word().into(),
            metric: state.plan.metric.clone(),
            value: state.value(trial),
            best_trial: state.best().map(|best| best.number),
            best_value: state.best().and_then(|best| state.value(best)),
            seconds,
            error: trial.error.clone(),
        });
        self.tell_progress(session);
    }

    fn tell_progress(&self, session: &Session) {
        self.watch.events.emit(Event::Progress { id: self.id.to_owned(), done: session.state.ended() as u64 });
    }
}

impl Session {
    /// Writes down that a trial is over, and tells the strategy.
    pub fn end(
        &mut self,
        number: u64,
        state: TrialState,
        metrics: BTreeMap<String, f64>,
        seconds: f64,
        error: Option<String>,
    ) -> Result<()> {
        let value = self.state.plan.metric.as_ref().and_then(|metric| metrics.get(metric)).copied();
        let loss = value.map(|value| loss(self.state.plan.goal, value)).filter(|_| state != TrialState::Failed);
        self.record(Entry::End { at: Timestamp::now(), trial: number, state, metrics, seconds, error })?;
        self.strategy.tell(number, loss);
        Ok(())
    }
}

/// Whether a run failed because a disk was full, for this program or for that of a step: as strerror(3) says it.
pub(super) fn is_of_disk(run: &Run) -> bool {
    let words = ["No space left on device", "Disk quota exceeded", "Read-only file system"];
    let error = run.error.as_ref().filter(|_| run.status == Status::Failed);
    error.is_some_and(|error| words.iter().any(|words| error.contains(words)))
}

fn interrupted(name: &str) -> Error {
    Error::new(Kind::Interrupted, anyhow::anyhow!("interrupted"))
        .with_hint(format!("what is on disk is whole; go on with `mlx sweep {name} --resume`"))
}
