//! `mlx releases`: what lies on a target, and what was done there.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::output::{Style, minute};
use super::{Context, Render, Table, Text, targeted};
use crate::Result;
use crate::deploy::{self, Action, Entry, Outcome, Release};
use crate::fs::escape;

/// List the releases on a target
///
/// Shows the live release first, then those that can be gone back to.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx releases production\n  mlx releases production --history\n  mlx releases production --json | jq '.releases[] | select(.live)'"
)]
pub struct Releases {
    /// Target of the manifest
    target: String,
    /// Show everything that was done on the target instead, what failed included
    #[arg(long)]
    history: bool,
}

impl Releases {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let target = targeted::open_to_ask(cx, &project, &self.target)?.target;
        let releases = deploy::releases(&*target, &*cx.events)?;
        let history = target.history(&crate::event::Silent)?;
        let is_empty = releases.is_empty();
        let place = target.place();
        cx.out.show(&Listed { target: self.target.clone(), place, releases, history, shows_history: self.history })?;
        if is_empty {
            cx.out.hint(format!("`mlx deploy {}` brings the first one", self.target));
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Listed {
    target: String,
    place: String,
    releases: Vec<Release>,
    /// Everything that was done there, the oldest first.
    history: Vec<Entry>,
    #[serde(skip)]
    shows_history: bool,
}

impl Render for Listed {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        if self.shows_history {
            return history(&self.history).render(out);
        }
        if self.releases.is_empty() {
            return writeln!(out, "no releases");
        }
        let mut table = Table::new(["", "release", "model", "version", "run", "live since (UTC)", "by"]).right([3]);
        for Release { release, live, canary, model, version, run, deployed, by } in &self.releases {
            let mark = match canary {
                Some(percent) => out.styled(Style::Notice, format!("canary {percent} %")),
                None if *live => out.styled(Style::Good, "live"),
                None => String::new(),
            };
            table.row([
                mark,
                release.short(),
                escape(model.as_bytes()),
                version.to_string(),
                run.as_ref().map_or("-".into(), ToString::to_string),
                deployed.map_or("-".into(), minute),
                by.as_ref().map_or("-".into(), |by| escape(by.as_bytes())),
            ]);
        }
        table.render(out)
    }
}

fn history(entries: &[Entry]) -> Table {
    let mut table = Table::new(["when (UTC)", "who", "action", "release", "model", "version", "outcome"]).right([5]);
    for Entry { when, who, action, release, model, version, outcome, why, .. } in entries {
        let why = why.as_ref().map_or(String::new(), |why| format!(": {}", escape(why.as_bytes())));
        let action = match action {
            Action::Deploy => "deploy",
            Action::Rollback => "rollback",
        };
        let outcome = match outcome {
            Outcome::Live => "live",
            Outcome::Canary => "canary",
            Outcome::Unanswered => "live, but its server does not answer",
            Outcome::Refused => "refused",
            Outcome::Returned => "taken back",
            Outcome::Failed => "failed",
        };
        table.row([
            minute(*when),
            escape(who.as_bytes()),
            action.into(),
            release.short(),
            escape(model.as_bytes()),
            version.to_string(),
            format!("{outcome}{why}"),
        ]);
    }
    table
}
