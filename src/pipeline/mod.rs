//! Pipelines: which steps there are, which of them must run and why, and running them.
//!
//! A step is known by its **key**, the digest of all that decides what it makes. What a key made before is restored
//! instead of made again; the keys of later steps depend on what the earlier ones made, so that an output that comes out
//! the same stops the wave.

mod away;
mod cached;
mod checkpoint;
mod commit;
mod dag;
mod differing;
mod elsewhere;
mod enter;
mod environments;
mod explain;
mod failure;
mod graph;
mod judge;
mod key;
mod makers;
mod metrics;
mod outside;
mod parts;
mod performed;
mod plan;
mod products;
mod program;
mod record;
mod replacing;
mod restore;
mod results;
mod schedule;
mod select;
mod setup;
mod since;
mod train;
mod travel;
mod trial;
mod unfinished;
mod variables;
mod work;

use std::path::PathBuf;
use std::sync::Arc;

pub use away::{Engines, JobManifest, end_jobs, engine, has_jobs, manifests};
pub use dag::{Card, Dag, DagStep, State, dag, mermaid, picture, svg, xml_text};
pub use differing::DifferingInput;
pub use elsewhere::Elsewhere;
pub use enter::{Entered, enter};
pub use explain::{
    Change, Explanation, LastRun, Made, Needed, Output, Part, PartKind, Presence as OutputPresence, explain,
};
pub use metrics::Lines;
pub use outside::Outside;
pub use plan::{Action, Plan, PlannedStep};
pub use record::Code;
pub use restore::{BroughtBack, Part as RestorePart, Wanted as RestoreWanted, bring_back};
pub use select::Scope;
pub use train::{Trained, train};
pub use travel::{Outputs, Travel, Travelled, settle_in};
pub use trial::{Materials, TrialRun, materials, metrics_files};
pub use unfinished::RUN_VARIABLE;

use crate::Result;
use crate::env::Interpreters;
use crate::event::Watch;
use crate::executor::Machine;
use crate::project::{Project, params};
use crate::remote::Access;
use crate::run::{Label, RunId};
use setup::{Purpose, Setup};

/// What is asked for, and by whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// Steps by name or by the name of their group, with all that they need; every step where none is named.
    pub steps: Vec<String>,
    /// What narrows them down.
    pub scope: Scope,
    /// `KEY=VALUE` texts that take the place of parameters in this run.
    pub settings: Vec<String>,
    /// Run the named steps (all where none is named) whatever is known, and replace outputs that were changed by hand.
    pub force: bool,
    /// Processors that may be taken at once.
    pub jobs: u64,
    /// Memory and GPUs that may be.
    pub machine: Arc<Machine>,
    /// After a failure, go on with what does not depend on it.
    pub keep_going: bool,
    /// Fail if anything is out of date, and run nothing.
    pub locked: bool,
    /// The run one of whose steps this is called by.
    pub within: Option<RunId>,
    /// What is said of the run from its beginning.
    pub label: Label,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// Who runs it, for the record.
    pub user: String,
    /// The directory that the user's projects share.
    pub cache: PathBuf,
    pub interpreters: Interpreters,
    /// What steps may depend on outside of the project.
    pub outside: Outside,
    /// Where the run is a trial of a sweep.
    pub trial: Option<TrialRun>,
    /// How remotes are reached, for outputs that are known and not here; `None` where none is to be asked.
    pub access: Option<Access>,
    /// What is asked for about executors.
    pub engines: Engines,
}

/// The names of the steps that the options ask for, in order. Changes nothing.
pub fn selected(project: &Project, options: &Options, watch: Watch<'_>) -> Result<Vec<String>> {
    let project = &*project.with_params(&options.settings)?;
    let setup = Setup::of(project, options, Purpose::Plan, watch)?;
    Ok(setup.selected.iter().map(|step| setup.graph.steps[*step].name.clone()).collect())
}

/// What [`train`] would do now. Changes nothing.
pub fn plan(project: &Project, options: &Options, watch: Watch<'_>) -> Result<Plan> {
    let project = &*project.with_params(&options.settings)?;
    let setup = Setup::of(project, options, Purpose::Plan, watch)?;
    setup.tell(watch);
    let judged = plan::judge_all(&setup.judge(options)?, &setup.graph, &setup.selected, watch)?;
    setup.save();
    Ok(Plan { steps: judged.iter().map(|judged| judged.planned(&setup.graph)).collect() })
}
