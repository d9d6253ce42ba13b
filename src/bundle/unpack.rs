//! Unpacking a bundle into a directory of its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::Bundle;
use super::description::{DESCRIPTION_FILE, File};
use super::signature::SIGNATURE_FILE;
use crate::event::{Event, Unit, Watch};
use crate::fs::quote;
use crate::{Digest, Error, Result};

/// What unpacking did.
#[derive(Debug, Serialize)]
pub struct Unpacked {
    pub directory: PathBuf,
    pub manifest: Digest,
    pub files: u64,
    pub bytes: u64,
    /// Bytes that were there already, as files that could be linked.
    pub linked_bytes: u64,
}

/// Writes the files of the bundle into the new directory `into`; an empty one may exist.
///
/// The files are read-only. All are written beside `into`, checked, made durable and renamed in one step, so that
/// `into` is whole whenever it is there. A file that `known` has under its digest is hard-linked instead of copied; the
/// caller answers for its content.
pub fn unpack(
    bundle: &Bundle,
    into: &Path,
    known: &dyn Fn(&Digest) -> Option<PathBuf>,
    watch: Watch<'_>,
) -> Result<Unpacked> {
    let taken = || {
        Error::usage(format!("`{}` exists and is not an empty directory", quote(into)))
            .with_hint("name a directory that does not exist yet")
    };
    let cannot = || format!("cannot create `{}`", quote(into));
    match fs::read_dir(into).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Err(error) if into.symlink_metadata().is_err() => match error.kind() {
            io::ErrorKind::NotFound => {}
            _ => return Err(error).with_context(cannot).map_err(Into::into),
        },
        Ok(false) | Err(_) => return Err(taken()),
    }
    let parent = match into.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let scratch = crate::fs::temporary_dir(parent)?;
    let result = fill(bundle, scratch.path(), known, watch)?;
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o777 & !crate::fs::umask())).with_context(cannot)?;
    match fs::rename(scratch.path(), into) {
        Ok(()) => drop(scratch.keep()),
        Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
            return Err(taken());
        }
        // It is where somebody stands, or a file system of its own.
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            return Err(Error::usage(format!("`{}` is in use and can't be put in one step", quote(into)))
                .with_hint("name a directory that does not exist yet"));
        }
        Err(error) => return Err(error).with_context(cannot).map_err(Into::into),
    }
    crate::fs::sync_dir(parent)?;
    Ok(Unpacked { directory: into.to_path_buf(), ..result })
}

fn fill(
    bundle: &Bundle,
    root: &Path,
    known: &dyn Fn(&Digest) -> Option<PathBuf>,
    watch: Watch<'_>,
) -> Result<Unpacked> {
    let files = &bundle.description().files;
    let id = format!("unpack {}", bundle.digest());
    let total = Some(files.iter().map(|file| file.size).sum());
    watch.events.emit(Event::Started { id: id.clone(), what: "unpacking".into(), total, unit: Unit::Bytes });
    let (mut bytes, mut linked_bytes) = (0, 0);
    // Files with one content are one file, so that a small bundle can't become a large directory.
    let mut written: HashMap<(Digest, bool), PathBuf> = HashMap::new();
    let mut directories = vec![root.to_path_buf()];
    for (index, file) in files.iter().enumerate() {
        watch.interrupt.check()?;
        // The bundle's paths were checked when it was opened: they are relative and do not lead upwards.
        let path = root.join(&file.path);
        let parent = path.parent().expect("a file of a bundle lies below its root");
        if !parent.exists() {
            crate::fs::create_dir_all(parent)?;
            let below = parent.ancestors().take_while(|ancestor| *ancestor != root);
            directories.extend(below.map(Path::to_path_buf));
        }
        let same = written.entry((file.digest, file.executable));
        let twin = match &same {
            Entry::Occupied(twin) => Some(twin.get().clone()),
            Entry::Vacant(_) => known(&file.digest),
        };
        match twin.filter(|twin| link(twin, &path, file)) {
            Some(_) => linked_bytes += file.size,
            None => write_new(&path, file.executable, |out| bundle.copy_file(index, out))?,
        }
        same.or_insert(path);
        bytes += file.size;
        watch.events.emit(Event::Progress { id: id.clone(), done: bytes });
    }
    if let Some(signature) = bundle.signature() {
        write_new(&root.join(SIGNATURE_FILE), false, |out| {
            out.write_all(signature).with_context(|| format!("cannot write {SIGNATURE_FILE}"))?;
            Ok(())
        })?;
    }
    // The last of all: who finds it finds the others.
    write_new(&root.join(DESCRIPTION_FILE), false, |out| {
        out.write_all(bundle.description_bytes()).with_context(|| format!("cannot write {DESCRIPTION_FILE}"))?;
        Ok(())
    })?;
    directories.sort();
    directories.dedup();
    directories.iter().rev().try_for_each(|directory| crate::fs::sync_dir(directory))?;
    watch.events.emit(Event::Finished { id });
    let (manifest, own) = (bundle.digest(), 1 + u64::from(bundle.signature().is_some()));
    Ok(Unpacked { directory: root.into(), manifest, files: files.len() as u64 + own, bytes, linked_bytes })
}

/// Whether the file could be linked; a known file with another size or mode, or on another file system, is not taken.
fn link(known: &Path, path: &Path, file: &File) -> bool {
    let is_same = |metadata: fs::Metadata| {
        metadata.is_file()
            && metadata.len() == file.size
            && metadata.permissions().mode() & 0o777 == mode(file.executable)
    };
    known.symlink_metadata().is_ok_and(is_same) && fs::hard_link(known, path).is_ok()
}

fn write_new(path: &Path, executable: bool, write: impl FnOnce(&mut dyn io::Write) -> Result<()>) -> Result<()> {
    let cannot = || format!("cannot write `{}`", quote(path));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(cannot)?;
    write(&mut file)?;
    file.set_permissions(Permissions::from_mode(mode(executable))).with_context(cannot)?;
    file.sync_data().with_context(cannot)?;
    Ok(())
}

fn mode(executable: bool) -> u32 {
    if executable { 0o555 } else { 0o444 }
}
