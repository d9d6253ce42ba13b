//! `mlx env`: what steps run in.

mod list;
mod lock;
mod rm;
mod shell;
mod show;

pub(super) use list::listed;
pub(super) use rm::unused;

use clap::{Args, Subcommand};

use super::Context;
use crate::Result;
use crate::env::Kind;

/// Show, enter, lock and remove the environments of steps
#[derive(Args)]
pub struct Env {
    #[command(subcommand)]
    command: EnvCommand,
}

#[derive(Subcommand)]
enum EnvCommand {
    Show(show::ShowEnvironment),
    Shell(shell::Shell),
    Lock(lock::LockEnvironments),
    List(list::List),
    Rm(rm::Remove),
}

impl Env {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        match self.command {
            EnvCommand::Show(command) => command.run(cx),
            EnvCommand::Shell(command) => command.run(cx),
            EnvCommand::Lock(command) => command.run(cx),
            EnvCommand::List(command) => command.run(cx),
            EnvCommand::Rm(command) => command.run(cx),
        }
    }
}

fn word(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Python) => "python",
        Some(Kind::Conda) => "conda",
        Some(Kind::Container) => "container",
        None => "not whole",
    }
}
