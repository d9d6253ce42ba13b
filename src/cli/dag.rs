//! `mlx dag`: the pipeline as a tree, as Mermaid or as a picture, with the state of each step.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ending::format_of;
use super::output::{Style, count};
use super::train::{ScopeArguments, options_to_ask};
use super::{Context, Render, Text};
use crate::fs::{escape, quote, write_atomic};
use crate::pipeline::{self, Dag, DagStep, State};
use crate::{Error, Result};

/// A group of more steps than these is shown as one, unless all are asked for.
const SHOWN_OF_GROUP: usize = 8;

/// Show the steps of the pipeline, what connects them, and the state of each
///
/// As a tree, each step stands below the last of those it needs, so that it stands there once. Mermaid text and SVG pictures
/// are for pages and documents; a picture holds all that it needs, and follows the light or dark setting of who looks at it.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx dag\n  mlx dag train --format mermaid\n  mlx dag --output pipeline.svg")]
pub struct ShowDag {
    /// Steps to show, with all that they need; every step where none is named
    #[arg(value_name = "STEP")]
    steps: Vec<String>,
    #[command(flatten)]
    scope: ScopeArguments,
    /// How it is drawn [default: what the ending of the output says, else text]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write it to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show every step of a large group
    #[arg(long)]
    all: bool,
    /// Set a parameter, as for `mlx train`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Mermaid,
    Svg,
}

/// The endings that files of each format have.
const ENDINGS: [(&str, Format); 4] =
    [("svg", Format::Svg), ("mmd", Format::Mermaid), ("mermaid", Format::Mermaid), ("txt", Format::Text)];

impl ShowDag {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let format = format_of(self.format, self.output.as_deref(), &ENDINGS, Format::Text)?;
        let project = cx.project()?;
        let options = options_to_ask(cx, &project, self.steps, self.scope.into(), self.settings);
        cx.catch_signals()?;
        let dag = pipeline::dag(&project, &options, cx.watch())?;
        let shown = if self.all { dag.clone() } else { dag.folded(SHOWN_OF_GROUP) };
        let content = match format {
            Format::Text => text(&shown)?,
            Format::Mermaid => pipeline::mermaid(&shown),
            Format::Svg => pipeline::svg(&shown),
        };
        match self.output {
            Some(output) => {
                let file = cx.file(&output);
                let directory =
                    file.parent().ok_or_else(|| Error::usage(format!("`{}` is no file", quote(&output))))?;
                write_atomic(&file, content.as_bytes(), directory)?;
                if cx.out.is_json() {
                    return cx.out.document(&dag);
                }
                cx.out.hint(format!("Wrote {} to `{}`", count(dag.steps.len() as u64, "step"), quote(&output)));
                Ok(())
            }
            None if cx.out.is_json() => cx.out.document(&dag),
            None if format == Format::Text => cx.out.show(&shown),
            None => cx.out.stream(|out| Ok(out.write_all(content.as_bytes()).map_err(anyhow::Error::new)?)),
        }
    }
}

/// The text without colours, for a file.
fn text(dag: &Dag) -> Result<String> {
    let mut bytes = Vec::new();
    dag.render(&mut Text::plain(&mut bytes)).map_err(anyhow::Error::new)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Render for Dag {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let needs = self.needs();
        let mut below: Vec<Vec<usize>> = vec![Vec::new(); self.steps.len()];
        let mut roots = Vec::new();
        for (step, needs) in needs.iter().enumerate() {
            // Whatever else it needs stands before the last one.
            match needs.iter().max() {
                Some(last) => below[*last].push(step),
                None => roots.push(step),
            }
        }
        // What others need, and is not above them, comes first.
        let mut is_needed = vec![false; self.steps.len()];
        needs.iter().flatten().for_each(|needed| is_needed[*needed] = true);
        roots.sort_by_key(|root| !(is_needed[*root] && below[*root].is_empty()));
        let mut rows: Vec<(String, &DagStep, String)> = Vec::with_capacity(self.steps.len());
        // The step, what stands before it on its line, and before those below it.
        let mut open: Vec<(usize, String, String)> =
            roots.into_iter().rev().map(|root| (root, String::new(), String::new())).collect();
        while let Some((place, branch, rest)) = open.pop() {
            let step = &self.steps[place];
            let parent = needs[place].iter().max();
            let others: Vec<String> = needs[place]
                .iter()
                .filter(|needed| Some(*needed) != parent)
                .map(|needed| escape(self.steps[*needed].name.as_bytes()))
                .collect();
            rows.push((format!("{branch}{}", escape(step.name.as_bytes())), step, others.join(", ")));
            let last = below[place].last().copied();
            open.extend(below[place].iter().rev().map(|next| {
                let (own, those_below) = if Some(*next) == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                (*next, format!("{rest}{own}"), format!("{rest}{those_below}"))
            }));
        }
        let width = |text: &str| unicode_width::UnicodeWidthStr::width(text);
        let names = rows.iter().map(|(name, ..)| width(name)).max().unwrap_or(0);
        let states = rows.iter().map(|(_, step, _)| width(&step.state_words())).max().unwrap_or(0);
        for (name, step, others) in &rows {
            let words = step.state_words();
            let padding = [names - width(name), states - width(&words)].map(|count| " ".repeat(count));
            let also = if others.is_empty() { String::new() } else { format!("also needs {others}") };
            let why = [also, escape(step.reason.as_bytes())];
            let why: Vec<String> = why.into_iter().filter(|text| !text.is_empty()).collect();
            let why =
                super::table::shorten(&why.join("; "), out.width.map(|all| all.saturating_sub(names + states + 4)));
            let words = out.styled(style(step.state), &words);
            let line = format!("{name}{}  {words}{}  {}", padding[0], padding[1], out.styled(Style::Dim, why));
            writeln!(out, "{}", line.trim_end())?;
        }
        let mut counts: BTreeMap<State, u64> = BTreeMap::new();
        for step in &self.steps {
            match step.members.is_empty() {
                true => *counts.entry(step.state).or_default() += 1,
                false => step.members.iter().for_each(|(state, count)| *counts.entry(*state).or_default() += count),
            }
        }
        let parts: Vec<String> =
            counts.iter().rev().map(|(state, count)| format!("{count} {}", state.words())).collect();
        writeln!(out, "\n{}: {}", count(counts.values().sum(), "step"), parts.join(", "))
    }
}

fn style(state: State) -> Style {
    match state {
        State::UpToDate => Style::Good,
        State::Frozen => Style::Dim,
        State::Restore | State::Depends | State::Run => Style::Notice,
        State::Missing | State::Failed => Style::Bad,
    }
}
