//! The paths of MLflow's scoring server: `/invocations`, `/ping`, `/health` and `/version`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::coding::Coding;
use super::http::{App, Shared, is_ready, unpacked, with_model};
use super::model::{Model, Question, Reply, SMALL_BYTES, Served};
use super::refusal::HttpError;
use crate::predictor::mlflow::{self, Shape};
use crate::predictor::{BadRequest, Elements, InferRequest, InferResponse, NamedTensor, Signature, rows};

/// `POST /invocations`.
pub async fn invocations(State(app): Shared, request: Request) -> Result<Response, HttpError> {
    let served = only(&app)?;
    let result = ask(&app, &served, request).await;
    Ok(with_model(&served, result))
}

/// `GET /ping` and `GET /health`.
pub async fn ping(State(app): Shared) -> Response {
    match is_ready(&app, app.catalog().entries().iter().map(|entry| &*entry.served)) {
        Ok(_) => (StatusCode::OK, "\n").into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// `GET /version`.
pub async fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The path names no model, so that there must be one only; its newest version answers, or a canary in its turn.
fn only(app: &App) -> Result<Arc<Served>, HttpError> {
    let catalog = app.catalog();
    match catalog.names().as_slice() {
        [name] => Ok(catalog.find(name, None)?.served.clone()),
        names => {
            let names = names.join("`, `");
            Err(HttpError::bad(format!("several models are served: ask `/v2/models/NAME/infer` for one of `{names}`")))
        }
    }
}

async fn ask(app: &App, served: &Served, request: Request) -> Result<Reply, HttpError> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let (coding, accepted) = (Coding::of_body(headers)?, Coding::accepted(headers));
    let (format, arriving) = (Format::of(headers), served.arriving());
    let held = app.room.receive(headers, body).await?;
    let is_small = coding.is_none() && held.bytes.len() <= SMALL_BYTES;
    let (room, model) = (app.room.clone(), served.model.clone());
    let read = move || {
        let held = unpacked(held, coding, &room)?;
        let (request, shape) = read(&model.release.signature, &held.bytes, format)?;
        let write = move |_: &Model, _: &InferRequest, response: &InferResponse| {
            // The body's room is held until the answer is there.
            let _held = held;
            Ok(Reply::packed(write(response, shape)?, accepted))
        };
        Ok(Question { request, write: Box::new(write) })
    };
    served.ask(arriving, is_small, Box::new(read)).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
    /// What it looks like.
    Unsaid,
}

impl Format {
    fn of(headers: &HeaderMap) -> Self {
        let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match said.split(';').next().unwrap_or_default().trim() {
            "text/csv" => Self::Csv,
            "application/json" => Self::Json,
            _ => Self::Unsaid,
        }
    }
}

fn read(signature: &Signature, body: &[u8], format: Format) -> Result<(InferRequest, Shape), BadRequest> {
    let is_json = match format {
        Format::Csv => false,
        Format::Json => true,
        Format::Unsaid => body.trim_ascii_start().first().is_none_or(|first| matches!(first, b'{' | b'[')),
    };
    match is_json {
        true => mlflow::from_json(signature, body),
        false => rows::from_csv(signature, body).map(|request| (request, Shape::Table)),
    }
}

/// `{"predictions": …}`: the list of the only output; of several, a record for each row of a table, else a list each.
fn write(response: &InferResponse, shape: Shape) -> Result<Vec<u8>, BadRequest> {
    #[derive(Serialize)]
    struct Body<'a> {
        predictions: Predictions<'a>,
    }
    let outputs = response.outputs.as_slice();
    if let Some(output) = outputs.iter().find(|output| !output.data.is_text()) {
        let message = format!("output `{}` has bytes that are no text; ask `/v2` for it in binary", output.name);
        return Err(BadRequest::new(message));
    }
    let rows = outputs.first().and_then(|output| output.shape.first().copied());
    let predictions = match (outputs, rows) {
        ([only], _) => Predictions::List(Nested::of(only)),
        (_, Some(rows))
            if shape == Shape::Table && outputs.iter().all(|output| output.shape.first() == Some(&rows)) =>
        {
            Predictions::Records { outputs, rows }
        }
        _ => Predictions::Lists(outputs),
    };
    Ok(serde_json::to_vec(&Body { predictions }).expect("its keys are text, and so are its values"))
}

enum Predictions<'a> {
    List(Nested<'a>),
    Records { outputs: &'a [NamedTensor], rows: usize },
    Lists(&'a [NamedTensor]),
}

impl Serialize for Predictions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::List(list) => list.serialize(serializer),
            Self::Records { outputs, rows } => serializer.collect_seq((0..*rows).map(|row| Record { outputs, row })),
            Self::Lists(outputs) => {
                serializer.collect_map(outputs.iter().map(|output| (&output.name, Nested::of(output))))
            }
        }
    }
}

/// One row of several outputs.
struct Record<'a> {
    outputs: &'a [NamedTensor],
    row: usize,
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_map(Some(self.outputs.len()))?;
        for output in self.outputs {
            record.serialize_entry(&output.name, &Nested::of(output).at(self.row))?;
        }
        record.end()
    }
}

/// The elements of a tensor as lists of lists; a single element where there is no dimension.
#[derive(Clone, Copy)]
struct Nested<'a> {
    data: &'a Elements,
    shape: &'a [usize],
    start: usize,
}

impl<'a> Nested<'a> {
    fn of(tensor: &'a NamedTensor) -> Self {
        Self { data: &tensor.data, shape: &tensor.shape, start: 0 }
    }

    /// One of the lists, or elements, of the outermost list.
    fn at(self, index: usize) -> Self {
        let shape = self.shape.get(1..).unwrap_or_default();
        Self { shape, start: self.start + index * shape.iter().product::<usize>(), ..self }
    }
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.shape {
            [] => self.data.serialize_element(self.start, serializer),
            [length, ..] => {
                let mut list = serializer.serialize_seq(Some(*length))?;
                (0..*length).try_for_each(|index| list.serialize_element(&self.at(index)))?;
                list.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_look_as_mlflow_gives_them() {
        let output = |name: &str, shape: &[usize], data| NamedTensor { name: name.into(), shape: shape.into(), data };
        let label = output("label", &[2], Elements::Bytes(vec!["yes".into(), "no".into()]));
        let scores = output("scores", &[2, 2], Elements::Fp32(vec![0.1, 0.9, f32::NAN, 1.]));
        let count = output("count", &[], Elements::Int64(vec![2]));
        let text = |outputs: &[&NamedTensor], shape| {
            let outputs = outputs.iter().map(|output| (*output).clone()).collect();
            String::from_utf8(write(&InferResponse { outputs }, shape).unwrap()).unwrap()
        };

        assert_eq!(text(&[&scores], Shape::Table), r#"{"predictions":[[0.1,0.9],[null,1.0]]}"#);
        assert_eq!(
            text(&[&label, &scores], Shape::Table),
            r#"{"predictions":[{"label":"yes","scores":[0.1,0.9]},{"label":"no","scores":[null,1.0]}]}"#
        );
        let lists = r#"{"predictions":{"label":["yes","no"],"count":2}}"#;
        assert_eq!(text(&[&label, &count], Shape::Table), lists);
        assert_eq!(text(&[&label, &count], Shape::Tensors), lists);
        let bytes = output("b", &[1], Elements::Bytes(vec![vec![0xff]]));
        assert!(write(&InferResponse { outputs: vec![bytes] }, Shape::Tensors).is_err());
    }
}
