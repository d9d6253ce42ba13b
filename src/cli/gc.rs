//! `mlx gc`: remove what nothing names.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;

use super::output::{count, size};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, Collected, History, Workspace};
use crate::project::parse_duration;

/// Find objects that nothing names, and remove them with `--yes`
///
/// Kept is whatever `mlx.lock`, the locks of all commits of all branches and tags, runs, models and bundles name. Without `--yes`
/// nothing is removed. Refuses when one of these cannot be read.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx gc\n  mlx gc --yes\n  mlx gc --yes --drop-history --grace 7d")]
pub struct Gc {
    /// Remove them
    #[arg(short, long)]
    yes: bool,
    /// Keep of Git's history only what branches and tags point at
    #[arg(long)]
    drop_history: bool,
    /// Keep objects that are younger than this, such as 30m, 12h or 7d
    #[arg(long, value_name = "TIME", default_value = "12h", value_parser = grace)]
    grace: Duration,
}

fn grace(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a time such as 30m, 12h or 7d".into())
}

impl Gc {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        let history = if self.drop_history { History::Tips } else { History::Whole };
        let collected = data::collect_garbage(&project, &workspace, self.grace, history, self.yes, cx.watch())?;
        let is_plan = !collected.removed && collected.objects > 0;
        cx.out.show(&collected)?;
        if is_plan {
            cx.out.hint("Nothing was removed; do it with `mlx gc --yes`");
        }
        Ok(())
    }
}

impl Render for Collected {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let verb = if self.removed { "Removed" } else { "Would remove" };
        let (objects, bytes) = (count(self.objects, "object"), size(self.bytes));
        writeln!(out, "{verb} {objects} ({bytes}); {} in use", count(self.kept, "object"))?;
        if self.young > 0 {
            writeln!(out, "Kept for the grace period, though nothing names them: {}", count(self.young, "object"))?;
        }
        Ok(())
    }
}
