//! `mlx cache`: what takes room in the store and in the user's cache.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::output::{count, minute, size};
use super::table::shorten;
use super::{Context, Render, Table, Text};
use crate::bundle::{self, Kept};
use crate::data::{self, Amount, Cache, Purpose, Workspace};
use crate::fs::quote;
use crate::project::Project;
use crate::store::Store;
use crate::{Error, Result};

/// Show what takes room in the store and in the user's cache
///
/// Of the store, says where it lies (loose files, packs, trash, damaged files put aside), what needs it (tracked paths,
/// outputs, runs, models and bundles, dependencies of steps, other commits, other projects, nothing: what `mlx gc` would
/// remove), and which are the largest. Of the cache that all of the user's projects share, which releases lie there unpacked,
/// who uses them, and what else does. Content is not read.
///
/// `--clean` removes from the cache what is brought or made again when it is needed: releases that nobody serves, and layers
/// of images, unused for 30 days; for environments there is `mlx env rm`.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx cache
  mlx cache --json | jq '.entries[:3]'
  mlx cache --clean --dry-run
  mlx cache --clean --unused 0
  mlx cache --adopt")]
pub struct ShowCache {
    /// Bring objects from `.mlx/store` over to the store that the settings name
    #[arg(long)]
    adopt: bool,
    /// Remove releases and layers of images that nobody uses from the cache
    #[arg(long, conflicts_with = "adopt")]
    clean: bool,
    /// Remove those that nobody used for so many days
    #[arg(long, value_name = "DAYS", default_value_t = 30, requires = "clean")]
    unused: u32,
    /// Show what would be removed, and remove nothing
    #[arg(short = 'n', long, requires = "clean")]
    dry_run: bool,
}

/// So many of the largest, and of the releases, are shown.
const SHOWN: usize = 10;

impl ShowCache {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let is_in_project = Project::root_around(&cx.directory).is_some();
        let project = if is_in_project || self.adopt { Some(cx.project()?) } else { None };
        cx.catch_signals()?;
        if let Some(project) = project.as_ref().filter(|_| self.adopt) {
            let (store, own) = Store::of_both(project)?;
            if project.settings.store_path().is_none() {
                return Err(Error::usage("the settings name no other store")
                    .with_hint("name one first: `path` in [store] of `.mlx/config.toml`"));
            }
            let objects = store.adopt(&own, cx.watch())?;
            let adopted = Adopted { objects, store: quote(store.root()) };
            return cx.out.show(&adopted);
        }
        let caches = match &project {
            Some(project) => cx.cache_directory_for(project),
            None => cx.cache_directory()?,
        };
        if self.clean {
            return self.clean(&caches, cx);
        }
        let environments = caches.join("envs");
        let store = match &project {
            Some(project) => {
                let workspace = Workspace::open(project)?;
                Some(data::cache(project, &workspace, &environments, cx.watch())?)
            }
            None => None,
        };
        let bundles = bundle::Cache::of_user(&caches);
        let shared = Shared {
            directory: quote(&caches),
            releases: bundles.kept()?,
            releases_bytes: bundles.room(),
            images: data::files_below(&bundle::layers(&caches)),
            environments: data::files_below(&environments),
        };
        let has_garbage =
            store.as_ref().is_some_and(|store| store.needed_for.iter().any(|need| need.purpose == Purpose::Nothing));
        cx.out.show(&Shown { store, shared })?;
        if has_garbage {
            cx.out.hint("`mlx gc` says what of that can go");
        }
        Ok(())
    }

    fn clean(&self, caches: &Path, cx: &mut Context) -> Result<()> {
        let unused = Duration::from_secs(u64::from(self.unused) * 24 * 3600);
        let cleaned = bundle::Cache::of_user(caches).clean(unused, !self.dry_run, cx.watch())?;
        let (layers, bytes) = bundle::clean_layers(caches, unused, !self.dry_run)?;
        cx.out.show(&Cleaned {
            removed: !self.dry_run,
            bytes: cleaned.bytes + bytes,
            releases: cleaned.releases,
            layers,
        })
    }
}

/// What takes room.
#[derive(Serialize)]
struct Shown {
    /// `None` outside of a project.
    #[serde(flatten)]
    store: Option<Cache>,
    shared: Shared,
}

/// The cache that all of the user's projects share.
#[derive(Serialize)]
struct Shared {
    directory: String,
    releases: Vec<Kept>,
    /// The room of all of them; what several have in common counts once.
    releases_bytes: u64,
    /// Layers of the images that others were built on.
    images: Amount,
    environments: Amount,
}

impl Render for Shown {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        if let Some(store) = &self.store {
            store.render(out)?;
            writeln!(out)?;
        }
        self.shared.render(out)
    }
}

impl Render for Shared {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { directory, releases, releases_bytes, images, environments } = self;
        let mut table = Table::new(["where", "how many", "room"]).right([1, 2]);
        let places = [
            ("releases", count(releases.len() as u64, "release"), *releases_bytes),
            ("layers of images", count(images.count, "layer"), images.bytes),
            ("environments", count(environments.count, "file"), environments.bytes),
        ];
        for (place, number, bytes) in places.into_iter().filter(|(.., bytes)| *bytes > 0) {
            table.row([place.to_owned(), number, size(bytes)]);
        }
        if table.is_empty() {
            return writeln!(out, "Cache `{directory}`: nothing yet");
        }
        writeln!(out, "Cache `{directory}`")?;
        table.render(out)?;
        if releases.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        releases_table(releases.iter().take(SHOWN)).render(out)?;
        match releases.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(out, "and {} more", count(more as u64, "release")),
        }
    }
}

fn releases_table<'a>(releases: impl Iterator<Item = &'a Kept>) -> Table {
    let mut table = Table::new(["release", "model", "room", "last used", "state"]).right([2]);
    for Kept { release, model, bytes, last_used, in_use, .. } in releases {
        let model = model.as_ref().map_or("not whole".into(), |model| format!("{} {}", model.name, model.version));
        let state = if *in_use { "in use" } else { "" };
        table.row([release.short(), model, size(*bytes), last_used.map_or("-".into(), minute), state.into()]);
    }
    table
}

/// What was removed from the cache, or would be.
#[derive(Serialize)]
struct Cleaned {
    removed: bool,
    releases: Vec<Kept>,
    /// Layers of images.
    layers: u64,
    bytes: u64,
}

impl Render for Cleaned {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { removed, releases, layers, bytes } = self;
        if !releases.is_empty() {
            releases_table(releases.iter()).render(out)?;
            writeln!(out)?;
        }
        let verb = if *removed { "Removed" } else { "Would remove" };
        let releases = count(releases.len() as u64, "release");
        let layers = if *layers > 0 { format!(" and {}", count(*layers, "layer")) } else { String::new() };
        writeln!(out, "{verb} {releases}{layers} ({})", size(*bytes))
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
                Purpose::Record => "runs, models and bundles",
                Purpose::Dependency => "dependencies of steps",
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
