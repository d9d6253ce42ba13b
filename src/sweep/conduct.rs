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
/// So many trials in a row may end without the metric before the sweep is taken for misconfigured.
const PATIENCE: usize = 3;

/// What is asked for, and by whom.
pub struct Options {
    pub name: String,
    pub request: Request,
    /// Trials at once; as the manifest says where nothing is said, else one.
    pub parallel: Option<u64>,
    /// Go on with a sweep that was begun.
    pub resume: bool,
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
    let parallel = options.parallel.or(declared).unwrap_or(1).max(1);
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
        let is_all = !trials.is_empty() && failed.count() == trials.len();
        is_all.then(|| {
            Error::step(format!("every trial of the sweep failed; the first one: {error}"))
                .with_hint(format!("`mlx sweep show {name}` names their runs, `mlx logs RUN` what they printed"))
        })
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
    is_stopped: bool,
}

impl Stage<'_> {
    /// Runs trials until there are no more, the user wants to stop, or something goes wrong that is no trial's fault.
    fn perform(&self, session: &mut Session) -> Result<()> {
        let (sender, receiver) = mpsc::channel();
        let mut running: BTreeMap<u64, Running> = BTreeMap::new();
        let mut trouble: Option<Error> = None;
        let mut without_metric = 0;
        let mut told = Instant::now();
        thread::scope(|scope| {
            loop {
                while trouble.is_none()
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
                    let ended = self.end(session, number, &trial, result);
                    match ended {
                        Ok(()) => without_metric = self.misses_metric(session, number, without_metric, &mut trouble),
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
        let Trained { run, failure } = match result {
            Ok(trained) => trained,
            // Stopped before its first step began.
            Err(error) if error.kind() == Kind::Interrupted && self.watch.interrupt.is_requested() => return Ok(()),
            Err(error) => return Err(error.context(format!("trial {number} can't run"))),
        };
        let state = match run.status {
            Status::Finished => TrialState::Finished,
            Status::Failed => TrialState::Failed,
            Status::Interrupted if trial.is_stopped => TrialState::Stopped,
            Status::Interrupted | Status::Running => return Ok(()),
        };
        if state == TrialState::Finished {
            self.report_history(session, number, &run)?;
        }
        let mut metrics = run.metrics.clone();
        if let (TrialState::Stopped, Some(metric), Some(last)) = (state, &session.state.plan.metric, trial.last) {
            metrics.insert(metric.clone(), last);
        }
        let error = failure.filter(|_| state == TrialState::Failed).map(|error| error.to_string());
        let seconds = run.seconds().unwrap_or(0.0);
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

    /// Tells what a trial measured on its way and nobody saw: it was too fast, or its steps were restored.
    fn report_history(&self, session: &mut Session, number: u64, run: &Run) -> Result<()> {
        let State { plan, .. } = &session.state;
        let (Some(metric), true, goal) = (plan.metric.clone(), plan.rungs.is_some(), plan.goal) else { return Ok(()) };
        for point in run.history.iter().filter(|point| point.metric == metric) {
            let verdict = session.strategy.report(number, point.step, loss(goal, point.value));
            if verdict != Verdict::Unjudged {
                session.record(Entry::Report { trial: number, step: point.step, value: point.value, stop: false })?;
            }
        }
        Ok(())
    }

    /// Counts the trials in a row that ended well and did not measure what the sweep is for.
    fn misses_metric(&self, session: &Session, number: u64, before: usize, trouble: &mut Option<Error>) -> usize {
        let State { plan, trials, .. } = &session.state;
        let Some(metric) = &plan.metric else { return 0 };
        let Some(trial) = trials.get(number as usize).filter(|trial| trial.state == TrialState::Finished) else {
            return before;
        };
        if trials.iter().any(|trial| trial.metrics.contains_key(metric)) {
            return 0;
        }
        let count = before + 1;
        if count == PATIENCE && trouble.is_none() {
            let known: Vec<&str> = trial.metrics.keys().map(String::as_str).collect();
            let hint = match known.is_empty() {
                true => "the steps report none; `metrics` of a step names the files that hold them".to_owned(),
                false => crate::error::did_you_mean(metric, known),
            };
            let message = format!("{count} trials ended well, and none of them reported a finite `{metric}`");
            let go_on = format!("go on with `mlx sweep {} --resume --metric NAME`", self.options.name);
            *trouble = Some(Error::usage(message).with_hint(format!("{hint}; {go_on}")));
        }
        count
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

fn interrupted(name: &str) -> Error {
    Error::new(Kind::Interrupted, anyhow::anyhow!("interrupted"))
        .with_hint(format!("what is on disk is whole; go on with `mlx sweep {name} --resume`"))
}
