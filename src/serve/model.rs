//! A model that is served: its release, the threads that ask it, and what it counts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::oneshot;

use super::batch::{self, Batching};
use super::coding::Coding;
use super::metrics::Metrics;
use super::pace::Pace;
use super::pool::{Pool, Waiting};
use super::protocol::Origin;
use super::refusal::HttpError;
use super::{Release, Serving};
use crate::event::EventSink;
use crate::predictor::{BadRequest, InferRequest, InferResponse, Unavailable};
use crate::{Error, Result};

/// So many requests may wait for each worker.
const WAITING_PER_WORKER: usize = 64;
/// A body up to this size asks for no more than the requests before it did.
pub const SMALL_BYTES: usize = 16 << 10;
/// Where the binary extension of the protocol says how long the JSON before the tensors is.
pub const JSON_BYTES: HeaderName = HeaderName::from_static("inference-header-content-length");

/// What the threads of a model share.
pub struct Model {
    pub release: Release,
    pub origin: Origin,
    pub metrics: Metrics,
    lineage_headers: Vec<(HeaderName, HeaderValue)>,
    events: Arc<dyn EventSink>,
    batching: Batching,
    /// The requests of which not everything is here yet.
    arriving: AtomicUsize,
    pace: Pace,
}

/// A model and the threads that ask it.
pub struct Served {
    pub model: Arc<Model>,
    pool: Pool<Task>,
    workers: usize,
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
    /// The request's own id, for logs.
    pub id: Option<String>,
}

impl Reply {
    /// JSON, packed where the client takes it and it pays.
    pub fn packed(bytes: Vec<u8>, accepted: Option<Coding>) -> Self {
        let packed = accepted.and_then(|coding| Some((coding.pack(&bytes)?, coding)));
        let (body, coding) = packed.map_or((bytes, None), |(body, coding)| (body, Some(coding)));
        Self { body, content_type: "application/json", json_bytes: None, coding, id: None }
    }
}

struct Task {
    read: Read,
    reply: oneshot::Sender<Result<Reply, HttpError>>,
}

/// A question that is read and waits for its answer.
struct Pending {
    question: Question,
    rows: usize,
    reply: oneshot::Sender<Result<Reply, HttpError>>,
}

/// A request of which not everything is here yet; dropped once it waits in the queue, or is given up.
pub struct Arriving<'a>(&'a AtomicUsize);

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Serving {
    /// Sets the threads of a release up.
    pub fn serve(&self, release: Release, events: Arc<dyn EventSink>) -> Result<Served> {
        let workers = release.capacity.workers;
        let origin = Origin::new(&release, self.model_name.as_deref());
        let lineage_headers = lineage_headers(&origin);
        let batching = self.batching;
        if batching.is_on() {
            batching.check(&release)?;
        }
        let (metrics, arriving, pace) = (Metrics::default(), AtomicUsize::new(0), Pace::default());
        let model = Arc::new(Model { release, origin, metrics, lineage_headers, events, batching, arriving, pace });
        let asked = model.clone();
        let pool =
            Pool::new(
                workers,
                workers * WAITING_PER_WORKER,
                move |task: Task, waiting: &Waiting<'_, Task>| match asked.batching.is_on() {
                    true => asked.answer_many(task, waiting),
                    false => asked.answer_one(task),
                },
            )?;
        Ok(Served { model, pool, workers, timeout: self.timeout })
    }
}

impl Served {
    /// Says that a request for this model is on its way.
    pub fn arriving(&self) -> Arriving<'_> {
        self.model.arriving.fetch_add(1, Ordering::Relaxed);
        Arriving(&self.model.arriving)
    }

    /// Has the question asked by one of the model's threads, or by this one where it is small and the model is quick.
    pub async fn ask(&self, arriving: Arriving<'_>, is_small: bool, read: Read) -> Result<Reply, HttpError> {
        let model = &*self.model;
        if is_small
            && !model.batching.is_on()
            && model.release.predictor.is_in_process()
            && let Some(turn) = model.pace.begin_at_once(self.workers)
        {
            drop(arriving);
            let answer = catch_unwind(AssertUnwindSafe(|| model.answer(read)));
            drop(turn);
            return answer.unwrap_or_else(|_| Err(self.failed()));
        }
        let (reply, result) = oneshot::channel();
        self.pool.submit(Task { read, reply })?;
        drop(arriving);
        match tokio::time::timeout(self.timeout, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(self.failed()),
            Err(_) => {
                let message = format!("no answer within {} s", self.timeout.as_secs_f64());
                Err(HttpError::new(StatusCode::GATEWAY_TIMEOUT, message))
            }
        }
    }

    /// What the client hears of a panic.
    fn failed(&self) -> HttpError {
        self.model.events.warn("a request made the server fail; this is a bug in mlx".into());
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed on this request")
    }
}

impl Model {
    fn answer_one(&self, task: Task) {
        let Task { read, reply } = task;
        // Nobody waits any more for one that was given up.
        if !reply.is_closed() {
            let turn = self.pace.begin();
            let answer = self.answer(read);
            drop(turn);
            let _ = reply.send(answer);
        }
    }

    fn answer(&self, read: Read) -> Result<Reply, HttpError> {
        let Question { request, write } = read()?;
        let response = self.release.predictor.infer(&request).map_err(|error| self.refusal(&error))?;
        write(self, &request, &response)
    }

    /// Answers the task, and with it what waits behind it, as many rows together as a batch may have.
    fn answer_many(&self, first: Task, waiting: &Waiting<'_, Task>) {
        let deadline = self.batching.deadline();
        let mut next = Some(first);
        let (mut batch, mut rows): (Vec<Pending>, usize) = (Vec::new(), 0);
        loop {
            if let Some(pending) = next.take().and_then(|task| self.read(task)) {
                if rows + pending.rows > self.batching.max_rows && !batch.is_empty() {
                    self.answer_together(std::mem::take(&mut batch));
                    rows = 0;
                }
                rows += pending.rows;
                batch.push(pending);
            }
            if rows >= self.batching.max_rows {
                break;
            }
            next = waiting.next();
            let left = deadline.saturating_duration_since(Instant::now());
            if next.is_none() && !left.is_zero() && self.arriving.load(Ordering::Relaxed) > 0 {
                next = waiting.next_within(left);
            }
            if next.is_none() {
                break;
            }
        }
        self.answer_together(batch);
    }

    /// Reads the question; one that can't be asked is answered at once.
    fn read(&self, task: Task) -> Option<Pending> {
        let Task { read, reply } = task;
        if reply.is_closed() {
            return None;
        }
        let checked = read().and_then(|question| {
            self.release.signature.check(&question.request)?;
            Ok(question)
        });
        match checked {
            Ok(question) => {
                let rows = batch::rows_of(&question.request).unwrap_or(1).max(1);
                Some(Pending { question, rows, reply })
            }
            Err(refusal) => {
                let _ = reply.send(Err(refusal));
                None
            }
        }
    }

    fn answer_together(&self, batch: Vec<Pending>) {
        let mut requests = Vec::new();
        let mut others = Vec::new();
        for Pending { question: Question { request, write }, reply, .. } in batch {
            requests.push(request);
            others.push((write, reply));
        }
        let answers = batch::infer(&*self.release.predictor, &requests);
        for (((write, reply), request), answer) in others.into_iter().zip(&requests).zip(answers) {
            let answer = answer.map_err(|error| self.refusal(&error));
            let _ = reply.send(answer.and_then(|response| write(self, request, &response)));
        }
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
