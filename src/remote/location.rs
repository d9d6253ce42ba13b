//! Where a remote is: its URL, taken apart and checked.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

use crate::error::did_you_mean;
use crate::fs::{escape, quote};
use crate::{Error, Result};

/// What the parts of a URL name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    Directory(PathBuf),
    Bucket(Bucket),
    Ssh(Login),
    /// WebDAV where the server lets us write, else for reading only.
    Http(Url),
    /// For releases alone.
    Registry(Repository),
}

/// A repository of an OCI registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// As people write it, with its port where that is not the usual one.
    pub host: String,
    /// Such as `models/churn`.
    pub name: String,
    pub tag: Option<String>,
}

impl Repository {
    /// Takes `oci://host/name:tag` apart.
    pub fn parse(url: &str) -> Result<Self> {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let hint = "write `oci://registry.example/models/churn`, or with a tag behind a colon";
        let refuse = |why: &str| Err(wrong(url, why).with_hint(hint));
        let (user, host, path) = split(url, rest)?;
        if user.is_some() {
            return Err(wrong(url, "has a user, which belongs to a login")
                .with_hint("log in with `docker login` or `podman login`"));
        }
        let path = path.trim_matches('/');
        let (name, tag) = match path.rsplit_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (path, None),
        };
        // See <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>.
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_part = |part: &str| {
            part.starts_with(is_plain)
                && part.ends_with(is_plain)
                && part.chars().all(|c| is_plain(c) || matches!(c, '.' | '_' | '-'))
        };
        if name.len() > 255 || !name.split('/').all(is_part) {
            return refuse("names no repository: small letters, digits, `.`, `_` and `-` make one");
        }
        let is_tag = |tag: &str| {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            // Room for what is put behind it.
            tag.len() <= 100 && tag.starts_with(is_word) && tag.chars().all(|c| is_word(c) || matches!(c, '.' | '-'))
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return refuse("has a tag that can't be one");
        }
        if Url::parse(&format!("https://{host}/")).is_err() || host.contains(['?', '#', '%']) {
            return refuse("has a host that can't be one");
        }
        Ok(Self { host: host.to_owned(), name: name.to_owned(), tag: tag.map(str::to_owned) })
    }

    /// Whether this is the registry that has no name in the commands of its own tools.
    pub fn is_docker_hub(&self) -> bool {
        matches!(self.host.as_str(), "docker.io" | "index.docker.io" | "registry-1.docker.io")
    }

    /// The server that is spoken to.
    pub fn server(&self) -> &str {
        if self.is_docker_hub() { "registry-1.docker.io" } else { &self.host }
    }

    /// How it is spoken to: without encryption on this machine only.
    pub fn scheme(&self) -> &'static str {
        let url = Url::parse(&format!("https://{}/", self.host)).ok();
        let is_here = match url.as_ref().and_then(Url::host) {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if is_here { "http" } else { "https" }
    }
}

/// A part of a bucket (of a container, as Azure calls it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub provider: Provider,
    pub name: String,
    /// Stands before every name, without slashes at its ends; may be empty.
    pub prefix: String,
    /// The storage account where the URL names it (`abfss://container@account.dfs.core.windows.net/…`).
    pub account: Option<String>,
}

/// Whose object store a bucket is in, or whose protocol it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    Aws,
    Google,
    Azure,
}

/// A directory on a machine that `ssh` gets into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub user: Option<String>,
    /// May be an alias of `~/.ssh/config`.
    pub host: String,
    pub port: Option<u16>,
    /// Absolute, or relative to the user's home there.
    pub path: String,
}

const SCHEMES: [&str; 14] =
    ["s3", "gs", "az", "abfs", "abfss", "ssh", "http", "https", "dav", "davs", "webdav", "webdavs", "oci", "file"];

impl Location {
    /// Takes a URL apart. A directory may be relative to `base`, or begin with `~/`.
    pub fn parse(url: &str, base: &Path, home: Option<&Path>) -> Result<Self> {
        if url.trim().is_empty() || url.chars().any(char::is_control) {
            return Err(wrong(url, "is no URL and no directory").with_hint(EXAMPLES));
        }
        let Some((scheme, rest)) = url.split_once("://") else { return directory(url, base, home) };
        let scheme = scheme.to_ascii_lowercase();
        let provider = match scheme.as_str() {
            "file" => return file(url),
            "ssh" => return login(url, rest).map(Self::Ssh),
            "oci" => return Repository::parse(url).map(Self::Registry),
            "http" | "https" => return http(url, &scheme, rest),
            "dav" | "webdav" => return http(url, "http", rest),
            "davs" | "webdavs" => return http(url, "https", rest),
            "s3" | "s3a" => Provider::Aws,
            "gs" | "gcs" => Provider::Google,
            "az" | "azure" | "abfs" | "abfss" => Provider::Azure,
            "sftp" | "scp" => return Err(wrong(url, "is not spoken").with_hint("write `ssh://` instead")),
            _ => {
                let known = did_you_mean(&scheme, SCHEMES);
                return Err(wrong(url, "names no place that mlx knows").with_hint(known));
            }
        };
        bucket(url, provider, rest).map(Self::Bucket)
    }
}

const EXAMPLES: &str = "write for example `s3://bucket/prefix`, `ssh://host/srv/data` or a directory";

/// A refusal that shows no more of the URL than where it points.
fn wrong(url: &str, why: &str) -> Error {
    Error::usage(format!("`{}` {why}", without_secrets(url)))
}

/// The URL without what may be a secret in it: user information behind the name, and query and fragment.
pub fn without_secrets(url: &str) -> String {
    let shown = match url.split_once("://") {
        Some((scheme, rest)) => {
            let rest = rest.split(['?', '#']).next().unwrap_or_default();
            match password(rest) {
                Some((user, behind)) => format!("{scheme}://{user}@{behind}"),
                None => format!("{scheme}://{rest}"),
            }
        }
        None => url.to_owned(),
    };
    escape(shown.as_bytes())
}

/// The parts around a password in what follows `://`. One with a slash or an `@` in it, which no URL may have, is found too.
fn password(rest: &str) -> Option<(&str, &str)> {
    let (before, behind) = rest.rsplit_once('@')?;
    let (user, secret) = before.split_once(':')?;
    let is_port = secret.split_once('/').is_some_and(|(port, _)| port.parse::<u16>().is_ok());
    (!is_port).then_some((user, behind))
}

/// Authority and path of what follows `://`; a password in it, a query or a fragment is refused.
fn split<'a>(url: &str, rest: &'a str) -> Result<(Option<&'a str>, &'a str, &'a str)> {
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if password(rest).is_some() {
        return Err(wrong(url, "holds a password, and mlx.toml is read by many").with_hint(
            "keep it out of the URL: `~/.netrc`, `MLX_REMOTE_<NAME>_PASSWORD`, or where the cloud's own tools look",
        ));
    }
    if host.is_empty() {
        return Err(wrong(url, "names no host").with_hint(EXAMPLES));
    }
    Ok((user, host, path))
}

fn directory(url: &str, base: &Path, home: Option<&Path>) -> Result<Location> {
    // `host:path`, as scp and Git have it; a slash before the colon makes it a path.
    let before_colon = url.split_once(':').map(|(before, _)| before).filter(|before| !before.contains('/'));
    if let Some(host) = before_colon {
        let path = url[host.len() + 1..].trim_start_matches('/');
        let hint = match SCHEMES.contains(&host) {
            true => format!("did you mean `{host}://{path}`?"),
            false => format!("write `ssh://{host}/…` for another machine, or `./{url}` for a directory"),
        };
        return Err(wrong(url, "is no URL").with_hint(escape(hint.as_bytes())));
    }
    let path = match (url.strip_prefix("~/").or((url == "~").then_some("")), home) {
        (Some(below), Some(home)) => home.join(below),
        (Some(_), None) => {
            return Err(
                wrong(url, "is below a home that is not known").with_hint("set HOME, or write the path in full")
            );
        }
        (None, _) => base.join(url),
    };
    Ok(Location::Directory(tidy(&path)))
}

/// Without `.` and `..`, so that one place has one name; links are left as they are.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(tidy.pop()),
            std::path::Component::CurDir => {}
            part => tidy.push(part),
        }
    }
    tidy
}

fn file(url: &str) -> Result<Location> {
    let parsed = Url::parse(url).ok().filter(|parsed| parsed.query().is_none() && parsed.fragment().is_none());
    let path = parsed.and_then(|parsed| parsed.to_file_path().ok());
    let path =
        path.ok_or_else(|| wrong(url, "is no file URL").with_hint("write `file:///srv/data`, or the path alone"))?;
    Ok(Location::Directory(tidy(&path)))
}

fn login(url: &str, rest: &str) -> Result<Login> {
    let (user, host, path) = split(url, rest)?;
    let (host, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, port)) => (address, port.strip_prefix(':')),
        None => host.rsplit_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(str::parse::<u16>).transpose();
    let port = port.map_err(|_| wrong(url, "has a port that is no number"))?;
    // What begins with a dash would be an option to ssh.
    let is_fine = |text: &str| {
        let harmless = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%' | '+' | '@' | '\\');
        !text.is_empty() && !text.starts_with('-') && text.chars().all(harmless)
    };
    if !is_fine(host) || user.is_some_and(|user| !is_fine(user)) {
        return Err(wrong(url, "has a user or a host that can't be one").with_hint("write `ssh://user@host/srv/data`"));
    }
    let path = percent_decode_str(path).decode_utf8().map_err(|_| wrong(url, "has a path that is not UTF-8"))?;
    let path = match path.strip_prefix("/~/") {
        Some(below_home) => below_home.trim_matches('/').to_owned(),
        None => path.trim_end_matches('/').to_owned(),
    };
    if path.is_empty() || path.chars().any(char::is_control) {
        return Err(wrong(url, "names no directory on that machine")
            .with_hint("write `ssh://host/srv/data`, or `ssh://host/~/data` for one below your home there"));
    }
    Ok(Login { user: user.map(str::to_owned), host: host.to_owned(), port, path })
}

fn http(url: &str, scheme: &str, rest: &str) -> Result<Location> {
    split(url, rest)?;
    if rest.contains(['?', '#']) {
        return Err(wrong(url, "has a query or a fragment, which may hold a secret and names no directory")
            .with_hint("name the directory alone"));
    }
    let parsed = Url::parse(&format!("{}://{}/", scheme, rest.trim_end_matches('/')));
    parsed.map(Location::Http).map_err(|error| wrong(url, &format!("is no URL: {error}")))
}

fn bucket(url: &str, provider: Provider, rest: &str) -> Result<Bucket> {
    let (user, host, path) = split(url, rest)?;
    let (name, account) = match (provider, user) {
        (Provider::Azure, Some(container)) => (container, host.split('.').next()),
        (_, Some(_)) => {
            return Err(wrong(url, "has a user, which a bucket does not have")
                .with_hint("credentials belong where the cloud's own tools look for them"));
        }
        (_, None) => (host, None),
    };
    let is_name = |text: &str| {
        !text.starts_with('-') && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if !is_name(name) || !account.is_none_or(is_name) {
        return Err(wrong(url, "has a bucket whose name can't be one").with_hint("write `s3://bucket/prefix`"));
    }
    let prefix = path.trim_matches('/');
    if !prefix.is_empty() && check_name(prefix).is_err() {
        return Err(wrong(url, "has a prefix with empty parts, or with `.` or `..` in it"));
    }
    Ok(Bucket { provider, name: name.to_owned(), prefix: prefix.to_owned(), account: account.map(str::to_owned) })
}

/// Whether a file of a remote can have this name: relative, without empty parts, `.`, `..` and control characters.
pub fn check_name(name: &str) -> Result<()> {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.chars().any(char::is_control);
    match name.split('/').all(is_part) {
        true => Ok(()),
        false => Err(Error::failed(format!("`{}` can't be the name of a file on a remote", quote(name)))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(url: &str) -> Result<Location> {
        Location::parse(url, Path::new("/project"), Some(Path::new("/home/me")))
    }

    fn refusal(url: &str) -> String {
        let error = parse(url).unwrap_err();
        assert_eq!(error.kind(), crate::Kind::Usage);
        format!("{error} ({})", error.hint().unwrap_or_default())
    }

    fn place(provider: Provider, name: &str, prefix: &str, account: Option<&str>) -> Location {
        let account = account.map(str::to_owned);
        Location::Bucket(Bucket { provider, name: name.into(), prefix: prefix.into(), account })
    }

    #[test]
    fn each_scheme_names_its_place() {
        for (url, path) in [
            ("../data", "/data"),
            ("/srv/./x/", "/srv/x"),
            ("~/x", "/home/me/x"),
            ("file:///srv/a%20b", "/srv/a b"),
            ("./a:b", "/project/a:b"),
        ] {
            assert_eq!(parse(url).unwrap(), Location::Directory(path.into()), "{url}");
        }
        assert_eq!(parse("s3://b/p/q/").unwrap(), place(Provider::Aws, "b", "p/q", None));
        assert_eq!(parse("GS://b").unwrap(), place(Provider::Google, "b", "", None));
        assert_eq!(parse("az://c/p").unwrap(), place(Provider::Azure, "c", "p", None));
        let abfss = parse("abfss://c@acc.dfs.core.windows.net/p").unwrap();
        assert_eq!(abfss, place(Provider::Azure, "c", "p", Some("acc")));
        for (url, parsed) in [("davs://h/a", "https://h/a/"), ("http://me@h:1/", "http://me@h:1/")] {
            assert_eq!(parse(url).unwrap(), Location::Http(Url::parse(parsed).unwrap()), "{url}");
        }
        for (url, user, host, port, path) in [
            ("ssh://web1/srv/x/", None, "web1", None, "/srv/x"),
            ("ssh://me@h:22/~/a%20b", Some("me"), "h", Some(22), "a b"),
            ("ssh://[::1]:22/x", None, "::1", Some(22), "/x"),
        ] {
            let (user, host, path) = (user.map(str::to_owned), host.to_owned(), path.to_owned());
            assert_eq!(parse(url).unwrap(), Location::Ssh(Login { user, host, port, path }), "{url}");
        }
    }

    #[test]
    fn what_names_no_place_is_refused_with_a_suggestion() {
        for (url, says) in [
            ("", "s3://bucket/prefix"),
            ("s4://b/p", "there are: `s3`"),
            ("htps://b/p", "did you mean `https`?"),
            ("s3:/bucket", "did you mean `s3://bucket`?"),
            ("me@host:data", "write `ssh://me@host/…`"),
            ("sftp://host/x", "write `ssh://` instead"),
            ("ssh://host", "ssh://host/~/data"),
            ("ssh://-oProxyCommand=x/y", "can't be one"),
            ("ssh://h:x/y", "no number"),
            ("s3://b/a/../c", "`..`"),
            ("s3:///x", "names no host"),
            ("https://h/x?X-Amz-Signature=hunter2", "name the directory alone"),
            ("https://me:hunter2@h/x", "~/.netrc"),
            ("s3://key:hunter2@b/x", "holds a password"),
            ("ssh://me:hunter2@h/x", "holds a password"),
        ] {
            let refusal = refusal(url);
            assert!(refusal.contains(says), "{url}: {refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn repositories_of_registries_are_understood() {
        let parse = |url: &str| match parse(url).unwrap() {
            Location::Registry(repository) => repository,
            other => panic!("{other:?}"),
        };
        let of = |url: &str| {
            let found = parse(url);
            (format!("{}://{}", found.scheme(), found.server()), found.name, found.tag)
        };
        assert_eq!(of("oci://r.example/a/b:live"), ("https://r.example".into(), "a/b".into(), Some("live".into())));
        assert_eq!(of("oci://localhost:5000/a"), ("http://localhost:5000".into(), "a".into(), None));
        assert_eq!(of("oci://[::1]:5000/a/"), ("http://[::1]:5000".into(), "a".into(), None));
        assert_eq!(of("oci://docker.io/me/x"), ("https://registry-1.docker.io".into(), "me/x".into(), None));
        for (url, says) in [
            ("oci://r.example", "names no repository"),
            ("oci://r.example/A", "names no repository"),
            ("oci://r.example/a/../b", "names no repository"),
            ("oci://r.example/a:-x", "can't be one"),
            ("oci://me@r.example/a", "docker login"),
            ("oci://me:hunter2@r.example/a", "holds a password"),
        ] {
            let refusal = refusal(url);
            assert!(refusal.contains(says) && !refusal.contains("hunter2"), "{url}: {refusal}");
        }
    }

    #[test]
    fn names_stay_below_the_remote() {
        for name in ["", "/a", "a//b", "../a", "a/..", "a/./b", "a\nb"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        check_name("packs/ab.pack").unwrap();
    }

    proptest! {
        #[test]
        fn no_secret_is_shown(user in "[a-z]{1,5}", secret in "[A-Z@/:]{8,20}", host in "[a-z]{3,8}") {
            let shown = without_secrets(&format!("https://{user}:{secret}@{host}/x?y={secret}"));
            prop_assert_eq!(shown, format!("https://{user}@{host}/x"));
        }
    }
}
