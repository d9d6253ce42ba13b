//! Refusals: a status code and why, always as `{"error": "…"}`.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::body::NotReceived;
use super::pool::Overloaded;
use crate::predictor::BadRequest;

/// A refusal: a status code and why.
#[derive(Debug)]
pub struct HttpError {
    pub status: StatusCode,
    message: String,
}

impl HttpError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// A request that is wrong.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The server can't now, and may later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// The body that says why.
    pub fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Refusal<'a> {
            error: &'a str,
        }
        serde_json::to_vec(&Refusal { error: &self.message }).expect("text can be written as JSON")
    }
}

impl From<BadRequest> for HttpError {
    fn from(error: BadRequest) -> Self {
        Self::bad(error.to_string())
    }
}

impl From<Overloaded> for HttpError {
    fn from(_: Overloaded) -> Self {
        Self::unavailable("too many requests are waiting; try again later")
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
            NotReceived::NoRoom => Overloaded.into(),
            NotReceived::Broken => Self::bad("the request's body can't be read"),
        }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let more: Option<(HeaderName, &'static str)> = match self.status {
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            _ => None,
        };
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], self.body()).into_response();
        response.headers_mut().extend(more.map(|(name, value)| (name, HeaderValue::from_static(value))));
        response
    }
}
