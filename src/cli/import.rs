//! `mlx import`: data from another project, a repository or a URL, tracked with its origin.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::output::{count, size};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::Workspace;
use crate::data::origin::{self, Imported, Wanted};
use crate::fs::escape;

/// Bring data from another project, a Git repository or a URL, and track it with its origin
///
/// SOURCE is `REPOSITORY#PATH`, where the repository is a Git URL or a directory: data that another project of mlx tracks
/// comes from its store or its remote, other files from Git itself. Or it is the URL of a file (https, s3, gs, az, ssh), or a
/// file or directory of this machine. `mlx.toml` says from now on where it comes from, `mlx.lock` which commit or version it was,
/// and `mlx update` brings what is there later.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx import https://example.org/prices.csv -o data/prices.csv
  mlx import git@example.org:team/labels.git#data/labels --rev v2.1
  mlx import ../other-project#data/raw.csv -o data/")]
pub struct Import {
    /// Where it is: `REPOSITORY#PATH`, a URL or a path
    source: String,
    /// Git revision of the repository; its default branch where none is given
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// Where it goes; its own name, here, where nothing is said
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Overwrite what is there and in no store
    #[arg(short, long)]
    force: bool,
    /// Files that are received at once
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

impl Import {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        let (cache, access) = (cx.cache_directory_for(&project), cx.access());
        let reach = origin::Reach {
            base: &cx.directory,
            cache: &cache,
            access: &access,
            jobs: usize::from(self.jobs),
            watch: cx.watch(),
        };
        let wanted = Wanted {
            source: &self.source,
            rev: self.rev.as_deref(),
            output: self.output.as_deref(),
            force: self.force,
        };
        let imported = origin::import(&project, &workspace, &wanted, &reach)?;
        cx.out.show(&imported)?;
        cx.out.hint("Keep the version in Git: `git add mlx.toml mlx.lock .gitignore && git commit`");
        Ok(())
    }
}

impl Render for Imported {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { path, object, origin, .. } = self;
        let content = match object.is_directory() {
            true => format!("{}, {}", count(object.files, "file"), size(object.size)),
            false => size(object.size),
        };
        let from = escape(origin.url.as_bytes());
        let commit =
            origin.commit.as_ref().map_or(String::new(), |commit| format!(" at {}", &commit[..commit.len().min(12)]));
        writeln!(out, "Imported `{path}` ({content}) from {from}{commit}")
    }
}
