//! `mlx sweep`: the pipeline again and again with other parameters.

mod apply;
mod chart;
mod list;
mod results;
mod rm;
mod show;
pub(super) mod trial;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::train::{options_to_ask, processors};
use super::{Context, secrets};
use crate::pipeline::Scope;
use crate::project::Project;
use crate::project::manifest;
use crate::sweep::{self, Conducted, Options, Request};
use crate::{Result, pipeline};

/// Try the pipeline with other parameters, and find good ones
///
/// Each trial is a run of the pipeline in a working copy of its own, with the files as they were when the sweep began;
/// steps that the parameters do not touch are restored. What is tried stands in `[sweep.NAME]` of mlx.toml or in `--set`:
/// `3,5,7`, `int(50..500)`, `int(50..500 by 50)`, `int(1..1000 log)`, `uniform(0..1)`, `log(1e-4..1e-1)`.
///
/// Ctrl-C ends the trials that run; `--resume` goes on after that, or after a kill, exactly where it was. A trial that
/// fails does not end the sweep. After three trials that end well and do not report the metric, no more begin.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  mlx sweep --set train.depth=3,5,7 --metric accuracy\n  mlx sweep size --trials 50 --parallel \
                  2\n  mlx sweep lr --set 'train.lr=log(1e-4..1e-1)' --strategy tpe --trials 30 --metric loss --goal min\n  \
                  mlx sweep size --resume\n  mlx sweep show size --svg size.svg\n  mlx sweep apply size"
)]
pub struct Sweep {
    #[command(subcommand)]
    command: Option<SweepCommand>,
    /// A sweep of the manifest, or a name for a new one, and then the steps that a trial brings up to date (every step where
    /// none is named). Without a name: the only sweep of the manifest, else one called `sweep`; with --resume, the only one
    /// that was begun
    #[arg(value_name = "NAME|STEP")]
    words: Vec<String>,
    /// Try these values of a parameter
    #[arg(long = "set", value_name = "KEY=VALUES", conflicts_with = "resume")]
    settings: Vec<String>,
    /// How the values of the next trial are chosen [default: grid where all values can be counted, else random]
    #[arg(long, value_name = "STRATEGY", conflicts_with = "resume")]
    strategy: Option<StrategyName>,
    /// What chooses the trials that asha stops early [default: random]
    #[arg(long, value_name = "STRATEGY", conflicts_with = "resume")]
    sampler: Option<StrategyName>,
    /// How many trials there are; with --resume, how many there are in the end
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    trials: Option<u64>,
    /// Run so many trials at once; they share the processors [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    parallel: Option<u64>,
    /// The same seed gives the same trials [default: 0]
    #[arg(long, value_name = "NUMBER", conflicts_with = "resume")]
    seed: Option<u64>,
    /// Compare the trials by this metric
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Which end of the metric is the good one [default: max]
    #[arg(long, value_name = "GOAL")]
    goal: Option<GoalName>,
    /// The first step of the metric at which asha may stop a trial [default: 1]
    #[arg(long, value_name = "STEP", conflicts_with = "resume", value_parser = clap::value_parser!(u64).range(1..))]
    min_resource: Option<u64>,
    /// The last step of the metric at which asha may stop a trial
    #[arg(long, value_name = "STEP", conflicts_with = "resume", value_parser = clap::value_parser!(u64).range(1..))]
    max_resource: Option<u64>,
    /// Let one trial of so many go on at each of these points [default: 4]
    #[arg(long, value_name = "NUMBER", conflicts_with = "resume", value_parser = clap::value_parser!(u64).range(2..))]
    reduction: Option<u64>,
    /// Go on with a sweep that was interrupted, killed, or is to have more trials
    #[arg(long)]
    resume: bool,
    /// With --resume: let trials that failed begin again
    #[arg(long, requires = "resume")]
    retry_failed: bool,
    /// Begin a sweep anew; with --resume, go on whatever was changed since it began
    #[arg(short, long)]
    force: bool,
    /// End with the first trial that fails
    #[arg(long)]
    fail_fast: bool,
    /// Leave the working copies of trials in .mlx/sweeps/NAME/trials
    #[arg(long)]
    keep: bool,
    /// Let all trials together take at most so many processors [default: all]
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    jobs: Option<u64>,
    /// Carry out every step of the trials there: a name of `[executor]`, or `local`. There, --jobs has no say, and --parallel
    /// may be as large as the cluster
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
    /// Write a plot of the trials to this file when they are over
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Subcommand)]
enum SweepCommand {
    Show(show::ShowSweep),
    List(list::ListSweeps),
    Apply(apply::ApplySweep),
    Rm(rm::RemoveSweep),
}

#[derive(Clone, Copy, ValueEnum)]
enum StrategyName {
    Grid,
    List,
    Random,
    Sobol,
    Tpe,
    Asha,
}

impl From<StrategyName> for manifest::Strategy {
    fn from(name: StrategyName) -> Self {
        match name {
            StrategyName::Grid => Self::Grid,
            StrategyName::List => Self::List,
            StrategyName::Random => Self::Random,
            StrategyName::Sobol => Self::Sobol,
            StrategyName::Tpe => Self::Tpe,
            StrategyName::Asha => Self::Asha,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum GoalName {
    Max,
    Min,
}

impl From<GoalName> for manifest::Goal {
    fn from(name: GoalName) -> Self {
        match name {
            GoalName::Max => Self::Max,
            GoalName::Min => Self::Min,
        }
    }
}

impl Sweep {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        match self.command {
            Some(SweepCommand::Show(command)) => return command.run(cx),
            Some(SweepCommand::List(command)) => return command.run(cx),
            Some(SweepCommand::Apply(command)) => return command.run(cx),
            Some(SweepCommand::Rm(command)) => return command.run(cx),
            None => {}
        }
        let project = cx.project()?;
        let (name, steps) = match self.resume {
            true => (sweep::resolve_begun(&project, &self.words)?, Vec::new()),
            false => sweep::resolve(&project, &self.words, !self.settings.is_empty())?,
        };
        secrets::check(cx, &self.settings)?;
        let svg = self.svg.as_ref().map(|file| cx.file(file));
        let options = self.options(cx, &project, name, steps);
        cx.catch_signals()?;
        let Conducted { results, failure } = sweep::conduct(&project, &options, cx.watch())?;
        if let Some(file) = &svg {
            results::write_svg(cx, &results, file)?;
        }
        let next = results::next(&results);
        cx.out.show(&results::Shown::new(results, results::SHOWN_TRIALS))?;
        match failure {
            Some(failure) => Err(failure),
            None => {
                cx.out.hint(next);
                Ok(())
            }
        }
    }

    fn options(self, cx: &Context, project: &Project, name: String, steps: Vec<String>) -> Options {
        let request = Request {
            settings: self.settings,
            strategy: self.strategy.map(Into::into),
            sampler: self.sampler.map(Into::into),
            trials: self.trials,
            seed: self.seed,
            metric: self.metric,
            goal: self.goal.map(Into::into),
            steps,
            min_resource: self.min_resource,
            max_resource: self.max_resource,
            reduction: self.reduction,
        };
        let asked = options_to_ask(cx, project, Vec::new(), Scope::default(), Vec::new());
        let engines = pipeline::Engines { executor: self.executor, ..asked.engines };
        Options {
            name,
            request,
            parallel: self.parallel,
            resume: self.resume,
            retry_failed: self.retry_failed,
            force: self.force,
            keep: self.keep,
            fail_fast: self.fail_fast,
            pipeline: pipeline::Options {
                jobs: self.jobs.unwrap_or_else(|| processors(project)),
                within: None,
                engines,
                ..asked
            },
        }
    }
}
