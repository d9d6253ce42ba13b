//! `mlx sweep show`: the trials of a sweep, the best first.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::GoalName;
use super::results::{SHOWN_TRIALS, Shown, next, write_svg};
use crate::Result;
use crate::cli::Context;
use crate::sweep;

/// Show the trials of a sweep, the best first
///
/// The sweep may go on meanwhile.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx sweep show\n  mlx sweep show size --svg size.svg\n  mlx sweep show size --metric auc --json | \
                  jq '.trials[].value'"
)]
pub struct ShowSweep {
    /// Sweep in question; the only one that was begun where none is named
    name: Option<String>,
    /// Compare the trials by this metric instead
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Which end of the metric is the good one
    #[arg(long, value_name = "GOAL")]
    goal: Option<GoalName>,
    /// Show at most so many trials
    #[arg(long, value_name = "NUMBER")]
    limit: Option<NonZeroUsize>,
    /// Write a plot of the trials to this file: parallel coordinates, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl ShowSweep {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.past_project()?;
        let name = sweep::find(&project, self.name.as_deref())?;
        let results = sweep::results(&project, &name, self.metric.as_deref(), self.goal.map(Into::into))?;
        if let Some(file) = &self.svg {
            write_svg(cx, &results, &cx.file(file))?;
        }
        let next = next(&results);
        cx.out.show(&Shown::new(results, self.limit.map_or(SHOWN_TRIALS, NonZeroUsize::get)))?;
        cx.out.hint(next);
        Ok(())
    }
}
