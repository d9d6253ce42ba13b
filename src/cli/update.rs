//! `mlx update`: what is newer at the sources of imported data.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::output::{Style, count};
use super::{Context, Render, Text};
use crate::data::Workspace;
use crate::data::origin::{self, Update as Path, UpdateState, Updated};
use crate::fs::escape;
use crate::{Error, Result};

/// Bring what is newer at the sources of imported data
///
/// Asks every source that `mlx.toml` names, or those of the paths given, and brings what changed since it was imported into the
/// store and the working tree. A source with a `rev` is newer once that branch or tag moved. What `mlx.lock` names and is not
/// in the store, as in a fresh clone, is brought in the version that it was.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx update --dry-run\n  mlx update data/prices.csv\n  mlx update --check || echo 'there is newer data'"
)]
pub struct Update {
    /// Imported paths, or directories that hold some; all where none is given
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Say what is newer, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// As `--dry-run`, and end with exit code 4 where something is newer
    #[arg(long)]
    check: bool,
    /// Give up changes that were made here
    #[arg(short, long)]
    force: bool,
    /// Files that are received at once
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

impl Update {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let paths = cx.paths(&project, &self.paths)?;
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        let (cache, access) = (cx.cache_directory_for(&project), cx.access());
        let reach = origin::Reach {
            base: project.root(),
            cache: &cache,
            access: &access,
            jobs: usize::from(self.jobs),
            watch: cx.watch(),
        };
        let dry_run = self.dry_run || self.check;
        let updated = origin::update(&project, &workspace, &paths, dry_run, self.force, &reach)?;
        cx.out.show(&updated)?;
        let has_come = updated.paths.iter().any(|path| path.state == UpdateState::Updated);
        match (self.check, updated.has_news()) {
            (true, true) => {
                return Err(Error::check("there is newer data at the sources").with_hint("bring it with `mlx update`"));
            }
            (false, true) if dry_run => cx.out.hint("Bring it with `mlx update`"),
            _ if has_come => cx.out.hint("Keep the version in Git: `git add mlx.lock && git commit`"),
            _ => {}
        }
        Ok(())
    }
}

impl Render for Updated {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let width = self.paths.iter().map(|path| path.path.to_string().len()).max().unwrap_or(0);
        for Path { path, url, state, changed_here, before, after, commit_before, commit_after, .. } in &self.paths {
            let (style, word) = match state {
                UpdateState::Current => (Style::Dim, "current"),
                UpdateState::Newer => (Style::Notice, "newer  "),
                UpdateState::New => (Style::Notice, "new    "),
                UpdateState::Unknown => (Style::Notice, "unknown"),
                UpdateState::Updated => (Style::Good, "updated"),
                UpdateState::Absent => (Style::Notice, "absent "),
                UpdateState::Brought => (Style::Good, "brought"),
            };
            let short = |id: &String| id.chars().take(12).collect::<String>();
            let arrow = |before: Option<String>, after: Option<String>| match (before, after) {
                (Some(before), Some(after)) if before != after => format!("  {before} -> {after}"),
                _ => String::new(),
            };
            let commits = arrow(commit_before.as_ref().map(short), commit_after.as_ref().map(short));
            let digests = match commits.is_empty() {
                true => arrow(before.map(|digest| digest.short()), after.map(|digest| digest.short())),
                false => String::new(),
            };
            let note = match (changed_here, state) {
                (true, UpdateState::New | UpdateState::Updated) | (false, _) => "",
                (true, _) => "  (changed here)",
            };
            let word = out.styled(style, word);
            let (path, url) = (path.to_string(), escape(url.as_bytes()));
            writeln!(out, "{word}  {path:<width$}  {url}{commits}{digests}{note}")?;
        }
        let of = |state| self.paths.iter().filter(|path| path.state == state).count() as u64;
        match (self.paths.len(), self.dry_run) {
            (0, _) => writeln!(out, "mlx.toml names no source; `mlx import` brings data with its origin"),
            (_, true) => Ok(()),
            (_, false) => {
                let (updated, current) = (count(of(UpdateState::Updated), "path"), of(UpdateState::Current));
                match of(UpdateState::Brought) {
                    0 => writeln!(out, "Updated {updated}; {current} as before"),
                    brought => {
                        let brought = count(brought, "path");
                        writeln!(out, "Brought {brought} as mlx.lock has them; updated {updated}; {current} as before")
                    }
                }
            }
        }
    }
}
