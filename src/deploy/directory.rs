//! A directory as a target.
//!
//! ```text
//! blobs/sha256/HEX     contents, each once, read-only
//! releases/HEX/        unpacked bundles by the digest of their manifest; their files are links to the blobs
//! current              a symbolic link to the release that is live
//! history.jsonl        what was done here
//! NAME                 other small documents
//! lock, tmp/           who works here, and what is not finished
//! ```

use std::fs::{self, File as StdFile, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::history::{self, Entry};
use super::{Answer, Cache, Candidate, Check, Target, gone, probe};
use crate::bundle::{self, Bundle, DESCRIPTION_FILE, Description, File};
use crate::digest;
use crate::event::{Event, EventSink, Unit, Watch};
use crate::fs::{
    FileLock, create_dir_all, quote, read_optional, sync_dir, temporary_dir, temporary_file, write_atomic,
};
use crate::project::manifest::Health;
use crate::{Digest, Error, Result};

/// A target that is a directory of this machine.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The target in this directory, which the first deploy creates.
    pub fn open(root: &Path) -> Result<Self> {
        match fs::metadata(root) {
            Ok(metadata) if !metadata.is_dir() => {
                Err(Error::usage(format!("the target `{}` is no directory", quote(root)))
                    .with_hint("name another place as its url in mlx.toml, or move away what lies there"))
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot enter the target `{}`", quote(root))).map_err(Into::into)
            }
            _ => Ok(Self { root: root.to_path_buf() }),
        }
    }

    fn release(&self, release: &Digest) -> PathBuf {
        self.root.join("releases").join(release.hex())
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    fn scratch(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Brings one content, checked on the way, unless it is there already, whole.
    fn bring(&self, bundle: &Bundle, index: usize, watch: Watch<'_>) -> Result<()> {
        let file = &bundle.description().files[index];
        let path = self.blob(&file.digest);
        let cannot = || format!("cannot write `{}`", quote(&path));
        if path.symlink_metadata().is_ok() {
            if is_whole(&path, file)? {
                return Ok(());
            }
            watch.events.warn(format!("`{}` on the target was damaged and is brought again", quote(&path)));
        }
        let mut temporary = temporary_file(&self.scratch())?;
        bundle.copy_file(index, &mut temporary)?;
        let mode = if file.executable { 0o555 } else { 0o444 };
        temporary.as_file().set_permissions(Permissions::from_mode(mode)).with_context(cannot)?;
        temporary.as_file().sync_data().with_context(cannot)?;
        temporary.persist(&path).map_err(|error| error.error).with_context(cannot)?;
        Ok(())
    }

    /// Whether the release says of itself what its bundle says.
    fn is_described(&self, candidate: &Candidate<'_>) -> Result<bool> {
        if self.description(&candidate.release)?.as_ref() != Some(candidate.description) {
            return Ok(false);
        }
        let root = self.release(&candidate.release);
        for (name, digest) in &candidate.own {
            if read_optional(&root.join(name))?.is_none_or(|bytes| Digest::of(bytes) != *digest) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Why the release is not as its bundle brought it: a file that is not good, or one that is too many.
    fn damage(
        &self,
        release: &Digest,
        description: &Description,
        is_good: impl Fn(&Path, &File) -> Result<bool>,
    ) -> Result<Option<String>> {
        let root = self.release(release);
        for file in &description.files {
            if !is_good(&root.join(&file.path), file)? {
                return Ok(Some(probe::damaged(&file.path)));
            }
        }
        let found = bundle::stranger(&root, description).with_context(|| format!("cannot list `{}`", quote(&root)))?;
        Ok(found.map(|path| probe::strange(&path)))
    }

    /// As [`Target::is_whole`], right after the contents were checked.
    fn is_laid_out(&self, candidate: &Candidate<'_>) -> Result<bool> {
        // A link to one needs no second look.
        let is_good =
            |path: &Path, file: &File| Ok(is_same_file(path, &self.blob(&file.digest)) || is_whole(path, file)?);
        let is_described = self.is_described(candidate).unwrap_or(false);
        Ok(is_described && self.damage(&candidate.release, candidate.description, is_good)?.is_none())
    }

    /// Replaces a link by one that leads to a release.
    fn switch(&self, current: &Path, release: &Digest) -> Result<()> {
        let cannot = || format!("cannot switch `{}`", quote(current));
        let scratch = temporary_dir(&self.scratch())?;
        let link = scratch.path().join("current");
        std::os::unix::fs::symlink(Path::new("releases").join(release.hex()), &link).with_context(cannot)?;
        fs::rename(&link, current).with_context(cannot)?;
        Ok(())
    }

    /// What others left who were killed. The caller holds the lock.
    fn clean(&self) {
        for directory in [self.scratch(), self.root.join("releases")] {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                if entry.file_name().as_encoded_bytes().starts_with(b"tmp-") {
                    let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
                }
            }
        }
    }
}

impl Target for Directory {
    fn place(&self) -> String {
        quote(&self.root)
    }

    fn lock(&self, owner: &str) -> Result<Box<dyn Send>> {
        match FileLock::try_exclusive(&self.root.join("lock"), owner)? {
            Ok(lock) => {
                self.clean();
                Ok(Box::new(lock))
            }
            Err(holder) => {
                Err(Error::failed(format!("the target `{}` is being changed by {}", self.place(), holder.0))
                    .with_hint("wait until it is done, then run this again"))
            }
        }
    }

    fn live(&self) -> Result<Option<Digest>> {
        let path = self.root.join("current");
        let foreign = |what: String| {
            Error::failed(format!("`{}` is {what}, which mlx did not make", quote(&path)))
                .with_hint("move it away, then deploy again")
        };
        let link = match fs::read_link(&path) {
            Ok(link) => link,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(foreign("no symbolic link".into()));
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read `{}`", quote(&path))).map_err(Into::into);
            }
        };
        let hex = link.strip_prefix("releases").ok().and_then(Path::to_str);
        let release = hex.and_then(|hex| Digest::from_hex(hex).ok());
        release.map(Some).ok_or_else(|| foreign(format!("a link to `{}`", quote(&link))))
    }

    fn releases(&self) -> Result<Vec<Digest>> {
        let path = self.root.join("releases");
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.with_context(|| format!("cannot list `{}`", quote(&path)))?,
        };
        let mut releases = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list `{}`", quote(&path)))?;
            let release = entry.file_name().to_str().and_then(|name| Digest::from_hex(name).ok());
            releases.extend(release.filter(|_| entry.path().join(DESCRIPTION_FILE).is_file()));
        }
        Ok(releases)
    }

    fn description(&self, release: &Digest) -> Result<Option<Description>> {
        let path = self.release(release).join(DESCRIPTION_FILE);
        let Some(bytes) = read_optional(&path)? else { return Ok(None) };
        let description = serde_json::from_slice(&bytes).map_err(|error| {
            Error::failed(format!("release {} is damaged: `{}`: {error}", release.short(), quote(&path)))
                .with_hint("remove its directory and deploy it again")
        })?;
        Ok(Some(description))
    }

    fn is_whole(&self, candidate: &Candidate<'_>) -> Result<bool> {
        let Candidate { release, description, .. } = candidate;
        Ok(self.is_described(candidate)? && self.damage(release, description, is_whole)?.is_none())
    }

    fn missing(&self, candidate: &Candidate<'_>) -> Result<Vec<File>> {
        let mut missing: Vec<File> = Vec::new();
        for file in &candidate.description.files {
            let is_there = fs::symlink_metadata(self.blob(&file.digest)).is_ok_and(|blob| blob.len() == file.size);
            if !is_there && missing.iter().all(|other| other.digest != file.digest) {
                missing.push(file.clone());
            }
        }
        Ok(missing)
    }

    fn upload(&self, bundle: &Bundle, watch: Watch<'_>) -> Result<()> {
        let (release, description) = (bundle.digest(), bundle.description());
        let blobs = self.root.join("blobs/sha256");
        create_dir_all(&blobs)?;
        create_dir_all(&self.root.join("releases"))?;
        let id = format!("upload {release}");
        let total = Some(description.files.iter().map(|file| file.size).sum());
        watch.events.emit(Event::Started { id: id.clone(), what: "uploading".into(), total, unit: Unit::Bytes });
        let mut done = 0;
        for (index, file) in description.files.iter().enumerate() {
            watch.interrupt.check()?;
            self.bring(bundle, index, watch)?;
            done += file.size;
            watch.events.emit(Event::Progress { id: id.clone(), done });
        }
        sync_dir(&blobs)?;
        watch.events.emit(Event::Finished { id });
        if self.is_laid_out(&bundle.into())? {
            return Ok(());
        }
        self.remove(&release)?;
        bundle::unpack(bundle, &self.release(&release), &|digest| Some(self.blob(digest)), watch)?;
        Ok(())
    }

    fn probe(&self, release: &Digest, check: &Check<'_>, watch: Watch<'_>) -> Result<Answer> {
        let directory = self.release(release);
        let Some(description) = self.description(release)? else {
            return Ok(Answer::no("the release is not there any more"));
        };
        if description.serve.is_none() {
            watch.events.warn(format!("`{}` answers no requests; only its files are checked", description.model.name));
            let is_good = |path: &Path, file: &File| {
                watch.interrupt.check()?;
                is_whole(path, file)
            };
            return Ok(self.damage(release, &description, is_good)?.map_or(Answer::Yes, Answer::no));
        }
        probe::serve_and_ask(&directory, &description, check, watch)
    }

    fn activate(&self, release: &Digest) -> Result<()> {
        self.switch(&self.root.join("current"), release)?;
        sync_dir(&self.root)
    }

    fn try_switch(&self) -> Result<()> {
        let scratch = temporary_dir(&self.scratch())?;
        let link = scratch.path().join("current");
        // The second time something is in its place.
        [b"one", b"two"].iter().try_for_each(|text| self.switch(&link, &Digest::of(text)))
    }

    fn ask(&self, url: &str, health: &Health, watch: Watch<'_>) -> Result<Answer> {
        probe::ask_until_ready(url, health, watch.interrupt)
    }

    fn remove(&self, release: &Digest) -> Result<()> {
        let path = self.release(release);
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        // Away with one rename first, so that no half of it is ever taken for a release.
        let cannot = || format!("cannot remove `{}`", quote(&path));
        let scratch = temporary_dir(&self.scratch())?;
        fs::rename(&path, scratch.path().join("release")).with_context(cannot)?;
        scratch.close().with_context(cannot)?;
        Ok(())
    }

    fn sweep(&self) -> Result<()> {
        let blobs = self.root.join("blobs/sha256");
        for entry in fs::read_dir(&blobs).into_iter().flatten().flatten() {
            // A content that a release has is one file with two names at least.
            if entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1) {
                let path = entry.path();
                fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", quote(&path)))?;
            }
        }
        Ok(())
    }

    fn history(&self, events: &dyn EventSink) -> Result<Vec<Entry>> {
        let path = self.root.join("history.jsonl");
        let bytes = read_optional(&path)?.unwrap_or_default();
        Ok(history::parse(&bytes, &format!("`{}`", quote(&path)), events))
    }

    fn append(&self, entry: &Entry) -> Result<()> {
        let path = self.root.join("history.jsonl");
        let cannot = || format!("cannot write `{}`", quote(&path));
        let is_new = path.symlink_metadata().is_err();
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path).with_context(cannot)?;
        let mut line = history::line(entry);
        // A line that was cut off by a kill must not take this one with it.
        if file.seek(SeekFrom::End(0)).with_context(cannot)? > 0 {
            let mut last = [b'\n'];
            file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).with_context(cannot)?;
            if last != *b"\n" {
                line.insert(0, b'\n');
            }
        }
        file.write_all(&line).and_then(|()| file.sync_data()).with_context(cannot)?;
        if is_new { sync_dir(&self.root) } else { Ok(()) }
    }

    fn fetch(&self, release: &Digest, _: &Cache, _: Watch<'_>) -> Result<PathBuf> {
        match self.description(release)? {
            Some(_) => Ok(self.release(release)),
            None => Err(gone(release, &self.place())),
        }
    }

    fn document(&self, name: &str) -> Result<Option<Vec<u8>>> {
        read_optional(&self.root.join(name))
    }

    fn set_document(&self, name: &str, bytes: Option<&[u8]>) -> Result<()> {
        let path = self.root.join(name);
        match bytes {
            Some(bytes) => write_atomic(&path, bytes, &self.scratch()),
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(error).with_context(|| format!("cannot remove `{}`", quote(&path))).map_err(Into::into)
                }
                _ => sync_dir(&self.root),
            },
        }
    }
}

/// Whether both are one file under two names.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| path.symlink_metadata().map(|metadata| (metadata.dev(), metadata.ino())).ok();
    identity(one).is_some_and(|one| Some(one) == identity(other))
}

/// Whether a regular file with this content lies there.
fn is_whole(path: &Path, file: &File) -> Result<bool> {
    let cannot = || format!("cannot read `{}`", quote(path));
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() && metadata.len() == file.size => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(cannot).map_err(Into::into),
    }
    let content = StdFile::open(path).with_context(cannot)?;
    let (digest, _) = digest::of_reader(content).with_context(cannot)?;
    Ok(digest == file.digest)
}
