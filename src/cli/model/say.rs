//! `mlx model tag` and `describe`: what people say of a version.

use std::collections::BTreeSet;
use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::super::{Context, Render, Text};
use crate::Result;
use crate::fs::escape;
use crate::registry::Reference;
use crate::store::Store;

/// Give a version tags, or take them away
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx model tag churn:3 good paper\n  mlx model tag churn@staging good --remove\n  mlx model list --tag good"
)]
pub struct Tag {
    /// Version in question: `churn` (the newest), `churn:3` or `churn@production`
    #[arg(value_name = "MODEL[:VERSION|@ALIAS]")]
    reference: Reference,
    /// Tags
    #[arg(required = true, value_name = "TAG")]
    tags: Vec<String>,
    /// Take these tags away
    #[arg(long)]
    remove: bool,
}

/// Say what a version is, in place of what was said before
///
/// The description is shown with the version. Bundles that are made of it hold the one that it was registered with, so
/// that the same version stays the same bundle.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx model describe churn:3 'without the rows of the outage'\n  mlx model describe churn:3 --remove"
)]
pub struct Describe {
    /// Version in question: `churn` (the newest), `churn:3` or `churn@production`
    #[arg(value_name = "MODEL[:VERSION|@ALIAS]")]
    reference: Reference,
    /// What is worth knowing about it
    #[arg(required_unless_present = "remove", conflicts_with = "remove", value_name = "TEXT")]
    text: Option<String>,
    /// Take the description away
    #[arg(long)]
    remove: bool,
}

impl Tag {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let registry = cx.registry(&project, &Store::of(&project)?)?;
        let version = registry.find(&self.reference)?;
        let (model, number) = (version.model, version.version);
        let (tags, author) = (self.tags.into_iter().collect::<BTreeSet<_>>(), cx.author(None));
        let state = match self.remove {
            true => registry.untag(&model, number, &tags, &author)?,
            false => registry.tag(&model, number, &tags, &author)?,
        };
        let said = state.said(number);
        let description = said.description.unwrap_or(version.description);
        cx.out.show(&Shown { model, version: number, tags: said.tags, description })
    }
}

impl Describe {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let registry = cx.registry(&project, &Store::of(&project)?)?;
        let version = registry.find(&self.reference)?;
        let (model, number) = (version.model, version.version);
        let description = self.text.filter(|text| !text.is_empty());
        let state = registry.describe(&model, number, description.as_deref(), &cx.author(None))?;
        cx.out.show(&Shown { model, version: number, tags: state.said(number).tags, description })
    }
}

#[derive(Serialize)]
struct Shown {
    model: String,
    version: u64,
    tags: BTreeSet<String>,
    description: Option<String>,
}

impl Render for Shown {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { model, version, tags, description } = self;
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let tags = if tags.is_empty() { String::new() } else { format!("; tags: {}", tags.join(", ")) };
        let described = description.as_ref().map_or(String::new(), |text| format!(": {}", escape(text.as_bytes())));
        writeln!(out, "`{model}` {version}{described}{tags}")
    }
}
