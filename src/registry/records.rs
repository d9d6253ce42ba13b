//! Where the records of a registry lie: in the project's own store, or on a remote that a team shares.
//!
//! Both can create a record that is not there, and of several who create the same one let exactly one succeed. Nothing
//! else keeps the registry in order: its records are created once and never changed.

use std::fmt::Debug;

use crate::Result;
use crate::remote::ledger::Ledger;
use crate::store::Store;

/// The directory of the names of models on a remote, which can't list directories.
const NAMES: &str = "names";

/// A place for the records of models; names are paths such as `models/churn/versions/3`.
pub trait Records: Debug + Send + Sync {
    /// Where it is, for people; `None` for the project's own store.
    fn url(&self) -> Option<&str>;

    /// The names of the models that have records, sorted.
    fn models(&self) -> Result<Vec<String>>;

    /// Makes a model's name known to [`Records::models`]; before its first record.
    fn announce(&self, model: &str) -> Result<()>;

    /// The numbers that name records directly in a directory, in their order.
    fn numbers(&self, directory: &str) -> Result<Vec<u64>>;

    /// These records, in the order of their numbers.
    fn numbered(&self, directory: &str) -> Result<Vec<(u64, Vec<u8>)>>;

    /// One record; `None` where there is none.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Writes a new record durably. Returns `false`, and changes nothing, where the name is taken.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool>;

    /// Deletes a record, if it is there.
    fn delete(&self, name: &str) -> Result<()>;

    /// The file of a record, for people who have to mend it.
    fn file(&self, name: &str) -> String;
}

impl Records for Store {
    fn url(&self) -> Option<&str> {
        None
    }

    fn models(&self) -> Result<Vec<String>> {
        let names = self.records("models")?;
        let mut models: Vec<String> =
            names.iter().filter_map(|name| name.split('/').nth(1)).map(str::to_owned).collect();
        models.dedup();
        Ok(models)
    }

    fn announce(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn numbers(&self, directory: &str) -> Result<Vec<u64>> {
        let number = |name: &String| {
            let name = name.strip_prefix(directory)?.strip_prefix('/')?;
            name.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == name)
        };
        let mut numbers: Vec<u64> = self.records(directory)?.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn numbered(&self, directory: &str) -> Result<Vec<(u64, Vec<u8>)>> {
        let mut found = Vec::new();
        for number in self.numbers(directory)? {
            found.extend(self.record(&format!("{directory}/{number}"))?.map(|bytes| (number, bytes)));
        }
        Ok(found)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.record(name)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        self.create_record(name, bytes)
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.delete_record(name)
    }

    fn file(&self, name: &str) -> String {
        format!(".mlx/store/records/{name}.json")
    }
}

impl Records for Ledger {
    fn url(&self) -> Option<&str> {
        Some(Self::url(self))
    }

    fn models(&self) -> Result<Vec<String>> {
        let is_name = |name: &String| crate::project::manifest::check_name(name).is_ok();
        Ok(self.names(NAMES)?.into_iter().filter(is_name).collect())
    }

    fn announce(&self, model: &str) -> Result<()> {
        self.create(&format!("{NAMES}/{model}"), b"{}\n").map(drop)
    }

    fn numbers(&self, directory: &str) -> Result<Vec<u64>> {
        Self::numbers(self, directory)
    }

    fn numbered(&self, directory: &str) -> Result<Vec<(u64, Vec<u8>)>> {
        Self::numbered(self, directory)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Self::read(self, name)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        Self::create(self, name, bytes)
    }

    fn delete(&self, name: &str) -> Result<()> {
        Self::delete(self, name)
    }

    fn file(&self, name: &str) -> String {
        Self::file(self, name)
    }
}
