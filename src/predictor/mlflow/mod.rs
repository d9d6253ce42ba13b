//! Requests in the forms of MLflow's scoring server: tables (`dataframe_split`, `dataframe_records`) and tensors in the two
//! forms of TensorFlow Serving (`instances`, `inputs`). Read as they stream by, so that memory stays near that of the
//! elements.
//!
//! See <https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#json-input>.

mod table;

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::value::RawValue;

use super::rows::Plan;
use super::{BadRequest, Elements, InferRequest, NamedTensor, Signature, Tensor, parse};
use table::{Records, Table};

/// How the answer is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Several outputs make a record for each row.
    Table,
    /// Each output is a list of its own.
    Tensors,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    dataframe_split: Option<Split<'a>>,
    #[serde(borrow)]
    dataframe_records: Option<&'a RawValue>,
    #[serde(borrow)]
    instances: Option<&'a RawValue>,
    #[serde(borrow)]
    inputs: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Split<'a> {
    columns: Option<Vec<Name>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The name of a column; data frames have numbers where nobody gave names.
#[derive(Deserialize)]
#[serde(untagged, expecting = "the name of a column is neither text nor a number")]
enum Name {
    Text(String),
    Number(i64),
}

/// Makes a request of a JSON body of `POST /invocations`.
pub fn from_json(signature: &Signature, bytes: &[u8]) -> Result<(InferRequest, Shape), BadRequest> {
    let body: Body<'_> = serde_json::from_slice(bytes).map_err(unreadable)?;
    let Body { dataframe_split, dataframe_records, instances, inputs, params } = body;
    let (mut request, shape) = match (dataframe_split, dataframe_records, instances, inputs) {
        (Some(split), None, None, None) => (from_split(signature, split)?, Shape::Table),
        (None, Some(records), None, None) => (from_records(signature, records)?, Shape::Table),
        (None, None, Some(instances), None) => (from_instances(signature, instances)?, Shape::Tensors),
        (None, None, None, Some(inputs)) => (from_inputs(signature, inputs)?, Shape::Tensors),
        _ => {
            return Err(BadRequest::new(
                "the request must have exactly one of dataframe_split, dataframe_records, instances and inputs",
            ));
        }
    };
    if let Some(params) = params {
        request.parameters = parse::parameters(params).map_err(unreadable)?;
    }
    Ok((request, shape))
}

fn unreadable(error: impl fmt::Display) -> BadRequest {
    BadRequest::new(format!("the request can't be read: {error}"))
}

fn from_split(signature: &Signature, split: Split<'_>) -> Result<InferRequest, BadRequest> {
    let name = |name| match name {
        Name::Text(name) => name,
        Name::Number(number) => number.to_string(),
    };
    let columns: Option<Vec<String>> = split.columns.map(|columns| columns.into_iter().map(name).collect());
    let mut table = Table::unnamed(signature);
    if let Some(columns) = columns {
        let header: Vec<&str> = columns.iter().map(String::as_str).collect();
        // Numbers count the columns and name nothing that a model could know.
        let has_names = !header.iter().enumerate().all(|(index, name)| *name == index.to_string());
        let plan = match has_names {
            true => Plan::by_names(signature, &header)?,
            false => Plan::by_order(signature, header.len(), "value")?,
        };
        table = Table::planned(signature, plan, header.len());
    }
    let mut json = serde_json::Deserializer::from_str(split.data.get());
    json.deserialize_seq(&mut table).map_err(unreadable)?;
    table.finish()
}

fn from_records(signature: &Signature, records: &RawValue) -> Result<InferRequest, BadRequest> {
    let mut table = Records::new(signature);
    let mut json = serde_json::Deserializer::from_str(records.get());
    json.deserialize_seq(&mut table).map_err(unreadable)?;
    table.finish()
}

/// Rows: values of the only input, or objects with a value for each input or column.
fn from_instances(signature: &Signature, instances: &RawValue) -> Result<InferRequest, BadRequest> {
    let list: Vec<&RawValue> = match signature.inputs.as_slice() {
        [only] if !is_list_of_objects(instances) => return single(only, instances),
        _ => serde_json::from_str(instances.get()).map_err(unreadable)?,
    };
    let names_inputs = list.first().is_some_and(|first| {
        serde_json::from_str::<HashMap<String, de::IgnoredAny>>(first.get())
            .is_ok_and(|first| signature.inputs.iter().all(|input| first.contains_key(&input.name)))
    });
    if !names_inputs {
        return match is_list_of_objects(instances) {
            true => from_records(signature, instances),
            false => from_split(signature, Split { columns: None, data: instances }),
        };
    }
    let mut gathered: Vec<(Elements, Option<Vec<usize>>)> =
        signature.inputs.iter().map(|input| (Elements::with_capacity(input.datatype, 0), None)).collect();
    for (index, instance) in list.iter().enumerate() {
        let values: HashMap<String, &RawValue> = serde_json::from_str(instance.get()).map_err(unreadable)?;
        for (input, (elements, inner)) in signature.inputs.iter().zip(&mut gathered) {
            let missing = || BadRequest::new(format!("instance {index} has no `{}`", input.name));
            let raw = values.get(&input.name).ok_or_else(missing)?;
            let (more, shape) = parse::elements(input, raw)?;
            if *inner.get_or_insert_with(|| shape.clone()) != shape {
                let message = format!("`{}` of instance {index} has another shape than the first", input.name);
                return Err(BadRequest::new(message));
            }
            elements.append(&more);
        }
    }
    let tensor = |(input, (data, inner)): (&Tensor, (Elements, Option<Vec<usize>>))| {
        let shape = std::iter::once(list.len()).chain(inner.unwrap_or_default()).collect();
        fitted(input, shape, data)
    };
    let inputs = signature.inputs.iter().zip(gathered).map(tensor).collect();
    Ok(InferRequest { inputs, ..InferRequest::default() })
}

/// The tensor of the only input, or an object with one for each input or column.
fn from_inputs(signature: &Signature, inputs: &RawValue) -> Result<InferRequest, BadRequest> {
    if !inputs.get().starts_with('{') {
        return match signature.inputs.as_slice() {
            [only] => single(only, inputs),
            _ => Err(BadRequest::new("the model has several inputs; give `inputs` as an object that names them")),
        };
    }
    let mut values: HashMap<String, &RawValue> = serde_json::from_str(inputs.get()).map_err(unreadable)?;
    if let [only] = signature.inputs.as_slice()
        && !values.contains_key(&only.name)
        && !only.columns.is_empty()
    {
        return from_columns(only, &values);
    }
    let mut tensors = Vec::new();
    for input in &signature.inputs {
        let raw =
            values.remove(&input.name).ok_or_else(|| BadRequest::new(format!("input `{}` is missing", input.name)))?;
        let (data, shape) = parse::elements(input, raw)?;
        tensors.push(fitted(input, shape, data));
    }
    match values.keys().min() {
        Some(extra) => Err(BadRequest::new(format!("the model has no input `{}`", super::data::shorten(extra)))),
        None => Ok(InferRequest { inputs: tensors, ..InferRequest::default() }),
    }
}

/// A matrix from the lists of its columns.
fn from_columns(input: &Tensor, values: &HashMap<String, &RawValue>) -> Result<InferRequest, BadRequest> {
    let mut all = Elements::with_capacity(input.datatype, 0);
    let mut rows = None;
    for name in &input.columns {
        let missing = || BadRequest::new(format!("column `{name}` is missing"));
        let column = parse::elements(input, values.get(name).ok_or_else(missing)?)?.0;
        if *rows.get_or_insert(column.len()) != column.len() {
            return Err(BadRequest::new(format!("column `{name}` is not as long as `{}`", input.columns[0])));
        }
        all.append(&column);
    }
    let (rows, columns) = (rows.unwrap_or(0), input.columns.len());
    let data = all.picked((0..rows).flat_map(|row| (0..columns).map(move |column| column * rows + row)));
    let inputs = vec![NamedTensor { name: input.name.clone(), shape: vec![rows, columns], data }];
    Ok(InferRequest { inputs, ..InferRequest::default() })
}

fn single(input: &Tensor, raw: &RawValue) -> Result<InferRequest, BadRequest> {
    let (data, shape) = parse::elements(input, raw)?;
    Ok(InferRequest { inputs: vec![fitted(input, shape, data)], ..InferRequest::default() })
}

/// The tensor, with the last dimension of 1 that a list of single values leaves away.
fn fitted(input: &Tensor, mut shape: Vec<usize>, data: Elements) -> NamedTensor {
    while shape.len() < input.shape.len() && input.shape.get(shape.len()) == Some(&1) {
        shape.push(1);
    }
    NamedTensor { name: input.name.clone(), shape, data }
}

fn is_list_of_objects(raw: &RawValue) -> bool {
    raw.get().strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::Datatype;

    fn tensor(name: &str, datatype: Datatype, shape: &[i64], columns: &[&str]) -> Tensor {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Tensor { name: name.into(), datatype, shape: shape.into(), columns }
    }

    fn matrix() -> Signature {
        Signature { inputs: vec![tensor("x", Datatype::Fp32, &[-1, 2], &["a", "b"])], outputs: vec![] }
    }

    fn several() -> Signature {
        let inputs = vec![tensor("age", Datatype::Int64, &[-1, 1], &[]), tensor("town", Datatype::Bytes, &[-1], &[])];
        Signature { inputs, outputs: vec![] }
    }

    fn read(signature: &Signature, body: &str) -> Result<InferRequest, String> {
        from_json(signature, body.as_bytes()).map(|(request, _)| request).map_err(|error| error.to_string())
    }

    #[test]
    fn every_form_makes_the_same_request() {
        let signature = matrix();
        let data = Elements::Fp32(vec![1., 2., 3., 4.5]);
        let expected = vec![NamedTensor { name: "x".into(), shape: vec![2, 2], data }];
        for body in [
            r#"{"dataframe_split": {"index": [0, 1], "columns": ["b", "note", "a"], "data": [[2, "n", 1], [4.5, null, 3]]}}"#,
            r#"{"dataframe_split": {"data": [[1, 2], [3, 4.5]], "columns": [0, 1]}}"#,
            r#"{"dataframe_split": {"data": [[1, 2], [3, 4.5]]}}"#,
            r#"{"dataframe_records": [{"b": 2, "a": 1, "more": "x"}, {"a": 3, "other": [1], "b": 4.5, "more": 1}]}"#,
            r#"{"instances": [[1, 2], [3, 4.5]]}"#,
            r#"{"instances": [{"a": 1, "b": 2}, {"a": 3, "b": 4.5}]}"#,
            r#"{"instances": [{"x": [1, 2]}, {"x": [3, 4.5]}], "signature_name": "serving_default"}"#,
            r#"{"inputs": [[1, 2], [3, 4.5]]}"#,
            r#"{"inputs": {"x": [[1, 2], [3, 4.5]]}}"#,
            r#"{"inputs": {"a": [1, 3], "b": [2, 4.5]}}"#,
        ] {
            assert_eq!(read(&signature, body).map(|request| request.inputs), Ok(expected.clone()), "{body}");
        }
        let with_params = read(&signature, r#"{"inputs": [[1, 2]], "params": {"top": 3}}"#).unwrap();
        assert_eq!(with_params.parameters["top"], 3);
    }

    #[test]
    fn several_inputs_are_named_or_taken_in_their_order() {
        let signature = several();
        let expected = vec![
            NamedTensor { name: "age".into(), shape: vec![2, 1], data: Elements::Int64(vec![4, 5]) },
            NamedTensor { name: "town".into(), shape: vec![2], data: Elements::Bytes(vec!["Ulm".into(), "x".into()]) },
        ];
        for body in [
            r#"{"dataframe_records": [{"town": "Ulm", "age": 4}, {"town": "x", "age": 5}]}"#,
            r#"{"dataframe_split": {"columns": ["town", "age"], "data": [["Ulm", 4], ["x", 5]]}}"#,
            r#"{"instances": [{"town": "Ulm", "age": 4}, {"town": "x", "age": 5}]}"#,
            r#"{"instances": [[4, "Ulm"], [5, "x"]]}"#,
            r#"{"inputs": {"town": ["Ulm", "x"], "age": [4, 5]}}"#,
        ] {
            assert_eq!(read(&signature, body).map(|request| request.inputs), Ok(expected.clone()), "{body}");
        }
    }

    #[test]
    fn bad_requests_say_what_is_wrong() {
        let cases = [
            ("{}", "must have exactly one of"),
            (r#"{"inputs": [[1, 2]], "instances": [[1, 2]]}"#, "must have exactly one of"),
            ("[]", "can't be read"),
            (
                r#"{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3]]}}"#,
                "row 1 has 1 values, and there are 2 columns",
            ),
            (r#"{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2, 3]]}}"#, "a row has more than 2 values"),
            (r#"{"dataframe_split": {"columns": ["a", "c"], "data": [[1, 2]]}}"#, "column `b` is missing"),
            (r#"{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}"#, "two columns have the name `a`"),
            (r#"{"dataframe_split": {"columns": ["a", "b"], "data": []}}"#, "there are no rows"),
            (r#"{"dataframe_split": {"columns": ["a", "b"], "data": [[1, [2]]]}}"#, "expected a number"),
            (r#"{"dataframe_split": {"columns": ["a", "b"]}}"#, "missing field `data`"),
            (r#"{"dataframe_records": [{"a": 1, "b": 2}, {"a": 1}]}"#, "row 1 has no `b`"),
            (r#"{"dataframe_records": [{"a": 1, "b": "x"}]}"#, "which FP32 can't hold"),
            (r#"{"dataframe_records": []}"#, "there are no rows"),
            (r#"{"instances": [[1, 2], [3]]}"#, "lists of different lengths side by side"),
            (r#"{"inputs": {"a": [1, 2], "b": [1]}}"#, "column `b` is not as long as `a`"),
            (r#"{"inputs": {"a": [1, 2]}}"#, "column `b` is missing"),
            (r#"{"inputs": {"x": [[1, 2]], "y": 1}}"#, "the model has no input `y`"),
            (r#"{"inputs": [[NaN, 2]]}"#, "can't be read"),
        ];
        for (body, expected) in cases {
            let error = read(&matrix(), body).unwrap_err();
            assert!(error.contains(expected), "{body}\nsays: {error}\nnot:  {expected}");
        }
        let other = read(&several(), r#"{"instances": [{"town": "Ulm", "age": 4}, {"age": 5}]}"#).unwrap_err();
        assert_eq!(other, "instance 1 has no `town`");
    }
}
