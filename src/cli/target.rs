//! `mlx target`: places for releases, named in the manifest.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{Style, duration};
use super::{Context, Render, Table, Text, targeted};
use crate::Result;
use crate::deploy::{self, Tested};
use crate::fs::escape;
use crate::remote::location::without_secrets;
use crate::remote::probe::{Outcome, Tried};

/// List and test targets
#[derive(Args)]
pub struct Target {
    #[command(subcommand)]
    command: TargetCommand,
}

#[derive(Subcommand)]
enum TargetCommand {
    List(List),
    Test(Test),
}

impl Target {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        match self.command {
            TargetCommand::List(command) => command.run(cx),
            TargetCommand::Test(command) => command.run(cx),
        }
    }
}

/// List the targets
///
/// Nothing is asked of them; `mlx releases TARGET` shows what lies there.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx target list\n  mlx target list --json | jq -r '.targets[].url'")]
pub struct List {}

impl List {
    fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let access = cx.access();
        let listed = project.manifest.targets.iter().map(|(name, target)| {
            // Where it is from here, which a variable may say.
            let access = access.of_target(name, BTreeMap::new());
            let url = without_secrets(access.setting("url").unwrap_or(&target.url));
            Listed { name: name.clone(), url, model: target.model.clone() }
        });
        let targets = Targets { targets: listed.collect() };
        cx.out.show(&targets)?;
        if targets.targets.is_empty() {
            cx.out.hint("Name one in mlx.toml: `[target.production]` with its `url`");
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Targets {
    targets: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    url: String,
    model: Option<String>,
}

impl Render for Targets {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        if self.targets.is_empty() {
            return writeln!(out, "No targets");
        }
        let mut table = Table::new(["target", "url", "model"]);
        for Listed { name, url, model } in &self.targets {
            let model = model.as_ref().map_or("-".into(), |model| escape(model.as_bytes()));
            table.row([name.clone(), url.clone(), model]);
        }
        table.render(out)
    }
}

/// Try what a target can do
///
/// Reaches it, locks it, writes a small document and reads it back, and switches something that is no release. Nothing of
/// what lies there is touched. The exit code is 1 when something fails.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx target test production\n  mlx target test production --json | jq '.tried[].outcome'"
)]
pub struct Test {
    /// Target of the manifest
    name: String,
}

impl Test {
    fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let project = cx.project()?;
        let targeted = targeted::open(cx, &project, &self.name)?;
        let tested = deploy::test(&*targeted.target, &self.name, &cx.user())?;
        cx.out.show(&tested)?;
        tested.verdict()
    }
}

impl Render for Tested {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { target, place, tried } = self;
        let mut table = Table::new(["", "", "time"]).right([2]);
        for Tried { what, outcome, seconds, .. } in tried {
            let word = match outcome {
                Outcome::Works => "ok",
                Outcome::Unsupported => "not here",
                Outcome::Failed => "failed",
            };
            table.row([(*what).to_owned(), word.to_owned(), duration(*seconds)]);
        }
        table.render(out)?;
        let works = tried.iter().all(|tried| tried.outcome == Outcome::Works);
        let (style, line) = match works {
            true => (Style::Good, format!("Target `{target}` ({place}) can be deployed to")),
            false => (Style::Bad, format!("Target `{target}` ({place}) does not do what it should")),
        };
        let line = out.styled(style, line);
        writeln!(out, "{line}")
    }
}
