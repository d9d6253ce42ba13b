//! Commits that Git is about to push, and the locks they bring.

use std::collections::HashSet;

use anyhow::Context;
use git2::Oid;

use super::LOCK;
use super::git::{Git, LockAt};
use crate::Result;

/// A branch or tag on its way, as Git tells its pre-push hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The full id of what is pushed.
    pub new: String,
    /// What the other side has under that name; `None` where it has none.
    pub known: Option<String>,
    /// The remote of Git, by name or URL.
    pub remote: String,
}

impl Outgoing {
    /// Reads a line `<local ref> <local id> <remote ref> <remote id>`; `None` for a deletion and for what is no such line.
    pub fn parse(line: &str, remote: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, new, _, known] = words.as_slice() else { return None };
        let id = |word: &str| {
            let is_id = word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            (is_id && word.bytes().any(|byte| byte != b'0')).then(|| word.to_owned())
        };
        Some(Self { new: id(new)?, known: id(known), remote: remote.to_owned() })
    }
}

impl Git {
    /// The locks of the commits that the other side does not have, as far as this repository knows: each different lock
    /// once, with the newest of its commits.
    pub fn outgoing_locks(&self, outgoing: &[Outgoing]) -> Result<Vec<LockAt>> {
        let cannot = "cannot walk the commits that are pushed";
        let mut walk = self.repository.revwalk().context(cannot)?;
        for Outgoing { new, known, remote } in outgoing {
            let new = Oid::from_str(new).context(cannot)?;
            // A tag may name something else than a commit, which brings no lock.
            let Ok(commit) = self.repository.find_object(new, None).and_then(|object| object.peel_to_commit()) else {
                continue;
            };
            walk.push(commit.id()).context(cannot)?;
            if let Some(known) = known.as_ref().and_then(|known| Oid::from_str(known).ok())
                && self.repository.find_commit(known).is_ok()
            {
                walk.hide(known).context(cannot)?;
            }
            if !remote.contains(['*', '?', '[', ':', '/']) {
                walk.hide_glob(&format!("refs/remotes/{remote}/*")).context(cannot)?;
            }
        }
        let path = self.prefix.join(LOCK);
        let (mut seen, mut locks) = (HashSet::new(), Vec::new());
        for id in walk {
            let commit = id.and_then(|id| self.repository.find_commit(id)).context(cannot)?;
            let Ok(entry) = commit.tree().context(cannot)?.get_path(&path) else { continue };
            if seen.insert(entry.id()) {
                locks.push(self.lock_of(&commit)?);
            }
        }
        Ok(locks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_git_are_read() {
        let (a, b, none) = ("a".repeat(40), "b".repeat(40), "0".repeat(40));
        let parse =
            |new: &str, known: &str| Outgoing::parse(&format!("refs/heads/x {new} refs/heads/x {known}"), "origin");

        assert_eq!(parse(&a, &b).unwrap().known, Some(b.clone()));
        assert_eq!(parse(&a, &none).unwrap().known, None);
        assert_eq!(parse(&none, &b), None);
        assert_eq!(Outgoing::parse("", "origin"), None);
    }
}
