//! `mlx bundle verify`: every byte of a bundle against its digests.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::Result;
use crate::bundle::{self, Verification};
use crate::cli::output::{count, size};
use crate::cli::{Context, Render, Text, keys};
use crate::fs::quote;

/// Check a bundle against its digests
///
/// Reads all of it and names what is damaged, missing or has no place in a bundle; with a key, also whether its holder
/// signed these very files. Exit code 4 when it is not sound, or not signed with that key.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx bundle verify dist/churn-3.tar
  mlx bundle verify dist/churn-3.tar --key release.pub
  mlx bundle verify --json dist/churn-3.tar")]
pub struct Verify {
    /// The bundle's file
    file: PathBuf,
    /// Public key of who must have signed it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Verify {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let key = keys::public(cx, self.key.as_deref())?;
        let checked = bundle::verify(&cx.file(&self.file), key.as_ref(), cx.watch())?;
        let verification = Verification { file: self.file.clone(), ..checked };
        cx.out.show(&verification)?;
        verification.verdict()
    }
}

impl Render for Verification {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        if let (true, Some(manifest)) = (self.is_sound, self.manifest) {
            let (file, bytes, manifest) = (quote(&self.file), size(self.file_bytes), manifest.short());
            let (files, blobs) = (count(self.files, "file"), count(self.blobs, "blob"));
            writeln!(out, "`{file}` is sound: {manifest} of {files} in {blobs}, {bytes}")?;
        }
        for problem in &self.problems {
            writeln!(out, "{problem}")?;
        }
        match self.key {
            _ if !self.problems.is_empty() => Ok(()),
            Some(key) => writeln!(out, "signed with key {}", key.short()),
            None if self.is_signed => writeln!(out, "signed; `--key PUBLIC_KEY` checks by whom"),
            None => Ok(()),
        }
    }
}
