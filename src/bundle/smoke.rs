//! Asking the model before it is packaged: it must load and answer on the very library that the bundle will hold.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::content::PlannedLayer;
use super::description::Smoke;
use super::package::Inputs;
use crate::digest::Object;
use crate::error::ErrorContext;
use crate::event::{Event, Watch};
use crate::fs;
use crate::predictor::onnx::{self, Capacity};
use crate::predictor::{InferRequest, Signature, rows};
use crate::project::{Link, ProjectPath};
use crate::registry::Version;
use crate::run::Run;
use crate::store::Store;
use crate::{Error, Result};

/// So many rows of the examples are asked for.
const ROWS: usize = 16;
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

/// Loads the file `served` of the weights on this library and asks it for the examples of the manifest.
pub fn ask(
    inputs: Inputs<'_>,
    library: &Path,
    weights: &[PlannedLayer],
    served: &str,
    watch: Watch<'_>,
) -> Result<Answers> {
    let Inputs { project, store, version, model, .. } = inputs;
    // A model may lie in several files that name each other, so that all of them are laid out as in the bundle.
    let directory = fs::temporary_dir(&project.scratch())?;
    for content in weights.iter().flat_map(|layer| &layer.contents) {
        watch.interrupt.check()?;
        let path = directory.path().join(&content.file.path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        store.export(&content.file.digest, &path, content.file.executable, directory.path(), Link::Copy)?;
    }
    let cannot = || format!("version {} of `{}` does not answer and is not packaged", version.version, version.model);
    let predictor = onnx::open(library, &directory.path().join(served), Capacity::default()).with_context(cannot)?;
    let mut signature = predictor.signature().clone();
    let Some(path) = &model.examples else {
        watch.events.emit(Event::Warning {
            message: format!("`{}` has no `examples`: no answer of it is recorded ({})", version.model, model.place),
            hint: Some(
                "name a CSV file with a few rows, and every deploy checks that they get the same answers".into(),
            ),
        });
        return Ok(Answers { signature: Some(signature), smoke: None });
    };
    let request = examples(inputs, path, directory.path(), &mut signature)
        .with_context(|| format!("the examples of `{}` can't be asked ({})", version.model, model.place))?;
    watch.interrupt.check()?;
    let response = predictor.infer(&request).with_context(cannot)?;
    let mut response = as_json(&response);
    round(&mut response);
    let smoke = Smoke { request: as_json(&request), response, tolerance: TOLERANCE };
    Ok(Answers { signature: Some(signature), smoke: Some(smoke) })
}

/// The first rows of the examples as a request; the header of a CSV file names the columns of the signature.
fn examples(inputs: Inputs<'_>, path: &ProjectPath, scratch: &Path, signature: &mut Signature) -> Result<InferRequest> {
    let file = open_examples(inputs, path, scratch)?;
    if path.as_bytes().to_ascii_lowercase().ends_with(b".json") {
        let rows = first_of_json(file, path)?;
        return rows::from_json(signature, &rows).map_err(|error| in_file(error, path));
    }
    let (header, csv) = first_of_csv(file, path)?;
    let request = rows::from_csv(signature, &csv).map_err(|error| in_file(error, path))?;
    if let [input] = signature.inputs.as_mut_slice()
        && request.inputs[0].shape.get(1) == Some(&header.len())
    {
        input.columns = header;
    }
    Ok(request)
}

/// The file at `path` that a step of the version's run made or read; `None` where the run or the file is not known.
fn examples_of_run(store: &Store, version: &Version, path: &ProjectPath) -> Result<Option<Object>> {
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
        let copy = scratch.join("examples");
        store.export(&object.digest, &copy, false, scratch, Link::Copy)?;
        Ok(File::open(&copy).with_context(cannot)?)
    };
    if let Some(object) = examples_of_run(store, version, path)?.filter(|object| store.contains(&object.digest)) {
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
fn first_of_csv(file: File, path: &ProjectPath) -> Result<(Vec<String>, Vec<u8>)> {
    let cannot = || format!("cannot read `{path}` as CSV");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file.take(LARGEST));
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let mut header = Vec::new();
    let mut record = csv::ByteRecord::new();
    for row in 0..=ROWS {
        if !reader.read_byte_record(&mut record).with_context(cannot)? {
            break;
        }
        if row == 0 {
            let name = |name: &[u8]| String::from_utf8_lossy(name).trim().trim_start_matches('\u{feff}').to_owned();
            header = record.iter().map(name).collect();
        }
        writer.write_byte_record(&record).with_context(cannot)?;
    }
    let text = writer.into_inner().map_err(|error| Error::failed(error.error())).with_context(cannot)?;
    if reader.get_ref().limit() == 0 && text.len() as u64 > LARGEST / 2 {
        return Err(Error::usage(format!("the first rows of `{path}` have more than {} bytes", LARGEST / 2)));
    }
    Ok((header, text))
}

/// The first rows of a JSON file.
fn first_of_json(file: File, path: &ProjectPath) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read `{path}`"))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::usage(format!("`{path}` has more than {LARGEST} bytes"))
            .with_hint("keep a few rows as examples, or use CSV, of which only the first rows are read"));
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Array(mut rows)) if rows.first().is_some_and(|row| row.is_array() || row.is_object()) => {
            rows.truncate(ROWS);
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
