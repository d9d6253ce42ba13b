//! Commands of the user's that run around a change of a target, on this machine and in the project.

use std::path::Path;
use std::process::Command;

use crate::env::run_child;
use crate::event::Watch;
use crate::fs::escape;
use crate::{Error, Kind, Result};

/// The commands of a target, and where they run.
#[derive(Debug, Clone, Copy)]
pub struct Hooks<'a> {
    /// Run before anything is changed; one that fails leaves everything as it is.
    pub before: &'a [String],
    /// Run once the release is live.
    pub after: &'a [String],
    pub directory: &'a Path,
}

impl Hooks<'_> {
    /// No commands.
    pub fn none() -> Hooks<'static> {
        Hooks { before: &[], after: &[], directory: Path::new(".") }
    }
}

/// Runs commands one after the other, with variables that tell what happens; the first that fails ends it.
pub fn run(commands: &[String], directory: &Path, variables: &[(&str, String)], watch: Watch<'_>) -> Result<()> {
    for command in commands {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(directory);
        shell.envs(variables.iter().map(|(name, value)| (name, value)));
        let doing = format!("run `{}`", escape(command.as_bytes()));
        run_child(shell, &doing, watch.interrupt, |line| watch.events.note(line.to_owned())).map_err(|error| {
            match error.kind() {
                Kind::Failed => Error::step(error),
                _ => error,
            }
        })?;
    }
    Ok(())
}
