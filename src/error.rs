//! The one error type: what could not be done, why, and what to do next.

use std::fmt;
use std::io::ErrorKind;

/// How a command ended, as its exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Files, network or permissions (exit code 1).
    Failed,
    /// The arguments or the manifest ask for something impossible (exit code 2).
    Usage,
    /// The user's program failed (exit code 3).
    Step,
    /// A check ran and says no: drift, gate, health (exit code 4).
    Check,
    /// Ctrl-C; what is on disk is whole (exit code 130).
    Interrupted,
}

impl Kind {
    /// The exit code of a command that ended this way.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Step => 3,
            Kind::Check => 4,
            Kind::Interrupted => 130,
        }
    }
}

/// An error with its kind, its chain of causes and, where there is one, a hint for the user.
///
/// There is no `From<io::Error>` on purpose: a bare `?` on an I/O call does not compile until it names its path.
pub struct Error {
    kind: Kind,
    cause: anyhow::Error,
    hint: Option<String>,
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this kind, from a message or another error.
    pub fn new(kind: Kind, cause: impl Into<anyhow::Error>) -> Self {
        Self { kind, cause: cause.into(), hint: None }
    }

    /// A failure of files, network or permissions.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::new(Kind::Failed, anyhow::Error::msg(message.to_string()))
    }

    /// Something impossible was asked for.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Kind::Usage, anyhow::Error::msg(message.to_string()))
    }

    /// The user's program failed.
    pub fn step(message: impl fmt::Display) -> Self {
        Self::new(Kind::Step, anyhow::Error::msg(message.to_string()))
    }

    /// A check says no.
    pub fn check(message: impl fmt::Display) -> Self {
        Self::new(Kind::Check, anyhow::Error::msg(message.to_string()))
    }

    /// The user pressed Ctrl-C.
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, anyhow::Error::msg("interrupted"))
            .with_hint("what is on disk is whole; the same command goes on from here")
    }

    /// The same error with a remedy; one given closer to the cause stays.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The same error as the cause of a wider message.
    #[must_use]
    pub fn context(mut self, message: impl fmt::Display + Send + Sync + 'static) -> Self {
        self.cause = self.cause.context(message);
        self
    }

    /// Whether a disk was full, or may not be written to any more: nothing else goes well there either.
    pub fn is_of_disk(&self) -> bool {
        self.cause.chain().any(|cause| is_full(cause) || has_kind(cause, &[ErrorKind::ReadOnlyFilesystem]))
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The messages from the widest to the root cause; never empty.
    pub fn chain(&self) -> impl Iterator<Item = String> + '_ {
        self.cause.chain().map(ToString::to_string)
    }

    /// The typed error this was made from, where a caller chooses by it.
    pub fn downcast_ref<E: fmt::Display + fmt::Debug + Send + Sync + 'static>(&self) -> Option<&E> {
        self.cause.downcast_ref()
    }
}

impl From<anyhow::Error> for Error {
    /// A full disk gets its hint here, wherever it shows.
    fn from(cause: anyhow::Error) -> Self {
        let is_full = cause.chain().any(is_full);
        let error = Self::new(Kind::Failed, cause);
        if is_full { error.with_hint("free some space; the same command completes then") } else { error }
    }
}

fn is_full(cause: &(dyn std::error::Error + 'static)) -> bool {
    has_kind(cause, &[ErrorKind::StorageFull, ErrorKind::QuotaExceeded])
}

fn has_kind(cause: &(dyn std::error::Error + 'static), kinds: &[ErrorKind]) -> bool {
    cause.downcast_ref::<std::io::Error>().is_some_and(|error| kinds.contains(&error.kind()))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.cause)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:#}", self.kind, self.cause)?;
        self.hint.iter().try_for_each(|hint| write!(f, " (hint: {hint})"))
    }
}

/// `context` and `with_context` for results whose error is [`Error`] already; the kind and the hint stay.
pub trait ErrorContext<T> {
    fn context(self, message: impl fmt::Display + Send + Sync + 'static) -> Result<T>;
    fn with_context<M: fmt::Display + Send + Sync + 'static>(self, message: impl FnOnce() -> M) -> Result<T>;
}

impl<T> ErrorContext<T> for Result<T, Error> {
    fn context(self, message: impl fmt::Display + Send + Sync + 'static) -> Result<T> {
        self.map_err(|error| error.context(message))
    }

    fn with_context<M: fmt::Display + Send + Sync + 'static>(self, message: impl FnOnce() -> M) -> Result<T> {
        self.map_err(|error| error.context(message()))
    }
}

/// A hint lists at most so many names.
const MOST_NAMES: usize = 30;

/// The known name that was meant by a mistyped one, most likely.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Ends a hint for a mistyped name: the closest of the known names, or all of them when none is close.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match closest(name, known.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None if known.is_empty() => "there are none yet".into(),
        None => {
            let more = match known.len().saturating_sub(MOST_NAMES) {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let names: Vec<String> = known.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
            format!("there are: {}{more}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_keeps_kind_and_first_hint() {
        let error = Error::usage("no such step").with_hint("first").with_hint("second").context("cannot train");

        assert_eq!(error.kind(), Kind::Usage);
        assert_eq!(error.hint(), Some("first"));
        assert_eq!(error.chain().collect::<Vec<_>>(), ["cannot train", "no such step"]);
    }

    #[test]
    fn a_typo_gets_the_closest_name() {
        assert_eq!(did_you_mean("dep", ["cmd", "deps", "outs"]), "did you mean `deps`?");
        assert_eq!(did_you_mean("zzz", ["cmd"]), "there are: `cmd`");
        let many = did_you_mean("zzz", ["cmd"; 5000]);
        assert!(many.len() < 300 && many.ends_with(", and 4970 more"), "{many}");
    }
}
