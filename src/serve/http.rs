//! Routes, and what every request goes through; the models are asked elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Serialize;

use super::access::{AccessLog, Entry};
use super::auth::Tokens;
use super::body::{Held, Room};
use super::coding::Coding;
use super::model::{JSON_BYTES, Model, Question, Reply, Served};
use super::protocol::{Answer, Body, ModelMetadata, ServerMetadata};
use super::refusal::HttpError;
use super::{Options, Release, auth, metrics, mlflow, openapi};
use crate::event::{Event, EventSink};
use crate::predictor::{Form, InferRequest, InferResponse, Received};
use crate::{Error, Result};

/// What all requests share.
pub struct App {
    pub events: Arc<dyn EventSink>,
    /// Sorted by name, and the versions of one name by number; never empty.
    pub models: Vec<Served>,
    is_stopping: AtomicBool,
    pub room: Room,
    /// Who may ask; everybody where there are none.
    pub tokens: Option<Tokens>,
    access_log: Option<AccessLog>,
}

impl App {
    pub fn new(options: Options, releases: Vec<Release>, events: Arc<dyn EventSink>) -> Result<Self> {
        let name = options.model_name.as_deref();
        let mut models = Vec::new();
        for release in releases {
            models.push(Served::new(&options, name, release, events.clone())?);
        }
        let key =
            |served: &Served| (served.model.origin.model_name.clone(), served.model.release.description.model.version);
        models.sort_by_key(key);
        if let Some([twice, ..]) = models.windows(2).find(|pair| key(&pair[0]) == key(&pair[1])) {
            let (name, version) = key(twice);
            return Err(Error::usage(format!("version {version} of `{name}` is to be served twice")));
        }
        let access_log = options.access_log.map(|out| AccessLog::new(out, events.clone())).transpose()?;
        let (is_stopping, room, tokens) = (AtomicBool::new(false), Room::new(options.max_body_bytes), options.tokens);
        Ok(Self { events, models, is_stopping, room, tokens, access_log })
    }

    /// From now on the server is not ready for more.
    pub fn stop_taking(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Tells what was done.
    pub fn announce_end(&self) {
        let total: u64 = self.models.iter().map(|served| served.model.metrics.total()).sum();
        self.events.note(format!("stopped after {total} requests for inference"));
    }

    /// The models of this name, the newest version last.
    fn versions(&self, name: &str) -> Vec<&Served> {
        self.models.iter().filter(|served| served.model.origin.model_name == name).collect()
    }

    /// The model that the path names; its newest version where it names none.
    fn find(&self, path: Result<Path<ModelPath>, PathRejection>) -> Result<&Served, HttpError> {
        let Path(ModelPath { model, version }) = path.map_err(|_| HttpError::bad("the path is no UTF-8"))?;
        let versions = self.versions(&model);
        let Some(newest) = versions.last() else {
            let known = listed(&self.names());
            let message = format!("unknown model `{}`; {known} served", shorten(&model));
            return Err(HttpError::new(StatusCode::NOT_FOUND, message));
        };
        let Some(version) = version else { return Ok(newest) };
        let served = versions.iter().find(|served| served.model.origin.model_version == version);
        served.copied().ok_or_else(|| {
            let known: Vec<&str> = versions.iter().map(|served| served.model.origin.model_version.as_str()).collect();
            let known = format!("{} {} served", known.join(", "), if known.len() == 1 { "is" } else { "are" });
            let message = format!("model `{model}` has no version `{}` here; {known}", shorten(&version));
            HttpError::new(StatusCode::NOT_FOUND, message)
        })
    }

    /// The names of the models, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.models.iter().map(|served| served.model.origin.model_name.as_str()).collect();
        names.dedup();
        names
    }
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("{} {}", quoted.join(", "), if names.len() == 1 { "is" } else { "are" })
}

fn shorten(text: &str) -> String {
    crate::fs::escape(text.chars().take(100).collect::<String>().as_bytes())
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
    let response = next.run(request).await;
    let took = started.elapsed();
    let code = response.status().as_u16();
    let asked: Option<&Asked> = response.extensions().get();
    if let Some(asked) = asked {
        asked.model.metrics.count(code, took);
    }
    if let Some(log) = &app.access_log {
        let origin = asked.map(|asked| &asked.model.origin);
        log.write(&Entry {
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
    json(&ServerMetadata { name, version, extensions: ["binary_tensor_data"], models: app.names() })
}

async fn live() -> Response {
    json(&Live { live: true })
}

async fn ready(State(app): Shared) -> Response {
    is_ready(&app, app.models.iter()).into_response()
}

async fn model_ready(State(app): Shared, path: InPath) -> Result<Response, HttpError> {
    let served = app.find(path)?;
    is_ready(&app, std::iter::once(served))
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
    let model = &app.find(path)?.model;
    let versions = app.versions(&model.origin.model_name);
    let versions = versions.iter().map(|served| served.model.origin.model_version.as_str()).collect();
    Ok(json(&ModelMetadata::new(&model.origin, &model.release, versions)))
}

async fn metrics(State(app): Shared) -> Response {
    let models = app.models.iter().map(|served| {
        let origin = &served.model.origin;
        (origin.model_name.as_str(), origin.model_version.as_str(), &served.model.metrics)
    });
    let text = metrics::render(&models.collect::<Vec<_>>());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn infer(State(app): Shared, path: InPath, request: Request) -> Result<Response, HttpError> {
    let served = app.find(path)?;
    Ok(with_model(served, ask(&app, served, request).await))
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
    let headers = request.headers();
    let (coding, accepted) = (Coding::of_body(headers)?, Coding::accepted(headers));
    let (json_bytes, arriving) = (json_bytes(headers)?, served.arriving());
    let held = app.room.receive(request.into_body()).await?;
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
    served.ask(arriving, Box::new(read)).await
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
