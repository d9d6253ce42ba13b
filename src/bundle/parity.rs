//! Parity: an ONNX file that was exported from another framework must answer as the original does, before it is packaged.

use std::path::{Path, PathBuf};

use super::package::Inputs;
use super::smoke::{Launched, in_directory, launch};
use crate::error::ErrorContext;
use crate::event::Watch;
use crate::fs::escape;
use crate::predictor::{InferRequest, InferResponse, NamedTensor, python};
use crate::project::manifest::Parity;
use crate::project::{Link, ProjectPath};
use crate::{Error, Result};

/// Asks the original for the same rows and compares output by output. `directory` holds the model's files as the bundle
/// will.
pub fn check(
    inputs: Inputs<'_>,
    parity: &Parity,
    directory: &Path,
    request: &InferRequest,
    answer: &InferResponse,
    watch: Watch<'_>,
) -> Result<()> {
    let Inputs { project, version, python, .. } = inputs;
    let Parity { file, class, tolerance, place, .. } = parity;
    let (model, number) = (&version.model, version.version);
    let cannot = || format!("the original of `{model}` can't be asked ({place})");
    let interpreter = python.ok_or_else(|| {
        Error::usage("there is no Python in the project's environment for it")
            .with_hint("declare one: `[env] python = { requirements = \"requirements.txt\" }`")
    });
    let launched = Launched {
        interpreter: interpreter.with_context(cannot)?,
        file: project.resolve(file)?,
        class,
        model: original(inputs, parity, directory).with_context(cannot)?,
    };
    watch.events.note(format!("comparing with what `{file}:{}` answers", escape(class.as_bytes())));
    let original = python::Python::open(launch(inputs, launched), None).with_context(cannot)?;
    let expected = original.ask(request).with_context(cannot)?;
    compare(&expected, &answer.outputs, *tolerance).map_err(|difference| {
        let exported = match &inputs.model.serve {
            Some(crate::project::manifest::Serve::Onnx(onnx)) => format!("`{onnx}`"),
            _ => "the ONNX file".into(),
        };
        Error::check(difference)
            .context(format!(
                "{exported} of `{model}` {number} does not answer as its original does, and is not packaged ({place})"
            ))
            .with_hint("export it again; or set `tolerance` of `parity`, if that is near enough")
    })?;
    let untold = answer.outputs.iter().filter(|output| expected.iter().all(|other| other.name != output.name));
    for NamedTensor { name, .. } in untold {
        watch
            .events
            .warn(format!("output `{}` was not compared: the original does not give it", escape(name.as_bytes())));
    }
    Ok(())
}

/// What the class loads.
fn original(inputs: Inputs<'_>, parity: &Parity, directory: &Path) -> Result<PathBuf> {
    let Inputs { project, store, model, version, .. } = inputs;
    let path: &ProjectPath = parity.path.as_ref().unwrap_or(&model.path);
    if let Some(inside) = in_directory(path, inputs, directory)? {
        return Ok(inside);
    }
    // As the version's own run made it, if that is known; else as it lies in the project.
    let made = super::smoke::file_of_run(store, version, path)?;
    if let Some(object) = made.filter(|object| !object.is_directory() && store.contains(&object.digest)) {
        let copy = directory.join("original").join(path.below(Path::new("")));
        copy.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
        store.export(&object.digest, &copy, false, directory, Link::Copy)?;
        return Ok(copy);
    }
    let file = project.resolve(path)?;
    match file.exists() {
        true => Ok(file),
        false => Err(Error::usage(format!("there is no `{path}`")).with_hint(
            "name what the class loads as `path` of `parity`: a file of the model, or one that the same run made",
        )),
    }
}

/// Says where the answers differ first by more than the tolerance, which is absolute and relative to the expected one.
fn compare(expected: &[NamedTensor], got: &[NamedTensor], tolerance: f64) -> Result<(), String> {
    if expected.is_empty() {
        return Err("the original gives no output".into());
    }
    for NamedTensor { name, shape, data } in expected {
        let shown = escape(name.as_bytes());
        let Some(other) = got.iter().find(|output| output.name == *name) else {
            let known: Vec<String> = got.iter().map(|output| format!("`{}`", escape(output.name.as_bytes()))).collect();
            return Err(format!("the original gives an output `{shown}`; it has {}", known.join(", ")));
        };
        if other.data.len() != data.len() {
            return Err(format!("output `{shown}` has shape {:?}; the original gives {shape:?}", other.shape));
        }
        // Elements of a row stand together.
        let width = (data.len() / shape.first().copied().unwrap_or(1).max(1)).max(1);
        for index in 0..data.len() {
            let (wanted, found) = (data.text(index).unwrap_or_default(), other.data.text(index).unwrap_or_default());
            if !is_near(&wanted, &found, tolerance) {
                let [wanted, found] = [wanted, found].map(|text| escape(text.as_bytes()));
                let row = index / width + 1;
                return Err(format!(
                    "output `{shown}` differs in row {row}: {found}, and the original gives {wanted} (tolerance {tolerance})"
                ));
            }
        }
    }
    Ok(())
}

/// Numbers may differ by the tolerance, whatever types they have; other text must be the same.
fn is_near(wanted: &str, found: &str, tolerance: f64) -> bool {
    let (Ok(wanted), Ok(found)) = (wanted.parse::<f64>(), found.parse::<f64>()) else { return wanted == found };
    let near = wanted.is_finite() && (wanted - found).abs() <= tolerance * (1.0 + wanted.abs());
    near || wanted == found || (wanted.is_nan() && found.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::Elements;

    fn output(name: &str, data: Elements) -> NamedTensor {
        NamedTensor { name: name.into(), shape: vec![data.len() / 2, 2], data }
    }

    #[test]
    fn answers_are_compared_by_name_and_as_numbers() {
        let expected = [output("p", Elements::Fp64(vec![0.25, 0.75, 1.0, f64::NAN]))];
        let near =
            [output("other", Elements::Fp32(vec![])), output("p", Elements::Fp32(vec![0.25, 0.750_01, 1.0, f32::NAN]))];
        let far = [output("p", Elements::Fp32(vec![0.25, 0.75, 0.5, f32::NAN]))];

        assert_eq!(compare(&expected, &near, 1e-4), Ok(()));
        assert_eq!(
            compare(&expected, &far, 1e-4).unwrap_err(),
            "output `p` differs in row 2: 0.5, and the original gives 1 (tolerance 0.0001)"
        );
        assert_eq!(
            compare(&expected, &near[..1], 1e-4).unwrap_err(),
            "the original gives an output `p`; it has `other`"
        );
        assert!(compare(&[], &near, 1e-4).is_err());
    }

    #[test]
    fn what_is_no_number_must_be_the_same() {
        assert!(is_near("spam", "spam", 0.1) && !is_near("spam", "ham", 0.1) && is_near("inf", "inf", 0.1));
        assert!(!is_near("1", "spam", 9.0));
    }
}
