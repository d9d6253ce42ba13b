//! A directory of this machine that belongs to no project.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rayon::prelude::*;

use super::Reach;
use crate::digest::{Object, ObjectKind};
use crate::fs::quote;
use crate::store::tree::{Entry, Tree};
use crate::store::{Batch, Store};
use crate::{Error, Result};

/// Directories may nest this deeply.
const MAXIMUM_DEPTH: usize = 500;

pub struct LocalDirectory(pub PathBuf);

impl LocalDirectory {
    pub fn bring(&self, store: &Store, reach: &Reach<'_>) -> Result<Object> {
        let batch = store.batch()?;
        let object = directory(&self.0, &batch, reach, 0)?;
        batch.commit()?;
        Ok(object)
    }
}

fn directory(path: &Path, batch: &Batch, reach: &Reach<'_>, depth: usize) -> Result<Object> {
    if depth > MAXIMUM_DEPTH {
        return Err(Error::failed(format!("directories nest more than {MAXIMUM_DEPTH} deep: `{}`", quote(path))));
    }
    let cannot = || format!("cannot list `{}`", quote(path));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).with_context(cannot)? {
        names.push(entry.with_context(cannot)?.file_name());
    }
    let entry = |name: std::ffi::OsString| {
        reach.watch.interrupt.check()?;
        let full = path.join(&name);
        if matches!(name.as_bytes(), b".git" | b".mlx") {
            return Err(Error::usage(format!("`{}` can't be part of tracked data", quote(&full)))
                .with_hint("name a directory inside it, or `PROJECT#PATH`"));
        }
        Ok(Entry { object: object(&full, batch, reach, depth)?, name: name.into_vec() })
    };
    let entries = names.into_par_iter().map(entry).collect::<Result<Vec<_>>>()?;
    batch.put_tree(&Tree::new(entries))
}

fn object(full: &Path, batch: &Batch, reach: &Reach<'_>, depth: usize) -> Result<Object> {
    let cannot = || format!("cannot read `{}`", quote(full));
    let metadata = full.symlink_metadata().with_context(cannot)?;
    if metadata.is_dir() {
        return directory(full, batch, reach, depth + 1);
    }
    let (kind, (digest, size)) = if metadata.is_symlink() {
        let target = std::fs::read_link(full).with_context(cannot)?;
        let target = target.as_os_str().as_bytes();
        (ObjectKind::Link, (batch.put_bytes(target)?, target.len() as u64))
    } else if metadata.is_file() {
        let kind = if metadata.mode() & 0o100 == 0 { ObjectKind::File } else { ObjectKind::Executable };
        (kind, batch.put_file(full)?)
    } else {
        return Err(Error::usage(format!("`{}` is neither a file nor a directory nor a link", quote(full))));
    };
    Ok(Object { kind, digest, size, files: 1 })
}
