//! `mlx bundle unpack`: the files of a bundle in a directory of their own.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::Result;
use crate::bundle::{self, Bundle, Unpacked};
use crate::cli::output::{count, size};
use crate::cli::{Context, Render, Text};
use crate::fs::quote;

/// Unpack a bundle into a directory
///
/// Every file is checked against its digest and is read-only. The directory appears when all of it is there; one that
/// holds something already is refused.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx bundle unpack dist/churn-3.tar churn\n  mlx serve churn")]
pub struct Unpack {
    /// The bundle's file
    file: PathBuf,
    /// The directory to make
    directory: PathBuf,
}

impl Unpack {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let bundle = Bundle::open(&cx.file(&self.file))?;
        let unpacked = bundle::unpack(&bundle, &cx.file(&self.directory), &|_| None, cx.watch())?;
        cx.out.show(&Unpacked { directory: self.directory.clone(), ..unpacked })?;
        if bundle.description().serve.is_some() {
            cx.out.hint(format!("Serve it: `mlx serve {}`", quote(&self.directory)));
        }
        Ok(())
    }
}

impl Render for Unpacked {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { directory, manifest, files, bytes, .. } = self;
        let (files, bytes) = (count(*files, "file"), size(*bytes));
        writeln!(out, "Unpacked {} into `{}`: {files}, {bytes}", manifest.short(), quote(directory))
    }
}
