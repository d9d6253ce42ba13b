//! `mlx diff`: which files differ between versions of the data.

use std::io::{self, Write};

use clap::Args;

use super::output::{Style, count, size};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, Change, ChangeKind, Diff, Workspace};

/// Show which files differ between two versions of the data
///
/// Without a revision, `mlx.lock` is compared with the working tree; with one, that revision's lock; with two, the locks of
/// both. A revision is whatever Git calls one: a commit, a branch, a tag, `HEAD~2`.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx diff\n  mlx diff HEAD~1\n  mlx diff v1.0 main --json")]
pub struct ShowDiff {
    /// Git revisions, at most two
    #[arg(value_name = "REV", num_args = 0..=2)]
    revisions: Vec<String>,
}

impl ShowDiff {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        cx.out.show(&data::diff(&project, &workspace, &self.revisions, cx.watch())?)
    }
}

impl Render for Diff {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        for Change { kind, path, moved_from, before, after } in &self.changes {
            let bytes = |object: &Option<crate::digest::Object>| object.as_ref().map_or(0, |object| object.size);
            let (style, sign, note) = match kind {
                ChangeKind::Added => (Style::Good, "added  ", size(bytes(after))),
                ChangeKind::Removed => (Style::Bad, "removed", size(bytes(before))),
                ChangeKind::Moved => {
                    (Style::Notice, "moved  ", format!("from {}", moved_from.as_deref().unwrap_or("?")))
                }
                ChangeKind::Changed if bytes(before) == bytes(after) => (Style::Notice, "changed", size(bytes(after))),
                ChangeKind::Changed => {
                    (Style::Notice, "changed", format!("{} -> {}", size(bytes(before)), size(bytes(after))))
                }
            };
            let sign = out.styled(style, sign);
            writeln!(out, "{sign}  {path}  ({note})")?;
        }
        if self.changes.is_empty() {
            return writeln!(out, "No file differs");
        }
        let parts =
            [("added", self.added), ("changed", self.changed), ("moved", self.moved), ("removed", self.removed)];
        let parts = parts.iter().filter(|(_, part)| part.files > 0);
        let parts: Vec<_> =
            parts.map(|(word, part)| format!("{} {word} ({})", count(part.files, "file"), size(part.bytes))).collect();
        writeln!(out, "{}", parts.join(", "))
    }
}
