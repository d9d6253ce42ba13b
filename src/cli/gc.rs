//! `mlx gc`: remove what nothing names.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;

use super::output::{count, size};
use super::{Context, Render, Text, env};
use crate::Result;
use crate::bundle;
use crate::data::{self, Amount, Collected, Collection, History, Workspace};
use crate::project::parse_duration;

/// An environment that was not used for so many days is mentioned.
const OLD_DAYS: u32 = 30;

/// Find objects that nothing names, and remove them with `--yes`
///
/// Kept is whatever `mlx.lock`, the locks of all commits of all branches and tags, runs, models and bundles name, in this
/// project and in all others that use the same store. Small objects and packs that stay are put together. Without `--yes`
/// nothing is changed. Refuses when one of these cannot be read.
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
    /// Take no more notice of projects that used the store and are not there any more
    #[arg(long)]
    forget_missing: bool,
    /// Remove damaged files that `mlx verify` and `mlx pull --repair` put aside, too
    #[arg(long)]
    quarantine: bool,
}

fn grace(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a time such as 30m, 12h or 7d".into())
}

impl Gc {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        let how = Collection {
            grace: self.grace,
            history: if self.drop_history { History::Tips } else { History::Whole },
            forget_missing: self.forget_missing,
            quarantine: self.quarantine,
            remove: self.yes,
        };
        let collected = data::collect_garbage(&project, &workspace, how, cx.watch())?;
        let is_plan = !collected.removed
            && (collected.objects > 0
                || !collected.folded.is_empty()
                || !collected.forgotten.is_empty()
                || (self.quarantine && collected.quarantined.count > 0));
        cx.out.show(&collected)?;
        if is_plan {
            let quarantine = if self.quarantine { " --quarantine" } else { "" };
            cx.out.hint(format!("Nothing was changed; do it with `mlx gc --yes{quarantine}`"));
        } else if collected.quarantined.count > 0 && !self.quarantine {
            cx.out.hint("What was put aside goes with `mlx gc --yes --quarantine`");
        }
        let old = old_environments(cx)?;
        if old.count > 0 {
            let (count, size) = (count(old.count, "environment"), size(old.bytes));
            cx.out.hint(format!(
                "{count} ({size}) not used for {OLD_DAYS} days; remove with `mlx env rm --unused {OLD_DAYS}`"
            ));
        }
        let releases = bundle::Cache::of_user(&cx.cache_directory_for(&project)).kept()?;
        let idle: Vec<_> = releases.iter().filter(|kept| kept.is_unused_for(bundle::UNUSED)).collect();
        if !idle.is_empty() {
            let (count, size) = (count(idle.len() as u64, "release"), size(idle.iter().map(|kept| kept.bytes).sum()));
            let what = format!("{count} in the cache ({size}) not used for {OLD_DAYS} days");
            cx.out.hint(format!("{what}; remove with `mlx cache --clean`"));
        }
        Ok(())
    }
}

/// The environments of all projects that nobody used for a while.
fn old_environments(cx: &Context) -> Result<Amount> {
    let old = env::unused(&env::listed(cx)?, OLD_DAYS);
    Ok(Amount { count: old.len() as u64, bytes: old.iter().map(|kept| kept.bytes).sum() })
}

impl Render for Collected {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let would = |past: &str, future: &str| if self.removed { past.to_owned() } else { format!("Would {future}") };
        for root in &self.forgotten {
            writeln!(out, "{} the project `{root}`, which is not there", would("Forgot", "forget"))?;
        }
        let (objects, bytes) = (count(self.objects, "object"), size(self.bytes));
        writeln!(out, "{} {objects} ({bytes}); {} in use", would("Removed", "remove"), count(self.kept, "object"))?;
        if self.quarantined.count > 0 {
            let (files, bytes) = (count(self.quarantined.count, "damaged file"), size(self.quarantined.bytes));
            match self.clears_quarantine {
                true => writeln!(out, "{} {files} that were put aside ({bytes})", would("Removed", "remove"))?,
                false => writeln!(out, "Put aside: {files} ({bytes})")?,
            }
        }
        if self.young > 0 {
            writeln!(out, "Kept for the grace period, though nothing names them: {}", count(self.young, "object"))?;
        }
        if !self.folded.is_empty() {
            let (objects, packs) = (count(self.folded.objects, "small object"), count(self.folded.packs, "small pack"));
            let what = match (self.folded.objects, self.folded.packs) {
                (0, _) => packs,
                (_, 0) => objects,
                _ => format!("{objects} and {packs}"),
            };
            writeln!(out, "{} {what} together ({})", would("Put", "put"), size(self.folded.bytes))?;
        }
        if let [first, others @ ..] = self.neighbours.as_slice() {
            let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
            writeln!(out, "Kept what other projects need that use this store: `{first}`{more}")?;
        }
        Ok(())
    }
}
