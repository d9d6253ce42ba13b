//! `mlx fetch`: bring data and outputs into the store; and what push, pull and fetch have in common.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::output::{count, size};
use super::{Context, Render, Text};
use crate::Result;
use crate::data::{self, Selection, Versions, Workspace, some_names};
use crate::pipeline::{self, Outputs, Travel, Travelled};
use crate::project::Project;
use crate::remote::{self, Fetched, Remote, Transfer};
use crate::run::{Filter, Run, Runs, Status};

/// What travels, and between which places.
#[derive(Args)]
pub struct Transferred {
    /// Remote of the manifest; the only one, or `origin`, where none is given
    #[arg(short, long, value_name = "NAME")]
    remote: Option<String>,
    /// Versions that this Git revision names
    #[arg(long, value_name = "REV", conflicts_with = "all_revs")]
    rev: Option<String>,
    /// Versions that any commit of any branch or tag names
    #[arg(long)]
    all_revs: bool,
    /// Say what would be sent or received, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Files that are sent or received at once
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

impl Transferred {
    /// The remote and its name.
    pub fn remote(&self, cx: &Context, project: &Project) -> Result<(String, Arc<dyn Remote>)> {
        remote::of_project(project, self.remote.as_deref(), &cx.access())
    }

    /// What travels.
    pub fn selection(&self, cx: &Context, project: &Project, paths: &[PathBuf]) -> Result<Selection> {
        let versions = match &self.rev {
            Some(revision) => Versions::Revision(revision.clone()),
            None if self.all_revs => Versions::All,
            None => Versions::Lock,
        };
        let (paths, jobs) = (cx.paths(project, paths)?, usize::from(self.jobs));
        Ok(Selection { versions, paths, others: Vec::new(), jobs, repair: false, dry_run: self.dry_run })
    }

    /// Takes in the records of others, unless only some paths are asked for.
    pub fn receive(
        &self,
        cx: &Context,
        project: &Project,
        workspace: &Workspace,
        remote: &dyn Remote,
        selection: &Selection,
    ) -> Result<Travelled> {
        if selection.dry_run || !selection.paths.is_empty() {
            return Ok(Travelled::default());
        }
        let memory = project.state("remotes");
        let mut travel = self.travel(cx, project, workspace, remote, &memory);
        if selection.repair {
            travel.distrust();
        }
        travel.receive()
    }

    /// Records between the project and the remote.
    pub fn travel<'a>(
        &self,
        cx: &'a Context,
        project: &'a Project,
        workspace: &'a Workspace,
        remote: &'a dyn Remote,
        memory: &'a Path,
    ) -> Travel<'a> {
        let (store, jobs) = (workspace.store(), usize::from(self.jobs));
        Travel::new(project, workspace, Transfer { remote, store, memory, jobs, watch: cx.watch() })
    }
}

/// Runs whose outputs travel beside what the lock names.
#[derive(Args)]
pub struct RunsToo {
    /// What these runs made, too, and their logs: names, ids, unique beginnings of these, or `latest`
    #[arg(long, value_name = "RUN", value_delimiter = ',', conflicts_with_all = ["all_runs", "paths"])]
    runs: Vec<String>,
    /// What all runs made, too, and their logs
    #[arg(long, conflicts_with = "paths")]
    all_runs: bool,
}

impl RunsToo {
    /// The runs that are meant.
    pub fn find(&self, runs: &Runs) -> Result<Vec<Run>> {
        match self.all_runs {
            true => {
                let listed = runs.list(&Filter::default())?.into_iter().filter(|run| run.status != Status::Running);
                listed.map(|summary| runs.get(&summary.id)).collect()
            }
            false => self.runs.iter().map(|name| runs.find(name)).collect(),
        }
    }

    /// What of them goes to a remote.
    pub fn outputs(&self, runs: &Runs) -> Result<Outputs> {
        Ok(match self.all_runs {
            true => Outputs::All,
            false if self.runs.is_empty() => Outputs::Locked,
            false => Outputs::Of(self.find(runs)?.into_iter().map(|run| run.id).collect()),
        })
    }
}

/// Objects and records that travelled.
#[derive(Serialize)]
pub struct WithRecords<T> {
    #[serde(flatten)]
    pub objects: T,
    pub records: Travelled,
    /// Which way they went, for people.
    #[serde(skip)]
    pub verb: &'static str,
}

impl<T: Render> Render for WithRecords<T> {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        self.objects.render(out)?;
        let Travelled { runs, labels, steps, .. } = self.records;
        if self.records.is_nothing() {
            return Ok(());
        }
        let parts = [
            (runs, count(runs, "run")),
            (labels, format!("what is said of {}", count(labels, "run"))),
            (steps, format!("the results of {}", count(steps, "step"))),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, text)| text).collect();
        writeln!(out, "{} the records of {}", self.verb, parts.join(", "))
    }
}

/// Bring data and outputs from a remote into the store
///
/// The working tree stays as it is; `mlx checkout` puts things there, and `mlx pull` does both. A fetch that was cut off
/// goes on where it was. The runs that others pushed, and what is known of the results of their steps, come along.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx fetch
  mlx fetch --all-revs
  mlx fetch data/images --rev v1.0
  mlx fetch --runs baseline")]
pub struct Fetch {
    #[command(flatten)]
    what: Transferred,
    #[command(flatten)]
    runs: RunsToo,
    /// Files or directories; all that the lock names where none is given
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Fetch {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let (_, remote) = self.what.remote(cx, &project)?;
        let mut selection = self.what.selection(cx, &project, &self.paths)?;
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        let records = self.what.receive(cx, &project, &workspace, &*remote, &selection)?;
        let runs = self.runs.find(&Runs::open(&project, workspace.store(), &*cx.events)?)?;
        selection.others = Travel::objects_of(&runs);
        let fetched = data::fetch(&project, &workspace, &*remote, &selection, cx.watch())?;
        if !selection.dry_run {
            pipeline::settle_in(workspace.store(), &runs)?;
        }
        let shown = WithRecords { objects: fetched, records, verb: "Received" };
        cx.out.show(&shown)?;
        shown.objects.verdict()
    }
}

impl Render for Fetched {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { url, objects, bytes, received_bytes, present, repaired, lacking, paths, .. } = self;
        if *repaired > 0 {
            writeln!(out, "Damaged here, and put aside: {}", count(*repaired, "object"))?;
        }
        if !lacking.is_empty() {
            let names = if paths.is_empty() { String::new() } else { format!(": {}", some_names(paths.iter())) };
            writeln!(out, "Not whole on {url}: {}{names}", count(lacking.len() as u64, "object"))?;
        }
        let objects_text = count(*objects, "object");
        match (*objects, self.dry_run) {
            (0, _) if !lacking.is_empty() => Ok(()),
            (0, _) => writeln!(out, "Up to date: {} in the store", count(*present, "object")),
            (_, true) => writeln!(out, "Would fetch {objects_text} ({}) from {url}", size(*bytes)),
            (_, false) => writeln!(out, "Fetched {objects_text} ({}) from {url}", size(*received_bytes)),
        }
    }
}
