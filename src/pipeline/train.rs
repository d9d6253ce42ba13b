//! One `mlx train`: judge, run what must run, commit as it comes, record all of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use anyhow::Context;
use rustix::event::{EventfdFlags, PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::away::{self, Away};
use super::commit::{commit_all, forget_gone_steps};
use super::environments::Making;
use super::judge::{Decision, Judge};
use super::performed::Performed;
use super::plan::{Action, Judged, check_locked, judge_all};
use super::record::{self, Results};
use super::schedule::{self, Ending, Schedule};
use super::setup::{Purpose, Setup};
use super::work::Work;
use super::{Options, unfinished};
use crate::data;
use crate::event::{Event, Watch};
use crate::executor::{self, Guard, Left, Tracking};
use crate::fs::{FileLock, Holder, create_dir_all, quote};
use crate::project::git::Git;
use crate::project::overlay::{self, Overlay};
use crate::project::{Glob, Project, gitignore};
use crate::run::{Outcome, Run, RunId, Runs, log_path};
use crate::{Error, Kind, Result};

/// A run that came to its end, good or not.
pub struct Trained {
    pub run: Run,
    /// Why it did not come to a good end.
    pub failure: Option<Error>,
}

/// Brings the selected steps up to date and records that as a run.
pub fn train(project: &Project, options: &Options, watch: Watch<'_>) -> Result<Trained> {
    let declared = project;
    let project = &*project.with_params(&options.settings)?;
    // Checked before anything is written, and again when it is this process's turn.
    let mut setup = Setup::of(project, options, Purpose::Train, watch)?;
    let (_alone, waited) = take_turn(project, options.within.as_ref(), watch)?;
    project.hide_state()?;
    overlay::put_back(project, watch.events)?;
    if waited {
        setup = Setup::of(project, options, Purpose::Train, watch)?;
    }
    setup.tell(watch);
    let unfinished = unfinished::take_up(project, &setup.lock, watch.events)?;
    // Looks at the code first: what this run puts into files of parameters is no change of the user's.
    let mut run = record::begin(project, options, &setup)?;
    let overlay = Overlay::lay(project, &options.settings)?;
    let judge = setup.judge(options)?;
    let judged = judge_all(&judge, &setup.graph, &setup.selected, watch)?;
    if options.locked {
        check_locked(&judged, &setup.graph, &setup.lock)?;
    }
    for Judged { index, .. } in judged.iter().filter(|judged| judged.action == Action::Run) {
        if setup.executors[*index].is_none() {
            options.machine.check(&setup.graph.steps[*index])?;
        }
    }
    let runs = Runs::open(project, setup.workspace.store(), watch.events)?;
    runs.settle()?;
    if let Some(name) = &options.label.name {
        runs.check_free(name, None)?;
    }
    if !options.label.is_empty() {
        runs.change_label(&run.id, |label| *label = options.label.clone())?;
    }

    let (done, open) = split(project, &setup, judged, watch);
    let mut left = Left::read(&away::jobs(project))?;
    left.forget_committed(|step, key| setup.lock.steps.get(step).is_some_and(|locked| locked.key == *key))?;
    let results = if open.is_empty() && !is_in_the_way(project, &setup, &left) {
        Results { performed: done, environments: BTreeMap::new(), environment_seconds: 0.0, commit: Ok(()) }
    } else {
        ignore_outputs(project, &setup, watch)?;
        runs.start(&run)?;
        execute(
            &Execution { project, options, setup: &setup, judge: &judge, unfinished: &unfinished, watch },
            &run,
            done,
            &open,
            left,
        )?
    };
    match overlay {
        // What is at work elsewhere reads these files yet.
        Some(overlay) if super::has_jobs(project)? => overlay.stay(),
        overlay => drop(overlay),
    }
    forget_gone_steps(project, declared, &setup.lock)?;
    setup.save();
    let failure = record::end(&mut run, &setup, results);
    let is_there = |outcome| matches!(outcome, Outcome::UpToDate | Outcome::Restored | Outcome::Ran);
    let outs = run.steps.iter().filter(|step| is_there(step.outcome)).flat_map(|step| &step.outs);
    data::remember_whole(project, outs.map(|out| (&out.path, &out.object)));
    match (runs.finish(&run), &failure) {
        (Ok(()), _) => remove_logs(project, &run),
        (Err(error), None) => return Err(error),
        (Err(error), Some(_)) => watch.events.warn(format!("the run could not be recorded: {error}")),
    }
    Ok(Trained { run, failure })
}

/// Waits until no other process trains in this project. Says whether it had to.
fn take_turn(project: &Project, within: Option<&RunId>, watch: Watch<'_>) -> Result<(FileLock, bool)> {
    let path = project.outputs_lock();
    let owner = "mlx train";
    if let Ok(lock) = FileLock::try_exclusive(&path, owner)? {
        return Ok((lock, false));
    }
    if let Some(run) = within
        && unfinished::is_running(project, run)?
    {
        return Err(Error::usage("a step of this project runs `mlx train` in it, which would wait for itself")
            .with_hint("let the step depend on what it needs, so that `mlx train` makes that first"));
    }
    // Waiting for the lock can't be interrupted and waiting for the bell can, so that a thread of its own waits for the
    // lock. After an interrupt it is left behind; it ends with the process.
    let bell = watch.interrupt.bell()?;
    let told = rustix::event::eventfd(0, EventfdFlags::CLOEXEC).context("cannot create an event descriptor")?;
    let teller = told.try_clone().context("cannot copy an event descriptor")?;
    let (sender, receiver) = mpsc::channel();
    let (holder_sender, holder_receiver) = mpsc::channel::<Holder>();
    thread::spawn(move || {
        let lock = FileLock::exclusive(&path, owner, |holder| drop(holder_sender.send(holder.clone())));
        let _ = sender.send(lock);
        let _ = rustix::io::write(&teller, &1_u64.to_ne_bytes());
    });
    if let Ok(Holder(holder)) = holder_receiver.recv() {
        watch.events.note(format!("waiting for {holder}, which is at work in this project"));
    }
    loop {
        match poll(&mut [PollFd::new(&bell, PollFlags::IN), PollFd::new(&told, PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::failed(format!("cannot wait for the other `mlx train`: {error}"))),
        }
        watch.interrupt.check()?;
        if let Ok(lock) = receiver.try_recv() {
            return lock.map(|lock| (lock, true));
        }
    }
}

/// Steps that are up to date, with their results, and the others.
fn split(
    project: &Project,
    setup: &Setup<'_>,
    judged: Vec<Judged>,
    watch: Watch<'_>,
) -> (HashMap<usize, Performed>, Vec<usize>) {
    let mut done = HashMap::new();
    let mut open = Vec::new();
    for judged in judged {
        let index = judged.index;
        match judged.verdict {
            Some(verdict) if judged.action == Action::UpToDate => {
                let Decision::UpToDate(known) = verdict.decision else { continue };
                let step = &setup.graph.steps[index];
                let mut performed =
                    Performed::nothing(step, &setup.step_params[index], Outcome::UpToDate, &verdict.reason);
                performed.step.key = Some(verdict.key);
                performed.take_inputs(verdict.inputs);
                performed.take_known(Outcome::UpToDate, known, project, step, watch);
                done.insert(index, performed);
            }
            _ => open.push(index),
        }
    }
    (done, open)
}

/// Keeps the outputs out of Git; those in the lock are known to be.
fn ignore_outputs(project: &Project, setup: &Setup<'_>, watch: Watch<'_>) -> Result<()> {
    let known: HashSet<_> = setup.lock.outputs().map(|output| &output.path).collect();
    let steps = setup.selected.iter().map(|index| &setup.graph.steps[*index]);
    let checkpoints: Vec<_> = steps.clone().filter_map(|step| step.checkpoint.as_ref()).collect();
    if !checkpoints.is_empty() {
        gitignore::ignore(project, checkpoints)?;
    }
    let products = steps.clone().flat_map(|step| step.products().map(move |path| (step, path)));
    let new: Vec<_> = products
        .filter(|(step, path)| !step.unstored.contains(*path) && !known.contains(path))
        .map(|(_, path)| path)
        .collect();
    let patterns = steps.flat_map(|step| &step.out_patterns).filter(|out| out.stored).map(|out| &out.pattern);
    let is_new = |pattern: &&Glob| !known.iter().any(|path| pattern.matches(path));
    let patterns: Vec<&Glob> = patterns.filter(is_new).collect();
    if !patterns.is_empty() {
        gitignore::ignore_patterns(project, patterns)?;
    }
    if new.is_empty() {
        return Ok(());
    }
    if let Some(git) = Git::of(project)? {
        for path in new.iter().filter(|path| git.is_tracked(path)) {
            let message = format!("Git keeps `{path}`, which a step makes; mlx keeps it too");
            watch
                .events
                .emit(Event::Warning { message, hint: Some(format!("`git rm -r --cached {}`", path.argument())) });
        }
    }
    gitignore::ignore(project, new).map(drop)
}

/// What carrying out a plan needs.
struct Execution<'a> {
    project: &'a Project,
    options: &'a Options,
    setup: &'a Setup<'a>,
    judge: &'a Judge<'a>,
    unfinished: &'a HashSet<String>,
    watch: Watch<'a>,
}

/// Where the files of running steps lie: parameters and metric lines.
pub(super) fn step_files(project: &Project) -> PathBuf {
    project.scratch().join("train")
}

/// Does what is open, and commits it on the way.
fn execute(
    execution: &Execution<'_>,
    run: &Run,
    mut performed: HashMap<usize, Performed>,
    open: &[usize],
    left: Left,
) -> Result<Results> {
    let &Execution { project, options, setup, judge, unfinished, watch } = execution;
    let files = fresh_directory(&step_files(project))?;
    let (sender, receiver) = mpsc::channel();
    let ((environments, environment_seconds), commit) = thread::scope(|scope| {
        // The receiver goes with the thread, so that after an error the steps learn that nobody commits them.
        let committer = scope.spawn(move || commit_all(project, setup.workspace.store(), &receiver));
        let (news, heard) = schedule::news();
        let (variable, access) = (options.outside.variable, options.access.as_ref());
        let start = away::Start { project, asked: &options.engines, run: &run.id, variable, access, watch };
        let away = Away::start(scope, &start, setup.executors.clone(), open, left, &news)?;
        for step in away.steps_with_jobs().filter(|step| is_settled(project, setup, &performed, step)) {
            away.end_job(step)?;
        }
        let guard = if open.iter().any(|step| !away.is_away(*step)) { guard(options, &run.id, watch) } else { None };
        let is_away = |index| away.is_away(index);
        let (jobs, keep_going) = (options.jobs, options.keep_going);
        let machine = &options.machine;
        let schedule = Schedule { graph: &setup.graph, steps: open, jobs, machine, keep_going, is_away: &is_away };
        let work = Work {
            project,
            workspace: &setup.workspace,
            graph: &setup.graph,
            judge,
            environments: Making::new(&setup.environments, setup.workspace.store()),
            run: &run.id,
            unfinished,
            force: options.force,
            trial: options.trial.as_ref(),
            files: &files,
            commits: sender,
            away: &away,
            machine,
            tracking: Tracking::new(options.outside.variable),
            watch,
        };
        schedule.carry_out(&work, (news, heard), |index, result| {
            let ending = ending(&result, watch);
            performed.insert(index, result);
            ending
        });
        // Who left its process group, as a daemon does, has not heard that it is over.
        let (is_interrupted, known) = (watch.interrupt.is_requested(), guard.as_ref().map(Guard::id));
        let ended = match is_interrupted {
            true => executor::end_leftovers(unfinished::RUN_VARIABLE, run.id.as_str()),
            false => executor::end_orphans(unfinished::RUN_VARIABLE, run.id.as_str(), known),
        };
        match ended {
            Ok(0) => {}
            Ok(_) if is_interrupted => {}
            Ok(count) => watch.events.warn(format!(
                "programs that left the process group of their step were still running; they were ended ({count})"
            )),
            Err(error) => watch.events.warn(format!("programs of the steps may go on: {error}")),
        }
        let Work { environments, commits, .. } = work;
        drop(commits);
        let commit = committer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok::<_, Error>((environments.finish(), commit))
    })?;
    if let Err(error) = away::forget(project) {
        watch.events.warn(format!("jobs that are over are still in `.mlx/jobs`: {error}"));
    }
    let _ = std::fs::remove_dir_all(&files);
    // An interrupt between steps leaves none that could tell of it.
    let tells = |performed: &Performed| performed.error.as_ref().is_some_and(|error| error.kind() == Kind::Interrupted);
    let is_cut_short = watch.interrupt.is_requested() && open.iter().any(|step| !performed.contains_key(step));
    let commit =
        if is_cut_short && !performed.values().any(tells) { commit.and(Err(Error::interrupted())) } else { commit };
    Ok(Results { performed, environments, environment_seconds, commit })
}

/// Starts who ends the programs of this run, should this process be killed. Without it, the next `mlx train` does that.
fn guard(options: &Options, run: &RunId, watch: Watch<'_>) -> Option<Guard> {
    let program = &options.engines.program;
    if program.as_os_str().is_empty() {
        return None;
    }
    let started = Guard::start(program, &["guard".as_ref(), run.as_str().as_ref()], unfinished::RUN_VARIABLE);
    started.map_err(|error| watch.events.emit(Event::Detail { message: error.to_string() })).ok()
}

/// Whether jobs from before write where nobody may write now.
fn is_in_the_way(project: &Project, setup: &Setup<'_>, left: &Left) -> bool {
    let selected: HashSet<&str> = setup.selected.iter().map(|index| setup.graph.steps[*index].name.as_str()).collect();
    let is_gone = |step: &str| project.manifest.steps.iter().all(|known| known.name != step);
    left.steps().keys().any(|step| selected.contains(step.as_str()) || is_gone(step))
}

/// Whether a step is up to date, or is none any more, so that what a job makes of it is not wanted.
fn is_settled(project: &Project, setup: &Setup<'_>, performed: &HashMap<usize, Performed>, step: &str) -> bool {
    match setup.graph.steps.iter().position(|known| known.name == step) {
        Some(index) => performed.contains_key(&index),
        None => project.manifest.steps.iter().all(|known| known.name != step),
    }
}

fn ending(performed: &Performed, watch: Watch<'_>) -> Ending {
    // Done well and with an error all the same: it could not be committed, and the next one could not either.
    let is_lost = performed.step.outcome != Outcome::Failed;
    match &performed.error {
        _ if watch.interrupt.is_requested() => Ending::Stop,
        None => Ending::Good,
        Some(error) if error.kind() == Kind::Interrupted || is_lost => Ending::Stop,
        Some(_) => Ending::Failed,
    }
}

/// An empty directory; what a killed run left in it goes.
fn fresh_directory(path: &Path) -> Result<PathBuf> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot empty `{}`", quote(path))).map_err(Into::into);
        }
        _ => {}
    }
    create_dir_all(path)?;
    Ok(path.to_path_buf())
}

/// Logs that are objects of the store by now go as files.
fn remove_logs(project: &Project, run: &Run) {
    for step in run.steps.iter().filter(|step| step.log.is_some()) {
        let _ = std::fs::remove_file(log_path(project, &run.id, &step.name));
    }
    // Stays where a log does.
    let _ = std::fs::remove_dir(project.state("logs").join(run.id.as_str()));
}
