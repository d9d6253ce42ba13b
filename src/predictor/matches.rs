//! Whether an answer is the expected one.

use serde_json::Value;

use super::{Elements, InferResponse, NamedTensor};

/// Compares two response bodies, or says in words where they differ first.
///
/// Outputs are compared by name. A floating-point number may differ by `tolerance`, absolutely or relative to the
/// expected one; everything else must be the same.
pub fn matches(expected: &Value, got: &Value, tolerance: f64) -> Result<(), String> {
    let read = |body: &Value, what| {
        serde_json::from_value::<InferResponse>(body.clone())
            .map_err(|error| format!("the {what} can't be read: {error}"))
    };
    let (expected, got) = (read(expected, "expected answer")?, read(got, "answer")?);
    for NamedTensor { name, shape, data } in &expected.outputs {
        let other = got.outputs.iter().find(|output| output.name == *name);
        let other = other.ok_or_else(|| format!("output `{name}` is missing"))?;
        let (datatype, other_datatype) = (data.datatype(), other.data.datatype());
        if other_datatype != datatype {
            return Err(format!("output `{name}` is {other_datatype} instead of {datatype}"));
        }
        if other.shape != *shape {
            return Err(format!("output `{name}` has shape {:?} instead of {shape:?}", other.shape));
        }
        if let Some(index) = first_difference(data, &other.data, tolerance) {
            let text = |data: &Elements| data.text(index).unwrap_or_default();
            let (found, wanted) = (text(&other.data), text(data));
            return Err(format!("output `{name}`, element {index}: {found} instead of {wanted}"));
        }
    }
    match got.outputs.iter().find(|output| expected.outputs.iter().all(|other| other.name != output.name)) {
        Some(extra) => Err(format!("output `{}` was not expected", extra.name)),
        None => Ok(()),
    }
}

/// The index of the first element that differs by more than the tolerance.
fn first_difference(expected: &Elements, got: &Elements, tolerance: f64) -> Option<usize> {
    let differs = |(a, b): (f64, f64)| {
        let near = a.is_finite() && (a - b).abs() <= tolerance * (1.0 + a.abs());
        !(near || a == b || (a.is_nan() && b.is_nan()))
    };
    match (expected, got) {
        (Elements::Fp32(a), Elements::Fp32(b)) => {
            a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b))).position(differs)
        }
        (Elements::Fp64(a), Elements::Fp64(b)) => a.iter().copied().zip(b.iter().copied()).position(differs),
        _ if expected == got => None,
        _ => (0..expected.len()).find(|index| expected.text(*index) != got.text(*index)),
    }
}
