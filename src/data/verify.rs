//! Verify: whether all that the project needs is here, and whether every object is what its name says.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::Serialize;

use super::Workspace;
use super::roots::{self, Claim, History, Root};
use crate::event::{Event, Unit, Watch};
use crate::fs::{escape, quote};
use crate::project::Project;
use crate::remote::Remembered;
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
    let claims = claims(store, &roots)?;
    // What nothing names may be named tomorrow: storing the same content again would find it there.
    let mut digests = store.objects()?;
    digests.extend(claims.keys());
    digests.par_sort_unstable();
    digests.dedup();
    let unsound = check(store, &digests, watch)?;
    let mut objects = (digests.len() - unsound.len()) as u64;
    let mut elsewhere = 0;
    // A clone need not have everything, as long as it can be had.
    let remembered =
        if unsound.is_empty() { Remembered::default() } else { Remembered::open(&project.state("remotes")) };
    let broken: HashSet<Digest> = unsound.iter().map(|(digest, _)| *digest).collect();
    let mut names = if broken.is_empty() { HashMap::new() } else { names(store, &roots, &broken)? };
    for (digest, state) in unsound {
        let mut problem = |what: String, quarantined| {
            let breaks = names.remove(&digest).unwrap_or_default();
            problems.push(Problem { digest: Some(digest), what, breaks, quarantined });
        };
        match (state, claims.get(&digest)) {
            (State::Sound, _) => objects += 1,
            (State::Missing, Some(Claim::Needed)) if remembered.contains(&digest) => elsewhere += 1,
            (State::Missing, Some(Claim::Needed)) => problem("is missing".into(), None),
            (State::Missing, claim) => elsewhere += u64::from(claim == Some(&Claim::Elsewhere)),
            (State::Unreadable(why), _) => problem(format!("can't be read: {why}"), None),
            (State::Damaged(what), _) => match store.quarantine(&digest) {
                Ok(aside) => problem(format!("is damaged: {what}"), Some(quote(aside))),
                Err(error) => problem(format!("is damaged: {what}; it could not be put aside: {error}"), None),
            },
        }
    }
    problems.sort_by(|a, b| (&a.breaks, &a.digest).cmp(&(&b.breaks, &b.digest)));
    store.sweep_temporaries()?;
    Ok(Verified { objects, problems, elsewhere })
}

/// Reads these objects; returns those that are not sound.
fn check(store: &Store, digests: &[Digest], watch: Watch<'_>) -> Result<Vec<(Digest, State)>> {
    let id = "verify".to_owned();
    let (what, total) = ("Checking objects".to_owned(), Some(digests.len() as u64));
    watch.events.emit(Event::Started { id: id.clone(), what, total, unit: Unit::Objects });
    let done = AtomicU64::new(0);
    let check = |digest: &Digest| -> Result<Option<(Digest, State)>> {
        watch.interrupt.check()?;
        let state = store.check(digest)?;
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        watch.events.emit(Event::Progress { id: id.clone(), done });
        Ok((state != State::Sound).then_some((*digest, state)))
    };
    let unsound = digests.par_iter().filter_map(|digest| check(digest).transpose()).collect();
    watch.events.emit(Event::Finished { id: id.clone() });
    unsound
}

/// All that the roots reach, each with the strongest claim to it.
fn claims(store: &Store, roots: &[Root]) -> Result<HashMap<Digest, Claim>> {
    let mut claims: HashMap<Digest, Claim> = HashMap::new();
    let mut followed: HashMap<Digest, Claim> = HashMap::new();
    let mut waiting: Vec<(Named, Claim)> = roots.iter().map(|root| (root.named, root.claim)).collect();
    while let Some((named, claim)) = waiting.pop() {
        let known = claims.entry(named.digest).or_insert(claim);
        *known = claim.max(*known);
        if named.is_directory == Some(false) || followed.get(&named.digest).is_some_and(|known| *known >= claim) {
            continue;
        }
        followed.insert(named.digest, claim);
        waiting.extend(entries(store, &named)?.into_iter().map(|(_, named)| (named, claim)));
    }
    Ok(claims)
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
        let below = entries(store, &named)?.into_iter().rev();
        // Of files only those that are asked for, which are few.
        let below = below.filter(|(_, named)| named.is_directory == Some(true) || wanted.contains(&named.digest));
        waiting.extend(below.map(|(entry, named)| (named, format!("{name}/{}", escape(&entry)))));
    }
    Ok(names)
}

/// What a tree lists; nothing for a file, and for a tree that is missing or damaged, which the check will say.
fn entries(store: &Store, named: &Named) -> Result<Vec<(Vec<u8>, Named)>> {
    if named.is_directory != Some(true) && !store.may_be_tree(&named.digest)? {
        return Ok(Vec::new());
    }
    match store.tree(&named.digest) {
        Ok(tree) => Ok(tree.entries().iter().map(|entry| (entry.name.clone(), Named::from(&entry.object))).collect()),
        Err(error) if error.downcast_ref::<StoreError>().is_some() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
