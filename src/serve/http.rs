//! Routes, and what comes in on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;

use super::body::{NotReceived, Received, Room};
use super::metrics::Metrics;
use super::pool::{NoResult, Pool};
use super::protocol::{Answer, ModelMetadata, Origin, Refusal, ServerMetadata};
use super::{Options, Release};
use crate::Result;
use crate::event::{Event, EventSink};
use crate::predictor::{BadRequest, InferRequest};

/// So many requests may wait for each worker.
const WAITING_PER_WORKER: usize = 64;
/// What all requests share.
pub struct App {
    pub origin: Origin,
    pub events: Arc<dyn EventSink>,
    model: Arc<Model>,
    pool: Pool,
    metrics: Metrics,
    is_stopping: AtomicBool,
    lineage_headers: Vec<(HeaderName, HeaderValue)>,
    room: Room,
}

/// What the workers need.
struct Model {
    release: Release,
    origin: Origin,
}

impl App {
    pub fn new(options: &Options, release: Release, events: Arc<dyn EventSink>) -> Result<Self> {
        let workers = release.capacity.workers;
        let origin = Origin::new(&release, options.model_name.as_deref());
        Ok(Self {
            lineage_headers: lineage_headers(&origin),
            model: Arc::new(Model { release, origin: origin.clone() }),
            origin,
            events,
            pool: Pool::new(workers, workers * WAITING_PER_WORKER)?,
            metrics: Metrics::default(),
            is_stopping: AtomicBool::new(false),
            room: Room::new(options.max_body_bytes),
        })
    }

    /// From now on the server is not ready for more.
    pub fn stop_taking(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Tells what was done.
    pub fn announce_end(&self) {
        self.events.note(format!("stopped after {} requests for inference", self.metrics.total()));
    }

    /// Whether this is the model that is served.
    fn find(&self, path: Result<Path<ModelPath>, PathRejection>) -> Result<(), HttpError> {
        let Path(ModelPath { model, version }) =
            path.map_err(|_| HttpError::new(StatusCode::BAD_REQUEST, "the path is no UTF-8"))?;
        let shown = |text: &str| crate::fs::escape(text.chars().take(100).collect::<String>().as_bytes());
        if model != self.origin.model_name {
            let message = format!("unknown model `{}`; `{}` is served", shown(&model), self.origin.model_name);
            return Err(HttpError::new(StatusCode::NOT_FOUND, message));
        }
        match version {
            Some(version) if version != self.origin.model_version => {
                let served = &self.origin.model_version;
                let message = format!("model `{model}` has no version `{}` here; {served} is served", shown(&version));
                Err(HttpError::new(StatusCode::NOT_FOUND, message))
            }
            _ => Ok(()),
        }
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

/// The server's routes.
pub fn router(app: Arc<App>) -> Router {
    let model = |suffix: &str| {
        [format!("/v2/models/{{model}}{suffix}"), format!("/v2/models/{{model}}/versions/{{version}}{suffix}")]
    };
    let mut router = Router::new()
        .route("/v2", get(server_metadata))
        .route("/v2/", get(server_metadata))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/metrics", get(metrics));
    for path in model("") {
        router = router.route(&path, get(model_metadata));
    }
    for path in model("/ready") {
        router = router.route(&path, get(model_ready));
    }
    for path in model("/infer") {
        router = router.route(&path, post(infer));
    }
    router
        .fallback(async || HttpError::new(StatusCode::NOT_FOUND, "there is nothing at this path; see `/v2`"))
        .method_not_allowed_fallback(async || {
            HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
        })
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

/// The model and, where the path says it, the version.
#[derive(serde::Deserialize)]
struct ModelPath {
    model: String,
    version: Option<String>,
}

type Shared = State<Arc<App>>;
type InPath = Result<Path<ModelPath>, PathRejection>;

/// Counts and tells every request.
async fn observe(State(app): Shared, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let what = format!("{} {}", request.method(), crate::fs::escape(request.uri().path().as_bytes()));
    let is_infer = request.uri().path().ends_with("/infer");
    let response = next.run(request).await;
    let took = started.elapsed();
    let code = response.status().as_u16();
    if is_infer {
        app.metrics.count(code, took);
    }
    let message = format!("{what} {code} {:.1} ms", took.as_secs_f64() * 1e3);
    app.events.emit(Event::Detail { message });
    response
}

async fn server_metadata(State(app): Shared) -> Response {
    let models = [app.origin.model_name.as_str()];
    json(&ServerMetadata { name: "mlx", version: env!("CARGO_PKG_VERSION"), extensions: [], models })
}

async fn live() -> Response {
    json(&Live { live: true })
}

async fn ready(State(app): Shared) -> Response {
    is_ready(&app).into_response()
}

async fn model_ready(State(app): Shared, path: InPath) -> Result<Response, HttpError> {
    app.find(path)?;
    is_ready(&app)
}

/// A release is served only after it gave the answers that were expected, so that nothing but the end makes it unready.
fn is_ready(app: &App) -> Result<Response, HttpError> {
    match app.is_stopping.load(Ordering::Relaxed) {
        true => Err(HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping")),
        false => Ok(json(&Ready { ready: true })),
    }
}

async fn model_metadata(State(app): Shared, path: InPath) -> Result<Response, HttpError> {
    app.find(path)?;
    Ok(json(&ModelMetadata::new(&app.origin, &app.model.release)))
}

async fn metrics(State(app): Shared) -> Response {
    let text = app.metrics.render(&app.origin.model_name, &app.origin.model_version);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn infer(State(app): Shared, path: InPath, request: Request) -> Result<Response, HttpError> {
    app.find(path)?;
    refuse_encodings(request.headers())?;
    // Its room is held until the answer is there.
    let Received { bytes, room: _room } = app.room.receive(request.into_body()).await?;
    let model = app.model.clone();
    match app.pool.run(move || model.answer(&bytes)).await {
        Ok(Ok(body)) => {
            let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
            response
                .headers_mut()
                .extend(app.lineage_headers.iter().map(|(name, value)| (name.clone(), value.clone())));
            Ok(response)
        }
        Ok(Err(Unanswered::Bad(error))) => Err(HttpError::new(StatusCode::BAD_REQUEST, error.to_string())),
        Ok(Err(Unanswered::Failed(error))) => {
            // What the runtime says may name files of this machine: it is for the log, not for the client.
            app.events.warn(format!("a request failed: {error}"));
            Err(HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the model failed on this request"))
        }
        Err(NoResult::Overloaded) => Err(HttpError::overloaded()),
        Err(NoResult::Panicked) => {
            app.events.warn("a request made the server fail; this is a bug in mlx".into());
            Err(HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed on this request"))
        }
    }
}

/// Refuses bodies that are not plain JSON with a reason better than what its bytes would give.
fn refuse_encodings(headers: &HeaderMap) -> Result<(), HttpError> {
    let refused = |message: &str| Err(HttpError::new(StatusCode::BAD_REQUEST, message));
    if headers.contains_key("inference-header-content-length") {
        return refused("binary tensors are not supported; send the data as JSON");
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => refused("compressed bodies are not supported; send plain JSON"),
        _ => Ok(()),
    }
}

enum Unanswered {
    Bad(BadRequest),
    Failed(crate::Error),
}

impl Model {
    /// The body of the answer to this body.
    fn answer(&self, body: &[u8]) -> Result<Vec<u8>, Unanswered> {
        let request = InferRequest::from_json(body).map_err(Unanswered::Bad)?;
        let response = self.release.predictor.infer(&request).map_err(|error| {
            let bad = error.downcast_ref::<BadRequest>().cloned();
            bad.map_or(Unanswered::Failed(error), Unanswered::Bad)
        })?;
        let answer = Answer::new(&self.origin, request.id.as_deref(), &response);
        serde_json::to_vec(&answer).map_err(|error| Unanswered::Failed(crate::Error::failed(error)))
    }
}

#[derive(Serialize)]
struct Live {
    live: bool,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
}

/// A refusal: a status code and why.
struct HttpError {
    status: StatusCode,
    message: String,
}

impl HttpError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    fn overloaded() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests are waiting; try again later")
    }
}

impl From<NotReceived> for HttpError {
    fn from(problem: NotReceived) -> Self {
        match problem {
            NotReceived::TooLarge(limit) => {
                let message = format!("the request's body is larger than {limit} bytes");
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
            }
            NotReceived::TooSlow => Self::new(StatusCode::REQUEST_TIMEOUT, "the request's body came too slowly"),
            NotReceived::NoRoom => Self::overloaded(),
            NotReceived::Broken => Self::new(StatusCode::BAD_REQUEST, "the request's body can't be read"),
        }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut response = json(&Refusal { error: &self.message });
        *response.status_mut() = self.status;
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn json(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
