//! Before a `git push`: which data that the pushed commits name is on no remote yet.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::Watch;
use crate::project::git::Git;
use crate::project::{Outgoing, Project, ProjectPath};
use crate::remote::{self, Access, Catalog};
use crate::{Digest, Error, Result};

/// What is asked about remotes at once.
const JOBS: usize = 4;

/// What the pushed commits name.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Checked {
    /// Commits whose locks were looked at, each different lock once.
    pub locks: u64,
    /// Data and outputs that are on no remote.
    pub absent: Vec<Absent>,
    /// Remotes that could not be asked, and why.
    pub unasked: Vec<Unasked>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Absent {
    pub path: ProjectPath,
    pub digest: Digest,
    /// A commit whose lock names it.
    pub commit: String,
    /// Whether the newest pushed commit of a branch names it, or older ones only.
    pub is_newest: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unasked {
    pub remote: String,
    pub why: String,
}

/// Looks for everything that the locks of outgoing commits name on the remotes of the manifest. What is on one of them is
/// fine; of a directory, its listing decides, which is sent after what it lists.
pub fn check_pushed(project: &Project, outgoing: &[Outgoing], access: &Access, watch: Watch<'_>) -> Result<Checked> {
    let git = Git::of(project)?.ok_or_else(|| Error::usage("this project lies in no Git repository"))?;
    let locks = git.outgoing_locks(outgoing)?;
    let mut named: BTreeMap<(ProjectPath, Digest), (String, bool)> = BTreeMap::new();
    for at in &locks {
        let is_newest = outgoing.iter().any(|outgoing| outgoing.new == at.commit);
        for (path, object) in at.lock.entries() {
            let found = named.entry((path.clone(), object.digest)).or_insert_with(|| (at.commit.clone(), false));
            found.1 |= is_newest;
        }
    }
    let mut checked = Checked { locks: locks.len() as u64, ..Checked::default() };
    for name in project.manifest.remotes.keys() {
        if named.is_empty() {
            break;
        }
        match catalog(project, name, access, watch) {
            Ok(catalog) => named.retain(|(_, digest), _| catalog.find(digest).is_none()),
            Err(error) if error.kind() == crate::Kind::Interrupted => return Err(error),
            Err(error) => checked.unasked.push(Unasked { remote: name.clone(), why: error.to_string() }),
        }
    }
    let absent = |((path, digest), (commit, is_newest))| Absent { path, digest, commit, is_newest };
    checked.absent = named.into_iter().map(absent).collect();
    Ok(checked)
}

fn catalog(project: &Project, name: &str, access: &Access, watch: Watch<'_>) -> Result<Catalog> {
    let (_, remote) = remote::of_project(project, Some(name), access)?;
    Catalog::read(&*remote, &project.state("remotes"), JOBS, watch)
}
