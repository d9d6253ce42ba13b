//! What a remote has of what steps made: whether it is there, asked without a network, and fetching it when it is needed.

use std::sync::{Mutex, OnceLock, PoisonError};

use crate::data::Workspace;
use crate::digest::Object;
use crate::event::{Event, Watch};
use crate::project::Project;
use crate::remote::retry::Patience;
use crate::remote::{self, Access, Catalog, Remembered, Transfer};
use crate::store::Store;
use crate::{Kind, Result};

/// So much is received at once.
const JOBS: usize = 4;
/// A step that could run is not kept waiting for long.
const ATTEMPTS: u32 = 2;

/// The remotes of a project, as a place where outputs may be.
pub struct Elsewhere<'a> {
    project: &'a Project,
    store: Store,
    /// `None` where nothing may be asked for.
    access: Option<Access>,
    /// Read when somebody asks first: most of the time all is here.
    remembered: OnceLock<Remembered>,
    /// Held while something is fetched: others wait, and find it there.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What remotes said when they were asked first, by name.
    catalogs: Vec<(String, Catalog)>,
    /// Remotes that did not answer; they are not asked again.
    silent: Vec<String>,
}

impl<'a> Elsewhere<'a> {
    /// The remotes of the project, reached this way.
    pub fn of(project: &'a Project, workspace: &Workspace, access: Option<&Access>) -> Self {
        let access = access.filter(|_| !project.manifest.remotes.is_empty()).cloned();
        let store = workspace.store().clone();
        Self { project, store, access, remembered: OnceLock::new(), state: Mutex::default() }
    }

    /// Whether some remote had this object when this machine looked last.
    pub fn has(&self, object: &Object) -> bool {
        let open = || Remembered::open(&self.project.state("remotes"));
        self.access.is_some() && self.remembered.get_or_init(open).contains(&object.digest)
    }

    /// Brings these objects and all that they list here. Says whether all of them are here now; a remote that does not
    /// answer is told of once, as a warning.
    pub fn fetch(&self, objects: &[Object], watch: Watch<'_>) -> Result<bool> {
        let Some(access) = &self.access else { return Ok(false) };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let first = remote::default_name(self.project);
        let others = self.project.manifest.remotes.keys().map(String::as_str).filter(|name| Some(*name) != first);
        for name in first.into_iter().chain(others) {
            if state.silent.iter().any(|silent| silent == name) {
                continue;
            }
            match self.fetch_from(name, access, &mut state, objects, watch) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                Err(error) => {
                    state.silent.push(name.to_owned());
                    watch.events.emit(Event::Warning {
                        message: format!("nothing can be had from the remote `{name}`: {error}"),
                        hint: error.hint().map(str::to_owned),
                    });
                }
            }
        }
        Ok(false)
    }

    fn fetch_from(
        &self,
        name: &str,
        access: &Access,
        state: &mut State,
        objects: &[Object],
        watch: Watch<'_>,
    ) -> Result<bool> {
        let patience = Patience { attempts: ATTEMPTS, ..access.patience };
        let access = Access { patience, ..access.clone() };
        let (_, remote) = remote::of_project(self.project, Some(name), &access)?;
        let memory = self.project.state("remotes");
        let transfer = Transfer { remote: &*remote, store: &self.store, memory: &memory, jobs: JOBS, watch };
        if !state.catalogs.iter().any(|(known, _)| known == name) {
            state.catalogs.push((name.to_owned(), transfer.catalog()?));
        }
        let Some((_, catalog)) = state.catalogs.iter().find(|(known, _)| known == name) else { return Ok(false) };
        if objects.iter().any(|object| !self.store.contains(&object.digest) && catalog.find(&object.digest).is_none()) {
            return Ok(false);
        }
        transfer.fetch(catalog, objects, false, false).map(|_| true)
    }
}
