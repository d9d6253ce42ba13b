//! A canary: a release that answers a part of the requests beside the live one, until it is made live or ended.

use super::{Deployed, Order, RolledBack, Switch};
use crate::bundle::Bundle;
use crate::deploy::history::{Action, Outcome};
use crate::deploy::split::{self, Split};
use crate::deploy::{Answer, Candidate, Target, gone, plan};
use crate::event::Watch;
use crate::fs::escape;
use crate::{Digest, Error, Result};

/// Has the bundle answer so many of each hundred requests beside the live release, on servers that follow the target. It is
/// uploaded and asked as for [`deploy`].
pub fn deploy_canary(
    target: &dyn Target,
    bundle: &Bundle,
    percent: u8,
    order: &Order<'_>,
    watch: Watch<'_>,
) -> Result<Deployed> {
    let _alone = target.lock(&format!("mlx deploy by {}", escape(order.who.as_bytes())))?;
    let (release, description) = (bundle.digest(), bundle.description());
    let plan = plan(target, &bundle.into())?;
    let Some(live) = plan.live.as_ref().map(|live| live.release) else {
        return Err(Error::usage(format!("nothing is live on `{}` that a canary could stand beside", order.name))
            .with_hint(format!("make it live: `mlx deploy {}` without `--canary`", order.name)));
    };
    let done = |changed, canary| Deployed { target: order.name.to_owned(), changed, canary, plan: plan.clone() };
    if plan.is_live() {
        return Ok(done(false, None));
    }
    // A split that can't be read is written anew.
    let before = split::canary(target, Some(&live)).ok().flatten();
    let is_known = before.as_ref().is_some_and(|split| split.release == release) && plan.upload.is_empty();
    if is_known && before.is_some_and(|split| split.percent == percent) {
        return Ok(done(false, Some(percent)));
    }
    target.check_canary(percent)?;
    let was_there = target.releases()?.contains(&release);
    let switch = Switch { target, order, action: Action::Deploy, release, description, watch };
    switch.noting_failure(|| switch.run_hooks(order.hooks.before))?;
    if !is_known {
        switch.noting_failure(|| target.upload(bundle, watch))?;
        switch.settling(|| switch.probe(Some(live), !was_there))?;
    }
    watch.interrupt.check()?;
    switch.noting_failure(|| target.divert(Some(&Split::new(release, percent, order.who))))?;
    switch.note(Some(live), Outcome::Canary, Some(&format!("{percent} % of the requests")));
    let health = order.check.health;
    let front = if health.url.is_some() || health.watch.is_some() { switch.front()? } else { None };
    if let Some(front) = &front
        && let Answer::No { why, .. } = switch
            .watch_canary(&front.url)
            .map_err(|error| switch.unwatched(error, "answers a part of the requests on", "ends that"))?
    {
        target.divert(None)?;
        switch.note(Some(live), Outcome::Returned, Some(&why));
        return Err(switch.watched_badly(&why, &format!("{} answers all requests again", switch.named(&live))));
    }
    Ok(done(true, Some(percent)))
}

/// Makes the canary the live release.
pub fn promote_canary(target: &dyn Target, order: &Order<'_>, watch: Watch<'_>) -> Result<Deployed> {
    let _alone = target.lock(&format!("mlx deploy by {}", escape(order.who.as_bytes())))?;
    let live = target.live()?;
    let split = split::canary(target, live.as_ref())?.ok_or_else(|| {
        Error::usage(format!("`{}` has no canary", order.name))
            .with_hint(format!("start one: `mlx deploy {} --canary 10%`", order.name))
    })?;
    let release = split.release;
    let description = target.description(&release)?.ok_or_else(|| gone(&release, &target.place()))?;
    let description = &description;
    // Its layers lie there already.
    let plan = plan(target, &Candidate { release, description, layers: Vec::new(), own: Vec::new() })?;
    let switch = Switch { target, order, action: Action::Deploy, release, description, watch };
    switch.noting_failure(|| switch.run_hooks(order.hooks.before))?;
    switch.carry_out(plan.live.as_ref().map(|live| live.release), false)?;
    switch.retire();
    switch.run_hooks(order.hooks.after).map_err(|error| switch.after_the_fact(error))?;
    Ok(Deployed { target: order.name.to_owned(), changed: true, canary: None, plan })
}

/// Gives all requests back to the live release; `None` where it has them. A split that can't be read ends, too.
pub(super) fn end(
    target: &dyn Target,
    live: &Digest,
    order: &Order<'_>,
    watch: Watch<'_>,
) -> Result<Option<RolledBack>> {
    let split = split::canary(target, Some(live));
    if matches!(split, Ok(None)) {
        return Ok(None);
    }
    target.divert(None)?;
    let Some(description) = target.description(live)? else { return Ok(None) };
    let canary = split.ok().flatten().map(|split| split.release);
    if let Some(release) = canary
        && let Ok(Some(description)) = target.description(&release)
    {
        let description = &description;
        let switch = Switch { target, order, action: Action::Rollback, release, description, watch };
        switch.note(Some(*live), Outcome::Returned, Some("the canary was ended"));
    }
    Ok(Some(RolledBack {
        target: order.name.to_owned(),
        place: target.place(),
        changed: true,
        canary_ended: true,
        release: *live,
        model: description.model.name,
        version: description.model.version,
        run: description.lineage.run,
        before: canary,
    }))
}

impl Switch<'_> {
    /// Waits until the target's own server answers with the canary, and watches it.
    fn watch_canary(&self, url: &str) -> Result<Answer> {
        match self.own_server(url).await_takeover(&self.release)? {
            Answer::Yes => self.observe(url),
            no => Ok(no),
        }
    }
}
