//! `mlx model promote`: an alias comes to a version.

use std::io::{self, Write};
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::super::output::{Style, number};
use super::super::{Context, Render, Table, Text};
use crate::fs::escape;
use crate::project::manifest::check_name;
use crate::registry::{Outcome, Promoted, Reference, Request, Verdict, Which};
use crate::store::Store;
use crate::{Error, Result};

/// Move an alias to a version of a model
///
/// The gates of the manifest decide whether it may: where one says no, the alias stays where it is and the exit code is
/// 4. Each promotion is kept: who, when, from, to and why.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx model promote churn 3 production\n  mlx model promote churn @staging production --why 'a week without complaints'\n  mlx model promote churn 2 production --force --why 'version 3 is slow'"
)]
pub struct Promote {
    /// Model in question
    #[arg(value_name = "MODEL")]
    model: String,
    /// Version that gets the alias: a number, or the `@ALIAS` it holds
    version: VersionName,
    /// Alias that comes to the version
    alias: String,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Promote even where gates say no; the history keeps which
    #[arg(short, long)]
    force: bool,
}

/// `3` or `@staging`.
#[derive(Debug, Clone)]
struct VersionName(Which);

impl FromStr for VersionName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('@') {
            Some(alias) => check_name(alias).map(|()| Self(Which::Alias(alias.into()))),
            None => {
                let number = text.parse().ok().filter(|number| *number > 0);
                number
                    .map(|number| Self(Which::Number(number)))
                    .ok_or_else(|| "write a number, or an alias as `@staging`".into())
            }
        }
    }
}

impl Promote {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        check_name(&self.alias).map_err(|why| Error::usage(format!("the alias: {why}")))?;
        let registry = cx.registry(&project, &Store::of(&project)?)?;
        let model = escape(self.model.as_bytes());
        check_name(&self.model).map_err(Error::usage)?;
        let version = registry.find_in_use(&Reference { model: self.model.clone(), which: self.version.0 })?;
        let gates = match project.manifest.models.get(&self.model) {
            Some(model) => model.gates.clone(),
            None => {
                cx.events.warn(format!("the manifest has no model `{model}` any more, so that no gates hold for it"));
                Default::default()
            }
        };
        let promoted = registry.promote(&Request {
            version: &version,
            alias: &self.alias,
            who: &cx.user(),
            when: Timestamp::now(),
            why: self.why.as_deref(),
            gates: &gates,
            force: self.force,
        })?;
        cx.out.show(&promoted)?;
        if promoted.outcome == Outcome::Refused {
            let failed = promoted.gates.iter().filter(|gate| !gate.passed).count();
            let place = match promoted.from {
                Some(from) => format!("`{}` stays at version {from}", self.alias),
                None => format!("no version holds `{}`", self.alias),
            };
            return Err(Error::check(format!(
                "`{model}` {} does not pass {failed} of {} gates; {place}",
                version.version,
                promoted.gates.len()
            ))
            .with_hint("promote it all the same with `--force --why REASON`"));
        }
        if promoted.outcome == Outcome::Promoted && !project.manifest.targets.is_empty() {
            let targets: Vec<&str> = project.manifest.targets.keys().map(String::as_str).collect();
            cx.out.hint(format!("Deploy: `mlx deploy {} {model}@{}`", targets.join("|"), self.alias));
        }
        Ok(())
    }
}

/// Take an alias away from the version that holds it
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx model demote churn staging --why 'no staging any more'")]
pub struct Demote {
    /// Model in question
    #[arg(value_name = "MODEL")]
    model: String,
    /// Alias that no version is to hold
    alias: String,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

impl Demote {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        check_name(&self.model).map_err(Error::usage)?;
        let registry = cx.registry(&project, &Store::of(&project)?)?;
        let from = registry.demote(&self.model, &self.alias, &cx.author(self.why))?;
        cx.out.show(&Demoted { model: self.model, alias: self.alias, from })
    }
}

#[derive(Serialize)]
struct Demoted {
    model: String,
    alias: String,
    /// The version that held it.
    from: u64,
}

impl Render for Demoted {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { model, alias, from } = self;
        writeln!(out, "`{model}` {from} does not hold @{alias} any more; no version does")
    }
}

impl Render for Promoted {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { model, version, alias, from, outcome, gates } = self;
        if !gates.is_empty() && *outcome != Outcome::Unchanged {
            let mut table = Table::new(["gate", "value", "condition", "verdict"]).right([1]);
            for Verdict { metric, condition, value, reference, passed, note } in gates {
                let reference = reference.map_or(String::new(), |value| format!(" ({})", number(value)));
                let verdict =
                    out.styled(if *passed { Style::Good } else { Style::Bad }, if *passed { "yes" } else { "no" });
                let note = note.as_ref().map_or(String::new(), |note| format!(": {}", escape(note.as_bytes())));
                table.row([
                    escape(metric.as_bytes()),
                    value.map_or("-".into(), number),
                    format!("{condition}{reference}"),
                    format!("{verdict}{note}"),
                ]);
            }
            table.render(out)?;
        }
        let from = from.map_or(String::new(), |from| format!(", before: version {from}"));
        let in_spite = if gates.iter().all(|gate| gate.passed) { "" } else { ", in spite of its gates" };
        match outcome {
            Outcome::Promoted => writeln!(out, "`{model}` {version} holds @{alias} now{from}{in_spite}"),
            Outcome::Unchanged => writeln!(out, "`{model}` {version} holds @{alias} already; nothing changed"),
            Outcome::Refused => writeln!(out, "`{model}` {version} does not get @{alias}"),
        }
    }
}
