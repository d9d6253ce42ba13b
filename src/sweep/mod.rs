//! Sweeps: the pipeline again and again with other parameters, to find good ones.
//!
//! A **strategy** chooses the values of each trial and is told what came of it. A **trial** is an ordinary run of the
//! pipeline in a working copy of its own, which shares the project's store. Everything that decides how a sweep goes on
//! stands in its **journal** before it is relied on, so that a sweep killed at any moment goes on as if nothing had been.
//!
//! In `.mlx/sweeps/NAME`: `journal`, `lock`, `trials/N` (working copies), `turns` (locks between trials).

pub mod apply;
mod conduct;
mod copy;
mod events;
mod journal;
mod misses;
mod plan;
pub mod plot;
mod results;
mod resume;
mod snapshot;
mod state;
pub mod strategy;

use std::path::PathBuf;

pub use conduct::{Conducted, Options, conduct};
pub use plan::{Plan, Request, Rungs};
pub use results::{Listed, Results, TrialResult, find, list, remove, results};
pub use state::{TrialState, better};

use crate::error::did_you_mean;
use crate::fs::{FileLock, escape};
use crate::project::manifest::{Step, check_name};
use crate::project::{MANIFEST, Project};
use crate::{Error, Result};

/// The name of a sweep that was given none.
const UNNAMED: &str = "sweep";

/// The files of one sweep.
#[derive(Debug, Clone)]
struct Place {
    directory: PathBuf,
}

impl Place {
    fn of(project: &Project, name: &str) -> Self {
        Self { directory: project.home_state("sweeps").join(name) }
    }

    fn journal(&self) -> PathBuf {
        self.directory.join("journal")
    }

    fn trials(&self) -> PathBuf {
        self.directory.join("trials")
    }

    fn turns(&self) -> PathBuf {
        self.directory.join("turns")
    }

    fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }

    /// Takes the sweep for this process alone.
    fn take(&self, name: &str) -> Result<FileLock> {
        FileLock::try_exclusive(&self.lock(), "mlx sweep")?.map_err(|holder| {
            Error::usage(format!("the sweep `{name}` goes on already: {}", holder.0))
                .with_hint(format!("`mlx sweep show {name}` says how far it is; Ctrl-C there ends it in order"))
        })
    }
}

/// The name of the record that keeps a sweep's snapshot.
fn record_name(name: &str) -> String {
    format!("sweeps/{name}")
}

/// Which sweep goes on that these words of a command line name: the one that was named, or the only one that was begun.
pub fn resolve_begun(project: &Project, words: &[String]) -> Result<String> {
    let name = find(project, words.first().map(String::as_str))?;
    if words.len() > 1 {
        return Err(Error::usage("a sweep goes on with the steps it began with")
            .with_hint(format!("`mlx sweep {name} --resume`")));
    }
    Ok(name)
}

/// Which sweep is to begin by these words of a command line, and with which steps: the first word is a sweep's name unless
/// it is only a step's. `is_new` says that the command line alone declares a sweep.
pub fn resolve(project: &Project, words: &[String], is_new: bool) -> Result<(String, Vec<String>)> {
    let declared = &project.manifest.sweeps;
    if let Some((first, rest)) = words.split_first() {
        let is_step = |word: &String| Step::names(&project.manifest.steps).contains(&word.as_str());
        let is_sweep = declared.contains_key(first) || Place::of(project, first).journal().exists();
        let is_name = check_name(first);
        if is_sweep || (is_new && !is_step(first) && is_name.is_ok()) {
            return Ok((first.clone(), rest.to_vec()));
        }
        if !is_step(first) {
            is_name.map_err(Error::usage)?;
            let known = declared.keys().map(String::as_str);
            return Err(Error::usage(format!("there is no sweep `{}` in {MANIFEST}", escape(first.as_bytes())))
                .with_hint(format!(
                    "{}; or say what it tries: `mlx sweep {first} --set train.lr=0.1,0.01`",
                    did_you_mean(first, known)
                )));
        }
    }
    let name = match (declared.len(), declared.keys().next()) {
        (1, Some(name)) => name.clone(),
        (0, _) => UNNAMED.to_owned(),
        _ if is_new => UNNAMED.to_owned(),
        (several, _) => {
            let names: Vec<String> = declared.keys().map(|name| format!("`{name}`")).collect();
            return Err(Error::usage(format!("there are {several} sweeps in {MANIFEST}"))
                .with_hint(format!("name one: {}", names.join(", "))));
        }
    };
    Ok((name, words.to_vec()))
}
