//! A target as a running server follows it.

use super::{Cache, Target, split};
use crate::bundle::Damaged;
use crate::event::Watch;
use crate::serve::{Host, Release, Source, Wanted, Wish};
use crate::{Digest, Result};

/// A target, and how its releases are opened on this machine.
pub struct Followed {
    /// For people.
    pub name: String,
    pub target: Box<dyn Target>,
    /// Where releases come to.
    pub cache: Cache,
    pub wanted: Wanted,
    pub host: Host,
}

impl Source for Followed {
    fn name(&self) -> &str {
        &self.name
    }

    fn wish(&self) -> Result<Wish> {
        let live = self.target.live()?;
        let canary = split::canary(&*self.target, live.as_ref())?;
        Ok(Wish { live, canary: canary.map(|split| (split.release, split.percent)) })
    }

    fn load(&self, release: &Digest) -> Result<Release> {
        let watch = Watch { events: &*self.host.events, interrupt: &self.host.interrupt };
        // From before it is brought until it is given up.
        let using = self.cache.using(release)?;
        let open = || Release::open(&self.target.fetch(release, &self.cache, watch)?, self.wanted, &self.host);
        let opened = match open() {
            // What was brought earlier may have been damaged since; what comes anew is checked.
            Err(error) if error.downcast_ref::<Damaged>().is_some() => {
                self.cache.forget(release, watch)?;
                open()
            }
            opened => opened,
        };
        opened.map(|release| release.in_use(using))
    }
}
