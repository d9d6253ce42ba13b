//! A model that is served: its release, the threads that ask it, and what it counts.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::oneshot;

use super::coding::Coding;
use super::metrics::Metrics;
use super::pool::Pool;
use super::protocol::Origin;
use super::refusal::HttpError;
use super::{Options, Release};
use crate::event::EventSink;
use crate::predictor::{BadRequest, InferRequest, InferResponse, Unavailable};
use crate::{Error, Result};

/// So many requests may wait for each worker.
const WAITING_PER_WORKER: usize = 64;
/// Where the binary extension of the protocol says how long the JSON before the tensors is.
pub const JSON_BYTES: HeaderName = HeaderName::from_static("inference-header-content-length");

/// What the threads of a model share.
pub struct Model {
    pub release: Release,
    pub origin: Origin,
    pub metrics: Metrics,
    lineage_headers: Vec<(HeaderName, HeaderValue)>,
    events: Arc<dyn EventSink>,
}

/// A model and the threads that ask it.
pub struct Served {
    pub model: Arc<Model>,
    pool: Pool<Task>,
    timeout: Duration,
}

/// Makes a question of the body that came; runs on a thread of the model, as it may take long.
type Read = Box<dyn FnOnce() -> Result<Question, HttpError> + Send>;
/// Makes the body of the answer.
type Write = Box<dyn FnOnce(&Model, &InferRequest, &InferResponse) -> Result<Reply, HttpError> + Send>;

/// A request and how its answer is to be written.
pub struct Question {
    pub request: InferRequest,
    pub write: Write,
}

/// An answer with all that its headers say.
pub struct Reply {
    pub body: Vec<u8>,
    pub content_type: &'static str,
    /// How much of the body is JSON, where there is more.
    pub json_bytes: Option<usize>,
    pub coding: Option<Coding>,
}

impl Reply {
    /// JSON, packed where the client takes it and it pays.
    pub fn packed(bytes: Vec<u8>, accepted: Option<Coding>) -> Self {
        let packed = accepted.and_then(|coding| Some((coding.pack(&bytes)?, coding)));
        let (body, coding) = packed.map_or((bytes, None), |(body, coding)| (body, Some(coding)));
        Self { body, content_type: "application/json", json_bytes: None, coding }
    }
}

struct Task {
    read: Read,
    reply: oneshot::Sender<Result<Reply, HttpError>>,
}

impl Served {
    pub fn new(options: &Options, name: Option<&str>, release: Release, events: Arc<dyn EventSink>) -> Result<Self> {
        let workers = release.capacity.workers;
        let origin = Origin::new(&release, name);
        let lineage_headers = lineage_headers(&origin);
        let model = Arc::new(Model { release, origin, metrics: Metrics::default(), lineage_headers, events });
        let asked = model.clone();
        let pool = Pool::new(workers, workers * WAITING_PER_WORKER, move |task: Task| {
            // Nobody waits any more for one that was given up.
            if !task.reply.is_closed() {
                let _ = task.reply.send(asked.answer(task.read));
            }
        })?;
        Ok(Self { model, pool, timeout: options.timeout })
    }

    /// Has the question asked by one of the model's threads.
    pub async fn ask(&self, read: Read) -> Result<Reply, HttpError> {
        let (reply, result) = oneshot::channel();
        self.pool.submit(Task { read, reply })?;
        match tokio::time::timeout(self.timeout, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                self.model.events.warn("a request made the server fail; this is a bug in mlx".into());
                Err(HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed on this request"))
            }
            Err(_) => {
                let message = format!("no answer within {} s", self.timeout.as_secs_f64());
                Err(HttpError::new(StatusCode::GATEWAY_TIMEOUT, message))
            }
        }
    }
}

impl Model {
    fn answer(&self, read: Read) -> Result<Reply, HttpError> {
        let Question { request, write } = read()?;
        let response = self.release.predictor.infer(&request).map_err(|error| self.refusal(&error))?;
        write(self, &request, &response)
    }

    /// What the client hears of an error of the model.
    fn refusal(&self, error: &Error) -> HttpError {
        if let Some(bad) = error.downcast_ref::<BadRequest>() {
            return bad.clone().into();
        }
        if let Some(Unavailable(why)) = error.downcast_ref() {
            return HttpError::unavailable(why);
        }
        // What the runtime says may name files of this machine: it is for the log, not for the client.
        self.events.warn(format!("a request failed: {error}"));
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the model failed on this request")
    }

    /// The answer as HTTP.
    pub fn respond(&self, reply: Reply) -> Response {
        let Reply { body, content_type, json_bytes, coding, .. } = reply;
        let mut response = ([(header::CONTENT_TYPE, content_type)], body).into_response();
        let headers = response.headers_mut();
        headers.extend(self.lineage_headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers.extend(json_bytes.map(|bytes| (JSON_BYTES, HeaderValue::from(bytes))));
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, coding.name());
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        response
    }
}

/// The headers that every answer carries besides the body's parameters, for those who only log headers.
fn lineage_headers(origin: &Origin) -> Vec<(HeaderName, HeaderValue)> {
    let run = origin.parameters.run.as_ref().map(ToString::to_string);
    let bundle = origin.parameters.bundle.map(|bundle| bundle.to_string());
    let header = |name: &'static str, value: Option<String>| {
        Some((HeaderName::from_static(name), HeaderValue::try_from(value?).ok()?))
    };
    [header("mlx-run", run), header("mlx-bundle", bundle)].into_iter().flatten().collect()
}
