//! From rows, as people keep them in CSV and JSON files, to a request.

use serde_json::{Map, Value};

use super::data::shorten;
use super::{BadRequest, Elements, InferRequest, NamedTensor, Signature, Tensor};
use crate::error::did_you_mean;

/// Makes a request of a CSV file whose first line names the columns.
///
/// Where the model knows the names of its columns, or takes one input a column, they are picked by name and others are
/// left out; else the columns are taken in their order and must be as many as the model takes.
pub fn from_csv(signature: &Signature, bytes: &[u8]) -> Result<InferRequest, BadRequest> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(bytes);
    let unreadable = |error: csv::Error| BadRequest::new(format!("the CSV can't be read: {error}"));
    let header = reader.headers().map_err(unreadable)?.clone();
    let header: Vec<&str> = header.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
    if let [only] = header.as_slice()
        && only.contains([';', '\t'])
    {
        return Err(BadRequest::new("the columns of the CSV must be separated by commas"));
    }
    if header.is_empty() {
        return Err(BadRequest::new("the CSV is empty; its first line must name the columns"));
    }
    if header.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err(BadRequest::new("the first line of the CSV must name the columns, and has only numbers"));
    }
    let plan = Plan::by_names(signature, &header)?;
    let mut builder = Builder::new(signature, plan);
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(unreadable)? {
        let line = record.position().map_or(0, csv::Position::line);
        builder.row(|source, elements| {
            let place = || format!("line {line}, column `{}`", shorten(header[source]));
            elements.push_text(&record[source]).map_err(|why| format!("{} {why}", place()))
        })?;
    }
    builder.finish()
}

/// Makes a request of JSON: a whole request body, a list of rows that are lists, or a list of rows that are objects. One
/// row may stand without the list around it.
pub fn from_json(signature: &Signature, bytes: &[u8]) -> Result<InferRequest, BadRequest> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| BadRequest::new(format!("the JSON can't be read: {error}")))?;
    match value {
        Value::Object(body) if body.get("inputs").is_some_and(Value::is_array) => InferRequest::from_json(bytes),
        Value::Object(record) => from_records(signature, &[Value::Object(record)]),
        Value::Array(rows) if rows.is_empty() => Err(BadRequest::new("there are no rows")),
        Value::Array(rows) if rows.iter().all(Value::is_object) => from_records(signature, &rows),
        Value::Array(rows) if rows.iter().all(Value::is_array) => from_lists(signature, &rows),
        Value::Array(row) if row.iter().all(|cell| !cell.is_object() && !cell.is_array()) => {
            // Where a row is one value, as a text is, these are rows.
            let is_column = matches!(signature.inputs.as_slice(), [input] if width(input) == Some(1));
            match is_column {
                true => {
                    from_lists(signature, &row.into_iter().map(|cell| Value::Array(vec![cell])).collect::<Vec<_>>())
                }
                false => from_lists(signature, &[Value::Array(row)]),
            }
        }
        _ => Err(BadRequest::new("the JSON is neither a request, nor rows as lists, nor rows as objects")),
    }
}

fn from_records(signature: &Signature, rows: &[Value]) -> Result<InferRequest, BadRequest> {
    let records: Vec<&Map<String, Value>> = rows.iter().filter_map(Value::as_object).collect();
    let header: Vec<&str> =
        records.first().map(|record| record.keys().map(String::as_str).collect()).unwrap_or_default();
    let plan = Plan::by_names(signature, &header)?;
    let mut builder = Builder::new(signature, plan);
    for (index, record) in records.iter().enumerate() {
        builder.row(|source, elements| {
            let name = header[source];
            let cell = record.get(name).ok_or_else(|| format!("row {index} has no `{name}`"))?;
            push(elements, cell).map_err(|why| format!("row {index}, `{name}` {why}"))
        })?;
    }
    builder.finish()
}

fn from_lists(signature: &Signature, rows: &[Value]) -> Result<InferRequest, BadRequest> {
    let mut cells = Vec::new();
    let mut width = None;
    let mut flat = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        cells.clear();
        flatten(row, &mut cells);
        let first = *width.get_or_insert(cells.len());
        if cells.len() != first {
            return Err(BadRequest::new(format!("row {index} has {} values, and the first has {first}", cells.len())));
        }
        flat.push(cells.clone());
    }
    let plan = Plan::by_order(signature, width.unwrap_or(0), "value")?;
    let mut builder = Builder::new(signature, plan);
    for (index, row) in flat.iter().enumerate() {
        builder.row(|source, elements| {
            push(elements, row[source]).map_err(|why| format!("row {index}, value {source} {why}"))
        })?;
    }
    builder.finish()
}

fn flatten<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| flatten(value, into)),
        value => into.push(value),
    }
}

fn push(elements: &mut Elements, cell: &Value) -> Result<(), String> {
    match cell {
        Value::Null => elements.push_missing(),
        Value::Bool(value) => elements.push_bool(*value),
        Value::String(value) => elements.push_string(value),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), _, _) => elements.push_integer(value.into()),
            (_, Some(value), _) => elements.push_integer(value.into()),
            (_, _, value) => elements.push_float(value.unwrap_or(f64::NAN)),
        },
        Value::Array(_) | Value::Object(_) => Err("is no single value".into()),
    }
}

/// For each input, which columns of the source its elements come from.
pub(super) struct Plan {
    sources: Vec<Vec<usize>>,
}

impl Plan {
    pub fn by_names(signature: &Signature, header: &[&str]) -> Result<Self, BadRequest> {
        if let Some(twice) =
            header.iter().enumerate().find_map(|(index, name)| header[..index].contains(name).then_some(name))
        {
            return Err(BadRequest::new(format!("two columns have the name `{}`", shorten(twice))));
        }
        let find = |name: &str| {
            header.iter().position(|column| *column == name).ok_or_else(|| {
                // The header is whatever the file holds.
                let shown: Vec<String> = header.iter().map(|name| shorten(name)).collect();
                BadRequest::new(format!(
                    "column `{name}` is missing: {}",
                    did_you_mean(name, shown.iter().map(String::as_str))
                ))
            })
        };
        let single = signature.inputs.len() == 1;
        let source = |input: &Tensor| {
            if !input.columns.is_empty() {
                input.columns.iter().map(|name| find(name)).collect()
            } else if single && !(width(input) == Some(1) && header.contains(&input.name.as_str())) {
                in_order(input, header.len(), "column")
            } else if width(input) == Some(1) {
                Ok(vec![find(&input.name)?])
            } else {
                Err(BadRequest::new(format!(
                    "the names of the columns of input `{}` are not known; send a whole request instead of rows",
                    input.name
                )))
            }
        };
        Ok(Self { sources: signature.inputs.iter().map(source).collect::<Result<_, _>>()? })
    }

    pub fn by_order(signature: &Signature, found: usize, noun: &str) -> Result<Self, BadRequest> {
        if let [input] = signature.inputs.as_slice() {
            return Ok(Self { sources: vec![in_order(input, found, noun)?] });
        }
        if signature.inputs.iter().any(|input| width(input) != Some(1)) || signature.inputs.len() != found {
            return Err(BadRequest::new(format!(
                "the model takes {} inputs; name the values, or send a whole request",
                signature.inputs.len()
            )));
        }
        Ok(Self { sources: (0..found).map(|column| vec![column]).collect() })
    }
}

fn in_order(input: &Tensor, found: usize, noun: &str) -> Result<Vec<usize>, BadRequest> {
    match width(input) {
        Some(wanted) if wanted != found => {
            let name = &input.name;
            Err(BadRequest::new(format!("input `{name}` takes {wanted} {noun}s a row, and there are {found}")))
        }
        None if input.shape.len() != 2 => Err(BadRequest::new(format!(
            "input `{}` has shape {:?}, which rows don't tell; send a whole request instead",
            input.name, input.shape
        ))),
        _ => Ok((0..found).collect()),
    }
}

/// How many elements one row has; `None` where any number will do.
fn width(input: &Tensor) -> Option<usize> {
    let inner = input.shape.get(1..).unwrap_or_default();
    inner.iter().try_fold(1_usize, |product, length| product.checked_mul(usize::try_from(*length).ok()?))
}

/// Fills the inputs row by row.
pub(super) struct Builder<'a> {
    signature: &'a Signature,
    plan: Plan,
    elements: Vec<Elements>,
    rows: usize,
}

impl<'a> Builder<'a> {
    pub fn new(signature: &'a Signature, plan: Plan) -> Self {
        let elements = signature.inputs.iter().map(|input| Elements::with_capacity(input.datatype, 0)).collect();
        Self { signature, plan, elements, rows: 0 }
    }

    pub fn row(&mut self, cell: impl Fn(usize, &mut Elements) -> Result<(), String>) -> Result<(), BadRequest> {
        for (elements, sources) in self.elements.iter_mut().zip(&self.plan.sources) {
            sources.iter().try_for_each(|source| cell(*source, elements)).map_err(BadRequest::new)?;
        }
        self.rows += 1;
        Ok(())
    }

    pub fn finish(self) -> Result<InferRequest, BadRequest> {
        let Self { signature, plan, elements, rows } = self;
        if rows == 0 {
            return Err(BadRequest::new("there are no rows"));
        }
        let inputs = signature.inputs.iter().zip(elements).zip(&plan.sources);
        let inputs = inputs.map(|((input, data), sources)| {
            let inner = input.shape.get(1..).unwrap_or_default();
            let shape = match inner {
                [length] if *length < 0 => vec![rows, sources.len()],
                _ => std::iter::once(rows)
                    .chain(inner.iter().filter_map(|length| usize::try_from(*length).ok()))
                    .collect(),
            };
            NamedTensor { name: input.name.clone(), shape, data }
        });
        let inputs = inputs.collect();
        Ok(InferRequest { inputs, ..InferRequest::default() })
    }
}
