//! What a model takes, learned from rows that are known to be good: for models that do not say it themselves.

use serde_json::{Map, Value};

use super::{BadRequest, Datatype, InferRequest, NamedTensor, Tensor};

/// The name of an input that is a whole table.
const INPUT: &str = "input";

/// What all cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    /// `true` or `false`, each of them.
    Truth,
    Text,
}

/// The inputs that fit a CSV file: one matrix where all of its cells are numbers, unless it is to be `by_column`; else one
/// input a column.
pub fn from_csv(bytes: &[u8], by_column: bool) -> Result<Vec<Tensor>, BadRequest> {
    let unreadable = |error: csv::Error| BadRequest::new(format!("the CSV can't be read: {error}"));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(bytes);
    let header = reader.headers().map_err(unreadable)?.clone();
    let names: Vec<String> = header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    let mut columns = vec![(true, true); names.len()];
    for record in reader.records() {
        for ((are_numbers, are_truths), cell) in columns.iter_mut().zip(&record.map_err(unreadable)?) {
            let cell = cell.trim();
            *are_numbers &= cell.is_empty() || cell.parse::<f64>().is_ok();
            *are_truths &= matches!(cell, "true" | "True" | "TRUE" | "false" | "False" | "FALSE");
        }
    }
    let kinds: Vec<Kind> = columns.into_iter().map(|(are_numbers, are_truths)| kind(are_numbers, are_truths)).collect();
    Ok(of_columns(&names, &kinds, by_column))
}

fn kind(are_numbers: bool, are_truths: bool) -> Kind {
    match (are_numbers, are_truths) {
        (true, _) => Kind::Number,
        (false, true) => Kind::Truth,
        (false, false) => Kind::Text,
    }
}

/// The inputs that fit JSON: those of a whole request, else as for a CSV file.
pub fn from_json(bytes: &[u8], by_column: bool) -> Result<Vec<Tensor>, BadRequest> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| BadRequest::new(format!("the JSON can't be read: {error}")))?;
    match value {
        Value::Object(body) if body.get("inputs").is_some_and(Value::is_array) => {
            Ok(InferRequest::from_json(bytes)?.inputs.iter().map(of_tensor).collect())
        }
        Value::Object(record) => of_records(&[&record], by_column),
        Value::Array(rows) if rows.first().is_some_and(Value::is_object) => {
            of_records(&rows.iter().filter_map(Value::as_object).collect::<Vec<_>>(), by_column)
        }
        Value::Array(_) if by_column => {
            Err(BadRequest::new("rows that are lists name no columns; give objects with names, or a request"))
        }
        Value::Array(rows) => match rows.first() {
            Some(Value::Array(row))
                if rows.iter().flat_map(|row| row.as_array().into_iter().flatten()).all(is_number) =>
            {
                Ok(vec![matrix(row.len(), Vec::new())])
            }
            Some(_) if rows.iter().all(is_number) => Ok(vec![matrix(rows.len(), Vec::new())]),
            _ => Err(BadRequest::new(
                "rows that are lists must hold numbers only; give objects with names, or a request",
            )),
        },
        _ => Err(BadRequest::new("the JSON is neither a request nor rows")),
    }
}

/// An output as it was given, of any number of rows where it had as many as the request.
pub fn of_output(output: &NamedTensor, request: &InferRequest) -> Tensor {
    let rows = request.inputs.first().and_then(|input| input.shape.first());
    let is_row_wise = !output.shape.is_empty() && output.shape.first() == rows;
    let shape = output.shape.iter().enumerate();
    let shape = shape.map(|(index, length)| if index == 0 && is_row_wise { -1 } else { signed(*length) }).collect();
    Tensor { name: output.name.clone(), datatype: output.data.datatype(), shape, columns: Vec::new() }
}

fn of_tensor(input: &NamedTensor) -> Tensor {
    let shape = input.shape.iter().enumerate();
    let shape = shape.map(|(index, length)| if index == 0 { -1 } else { signed(*length) }).collect();
    Tensor { name: input.name.clone(), datatype: input.data.datatype(), shape, columns: Vec::new() }
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn of_records(records: &[&Map<String, Value>], by_column: bool) -> Result<Vec<Tensor>, BadRequest> {
    let names: Vec<String> = records.first().map(|record| record.keys().cloned().collect()).unwrap_or_default();
    let all = |name: &str, is_it: fn(&Value) -> bool| records.iter().all(|record| record.get(name).is_none_or(is_it));
    let kinds: Vec<Kind> = names.iter().map(|name| kind(all(name, is_number), all(name, Value::is_boolean))).collect();
    match names.is_empty() {
        true => Err(BadRequest::new("there are no rows")),
        false => Ok(of_columns(&names, &kinds, by_column)),
    }
}

fn is_number(value: &Value) -> bool {
    value.is_number() || value.is_null()
}

fn of_columns(names: &[String], kinds: &[Kind], by_column: bool) -> Vec<Tensor> {
    if !by_column && kinds.iter().all(|kind| *kind == Kind::Number) {
        return vec![matrix(names.len(), names.to_vec())];
    }
    let column = |(name, kind): (&String, &Kind)| {
        let datatype = match kind {
            Kind::Number => Datatype::Fp64,
            Kind::Truth => Datatype::Bool,
            Kind::Text => Datatype::Bytes,
        };
        Tensor { name: name.clone(), datatype, shape: vec![-1], columns: Vec::new() }
    };
    names.iter().zip(kinds).map(column).collect()
}

fn matrix(width: usize, columns: Vec<String>) -> Tensor {
    Tensor { name: INPUT.into(), datatype: Datatype::Fp64, shape: vec![-1, signed(width)], columns }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(inputs: &[Tensor]) -> String {
        let show =
            |input: &Tensor| format!("{} {} {:?} {}", input.name, input.datatype, input.shape, input.columns.join("+"));
        inputs.iter().map(show).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn numbers_make_a_matrix_and_anything_else_an_input_a_column() {
        for rows in ["a,b\n1,\n2.5,3\n", "\u{feff}a, b\n1e3,NaN\n"] {
            assert_eq!(shown(&from_csv(rows.as_bytes(), false).unwrap()), "input FP64 [-1, 2] a+b", "{rows}");
            assert_eq!(shown(&from_csv(rows.as_bytes(), true).unwrap()), "a FP64 [-1] ; b FP64 [-1] ", "{rows}");
        }
        let mixed = "age,town,ill,odd\n4,Ulm,True,true\n5,,false,\n";
        assert_eq!(
            shown(&from_csv(mixed.as_bytes(), false).unwrap()),
            "age FP64 [-1] ; town BYTES [-1] ; ill BOOL [-1] ; odd BYTES [-1] "
        );
        let from_json = |json: &[u8]| from_json(json, false);
        assert_eq!(shown(&from_json(br#"[{"a": 1, "b": null}]"#).unwrap()), "input FP64 [-1, 2] a+b");
        assert_eq!(shown(&from_json(br#"[{"a": 1, "b": true}]"#).unwrap()), "a FP64 [-1] ; b BOOL [-1] ");
        assert_eq!(shown(&from_json(b"[[1, 2, 3], [4, 5, 6]]").unwrap()), "input FP64 [-1, 3] ");
        let request =
            br#"{"inputs": [{"name": "image", "shape": [2, 1, 3], "datatype": "UINT8", "data": [1, 2, 3, 4, 5, 6]}]}"#;
        assert_eq!(shown(&from_json(request).unwrap()), "image UINT8 [-1, 1, 3] ");
        assert!(from_json(br#"[["a"]]"#).is_err() && from_json(b"[]").is_err() && from_json(b"3").is_err());
    }
}
