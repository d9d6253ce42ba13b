//! `mlx model card`: what people should know before they use a model.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::{Context, Render, Text};
use crate::bundle;
use crate::fs::quote;
use crate::registry::{Reference, Registry};
use crate::store::Store;
use crate::{Error, Result};

/// Show the card of a model, or begin one of your own
///
/// A bundle brings a card as README.md: what the model takes and gives, its metrics, parameters, data and environment. With
/// `--template` it becomes one to write on; name it as `card` of the model, and each version fills its own numbers in.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx model card churn
  mlx model card churn@production -o CARD.md
  mlx model card churn --template -o cards/churn.md")]
pub struct Card {
    /// Version in question: `churn` (the newest), `churn:3` or `churn@production`
    #[arg(value_name = "MODEL[:VERSION|@ALIAS]")]
    reference: Reference,
    /// Give a card to write on, in which sections are named and not filled in
    #[arg(long)]
    template: bool,
    /// File to write instead of standard output; one that is there is kept
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Card {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let store = Store::of(&project)?;
        let version = Registry::open(&store).find(&self.reference)?;
        let model = project.manifest.models.get(&version.model);
        let text = match self.template {
            true => bundle::card_template(&version),
            false => bundle::current_card(&version, model, &project, &store)?,
        };
        let Some(file) = &self.output else {
            return cx.out.show(&Shown { model: version.model, version: version.version, card: text });
        };
        if !crate::fs::create_only(&cx.file(file), text.as_bytes(), &project.scratch())? {
            return Err(Error::usage(format!("`{}` is there already", quote(file)))
                .with_hint("name another file, or move away what lies there"));
        }
        cx.out.show(&Written { file: file.clone() })?;
        if self.template {
            cx.out.hint(format!("Write on it, and name it in [model.{}]: `card = \"{}\"`", version.model, quote(file)));
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Shown {
    model: String,
    version: u64,
    /// Markdown.
    card: String,
}

impl Render for Shown {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        // It may be the user's own file: whatever would drive a terminal is shown and not sent.
        self.card.lines().try_for_each(|line| writeln!(out, "{}", harmless(line)))
    }
}

/// The line without control characters; backslashes stay, since Markdown has its own use for them.
fn harmless(line: &str) -> String {
    line.chars()
        .map(|character| if character.is_control() && character != '\t' { '\u{fffd}' } else { character })
        .collect()
}

#[derive(Serialize)]
struct Written {
    file: PathBuf,
}

impl Render for Written {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        writeln!(out, "Wrote `{}`", quote(&self.file))
    }
}
