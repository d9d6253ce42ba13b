//! `mlx runs rm`: runs are taken away.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::super::output::{count, size};
use super::super::{Context, Render, Text};
use crate::data::{self, Amount, Workspace};
use crate::registry::Registry;
use crate::run::{Run, RunId, Runs};
use crate::{Error, Result};

/// Take runs away
///
/// Their records go; what they alone kept in the store is garbage then, and `mlx gc --yes` removes it. A run that a version of
/// a model comes from stays, unless that is forced.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx runs rm 9be0 41f7\n  mlx runs rm latest --dry-run\n  mlx runs rm baseline --force"
)]
pub struct Remove {
    /// Runs in question: names, ids, unique beginnings of these, or `latest`
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// Say what would go, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Take them away even where a version of a model comes from one
    #[arg(short, long)]
    force: bool,
}

impl Remove {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let workspace = Workspace::open(&project)?;
        let runs = Runs::open(&project, workspace.store(), &*cx.events)?;
        let mut found: Vec<Run> = self.runs.iter().map(|name| runs.find(name)).collect::<Result<_>>()?;
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        if !self.force {
            refuse_origins(&cx.registry(&project, workspace.store())?, &found)?;
        }
        let records: Vec<String> = found.iter().flat_map(|run| Runs::records_of(&run.id)).collect();
        let freed = data::freed_by(&project, &workspace, &records)?;
        if !self.dry_run {
            runs.remove(&found)?;
        }
        let removed =
            Removed { runs: found.into_iter().map(|run| run.id).collect(), dry_run: self.dry_run, garbage: freed };
        cx.out.show(&removed)?;
        if removed.garbage.count > 0 && !self.dry_run {
            cx.out.hint("Free the room: `mlx gc --yes`");
        }
        Ok(())
    }
}

/// Refuses runs that versions of models come from.
fn refuse_origins(registry: &Registry, runs: &[Run]) -> Result<()> {
    for model in registry.models()? {
        for version in registry.versions(&model)? {
            let Some(run) = version.run.as_ref().filter(|id| runs.iter().any(|run| run.id == **id)) else { continue };
            return Err(Error::usage(format!("`{model}` {} comes from run {run}", version.version)).with_hint(
                "leave it, so that one can see where the model comes from; `--force` takes it away all the same",
            ));
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Removed {
    runs: Vec<RunId>,
    dry_run: bool,
    /// What nothing else names.
    garbage: Amount,
}

impl Render for Removed {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let did = if self.dry_run { "Would take away" } else { "Took away" };
        let names: Vec<&str> = self.runs.iter().map(RunId::as_str).collect();
        let Amount { count: objects, bytes } = self.garbage;
        let garbage = match objects {
            0 => "nothing of them was kept for them alone".to_owned(),
            _ => format!("{} ({}) are named by nothing else", count(objects, "object"), size(bytes)),
        };
        writeln!(out, "{did} {}: {garbage}", names.join(", "))
    }
}
