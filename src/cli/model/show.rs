//! `mlx model show`: one version and where it comes from.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::super::output::{Style, minute, number, size};
use super::super::runs::value;
use super::super::{Context, Render, Table, Text};
use crate::Result;
use crate::bundle;
use crate::fs::{escape, quote};
use crate::project::lock::LockedPath;
use crate::registry::{Event, Promotion, Reference, Said, Version};
use crate::store::Store;

/// Show a version of a model and where it comes from
///
/// Shows the run that made it, its parameters and metrics, the digests of all data and code that went into it, the
/// commit and the environment, its tags, each promotion, and the bundles made of it.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx model show churn\n  mlx model show churn@production\n  mlx model show churn:3 --json | jq '.data[].digest'"
)]
pub struct Show {
    /// Version in question: `churn` (the newest), `churn:3` or `churn@production`
    #[arg(value_name = "MODEL[:VERSION|@ALIAS]")]
    reference: Reference,
}

impl Show {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let store = Store::of(&project)?;
        let registry = cx.registry(&project, &store)?;
        let mut version = registry.find(&self.reference)?;
        let bundles = bundle::made(&store, &version.model, version.version)?;
        let state = registry.state(&version.model)?;
        let (aliases, said) = (state.aliases_of(version.version), state.said(version.version));
        if let Some(description) = &said.description {
            version.description.clone_from(description);
        }
        let concerns = |promotion: &Promotion| [Some(promotion.to), promotion.from].contains(&Some(version.version));
        let promotions = state.promotions().into_iter().filter(concerns).collect();
        cx.out.show(&Shown { version, aliases, said, promotions, bundles })
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    version: Version,
    aliases: Vec<String>,
    #[serde(flatten)]
    said: Said,
    /// Every promotion from this version or to it, the oldest first.
    promotions: Vec<Promotion>,
    /// Bundles that were made of it here, the newest first.
    bundles: Vec<bundle::Record>,
}

impl Render for Shown {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Version { model, version, description, params, metrics, data, .. } = &self.version;
        let aliases = self.aliases.iter().map(|alias| format!(" @{alias}")).collect::<String>();
        writeln!(out, "{}{}", out.styled(Style::Bold, format!("{model} {version}")), out.styled(Style::Good, aliases))?;
        description
            .iter()
            .flat_map(|text| text.lines())
            .try_for_each(|line| writeln!(out, "  {}", escape(line.as_bytes())))?;
        writeln!(out)?;
        self.facts().iter().try_for_each(|(name, fact)| writeln!(out, "  {name:<12} {fact}"))?;
        let params = params.iter().map(|(name, param)| (name, value(param)));
        let metrics = metrics.iter().map(|(name, metric)| (name, number(*metric)));
        section(out, "parameters", &pairs(params))?;
        section(out, "metrics", &pairs(metrics))?;
        section(out, "made from", &files(data))?;
        section(out, "promotions", &promotions(&self.promotions))?;
        section(out, "bundles", &bundles(&self.bundles))
    }
}

impl Shown {
    fn facts(&self) -> Vec<(&'static str, String)> {
        let Version { path, object, run, step, commit, environment, created, created_by, .. } = &self.version;
        let made_by = match (step, run) {
            (Some(step), Some(run)) => format!("step `{step}` of run {run}"),
            (Some(step), None) => format!("step `{step}`, in a run that is not known here"),
            (None, _) => "no step; it was added".into(),
        };
        let mut facts = vec![
            ("path", format!("{path}{}", if object.is_directory() { "/" } else { "" })),
            ("digest", object.digest.to_string()),
            ("weights", size(object.size)),
            ("made by", made_by),
        ];
        let commit = commit.as_ref().map(|commit| escape(commit.chars().take(12).collect::<String>().as_bytes()));
        facts.push(("commit", commit.unwrap_or_else(|| "none".into())));
        if let Some(environment) = environment {
            let python = environment.python_version.as_ref().map(|version| format!("Python {version}"));
            let declared = environment.digest.map(|digest| format!("{}, ", digest.short())).unwrap_or_default();
            facts.push(("environment", format!("{declared}{}", python.as_deref().unwrap_or("no Python"))));
        }
        if !self.said.tags.is_empty() {
            facts.push(("tags", self.said.tags.iter().cloned().collect::<Vec<_>>().join(", ")));
        }
        if let Some(Event { when, who, why, .. }) = &self.said.archived {
            let why = why.as_ref().map_or(String::new(), |why| format!(": {}", escape(why.as_bytes())));
            facts.push(("archived", format!("{} UTC by {}{why}", minute(*when), escape(who.as_bytes()))));
        }
        facts.push(("registered", format!("{} UTC by {}", minute(*created), escape(created_by.as_bytes()))));
        facts
    }
}

/// A heading and its table; nothing where the table is empty.
fn section(out: &mut Text<'_>, name: &str, table: &Table) -> io::Result<()> {
    if table.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", out.styled(Style::Bold, name))?;
    table.render(out)
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a String, String)>) -> Table {
    let mut table = Table::new(["  name", "value"]);
    pairs.for_each(|(name, value)| table.row([format!("  {}", escape(name.as_bytes())), value]));
    table
}

fn files(files: &[LockedPath]) -> Table {
    let mut table = Table::new(["  path", "digest", "size"]).right([2]);
    for LockedPath { path, object } in files {
        let slash = if object.is_directory() { "/" } else { "" };
        table.row([format!("  {path}{slash}"), object.digest.short(), size(object.size)]);
    }
    table
}

fn bundles(bundles: &[bundle::Record]) -> Table {
    let mut table = Table::new(["  made (UTC)", "digest", "file size", "who", "file"]).right([2]);
    for bundle::Record { created, manifest, size: bytes, created_by, file, .. } in bundles {
        let who = escape(created_by.as_bytes());
        table.row([format!("  {}", minute(*created)), manifest.short(), size(*bytes), who, quote(file)]);
    }
    table
}

fn promotions(promotions: &[Promotion]) -> Table {
    let mut table = Table::new(["  when (UTC)", "alias", "from", "to", "who", "why"]);
    for Promotion { when, who, alias, from, to, why, overridden } in promotions {
        let mut reasons: Vec<String> = why.iter().map(|why| escape(why.as_bytes())).collect();
        reasons.extend((!overridden.is_empty()).then(|| format!("in spite of: {}", overridden.join("; "))));
        table.row([
            format!("  {}", minute(*when)),
            alias.clone(),
            from.map_or("-".into(), |from| from.to_string()),
            to.to_string(),
            escape(who.as_bytes()),
            if reasons.is_empty() { "-".into() } else { reasons.join("; ") },
        ]);
    }
    table
}
