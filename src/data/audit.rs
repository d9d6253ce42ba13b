//! Verify and garbage collection: what the project's roots reach, whether it is sound, and what nothing reaches.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::Workspace;
use crate::event::{Event, Unit, Watch};
use crate::fs::FileLock;
use crate::project::git::Git;
use crate::project::{LOCK, Lock, Project};
use crate::store::verify::State;
use crate::store::{BrokenPack, StoreError};
use crate::{Digest, Error, Result};

/// What a check of every object found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// Objects that were read and checked.
    pub objects: u64,
    pub problems: Vec<Problem>,
    /// Objects that only other commits name and that were never brought here: no fault of this store.
    pub elsewhere: u64,
}

impl Verified {
    /// Says no when something is wrong.
    pub fn verdict(&self) -> Result<()> {
        match self.problems.len() {
            0 => Ok(()),
            1 => Err(Error::check("an object or record is missing or damaged")),
            count => Err(Error::check(format!("{count} objects or records are missing or damaged"))),
        }
        .map_err(|error| {
            error.with_hint(
                "`mlx add` or `mlx train` stores again what the working tree still has; damaged files were put aside",
            )
        })
    }
}

/// An object or a record that is not what it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// `None` for a record.
    pub digest: Option<Digest>,
    /// What is wrong, in words.
    pub what: String,
    /// What it breaks: paths, runs, models.
    pub breaks: Vec<String>,
    /// Where the damaged object was put aside.
    pub quarantined: Option<String>,
}

/// What a garbage collection removed, or would remove.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Collected {
    /// Whether it was carried out.
    pub removed: bool,
    pub objects: u64,
    pub bytes: u64,
    /// Objects that something names.
    pub kept: u64,
    /// Objects that nothing names, but that are younger than the grace period.
    pub young: u64,
    /// Step-cache records that went with their objects.
    pub step_records: u64,
}

/// How much of Git's history names what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Every commit that a reference reaches.
    Whole,
    /// The commits that references point at.
    Tips,
}

/// Who names a digest, and whether this store must have it.
#[derive(Debug, Clone)]
struct Root {
    name: String,
    claim: Claim,
}

/// Why a digest is named; the stronger claim is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// A run or a version says that it was made from this; it may have been a file of Git.
    MadeFrom,
    /// Another commit has it, and it may never have been brought here.
    OtherCommit,
    /// This store was given it.
    Needed,
}

/// Reads every object of the store and looks for all that the lock, other commits' locks and the records reach; sets
/// damaged ones aside.
///
/// Commands that write to the project do not disturb it: what they have not finished is named by nothing yet.
pub fn verify(project: &Project, workspace: &Workspace, watch: Watch<'_>) -> Result<Verified> {
    // Held to the end: what is named now must not go before it is looked at.
    let _no_gc = workspace.store.hold_off_gc();
    let mut problems = Vec::new();
    // First of all, so that what could be saved of a damaged pack is found in its new place.
    for BrokenPack { name, what, saved, quarantined } in workspace.store.mend_packs()? {
        problems.push(Problem {
            digest: None,
            what: format!("the pack `{name}` is damaged: {what}; {saved} objects of it were saved"),
            breaks: Vec::new(),
            quarantined: Some(crate::fs::quote(quarantined)),
        });
    }
    let roots = roots(project, workspace, &mut problems)?;
    let mut reached = reach(workspace, roots)?;
    // What nothing names may be named tomorrow: storing the same content again would find it there.
    for digest in workspace.store.objects()? {
        reached.entry(digest).or_default();
    }
    let total = reached.len() as u64;
    let id = "verify".to_owned();
    watch.events.emit(Event::Started {
        id: id.clone(),
        what: "Checking objects".into(),
        total: Some(total),
        unit: Unit::Objects,
    });
    let done = AtomicU64::new(0);
    let check = |digest: &Digest| {
        watch.interrupt.check()?;
        let state = workspace.store.check(digest)?;
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        watch.events.emit(Event::Progress { id: id.clone(), done });
        Ok((*digest, state))
    };
    let checked = reached.par_iter().map(|(digest, _)| check(digest)).collect::<Result<Vec<_>>>();
    watch.events.emit(Event::Finished { id: id.clone() });
    let (mut objects, mut elsewhere) = (0, 0);
    for (digest, state) in checked? {
        let roots = &reached[&digest];
        let breaks = || roots.iter().map(|root| root.name.clone()).collect();
        match state {
            State::Sound => objects += 1,
            State::Missing if claim(roots) == Some(Claim::Needed) => problems.push(Problem {
                digest: Some(digest),
                what: "is missing".into(),
                breaks: breaks(),
                quarantined: None,
            }),
            // `mlx gc` of another process may have taken it meanwhile.
            State::Missing if roots.is_empty() => {}
            State::Missing => elsewhere += u64::from(claim(roots) == Some(Claim::OtherCommit)),
            State::Damaged(what) => {
                let quarantined = workspace.store.quarantine(&digest)?;
                problems.push(Problem {
                    digest: Some(digest),
                    what: format!("is damaged: {what}"),
                    breaks: breaks(),
                    quarantined: Some(crate::fs::quote(quarantined)),
                });
            }
        }
    }
    problems.sort_by(|a, b| (&a.breaks, &a.digest).cmp(&(&b.breaks, &b.digest)));
    workspace.store.sweep_temporaries()?;
    Ok(Verified { objects, problems, elsewhere })
}

/// Finds objects that nothing names and, if `remove` is set, removes them.
///
/// # Errors
/// Refuses when a lock or a record cannot be read, since it may name what would go.
pub fn collect_garbage(
    project: &Project,
    workspace: &Workspace,
    grace: Duration,
    history: History,
    remove: bool,
    watch: Watch<'_>,
) -> Result<Collected> {
    let store = &workspace.store;
    if let Some(broken) = Git::unreadable(project)? {
        let message = format!("`{}` can't be read as a Git repository", crate::fs::quote(&broken));
        return Err(Error::failed(message)
            .with_hint("mend it or move it away: what its commits name would be taken for garbage"));
    }
    let _alone: Option<FileLock> = remove.then(|| store.lock_for_gc("mlx gc", watch)).transpose()?;
    let mut digests = store.digests_in_records()?;
    digests.extend(locks(project, history)?.iter().flat_map(|(_, lock)| digests_of(lock)));
    let garbage = store.garbage(&store.reach(digests)?, grace)?;
    let mut collected = Collected {
        removed: remove,
        objects: garbage.objects.len() as u64,
        bytes: garbage.bytes,
        kept: garbage.kept,
        young: garbage.young,
        step_records: 0,
    };
    if remove {
        store.remove(&garbage, watch)?;
        collected.step_records = store.prune_step_records()?;
        store.sweep_temporaries()?;
        workspace.sweep_temporaries()?;
    }
    Ok(collected)
}

/// The project's lock and those of Git, each with a name for people.
fn locks(project: &Project, history: History) -> Result<Vec<(String, Lock)>> {
    let mut locks = vec![(LOCK.to_owned(), project.read_lock()?)];
    if let Some(git) = Git::of(project)? {
        let others = match history {
            History::Whole => git.locks_of_history(),
            History::Tips => git.locks_of_all_refs(),
        }?;
        locks.extend(others.into_iter().map(|at| (format!("commit {}", &at.commit[..12]), at.lock)));
    }
    Ok(locks)
}

fn digests_of(lock: &Lock) -> impl Iterator<Item = Digest> + '_ {
    let deps = lock.steps.values().flat_map(|step| &step.deps).map(|dep| dep.object.digest);
    lock.entries().map(|(_, object)| object.digest).chain(deps)
}

/// Every digest that should be an object, with who names it.
fn roots(project: &Project, workspace: &Workspace, problems: &mut Vec<Problem>) -> Result<Vec<(Digest, Root)>> {
    let mut roots = Vec::new();
    for (index, (name, lock)) in locks(project, History::Tips)?.into_iter().enumerate() {
        for (path, object) in lock.entries() {
            let name = if index == 0 { path.to_string() } else { format!("{path} in {name}") };
            let claim = if index == 0 { Claim::Needed } else { Claim::OtherCommit };
            roots.push((object.digest, Root { name, claim }));
        }
    }
    for name in workspace.store.records("")? {
        let bytes = workspace.store.record(&name)?.unwrap_or_default();
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            problems.push(Problem {
                digest: None,
                what: format!("the record `{name}` is damaged: it is not JSON"),
                breaks: vec![name],
                quarantined: None,
            });
            continue;
        };
        let is_cache = name.starts_with("steps/");
        let mut objects = HashSet::new();
        objects_of(&value, &mut objects);
        // Inputs of a run are named, but only outputs are kept by it.
        for (digest, is_kept) in objects {
            let claim = if is_kept && !is_cache { Claim::Needed } else { Claim::MadeFrom };
            roots.push((digest, Root { name: name.clone(), claim }));
        }
    }
    Ok(roots)
}

/// The digests in a record that name objects: those of files and directories, and of what is known to be kept as one.
/// Whether the record's writer stored it, too: dependencies are only named.
fn objects_of(value: &Value, found: &mut HashSet<(Digest, bool)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| objects_of(item, found)),
        Value::Object(entries) => {
            let digest = |key: &str| entries.get(key).and_then(Value::as_str).and_then(|text| text.parse().ok());
            let kept = ["patch", "log", "packages"].iter().filter_map(|key| digest(key));
            found.extend(kept.map(|digest| (digest, true)));
            if entries.contains_key("kind") {
                found.extend(digest("digest").map(|digest| (digest, true)));
            }
            for (key, item) in entries {
                let mut below = HashSet::new();
                objects_of(item, &mut below);
                let is_named_only = matches!(key.as_str(), "deps" | "data");
                found.extend(below.into_iter().map(|(digest, is_kept)| (digest, is_kept && !is_named_only)));
            }
        }
        _ => {}
    }
}

/// The strongest claim of those that name a digest; `None` where nobody does.
fn claim(roots: &[Root]) -> Option<Claim> {
    roots.iter().map(|root| root.claim).max()
}

/// All objects that the roots reach, each with up to a few of those that name it.
fn reach(workspace: &Workspace, roots: Vec<(Digest, Root)>) -> Result<BTreeMap<Digest, Vec<Root>>> {
    const NAMED: usize = 3;
    let mut reached: BTreeMap<Digest, Vec<Root>> = BTreeMap::new();
    let mut trees: HashMap<Digest, Vec<(Vec<u8>, Digest)>> = HashMap::new();
    // Taken from the end, so that what people know by name, the paths of the lock, comes first.
    let mut waiting = roots;
    waiting.reverse();
    while let Some((digest, root)) = waiting.pop() {
        let names = reached.entry(digest).or_default();
        let is_news = Some(root.claim) > claim(names);
        if names.len() < NAMED && !names.iter().any(|known| known.name == root.name) {
            names.push(root.clone());
        } else if is_news {
            names[0] = root.clone();
        }
        if !is_news {
            continue;
        }
        let entries = match trees.entry(digest) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(tree_entries(workspace, &digest)?),
        };
        let below = |(name, digest): &(Vec<u8>, Digest)| {
            let name = format!("{}/{}", root.name, crate::fs::escape(name));
            (*digest, Root { name, claim: root.claim })
        };
        waiting.extend(entries.iter().map(below));
    }
    Ok(reached)
}

/// What a tree lists; nothing for a file, and for a tree that is missing or damaged, which the check will say.
fn tree_entries(workspace: &Workspace, digest: &Digest) -> Result<Vec<(Vec<u8>, Digest)>> {
    if !workspace.store.may_be_tree(digest)? {
        return Ok(Vec::new());
    }
    match workspace.store.tree(digest) {
        Ok(tree) => Ok(tree.entries().iter().map(|entry| (entry.name.clone(), entry.object.digest)).collect()),
        Err(error) if error.downcast_ref::<StoreError>().is_some() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
