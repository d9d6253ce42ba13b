//! `mlx cat`: the content of one file as a version has it.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::output::size;
use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, Found, Workspace};

/// Print a file as a version of the data has it
///
/// The file may lie inside a tracked directory; the working tree is neither read nor changed. What is printed is checked
/// against its digest: after an error, throw it away. With `--json`, says what would be printed instead.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx cat data/raw.csv | head
  mlx cat --rev v1.0 data/images/cat.png > cat.png
  mlx cat --rev HEAD~1 --json data/raw.csv")]
pub struct Cat {
    /// The file
    path: PathBuf,
    /// Take the version of this Git revision instead of that of `mlx.lock`
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
}

impl Cat {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let path = project.relative(&cx.directory, &self.path)?;
        let workspace = Workspace::open(&project)?;
        // What is being read must not be taken for garbage.
        let _no_gc = workspace.store().hold_off_gc();
        let found = data::find_file(&project, &workspace, &path, self.rev.as_deref())?;
        if cx.out.is_json() {
            return cx.out.show(&found);
        }
        cx.out.stream(|out| data::write_file(&project, &workspace, &found, self.rev.as_deref(), out))
    }
}

impl Render for Found {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        writeln!(out, "{}  {}", self.path, size(self.object.size))
    }
}
