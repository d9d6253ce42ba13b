//! `mlx env rm`: take environments out of the cache.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::list::{Named, listed};
use crate::cli::output::{count, size};
use crate::cli::{Context, Render, Table, Text};
use crate::digest::Prefix;
use crate::env::{self, Kept, Removed};
use crate::error::did_you_mean;
use crate::fs::escape;
use crate::{Error, Result};

/// Remove environments from the cache
///
/// What is needed again is made again. One that a training or a shell uses now stays.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx env rm default\n  mlx env rm 3f9ac0e1b2d4\n  mlx env rm --unused 30 --dry-run"
)]
pub struct Remove {
    /// Environments to remove: names in this project, or the beginnings of digests
    #[arg(value_name = "NAME|DIGEST", required_unless_present = "unused")]
    environments: Vec<String>,
    /// Remove those that nobody used for so many days
    #[arg(long, value_name = "DAYS", conflicts_with = "environments")]
    unused: Option<u32>,
    /// Show what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Remove {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let listed = listed(cx)?;
        let meant = match self.unused {
            Some(days) => unused(&listed, days),
            None => find(&listed, &self.environments)?,
        };
        let removed = env::remove(meant, !self.dry_run)?;
        cx.out.show(&Report(&removed))?;
        match removed.in_use.first() {
            // Who named it wants to know; of those that are merely old, one in use is none to remove.
            Some(kept) if self.unused.is_none() => {
                let what = format!("environment {} ({})", kept.digest.short(), escape(kept.what.as_bytes()));
                Err(Error::failed(format!("{what} is in use"))
                    .with_hint("wait for the training or the shell that uses it"))
            }
            _ => Ok(()),
        }
    }
}

/// Those that nobody used for so many days.
pub fn unused(listed: &[Named], days: u32) -> Vec<Kept> {
    let limit = Duration::from_secs(u64::from(days) * 24 * 3600);
    listed.iter().map(|named| &named.kept).filter(|kept| !kept.in_use && kept.idle() >= limit).cloned().collect()
}

fn find(listed: &[Named], wanted: &[String]) -> Result<Vec<Kept>> {
    let mut found: Vec<Kept> = Vec::new();
    for wanted in wanted {
        let prefix: Option<Prefix> = wanted.parse().ok();
        let is_meant = |named: &&Named| {
            named.names.contains(wanted) || prefix.as_ref().is_some_and(|prefix| prefix.begins(&named.kept.digest))
        };
        let meant: Vec<&Named> = listed.iter().filter(is_meant).collect();
        let shown = escape(wanted.as_bytes());
        match meant.as_slice() {
            [] => {
                let names = listed.iter().flat_map(|named| named.names.iter().map(String::as_str));
                let hint = format!("{}; `mlx env list` shows all", did_you_mean(wanted, names));
                return Err(Error::usage(format!("there is no environment `{shown}` in the cache")).with_hint(hint));
            }
            // Those of one digest, tied to several places, are one to the user.
            all if all.iter().all(|named| named.kept.digest == all[0].kept.digest) => {
                found.extend(all.iter().map(|named| named.kept.clone()));
            }
            several => {
                let message = format!("`{shown}` begins the digests of {} environments", several.len());
                return Err(
                    Error::usage(message).with_hint("say more of the digest; `mlx env list --json` has all of it")
                );
            }
        }
    }
    found.sort_by(|a, b| a.directory.cmp(&b.directory));
    found.dedup_by(|a, b| a.directory == b.directory);
    Ok(found)
}

#[derive(Serialize)]
#[serde(transparent)]
struct Report<'a>(&'a Removed);

impl Render for Report<'_> {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Removed { removed, environments, bytes, .. } = self.0;
        if !environments.is_empty() {
            let mut table = Table::new(["digest", "made from", "size"]).right([2]);
            for kept in environments {
                table.row([kept.digest.short(), kept.what.clone(), size(kept.bytes)]);
            }
            table.render(out)?;
            writeln!(out)?;
        }
        let verb = if *removed { "Removed" } else { "Would remove" };
        writeln!(out, "{verb} {} ({})", count(environments.len() as u64, "environment"), size(*bytes))
    }
}
