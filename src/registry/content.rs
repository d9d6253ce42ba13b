//! A registry that a team shares: its records on a remote, and with them the content that they name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Registry, Version};
use crate::digest::{Object, ObjectKind};
use crate::error::ErrorContext;
use crate::event::Watch;
use crate::project::{MANIFEST, Project};
use crate::remote::ledger::Ledger;
use crate::remote::{self, Access, Remote, Transfer};
use crate::store::Store;
use crate::{Digest, Result};

/// How many files are sent or received at once.
const JOBS: usize = 4;

/// Where the content of versions is, and where it comes to.
#[derive(Debug, Clone)]
pub struct Shared {
    ledger: Arc<Ledger>,
    store: Store,
    memory: PathBuf,
}

impl Registry {
    /// The registry of a project: the one that it shares with others, or its own.
    ///
    /// `registry` in the settings of this machine, in the manifest or in the user's settings names it: a remote of the
    /// manifest, or the URL of one.
    pub fn of(project: &Project, store: &Store, access: &Access) -> Result<Self> {
        let (here, user) = (&project.settings.here.registry, &project.settings.user.registry);
        let Some(place) = here.as_ref().or(project.manifest.registry.as_ref()).or(user.as_ref()) else {
            return Ok(Self::open(store));
        };
        let remote = match remote::url_of(project, place, access) {
            Some(_) => remote::of_project(project, Some(place), access)?.1,
            None => {
                let is_name = crate::project::manifest::check_name(place).is_ok();
                let opened = remote::open(place, project.root(), access);
                let opened = opened.with_context(|| format!("cannot open the registry `{place}`"))?;
                // A misspelt remote would be a directory of that name.
                if is_name && !project.root().join(place).is_dir() {
                    return Err(crate::Error::usage(format!("`registry` names the remote `{place}`, which is not there"))
                        .with_hint(format!(
                            "declare it in {MANIFEST} with `mlx remote add {place} URL`, or write `./{place}` for a directory"
                        )));
                }
                opened
            }
        };
        Ok(Self::shared(remote, store, &project.home_state("remotes")))
    }

    /// The registry on a remote. What its versions name goes between there and `store`; `memory` is the directory of what
    /// is remembered of remotes.
    pub fn shared(remote: Arc<dyn Remote>, store: &Store, memory: &Path) -> Self {
        let ledger = Arc::new(Ledger::open(remote, memory));
        let shared = Shared { ledger: ledger.clone(), store: store.clone(), memory: memory.to_path_buf() };
        Self { records: ledger, shared: Some(shared) }
    }

    /// Brings to a shared registry what others need of a version that is to be registered; before its record, so that none
    /// names what nobody can have.
    pub fn send(&self, version: &Version, watch: Watch<'_>) -> Result<()> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let objects = objects_of(version);
        let sent = shared.transfer(watch).push(&objects, false, false);
        sent.map(drop).with_context(|| format!("cannot send the content of `{}` to the registry", version.model))
    }

    /// Brings the content of a version here, where it is missing and the registry is shared.
    pub fn bring(&self, version: &Version, watch: Watch<'_>) -> Result<()> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let objects = objects_of(version);
        if shared.has_all(&objects)? {
            return Ok(());
        }
        let (model, number) = (&version.model, version.version);
        let cannot = || format!("cannot bring the content of `{model}` {number} from the registry");
        let transfer = shared.transfer(watch);
        let fetched = transfer.fetch(&transfer.catalog()?, &objects, false, false).with_context(cannot)?;
        fetched.verdict().with_context(cannot)
    }
}

impl Shared {
    fn transfer<'a>(&'a self, watch: Watch<'a>) -> Transfer<'a> {
        let Self { ledger, store, memory } = self;
        Transfer { remote: ledger.remote(), store, memory, jobs: JOBS, watch }
    }

    /// Whether these objects and all that they list are in the store.
    fn has_all(&self, objects: &[Object]) -> Result<bool> {
        let mut waiting: Vec<Object> = objects.to_vec();
        while let Some(object) = waiting.pop() {
            if !self.store.contains(&object.digest) {
                return Ok(false);
            }
            if object.is_directory() {
                waiting.extend(self.store.tree(&object.digest)?.entries().iter().map(|entry| entry.object.clone()));
            }
        }
        Ok(true)
    }
}

/// What a version is made of: its content, and what its environment held.
fn objects_of(version: &Version) -> Vec<Object> {
    let file = |digest: Digest| Object { kind: ObjectKind::File, digest, size: u64::MAX, files: 1 };
    let environment = version.environment.iter().flat_map(|environment| environment.objects());
    std::iter::once(version.object.clone()).chain(environment.map(file)).collect()
}
