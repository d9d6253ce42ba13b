//! The history of a target: who did what, when, and how it ended; one JSON object a line.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::event::EventSink;
use crate::run::RunId;

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub when: Timestamp,
    pub who: String,
    pub action: Action,
    /// The release that was to become live: the digest of its bundle.
    pub release: Digest,
    pub model: String,
    pub version: u64,
    /// The run that made the model.
    pub run: Option<RunId>,
    /// The release that was live before.
    pub before: Option<Digest>,
    pub outcome: Outcome,
    /// Why it did not end well.
    pub why: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Deploy,
    Rollback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The release is live.
    Live,
    /// The release answers a part of the requests beside the live one.
    Canary,
    /// The release is live; the target's server did not answer for it, and there was no release to return to.
    Unanswered,
    /// The probe said no, and the release did not become live.
    Refused,
    /// The release was live; the target's server did not answer for it, and the one before came back.
    Returned,
    /// Something failed before the switch.
    Failed,
}

/// The line of an entry in a history, with its end.
pub fn line(entry: &Entry) -> Vec<u8> {
    let mut line = serde_json::to_vec(entry).expect("an entry has text as keys");
    line.push(b'\n');
    line
}

/// The entries of a history in lines. Those that cannot be read are passed over, and `events` hears of it.
pub fn parse(bytes: &[u8], name: &str, events: &dyn EventSink) -> Vec<Entry> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let (entries, damaged): (Vec<_>, Vec<_>) = lines.map(serde_json::from_slice::<Entry>).partition(Result::is_ok);
    if !damaged.is_empty() {
        events.warn(format!("{} line(s) of {name} cannot be read and are passed over", damaged.len()));
    }
    without_repetitions(entries.into_iter().flatten().collect())
}

/// Without entries that were written twice, because nobody knew whether they had arrived.
pub fn without_repetitions(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.dedup();
    entries
}

/// The releases that became live and were not rolled back from, the oldest first; the last one is live, unless somebody
/// was killed between the switch and the history.
pub fn standing(history: &[Entry]) -> Vec<Digest> {
    let mut standing: Vec<Digest> = Vec::new();
    for Entry { action, release, outcome, .. } in history {
        if !matches!(outcome, Outcome::Live | Outcome::Unanswered) {
            continue;
        }
        let earlier = standing.iter().rposition(|earlier| earlier == release);
        match (action, earlier) {
            (Action::Rollback, Some(place)) => standing.truncate(place + 1),
            _ if standing.last() == Some(release) => {}
            _ => standing.push(*release),
        }
    }
    standing
}

/// The release to go back to from `live`: the one that was live before it, of those that are still there.
pub fn before(history: &[Entry], live: Option<&Digest>, is_there: impl Fn(&Digest) -> bool) -> Option<Digest> {
    let mut standing = standing(history);
    if standing.last() == live {
        standing.pop();
    }
    standing.into_iter().rev().find(|release| Some(release) != live && is_there(release))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: Action, release: &str, outcome: Outcome) -> Entry {
        Entry {
            when: Timestamp::UNIX_EPOCH,
            who: "tester".into(),
            action,
            release: Digest::of(release),
            model: "churn".into(),
            version: 1,
            run: None,
            before: None,
            outcome,
            why: None,
        }
    }

    fn before_of(history: &[Entry], live: &str) -> Option<Digest> {
        before(history, Some(&Digest::of(live)), |_| true)
    }

    #[test]
    fn each_rollback_goes_one_further_back() {
        use Action::{Deploy, Rollback};
        use Outcome::{Live, Refused, Returned};
        let mut history = vec![
            entry(Deploy, "a", Live),
            entry(Deploy, "b", Live),
            entry(Deploy, "x", Refused),
            entry(Deploy, "y", Returned),
            entry(Deploy, "c", Live),
        ];

        assert_eq!(before_of(&history, "c"), Some(Digest::of("b")));
        history.push(entry(Rollback, "b", Live));
        assert_eq!(before_of(&history, "b"), Some(Digest::of("a")));
        history.push(entry(Rollback, "a", Live));
        assert_eq!(before_of(&history, "a"), None);
        history.push(entry(Rollback, "c", Live));
        assert_eq!(before_of(&history, "c"), Some(Digest::of("a")));
    }

    #[test]
    fn a_switch_that_the_history_does_not_know_counts() {
        let history = [entry(Action::Deploy, "a", Outcome::Live), entry(Action::Deploy, "b", Outcome::Live)];

        assert_eq!(before_of(&history, "c"), Some(Digest::of("b")));
        assert_eq!(before(&history, None, |_| true), Some(Digest::of("b")));
    }

    #[test]
    fn releases_that_are_gone_are_passed_over() {
        let history = ["a", "b", "c"].map(|release| entry(Action::Deploy, release, Outcome::Live));

        let found = before(&history, Some(&Digest::of("c")), |release| *release != Digest::of("b"));

        assert_eq!(found, Some(Digest::of("a")));
    }
}
