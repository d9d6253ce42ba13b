//! Reading and sending files over HTTP: with credentials for the server they belong to and for no other.

use std::io::{Read, Write};
use std::ops::Range;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, LAST_MODIFIED, LOCATION, RANGE, TRANSFER_ENCODING,
};
use reqwest::{Body as Sent, Method, Request, Response, StatusCode, Version};
use tokio::sync::mpsc;
use url::{Host, Url};

use super::netrc;
use super::network::{busy, client, innermost, is_passing, named, refused, within};
use crate::event::Interrupt;
use crate::fs::escape;
use crate::remote::location::without_secrets;
use crate::remote::{Access, Body, Entry, RemoteError};
use crate::{Error, Result};

/// A directory of an HTTP server.
#[derive(Debug)]
pub struct Http {
    /// Ends with a slash, and holds no credentials.
    pub base: Url,
    /// Goes with every address; may hold a secret.
    query: Option<String>,
    pub shown: String,
    credentials: Credentials,
    /// Where the credentials came from.
    source: Option<String>,
    remedy: String,
    client: reqwest::Client,
    pub silence: Duration,
    pub interrupt: Interrupt,
}

/// What lets us in.
pub enum Credentials {
    None,
    Password(String, String),
    Token(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// So many redirects are followed, and only by requests that read.
const MOST_REDIRECTS: usize = 5;
/// Sent at a time; two of them wait at most.
const PIECE: usize = 256 << 10;

impl Http {
    pub fn new(mut base: Url, access: &Access) -> Result<Self> {
        let query = base.query().map(str::to_owned);
        base.set_query(None);
        let user = (!base.username().is_empty()).then(|| base.username().to_owned());
        let _ = base.set_username("");
        let user = access.setting("user").map(str::to_owned).or(user);
        let host = base.host_str().unwrap_or_default();
        let source = access.source_of("token").or_else(|| access.source_of("password"));
        let credentials = match (access.setting("token"), access.setting("password"), user) {
            (Some(token), _, _) => Credentials::Token(token.to_owned()),
            (None, Some(password), Some(user)) => Credentials::Password(user, password.to_owned()),
            (None, Some(_), None) => {
                return Err(Error::usage(format!("there is a password for `{host}`, and no user"))
                    .with_hint(format!("set {} too", access.variable_name("user"))));
            }
            (None, None, user) => match netrc::find(host, user.as_deref(), access)? {
                Some((user, password)) => Credentials::Password(user, password),
                None => Credentials::None,
            },
        };
        let of_netrc =
            || access.variable("NETRC").map_or_else(|| "~/.netrc".into(), |_| "the file that NETRC names".into());
        let source = source.or_else(|| (!matches!(credentials, Credentials::None)).then(of_netrc));
        let is_here = match base.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if base.scheme() == "http" && !is_here && !matches!(credentials, Credentials::None) {
            access.events.warn(format!("`{host}` gets the password without encryption; use https where it can"));
        }
        let remedy = format!(
            "put user and password into ~/.netrc, or set {} and {}, or {}",
            access.variable_name("user"),
            access.variable_name("password"),
            access.variable_name("token")
        );
        Ok(Self { query, ..Self::with(base, credentials, source, remedy, access)? })
    }

    /// With credentials that somebody else found, or none; where they are from, and what to do when they are refused.
    pub fn with(
        base: Url,
        credentials: Credentials,
        source: Option<String>,
        remedy: String,
        access: &Access,
    ) -> Result<Self> {
        let shown = escape(base.as_str().trim_end_matches('/').as_bytes());
        let (silence, interrupt) = (access.patience.silence, access.interrupt.clone());
        Ok(Self { base, query: None, shown, credentials, source, remedy, client: client()?, silence, interrupt })
    }

    /// The address of a file, each part of its name encoded.
    pub fn address(&self, name: &str) -> Result<Url> {
        let parts: Vec<String> =
            name.split('/').map(|part| utf8_percent_encode(part, UNRESERVED).to_string()).collect();
        let address = Url::parse(&format!("{}{}", self.base, parts.join("/")));
        let mut address =
            address.map_err(|error| Error::failed(format!("`{}` has no address: {error}", escape(name.as_bytes()))))?;
        address.set_query(self.query.as_deref());
        Ok(address)
    }

    /// A request to our own server, with what lets us in.
    pub fn request(&self, method: Method, address: Url) -> Result<Request> {
        let request = self.client.request(method, address);
        let request = match &self.credentials {
            Credentials::None => request,
            Credentials::Password(user, password) => request.basic_auth(user, Some(password)),
            Credentials::Token(token) => request.bearer_auth(token),
        };
        request.build().map_err(|error| Error::failed(innermost(&error)))
    }

    /// A request to any server, with this user and password.
    pub fn request_with(&self, method: Method, address: Url, login: Option<(String, String)>) -> Result<Request> {
        let request = self.client.request(method, address);
        let request = match login {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        };
        request.build().map_err(|error| Error::failed(innermost(&error)))
    }

    /// One request and the head of its answer, whatever it says.
    pub async fn ask(&self, request: Request) -> Result<Response> {
        within(self.silence, self.client.execute(request)).await?.map_err(|error| broken(&error))
    }

    /// As [`Http::ask`], following redirects; credentials stay with the server they are for.
    async fn get(&self, method: &Method, address: Url, headers: &HeaderMap) -> Result<Response> {
        let mut address = address;
        for _ in 0..=MOST_REDIRECTS {
            let is_ours = address.origin() == self.base.origin();
            let mut request = match is_ours {
                true => self.request(method.clone(), address.clone())?,
                false => Request::new(method.clone(), address.clone()),
            };
            request.headers_mut().extend(headers.clone());
            let answer = self.ask(request).await?;
            let is_redirect = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let Some(next) = answer.headers().get(LOCATION).filter(|_| is_redirect) else { return Ok(answer) };
            let next = next.to_str().ok().and_then(|next| address.join(next).ok());
            let next = next.filter(|next| matches!(next.scheme(), "http" | "https"));
            let next = next.ok_or_else(|| Error::failed("the server redirects to where nobody can follow"))?;
            if next.path().trim_end_matches('/') == address.path() && next.origin() == address.origin() {
                // It is a directory.
                return Ok(answer);
            }
            if address.scheme() == "https" && next.scheme() == "http" {
                let shown = without_secrets(next.as_str());
                return Err(Error::failed(format!("the server redirects from https to `{shown}`, without encryption")));
            }
            address = next;
        }
        Err(Error::failed(format!("the server redirects more than {MOST_REDIRECTS} times")))
    }

    /// What can be told of a file without reading it.
    pub async fn find(&self, name: &str) -> Result<Option<Entry>> {
        let answer = self.get(&Method::HEAD, self.address(name)?, &identity()).await?;
        match answer.status() {
            status if status.is_success() => {}
            status if status.is_redirection() => return Ok(None),
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::CONFLICT => return Ok(None),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                return Err(RemoteError::Unsupported("tell of a file without sending it").into());
            }
            _ => return Err(self.refusal(&answer, name)),
        }
        let text = |header| answer.headers().get(header).and_then(|value| value.to_str().ok());
        let size = text(CONTENT_LENGTH).and_then(|size| size.parse().ok());
        let size = size.ok_or(RemoteError::Unsupported("say how long the file is"))?;
        let version = text(ETAG).or_else(|| text(LAST_MODIFIED)).unwrap_or_default().to_owned();
        Ok(Some(Entry { name: name.to_owned(), size, version }))
    }

    pub async fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64> {
        if range.as_ref().is_some_and(Range::is_empty) {
            return Ok(0);
        }
        let mut headers = identity();
        if let Some(range) = &range {
            let value = format!("bytes={}-{}", range.start, range.end - 1);
            headers.insert(RANGE, value.parse().context("a range is no header")?);
        }
        let mut answer = self.get(&Method::GET, self.address(name)?, &headers).await?;
        if !answer.status().is_success() {
            return Err(match answer.status() {
                status if status.is_redirection() => RemoteError::Missing { name: name.to_owned() }.into(),
                StatusCode::RANGE_NOT_SATISFIABLE => Error::failed("it ends before the range that was asked for"),
                _ => self.refusal(&answer, name),
            });
        }
        let window = Window::of(&answer, range)?;
        let (mut seen, mut done) = (0, 0);
        while let Some(piece) = within(self.silence, answer.chunk()).await?.map_err(|error| broken(&error))? {
            let begin = window.skip.saturating_sub(seen).min(piece.len() as u64);
            seen += piece.len() as u64;
            let wanted = &piece[usize::try_from(begin).context("a piece is too large")?..];
            let most = window.take.map_or(u64::MAX, |take| take - done);
            if wanted.len() as u64 > most && !window.is_cut_short {
                return Err(RemoteError::Transient("the answer is longer than announced".into()).into());
            }
            let wanted = &wanted[..wanted.len().min(usize::try_from(most).unwrap_or(usize::MAX))];
            sink.write_all(wanted).with_context(|| format!("cannot take `{name}`"))?;
            done += wanted.len() as u64;
            if window.is_cut_short && window.take == Some(done) {
                break;
            }
        }
        match window.take {
            Some(take) if take != done => {
                Err(RemoteError::Transient(format!("the answer ended after {done} of {take} bytes")).into())
            }
            _ => Ok(done),
        }
    }

    /// Sends a body with this request and gives the answer, which has not been judged yet.
    pub async fn send(&self, mut request: Request, body: &Body<'_>) -> Result<Response> {
        let cannot = || "cannot read what is to be sent";
        let size = body.content.size().with_context(cannot)?;
        let mut source = body.content.open().with_context(cannot)?;
        let (sender, receiver) = mpsc::channel::<std::io::Result<Vec<u8>>>(2);
        let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        request.headers_mut().insert(CONTENT_LENGTH, size.into());
        *request.body_mut() = Some(if size == 0 { Sent::from("") } else { Sent::wrap_stream(stream) });
        let mut answer = pin!(self.client.execute(request));
        let feed = async {
            let mut left = size;
            while left > 0 {
                let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
                source.read_exact(&mut piece).with_context(cannot)?;
                let length = piece.len() as u64;
                if within(self.silence, sender.send(Ok(piece))).await?.is_err() {
                    // The server has answered already.
                    return Ok(());
                }
                (body.sent)(length).context("stopped")?;
                left -= length;
            }
            drop(sender);
            Ok::<(), Error>(())
        };
        tokio::select! {
            early = &mut answer => {
                let early = early.map_err(|error| broken(&error))?;
                return match early.status().is_success() && size > 0 {
                    true => Err(RemoteError::Transient("the server answered before it had everything".into()).into()),
                    false => Ok(early),
                };
            }
            fed = feed => fed?,
        }
        within(self.silence, answer).await?.map_err(|error| broken(&error))
    }

    /// What an answer that says no is as an error.
    pub fn refusal(&self, answer: &Response, name: &str) -> Error {
        let status = answer.status();
        match status {
            _ if is_passing(status) => busy(status, answer.headers()).into(),
            StatusCode::NOT_FOUND | StatusCode::GONE => RemoteError::Missing { name: name.to_owned() }.into(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                let said = format!("the server answers {}", named(status));
                refused(
                    said,
                    self.source.as_deref().filter(|_| status != StatusCode::PROXY_AUTHENTICATION_REQUIRED),
                    &self.remedy,
                )
            }
            _ if status.is_redirection() => {
                let place = answer.headers().get(LOCATION).and_then(|place| place.to_str().ok());
                let place = place.map_or("elsewhere".into(), without_secrets);
                Error::failed(format!("the server redirects to `{place}`"))
                    .with_hint("name that address, if you trust it")
            }
            _ => Error::failed(format!("the server answers {}", named(status))),
        }
    }
}

/// What of a body is wanted.
struct Window {
    skip: u64,
    take: Option<u64>,
    /// Whether more follows behind it, because the server knows no ranges.
    is_cut_short: bool,
}

impl Window {
    fn of(answer: &Response, range: Option<Range<u64>>) -> Result<Self> {
        let headers = answer.headers();
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let wrong = |what: &str| Err(RemoteError::Transient(format!("the server {what}")).into());
        let Some(range) = range else {
            // Nothing would tell a body that was cut off from one that is whole.
            let has_end = headers.contains_key(TRANSFER_ENCODING) || answer.version() >= Version::HTTP_2;
            return match length.is_some() || has_end {
                true => Ok(Self { skip: 0, take: length, is_cut_short: false }),
                false => wrong("does not say how long the file is"),
            };
        };
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            let told = headers.get(CONTENT_RANGE).and_then(|told| content_range(told.to_str().ok()?));
            return match told {
                Some((told, _)) if told == range => {
                    Ok(Self { skip: 0, take: Some(range.end - range.start), is_cut_short: false })
                }
                Some((told, _)) if told.start == range.start && told.end < range.end => {
                    Err(Error::failed(format!("it ends after {} of {} bytes", told.end, range.end)))
                }
                _ => wrong("sends another range than the one that was asked for"),
            };
        }
        if let Some(length) = length.filter(|length| *length < range.end) {
            return Err(Error::failed(format!("it ends after {length} of {} bytes", range.end)));
        }
        Ok(Self { skip: range.start, take: Some(range.end - range.start), is_cut_short: true })
    }
}

/// `bytes 0-9/100`, as a range and the whole length.
fn content_range(value: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, whole) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.trim().parse().ok()?..last.trim().parse::<u64>().ok()?.checked_add(1)?, whole.parse().ok()))
}

/// Lengths and ranges are those of the file, not of something compressed.
fn identity() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT_ENCODING, "identity".parse().expect("it is a header"))])
}

/// The error of a request that got no answer, or of a body that broke.
pub fn broken(error: &reqwest::Error) -> Error {
    let said = innermost(error);
    // A certificate does not become good by asking again.
    match error.is_builder() || said.contains("certificate") {
        true => Error::failed(said).with_hint("check the address and the certificates of this machine"),
        false => RemoteError::Transient(said).into(),
    }
}
