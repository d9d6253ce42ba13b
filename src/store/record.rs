//! Records: small JSON documents under names, beside the objects. Objects and records are the truth; every index and
//! database is made from them.
//!
//! A name is a path such as `runs/9be04c1d22aa` or `models/churn/versions/3`. Most records are written once; the few
//! that change (aliases) are replaced only by who has read what they hold.

use std::io;
use std::path::PathBuf;

use anyhow::Context;

use super::Store;
use crate::fs::{self, FileLock, quote};
use crate::{Error, Result};

impl Store {
    /// The record with this name; `None` where there is none.
    pub fn record(&self, name: &str) -> Result<Option<Vec<u8>>> {
        fs::read_optional(&self.record_path(name)?)
    }

    /// Writes a new record durably. Returns `false`, and changes nothing, where the name is taken: of several writers at
    /// once, exactly one gets `true`.
    pub fn create_record(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let path = self.record_path(name)?;
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::create_only(&path, bytes, &self.scratch())
    }

    /// Replaces a record if it still holds `expected` (`None`: if there is none). Returns whether it did.
    pub fn replace_record(&self, name: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<bool> {
        let path = self.record_path(name)?;
        let _alone = FileLock::exclusive(&self.root.join("locks/records"), "mlx", |_| {})?;
        if fs::read_optional(&path)?.as_deref() != expected {
            return Ok(false);
        }
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write_atomic(&path, bytes, &self.scratch()).map(|()| true)
    }

    /// The names of all records below `prefix`, such as `models/churn/versions`, sorted as text.
    pub fn records(&self, prefix: &str) -> Result<Vec<String>> {
        let root = self.root.join("records");
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

    /// The directory of all records below a prefix; the empty one is all of them.
    fn records_below(&self, prefix: &str) -> Result<PathBuf> {
        let root = self.root.join("records");
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
        Ok(self.root.join("records").join(format!("{name}.json")))
    }
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
