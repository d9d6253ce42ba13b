//! `mlx hook`: what Git's hooks call.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::output::count;
use super::{Context, Render, Text};
use crate::data::{Checked, check_pushed};
use crate::event::Event;
use crate::project::Outgoing;
use crate::remote::retry::Patience;
use crate::{Error, Result};

/// So many paths are named.
const MOST_NAMES: usize = 5;
/// Who pushes does not want to wait for a remote that does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What Git's hooks call
#[derive(Args)]
#[command(hide = true)]
pub struct Hook {
    #[command(subcommand)]
    hook: Which,
}

#[derive(Subcommand)]
enum Which {
    PrePush(PrePush),
}

impl Hook {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        match self.hook {
            Which::PrePush(hook) => hook.run(cx),
        }
    }
}

/// Warn where data of pushed commits is on no remote
///
/// Reads on stdin what Git tells its pre-push hook. `mlx init --git-hooks` sets it up.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx init --git-hooks\n  mlx hook pre-push origin https://example.org/churn.git < pushed"
)]
struct PrePush {
    /// Remote of Git, by name or URL
    remote: String,
    /// Where that is
    url: Option<String>,
    /// Stop the push instead of warning
    #[arg(long)]
    block: bool,
}

impl PrePush {
    fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let mut outgoing = Vec::new();
        for line in io::stdin().lock().lines() {
            let line = line.context("cannot read what Git says")?;
            outgoing.extend(Outgoing::parse(&line, &self.remote));
        }
        let access = crate::remote::Access { patience: Patience::once(PATIENCE), ..cx.access() };
        let checked = check_pushed(&project, &outgoing, &access, cx.watch())?;
        let message = message(&checked);
        cx.out.show(&checked)?;
        let Some((message, hint)) = message else { return Ok(()) };
        if self.block && !checked.absent.is_empty() {
            return Err(Error::check(message).with_hint(format!("{hint}; `git push --no-verify` pushes all the same")));
        }
        cx.events.emit(Event::Warning { message, hint: Some(hint) });
        Ok(())
    }
}

/// What to warn of, and what to do.
fn message(checked: &Checked) -> Option<(String, String)> {
    let Checked { absent, unasked, .. } = checked;
    let reasons: Vec<String> = unasked.iter().map(|unasked| unasked.why.clone()).collect();
    if absent.is_empty() {
        return None;
    }
    if !reasons.is_empty() {
        let message = format!("cannot tell whether the data of these commits is on a remote: {}", reasons.join("; "));
        return Some((message, "see to it that it is: `mlx push`".into()));
    }
    let mut names: Vec<String> = absent.iter().map(|absent| format!("`{}`", absent.path)).collect();
    names.dedup();
    let more = match names.len().checked_sub(MOST_NAMES) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    names.truncate(MOST_NAMES);
    let versions = count(absent.len() as u64, "version");
    let are = if absent.len() == 1 { "is" } else { "are" };
    let message = format!("{versions} of data that these commits name {are} on no remote: {}{more}", names.join(", "));
    let hint = match absent.iter().any(|absent| !absent.is_newest) {
        true => "send all that the branches name with `mlx push --all-revs`",
        false => "send it with `mlx push`",
    };
    Some((message, hint.into()))
}

impl Render for Checked {
    /// What there is to say is a warning.
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        out.flush()
    }
}
