//! Reading the working tree: every file's digest, from the index where it did not change.

use std::fs::Metadata;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use rayon::prelude::*;

use super::Workspace;
use super::index::{Stat, now_ns};
use crate::digest::{self, Object, ObjectKind};
use crate::event::{Event, Unit, Watch};
use crate::fs::quote;
use crate::project::ProjectPath;
use crate::store::Batch;
use crate::store::tree::{Entry, Tree};
use crate::{Digest, Error, Result};

/// Directories may nest this deeply.
const MAXIMUM_DEPTH: usize = 500;
/// A file that goes on changing while it is read is read this often.
const ATTEMPTS: usize = 3;

/// A file by the bytes of its project path, and its content.
pub type FileObject = (Vec<u8>, Object);

/// One pass over a path, with or without storing what is read.
pub struct Scan<'a> {
    workspace: &'a Workspace,
    batch: Option<&'a Batch>,
    watch: Watch<'a>,
    /// Names the work in progress events.
    id: String,
    files_done: AtomicU64,
    /// Collects every file met, where somebody wants them.
    listed: Option<Arc<Mutex<Vec<FileObject>>>>,
}

impl<'a> Scan<'a> {
    pub fn new(workspace: &'a Workspace, batch: Option<&'a Batch>, watch: Watch<'a>) -> Self {
        Self { workspace, batch, watch, id: String::new(), files_done: AtomicU64::new(0), listed: None }
    }

    pub fn object(mut self, path: &ProjectPath) -> Result<Option<Object>> {
        let full = path.below(&self.workspace.root);
        self.check_link(path, &full)?;
        let metadata = match full.metadata() {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                self.workspace.index.forget_below(path.as_bytes());
                return Ok(None);
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read `{path}`")).map_err(Into::into),
        };
        if !metadata.is_dir() {
            let (object, _) = self.file(path.as_bytes(), &full, &metadata)?;
            return Ok(Some(object));
        }
        self.id = format!("{} {path}", if self.batch.is_some() { "add" } else { "read" });
        let what = format!("{} `{path}`", if self.batch.is_some() { "Adding" } else { "Reading" });
        self.watch.events.emit(Event::Started { id: self.id.clone(), what, total: None, unit: Unit::Files });
        let result = self.directory(path.as_bytes(), &full, 0);
        self.watch.events.emit(Event::Finished { id: self.id.clone() });
        let object = result?;
        // Whatever this pass did not meet is gone.
        self.workspace.index.forget_below(path.as_bytes());
        Ok(Some(object))
    }

    /// Refuses a path that is itself a link out of the project.
    fn check_link(&self, path: &ProjectPath, full: &Path) -> Result<()> {
        if !full.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            return Ok(());
        }
        match full.canonicalize() {
            Ok(real) if !real.starts_with(&self.workspace.root) => Err(Error::usage(format!(
                "`{path}` is a symbolic link that leads out of the project, to `{}`",
                quote(&real)
            ))
            .with_hint("copy what it leads to into the project")),
            // One that leads nowhere is as good as nothing.
            _ => Ok(()),
        }
    }

    /// Every file below `path` with its object.
    pub fn files(mut self, path: &ProjectPath) -> Result<Vec<FileObject>> {
        let files: Arc<Mutex<Vec<FileObject>>> = Arc::default();
        self.listed = Some(files.clone());
        let object = self.object(path)?;
        let mut files = std::mem::take(&mut *files.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(object) = object.filter(|object| !object.is_directory()) {
            files.push((path.as_bytes().to_vec(), object));
        }
        Ok(files)
    }

    fn directory(&self, path: &[u8], full: &Path, depth: usize) -> Result<Object> {
        if depth > MAXIMUM_DEPTH {
            return Err(Error::failed(format!("directories nest more than {MAXIMUM_DEPTH} deep: `{}`", quote(full))));
        }
        let cannot = || format!("cannot list `{}`", quote(full));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(full).with_context(cannot)? {
            names.push(entry.with_context(cannot)?.file_name().into_vec());
        }
        let entry = |name: Vec<u8>| -> Result<Option<Entry>> {
            self.watch.interrupt.check()?;
            let full = full.join(std::ffi::OsStr::from_bytes(&name));
            if name == b".git" || name == b".mlx" {
                return Err(Error::usage(format!("`{}` can't be part of tracked data", quote(&full)))
                    .with_hint("move it elsewhere: Git and mlx keep their own files there"));
            }
            let path = [path, b"/", &name].concat();
            let object = match self.entry(&path, &full, depth) {
                Err(error) if self.is_gone(&error, &full) => return Ok(None),
                object => object?,
            };
            if let Some(listed) = self.listed.as_ref().filter(|_| !object.is_directory()) {
                listed.lock().unwrap_or_else(PoisonError::into_inner).push((path, object.clone()));
            }
            Ok(Some(Entry { name, object }))
        };
        let entries = match names.len() {
            // Handing a few names to other threads costs more than it brings.
            0..4 => names.into_iter().filter_map(|name| entry(name).transpose()).collect::<Result<Vec<_>>>()?,
            _ => names.into_par_iter().filter_map(|name| entry(name).transpose()).collect::<Result<Vec<_>>>()?,
        };
        let tree = Tree::new(entries);
        match self.batch {
            Some(batch) => batch.put_tree(&tree),
            None => Ok(tree.object(Digest::of(tree.encode()))),
        }
    }

    /// Whether what was listed went before it was read, as a step at work may do. Something may lie there again by now;
    /// who stores must not take a fault of the store for that.
    fn is_gone(&self, error: &Error, full: &Path) -> bool {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        kind == Some(std::io::ErrorKind::NotFound) && (self.batch.is_none() || full.symlink_metadata().is_err())
    }

    /// The object of what a directory lists under a name.
    fn entry(&self, path: &[u8], full: &Path, depth: usize) -> Result<Object> {
        let metadata = full.symlink_metadata().with_context(|| format!("cannot read `{}`", quote(full)))?;
        match metadata.file_type() {
            kind if kind.is_dir() => self.directory(path, full, depth + 1),
            kind if kind.is_symlink() => self.link(full),
            _ => {
                let (object, is_known) = self.file(path, full, &metadata)?;
                self.count(is_known);
                Ok(object)
            }
        }
    }

    fn link(&self, full: &Path) -> Result<Object> {
        let target = std::fs::read_link(full).with_context(|| format!("cannot read the link `{}`", quote(full)))?;
        let target = target.as_os_str().as_bytes();
        let digest = match self.batch {
            Some(batch) => batch.put_bytes(target)?,
            None => Digest::of(target),
        };
        Ok(Object { kind: ObjectKind::Link, digest, size: target.len() as u64, files: 1 })
    }

    /// The object of a file, and whether it was known without reading.
    fn file(&self, path: &[u8], full: &Path, metadata: &Metadata) -> Result<(Object, bool)> {
        if !metadata.is_file() {
            let kind = match metadata.file_type() {
                kind if kind.is_fifo() => "a named pipe",
                kind if kind.is_socket() => "a socket",
                _ => "a device",
            };
            return Err(Error::usage(format!(
                "`{}` is {kind}; only files, directories and links have versions",
                quote(full)
            )));
        }
        let kind = if metadata.mode() & 0o100 == 0 { ObjectKind::File } else { ObjectKind::Executable };
        let object = |digest, size| Object { kind, digest, size, files: 1 };
        let mut stat = Stat::of(metadata);
        let index = &self.workspace.index;
        if let Some(digest) = index.lookup(path, &stat)
            && (self.batch.is_none() || self.workspace.store.size(&digest) == Some(stat.size))
        {
            return Ok((object(digest, stat.size), true));
        }
        for _ in 0..ATTEMPTS {
            self.watch.interrupt.check()?;
            let read_at = now_ns();
            let (digest, size) = self.read(full)?;
            let after = full.metadata().with_context(|| format!("cannot read `{}`", quote(full)))?;
            let after = Stat::of(&after);
            if after == stat && size == stat.size {
                index.remember(path, stat, digest, read_at);
                return Ok((object(digest, size), false));
            }
            stat = after;
        }
        Err(Error::failed(format!("`{}` keeps changing while it is read", quote(full)))
            .with_hint("wait until the program that writes it is done, then run this again"))
    }

    fn read(&self, full: &Path) -> Result<(Digest, u64)> {
        match self.batch {
            Some(batch) => batch.put_file(full),
            None => {
                let cannot = || format!("cannot read `{}`", quote(full));
                let file = std::fs::File::open(full).with_context(cannot)?;
                Ok(digest::of_reader(file).with_context(cannot)?)
            }
        }
    }

    fn count(&self, is_known: bool) {
        let done = self.files_done.fetch_add(1, Ordering::Relaxed) + 1;
        // Looking at an unchanged file is too quick to tell about each.
        if !is_known || done.is_multiple_of(256) {
            self.watch.events.emit(Event::Progress { id: self.id.clone(), done });
        }
    }
}
