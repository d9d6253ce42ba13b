//! Merging `mlx.lock`: two versions of it that came from a common one, block by block, for Git.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::lock::{self, Lock, Origin};
use super::{LOCK, ProjectPath};
use crate::digest::Object;

/// A merged lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// What the file holds now: a lock, or one with conflict markers around each block that conflicts.
    pub text: String,
    pub conflicts: Vec<Conflict>,
}

/// What both sides changed in different ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Conflict {
    Path(String),
    Step(String),
    /// The whole file, because one side of it can't be read; says why.
    File(String),
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => write!(f, "path `{path}`"),
            Self::Step(name) => write!(f, "step `{}`", crate::fs::escape(name.as_bytes())),
            Self::File(why) => write!(f, "the whole file ({why})"),
        }
    }
}

/// Merges the bytes of three lock files. What one side changed is taken from it; where both changed the same block in
/// different ways, both stand between conflict markers.
///
/// Git gives an empty `base` for a file that both sides added. A base that can't be read, such as one with conflicts of its
/// own, decides nothing: then all blocks that differ conflict.
pub fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Merged {
    let read = |bytes: &[u8], side: &str| match bytes {
        [] => Ok(Lock::default()),
        bytes => Lock::parse(bytes, &format!("{LOCK} of {side}")),
    };
    let base = read(base, "the common ancestor").ok();
    match read(ours, "ours").and_then(|ours| Ok((ours, read(theirs, "theirs")?))) {
        Ok((ours, theirs)) => merge_locks(base.as_ref(), &ours, &theirs),
        Err(error) => {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            Merged {
                text: between_markers(&text(ours), &text(theirs)),
                conflicts: vec![Conflict::File(error.to_string())],
            }
        }
    }
}

fn merge_locks(base: Option<&Lock>, ours: &Lock, theirs: &Lock) -> Merged {
    let steps = merge_blocks(base.map(|base| &base.steps), &ours.steps, &theirs.steps);
    let (base, ours, theirs) = (base.map(tracked), tracked(ours), tracked(theirs));
    let mut paths = merge_blocks(base.as_ref(), &ours, &theirs);
    part_overlapping(&mut paths, &ours, &theirs);
    let of_paths = paths.values().flat_map(Block::sides).map(|(_, origin)| lock::path_version(*origin));
    let of_steps = steps.values().flat_map(Block::sides).map(lock::step_version);
    let mut merged = Merged { text: lock::head(of_paths.chain(of_steps)), conflicts: Vec::new() };
    for (path, block) in paths {
        let text = |(object, origin): &Tracked<'_>| lock::path_block(path, object, *origin);
        merged.push(block, text, || Conflict::Path(path.to_string()));
    }
    for (name, block) in steps {
        merged.push(block, |step| lock::step_block(name, step), || Conflict::Step(name.clone()));
    }
    merged
}

/// What the block of a path says.
type Tracked<'l> = (&'l Object, Option<&'l Origin>);

fn tracked(lock: &Lock) -> BTreeMap<&ProjectPath, Tracked<'_>> {
    lock.paths.iter().map(|(path, object)| (path, (object, lock.origins.get(path)))).collect()
}

/// What becomes of one block.
enum Block<'l, T> {
    Taken(&'l T),
    Conflict { ours: Option<&'l T>, theirs: Option<&'l T> },
}

impl<'l, T> Block<'l, T> {
    /// What the file holds of it.
    fn sides(&self) -> impl Iterator<Item = &'l T> + use<'l, T> {
        let (ours, theirs) = match self {
            Self::Taken(block) => (Some(*block), None),
            Self::Conflict { ours, theirs } => (*ours, *theirs),
        };
        ours.into_iter().chain(theirs)
    }
}

impl Merged {
    fn push<T>(&mut self, block: Block<'_, T>, text: impl Fn(&T) -> String, name: impl FnOnce() -> Conflict) {
        match block {
            Block::Taken(block) => self.text.push_str(&text(block)),
            Block::Conflict { ours, theirs } => {
                let side = |side: Option<&T>| side.map_or(String::new(), |block| text(block).trim_start().to_owned());
                self.text.push('\n');
                self.text.push_str(&between_markers(&side(ours), &side(theirs)));
                self.conflicts.push(name());
            }
        }
    }
}

fn merge_blocks<'l, K: Ord, T: PartialEq>(
    base: Option<&BTreeMap<K, T>>,
    ours: &'l BTreeMap<K, T>,
    theirs: &'l BTreeMap<K, T>,
) -> BTreeMap<&'l K, Block<'l, T>> {
    let names: BTreeSet<&K> = ours.keys().chain(theirs.keys()).collect();
    let merge = |name| {
        let (ours, theirs) = (ours.get(name), theirs.get(name));
        let taken = match base.map(|base| base.get(name)) {
            _ if ours == theirs => ours,
            Some(base) if base == ours => theirs,
            Some(base) if base == theirs => ours,
            _ => return Some((name, Block::Conflict { ours, theirs })),
        };
        // What both or one of them removed is gone.
        taken.map(|block| (name, Block::Taken(block)))
    };
    names.into_iter().filter_map(merge).collect()
}

/// A path of one side that lies within a path of the other can't be tracked beside it.
fn part_overlapping<'l, T>(
    paths: &mut BTreeMap<&'l &'l ProjectPath, Block<'l, T>>,
    ours: &'l BTreeMap<&'l ProjectPath, T>,
    theirs: &'l BTreeMap<&'l ProjectPath, T>,
) {
    let taken = |from: &BTreeMap<&ProjectPath, T>, other: &BTreeMap<&ProjectPath, T>| {
        let is_alone = |(path, block): &(&&'l &'l ProjectPath, &Block<'l, T>)| {
            from.contains_key(**path) && !other.contains_key(**path) && matches!(block, Block::Taken(_))
        };
        paths.iter().filter(is_alone).map(|(path, _)| *path).collect::<Vec<_>>()
    };
    let (of_ours, of_theirs) = (taken(ours, theirs), taken(theirs, ours));
    let overlap = |a: &ProjectPath, b: &ProjectPath| a.is_within(b) || b.is_within(a);
    for path in of_ours.iter().filter(|path| of_theirs.iter().any(|other| overlap(path, other))) {
        paths.insert(path, Block::Conflict { ours: ours.get(*path), theirs: None });
    }
    for path in of_theirs.iter().filter(|path| of_ours.iter().any(|other| overlap(path, other))) {
        paths.insert(path, Block::Conflict { ours: None, theirs: theirs.get(*path) });
    }
}

fn between_markers(ours: &str, theirs: &str) -> String {
    let end = |text: &str| if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("<<<<<<< ours\n{ours}{}=======\n{theirs}{}>>>>>>> theirs\n", end(ours), end(theirs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;
    use crate::digest::ObjectKind;
    use crate::project::lock::LockedStep;
    use proptest::prelude::*;

    fn object(content: &str) -> Object {
        Object { kind: ObjectKind::File, digest: Digest::of(content), size: content.len() as u64, files: 1 }
    }

    fn step(cmd: &str) -> LockedStep {
        LockedStep {
            key: Digest::of(cmd),
            cmd: cmd.into(),
            dir: (cmd == "2").then(|| ProjectPath::new("dir").unwrap()),
            environment: None,
            params: BTreeMap::new(),
            deps: Vec::new(),
            parts: Vec::new(),
            outs: Vec::new(),
            unstored: Vec::new(),
        }
    }

    fn lock(paths: &[(&str, &str)], steps: &[(&str, &str)]) -> Lock {
        let paths = paths.iter().map(|(path, content)| (ProjectPath::new(path).unwrap(), object(content)));
        Lock {
            paths: paths.collect(),
            steps: steps.iter().map(|(name, cmd)| ((*name).to_owned(), step(cmd))).collect(),
            ..Lock::default()
        }
    }

    fn merge_texts(base: &Lock, ours: &Lock, theirs: &Lock) -> Merged {
        let [base, ours, theirs] = [base, ours, theirs].map(Lock::to_text);
        merge(base.as_bytes(), ours.as_bytes(), theirs.as_bytes())
    }

    #[test]
    fn what_one_side_changed_is_taken() {
        let base = lock(&[("a", "1"), ("b", "1"), ("gone", "1")], &[("train", "x")]);
        let ours = lock(&[("a", "2"), ("b", "1"), ("new", "1"), ("same", "1")], &[("train", "x")]);
        let theirs = lock(&[("a", "1"), ("b", "2"), ("gone", "1"), ("same", "1")], &[("train", "y"), ("test", "z")]);

        let merged = merge_texts(&base, &ours, &theirs);

        let expected = lock(&[("a", "2"), ("b", "2"), ("new", "1"), ("same", "1")], &[("train", "y"), ("test", "z")]);
        assert_eq!(merged, Merged { text: expected.to_text(), conflicts: Vec::new() });
    }

    #[test]
    fn a_conflict_stands_around_its_block_alone() {
        let base = lock(&[("a", "1"), ("b", "1"), ("c", "1")], &[]);
        let ours = lock(&[("a", "2"), ("b", "2"), ("c", "1")], &[]);
        let theirs = lock(&[("a", "1"), ("c", "2")], &[("train", "x")]);

        let Merged { text, conflicts } = merge_texts(&base, &ours, &theirs);

        assert_eq!(conflicts, [Conflict::Path("b".into())]);
        let ours: String = keep(&text, true);
        let kept = lock(&[("a", "2"), ("b", "2"), ("c", "2")], &[("train", "x")]);
        assert_eq!(Lock::parse(ours.as_bytes(), LOCK).unwrap(), kept);
        let theirs: String = keep(&text, false);
        let kept = lock(&[("a", "2"), ("c", "2")], &[("train", "x")]);
        assert_eq!(Lock::parse(theirs.as_bytes(), LOCK).unwrap(), kept);
        assert!(Lock::parse(text.as_bytes(), LOCK).unwrap_err().to_string().contains("Git left a merge conflict here"));
    }

    /// Resolves every conflict for one side.
    fn keep(text: &str, ours: bool) -> String {
        let mut side = None;
        let mut kept = String::new();
        for line in text.lines() {
            match line.get(..7) {
                Some("<<<<<<<") => side = Some(true),
                Some("=======") => side = Some(false),
                Some(">>>>>>>") => side = None,
                _ if side.is_none_or(|side| side == ours) => kept.extend([line, "\n"]),
                _ => {}
            }
        }
        kept
    }

    #[test]
    fn a_path_within_a_path_of_the_other_side_conflicts() {
        let merged = merge_texts(&lock(&[], &[]), &lock(&[("data", "1")], &[]), &lock(&[("data/x", "1")], &[]));

        assert_eq!(merged.conflicts, [Conflict::Path("data".into()), Conflict::Path("data/x".into())]);
    }

    #[test]
    fn what_cannot_be_read_decides_nothing() {
        let (ours, theirs) = (lock(&[("a", "1"), ("b", "1")], &[]).to_text(), lock(&[("b", "1")], &[]).to_text());

        let without_base = merge(b"<<<<<<< torn", ours.as_bytes(), theirs.as_bytes());
        let without_theirs = merge(b"", ours.as_bytes(), b"version = 99\n");

        assert_eq!(without_base.conflicts, [Conflict::Path("a".into())]);
        assert!(matches!(&without_theirs.conflicts[..], [Conflict::File(why)] if why.contains("has version 99")));
        assert!(without_theirs.text.starts_with("<<<<<<< ours\n") && without_theirs.text.ends_with(">>>>>>> theirs\n"));
    }

    fn any_lock() -> impl Strategy<Value = Lock> {
        prop::collection::btree_map("[abc]", "[12]", 0..4).prop_map(|blocks| {
            let blocks: Vec<_> = blocks.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            lock(&blocks, &blocks)
        })
    }

    proptest! {
        #[test]
        fn both_sides_are_treated_alike(base in any_lock(), ours in any_lock(), theirs in any_lock()) {
            let there = merge_texts(&base, &ours, &theirs);
            let back = merge_texts(&base, &theirs, &ours);

            prop_assert_eq!(&there.conflicts, &back.conflicts);
            prop_assert_eq!(keep(&there.text, true), keep(&back.text, false));
            prop_assert_eq!(merge_texts(&base, &ours, &base).text, ours.to_text());
            prop_assert_eq!(merge_texts(&base, &ours, &ours).text, ours.to_text());
        }
    }
}
