//! `mlx pull`: bring data and outputs from a remote into the working tree.

use std::io;
use std::path::PathBuf;

use clap::Args;

use super::checkout::warn_of_left_overs;
use super::fetch::{Transferred, WithRecords};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, Pulled, Selection};

/// Bring data and outputs from a remote into the working tree
///
/// Fetches what `mlx.lock` names and puts it in place, all of it or the paths named; a path may lie inside a tracked
/// directory. Local changes that are in no store are never overwritten without `--force`. The runs that others pushed, and
/// what is known of the results of their steps, come along: `mlx train` restores what they made instead of making it again.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx pull
  mlx pull data/images/cats
  mlx pull --repair")]
pub struct Pull {
    #[command(flatten)]
    what: Transferred,
    /// Read what is in the store, and fetch what is damaged or missing there again
    #[arg(long)]
    repair: bool,
    /// Overwrite local changes that are in no store
    #[arg(short, long)]
    force: bool,
    /// Files or directories; all that the lock names where none is given
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Pull {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let (_, remote) = self.what.remote(cx, &project)?;
        let selection = Selection { repair: self.repair, ..self.what.selection(cx, &project, &self.paths)? };
        cx.catch_signals()?;
        let workspace = data::Workspace::open(&project)?;
        let records = self.what.receive(cx, &project, &workspace, &*remote, &selection)?;
        let pulled = data::pull(&project, &workspace, &*remote, &selection, self.force, cx.watch())?;
        pulled.checked_out.iter().for_each(|done| warn_of_left_overs(cx, done));
        let shown = WithRecords { objects: pulled, records, verb: "Received" };
        cx.out.show(&shown)?;
        shown.objects.verdict()
    }
}

impl Render for Pulled {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        self.fetched.render(out)?;
        self.checked_out.as_ref().map_or(Ok(()), |done| done.render(out))
    }
}
