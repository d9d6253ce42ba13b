//! Slurm, through its own programs: `sbatch`, `squeue`, `scancel`.

mod answer;

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::FailureClass;
use super::engine::{Answer, Command, Executor, Known, Refusal, Submission, Submitted, shell_word};
use crate::event::Interrupt;
use crate::fs::quote;
use crate::project::manifest::SlurmSettings;
use crate::{Error, Result};

/// What `MaxArraySize` is where nobody changed it.
const USUAL_ARRAY: usize = 1001;
/// So many jobs one `scancel`, or `sacct`, is told.
const BATCH: usize = 200;
/// An answer of `squeue` is good for so long.
const FRESH: Duration = Duration::from_secs(1);

/// The last answer of `squeue` and when it was asked for. It tells of all jobs of the user, so that the trials of a sweep,
/// each with a driver of its own, need one question together.
static LAST: Mutex<Option<(Instant, HashMap<String, Known>)>> = Mutex::new(None);

/// A cluster whose programs are on this machine.
pub struct Slurm {
    settings: SlurmSettings,
    /// Variables of the Slurm job that mlx itself may run in: they would change what `sbatch` does.
    outer: Vec<OsString>,
    /// When something was last submitted or ended: older answers do not tell of it.
    changed: Mutex<Option<Instant>>,
    /// There is nobody who keeps accounts of jobs.
    has_no_accounts: AtomicBool,
}

impl Slurm {
    /// `variables` are the names of those in mlx's own environment.
    pub fn new(settings: SlurmSettings, variables: &[OsString]) -> Self {
        let is_outer = |name: &&OsString| {
            let name = name.to_string_lossy();
            name.starts_with("SLURM_") && !name.starts_with("SLURM_CONF")
        };
        let outer = variables.iter().filter(is_outer).cloned().collect();
        Self { settings, outer, changed: Mutex::default(), has_no_accounts: AtomicBool::new(false) }
    }

    /// From now on, only newer answers count.
    fn note_change(&self) {
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn command(&self, program: &str) -> Command {
        Command::new(program, &self.outer)
    }

    fn arguments(&self, submission: &Submission<'_>) -> Result<Vec<OsString>> {
        let Submission { job, elements, logs, .. } = submission;
        let resources = &job.resources;
        let mut arguments: Vec<OsString> = [
            "--parsable".to_owned(),
            format!("--job-name={}", job.name),
            // A job that is preempted, or whose node is lost, keeps its id and comes again.
            "--requeue".into(),
            "--open-mode=append".into(),
            // Nothing here depends on a job; options of the user may.
            "--kill-on-invalid-dep=yes".into(),
            format!("--cpus-per-task={}", resources.cpus),
        ]
        .map(OsString::from)
        .into();
        let mut add = |name: &str, value: OsString| {
            let mut argument = OsString::from(name);
            argument.push(value);
            arguments.push(argument);
        };
        if job.remote.is_some() {
            // Directories of this machine are not there.
            add("--output=", "/dev/null".into());
            add("--chdir=", "/tmp".into());
        } else {
            let mut log = literal(logs)?;
            log.push(if *elements > 1 { "/%a.log" } else { "/0.log" });
            add("--output=", log);
            add("--chdir=", literal(&job.root)?);
        }
        if *elements > 1 {
            add("--array=", format!("0-{}", elements - 1).into());
        }
        if resources.gpus > 0 {
            add("--gres=", format!("gpu:{}", resources.gpus).into());
        }
        if let Some(bytes) = resources.memory_bytes {
            add("--mem=", format!("{}M", bytes.div_ceil(1 << 20)).into());
        }
        if let Some(time) = resources.time {
            add("--time=", time.as_secs().div_ceil(60).max(1).to_string().into());
        }
        let SlurmSettings { partition, account, qos, options } = &self.settings;
        for (name, value) in [("--partition=", partition), ("--account=", account), ("--qos=", qos)] {
            if let Some(value) = value {
                add(name, value.into());
            }
        }
        arguments.extend(options.iter().map(OsString::from));
        Ok(arguments)
    }
}

impl Executor for Slurm {
    fn submit(&self, submission: &Submission<'_>, interrupt: &Interrupt) -> Result<String, Refusal> {
        let script = script(submission);
        let arguments = self.arguments(submission).map_err(Refusal::Refused)?;
        // A full queue makes `sbatch` wait for minutes; that is done here, where Ctrl-C is heard.
        let command = self.command("sbatch").args(arguments).input(script);
        let answer = command.run(interrupt, |said| said.contains("temporarily unable to accept job"));
        self.note_change();
        let answer = answer?;
        if !answer.is_success {
            return Err(answer::refusal("sbatch", &answer));
        }
        // `123` or `123;cluster`.
        let id = answer.stdout.lines().last().and_then(|line| line.split(';').next()).unwrap_or_default().trim();
        match id.parse::<u64>() {
            Ok(_) => Ok(id.to_owned()),
            Err(_) => Err(Refusal::Unreachable(format!("`sbatch` gave no number: `{}`", quote(&answer.stdout)))),
        }
    }

    fn query(&self, _: &[Submitted<'_>], interrupt: &Interrupt) -> Result<HashMap<String, Known>, Refusal> {
        let changed = *self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        // Held while Slurm is asked: who comes meanwhile gets that answer too.
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked, known)) = &*last
            && asked.elapsed() < FRESH
            && changed.is_none_or(|changed| changed < *asked)
        {
            return Ok(known.clone());
        }
        let asked = Instant::now();
        // All jobs of the user in one answer: an unknown id among others would be left out in silence, and alone it
        // would be an error.
        let user = rustix::process::getuid().as_raw().to_string();
        let arguments = ["--noheader", "--array", "--states=all", "--user", &user, "--format", answer::FORMAT];
        let answer = self.command("squeue").args(arguments).run(interrupt, |_| false)?;
        if !answer.is_success {
            return Err(answer::refusal("squeue", &answer));
        }
        let known = answer::read(&answer.stdout);
        *last = Some((asked, known.clone()));
        Ok(known)
    }

    fn recall(
        &self,
        missing: &[(Submitted<'_>, Vec<usize>)],
        interrupt: &Interrupt,
    ) -> Result<HashMap<String, Known>, Refusal> {
        let mut known = HashMap::new();
        let ids: Vec<&str> = missing.iter().filter_map(|(job, _)| job.id).collect();
        for ids in ids.chunks(BATCH) {
            if self.has_no_accounts.load(Ordering::Relaxed) {
                break;
            }
            let arguments =
                ["--noheader", "--parsable2", "--allocations", "--format", answer::ACCOUNT_FORMAT, "--jobs"];
            let command = self.command("sacct").args(arguments).args([ids.join(",")]);
            match command.run(interrupt, |_| false)? {
                answer if answer.is_success => known.extend(answer::read_accounts(&answer.stdout)),
                // Nobody keeps accounts here, or who does is away.
                answer => self.has_no_accounts.store(answer.stderr.contains("disabled"), Ordering::Relaxed),
            }
        }
        Ok(known)
    }

    fn cancel(&self, jobs: &[(Submitted<'_>, Vec<usize>)], interrupt: &Interrupt) -> Result<(), Refusal> {
        let mut names = Vec::new();
        for (job, elements) in jobs {
            match job.id {
                // One that may have come there under its name.
                None => self.scancel(["--name".to_owned(), job.name.to_owned()].iter(), interrupt)?,
                Some(id) if elements.is_empty() => names.push(id.to_owned()),
                Some(id) => names.extend(elements.iter().map(|element| format!("{id}_{element}"))),
            }
        }
        let ended = names.chunks(BATCH).try_for_each(|names| self.scancel(names.iter(), interrupt));
        self.note_change();
        ended
    }

    fn class_of(&self, last_words: &str) -> FailureClass {
        match last_words.to_lowercase().contains("memory limit") {
            true => FailureClass::OutOfMemory,
            false => FailureClass::Infrastructure,
        }
    }

    fn most_elements(&self, interrupt: &Interrupt) -> usize {
        let answer = self.command("scontrol").args(["show", "config"]).run(interrupt, |_| false);
        let limit = |answer: Answer| {
            let line = answer.stdout.lines().find(|line| line.starts_with("MaxArraySize"))?.to_owned();
            line.split('=').nth(1)?.trim().parse().ok()
        };
        answer.ok().and_then(limit).unwrap_or(USUAL_ARRAY)
    }
}

impl Slurm {
    fn scancel<'n>(&self, names: impl Iterator<Item = &'n String>, interrupt: &Interrupt) -> Result<(), Refusal> {
        let answer = self.command("scancel").args(names).run(interrupt, |_| false)?;
        match answer::refusal("scancel", &answer) {
            refusal @ Refusal::Unreachable(_) if !answer.is_success => Err(refusal),
            // It is over, or was never there.
            _ => Ok(()),
        }
    }
}

/// What an element runs.
fn script(submission: &Submission<'_>) -> Vec<u8> {
    let mut script = b"#!/bin/sh\nexec ".to_vec();
    for word in submission.command_line(&[]) {
        script.extend(shell_word(&word));
        script.push(b' ');
    }
    script.extend(b"\"${SLURM_ARRAY_TASK_ID:-0}\"\n");
    script
}

/// A path for an option in which `%` begins a pattern.
fn literal(path: &std::path::Path) -> Result<OsString> {
    let text = path.to_str().filter(|text| !text.contains(['%', '\\']));
    text.map(OsString::from).ok_or_else(|| {
        Error::usage(format!(
            "Slurm can't work in `{}`: its name has a `%`, a `\\` or bytes that are no text",
            quote(path)
        ))
        .with_hint("move the project to another directory")
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::job::{JobFile, tests::job};
    use super::*;
    use crate::project::manifest::Resources;

    fn arguments(resources: Resources, settings: SlurmSettings) -> String {
        let job = JobFile { resources, ..job() };
        let submission = Submission {
            file: Path::new("/srv/it's/job.jsonl"),
            job: &job,
            elements: 8,
            program: Path::new("/srv/mlx"),
            logs: Path::new("/srv/job"),
        };
        assert_eq!(
            String::from_utf8(script(&submission)).unwrap(),
            "#!/bin/sh\nexec '/srv/mlx' 'exec-step' '/srv/it'\\''s/job.jsonl' \"${SLURM_ARRAY_TASK_ID:-0}\"\n"
        );
        let arguments = Slurm::new(settings, &[]).arguments(&submission).unwrap();
        arguments.iter().map(|argument| argument.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn resources_and_settings_become_options() {
        let resources =
            Resources { cpus: 4, gpus: 2, memory_bytes: Some(3_000_000_001), time: Some(Duration::from_secs(61)) };
        let settings = SlurmSettings {
            partition: Some("short".into()),
            options: vec!["--constraint=v100".into()],
            ..SlurmSettings::default()
        };

        let text = arguments(resources, settings);

        let expected = "--cpus-per-task=4 --output=/srv/job/%a.log --chdir=/srv/project --array=0-7 --gres=gpu:2 --mem=2862M \
                        --time=2 --partition=short --constraint=v100";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn variables_of_an_outer_job_are_left_out() {
        let names = ["SLURM_JOB_ID", "SLURM_CONF", "PATH"].map(OsString::from);

        assert_eq!(Slurm::new(SlurmSettings::default(), &names).outer, ["SLURM_JOB_ID"]);
    }
}
