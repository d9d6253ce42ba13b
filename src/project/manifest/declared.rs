//! `[step.NAME]` as it is written: before templates are filled, and before `foreach` and `matrix` make many steps of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::dependency::{DeclaredDependency, Dependency};
use super::fan::{Fan, Member};
use super::output::{DeclaredOutput, OutputPattern};
use super::text::{Place, Scope, Text};
use super::{Resources, Retry, Step};
use crate::project::ProjectPath;
use crate::project::params::Params;
use crate::project::reader::Item;
use crate::{Error, Result};

/// A step's table, checked as far as that is possible without parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredStep {
    name: String,
    fan: Option<Fan>,
    description: Option<Text>,
    cmd: String,
    dir: Option<Text>,
    deps: Vec<DeclaredDependency>,
    params: Vec<Text>,
    outs: Vec<DeclaredOutput>,
    metrics: Vec<DeclaredOutput>,
    variables: Vec<(String, Text)>,
    env: Option<Text>,
    timeout: Option<Duration>,
    retry: Retry,
    checkpoint: Option<Text>,
    resources: Resources,
    hides_gpus: bool,
    executor: Option<String>,
    always: bool,
    frozen: bool,
    place: String,
    /// Whether parameters have a say in which steps there are and what they say.
    needs_params: bool,
}

impl DeclaredStep {
    /// Reads `[step.NAME]`.
    pub(super) fn of(name: String, item: Item<'_>) -> Result<Self> {
        let mut table = item.table(format!("step `{name}`"))?;
        let place = table.place();
        let cmd = table.take("cmd");
        let mut outputs = |key| table.take(key).map_or(Ok(Vec::new()), |item| DeclaredOutput::all(item, key, &name));
        let (outs, metrics) = (outputs("outs")?, outputs("metrics")?);
        let params = table.take("params").map_or(Ok(Vec::new()), |item| Text::all(item, "params"))?;
        let deps = table.take("deps").map_or(Ok(Vec::new()), |item| DeclaredDependency::all(item, &name))?;
        let mut text = |key| table.take(key).map(|item| Text::of(item, key)).transpose();
        let (description, dir, env) = (text("description")?, text("dir")?, text("env")?);
        let checkpoint = text("checkpoint")?;
        let timeout = table.take("timeout").map(Item::duration).transpose()?;
        let retry = Retry::take(&mut table)?;
        let (resources, hides_gpus) = Resources::take(&mut table, timeout.map(|timeout| retry.longest(timeout)))?;
        let executor = table.take("executor").map(Item::string).transpose()?;
        let mut variables = Vec::new();
        if let Some(item) = table.take("variables") {
            for (variable, item) in item.table(format!("`variables` in step `{name}`"))?.into_entries() {
                variables.push((variable, Text::of(item, "variables")?));
            }
        }
        let always = table.take("always").map_or(Ok(false), Item::boolean)?;
        let frozen = table.take("frozen").map_or(Ok(false), Item::boolean)?;
        if always && frozen {
            return Err(table.error("is both `always` and `frozen`: it can't run each time and never"));
        }
        let fan = Fan::take(&mut table)?;
        let cmd = cmd.ok_or_else(|| table.missing("cmd"))?;
        let cmd_place = cmd.place();
        let cmd = cmd.string()?;
        if cmd.trim().is_empty() {
            return Err(Error::usage(format!("`cmd` in step `{name}`: the command is empty ({cmd_place})")));
        }
        table.finish()?;
        let mut declared = Self {
            name,
            fan,
            description,
            cmd,
            dir,
            deps,
            params,
            outs,
            metrics,
            variables,
            env,
            timeout,
            retry,
            checkpoint,
            resources,
            hides_gpus,
            executor,
            always,
            frozen,
            place,
            needs_params: false,
        };
        declared.needs_params = declared.has_templates();
        if declared.needs_params {
            // It may be long until they are filled; what is wrong in any case is said whoever reads the manifest.
            declared.paths().try_for_each(|text| text.check_place(&declared.name))?;
        }
        Ok(declared)
    }

    fn paths(&self) -> impl Iterator<Item = &Text> {
        let deps = self.deps.iter().filter_map(DeclaredDependency::path);
        let outputs = self.outs.iter().chain(&self.metrics).map(|output| &output.path);
        self.dir.iter().chain(deps).chain(outputs).chain(&self.checkpoint)
    }

    pub(super) fn needs_params(&self) -> bool {
        self.needs_params
    }

    fn has_templates(&self) -> bool {
        let variables = self.variables.iter().map(|(_, text)| text);
        let deps = self.deps.iter().flat_map(DeclaredDependency::texts);
        let mut texts =
            self.paths().chain(deps).chain(&self.description).chain(&self.env).chain(&self.params).chain(variables);
        self.fan.as_ref().is_some_and(Fan::needs_params) || texts.any(Text::is_template)
    }

    /// The step, or the steps that its fan makes of it, of which `room` more may be there.
    pub(super) fn expand(&self, room: usize, params: &Params) -> Result<Vec<Step>> {
        let Some(fan) = &self.fan else {
            return Ok(vec![self.fill(&Scope { step: &self.name, member: None, params })?]);
        };
        let members = fan.members(&self.name, room, params)?;
        let step = |member: &Member| {
            let name = format!("{}@{}", self.name, member.name);
            self.fill(&Scope { step: &name, member: Some(member), params })
        };
        members.iter().map(step).collect()
    }

    fn fill(&self, scope: &Scope<'_>) -> Result<Step> {
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.fill(scope)).transpose();
        let (mut deps, mut patterns, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for dependency in &self.deps {
            match dependency.fill(scope)? {
                Dependency::Path(path) => deps.push(path),
                Dependency::Pattern(pattern) => patterns.push(pattern),
                Dependency::Part(part) => parts.push(part),
            }
        }
        let (mut outs, mut out_patterns, mut metrics) = (Vec::new(), Vec::new(), Vec::new());
        let (mut optional, mut unstored) = (BTreeSet::new(), BTreeSet::new());
        let mut note = |path: &ProjectPath, output: &DeclaredOutput| {
            output.optional.then(|| optional.insert(path.clone()));
            (!output.stored).then(|| unstored.insert(path.clone()));
        };
        for output in &self.outs {
            match output.path.fill_place(scope)? {
                Place::Path(path) => {
                    note(&path, output);
                    outs.push(path);
                }
                Place::Pattern(pattern) => {
                    let &DeclaredOutput { optional, stored, .. } = output;
                    out_patterns.push(OutputPattern { pattern, optional, stored });
                }
            }
        }
        let mut readings = Vec::new();
        for output in &self.metrics {
            let path = output.path.fill_path(scope)?;
            let is_around = |out: &ProjectPath| path != *out && path.is_within(out);
            let matches = |out: &OutputPattern| out.pattern.matches(&path);
            let is_inside = outs.iter().any(is_around) || out_patterns.iter().any(matches);
            if is_inside && !output.stored {
                let what = format!("the metrics `{path}` of step `{}` lie in one of its outputs", scope.step);
                return Err(Error::usage(format!("{what} and can't have `store = false` ({})", self.place))
                    .with_hint("say it of that output"));
            }
            note(&path, output);
            let list = if is_inside { &mut readings } else { &mut metrics };
            list.push(path);
        }
        let variable = |(name, text): &(String, Text)| Ok((name.clone(), text.fill(scope)?));
        Ok(Step {
            name: scope.step.to_owned(),
            group: scope.member.map(|_| self.name.clone()),
            values: scope.member.map(|member| member.values.clone()).unwrap_or_default(),
            description: text(&self.description)?,
            cmd: self.cmd.clone(),
            dir: self.dir.as_ref().map(|dir| dir.fill_path(scope)).transpose()?,
            deps,
            patterns,
            parts,
            params: self.params.iter().map(|name| name.fill(scope)).collect::<Result<_>>()?,
            outs,
            metrics,
            readings,
            out_patterns,
            optional,
            unstored,
            variables: self.variables.iter().map(variable).collect::<Result<BTreeMap<_, _>>>()?,
            env: text(&self.env)?,
            timeout: self.timeout,
            retry: self.retry.clone(),
            checkpoint: self.checkpoint.as_ref().map(|path| path.fill_path(scope)).transpose()?,
            resources: self.resources.clone(),
            hides_gpus: self.hides_gpus,
            executor: self.executor.clone(),
            always: self.always,
            frozen: self.frozen,
            place: self.place.clone(),
        })
    }
}
