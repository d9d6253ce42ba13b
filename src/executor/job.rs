//! Jobs as files: what `mlx exec-step` on the other side is to do.
//!
//! A job is a directory `.mlx/jobs/<name>/` that both sides see. `job.jsonl` is written before the engine hears of the
//! job, so that a killed `mlx train` leaves nothing that the next one does not find: the first line is the job, each
//! further one a step. `id` holds the engine's name for it, once that is known. `<element>.results` tells what became of
//! the steps of an element, `<element>.log` what went wrong around them, `<task>.metrics` what they
//! measured. A job whose directory is gone is void: who starts late does nothing. So is an element with an `<element>.void`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Object;
use crate::env::Image;
use crate::fs::quote;
use crate::project::lock::LockedPath;
use crate::project::manifest::{Resources, Retry};
use crate::project::{Glob, ProjectPath};
use crate::run::RunId;
use crate::{Digest, Error, Result};

/// The version of the format that this program writes and reads.
pub const VERSION: u64 = 1;
/// The name of the job's file.
pub const FILE: &str = "job.jsonl";

/// A job: what all its steps have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobFile {
    pub version: u64,
    pub name: String,
    /// The executor of the manifest.
    pub executor: String,
    /// The run that submitted it.
    pub run: RunId,
    /// The project's directory.
    pub root: PathBuf,
    /// Where its logs lie, below `.mlx`.
    pub home: PathBuf,
    /// What each of its elements is given.
    pub resources: Resources,
    /// So many steps an element carries out, one after the other; the last one fewer.
    pub pack: usize,
    /// The remote by which files come and go; `None` where both sides see the same ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<ByRemote>,
}

/// A remote, as the other side finds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ByRemote {
    /// Its name in the manifest, by which the environment may say more of it.
    pub name: String,
    pub url: String,
}

/// A step of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub step: String,
    /// The step key; what a job makes is taken only by a step that still has it.
    pub key: Digest,
    /// Given to `sh -c`.
    pub cmd: String,
    /// Where it works, in the project; in the project's directory itself where nothing is said.
    pub dir: Option<ProjectPath>,
    /// What the program gets besides the environment of the job, escaped as names are.
    pub variables: BTreeMap<String, String>,
    /// The content of the file that `MLX_PARAMS` names.
    pub params: Value,
    pub timeout: Option<Duration>,
    #[serde(default)]
    pub retry: Retry,
    /// The directory that is there again after a failed attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<ProjectPath>,
    /// What it makes: taken away before it starts.
    pub products: Vec<ProjectPath>,
    /// Patterns of what it makes besides.
    pub patterns: Vec<String>,
    /// How often it was lost before and submitted again.
    pub attempt: u64,
    /// The image of the container that it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The recipe of the environment that it runs in, where that is made by whoever carries it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Object>,
    /// What it reads, where that comes by a remote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<LockedPath>,
}

impl Task {
    /// A step as far as the name of its job goes.
    pub fn named(step: &str, key: Digest) -> Self {
        Self {
            step: step.to_owned(),
            key,
            cmd: String::new(),
            dir: None,
            variables: BTreeMap::new(),
            params: Value::Null,
            timeout: None,
            retry: Retry::default(),
            checkpoint: None,
            products: Vec::new(),
            patterns: Vec::new(),
            attempt: 0,
            image: None,
            recipe: None,
            inputs: Vec::new(),
        }
    }

    /// What it makes, by name and as far as it lies there.
    pub fn outputs(&self, root: &Path) -> Result<Vec<ProjectPath>> {
        let mut outputs = self.products.clone();
        for pattern in &self.patterns {
            let glob = Glob::parse(pattern).with_context(|| format!("cannot read the pattern `{pattern}`"))?;
            outputs.extend(glob.expand(root)?);
        }
        Ok(outputs)
    }
}

impl JobFile {
    /// The name of a job that carries out these steps: the same for the same steps, run and attempts.
    pub fn name<'t>(root: &Path, run: &RunId, tasks: impl IntoIterator<Item = &'t Task>) -> String {
        let mut text = format!("{}\n{run}\n", quote(root));
        for task in tasks {
            text.push_str(&format!("{} {} {}\n", task.step, task.key, task.attempt));
        }
        let project = Digest::of(quote(root));
        format!("mlx-{}-{}", &project.hex()[..8], &Digest::of(text).hex()[..16])
    }

    /// As [`JobFile::write`], for one who has these steps alone, by their places in the job; others are not asked for.
    pub fn write_some(&self, directory: &Path, tasks: &[(usize, Task)], scratch: &Path) -> Result<()> {
        let first = tasks.first().map_or(0, |(place, _)| *place);
        let missing = Task::named("", Digest::of(""));
        let before = std::iter::repeat_n(&missing, first);
        let tasks: Vec<Task> = before.chain(tasks.iter().map(|(_, task)| task)).cloned().collect();
        self.write(directory, &tasks, scratch)
    }

    /// Writes the job into its directory, durably.
    pub fn write(&self, directory: &Path, tasks: &[Task], scratch: &Path) -> Result<()> {
        crate::fs::create_dir_all(directory)?;
        crate::fs::write_atomic_with(&directory.join(FILE), scratch, |file| {
            let mut file = std::io::BufWriter::new(file);
            serde_json::to_writer(&mut file, self)?;
            for task in tasks {
                std::io::Write::write_all(&mut file, b"\n")?;
                serde_json::to_writer(&mut file, task)?;
            }
            std::io::Write::write_all(&mut file, b"\n")
        })
    }

    /// The steps of an element, by their place in the job of `tasks` steps.
    pub fn tasks_of(&self, element: usize, tasks: usize) -> Range<usize> {
        let pack = self.pack.max(1);
        (element * pack).min(tasks)..((element + 1) * pack).min(tasks)
    }

    /// How many elements a job of `tasks` steps has.
    pub fn elements(&self, tasks: usize) -> usize {
        tasks.div_ceil(self.pack.max(1))
    }
}

/// The file of the job in this directory.
pub fn file(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// The name of the job that has this file, which is its directory's.
pub fn name_of(file: &Path) -> Option<&str> {
    file.parent()?.file_name()?.to_str()
}

/// There as soon as an element is given up, while others of its job go on: what starts of it, or goes on to its next step,
/// has nothing to do.
pub fn void_file(directory: &Path, element: usize) -> PathBuf {
    directory.join(void_name(element))
}

/// Where an element tells what became of its steps.
pub fn results_file(directory: &Path, element: usize) -> PathBuf {
    directory.join(results_name(element))
}

/// Where the engine writes what an element prints besides what its steps print.
pub fn engine_log(directory: &Path, element: usize) -> PathBuf {
    directory.join(format!("{element}.log"))
}

/// Where a step's program tells its metrics.
pub fn metrics_file(directory: &Path, task: usize) -> PathBuf {
    directory.join(metrics_name(task))
}

/// The names of these files; on a remote, the log of a step lies beside them.
pub fn void_name(element: usize) -> String {
    format!("{element}.void")
}

pub fn results_name(element: usize) -> String {
    format!("{element}.results")
}

pub fn metrics_name(task: usize) -> String {
    format!("{task}.metrics")
}

pub fn log_name(task: usize) -> String {
    format!("{task}.log")
}

/// A job, and steps of it with their places in it.
pub type Read = (JobFile, Vec<(usize, Task)>);

/// Reads a job, and those of its steps that `wanted` picks for it; `None` where there is none.
pub fn read(file: &Path, wanted: impl FnOnce(&JobFile) -> Range<usize>) -> Result<Option<Read>> {
    let cannot = || format!("cannot read the job `{}`", quote(file));
    let source = match std::fs::File::open(file) {
        Ok(source) => source,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(cannot).map_err(Into::into),
    };
    let mut lines = BufReader::with_capacity(1 << 16, source);
    let mut line = Vec::new();
    let mut next = |line: &mut Vec<u8>| {
        line.clear();
        lines.read_until(b'\n', line).with_context(cannot).map(|count| count > 0)
    };
    if !next(&mut line)? {
        return Err(Error::failed(cannot() + ": it is empty"));
    }
    let version: Version = serde_json::from_slice(&line).with_context(cannot)?;
    if version.version != VERSION {
        return Err(Error::failed(format!("{}: its version is {}, not {VERSION}", cannot(), version.version))
            .with_hint("another mlx wrote it; use that one, or cancel the job and delete its directory"));
    }
    let job: JobFile = serde_json::from_slice(&line).with_context(cannot)?;
    let wanted = wanted(&job);
    let mut tasks = Vec::new();
    for number in 0..wanted.end {
        if !next(&mut line)? {
            break;
        }
        if wanted.contains(&number) {
            tasks.push((number, serde_json::from_slice(&line).with_context(cannot)?));
        }
    }
    Ok(Some((job, tasks)))
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn task(step: &str) -> Task {
        Task {
            step: step.into(),
            key: Digest::of(step),
            cmd: "true".into(),
            dir: None,
            variables: BTreeMap::from([("NAME".into(), r"a\x0ab".into())]),
            params: serde_json::json!({ "train": { "seed": 7 } }),
            timeout: Some(Duration::from_millis(1500)),
            retry: Retry::default(),
            checkpoint: None,
            products: Vec::new(),
            patterns: Vec::new(),
            attempt: 0,
            image: None,
            recipe: None,
            inputs: Vec::new(),
        }
    }

    /// A job of one step at a time.
    pub fn job() -> JobFile {
        JobFile {
            version: VERSION,
            name: "mlx-1-2".into(),
            executor: "c".into(),
            run: run(),
            root: "/srv/project".into(),
            home: "/srv/project".into(),
            resources: Resources::default(),
            pack: 1,
            remote: None,
        }
    }

    pub fn run() -> RunId {
        "0123456789ab".parse().unwrap()
    }

    #[test]
    fn an_element_reads_its_own_steps_only() {
        let dir = tempfile::tempdir().unwrap();
        let tasks: Vec<Task> = (0..5).map(|number| task(&format!("s{number}"))).collect();
        let job = JobFile { pack: 2, ..job() };
        job.write(dir.path(), &tasks, dir.path()).unwrap();

        let (read, last) = read(&file(dir.path()), |job| job.tasks_of(2, usize::MAX)).unwrap().unwrap();

        assert_eq!((read, last), (job.clone(), vec![(4, tasks[4].clone())]));
        assert_eq!(job.elements(5), 3);
    }

    #[test]
    fn a_job_has_one_name_for_the_same_steps_and_attempts() {
        let root = Path::new("/project");
        let again = Task { attempt: 1, ..task("a") };

        assert_eq!(JobFile::name(root, &run(), [&task("a")]), JobFile::name(root, &run(), [&task("a")]));
        assert_ne!(JobFile::name(root, &run(), [&task("a")]), JobFile::name(root, &run(), [&again]));
    }
}
