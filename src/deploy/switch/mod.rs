//! From one release to another: deploy and rollback, and what is done when the new one does not answer.

mod canary;
mod said;

use jiff::Timestamp;
use serde::Serialize;

pub use canary::{CanaryPlan, deploy_canary, plan_canary, promote_canary};

use super::history::{self, Action, Entry, Outcome};
use super::releases::{Release, releases};
use super::watch::OwnServer;
use super::{Answer, Check, Front, Hooks, Plan, Target, hooks, is_unreadable, plan};
use crate::bundle::{Bundle, Description};
use crate::event::{EventSink, Silent, Watch};
use crate::fs::escape;
use crate::run::RunId;
use crate::{Digest, Error, Result};

/// Who changes which target, and how the release is asked. It is not shown anywhere, because of the token.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// The target's name in the manifest, for messages.
    pub name: &'a str,
    pub who: &'a str,
    pub check: Check<'a>,
    pub hooks: Hooks<'a>,
    /// What lets us see how the target's own server does.
    pub token: Option<&'a str>,
    /// How many releases stay on the target, the live one among them; all of them where nothing is said.
    pub keep: Option<u64>,
}

/// What a deploy did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deployed {
    pub target: String,
    /// Whether anything was done; not where the release was live already.
    pub changed: bool,
    /// Of each hundred requests the release answers so many, beside the live one; `None` where it is live itself.
    pub canary: Option<u8>,
    /// The release that a rollback goes to from here; `None` where there is none, or nothing was done.
    pub back: Option<Digest>,
    #[serde(flatten)]
    pub plan: Plan,
}

/// What a rollback did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RolledBack {
    pub target: String,
    pub place: String,
    pub changed: bool,
    /// Whether only a canary was ended, and the release was live all the time.
    pub canary_ended: bool,
    /// The release that is live now.
    pub release: Digest,
    pub model: String,
    pub version: u64,
    pub run: Option<RunId>,
    /// The release that was live before.
    pub before: Option<Digest>,
}

/// Makes the bundle the live release of the target: uploads what is missing, asks the release whether it answers, and
/// switches. Wherever that fails, the release that was live stays live or comes back.
pub fn deploy(target: &dyn Target, bundle: &Bundle, order: &Order<'_>, watch: Watch<'_>) -> Result<Deployed> {
    let _alone = target.lock(&format!("mlx deploy by {}", escape(order.who.as_bytes())))?;
    let (release, description) = (bundle.digest(), bundle.description());
    let plan = plan(target, &bundle.into())?;
    warn_of_gone(target, order, watch.events)?;
    if plan.is_live() {
        return Ok(Deployed { target: order.name.to_owned(), changed: false, canary: None, back: None, plan });
    }
    let was_there = target.releases()?.contains(&release);
    let switch = Switch { target, order, action: Action::Deploy, release, description, watch };
    switch.noting_failure(|| switch.run_hooks(order.hooks.before))?;
    switch.noting_failure(|| target.upload(bundle, watch))?;
    switch.carry_out(plan.live.as_ref().map(|live| live.release), !was_there)?;
    switch.retire();
    switch.run_hooks(order.hooks.after).map_err(|error| switch.after_the_fact(error))?;
    Ok(Deployed { target: order.name.to_owned(), changed: true, canary: None, back: switch.way_back(), plan })
}

/// Goes back to the release that was live before, or to the one with this digest. Nothing is uploaded. Where a canary
/// answers a part of the requests and no release is named, only that ends.
pub fn rollback(target: &dyn Target, to: Option<&Digest>, order: &Order<'_>, watch: Watch<'_>) -> Result<RolledBack> {
    let _alone = target.lock(&format!("mlx rollback by {}", escape(order.who.as_bytes())))?;
    warn_of_gone(target, order, watch.events)?;
    let live = target.live()?;
    let is_there = |release: &Digest| target.description(release).ok().flatten().is_some();
    if to.is_none()
        && let Some(live) = live.filter(is_there)
        && let Some(ended) = canary::end(target, &live, order, watch)?
    {
        return Ok(ended);
    }
    let release = match to {
        Some(release) => *release,
        None => history::before(&target.history(watch.events)?, live.as_ref(), is_there).ok_or_else(|| {
            Error::failed(format!("`{}` has no release to go back to", order.name))
                .with_hint(format!("`mlx releases {}` lists what lies there", order.name))
        })?,
    };
    let description = target.description(&release)?.ok_or_else(|| {
        Error::failed(format!("release {} is not on `{}` any more", release.short(), order.name))
            .with_hint("deploy its model version again")
    })?;
    let live = live.filter(is_there);
    let changed = live != Some(release);
    if changed {
        let description = &description;
        let switch = Switch { target, order, action: Action::Rollback, release, description, watch };
        switch.noting_failure(|| switch.run_hooks(order.hooks.before))?;
        switch.carry_out(live, false)?;
        switch.run_hooks(order.hooks.after).map_err(|error| switch.after_the_fact(error))?;
    }
    Ok(RolledBack {
        target: order.name.to_owned(),
        place: target.place(),
        changed,
        canary_ended: false,
        release,
        model: description.model.name,
        version: description.model.version,
        run: description.lineage.run,
        before: live,
    })
}

fn warn_of_gone(target: &dyn Target, order: &Order<'_>, events: &dyn EventSink) -> Result<()> {
    let Some(live) = target.live()? else { return Ok(()) };
    let (short, name) = (live.short(), order.name);
    match target.description(&live) {
        Ok(Some(_)) => {}
        Ok(None) => events.warn(format!("the live release {short} of `{name}` is gone: nothing answers there now")),
        Err(error) if is_unreadable(&error) => {
            events.warn(format!("what is live on `{name}` is no release that can be read: {error}"));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// A release on its way to be the live one.
struct Switch<'a> {
    target: &'a dyn Target,
    order: &'a Order<'a>,
    action: Action,
    release: Digest,
    description: &'a Description,
    watch: Watch<'a>,
}

impl Switch<'_> {
    /// Probes, switches and watches. `before` is the release that is live now; `is_new` says that the release lies there
    /// only since this deploy, and goes again if it does not answer.
    fn carry_out(&self, before: Option<Digest>, is_new: bool) -> Result<()> {
        self.settling(|| self.change(before, is_new))
    }

    fn change(&self, before: Option<Digest>, is_new: bool) -> Result<()> {
        let Self { target, release, watch, .. } = self;
        self.probe(before, is_new)?;
        watch.interrupt.check()?;
        // A canary stood beside the release that is live now, and not beside the next one.
        self.noting_failure(|| target.divert(None))?;
        self.noting_failure(|| target.activate(release))?;
        let asked = self.front().and_then(|front| match front {
            Some(front) => self.ask(&front.url).map(|answer| Some((front, answer))),
            None => Ok(None),
        });
        let why = match &asked {
            Ok(None) => {
                self.note(before, Outcome::Live, None);
                return Ok(());
            }
            Ok(Some((front, Answer::Yes))) => {
                self.note(before, Outcome::Live, None);
                return self.watch(&front.url, before);
            }
            Ok(Some((_, Answer::No { why, .. }))) => why.clone(),
            Err(error) => error.to_string(),
        };
        let end = match before {
            Some(old) => {
                target.activate(&old)?;
                self.note(before, Outcome::Returned, Some(&why));
                format!("{} is live again", self.named(&old))
            }
            None => {
                self.note(before, Outcome::Unanswered, Some(&why));
                "it stays live: there is no release to return to".into()
            }
        };
        Err(match asked {
            Ok(front) => self.silent(front.map_or(String::new(), |(front, _)| front.shown).as_str(), &why, &end),
            Err(error) => error,
        })
    }

    /// Where the server is that answers for the release now: the user's own, or one that the target keeps.
    fn front(&self) -> Result<Option<Front>> {
        match &self.order.check.health.url {
            Some(url) => Ok(Some(Front { url: url.clone(), shown: escape(url.as_bytes()), held: None })),
            None => self.target.front(&self.release, self.watch),
        }
    }

    /// Does something, and then lets go of what ran for it alone.
    fn settling<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = act();
        if let Err(error) = self.target.settle() {
            let name = self.order.name;
            self.watch.events.warn(format!("what ran on `{name}` for this change alone may go on: {error}"));
        }
        done
    }

    /// Asks the target's own server whether it is ready, and whether it answers with this release where it can tell.
    fn ask(&self, url: &str) -> Result<Answer> {
        let Self { target, order, release, watch, .. } = self;
        let health = order.check.health;
        match target.ask(url, health, *watch)? {
            Answer::Yes => self.own_server(url).await_takeover(release),
            Answer::No { why, .. } => Ok(Answer::no(format!("{why} for {} s", health.timeout.as_secs_f64()))),
        }
    }

    fn own_server<'s>(&'s self, url: &'s str) -> OwnServer<'s> {
        let Self { order, watch, .. } = self;
        OwnServer { url, token: order.token, health: order.check.health, watch: *watch }
    }

    /// Watches the release on the target's own server for as long as the target says.
    fn observe(&self, url: &str) -> Result<Answer> {
        let Self { order, release, description, watch, .. } = self;
        if let Some(window) = order.check.health.watch {
            let (model, url) = (&description.model, escape(url.as_bytes()));
            let seconds = window.as_secs_f64();
            watch.events.note(format!("watching `{}` {} on {url} for {seconds} s", model.name, model.version));
        }
        self.own_server(url).observe(release)
    }

    /// Asks the release whether it answers; an error where it does not.
    fn probe(&self, before: Option<Digest>, is_new: bool) -> Result<()> {
        let Self { target, order, release, watch, .. } = self;
        let probed = self.noting_failure(|| target.probe(release, &order.check, *watch))?;
        let Answer::No { why, last_lines } = probed else { return Ok(()) };
        // What its server said last tells more than that it ended.
        let last = last_lines.last().map_or(String::new(), |line| format!(": {}", line.trim()));
        self.note(before, Outcome::Refused, Some(&format!("{why}{last}")));
        if is_new {
            target.remove(release)?;
        }
        Err(self.refusal(before, &why, &last_lines))
    }

    /// Watches the release on the target's own server, and returns to the one before where it does not do well.
    fn watch(&self, url: &str, before: Option<Digest>) -> Result<()> {
        let Self { target, order, release, watch, .. } = self;
        let observed = self
            .observe(url)
            .map_err(|error| self.unwatched(error, "is live on", self.way_back().map(|_| "goes back")))?;
        let Answer::No { why, .. } = observed else { return Ok(()) };
        let end = match before {
            Some(old) => {
                target.activate(&old)?;
                if let Ok(Some(description)) = target.description(&old) {
                    let (action, description) = (Action::Rollback, &description);
                    let back = Switch { target: *target, order, action, release: old, description, watch: *watch };
                    back.note(Some(*release), Outcome::Live, Some(&format!("the next one was watched: {why}")));
                }
                format!("{} is live again", self.named(&old))
            }
            None => "it stays live: there is no release to return to".into(),
        };
        Err(self.watched_badly(&why, &end))
    }

    fn run_hooks(&self, commands: &[String]) -> Result<()> {
        let Self { target, order, action, release, description, watch } = self;
        let action = match action {
            Action::Deploy => "deploy",
            Action::Rollback => "rollback",
        };
        let variables = [
            ("MLX_TARGET", order.name.to_owned()),
            ("MLX_PLACE", target.place()),
            ("MLX_ACTION", action.to_owned()),
            ("MLX_RELEASE", release.to_string()),
            ("MLX_MODEL", description.model.name.clone()),
            ("MLX_VERSION", description.model.version.to_string()),
        ];
        hooks::run(commands, order.hooks.directory, &variables, *watch)
    }

    /// Takes the releases away that are too many: those that were live longest ago. The deploy is done already, so that a
    /// failure is told and no more.
    fn retire(&self) {
        let Self { target, order, watch, .. } = self;
        let Some(keep) = order.keep else { return };
        let retired = releases(*target, &Silent).and_then(|releases| {
            let old: Vec<&Release> = releases.iter().skip(usize::try_from(keep).unwrap_or(usize::MAX)).collect();
            let is_idle = |release: &&&Release| !release.live && release.canary.is_none();
            old.iter().filter(is_idle).try_for_each(|release| target.remove(&release.release))?;
            // What a killed deploy left counts as well, so that it is looked at whether anything went or not.
            target.sweep()
        });
        if let Err(error) = retired {
            watch.events.warn(format!("old releases stay on `{}`: {error}", order.name));
        }
    }

    /// The release that a rollback goes to now that this one is live; `None` where there is none, or nobody can tell.
    fn way_back(&self) -> Option<Digest> {
        let Self { target, release, .. } = self;
        let is_there = |release: &Digest| target.description(release).ok().flatten().is_some();
        history::before(&target.history(&Silent).ok()?, Some(release), is_there)
    }

    /// Writes a failure down before it goes on to the user.
    fn noting_failure<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        act().inspect_err(|error| {
            let before = self.target.live().ok().flatten();
            self.note(before, Outcome::Failed, Some(&error.to_string()));
        })
    }

    /// Appends to the history. What was done is done: where it cannot be written down, a warning says so.
    fn note(&self, before: Option<Digest>, outcome: Outcome, why: Option<&str>) {
        let entry = Entry {
            when: Timestamp::now(),
            who: self.order.who.to_owned(),
            action: self.action,
            release: self.release,
            model: self.description.model.name.clone(),
            version: self.description.model.version,
            run: self.description.lineage.run.clone(),
            before,
            outcome,
            why: why.map(str::to_owned),
        };
        if let Err(error) = self.target.append(&entry) {
            self.watch.events.warn(format!("the history of `{}` lacks this: {error}", self.order.name));
        }
    }
}
