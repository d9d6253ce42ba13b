//! The targets of the manifest, as commands reach and change them.

use std::path::PathBuf;
use std::time::Duration;

use super::Context;
use super::released::TOKEN;
use crate::Result;
use crate::deploy::{self, Cache, Check, Hooks, Kubernetes, Order, Reach, Target};
use crate::project::{Project, manifest};
use crate::remote::retry::Patience;

/// A target, and what is needed to change it.
pub struct Targeted<'p> {
    pub name: &'p str,
    pub manifest: &'p manifest::Target,
    pub target: Box<dyn Target>,
    reach: Reach,
    project: &'p Project,
    program: PathBuf,
    who: String,
    token: Option<String>,
}

/// Who follows a target asks it again soon in any case, and has other things to look after.
const FOLLOWING: Patience = Patience {
    attempts: 2,
    first: Duration::from_millis(250),
    longest: Duration::from_secs(1),
    total: Duration::from_secs(60),
    silence: Duration::from_secs(20),
};

/// Who only wants to know what lies there can ask again.
const ASKING: Patience = Patience {
    attempts: 3,
    first: Duration::from_millis(250),
    longest: Duration::from_secs(1),
    total: Duration::from_secs(60),
    silence: Duration::from_secs(30),
};
/// Who asks several targets at once, to say something else besides, waits so long for the answer of each.
const BRIEFLY: Duration = Duration::from_secs(5);

/// The target of the manifest with this name.
pub fn open<'p>(cx: &Context, project: &'p Project, name: &'p str) -> Result<Targeted<'p>> {
    open_with(cx, project, name, Patience::default())
}

/// The same, for somebody who only asks.
pub fn open_to_ask<'p>(cx: &Context, project: &'p Project, name: &'p str) -> Result<Targeted<'p>> {
    open_with(cx, project, name, ASKING)
}

/// The same, for somebody who asks in passing.
pub fn open_briefly<'p>(cx: &Context, project: &'p Project, name: &'p str) -> Result<Targeted<'p>> {
    open_with(cx, project, name, Patience::once(BRIEFLY))
}

/// The same, for somebody who follows it.
pub fn open_to_follow<'p>(cx: &Context, project: &'p Project, name: &'p str) -> Result<Targeted<'p>> {
    open_with(cx, project, name, FOLLOWING)
}

fn open_with<'p>(cx: &Context, project: &'p Project, name: &'p str, patience: Patience) -> Result<Targeted<'p>> {
    let manifest = project.manifest.target(name)?;
    let mut reach = reach(cx, project, name, manifest)?;
    reach.access.patience = patience;
    let target = deploy::open(project, manifest, &reach)?;
    let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
    Ok(Targeted { name, manifest, target, reach, project, program: cx.program()?, who: cx.user(), token })
}

/// How a target is reached from here.
pub fn reach(cx: &Context, project: &Project, name: &str, manifest: &manifest::Target) -> Result<Reach> {
    let said = deploy::auth(project, name, manifest, cx.variables())?;
    let cache = cx.cache_directory_for(project);
    Ok(Reach {
        access: cx.access().of_target(name, said),
        cache: Cache::of_user(&cache),
        images: cache,
        program: cx.program()?,
    })
}

/// What becomes of servers once another release is live, as a hint.
pub fn what_follows(name: &str) -> String {
    format!(
        "A server that runs `mlx serve {name} --follow` takes it over; without `--follow` it goes on with the release it \
         started with"
    )
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
            token: self.token.as_deref(),
            keep: *keep,
        }
    }

    /// The cluster that it is; an error where it is none.
    pub fn cluster(&self) -> Result<Kubernetes> {
        deploy::cluster(self.project, self.manifest, &self.reach)
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
