//! The `kubectl` of this machine, as it is set up: for jobs, and for releases that lie in a cluster.

use std::time::Duration;

use crate::event::Interrupt;
use crate::executor::engine::{Answer, Command, Refusal};
use crate::fs::escape;
use crate::remote::retry::Patience;
use crate::{Error, Kind, Result};

/// So often something is asked when the cluster does not answer, and the first pause in between; each is twice the one
/// before.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A cluster and a namespace, as `kubectl` knows them, and how long it is waited for.
#[derive(Debug, Clone)]
pub struct Kubectl {
    /// A context of its configuration; its own choice where nothing is said.
    context: Option<String>,
    namespace: Option<String>,
    attempts: u32,
    limit: Duration,
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

    /// What to do about it, in the words of this `kubectl`.
    fn remedy(self, kubectl: &Kubectl) -> String {
        let shown = |words: &str| kubectl.shown(words);
        match self {
            Self::Quota => "ask for a larger quota, or take less: `resources`, `replicas`".into(),
            Self::Unreachable => {
                let (view, info) = (shown("config view --minify"), shown("cluster-info"));
                format!("look at the network, and which cluster {view} names; {info} asks the same")
            }
            Self::Unauthorized => {
                format!("log in to the cluster; {} tells who you are there", shown("auth whoami"))
            }
            Self::Forbidden => {
                format!("ask for the right to do that; {} tells what you may do", shown("auth can-i --list"))
            }
            Self::AlreadyExists | Self::Conflict => {
                "somebody else changes the same object; look at it with `kubectl get`, then run this again".into()
            }
            Self::NoContext => "`kubectl config get-contexts` lists those that there are; `context` names one".into(),
            Self::NoNamespace => {
                let name = kubectl.namespace.as_deref().unwrap_or("NAME");
                let anywhere = Kubectl { namespace: None, ..kubectl.clone() };
                let create = anywhere.shown(&format!("create namespace {name}"));
                format!("create it with {create}, or name another one: `namespace`")
            }
            Self::NoKind => "the cluster knows no such objects; those of KServe come with its installation".into(),
            Self::NotFound | Self::Other => {
                "try it with `kubectl`, or correct what the manifest says of the cluster".into()
            }
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
        let words = in_words(&answer.stderr);
        let cause = Cause::of(&words.join("; "));
        let said = match words.as_slice() {
            [] => "`kubectl` failed and said nothing".to_owned(),
            [.., last] if cause == Cause::Unreachable => Self::unreachable(last),
            words => format!("`kubectl` refused: {}", words.join("; ")),
        };
        Self { cause, said }
    }

    fn unreachable(said: &str) -> String {
        format!("the cluster does not answer: {}", said.trim_end_matches(" - did you specify the right host or port?"))
    }
}

/// What it says to people, each line once. What its library logs on the way, such as `E1129 22:27:48.821226 26778
/// memcache.go:265] …` for each attempt, it says in words in the end.
fn in_words(stderr: &str) -> Vec<String> {
    let is_log = |line: &&str| match line.as_bytes() {
        [b'I' | b'W' | b'E' | b'F', date @ ..] => {
            date.len() > 4 && date[4] == b' ' && date[..4].iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Warning:"));
    let has_words = lines().any(|line| !is_log(&line));
    let mut said: Vec<String> = Vec::new();
    for line in lines().filter(|line| !has_words || !is_log(line)) {
        let line = escape(line.as_bytes());
        if !said.contains(&line) {
            said.push(line);
        }
    }
    said
}

/// The cause of an error, where `kubectl` is.
pub fn cause(error: &Error) -> Option<Cause> {
    error.downcast_ref::<Refused>().map(|refused| refused.cause)
}

impl Kubectl {
    /// One that waits as long as work needs that somebody wants done.
    pub fn new(context: Option<String>, namespace: Option<String>) -> Self {
        Self { context, namespace, attempts: ATTEMPTS, limit: LIMIT }
    }

    /// The same for somebody who waits less.
    #[must_use]
    pub fn with_patience(self, patience: &Patience) -> Self {
        Self { attempts: ATTEMPTS.min(patience.attempts), limit: LIMIT.min(patience.silence), ..self }
    }

    /// A call as the user would type it.
    pub fn shown(&self, words: &str) -> String {
        let place: String = self.place().map(|option| format!(" {}", escape(option.as_bytes()))).collect();
        format!("`kubectl {words}{place}`")
    }

    /// What every call begins with.
    fn place(&self) -> impl Iterator<Item = String> {
        let place = [("--context", &self.context), ("--namespace", &self.namespace)];
        place.into_iter().filter_map(|(option, value)| Some(format!("{option}={}", value.as_ref()?)))
    }

    /// A call, to be given its arguments.
    pub fn command(&self) -> Command {
        Command { limit: self.limit, ..Command::new("kubectl", &[]).args(self.place()) }
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
                    Refused { cause: Cause::Unreachable, said: Refused::unreachable(&said) }
                }
            };
            if refused.cause != Cause::Unreachable || attempt >= self.attempts {
                let remedy = refused.cause.remedy(self);
                return Err(Error::new(Kind::Failed, refused).with_hint(remedy));
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
    fn what_its_library_logs_is_not_told_again() {
        let log = "E1129 22:27:48.8212   26778 memcache.go:265] \"Unhandled Error\" err=\"connection refused\"\n";
        let said = "The connection to the server localhost:8080 was refused - did you specify the right host or port?";
        let of = |stderr: String| Refused::of(&Answer { is_success: false, stdout: String::new(), stderr }).to_string();

        let refused = of(format!("{}{said}\n", log.repeat(5)));

        assert_eq!(refused, "the cluster does not answer: The connection to the server localhost:8080 was refused");
        assert!(of(log.repeat(2)).ends_with("err=\"connection refused\""), "it is all that there is");
        assert_eq!(of("Error: a\nError: a\nb\n".into()), "`kubectl` refused: Error: a; b");
    }

    #[test]
    fn calls_are_shown_for_the_same_cluster() {
        let kubectl = Kubectl::new(Some("prod".into()), Some("ml".into()));

        assert_eq!(kubectl.shown("get pods"), "`kubectl get pods --context=prod --namespace=ml`");
        let remedy = Cause::NoNamespace.remedy(&kubectl);
        assert!(remedy.starts_with("create it with `kubectl create namespace ml --context=prod`"), "{remedy}");
    }

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
