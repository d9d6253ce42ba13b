//! `mlx bundle verify`: every byte of a bundle against its digests.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::bundle::{self, Verification};
use crate::cli::output::{count, size};
use crate::cli::{Context, Render, Text};
use crate::fs::quote;
use crate::{Error, Result};

/// Check a bundle against its digests
///
/// Reads all of it and names what is damaged, missing or has no place in a bundle. Exit code 4 when it is not sound.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx bundle verify dist/churn-3.tar\n  mlx bundle verify --json dist/churn-3.tar")]
pub struct Verify {
    /// The bundle's file
    file: PathBuf,
}

impl Verify {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let checked = bundle::verify(&cx.file(&self.file), cx.watch())?;
        let verification = Verification { file: self.file.clone(), ..checked };
        cx.out.show(&verification)?;
        if verification.is_sound() {
            return Ok(());
        }
        Err(Error::check(format!("`{}` is no sound bundle", quote(&self.file)))
            .with_hint("do not use it; fetch it again, or make it again with `mlx package`"))
    }
}

impl Render for Verification {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        for problem in &self.problems {
            writeln!(out, "{problem}")?;
        }
        match self.manifest {
            Some(manifest) if self.is_sound() => writeln!(
                out,
                "`{}` is sound: {} of {} in {}, {}",
                quote(&self.file),
                manifest.short(),
                count(self.files, "file"),
                count(self.blobs, "blob"),
                size(self.bytes)
            ),
            _ => Ok(()),
        }
    }
}
