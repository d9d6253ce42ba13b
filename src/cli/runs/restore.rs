//! `mlx runs restore`: a run's outputs, code and parameters come back.

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use super::super::output::{count, size};
use super::super::{Context, Render, Text};
use super::value;
use crate::Result;
use crate::data::Workspace;
use crate::fs::escape;
use crate::pipeline::{self, BroughtBack, DifferingInput, Elsewhere, RestorePart, RestoreWanted};
use crate::project::lock::LockedPath;

/// So many inputs that differ are named.
const SHOWN_INPUTS: usize = 10;

/// Bring a run back to the working tree
///
/// Puts the run's outputs back and names them in mlx.lock, brings the uncommitted changes of its code back where its commit is
/// checked out, and says with which `--set` its parameters come back. Data that the run read stays as it is here; where that is
/// something else, it is said. Outputs that are not here are fetched from a remote. Changes that are in no store and in no
/// commit are not overwritten without `--force`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx runs restore baseline --dry-run\n  mlx runs restore 9be0\n  mlx runs restore latest --only outputs"
)]
pub struct Restore {
    /// Run in question: a name, an id, a unique beginning of one, or `latest`
    run: String,
    /// Bring back only this part; more than once for several
    #[arg(long, value_name = "PART")]
    only: Vec<PartName>,
    /// Say what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Overwrite local changes that are in no store and in no commit
    #[arg(short, long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PartName {
    Outputs,
    Params,
    Code,
}

impl From<PartName> for RestorePart {
    fn from(name: PartName) -> Self {
        match name {
            PartName::Outputs => Self::Outputs,
            PartName::Params => Self::Params,
            PartName::Code => Self::Code,
        }
    }
}

impl Restore {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let (_, runs) = cx.runs()?;
        let run = runs.find(&self.run)?;
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        let only = if self.only.is_empty() { PartName::value_variants().to_vec() } else { self.only };
        let wanted = RestoreWanted {
            parts: only.into_iter().map(Into::into).collect(),
            force: self.force,
            dry_run: self.dry_run,
        };
        let elsewhere = Elsewhere::of(&project, &workspace, Some(&cx.access()));
        let back = pipeline::bring_back(&project, &workspace, &elsewhere, &run, &wanted, cx.watch())?;
        cx.out.show(&back)?;
        if let Some(commit) = &back.commit {
            let short: String = commit.chars().take(12).collect();
            cx.out.hint(format!("Its code is that of another commit: `git checkout {short}`, then run this again"));
        }
        if !back.inputs.is_empty() && !back.dry_run {
            cx.out.hint("`mlx train` would make the outputs from what is here now");
        }
        Ok(())
    }
}

impl Render for BroughtBack {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let did = if self.dry_run { "Would bring back" } else { "Brought back" };
        if self.outputs.is_empty() && self.files.is_empty() && self.params.is_empty() {
            match self.inputs.is_empty() {
                true => writeln!(out, "Nothing of run {} differs from what is here", self.run)?,
                false => writeln!(out, "What run {} made is here already", self.run)?,
            }
        }
        for LockedPath { path, object } in &self.outputs {
            writeln!(out, "{did} the output {path} ({}, {})", object.digest.short(), size(object.size))?;
        }
        self.files.iter().try_for_each(|path| writeln!(out, "{did} the file {path}"))?;
        if !self.params.is_empty() {
            let number = count(self.params.len() as u64, "parameter");
            let verb = if self.params.len() == 1 { "was" } else { "were" };
            writeln!(out, "{number} {verb} another value in the run:")?;
        }
        for param in &self.params {
            let cell = |side: &Option<serde_json::Value>| side.as_ref().map_or("-".into(), value);
            let name = escape(param.name.as_bytes());
            writeln!(out, "  {name}: {} now, {} in the run", cell(&param.baseline), cell(&param.candidate))?;
        }
        if !self.settings.is_empty() {
            let words = self.settings.iter().map(|setting| format!(" --set {}", super::show::shell_word(setting)));
            writeln!(out, "Write them into the manifest, or train with them: mlx train{}", words.collect::<String>())?;
        }
        self.render_inputs(out)
    }
}

impl BroughtBack {
    /// What the run read and is another thing here.
    fn render_inputs(&self, out: &mut Text<'_>) -> io::Result<()> {
        if self.inputs.is_empty() {
            return Ok(());
        }
        let number = count(self.inputs.len() as u64, "input");
        let (are, they) = if self.inputs.len() == 1 { ("is", "it stays") } else { ("are", "they stay") };
        writeln!(out, "{number} {are} not what the run read, and {they} as here:")?;
        for DifferingInput { path, now, in_run, remedy } in self.inputs.iter().take(SHOWN_INPUTS) {
            let now = now.map_or("missing".into(), |now| now.short());
            let how = match remedy {
                Some(command) => format!("bring it back with `{command}`"),
                None => "no commit here has that".into(),
            };
            writeln!(out, "  {path}: {now} now, {} in the run; {how}", in_run.short())?;
        }
        if self.inputs.len() > SHOWN_INPUTS {
            writeln!(out, "  and {} more", self.inputs.len() - SHOWN_INPUTS)?;
        }
        Ok(())
    }
}
