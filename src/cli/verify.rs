//! `mlx verify`: is everything here, and is it what its name says?

use std::io::{self, Write};

use clap::Args;

use super::output::{Style, count, grouped, minute, size};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, Problem, Verified, Versions, Workspace};
use crate::remote::{self, DamagedPack, RemoteVerified};

/// So many lines of one kind are shown.
const MOST_LINES: usize = 20;

/// Check every object that the project needs
///
/// Reads all that `mlx.lock`, other commits, runs and models name, and says what is missing or damaged and what that
/// breaks. Damaged objects are put aside, never deleted. With `--remote` it reads everything on a remote instead, and
/// changes nothing there. Exit code 4 when something is wrong.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx verify
  mlx verify --json | jq '.problems[].breaks'
  mlx verify --remote
  mlx verify --remote backup --all-revs")]
pub struct Verify {
    /// Check a remote of the manifest: the only one, or `origin`, where no name is given
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    remote: Option<String>,
    /// Whether all that any commit of any branch or tag names is on the remote
    #[arg(long, requires = "remote")]
    all_revs: bool,
}

impl Verify {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        if let Some(name) = &self.remote {
            let name = Some(name.as_str()).filter(|name| !name.is_empty());
            let (_, remote) = remote::of_project(&project, name, &cx.access())?;
            cx.catch_signals()?;
            let workspace = Workspace::open(&project)?;
            let versions = if self.all_revs { Versions::All } else { Versions::Lock };
            let verified = data::verify_remote(&project, &workspace, &*remote, versions, cx.watch())?;
            cx.out.show(&verified)?;
            return verified.verdict();
        }
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        let verified = data::verify(&project, &workspace, cx.watch())?;
        cx.out.show(&verified)?;
        verified.verdict(!project.manifest.remotes.is_empty())
    }
}

impl Render for Verified {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        for Problem { digest, what, breaks, quarantined } in &self.problems {
            let subject = digest.map_or_else(String::new, |digest| format!("object {digest} "));
            let line = out.styled(Style::Bad, format!("{subject}{what}"));
            writeln!(out, "{line}")?;
            match (digest, breaks.as_slice()) {
                (None, _) => {}
                (Some(_), []) => writeln!(out, "  nothing names it now")?,
                (Some(_), breaks) => writeln!(out, "  breaks {}", breaks.join(", "))?,
            }
            quarantined.iter().try_for_each(|path| writeln!(out, "  put aside as {path}"))?;
        }
        if self.problems.is_empty() {
            let line = out.styled(Style::Good, format!("Sound: {} checked", count(self.objects, "object")));
            writeln!(out, "{line}")?;
        }
        if self.remembered > 0 {
            let since = self.remembered_since.map_or_else(String::new, |since| format!(" ({})", minute(since)));
            let stand = if self.remembered == 1 { "stands" } else { "stand" };
            writeln!(
                out,
                "Not here, but on a remote when this machine looked last{since}: {}, which {stand} for {}; `mlx verify \
                 --remote` looks again",
                count(self.remembered, "object"),
                count(self.remembered_files, "file")
            )?;
        }
        let others = self.elsewhere - self.remembered;
        if others > 0 {
            let others = count(others, "object");
            writeln!(out, "Not here, and named by other commits or projects only: {others}")?;
        }
        Ok(())
    }
}

/// Says how many lines are not shown.
fn and_more(out: &mut Text<'_>, lines: usize) -> io::Result<()> {
    match lines.saturating_sub(MOST_LINES) {
        0 => Ok(()),
        more => writeln!(out, "and {} more; `--json` has all of them", grouped(more as u64)),
    }
}

impl Render for RemoteVerified {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        for DamagedPack { name, what } in self.damaged.iter().take(MOST_LINES) {
            let line = out.styled(Style::Bad, format!("`{name}` is damaged: {what}"));
            writeln!(out, "{line}")?;
        }
        and_more(out, self.damaged.len())?;
        if let Some(trouble) = &self.trouble {
            let line = out.styled(Style::Bad, format!("{}: {trouble}", self.url));
            writeln!(out, "{line}")?;
        }
        let digests: Vec<String> = match self.paths.is_empty() {
            true => self.missing.iter().map(|digest| format!("object {digest}")).collect(),
            false => Vec::new(),
        };
        for name in self.paths.iter().chain(&digests).take(MOST_LINES) {
            let line = out.styled(Style::Bad, format!("{name} is missing there, or not sound"));
            writeln!(out, "{line}")?;
        }
        and_more(out, self.paths.len() + digests.len())?;
        for what in &self.misnamed {
            writeln!(out, "{}", out.styled(Style::Bad, what))?;
        }
        let what = format!("{} ({}) read on {}", count(self.objects, "object"), size(self.bytes), self.url);
        let (style, verdict) = if self.is_sound() { (Style::Good, "Sound") } else { (Style::Bad, "Not sound") };
        let line = out.styled(style, format!("{verdict}: {what}"));
        writeln!(out, "{line}")
    }
}
