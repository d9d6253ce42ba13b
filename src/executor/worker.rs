//! The other side of a job: carries out the steps of one element, on whatever machine the engine chose.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::carrier::{ByRemote, Carrier, Nobody};
use super::job::{self, JobFile, Task};
use super::results::{self, Line, Tail, What};
use super::{CHECKPOINT_VARIABLE, End, JOB_VARIABLE, Job, Tracking, VISIBLE_GPUS, attempts};
use crate::env::{Interpreters, Launcher, Prepared, Shared, find_program};
use crate::event::Watch;
use crate::fs::{quote, unescape};
use crate::project::manifest::Retry;
use crate::remote::Remote;
use crate::run::{Runs, log_file};
use crate::{Error, Kind, Result};

/// So much later than a step's program this one may hear that the engine ends the job.
const MOMENT: Duration = Duration::from_millis(500);

/// An element of a job, to be carried out here.
pub struct Element<'a> {
    /// The job's file.
    pub file: &'a Path,
    pub number: usize,
    /// How often the engine started this element before, as far as it tells.
    pub restart: u64,
    /// A directory of this machine for what the programs read and nobody else.
    pub scratch: &'a Path,
    /// Where environments lie that last longer than the job; `None` where no user has such a place.
    pub cache: Option<&'a Path>,
    /// Where programs are looked for.
    pub host: &'a Interpreters,
    /// The value of an environment variable.
    pub variable: fn(&str) -> Option<OsString>,
}

/// Carries out the steps of an element one after the other, whatever becomes of each, and writes down how they ended.
/// Steps that have ended before the engine started the element again are left alone. Returns the names of those that
/// failed.
pub fn work(element: &Element<'_>, watch: Watch<'_>) -> Result<Vec<String>> {
    let given_up = job::void_file(element.file.parent().unwrap_or(Path::new(".")), element.number);
    work_with(element, &Nobody { given_up }, watch)
}

/// As [`work`], for a job whose files come and go by a remote. The element names the job instead of its file.
pub fn work_far(element: &Element<'_>, remote: Arc<dyn Remote>, watch: Watch<'_>) -> Result<Vec<String>> {
    let &Element { file, scratch, .. } = element;
    let name = file.to_str().ok_or_else(|| Error::usage("the name of a job is text"))?;
    let scratch = crate::fs::temporary_dir(scratch)?;
    // Short enough for sockets of programs, and without links in it.
    let place = scratch.path().canonicalize().context("cannot enter the scratch directory")?;
    match ByRemote::new(remote, name, element, &place)? {
        Some(carrier) => {
            let worked = work_with(&Element { file: &carrier.file(), ..*element }, &carrier, watch);
            carrier.leave();
            worked
        }
        None => {
            watch.events.note(format!("the job `{name}` was given up; there is nothing to do"));
            Ok(Vec::new())
        }
    }
}

fn work_with(element: &Element<'_>, carrier: &dyn Carrier, watch: Watch<'_>) -> Result<Vec<String>> {
    let &Element { file, number, restart, scratch, host: machine, .. } = element;
    let Some((job, tasks)) = job::read(file, |job| job.tasks_of(number, usize::MAX))? else {
        watch.events.note(format!("the job `{}` was given up; there is nothing to do", quote(file)));
        return Ok(Vec::new());
    };
    let directory = file.parent().unwrap_or(Path::new("."));
    let results = job::results_file(directory, number);
    let host = Runs::host().name;
    let mut ended = Vec::new();
    for Line { task, what, .. } in Tail::default().lines(&results)? {
        if !matches!(what, What::Began) {
            ended.push(task);
        }
    }
    if results.exists() {
        // An engine that starts an element again may not tell.
        results::end_line(&results)?;
    }
    let scratch = crate::fs::temporary_dir(scratch)?;
    let tracking = Tracking::new(element.variable);
    let mut failed = Vec::new();
    for (place, task) in tasks.into_iter().filter(|(place, _)| !ended.contains(place)) {
        watch.interrupt.check()?;
        if carrier.is_given_up() {
            watch.events.note(format!("element {number} of the job was given up; there is nothing more to do"));
            break;
        }
        let tell = |what| {
            let line = Line { job: job.name.clone(), task: place, restart, host: host.clone(), what };
            results::append(&results, &line).and_then(|()| carrier.tell())
        };
        tell(What::Began)?;
        let brought = carrier.bring(&task, watch);
        let environment = brought.and_then(|()| carrier.environment(&task, watch));
        let carried_out = environment.and_then(|environment| {
            let (path, environment) = (&*machine.path, environment.as_ref());
            let metrics = job::metrics_file(directory, place);
            // In a container, this machine is another one.
            let tracked = task.image.is_none().then(|| {
                let named = |name: &str| task.variables.contains_key(name);
                let artifacts = scratch.path().join("artifacts");
                tracking.enter(&metrics, &artifacts, named, &task.products, watch.events)
            });
            let mut tracked = tracked.flatten();
            let tracks = tracked.as_mut().map_or(Vec::new(), |tracked| std::mem::take(&mut tracked.variables));
            let place_of = Surroundings { directory, scratch: scratch.path(), path, environment, tracks };
            let report = following(carrier, place, &task, || carry_out(&job, place, &task, &place_of, watch));
            if let Some(tracked) = tracked {
                if report.is_ok() {
                    tracked.bring(&job.root, &task.products)?;
                }
                tracked.leave(&task.step, watch.events);
            }
            report
        });
        if let Ok(report) = &carried_out {
            await_reason(report.end, watch)?;
        }
        let taken = carried_out.and_then(|report| {
            // Whoever ended it knows why; to say it ended would hide that.
            if report.end == End::Interrupted {
                return Err(Error::interrupted());
            }
            let made = carrier.take(&task, place, report.end == End::Exited(0), watch)?;
            Ok(What::Ended { report, outputs: results::fingerprint(&job.root, &task)?, made })
        });
        let what = match taken {
            Ok(what) => what,
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => What::Failed(error.to_string()),
        };
        if !matches!(&what, What::Ended { report, .. } if report.end == End::Exited(0)) {
            failed.push(task.step);
        }
        tell(what)?;
    }
    Ok(failed)
}

/// Runs a step's program, and passes on what it prints meanwhile where somebody has to.
fn following<T>(carrier: &dyn Carrier, place: usize, task: &Task, run: impl FnOnce() -> T) -> T {
    let Some(pause) = carrier.pause() else { return run() };
    let (over, heard) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while heard.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                carrier.follow(task, place);
            }
        });
        let result = run();
        drop(over);
        result
    })
}

/// An engine that ends a job signals all its programs at once; the step's may be gone before this one has heard of it.
/// One that was ended by a signal counts as failed only when no such word came for a moment.
fn await_reason(end: End, watch: Watch<'_>) -> Result<()> {
    let is_signal = |signal: i32| [libc::SIGTERM, libc::SIGKILL, libc::SIGINT, libc::SIGHUP].contains(&signal);
    let may_be = match end {
        End::Signalled(signal) => is_signal(signal),
        // As a shell reports the end of its program.
        End::Exited(code) => code > 128 && is_signal(code - 128),
        End::TimedOut(_) | End::Interrupted => false,
    };
    if may_be {
        let bell = watch.interrupt.bell()?;
        let moment = Timespec { tv_sec: 0, tv_nsec: MOMENT.subsec_nanos().into() };
        // Whatever ends the waiting: the next line asks.
        let _ = poll(&mut [PollFd::new(&bell, PollFlags::IN)], Some(&moment));
        watch.interrupt.check()?;
    }
    Ok(())
}

/// What the programs of an element have around them.
struct Surroundings<'a> {
    /// The job's.
    directory: &'a Path,
    scratch: &'a Path,
    path: &'a OsStr,
    /// What they run in, where it was made here.
    environment: Option<&'a Prepared>,
    /// By which they find who takes what they log.
    tracks: Vec<(String, OsString)>,
}

fn carry_out(
    job: &JobFile,
    place: usize,
    task: &Task,
    around: &Surroundings<'_>,
    watch: Watch<'_>,
) -> Result<super::Report> {
    let &Surroundings { directory, scratch, path, environment, ref tracks } = around;
    clear(job, task)?;
    // A container sees what lies below the project's directory.
    let params = match &task.image {
        Some(_) => directory.join(format!("{place}.params.json")),
        None => scratch.join("params.json"),
    };
    std::fs::write(&params, task.params.to_string()).with_context(|| format!("cannot write `{}`", quote(&params)))?;
    let value = |text: &String| -> OsString {
        unescape(text).map_or_else(|| OsString::from(text), |bytes| OsStr::from_bytes(&bytes).to_owned())
    };
    let mut variables: Vec<(String, OsString)> =
        task.variables.iter().map(|(name, text)| (name.clone(), value(text))).collect();
    // What the step says itself comes first.
    let of_environment = environment.into_iter().flat_map(|prepared| prepared.variables.iter().cloned());
    variables.extend(of_environment.filter(|(name, _)| !task.variables.contains_key(name)));
    let metrics = job::metrics_file(directory, place);
    // Lines of an attempt that came to nothing would count twice.
    remove(&metrics)?;
    let own: [(&str, OsString); 3] = [
        ("MLX_PARAMS", params.into_os_string()),
        ("MLX_METRICS", metrics.clone().into_os_string()),
        (JOB_VARIABLE, OsString::from(&job.name)),
    ];
    variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
    variables.extend(tracks.iter().cloned());
    if let Some(checkpoint) = &task.checkpoint {
        let checkpoint = checkpoint.below(&job.root);
        crate::fs::create_dir_all(&checkpoint)?;
        variables.push((CHECKPOINT_VARIABLE.to_owned(), checkpoint.into_os_string()));
    }
    let directory = task.dir.as_ref().map_or_else(|| job.root.clone(), |dir| dir.below(&job.root));
    let launch = task.image.clone().map(|image| {
        let mut names: Vec<String> = variables.iter().map(|(name, _)| name.clone()).collect();
        // As the engine of the job says.
        names.push(VISIBLE_GPUS.into());
        let shared = Shared {
            name: &format!("{}-{place}", job.name),
            root: &job.root,
            directory: &directory,
            variables: &names,
            gpus: job.resources.gpus,
            is_interactive: false,
        };
        Ok::<_, Error>(Launcher::of(image, path)?.launch(&shared))
    });
    let program = Job {
        launch: launch.transpose()?,
        step: &task.step,
        cmd: &task.cmd,
        directory,
        variables,
        timeout: task.timeout,
        log: log_file(&job.home, &job.run, &task.step),
        nvidia_smi: find_program("nvidia-smi", path),
    };
    // The log of an earlier start would look like this one's.
    remove(&program.log)?;
    // An engine that ends the job may end the step's program a moment before this one hears of it.
    let retry = Retry { delay: task.retry.delay.max(MOMENT), ..task.retry.clone() };
    let renew = || clear(job, task).and_then(|()| remove(&metrics));
    attempts::run(&program, &retry, renew, watch)
}

/// Takes away what an earlier attempt left, and makes the directories around the outputs.
fn clear(job: &JobFile, task: &Task) -> Result<()> {
    for output in task.outputs(&job.root)? {
        let path = output.below(&job.root);
        remove(&path)?;
        path.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
    }
    Ok(())
}

pub(super) fn remove(path: &Path) -> Result<()> {
    let is_directory = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    let removed = if is_directory { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete `{}`", quote(path))).map_err(Into::into)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::tests::{run, task};
    use super::*;
    use crate::event::{Interrupt, Recorder};

    fn lines(dir: &Path, tasks: &[Task], restart: u64) -> Vec<Line> {
        let root = dir.to_path_buf();
        let job = JobFile { name: "j".into(), home: root.clone(), root, pack: tasks.len(), ..job::tests::job() };
        let directory = dir.join("job");
        job.write(&directory, tasks, dir).unwrap();
        let file = job::file(&directory);
        let host = Interpreters { path: "/bin".into(), ..Interpreters::default() };
        let element =
            Element { file: &file, number: 0, restart, scratch: dir, cache: None, host: &host, variable: |_| None };
        let (events, interrupt) = (Recorder::default(), Interrupt::default());
        work(&element, Watch { events: &events, interrupt: &interrupt }).unwrap();
        Tail::default().lines(&job::results_file(&directory, 0)).unwrap()
    }

    #[test]
    fn each_step_says_how_it_ended_and_a_failure_does_not_stop_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let bad = Task { cmd: "echo bad; exit 3".into(), ..task("bad") };
        let good = Task { cmd: r#"test "$MLX_JOB" = j && grep -q seed "$MLX_PARAMS""#.into(), ..task("good") };

        let lines = lines(dir.path(), &[bad, good], 0);

        let ends = lines.iter().filter_map(|line| match &line.what {
            What::Ended { report, .. } => Some((line.task, report.end)),
            _ => None,
        });
        assert_eq!(ends.collect::<Vec<_>>(), [(0, End::Exited(3)), (1, End::Exited(0))]);
        assert_eq!(std::fs::read(log_file(dir.path(), &run(), "bad")).unwrap(), b"bad\n");
    }

    #[test]
    fn an_element_that_was_given_up_does_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("job");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(job::void_file(&directory, 0), "").unwrap();

        assert_eq!(lines(dir.path(), &[task("a")], 0), []);
    }

    #[test]
    fn an_element_that_is_started_again_goes_on_with_what_has_not_ended() {
        let dir = tempfile::tempdir().unwrap();
        let tasks = [Task { cmd: "echo x >> count".into(), ..task("a") }, task("b")];
        lines(dir.path(), &tasks[..1], 0);

        lines(dir.path(), &tasks, 1);

        assert_eq!(std::fs::read_to_string(dir.path().join("count")).unwrap(), "x\n");
    }
}
