//! Images from a registry, by the OCI distribution protocol: what is built on is fetched once and kept by its digest.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{ACCEPT, WWW_AUTHENTICATE};
use serde::Deserialize;

use super::base::{Base, BaseName, Blobs, DOCKER_INDEX, DOCKER_MANIFEST, LARGEST_DOCUMENT, checked};
use crate::bundle::oci::{self, Descriptor};
use crate::digest::Hasher;
use crate::event::{Event, Unit, Watch};
use crate::fs::{escape, quote};
use crate::{Digest, Error, Kind, Result};

/// How long a connection may take, and how long a registry may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// An image in a registry: `docker.io/library/debian:stable-slim`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub host: String,
    pub repository: String,
    /// A tag, or a digest.
    pub version: String,
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::usage(format!("`{}` is neither a file nor an image: {why}", escape(text.as_bytes())))
                .with_hint("write it as `docker.io/library/debian:stable-slim`, or name an archive or a directory")
        };
        let (name, version) = match text.split_once('@') {
            // Of a tag and a digest the digest counts.
            Some((name, digest)) => {
                let digest: Digest = digest.parse().map_err(|_| wrong("what stands behind @ is no digest"))?;
                (
                    name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name),
                    digest.to_string(),
                )
            }
            None => match text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
                Some((name, tag)) => (name, tag.to_owned()),
                None => (text, "latest".to_owned()),
            },
        };
        let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
        let (host, repository) = match name.split_once('/') {
            Some((host, rest)) if is_host(host) => (host, rest.to_owned()),
            Some(_) => ("docker.io", name.to_owned()),
            None => ("docker.io", format!("library/{name}")),
        };
        let is_plain = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c) || more.contains(c))
        };
        let begins_well = host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[');
        let is_good = begins_well
            && is_plain(host, ":[]")
            && is_plain(&version, ":")
            && repository.split('/').all(|part| is_plain(part, ""));
        if !is_good || repository.split('/').any(|part| part.starts_with('.')) {
            return Err(wrong("there is no such file, and images are named otherwise"));
        }
        Ok(Self { host: host.to_owned(), repository, version })
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, repository, version } = self;
        let sign = if version.starts_with("sha256:") { '@' } else { ':' };
        write!(f, "{host}/{repository}{sign}{version}")
    }
}

/// Where `docker login` and `podman login` keep what they were told.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    /// Files of logins, the first one that knows a registry counts.
    pub files: Vec<PathBuf>,
    /// Where programs are looked for that keep logins.
    pub path: OsString,
}

/// A name and a password, which no message may show.
struct Login(String, String);

impl Logins {
    fn of(&self, host: &str) -> Result<Option<Login>> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Config {
            auths: BTreeMap<String, Auth>,
            creds_store: Option<String>,
            cred_helpers: BTreeMap<String, String>,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Auth {
            auth: Option<String>,
        }
        let names = match host {
            "docker.io" => vec!["https://index.docker.io/v1/", "docker.io", "index.docker.io"],
            host => vec![host],
        };
        for file in &self.files {
            let Some(bytes) = crate::fs::read_optional(file)? else { continue };
            let config: Config = serde_json::from_slice(&bytes)
                .with_context(|| format!("cannot read the logins in `{}`", quote(file)))?;
            for name in &names {
                let helper = config.cred_helpers.get(*name).or(config.creds_store.as_ref());
                if let Some(login) = helper.map(|helper| self.ask(helper, name)).transpose()?.flatten() {
                    return Ok(Some(login));
                }
                let key = config.auths.keys().find(|key| {
                    key.trim_start_matches("https://").trim_end_matches('/')
                        == name.trim_start_matches("https://").trim_end_matches('/')
                });
                if let Some(auth) = key.and_then(|key| config.auths[key].auth.as_ref()) {
                    let text = BASE64.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                    let login = text.as_ref().and_then(|text| text.split_once(':'));
                    let (user, password) = login.ok_or_else(|| {
                        Error::usage(format!(
                            "the login for `{}` in `{}` is damaged",
                            escape(host.as_bytes()),
                            quote(file)
                        ))
                    })?;
                    return Ok(Some(Login(user.to_owned(), password.to_owned())));
                }
            }
        }
        Ok(None)
    }

    /// Asks `docker-credential-HELPER`.
    fn ask(&self, helper: &str, name: &str) -> Result<Option<Login>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Said {
            username: String,
            secret: String,
        }
        let program = format!("docker-credential-{helper}");
        let Some(path) = crate::env::find_program(&program, &self.path) else { return Ok(None) };
        let cannot = || format!("cannot ask `{}`", escape(program.as_bytes()));
        let mut command = Command::new(path);
        command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(cannot)?;
        // It may say no before it reads the name.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(name.as_bytes()));
        let output = child.wait_with_output().with_context(cannot)?;
        // Without a login for this registry it fails.
        let said: Option<Said> = output.status.success().then(|| serde_json::from_slice(&output.stdout).ok()).flatten();
        Ok(said.map(|Said { username, secret }| Login(username, secret)))
    }
}

/// The image, with its blobs in `cache`.
pub fn pull(reference: &Reference, cache: &Path, scratch: &Path, logins: &Logins, watch: Watch<'_>) -> Result<Base> {
    let registry = Registry::new(reference, cache, logins, watch)?;
    watch.events.note(format!("asking for the image {reference}"));
    let top = registry.manifest(&reference.version)?;
    let digest = Digest::of(&top);
    if reference.version.starts_with("sha256:") && reference.version != digest.to_string() {
        return Err(Error::failed(format!("{reference} has another content, {digest}")));
    }
    let base = Base::of_image(&registry, &top, scratch)?;
    let name = Reference { version: digest.to_string(), ..reference.clone() };
    Ok(Base { source: Some(BaseName { name: name.to_string(), digest }), ..base })
}

struct Registry<'a> {
    client: Client,
    base: String,
    reference: &'a Reference,
    cache: PathBuf,
    login: Option<Login>,
    /// What the registry's guard gave, or the password itself.
    token: std::cell::RefCell<Option<String>>,
    watch: Watch<'a>,
}

impl<'a> Registry<'a> {
    fn new(reference: &'a Reference, cache: &Path, logins: &Logins, watch: Watch<'a>) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let host = match reference.host.as_str() {
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let is_here = name == "localhost" || name == "[::1]" || name.starts_with("127.");
        let mut builder = Client::builder()
            .connect_timeout(PATIENCE)
            .timeout(None::<Duration>)
            .user_agent(concat!("mlx/", env!("CARGO_PKG_VERSION")));
        if is_here {
            // A proxy knows another machine under this name.
            builder = builder.no_proxy();
        }
        Ok(Self {
            client: builder.build().context("cannot make an HTTP client")?,
            // As other programs do: registries of this machine have no certificate.
            base: format!("{}://{host}/v2/{}", if is_here { "http" } else { "https" }, reference.repository),
            reference,
            cache: cache.join("images"),
            login: logins.of(&reference.host)?,
            token: std::cell::RefCell::new(None),
            watch,
        })
    }

    fn manifest(&self, version: &str) -> Result<Vec<u8>> {
        let accepted = [oci::INDEX, oci::MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST].join(", ");
        let response = self.get(&format!("manifests/{version}"), |request| request.header(ACCEPT, &accepted))?;
        let mut bytes = Vec::new();
        response.take(LARGEST_DOCUMENT + 1).read_to_end(&mut bytes).context("the registry broke off")?;
        match bytes.len() as u64 <= LARGEST_DOCUMENT {
            true => Ok(bytes),
            false => Err(Error::failed(format!("its manifest has more than {LARGEST_DOCUMENT} bytes"))),
        }
    }

    /// Asks, and once more with what the registry wants to be shown.
    fn get(&self, path: &str, with: impl Fn(RequestBuilder) -> RequestBuilder) -> Result<Response> {
        let shown = || format!("GET {}/{path}", self.base);
        for attempt in 0..2 {
            self.watch.interrupt.check()?;
            let mut request = with(self.client.get(format!("{}/{path}", self.base)));
            if let Some(token) = &*self.token.borrow() {
                request = request.header("Authorization", token);
            }
            let response = request.send().map_err(|error| unreachable(&self.reference.host, &error))?;
            match response.status() {
                StatusCode::OK => return Ok(response),
                StatusCode::UNAUTHORIZED if attempt == 0 => {
                    let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
                    let token = self.token_for(challenge.unwrap_or_default())?;
                    *self.token.borrow_mut() = Some(token);
                }
                StatusCode::NOT_FOUND => {
                    return Err(Error::usage(format!("there is no image {}", self.reference))
                        .with_hint("look at its name and its tag"));
                }
                status => return Err(self.refused(&format!("{} gave {status}", shown()), status)),
            }
        }
        Err(self.refused(&format!("{} gave 401", shown()), StatusCode::UNAUTHORIZED))
    }

    fn refused(&self, said: &str, status: StatusCode) -> Error {
        let host = &self.reference.host;
        let is_denied = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let error = Error::new(Kind::Failed, anyhow::Error::msg(said.to_owned()));
        match (&self.login, is_denied) {
            (None, true) => error.with_hint(format!("log in: `podman login {host}` or `docker login {host}`")),
            (Some(_), true) => error.with_hint(format!("the login for {host} does not let you in; log in anew")),
            (_, false) => error,
        }
    }

    /// What a challenge asks for: the login itself, or a token that the registry's guard gives for it.
    fn token_for(&self, challenge: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Given {
            token: Option<String>,
            access_token: Option<String>,
        }
        let basic = self
            .login
            .as_ref()
            .map(|Login(user, password)| format!("Basic {}", BASE64.encode(format!("{user}:{password}"))));
        let (kind, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if !kind.eq_ignore_ascii_case("bearer") {
            return basic.ok_or_else(|| self.refused("the registry wants a login", StatusCode::UNAUTHORIZED));
        }
        let words = parameters(rest);
        let realm =
            words.get("realm").filter(|realm| realm.starts_with("https://") || self.base.starts_with("http://"));
        let realm = realm.ok_or_else(|| Error::failed("the registry does not say where its tokens are"))?;
        let scope = format!("repository:{}:pull", self.reference.repository);
        let mut query = vec![("scope", scope.as_str())];
        query.extend(words.get("service").map(|service| ("service", service.as_str())));
        let address = url::Url::parse_with_params(realm, query);
        let address = address.map_err(|_| Error::failed("the registry does not say where its tokens are"))?;
        let mut request = self.client.get(address);
        if let Some(Login(user, password)) = &self.login {
            request = request.basic_auth(user, Some(password));
        }
        let response = request.send().map_err(|error| unreachable(&self.reference.host, &error))?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(&format!("the registry's guard gave {}", response.status()), response.status()));
        }
        let given: Given = response.json().map_err(|_| Error::failed("the registry's guard gave no token"))?;
        let token =
            given.token.or(given.access_token).ok_or_else(|| Error::failed("the registry's guard gave no token"))?;
        Ok(format!("Bearer {token}"))
    }

    /// A blob in the cache, fetched where it is not there yet.
    fn blob(&self, descriptor: &Descriptor) -> Result<PathBuf> {
        let Descriptor { digest, size, .. } = descriptor;
        let path = self.cache.join(digest.hex());
        // One that was damaged since is fetched again.
        let known = File::open(&path).and_then(crate::digest::of_reader);
        if known.is_ok_and(|(found, _)| found == *digest) {
            return Ok(path);
        }
        let response = self.get(&format!("blobs/{digest}"), |request| request)?;
        let id = format!("layer {}", digest.short());
        let what = format!("fetching {id}");
        self.watch.events.emit(Event::Started { id: id.clone(), what, total: Some(*size), unit: Unit::Bytes });
        let mut reader = response.take(size + 1);
        crate::fs::write_atomic_checked(&path, &self.cache, |out| {
            let (mut hasher, mut buffer, mut done) = (Hasher::new(), vec![0; 256 << 10], 0);
            loop {
                self.watch.interrupt.check()?;
                let count = reader.read(&mut buffer).context("the registry broke off")?;
                if count == 0 {
                    break;
                }
                hasher.update(&buffer[..count]);
                out.write_all(&buffer[..count]).context("cannot write the layer")?;
                done += count as u64;
                self.watch.events.emit(Event::Progress { id: id.clone(), done });
            }
            match hasher.finish() {
                (found, _) if found == *digest => Ok(()),
                (found, bytes) => {
                    Err(Error::failed(format!("the registry sent {bytes} bytes that hash to {found}, not {digest}")))
                }
            }
        })?;
        self.watch.events.emit(Event::Finished { id });
        Ok(path)
    }
}

impl Blobs for Registry<'_> {
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        if descriptor.size > LARGEST_DOCUMENT {
            return Err(Error::failed(format!("a document of it has {} bytes", descriptor.size)));
        }
        let is_manifest =
            [oci::INDEX, oci::MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST].contains(&descriptor.media_type.as_str());
        let bytes = match is_manifest {
            true => self.manifest(&descriptor.digest.to_string())?,
            false => crate::fs::read(&self.blob(descriptor)?)?,
        };
        checked(bytes, descriptor)
    }

    fn layer(&self, descriptor: &Descriptor) -> Result<(Arc<File>, u64)> {
        if descriptor.media_type.contains("foreign") || descriptor.media_type.contains("nondistributable") {
            return Err(Error::usage("one of its layers is not in the registry, but somewhere else"));
        }
        let path = self.blob(descriptor)?;
        Ok((Arc::new(File::open(&path).with_context(|| format!("cannot read `{}`", quote(&path)))?), 0))
    }
}

fn unreachable(host: &str, error: &reqwest::Error) -> Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let (host, cause) = (escape(host.as_bytes()), escape(cause.to_string().as_bytes()));
    Error::failed(format!("the registry {host} can't be reached: {cause}")).with_hint(
        "bring the image as a file: `skopeo copy docker://IMAGE oci-archive:base.tar`, then `--base base.tar`",
    )
}

/// `realm="…",service="…"`.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.insert(name.trim().to_ascii_lowercase(), value.to_owned());
        rest = after.trim_start_matches([',', ' ']);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_as_other_programs_name_them() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, expected) in [
            ("debian", "docker.io/library/debian:latest".to_owned()),
            ("me/app:1", "docker.io/me/app:1".to_owned()),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest".to_owned()),
            ("ghcr.io/a/b:v1.2-x", "ghcr.io/a/b:v1.2-x".to_owned()),
            (&format!("quay.io/a:1@{digest}"), format!("quay.io/a@{digest}")),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), expected);
        }
        for text in ["", "a b", "../x", "a//b", "a@sha256:1", "ghcr.io/a:b?c", "x/..", "a\n"] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_challenge_is_taken_apart() {
        let found = parameters(r#"realm="https://auth.example/token?a=b,c",service=registry.example, scope="x""#);

        assert_eq!(found["realm"], "https://auth.example/token?a=b,c");
        assert_eq!((found["service"].as_str(), found["scope"].as_str()), ("registry.example", "x"));
    }
}
