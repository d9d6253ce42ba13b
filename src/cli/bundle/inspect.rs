//! `mlx bundle inspect`: what a bundle holds.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::Result;
use crate::bundle::{Bundle, Description, Inspection, Lineage, PythonClass, Serve};
use crate::cli::output::{Style, count, size};
use crate::cli::{Context, Render, Table, Text};
use crate::fs::{escape, quote};
use crate::predictor::Tensor;

/// Show what a bundle holds
///
/// Its model and version, what it takes and gives, the run and the data it came from, and its layers. Documents are
/// checked, layers are not read: `mlx bundle verify` does that.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx bundle inspect dist/churn-3.tar
  mlx bundle inspect --json dist/churn-3.tar | jq -r .lineage.run")]
pub struct Inspect {
    /// The bundle's file
    file: PathBuf,
}

impl Inspect {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let bundle = Bundle::open(&cx.file(&self.file))?;
        cx.out.show(&Inspection { file: &self.file, ..bundle.inspect()? })
    }
}

impl Render for Inspection<'_> {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self {
            manifest,
            size: bytes,
            weights_bytes,
            description: Description { model, serve, signature, runtimes, lineage, smoke, .. },
            ..
        } = self;
        let title = out.styled(Style::Bold, format!("{} {}", escape(model.name.as_bytes()), model.version));
        writeln!(out, "{title}  {manifest}")?;
        if let Some(description) = &model.description {
            writeln!(out, "{}", escape(description.as_bytes()))?;
        }
        line(out, "size", format!("{}, of that {} weights", size(*bytes), size(*weights_bytes)))?;
        match serve {
            Some(Serve::Onnx(path)) => line(out, "serves", format!("`{}` as ONNX", quote(path)))?,
            Some(Serve::Python(PythonClass { file, class, path })) => {
                let class = escape(class.as_bytes());
                line(out, "serves", format!("`{}` with `{class}` in `{}`", quote(path), quote(file)))?;
            }
            None => {}
        }
        for runtime in runtimes {
            let text = format!("{} {} for {}", runtime.name, runtime.version, runtime.platform);
            line(out, "runs on", escape(text.as_bytes()))?;
        }
        if let Some(signature) = signature {
            signature.inputs.iter().try_for_each(|tensor| line(out, "input", tensor_text(tensor)))?;
            signature.outputs.iter().try_for_each(|tensor| line(out, "output", tensor_text(tensor)))?;
        }
        if let Some(smoke) = smoke {
            let rows = smoke.request["inputs"][0]["shape"][0].as_u64().unwrap_or(1);
            line(out, "smoke", format!("answers to {}, tolerance {}", count(rows, "row"), smoke.tolerance))?;
        }
        render_lineage(lineage, out)?;
        writeln!(out)?;
        let mut table = Table::new(["LAYER", "SIZE", "DIGEST", "TYPE"]).right([1]);
        for layer in self.layers {
            let kind = layer.media_type.trim_start_matches("application/vnd.cncf.model.");
            table.row([quote(&layer.path), size(layer.size), layer.digest.short(), escape(kind.as_bytes())]);
        }
        table.render(out)
    }
}

fn render_lineage(lineage: &Lineage, out: &mut Text<'_>) -> io::Result<()> {
    let Lineage { run, step, commit, params, metrics, data, environment } = lineage;
    if let Some(run) = run {
        let step = step.as_ref().map(|step| format!(", step `{}`", escape(step.as_bytes()))).unwrap_or_default();
        line(out, "run", format!("{run}{step}"))?;
    }
    if let Some(commit) = commit {
        line(out, "commit", escape(commit.as_bytes()))?;
    }
    if let Some(version) = environment.as_ref().and_then(|environment| environment.python_version.as_ref()) {
        line(out, "python", escape(version.as_bytes()))?;
    }
    for (name, value) in params {
        line(out, "param", format!("{} = {}", escape(name.as_bytes()), escape(value.to_string().as_bytes())))?;
    }
    for (name, value) in metrics {
        line(out, "metric", format!("{} = {value}", escape(name.as_bytes())))?;
    }
    data.iter().try_for_each(|data| line(out, "from", format!("{}  {}", data.object.digest.short(), data.path)))
}

fn line(out: &mut Text<'_>, name: &str, text: String) -> io::Result<()> {
    let name = out.styled(Style::Dim, format!("{name:<8}"));
    writeln!(out, "{name} {text}")
}

/// `x FP32 [-1, 3]: age, income, …`
pub fn tensor_text(tensor: &Tensor) -> String {
    const SHOWN: usize = 6;
    let Tensor { name, datatype, shape, columns } = tensor;
    let mut text = format!("{name} {datatype} {shape:?}");
    if !columns.is_empty() {
        let rest = if columns.len() > SHOWN { ", …" } else { "" };
        let columns: Vec<&str> = columns.iter().take(SHOWN).map(String::as_str).collect();
        text += &format!(": {}{rest}", columns.join(", "));
    }
    escape(text.as_bytes())
}
