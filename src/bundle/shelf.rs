//! What lies in the cache of unpacked bundles: who uses it, since when nobody did, and taking it away.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;
use walkdir::WalkDir;

use super::cache::{Cache, remove};
use super::description::{DESCRIPTION_FILE, Description, ModelName};
use crate::event::Watch;
use crate::fs::{FileLock, quote, read_optional};
use crate::{Digest, Result};

/// A release that nobody used for so long goes when another is brought.
pub const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// A release in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The digest of its bundle.
    pub release: Digest,
    /// `None` where it is not whole.
    pub model: Option<ModelName>,
    /// The room of its files; what other releases share counts for each.
    pub bytes: u64,
    pub last_used: Option<Timestamp>,
    /// Whether somebody serves it or brings it now.
    pub in_use: bool,
    pub directory: PathBuf,
}

/// What was taken away, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    pub releases: Vec<Kept>,
    /// The room that is free now.
    pub bytes: u64,
}

impl Kept {
    /// Whether nobody uses it now, and nobody used it for so long.
    pub fn is_unused_for(&self, time: Duration) -> bool {
        let idle: Option<Duration> =
            self.last_used.and_then(|last| Timestamp::now().duration_since(last).try_into().ok());
        !self.in_use && idle.unwrap_or_default() >= time
    }
}

impl Cache {
    /// The releases that lie here, the one that was used last first.
    pub fn kept(&self) -> Result<Vec<Kept>> {
        let mut found = Vec::new();
        for (release, directory) in by_digest(&self.root.join("releases")) {
            let using = self.use_of(&release);
            let used = using.metadata().or_else(|_| directory.symlink_metadata());
            let last_used = used.and_then(|metadata| metadata.modified()).ok();
            let bytes = read_optional(&directory.join(DESCRIPTION_FILE))?;
            let description = bytes.and_then(|bytes| Description::parse(&bytes).ok());
            found.push(Kept {
                release,
                model: description.map(|description| description.model),
                bytes: files(&directory).map(|file| file.bytes).sum(),
                last_used: last_used.and_then(|time| time.try_into().ok()),
                in_use: using.exists() && FileLock::try_alone(&using)?.is_none(),
                directory,
            });
        }
        found.sort_by_key(|kept| std::cmp::Reverse(kept.last_used));
        Ok(found)
    }

    /// The room of all that lies here; what several releases have in common counts once.
    pub fn room(&self) -> u64 {
        let mut seen = HashSet::new();
        let all = ["releases", "blobs"].into_iter().flat_map(|part| files(&self.root.join(part)).collect::<Vec<_>>());
        all.filter(|file| seen.insert(file.identity)).map(|file| file.bytes).sum()
    }

    /// Takes away what nobody uses, and nobody used for so long; only says so unless `carry_out` is set.
    pub fn clean(&self, unused: Duration, carry_out: bool, watch: Watch<'_>) -> Result<Cleaned> {
        if !self.root.exists() {
            return Ok(Cleaned::default());
        }
        let _alone = self.alone(watch)?;
        clean_alone(self, unused, carry_out)
    }
}

/// As [`Cache::clean`], for who keeps others away already: nobody begins to use a release meanwhile.
pub(super) fn clean_alone(cache: &Cache, unused: Duration, carry_out: bool) -> Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    let mut locks = Vec::new();
    // How many names each file loses.
    let mut lost: HashMap<(u64, u64), u64> = HashMap::new();
    for kept in cache.kept()? {
        if !kept.is_unused_for(unused) {
            continue;
        }
        // Taken before anything goes: who begins to use it waits, and finds it gone. The file of the lock stays for them.
        let Some(lock) = FileLock::try_alone(&cache.use_of(&kept.release))? else { continue };
        locks.push(lock);
        for file in files(&kept.directory) {
            *lost.entry(file.identity).or_default() += 1;
            cleaned.bytes += if lost[&file.identity] == file.names { file.bytes } else { 0 };
        }
        cleaned.releases.push(kept);
    }
    let contents = cache.root.join("blobs/sha256");
    let mut gone = Vec::new();
    for (digest, path) in by_digest(&contents) {
        let Some(file) = files(&path).next() else { continue };
        let others = file.names.saturating_sub(1);
        let lost = lost.get(&file.identity).copied().unwrap_or(0);
        // One that belongs to no release, such as a layer, waits for the next one that has it.
        let is_old = file.modified.elapsed().is_ok_and(|idle| idle >= unused);
        if others == lost && (lost > 0 || is_old) {
            cleaned.bytes += file.bytes;
            gone.push(cache.content(&digest));
        }
    }
    if !carry_out {
        return Ok(cleaned);
    }
    for Kept { directory, .. } in &cleaned.releases {
        // Without its description first, so that no half of it ever counts.
        let _ = fs::remove_file(directory.join(DESCRIPTION_FILE));
        remove(directory)?;
    }
    for path in &gone {
        fs::remove_file(path).with_context(|| format!("cannot remove `{}`", quote(path)))?;
    }
    drop(locks);
    Ok(cleaned)
}

/// Where the layers of images that others were built on lie, in the user's directory for caches; by digest.
pub fn layers(caches: &Path) -> PathBuf {
    caches.join("images")
}

/// Takes away those layers of images that nobody built on for so long, though never within an hour of their use; only says
/// so unless `carry_out` is set. How many they are, and the room they take.
pub fn clean_layers(caches: &Path, unused: Duration, carry_out: bool) -> Result<(u64, u64)> {
    const LEAST: Duration = Duration::from_secs(3600);
    let (mut count, mut bytes) = (0, 0);
    for (_, path) in by_digest(&layers(caches)) {
        let Some(file) = files(&path).next() else { continue };
        if file.modified.elapsed().unwrap_or_default() < unused.max(LEAST) {
            continue;
        }
        (count, bytes) = (count + 1, bytes + file.bytes);
        if carry_out {
            fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", quote(&path)))?;
        }
    }
    Ok((count, bytes))
}

/// A file that takes room.
struct Taking {
    identity: (u64, u64),
    /// How many names it has.
    names: u64,
    bytes: u64,
    modified: SystemTime,
}

fn files(path: &Path) -> impl Iterator<Item = Taking> {
    let entries = WalkDir::new(path).into_iter().filter_map(std::result::Result::ok);
    let files = entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file);
    files.map(|metadata| Taking {
        identity: (metadata.dev(), metadata.ino()),
        names: metadata.nlink(),
        bytes: metadata.blocks() * 512,
        modified: metadata.modified().unwrap_or_else(|_| SystemTime::now()),
    })
}

/// What lies in a directory under the digits of a digest.
fn by_digest(directory: &Path) -> Vec<(Digest, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = |entry: fs::DirEntry| Some((Digest::from_hex(entry.file_name().to_str()?).ok()?, entry.path()));
    entries.filter_map(named).collect()
}
