//! Where a Git repository is, in all forms that Git takes and that are safe to hand to it.

use std::path::{Path, PathBuf};

use crate::fs::escape;
use crate::remote::location::without_secrets;
use crate::{Error, Result};

/// A repository as Git is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A directory of this machine: a working tree, a part of one, or a bare repository.
    Local(PathBuf),
    /// A URL, or `user@host:path`.
    Elsewhere(String),
}

/// What Git may be asked to speak; `ext::` and the like run programs of the address's choice.
pub const PROTOCOLS: [&str; 5] = ["https", "http", "ssh", "git", "file"];
/// A longer user name in a URL is a token.
const LONGEST_USER: usize = 20;

impl Address {
    /// Reads an address. Relative directories start at `base`.
    pub fn parse(text: &str, base: &Path, home: Option<&Path>) -> Result<Self> {
        let wrong = |why: &str| Error::usage(format!("`{}` {why}", shown(text)));
        if text.is_empty() {
            return Err(Error::usage("what stands before `#` is empty").with_hint("write `REPOSITORY#PATH`"));
        }
        if text.starts_with('-') {
            return Err(wrong("is no repository, but looks like an option"));
        }
        let colon = text.find(':').filter(|colon| !text[..*colon].contains('/'));
        let Some(colon) = colon.filter(|_| !base.join(text).exists()) else {
            let path = match (text.strip_prefix("~/").or((text == "~").then_some("")), home) {
                (Some(below), Some(home)) => home.join(below),
                _ => base.join(text),
            };
            let path = path.canonicalize().map_err(|error| {
                Error::usage(format!("there is no repository at `{}`: {error}", escape(text.as_bytes())))
            })?;
            return Ok(Self::Local(path));
        };
        let behind = &text[colon + 1..];
        if behind.starts_with(':') {
            return Err(wrong("names a program to speak through, which mlx does not run"));
        }
        let Some(rest) = behind.strip_prefix("//") else {
            // As scp has it: host:path.
            let host = text[..colon].rsplit('@').next().unwrap_or_default();
            return match host.is_empty() || host.starts_with('-') || behind.is_empty() {
                true => Err(wrong("names no host and path")),
                false => Ok(Self::Elsewhere(text.to_owned())),
            };
        };
        let scheme = text[..colon].to_ascii_lowercase();
        if !PROTOCOLS.contains(&scheme.as_str()) {
            return Err(wrong("is no repository that mlx can reach")
                .with_hint(format!("Git may speak {}; a URL of a file has no `#`", PROTOCOLS.join(", "))));
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if let Some((user, _)) = authority.rsplit_once('@')
            && (user.contains(':') || user.len() > LONGEST_USER)
        {
            return Err(wrong("holds a password or a token, and mlx.toml is read by many")
                .with_hint("leave it out; Git's credential helpers or ssh know how to get in"));
        }
        Ok(Self::Elsewhere(text.to_owned()))
    }
}

/// For messages: without what may be a secret.
pub fn shown(text: &str) -> String {
    let (repository, path) = text.split_once('#').map_or((text, String::new()), |(r, p)| (r, format!("#{p}")));
    without_secrets(repository) + &escape(path.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_that_git_takes_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let parse = |text: &str| Address::parse(text, dir.path(), None);

        assert_eq!(parse(".").unwrap(), Address::Local(dir.path().canonicalize().unwrap()));
        for url in ["https://h/a.git", "ssh://git@h:22/a", "git@h:team/a.git", "h:a", "git://h/a", "file:///srv/a.git"]
        {
            assert_eq!(parse(url).unwrap(), Address::Elsewhere(url.into()));
        }
    }

    #[test]
    fn what_could_run_programs_or_holds_secrets_is_refused() {
        for (text, says) in [
            ("", "is empty"),
            ("--upload-pack=touch x", "looks like an option"),
            ("ext::sh -c touch", "names a program"),
            ("fd::1", "names a program"),
            ("-oProxyCommand=x:y", "looks like an option"),
            ("me@-oProxyCommand=x:y", "names no host"),
            ("ftp://h/a", "that mlx can reach"),
            ("s3://b/a", "that mlx can reach"),
            ("https://me:hunter2@h/a", "holds a password"),
            ("https://ghp_0123456789abcdefghijklmnopqrstuvwxyz@h/a", "holds a password"),
            ("nowhere", "there is no repository at"),
        ] {
            let error = Address::parse(text, Path::new("/nonexistent"), None).unwrap_err();
            assert_eq!(error.kind(), crate::Kind::Usage);
            assert!(error.to_string().contains(says), "{text}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
