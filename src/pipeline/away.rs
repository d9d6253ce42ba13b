//! Steps that are carried out elsewhere: which executor each has, and the drivers that stand for these.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::Scope;

use serde_json::Value;

use super::key::Inputs;
use super::performed::Performed;
use super::plan::{Action, judge_all};
use super::schedule::{self, News};
use super::setup::{Purpose, Setup};
use super::{Options, params, variables};
use crate::env::Prepared;
use crate::event::Watch;
use crate::executor::{
    self, Answer, Courier, Driver, Executor, Kubernetes, Left, Order, Ray, Returned, Settings, Slurm, Task,
};
use crate::fs::{FileLock, escape};
use crate::project::Project;
use crate::project::lock::LockedPath;
use crate::project::manifest::{self, Engine, Step};
use crate::remote::Access;
use crate::run::RunId;
use crate::{Digest, Error, Result};

/// The program on the other side where files come by a remote and nobody says where it lies.
const PROGRAM: &str = "mlx";

/// What is asked for about executors.
#[derive(Debug, Clone, Default)]
pub struct Engines {
    /// The executor of every step, whatever the manifest says.
    pub executor: Option<String>,
    /// Jobs are ended when the user wants to stop, instead of left to themselves.
    pub cancel_on_exit: bool,
    /// This program, of which jobs get a copy.
    pub program: PathBuf,
    /// The names of the variables of this program's environment.
    pub variables: Vec<OsString>,
}

/// Where the jobs of a project lie.
pub fn jobs(project: &Project) -> PathBuf {
    project.state("jobs")
}

/// Where the jobs' programs lie: once for all working copies.
fn programs(project: &Project) -> PathBuf {
    project.home_state("jobs")
}

/// The executor of each step by its index; `None` for this machine. A name that stands for nothing is an error.
pub fn executors(project: &Project, steps: &[Step], asked: &Engines) -> Result<Vec<Option<String>>> {
    let of_step = |step: &Step| {
        let Some(name) = asked.executor.as_ref().or(step.executor.as_ref()) else { return Ok(None) };
        let found = project.manifest.executor(name).map_err(|error| match asked.executor {
            Some(_) => error,
            None => error.context(format!("the executor of step `{}` ({})", step.name, step.place)),
        })?;
        Ok(Some(name.clone()).filter(|_| found.engine != Engine::Local))
    };
    steps.iter().map(of_step).collect()
}

/// The executors of a run, each driven by a thread of its own.
pub struct Away {
    /// By the name of the executor.
    orders: BTreeMap<String, Sender<Order>>,
    /// The executor of each step by its index.
    of_step: Vec<Option<String>>,
    /// The executors to which files go by a remote.
    by_remote: HashSet<String>,
    /// The executors that have an image of their own, so that no step can have another one.
    in_pods: HashSet<String>,
    /// The executor and the key of each step that a job is there for from before.
    left: HashMap<String, (String, Digest)>,
    /// Steps that are away, as far as they are known.
    waiting: Mutex<HashMap<usize, Waiting>>,
}

/// A step that is away.
pub struct Waiting {
    pub performed: Performed,
    pub inputs: Inputs,
    /// Held until the step is committed, where its run is a trial.
    pub turn: Option<FileLock>,
}

/// A step that is to be carried out elsewhere.
pub struct HandedOver {
    pub executor: String,
    pub order: Order,
    pub inputs: Inputs,
    /// Held until the step is committed, where its run is a trial.
    pub turn: Option<FileLock>,
}

/// What the drivers need.
pub struct Start<'a> {
    pub project: &'a Project,
    pub asked: &'a Engines,
    pub run: &'a RunId,
    /// The value of an environment variable.
    pub variable: fn(&str) -> Option<OsString>,
    /// How remotes are reached.
    pub access: Option<&'a Access>,
    pub watch: Watch<'a>,
}

impl Away {
    /// Starts a driver for each executor that a step of `open` has, or that has a job `left` for one.
    pub fn start<'scope, 'env, T: Send + 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        start: &Start<'env>,
        of_step: Vec<Option<String>>,
        open: &[usize],
        mut left: Left,
        news: &Sender<News<T, Answer>>,
    ) -> Result<Self> {
        let steps = left.steps();
        let mut names: HashSet<String> = open.iter().filter_map(|index| of_step[*index].clone()).collect();
        names.extend(left.jobs.iter().map(|left| left.job.executor.clone()));
        let mut drivers = Vec::new();
        let (mut by_remote, mut in_pods) = (HashSet::new(), HashSet::new());
        for name in names {
            let declared = start.project.manifest.executor(&name).map_err(|error| {
                error.context("jobs of an executor are there from before").with_hint(format!(
                    "put `[executor.{name}]` back into the manifest; or end the jobs, and delete them in `.mlx/jobs`"
                ))
            })?;
            let context = |error: Error| error.context(format!("cannot use the executor `{name}`"));
            let Some(engine) =
                engine(&declared, start.project, &start.asked.variables, start.variable).map_err(context)?
            else {
                continue;
            };
            let courier = courier(&declared, start).map_err(context)?;
            let program = match (&declared.program, &courier) {
                (Some(program), _) => program.clone(),
                (None, Some(_)) => PROGRAM.into(),
                (None, None) => {
                    executor::install(&start.asked.program, &programs(start.project), &start.project.scratch())?
                }
            };
            let settings = Settings { courier, ..settings(&name, &declared, start, program) };
            if matches!(declared.engine, Engine::Kubernetes(_)) {
                in_pods.insert(name.clone());
            }
            by_remote.extend(settings.courier.is_some().then(|| name.clone()));
            drivers.push((name.clone(), engine, settings, left.take(&name)));
        }
        let mut orders = BTreeMap::new();
        for (name, engine, settings, its) in drivers {
            let (sender, receiver) = executor::orders();
            let (back, fallen) = (news.clone(), news.clone());
            let watch = start.watch;
            orders.insert(name, sender);
            scope.spawn(move || {
                let back = move |Returned { index, answer }| drop(back.send(News::Back(index, answer)));
                let driver = Driver::new(engine, settings, its, watch, back);
                let drive = std::panic::AssertUnwindSafe(|| driver.run(&receiver));
                if let Err(panic) = std::panic::catch_unwind(drive) {
                    let _ = fallen.send(News::Fallen(panic));
                }
            });
        }
        Ok(Self { orders, of_step, by_remote, in_pods, left: steps, waiting: Mutex::default() })
    }

    /// Whether the step is carried out elsewhere.
    pub fn is_away(&self, index: usize) -> bool {
        self.of_step[index].is_some()
    }

    /// Whether files go to this executor, and come back, by a remote.
    pub fn is_by_remote(&self, executor: &str) -> bool {
        self.by_remote.contains(executor)
    }

    /// Whether this executor has an image of its own.
    pub fn has_image(&self, executor: &str) -> bool {
        self.in_pods.contains(executor)
    }

    /// The executor of the step.
    pub fn executor(&self, index: usize) -> Option<&str> {
        self.of_step[index].as_deref()
    }

    /// The executor that carries out the step already, under this key.
    pub fn has_job(&self, step: &str, key: &Digest) -> Option<&str> {
        self.left.get(step).filter(|(_, its)| its == key).map(|(executor, _)| executor.as_str())
    }

    /// Ends what an earlier `mlx train` left of this step, and waits until nothing of it runs.
    pub fn end_job(&self, step: &str) -> Result<()> {
        let Some((executor, _)) = self.left.get(step) else { return Ok(()) };
        let (answer, heard) = mpsc::channel();
        self.order(executor, Order::End { step: step.to_owned(), answer })?;
        heard.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// The steps with jobs from before.
    pub fn steps_with_jobs(&self) -> impl Iterator<Item = &str> {
        self.left.keys().map(String::as_str)
    }

    /// Hands a step over; what is known of it waits for its return.
    pub fn hand_over(&self, index: usize, waiting: Waiting, executor: &str, order: Order) -> Result<()> {
        // It may be back before this is.
        self.waiting().insert(index, waiting);
        self.order(executor, order)
    }

    /// What was known of a step that is back.
    pub fn take_back(&self, index: usize) -> Option<Waiting> {
        self.waiting().remove(&index)
    }

    /// Nothing more is to be started.
    pub fn halt(&self) {
        for orders in self.orders.values() {
            let _ = orders.send(Order::Halt);
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<usize, Waiting>> {
        self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn order(&self, executor: &str, order: Order) -> Result<()> {
        let orders = self.orders.get(executor).ok_or_else(gone)?;
        orders.send(order).map_err(|_| gone())
    }
}

fn gone() -> Error {
    Error::failed("the executor takes no orders any more")
}

/// The engine of an executor; `None` for this machine.
pub fn engine(
    declared: &manifest::Executor,
    project: &Project,
    variable_names: &[OsString],
    variable: fn(&str) -> Option<OsString>,
) -> Result<Option<Box<dyn Executor>>> {
    let engine: Box<dyn Executor> = match &declared.engine {
        Engine::Local => return Ok(None),
        Engine::Slurm(settings) => Box::new(Slurm::new(settings.clone(), variable_names)),
        Engine::Ray(settings) => Box::new(Ray::new(settings.clone(), &variable)?),
        Engine::Kubernetes(settings) => Box::new(Kubernetes::new((**settings).clone(), project.root())?),
    };
    Ok(Some(engine))
}

/// Who brings files to an executor whose nodes do not see them.
fn courier(declared: &manifest::Executor, start: &Start<'_>) -> Result<Option<Arc<Courier>>> {
    let Some(remote) = &declared.remote else { return Ok(None) };
    let access = start.access.cloned().unwrap_or_default();
    Ok(Some(Arc::new(Courier::new(start.project, remote, &access)?)))
}

fn settings(name: &str, declared: &manifest::Executor, start: &Start<'_>, program: PathBuf) -> Settings {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Settings {
        name: name.to_owned(),
        pack: declared.pack.map(number),
        most: number(declared.jobs),
        retries: declared.retries,
        patience: declared.patience,
        cancel_on_exit: start.asked.cancel_on_exit,
        program,
        root: start.project.root().to_path_buf(),
        home: start.project.home().to_path_buf(),
        jobs: jobs(start.project),
        scratch: start.project.scratch(),
        run: start.run.clone(),
        courier: None,
    }
}

/// Whether jobs are there from before.
pub fn has_jobs(project: &Project) -> Result<bool> {
    Ok(!Left::read(&jobs(project))?.jobs.is_empty())
}

/// Ends the jobs that are there from before, and waits until nothing of them runs.
pub fn end_jobs(project: &Project, options: &Options, watch: Watch<'_>) -> Result<()> {
    let left = Left::read(&jobs(project))?;
    if left.jobs.is_empty() {
        return Ok(());
    }
    let run = RunId::random()?;
    let variable = options.outside.variable;
    let access = options.access.as_ref();
    let start = Start { project, asked: &options.engines, run: &run, variable, access, watch };
    let (news, _heard) = schedule::news::<(), Answer>();
    std::thread::scope(|scope| {
        let away = Away::start(scope, &start, Vec::new(), &[], left, &news)?;
        away.steps_with_jobs().try_for_each(|step| away.end_job(step))
    })
}

/// A job that would be given to Kubernetes.
#[derive(Debug, Clone, PartialEq)]
pub struct JobManifest {
    pub name: String,
    /// What `kubectl` would be told to make.
    pub content: Value,
}

/// The jobs that a training would give to Kubernetes now. Steps that wait for others may come later, in further ones.
pub fn manifests(project: &Project, options: &Options, watch: Watch<'_>) -> Result<Vec<JobManifest>> {
    let project = &*project.with_params(&options.settings)?;
    let setup = Setup::of(project, options, Purpose::Plan, watch)?;
    let judged = judge_all(&setup.judge(options)?, &setup.graph, &setup.selected, watch)?;
    let mut groups: Vec<(&String, &manifest::Resources, Vec<Task>)> = Vec::new();
    for judged in judged.iter().filter(|judged| judged.action == Action::Run) {
        let step = &setup.graph.steps[judged.index];
        let (Some(executor), Some(verdict)) = (&setup.executors[judged.index], &judged.verdict) else { continue };
        let task = Task::named(&step.name, verdict.key);
        match groups.iter_mut().find(|(its, resources, _)| *its == executor && **resources == step.resources) {
            Some((.., tasks)) => tasks.push(task),
            None => groups.push((executor, &step.resources, vec![task])),
        }
    }
    let run = RunId::random()?;
    let (variable, access) = (options.outside.variable, options.access.as_ref());
    let start = Start { project, asked: &options.engines, run: &run, variable, access, watch };
    let mut manifests = Vec::new();
    for (name, resources, tasks) in groups {
        let declared = project.manifest.executor(name)?;
        let Engine::Kubernetes(kubernetes) = &declared.engine else { continue };
        let engine = Kubernetes::new((**kubernetes).clone(), project.root())?;
        let courier = courier(&declared, &start)?;
        let program = match (&declared.program, &courier) {
            (Some(program), _) => program.clone(),
            (None, Some(_)) => PROGRAM.into(),
            (None, None) => executor::place(&options.engines.program, &programs(project))?,
        };
        let settings = Settings { courier, ..settings(name, &declared, &start, program) };
        let made = engine.manifests(&settings, &tasks, resources)?;
        manifests.extend(made.into_iter().map(|(name, content)| JobManifest { name, content }));
    }
    Ok(manifests)
}

/// The step as the other side is to carry it out.
pub fn task(
    step: &Step,
    key: Digest,
    run: &RunId,
    cmd: &str,
    values: &BTreeMap<String, Value>,
    env: &Prepared,
    inputs: Vec<LockedPath>,
) -> Task {
    let found = variables::of_step(step, values, env).into_iter();
    let mut variables: BTreeMap<String, String> =
        found.map(|(name, value)| (name, escape(value.as_encoded_bytes()))).collect();
    variables.insert(super::unfinished::RUN_VARIABLE.into(), run.to_string());
    variables.insert("MLX_STEP".into(), step.name.clone());
    Task {
        step: step.name.clone(),
        key,
        cmd: cmd.to_owned(),
        dir: step.dir.clone(),
        variables,
        params: params::nested(values),
        timeout: step.timeout,
        retry: step.retry.clone(),
        checkpoint: step.checkpoint.clone(),
        products: step.products().cloned().collect(),
        patterns: step.out_patterns.iter().map(|out| out.pattern.to_string()).collect(),
        attempt: 0,
        image: env.image.clone(),
        recipe: env.recipe.clone(),
        inputs,
    }
}

/// Deletes what is left of jobs whose steps are committed by now, and a log that its store has.
pub fn forget(project: &Project) -> Result<()> {
    let lock = project.read_lock()?;
    let mut left = Left::read(&jobs(project))?;
    left.forget_committed(|step, key| lock.steps.get(step).is_some_and(|locked| locked.key == *key))
}

/// Deletes the log of an earlier run, which the store has by now.
pub fn remove_log(log: &Path) {
    let _ = std::fs::remove_file(log);
    // Stays while there are others.
    let _ = log.parent().map(std::fs::remove_dir);
}
