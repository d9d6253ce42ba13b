//! `mlx predict`: rows in, answers out.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::{Context, Render, Table, Text, released};
use crate::fs::quote;
use crate::predictor::{Datatype, Form, InferRequest, InferResponse, NamedTensor, Signature, rows};
use crate::serve::client::Client;
use crate::serve::{Answer, Origin, Wanted};
use crate::{Error, Result};

/// The text shows at most so many columns of one output; JSON has them all.
const MOST_COLUMNS: usize = 16;
/// A number of more characters is rounded.
const LONGEST_NUMBER: usize = 12;

/// Ask a model
///
/// Sends rows to a server, or asks a bundle, a directory or a target's live release in this process. CSV names its
/// columns in the first line; JSON is a list of rows (lists or objects) or a whole request of the Open Inference
/// Protocol v2. A server that wants a token gets the one in MLX_SERVE_TOKEN.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx predict http://127.0.0.1:8080 --input rows.csv
  mlx predict churn-3.tar --input rows.json --json
  echo '[[5.1, 3.5, 1.4]]' | mlx predict production --input -")]
pub struct Predict {
    /// Address of a server, or bundle, directory or target
    #[arg(value_name = "URL|BUNDLE|DIR|TARGET")]
    whom: String,
    /// File with the rows; `-` for standard input
    #[arg(short, long, value_name = "FILE")]
    input: PathBuf,
    /// Format of the rows [default: by the file's name, else by its first character]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Model to ask, where the server has several
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
}

impl Predict {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let input = self.read(cx)?;
        // Some editors mark UTF-8, in which there is nothing to mark.
        let input = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&input);
        let format = self.format.unwrap_or_else(|| Format::of(&self.input, input));
        let request = |signature: &Signature| -> Result<InferRequest> {
            let request = match format {
                Format::Csv => rows::from_csv(signature, input),
                Format::Json => rows::from_json(signature, input),
            };
            request.map_err(|error| {
                let name = if self.is_stdin() { "standard input".into() } else { format!("`{}`", quote(&self.input)) };
                Error::from(error).context(format!("cannot make a request of {name}"))
            })
        };
        let body = if self.whom.starts_with("http://") || self.whom.starts_with("https://") {
            let client =
                Client::new(&self.whom, self.model.as_deref(), std::env::var(released::TOKEN).ok().as_deref())?;
            client.infer(&request(&client.signature()?)?)?
        } else {
            let release = released::open(cx, &self.whom, None, Wanted::single())?;
            let origin = Origin::new(&release, self.model.as_deref());
            let request = request(&release.signature)?;
            let response = release.predictor.infer(&request)?;
            Answer::new(&origin, request.id.as_deref(), &response, &Form::default()).write()?.bytes
        };
        let prediction = Prediction::read(&body)?;
        cx.out.show(&prediction)?;
        if let Some(run) = prediction.run() {
            let Value::String(name) = &prediction.body["model_name"] else { return Ok(()) };
            let version = prediction.body["model_version"].as_str().unwrap_or("?");
            cx.out.hint(format_args!("Answered by `{name}` {version}. Where it comes from: `mlx runs show {run}`"));
        }
        Ok(())
    }

    fn is_stdin(&self) -> bool {
        self.input == Path::new("-")
    }

    fn read(&self, cx: &Context) -> Result<Vec<u8>> {
        if !self.is_stdin() {
            let file = cx.file(&self.input);
            return crate::fs::read_stream(&file)?
                .ok_or_else(|| Error::failed(format!("there is no file `{}`", crate::fs::quote(&file))));
        }
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
        Ok(bytes)
    }
}

impl Format {
    /// By the ending of the file's name, else by what it holds.
    fn of(path: &Path, content: &[u8]) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Self::Json,
            Some("csv") => Self::Csv,
            _ => match content.trim_ascii_start().first() {
                Some(b'[' | b'{') => Self::Json,
                _ => Self::Csv,
            },
        }
    }
}

/// An answer; its JSON is the body that came, with whatever the server put there.
struct Prediction {
    body: Value,
    /// `None` for one with tensors that mlx does not know, which is shown as it came.
    response: Option<InferResponse>,
}

impl Prediction {
    fn read(body: &[u8]) -> Result<Self> {
        let body: Value = serde_json::from_slice(body).context("the answer is no JSON")?;
        let response = serde_json::from_value(body.clone()).ok();
        Ok(Self { body, response })
    }

    fn run(&self) -> Option<&str> {
        self.body.pointer("/parameters/run")?.as_str()
    }
}

impl Serialize for Prediction {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.body.serialize(serializer)
    }
}

impl Render for Prediction {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Some(InferResponse { outputs }) = &self.response else { return writeln!(out, "{:#}", self.body) };
        let rows = outputs.iter().map(|output| output.shape.first().copied().unwrap_or(1)).max().unwrap_or(0);
        let columns: Vec<Column<'_>> = outputs.iter().flat_map(|output| Column::of(output, rows)).collect();
        let heading = columns.iter().map(|column| column.heading.clone()).collect();
        let right = (0..columns.len()).filter(|index| columns[*index].is_number()).collect();
        let mut table = Table::with_columns(heading, right);
        for row in 0..rows {
            table.push(columns.iter().map(|column| column.cell(row)).collect());
        }
        table.render(out)
    }
}

/// A column of the table: one of the elements that an output has for each row.
struct Column<'a> {
    heading: String,
    output: &'a NamedTensor,
    offset: usize,
    width: usize,
}

impl<'a> Column<'a> {
    /// The columns of an output; of a very wide one, the first few.
    fn of(output: &'a NamedTensor, rows: usize) -> Vec<Self> {
        let width = output.data.len().checked_div(rows).unwrap_or(0);
        let name = crate::fs::escape(output.name.as_bytes());
        let column = |offset| {
            let heading = if width == 1 { name.clone() } else { format!("{name}[{offset}]") };
            Self { heading, output, offset, width }
        };
        (0..width.min(MOST_COLUMNS)).map(column).collect()
    }

    fn is_number(&self) -> bool {
        !matches!(self.output.data.datatype(), Datatype::Bytes | Datatype::Bool)
    }

    fn cell(&self, row: usize) -> String {
        let text = self.output.data.text(row * self.width + self.offset).unwrap_or_default();
        // A probability near 0 has a long tail of digits; the JSON has them all.
        match text.parse() {
            Ok(value) if self.is_number() && text.len() > LONGEST_NUMBER => super::output::number(value),
            _ => crate::fs::escape(text.as_bytes()),
        }
    }
}
