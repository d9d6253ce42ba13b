//! Where the tools for containers keep their logins, we look: `config.json` of Docker, `auth.json` of Podman and Skopeo, and
//! the helpers that these name.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::fs::{escape, quote};
use crate::remote::Access;
use crate::remote::location::Repository;
use crate::{Error, Result};

/// What lets somebody into a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// `None` where the secret is a token that gives others.
    pub user: Option<String>,
    pub secret: String,
    /// Where it is from, for people.
    pub source: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("source", &self.source).finish_non_exhaustive()
    }
}

/// What such a file says, as far as it matters here.
#[derive(Default, Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
struct Auth {
    /// `user:password` in Base64.
    auth: Option<String>,
    #[serde(rename = "identitytoken")]
    token: Option<String>,
}

/// What a helper prints.
#[derive(Deserialize)]
struct Helped {
    #[serde(rename = "Username")]
    user: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// The login for a repository: what is set for the target itself, then what the files say; `None` where nobody says
/// anything.
pub fn login(repository: &Repository, access: &Access) -> Result<Option<Login>> {
    if let Some(secret) = access.setting("password") {
        let host = &repository.host;
        let user = access.setting("user").ok_or_else(|| {
            Error::usage(format!("there is a password for `{host}`, and no user"))
                .with_hint(format!("set {} too", access.variable_name("user")))
        })?;
        let source = access.source_of("password").unwrap_or_default();
        return Ok(Some(Login { user: Some(user.to_owned()), secret: secret.to_owned(), source }));
    }
    if let Some(secret) = access.setting("token") {
        let source = access.source_of("token").unwrap_or_default();
        return Ok(Some(Login { user: None, secret: secret.to_owned(), source }));
    }
    for path in files(access) {
        let Some(bytes) = crate::fs::read_optional(&path)? else { continue };
        let config: Config = serde_json::from_slice(&bytes)
            .map_err(|error| Error::failed(format!("`{}` can't be read: {error}", quote(&path))))?;
        if let Some(login) = config.find(repository, &quote(&path), access)? {
            return Ok(Some(login));
        }
    }
    Ok(None)
}

/// The files that there may be, the first one first.
fn files(access: &Access) -> Vec<PathBuf> {
    let variable = |name: &str| access.variable(name).map(PathBuf::from);
    let home = |below: &str| access.home.as_ref().map(|home| home.join(below));
    let named = variable("REGISTRY_AUTH_FILE");
    let docker = variable("DOCKER_CONFIG").or_else(|| home(".docker")).map(|directory| directory.join("config.json"));
    let podman = variable("XDG_RUNTIME_DIR").map(|directory| directory.join("containers/auth.json"));
    [named, docker, podman, home(".config/containers/auth.json")].into_iter().flatten().collect()
}

impl Config {
    fn find(&self, repository: &Repository, path: &str, access: &Access) -> Result<Option<Login>> {
        let keys = keys(repository);
        let helper = keys.iter().find_map(|key| self.helpers.get(key).map(|helper| (helper, key)));
        let helper = helper.or_else(|| Some((self.store.as_ref()?, keys.last()?)));
        if let Some((helper, key)) = helper
            && let Some(login) = ask(helper, key, access)?
        {
            return Ok(Some(login));
        }
        let Some(auth) = keys.iter().find_map(|key| self.auths.get(key)) else { return Ok(None) };
        let source = path.to_owned();
        if let Some(token) = auth.token.as_ref().filter(|token| !token.is_empty()) {
            return Ok(Some(Login { user: None, secret: token.clone(), source }));
        }
        let Some(text) = auth.auth.as_ref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let decoded = STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded.as_deref().and_then(|text| text.trim_end_matches('\0').split_once(':'));
        let (user, secret) = pair.ok_or_else(|| {
            Error::failed(format!("the login for `{}` in `{path}` can't be read", repository.host))
                .with_hint(format!("log in again: `docker login {}`", repository.host))
        })?;
        Ok(Some(Login { user: Some(user.to_owned()), secret: secret.to_owned(), source }))
    }
}

/// Under which names a login may stand: the repository, what is above it, the host as it is written in several ways.
fn keys(repository: &Repository) -> Vec<String> {
    let Repository { host, name, .. } = repository;
    let mut keys = vec![format!("{host}/{name}")];
    keys.extend(name.rmatch_indices('/').map(|(slash, _)| format!("{host}/{}", &name[..slash])));
    if repository.is_docker_hub() {
        keys.push("docker.io".into());
        keys.push("https://index.docker.io/v1/".into());
        return keys;
    }
    keys.extend([format!("https://{host}"), format!("https://{host}/"), format!("http://{host}")]);
    keys.push(host.clone());
    keys
}

/// Asks a helper; one that knows nothing is no error.
fn ask(helper: &str, server: &str, access: &Access) -> Result<Option<Login>> {
    let program = format!("docker-credential-{helper}");
    let shown = escape(program.as_bytes());
    if helper.contains('/') {
        return Err(Error::failed(format!("`{shown}` can't be the name of a program")));
    }
    let mut command = Command::new(&program);
    if !access.path.is_empty() {
        command.env("PATH", &access.path);
    }
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            access.events.warn(format!("there is no `{shown}`, which keeps logins for registries; it is passed over"));
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| format!("cannot start `{shown}`")).map_err(Into::into),
    };
    if let Some(mut stdin) = child.stdin.take() {
        // One that asks nothing of us ends before.
        let _ = stdin.write_all(server.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| format!("cannot wait for `{shown}`"))?;
    if !output.status.success() {
        return Ok(None);
    }
    let Ok(Helped { user, secret }) = serde_json::from_slice(&output.stdout) else {
        return Err(Error::failed(format!("`{shown}` answers what nobody understands")));
    };
    let user = (user != "<token>").then_some(user);
    Ok(Some(Login { user, secret, source: format!("`{shown}`") }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn login_of(config: &str, repository: &str, path: &str) -> Result<Option<Login>> {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config.json"), config).unwrap();
        let variables = BTreeMap::from([("DOCKER_CONFIG".to_owned(), home.path().to_str().unwrap().to_owned())]);
        let access = Access { variables: Arc::new(variables), path: path.into(), ..Access::default() };
        login(&Repository::parse(repository).unwrap(), &access)
    }

    fn pair(config: &str, repository: &str) -> Option<String> {
        let login = login_of(config, repository, "").unwrap()?;
        Some(format!("{}:{}", login.user.unwrap_or_default(), login.secret))
    }

    #[test]
    fn the_closest_entry_is_the_one() {
        // `me:one` and `me:two` and `you:three`.
        let config = r#"{"auths": {"r.example": {"auth": "bWU6b25l"}, "r.example/team": {"auth": "bWU6dHdv"},
            "https://index.docker.io/v1/": {"auth": "eW91OnRocmVl"}, "t.example": {"identitytoken": "long"}}}"#;

        assert_eq!(pair(config, "oci://r.example/other/x").as_deref(), Some("me:one"));
        assert_eq!(pair(config, "oci://r.example/team/x").as_deref(), Some("me:two"));
        assert_eq!(pair(config, "oci://docker.io/me/x").as_deref(), Some("you:three"));
        assert_eq!(pair(config, "oci://t.example/x").as_deref(), Some(":long"));
        assert_eq!(pair(config, "oci://u.example/x"), None);
        let error = login_of(r#"{"auths": {"r.example": {"auth": "?"}}}"#, "oci://r.example/x", "").unwrap_err();
        assert!(error.to_string().contains("can't be read"), "{error}");
    }

    #[test]
    fn a_helper_is_asked_for_the_host() {
        let bin = tempfile::tempdir().unwrap();
        let helper = "#!/bin/sh\nread server\n[ \"$server\" = r.example ] || exit 1\n\
            echo '{\"ServerURL\": \"r.example\", \"Username\": \"<token>\", \"Secret\": \"hunter2\"}'\n";
        std::fs::write(bin.path().join("script"), helper).unwrap();
        let mut install = Command::new("install");
        install.args(["-m", "755"]).args(["script", "docker-credential-test"].map(|name| bin.path().join(name)));
        assert!(install.status().unwrap().success());
        let path = format!("{}:/usr/bin:/bin", bin.path().display());
        let config = r#"{"credHelpers": {"r.example": "test", "gone.example": "nowhere"}}"#;

        let found = login_of(config, "oci://r.example/x", &path).unwrap().unwrap();

        assert_eq!((found.user.as_deref(), found.secret.as_str()), (None, "hunter2"));
        assert!(!format!("{found:?}").contains("hunter2"));
        assert_eq!(login_of(config, "oci://gone.example/x", &path).unwrap(), None);
    }
}
