//! `mlx bundle`: what can be done with a bundle's file, with or without a project around it.

mod diff;
mod inspect;
mod scan;
mod sign;
mod unpack;
mod verify;

use clap::{Args, Subcommand};

use super::Context;
use crate::Result;

/// Inspect, compare, verify, scan, sign and unpack bundles
///
/// A bundle is what `mlx package` makes: one file with a model and all it needs to answer. It is an OCI archive, which
/// other tools can read and copy to a registry.
#[derive(Args)]
pub struct Bundle {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
    Sign(sign::Sign),
    Scan(scan::Scan),
    Unpack(unpack::Unpack),
    Diff(diff::Diff),
}

impl Bundle {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        match self.command {
            Command::Inspect(command) => command.run(cx),
            Command::Verify(command) => command.run(cx),
            Command::Sign(command) => command.run(cx),
            Command::Scan(command) => command.run(cx),
            Command::Unpack(command) => command.run(cx),
            Command::Diff(command) => command.run(cx),
        }
    }
}
