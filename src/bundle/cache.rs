//! Bundles unpacked on this machine, from files and from targets: brought once, each content lying here once however many
//! releases have it.
//!
//! ```text
//! blobs/sha256/HEX     contents, read-only
//! releases/HEX/        releases by the digest of their bundle; their files are links to the contents
//! uses/HEX             a lock that is shared by who uses a release; its time is that of the last use
//! lock, tmp/           who brings something now, and what is not finished
//! ```
//!
//! What nobody used for a while goes when something else is brought, or when the user says so ([`super::shelf`]).

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::description::{DESCRIPTION_FILE, Description, File};
use super::{Bundle, shelf};
use crate::digest::{self, Hasher};
use crate::event::{Event, Unit, Watch};
use crate::fs::{FileLock, create_dir_all, quote, read_optional, sync_dir, temporary_dir, temporary_file};
use crate::{Digest, Error, Result};

/// A directory of releases that were brought to this machine.
#[derive(Debug, Clone)]
pub struct Cache {
    pub(super) root: PathBuf,
}

/// A release is in use as long as this is there: nobody takes it away meanwhile.
#[derive(Debug)]
pub struct Using(FileLock);

impl Drop for Using {
    fn drop(&mut self) {
        // One that was used for long was used until now.
        self.0.touch();
    }
}

impl Cache {
    /// The cache in this directory, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The one that the user's projects share, in their directory for caches.
    pub fn of_user(caches: &Path) -> Self {
        Self::new(caches.join("bundles"))
    }

    /// Where a release lies once it was brought.
    pub fn release(&self, release: &Digest) -> PathBuf {
        self.root.join("releases").join(release.hex())
    }

    /// Where a content lies once it was brought.
    pub fn content(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// For what is not finished; on the file system of the rest.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Says that a release is in use from now on, whether it is here already or about to be brought.
    pub fn using(&self, release: &Digest) -> Result<Using> {
        let lock = FileLock::shared(&self.use_of(release))?;
        lock.touch();
        Ok(Using(lock))
    }

    /// The lock that is shared by who uses a release.
    pub(super) fn use_of(&self, release: &Digest) -> PathBuf {
        self.root.join("uses").join(release.hex())
    }

    /// Keeps others from bringing releases and from taking them away.
    pub(super) fn alone(&self, watch: Watch<'_>) -> Result<FileLock> {
        let waiting = |holder: &crate::fs::Holder| {
            watch.events.note(format!("waiting for {}, which brings a release too", holder.0));
        };
        FileLock::exclusive_while(&self.root.join("lock"), "mlx", waiting, || watch.interrupt.check())
    }

    /// The directory of a release, which `bring` makes at [`Cache::release`] where it is not here yet. Of several processes
    /// that want one, the first brings it and the others wait.
    ///
    /// The files that are here already are not read again: whoever serves them checks them, and takes a release that is
    /// damaged away with [`Cache::forget`].
    pub fn hold(&self, release: &Digest, watch: Watch<'_>, bring: impl FnOnce() -> Result<()>) -> Result<PathBuf> {
        let _using = self.using(release)?;
        let _alone = self.alone(watch)?;
        let directory = self.release(release);
        if !self.is_complete(release)? {
            self.bring(release, watch, bring)?;
        }
        Ok(directory)
    }

    /// Makes the directory of a release, in the place of what lies there. The caller keeps others away.
    fn bring(&self, release: &Digest, watch: Watch<'_>, bring: impl FnOnce() -> Result<()>) -> Result<()> {
        remove(&self.release(release))?;
        // The lock says that nobody is at it any more.
        remove(&self.scratch())?;
        let releases = self.root.join("releases");
        create_dir_all(&releases)?;
        crate::fs::sweep(&releases, Duration::ZERO)?;
        create_dir_all(&self.root.join("blobs/sha256"))?;
        // What can't be taken away takes room, and keeps nothing from being brought.
        match shelf::clean_alone(self, shelf::UNUSED, true) {
            Ok(cleaned) if !cleaned.releases.is_empty() => {
                let count = cleaned.releases.len();
                let days = shelf::UNUSED.as_secs() / 86400;
                let message = format!("took {count} releases out of the cache that nobody used for {days} days");
                watch.events.emit(Event::Detail { message });
            }
            Ok(_) => {}
            Err(error) => watch.events.warn(format!("old releases stay in the cache: {error}")),
        }
        bring()
    }

    /// The release that a bundle of this machine is, unpacked.
    pub fn unpack(&self, bundle: &Bundle, watch: Watch<'_>) -> Result<PathBuf> {
        let release = bundle.digest();
        let _using = self.using(&release)?;
        let _alone = self.alone(watch)?;
        let directory = self.release(&release);
        let described = read_optional(&directory.join(DESCRIPTION_FILE))?;
        let is_it = described.is_some_and(|described| described == bundle.description_bytes());
        if !is_it || !self.is_complete(&release)? {
            self.bring(&release, watch, || self.lay_out_bundle(bundle, watch))?;
        }
        Ok(directory)
    }

    /// As [`Cache::unpack`], called while the release is held.
    pub fn lay_out_bundle(&self, bundle: &Bundle, watch: Watch<'_>) -> Result<()> {
        let directory = self.release(&bundle.digest());
        super::unpack(bundle, &directory, &|digest| Some(self.content(digest)), watch)?;
        for File { path, digest, executable, .. } in &bundle.description().files {
            // Unpacking checked it. One that is here already is the same, or is brought anew when that turns out wrong.
            if !executable {
                let _ = fs::hard_link(directory.join(path), self.content(digest));
            }
        }
        Ok(())
    }

    /// A content, which `read` writes where it is not here yet; what it writes is checked.
    pub fn keep(&self, digest: &Digest, size: u64, read: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<PathBuf> {
        let path = self.content(digest);
        if path.symlink_metadata().is_ok_and(|known| known.is_file() && known.len() == size) {
            touch(&path);
            return Ok(path);
        }
        let cannot = || format!("cannot write `{}`", quote(&path));
        let mut temporary = temporary_file(&self.scratch())?;
        let mut checked = Checked { out: temporary.as_file_mut(), hasher: Hasher::new() };
        read(&mut checked)?;
        match checked.hasher.finish() {
            (found, length) if found == *digest && length == size => {}
            (found, length) => {
                return Err(Error::failed(format!(
                    "content {digest} ({size} bytes) arrived damaged: {length} bytes that hash to {found}"
                ))
                .with_hint("deploy the release again: what is damaged on the target is then brought anew"));
            }
        }
        temporary.as_file().set_permissions(Permissions::from_mode(0o444)).with_context(cannot)?;
        temporary.as_file().sync_data().with_context(cannot)?;
        temporary.persist(&path).map_err(|error| error.error).with_context(cannot)?;
        Ok(path)
    }

    /// Lays a release out of its files, each of which `read` writes where its content is not here yet, and of what its bundle
    /// says about itself, the description last. Called while the release is held.
    pub fn lay_out(
        &self,
        release: &Digest,
        (description, own): (&Description, &[(&str, &[u8])]),
        watch: Watch<'_>,
        read: &dyn Fn(&File, &mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        let id = format!("fetch {release}");
        let total = Some(description.files.iter().map(|file| file.size).sum());
        watch.events.emit(Event::Started { id: id.clone(), what: "fetching".into(), total, unit: Unit::Bytes });
        let scratch = temporary_dir(&self.scratch())?;
        let root = scratch.path().join("release");
        create_dir_all(&root)?;
        let mut done = 0;
        for file in &description.files {
            watch.interrupt.check()?;
            let content = self.keep(&file.digest, file.size, |out| read(file, out))?;
            let path = root.join(&file.path);
            let cannot = || format!("cannot write `{}`", quote(&path));
            create_dir_all(path.parent().expect("a file of a release lies below its root"))?;
            // A mode belongs to the file and not to its name, so that what may be executed is a file of its own.
            if file.executable || fs::hard_link(&content, &path).is_err() {
                fs::copy(&content, &path).with_context(cannot)?;
                let mode = if file.executable { 0o555 } else { 0o444 };
                fs::set_permissions(&path, Permissions::from_mode(mode)).with_context(cannot)?;
            }
            done += file.size;
            watch.events.emit(Event::Progress { id: id.clone(), done });
        }
        for (name, bytes) in own {
            let path = root.join(name);
            fs::write(&path, bytes).with_context(|| format!("cannot write `{}`", quote(&path)))?;
        }
        let directory = self.release(release);
        fs::rename(&root, &directory).with_context(|| format!("cannot create `{}`", quote(&directory)))?;
        sync_dir(&self.root.join("releases"))?;
        watch.events.emit(Event::Finished { id });
        Ok(())
    }

    /// Takes a release away that turned out to be damaged, and those of its contents that are. One that is whole was
    /// mended by somebody else meanwhile, and stays.
    pub fn forget(&self, release: &Digest, watch: Watch<'_>) -> Result<()> {
        let _alone = self.alone(watch)?;
        let directory = self.release(release);
        let bytes = read_optional(&directory.join(DESCRIPTION_FILE))?;
        let Some(description) = bytes.and_then(|bytes| Description::parse(&bytes).ok()) else {
            return remove(&directory);
        };
        let mut is_whole = matches!(super::stranger(&directory, &description), Ok(None));
        for File { path, digest, .. } in &description.files {
            watch.interrupt.check()?;
            is_whole &= is_content(&directory.join(path), digest);
            let content = self.content(digest);
            if !is_content(&content, digest) && content.symlink_metadata().is_ok() {
                fs::remove_file(&content).with_context(|| format!("cannot remove `{}`", quote(&content)))?;
            }
        }
        if is_whole { Ok(()) } else { remove(&directory) }
    }

    /// Whether every file of the release is here, by its size.
    fn is_complete(&self, release: &Digest) -> Result<bool> {
        let directory = self.release(release);
        let Some(bytes) = read_optional(&directory.join(DESCRIPTION_FILE))? else { return Ok(false) };
        let Ok(description) = Description::parse(&bytes) else { return Ok(false) };
        let is_there = |file: &File| {
            let metadata = directory.join(&file.path).symlink_metadata();
            metadata.is_ok_and(|metadata| metadata.is_file() && metadata.len() == file.size)
        };
        Ok(description.files.iter().all(is_there))
    }
}

/// Hashes what passes.
struct Checked<'a> {
    out: &'a mut fs::File,
    hasher: Hasher,
}

impl Write for Checked<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// Whether the file has this content.
fn is_content(path: &Path, digest: &Digest) -> bool {
    let content = fs::File::open(path).and_then(digest::of_reader);
    content.is_ok_and(|(found, _)| found == *digest)
}

/// Notes that a content is used now. It is read-only, which keeps its owner from nothing here.
pub(super) fn touch(path: &Path) {
    let _ = fs::File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
}

/// Removes a directory of ours, if it is there.
pub(super) fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", quote(directory))).map_err(Into::into)
        }
        _ => Ok(()),
    }
}
