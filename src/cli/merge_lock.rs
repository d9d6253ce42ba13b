//! `mlx merge-lock`: what Git calls to merge `mlx.lock`.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::output::count;
use super::{Context, Render, Text};
use crate::fs::{self, quote};
use crate::project::merge::{Conflict, merge};
use crate::{Error, Result};

/// Merge two versions of `mlx.lock`, for Git
///
/// Git calls this once `mlx init --git-merge-driver` has set it up. The result takes the place of OURS; where both sides
/// changed the same block in different ways, it has conflict markers around that block and the exit code is 1.
#[derive(Args)]
#[command(hide = true, after_help = "Examples:\n  mlx merge-lock base ours theirs\n  mlx init --git-merge-driver")]
pub struct MergeLock {
    /// The common ancestor; empty where there is none
    base: PathBuf,
    /// This side; becomes the result
    ours: PathBuf,
    /// The other side
    theirs: PathBuf,
    /// Where the file lies in the repository, for messages
    path: Option<PathBuf>,
}

impl MergeLock {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let [base, ours, theirs] = [&self.base, &self.ours, &self.theirs].map(|path| cx.file(path));
        let merged = merge(&fs::read(&base)?, &fs::read(&ours)?, &fs::read(&theirs)?);
        let scratch = ours.parent().unwrap_or(Path::new("."));
        fs::write_atomic(&ours, merged.text.as_bytes(), scratch)?;
        let conflicts = merged.conflicts;
        let names = conflicts.iter().map(Conflict::to_string).collect::<Vec<_>>().join(", ");
        let failed = !conflicts.is_empty();
        let blocks = count(conflicts.len() as u64, "conflict");
        cx.out.show(&Report { conflicts })?;
        if failed {
            let path = self.path.as_deref().unwrap_or(&self.ours);
            return Err(Error::failed(format!("{blocks} in `{}`: {names}", quote(path))).with_hint(format!(
                "keep one side of each block, then `git add {}`; `mlx checkout` brings what the lock names then",
                quote(path)
            )));
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Report {
    conflicts: Vec<Conflict>,
}

impl Render for Report {
    /// Git says itself that it merged; conflicts are the error's.
    fn render(&self, _: &mut Text<'_>) -> io::Result<()> {
        Ok(())
    }
}
