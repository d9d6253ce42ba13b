//! A step of the pipeline, as `[step.NAME]` says it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Resources;
use crate::project::ProjectPath;
use crate::project::reader::Item;
use crate::{Error, Result};

/// One step of the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub name: String,
    pub description: Option<String>,
    /// Given to `sh -c`.
    pub cmd: String,
    /// Where the program works; the project's directory where nothing is said.
    pub dir: Option<ProjectPath>,
    pub deps: Vec<ProjectPath>,
    /// Names of parameters, or of groups of them: `train` stands for all of `train.*`.
    pub params: Vec<String>,
    /// Files and directories the step makes; kept in the store.
    pub outs: Vec<ProjectPath>,
    /// Outputs that hold metrics.
    pub metrics: Vec<ProjectPath>,
    /// Variables the program gets besides its own environment.
    pub variables: BTreeMap<String, String>,
    pub timeout: Option<Duration>,
    pub resources: Resources,
    /// Runs each time, whatever is known.
    pub always: bool,
    /// Never runs: its outputs are taken as they are.
    pub frozen: bool,
    /// Where it stands, for messages: `mlx.toml, line 14`.
    pub place: String,
}

impl Step {
    /// All files and directories the step makes: outputs, then metrics.
    pub fn products(&self) -> impl Iterator<Item = &ProjectPath> {
        self.outs.iter().chain(&self.metrics)
    }

    /// Reads `[step.NAME]`.
    pub(super) fn of(name: String, item: Item<'_>) -> Result<Self> {
        let mut table = item.table(format!("step `{name}`"))?;
        let place = table.place();
        let cmd = table.require("cmd")?;
        let cmd_place = cmd.place();
        let cmd = cmd.string()?;
        if cmd.trim().is_empty() {
            return Err(Error::usage(format!("`cmd` in step `{name}`: the command is empty ({cmd_place})")));
        }
        let mut paths = |key| table.take(key).map_or(Ok(Vec::new()), Item::paths);
        let (deps, outs, metrics) = (paths("deps")?, paths("outs")?, paths("metrics")?);
        let params = table.take("params").map_or(Ok(Vec::new()), Item::strings)?;
        let description = table.take("description").map(Item::string).transpose()?;
        let timeout = table.take("timeout").map(Item::duration).transpose()?;
        let dir = table.take("dir").map(Item::path).transpose()?;
        let resources = Resources::take(&mut table, timeout)?;
        let mut variables = BTreeMap::new();
        if let Some(item) = table.take("variables") {
            for (key, item) in item.table(format!("`variables` in step `{name}`"))?.into_entries() {
                variables.insert(key, item.string()?);
            }
        }
        let always = table.take("always").map_or(Ok(false), Item::boolean)?;
        let frozen = table.take("frozen").map_or(Ok(false), Item::boolean)?;
        if always && frozen {
            return Err(table.error("is both `always` and `frozen`: it can't run each time and never"));
        }
        table.finish()?;
        Ok(Self {
            name,
            description,
            cmd,
            dir,
            deps,
            params,
            outs,
            metrics,
            variables,
            timeout,
            resources,
            always,
            frozen,
            place,
        })
    }
}
