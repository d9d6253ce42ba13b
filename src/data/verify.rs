//! Verify: whether all that the project needs is here, and whether every object is what its name says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use rayon::prelude::*;
use serde::Serialize;

use super::Workspace;
use super::roots::{self, Claim, History, Root};
use crate::digest::Object;
use crate::event::{Event, Unit, Watch};
use crate::fs::{escape, quote};
use crate::project::Project;
use crate::remote::Remembered;
use crate::store::tree::Tree;
use crate::store::verify::State;
use crate::store::{BrokenPack, Named, Store, StoreError};
use crate::{Digest, Error, Result};

/// What a check of every object found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// Objects that were read and checked.
    pub objects: u64,
    pub problems: Vec<Problem>,
    /// Objects that are not here, and are no fault of this store: a remote had them when this machine looked last, or only
    /// other commits or projects name them.
    pub elsewhere: u64,
    /// Of these, objects that are needed here and that a remote had when this machine looked last; what a listing that is
    /// not here names is not known, and not counted.
    pub remembered: u64,
    /// The files that these stand for, as far as a lock says it: a directory counts with all that is below it.
    pub remembered_files: u64,
    /// When this machine looked at that remote last; of several remotes, the earliest.
    pub remembered_since: Option<Timestamp>,
}

impl Verified {
    /// Says no when something is wrong; `has_remote` says whether a remote is known that may have what is not.
    pub fn verdict(&self, has_remote: bool) -> Result<()> {
        match self.problems.len() {
            0 => Ok(()),
            1 => Err(Error::check("an object or record is missing or damaged")),
            count => Err(Error::check(format!("{count} objects or records are missing or damaged"))),
        }
        .map_err(|error| {
            let remote = if has_remote { "fetch good copies with `mlx pull --repair`; " } else { "" };
            error.with_hint(format!(
                "{remote}`mlx add` or `mlx train` stores again what the working tree still has; damaged files were put aside"
            ))
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

/// Reads every object of the store and looks for all that the lock, other commits' locks and the records reach; sets
/// damaged ones aside.
///
/// Commands that write to the project do not disturb it: what they have not finished is named by nothing yet.
pub fn verify(project: &Project, workspace: &Workspace, watch: Watch<'_>) -> Result<Verified> {
    let store = &workspace.store;
    // Held to the end: what is named now must not go before it is looked at.
    let _no_gc = store.hold_off_gc();
    let mut problems = Vec::new();
    // First of all, so that what could be saved of a damaged pack is found in its new place.
    for BrokenPack { name, what, saved, quarantined } in store.mend_packs()? {
        problems.push(Problem {
            digest: None,
            what: format!("the pack `{name}` is damaged: {what}; {saved} objects of it were saved"),
            breaks: Vec::new(),
            quarantined: quarantined.map(quote),
        });
    }
    let roots = roots::all(project, store, History::Tips, &mut problems, watch.events)?;
    let (claims, mut misnamed) = claims(store, &roots)?;
    // What nothing names may be named tomorrow: storing the same content again would find it there.
    let mut digests = store.objects()?;
    digests.extend(claims.keys());
    digests.par_sort_unstable();
    digests.dedup();
    let unsound = check(store, &digests, &claims, watch)?;
    let mut objects = (digests.len() - unsound.len()) as u64;
    let (mut elsewhere, mut was_there) = (0, Vec::new());
    // A clone need not have everything, as long as it can be had.
    let remembered =
        if unsound.is_empty() { Remembered::default() } else { Remembered::open(&project.state("remotes")) };
    let broken: HashSet<Digest> = unsound.iter().map(|(digest, _)| *digest).chain(misnamed.keys().copied()).collect();
    let mut names = if broken.is_empty() { HashMap::new() } else { names(store, &roots, &broken)? };
    for (digest, state) in unsound {
        let mut problem = |what: String, quarantined| {
            let breaks = names.remove(&digest).unwrap_or_default();
            problems.push(Problem { digest: Some(digest), what, breaks, quarantined });
        };
        match (state, claims.get(&digest).map(|claimed| claimed.claim)) {
            (State::Sound, _) => objects += 1,
            (State::OfOtherSize(size), _) => {
                objects += 1;
                misnamed
                    .entry(digest)
                    .or_insert_with(|| format!("it has {size} bytes, and is named with another size"));
            }
            (State::Missing, Some(Claim::Needed)) if remembered.contains(&digest) => was_there.push(digest),
            (State::Missing, Some(Claim::Needed)) => problem("is missing".into(), None),
            (State::Missing, claim) => elsewhere += u64::from(claim == Some(Claim::Elsewhere)),
            (State::Unreadable(why), _) => problem(format!("can't be read: {why}"), None),
            (State::Damaged(what), _) => match store.quarantine(&digest) {
                Ok(aside) => problem(format!("is damaged: {what}"), Some(quote(aside))),
                Err(error) => problem(format!("is damaged: {what}; it could not be put aside: {error}"), None),
            },
        }
    }
    // The object is sound; what names it is not, and must be mended.
    for (digest, what) in misnamed {
        let breaks = names.remove(&digest).unwrap_or_default();
        let what = format!("is not what it is named as: {what}");
        problems.push(Problem { digest: Some(digest), what, breaks, quarantined: None });
    }
    problems.sort_by(|a, b| (&a.breaks, &a.digest).cmp(&(&b.breaks, &b.digest)));
    store.sweep_temporaries()?;
    let said: HashMap<Digest, u64> =
        roots.iter().filter_map(|root| root.object.as_ref()).map(|object| (object.digest, object.files)).collect();
    let files = |digest: &Digest| said.get(digest).copied().unwrap_or(1);
    let since = remembered.since.filter(|_| !was_there.is_empty());
    Ok(Verified {
        objects,
        problems,
        elsewhere: elsewhere + was_there.len() as u64,
        remembered: was_there.len() as u64,
        remembered_files: was_there.iter().map(files).fold(0, u64::saturating_add),
        remembered_since: since.and_then(|at| Timestamp::try_from(at).ok()),
    })
}

/// Reads these objects; returns those that are not sound, or not as long as they are said to be.
fn check(store: &Store, digests: &[Digest], claims: &Claims, watch: Watch<'_>) -> Result<Vec<(Digest, State)>> {
    let id = "verify".to_owned();
    let (what, total) = ("Checking objects".to_owned(), Some(digests.len() as u64));
    watch.events.emit(Event::Started { id: id.clone(), what, total, unit: Unit::Objects });
    let done = AtomicU64::new(0);
    let check = |digest: &Digest| -> Result<Option<(Digest, State)>> {
        watch.interrupt.check()?;
        let size = claims.get(digest).filter(|claimed| claimed.claim == Claim::Needed).and_then(|claimed| claimed.size);
        let state = store.check_as(digest, size)?;
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        watch.events.emit(Event::Progress { id: id.clone(), done });
        Ok((state != State::Sound).then_some((*digest, state)))
    };
    let unsound = digests.par_iter().filter_map(|digest| check(digest).transpose()).collect();
    watch.events.emit(Event::Finished { id: id.clone() });
    unsound
}

/// What is known of an object from those who name it.
#[derive(Debug, Clone, Copy)]
struct Claimed {
    claim: Claim,
    /// The bytes of a file as the strongest claim says them; `None` where nobody does.
    size: Option<u64>,
}

type Claims = HashMap<Digest, Claimed>;

/// Something that names an object, and with what totals where it is not a record.
#[derive(Debug, Clone)]
struct Naming {
    named: Named,
    object: Option<Object>,
    claim: Claim,
}

/// All that the roots reach, each with the strongest claim to it; and what is needed and named as something that it is
/// not, with what it is.
fn claims(store: &Store, roots: &[Root]) -> Result<(Claims, BTreeMap<Digest, String>)> {
    let (mut claims, mut misnamed) = (Claims::new(), BTreeMap::new());
    // Directories, and what their listings say that they are.
    let mut followed: HashMap<Digest, (Claim, Option<(u64, u64)>)> = HashMap::new();
    let naming = |root: &Root| Naming { named: root.named, object: root.object.clone(), claim: root.claim };
    let mut waiting: Vec<Naming> = roots.iter().map(naming).collect();
    while let Some(Naming { named, object, claim }) = waiting.pop() {
        let mut misname = |what: String| {
            if claim == Claim::Needed {
                misnamed.entry(named.digest).or_insert(what);
            }
        };
        let is_directory = named.is_directory == Some(true);
        let size = object.as_ref().filter(|_| !is_directory).map(|object| object.size);
        let known = claims.entry(named.digest).or_insert(Claimed { claim, size });
        match (known.size, size) {
            (Some(one), Some(other)) if known.claim == claim && one != other => {
                misname(format!("it is named with {one} bytes and with {other}"));
            }
            (_, Some(_)) if known.claim < claim => known.size = size,
            (None, Some(_)) => known.size = size,
            _ => {}
        }
        known.claim = claim.max(known.claim);
        if named.is_directory == Some(false) {
            continue;
        }
        let before = followed.get(&named.digest).copied();
        let totals = match before {
            Some((before, totals)) if before >= claim => totals,
            _ => {
                let tree = match entries(store, &named)? {
                    Listing::Of(tree) => Some(tree),
                    Listing::None => None,
                    Listing::Wrong(wrong) => {
                        misname(format!("it is named as a directory, and {wrong}"));
                        None
                    }
                };
                let totals = tree.as_ref().and_then(Tree::totals);
                followed.insert(named.digest, (claim, totals));
                waiting.extend(tree.iter().flat_map(Tree::entries).map(|entry| Naming {
                    named: Named::from(&entry.object),
                    object: Some(entry.object.clone()),
                    claim,
                }));
                totals
            }
        };
        if let (Some(object), Some((size, files))) = (object.filter(|_| is_directory), totals)
            && (object.size, object.files) != (size, files)
        {
            misname(format!(
                "the directory holds {files} files of {size} bytes together, and is named with {} of {}",
                object.files, object.size
            ));
        }
    }
    Ok((claims, misnamed))
}

/// What each of these objects breaks: a few of the roots that reach it, with the way to it.
fn names(store: &Store, roots: &[Root], wanted: &HashSet<Digest>) -> Result<HashMap<Digest, Vec<String>>> {
    const NAMED: usize = 3;
    let mut names: HashMap<Digest, Vec<String>> = HashMap::new();
    let mut visits: HashMap<Digest, usize> = HashMap::new();
    // Taken from the end, so that what people know by name, the paths of the lock, comes first.
    let mut waiting: Vec<(Named, String)> = roots.iter().rev().map(|root| (root.named, root.name.clone())).collect();
    while let Some((named, name)) = waiting.pop() {
        if wanted.contains(&named.digest) {
            let names = names.entry(named.digest).or_default();
            if names.len() < NAMED && !names.contains(&name) {
                names.push(name.clone());
            }
        }
        let visits = visits.entry(named.digest).or_default();
        *visits += 1;
        if named.is_directory == Some(false) || *visits > NAMED {
            continue;
        }
        let Listing::Of(tree) = entries(store, &named)? else { continue };
        let below = tree.entries().iter().rev().map(|entry| (&entry.name, Named::from(&entry.object)));
        // Of files only those that are asked for, which are few.
        let below = below.filter(|(_, named)| named.is_directory == Some(true) || wanted.contains(&named.digest));
        waiting.extend(below.map(|(entry, named)| (named, format!("{name}/{}", escape(entry)))));
    }
    Ok(names)
}

/// What a directory lists.
enum Listing {
    Of(Tree),
    /// It is a file; or it is missing or damaged, which the check will say.
    None,
    /// It is named as a directory and sound, but none.
    Wrong(String),
}

fn entries(store: &Store, named: &Named) -> Result<Listing> {
    let is_sure = named.is_directory == Some(true);
    if !is_sure && !store.may_be_tree(&named.digest)? {
        return Ok(Listing::None);
    }
    match store.tree(&named.digest) {
        Ok(tree) => Ok(Listing::Of(tree)),
        Err(error) => match error.downcast_ref::<StoreError>() {
            Some(StoreError::NotADirectory { wrong, .. }) if is_sure => Ok(Listing::Wrong(wrong.to_string())),
            Some(_) => Ok(Listing::None),
            None => Err(error),
        },
    }
}
