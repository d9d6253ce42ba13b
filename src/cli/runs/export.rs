//! `mlx runs export`: runs as JSON or as a table for other programs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::Context;
use super::super::ending::format_of;
use super::super::output::count;
use crate::fs::{quote, write_atomic};
use crate::run::{Exported, Filter, to_csv, to_json};
use crate::{Error, Result};

/// Export runs as JSON or CSV
///
/// JSON has everything that is known of each run; CSV has a row for each, with its parameters and metrics as columns.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx runs export --format csv --output runs.csv\n  mlx runs export baseline latest\n  mlx runs export --tag paper | jq '.[].metrics'"
)]
pub struct Export {
    /// Runs in question: names, ids, unique beginnings of these, or `latest`; all where none is named
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// Only those with this tag
    #[arg(long = "tag", value_name = "TAG", conflicts_with = "runs")]
    tags: Vec<String>,
    /// What is written [default: what the ending of the output says, else json]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write it to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Csv,
}

/// The endings that files of each format have.
const ENDINGS: [(&str, Format); 2] = [("json", Format::Json), ("csv", Format::Csv)];

impl Export {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let format = format_of(self.format, self.output.as_deref(), &ENDINGS, Format::Json)?;
        let (_, runs) = cx.runs()?;
        let found = match self.runs.as_slice() {
            [] => {
                let listed = runs.list(&Filter { tags: self.tags, ..Filter::default() })?;
                listed.iter().map(|summary| runs.get(&summary.id)).collect::<Result<Vec<_>>>()?
            }
            names => names.iter().map(|name| runs.find(name)).collect::<Result<Vec<_>>>()?,
        };
        let mut exported = Vec::with_capacity(found.len());
        for run in found {
            let label = runs.label(&run.id)?;
            exported.push(Exported { run, label });
        }
        let text = match format {
            Format::Json => to_json(&exported)?,
            Format::Csv if cx.out.is_json() => {
                return Err(Error::usage("`--json` and `--format csv` are two formats").with_hint("leave one out"));
            }
            Format::Csv => to_csv(&exported)?,
        };
        match self.output {
            Some(output) => {
                let file = cx.file(&output);
                let directory =
                    file.parent().ok_or_else(|| Error::usage(format!("`{}` is no file", quote(&output))))?;
                write_atomic(&file, &text, directory)?;
                cx.out.hint(format!("Wrote {} to `{}`", count(exported.len() as u64, "run"), quote(&output)));
                Ok(())
            }
            None => cx.out.stream(|out| Ok(out.write_all(&text).map_err(anyhow::Error::new)?)),
        }
    }
}
