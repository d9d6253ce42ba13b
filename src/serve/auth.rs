//! Bearer tokens: who may ask.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::http::Shared;
use super::refusal::HttpError;
use crate::{Digest, Error, Result};

/// A shorter token can be guessed.
const SHORTEST: usize = 16;
/// What tells nothing of a model: probes of the machine around it ask without a token.
const OPEN: [&str; 6] = ["/", "/v2/health/live", "/v2/health/ready", "/ping", "/health", "/version"];

/// The tokens that open the server, as digests, so that comparing them takes the same time whatever is sent.
#[derive(Default)]
pub struct Tokens(Vec<Digest>);

impl Tokens {
    /// One token on each line of the text; empty lines and those that begin with `#` do not count.
    pub fn read(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let tokens: Vec<&str> = lines.collect();
        if tokens.is_empty() {
            return Err(Error::usage("there is no token").with_hint("make one with `openssl rand -hex 32`"));
        }
        let is_good = |token: &&str| token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !tokens.iter().all(is_good) {
            return Err(Error::usage(format!(
                "a token has {SHORTEST} printable ASCII characters or more, and no spaces"
            ))
            .with_hint("make one with `openssl rand -hex 32`"));
        }
        Ok(Self(tokens.into_iter().map(Digest::of).collect()))
    }

    fn admits(&self, request: &Request) -> bool {
        let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token =
            sent.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else { return false };
        let digest = Digest::of(token.trim());
        let is_same = |known: &Digest| {
            let differing = known.as_bytes().iter().zip(digest.as_bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
            differing == 0
        };
        // All of them are compared, whichever it is.
        self.0.iter().fold(false, |found, known| found | is_same(known))
    }
}

/// Refuses who has no token, where there are any.
pub async fn require(State(app): Shared, request: Request, next: Next) -> Response {
    match &app.tokens {
        Some(tokens) if !OPEN.contains(&request.uri().path()) && !tokens.admits(&request) => {
            HttpError::new(StatusCode::UNAUTHORIZED, "this server wants a token: `Authorization: Bearer …`")
                .into_response()
        }
        _ => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn only_a_known_token_is_admitted() {
        let tokens = Tokens::read("# of the team\n0123456789abcdef\n\n fedcba9876543210 \n").unwrap();
        let admits = |value: &str| {
            tokens.admits(&Request::builder().header(header::AUTHORIZATION, value).body(Body::empty()).unwrap())
        };

        assert!(admits("Bearer 0123456789abcdef") && admits("bearer fedcba9876543210"));
        for wrong in
            ["Bearer 0123456789abcdee", "Bearer ", "Basic 0123456789abcdef", "0123456789abcdef", "Bearer # of the team"]
        {
            assert!(!admits(wrong), "{wrong}");
        }
        assert!(
            Tokens::read("\n# none\n").is_err()
                && Tokens::read("short").is_err()
                && Tokens::read("0123456789 abcdef").is_err()
        );
    }
}
