//! Files and directories that Git itself keeps.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::Context;

use super::Reach;
use super::git::{Contents, Entry, EntryKind, Repository};
use crate::digest::{Object, ObjectKind};
use crate::event::{Event, Unit};
use crate::fs::escape;
use crate::store::tree::{self, Tree};
use crate::store::{Batch, Store};
use crate::{Digest, Error, Result};

/// Larger files are stored piece by piece.
const SMALL_BYTES: u64 = 1 << 20;
/// How a file begins that only points at content of Git LFS.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// A path of a commit.
pub struct Kept {
    pub repository: Repository,
    pub commit: String,
    /// From the root of the repository.
    pub path: Vec<u8>,
    pub id: String,
    pub kind: ObjectKind,
}

impl Kept {
    /// Whether another commit has the same there.
    pub fn is_as_in(&self, commit: Option<&str>, reach: &Reach<'_>) -> Result<bool> {
        let Some(commit) = commit else { return Ok(false) };
        // A commit that is not here any more tells nothing.
        let entry = self.repository.entry(commit, &self.path, reach).ok().flatten();
        Ok(entry.is_some_and(|entry| entry.id == self.id && entry.kind == EntryKind::Content(self.kind)))
    }

    pub fn bring(&self, store: &Store, reach: &Reach<'_>) -> Result<Object> {
        let batch = store.batch()?;
        let object = match self.kind {
            ObjectKind::Directory => self.directory(&batch, reach)?,
            ObjectKind::Link => {
                let path = escape(&self.path);
                return Err(Error::usage(format!("`{path}` of {} is a symbolic link", self.repository.shown))
                    .with_hint("name what it leads to"));
            }
            kind => {
                let mut contents = self.repository.contents(&[&self.id], reach)?;
                file(&mut contents, kind, &self.id, &self.path, &batch)?
            }
        };
        batch.commit()?;
        Ok(object)
    }

    fn directory(&self, batch: &Batch, reach: &Reach<'_>) -> Result<Object> {
        let entries = self.repository.files(&self.id, reach)?;
        let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        let mut contents = self.repository.contents(&ids, reach)?;
        let id = format!("git {}", escape(&self.path));
        let (what, total) = (format!("Reading `{}`", escape(&self.path)), Some(entries.len() as u64));
        reach.watch.events.emit(Event::Started { id: id.clone(), what, total, unit: Unit::Files });
        let mut root = Directory::default();
        let read = entries.iter().zip(1..).try_for_each(|(entry, done)| {
            reach.watch.interrupt.check()?;
            let object = self.content(entry, &mut contents, batch)?;
            root.insert(&entry.path, object)?;
            reach.watch.events.emit(Event::Progress { id: id.clone(), done });
            Ok::<(), Error>(())
        });
        reach.watch.events.emit(Event::Finished { id });
        read?;
        root.store(batch)
    }

    fn content(&self, entry: &Entry, contents: &mut Contents, batch: &Batch) -> Result<Object> {
        let Entry { kind, id, path } = entry;
        match kind {
            EntryKind::Content(kind) => file(contents, *kind, id, path, batch),
            EntryKind::Submodule => {
                Err(Error::usage(format!("`{}` of {} is a submodule", escape(path), self.repository.shown))
                    .with_hint("name directories that hold none"))
            }
        }
    }
}

fn file(contents: &mut Contents, kind: ObjectKind, id: &str, path: &[u8], batch: &Batch) -> Result<Object> {
    let (digest, size) = contents.read(id, |content, size| match size <= SMALL_BYTES {
        true => small(content, path, batch),
        false => batch.put_reader(content, size),
    })?;
    Ok(Object { kind, digest, size, files: 1 })
}

fn small(content: &mut dyn Read, path: &[u8], batch: &Batch) -> Result<(Digest, u64)> {
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes).context("cannot read what git answers")?;
    if bytes.starts_with(POINTER) {
        return Err(Error::failed(format!("`{}` is a pointer of Git LFS, not the file itself", escape(path)))
            .with_hint("import the file from where it can be downloaded"));
    }
    Ok((batch.put_bytes(&bytes)?, bytes.len() as u64))
}

/// A directory that is being put together from the paths of its files.
#[derive(Default)]
struct Directory(BTreeMap<Vec<u8>, Node>);

enum Node {
    File(Object),
    Directory(Directory),
}

impl Directory {
    fn insert(&mut self, path: &[u8], object: Object) -> Result<()> {
        let refused = |why: &str| Err(Error::failed(format!("git lists `{}`, {why}", escape(path))));
        let mut directory = self;
        let mut parts = path.split(|byte| *byte == b'/').peekable();
        while let Some(part) = parts.next() {
            if matches!(part, b"" | b"." | b".." | b".git" | b".mlx") {
                return refused("which can't be a file's path here");
            }
            let part = part.to_vec();
            if parts.peek().is_none() {
                return match directory.0.insert(part, Node::File(object)) {
                    None => Ok(()),
                    Some(_) => refused("twice"),
                };
            }
            match directory.0.entry(part).or_insert_with(|| Node::Directory(Self::default())) {
                Node::Directory(below) => directory = below,
                Node::File(_) => return refused("below a file"),
            }
        }
        Ok(())
    }

    /// Stores the listings from the deepest up; Git's paths are too short to nest without end.
    fn store(self, batch: &Batch) -> Result<Object> {
        let entry = |(name, node)| {
            let object = match node {
                Node::File(object) => object,
                Node::Directory(directory) => directory.store(batch)?,
            };
            Ok(tree::Entry { name, object })
        };
        batch.put_tree(&Tree::new(self.0.into_iter().map(entry).collect::<Result<_>>()?))
    }
}
