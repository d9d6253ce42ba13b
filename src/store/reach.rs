//! Reaching: from what something names to all objects that it needs.

use std::collections::{HashMap, HashSet};

use super::tree::{NotATree, Tree};
use super::{Store, StoreError};
use crate::digest::Object;
use crate::fs::quote;
use crate::{Digest, Error, Result};

/// So many paths a version of a directory may have: to walk over more takes days, and listings of a few kilobytes that name
/// each other again and again can claim far more.
pub const MOST_PATHS: u64 = 100_000_000;

/// An object that something names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Named {
    pub digest: Digest,
    /// `None` where whoever names it does not say.
    pub is_directory: Option<bool>,
}

impl From<Digest> for Named {
    fn from(digest: Digest) -> Self {
        Self { digest, is_directory: None }
    }
}

impl From<&Object> for Named {
    fn from(object: &Object) -> Self {
        Self { digest: object.digest, is_directory: Some(object.is_directory()) }
    }
}

impl Store {
    /// Every object that a record with a wanted name names, whatever the record; those below `steps` are a cache and name
    /// nothing.
    pub fn named_in_records(&self, is_wanted: &dyn Fn(&str) -> bool) -> Result<HashSet<Named>> {
        let mut named = HashSet::new();
        for name in self.records("")?.iter().filter(|name| !name.starts_with("steps/") && is_wanted(name)) {
            let bytes = self.record(name)?.unwrap_or_default();
            let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| {
                Error::failed(format!("the record `{name}` cannot be read: {error}"))
                    .with_hint("it may name objects that are needed; move it out of the store to go on without it")
            })?;
            named_in(&value, &mut named);
        }
        Ok(named)
    }

    /// All that the roots reach, themselves included: a directory reaches what it lists. What was never brought here is
    /// passed over.
    ///
    /// # Errors
    /// Where what a directory lists can't be told, because it is damaged or was put aside, so that what it needs would be
    /// taken for garbage.
    pub fn reach<N: Into<Named>>(&self, roots: impl IntoIterator<Item = N>) -> Result<HashSet<Digest>> {
        self.walk(roots.into_iter().map(Into::into).collect(), Err)
    }

    /// As [`Store::reach`], for who only counts: what can't be told is passed over.
    pub fn reach_leniently(&self, roots: impl IntoIterator<Item = Named>) -> Result<HashSet<Digest>> {
        self.walk(roots.into_iter().collect(), |_| Ok(None))
    }

    fn walk(&self, mut waiting: Vec<Named>, untold: impl Fn(Error) -> Result<Option<Tree>>) -> Result<HashSet<Digest>> {
        let mut reached = HashSet::new();
        let mut followed = HashSet::new();
        while let Some(named) = waiting.pop() {
            reached.insert(named.digest);
            if named.is_directory == Some(false) || !followed.insert(named) {
                continue;
            }
            for entry in self.listing(&named).or_else(&untold)?.iter().flat_map(Tree::entries) {
                match entry.object.is_directory() {
                    true => waiting.push(Named::from(&entry.object)),
                    false => drop(reached.insert(entry.object.digest)),
                }
            }
        }
        Ok(reached)
    }

    /// As [`Store::count_paths`], for who looks at a part of a directory only: refuses one that says itself that it has more
    /// files, and reads nothing.
    pub fn check_files(&self, object: &Object) -> Result<()> {
        if object.files > MOST_PATHS { Err(too_many(object.files)) } else { Ok(()) }
    }

    /// Counts the paths below a directory before somebody walks over them, from what each listing, which is read once,
    /// says of its part. What is not here counts as one.
    ///
    /// # Errors
    /// More than [`MOST_PATHS`], and a listing that is not what it is named as.
    pub fn count_paths(&self, root: &Object) -> Result<u64> {
        struct Open {
            object: Object,
            own: u64,
            below: Vec<Object>,
        }
        let open = |object: Object| -> Result<Open> {
            let tree = match self.tree_of(&object) {
                Err(error) if matches!(error.downcast_ref(), Some(StoreError::Missing { .. })) => Tree::default(),
                tree => tree?,
            };
            let below = tree.entries().iter().map(|entry| &entry.object).filter(|object| object.is_directory());
            let (own, below) = (tree.entries().len() as u64, below.cloned().collect());
            Ok(Open { object, own, below })
        };
        let mut counted: HashMap<Digest, u64> = HashMap::new();
        // No recursion: how deep it goes is for others to say.
        let mut stack = vec![open(root.clone())?];
        while let Some(top) = stack.last() {
            if let Some(next) = top.below.iter().find(|object| !counted.contains_key(&object.digest)) {
                let next = open(next.clone())?;
                stack.push(next);
                continue;
            }
            let paths = top.below.iter().fold(top.own, |sum, object| sum.saturating_add(counted[&object.digest]));
            if paths > MOST_PATHS {
                return Err(too_many(paths));
            }
            counted.insert(top.object.digest, paths);
            stack.pop();
        }
        Ok(counted.get(&root.digest).copied().unwrap_or(0))
    }

    /// What a directory lists; `None` for a file, and for what is not here.
    fn listing(&self, Named { digest, is_directory }: &Named) -> Result<Option<Tree>> {
        let is_sure = *is_directory == Some(true);
        if !is_sure && !self.may_be_tree(digest)? {
            return Ok(None);
        }
        let untold = |error: Error, hint: &str| {
            Err(error.context(format!("what the directory {digest} holds can't be told")).with_hint(hint.to_owned()))
        };
        let bytes = match self.read(digest) {
            Ok(bytes) => bytes,
            Err(error) => {
                return match error.downcast_ref::<StoreError>() {
                    Some(StoreError::Missing { .. }) => match self.set_aside(digest).filter(|_| is_sure) {
                        None => Ok(None),
                        Some(aside) => untold(
                            Error::failed(format!("it was damaged and lies in `{}`", quote(&aside))),
                            "bring a good copy with `mlx pull --repair` or `mlx add`, or delete that file to give up \
                             what only this directory names",
                        ),
                    },
                    Some(StoreError::Damaged { found, .. }) => untold(
                        Error::failed(format!("it is damaged: {found}")),
                        "`mlx verify` puts what is damaged aside",
                    ),
                    _ => Err(error),
                };
            }
        };
        match Tree::decode(&bytes) {
            Ok(tree) => Ok(Some(tree)),
            Err(error @ NotATree::Version(_)) => untold(Error::failed(error), "install the mlx that wrote it"),
            Err(error) if is_sure => untold(Error::failed(error), "`mlx add` it again from the working tree"),
            // A file may begin as a tree does.
            Err(_) => Ok(None),
        }
    }

    /// Whether the object begins as a tree does.
    pub fn may_be_tree(&self, digest: &Digest) -> Result<bool> {
        use std::io::Read;
        let file = match self.open_object(digest) {
            Ok(file) => file,
            Err(error) if error.downcast_ref::<StoreError>().is_some() => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut start = Vec::new();
        // What can't be read to there is damaged, and the business of `mlx verify`.
        let read = file.take(9).read_to_end(&mut start);
        Ok(read.is_ok() && start == b"mlx tree ")
    }
}

fn too_many(paths: u64) -> Error {
    Error::failed(format!("a directory claims {paths} paths, and {MOST_PATHS} are the most that mlx walks over"))
        .with_hint("ask for a part of it by name; whoever made that version may mean harm")
}

/// The objects in a record: those whose kind it says, and every other digest.
pub fn named_in(value: &serde_json::Value, named: &mut HashSet<Named>) {
    match value {
        serde_json::Value::String(text) => named.extend(text.parse().ok().map(|digest: Digest| Named::from(digest))),
        serde_json::Value::Array(items) => items.iter().for_each(|item| named_in(item, named)),
        serde_json::Value::Object(entries) => {
            let text = |key: &str| entries.get(key).and_then(serde_json::Value::as_str);
            let digest = text("digest").and_then(|digest| digest.parse().ok());
            let is_directory = match text("kind") {
                Some("directory") => Some(true),
                Some("file" | "executable" | "link") => Some(false),
                _ => None,
            };
            named.extend(digest.map(|digest| Named { digest, is_directory }));
            let others = entries.iter().filter(|(key, _)| digest.is_none() || *key != "digest");
            others.for_each(|(_, item)| named_in(item, named));
        }
        _ => {}
    }
}
