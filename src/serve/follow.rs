//! Following: a release that becomes live where releases lie takes the place of the one that answers here.
//!
//! The new one is loaded, checked and asked its recorded rows while the old one answers. Then another catalog takes the place
//! of the one before: requests that have begun end on the old release, which is given up when the last of them has. A
//! release that can't be loaded changes nothing; the log, the metrics and `/status` say so.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalog::{Catalog, Entry, Share};
use super::http::App;
use super::model::Served;
use super::{PAUSE, Release};
use crate::event::{Event, EventSink, Interrupt};
use crate::{Digest, Error, Kind, Result};

/// A release that could not be loaded is tried again after this time, after twice as long the next time, and so on.
const FIRST_RETRY: Duration = Duration::from_secs(10);
const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// A place where releases become live.
pub trait Source: Send {
    /// Which it is, for people: the name of a target.
    fn name(&self) -> &str;

    /// What should answer now. Cheap, as it is asked every few seconds.
    fn wish(&self) -> Result<Wish>;

    /// Brings a release here, checks it, loads it and asks it its recorded rows.
    fn load(&self, release: &Digest) -> Result<Release>;
}

/// What should answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// `None` where nothing is live.
    pub live: Option<Digest>,
    /// A release that answers so many of each hundred requests.
    pub canary: Option<(Digest, u8)>,
}

/// A source and what of it answers here.
pub struct Follower {
    source: Box<dyn Source>,
    live: Option<Loaded>,
    canary: Option<(Loaded, Share)>,
    refused: Vec<Refused>,
    /// Old releases, until their last requests are answered.
    retired: Vec<Arc<Served>>,
    /// What the log was told of a target that can't be asked.
    trouble: Option<String>,
    pub status: Arc<Status>,
}

#[derive(Clone)]
struct Loaded {
    digest: Digest,
    served: Arc<Served>,
}

/// A release that could not be loaded.
struct Refused {
    release: Digest,
    tries: u32,
    again: Instant,
}

/// What is told of a follower to others.
pub struct Status {
    pub target: String,
    pub switches: AtomicU64,
    pub is_refusing: AtomicBool,
    /// Seconds since 1970 when the target was asked last and answered.
    pub checked: AtomicU64,
    told: Mutex<Told>,
}

/// The part of `/status` that is about a target that is followed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub target: String,
    /// When the target was asked last and answered.
    pub checked: Option<Timestamp>,
    /// The release that answers here.
    pub live: Option<Digest>,
    pub canary: Option<TellCanary>,
    /// The release that should answer and can't be loaded, so that the one before stays.
    pub refused: Option<TellRefused>,
    /// Why the target can't be asked.
    pub trouble: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TellCanary {
    pub release: Digest,
    pub percent: u8,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TellRefused {
    pub release: Digest,
    pub why: String,
    pub since: Timestamp,
}

impl Status {
    /// What there is to tell now.
    pub fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Follower {
    /// Loads what is live now; a canary that can't be loaded is left out, with a warning.
    ///
    /// # Errors
    /// Nothing is live there, or it can't be loaded: without it there is no server.
    pub fn start(
        source: Box<dyn Source>,
        serve: &impl Fn(Release) -> Result<Served>,
        events: &dyn EventSink,
    ) -> Result<Self> {
        let name = source.name().to_owned();
        let told = Mutex::new(Told { target: name.clone(), ..Told::default() });
        let status = Status {
            target: name.clone(),
            switches: AtomicU64::new(0),
            is_refusing: AtomicBool::new(false),
            checked: AtomicU64::new(0),
            told,
        };
        let (refused, retired) = (Vec::new(), Vec::new());
        let mut follower =
            Self { source, live: None, canary: None, refused, retired, trouble: None, status: Arc::new(status) };
        let wish = follower.source.wish()?;
        let Some(live) = wish.live else {
            return Err(Error::usage(format!("nothing is live on `{name}` yet"))
                .with_hint(format!("deploy a release first: `mlx deploy {name}`")));
        };
        follower.live = Some(Loaded { digest: live, served: Arc::new(serve(follower.source.load(&live)?)?) });
        if let Some((digest, percent)) = wish.canary {
            match follower.source.load(&digest).and_then(serve) {
                Ok(served) => {
                    let loaded = Loaded { digest, served: Arc::new(served) };
                    follower.canary = Some((loaded, Share::canary(percent)));
                }
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                Err(error) => follower.refuse(&digest, &error, events),
            }
        }
        follower.tell();
        Ok(follower)
    }

    /// What of it is served now.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |loaded: &Loaded, share| Entry { served: loaded.served.clone(), share };
        let live = self.live.iter().map(|loaded| entry(loaded, Share::Rest));
        live.chain(self.canary.iter().map(|(loaded, share)| entry(loaded, share.clone()))).collect()
    }

    /// Looks once, and brings what should answer here. `swap` puts a catalog of these entries into the place of the one
    /// before, or says why it can't.
    fn look(
        &mut self,
        serve: &impl Fn(Release) -> Result<Served>,
        swap: &impl Fn(Vec<Entry>) -> Result<()>,
        events: &dyn EventSink,
    ) {
        self.retired.retain(|served| Arc::strong_count(served) > 1);
        let wish = match self.source.wish() {
            Ok(wish) => wish,
            Err(error) => {
                let why = "the target can't be asked; the log of the server says why";
                return self.trouble(&format!("can't be asked what is live: {error}"), error.hint(), why, events);
            }
        };
        if wish.live.is_none() {
            // Its directory is gone, or somebody took the tag away: nobody deploys that.
            let why = "nothing is live there any more";
            return self.trouble(
                &format!("has gone: {why}"),
                Some("deploy a release there, or end the server"),
                why,
                events,
            );
        }
        self.status.checked.store(u64::try_from(Timestamp::now().as_second()).unwrap_or(0), Ordering::Relaxed);
        self.trouble = None;
        self.status.tell(|told| (told.checked, told.trouble) = (Some(Timestamp::now()), None));
        let is_live = wish.live.is_none_or(|wanted| self.live.as_ref().is_some_and(|live| live.digest == wanted));
        let canary = self.canary.as_ref().map(|(loaded, share)| match share {
            Share::Canary { percent, .. } => (loaded.digest, *percent),
            Share::Rest => (loaded.digest, 100),
        });
        if is_live && canary == wish.canary {
            // What was refused is not wanted any more.
            self.refused.clear();
            self.tell_refused(None);
            return;
        }
        let (old_live, old_canary) = (self.live.clone(), self.canary.clone());
        let live = if is_live { old_live.clone() } else { wish.live.and_then(|live| self.bring(&live, serve, events)) };
        let new_canary = wish.canary.and_then(|(digest, percent)| Some((self.bring(&digest, serve, events)?, percent)));
        let Some(live) = live.or_else(|| old_live.clone()) else { return };
        // Of a canary that becomes live the old share must not stay beside it.
        self.canary = new_canary.filter(|(loaded, _)| loaded.digest != live.digest).map(|(loaded, percent)| {
            let share = match &old_canary {
                Some((old, share)) if old.digest == loaded.digest && canary == wish.canary => share.clone(),
                _ => Share::canary(percent),
            };
            (loaded, share)
        });
        self.live = Some(live);
        let answering = |follower: &Self| {
            let canary = follower.canary.as_ref().map(|(loaded, share)| (loaded.digest, percent_of(share)));
            (follower.live.as_ref().map(|live| live.digest), canary)
        };
        let before = (old_live.as_ref().map(|live| live.digest), canary);
        if answering(self) == before {
            return;
        }
        if let Err(error) = swap(self.entries()) {
            (self.live, self.canary) = (old_live, old_canary);
            if let Some(wanted) = wish.live {
                self.refuse(&wanted, &error, events);
            }
            return;
        }
        self.status.switches.fetch_add(1, Ordering::Relaxed);
        events.note(format!("`{}`: {}", self.status.target, self.in_words()));
        let stays = |served: &Arc<Served>| self.entries().iter().any(|entry| Arc::ptr_eq(&entry.served, served));
        let old = old_live.into_iter().chain(old_canary.map(|(loaded, _)| loaded)).map(|loaded| loaded.served);
        let gone: Vec<_> = old.filter(|served| !stays(served)).collect();
        self.retired.extend(gone);
        self.tell();
    }

    /// The release, which may be loaded already; `None` where it can't be loaded now.
    fn bring(
        &mut self,
        release: &Digest,
        serve: &impl Fn(Release) -> Result<Served>,
        events: &dyn EventSink,
    ) -> Option<Loaded> {
        let known = self.live.iter().chain(self.canary.iter().map(|(loaded, _)| loaded));
        if let Some(known) = known.into_iter().find(|known| known.digest == *release) {
            return Some(known.clone());
        }
        if self.refused.iter().any(|refused| refused.release == *release && Instant::now() < refused.again) {
            return None;
        }
        match self.source.load(release).and_then(serve) {
            Ok(served) => {
                self.refused.retain(|refused| refused.release != *release);
                if self.status.told().refused.is_some_and(|refused| refused.release == *release) {
                    self.tell_refused(None);
                }
                Some(Loaded { digest: *release, served: Arc::new(served) })
            }
            Err(error) if error.kind() == Kind::Interrupted => None,
            Err(error) => {
                self.refuse(release, &error, events);
                None
            }
        }
    }

    /// Keeps in mind that a release can't be loaded, and says it once.
    fn refuse(&mut self, release: &Digest, error: &Error, events: &dyn EventSink) {
        let known = self.refused.iter_mut().find(|refused| refused.release == *release);
        let is_new = known.is_none();
        let tries = known.as_ref().map_or(0, |refused| refused.tries) + 1;
        let pause = FIRST_RETRY.saturating_mul(1 << (tries - 1).min(10)).min(LONGEST_RETRY);
        let again = Instant::now() + pause;
        match known {
            Some(refused) => (refused.tries, refused.again) = (tries, again),
            None => self.refused.push(Refused { release: *release, tries, again }),
        }
        if is_new {
            let now = self.in_words();
            events.emit(Event::Warning {
                message: format!("`{}`: release {} is not served: {error}; {now}", self.status.target, release.short()),
                hint: error.hint().map(str::to_owned),
            });
        }
        let why = match error.kind() {
            Kind::Check => error.chain().last().unwrap_or_default(),
            // What else goes wrong may name files of this machine, which are for the log.
            _ => "it can't be brought here or loaded; the log of the server says why".into(),
        };
        let since = self.status.told().refused.filter(|told| told.release == *release).map(|told| told.since);
        let since = since.unwrap_or_else(Timestamp::now);
        self.tell_refused(Some(TellRefused { release: *release, why, since }));
    }

    /// What is wrong with the target: the log hears of it once, with everything, and whoever asks hears why in short.
    fn trouble(&mut self, what: &str, hint: Option<&str>, why: &str, events: &dyn EventSink) {
        let message = format!("`{}` {what}; {}", self.status.target, self.in_words());
        if self.trouble.as_ref() != Some(&message) {
            events.emit(Event::Warning { message: message.clone(), hint: hint.map(str::to_owned) });
            self.trouble = Some(message);
        }
        self.status.tell(|told| told.trouble = Some(why.to_owned()));
    }

    /// What answers, for the log.
    fn in_words(&self) -> String {
        let name = |loaded: &Loaded| {
            let origin = &loaded.served.model.origin;
            format!("{} {} ({})", origin.model_name, origin.model_version, loaded.digest.short())
        };
        let live = self.live.as_ref().map_or("nothing answers".into(), |live| format!("{} answers", name(live)));
        match &self.canary {
            Some((canary, share)) => format!("{live}, and {} % of requests get {}", percent_of(share), name(canary)),
            None => live,
        }
    }

    fn tell(&self) {
        self.status.tell(|told| {
            told.live = self.live.as_ref().map(|live| live.digest);
            told.canary = self
                .canary
                .as_ref()
                .map(|(loaded, share)| TellCanary { release: loaded.digest, percent: percent_of(share) });
        });
    }

    fn tell_refused(&self, refused: Option<TellRefused>) {
        self.status.is_refusing.store(refused.is_some(), Ordering::Relaxed);
        self.status.tell(|told| told.refused = refused);
    }
}

fn percent_of(share: &Share) -> u8 {
    match share {
        Share::Rest => 100,
        Share::Canary { percent, .. } => *percent,
    }
}

/// Looks at every follower, again and again, until one of these asks to stop.
pub fn follow(app: &App, mut followers: Vec<Follower>, fixed: &[Entry], every: Duration, stop: &[&Interrupt]) {
    let serve = |release: Release| app.serving.serve(release, app.events.clone());
    let mut entries: BTreeMap<usize, Vec<Entry>> =
        followers.iter().enumerate().map(|(index, follower)| (index, follower.entries())).collect();
    let mut next = Instant::now() + every;
    while !stop.iter().any(|interrupt| interrupt.is_requested()) {
        if Instant::now() < next {
            std::thread::sleep(PAUSE.min(every));
            continue;
        }
        for (index, follower) in followers.iter_mut().enumerate() {
            let swap = |new: Vec<Entry>| {
                let others = entries.iter().filter(|(other, _)| **other != index).flat_map(|(_, entries)| entries);
                let all = fixed.iter().chain(others).cloned().chain(new);
                Catalog::new(all.collect()).map(|catalog| app.replace(catalog))
            };
            follower.look(&serve, &swap, &*app.events);
            entries.insert(index, follower.entries());
        }
        next = Instant::now() + every;
    }
}
