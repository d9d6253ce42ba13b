//! The `kubectl` of this machine, as it is set up: for jobs, and for releases that lie in a cluster.

use std::time::Duration;

use crate::event::Interrupt;
use crate::executor::engine::{Answer, Command, Refusal};
use crate::{Error, Kind, Result};

/// So often something is asked when the cluster does not answer, and the first pause in between; each is twice the one
/// before.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// A cluster and a namespace, as `kubectl` knows them; its own choice where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kubectl {
    /// A context of its configuration.
    pub context: Option<String>,
    pub namespace: Option<String>,
}

/// Why `kubectl` did not do what it was told, by what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Quota,
    Unreachable,
    Unauthorized,
    Forbidden,
    AlreadyExists,
    Conflict,
    NoContext,
    NoNamespace,
    /// The cluster knows no such kind of objects.
    NoKind,
    NotFound,
    Other,
}

/// Words that tell a cause. What stands first counts: a quota is told as something forbidden.
const SIGNS: [(Cause, &[&str]); 10] = [
    (Cause::Quota, &["exceeded quota", "quota exceeded"]),
    (
        Cause::Unreachable,
        &[
            "Unable to connect to the server",
            "was refused - did you specify",
            "connection refused",
            "Client.Timeout exceeded",
            "i/o timeout",
            "TLS handshake timeout",
            "context deadline exceeded",
            "ServiceUnavailable",
            "currently unable to handle the request",
            "Too many requests",
            "etcdserver",
            "connection reset by peer",
        ],
    ),
    (Cause::Unauthorized, &["Unauthorized", "must be logged in"]),
    (Cause::Forbidden, &["orbidden"]),
    (Cause::AlreadyExists, &["AlreadyExists"]),
    (Cause::Conflict, &["(Conflict)", "the object has been modified", "Apply failed with"]),
    (Cause::NoContext, &["error: context \"", "no context exists with the name"]),
    (Cause::NoNamespace, &["namespaces \""]),
    (Cause::NoKind, &["no matches for kind", "doesn't have a resource type", "could not find the requested resource"]),
    (Cause::NotFound, &["NotFound", "not found"]),
];

impl Cause {
    /// The cause that these words tell.
    pub fn of(said: &str) -> Self {
        let tells = |(_, signs): &&(Self, &[&str])| signs.iter().any(|sign| said.contains(sign));
        SIGNS.iter().find(tells).map_or(Self::Other, |(cause, _)| *cause)
    }

    /// The words that tell it.
    pub fn signs(self) -> &'static [&'static str] {
        SIGNS.iter().find(|(cause, _)| *cause == self).map_or(&[], |(_, signs)| signs)
    }

    /// What to do about it.
    fn remedy(self) -> &'static str {
        match self {
            Self::Quota => "ask for a larger quota, or take less: `resources`, `replicas`",
            Self::Unreachable => "look at the network; `kubectl cluster-info` asks the same cluster",
            Self::Unauthorized => "log in to the cluster; `kubectl auth whoami` tells who you are there",
            Self::Forbidden => "ask for the right to do that; `kubectl auth can-i --list` tells what you may do",
            Self::AlreadyExists | Self::Conflict => {
                "somebody else changes the same object; look at it with `kubectl get`, then run this again"
            }
            Self::NoContext => "`kubectl config get-contexts` lists those that there are; `context` names one",
            Self::NoNamespace => "create it with `kubectl create namespace`, or name another one: `namespace`",
            Self::NoKind => "the cluster knows no such objects; those of KServe come with its installation",
            Self::NotFound | Self::Other => "try it with `kubectl`, or correct what the manifest says of the cluster",
        }
    }
}

/// What `kubectl` said when it did not do what it was told.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub struct Refused {
    pub cause: Cause,
    said: String,
}

impl Refused {
    fn of(answer: &Answer) -> Self {
        let lines =
            answer.stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Warning:"));
        let said = lines.map(|line| crate::fs::escape(line.as_bytes())).collect::<Vec<_>>().join("; ");
        let cause = Cause::of(&said);
        let said = match said.as_str() {
            "" => "`kubectl` failed and said nothing".to_owned(),
            said if cause == Cause::Unreachable => format!("the cluster does not answer: {said}"),
            said => format!("`kubectl` refused: {said}"),
        };
        Self { cause, said }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let remedy = refused.cause.remedy();
        Self::new(Kind::Failed, refused).with_hint(remedy)
    }
}

/// The cause of an error, where `kubectl` is.
pub fn cause(error: &Error) -> Option<Cause> {
    error.downcast_ref::<Refused>().map(|refused| refused.cause)
}

impl Kubectl {
    /// What every call begins with.
    fn place(&self) -> impl Iterator<Item = String> {
        let place = [("--context", &self.context), ("--namespace", &self.namespace)];
        place.into_iter().filter_map(|(option, value)| Some(format!("{option}={}", value.as_ref()?)))
    }

    /// A call, to be given its arguments.
    pub fn command(&self) -> Command {
        Command::new("kubectl", &[]).args(self.place())
    }

    /// A call that goes on until it is ended.
    pub fn process(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new("kubectl");
        command.args(self.place()).args(arguments);
        command
    }

    /// Runs it and returns what it prints. Where the cluster does not answer it is tried again, so that it must do no harm
    /// to do it twice.
    ///
    /// # Errors
    /// A [`Refused`] where it says no.
    pub fn run(&self, arguments: &[&str], input: &str, interrupt: &Interrupt) -> Result<String> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let refused = match self.command().args(arguments).input(input).run(interrupt, |_| false) {
                Ok(answer) if answer.is_success => return Ok(answer.stdout),
                Ok(answer) => Refused::of(&answer),
                Err(Refusal::Refused(error)) => return Err(error),
                Err(Refusal::Interrupted) => return Err(Error::interrupted()),
                Err(Refusal::Unreachable(said) | Refusal::Full(said)) => {
                    Refused { cause: Cause::Unreachable, said: format!("the cluster does not answer: {said}") }
                }
            };
            if refused.cause != Cause::Unreachable || attempt >= ATTEMPTS {
                return Err(refused.into());
            }
            // What puts things in order after a Ctrl-C gets its one attempt.
            interrupt.check()?;
            std::thread::sleep(PAUSE * (1 << (attempt - 1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubectl_says_has_a_cause() {
        for (said, cause) in [
            ("pods \"x\" is forbidden: exceeded quota: q, requested: cpu=1", Cause::Quota),
            (
                "Error from server (Forbidden): deployments.apps is forbidden: User \"me\" cannot create",
                Cause::Forbidden,
            ),
            ("error: You must be logged in to the server (Unauthorized)", Cause::Unauthorized),
            ("error: context \"prod\" does not exist", Cause::NoContext),
            ("Error from server (NotFound): namespaces \"ml\" not found", Cause::NoNamespace),
            ("error: resource mapping not found: no matches for kind \"InferenceService\"", Cause::NoKind),
            ("Error from server (NotFound): services \"m\" not found", Cause::NotFound),
            ("Error from server (AlreadyExists): configmaps \"m\" already exists", Cause::AlreadyExists),
            ("Error from server (Conflict): error when replacing \"STDIN\"", Cause::Conflict),
            ("Unable to connect to the server: dial tcp: lookup k8s: no such host", Cause::Unreachable),
            ("error: unknown flag", Cause::Other),
        ] {
            assert_eq!(Cause::of(said), cause, "{said}");
        }
    }
}
