//! How a registry wants somebody to show who he is, and the tokens that it takes.
//!
//! See <https://distribution.github.io/distribution/spec/auth/token/> and
//! <https://distribution.github.io/distribution/spec/auth/oauth/>.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use reqwest::{Method, Request, StatusCode};
use serde::Deserialize;
use url::{Host, Url};

use super::docker_config::Login;
use super::http::Http;
use super::network::within;
use crate::remote::RemoteError;
use crate::{Error, Result};

/// A token without a time lasts so long, says the specification.
const SHORTEST: u64 = 60;
/// No answer of a token server is longer.
const LONGEST: usize = 1 << 20;

/// What an answer with the status 401 asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// The challenge in these headers that we can meet; one for a token before one for a password.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).into_iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<Self> = values.filter_map(Self::parse).collect();
        let bearer = challenges.iter().position(|challenge| matches!(challenge, Self::Bearer { .. }));
        challenges.into_iter().nth(bearer.unwrap_or(0))
    }

    fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => {
                let parameters = parameters(rest);
                let find = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
                Some(Self::Bearer { realm: find("realm")?, service: find("service") })
            }
            _ => None,
        }
    }
}

/// `realm="https://auth.example/token",service="registry"`.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((key, behind)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',']).to_ascii_lowercase();
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => behind.split_once(',').unwrap_or((behind, "")),
        };
        found.push((key, value.trim().to_owned()));
        rest = behind;
    }
    found
}

/// A token, and how long it lasts.
pub struct Token {
    pub text: String,
    pub lasts: Duration,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Token {
    /// Asks the server that gives tokens for one with these scopes.
    pub async fn ask(
        http: &Http,
        realm: &str,
        service: &Option<String>,
        scopes: Vec<String>,
        login: Option<&Login>,
    ) -> Result<Self> {
        let request = request(http, realm, service, scopes, login)?;
        let mut answer = http.ask(request).await?;
        if !answer.status().is_success() {
            return Err(match answer.status() {
                // The server says so where no password was sent, too.
                StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {
                    RemoteError::Denied(format!("the server for tokens answers {}", answer.status())).into()
                }
                _ => http.refusal(&answer, "token"),
            });
        }
        let mut bytes = Vec::new();
        while let Some(piece) =
            within(http.silence, answer.chunk()).await?.map_err(|error| super::http::broken(&error))?
        {
            bytes.extend_from_slice(&piece);
            if bytes.len() > LONGEST {
                return Err(Error::failed("the server for tokens does not come to an end"));
            }
        }
        let unusable = || Error::failed("the server for tokens gives none");
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| unusable())?;
        let text = answer.token.or(answer.access_token).ok_or_else(unusable)?;
        Ok(Self { text, lasts: Duration::from_secs(answer.expires_in.unwrap_or(SHORTEST).max(SHORTEST)) })
    }
}

fn request(
    http: &Http,
    realm: &str,
    service: &Option<String>,
    scopes: Vec<String>,
    login: Option<&Login>,
) -> Result<Request> {
    let mut address = Url::parse(realm).map_err(|_| Error::failed("the registry names no server for tokens"))?;
    let is_here = match address.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if address.scheme() != "https" && !is_here && login.is_some() {
        return Err(Error::failed("the registry wants the password without encryption")
            .with_hint("find out why; nothing was sent"));
    }
    let mut pairs: Vec<(&str, String)> = scopes.into_iter().map(|scope| ("scope", scope)).collect();
    pairs.extend(service.iter().map(|service| ("service", service.clone())));
    match login {
        // A token of the user's that gives others.
        Some(Login { user: None, secret, .. }) => {
            pairs.extend([
                ("grant_type", "refresh_token".to_owned()),
                ("client_id", "mlx".to_owned()),
                ("refresh_token", secret.clone()),
            ]);
            let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            let mut request = Request::new(Method::POST, address);
            let form_type = "application/x-www-form-urlencoded";
            request.headers_mut().insert(CONTENT_TYPE, form_type.parse().map_err(|_| Error::failed("no header"))?);
            *request.body_mut() = Some(form.into());
            Ok(request)
        }
        login => {
            address.query_pairs_mut().extend_pairs(pairs);
            let user = login.and_then(|login| Some((login.user.clone()?, login.secret.clone())));
            http.request_with(Method::GET, address, user)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_understood() {
        let of = |values: &[&str]| {
            let headers = values.iter().map(|value| (WWW_AUTHENTICATE, value.parse().unwrap()));
            Challenge::of(&headers.collect())
        };
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.map(str::to_owned) })
        };

        assert_eq!(of(&[r#"Basic realm="mlx""#]), Some(Challenge::Basic));
        let text = r#"Bearer realm="https://a/token?x=1",service="r,1",scope="repository:b:pull""#;
        assert_eq!(of(&["Basic realm=x", text]), bearer("https://a/token?x=1", Some("r,1")));
        assert_eq!(of(&["bearer realm=https://a/t, error=x"]), bearer("https://a/t", None));
        assert_eq!(of(&["Negotiate", "Bearer nothing"]), None);
    }
}
