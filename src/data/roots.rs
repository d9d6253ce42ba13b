//! Roots: everything that names objects of the store, in this project and in the others that use it.

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::Value;

use super::verify::Problem;
use crate::digest::Object;
use crate::event::{Event, EventSink};
use crate::fs::quote;
use crate::project::git::Git;
use crate::project::lock::LockedPath;
use crate::project::{LOCK, Lock, MANIFEST, Project, ProjectPath};
use crate::store::{Named, Store, named_in};
use crate::{Digest, Error, Result};

/// The directory of the marks of runs that came from a remote.
pub const IMPORTED: &str = "imported";

/// How much of Git's history names what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Every commit that a reference reaches.
    Whole,
    /// The commits that references point at.
    Tips,
}

/// Who names an object, and whether this store must have it.
#[derive(Debug, Clone)]
pub struct Root {
    pub named: Named,
    /// With the totals that a lock says; a record need not say any.
    pub object: Option<Object>,
    /// For people.
    pub name: String,
    pub claim: Claim,
    pub origin: Origin,
}

/// Why an object is named; the stronger claim is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// A run or a version says that it was made from this; it may have been a file of Git.
    MadeFrom,
    /// Another commit or another project has it, and it may never have been brought here.
    Elsewhere,
    /// This store was given it.
    Needed,
}

/// What kind of thing names an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// A tracked path of the lock.
    Path,
    /// A step's output in the lock.
    Output,
    /// A run, a model or another record.
    Record,
    /// A step's dependency in the lock.
    Dependency,
    /// The lock of another commit.
    History,
    /// Another project that uses the store.
    Neighbour,
}

/// The other projects that use a store.
pub struct Neighbours {
    pub present: Vec<(Project, Store)>,
    /// Roots where no project lies.
    pub missing: Vec<PathBuf>,
    /// Why others can't be looked at.
    pub hidden: Vec<Error>,
}

impl Neighbours {
    pub fn of(project: &Project, store: &Store) -> Result<Self> {
        let mut neighbours = Self { present: Vec::new(), missing: Vec::new(), hidden: Vec::new() };
        for root in store.neighbours(project)? {
            match root.join(MANIFEST).symlink_metadata() {
                Err(error)
                    if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
                {
                    neighbours.missing.push(root);
                }
                Err(error) => {
                    neighbours.hidden.push(unreadable(&root, anyhow::Error::new(error).into()));
                }
                Ok(_) => {
                    let project = Project::neighbour(&root);
                    let store = store.beside(&project);
                    neighbours.present.push((project, store));
                }
            }
        }
        Ok(neighbours)
    }

    /// An error where a project that uses the store is not where it was.
    pub fn refuse_missing(&self) -> Result<()> {
        let Some(first) = self.missing.first() else { return Ok(()) };
        let more = match self.missing.len() {
            1 => String::new(),
            count => format!(" (nor are {} others)", count - 1),
        };
        Err(Error::failed(format!("the project `{}` uses this store and is not there{more}", quote(first))).with_hint(
            "what it needs would be taken for garbage: bring it back, or if it is gone for good (or was moved and used \
             since), run `mlx gc --forget-missing`",
        ))
    }

    /// An error where a project that uses the store can't be looked at.
    pub fn refuse_hidden(&mut self) -> Result<()> {
        self.hidden.pop().map_or(Ok(()), Err)
    }

    /// All that the present ones name.
    pub fn named(&self, history: History) -> Result<HashSet<Named>> {
        let mut named = HashSet::new();
        for (project, store) in &self.present {
            named.extend(
                named_by(project, store, history, &|_| true).map_err(|error| unreadable(project.root(), error))?,
            );
        }
        Ok(named)
    }
}

fn unreadable(root: &std::path::Path, error: Error) -> Error {
    let root = quote(root);
    error.context(format!("cannot read the project `{root}`, which uses this store too")).with_hint(format!(
        "who runs this must be able to read every project that uses the store; where another user owns it, Git asks for \
         `git config --global --add safe.directory {root}`"
    ))
}

/// Everything that the lock, the locks of Git and the records of a project name, dependencies included. Of the records,
/// those whose names are wanted.
///
/// # Errors
/// Where one of them can't be read, since it may name what would be taken for garbage.
pub fn named_by(
    project: &Project,
    store: &Store,
    history: History,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<HashSet<Named>> {
    if let Some(broken) = Git::unreadable(project)? {
        return Err(Error::failed(format!("`{}` can't be read as a Git repository", quote(&broken)))
            .with_hint("mend it or move it away: what its commits name would be taken for garbage"));
    }
    let mut named = store.named_in_records(is_wanted)?;
    for (_, lock) in locks(project, history)? {
        let deps = lock.steps.values().flat_map(|step| &step.deps).map(|dep| Named::from(&dep.object));
        named.extend(deps);
        named.extend(lock.entries().map(|(_, object)| Named::from(object)));
    }
    Ok(named)
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

/// Every root of the project, and of its neighbours as far as they can be read; what people know by name comes first.
pub fn all(
    project: &Project,
    store: &Store,
    history: History,
    problems: &mut Vec<Problem>,
    events: &dyn EventSink,
) -> Result<Vec<Root>> {
    let mut roots = of_locks(project, history)?;
    roots.extend(of_records(store, problems)?);
    let neighbours = Neighbours::of(project, store)?;
    for error in &neighbours.hidden {
        events.emit(Event::Warning { message: error.to_string(), hint: error.hint().map(str::to_owned) });
    }
    for (neighbour, store) in &neighbours.present {
        let mut theirs = of_locks(neighbour, history).and_then(|mut roots| {
            roots.extend(of_records(store, &mut Vec::new())?);
            Ok(roots)
        });
        if let Err(error) = &theirs {
            let message = format!("cannot tell what the project `{}` needs: {error}", quote(neighbour.root()));
            events.emit(Event::Warning { message, hint: error.hint().map(str::to_owned) });
            theirs = Ok(Vec::new());
        }
        roots.extend(theirs?.into_iter().map(|root| Root {
            name: format!("{} of {}", root.name, quote(neighbour.root())),
            claim: root.claim.min(Claim::Elsewhere),
            origin: Origin::Neighbour,
            ..root
        }));
    }
    roots.sort_by_key(|root| std::cmp::Reverse(root.claim));
    Ok(roots)
}

/// What [`named_by`] finds in the locks, with all that is to say of it.
fn of_locks(project: &Project, history: History) -> Result<Vec<Root>> {
    let (mut roots, mut deps) = (Vec::new(), HashSet::new());
    for (index, (at, lock)) in locks(project, history)?.into_iter().enumerate() {
        let is_current = index == 0;
        let claim = if is_current { Claim::Needed } else { Claim::Elsewhere };
        let name = |path: &ProjectPath| if is_current { path.to_string() } else { format!("{path} in {at}") };
        for LockedPath { path, object } in lock.steps.values().flat_map(|step| &step.deps) {
            let origin = if is_current { Origin::Dependency } else { Origin::History };
            let (named, claim) = (Named::from(object), Claim::MadeFrom);
            // Of many commits and steps with one dependency, the first names it.
            if !deps.insert(named) {
                continue;
            }
            roots.push(Root { named, object: Some(object.clone()), name: name(path), claim, origin });
        }
        for (path, object) in lock.entries() {
            let name = name(path);
            let origin = match is_current {
                true if lock.paths.contains_key(path) => Origin::Path,
                true => Origin::Output,
                false => Origin::History,
            };
            roots.push(Root { named: object.into(), object: Some(object.clone()), name, claim, origin });
        }
    }
    Ok(roots)
}

/// What [`named_by`] finds in the records, with all that is to say of it.
fn of_records(store: &Store, problems: &mut Vec<Problem>) -> Result<Vec<Root>> {
    let mut roots = Vec::new();
    let marks = store.records(IMPORTED)?;
    let imported: HashSet<&str> =
        marks.iter().filter_map(|mark| mark.strip_prefix(IMPORTED)?.strip_prefix('/')).collect();
    for name in store.records("")? {
        let bytes = store.record(&name)?.unwrap_or_default();
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            problems.push(Problem {
                digest: None,
                what: format!("the record `{name}` is damaged: it is not JSON"),
                breaks: vec![name],
                quarantined: None,
            });
            continue;
        };
        // A cache, which names nothing.
        if name.starts_with("steps/") {
            continue;
        }
        // What a run of another clone made may never have been here.
        let run = name.strip_prefix("runs/").filter(|run| imported.contains(*run));
        let kept_as = if run.is_some() { Claim::Elsewhere } else { Claim::Needed };
        let mut objects = HashSet::new();
        objects_of(&value, &mut objects);
        // Any other digest may be that of an object, and keeps it where it is here.
        let mut others = HashSet::new();
        named_in(&value, &mut others);
        let known: HashSet<Digest> = objects.iter().map(|(named, _)| named.digest).collect();
        objects.extend(others.into_iter().filter(|named| !known.contains(&named.digest)).map(|named| (named, false)));
        // Inputs of a run are named, but only outputs are kept by it.
        for (named, is_kept) in objects {
            let claim = if is_kept { kept_as } else { Claim::MadeFrom };
            roots.push(Root { named, object: None, name: name.clone(), claim, origin: Origin::Record });
        }
    }
    Ok(roots)
}

/// The digests in a record that name objects: those of files and directories, and of what is known to be kept as one.
/// Whether the record's writer stored it, too: dependencies are only named.
fn objects_of(value: &Value, found: &mut HashSet<(Named, bool)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| objects_of(item, found)),
        Value::Object(entries) => {
            let text = |key: &str| entries.get(key).and_then(Value::as_str);
            let digest = |key: &str| text(key).and_then(|text| text.parse::<Digest>().ok());
            let kept = ["patch", "log", "packages", "lock"].iter().filter_map(|key| digest(key));
            found.extend(kept.map(|digest| (Named { digest, is_directory: Some(false) }, true)));
            // An environment has a kind of its own, and a digest that is no object's.
            if let Some(kind @ ("file" | "executable" | "link" | "directory")) = text("kind") {
                let is_directory = Some(kind == "directory");
                found.extend(digest("digest").map(|digest| (Named { digest, is_directory }, true)));
            }
            for (key, item) in entries {
                let mut below = HashSet::new();
                objects_of(item, &mut below);
                let is_named_only = matches!(key.as_str(), "deps" | "data");
                found.extend(below.into_iter().map(|(named, is_kept)| (named, is_kept && !is_named_only)));
            }
        }
        _ => {}
    }
}
