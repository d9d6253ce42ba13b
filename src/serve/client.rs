//! Asking a server that speaks the Open Inference Protocol v2 over HTTP.

use std::io::Read;
use std::time::Duration;

use anyhow::Context;
use reqwest::blocking::{self, Response};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;

use crate::fs::escape;
use crate::predictor::{InferRequest, Signature};
use crate::{Error, Result};

/// A larger answer is none.
const ANSWER_LIMIT: u64 = 256 << 20;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A model on a server.
pub struct Client {
    http: blocking::Client,
    /// The address of the model: `http://127.0.0.1:8080/v2/models/churn`.
    model: String,
}

impl Client {
    /// The model of this name on the server, or the only one that it serves. `url` may name the model itself.
    /// `token` is sent along where there is one.
    pub fn new(url: &str, model: Option<&str>, token: Option<&str>) -> Result<Self> {
        // Whoever installed one before has the same in mind.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = blocking::Client::builder().timeout(PATIENCE);
        if let Some(token) = token {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| Error::usage("the token for the server holds what no header may"))?;
            value.set_sensitive(true);
            builder = builder.default_headers([(AUTHORIZATION, value)].into_iter().collect());
        }
        if ["://127.", "://localhost", "://[::1]"].iter().any(|host| url.contains(host)) {
            // A proxy knows another machine under this name.
            builder = builder.no_proxy();
        }
        let http = builder.build().context("cannot make an HTTP client")?;
        let url = url.trim_end_matches('/').trim_end_matches("/infer");
        if url.contains("/v2/models/") && model.is_none() {
            return Ok(Self { http, model: url.to_owned() });
        }
        let base = url.split("/v2").next().unwrap_or(url);
        let mut client = Self { http, model: String::new() };
        let name = match model {
            Some(name) => name.to_owned(),
            None => client.only_model(base)?,
        };
        client.model = format!("{base}/v2/models/{name}");
        Ok(client)
    }

    fn only_model(&self, base: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Server {
            #[serde(default)]
            models: Vec<String>,
        }
        let server: Server = self.get(&format!("{base}/v2"))?;
        match <[String; 1]>::try_from(server.models) {
            Ok([name]) => Ok(name),
            Err(names) => {
                let names = if names.is_empty() { "does not say what it serves".into() } else { names.join(", ") };
                Err(Error::usage(format!("the server at `{}` needs a model's name: {names}", escape(base.as_bytes())))
                    .with_hint("name it with `--model`"))
            }
        }
    }

    /// What the model takes and gives.
    pub fn signature(&self) -> Result<Signature> {
        self.get(&self.model)
    }

    /// The body of the model's answer.
    pub fn infer(&self, request: &InferRequest) -> Result<Vec<u8>> {
        let body = serde_json::to_vec(request).context("cannot write the request")?;
        let url = format!("{}/infer", self.model);
        let sent = self.http.post(&url).header("content-type", "application/json").body(body).send();
        answer(&url, sent)
    }

    fn get<T: for<'de> Deserialize<'de>>(&self, url: &str) -> Result<T> {
        let body = answer(url, self.http.get(url).send())?;
        let read = serde_json::from_slice(&body)
            .with_context(|| format!("what `{}` says can't be read", escape(url.as_bytes())))
            .map_err(Error::from);
        read.map_err(|error| error.with_hint("name the address of a server that speaks the Open Inference Protocol v2"))
    }
}

/// The body of a good answer; the server's own words where it refuses.
fn answer(url: &str, sent: reqwest::Result<Response>) -> Result<Vec<u8>> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let place = escape(url.as_bytes());
    let response = sent.map_err(|error| {
        let kind = if error.is_builder() { crate::Kind::Usage } else { crate::Kind::Failed };
        Error::new(kind, anyhow::Error::msg(reason(&error))).context(format!("cannot ask `{place}`"))
    })?;
    let status = response.status();
    let mut body = Vec::new();
    response.take(ANSWER_LIMIT).read_to_end(&mut body).with_context(|| format!("the answer of `{place}` broke off"))?;
    if status.is_success() {
        return Ok(body);
    }
    let why = match serde_json::from_slice::<Refusal>(&body) {
        Ok(Refusal { error }) => error,
        Err(_) => escape(&body[..body.len().min(200)]),
    };
    Err(Error::failed(format!("`{place}` gave {status}: {}", escape(why.as_bytes()))))
}

/// The root of the matter; the address is said elsewhere.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", PATIENCE.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
