//! Get: a copy of what is at a source, which nobody tracks; works outside of projects too.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rayon::prelude::*;
use serde::Serialize;

use super::{Reach, Source};
use crate::digest::{Object, ObjectKind};
use crate::fs::quote;
use crate::project::Link;
use crate::store::Store;
use crate::store::tree::Entry;
use crate::{Error, Result};

/// Directories may nest this deeply.
const MAXIMUM_DEPTH: usize = 500;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Got {
    /// Where it is, as text.
    pub path: String,
    #[serde(flatten)]
    pub object: Object,
    /// The commit it is from, where it is from a repository.
    pub commit: Option<String>,
    /// What the server says of the version.
    pub version: Option<String>,
}

/// Copies what is at the source to `output`, or into the directory `reach.base` under its own name. Whole or not at all.
///
/// # Errors
/// As `import`; a `Usage` error where something is there already: a file is replaced with `force`, a directory never.
pub fn get(source: &str, rev: Option<&str>, output: Option<&Path>, force: bool, reach: &Reach<'_>) -> Result<Got> {
    let source = Source::parse(source, reach.base, reach.access.home.as_deref())?;
    if rev.is_some() && !matches!(source, Source::Repository { .. }) {
        return Err(Error::usage("a file at a URL has no revisions").with_hint("`--rev` goes with `REPOSITORY#PATH`"));
    }
    let target = target(&source, output, force, reach.base)?;
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(reach.base);
    crate::fs::create_dir_all(parent)?;
    // Beside the copy, which may be too large for any other place.
    let scratch = tempfile::Builder::new().prefix(".mlx-get-").tempdir_in(parent);
    let scratch = scratch.with_context(|| format!("cannot create a directory in `{}`", quote(parent)))?;
    let store = Store::open(&scratch.path().join("store"))?;
    let sight = source.look(rev, &store, reach)?;
    let object = sight.bring(&store, reach)?;
    let copy = scratch.path().join("copy");
    Export { store: &store, scratch: &scratch.path().join("tmp"), reach }.object(&object, &copy, 0)?;
    // A file in the place of one that came meanwhile, without force, would be no copy but a loss.
    let placed = match force || object.is_directory() {
        true => std::fs::rename(&copy, &target),
        false => std::fs::hard_link(&copy, &target),
    };
    placed.with_context(|| format!("cannot create `{}`", quote(&target)))?;
    Ok(Got { path: quote(&target), object, commit: sight.commit, version: sight.version })
}

fn target(source: &Source, output: Option<&Path>, force: bool, directory: &Path) -> Result<PathBuf> {
    let name = source.name()?;
    let name = OsStr::from_bytes(&name);
    let target = match output {
        None => directory.join(name),
        Some(output) => {
            let full = directory.join(output);
            let is_open = output.as_os_str().as_bytes().ends_with(b"/") || full.is_dir();
            if is_open { full.join(name) } else { full }
        }
    };
    match target.symlink_metadata() {
        Ok(metadata) if !force || metadata.is_dir() => {
            Err(Error::usage(format!("`{}` is there already", quote(&target)))
                .with_hint("name another place with `-o`; `--force` replaces a file"))
        }
        _ => Ok(target),
    }
}

/// Writing objects to where nothing is yet.
struct Export<'a> {
    store: &'a Store,
    scratch: &'a Path,
    reach: &'a Reach<'a>,
}

impl Export<'_> {
    fn object(&self, object: &Object, path: &Path, depth: usize) -> Result<()> {
        self.reach.watch.interrupt.check()?;
        let cannot = || format!("cannot create `{}`", quote(path));
        match object.kind {
            ObjectKind::Directory if depth > MAXIMUM_DEPTH => {
                Err(Error::failed(format!("directories nest more than {MAXIMUM_DEPTH} deep")))
            }
            ObjectKind::Directory => {
                std::fs::create_dir(path).with_context(cannot)?;
                let tree = self.store.tree(&object.digest)?;
                let below = |Entry { name, object }: &Entry| {
                    self.object(object, &path.join(OsStr::from_bytes(name)), depth + 1)
                };
                tree.entries().par_iter().try_for_each(below)
            }
            ObjectKind::Link => {
                let target = self.store.read(&object.digest)?;
                Ok(std::os::unix::fs::symlink(OsStr::from_bytes(&target), path).with_context(cannot)?)
            }
            ObjectKind::File | ObjectKind::Executable => {
                let is_executable = object.kind == ObjectKind::Executable;
                self.store.export(&object.digest, path, is_executable, self.scratch, Link::Copy).map(drop)
            }
        }
    }
}
