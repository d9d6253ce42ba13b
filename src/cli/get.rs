//! `mlx get`: a copy of data from another project, a repository or a URL, without tracking it.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::output::{count, size};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::origin::{self, Got};
use crate::project::Project;

/// Copy data from another project, a Git repository or a URL, without tracking it
///
/// SOURCE is written as for `mlx import`. Works anywhere; no project is needed. What arrives is checked, and is there whole or
/// not at all.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx get git@example.org:team/churn.git#model/churn.onnx --rev v3
  mlx get s3://bucket/prices.csv -o /tmp/prices.csv
  mlx get ../other-project#data/images -o images")]
pub struct Get {
    /// Where it is: `REPOSITORY#PATH`, a URL or a path
    source: String,
    /// Git revision of the repository; its default branch where none is given
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// Where the copy goes; its own name, here, where nothing is said
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(short, long)]
    force: bool,
    /// Files that are received at once
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

impl Get {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let cache = match Project::root_around(&cx.directory) {
            Some(_) => {
                cx.project().map(|project| cx.cache_directory_for(&project)).or_else(|_| cx.cache_directory())?
            }
            None => cx.cache_directory()?,
        };
        let access = cx.access();
        let reach = origin::Reach {
            base: &cx.directory,
            cache: &cache,
            access: &access,
            jobs: usize::from(self.jobs),
            watch: cx.watch(),
        };
        let got = origin::get(&self.source, self.rev.as_deref(), self.output.as_deref(), self.force, &reach)?;
        cx.out.show(&got)
    }
}

impl Render for Got {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { path, object, .. } = self;
        match object.is_directory() {
            true => writeln!(out, "Copied `{path}` ({}, {})", count(object.files, "file"), size(object.size)),
            false => writeln!(out, "Copied `{path}` ({})", size(object.size)),
        }
    }
}
