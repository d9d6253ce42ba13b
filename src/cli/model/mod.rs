//! `mlx model`: the registry of models.

mod list;
mod promote;
mod register;
mod show;

use clap::{Args, Subcommand};

use super::Context;
use crate::Result;
use crate::registry::Registry;

/// Register, list, show and promote models
#[derive(Args)]
pub struct Model {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Subcommand)]
enum ModelCommand {
    Register(register::Register),
    List(list::List),
    Show(show::Show),
    Promote(promote::Promote),
}

impl Model {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        match self.command {
            ModelCommand::Register(command) => command.run(cx),
            ModelCommand::List(command) => command.run(cx),
            ModelCommand::Show(command) => command.run(cx),
            ModelCommand::Promote(command) => command.run(cx),
        }
    }
}

/// The aliases that a version of a model holds now.
fn aliases_of(registry: &Registry, model: &str, version: u64) -> Result<Vec<String>> {
    let aliases = registry.aliases(model)?;
    Ok(aliases.into_iter().filter(|(_, promotion)| promotion.to == version).map(|(alias, _)| alias).collect())
}
