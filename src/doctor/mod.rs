//! The doctor: what mlx finds on this machine and in this project, and what to do about what is missing.
//!
//! It changes nothing that the user made: what it tries on the file system it tries on temporary files.

mod engines;
mod environments;
mod machine;
mod reach;
mod workspace;

use std::ffi::OsString;
use std::path::Path;

use serde::Serialize;

use crate::env::{Declared, Interpreters};
use crate::event::EventSink;
use crate::project::Project;
use crate::project::manifest::DEFAULT_ENVIRONMENT;
use crate::remote::Access;
use crate::{Error, Result};

/// What was found, one line for each thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    pub name: String,
    pub verdict: Verdict,
    /// What was found, in words.
    pub found: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Not there or not as it could be; the project works without it.
    Notice,
    /// The project needs it, and it is missing.
    Missing,
}

/// Where the doctor looks.
pub struct Place<'a> {
    /// The project, or why it can't be opened; `None` outside of one.
    pub project: Option<&'a Result<Project>>,
    /// The directory for what can be made again.
    pub cache: &'a Path,
    pub interpreters: &'a Interpreters,
    /// How remotes are reached from here.
    pub access: Access,
    /// The value of an environment variable.
    pub variable: fn(&str) -> Option<OsString>,
    /// The names of those that are set.
    pub variable_names: &'a [OsString],
    /// Hears what is mended on the way, such as a damaged index.
    pub events: &'a dyn EventSink,
}

impl Report {
    /// Whether nothing is missing that is needed.
    pub fn is_usable(&self) -> bool {
        self.missing() == 0
    }

    /// How many things are missing that are needed.
    pub fn missing(&self) -> usize {
        self.checks.iter().filter(|check| check.verdict == Verdict::Missing).count()
    }
}

impl Check {
    fn good(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Good, found: found.into(), remedy: None }
    }

    fn notice(name: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Notice, remedy: Some(remedy.into()), ..Self::good(name, found) }
    }

    fn missing(name: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Missing, ..Self::notice(name, found, remedy) }
    }

    /// The error that came up instead of an answer.
    fn failed(name: impl Into<String>, error: &Error) -> Self {
        let remedy = error.hint().map(str::to_owned);
        Self { verdict: Verdict::Missing, remedy, ..Self::good(name, error.to_string()) }
    }
}

/// Looks at the machine and, where there is one, at the project.
pub fn examine(place: &Place<'_>) -> Report {
    let Place { project, cache, interpreters, access, events, .. } = place;
    let opened = project.and_then(|project| project.as_ref().ok());
    let declared = opened.map(|project| Declared::of(project, DEFAULT_ENVIRONMENT, cache, interpreters, None));
    let mut checks = machine::checks(opened, declared.as_ref(), place);
    match project {
        Some(Ok(project)) => {
            let declared = declared.and_then(Result::ok);
            checks.extend(environments::checks(project, declared.as_ref(), cache, interpreters));
            checks.extend(workspace::checks(project, declared.as_ref(), *events));
            checks.extend(reach::checks(project, access));
            checks.extend(engines::checks(project, place));
        }
        None => checks.push(Check::notice("project", "none here", "start one with `mlx init`")),
        Some(Err(error)) => checks.push(Check::failed("project", error)),
    }
    Report { checks }
}
