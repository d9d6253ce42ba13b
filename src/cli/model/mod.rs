//! `mlx model`: the registry of models.

mod card;
mod history;
mod list;
mod promote;
mod register;
mod retire;
mod say;
mod show;

use clap::{Args, Subcommand};

use super::Context;
use crate::Result;

/// Register, list, show, describe and promote models
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
    Card(card::Card),
    History(history::History),
    Promote(promote::Promote),
    Demote(promote::Demote),
    Tag(say::Tag),
    Describe(say::Describe),
    Archive(retire::Archive),
    Restore(retire::Restore),
    Rm(retire::Remove),
}

impl Model {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        match self.command {
            ModelCommand::Register(command) => command.run(cx),
            ModelCommand::List(command) => command.run(cx),
            ModelCommand::Show(command) => command.run(cx),
            ModelCommand::Card(command) => command.run(cx),
            ModelCommand::History(command) => command.run(cx),
            ModelCommand::Promote(command) => command.run(cx),
            ModelCommand::Demote(command) => command.run(cx),
            ModelCommand::Tag(command) => command.run(cx),
            ModelCommand::Describe(command) => command.run(cx),
            ModelCommand::Archive(command) => command.run(cx),
            ModelCommand::Restore(command) => command.run(cx),
            ModelCommand::Rm(command) => command.run(cx),
        }
    }
}
