//! What `ssh` and the tools over there say when something is wrong, as errors.

use super::session::Ended;
use crate::fs::escape;
use crate::remote::RemoteError;
use crate::{Error, Kind};

/// `ssh` itself failed. `by_hand` is what the user would type to see the same.
pub fn unreachable(said: &str, by_hand: &str) -> Error {
    let last = last_line(said);
    let any = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    if any(&["IDENTIFICATION HAS CHANGED", "Host key verification failed", "host key is known"]) {
        let changed = said.contains("IDENTIFICATION HAS CHANGED");
        let (what, hint) = match changed {
            true => (
                "the machine shows another host key than the one that is known",
                format!("somebody may be in between; find out why it changed before you accept it with `{by_hand}`"),
            ),
            false => ("the host key is not known", format!("connect once by hand and look at the key: `{by_hand}`")),
        };
        return Error::from(RemoteError::Denied(what.into())).with_hint(hint);
    }
    if any(&["Permission denied (", "Too many authentication failures", "no mutual signature"]) {
        return Error::from(RemoteError::Denied(last)).with_hint(format!(
            "make `{by_hand}` work without a question: load your key into ssh-agent, or name it in ~/.ssh/config"
        ));
    }
    if any(&["Could not resolve hostname", "Bad configuration", "no such identity", "Bad owner or permissions"])
        && !any(&["Temporary failure"])
    {
        return Error::new(Kind::Failed, anyhow::Error::msg(last)).with_hint(format!("make `{by_hand}` work"));
    }
    RemoteError::Transient(if last.is_empty() { "the connection was lost".into() } else { last }).into()
}

/// A tool over there failed.
pub fn refusal(ended: &Ended) -> Error {
    let last = last_line(&ended.said);
    let any = |texts: &[&str]| texts.iter().any(|text| ended.said.contains(text));
    if any(&["Permission denied", "Read-only file system", "Operation not permitted"]) {
        return Error::from(RemoteError::Denied(last))
            .with_hint("make the directory yours to read and write over there");
    }
    if any(&["No space left", "quota exceeded", "Quota exceeded"]) {
        return Error::failed(last).with_hint("free some space over there; the same command completes then");
    }
    match ended.code {
        Some(127) => Error::failed(format!("a tool is missing over there: {last}")),
        Some(code) if last.is_empty() => Error::failed(format!("the shell over there ended with {code}")),
        _ => Error::failed(last),
    }
}

fn last_line(said: &str) -> String {
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    escape(last.chars().take(300).collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(said: &str) -> String {
        let error = unreachable(said, "ssh me@web1");
        match error.downcast_ref() {
            Some(RemoteError::Denied(_)) => format!("denied; {}", error.hint().unwrap()),
            Some(RemoteError::Transient(_)) => "transient".into(),
            _ => "failed".into(),
        }
    }

    #[test]
    fn what_ssh_says_is_sorted() {
        assert!(kind("me@web1: Permission denied (publickey).\n").contains("`ssh me@web1` work without a question"));
        assert!(
            kind("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n")
                .contains("in between")
        );
        assert!(
            kind("No ED25519 host key is known for web1\nHost key verification failed.\n").contains("look at the key")
        );
        assert_eq!(kind("ssh: connect to host web1 port 22: Connection refused\n"), "transient");
        assert_eq!(kind("ssh: Could not resolve hostname web1: Name or service not known"), "failed");
        assert_eq!(kind("ssh: Could not resolve hostname web1: Temporary failure in name resolution"), "transient");
        assert_eq!(kind(""), "transient");
    }
}
