//! `mlx push`: send data and outputs to a remote.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::fetch::{RunsToo, Transferred, WithRecords};
use super::output::{count, size};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, Selection, some_names};
use crate::event::Event;
use crate::pipeline::Travelled;
use crate::remote::Pushed;
use crate::run::Runs;

/// Send data and outputs to a remote
///
/// Sends what `mlx.lock` names, all of it or the paths named, as far as the remote does not have it: small files in packs,
/// of large ones only the parts that changed. A push that was cut off goes on where it was.
///
/// Runs go along as records with their logs, and so does what is known of the results of steps, as far as these are on the
/// remote: others need not train again. What a run made and the lock does not name goes with `--runs` or `--all-runs`.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx push
  mlx push data/images --dry-run
  mlx push --runs baseline
  mlx push --all-revs --remote backup")]
pub struct Push {
    #[command(flatten)]
    what: Transferred,
    /// Read everything on the remote, and send what is damaged there again
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    runs: RunsToo,
    /// Files or directories; all that the lock names where none is given
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Push {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let (_, remote) = self.what.remote(cx, &project)?;
        let mut selection = Selection { repair: self.repair, ..self.what.selection(cx, &project, &self.paths)? };
        cx.catch_signals()?;
        let workspace = data::Workspace::open(&project)?;
        let memory = project.state("remotes");
        let mut travel = self.what.travel(cx, &project, &workspace, &*remote, &memory);
        if selection.repair {
            travel.distrust();
        }
        let is_whole = selection.paths.is_empty();
        if is_whole {
            // Those whose process was killed have no record yet.
            let runs = Runs::open(&project, workspace.store(), &*cx.events)?;
            if !selection.dry_run {
                runs.settle()?;
                travel.receive()?;
            }
            selection.others = travel.objects_to_send(&self.runs.outputs(&runs)?)?;
        }
        let objects = data::push(&project, &workspace, &*remote, &selection, cx.watch())?;
        if let Some(message) = lost(&objects) {
            let hint = "send it again with `mlx push --all-revs` from a clone that has it";
            cx.events.emit(Event::Warning { message, hint: Some(hint.into()) });
        }
        // Records name objects, and come when these are there.
        let records = if is_whole { travel.send(selection.dry_run)? } else { Travelled::default() };
        let verb = if selection.dry_run { "Would send" } else { "Sent" };
        cx.out.show(&WithRecords { objects, records, verb })
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
