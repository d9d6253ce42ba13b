//! `mlx fetch`: bring data and outputs into the store; and what push, pull and fetch have in common.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::output::{count, size};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, Selection, Versions, some_names};
use crate::project::Project;
use crate::remote::{self, Fetched, Remote};

/// What travels, and between which places.
#[derive(Args)]
pub struct Transferred {
    /// Remote of the manifest; the only one, or `origin`, where none is given
    #[arg(short, long, value_name = "NAME")]
    remote: Option<String>,
    /// Versions that this Git revision names
    #[arg(long, value_name = "REV", conflicts_with = "all_revs")]
    rev: Option<String>,
    /// Versions that any commit of any branch or tag names
    #[arg(long)]
    all_revs: bool,
    /// Say what would be sent or received, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Files that are sent or received at once
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

impl Transferred {
    /// The remote and its name.
    pub fn remote(&self, cx: &Context, project: &Project) -> Result<(String, Arc<dyn Remote>)> {
        remote::of_project(project, self.remote.as_deref(), &cx.access())
    }

    /// What travels.
    pub fn selection(&self, cx: &Context, project: &Project, paths: &[PathBuf]) -> Result<Selection> {
        let versions = match &self.rev {
            Some(revision) => Versions::Revision(revision.clone()),
            None if self.all_revs => Versions::All,
            None => Versions::Lock,
        };
        let (paths, jobs) = (cx.paths(project, paths)?, usize::from(self.jobs));
        Ok(Selection { versions, paths, jobs, repair: false, dry_run: self.dry_run })
    }
}

/// Bring data and outputs from a remote into the store
///
/// The working tree stays as it is; `mlx checkout` puts things there, and `mlx pull` does both. A fetch that was cut off
/// goes on where it was.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx fetch
  mlx fetch --all-revs
  mlx fetch data/images --rev v1.0")]
pub struct Fetch {
    #[command(flatten)]
    what: Transferred,
    /// Files or directories; all that the lock names where none is given
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Fetch {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let (_, remote) = self.what.remote(cx, &project)?;
        let selection = self.what.selection(cx, &project, &self.paths)?;
        cx.catch_signals()?;
        let workspace = data::Workspace::open(&project)?;
        let fetched = data::fetch(&project, &workspace, &*remote, &selection, cx.watch())?;
        cx.out.show(&fetched)?;
        fetched.verdict()
    }
}

impl Render for Fetched {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { url, objects, bytes, received_bytes, present, repaired, lacking, paths, .. } = self;
        if *repaired > 0 {
            writeln!(out, "Damaged here, and put aside: {}", count(*repaired, "object"))?;
        }
        if !lacking.is_empty() {
            let names = if paths.is_empty() { String::new() } else { format!(": {}", some_names(paths.iter())) };
            writeln!(out, "Not whole on {url}: {}{names}", count(lacking.len() as u64, "object"))?;
        }
        let objects_text = count(*objects, "object");
        match (*objects, self.dry_run) {
            (0, _) if !lacking.is_empty() => Ok(()),
            (0, _) => writeln!(out, "Up to date: {} in the store", count(*present, "object")),
            (_, true) => writeln!(out, "Would fetch {objects_text} ({}) from {url}", size(*bytes)),
            (_, false) => writeln!(out, "Fetched {objects_text} ({}) from {url}", size(*received_bytes)),
        }
    }
}
