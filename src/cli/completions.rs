//! `mlx completions` and the man pages: both made from the definition of the command line.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Context};
use crate::Result;
use crate::fs::{self, quote};

/// Print the completions of a shell
///
/// Put the output where your shell looks for completions.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx completions bash > ~/.local/share/bash-completion/completions/mlx
  mlx completions zsh > ~/.zfunc/_mlx
  mlx completions fish > ~/.config/fish/completions/mlx.fish")]
pub struct Completions {
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.out.stream(|out| {
            out.write_all(&completions(self.shell)).context("cannot print the completions")?;
            Ok(())
        })
    }
}

/// Write the man pages into a directory
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx man ~/.local/share/man/man1")]
pub struct Man {
    /// Directory for the pages, one for each command
    directory: PathBuf,
}

impl Man {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let directory = cx.file(&self.directory);
        fs::create_dir_all(&directory)?;
        clap_mangen::generate_to(Cli::command(), &directory)
            .with_context(|| format!("cannot write the man pages to `{}`", quote(&directory)))?;
        Ok(())
    }
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mlx", &mut script);
    script
}
