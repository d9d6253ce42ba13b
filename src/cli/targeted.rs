//! The targets of the manifest, as commands reach and change them.

use std::path::PathBuf;

use super::Context;
use crate::Result;
use crate::deploy::{self, Cache, Check, Hooks, Order, Reach, Target};
use crate::project::{Project, manifest};

/// A target, and what is needed to change it.
pub struct Targeted<'p> {
    pub name: &'p str,
    pub manifest: &'p manifest::Target,
    pub target: Box<dyn Target>,
    reach: Reach,
    project: &'p Project,
    program: PathBuf,
    who: String,
}

/// The target of the manifest with this name.
pub fn open<'p>(cx: &Context, project: &'p Project, name: &'p str) -> Result<Targeted<'p>> {
    let manifest = project.manifest.target(name)?;
    let reach = reach(cx, project, name, manifest)?;
    let target = deploy::open(project, manifest, &reach)?;
    Ok(Targeted { name, manifest, target, reach, project, program: cx.program()?, who: cx.user() })
}

/// How a target is reached from here.
pub fn reach(cx: &Context, project: &Project, name: &str, manifest: &manifest::Target) -> Result<Reach> {
    let said = deploy::auth(project, name, manifest, cx.variables())?;
    let cache = cx.cache_directory_for(project).join("targets");
    Ok(Reach { access: cx.access().of_target(name, said), cache: Cache::new(cache) })
}

impl Targeted<'_> {
    /// How it is changed.
    pub fn order(&self) -> Order<'_> {
        let manifest::Target { health, before, after, keep, .. } = self.manifest;
        Order {
            name: self.name,
            who: &self.who,
            check: Check { program: &self.program, health },
            hooks: Hooks { before, after, directory: self.project.root() },
            keep: *keep,
        }
    }

    /// Where it lies, if it is a directory of this machine.
    pub fn directory(&self) -> Result<Option<PathBuf>> {
        deploy::directory_of(self.project, self.manifest, &self.reach.access)
    }

    /// Where its releases lie on this machine once they were brought.
    pub fn cache(&self) -> &Cache {
        &self.reach.cache
    }
}
