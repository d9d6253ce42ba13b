//! Routes, and what every request goes through; the models are asked elsewhere.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Serialize;

use super::access::{self, AccessLog};
use super::auth::Tokens;
use super::body::{Held, Room};
use super::catalog::{Catalog, Entry};
use super::coding::Coding;
use super::model::{JSON_BYTES, Model, Question, Reply, SMALL_BYTES, Served};
use super::protocol::{Answer, Body, ModelMetadata, ServerMetadata};
use super::refusal::HttpError;
use super::{Options, Serving, auth, follow, metrics, mlflow, openapi};
use crate::event::{Event, EventSink};
use crate::predictor::{Form, InferRequest, InferResponse, Received};
use crate::{Digest, Result};

/// What all requests share.
pub struct App {
    pub events: Arc<dyn EventSink>,
    /// What is served now.
    catalog: RwLock<Arc<Catalog>>,
    pub serving: Serving,
    /// The targets that are followed.
    pub followed: Vec<Arc<follow::Status>>,
    /// Requests for inference that were answered.
    requests: AtomicU64,
    is_stopping: AtomicBool,
    pub room: Room,
    /// Who may ask; everybody where there are none.
    pub tokens: Option<Tokens>,
    access_log: Option<AccessLog>,
}

impl App {
    pub fn new(
        options: Options,
        catalog: Catalog,
        followed: Vec<Arc<follow::Status>>,
        events: Arc<dyn EventSink>,
    ) -> Result<Self> {
        let access_log = options.access_log.map(|out| AccessLog::new(out, events.clone())).transpose()?;
        Ok(Self {
            events,
            catalog: RwLock::new(Arc::new(catalog)),
            serving: options.serving,
            followed,
            requests: AtomicU64::new(0),
            is_stopping: AtomicBool::new(false),
            room: Room::new(options.max_body_bytes),
            tokens: options.tokens,
            access_log,
        })
    }

    /// What is served now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this is served. Requests that have begun end on what they found.
    pub fn replace(&self, catalog: Catalog) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }

    /// From now on the server is not ready for more.
    pub fn stop_taking(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Tells what was done.
    pub fn announce_end(&self) {
        let total = self.requests.load(Ordering::Relaxed);
        self.events.note(format!("stopped after {total} requests for inference"));
    }

    /// The release that answers for what the path names.
    fn find(&self, path: Result<Path<ModelPath>, PathRejection>) -> Result<Arc<Served>, HttpError> {
        let Path(ModelPath { model, version }) = path.map_err(|_| HttpError::bad("the path is no UTF-8"))?;
        Ok(self.catalog().find(&model, version.as_deref())?.served.clone())
    }
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
        .route("/", get(page))
        .route("/openapi.json", get(openapi))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/invocations", post(mlflow::invocations))
        .route("/ping", get(mlflow::ping))
        .route("/health", get(mlflow::ping))
        .route("/version", get(mlflow::version));
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
        .layer(from_fn_with_state(app.clone(), auth::require))
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

/// The model and, where the path says it, the version.
#[derive(serde::Deserialize)]
struct ModelPath {
    model: String,
    version: Option<String>,
}

pub type Shared = State<Arc<App>>;
type InPath = Result<Path<ModelPath>, PathRejection>;

/// The model that was asked, for those who count and log; an extension of the answer.
#[derive(Clone)]
struct Asked {
    model: Arc<Model>,
    id: Option<String>,
}

/// Where a request comes from; an extension of the request.
#[derive(Clone, Copy)]
pub struct Client(pub SocketAddr);

/// Counts and tells every request.
async fn observe(State(app): Shared, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (method, path) = (request.method().clone(), crate::fs::escape(request.uri().path().as_bytes()));
    let client = request.extensions().get().map(|Client(address)| *address);
    let request_bytes = request.body().size_hint().exact();
    let mut response = next.run(request).await;
    if app.is_stopping.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let took = started.elapsed();
    let code = response.status().as_u16();
    let asked: Option<&Asked> = response.extensions().get();
    if let Some(asked) = asked {
        asked.model.metrics.count(code, took);
        app.requests.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(log) = &app.access_log {
        let origin = asked.map(|asked| &asked.model.origin);
        log.write(&access::Entry {
            time: Timestamp::now(),
            client,
            method: method.as_str(),
            path: &path,
            status: code,
            seconds: took.as_secs_f64(),
            request_bytes,
            response_bytes: response.body().size_hint().exact(),
            model: origin.map(|origin| origin.model_name.as_str()),
            version: origin.map(|origin| origin.model_version.as_str()),
            id: asked.and_then(|asked| asked.id.as_deref()),
        });
    }
    let message = format!("{method} {path} {code} {:.1} ms", took.as_secs_f64() * 1e3);
    app.events.emit(Event::Detail { message });
    response
}

/// A page to try the models in a browser. It holds nothing of them: what it shows, it asks for.
async fn page() -> Response {
    let policy = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, policy)];
    (headers, include_str!("page.html")).into_response()
}

async fn openapi(State(app): Shared) -> Response {
    json(&openapi::document(&app))
}

async fn server_metadata(State(app): Shared) -> Response {
    let (name, version) = ("mlx", env!("CARGO_PKG_VERSION"));
    let catalog = app.catalog();
    json(&ServerMetadata { name, version, extensions: ["binary_tensor_data"], models: catalog.names() })
}

async fn live() -> Response {
    json(&Live { live: true })
}

async fn ready(State(app): Shared) -> Response {
    is_ready(&app, app.catalog().entries().iter().map(|entry| &*entry.served)).into_response()
}

async fn model_ready(State(app): Shared, path: InPath) -> Result<Response, HttpError> {
    let served = app.find(path)?;
    is_ready(&app, std::iter::once(&*served))
}

/// A release is served only after it gave the answers that were expected; what can make it unready later is the end, and
/// a predictor that lost its processes.
pub fn is_ready<'a>(app: &App, mut models: impl Iterator<Item = &'a Served>) -> Result<Response, HttpError> {
    if app.is_stopping.load(Ordering::Relaxed) {
        return Err(HttpError::unavailable("the server is stopping"));
    }
    match models.find(|served| !served.model.release.predictor.is_ready()) {
        Some(served) => {
            let name = &served.model.origin.model_name;
            Err(HttpError::unavailable(format!("`{name}` is being started again")))
        }
        None => Ok(json(&Ready { ready: true })),
    }
}

async fn model_metadata(State(app): Shared, path: InPath) -> Result<Response, HttpError> {
    let (catalog, served) = (app.catalog(), app.find(path)?);
    let model = &served.model;
    let versions = catalog.versions(&model.origin.model_name);
    Ok(json(&ModelMetadata::new(&model.origin, &model.release, versions)))
}

async fn metrics(State(app): Shared) -> Response {
    let catalog = app.catalog();
    let text = metrics::render(catalog.entries(), &app.followed);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn status(State(app): Shared) -> Response {
    let catalog = app.catalog();
    let model = |entry: &Entry| ServedRelease {
        model: entry.name().to_owned(),
        version: entry.version().to_owned(),
        release: entry.release(),
        share: entry.share.name(),
        ready: entry.served.model.release.predictor.is_ready(),
        requests: entry.served.model.metrics.total(),
    };
    json(&ServerStatus {
        ready: is_ready(&app, catalog.entries().iter().map(|entry| &*entry.served)).is_ok(),
        models: catalog.entries().iter().map(model).collect(),
        followed: app.followed.iter().map(|status| status.told()).collect(),
    })
}

async fn infer(State(app): Shared, path: InPath, request: Request) -> Result<Response, HttpError> {
    let served = app.find(path)?;
    let result = ask(&app, &served, request).await;
    Ok(with_model(&served, result))
}

/// The answer of this model, or its refusal, marked as its own.
pub fn with_model(served: &Served, result: Result<Reply, HttpError>) -> Response {
    let (mut response, id) = match result {
        Ok(mut reply) => {
            let id = reply.id.take();
            (served.model.respond(reply), id)
        }
        Err(refusal) => (refusal.into_response(), None),
    };
    response.extensions_mut().insert(Asked { model: served.model.clone(), id });
    response
}

async fn ask(app: &App, served: &Served, request: Request) -> Result<Reply, HttpError> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let (coding, accepted) = (Coding::of_body(headers)?, Coding::accepted(headers));
    let (json_bytes, arriving) = (json_bytes(headers)?, served.arriving());
    let held = app.room.receive(headers, body).await?;
    let is_small = coding.is_none() && held.bytes.len() <= SMALL_BYTES;
    let room = app.room.clone();
    let read = move || {
        let held = unpacked(held, coding, &room)?;
        let Received { request, form } = Received::read(&held.bytes, json_bytes)?;
        let write = move |model: &Model, request: &InferRequest, response: &InferResponse| {
            // The body's room is held until the answer is there.
            let _held = held;
            write(model, request, response, &form, accepted)
        };
        Ok(Question { request, write: Box::new(write) })
    };
    served.ask(arriving, is_small, Box::new(read)).await
}

/// The body without its compression.
pub fn unpacked(held: Held, coding: Option<Coding>, room: &Room) -> Result<Held, HttpError> {
    match coding {
        Some(coding) => coding.unpack(held, room),
        None => Ok(held),
    }
}

fn write(
    model: &Model,
    request: &InferRequest,
    response: &InferResponse,
    form: &Form,
    accepted: Option<Coding>,
) -> Result<Reply, HttpError> {
    let Body { bytes, json_bytes } = Answer::new(&model.origin, request.id.as_deref(), response, form).write()?;
    let content_type = if json_bytes.is_some() { "application/octet-stream" } else { "application/json" };
    Ok(Reply { content_type, json_bytes, id: request.id.clone(), ..Reply::packed(bytes, accepted) })
}

/// How much of the body is JSON, where tensors in binary follow it.
fn json_bytes(headers: &HeaderMap) -> Result<Option<usize>, HttpError> {
    let Some(value) = headers.get(JSON_BYTES) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|value| value.trim().parse().ok());
    length.map(Some).ok_or_else(|| HttpError::bad("the header Inference-Header-Content-Length is no number"))
}

/// The body of `GET /status`.
#[derive(Serialize)]
struct ServerStatus {
    ready: bool,
    models: Vec<ServedRelease>,
    followed: Vec<follow::Told>,
}

#[derive(Serialize)]
struct ServedRelease {
    model: String,
    version: String,
    /// The digest of the bundle.
    release: Option<Digest>,
    /// `live` or `canary`.
    share: &'static str,
    ready: bool,
    /// For inference, answered by it so far.
    requests: u64,
}

#[derive(Serialize)]
struct Live {
    live: bool,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
}

pub fn json(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer can't be written").into_response(),
    }
}
