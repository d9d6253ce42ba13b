//! `mlx bundle scan`: pickles that should not be loaded unseen.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::bundle;
use crate::cli::output::count;
use crate::cli::{Context, Render, Text};
use crate::fs::quote;
use crate::project::manifest::Pickles;
use crate::{Error, Result};

/// Look for pickles that do more than hold a model
///
/// A pickle can call any function while it is loaded. This reads its instructions without loading it and names what is not
/// known to do no harm; `mlx package` does so on its own. It takes bundles, directories and single files (pickles, joblib,
/// PyTorch, NumPy), from wherever they come. Exit code 4 when something is found.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx bundle scan dist/churn-3.tar
  mlx bundle scan downloads/model.pt
  mlx bundle scan models --allow 'churn.features.*'")]
pub struct Scan {
    /// Bundle, directory or file
    path: PathBuf,
    /// Global that is known to you: `package.module.Class`, or `package.*` for all below
    #[arg(long, value_name = "NAME")]
    allow: Vec<String>,
}

impl Scan {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let allowed = Pickles { allow: self.allow, only_warn: false };
        let scan = bundle::scan(&cx.file(&self.path), &allowed, cx.watch())?;
        let is_clean = scan.suspects.is_empty();
        cx.out.show(&bundle::Scan { path: self.path.clone(), ..scan })?;
        match is_clean {
            true => Ok(()),
            false => Err(Error::check(format!("`{}` holds pickles that are not safe to load", quote(&self.path)))
                .with_hint("do not load them; name what is yours with `--allow`")),
        }
    }
}

impl Render for bundle::Scan {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { path, files, pickles, suspects } = self;
        suspects.iter().try_for_each(|suspect| writeln!(out, "{}", suspect.in_words()))?;
        if !suspects.is_empty() {
            return Ok(());
        }
        let (path, files) = (quote(path), count(*files, "file"));
        match pickles {
            0 => writeln!(out, "`{path}` holds no pickle in {files}"),
            pickles => writeln!(out, "`{path}` is safe to load: {} in {files}", count(*pickles, "pickle")),
        }
    }
}
