//! `mlx explain`: why a step would run, or would not.

use std::io::{self, Write};

use clap::Args;
use serde_json::Value;

use super::output::{Style, duration, minute};
use super::train::options_to_ask;
use super::{Context, Render, Table, Text};
use crate::fs::escape;
use crate::pipeline::{
    self, Action, Change, Explanation, LastRun, Made, Needed, Output, OutputPresence, Part, PartKind, Scope,
};
use crate::run::Outcome;
use crate::{Digest, Result};

/// Explain why a step would run or would not
///
/// Shows everything that goes into the step's key, beside what it was the last time; where the outputs are; which run made
/// them; and what would be done with the steps before it. Runs nothing.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx explain train\n  mlx explain train --set train.trees=300\n  mlx explain train --json | jq '.parts[] | select(.change != \"same\")'"
)]
pub struct Explain {
    /// Step in question
    step: String,
    /// Set a parameter, as for `mlx train`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

impl Explain {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let options = options_to_ask(cx, &project, vec![self.step], Scope::default(), self.settings);
        cx.catch_signals()?;
        cx.out.show(&pipeline::explain(&project, &options, cx.watch())?)
    }
}

impl Render for Explanation {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let name = out.styled(Style::Bold, escape(self.step.as_bytes()));
        let (style, verdict) = match self.action {
            Action::UpToDate => (Style::Good, "is up to date"),
            Action::Restore => (Style::Notice, "would not run: what it makes is known and would be restored"),
            Action::Run => (Style::Notice, "would run"),
            Action::Take => (Style::Notice, "would not run: its outputs would be taken over as they are"),
            Action::Depends => (Style::Notice, "perhaps runs; that shows when the steps before it have run"),
        };
        let reason =
            if self.reason.is_empty() { String::new() } else { format!(": {}", escape(self.reason.as_bytes())) };
        writeln!(out, "{name} {}{reason}", out.styled(style, verdict))?;
        if self.action == Action::UpToDate && self.reason.is_empty() {
            writeln!(
                out,
                "Everything that goes into its key is as it was, and its outputs lie there as they were made."
            )?;
        }
        writeln!(out, "\n{}", out.styled(Style::Bold, "what goes into its key"))?;
        let mut table = Table::new(["  what", "now", "the last time", ""]);
        for part in &self.parts {
            let name = if part.name.is_empty() { String::new() } else { format!(" {}", escape(part.name.as_bytes())) };
            let now = part.now.as_ref().map_or_else(|| unknown(part), brief);
            let before = match (&part.before, part.change) {
                (_, Change::Same) => "the same".into(),
                (Some(before), _) => brief(before),
                (None, Change::Unknown) => "not on record".into(),
                (None, _) => "-".into(),
            };
            let maker = part.made_by.as_ref().map_or(String::new(), |step| format!("made by `{step}`"));
            let mark = if matches!(part.change, Change::Same) { String::new() } else { change(part.change).to_owned() };
            let notes: Vec<String> = [mark, maker].into_iter().filter(|note| !note.is_empty()).collect();
            table.row([format!("  {}{name}", kind(part.kind)), now, before, notes.join(", ")]);
        }
        table.render(out)?;
        if !self.outputs.is_empty() {
            writeln!(out, "\n{}", out.styled(Style::Bold, "outputs"))?;
            let mut table = Table::new(["  path", "digest", "working tree", "store", "remote"]);
            let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
            for Output { path, digest, in_working_tree, in_store, on_remote } in &self.outputs {
                let digest = digest.map_or("-".into(), |digest| digest.short());
                let here = match in_working_tree {
                    OutputPresence::AsMade => "as it was made",
                    // Nothing is known that it could have been changed from.
                    OutputPresence::Changed if digest == "-" => "something else",
                    OutputPresence::Changed => "changed",
                    OutputPresence::Missing => "missing",
                };
                table.row([format!("  {path}"), digest, here.into(), yes(*in_store), yes(*on_remote)]);
            }
            table.render(out)?;
        }
        let facts: Vec<String> = [
            self.made.as_ref().map(|made| self::made(made, self.key.is_some())),
            self.last_run.as_ref().map(last_run),
            needs(&self.needs),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !facts.is_empty() {
            writeln!(out)?;
        }
        facts.iter().try_for_each(|fact| writeln!(out, "{fact}"))
    }
}

/// `is_key_known` tells whether the step's key shows before the steps before it have run.
fn made(Made { run, finished, seconds, with_this_key, is_known }: &Made, is_key_known: bool) -> String {
    let what = match (with_this_key, is_key_known) {
        (true, _) => "What this key makes was made",
        (false, true) => "What lies there was made with another key",
        (false, false) => "What lies there was made",
    };
    let place = if *is_known { "" } else { ", which is not known here" };
    format!("{what} in run {run}{place}, {} UTC, in {}.", minute(*finished), duration(*seconds))
}

fn last_run(LastRun { run, started, outcome }: &LastRun) -> String {
    let became = match outcome {
        Outcome::Ran => "it ran",
        Outcome::UpToDate => "it was up to date",
        Outcome::Restored => "it was restored",
        Outcome::Failed => "it failed",
        Outcome::Interrupted => "it was interrupted",
        Outcome::Skipped => "it was skipped",
    };
    format!("Last seen in run {run}, {} UTC: {became}.", minute(*started))
}

fn needs(needs: &[Needed]) -> Option<String> {
    let words = |Needed { step, action }: &Needed| {
        let action = match action {
            Action::Run => "would run",
            Action::Restore => "would be restored",
            Action::UpToDate => "up to date",
            Action::Take => "taken over",
            Action::Depends => "perhaps runs",
        };
        format!("`{step}` ({action})")
    };
    (!needs.is_empty()).then(|| format!("It needs {}.", needs.iter().map(words).collect::<Vec<_>>().join(", ")))
}

fn kind(kind: PartKind) -> &'static str {
    match kind {
        PartKind::Command => "command",
        PartKind::Parameter => "parameter",
        PartKind::Dependency => "dependency",
        PartKind::Part => "part",
        PartKind::Environment => "environment",
        PartKind::Outputs => "outputs",
        PartKind::Variable => "variable",
    }
}

fn change(change: Change) -> &'static str {
    match change {
        Change::Same => "the same",
        Change::Changed => "changed",
        Change::New => "new",
        Change::Gone => "gone",
        Change::Unknown => "not known",
    }
}

fn unknown(part: &Part) -> String {
    match part.change {
        Change::Unknown if part.made_by.is_some() => "shows later".into(),
        Change::Unknown => "not there".into(),
        _ => "-".into(),
    }
}

/// A value on a part of a line; digests are shortened.
fn brief(value: &Value) -> String {
    let text = match value {
        Value::String(text) => match text.parse::<Digest>() {
            Ok(digest) => return digest.short(),
            Err(_) => text.clone(),
        },
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    super::table::shorten(&escape(text.as_bytes()), Some(48))
}
