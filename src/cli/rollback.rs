//! `mlx rollback`: a target goes back to an earlier release.

use std::io::{self, Write};

use clap::Args;

use super::{Context, Render, Text, targeted};
use crate::Result;
use crate::deploy::{self, RolledBack};

/// Go back to the release that was live before
///
/// Asks the old release whether it answers, then switches in one step; nothing is uploaded. Each rollback goes one
/// release further back. Where a canary answers a part of the requests, only that ends.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx rollback production\n  mlx rollback production --to 3f9a")]
pub struct Rollback {
    /// Target of the manifest
    target: String,
    /// Go to this release: its digest or the first digits of it, as `mlx releases` shows them
    #[arg(long, value_name = "RELEASE")]
    to: Option<String>,
}

impl Rollback {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let project = cx.project()?;
        let targeted = targeted::open(cx, &project, &self.target)?;
        let target = &*targeted.target;
        let to = self.to.as_ref().map(|text| deploy::find_release(target, &self.target, text)).transpose()?;
        let rolled_back = deploy::rollback(target, to.as_ref(), &targeted.order(), cx.watch())?;
        cx.out.show(&rolled_back)?;
        if rolled_back.changed && !rolled_back.canary_ended && targeted.manifest.cluster.is_none() {
            cx.out.hint(targeted::what_follows(&self.target));
        }
        Ok(())
    }
}

impl Render for RolledBack {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { target, changed, canary_ended, release, model, version, before, .. } = self;
        let what = format!("`{model}` {version} ({})", release.short());
        let was_live = before.map_or(String::new(), |before| format!(", before: release {}", before.short()));
        match changed {
            _ if *canary_ended => {
                let canary = before.map_or(String::new(), |canary| canary.short());
                writeln!(out, "{what} answers all requests on `{target}` again; the canary {canary} ended")
            }
            true => writeln!(out, "{what} is live on `{target}` again{was_live}"),
            false => writeln!(out, "{what} is live on `{target}` already; nothing changed"),
        }
    }
}
