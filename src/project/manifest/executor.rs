//! Where steps are carried out, as `[executor.NAME]` says it.

use std::path::PathBuf;
use std::time::Duration;

use crate::Result;
use crate::project::reader::{Item, Table};

/// An engine that carries out steps, and how it is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Executor {
    pub engine: Engine,
    /// The program `mlx` on the other side; a copy of the running one where nothing is said.
    pub program: Option<PathBuf>,
    /// So many steps become one element of a job; found out where nothing is said.
    pub pack: Option<u64>,
    /// So many elements of jobs may be submitted at once.
    pub jobs: u64,
    /// So often is a step submitted again that the engine lost.
    pub retries: u64,
    /// So long is an engine waited for that does not answer.
    pub patience: Duration,
}

/// The kind of an executor.
#[derive(Debug, Clone, PartialEq)]
pub enum Engine {
    /// This machine.
    Local,
    Slurm(SlurmSettings),
}

/// How jobs are given to Slurm.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SlurmSettings {
    pub partition: Option<String>,
    pub account: Option<String>,
    pub qos: Option<String>,
    /// Further options of `sbatch`; they come last and win.
    pub options: Vec<String>,
}

impl Executor {
    /// This machine, as an executor that needs no table.
    pub fn local() -> Self {
        Self {
            engine: Engine::Local,
            program: None,
            pack: None,
            jobs: 1000,
            retries: 3,
            patience: Duration::from_secs(600),
        }
    }

    /// Reads `[executor.NAME]`.
    pub(super) fn of(mut table: Table<'_>) -> Result<Self> {
        let kind = table.require("kind")?;
        let mut executor = Self::local();
        executor.program = table.take("program").map(Item::string).transpose()?.map(PathBuf::from);
        executor.pack = table.take("pack").map(|item| item.integer(1)).transpose()?;
        executor.jobs = table.take("jobs").map_or(Ok(executor.jobs), |item| item.integer(1))?;
        executor.retries = table.take("retries").map_or(Ok(executor.retries), |item| item.integer(0))?;
        executor.patience = table.take("patience").map_or(Ok(executor.patience), Item::duration)?;
        let mut of_kind = Vec::new();
        let partition = take(&mut table, "slurm", "partition", &mut of_kind);
        let account = take(&mut table, "slurm", "account", &mut of_kind);
        let qos = take(&mut table, "slurm", "qos", &mut of_kind);
        let options = take(&mut table, "slurm", "options", &mut of_kind);
        let slurm = SlurmSettings {
            partition: partition.map(Item::string).transpose()?,
            account: account.map(Item::string).transpose()?,
            qos: qos.map(Item::string).transpose()?,
            options: options.map_or(Ok(Vec::new()), Item::strings)?,
        };
        let kind_place = kind.place();
        let name = kind.string()?;
        executor.engine = match name.as_str() {
            "local" => Engine::Local,
            "slurm" => Engine::Slurm(slurm),
            other => {
                let shown = crate::fs::escape(other.as_bytes());
                return Err(crate::Error::usage(format!("there is no executor of the kind `{shown}` ({kind_place})"))
                    .with_hint(crate::error::did_you_mean(other, ["local", "slurm"])));
            }
        };
        if let Some((owner, key, place)) = of_kind.into_iter().find(|(owner, ..)| *owner != name) {
            return Err(crate::Error::usage(format!("`{key}` is for the kind `{owner}`, not for `{name}` ({place})")));
        }
        table.finish()?;
        Ok(executor)
    }
}

/// Takes a key that only executors of this kind have, and notes where it stands.
fn take<'t>(
    table: &mut Table<'t>,
    kind: &'static str,
    key: &'static str,
    noted: &mut Vec<(&'static str, &'static str, String)>,
) -> Option<Item<'t>> {
    let item = table.take(key)?;
    noted.push((kind, key, item.place()));
    Some(item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Manifest;

    fn executor(text: &str) -> Result<Executor> {
        Ok(Manifest::parse(text.as_bytes())?.executors.remove("c").unwrap())
    }

    #[test]
    fn slurm_is_read_with_its_settings() {
        let text = "[executor.c]\nkind = 'slurm'\npartition = 'gpu'\noptions = ['--nice']\npack = 10\npatience = '5m'";

        let read = executor(text).unwrap();

        let settings =
            SlurmSettings { partition: Some("gpu".into()), options: vec!["--nice".into()], ..SlurmSettings::default() };
        assert_eq!((read.engine, read.pack), (Engine::Slurm(settings), Some(10)));
        assert_eq!((read.jobs, read.patience), (1000, Duration::from_secs(300)));
    }

    #[test]
    fn keys_of_another_kind_are_refused() {
        let error = executor("[executor.c]\nkind = 'local'\npartition = 'gpu'").unwrap_err();

        assert_eq!(error.to_string(), "`partition` is for the kind `slurm`, not for `local` (mlx.toml, line 3)");
        let error = executor("[executor.c]\nkind = 'slum'").unwrap_err();
        assert_eq!(error.hint(), Some("did you mean `slurm`?"));
    }
}
