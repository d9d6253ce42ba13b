//! `mlx model register`: the model as it is becomes a version.

use std::io::{self, Write};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::super::output::size;
use super::super::{Context, Render, Text};
use crate::Result;
use crate::data::Workspace;
use crate::registry::{Remarks, Sources, Version};
use crate::run::Runs;

/// Make a version of a model
///
/// Takes the model as `mlx.lock` has it, with the run that made it, its parameters, metrics, environment and commit, and
/// the digests of all data and code that went into it. The same model from the same run is one version. Where the registry
/// is shared (`registry` in mlx.toml), the content of the model goes there first.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx model register churn\n  mlx model register churn --run 9be0\n  mlx model register churn --description 'trained on the data of March'"
)]
pub struct Register {
    /// Model of the manifest
    name: String,
    /// Take the model that this run made: a name, an id, a unique beginning of one, or `latest`
    #[arg(long)]
    run: Option<String>,
    /// What is worth knowing about this version
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

impl Register {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let project = cx.project()?;
        let workspace = Workspace::open(&project)?;
        let runs = Runs::open(&project, workspace.store(), &*cx.events)?;
        let remarks = Remarks { who: cx.user(), when: Timestamp::now(), description: self.description };
        let sources = Sources { project: &project, workspace: &workspace, runs: &runs };
        let candidate = sources.candidate(&self.name, self.run.as_deref(), remarks, cx.watch())?;
        let registry = cx.registry(&project, workspace.store())?;
        registry.send(&candidate, cx.watch())?;
        let registered = registry.register(candidate)?;
        let (name, number, is_new) = (&self.name, registered.version.version, registered.is_new);
        cx.out.show(&Shown { version: registered.version, is_new })?;
        if is_new {
            cx.out.hint(format!(
                "Next: `mlx model promote {name} {number} production`, or `mlx package {name}:{number}`"
            ));
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    version: Version,
    /// Whether it was made now; otherwise it was there already.
    is_new: bool,
}

impl Render for Shown {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Version { model, version, path, object, run, .. } = &self.version;
        let run = run.as_ref().map_or(String::new(), |run| format!(", from run {run}"));
        let what = format!("{path}, {}, {}{run}", object.digest.short(), size(object.size));
        match self.is_new {
            true => writeln!(out, "Registered `{model}` {version} ({what})"),
            false => writeln!(out, "`{model}` is already version {version} ({what}); nothing changed"),
        }
    }
}
