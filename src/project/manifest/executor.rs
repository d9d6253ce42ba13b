//! Where steps are carried out, as `[executor.NAME]` says it.

use std::path::PathBuf;
use std::time::Duration;

use super::engine::{KubernetesSettings, RaySettings, SlurmSettings};
use crate::project::reader::{Item, Table};
use crate::{Error, Result};

/// More jobs than these at once harm a Ray cluster: each has an actor of its own on it.
const RAY_JOBS: u64 = 20;

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
    /// The remote by which files come and go, where the other side does not see the project's file system.
    pub remote: Option<String>,
}

/// The kind of an executor.
#[derive(Debug, Clone, PartialEq)]
pub enum Engine {
    /// This machine.
    Local,
    Slurm(SlurmSettings),
    Ray(RaySettings),
    Kubernetes(Box<KubernetesSettings>),
}

/// The kinds that there are.
const KINDS: [&str; 4] = ["local", "slurm", "ray", "kubernetes"];

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
            remote: None,
        }
    }

    /// Reads `[executor.NAME]`.
    pub(super) fn of(mut table: Table<'_>) -> Result<Self> {
        let kind = table.take("kind");
        let kind_place = kind.as_ref().map(Item::place);
        let name = kind.map(Item::string).transpose()?.unwrap_or_default();
        let mut keys = KeysOfKinds { table: &mut table, name: &name, stray: None };
        let slurm = SlurmSettings::take(&mut keys)?;
        let ray = RaySettings::take(&mut keys)?;
        let kubernetes = KubernetesSettings::take(&mut keys)?;
        let stray = keys.stray;
        let mut executor = Self::local();
        if name == "ray" {
            executor.jobs = RAY_JOBS;
        }
        executor.remote = table.take("remote").map(Item::string).transpose()?;
        executor.program = table.take("program").map(Item::string).transpose()?.map(PathBuf::from);
        executor.pack = table.take("pack").map(|item| item.integer(1)).transpose()?;
        executor.jobs = table.take("jobs").map_or(Ok(executor.jobs), |item| item.integer(1))?;
        executor.retries = table.take("retries").map_or(Ok(executor.retries), |item| item.integer(0))?;
        executor.patience = table.take("patience").map_or(Ok(executor.patience), Item::duration)?;
        let kind_place = kind_place.ok_or_else(|| table.missing("kind"))?;
        executor.engine = match name.as_str() {
            "local" => Engine::Local,
            "slurm" => Engine::Slurm(slurm),
            "ray" => Engine::Ray(ray),
            "kubernetes" if kubernetes.image.is_empty() => return Err(table.missing("image")),
            "kubernetes" => Engine::Kubernetes(Box::new(kubernetes)),
            other => {
                let shown = crate::fs::escape(other.as_bytes());
                return Err(Error::usage(format!("there is no executor of the kind `{shown}` ({kind_place})"))
                    .with_hint(crate::error::did_you_mean(other, KINDS)));
            }
        };
        if let Some((owner, key, place)) = stray {
            return Err(Error::usage(format!("`{key}` is for the kind `{owner}`, not for `{name}` ({place})")));
        }
        table.finish()?;
        Ok(executor)
    }
}

/// Takes the keys that only executors of one kind have.
pub(super) struct KeysOfKinds<'a, 't> {
    table: &'a mut Table<'t>,
    /// The kind in question.
    name: &'a str,
    /// The first key that another kind has: the kind, the key, where it stands.
    stray: Option<(&'static str, &'static str, String)>,
}

impl<'t> KeysOfKinds<'_, 't> {
    /// Takes a key of `kind`, where that is the kind in question.
    pub(super) fn take(&mut self, kind: &'static str, key: &'static str) -> Option<Item<'t>> {
        if kind == self.name {
            return self.table.take(key);
        }
        let item = self.table.take_stray(key)?;
        self.stray.get_or_insert_with(|| (kind, key, item.place()));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::VolumeSource;
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
    fn ray_is_read_with_its_settings_and_gets_few_jobs() {
        let text = "[executor.c]\nkind = 'ray'\naddress = 'http://head:8265'\ntoken_variable = 'T'\n\
                    header_variables = { X-Key = 'K' }\ncustom_resources = { tpu = 1, \"accelerator_type:A100\" = 0.5 }";

        let read = executor(text).unwrap();

        let Engine::Ray(ray) = read.engine else { panic!("{read:?}") };
        assert_eq!((ray.address.as_deref(), ray.token_variable.as_deref()), (Some("http://head:8265"), Some("T")));
        assert_eq!(ray.header_variables["X-Key"], "K");
        assert_eq!(ray.custom_resources.values().copied().collect::<Vec<_>>(), [0.5, 1.0]);
        assert_eq!(read.jobs, 20);
        let error = executor("[executor.c]\nkind = 'ray'\nheader_variables = { 'a b' = 'K' }").unwrap_err();
        assert!(error.to_string().contains("is no name of a header"), "{error}");
        let error = executor("[executor.c]\nkind = 'ray'\naddress = 'ray://head:10001'").unwrap_err();
        assert!(error.to_string().contains("`ray://head:10001` is no address of Ray's Jobs API"), "{error}");
    }

    #[test]
    fn kubernetes_is_read_with_its_volumes() {
        let text = "[executor.c]\nkind = 'kubernetes'\nimage = 'python:3.12'\nnamespace = 'ml'\n\
                    node_selector = { pool = 'gpu' }\n[executor.c.volumes]\n\"/home\" = { claim = 'home', sub_path = 'me' }\n\
                    \"/data\" = { host = '/mnt/data', read_only = true }\n\"/srv\" = { nfs = 'files:/export/srv' }";

        let Engine::Kubernetes(read) = executor(text).unwrap().engine else { panic!("another kind") };

        assert_eq!((read.image.as_str(), read.namespace.as_deref()), ("python:3.12", Some("ml")));
        let volumes: Vec<_> = read.volumes.iter().map(|volume| (volume.path.as_str(), &volume.source)).collect();
        let nfs = VolumeSource::Nfs { server: "files".into(), path: "/export/srv".into() };
        assert_eq!(
            volumes,
            [
                ("/home", &VolumeSource::Claim("home".into())),
                ("/data", &VolumeSource::Host("/mnt/data".into())),
                ("/srv", &nfs)
            ]
        );
        assert_eq!((read.volumes[0].sub_path.as_deref(), read.volumes[1].is_read_only), (Some("me"), true));
        let cases = [
            ("", "executor `c` has no `image` (mlx.toml, line 1)"),
            ("image = 'x'\nvolumes = { '/a' = {} }", "one of `claim`, `host` and `nfs`"),
            ("image = 'x'\nvolumes = { a = { claim = 'b' } }", "expected an absolute path"),
        ];
        for (more, expected) in cases {
            let error = executor(&format!("[executor.c]\nkind = 'kubernetes'\n{more}")).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn keys_of_another_kind_are_refused() {
        let error = executor("[executor.c]\nkind = 'local'\npartition = 'gpu'").unwrap_err();

        assert_eq!(error.to_string(), "`partition` is for the kind `slurm`, not for `local` (mlx.toml, line 3)");
        let error = executor("[executor.c]\nkind = 'slum'").unwrap_err();
        assert_eq!(error.hint(), Some("did you mean `slurm`?"));
    }
}
