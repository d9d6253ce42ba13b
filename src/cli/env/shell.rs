//! `mlx env shell`: a program in the environment of a step.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::anyhow;
use clap::Args;

use crate::cli::Context;
use crate::cli::train::options_to_ask;
use crate::fs::quote;
use crate::pipeline::{self, Entered, Scope};
use crate::{Error, Kind, Result};

/// Run a shell or a program in the environment of a step
///
/// It gets the variables and the PATH that the step's program gets, parameters included, and works where the step does.
/// The environment is made where it is not there yet. The exit code is the program's.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx env shell\n  mlx env shell train\n  mlx env shell train -- python -m pdb train.py"
)]
pub struct Shell {
    /// Step in question, or the name of an environment; that of steps that name none where nothing is said
    step: Option<String>,
    /// Program to run instead of a shell, with its arguments
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Shell {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let options = options_to_ask(cx, &project, Vec::new(), Scope::default(), Vec::new());
        let is_interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        cx.catch_signals()?;
        let entered = pipeline::enter(&project, self.step.as_deref(), &options, is_interactive, cx.watch())?;
        cx.close();
        let mut command = program(&entered, self.command, cx.shell());
        command.current_dir(&entered.directory).envs(entered.variables.iter().map(|(name, value)| (name, value)));
        // The program takes the place of this one: signals, terminal and exit code are its own.
        entered.prepared.survive_exec()?;
        let name = quote(command.get_program());
        let error = command.exec();
        Err(Error::new(Kind::Failed, anyhow!(error).context(format!("cannot start `{name}`")))
            .with_hint("name a program that is on the PATH of the environment"))
    }
}

fn program(entered: &Entered, command: Vec<OsString>, shell: OsString) -> Command {
    let words = |mut words: std::vec::IntoIter<OsString>| {
        let mut command = Command::new(words.next().unwrap_or_else(|| "/bin/sh".into()));
        command.args(words);
        command
    };
    match &entered.launch {
        None if command.is_empty() => Command::new(shell),
        None => words(command.into_iter()),
        Some(launch) => {
            let mut program = words(launch.start.clone().into_iter());
            if !command.is_empty() {
                // The shell that is the entry point gives way to the program.
                program.args(["-c", "exec \"$@\"", "sh"]).args(command);
            }
            program
        }
    }
}
