//! `mlx push`: send data and outputs to a remote.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::fetch::Transferred;
use super::output::{count, size};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, Selection, some_names};
use crate::event::Event;
use crate::remote::Pushed;

/// Send data and outputs to a remote
///
/// Sends what `mlx.lock` names, all of it or the paths named, as far as the remote does not have it: small files in packs,
/// of large ones only the parts that changed. A push that was cut off goes on where it was.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx push
  mlx push data/images --dry-run
  mlx push --all-revs --remote backup")]
pub struct Push {
    #[command(flatten)]
    what: Transferred,
    /// Read everything on the remote, and send what is damaged there again
    #[arg(long)]
    repair: bool,
    /// Files or directories; all that the lock names where none is given
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Push {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let (_, remote) = self.what.remote(cx, &project)?;
        let selection = Selection { repair: self.repair, ..self.what.selection(cx, &project, &self.paths)? };
        cx.catch_signals()?;
        let workspace = data::Workspace::open(&project)?;
        let pushed = data::push(&project, &workspace, &*remote, &selection, cx.watch())?;
        if let Some(message) = lost(&pushed) {
            let hint = "send it again with `mlx push --all-revs` from a clone that has it";
            cx.events.emit(Event::Warning { message, hint: Some(hint.into()) });
        }
        cx.out.show(&pushed)
    }
}

/// What was damaged on the remote, was taken away and can't be sent from here.
fn lost(pushed: &Pushed) -> Option<String> {
    let Pushed { url, lost, lost_unknown, lost_paths, .. } = pushed;
    let names = if lost_paths.is_empty() { String::new() } else { format!(": {}", some_names(lost_paths.iter())) };
    match (lost.len(), lost_unknown) {
        (0, false) => None,
        (0, true) => Some(format!("a damaged pack was taken away from {url}, and what was in it is not known here")),
        (count_lost, _) => {
            let objects = count(count_lost as u64, "object");
            Some(format!("taken away from {url}, damaged, and not here to be sent again: {objects}{names}"))
        }
    }
}

impl Render for Pushed {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { url, objects, bytes, sent_bytes, packs, present, repaired, .. } = self;
        if *repaired > 0 {
            writeln!(out, "Damaged on {url}, and taken away: {}", count(*repaired, "object"))?;
        }
        let (objects_text, bytes) = (count(*objects, "object"), size(*bytes));
        match (*objects, self.dry_run) {
            (0, _) => writeln!(out, "Up to date: {} on {url}", count(*present, "object")),
            (_, true) => {
                writeln!(out, "Would send {objects_text} ({bytes}) to {url}; it has {present} of them already")
            }
            (_, false) => {
                let sent = format!("{} in {}", size(*sent_bytes), count(*packs, "pack"));
                writeln!(out, "Pushed {objects_text} ({bytes}) to {url}: {sent}")
            }
        }
    }
}
