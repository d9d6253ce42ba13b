//! `mlx checkout`: bring data and outputs back.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::output::{count, size};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, CheckedOut, LeftOver, Workspace};
use crate::event::Event;

/// Bring data and outputs back as `mlx.lock` names them
///
/// Restores tracked paths and outputs from the store, all of them or those named; a path may lie inside a tracked
/// directory. Local changes that are in no store are never overwritten without `--force`. Without a path, what another version
/// of `mlx.lock` had put there and this one does not name goes, unless it was changed.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx checkout data/images/cats
  mlx checkout model --rev HEAD~1
  git checkout v1.0 && mlx checkout")]
pub struct Checkout {
    /// Files or directories; all that the lock names where none is given
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Take the versions of this Git revision instead
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// Overwrite local changes that are in no store
    #[arg(short, long)]
    force: bool,
}

impl Checkout {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let paths = cx.paths(&project, &self.paths)?;
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        let done = data::checkout(&project, &workspace, &paths, self.rev.as_deref(), self.force, cx.watch())?;
        warn_of_left_overs(cx, &done);
        cx.out.show(&done)?;
        done.verdict()
    }
}

/// What another version of the lock left and could not be taken away would be committed by `git add --all`.
pub fn warn_of_left_overs(cx: &Context, done: &CheckedOut) {
    let kept = done.left_over.iter().filter_map(|left| Some((&left.path, left.why.as_ref()?)));
    for (path, why) in kept {
        let message = format!("`{path}` is left over from another version of mlx.lock and stays: {why}");
        let add = path.argument();
        let hint = format!("`mlx add {add}` versions it here too; else move it away before Git takes it");
        cx.events.emit(Event::Warning { message, hint: Some(hint) });
    }
}

impl Render for CheckedOut {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let restored = &self.restored;
        for LeftOver { path, .. } in self.left_over.iter().filter(|left| left.removed) {
            writeln!(out, "Removed `{path}`, which this version of mlx.lock does not name")?;
        }
        if self.paths.is_empty() && !self.lacking.is_empty() {
            return Ok(());
        }
        let paths = count(self.paths.len() as u64, "path");
        if restored.files_written == 0 && restored.files_removed == 0 {
            return writeln!(out, "Unchanged: {paths} as they should be");
        }
        let (written, bytes) = (count(restored.files_written, "file"), size(restored.bytes_written));
        let removed = match restored.files_removed {
            0 => String::new(),
            removed => format!(", removed {}", count(removed, "file")),
        };
        writeln!(out, "Wrote {written} ({bytes}){removed}; {paths} checked out")
    }
}
