//! `mlx cache`: what takes room in the store.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::output::{count, size};
use super::table::shorten;
use super::{Context, Render, Table, Text};
use crate::data::{self, Amount, Cache, Purpose, Workspace};
use crate::fs::quote;
use crate::store::Store;
use crate::{Error, Result};

/// Show what takes room in the store
///
/// Says where it lies (loose files, packs, trash, damaged files put aside, environments), what needs it (tracked paths,
/// outputs, runs, other commits, other projects, nothing), and which are the largest. Content is not read.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx cache\n  mlx cache --json | jq '.entries[:3]'\n  mlx cache --adopt")]
pub struct ShowCache {
    /// Bring objects from `.mlx/store` over to the store that the settings name
    #[arg(long)]
    adopt: bool,
}

/// So many of the largest are shown.
const SHOWN: usize = 10;

impl ShowCache {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        cx.catch_signals()?;
        if self.adopt {
            let (store, own) = Store::of_both(&project)?;
            if project.settings.store_path().is_none() {
                return Err(Error::usage("the settings name no other store")
                    .with_hint("name one first: `path` in [store] of `.mlx/config.toml`"));
            }
            let objects = store.adopt(&own, cx.watch())?;
            let adopted = Adopted { objects, store: quote(store.root()) };
            return cx.out.show(&adopted);
        }
        let workspace = Workspace::open(&project)?;
        let environments = cx.cache_directory_for(&project).join("envs");
        let cache = data::cache(&project, &workspace, &environments, cx.watch())?;
        cx.out.show(&cache)?;
        if cache.needed_for.iter().any(|need| need.purpose == Purpose::Nothing) {
            cx.out.hint("`mlx gc` says what of that can go");
        }
        Ok(())
    }
}

/// What was brought over.
#[derive(Serialize)]
struct Adopted {
    objects: u64,
    store: String,
}

impl Render for Adopted {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        writeln!(out, "Brought {} over to `{}`", count(self.objects, "object"), self.store)
    }
}

impl Render for Cache {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        writeln!(out, "Store `{}`", self.store)?;
        if !self.neighbours.is_empty() {
            writeln!(out, "Used by {} too", count(self.neighbours.len() as u64, "other project"))?;
        }
        let places = [
            ("loose files", self.loose, "object"),
            (&count(self.packs, "pack"), self.packed, "object"),
            ("trash", self.trash, "file"),
            ("put aside as damaged", self.quarantine, "file"),
            ("being written", self.temporary, "file"),
            ("environments", self.environments, "file"),
        ];
        let mut table = Table::new(["where", "how many", "room"]).right([1, 2]);
        for (place, Amount { count: number, bytes }, noun) in places {
            if number > 0 {
                table.row([place.to_owned(), count(number, noun), size(bytes)]);
            }
        }
        if table.is_empty() {
            return writeln!(out, "It is empty");
        }
        table.render(out)?;
        if self.needed_for.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        let mut table = Table::new(["needed for", "objects", "room"]).right([1, 2]);
        for need in &self.needed_for {
            let what = match need.purpose {
                Purpose::Path => "tracked paths",
                Purpose::Output => "outputs",
                Purpose::Record => "runs and models",
                Purpose::History => "other commits only",
                Purpose::OtherProject => "other projects only",
                Purpose::Nothing => "nothing",
            };
            table.row([what.into(), need.amount.count.to_string(), size(need.amount.bytes)]);
        }
        table.render(out)?;
        if self.entries.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        let mut table = Table::new(["largest", "objects", "room", "shared"]).right([1, 2, 3]);
        for entry in self.entries.iter().take(SHOWN) {
            let shared = if entry.shared_bytes == 0 { "-".into() } else { size(entry.shared_bytes) };
            table.row([
                shorten(&entry.name, Some(60)),
                entry.amount.count.to_string(),
                size(entry.amount.bytes),
                shared,
            ]);
        }
        table.render(out)
    }
}
