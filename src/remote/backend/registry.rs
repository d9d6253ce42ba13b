//! A repository of an OCI registry: blobs by their digest, and manifests by digest or tag.
//!
//! See <https://github.com/opencontainers/distribution-spec>. Blobs are sent in one piece, as every registry takes them, and
//! taken over from other repositories of the registry where those have them.

use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Method, Request, Response, StatusCode};
use url::Url;

use super::docker_config::{self, Login};
use super::http::{Credentials, Http, broken};
use super::network::{wait, within};
use super::registry_token::{Challenge, Token};
use crate::remote::location::Repository;
use crate::remote::retry::persist;
use crate::remote::{Access, Body, Content, Entry, Remote, RemoteError};
use crate::{Digest, Error, Result};

const MANIFEST_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";
/// Registries take no larger manifests.
const LARGEST_MANIFEST: usize = 4 << 20;
/// What is asked of few repositories costs little; of many, more than the blob.
const MOST_SIBLINGS: usize = 3;

/// A repository.
#[derive(Debug)]
pub struct Registry {
    repository: Repository,
    access: Access,
    /// `https://host/v2/repository/`
    base: Url,
    shown: String,
    login: Option<Login>,
    /// Other repositories of the same registry, which may have the same blobs.
    siblings: Vec<String>,
    /// What speaks with the registry, and until when it is let in.
    http: Mutex<Option<(Arc<Http>, Option<Instant>)>>,
}

impl Registry {
    /// Nothing is asked yet but the user's own files for a login.
    pub fn new(repository: Repository, siblings: &[Repository], access: &Access) -> Result<Self> {
        let shown = format!("oci://{}/{}", repository.host, repository.name);
        let base = match access.setting("endpoint") {
            Some(endpoint) => format!("{}/v2/{}/", endpoint.trim_end_matches('/'), repository.name),
            None => format!("{}://{}/v2/{}/", repository.scheme(), repository.server(), repository.name),
        };
        let base = Url::parse(&base).map_err(|error| Error::usage(format!("`{shown}` has no address: {error}")))?;
        let login = docker_config::login(&repository, access)?;
        let is_sibling = |other: &&Repository| other.host == repository.host && other.name != repository.name;
        let mut siblings: Vec<String> = siblings.iter().filter(is_sibling).map(|other| other.name.clone()).collect();
        siblings.sort();
        siblings.dedup();
        siblings.truncate(MOST_SIBLINGS);
        let access = access.clone();
        Ok(Self { repository, access, base, shown, login, siblings, http: Mutex::default() })
    }

    /// What speaks with the registry; asks it for a token where there is none, or none any more.
    fn http(&self) -> Result<Arc<Http>> {
        let mut kept = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((http, until)) = &*kept
            && until.is_none_or(|until| Instant::now() < until)
        {
            return Ok(http.clone());
        }
        let (credentials, lasts) = wait(&self.access.interrupt, self.log_in())?;
        let http = Arc::new(self.speaker(credentials)?);
        // A request that begins should be over before.
        let until = lasts.map(|lasts| Instant::now() + lasts.mul_f64(0.7));
        *kept = Some((http.clone(), until));
        Ok(http)
    }

    fn speaker(&self, credentials: Credentials) -> Result<Http> {
        let source = self.login.as_ref().map(|login| login.source.clone());
        let remedy = format!("log in with `docker login {0}` or `podman login {0}`", self.repository.host);
        Http::with(self.base.clone(), credentials, source, remedy, &self.access)
    }

    /// Asks the registry how it lets somebody in, and does that. Returns how long it lasts, where it does not last.
    async fn log_in(&self) -> Result<(Credentials, Option<Duration>)> {
        let http = self.speaker(Credentials::None)?;
        let root = self.base.join("/v2/").context("no address")?;
        let answer = http.ask(Request::new(Method::GET, root)).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return match answer.status() {
                status if status.is_success() || status == StatusCode::NOT_FOUND => Ok((Credentials::None, None)),
                _ => Err(http.refusal(&answer, "")),
            };
        }
        match Challenge::of(answer.headers()) {
            Some(Challenge::Bearer { realm, service }) => {
                let actions = |actions: &str| {
                    let own = format!("repository:{}:{actions}", self.repository.name);
                    let others = self.siblings.iter().map(|name| format!("repository:{name}:pull"));
                    std::iter::once(own).chain(others).collect::<Vec<_>>()
                };
                let ask = |scopes: Vec<String>| Token::ask(&http, &realm, &service, scopes, self.login.as_ref());
                let token = match ask(actions("pull,push")).await {
                    // Who may only read is refused by some registries, and given less by others.
                    Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Denied(_))) => {
                        ask(vec![format!("repository:{}:pull", self.repository.name)]).await.map_err(|_| error)?
                    }
                    token => token?,
                };
                Ok((Credentials::Token(token.text), Some(token.lasts)))
            }
            _ => match &self.login {
                Some(Login { user: Some(user), secret, .. }) => {
                    Ok((Credentials::Password(user.clone(), secret.clone()), None))
                }
                Some(Login { user: None, secret, .. }) => Ok((Credentials::Token(secret.clone()), None)),
                None => Ok((Credentials::None, None)),
            },
        }
    }

    /// Tries something until it works or there is no sense in it.
    fn again<T>(&self, doing: &str, reference: &str, attempt: impl FnMut() -> Result<T>) -> Result<T> {
        persist(&self.access, || format!("cannot {doing} `{reference}` of {}", self.shown), attempt)
    }

    /// The digest of the manifest that a tag names; `None` where there is none.
    pub fn resolve(&self, reference: &str) -> Result<Option<Digest>> {
        let found = self.again("look at", reference, || {
            let http = self.http()?;
            wait(&self.access.interrupt, async {
                let mut request = http.request(Method::HEAD, http.address(&format!("manifests/{reference}"))?)?;
                request.headers_mut().insert(ACCEPT, MANIFEST_TYPES.parse().context("no header")?);
                let answer = http.ask(request).await?;
                match answer.status() {
                    StatusCode::NOT_FOUND => Ok(None),
                    status if status.is_success() => Ok(Some(digest_of(&answer))),
                    _ => Err(http.refusal(&answer, reference)),
                }
            })
        })?;
        match found {
            Some(None) => Ok(self.manifest(reference)?.map(|bytes| Digest::of(&bytes))),
            Some(digest) => Ok(digest),
            None => Ok(None),
        }
    }

    /// The bytes of a manifest by tag or digest; `None` where there is none.
    pub fn manifest(&self, reference: &str) -> Result<Option<Vec<u8>>> {
        self.again("read", reference, || {
            let http = self.http()?;
            wait(&self.access.interrupt, async {
                let mut request = http.request(Method::GET, http.address(&format!("manifests/{reference}"))?)?;
                request.headers_mut().insert(ACCEPT, MANIFEST_TYPES.parse().context("no header")?);
                let mut answer = http.ask(request).await?;
                match answer.status() {
                    StatusCode::NOT_FOUND => return Ok(None),
                    status if status.is_success() => {}
                    _ => return Err(http.refusal(&answer, reference)),
                }
                let mut bytes = Vec::new();
                while let Some(piece) = within(http.silence, answer.chunk()).await?.map_err(|error| broken(&error))? {
                    bytes.extend_from_slice(&piece);
                    if bytes.len() > LARGEST_MANIFEST {
                        return Err(Error::failed("the manifest is too large to be one"));
                    }
                }
                Ok(Some(bytes))
            })
        })
    }

    /// Puts a manifest under a tag or its digest. Its blobs lie there already.
    pub fn put_manifest(&self, reference: &str, media_type: &str, bytes: &[u8]) -> Result<()> {
        self.again("write", reference, || {
            let http = self.http()?;
            wait(&self.access.interrupt, async {
                let mut request = http.request(Method::PUT, http.address(&format!("manifests/{reference}"))?)?;
                request.headers_mut().insert(CONTENT_TYPE, media_type.parse().context("no header")?);
                *request.body_mut() = Some(bytes.to_vec().into());
                let answer = http.ask(request).await?;
                match answer.status().is_success() {
                    true => Ok(()),
                    false => Err(self.told(&http, answer, reference).await),
                }
            })
        })
    }

    /// Puts a small blob there, if it is not yet.
    pub fn put_small(&self, bytes: &[u8]) -> Result<()> {
        let name = blob_name(&Digest::of(bytes));
        self.again("write", &name, || match self.find(&name)? {
            Some(_) => Ok(()),
            None => self.write(&name, &Body { content: Content::Bytes(bytes), sent: &|_| Ok(()) }),
        })
    }

    /// An answer that says no, with what the registry says about it.
    async fn told(&self, http: &Http, mut answer: Response, name: &str) -> Error {
        let refusal = http.refusal(&answer, name);
        let mut bytes = Vec::new();
        while let Ok(Ok(Some(piece))) = within(http.silence, answer.chunk()).await {
            bytes.extend_from_slice(&piece);
            if bytes.len() > 16 << 10 {
                break;
            }
        }
        match said(&bytes) {
            Some(said) if !matches!(refusal.downcast_ref(), Some(RemoteError::Missing { .. })) => refusal.context(said),
            _ => refusal,
        }
    }

    /// Begins an upload: `None` where the blob was taken over from another repository, else where to send it.
    async fn begin(&self, http: &Http, digest: &str, from: Option<&str>) -> Result<Option<Url>> {
        let mut address = http.address("blobs/uploads/")?;
        if let Some(from) = from {
            address.query_pairs_mut().append_pair("mount", digest).append_pair("from", from);
        }
        let mut request = http.request(Method::POST, address.clone())?;
        request.headers_mut().insert(CONTENT_LENGTH, 0.into());
        let answer = http.ask(request).await?;
        match answer.status() {
            StatusCode::CREATED => Ok(None),
            StatusCode::ACCEPTED => {
                let place = answer.headers().get(LOCATION).and_then(|place| place.to_str().ok());
                let place = place.and_then(|place| address.join(place).ok());
                Ok(Some(place.ok_or_else(|| Error::failed("the registry does not say where to send a blob"))?))
            }
            _ => Err(self.told(http, answer, digest).await),
        }
    }

    async fn push(&self, digest: &str, body: &Body<'_>, http: &Http) -> Result<()> {
        let mut place = None;
        for from in &self.siblings {
            match self.begin(http, digest, Some(from)).await {
                Ok(None) => {
                    let size = body.content.size().context("cannot read what is to be sent")?;
                    (body.sent)(size).context("stopped")?;
                    return Ok(());
                }
                Ok(Some(upload)) => place = Some(upload),
                // A repository that we may not read.
                Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Denied(_))) => {}
                Err(error) => return Err(error),
            }
        }
        let place = match place {
            Some(place) => Some(place),
            None => self.begin(http, digest, None).await?,
        };
        let Some(mut place) = place else { return Ok(()) };
        place.query_pairs_mut().append_pair("digest", digest);
        let mut request = match place.origin() == self.base.origin() {
            true => http.request(Method::PUT, place)?,
            // Such a place holds what lets us in, and our own credentials are for the registry alone.
            false => Request::new(Method::PUT, place),
        };
        request.headers_mut().insert(CONTENT_TYPE, "application/octet-stream".parse().context("no header")?);
        let answer = http.send(request, body).await?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(self.told(http, answer, digest).await),
        }
    }
}

/// The name of a blob for [`Remote`].
pub fn blob_name(digest: &Digest) -> String {
    format!("blobs/{digest}")
}

fn digest_of(answer: &Response) -> Option<Digest> {
    answer.headers().get("docker-content-digest")?.to_str().ok()?.parse().ok()
}

/// `MANIFEST_INVALID: manifest invalid`.
fn said(bytes: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let error = answer.get("errors")?.get(0)?;
    let text = |key: &str| error.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let said: String = format!("{}: {}", text("code"), text("message")).chars().take(300).collect();
    Some(crate::fs::escape(said.as_bytes()))
}

/// The blobs of the repository as files, which are read and written only.
impl Remote for Registry {
    fn url(&self) -> &str {
        &self.shown
    }

    fn list(&self, _: &str) -> Result<Vec<Entry>> {
        Err(RemoteError::Unsupported("list its blobs").into())
    }

    fn find(&self, name: &str) -> Result<Option<Entry>> {
        let http = self.http()?;
        wait(&self.access.interrupt, http.find(name))
    }

    fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64> {
        let http = self.http()?;
        wait(&self.access.interrupt, http.read(name, range, sink))
    }

    fn write(&self, name: &str, body: &Body<'_>) -> Result<()> {
        let http = self.http()?;
        let digest = name.strip_prefix("blobs/").unwrap_or(name);
        wait(&self.access.interrupt, self.push(digest, body, &http))
    }

    fn create(&self, _: &str, _: &[u8]) -> Result<bool> {
        Err(RemoteError::Unsupported("create files").into())
    }

    fn delete(&self, _: &str) -> Result<()> {
        Err(RemoteError::Unsupported("delete blobs").into())
    }
}
