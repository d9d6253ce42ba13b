//! `mlx sweep rm`: a sweep is forgotten, its runs are not.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::Result;
use crate::cli::{Context, Render, Text};
use crate::sweep;

/// Remove a sweep; the runs of its trials stay
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx sweep rm size\n  mlx sweep rm size --json")]
pub struct RemoveSweep {
    /// Sweep in question
    name: String,
}

#[derive(Serialize)]
struct Removed {
    sweep: String,
}

impl RemoveSweep {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        sweep::remove(&cx.project()?, &self.name)?;
        cx.out.show(&Removed { sweep: self.name })
    }
}

impl Render for Removed {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        writeln!(out, "removed the sweep {}; its runs are in `mlx runs`", self.sweep)
    }
}
