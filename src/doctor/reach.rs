//! Whether the remotes and targets of the manifest can be reached.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::Access;

use super::Check;
use crate::env::find_program;
use crate::fs::{escape, quote};
use crate::project::Project;

/// How long a machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks all places at once.
pub fn checks(project: &Project, path: &OsStr, s3_endpoint: Option<&str>) -> Vec<Check> {
    let remotes = project.manifest.remotes.iter().map(|(name, remote)| (format!("remote {name}"), &remote.url));
    let targets = project.manifest.targets.iter().map(|(name, target)| (format!("target {name}"), &target.url));
    let places: Vec<_> = remotes.chain(targets).collect();
    let ask = |(name, url): &(String, &String)| check(name, url, project.root(), path, s3_endpoint);
    std::thread::scope(|scope| {
        let asked: Vec<_> = places.iter().map(|place| scope.spawn(|| ask(place))).collect();
        asked.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

fn check(name: &str, url: &str, root: &Path, path: &OsStr, s3_endpoint: Option<&str>) -> Check {
    let shown = without_secrets(url);
    let answer = match url.split_once("://") {
        None => directory(&root.join(url)),
        Some(("file", rest)) => directory(Path::new(rest)),
        Some(("ssh", rest)) => ssh(rest, path),
        Some(("http" | "https", _)) => http(url),
        Some(("s3", rest)) => match s3_endpoint {
            Some(endpoint) => http(endpoint),
            None => http(&format!("https://{}.s3.amazonaws.com/", host_of(rest))),
        },
        Some(("gs", rest)) => http(&format!("https://storage.googleapis.com/{}", host_of(rest))),
        Some(("oci", rest)) => http(&format!("https://{}/v2/", host_of(rest))),
        Some((scheme, _)) => {
            let found = format!("{shown}: nobody knows how to ask `{}://`", escape(scheme.as_bytes()));
            return Check::notice(name, found, "check its spelling");
        }
    };
    match answer {
        Ok(found) => Check::good(name, format!("{shown}: {found}")),
        Err((found, remedy)) => Check::missing(name, format!("{shown}: {found}"), remedy),
    }
}

/// What was found, or what is wrong and what to do about it.
type Answer = Result<String, (String, String)>;

fn directory(path: &Path) -> Answer {
    let can_write = |path: &Path| rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    let shown = quote(path);
    if path.is_dir() {
        return match can_write(path) {
            true => Ok("a directory that can be written to".into()),
            false => Err(("may not be written to".into(), format!("make `{shown}` yours to write"))),
        };
    }
    if path.exists() {
        return Err(("is no directory".into(), "name a directory".into()));
    }
    let above = path.ancestors().skip(1).find(|ancestor| ancestor.exists());
    match above {
        Some(above) if above.is_dir() && can_write(above) => Ok("not there yet; made when it is needed".into()),
        _ => Err(("is not there and can't be made".into(), format!("make `{shown}`, or mount what it lies on"))),
    }
}

fn http(url: &str) -> Answer {
    // Only the first call in the process installs it; a later one changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let wrong = |error: reqwest::Error| {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let found = if error.is_timeout() { "no answer within 5 s".into() } else { cause.to_string() };
        (escape(found.as_bytes()), "check the address, the network and the proxy".to_owned())
    };
    let client = reqwest::blocking::Client::builder().timeout(PATIENCE).build().map_err(wrong)?;
    let answer = client.get(url).send().map_err(wrong)?;
    // Even a refusal shows that somebody is there; whether the credentials are good is another question.
    match answer.status() {
        status if status.is_server_error() => {
            Err((format!("answers {}", status.as_u16()), "ask who runs it, or try again later".into()))
        }
        status => Ok(format!("answers ({})", status.as_u16())),
    }
}

fn ssh(rest: &str, path: &OsStr) -> Answer {
    let Some(program) = find_program("ssh", path) else {
        return Err(("there is no ssh".into(), "install it: `apt install openssh-client`".into()));
    };
    let (host, port) = match host_of(rest).rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (host_of(rest), None),
    };
    let mut command = Command::new(program);
    command.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]);
    command.args(port.iter().flat_map(|port| ["-p", port]));
    let output = command.args(["--", host, "true"]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| (error.to_string(), "is ssh installed as it should be?".into()))?;
    let last = output.stderr.split(|byte| *byte == b'\n').rfind(|line| !line.trim_ascii().is_empty());
    let said = escape(last.unwrap_or(b"it says no").trim_ascii());
    let port = port.map_or(String::new(), |port| format!("-p {port} "));
    match output.status.success() {
        true => Ok("lets us in".into()),
        false => {
            Err((said, format!("make `ssh {}` work without a question", escape(format!("{port}{host}").as_bytes()))))
        }
    }
}

/// The part of an address up to its path.
fn host_of(rest: &str) -> &str {
    rest.split('/').next().unwrap_or(rest)
}

/// The address without a password that somebody put into it.
fn without_secrets(url: &str) -> String {
    let shown = match url.split_once("://") {
        Some((scheme, rest)) => match host_of(rest).rsplit_once('@') {
            Some((user, _)) => {
                format!("{scheme}://{}@{}", user.split(':').next().unwrap_or(user), &rest[user.len() + 1..])
            }
            None => url.to_owned(),
        },
        None => url.to_owned(),
    };
    escape(shown.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_secrets("https://me:secret@host/x"), "https://me@host/x");
        assert_eq!(without_secrets("ssh://host:22/srv"), "ssh://host:22/srv");
        assert_eq!(without_secrets("/some/where@home:x"), "/some/where@home:x");
    }

    #[test]
    fn a_directory_is_there_can_be_made_or_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();

        assert_eq!(directory(dir.path()), Ok("a directory that can be written to".into()));
        assert_eq!(directory(&dir.path().join("a/b")), Ok("not there yet; made when it is needed".into()));
        assert_eq!(directory(&dir.path().join("file")).unwrap_err().0, "is no directory");
        assert_eq!(directory(&dir.path().join("file/below")).unwrap_err().0, "is not there and can't be made");
    }
}
