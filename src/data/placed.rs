//! What this working copy was given: the paths that mlx put into the working tree or took from it, and as which version.
//!
//! Git forgets the line of `.gitignore` and the block of the lock together when it goes to a commit that has neither; the
//! data stays behind, and nothing would say that it is not Git's. `.mlx/placed` remembers it. It is JSON, is written whenever
//! the lock and the working tree come together, and may be deleted: then what lies there is taken for the user's own.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::roots::{self, History};
use super::{Restored, Workspace};
use crate::digest::Object;
use crate::event::Watch;
use crate::fs::{FileLock, read_optional, replace};
use crate::project::{LOCK, Lock, Project, ProjectPath};
use crate::{Digest, Kind, Result};

const FILE: &str = "placed";
const VERSION: u64 = 1;

/// A path as it was when lock and working tree came together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    #[serde(flatten)]
    pub object: Object,
    /// What the lock named: the object itself, or the tracked directory that it is a part of.
    pub locked: Digest,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u64,
    paths: BTreeMap<ProjectPath, Placed>,
}

/// Something that no lock names any more, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOver {
    pub path: ProjectPath,
    pub removed: bool,
    /// Why it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Remembers that these paths are in the working tree as the lock names them. What can't be written down is not remembered:
/// nothing is lost by that.
pub fn remember(project: &Project, placed: impl IntoIterator<Item = (ProjectPath, Placed)>) {
    let placed: BTreeMap<ProjectPath, Placed> = placed.into_iter().collect();
    if placed.is_empty() {
        return;
    }
    let _ = change(project, |paths| {
        paths.retain(|path, _| !ancestors(path).skip(1).any(|above| placed.contains_key(&above)));
        for (path, new) in placed {
            // A part of what is there as a whole, in the same version, says nothing new.
            let above = ancestors(&path).skip(1).find_map(|above| paths.get(&above));
            if above.is_none_or(|above| above.locked != new.locked) {
                paths.insert(path, new);
            }
        }
    });
}

/// Remembers paths that the lock names as a whole.
pub fn remember_whole<'a>(project: &Project, placed: impl IntoIterator<Item = (&'a ProjectPath, &'a Object)>) {
    let whole = |(path, object): (&ProjectPath, &Object)| {
        (path.clone(), Placed { object: object.clone(), locked: object.digest })
    };
    remember(project, placed.into_iter().map(whole));
}

/// Takes these paths, and what lies in them, for the user's own from now on.
pub fn forget(project: &Project, gone: &BTreeSet<ProjectPath>) {
    let _ = change(project, |paths| paths.retain(|path, _| !ancestors(path).any(|above| gone.contains(&above))));
}

/// What lies in the working tree although none of these locks names it any more.
pub fn left_over(project: &Project, locks: &[&Lock]) -> Vec<(ProjectPath, Placed)> {
    let mut placed = read(project);
    if placed.is_empty() {
        return Vec::new();
    }
    let named = locks.iter().flat_map(|lock| lock.entries()).map(|(path, _)| path);
    // What the manifest names as data waits to be added.
    let named: HashSet<&ProjectPath> = named.chain(project.manifest.data.values().map(|data| &data.path)).collect();
    placed.retain(|path, _| !ancestors(path).any(|above| named.contains(&above)));
    placed.retain(|path, _| path.below(project.root()).symlink_metadata().is_ok());
    placed.into_iter().collect()
}

/// Removes what none of these locks names any more, as far as that loses nothing: what is as it was, is in the store, and is
/// named by a commit or a record, so that it can be brought back.
pub(super) fn clear(
    project: &Project,
    workspace: &Workspace,
    locks: &[&Lock],
    watch: Watch<'_>,
) -> Result<(Vec<LeftOver>, Restored)> {
    let (mut cleared, mut restored) = (Vec::new(), Restored::default());
    let left_over = left_over(project, locks);
    if left_over.is_empty() {
        return Ok((cleared, restored));
    }
    let kept: HashSet<Digest> = match roots::named_by(project, workspace.store(), History::Whole, &|_| true) {
        Ok(named) => named.into_iter().map(|named| named.digest).collect(),
        // Where that can't be told, everything stays.
        Err(_) => HashSet::new(),
    };
    let mut gone = BTreeSet::new();
    for (path, placed) in left_over {
        let inside = locks.iter().flat_map(|lock| lock.entries()).find(|(entry, _)| entry.is_within(&path));
        let why = match inside {
            Some((entry, _)) => Some(format!("{LOCK} names `{entry}` in it")),
            None if !kept.contains(&placed.locked) => Some("no commit and no run names this version of it".into()),
            None => remove(project, workspace, &path, &placed, &mut restored, watch)?,
        };
        if why.is_none() {
            gone.insert(path.clone());
        }
        cleared.push(LeftOver { path, removed: why.is_none(), why });
    }
    forget(project, &gone);
    Ok((cleared, restored))
}

/// Removes a path that is as it was; says why it stays otherwise.
fn remove(
    project: &Project,
    workspace: &Workspace,
    path: &ProjectPath,
    placed: &Placed,
    restored: &mut Restored,
    watch: Watch<'_>,
) -> Result<Option<String>> {
    project.resolve(path)?;
    let removed = match workspace.object(path, watch) {
        Ok(present) if present.as_ref() == Some(&placed.object) => workspace.remove(path, false, watch),
        Ok(_) => return Ok(Some("it was changed since".into())),
        Err(error) => Err(error),
    };
    match removed {
        Ok(done) => *restored += done,
        Err(error) if error.kind() == Kind::Usage => return Ok(Some(error.to_string())),
        Err(error) => return Err(error),
    }
    Ok(None)
}

fn read(project: &Project) -> BTreeMap<ProjectPath, Placed> {
    let bytes = read_optional(&project.state(FILE)).ok().flatten().unwrap_or_default();
    let document = serde_json::from_slice::<Document>(&bytes).ok();
    document.filter(|document| document.version == VERSION).map_or_else(BTreeMap::new, |document| document.paths)
}

fn change(project: &Project, change: impl FnOnce(&mut BTreeMap<ProjectPath, Placed>)) -> Result<()> {
    let _alone = FileLock::exclusive(&project.state("locks/placed"), "mlx", |_| {})?;
    let before = read(project);
    let mut paths = before.clone();
    change(&mut paths);
    if paths == before {
        return Ok(());
    }
    let bytes = serde_json::to_vec(&Document { version: VERSION, paths }).unwrap_or_default();
    replace(&project.state(FILE), &project.scratch(), |out| out.write_all(&bytes))
}

/// The path itself, then the directories that it lies in.
pub(super) fn ancestors(path: &ProjectPath) -> impl Iterator<Item = ProjectPath> {
    std::iter::successors(Some(path.clone()), ProjectPath::parent)
}
