//! `mlx model archive`, `restore` and `rm`: versions are put out of use, taken into use again, given up.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::super::output::size;
use super::super::{Context, Render, Text, targeted};
use crate::bundle;
use crate::data::{self, Amount, Workspace};
use crate::deploy;
use crate::project::Project;
use crate::registry::{Reference, Version};
use crate::store::Store;
use crate::{Error, Result};

/// Put a version out of use
///
/// It is not listed any more, and neither promoted, packaged nor deployed, until it is restored. Its content stays. A version
/// that holds an alias or is live on a target can't be archived.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx model archive churn:2 --why 'trained on rows of the future'\n  mlx model list --all"
)]
pub struct Archive {
    #[command(flatten)]
    which: Which,
    /// Do it even where a target has it live, or can't be asked
    #[arg(short, long)]
    force: bool,
}

/// Take an archived version into use again
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx model restore churn:2")]
pub struct Restore {
    #[command(flatten)]
    which: Which,
}

/// Give a version up for good
///
/// Its record goes and those of its bundles, and what they alone kept in the store is garbage then, which `mlx gc --yes`
/// removes; the files of bundles stay where they were written. Its number is never given again, and the history says who
/// removed it. A version that holds an alias or is live on a target stays.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx model rm churn:2 --why 'holds personal data'\n  mlx gc --yes")]
pub struct Remove {
    #[command(flatten)]
    which: Which,
    /// Do it even where a target has it live, or can't be asked
    #[arg(short, long)]
    force: bool,
}

#[derive(Args)]
struct Which {
    /// Version in question: `churn:3` or `churn@old`
    #[arg(value_name = "MODEL:VERSION")]
    reference: Reference,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

impl Which {
    /// The version; one that is not named by number or alias could be another one than was thought of.
    fn find(&self, registry: &crate::registry::Registry) -> Result<Version> {
        if self.reference.which == crate::registry::Which::Newest {
            let model = &self.reference.model;
            return Err(
                Error::usage(format!("`{model}` names no version")).with_hint(format!("write its number: `{model}:3`"))
            );
        }
        registry.find(&self.reference)
    }
}

impl Archive {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let registry = cx.registry(&project, &Store::of(&project)?)?;
        let version = self.which.find(&registry)?;
        if !self.force {
            refuse_live(cx, &project, &version, "archived")?;
        }
        let (model, number) = (version.model, version.version);
        let changed = registry.archive(&model, number, &cx.author(self.which.why))?;
        cx.out.show(&Retired { model, version: number, changed, did: "archived", garbage: None })
    }
}

impl Restore {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let registry = cx.registry(&project, &Store::of(&project)?)?;
        let version = self.which.find(&registry)?;
        let (model, number) = (version.model, version.version);
        let changed = registry.restore(&model, number, &cx.author(self.which.why))?;
        cx.out.show(&Retired { model, version: number, changed, did: "in use", garbage: None })
    }
}

impl Remove {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let workspace = Workspace::open(&project)?;
        let registry = cx.registry(&project, workspace.store())?;
        let version = self.which.find(&registry)?;
        if !self.force {
            refuse_live(cx, &project, &version, "removed")?;
        }
        let (model, number) = (version.model, version.version);
        let bundles = bundle::made(workspace.store(), &model, number)?;
        let mut records: Vec<String> = bundles.iter().map(bundle::Record::name).collect();
        // What a shared registry names is on its remote, and kept here by nobody.
        if registry.url().is_none() {
            records.push(format!("models/{model}/versions/{number}"));
        }
        let garbage = data::freed_by(&project, &workspace, &records)?;
        // First, since who is killed before the version is gone does it again; one that holds an alias is refused below.
        if registry.state(&model)?.aliases_of(number).is_empty() {
            bundle::forget_made(workspace.store(), &bundles)?;
        }
        registry.remove(&model, number, &cx.author(self.which.why))?;
        let frees = garbage.count > 0;
        cx.out.show(&Retired { model, version: number, changed: true, did: "removed", garbage: Some(garbage) })?;
        if frees {
            cx.out.hint("Free the room: `mlx gc --yes`");
        }
        Ok(())
    }
}

/// Refuses a version that answers on a target of the manifest.
fn refuse_live(cx: &Context, project: &Project, version: &Version, what: &str) -> Result<()> {
    let (model, number) = (&version.model, version.version);
    for name in project.manifest.targets.keys() {
        let answering = targeted::open(cx, project, name).and_then(|targeted| deploy::answering(&*targeted.target));
        let answering = answering.map_err(|error| {
            error
                .context(format!("cannot tell whether `{model}` {number} is live on `{name}`"))
                .with_hint("`--force` does it all the same")
        })?;
        let found = answering.iter().find(|answers| answers.model == *model && answers.version == number);
        if let Some(answers) = found {
            let state = if answers.is_canary { "the canary" } else { "live" };
            return Err(Error::usage(format!("`{model}` {number} is {state} on `{name}` and can't be {what}")).with_hint(
                format!("deploy another version first, or go back with `mlx rollback {name}`; `--force` does it all the same"),
            ));
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Retired {
    model: String,
    version: u64,
    changed: bool,
    #[serde(skip)]
    did: &'static str,
    /// What nothing else names, where it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    garbage: Option<Amount>,
}

impl Render for Retired {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { model, version, changed, did, garbage } = self;
        match (changed, garbage) {
            (false, _) => writeln!(out, "`{model}` {version} is {did} already; nothing changed"),
            (true, Some(garbage)) if garbage.count > 0 => {
                let (objects, bytes) = (garbage.count, size(garbage.bytes));
                writeln!(out, "`{model}` {version} is {did}; {objects} objects ({bytes}) are named by nothing else")
            }
            (true, _) => writeln!(out, "`{model}` {version} is {did} now"),
        }
    }
}
