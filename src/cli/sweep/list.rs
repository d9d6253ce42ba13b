//! `mlx sweep list`: the sweeps that were begun.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::Result;
use crate::cli::output::number;
use crate::cli::{Context, Render, Table, Text};
use crate::fs::escape;
use crate::sweep;

/// List the sweeps that were begun
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx sweep list\n  mlx sweep list --json | jq -r '.sweeps[].sweep'")]
pub struct ListSweeps {}

#[derive(Serialize)]
struct Sweeps {
    sweeps: Vec<sweep::Listed>,
}

impl ListSweeps {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let sweeps = sweep::list(&cx.past_project()?, &*cx.events)?;
        let is_empty = sweeps.is_empty();
        cx.out.show(&Sweeps { sweeps })?;
        if is_empty {
            cx.out.hint("Begin one: `mlx sweep --set train.depth=3,5,7`");
        }
        Ok(())
    }
}

impl Render for Sweeps {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        if self.sweeps.is_empty() {
            return writeln!(out, "no sweeps");
        }
        let mut table = Table::new(["sweep", "strategy", "trials", "state", "best", ""]).right([2, 4]);
        for sweep in &self.sweeps {
            let state = match (sweep.is_complete, sweep.is_running) {
                (true, _) => "complete",
                (false, true) => "running",
                (false, false) => "interrupted",
            };
            let metric = sweep.metric.as_ref().map_or(String::new(), |metric| escape(metric.as_bytes()));
            let best = sweep.best.map_or(String::new(), |best| format!("{metric} (trial {best})"));
            table.row([
                sweep.sweep.clone(),
                sweep.strategy.to_string(),
                format!("{}/{}", sweep.ended, sweep.planned),
                state.to_owned(),
                sweep.best_value.map_or("-".into(), number),
                best,
            ]);
        }
        table.render(out)
    }
}
