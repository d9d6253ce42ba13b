//! `mlx lineage`: what something was made from, and what was made of it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ending::format_of;
use super::output::{Style, minute, size};
use super::{Context, Render, Text, targeted};
use crate::deploy;
use crate::event::Event;
use crate::fs::{escape, quote, write_atomic};
use crate::lineage::{Lineage, Node, Relation, Sources, TargetRelease, Unasked};
use crate::pipeline::{Card, picture};
use crate::project::Project;
use crate::run::Runs;
use crate::store::Store;
use crate::{Error, Result};

/// Show what something was made from, and what was made of it
///
/// From a file, a version of a model, a run, a bundle or a release one comes back to the data and the code, and on to what
/// answers on a target: data, steps with their runs, versions, bundles, releases. All that is known of the runs here and of
/// the registry counts, what lies on other branches included.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx lineage churn@production
  mlx lineage data/raw.csv
  mlx lineage sha256:3f9a1c --json | jq '.nodes[] | select(.kind == \"release\")'
  mlx lineage churn --output churn.svg")]
pub struct ShowLineage {
    /// A path of the project, or of a bundle in it, a version (`churn`, `churn:3`, `churn@production`), a run, or the first
    /// digits of a digest
    #[arg(value_name = "PATH|MODEL|RUN|DIGEST")]
    what: String,
    /// How it is drawn [default: what the ending of the output says, else text]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write it to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave out what lies on targets, and ask none of them; they are asked only where it could lie there, and not for long
    #[arg(long)]
    no_targets: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Svg,
}

/// The endings that files of each format have.
const ENDINGS: [(&str, Format); 2] = [("svg", Format::Svg), ("txt", Format::Text)];

impl ShowLineage {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let format = format_of(self.format, self.output.as_deref(), &ENDINGS, Format::Text)?;
        let project = cx.project()?;
        let store = Store::of(&project)?;
        let runs = Runs::open(&project, &store, &*cx.events)?;
        let registry = cx.registry(&project, &store)?;
        let lock = project.read_lock()?;
        let sources = Sources { lock: &lock, store: &store, runs: &runs, registry: &registry };
        let mut graph = sources.graph()?;
        let path = project.relative(&cx.directory, self.what.as_ref()).ok();
        let mut found = sources.find(&mut graph, &self.what, path.as_ref());
        let mut left_out = Vec::new();
        if !self.no_targets && sources.may_lie_on_targets(&graph, &self.what, &found) {
            let (releases, unasked) = on_targets(cx, &project);
            graph.add_releases(releases);
            left_out = unasked;
            found = sources.find(&mut graph, &self.what, path.as_ref());
        }
        tell(cx, &left_out);
        let lineage = Lineage { left_out, ..graph.trace(&found?) };
        let content = match format {
            Format::Text => text(&lineage)?,
            Format::Svg => svg(&lineage),
        };
        match self.output {
            Some(output) => {
                let file = cx.file(&output);
                let directory =
                    file.parent().ok_or_else(|| Error::usage(format!("`{}` is no file", quote(&output))))?;
                write_atomic(&file, content.as_bytes(), directory)?;
                if cx.out.is_json() {
                    return cx.out.document(&lineage);
                }
                cx.out.hint(format!("Wrote `{}`", quote(&output)));
                Ok(())
            }
            None if cx.out.is_json() || format == Format::Text => cx.out.show(&lineage),
            None => cx.out.stream(|out| Ok(out.write_all(content.as_bytes()).map_err(anyhow::Error::new)?)),
        }
    }
}

/// What lies on the targets of the manifest, and those that can't be asked.
fn on_targets(cx: &Context, project: &Project) -> (Vec<TargetRelease>, Vec<Unasked>) {
    let (mut found, mut unasked, mut names, mut targets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let because = |name: &str, error: &Error| Unasked { target: name.to_owned(), why: error.to_string() };
    for name in project.manifest.targets.keys() {
        match targeted::open_briefly(cx, project, name) {
            Ok(targeted) => {
                names.push(name);
                targets.push(targeted.target);
            }
            Err(error) => unasked.push(because(name, &error)),
        }
    }
    for (name, listed) in names.into_iter().zip(deploy::releases_of_all(targets, &*cx.events)) {
        match listed {
            Ok(releases) => found.extend(releases.into_iter().map(|release| TargetRelease {
                target: name.clone(),
                release: release.release,
                live: release.live,
                canary: release.canary,
                model: release.model,
                version: release.version,
            })),
            Err(error) => unasked.push(because(name, &error)),
        }
    }
    (found, unasked)
}

/// Says what is left out, all of it at once.
fn tell(cx: &Context, left_out: &[Unasked]) {
    let message = match left_out {
        [] => return,
        [Unasked { target, why }] => format!("what lies on the target `{target}` is left out: {why}"),
        several => {
            let line = |Unasked { target, why }: &Unasked| format!("\n  `{target}`: {why}");
            let lines: String = several.iter().map(line).collect();
            format!("what lies on {} targets is left out:{lines}", several.len())
        }
    };
    cx.events.emit(Event::Warning { message, hint: Some("`--no-targets` asks none of them".into()) });
}

/// The text without colours, for a file.
fn text(lineage: &Lineage) -> Result<String> {
    let mut bytes = Vec::new();
    lineage.render(&mut Text::plain(&mut bytes)).map_err(anyhow::Error::new)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a node is called, and what else is to say of it.
fn in_words(node: &Node) -> (String, String) {
    match node {
        Node::Data { path, digest, size: bytes, directory } => {
            let slash = if *directory { "/" } else { "" };
            (format!("{path}{slash}"), format!("{}, {}", digest.short(), size(*bytes)))
        }
        Node::Step { step, run, started, .. } => {
            let run = run.as_ref().map_or("in a run that is not known here".into(), |run| format!("run {run}"));
            let started = started.map_or(String::new(), |started| format!(", {} UTC", minute(started)));
            (format!("step {}", escape(step.as_bytes())), format!("{run}{started}"))
        }
        Node::Version { model, version, aliases, archived } => {
            let mut words: Vec<String> = aliases.iter().map(|alias| format!("@{}", escape(alias.as_bytes()))).collect();
            words.extend(archived.then(|| "archived".into()));
            (
                format!("{}:{version}", escape(model.as_bytes())),
                if words.is_empty() { "version".into() } else { words.join(", ") },
            )
        }
        Node::Bundle { digest, file, .. } => {
            (format!("bundle {}", digest.short()), file.as_ref().map_or(String::new(), quote))
        }
        Node::Release { target, release, live, canary } => {
            let state = match canary {
                Some(percent) => format!("canary, {percent} % of requests"),
                None if *live => "live".into(),
                None => "not live".into(),
            };
            (format!("release on {}", escape(target.as_bytes())), format!("{}, {state}", release.short()))
        }
    }
}

fn svg(lineage: &Lineage) -> String {
    let class = |node: &Node| match node {
        Node::Data { .. } => ("restore", "data"),
        Node::Step { .. } => ("run", "step"),
        Node::Version { .. } => ("done", "version"),
        Node::Bundle { .. } => ("missing", "bundle"),
        Node::Release { live: true, .. } | Node::Release { canary: Some(_), .. } => ("failed", "answers"),
        Node::Release { .. } => ("frozen", "release"),
    };
    let card = |traced: &crate::lineage::Traced| {
        let (name, line) = in_words(&traced.node);
        let more = match &traced.node {
            Node::Data { digest, .. } | Node::Bundle { digest, .. } => digest.to_string(),
            Node::Release { release, .. } => release.to_string(),
            _ => String::new(),
        };
        let name = if traced.relation == Relation::Subject { format!("\u{25b8} {name}") } else { name };
        Card { name, line, more, class: class(&traced.node).0 }
    };
    let cards: Vec<Card> = lineage.nodes.iter().map(card).collect();
    let mut legend: Vec<(&str, &str)> = lineage.nodes.iter().map(|traced| class(&traced.node)).collect();
    legend.sort_unstable();
    legend.dedup();
    // Of nodes that lead to each other, only one way can be drawn.
    let mut needs = lineage.before();
    needs.iter_mut().enumerate().for_each(|(place, needs)| needs.retain(|needed| *needed < place));
    picture(&cards, &needs, &legend, &format!("lineage of {} things", cards.len()))
}

impl Render for Lineage {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        for (number, subject) in self.subjects.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            let (name, more) = in_words(&self.nodes[*subject].node);
            writeln!(out, "{}  {}", out.styled(Style::Bold, name), out.styled(Style::Dim, more))?;
            for (title, next) in [("made from", self.before()), ("led to", self.after())] {
                if next[*subject].is_empty() {
                    continue;
                }
                writeln!(out, "\n{}", out.styled(Style::Bold, title))?;
                self.tree(*subject, &next, out)?;
            }
        }
        Ok(())
    }
}

impl Lineage {
    /// What lies in one direction, each thing once; where it comes again, a mark says that it stands above.
    fn tree(&self, root: usize, next: &[Vec<usize>], out: &mut Text<'_>) -> io::Result<()> {
        let mut met = BTreeSet::from([root]);
        let mut open: Vec<(usize, usize)> = next[root].iter().rev().map(|place| (*place, 1)).collect();
        while let Some((place, depth)) = open.pop() {
            let (name, more) = in_words(&self.nodes[place].node);
            let is_new = met.insert(place);
            let above = if is_new || next[place].is_empty() { "" } else { " (see above)" };
            let indent = "  ".repeat(depth);
            writeln!(out, "{indent}{name}  {}{above}", out.styled(Style::Dim, more))?;
            if is_new {
                open.extend(next[place].iter().rev().map(|place| (*place, depth + 1)));
            }
        }
        Ok(())
    }
}
