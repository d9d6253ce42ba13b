//! Records: small JSON documents under names, beside the objects. Objects and records are the truth; every index and
//! database is made from them.
//!
//! A name is a path such as `runs/9be04c1d22aa` or `models/churn/versions/3`. Most records are written once; the few
//! that change (aliases) are replaced only by who has read what they hold.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context;
use tempfile::NamedTempFile;

use super::Store;
use super::shared::make_durably;
use crate::fs::{self, FileLock, quote};
use crate::{Error, Result};

/// So many threads wait for the disk at once.
const SYNC_THREADS: usize = 8;

impl Store {
    /// The record with this name; `None` where there is none.
    pub fn record(&self, name: &str) -> Result<Option<Vec<u8>>> {
        fs::read_optional(&self.record_path(name)?)
    }

    /// Writes a new record durably. Returns `false`, and changes nothing, where the name is taken: of several writers at
    /// once, exactly one gets `true`.
    pub fn create_record(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let path = self.record_path(name)?;
        path.parent().map_or(Ok(()), make_place)?;
        fs::create_only(&path, bytes, &self.own_scratch())
    }

    /// Replaces a record if it still holds `expected` (`None`: if there is none). Returns whether it did.
    pub fn replace_record(&self, name: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<bool> {
        let path = self.record_path(name)?;
        let _alone = FileLock::exclusive(&self.own.join("locks/records"), "mlx", |_| {})?;
        if fs::read_optional(&path)?.as_deref() != expected {
            return Ok(false);
        }
        path.parent().map_or(Ok(()), make_place)?;
        fs::write_atomic(&path, bytes, &self.own_scratch()).map(|()| true)
    }

    /// Writes these records, new or in place of what they held, and makes all of them durable together. For records of
    /// which the last writer is right, such as those of the step cache.
    pub fn put_records(&self, records: &[(String, Vec<u8>)]) -> Result<()> {
        let mut written = Vec::with_capacity(records.len());
        for (name, bytes) in records {
            let path = self.record_path(name)?;
            let mut temporary = fs::temporary_file(&self.own_scratch())?;
            let cannot = || format!("cannot write the record `{name}`");
            temporary.write_all(bytes).with_context(cannot)?;
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666 & !fs::umask());
            temporary.as_file().set_permissions(permissions).with_context(cannot)?;
            written.push((temporary, path));
        }
        // The disk takes many such requests at once for little more than the time of one.
        let synced: io::Result<()> = thread::scope(|scope| {
            let parts = written.chunks(written.len().div_ceil(SYNC_THREADS).max(1));
            let sync =
                |part: &'_ [(NamedTempFile, PathBuf)]| part.iter().try_for_each(|(file, _)| file.as_file().sync_data());
            let threads: Vec<_> = parts.map(|part| scope.spawn(move || sync(part))).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        synced.context("cannot make records durable")?;
        let mut directories = BTreeSet::new();
        for (temporary, path) in written {
            let directory = path.parent().expect("a record lies in a directory of the store").to_path_buf();
            if directories.insert(directory.clone()) {
                make_place(&directory)?;
            }
            temporary
                .persist(&path)
                .map_err(|error| error.error)
                .with_context(|| format!("cannot write `{}`", quote(&path)))?;
        }
        directories.iter().try_for_each(|directory| fs::sync_dir(directory))
    }

    /// The names of all records below `prefix`, such as `models/churn/versions`, sorted as text.
    pub fn records(&self, prefix: &str) -> Result<Vec<String>> {
        let root = self.own.join("records");
        let mut names = Vec::new();
        for entry in walkdir::WalkDir::new(self.records_below(prefix)?) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound) => break,
                Err(error) => return Err(anyhow::Error::new(error).context("cannot list the records").into()),
            };
            let relative = entry.path().strip_prefix(&root).ok().and_then(|path| path.to_str());
            let name = relative.and_then(|path| path.strip_suffix(".json"));
            names.extend(name.filter(|_| entry.file_type().is_file()).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// Deletes a record durably, if it is there.
    pub fn delete_record(&self, name: &str) -> Result<()> {
        let path = self.record_path(name)?;
        match std::fs::remove_file(&path) {
            Ok(()) => path.parent().map_or(Ok(()), fs::sync_dir),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot delete `{}`", quote(&path))).map_err(Into::into),
        }
    }

    /// Where records lie until they are renamed: on their own file system.
    pub(super) fn own_scratch(&self) -> PathBuf {
        self.own.join("tmp")
    }

    /// The directory of all records below a prefix; the empty one is all of them.
    fn records_below(&self, prefix: &str) -> Result<PathBuf> {
        let root = self.own.join("records");
        if prefix.is_empty() { Ok(root) } else { self.record_path(prefix).map(|_| root.join(prefix)) }
    }

    fn record_path(&self, name: &str) -> Result<PathBuf> {
        let is_plain = |part: &str| {
            let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_fine)
        };
        if !name.split('/').all(is_plain) {
            return Err(Error::usage(format!("`{}` is no name for a record", fs::escape(name.as_bytes()))));
        }
        Ok(self.own.join("records").join(format!("{name}.json")))
    }
}

/// Creates the directory of a record, where it is missing.
fn make_place(directory: &Path) -> Result<()> {
    if directory.is_dir() { Ok(()) } else { make_durably(directory) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_created_once_and_replaced_by_who_knows_them() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();

        assert!(store.create_record("models/a.b/versions/1", b"one").unwrap());
        assert!(!store.create_record("models/a.b/versions/1", b"two").unwrap());
        assert!(!store.replace_record("models/a.b/aliases/prod", Some(b"x"), b"y").unwrap());
        assert!(store.replace_record("models/a.b/aliases/prod", None, b"y").unwrap());

        assert_eq!(store.record("models/a.b/versions/1").unwrap().unwrap(), b"one");
        assert_eq!(store.records("models/a.b").unwrap(), ["models/a.b/aliases/prod", "models/a.b/versions/1"]);
        assert_eq!(store.records("runs").unwrap(), [""; 0]);
        assert!(store.record("../x").is_err());
    }
}
