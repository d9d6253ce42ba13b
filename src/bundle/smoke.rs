//! Asking the model before it is packaged: it must load and answer on the very library that the bundle will hold.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::content::{Content, PlannedLayer, Source};
use super::description::{self, PythonClass, Smoke};
use super::gather::WEIGHTS;
use super::package::Inputs;
use super::parity;
use crate::digest::Object;
use crate::error::ErrorContext;
use crate::event::{Event, Watch};
use crate::fs::{self, quote};
use crate::predictor::onnx::{self, Capacity};
use crate::predictor::{InferRequest, InferResponse, Signature, Tensor, learn, python, rows};
use crate::project::{Link, ProjectPath};
use crate::registry::Version;
use crate::run::Run;
use crate::store::{Linker, Store};
use crate::{Error, Result};

/// So many rows of the examples are asked for.
const ROWS: usize = 16;
/// What a model takes is learned from so many of them: a column that holds numbers in its first rows may hold text later.
const LEARNED_ROWS: usize = 10_000;
/// The examples are read up to here.
const LARGEST: u64 = 4 << 20;
/// Processors differ in the last digits of a sum: what is recorded is rounded to this many significant digits, so that
/// it is the same wherever the bundle is made, and compared with a tolerance that is wider.
const DIGITS: usize = 5;
const TOLERANCE: f64 = 1e-4;

/// What the model said.
#[derive(Debug, Default)]
pub struct Answers {
    pub signature: Option<Signature>,
    pub smoke: Option<Smoke>,
}

/// How the model is asked.
pub enum Ask<'a> {
    /// This file of the weights, on this library.
    Onnx { library: &'a Path, onnx: &'a str },
    /// This class, in processes of this interpreter.
    Python { interpreter: &'a Path, class: &'a PythonClass },
}

/// Loads the model from these layers and asks it for the examples of the manifest.
pub fn ask(inputs: Inputs<'_>, layers: &[PlannedLayer], how: Ask<'_>, watch: Watch<'_>) -> Result<Answers> {
    let Inputs { project, store, version, model, .. } = inputs;
    // A model may lie in several files that name each other, so that all of them are laid out as in the bundle.
    let directory = fs::temporary_dir(&project.scratch())?;
    // A class may write to its own files; where nothing would hinder it, it gets copies.
    let runs_python = matches!(how, Ask::Python { .. }) || model.parity.is_some();
    let link = if runs_python && !python::modes_bind() { Link::Copy } else { Link::Hard };
    // What was linked or packaged before and was not written to since is not read again.
    let linker = (link == Link::Hard).then(|| Linker::of(store));
    for content in layers.iter().flat_map(|layer| &layer.contents) {
        watch.interrupt.check()?;
        lay_out(content, directory.path(), store, linker.as_ref())?;
    }
    linker.into_iter().for_each(Linker::finish);
    let directory = directory.path();
    let cannot = || format!("version {} of `{}` does not answer and is not packaged", version.version, version.model);
    match how {
        Ask::Onnx { library, onnx } => {
            let predictor = onnx::open(library, &directory.join(onnx), Capacity::default()).with_context(cannot)?;
            let mut signature = predictor.signature().clone();
            let Some(examples) = examples(inputs, directory, watch)? else {
                return Ok(Answers { signature: Some(signature), smoke: None });
            };
            let request = examples.request(&mut signature, inputs)?;
            watch.interrupt.check()?;
            let response = predictor.infer(&request).with_context(cannot)?;
            if let Some(original) = &inputs.model.parity {
                parity::check(inputs, original, directory, &request, &response, watch)?;
            }
            Ok(Answers { signature: Some(signature), smoke: Some(recorded(&request, &response)?) })
        }
        Ask::Python { interpreter, class } => {
            let PythonClass { file, class, path } = class;
            let (file, model) = (directory.join(file), directory.join(path));
            let launched = Launched { interpreter, file, class, model };
            let python = python::Python::open(launch(inputs, launched), None).with_context(cannot)?;
            let (declared_inputs, declared_outputs) = python.declared.clone();
            let Some(examples) = examples(inputs, directory, watch)? else {
                let (Some(inputs), Some(outputs)) = (declared_inputs, declared_outputs) else {
                    return Err(Error::usage("nothing says what the model takes and gives").context(cannot()).with_hint(
                        "name a file with a few rows as `examples` of the model, or declare `inputs` and `outputs` in the class",
                    ));
                };
                return Ok(Answers { signature: Some(Signature { inputs, outputs }), smoke: None });
            };
            let learned = declared_inputs.map_or_else(|| examples.learn(inputs, directory, python.wants_frame), Ok)?;
            let mut signature = Signature { inputs: learned, outputs: declared_outputs.clone().unwrap_or_default() };
            let request = examples.request(&mut signature, inputs)?;
            watch.interrupt.check()?;
            let outputs = python.ask(&request).with_context(cannot).map_err(|error| {
                let rows = "may be none for it: leave columns out that it does not take, such as the label";
                error.with_hint(format!("the rows of `{}` {rows}", examples.path))
            })?;
            let response = InferResponse { outputs };
            if declared_outputs.is_none() {
                signature.outputs = response.outputs.iter().map(|output| learn::of_output(output, &request)).collect();
            }
            Ok(Answers { signature: Some(signature), smoke: Some(recorded(&request, &response)?) })
        }
    }
}

fn lay_out(content: &Content, directory: &Path, store: &Store, linker: Option<&Linker>) -> Result<()> {
    let path = directory.join(&content.file.path);
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    if let Source::Store = content.source {
        let description::File { digest, executable, .. } = content.file;
        if let (Some(linker), false) = (linker, executable)
            && linker.link_at(&digest, &path)?
        {
            return Ok(());
        }
        store.export(&digest, &path, executable, directory, Link::Copy)?;
        return Ok(());
    }
    let mut file = File::create(&path).with_context(|| format!("cannot create `{}`", quote(&path)))?;
    content.copy_to(store, &mut file)
}

/// A class to ask before the bundle is made.
pub struct Launched<'a> {
    pub interpreter: &'a Path,
    pub file: PathBuf,
    pub class: &'a str,
    /// What it loads.
    pub model: PathBuf,
}

/// How it is started: one process with one thread.
pub fn launch(inputs: Inputs<'_>, launched: Launched<'_>) -> python::Launch {
    let Launched { interpreter, file, class, model } = launched;
    python::Launch {
        name: inputs.version.model.clone(),
        interpreter: interpreter.to_path_buf(),
        file,
        class: class.to_owned(),
        model,
        processes: 1,
        threads: 1,
        limits: python::Limits::default(),
        hidden: Vec::new(),
        is_hindered: true,
        intact: Box::new(|| Ok(())),
        events: inputs.events.clone(),
        interrupt: inputs.interrupt.clone(),
    }
}

fn recorded(request: &InferRequest, response: &InferResponse) -> Result<Smoke> {
    let is_text = response.outputs.iter().all(|output| output.data.is_text());
    if !is_text {
        return Err(Error::usage(
            "the model's answer to the examples holds bytes that are no text, which can't be recorded",
        )
        .with_hint("leave `examples` away, or give text out"));
    }
    let mut response = as_json(response);
    round(&mut response);
    Ok(Smoke { request: as_json(request), response, tolerance: TOLERANCE })
}

/// The first rows of the examples.
struct Examples<'a> {
    path: &'a ProjectPath,
    rows: Rows,
}

enum Rows {
    Json(Vec<u8>),
    /// The names of the columns, and the text with them.
    Csv(Vec<String>, Vec<u8>),
}

/// The examples of the manifest; `None`, and a word about it, where it names none.
fn examples<'a>(inputs: Inputs<'a>, scratch: &Path, watch: Watch<'_>) -> Result<Option<Examples<'a>>> {
    let Inputs { version, model, .. } = inputs;
    let Some(path) = &model.examples else {
        watch.events.emit(Event::Warning {
            message: format!("`{}` has no `examples`: no answer of it is recorded ({})", version.model, model.place),
            hint: Some(
                "name a CSV file with a few rows, and every deploy checks that they get the same answers".into(),
            ),
        });
        return Ok(None);
    };
    let rows = first_rows(inputs, path, scratch, ROWS).with_context(|| cannot_ask(inputs))?;
    Ok(Some(Examples { path, rows }))
}

/// So many rows of the examples.
fn first_rows(inputs: Inputs<'_>, path: &ProjectPath, scratch: &Path, most: usize) -> Result<Rows> {
    let file = open_examples(inputs, path, scratch)?;
    if path.as_bytes().to_ascii_lowercase().ends_with(b".json") {
        return Ok(Rows::Json(first_of_json(file, path, most)?));
    }
    let (header, csv) = first_of_csv(file, path, most)?;
    Ok(Rows::Csv(header, csv))
}

fn cannot_ask(inputs: Inputs<'_>) -> String {
    let Inputs { version, model, .. } = inputs;
    format!("the examples of `{}` can't be asked ({})", version.model, model.place)
}

impl Examples<'_> {
    /// The rows as a request; the header of a CSV file names the columns of the signature.
    fn request(&self, signature: &mut Signature, inputs: Inputs<'_>) -> Result<InferRequest> {
        let request = match &self.rows {
            Rows::Json(json) => rows::from_json(signature, json),
            Rows::Csv(_, csv) => rows::from_csv(signature, csv),
        };
        let request = request.map_err(|error| in_file(error, self.path)).with_context(|| cannot_ask(inputs))?;
        if let (Rows::Csv(header, _), [input]) = (&self.rows, signature.inputs.as_mut_slice())
            && request.inputs[0].shape.get(1) == Some(&header.len())
        {
            input.columns.clone_from(header);
        }
        Ok(request)
    }

    /// What a model takes that takes these; perhaps an input for each column, whatever it holds.
    fn learn(&self, inputs: Inputs<'_>, scratch: &Path, by_column: bool) -> Result<Vec<Tensor>> {
        let rows = first_rows(inputs, self.path, scratch, LEARNED_ROWS).with_context(|| cannot_ask(inputs))?;
        let learned = match &rows {
            Rows::Json(json) => learn::from_json(json, by_column),
            Rows::Csv(_, csv) => learn::from_csv(csv, by_column),
        };
        learned.map_err(|error| in_file(error, self.path)).with_context(|| cannot_ask(inputs))
    }
}

/// Where a path at or below the model's lies among its files, which were laid out in `directory`.
pub fn in_directory(path: &ProjectPath, inputs: Inputs<'_>, directory: &Path) -> Result<Option<PathBuf>> {
    let Inputs { model, version, .. } = inputs;
    if !path.is_within(&model.path) {
        return Ok(None);
    }
    let root = directory.join(WEIGHTS);
    let depth = model.path.parts().count();
    let inside = match version.object.is_directory() {
        true => path.parts().skip(depth).fold(root, |root, part| root.join(std::ffi::OsStr::from_bytes(part))),
        // A model of one file lies under its own name.
        false => model.path.parts().last().map_or(root.clone(), |name| root.join(std::ffi::OsStr::from_bytes(name))),
    };
    match inside.exists() {
        true => Ok(Some(inside)),
        false => Err(Error::usage(format!("version {} of `{}` has no `{path}`", version.version, version.model))
            .with_hint("name a file of the model as `path` of `parity`")),
    }
}

/// The file at `path` that a step of the version's run made or read; `None` where the run or the file is not known.
pub fn file_of_run(store: &Store, version: &Version, path: &ProjectPath) -> Result<Option<Object>> {
    let Some(run) = &version.run else { return Ok(None) };
    let Some(bytes) = store.record(&format!("runs/{run}"))? else { return Ok(None) };
    // A damaged record is for `mlx verify` to tell.
    let Ok(run) = serde_json::from_slice::<Run>(&bytes) else { return Ok(None) };
    let files = run.steps.into_iter().flat_map(|step| step.outs.into_iter().chain(step.deps));
    Ok(files.map(|file| (file.path, file.object)).find(|(file, _)| file == path).map(|(_, object)| object))
}

/// The examples as the version's own run had them, so that a version gives the same bundle whatever came later; else as
/// they lie in the project, else as the lock has them.
fn open_examples(inputs: Inputs<'_>, path: &ProjectPath, scratch: &Path) -> Result<File> {
    let Inputs { project, store, version, .. } = inputs;
    let cannot = || format!("cannot read `{path}`");
    let export = |object: &Object| -> Result<File> {
        let copy = fs::temporary_dir(scratch)?.keep().join("examples");
        store.export(&object.digest, &copy, false, scratch, Link::Copy)?;
        Ok(File::open(&copy).with_context(cannot)?)
    };
    if let Some(object) = file_of_run(store, version, path)?.filter(|object| store.contains(&object.digest)) {
        return export(&object);
    }
    let file = project.resolve(path)?;
    if file.is_file() {
        return Ok(File::open(&file).with_context(cannot)?);
    }
    match project.read_lock()?.object(path).filter(|object| !object.is_directory() && store.contains(&object.digest)) {
        Some(object) => export(object),
        None => Err(Error::usage(format!("there is no file `{path}`"))
            .with_hint("name a CSV or JSON file with a few rows as `examples` of the model")),
    }
}

fn in_file(error: crate::predictor::BadRequest, path: &ProjectPath) -> Error {
    Error::from(error)
        .context(format!("`{path}` holds no rows for this model"))
        .with_hint("leave columns out that the model does not take, such as the label")
}

/// The column names and the text of the first rows of a CSV file of any size.
fn first_of_csv(file: File, path: &ProjectPath, most: usize) -> Result<(Vec<String>, Vec<u8>)> {
    let cannot = || format!("cannot read `{path}` as CSV");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file.take(LARGEST));
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let mut header = Vec::new();
    let mut record = csv::ByteRecord::new();
    for row in 0..=most {
        if !reader.read_byte_record(&mut record).with_context(cannot)? {
            break;
        }
        // Where the file goes on behind the limit, the last row is cut off.
        if row > ROWS && reader.get_ref().limit() == 0 {
            break;
        }
        if row == 0 {
            let name = |name: &[u8]| String::from_utf8_lossy(name).trim().trim_start_matches('\u{feff}').to_owned();
            header = record.iter().map(name).collect();
        }
        writer.write_byte_record(&record).with_context(cannot)?;
    }
    let text = writer.into_inner().map_err(|error| Error::failed(error.error())).with_context(cannot)?;
    if most == ROWS && reader.get_ref().limit() == 0 && text.len() as u64 > LARGEST / 2 {
        return Err(Error::usage(format!("the first rows of `{path}` have more than {} bytes", LARGEST / 2)));
    }
    Ok((header, text))
}

/// The first rows of a JSON file.
fn first_of_json(file: File, path: &ProjectPath, most: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read `{path}`"))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::usage(format!("`{path}` has more than {LARGEST} bytes"))
            .with_hint("keep a few rows as examples, or use CSV, of which only the first rows are read"));
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Array(mut rows)) if rows.first().is_some_and(|row| row.is_array() || row.is_object()) => {
            rows.truncate(most);
            Ok(Value::Array(rows).to_string().into())
        }
        _ => Ok(bytes),
    }
}

/// Through text, because there a number of 32 bits has its shortest form: `0.1` and not `0.10000000149011612`.
fn as_json(body: &impl Serialize) -> Value {
    let text = serde_json::to_vec(body).expect("a request or response has text as keys");
    serde_json::from_slice(&text).expect("what was written as JSON reads back")
}

/// Rounds every floating-point number.
fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let rounded = number.as_f64().and_then(|float| format!("{float:.*e}", DIGITS - 1).parse().ok());
            *value = rounded.and_then(serde_json::Number::from_f64).map_or(Value::Null, Value::Number);
        }
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(entries) => entries.values_mut().for_each(round),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_processors_agree_on_is_recorded() {
        let mut value = json!({ "data": [0.123_456_78, -98_765.432, 3, 1e-9, "1.23456789", null] });

        round(&mut value);

        assert_eq!(value, json!({ "data": [0.12346, -98765.0, 3, 1e-9, "1.23456789", null] }));
    }

    #[test]
    fn numbers_of_32_bits_stay_short() {
        assert_eq!(as_json(&[0.1_f32, 17.99]).to_string(), "[0.1,17.99]");
    }
}
