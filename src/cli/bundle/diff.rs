//! `mlx bundle diff`: what differs between two bundles.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::inspect::tensor_text;
use crate::bundle::{self, Bundle, Change, Difference, DifferingContent};
use crate::cli::output::{Style, number, size};
use crate::cli::runs::value;
use crate::cli::{Context, Render, Table, Text};
use crate::fs::{escape, quote};
use crate::predictor::Tensor;
use crate::{Digest, Result};

/// Show what differs between two bundles
///
/// Layers and files by digest and size, what the model takes and gives, metrics, parameters, and what it was made from; and
/// how many bytes somebody who has the first lacks of the second.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx bundle diff dist/churn-3.tar dist/churn-4.tar
  mlx bundle diff --json dist/churn-3.tar dist/churn-4.tar | jq .new_bytes")]
pub struct Diff {
    /// The earlier bundle
    before: PathBuf,
    /// The later bundle
    after: PathBuf,
}

impl Diff {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let (before, after) = (Bundle::open(&cx.file(&self.before))?, Bundle::open(&cx.file(&self.after))?);
        let mut difference = bundle::diff(&before, &after)?;
        (difference.before.file, difference.after.file) = (&self.before, &self.after);
        cx.out.show(&difference)
    }
}

impl Render for Difference<'_> {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { before, after, layers, files, signature, metrics, params, data, .. } = self;
        if self.is_empty() {
            return writeln!(out, "`{}` and `{}` are the same bundle", quote(before.file), quote(after.file));
        }
        for (sign, side) in [("-", before), ("+", after)] {
            let signed = if side.is_signed { ", signed" } else { "" };
            let model = escape(side.model.as_bytes());
            writeln!(out, "{sign} {model} {}  {}  {}{signed}", side.version, side.manifest.short(), size(side.size))?;
        }
        let (shared, new) = (size(self.shared_bytes), size(self.new_bytes));
        writeln!(out, "{shared} of layers are in both, {new} are new")?;
        section(out, "layers", layers, content)?;
        section(out, "files", files, content)?;
        section(out, "signature", signature, |tensor: &Tensor| tensor_text(tensor))?;
        section(out, "metrics", metrics, |metric| number(*metric))?;
        section(out, "parameters", params, value)?;
        section(out, "made from", data, Digest::short)
    }
}

fn content(content: &DifferingContent) -> String {
    format!("{} {}", content.digest.short(), size(content.size))
}

/// A heading and a table; nothing where nothing differs.
fn section<T>(out: &mut Text<'_>, name: &str, changes: &[Change<T>], text: impl Fn(&T) -> String) -> io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(["  name", "before", "after"]);
    for Change { name, before, after } in changes {
        let shown = |side: &Option<T>| side.as_ref().map_or("-".into(), &text);
        table.row([format!("  {}", escape(name.as_bytes())), shown(before), shown(after)]);
    }
    writeln!(out, "\n{}", out.styled(Style::Bold, name))?;
    table.render(out)
}
