//! `mlx runs name`, `tag` and `note`: what people say of a run.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::super::{Context, Render, Text};
use crate::fs::escape;
use crate::run::{Label, RunId};
use crate::{Error, Result};

/// Give a run a name
///
/// The run is found by it wherever a run is taken. A name belongs to one run.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx runs name latest baseline\n  mlx compare baseline latest\n  mlx runs name baseline --remove"
)]
pub struct Name {
    /// Run in question: a name, an id, a unique beginning of one, or `latest`
    run: String,
    /// Its name from now on
    #[arg(required_unless_present = "remove", conflicts_with = "remove")]
    name: Option<String>,
    /// Take the name from it
    #[arg(long)]
    remove: bool,
}

/// Give runs tags, or take them away
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx runs tag latest good paper\n  mlx runs tag 9be0 good --remove\n  mlx runs --tag good"
)]
pub struct Tag {
    /// Run in question: a name, an id, a unique beginning of one, or `latest`
    run: String,
    /// Tags
    #[arg(required = true, value_name = "TAG")]
    tags: Vec<String>,
    /// Take these tags away
    #[arg(long)]
    remove: bool,
}

/// Note something about a run
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx runs note latest 'with the cleaned labels'\n  mlx runs note latest --remove")]
pub struct Note {
    /// Run in question: a name, an id, a unique beginning of one, or `latest`
    run: String,
    /// What is worth knowing, in place of what was noted before
    #[arg(required_unless_present = "remove", conflicts_with = "remove", value_name = "TEXT")]
    note: Option<String>,
    /// Take the note away
    #[arg(long)]
    remove: bool,
}

impl Name {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let (_, runs) = cx.runs()?;
        let run = runs.find(&self.run)?;
        if let Some(name) = &self.name {
            runs.check_free(name, Some(&run.id))?;
        }
        let label = runs.change_label(&run.id, |label| label.name.clone_from(&self.name))?;
        cx.out.show(&Labelled { run: run.id, label })
    }
}

impl Tag {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let (_, runs) = cx.runs()?;
        let run = runs.find(&self.run)?;
        if self.remove {
            let label = runs.label(&run.id)?;
            if let Some(tag) = self.tags.iter().find(|tag| !label.tags.contains(*tag)) {
                return Err(Error::usage(format!("run {} has no tag `{}`", run.id, escape(tag.as_bytes()))));
            }
        }
        let label = runs.change_label(&run.id, |label| match self.remove {
            true => label.tags.retain(|tag| !self.tags.contains(tag)),
            false => label.tags.extend(self.tags.iter().cloned()),
        })?;
        cx.out.show(&Labelled { run: run.id, label })
    }
}

impl Note {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let (_, runs) = cx.runs()?;
        let run = runs.find(&self.run)?;
        let note = self.note.filter(|note| !note.is_empty());
        let label = runs.change_label(&run.id, |label| label.note.clone_from(&note))?;
        cx.out.show(&Labelled { run: run.id, label })
    }
}

#[derive(Serialize)]
struct Labelled {
    run: RunId,
    #[serde(flatten)]
    label: Label,
}

impl Render for Labelled {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Label { name, tags, note } = &self.label;
        let name = name.as_ref().map_or(String::new(), |name| format!(" `{name}`"));
        let tags = match tags.len() {
            0 => String::new(),
            _ => format!("; tags: {}", tags.iter().cloned().collect::<Vec<_>>().join(", ")),
        };
        let note = note.as_ref().map_or(String::new(), |note| format!("; note: {}", escape(note.as_bytes())));
        writeln!(out, "run {}{name}{tags}{note}", self.run)
    }
}
